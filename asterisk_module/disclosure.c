/* SPDX-License-Identifier: GPL-2.0-only
 *
 * recording = disclose: ZRTP peers are told that what runs here may disclose the call (RFC 6189 section 11).
 *
 * The flag goes out with the keys, in Confirm. A recorder that comes later can be told of only in a SASrelay,
 * to an enrolled phone whose call is relayed; else just the administrator is told that the peer is not.
 */

#include "asterisk.h"

#include <dlfcn.h>

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/json.h"
#include "asterisk/logger.h"
#include "asterisk/manager.h"
#include "asterisk/stasis.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#if SEALRTP_ASTERISK_MAJOR < 17
#define ID_OF(snapshot) (snapshot)->uniqueid
#else
#define ID_OF(snapshot) (snapshot)->base->uniqueid
#endif

/* Applications that may record or not are no sign. */
#define ANY_RECORDER (RECORDER_AUDIOHOOK | RECORDER_MONITOR)

static struct stasis_subscription *subscription;
/* Of res_stasis_recording, once that is loaded. */
static struct stasis_message_type *ari;

static uint32_t action_of(struct ast_channel *chan, bool zrtp, bool secured)
{
	struct settings *settings = config_get();
	sealrtp_config *config = settings ? config_for_channel(settings, chan) : NULL;
	uint32_t action = sealrtp_recording_action(config, zrtp, secured);

	sealrtp_config_free(config);
	ao2_cleanup(settings);
	return action;
}

/* Whether a channel of the same call has a recorder. No lock is held. */
static bool is_recorded(const char *linked_id)
{
	struct ast_channel_iterator *iterator = ast_channel_iterator_all_new();
	struct ast_channel *chan;
	bool found = false;

	if (!iterator) {
		return false;
	}
	while (!found && (chan = ast_channel_iterator_next(iterator))) {
		ast_channel_lock(chan);
		found = !strcmp(ast_channel_linkedid(chan), linked_id) &&
				(channel_recorded(chan) || recorder_find(chan, ANY_RECORDER, NULL));
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
	}
	ast_channel_iterator_destroy(iterator);
	return found;
}

/* Whether a call's Confirm is to have the flag: it is recorded, or will be. No lock is held. */
bool disclosure_is_due(struct ast_channel *chan)
{
	char linked_id[AST_MAX_UNIQUEID];

	disclosure_learn();
	ast_channel_lock(chan);
	ast_copy_string(linked_id, ast_channel_linkedid(chan), sizeof(linked_id));
	ast_channel_unlock(chan);
	return action_of(chan, true, false) == SEALRTP_RECORDING_DISCLOSE && is_recorded(linked_id);
}

/* What is known of a channel that may have to be disclosed. */
struct leg {
	char name[AST_CHANNEL_NAME];
	char id[AST_MAX_UNIQUEID];
	/* ZRTP has made its keys. */
	bool zrtp;
	/* Confirm had the flag. */
	bool disclosed;
};

/* The channel is locked. */
static void learn_leg(struct ast_channel *chan, struct leg *leg)
{
	struct ast_srtp *stream = stream_of_channel(chan, false);

	memset(leg, 0, sizeof(*leg));
	ast_copy_string(leg->name, ast_channel_name(chan), sizeof(leg->name));
	ast_copy_string(leg->id, ast_channel_uniqueid(chan), sizeof(leg->id));
	if (stream) {
		ao2_lock(stream);
		leg->zrtp = stream->zrtp_secured && !stream->zrtp.stopped;
		leg->disclosed = stream->zrtp.disclosed;
		ao2_unlock(stream);
		ao2_ref(stream, -1);
	}
}

/* Whether an enrolled phone is to be told, in what it is relayed, that its call is recorded. No lock is held.
 */
bool disclosure_is_relayed(struct ast_channel *enrolled)
{
	char linked_id[AST_MAX_UNIQUEID];
	struct leg leg;

	ast_channel_lock(enrolled);
	learn_leg(enrolled, &leg);
	ast_copy_string(linked_id, ast_channel_linkedid(enrolled), sizeof(linked_id));
	ast_channel_unlock(enrolled);
	return action_of(enrolled, leg.zrtp, leg.zrtp) == SEALRTP_RECORDING_DISCLOSE && is_recorded(linked_id);
}

static void tell(struct ast_channel *chan, const char *recorder)
{
	struct leg leg;

	ast_channel_lock(chan);
	learn_leg(chan, &leg);
	ast_channel_unlock(chan);
	if (!leg.zrtp || action_of(chan, true, true) != SEALRTP_RECORDING_DISCLOSE) {
		return;
	}
	if (!leg.disclosed) {
		ast_verb(3,
			"SealRTP: %s: %s began after the keys were made: ZRTP cannot tell the peer any more. "
			"Set(SEALRTP(recording)=yes) before Answer() or Dial() does\n",
			leg.name, recorder);
	}
	manager_event(EVENT_FLAG_CALL, "SealRTPRecorded",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Recorder: %s\r\n"
		"Disclosed: %s\r\n",
		leg.name, leg.id, recorder, leg.disclosed ? "yes" : "no");
	relay_sas(leg.id);
}

