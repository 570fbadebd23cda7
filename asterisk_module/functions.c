/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the dialplan has of us: SEALRTP(), SealRTPWait(), SealRTPVerified()
 */

#include "asterisk.h"

#include "asterisk/app.h"
#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/pbx.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define STATUS "SEALRTP_STATUS"
#define WAIT_DEFAULT 10
/* How often a waiting channel looks. */
#define WAIT_STEP_MS 20

/* What is known of a stream. */
struct facts {
	/* In the words of the dialplan, or "" where there is no media yet. */
	const char *state;
	const char *method;
	/* Handshakes whose info holds. */
	bool has_dtls;
	bool has_zrtp;
	/* ZRTP has failed, or may still come. */
	bool failed;
	bool pending;
	sealrtp_session_stats stats;
	sealrtp_dtls_info dtls;
	sealrtp_zrtp_info zrtp;
	char peer_name[PEER_NAME_SIZE];
};

static const char *const states[] = {
	[SEALRTP_STATE_BYPASS] = "CLEAR",
	[SEALRTP_STATE_BLOCK] = "BLOCK",
	[SEALRTP_STATE_SECURE] = "SECURE",
};

static const char *method_of(const struct facts *facts, const struct ast_srtp *stream)
{
	return facts->has_zrtp ? METHOD_ZRTP : facts->has_dtls ? "DTLS-SRTP" : stream->keyed ? METHOD_SDES : "";
}

static void ask(struct ast_srtp *stream, struct facts *facts)
{
	uint32_t state;
	bool passes;

	ao2_lock(stream);
	state = sealrtp_session_state(stream->session, SEALRTP_RTP);
	facts->state = state < ARRAY_LEN(states) && states[state] ? states[state] : states[SEALRTP_STATE_BLOCK];
	if (stream->zrtp_candidate && !stream->zrtp.activated && state != SEALRTP_STATE_SECURE) {
		/* chan_sip has a stream before there is media. */
		facts->state = "";
	}
	sealrtp_session_get_stats(stream->session, &facts->stats);
	facts->has_zrtp =
		!stream->keyed && sealrtp_session_get_zrtp_info(stream->session, &facts->zrtp) == SEALRTP_OK;
	facts->has_dtls = !stream->keyed && !facts->has_zrtp && stream->has_dtls &&
					  sealrtp_session_get_dtls_info(stream->session, SEALRTP_RTP, &facts->dtls) == SEALRTP_OK;
	facts->method = state == SEALRTP_STATE_SECURE ? method_of(facts, stream) : "";
	facts->failed = stream->zrtp.failed || stream->dtls.failed;
	facts->pending = !stream->zrtp_candidate || !stream->zrtp.settled ||
					 stream->zrtp.rule != SEALRTP_ZRTP_NO || state != SEALRTP_STATE_BYPASS;
	ao2_unlock(stream);
	if (passthrough_stats(stream, &facts->stats, &passes)) {
		facts->state = passes ? "FORWARD" : states[SEALRTP_STATE_BLOCK];
		facts->method = METHOD_PASSTHROUGH;
	}
}

/* A channel without a stream of ours is clear once it has media. */
static void learn(struct ast_channel *chan, bool video, struct facts *facts)
{
	struct ast_srtp *stream;
	bool up;

	memset(facts, 0, sizeof(*facts));
	facts->stats.size = sizeof(facts->stats);
	facts->dtls.size = sizeof(facts->dtls);
	facts->zrtp.size = sizeof(facts->zrtp);
	ast_channel_lock(chan);
	stream = stream_of_channel(chan, video);
	up = ast_channel_state(chan) == AST_STATE_UP;
	ast_channel_unlock(chan);
	facts->method = "";
	facts->state = up && !video ? states[SEALRTP_STATE_BYPASS] : "";
	if (stream) {
		ask(stream, facts);
		ao2_ref(stream, -1);
	}
}

static const char *yes_no(uint32_t value)
{
	return value ? "yes" : "no";
}

/* What SEALRTP() tells of ZRTP, by item. */
#define ZRTP_TEXTS(X)                                                                                        \
	X(sas)                                                                                                   \
	X(relayed_sas)                                                                                           \
	X(sas_type)                                                                                              \
	X(peer_zid)                                                                                              \
	X(peer_client)                                                                                           \
	X(key_agreement)                                                                                         \
	X(hash)                                                                                                  \
	X(auth_tag)
#define ZRTP_FLAGS(X)                                                                                        \
	X(disclosure, disclosure)                                                                                \
	X(enrolled, enrolled)                                                                                    \
	X(sas_verified, verified)

