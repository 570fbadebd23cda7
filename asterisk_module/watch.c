/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Ends calls that must be secured and are not.
 *
 * When the answer to our SDES or DTLS offer is not acceptable, chan_pjsip discards the media and answers the
 * channel all the same: the call is up and silent. chan_sip hangs up by itself. So each channel that goes
 * up is looked at. A handshake that has begun, ZRTP's as well, ends well or ends the call itself.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/config.h"
#include "asterisk/logger.h"
#include "asterisk/sched.h"
#include "asterisk/sorcery.h"
#include "asterisk/stasis.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/stream.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define DRIVER "PJSIP"
/* Drivers whose end points may have a section in sealrtp.conf. */
static const char *const drivers[] = {DRIVER "/", "SIP/"};

/* An INVITE without SDP is answered by the ACK, which comes after the channel is up. */
#define RETRY_MS 500
#define RETRIES 16

/* Later versions lack this: the loader must come as far as our own word on the version. */
#if SEALRTP_ASTERISK_MAJOR < 17
#pragma weak ast_channel_topic_all_cached
#endif

static struct stasis_subscription *subscription;
static struct ast_sched_context *sched;

/* A channel to look at again. */
struct candidate {
	char id[AST_MAX_UNIQUEID];
	int retries;
};

/* PJSIP/<endpoint>-<8 hex digits> gives PJSIP/<endpoint>; false for what is no channel of SIP. */
bool watch_endpoint(const char *channel, char *endpoint, size_t size)
{
	const char *dash = strrchr(channel, '-');
	size_t index;

	for (index = 0; index < ARRAY_LEN(drivers); index++) {
		if (dash && !strncmp(channel, drivers[index], strlen(drivers[index]))) {
			if (endpoint) {
				ast_copy_string(endpoint, channel, MIN(size, (size_t)(dash - channel) + 1));
			}
			return true;
		}
	}
	return false;
}

/* The name of an end point of chan_pjsip. */
static bool endpoint_of(const char *channel, char *endpoint, size_t size)
{
	if (strncmp(channel, DRIVER "/", strlen(DRIVER "/")) || !watch_endpoint(channel, NULL, 0)) {
		return false;
	}
	channel += strlen(DRIVER "/");
	ast_copy_string(endpoint, channel, MIN(size, (size_t)(strrchr(channel, '-') - channel) + 1));
	return true;
}

/* What an end point asks for. */
struct demand {
	char encryption[8];
	bool optimistic;
	/* RTP/AVPF and nothing else */
	bool avpf;
	/* fallback = reject, with ZRTP or without */
	bool zrtp;
	bool security;
};

/* res_pjsip's structs need pjproject's headers, which Debian does not ship; its objects' options need none.
 */
static void get_encryption(const char *endpoint, struct demand *demand)
{
	struct ast_sorcery *sorcery = ast_sorcery_retrieve_by_module_name("res_pjsip");
	void *object = sorcery ? ast_sorcery_retrieve_by_id(sorcery, "endpoint", endpoint) : NULL;
	struct ast_variable *options = object ? ast_sorcery_objectset_create(sorcery, object) : NULL;
	const char *optimistic = S_OR(ast_variable_find_in_list(options, "media_encryption_optimistic"), "");

	ast_copy_string(demand->encryption, S_OR(ast_variable_find_in_list(options, "media_encryption"), ""),
		sizeof(demand->encryption));
	demand->optimistic = ast_true(optimistic);
	demand->avpf = ast_true(S_OR(ast_variable_find_in_list(options, "use_avpf"), ""));
	ast_variables_destroy(options);
	ao2_cleanup(object);
	if (sorcery) {
		ast_sorcery_unref(sorcery);
	}
}

static void get_native(const char *channel, struct demand *demand)
{
	char endpoint[AST_CHANNEL_NAME];

	memset(demand, 0, sizeof(*demand));
	if (endpoint_of(channel, endpoint, sizeof(endpoint))) {
		get_encryption(endpoint, demand);
	}
}

