/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Tells what becomes of streams: log, manager events, security events; ends calls whose handshake failed.
 *
 * Events come under the locks of the packet path, so those that need a channel go to a thread of their own.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/causes.h"
#include "asterisk/channel.h"
#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/manager.h"
#include "asterisk/security_events.h"
#include "asterisk/strings.h"
#include "asterisk/taskprocessor.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define DTLS_METHOD "DTLS-SRTP"

/* How many of a stream's ZRTP messages that should not have come are told by one line. */
#define ALERTS_EVERY 100

/* Something to tell of a stream. */
struct report {
	struct ast_srtp *stream;
	void (*tell)(struct report *report);
	sealrtp_event event;
	/* Of SECURED: what one of them agreed on. */
	sealrtp_dtls_info info;
	sealrtp_zrtp_info zrtp;
	/* By whose handshake: METHOD_ZRTP or DTLS_METHOD. */
	const char *method;
};

static struct ast_taskprocessor *processor;
static int ended;

/* Which channels are traced: names that begin with this; "" are all. */
static struct trace {
	const char *method;
	bool on;
	char channel[AST_CHANNEL_NAME];
} traces[] = {{.method = DTLS_METHOD}, {.method = METHOD_ZRTP}};
AST_MUTEX_DEFINE_STATIC(trace_lock);

unsigned int report_ended(void)
{
	return ast_atomic_fetchadd_int(&ended, 0);
}

static struct trace *trace_of(const char *method)
{
	return &traces[!strcmp(method, METHOD_ZRTP)];
}

