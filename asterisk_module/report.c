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

/* Something to tell of a stream. */
struct report {
	struct ast_srtp *stream;
	void (*tell)(struct report *report);
	sealrtp_event event;
	sealrtp_dtls_info info;
};

static struct ast_taskprocessor *processor;
static int ended;

/* Which channels are traced: names that begin with this; "" are all. */
AST_MUTEX_DEFINE_STATIC(trace_lock);
static char trace_channel[AST_CHANNEL_NAME];
static bool trace_on;

unsigned int report_ended(void)
{
	return ast_atomic_fetchadd_int(&ended, 0);
}

void report_set_trace(bool on, const char *channel)
{
	struct ao2_iterator iterator = ao2_iterator_init(streams_all(), 0);
	struct ast_srtp *stream;

	ast_mutex_lock(&trace_lock);
	trace_on = on;
	ast_copy_string(trace_channel, S_OR(channel, ""), sizeof(trace_channel));
	ast_mutex_unlock(&trace_lock);
	while ((stream = ao2_iterator_next(&iterator))) {
		ao2_lock(stream);
		sealrtp_session_set_trace(stream->session, on);
		ao2_unlock(stream);
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
}

bool report_trace_is_on(void)
{
	return trace_on;
}

static bool is_traced(const char *channel)
{
	bool traced;

	ast_mutex_lock(&trace_lock);
	traced = trace_on && !strncasecmp(channel, trace_channel, strlen(trace_channel));
	ast_mutex_unlock(&trace_lock);
	return traced;
}

/* A call has failed: log, manager event, and its end. */
void report_failed(struct ast_channel *chan, const char *method, const char *reason)
{
	manager_event(EVENT_FLAG_CALL, "SealRTPFailed",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Method: %s\r\n"
		"Reason: %s\r\n",
		ast_channel_name(chan), ast_channel_uniqueid(chan), method, reason);
	ast_atomic_fetchadd_int(&ended, 1);
	ast_queue_hangup_with_cause(chan, AST_CAUSE_BEARERCAPABILITY_NOTAVAIL);
}

/* Somebody else than the peer that the signalling told of answers the handshake. */
static void security_event(struct report *report, const char *channel, const char *id)
{
	struct ast_sockaddr remote;
	struct ast_security_event_req_not_allowed event = {
		.common.event_type = AST_SECURITY_EVENT_REQ_NOT_ALLOWED,
		.common.version = AST_SECURITY_EVENT_REQ_NOT_ALLOWED_VERSION,
		.common.service = DTLS_METHOD,
		.common.module = AST_MODULE,
		.common.account_id = channel,
		.common.session_id = id,
		.common.local_addr = {&report->stream->local, AST_TRANSPORT_UDP},
		.common.remote_addr = {&remote, AST_TRANSPORT_UDP},
		.request_type = "FingerprintMismatch",
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
	};

	return failure < ARRAY_LEN(texts) && texts[failure]
			   ? texts[failure]
			   : "See media_encryption of the end point, and the peer's";
}

static void tell_failed(struct report *report)
{
	char name[AST_CHANNEL_NAME], id[AST_MAX_UNIQUEID];
	struct ast_channel *chan;

	stream_channel_name(report->stream, name, sizeof(name));
	stream_channel_id(report->stream, id, sizeof(id));
	if (report->event.value == SEALRTP_FAILURE_FINGERPRINT) {
		security_event(report, name, id);
	}
	ast_log(LOG_WARNING, "Hanging up %s: %s. %s\n", name, report->event.text, advice(report->event.value));
	chan = ast_strlen_zero(id) ? NULL : ast_channel_get_by_name(id);
	if (chan) {
		report_failed(chan, DTLS_METHOD, report->event.text);
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
		ast_verb(3, "SealRTP: %s: the peer has no DTLS, media is clear\n", name);
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

static void tell_trace(struct report *report)
{
	char name[AST_CHANNEL_NAME];

	stream_channel_name(report->stream, name, sizeof(name));
	if (is_traced(name)) {
		ast_verbose("SealRTP: %s: %s\n", name, report->event.text);
	}
}

static void tell_closed(struct report *report)
{
	char name[AST_CHANNEL_NAME];

	stream_channel_name(report->stream, name, sizeof(name));
	ast_verb(3, "SealRTP: %s: %s\n", name, report->event.text);
}

static int run(void *data)
{
	struct report *report = data;

	report->tell(report);
	ao2_ref(report->stream, -1);
	ast_free(report);
	return 0;
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
	if (tell == tell_secured) {
		sealrtp_session_get_dtls_info(
			stream->session, event->rtcp ? SEALRTP_RTCP : SEALRTP_RTP, &report->info);
	}
	report->stream = stream;
	ao2_ref(stream, +1);
	if (ast_taskprocessor_push(processor, run, report)) {
		ao2_ref(stream, -1);
		ast_free(report);
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
			post(stream, tell_secured, &event);
			break;
		case SEALRTP_EVENT_FAILED:
			/* RTCP's handshake may fail as well. */
			if (!stream->dtls.failed) {
				stream->dtls.failed = true;
				post(stream, tell_failed, &event);
			}
			break;
		case SEALRTP_EVENT_CLOSED:
			post(stream, tell_closed, &event);
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