static void get_demand(struct ast_channel *chan, struct demand *demand)
{
	struct settings *settings = config_get();
	sealrtp_config *config = settings ? config_for_channel(settings, chan) : NULL;

	get_native(ast_channel_name(chan), demand);
	demand->security = sealrtp_config_demands(config);
	demand->zrtp = sealrtp_config_zrtp(config) == SEALRTP_ZRTP_REQUIRED;
	sealrtp_config_free(config);
	ao2_cleanup(settings);
}

/* Whether the channel is of an end point with media_encryption_optimistic. */
bool watch_is_optimistic(const char *channel)
{
	struct demand demand;

	get_native(channel, &demand);
	return demand.optimistic;
}

/* Whether an end point of chan_pjsip has no media_encryption of its own. */
bool watch_is_clear(const char *endpoint)
{
	struct demand demand = {.optimistic = false};

	get_encryption(endpoint, &demand);
	return !strcmp(demand.encryption, "no");
}

/* Whether chan_pjsip speaks RTP/AVPF with this end point, and takes nothing else; without it takes RTP/AVP
 * only. */
bool watch_has_avpf(const char *endpoint)
{
	struct demand demand = {.optimistic = false};

	get_encryption(endpoint, &demand);
	return demand.avpf;
}

static bool has_audio(struct ast_channel *chan)
{
	struct ast_stream_topology *topology = ast_channel_get_stream_topology(chan);
	int i;

	for (i = 0; topology && i < ast_stream_topology_get_count(topology); i++) {
		struct ast_stream *stream = ast_stream_topology_get_stream(topology, i);

		if (ast_stream_get_type(stream) == AST_MEDIA_TYPE_AUDIO &&
			ast_stream_get_state(stream) != AST_STREAM_STATE_REMOVED) {
			return true;
		}
	}
	return false;
}

enum verdict {
	SECURE_OR_GONE,
	NO_MEDIA,
	CLEAR_MEDIA,
	NO_HANDSHAKE,
	/* No SDES, no DTLS, but ZRTP. */
	ZRTP_BEGUN,
};

/* Whether an instance has a stream with keys, or one that waits for its handshake; tells the stream its
 * channel, which the packet path may not ask. */
static enum verdict judge_rtp(struct ast_rtp_instance *rtp, struct ast_channel *chan)
{
	struct ast_srtp *stream = rtp ? ast_rtp_instance_get_srtp(rtp, 0) : NULL;
	enum verdict verdict = SECURE_OR_GONE;

	if (!stream || !guard_is_active()) {
		return stream ? SECURE_OR_GONE : CLEAR_MEDIA;
	}
	stream_set_channel(stream, ast_channel_name(chan));
	ao2_lock(stream);
	if (stream->has_dtls && !stream->dtls.stopped) {
		verdict = stream->dtls.started || stream->dtls.bundled ? SECURE_OR_GONE : NO_HANDSHAKE;
	} else if (!stream->keyed) {
		verdict = stream->zrtp.started || passthrough_holds(stream) ? ZRTP_BEGUN : CLEAR_MEDIA;
	}
	ao2_unlock(stream);
	return verdict;
}

static enum verdict look(struct ast_channel *chan)
{
	struct ast_rtp_instance *audio = NULL, *video = NULL;
	enum verdict verdict, of_video;
	struct ast_rtp_glue *glue;

