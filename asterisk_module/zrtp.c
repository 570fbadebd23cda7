/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The RTP engine's ZRTP: which streams have it, and when it begins.
 *
 * The SDP says nothing of it, so a stream is there from the instance's first moment on. Whose call it is
 * shows when media may flow: chan_pjsip names the channel only then. Channels are looked up in the reports'
 * thread, which holds no lock.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/callerid.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* One association of a call, as ao2. */
struct zrtp_call {
	sealrtp_zrtp_call *call;
	bool disclosed;
};

/* How long to wait before a channel is looked for again, by how often that was in vain. */
static const struct pause {
	unsigned int tries;
	int ms;
} pauses[] = {
	{10, 20},
	{30, 100},
	{60, 1000},
};

/* An instance that has no channel after so many tries may be of a driver that never tells: [general] holds.
 */
#define NOBODYS 30

static void call_destroy(void *object)
{
	struct zrtp_call *call = object;

	sealrtp_zrtp_call_free(call->call);
}

/* Whether nothing clear may pass while there is no SDES and no DTLS. The stream is locked. */
bool zrtp_demands(const struct ast_srtp *stream)
{
	struct settings *settings;
	bool demands;

	if (!stream->zrtp_candidate) {
		return false;
	}
	if (stream->zrtp.settled) {
		return stream->zrtp.demands;
	}
	settings = config_get();
	demands = !settings || config_wants(settings) & SEALRTP_WANTS_NOTHING_CLEAR;
	ao2_cleanup(settings);
	return demands;
}

/* A stream for an instance whose end point is not known yet: clear media passes it only if nobody demands
 * ZRTP. The instance is locked or known to nobody else. */
int zrtp_install(struct ast_rtp_instance *instance)
{
	struct settings *settings = config_get();
	struct ast_srtp_policy *policy;
	struct ast_srtp *stream;
	int res;

	if (!settings || !config_wants(settings)) {
		ao2_cleanup(settings);
		return settings ? 0 : -1;
	}
	policy = policy_without_keys(METHOD_NONE);
	res = policy ? ast_rtp_instance_add_srtp_policy(instance, policy, policy, 0) : -1;
	policy_destroy(policy);
	stream = res ? NULL : ast_rtp_instance_get_srtp(instance, 0);
	if (stream) {
		ao2_lock(stream);
		stream->zrtp_candidate = true;
		stream->zrtp.ssrc = ast_rtp_instance_get_ssrc(instance);
		stream->held = config_wants(settings) & SEALRTP_WANTS_NO_RECORDING;
		if (!(config_wants(settings) & SEALRTP_WANTS_NOTHING_CLEAR)) {
			res = stream_renew(stream, settings->config, false);
		}
		transport_look_later(stream, pauses[0].ms);
		ao2_unlock(stream);
	}
	ao2_ref(settings, -1);
	return stream ? res : -1;
}

/* What passes without keys, as the policy says. The stream is locked. */
static void apply(struct ast_srtp *stream, const sealrtp_config *config, uint32_t rule)
{
	bool demands = sealrtp_config_demands(config);
	uint32_t state = sealrtp_session_state(stream->session, SEALRTP_RTP);

	if (stream->keyed || stream->has_dtls) {
		return;
	}
	if (demands) {
		sealrtp_session_demand_security(stream->session);
	} else if (state == SEALRTP_STATE_BLOCK) {
		stream_renew(stream, config, false);
	}
	stream->method = rule == SEALRTP_ZRTP_NO ? METHOD_NONE : METHOD_ZRTP;
}

/* It is the call of an end point with this configuration. The stream is locked. */
void zrtp_settle(struct ast_srtp *stream, const struct settings *settings, const sealrtp_config *config)
{
	if (stream->zrtp.settled) {
		return;
	}
	stream->zrtp.rule = settings->zid ? sealrtp_config_zrtp(config) : SEALRTP_ZRTP_NO;
	stream->zrtp.demands = sealrtp_config_demands(config);
	apply(stream, config, stream->zrtp.rule);
	passthrough_settle(stream, config);
	stream->zrtp.settled = true;
}

