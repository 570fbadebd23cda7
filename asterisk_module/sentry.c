/* SPDX-License-Identifier: GPL-2.0-only
 *
 * A sentry: its life on a channel, and where the audio of sources goes.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/datastore.h"
#include "asterisk/framehook.h"
#include "asterisk/linkedlists.h"
#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "sentry.h"

/* A recorder that comes again within this time was told already. */
#define SAME_S 60

/* Every sentry; it is in here as long as it lives. */
static AST_LIST_HEAD_NOLOCK_STATIC(sentries, sentry);
AST_MUTEX_DEFINE_STATIC(lock);
static int alive;

/* Our functions are called as long as there is one. */
unsigned int recording_sentries(void)
{
	return ast_atomic_fetchadd_int(&alive, 0);
}

static void sentry_destroy(void *object)
{
	struct sentry *sentry = object;

	ast_mutex_lock(&lock);
	AST_LIST_REMOVE(&sentries, sentry, next);
	ast_mutex_unlock(&lock);
	ast_atomic_fetchadd_int(&alive, -1);
	ast_module_unref(AST_MODULE_SELF);
}

void sentry_drop(void *data)
{
	ao2_ref(data, -1);
}

static const struct ast_datastore_info info = {
	.type = "sealrtp-recording",
	.destroy = sentry_drop,
};

/* The channel is locked. */
struct sentry *sentry_find(struct ast_channel *chan)
{
	struct ast_datastore *datastore;
	struct sentry *sentry;

	while ((datastore = ast_channel_datastore_find(chan, &info, NULL))) {
		sentry = datastore->data;
		if (!sentry->gone) {
			return sentry;
		}
		ast_channel_datastore_remove(chan, datastore);
		ast_datastore_free(datastore);
	}
	return NULL;
}

/* The channel's sentry, a new one where there was none. The channel is locked. */
struct sentry *sentry_post(struct ast_channel *chan)
{
	struct sentry *sentry = sentry_find(chan);
	struct ast_datastore *datastore;
	struct ast_framehook_interface hook = sentry_hook;

	if (sentry) {
		return sentry;
	}
	sentry = ao2_alloc_options(sizeof(*sentry), sentry_destroy, AO2_ALLOC_OPT_LOCK_NOLOCK);
	if (!sentry) {
		return NULL;
	}
	ast_atomic_fetchadd_int(&alive, 1);
	ast_module_ref(AST_MODULE_SELF);
	ast_mutex_lock(&lock);
	AST_LIST_INSERT_TAIL(&sentries, sentry, next);
	ast_mutex_unlock(&lock);
	datastore = ast_datastore_alloc(&info, NULL);
	hook.data = ao2_bump(sentry);
	if (!datastore || ast_framehook_attach(chan, &hook) < 0) {
		ast_log(LOG_ERROR, "%s: no memory, recorders cannot be refused\n", ast_channel_name(chan));
		if (datastore) {
			ast_datastore_free(datastore);
		}
		ao2_ref(sentry, -2);
		return NULL;
	}
	datastore->data = sentry;
	ast_channel_datastore_add(chan, datastore);
	return sentry;
}

/* The channel is locked. */
void sentry_tell(
	struct sentry *sentry, struct ast_channel *chan, const struct recorder *recorder, const char *origin)
{
	time_t *last = &sentry->refused[recorder_number(recorder)];
	time_t now = ast_tvnow().tv_sec;
	bool told = recorder->persists && *last && now - *last < SAME_S;

	*last = now;
	sentry->last = recorder;
	if (!told) {
		refusal_tell(chan, recorder, origin);
	}
}

/* A source's audio goes there, or nobody's any more. */
void sentry_set_key(struct sentry *sentry, int which, const char *key, const char *origin)
{
	if (strcmp(sentry->keys[which], key)) {
		ast_mutex_lock(&lock);
		ast_copy_string(sentry->keys[which], key, KEY_SIZE);
		ast_copy_string(sentry->origin, origin, sizeof(sentry->origin));
		ast_mutex_unlock(&lock);
	}
}

/* Whether somebody else's audio goes there; whose, by a unique id. */
bool sentry_is_reached(const struct sentry *self, int which, const char *key, char *origin)
{
	const struct sentry *sentry;

	if (!*key) {
		return false;
	}
	ast_mutex_lock(&lock);
	AST_LIST_TRAVERSE(&sentries, sentry, next)
	{
		if (sentry != self && !strcmp(sentry->keys[which], key)) {
			ast_copy_string(origin, sentry->origin, AST_MAX_UNIQUEID);
			break;
		}
	}
	ast_mutex_unlock(&lock);
	return sentry != NULL;
}

/* "Local/100@default-00000001;1" gives the name of the pair; "" for a channel that is none of a pair. */
void sentry_pair_of(struct ast_channel *chan, char *pair)
{
	const char *name = ast_channel_name(chan);
	size_t length = strlen(name);

	pair[0] = '\0';
	if (length > 2 && name[length - 2] == ';') {
		ast_copy_string(pair, name, KEY_SIZE);
		pair[length - 2] = '\0';
	}
}

/* Whether nobody may record the channel's audio. The channel is locked. */
bool sentry_is_source(struct sentry *sentry, struct ast_channel *chan, char *origin)
{
	struct ast_srtp *stream;
	char pair[KEY_SIZE];

	if (sentry->refuses) {
		if (!sentry->secured && (stream = stream_of_channel(chan, false))) {
			sentry->secured = stream_state(stream) == SEALRTP_STATE_SECURE;
			ao2_ref(stream, -1);
		}
		if (sentry->secured) {
			ast_copy_string(origin, ast_channel_uniqueid(chan), AST_MAX_UNIQUEID);
			return true;
		}
	}
	sentry_pair_of(chan, pair);
	return sentry_is_reached(sentry, KEY_PAIR, pair, origin);
}