/* A recorder has begun, on the channel or on the one that it talks to. */
static void recorded(const char *id, const char *recorder)
{
	struct ast_channel *chan = ast_channel_get_by_name(id);
	struct ast_channel *peer = chan ? ast_channel_bridge_peer(chan) : NULL;

	if (chan) {
		tell(chan, recorder);
		ast_channel_unref(chan);
	}
	if (peer) {
		tell(peer, recorder);
		ast_channel_unref(peer);
	}
}

static void ari_says(const struct ast_channel_blob *blob)
{
	const char *state = blob->blob ? ast_json_string_get(ast_json_object_get(blob->blob, "state")) : NULL;

	if (!strcmp(S_OR(state, ""), "recording")) {
		recording_by_ari(ID_OF(blob->snapshot));
		recorded(ID_OF(blob->snapshot), "ARI");
	}
}

/* Runs in the subscription's own thread. */
static void on_message(void *data, struct stasis_subscription *sub, struct stasis_message *message)
{
	struct stasis_message_type *type = stasis_message_type(message);
	struct ast_channel_snapshot *spied;
	struct ast_channel_blob *blob;

	(void)data, (void)sub;
	if (type == ast_channel_chanspy_start_type()) {
		spied = ast_multi_channel_blob_get_channel(stasis_message_data(message), "spyee_channel");
		if (spied) {
			recorded(ID_OF(spied), "ChanSpy");
		}
		return;
	}
	blob = stasis_message_data(message);
	if (type == ast_channel_mixmonitor_start_type() && blob->snapshot) {
		recorded(ID_OF(blob->snapshot), "MixMonitor");
#if SEALRTP_ASTERISK_MAJOR < 21
	} else if (type == ast_channel_monitor_start_type() && blob->snapshot) {
		recorded(ID_OF(blob->snapshot), "Monitor");
#endif
	} else if (type == __atomic_load_n(&ari, __ATOMIC_ACQUIRE) && blob->snapshot) {
		ari_says(blob);
	}
}

/* res_stasis_recording comes after us, or not at all. No lock is held. */
void disclosure_learn(void)
{
	struct stasis_message_type *(*get)(void);
	struct stasis_message_type *type;
	void *symbol;

	if (__atomic_load_n(&ari, __ATOMIC_ACQUIRE) || !subscription) {
		return;
	}
	symbol = dlsym(RTLD_DEFAULT, "stasis_app_recording_snapshot_type");
	if (!symbol) {
		return;
	}
	memcpy(&get, &symbol, sizeof(get));
	type = get();
	if (type) {
		__atomic_store_n(&ari, type, __ATOMIC_RELEASE);
		stasis_subscription_accept_message_type(subscription, type);
	}
}

/* What SEALRTP(recording) says. */
void disclosure_text(struct ast_channel *chan, char *text, size_t size)
{
	const struct recorder *refused, *recorder;
	const char *told = "";
	struct leg leg;

	ast_channel_lock(chan);
	refused = recording_refused(chan);
	recorder = recorder_find(chan, ANY_RECORDER, NULL);
	learn_leg(chan, &leg);
	if (leg.zrtp && action_of(chan, true, true) == SEALRTP_RECORDING_DISCLOSE) {
		told = leg.disclosed ? " disclosed" : " undisclosed";
	}
	ast_channel_unlock(chan);
	text[0] = '\0';
	if (refused) {
		snprintf(text, size, "refused %s", refused->name);
	} else if (recorder) {
		snprintf(text, size, "%s%s", recorder->name, told);
	}
}

int disclosure_start(void)
{
	subscription =
		__stasis_subscribe(ast_channel_topic_all(), on_message, NULL, __FILE__, __LINE__, __func__);
	if (!subscription) {
		return -1;
	}
	stasis_subscription_accept_message_type(subscription, ast_channel_mixmonitor_start_type());
	stasis_subscription_accept_message_type(subscription, ast_channel_chanspy_start_type());
#if SEALRTP_ASTERISK_MAJOR < 21
	stasis_subscription_accept_message_type(subscription, ast_channel_monitor_start_type());
#endif
	stasis_subscription_set_filter(subscription, STASIS_SUBSCRIPTION_FILTER_SELECTIVE);
	return 0;
}

void disclosure_stop(void)
{
	if (subscription) {
		subscription = stasis_unsubscribe_and_join(subscription);
	}
	ari = NULL;
}