/* It is the call of an end point. The stream is locked. */
static void settle(struct ast_srtp *stream, const struct settings *settings, const sealrtp_config *config,
	const char *channel)
{
	ast_copy_string(stream->channel, channel, sizeof(stream->channel));
	zrtp_settle(stream, settings, config);
}

/* Recorders that are to be refused are. */
static void release(struct ast_srtp *stream)
{
	__atomic_store_n(&stream->held, false, __ATOMIC_RELEASE);
}

/* No channel (yet). The stream is locked. */
static void look_later(struct ast_srtp *stream)
{
	struct settings *settings;
	size_t index;

	/* Until media may flow a phone may just be ringing: what blocks goes on blocking. */
	if (++stream->zrtp.tries == NOBODYS && stream->zrtp.activated && !stream->zrtp.settled &&
		(settings = config_get())) {
		apply(stream, settings->config,
			settings->zid ? sealrtp_config_zrtp(settings->config) : SEALRTP_ZRTP_NO);
		release(stream);
		ao2_ref(settings, -1);
	}
	for (index = 0; index < ARRAY_LEN(pauses); index++) {
		if (stream->zrtp.tries < pauses[index].tries) {
			transport_look_later(stream, pauses[index].ms);
			return;
		}
	}
}

/* Media goes where nobody answered before: a re-INVITE for direct media brings no new peer. */
static bool is_asked(const struct ast_srtp *stream)
{
	return stream->zrtp.unanswered &&
		   !ast_sockaddr_cmp(&stream->zrtp.asked, &stream->transport.remote[SEALRTP_RTP]);
}

/* Media flows, nobody else makes keys, and it is known where to. The stream is locked. */
static bool may_begin(const struct ast_srtp *stream)
{
	return stream->session && stream->zrtp.settled && stream->zrtp.rule != SEALRTP_ZRTP_NO &&
		   stream->zrtp.activated && !stream->zrtp.started && !is_asked(stream) && !stream->zrtp.stopped &&
		   !passthrough_holds(stream) && !stream->sdp.awaited &&
		   stream->sdp.decided != SEALRTP_METHOD_CLEAR && (!stream->keyed || stream->sdp.upgrade) &&
		   !dtls_serves(stream) && !stream->dtls.bundled &&
		   (stream->dtls.ice == ICE_UNUSED || stream->dtls.ice == ICE_CHOSEN) && transport_has_remote(stream);
}

/* The association of a stream of the same channel, with a reference. */
static struct zrtp_call *call_of_sibling(struct ast_srtp *stream, const char *channel_id)
{
	struct ao2_iterator iterator = ao2_iterator_init(streams_all(), 0);
	struct zrtp_call *call = NULL;
	struct ast_srtp *sibling;
	char id[AST_MAX_UNIQUEID];

	while (!call && (sibling = ao2_iterator_next(&iterator))) {
		stream_channel_id(sibling, id, sizeof(id));
		if (sibling != stream && !strcmp(id, channel_id)) {
			ao2_lock(sibling);
			call = ao2_bump(sibling->zrtp.call);
			ao2_unlock(sibling);
		}
		ao2_ref(sibling, -1);
	}
	ao2_iterator_destroy(&iterator);
	return call;
}

/* Longest number that is told apart from others, in bytes. */
#define NUMBER_SIZE 256

/* What a call's first moment decides. */
struct terms {
	bool enrolment;
	/* The call may be disclosed. */
	bool disclosure;
	/* We called. */
	bool outgoing;
	/* Under which the peer knows us. */
	char number[NUMBER_SIZE];
};

