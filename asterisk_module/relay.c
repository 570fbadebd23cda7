/* SPDX-License-Identifier: GPL-2.0-only
 *
 * SASrelay (RFC 6189 section 7.3): a phone that is enrolled at this PBX is shown the SAS of the far end in
 * place of ours. Passthrough hears of changed bridges from here as well.
 *
 * Two legs are looked at when a channel enters a bridge and when a leg becomes secure in one. One stream is
 * locked at a time, and no channel meanwhile.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/stasis.h"
#include "asterisk/stasis_bridges.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

static struct stasis_subscription *subscription;

/* The audio of a channel and what ZRTP agreed on for it; NULL if it did not. */
static struct ast_srtp *secured_leg(struct ast_channel *chan, sealrtp_zrtp_info *info)
{
	struct ast_srtp *stream;

	ast_channel_lock(chan);
	stream = stream_of_channel(chan, false);
	ast_channel_unlock(chan);
	if (stream && !zrtp_info(stream, info)) {
		ao2_ref(stream, -1);
		stream = NULL;
	}
	return stream;
}

static void relay(struct ast_srtp *enrolled, const sealrtp_zrtp_info *far_end)
{
	char call[CALL_TEXT_SIZE];
	sealrtp_result result;

	ao2_lock(enrolled);
	result = sealrtp_session_zrtp_relay_sas(enrolled->session, far_end);
	transport_pump(enrolled);
	if (result == SEALRTP_OK) {
		ast_verb(3, "SealRTP: %s: the far end's SAS %s is relayed\n",
			stream_call(enrolled, call, sizeof(call)), far_end->sas);
	}
	ao2_unlock(enrolled);
}

/* Exactly one leg is enrolled: the other has nothing to show a relayed SAS by, and two enrolled ones would
 * each be shown what the other shows no more. */
static void relay_between(struct ast_channel *left, struct ast_channel *right)
{
	sealrtp_zrtp_info of_left, of_right;
	struct ast_srtp *from_left = secured_leg(left, &of_left);
	struct ast_srtp *from_right = from_left ? secured_leg(right, &of_right) : NULL;

	if (from_right && of_left.enrolled != of_right.enrolled) {
		if (of_left.enrolled) {
			relay(from_left, &of_right);
		} else {
			relay(from_right, &of_left);
		}
	}
	ao2_cleanup(from_left);
	ao2_cleanup(from_right);
}

/* A leg has entered a bridge, or has become secure. No lock is held. */
void relay_sas(const char *channel_id)
{
	struct ast_channel *chan = ast_channel_get_by_name(channel_id);
	struct ast_channel *peer = chan ? ast_channel_bridge_peer(chan) : NULL;

	if (peer) {
		relay_between(chan, peer);
		ast_channel_unref(peer);
	}
	if (chan) {
		ast_channel_unref(chan);
	}
}

#if SEALRTP_ASTERISK_MAJOR < 17
#define UNIQUEID(snapshot) (snapshot)->uniqueid
#else
#define UNIQUEID(snapshot) (snapshot)->base->uniqueid
#endif

/* Who has come or gone, and who is there. */
static void tell_passthrough(const struct ast_bridge_blob *blob)
{
	struct ao2_iterator iterator;
	char *id;

	if (blob->channel) {
		passthrough_bridge_changed(UNIQUEID(blob->channel));
	}
	if (!blob->bridge) {
		return;
	}
	iterator = ao2_iterator_init(blob->bridge->channels, 0);
	while ((id = ao2_iterator_next(&iterator))) {
		passthrough_bridge_changed(id);
		ao2_ref(id, -1);
	}
	ao2_iterator_destroy(&iterator);
}

static void on_message(void *data, struct stasis_subscription *sub, struct stasis_message *message)
{
	bool entered = stasis_message_type(message) == ast_channel_entered_bridge_type();
	struct ast_bridge_blob *blob;

	(void)data, (void)sub;
	if (!entered && stasis_message_type(message) != ast_channel_left_bridge_type()) {
		return;
	}
	blob = stasis_message_data(message);
	tell_passthrough(blob);
	if (entered && blob->channel) {
		relay_sas(UNIQUEID(blob->channel));
	}
}

int relay_start(void)
{
	subscription = __stasis_subscribe(ast_bridge_topic_all(), on_message, NULL, __FILE__, __LINE__, __func__);
	if (!subscription) {
		return -1;
	}
	stasis_subscription_accept_message_type(subscription, ast_channel_entered_bridge_type());
	stasis_subscription_accept_message_type(subscription, ast_channel_left_bridge_type());
	stasis_subscription_set_filter(subscription, STASIS_SUBSCRIPTION_FILTER_SELECTIVE);
	return 0;
}

void relay_stop(void)
{
	if (subscription) {
		subscription = stasis_unsubscribe_and_join(subscription);
	}
}