static const char *item_of(struct facts *facts, const char *item)
{
	if (!strcasecmp(item, "state")) {
		return facts->state;
	}
	if (!strcasecmp(item, "method")) {
		return facts->method;
	}
	if (!strcasecmp(item, "suite")) {
		return *facts->method ? S_OR(sealrtp_suite_name(facts->stats.outbound.suite), "") : "";
	}
	if (!strcasecmp(item, "fingerprint")) {
		return facts->has_dtls ? facts->dtls.remote_fingerprint : "";
	}
	if (!strcasecmp(item, "role")) {
		return facts->has_zrtp ? facts->zrtp.role : facts->has_dtls ? facts->dtls.role : "";
	}
	if (!strcasecmp(item, "cipher")) {
		return facts->has_zrtp ? facts->zrtp.cipher : facts->has_dtls ? facts->dtls.cipher : "";
	}
	if (!strcasecmp(item, "peer_name")) {
		zid_peer_name(facts->zrtp.peer_zid, facts->peer_name, sizeof(facts->peer_name));
		return facts->peer_name;
	}
	if (!strcasecmp(item, "cache")) {
		return facts->has_zrtp ? facts->zrtp.continuity : "";
	}
#define TEXT(name)                                                                                           \
	if (!strcasecmp(item, #name)) {                                                                          \
		return facts->has_zrtp ? facts->zrtp.name : "";                                                      \
	}
#define FLAG(name, field)                                                                                    \
	if (!strcasecmp(item, #name)) {                                                                          \
		return facts->has_zrtp ? yes_no(facts->zrtp.field) : "";                                             \
	}
	ZRTP_TEXTS(TEXT)
	ZRTP_FLAGS(FLAG)
	return NULL;
}

static int function_read(struct ast_channel *chan, const char *cmd, char *data, char *buf, size_t len)
{
	struct facts facts;
	const char *value;
	AST_DECLARE_APP_ARGS(args, AST_APP_ARG(item); AST_APP_ARG(stream););

	buf[0] = '\0';
	if (!chan) {
		ast_log(LOG_WARNING, "%s needs a channel\n", cmd);
		return -1;
	}
	AST_STANDARD_APP_ARGS(args, data);
	if (!ast_strlen_zero(args.stream) && strcasecmp(args.stream, "audio") &&
		strcasecmp(args.stream, "video")) {
		ast_log(LOG_WARNING, "%s: %s is no stream: audio or video\n", cmd, args.stream);
		return -1;
	}
	if (!strcasecmp(S_OR(args.item, ""), "recording")) {
		disclosure_text(chan, buf, len);
		return 0;
	}
	if (!strcasecmp(S_OR(args.item, ""), "policy")) {
		policy_name(chan, buf, len);
		return 0;
	}
	if (!strcasecmp(S_OR(args.item, ""), "dial_policy")) {
		policy_dialled(chan, buf, len);
		return 0;
	}
	learn(chan, !strcasecmp(S_OR(args.stream, "audio"), "video"), &facts);
	value = item_of(&facts, S_OR(args.item, ""));
	if (!value) {
		ast_log(
			LOG_WARNING, "%s knows no item '%s': see core show function %s\n", cmd, S_OR(args.item, ""), cmd);
		return -1;
	}
	ast_copy_string(buf, value, len);
	return 0;
}

/* The peer is offered to enrol in the call that is to be answered. */
static int write_enrolment(struct ast_channel *chan, const char *value)
{
	struct facts facts;
	int res;

	if (!ast_true(value)) {
		ast_log(LOG_WARNING, "SEALRTP(enrolment) takes yes\n");
		return -1;
	}
	learn(chan, false, &facts);
	if (*facts.state) {
		ast_log(LOG_WARNING, "%s: SEALRTP(enrolment)=yes comes too late: set it before Answer()\n",
			ast_channel_name(chan));
		return -1;
	}
	ast_channel_lock(chan);
	res = channel_offer_enrolment(chan);
	ast_channel_unlock(chan);
	return res;
}

/* The call will be recorded, and policies with recording = disclose tell the peer so. */
static int write_recording(struct ast_channel *chan, const char *value)
{
	int res;

	if (!ast_true(value)) {
		ast_log(LOG_WARNING, "SEALRTP(recording) takes yes\n");
		return -1;
	}
	ast_channel_lock(chan);
	res = channel_announce_recording(chan);
	ast_channel_unlock(chan);
	return res;
}

static int write_policy(struct ast_channel *chan, const char *value)
{
	struct ast_srtp *streams[2];
	size_t index;
	bool late;
	int res;

	ast_channel_lock(chan);
	late = ast_channel_state(chan) == AST_STATE_UP;
	for (index = 0; index < ARRAY_LEN(streams); index++) {
		streams[index] = stream_of_channel(chan, index != 0);
	}
	ast_channel_unlock(chan);
	for (index = 0; index < ARRAY_LEN(streams); index++) {
		late |= streams[index] && !zrtp_policy_may_change(streams[index]);
	}
	if (late) {
		ast_log(LOG_ERROR,
			"%s: SEALRTP(policy)=%s comes too late: set it before Answer(), Progress() or Dial(), on a leg "
			"that is dialled in a pre-dial handler\n",
			ast_channel_name(chan), value);
	}
	res = late ? -1 : policy_choose(chan, "policy", value, false);
	for (index = 0; index < ARRAY_LEN(streams); index++) {
		if (streams[index] && !res) {
			zrtp_policy_changed(streams[index], chan);
		}
		ao2_cleanup(streams[index]);
	}
	if (!res) {
		recording_rule(chan);
	}
	return res;
}

static int write_peer_name(struct ast_channel *chan, const char *value)
{
	struct settings *settings = config_get();
	struct facts facts;
	sealrtp_result result = SEALRTP_DONE;

	learn(chan, false, &facts);
	if (facts.has_zrtp && settings && settings->zid) {
		result = sealrtp_zrtp_name_peer(settings->zid->zrtp, facts.zrtp.peer_zid, value);
	}
	ao2_cleanup(settings);
	if (result != SEALRTP_OK) {
		ast_log(LOG_WARNING, "%s: SEALRTP(peer_name) not set: %s\n", ast_channel_name(chan),
			result == SEALRTP_DONE ? "no peer of the ZRTP cache" : sealrtp_result_text(result));
		return -1;
	}
	return 0;
}

static int function_write(struct ast_channel *chan, const char *cmd, char *data, const char *value)
{
	if (!chan) {
		ast_log(LOG_WARNING, "%s needs a channel\n", cmd);
		return -1;
	}
	if (!strcasecmp(data, "enrolment")) {
		return write_enrolment(chan, value);
	}
	if (!strcasecmp(data, "recording")) {
		return write_recording(chan, value);
	}
	if (!strcasecmp(data, "peer_name")) {
		return write_peer_name(chan, value);
	}
	if (!strcasecmp(data, "policy")) {
		return write_policy(chan, value);
	}
	if (!strcasecmp(data, "dial_policy")) {
		return policy_choose(chan, data, value, true);
	}
	ast_log(LOG_WARNING,
		"%s: only policy, dial_policy, enrolment, recording and peer_name can be set, not '%s'\n", cmd, data);
	return -1;
}

static struct ast_custom_function function = {
	.name = "SEALRTP",
	.synopsis = "The security of the channel's media",
	.syntax = "SEALRTP(item[,stream])",
	.arguments =
		"item:\n"
		"  state           SECURE, BLOCK (nothing passes without keys), CLEAR, FORWARD (from phone to phone, "
		"untouched), or empty before there is media\n"
		"  method          ZRTP, DTLS-SRTP, SDES, PASSTHROUGH, or empty\n"
		"  suite           the SRTP suite we send by\n"
		"  role            ours in the handshake: initiator or responder, client or server\n"
		"  cipher          ZRTP's cipher type, or the DTLS cipher suite\n"
		"  fingerprint     DTLS-SRTP: of the peer's certificate\n"
		"  sas             ZRTP: the short authentication string that both users compare\n"
		"  sas_verified    yes if the users compared it, now or in an earlier call\n"
		"  sas_type        B32 (four characters) or B256 (two words)\n"
		"  relayed_sas     the SAS that another PBX relays to us\n"
		"  peer_zid        the peer's ZID, 24 hex digits\n"
		"  peer_name       its name in our cache\n"
		"  peer_client     its software\n"
		"  cache           new, match, mismatch (somebody may be in between: compare the SAS) or unused\n"
		"  key_agreement, hash, auth_tag   ZRTP's algorithms\n"
		"  disclosure      yes if the peer may disclose the call, as by recording it\n"
		"  recording       the recorder at work, with disclosed or undisclosed where ZRTP's peer must be "
		"told;\n"
		"                  refused and the recorder where the policy does; or empty\n"
		"  enrolled        yes if the peer is enrolled at this PBX\n"
		"  policy          the policy or section of sealrtp.conf that holds for the call; set it to the name "
		"of a\n"
		"                  policy before Answer() or Progress(), or in a pre-dial handler\n"
		"  dial_policy     set to the name of a policy: it holds for the legs that this channel dials\n"
		"  enrolment       set to yes before Answer(): this call offers the peer to enrol\n"
		"  recording       set to yes before Answer() or Dial(): this call will be recorded\n"
		"  peer_name       may be set as well\n"
		"stream:\n"
		"  audio (the default) or video",
	.seealso = "SealRTPWait(), SealRTPVerified()",
	.desc = "Empty where the item does not belong to the method in use. policy, dial_policy, enrolment,\n"
			"recording and peer_name can be set.",
	.read = function_read,
	.write = function_write,
};

static bool is_secure(const struct facts *facts)
{
	return !strcmp(facts->state, states[SEALRTP_STATE_SECURE]);
}

static const char *status_of(const struct facts *facts)
{
	if (facts->failed && !is_secure(facts)) {
		return "FAILED";
	}
	return S_OR(facts->state, states[SEALRTP_STATE_BYPASS]);
}

/* Nothing is read while nobody reads the channel, so it waits by reading. */
static int wait_exec(struct ast_channel *chan, const char *data)
{
	double seconds = WAIT_DEFAULT;
	struct timeval until;
	struct facts facts;
	int res = 0;

	if (!ast_strlen_zero(data) && (sscanf(data, "%30lg", &seconds) != 1 || seconds < 0 || seconds > 86400)) {
		ast_log(LOG_WARNING, "SealRTPWait: '%s' is no number of seconds\n", data);
		return -1;
	}
	until = ast_tvadd(ast_tvnow(), ast_samp2tv((unsigned int)(seconds * 1000), 1000));
	for (;;) {
		learn(chan, false, &facts);
		if (is_secure(&facts) || facts.failed || (*facts.state && !facts.pending) ||
			ast_tvdiff_ms(until, ast_tvnow()) <= 0) {
			break;
		}
		res = ast_safe_sleep(chan, WAIT_STEP_MS);
		if (res) {
			break;
		}
	}
	pbx_builtin_setvar_helper(chan, STATUS, res ? "HANGUP" : status_of(&facts));
	return res;
}

/* Tells the session, which tells the cache. */
static int verified_exec(struct ast_channel *chan, const char *data)
{
	bool verified = ast_strlen_zero(data) || ast_true(data);
	sealrtp_result result = SEALRTP_DONE;
	struct ast_srtp *stream;

	if (!verified && !ast_false(data)) {
		ast_log(LOG_WARNING, "SealRTPVerified takes yes or no, not '%s'\n", data);
		return -1;
	}
	ast_channel_lock(chan);
	stream = stream_of_channel(chan, false);
	ast_channel_unlock(chan);
	if (stream) {
		ao2_lock(stream);
		if (stream->session) {
			result = sealrtp_session_zrtp_verify(stream->session, verified);
			transport_pump(stream);
		}
		ao2_unlock(stream);
		ao2_ref(stream, -1);
	}
	if (result < 0 || result == SEALRTP_DONE) {
		ast_log(LOG_WARNING, "%s: SealRTPVerified: %s\n", ast_channel_name(chan),
			result == SEALRTP_DONE ? "no SAS to compare, since ZRTP made no keys"
								   : sealrtp_result_text(result));
	}
	return 0;
}

static const struct application {
	const char *name;
	int (*execute)(struct ast_channel *chan, const char *data);
	const char *synopsis;
	const char *description;
} applications[] = {
	{"SealRTPWait", wait_exec, "Wait until the channel's media is secured",
		"SealRTPWait([seconds])\n\n"
		"Waits until the media is secured, it is sure that it will not be, or the time is up, by default "
		"ten\n"
		"seconds. Sets SEALRTP_STATUS:\n"
		"  SECURE  it is\n"
		"  CLEAR   media passes unprotected\n"
		"  BLOCK   nothing passes, since the end point demands security\n"
		"  FAILED  the handshake has failed\n"
		"  HANGUP  the caller has hung up\n"},
	{"SealRTPVerified", verified_exec, "Say whether the users found the same ZRTP SAS",
		"SealRTPVerified([yes|no])\n\n"
		"yes, the default: both compared it, and the cache remembers that of the peer. no: it was another, "
		"or\n"
		"the cache is to forget that it was compared.\n"},
};

int functions_register(void)
{
	int res = ast_custom_function_register(&function);
	size_t index;

	for (index = 0; index < ARRAY_LEN(applications); index++) {
		res |= ast_register_application(applications[index].name, applications[index].execute,
			applications[index].synopsis, applications[index].description);
	}
	return res;
}

void functions_unregister(void)
{
	size_t index;

	for (index = 0; index < ARRAY_LEN(applications); index++) {
		ast_unregister_application(applications[index].name);
	}
	ast_custom_function_unregister(&function);
}
