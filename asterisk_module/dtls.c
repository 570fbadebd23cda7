/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The RTP engine's DTLS: hands on what the channel drivers say of offers and answers, and tells the library
 * when media may flow.
 *
 * chan_pjsip says all of a description again when it is applied, chan_sip says it once; the library takes
 * either. set_configuration comes before anything else of a call, so from then on no clear packet passes.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* How long a ClientHello waits for our answer to be sent: it would be lost, and come again after a second. */
#define ANSWER_LEAD_MS 20
/* How long the description of a peer who was made an offer in our answer may take. */
#define DESCRIPTION_WAIT_MS 8000

static const uint32_t to_setup[] = {
	[AST_RTP_DTLS_SETUP_ACTIVE] = SEALRTP_SETUP_ACTIVE,
	[AST_RTP_DTLS_SETUP_PASSIVE] = SEALRTP_SETUP_PASSIVE,
	[AST_RTP_DTLS_SETUP_ACTPASS] = SEALRTP_SETUP_ACTPASS,
	[AST_RTP_DTLS_SETUP_HOLDCONN] = SEALRTP_SETUP_HOLDCONN,
};

static const char *const hash_names[] = {
	[AST_RTP_DTLS_HASH_SHA256] = "sha-256",
	[AST_RTP_DTLS_HASH_SHA1] = "sha-1",
};

/* Configurations that were warned of. */
static struct ao2_container *warned;

int dtls_init(void)
{
	warned = ast_str_container_alloc(7);
	return warned ? 0 : -1;
}

void dtls_done(void)
{
	ao2_cleanup(warned);
	warned = NULL;
}

/* The stream of an instance that uses DTLS, or NULL. The instance is locked. */
static struct ast_srtp *dtls_stream(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = ast_rtp_instance_get_srtp(instance, 0);

	return stream && stream->has_dtls ? stream : NULL;
}

/* We never renegotiate: in DTLS-SRTP that was never defined, and SRTP's own lifetimes are long. */
static void warn_of_rekey(const struct ast_rtp_dtls_cfg *cfg)
{
	char key[512], *known;

	if (!cfg->rekey) {
		return;
	}
	snprintf(key, sizeof(key), "%s %s %s %u", S_OR(cfg->certfile, ""), S_OR(cfg->cipher, ""),
		S_OR(cfg->cafile, ""), cfg->rekey);
	known = ao2_find(warned, key, OBJ_SEARCH_KEY);
	if (known) {
		ao2_ref(known, -1);
		return;
	}
	ast_str_container_add(warned, key);
	ast_log(LOG_WARNING,
		"dtls_rekey=%u (dtlsrekey) has no effect: DTLS-SRTP keys are not renegotiated. A re-INVITE with "
		"another "
		"fingerprint makes new ones\n",
		cfg->rekey);
}

/* No clear packet passes the instance from here on. */
static struct ast_srtp *install_stream(struct ast_rtp_instance *instance)
{
	struct ast_srtp_policy *policy = policy_without_keys(METHOD_DTLS);
	int res = policy ? ast_rtp_instance_add_srtp_policy(instance, policy, policy, 0) : -1;

	policy_destroy(policy);
	return res ? NULL : ast_rtp_instance_get_srtp(instance, 0);
}

static sealrtp_result use(struct ast_srtp *stream, const struct ast_rtp_dtls_cfg *cfg)
{
	struct settings *settings = config_get();
	sealrtp_dtls_options options = {
		.size = sizeof(options),
		.cert_file = cfg->ephemeral_cert ? NULL : S_OR(cfg->certfile, NULL),
		.key_file = cfg->ephemeral_cert ? NULL : S_OR(cfg->pvtfile, NULL),
		.ciphers = S_OR(cfg->cipher, NULL),
		.ca_file = S_OR(cfg->cafile, NULL),
		.ca_path = S_OR(cfg->capath, NULL),
		.verify_certificate = (cfg->verify & AST_RTP_DTLS_VERIFY_CERTIFICATE) != 0,
	};
	char message[REASON_SIZE] = "";
	sealrtp_result result;

	if (!settings) {
		return SEALRTP_E_INTERNAL;
	}
	result = sealrtp_session_dtls_use(
		stream->session, settings->dtls, &options, to_setup[cfg->default_setup], message, sizeof(message));
	ao2_ref(settings, -1);
	if (result < 0) {
		ast_log(LOG_ERROR, "DTLS-SRTP cannot be used: %s. See dtls_cert_file and the other dtls_ options\n",
			S_OR(message, sealrtp_result_text(result)));
	} else {
		sealrtp_session_set_trace(stream->session, report_any_trace());
	}
	return result;
}