	ast_channel_lock(chan);
	glue = ast_rtp_instance_get_glue(ast_channel_tech(chan)->type);
	if (ast_channel_state(chan) != AST_STATE_UP || ast_check_hangup(chan) || !has_audio(chan) || !glue) {
		ast_channel_unlock(chan);
		return SECURE_OR_GONE;
	}
	glue->get_rtp_info(chan, &audio);
	if (glue->get_vrtp_info) {
		glue->get_vrtp_info(chan, &video);
	}
	/* Bundled media share the stream of the first of them. */
	of_video = judge_rtp(video, chan);
	verdict = audio ? judge_rtp(audio, chan) : NO_MEDIA;
	if (verdict == CLEAR_MEDIA && of_video == SECURE_OR_GONE) {
		verdict = SECURE_OR_GONE;
	}
	ao2_cleanup(audio);
	ao2_cleanup(video);
	ast_channel_unlock(chan);
	return verdict;
}

/* What an end point demands, and what to set where it need not. */
struct wanted {
	const char *method;
	const char *options;
	/* Why there is none of it. */
	const char *missing;
};

static const struct wanted wanted_sdes = {"SDES", "media_encryption or media_encryption_optimistic",
	"the peer's answer has no acceptable a=crypto, or not the profile RTP/SAVP"};
static const struct wanted wanted_dtls = {"DTLS-SRTP", "media_encryption or media_encryption_optimistic",
	"the peer's answer has not the profile UDP/TLS/RTP/SAVP"};
static const struct wanted wanted_zrtp = {
	METHOD_ZRTP, "fallback in sealrtp.conf", "it could not begin: no media of the peer is known"};
static const struct wanted wanted_security = {
	"security", "fallback, offer or accept in sealrtp.conf", "the peer has agreed to no method"};

/* What is demanded and not there, or NULL. */
static const struct wanted *find_wanted(const struct demand *demand, enum verdict verdict)
{
	if (verdict == SECURE_OR_GONE) {
		return NULL;
	}
	if (!demand->optimistic && !strcmp(demand->encryption, "sdes")) {
		return &wanted_sdes;
	}
	if (!demand->optimistic && !strcmp(demand->encryption, "dtls")) {
		return &wanted_dtls;
	}
	if (verdict == ZRTP_BEGUN || !demand->security) {
		return NULL;
	}
	return demand->zrtp ? &wanted_zrtp : &wanted_security;
}

static void end(struct ast_channel *chan, const struct wanted *wanted, enum verdict verdict)
{
	const char *what = wanted->missing;
	char refusal[REASON_SIZE], reason[2 * REASON_SIZE];

	bool native = wanted == &wanted_sdes || wanted == &wanted_dtls;

	if (native && verdict == NO_HANDSHAKE) {
		what = "no handshake could begin: no answer to our offer, or ICE found no pair of addresses";
	} else if (native && verdict != NO_MEDIA) {
		what = "the media is clear";
	}
	ast_copy_string(reason, what, sizeof(reason));
	if (wanted == &wanted_sdes && sdes_last_refusal(refusal, sizeof(refusal))) {
		size_t used = strlen(reason);

		snprintf(reason + used, sizeof(reason) - used, " (refused just now: %s)", refusal);
	}
	ast_log(LOG_WARNING, "Hanging up %s: its end point demands %s, but %s. Correct the peer, or set %s\n",
		ast_channel_name(chan), wanted->method, reason, wanted->options);
	report_failed(chan, wanted->method, reason, true);
}

/* True if the channel must be looked at again. */
static bool check(const char *id, bool may_wait, bool first)
{
	const struct wanted *wanted = NULL;
	struct demand demand;
	struct ast_channel *chan;
	enum verdict verdict;
	bool again = false;

	chan = ast_channel_get_by_name(id);
	if (!chan) {
		return false;
	}
	verdict = look(chan);
	if (verdict != SECURE_OR_GONE && watch_endpoint(ast_channel_name(chan), NULL, 0)) {
		get_demand(chan, &demand);
		wanted = find_wanted(&demand, verdict);
	}
	if (wanted) {
		/* A pair of ICE's addresses takes its time, and so does finding the channel of a stream. */
		again = may_wait ||
				(first && (verdict == NO_HANDSHAKE || wanted == &wanted_zrtp || wanted == &wanted_security));
		if (!again) {
			end(chan, wanted, verdict);
		}
	}
	ast_channel_unref(chan);
	return again;
}

