/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Sentries for all who share a bridge with a source.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/bridge.h"
#include "asterisk/bridge_channel.h"
#include "asterisk/channel.h"
#include "asterisk/linkedlists.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "sentry.h"

/* Sentries are to be set around a source. */
struct call {
	struct sentry *sentry;
	char id[AST_MAX_UNIQUEID];
};

/* Who is in a bridge, as one number. The bridge is locked. */
static uintptr_t company_of(struct ast_bridge *bridge)
{
	const struct ast_bridge_channel *member;
	uintptr_t company = 0;

	AST_LIST_TRAVERSE(&bridge->channels, member, entry)
	{
		company = company * 31 + (uintptr_t)member;
	}
	return company;
}

/* False if it is known that others are in the bridge than were. A channel's lock comes behind the bridge's,
 * so that one is not waited for: who holds it may be mixing. */
static bool is_same_company(struct ast_bridge *bridge, uintptr_t company)
{
	bool same;

	if (ao2_trylock(bridge)) {
		return true;
	}
	same = company_of(bridge) == company;
	ao2_unlock(bridge);
	return same;
}

/* The other half of a pair, with a reference, or NULL. */
static struct ast_channel *other_half(struct ast_channel *chan)
{
	char name[AST_CHANNEL_NAME], *last;

	ast_channel_lock(chan);
	ast_copy_string(name, ast_channel_name(chan), sizeof(name));
	ast_channel_unlock(chan);
	last = name + strlen(name) - 1;
	if (last <= name || last[-1] != ';') {
		return NULL;
	}
	*last = *last == '1' ? '2' : '1';
	return ast_channel_get_by_name(name);
}

/* NULL is nobody. */
static bool set_one(struct ast_channel *chan)
{
	bool set = true;

	if (chan) {
		ast_channel_lock(chan);
		set = sentry_post(chan) != NULL;
		ast_channel_unlock(chan);
	}
	return set;
}

/* Sentries for all who share a bridge, and who they are. False if one could not be set. No lock is held. */
static bool set_all(struct ast_bridge *bridge, uintptr_t *company)
{
	struct ao2_container *peers;
	struct ao2_iterator iterator;
	struct ast_channel *peer, *half;
	bool set = true;

	ast_bridge_lock(bridge);
	*company = company_of(bridge);
	peers = ast_bridge_peers_nolock(bridge);
	ast_bridge_unlock(bridge);
	if (!peers) {
		return false;
	}
	iterator = ao2_iterator_init(peers, 0);
	while ((peer = ao2_iterator_next(&iterator))) {
		half = other_half(peer);
		set &= set_one(peer) & set_one(half);
		if (half) {
			ast_channel_unref(half);
		}
		ast_channel_unref(peer);
	}
	ao2_iterator_destroy(&iterator);
	ao2_ref(peers, -1);
	return set;
}

/* The task of a source that has entered a bridge, or somebody has. */
static int surround(void *data)
{
	struct call *call = data;
	struct ast_channel *chan = ast_channel_get_by_name(call->id);
	struct ast_bridge *bridge = NULL;
	uintptr_t company = 0;
	bool set;

	if (chan) {
		ast_channel_lock(chan);
		bridge = ast_channel_get_bridge(chan);
		ast_channel_unlock(chan);
		set = bridge && set_all(bridge, &company);
		ast_channel_lock(chan);
		call->sentry->calling = false;
		if (set && !strcmp(call->sentry->keys[KEY_BRIDGE], bridge->uniqueid)) {
			call->sentry->surrounded = true;
			call->sentry->company = company;
		}
		ast_channel_unlock(chan);
		ao2_cleanup(bridge);
		ast_channel_unref(chan);
	}
	ao2_ref(call->sentry, -1);
	ast_free(call);
	return 0;
}

/* The channel is locked. */
static void call_others(struct sentry *sentry, struct ast_channel *chan)
{
	struct call *call = ast_calloc(1, sizeof(*call));

	if (!call) {
		return;
	}
	call->sentry = ao2_bump(sentry);
	ast_copy_string(call->id, ast_channel_uniqueid(chan), sizeof(call->id));
	sentry->calling = true;
	if (report_task(surround, call)) {
		sentry->calling = false;
		ao2_ref(sentry, -1);
		ast_free(call);
	}
}

/* A source's frame goes to its bridge: false until everybody there has a sentry. */
bool sentry_may_enter(
	struct sentry *sentry, struct ast_channel *chan, struct ast_bridge *bridge, const char *origin)
{
	const char *key = bridge ? bridge->uniqueid : "";

	if (strcmp(sentry->keys[KEY_BRIDGE], key)) {
		sentry->surrounded = false;
		sentry_set_key(sentry, KEY_BRIDGE, key, origin);
	}
	if (!bridge || (sentry->surrounded && is_same_company(bridge, sentry->company))) {
		return true;
	}
	sentry->surrounded = false;
	if (!sentry->calling) {
		call_others(sentry, chan);
	}
	return false;
}