/* Comes before each description, ours and the peer's. */
static int dtls_set_configuration(struct ast_rtp_instance *instance, const struct ast_rtp_dtls_cfg *cfg)
{
	struct ast_srtp *stream = dtls_stream(instance);
	sealrtp_result result = SEALRTP_OK;

	if (!cfg->enabled) {
		return 0;
	}
	if (!stream) {
		warn_of_rekey(cfg);
		stream = install_stream(instance);
	}
	if (!stream) {
		return -1;
	}
	ao2_lock(stream);
	if (!stream->has_dtls) {
		/* ZRTP's stream may let clear media pass. */
		sealrtp_session_demand_security(stream->session);
		stream->method = stream->keyed ? stream->method : METHOD_DTLS;
		stream->has_dtls = true;
	}
	stream->dtls.configurations++;
	if (!stream->dtls.used) {
		stream->dtls.hash = cfg->hash;
		result = use(stream, cfg);
		stream->dtls.used = result >= 0;
	}
	ao2_unlock(stream);
	transport_learn(stream, instance);
	return result < 0 ? -1 : 0;
}

static int dtls_active(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = dtls_stream(instance);

	return stream && stream->dtls.used && !stream->dtls.stopped && !stream->dtls.answering_clear;
}

/* SDES was chosen. */
static void dtls_stop(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = dtls_stream(instance);

	if (stream) {
		ao2_lock(stream);
		sealrtp_session_dtls_stop(stream->session);
		stream->dtls.stopped = true;
		ao2_unlock(stream);
	}
}

/* a=connection:new of the peer. */
static void dtls_reset(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = dtls_stream(instance);

	if (stream) {
		ao2_lock(stream);
		stream->dtls.renew = sealrtp_session_state(stream->session, SEALRTP_RTP) == SEALRTP_STATE_SECURE;
		ao2_unlock(stream);
	}
}

static enum ast_rtp_dtls_connection dtls_get_connection(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = dtls_stream(instance);

	return stream && stream_state(stream) == SEALRTP_STATE_SECURE ? AST_RTP_DTLS_CONNECTION_EXISTING
																  : AST_RTP_DTLS_CONNECTION_NEW;
}

/* Ours, of the description that is being made. */
static enum ast_rtp_dtls_setup dtls_get_setup(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = dtls_stream(instance);
	enum ast_rtp_dtls_setup setup;
	uint32_t ours;

	if (!stream) {
		return AST_RTP_DTLS_SETUP_ACTPASS;
	}
	ao2_lock(stream);
	ours = sealrtp_session_dtls_local_setup(stream->session);
	ao2_unlock(stream);
	for (setup = 0; setup < ARRAY_LEN(to_setup); setup++) {
		if (to_setup[setup] == ours) {
			return setup;
		}
	}
	return AST_RTP_DTLS_SETUP_ACTPASS;
}

/* The library's refusal of something in the peer's description; a call without keys ends with it. */
static void refused(struct ast_srtp *stream, const char *what, sealrtp_result result, const char *reason)
{
	char call[CALL_TEXT_SIZE];

	ast_copy_string(
		stream->dtls.refusal, S_OR(reason, sealrtp_result_text(result)), sizeof(stream->dtls.refusal));
	ast_log(LOG_WARNING, "%s of the peer refused, %s: %s\n", what, stream_call(stream, call, sizeof(call)),
		stream->dtls.refusal);
}

/* The peer speaks of DTLS: from here on an optimistic end point is secured or silent. The stream is locked.
 */