/* The channel is locked. */
static void terms_of(struct ast_channel *chan, bool outgoing, struct terms *terms)
{
	const char *number;

	terms->enrolment = channel_enrolment(chan);
	terms->disclosure = false;
	terms->outgoing = outgoing;
	if (terms->outgoing) {
		struct ast_party_id caller = ast_channel_connected_effective_id(chan);

		/* The drivers' From: header. */
		number = (ast_party_id_presentation(&caller) & AST_PRES_RESTRICTION) != AST_PRES_ALLOWED
					 ? "anonymous"
					 : S_COR(caller.number.valid, caller.number.str, "");
	} else {
		/* The dialplan may have gone on to another extension. */
		number = S_OR(ast_channel_dialed(chan)->number.str, ast_channel_exten(chan));
	}
	ast_copy_string(terms->number, number, sizeof(terms->number));
}

static struct zrtp_call *call_new(const struct settings *settings, const sealrtp_config *config,
	const char *channel, const struct terms *terms)
{
	sealrtp_zrtp_options options = {.size = sizeof(options),
		.enrolment = terms->enrolment,
		.disclosure = terms->disclosure,
		.number = terms->number,
		.outgoing = terms->outgoing};
	struct zrtp_call *call = ao2_alloc_options(sizeof(*call), call_destroy, AO2_ALLOC_OPT_LOCK_NOLOCK);
	sealrtp_result result;

	if (!call) {
		return NULL;
	}
	result = sealrtp_zrtp_call_new(settings->zid->zrtp, config, &options, &call->call);
	if (result < 0) {
		ast_log(LOG_ERROR, "No ZRTP for %s: %s\n", channel, sealrtp_result_text(result));
		ao2_ref(call, -1);
		return NULL;
	}
	call->disclosed = terms->disclosure;
	return call;
}

/* Gives the stream its share in the call's association before media flows: its description names its Hello.
 * No stream is locked. */
void zrtp_prepare(struct ast_srtp *stream, const struct settings *settings, const sealrtp_config *config,
	struct ast_channel *chan, bool outgoing)
{
	char channel[AST_CHANNEL_NAME], id[AST_MAX_UNIQUEID];
	struct zrtp_call *call;
	struct terms terms;
	bool has;

	ao2_lock(stream);
	has = stream->zrtp.call || !stream->zrtp_candidate;
	ao2_unlock(stream);
	if (has || !settings->zid) {
		return;
	}
	ast_channel_lock(chan);
	ast_copy_string(channel, ast_channel_name(chan), sizeof(channel));
	ast_copy_string(id, ast_channel_uniqueid(chan), sizeof(id));
	terms_of(chan, outgoing, &terms);
	ast_channel_unlock(chan);
	call = call_of_sibling(stream, id);
	if (!call) {
		terms.disclosure = disclosure_is_due(chan);
		call = call_new(settings, config, channel, &terms);
	}
	ao2_lock(stream);
	if (!stream->zrtp.call) {
		stream->zrtp.call = ao2_bump(call);
	}
	ao2_unlock(stream);
	ao2_cleanup(call);
}

/* The association that zrtp_prepare() gave, or NULL. The stream is locked. */
const sealrtp_zrtp_call *zrtp_handle(const struct ast_srtp *stream)
{
	return stream->zrtp.call ? stream->zrtp.call->call : NULL;
}

/* The session may have got or lost its share by a description. The stream is locked. */
void zrtp_described(struct ast_srtp *stream)
{
	char hash[128];
	bool used = sealrtp_session_zrtp_local_hash(stream->session, hash, sizeof(hash)) == SEALRTP_OK;

	__atomic_store_n(&stream->zrtp.used, used, __ATOMIC_RELEASE);
}

/* Offer and answer leave the keys to it. The stream is locked. */
void zrtp_decided(struct ast_srtp *stream)
{
	if (!passthrough_runs(stream)) {
		stream->method = METHOD_ZRTP;
	}
	stream->zrtp.stopped = stream->keyed = false;
}