void report_set_trace(const char *method, bool on, const char *channel)
{
	struct ao2_iterator iterator = ao2_iterator_init(streams_all(), 0);
	struct trace *trace = trace_of(method);
	struct ast_srtp *stream;

	ast_mutex_lock(&trace_lock);
	trace->on = on;
	ast_copy_string(trace->channel, S_OR(channel, ""), sizeof(trace->channel));
	ast_mutex_unlock(&trace_lock);
	while ((stream = ao2_iterator_next(&iterator))) {
		ao2_lock(stream);
		sealrtp_session_set_trace(stream->session, report_any_trace());
		ao2_unlock(stream);
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
}

bool report_trace_is_on(const char *method)
{
	return trace_of(method)->on;
}

bool report_any_trace(void)
{
	return traces[0].on || traces[1].on;
}

static bool is_traced(const char *method, const char *channel)
{
	struct trace *trace = trace_of(method);
	bool traced;

	ast_mutex_lock(&trace_lock);
	traced = trace->on && !strncasecmp(channel, trace->channel, strlen(trace->channel));
	ast_mutex_unlock(&trace_lock);
	return traced;
}

/* A call has failed: manager event, and its end where nothing clear may pass. */
void report_failed(struct ast_channel *chan, const char *method, const char *reason, bool hang_up)
{
	manager_event(EVENT_FLAG_CALL, "SealRTPFailed",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Method: %s\r\n"
		"Reason: %s\r\n",
		ast_channel_name(chan), ast_channel_uniqueid(chan), method, reason);
	if (hang_up) {
		ast_atomic_fetchadd_int(&ended, 1);
		ast_queue_hangup_with_cause(chan, AST_CAUSE_BEARERCAPABILITY_NOTAVAIL);
	}
}

/* Somebody else than the peer that the signalling, or an earlier call, told of answers the handshake. */
static void security_event(struct report *report, const char *type, const char *channel, const char *id)
{
	struct ast_sockaddr remote;
	struct ast_security_event_req_not_allowed event = {
		.common.event_type = AST_SECURITY_EVENT_REQ_NOT_ALLOWED,
		.common.version = AST_SECURITY_EVENT_REQ_NOT_ALLOWED_VERSION,
		.common.service = report->method,
		.common.module = AST_MODULE,
		.common.account_id = channel,
		.common.session_id = id,
		.common.local_addr = {&report->stream->local, AST_TRANSPORT_UDP},
		.common.remote_addr = {&remote, AST_TRANSPORT_UDP},
		.request_type = type,
		.request_params = report->event.text,
	};

	ao2_lock(report->stream);
	ast_sockaddr_copy(&remote, &report->stream->transport.remote[SEALRTP_RTP]);
	ao2_unlock(report->stream);
	ast_security_event_report(AST_SEC_EVT(&event));
}

/* What an administrator can do about a failed handshake, by its kind. */
static const char *advice(uint64_t failure)
{
	static const char *const texts[] = {
		[SEALRTP_FAILURE_FINGERPRINT] =
			"Somebody may be in between; or the peer's SDP tells of another certificate than it uses",
		[SEALRTP_FAILURE_NO_CERTIFICATE] = "The peer must be set to show its certificate",
		[SEALRTP_FAILURE_UNTRUSTED] = "See dtls_verify, dtls_ca_file and dtls_ca_path of the end point",
		[SEALRTP_FAILURE_NO_PROFILE] = "See dtls_profiles in sealrtp.conf, and the peer's",
		[SEALRTP_FAILURE_TIMEOUT] =
			"Is the peer's media address in its SDP right and reachable, and does it do DTLS?",
		[SEALRTP_FAILURE_ALERT] = "See the peer's log",
		[SEALRTP_FAILURE_OTHER] = "See sealrtp set debug dtls on",
		[SEALRTP_FAILURE_ZRTP] =
			"See zrtp in sealrtp.conf, sealrtp set debug zrtp on, and the peer's settings",
	};

	return failure < ARRAY_LEN(texts) && texts[failure]
			   ? texts[failure]
			   : "See media_encryption of the end point, and the peer's";
}

/* The channel of a stream, with a reference, or NULL. */
static struct ast_channel *get_channel(struct report *report)
{
	char id[AST_MAX_UNIQUEID];

	stream_channel_id(report->stream, id, sizeof(id));
	return ast_strlen_zero(id) ? NULL : ast_channel_get_by_name(id);
}

/* Nothing of the channel is secured or will be: its media may go directly. */
static void release(struct ast_channel *chan)
{
	ast_channel_lock(chan);
	channel_release(chan);
	ast_channel_unlock(chan);
}

/* What becomes of a channel's call after a sealrtp_failure. */
uint32_t report_consequence(const char *channel, uint64_t failure)
{
	struct settings *settings = config_get();
	sealrtp_config *config = settings ? config_for_call(settings, channel) : NULL;
	uint32_t consequence = sealrtp_config_consequence(config, (uint32_t)failure);

	sealrtp_config_free(config);
	ao2_cleanup(settings);
	return consequence;
}

/* How a line in the log on a call begins. */
static const char *doing(uint32_t consequence)
{
	return consequence == SEALRTP_CONSEQUENCE_HANGUP  ? "Hanging up "
		   : consequence == SEALRTP_CONSEQUENCE_BLOCK ? "Blocking "
													  : "";
}

static void block(struct ast_srtp *stream)
{
	ao2_lock(stream);
	if (stream->session) {
		stream_block(stream);
	}
	ao2_unlock(stream);
}

static bool demands(struct ast_srtp *stream)
{
	bool demanded;

	ao2_lock(stream);
	demanded = zrtp_demands(stream);
	ao2_unlock(stream);
	return demanded;
}

/* What becomes of the call is its end point's on_failure. */
static void tell_failed(struct report *report)
{
	uint32_t consequence;
	char name[AST_CHANNEL_NAME], id[AST_MAX_UNIQUEID];
	struct ast_channel *chan;

	stream_channel_name(report->stream, name, sizeof(name));
	stream_channel_id(report->stream, id, sizeof(id));
	consequence = report_consequence(name, report->event.value);
	if (consequence == SEALRTP_CONSEQUENCE_CONTINUE && demands(report->stream)) {
		/* The configuration is another one than that under which the call began. */
		consequence = SEALRTP_CONSEQUENCE_HANGUP;
	}
	if (consequence == SEALRTP_CONSEQUENCE_BLOCK) {
		block(report->stream);
	}
	if (report->event.value == SEALRTP_FAILURE_FINGERPRINT) {
		security_event(report, "FingerprintMismatch", name, id);
	}
	ast_log(LOG_WARNING, "%s%s: %s. %s\n", doing(consequence), name, report->event.text,
		advice(report->event.value));
	chan = get_channel(report);
	if (chan) {
		report_failed(chan, report->method, report->event.text, consequence == SEALRTP_CONSEQUENCE_HANGUP);
		if (consequence == SEALRTP_CONSEQUENCE_CONTINUE) {
			release(chan);
		}
		ast_channel_unref(chan);
	}
}

/* The peer knows nothing of ZRTP. */
static void tell_no_answer(struct report *report)
{
	struct ast_channel *chan;
	char name[AST_CHANNEL_NAME];

	if (demands(report->stream)) {
		report->event.value = SEALRTP_FAILURE_ZRTP;
		tell_failed(report);
		return;
	}
	stream_channel_name(report->stream, name, sizeof(name));
	ast_verb(3, "SealRTP: %s: %s\n", name, report->event.text);
	chan = get_channel(report);
	if (chan) {
		release(chan);
		ast_channel_unref(chan);
	}
}

/* No handshake could begin. The peer of an optimistic end point may not know DTLS. */
static void tell_not_started(struct report *report)
{
	char name[AST_CHANNEL_NAME];
	bool clear = false;

	stream_channel_name(report->stream, name, sizeof(name));
	if (watch_is_optimistic(name)) {
		ao2_lock(report->stream);
		clear = !dtls_give_up(report->stream);
		ao2_unlock(report->stream);
	}
	if (clear) {
		ast_verb(3, "SealRTP: %s: the peer has no DTLS\n", name);
		zrtp_look_again(report->stream);
		return;
	}
	tell_failed(report);
}

static void tell_secured(struct report *report)
{
	const sealrtp_dtls_info *info = &report->info;
	char name[AST_CHANNEL_NAME], id[AST_MAX_UNIQUEID];

	stream_channel_name(report->stream, name, sizeof(name));
	stream_channel_id(report->stream, id, sizeof(id));
	ast_verb(3, "SealRTP: %s: %s\n", name, report->event.text);
	/* RTCP's own handshake tells nothing new. */
	if (report->event.rtcp) {
		return;
	}
	downgrade_secured(name, METHOD_DTLS);
	manager_event(EVENT_FLAG_CALL, "SealRTPSecured",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Method: " DTLS_METHOD "\r\n"
		"Profile: %s\r\n"
		"Cipher: %s\r\n"
		"Role: %s\r\n"
		"HandshakeMs: %u\r\n"
		"LocalFingerprint: %s\r\n"
		"RemoteFingerprint: %s\r\n",
		name, id, info->profile, info->cipher, info->role, info->handshake_ms, info->local_fingerprint,
		info->remote_fingerprint);
}

static const char *yes_no(uint32_t value)
{
	return value ? "yes" : "no";
}

static void tell_zrtp_secured(struct report *report)
{
	const sealrtp_zrtp_info *info = &report->zrtp;
	char name[AST_CHANNEL_NAME], id[AST_MAX_UNIQUEID], peer[PEER_NAME_SIZE];
	struct ast_channel *chan = get_channel(report);

	if (chan) {
		ast_channel_lock(chan);
		channel_anchor(chan);
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
	}
	stream_channel_name(report->stream, name, sizeof(name));
	stream_channel_id(report->stream, id, sizeof(id));
	zid_peer_name(info->peer_zid, peer, sizeof(peer));
	downgrade_secured(name, METHOD_ZRTP);
	ast_verb(3, "SealRTP: %s: %s\n", name, report->event.text);
	manager_event(EVENT_FLAG_CALL, "SealRTPSecured",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Method: " METHOD_ZRTP "\r\n"
		"Suite: %s\r\n"
		"Role: %s\r\n"
		"KeyAgreement: %s\r\n"
		"Hash: %s\r\n"
		"Cipher: %s\r\n"
		"AuthTag: %s\r\n"
		"SASType: %s\r\n"
		"SAS: %s\r\n"
		"Verified: %s\r\n"
		"Continuity: %s\r\n"
		"PeerZID: %s\r\n"
		"PeerName: %s\r\n"
		"PeerClient: %s\r\n"
		"Disclosure: %s\r\n"
		"Enrolled: %s\r\n"
		"HandshakeMs: %u\r\n",
		name, id, info->suite, info->role, info->key_agreement, info->hash, info->cipher, info->auth_tag,
		info->sas_type, info->sas, yes_no(info->verified), info->continuity, info->peer_zid, peer,
		info->peer_client, yes_no(info->disclosure), yes_no(info->enrolled), info->handshake_ms);
	relay_sas(id);
}

/* If the call goes on, people can compare the SAS, and must. */
static void tell_mismatch(struct report *report)
{
	const sealrtp_zrtp_info *info = &report->zrtp;
	char name[AST_CHANNEL_NAME], id[AST_MAX_UNIQUEID], peer[PEER_NAME_SIZE];
	struct ast_channel *chan;
	uint32_t consequence;

	stream_channel_name(report->stream, name, sizeof(name));
	consequence = report_consequence(name, SEALRTP_FAILURE_CACHE_MISMATCH);
	if (consequence == SEALRTP_CONSEQUENCE_BLOCK) {
		block(report->stream);
	}
	stream_channel_id(report->stream, id, sizeof(id));
	zid_peer_name(info->peer_zid, peer, sizeof(peer));
	ast_log(LOG_WARNING, "%s%s: %s\n", doing(consequence), name, report->event.text);
	security_event(report, "CacheMismatch", name, id);
	manager_event(EVENT_FLAG_CALL, "SealRTPCacheMismatch",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"PeerZID: %s\r\n"
		"PeerName: %s\r\n"
		"Reason: %s\r\n",
		name, id, info->peer_zid, peer, report->event.text);
	chan = consequence == SEALRTP_CONSEQUENCE_CONTINUE ? NULL : get_channel(report);
	if (chan) {
		report_failed(chan, METHOD_ZRTP, report->event.text, consequence == SEALRTP_CONSEQUENCE_HANGUP);
		ast_channel_unref(chan);
	}
}

static void tell_verified(struct report *report)
{
	const sealrtp_zrtp_info *info = &report->zrtp;
	char name[AST_CHANNEL_NAME], id[AST_MAX_UNIQUEID], peer[PEER_NAME_SIZE];

	stream_channel_name(report->stream, name, sizeof(name));
	stream_channel_id(report->stream, id, sizeof(id));
	zid_peer_name(info->peer_zid, peer, sizeof(peer));
	ast_verb(3, "SealRTP: %s: %s\n", name, report->event.text);
	manager_event(EVENT_FLAG_CALL, "SealRTPVerified",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Verified: %s\r\n"
		"SAS: %s\r\n"
		"PeerZID: %s\r\n"
		"PeerName: %s\r\n",
		name, id, yes_no(report->event.value), info->sas, info->peer_zid, peer);
}

static void tell_trace(struct report *report)
{
	char name[AST_CHANNEL_NAME];

	stream_channel_name(report->stream, name, sizeof(name));
	if (is_traced(report->method, name)) {
		ast_verbose("SealRTP: %s: %s\n", name, report->event.text);
	}
}

static void tell_verbose(struct report *report)
{
	char name[AST_CHANNEL_NAME];

	stream_channel_name(report->stream, name, sizeof(name));
	ast_verb(3, "SealRTP: %s: %s\n", name, report->event.text);
}

static int run(void *data)
{
	struct report *report = data;

	if (report->tell != tell_trace) {
		sdp_note(report->stream, report->event.text);
	}
	report->tell(report);
	ao2_ref(report->stream, -1);
	ast_free(report);
	return 0;
}

/* Runs a task in the reports' thread, where a channel's lock may be waited for. */
int report_task(int (*task)(void *data), void *data)
{
	return ast_taskprocessor_push(processor, task, data);
}

/* The stream is locked. */
static void post(struct ast_srtp *stream, void (*tell)(struct report *), const sealrtp_event *event)
{
	struct report *report = ast_calloc(1, sizeof(*report));

	if (!report) {
		return;
	}
	report->tell = tell;
	report->event = *event;
	report->info.size = sizeof(report->info);
	report->zrtp.size = sizeof(report->zrtp);
	report->method = stream->zrtp.used && !stream->zrtp.stopped ? METHOD_ZRTP : DTLS_METHOD;
	if (tell == tell_secured) {
		sealrtp_session_get_dtls_info(
			stream->session, event->rtcp ? SEALRTP_RTCP : SEALRTP_RTP, &report->info);
	} else if (stream->zrtp.used) {
		sealrtp_session_get_zrtp_info(stream->session, &report->zrtp);
	}
	report->stream = stream;
	ao2_ref(stream, +1);
	if (report_task(run, report)) {
		ao2_ref(stream, -1);
		ast_free(report);
	}
}

/* Either handshake may fail more than once: RTCP's own, or ZRTP again after a re-INVITE. The stream is
 * locked. */
static void failed(struct ast_srtp *stream, const sealrtp_event *event)
{
	bool *told = event->value == SEALRTP_FAILURE_ZRTP ? &stream->zrtp.failed : &stream->dtls.failed;

	if (!*told) {
		*told = true;
		post(stream, tell_failed, event);
	}
}

/* Polls and tells all events. The stream is locked. */
void report_events(struct ast_srtp *stream)
{
	sealrtp_event event = {.size = sizeof(event)};
	char call[CALL_TEXT_SIZE];

	while (sealrtp_session_poll_event(stream->session, &event) == SEALRTP_OK) {
		switch (event.kind) {
		case SEALRTP_EVENT_SECURED:
			if (stream->zrtp.used && !stream->zrtp.stopped) {
				/* Perhaps by a Hello that came late. */
				stream->zrtp.started = stream->zrtp_secured = true;
				stream->zrtp.unanswered = stream->zrtp.failed = false;
				post(stream, tell_zrtp_secured, &event);
			} else {
				post(stream, tell_secured, &event);
			}
			break;
		case SEALRTP_EVENT_FAILED:
			failed(stream, &event);
			break;
		case SEALRTP_EVENT_NO_ANSWER:
			/* The next re-INVITE tries again. */
			stream->zrtp.unanswered = true;
			stream->zrtp.started = false;
			post(stream, tell_no_answer, &event);
			break;
		case SEALRTP_EVENT_CACHE_MISMATCH:
			post(stream, tell_mismatch, &event);
			break;
		case SEALRTP_EVENT_VERIFIED:
			post(stream, tell_verified, &event);
			break;
		case SEALRTP_EVENT_ALERT:
			/* Anybody can cause them. */
			if (stream->zrtp.alerts++ % ALERTS_EVERY == 0) {
				ast_log(LOG_NOTICE, "%s: %s (%u so far)\n", stream_call(stream, call, sizeof(call)),
					event.text, stream->zrtp.alerts);
			}
			break;
		case SEALRTP_EVENT_RELAYED_SAS:
		case SEALRTP_EVENT_CLOSED:
			post(stream, tell_verbose, &event);
			break;
		case SEALRTP_EVENT_TRACE:
			post(stream, tell_trace, &event);
			break;
		case SEALRTP_EVENT_REKEYED:
			ast_verb(3, "SealRTP: %s: %s\n", stream_call(stream, call, sizeof(call)), event.text);
			break;
		default:
			ast_log(LOG_WARNING, "%s: %s\n", stream_call(stream, call, sizeof(call)), event.text);
		}
	}
}

/* Media may flow, and there can be no handshake. The stream is locked. */
void report_not_started(struct ast_srtp *stream, const char *reason)
{
	sealrtp_event event = {.size = sizeof(event), .kind = SEALRTP_EVENT_FAILED};

	snprintf(event.text, sizeof(event.text),
		"DTLS-SRTP cannot begin: %s (wanted: UDP/TLS/RTP/SAVP with a=setup and a=fingerprint by sha-256)",
		reason);
	post(stream, tell_not_started, &event);
}

int report_start(void)
{
	processor = ast_taskprocessor_get("sealrtp", TPS_REF_DEFAULT);
	return processor ? 0 : -1;
}

struct flush {
	ast_mutex_t lock;
	ast_cond_t done;
	bool is_done;
};

static int flush(void *data)
{
	struct flush *flush = data;

	ast_mutex_lock(&flush->lock);
	flush->is_done = true;
	ast_cond_signal(&flush->done);
	ast_mutex_unlock(&flush->lock);
	return 0;
}

/* What was posted is told first: it is our code that runs. */
void report_stop(void)
{
	struct flush last = {.is_done = false};

	if (!processor) {
		return;
	}
	ast_mutex_init(&last.lock);
	ast_cond_init(&last.done, NULL);
	ast_mutex_lock(&last.lock);
	if (!ast_taskprocessor_push(processor, flush, &last)) {
		while (!last.is_done) {
			ast_cond_wait(&last.done, &last.lock);
		}
	}
	ast_mutex_unlock(&last.lock);
	ast_cond_destroy(&last.done);
	ast_mutex_destroy(&last.lock);
	processor = ast_taskprocessor_unreference(processor);
}