static void peer_has_dtls(struct ast_srtp *stream)
{
	stream->dtls.peer_has_dtls = true;
	stream->dtls.answering = stream->dtls.answering || !stream->dtls.described;
	sealrtp_session_demand_security(stream->session);
}

/* The peer's. */
static void dtls_set_setup(struct ast_rtp_instance *instance, enum ast_rtp_dtls_setup setup)
{
	struct ast_srtp *stream = dtls_stream(instance);
	char reason[REASON_SIZE] = "";
	sealrtp_result result;

	if (!stream || (size_t)setup >= ARRAY_LEN(to_setup)) {
		return;
	}
	ao2_lock(stream);
	peer_has_dtls(stream);
	result = sealrtp_session_dtls_remote_setup(stream->session, to_setup[setup], reason, sizeof(reason));
	if (result < 0) {
		refused(stream, "a=setup", result, reason);
	}
	ao2_unlock(stream);
}

static void dtls_set_fingerprint(
	struct ast_rtp_instance *instance, enum ast_rtp_dtls_hash hash, const char *fingerprint)
{
	struct ast_srtp *stream = dtls_stream(instance);
	char value[FINGERPRINT_SIZE + 16], reason[REASON_SIZE] = "";
	sealrtp_result result;

	if (!stream || (size_t)hash >= ARRAY_LEN(hash_names)) {
		return;
	}
	snprintf(value, sizeof(value), "%s %s", hash_names[hash], fingerprint);
	ao2_lock(stream);
	peer_has_dtls(stream);
	result = sealrtp_session_dtls_remote_fingerprint(stream->session, value, reason, sizeof(reason));
	if (result < 0) {
		refused(stream, "a=fingerprint", result, reason);
	}
	ao2_unlock(stream);
}

static enum ast_rtp_dtls_hash dtls_get_fingerprint_hash(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = dtls_stream(instance);

	return stream ? stream->dtls.hash : AST_RTP_DTLS_HASH_SHA256;
}

/* Ours. The text lives as long as the stream. */
static const char *dtls_get_fingerprint(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = dtls_stream(instance);
	sealrtp_result result;

	if (!stream || (size_t)stream->dtls.hash >= ARRAY_LEN(hash_names)) {
		return NULL;
	}
	ao2_lock(stream);
	stream->dtls.described = true;
	/* chan_pjsip configures once for the peer's offer and once for our answer. Only an optimistic end point
	 * is offered anything without DTLS, and an answer of another profile would be no answer. */
	stream->dtls.answering_clear = stream->dtls.configurations > 1 && !stream->dtls.peer_has_dtls;
	result = sealrtp_session_dtls_fingerprint(stream->session, hash_names[stream->dtls.hash],
		stream->dtls.fingerprint, sizeof(stream->dtls.fingerprint));
	ao2_unlock(stream);
	return result < 0 ? NULL : stream->dtls.fingerprint;
}

struct ast_rtp_engine_dtls dtls_engine = {
	.set_configuration = dtls_set_configuration,
	.active = dtls_active,
	.stop = dtls_stop,
	.reset = dtls_reset,
	.get_connection = dtls_get_connection,
	.get_setup = dtls_get_setup,
	.set_setup = dtls_set_setup,
	.set_fingerprint = dtls_set_fingerprint,
	.get_fingerprint_hash = dtls_get_fingerprint_hash,
	.get_fingerprint = dtls_get_fingerprint,
};

/* Whether the peer's media has moved since the association began. With ICE that means nothing (RFC 8842
 * section 4). The stream is locked. */
static bool has_moved(struct ast_srtp *stream)
{
	const struct ast_sockaddr *now = &stream->transport.remote[SEALRTP_RTP];
	bool moved;

	moved = stream->dtls.ice == ICE_UNUSED && !ast_sockaddr_isnull(&stream->dtls.began) &&
			ast_sockaddr_cmp(&stream->dtls.began, now);
	ast_sockaddr_copy(&stream->dtls.began, now);
	return moved;
}