/* Sends Hello. The stream is locked and has its call. */
static void begin(struct ast_srtp *stream)
{
	sealrtp_result result = SEALRTP_OK;
	char text[CALL_TEXT_SIZE];

	if (!stream->zrtp.used) {
		result = sealrtp_session_zrtp_use(stream->session, stream->zrtp.call->call, stream->zrtp.ssrc);
	}
	if (result >= 0) {
		__atomic_store_n(&stream->zrtp.used, true, __ATOMIC_RELEASE);
		result = sealrtp_session_zrtp_start(stream->session);
	}
	if (result < 0) {
		ast_log(LOG_ERROR, "ZRTP cannot begin, %s: %s\n", stream_call(stream, text, sizeof(text)),
			sealrtp_result_text(result));
		return;
	}
	stream->method = METHOD_ZRTP;
	stream->zrtp.disclosed = stream->zrtp.call->disclosed;
	ast_sockaddr_copy(&stream->zrtp.asked, &stream->transport.remote[SEALRTP_RTP]);
	stream->zrtp.started = true;
	stream->zrtp.unanswered = stream->zrtp.failed = false;
	transport_pump(stream);
}

/* chan_sip says "media may flow" of audio alone; what else the peer has described begins with it. */
static void activate_siblings(struct ast_srtp *audio, const char *channel_id)
{
	struct ao2_iterator iterator = ao2_iterator_init(streams_all(), 0);
	struct ast_srtp *stream;
	char id[AST_MAX_UNIQUEID];

	while ((stream = ao2_iterator_next(&iterator))) {
		stream_channel_id(stream, id, sizeof(id));
		ao2_lock(stream);
		if (stream != audio && !strcmp(id, channel_id) && stream->zrtp_candidate && !stream->zrtp.activated &&
			transport_has_remote(stream)) {
			stream->zrtp.activated = true;
			transport_look_later(stream, 1);
		}
		ao2_unlock(stream);
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
}

/* The channel is known. No lock is held. */
static void found(struct ast_srtp *stream, struct ast_channel *chan)
{
	struct settings *settings = config_get();
	sealrtp_config *config = settings ? config_for_channel(settings, chan) : NULL;
	char channel[AST_CHANNEL_NAME], id[AST_MAX_UNIQUEID];
	struct zrtp_call *call = NULL;
	struct terms terms;
	bool wanted, held, awaited = false;

	if (!config) {
		ao2_cleanup(settings);
		return;
	}
	ast_channel_lock(chan);
	ast_copy_string(channel, ast_channel_name(chan), sizeof(channel));
	ast_copy_string(id, ast_channel_uniqueid(chan), sizeof(id));
	terms_of(chan, ast_test_flag(ast_channel_flags(chan), AST_FLAG_OUTGOING) != 0, &terms);
	recording_rule(chan);
	ast_channel_unlock(chan);
	release(stream);
	if (!stream->zrtp.settled) {
		awaited = sdp_speaks_for(config, channel);
	}
	ao2_lock(stream);
	/* In a race its description has come meanwhile. */
	stream->sdp.awaited |= awaited && !stream->sdp.dialog;
	if (stream->session) {
		settle(stream, settings, config, channel);
	}
	held = passthrough_holds(stream);
	wanted = may_begin(stream) && settings->zid;
	ao2_unlock(stream);
	if (held) {
		ast_channel_lock(chan);
		channel_anchor(chan);
		ast_channel_unlock(chan);
		passthrough_review(chan);
	}
	if (wanted) {
		ast_channel_lock(chan);
		channel_anchor(chan);
		ast_channel_unlock(chan);
		call = call_of_sibling(stream, id);
		if (!call) {
			terms.disclosure = disclosure_is_due(chan);
			call = call_new(settings, config, channel, &terms);
		}
	}
	ao2_lock(stream);
	if (call && may_begin(stream)) {
		if (!stream->zrtp.call) {
			stream->zrtp.call = ao2_bump(call);
		}
		begin(stream);
	}
	ao2_unlock(stream);
	if (wanted && SEALRTP_ASTERISK_MAJOR < 21) {
		activate_siblings(stream, id);
	}
	ao2_cleanup(call);
	sealrtp_config_free(config);
	ao2_ref(settings, -1);
}

/* Whether the dialplan may still choose the stream's policy. */
bool zrtp_policy_may_change(struct ast_srtp *stream)
{
	bool may;

	ao2_lock(stream);
	may = !stream->zrtp.activated && !stream->zrtp.started;
	ao2_unlock(stream);
	return may;
}

/* The dialplan has chosen it. No lock is held. */
void zrtp_policy_changed(struct ast_srtp *stream, struct ast_channel *chan)
{
	struct settings *settings = config_get();
	sealrtp_config *config = settings ? config_for_channel(settings, chan) : NULL;

	ao2_lock(stream);
	if (config && stream->session && stream->zrtp_candidate) {
		stream->zrtp.settled = false;
		settle(stream, settings, config, ast_channel_name(chan));
	}
	ao2_unlock(stream);
	sealrtp_config_free(config);
	ao2_cleanup(settings);
}

static int look(void *data)
{
	struct ast_srtp *stream = data;
	char id[AST_MAX_UNIQUEID];
	struct ast_channel *chan;

	stream_channel_id(stream, id, sizeof(id));
	chan = ast_strlen_zero(id) ? NULL : ast_channel_get_by_name(id);
	if (chan) {
		found(stream, chan);
		ast_channel_unref(chan);
	} else {
		ao2_lock(stream);
		if (stream->session) {
			look_later(stream);
		}
		ao2_unlock(stream);
	}
	ao2_ref(stream, -1);
	return 0;
}

/* Whatever the stream waited for may have come. Any lock may be held. */
void zrtp_look_again(struct ast_srtp *stream)
{
	ao2_ref(stream, +1);
	if (report_task(look, stream)) {
		ao2_ref(stream, -1);
	}
}

/* "Media may flow", also after each re-INVITE. The instance is locked. */
void zrtp_activate(struct ast_srtp *stream, struct ast_rtp_instance *instance)
{
	struct ast_sockaddr remote;

	ast_rtp_instance_get_remote_address(instance, &remote);
	transport_learn(stream, instance);
	ao2_lock(stream);
	if (!transport_has_remote(stream)) {
		transport_set_remote(stream, &remote);
	}
	stream->zrtp.ssrc = ast_rtp_instance_get_ssrc(instance);
	stream->zrtp.activated = true;
	stream->zrtp.tries = 0;
	ao2_unlock(stream);
	zrtp_look_again(stream);
}

void zrtp_address_known(struct ast_srtp *stream)
{
	bool waits;

	ao2_lock(stream);
	waits =
		stream->zrtp.activated && !stream->zrtp.started && !stream->zrtp.unanswered && !stream->zrtp.failed;
	ao2_unlock(stream);
	if (waits) {
		zrtp_look_again(stream);
	}
}

/* SDES or DTLS makes the keys. The stream is locked. */
void zrtp_stop(struct ast_srtp *stream)
{
	if (stream->zrtp_candidate && !stream->zrtp.stopped) {
		stream->zrtp.stopped = true;
		if (stream->zrtp.used) {
			sealrtp_session_zrtp_stop(stream->session);
		}
	}
}

/* Whether a ZRTP datagram is the stream's. */
bool zrtp_receives(const struct ast_srtp *stream)
{
	return __atomic_load_n(&stream->zrtp.used, __ATOMIC_ACQUIRE) && !stream->zrtp.stopped &&
		   !passthrough_holds(stream);
}

/* What ZRTP agreed on; false if it made no keys. */
bool zrtp_info(struct ast_srtp *stream, sealrtp_zrtp_info *info)
{
	bool has;

	info->size = sizeof(*info);
	ao2_lock(stream);
	has = sealrtp_session_get_zrtp_info(stream->session, info) == SEALRTP_OK;
	ao2_unlock(stream);
	return has;
}