static int recheck(const void *data)
{
	struct candidate *candidate = (struct candidate *)data;

	if (check(candidate->id, --candidate->retries > 0, false)) {
		return RETRY_MS;
	}
	ast_free(candidate);
	return 0;
}

static void went_up(const char *id, bool outgoing)
{
	struct candidate *candidate;

	if (!check(id, !outgoing, true)) {
		return;
	}
	candidate = ast_calloc(1, sizeof(*candidate));
	if (!candidate) {
		return;
	}
	ast_copy_string(candidate->id, id, sizeof(candidate->id));
	candidate->retries = RETRIES;
	if (ast_sched_add(sched, RETRY_MS, recheck, candidate) < 0) {
		ast_free(candidate);
	}
}

static void judge(struct ast_channel_snapshot *before, struct ast_channel_snapshot *now)
{
#if SEALRTP_ASTERISK_MAJOR < 17
#define BASE(snapshot) (snapshot)
#else
#define BASE(snapshot) (snapshot)->base
#endif

	if (!now) {
		return;
	}
	if (!before) {
		channel_is_new(BASE(now)->name, BASE(now)->uniqueid);
		recording_look(BASE(now)->name, BASE(now)->uniqueid);
	}
	if (now->state == AST_STATE_UP && (!before || before->state != AST_STATE_UP)) {
		downgrade_watch(BASE(now)->name, BASE(now)->uniqueid);
		went_up(BASE(now)->uniqueid, ast_test_flag(&now->flags, AST_FLAG_OUTGOING) != 0);
	}
}

/* Runs in the subscription's own thread, so it may wait for a channel's lock. */
static void on_message(void *data, struct stasis_subscription *sub, struct stasis_message *message)
{
	(void)data, (void)sub;
#if SEALRTP_ASTERISK_MAJOR < 17
	if (stasis_message_type(message) == stasis_cache_update_type()) {
		struct stasis_cache_update *update = stasis_message_data(message);

		if (update->type == ast_channel_snapshot_type()) {
			judge(update->old_snapshot ? stasis_message_data(update->old_snapshot) : NULL,
				update->new_snapshot ? stasis_message_data(update->new_snapshot) : NULL);
		}
	}
#else
	if (stasis_message_type(message) == ast_channel_snapshot_type()) {
		struct ast_channel_snapshot_update *update = stasis_message_data(message);

		judge(update->old_snapshot, update->new_snapshot);
	}
#endif
}

int watch_start(void)
{
#if SEALRTP_ASTERISK_MAJOR < 17
	struct stasis_topic *topic = ast_channel_topic_all_cached();
	struct stasis_message_type *type = stasis_cache_update_type();
#else
	struct stasis_topic *topic = ast_channel_topic_all();
	struct stasis_message_type *type = ast_channel_snapshot_type();
#endif

	sched = ast_sched_context_create();
	if (!sched || ast_sched_start_thread(sched)) {
		watch_stop();
		return -1;
	}
	/* The macro of one version is another's function: only this name is in all of them. */
	subscription = __stasis_subscribe(topic, on_message, NULL, __FILE__, __LINE__, __func__);
	if (!subscription) {
		watch_stop();
		return -1;
	}
	stasis_subscription_accept_message_type(subscription, type);
	stasis_subscription_set_filter(subscription, STASIS_SUBSCRIPTION_FILTER_SELECTIVE);
	return 0;
}

static int free_candidate(const void *data)
{
	ast_free((void *)data);
	return 0;
}

void watch_stop(void)
{
	if (subscription) {
		subscription = stasis_unsubscribe_and_join(subscription);
	}
	if (sched) {
		ast_sched_clean_by_callback(sched, recheck, free_candidate);
		ast_sched_context_destroy(sched);
		sched = NULL;
	}
}