/* Media may flow, and with ICE a pair is chosen. The stream is locked. */
static void start(struct ast_srtp *stream)
{
	char reason[REASON_SIZE] = "";
	bool renew = stream->dtls.renew;
	sealrtp_result result;

	/* A clear call of an optimistic end point goes on. */
	if (!stream->dtls.peer_has_dtls &&
		sealrtp_session_state(stream->session, SEALRTP_RTP) == SEALRTP_STATE_BYPASS) {
		return;
	}
	zrtp_stop(stream);
	renew = has_moved(stream) || renew;
	transport_expect(stream);
	result = sealrtp_session_dtls_start(
		stream->session, transport_rtcp_is_separate(stream), renew, reason, sizeof(reason));
	stream->dtls.renew = false;
	stream->dtls.started = result >= 0;
	stream->dtls.failed = false;
	if (result < 0) {
		report_not_started(stream, S_OR(stream->dtls.refusal, S_OR(reason, sealrtp_result_text(result))));
	}
	stream->dtls.refusal[0] = '\0';
	transport_pump(stream);
}

/* Whether the stream's keys are to come from DTLS. */
bool dtls_serves(const struct ast_srtp *stream)
{
	return stream->has_dtls && stream->dtls.used && !stream->dtls.stopped;
}

static bool may_start(const struct ast_srtp *stream)
{
	return stream->session && stream->dtls.activated && dtls_serves(stream) && !stream->dtls.bundled &&
		   (stream->dtls.ice == ICE_UNUSED || stream->dtls.ice == ICE_CHOSEN);
}

/* The stream is locked. */
void dtls_start(struct ast_srtp *stream)
{
	if (may_start(stream)) {
		start(stream);
	}
}

/* The time that our answer takes is over, or that the peer's description may take. The stream is locked. */
void dtls_start_late(struct ast_srtp *stream)
{
	if (stream->dtls.started) {
		return;
	}
	/* A sibling of audio that has a description and an address is as good as active. */
	if (stream->dtls.peer_has_dtls && transport_has_remote(stream)) {
		stream->dtls.activated = true;
	}
	dtls_start(stream);
}

/* chan_sip says "media may flow" of audio alone. What else the peer has described begins with it; chan_pjsip
 * has said so itself by then. */
static void activate_siblings(struct ast_srtp *audio, struct ast_rtp_instance *instance)
{
#if SEALRTP_ASTERISK_MAJOR < 21
	const char *channel = ast_rtp_instance_get_channel_id(instance);
	char id[AST_MAX_UNIQUEID];
	struct ao2_iterator iterator;
	struct ast_srtp *stream;

	if (ast_strlen_zero(channel)) {
		return;
	}
	iterator = ao2_iterator_init(streams_all(), 0);
	while ((stream = ao2_iterator_next(&iterator))) {
		stream_channel_id(stream, id, sizeof(id));
		ao2_lock(stream);
		if (stream != audio && !strcmp(id, channel) && stream->has_dtls && !stream->dtls.activated) {
			transport_start_later(stream, ANSWER_LEAD_MS);
		}
		ao2_unlock(stream);
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
#else
	(void)audio, (void)instance;
#endif
}

/* "Media may flow": both descriptions are known. The instance is locked. */
void dtls_activate(struct ast_srtp *stream, struct ast_rtp_instance *instance)
{
	struct ast_sockaddr remote;

	/* What the SDP says, not what was learnt from packets. */
	ast_rtp_instance_get_requested_target_address(instance, &remote);
	transport_learn(stream, instance);
	activate_siblings(stream, instance);
	ao2_lock(stream);
	if (stream->dtls.ice == ICE_UNUSED) {
		transport_set_remote(stream, &remote);
	}
	stream->dtls.activated = true;
	if (!may_start(stream)) {
		/* Later, or never. */
	} else if (!stream->dtls.peer_has_dtls && ast_sockaddr_isnull(&remote)) {
		/* chan_sip answers an INVITE without SDP: the peer's comes with the ACK. */
		transport_start_later(stream, DESCRIPTION_WAIT_MS);
	} else if (stream->dtls.answering && !stream->dtls.started &&
			   sealrtp_session_dtls_local_setup(stream->session) == SEALRTP_SETUP_ACTIVE) {
		/* The drivers say so just before they send the answer. */
		transport_start_later(stream, ANSWER_LEAD_MS);
	} else {
		start(stream);
	}
	stream->dtls.answering = stream->dtls.described = false;
	stream->dtls.configurations = 0;
	ao2_unlock(stream);
}

/* Offer and answer have agreed on it, and the session knows the peer's terms. The stream is locked. */
void dtls_decided(struct ast_srtp *stream, bool answering)
{
	bool fresh = !stream->has_dtls;

	stream->has_dtls = stream->dtls.used = stream->dtls.peer_has_dtls = true;
	stream->dtls.stopped = false;
	stream->method = METHOD_DTLS;
	zrtp_stop(stream);
	/* chan_pjsip activates the media of an answer of ours before it sends it, and of the peer's when it has
	 * taken it. */
	if (fresh) {
		stream->dtls.activated = stream->zrtp.activated;
	}
	if (answering && stream->dtls.activated) {
		stream->dtls.started = false;
		transport_start_later(stream, ANSWER_LEAD_MS);
	}
}

void dtls_ice_candidate(struct ast_srtp *stream)
{
	stream->dtls.has_candidates = true;
}

/* Without candidates of the peer it does nothing. Once chosen, a pair stays until there is another. */
void dtls_ice_start(struct ast_srtp *stream)
{
	ao2_lock(stream);
	if (stream->dtls.has_candidates && stream->dtls.ice != ICE_CHOSEN) {
		stream->dtls.ice = ICE_CHECKING;
	}
	ao2_unlock(stream);
}

void dtls_ice_stop(struct ast_srtp *stream)
{
	ao2_lock(stream);
	stream->dtls.ice = ICE_UNUSED;
	stream->dtls.has_candidates = false;
	ao2_unlock(stream);
}

/* A chosen pair shows as symmetric RTP switched off, and then the pair's address. */
void dtls_property(struct ast_srtp *stream, enum ast_rtp_property property, int value)
{
	if (property != AST_RTP_PROPERTY_NAT || value) {
		return;
	}
	ao2_lock(stream);
	if (stream->dtls.ice != ICE_UNUSED) {
		stream->dtls.ice = ICE_CHOOSING;
	}
	ao2_unlock(stream);
}

/* Of the SDP, learnt from packets, or a pair of ICE's, which the others do not displace. */
void dtls_remote_address(struct ast_srtp *stream, const struct ast_sockaddr *address)
{
	if (stream->dtls.ice == ICE_CHOSEN || ast_sockaddr_isnull(address)) {
		return;
	}
	ao2_lock(stream);
	transport_set_remote(stream, address);
	if (stream->dtls.ice == ICE_CHOOSING) {
		stream->dtls.ice = ICE_CHOSEN;
		dtls_start(stream);
	} else if (stream->dtls.ice == ICE_UNUSED && stream->dtls.peer_has_dtls && !stream->dtls.started &&
			   !stream->dtls.answering) {
		/* The description that chan_sip did not wait for. */
		dtls_start(stream);
	}
	ao2_unlock(stream);
}

void dtls_bundle(struct ast_srtp *stream, bool bundled)
{
	ao2_lock(stream);
	stream->dtls.bundled = bundled;
	ao2_unlock(stream);
}

/* The instance is about to end: the peer is told while there is a socket. */
void dtls_close(struct ast_srtp *stream)
{
	ao2_lock(stream);
	if (!stream->dtls.bundled) {
		sealrtp_session_close(stream->session);
		transport_send(stream);
	}
	ao2_unlock(stream);
	transport_forget(stream);
}

/* The peer of an optimistic end point does not speak DTLS: its media passes in the clear. The stream is
 * locked. */
int dtls_give_up(struct ast_srtp *stream)
{
	if (stream->dtls.peer_has_dtls || !stream->session || stream_renew(stream, NULL, zrtp_demands(stream))) {
		return -1;
	}
	/* A later description may speak of it. */
	stream->dtls.used = false;
	stream->method = METHOD_NONE;
	return 0;
}
