/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Asterisk's SRTP engine: streams and policies over the library.
 *
 * What res_rtp_asterisk makes of our answers: unprotect() < 0 drops the packet and reading goes on. protect()
 * < 0 sends nothing; for RTCP it also halts the sender reports until the next RTP packet.
 */

#include "asterisk.h"

#include <errno.h>

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/frame.h"
#include "asterisk/logger.h"
#include "asterisk/threadstorage.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* Largest packet of res_rtp_asterisk, and room for what protection adds. */
#define OUTPUT_SIZE (8192 + AST_FRIENDLY_OFFSET + SEALRTP_MAX_TRAILER)
/* An SRTP packet of 20 ms of G.711, and a line of the cache. */
#define USUAL_SIZE 192
#define CACHE_LINE 64
/* A trouble that goes on is logged again after this many packets, and not before this many milliseconds. */
#define LOG_EVERY 100
#define LOG_PAUSE_MS 10000
/* Packets that come before a handshake is over are no trouble: a second of audio. */
#define EARLY_PACKETS 50

/* protect() returns a pointer into its output, and an RTCP packet may be made while an RTP packet waits to be
 * sent. */
AST_THREADSTORAGE(rtp_output);
AST_THREADSTORAGE(rtcp_output);

enum direction { INBOUND, OUTBOUND };

struct ast_srtp_policy {
	/* NULL until suite and master key are both known, or for good. */
	sealrtp_keys *keys;
	/* The keys come later, straight into the stream. */
	bool without_keys;
	const char *method;
	bool inbound;
	uint32_t suite;
	/* Where the core sets suite and master key one by one. */
	size_t key_len, salt_len;
	uint8_t key[64], salt[64];
};

/* Asterisk's suites by their numbers in enum ast_srtp_suite. */
static const uint32_t suites[] = {
	[AST_AES_CM_128_HMAC_SHA1_80] = SEALRTP_SUITE_AES_CM_128_HMAC_SHA1_80,
	[AST_AES_CM_128_HMAC_SHA1_32] = SEALRTP_SUITE_AES_CM_128_HMAC_SHA1_32,
	[AST_AES_CM_192_HMAC_SHA1_80] = SEALRTP_SUITE_AES_192_CM_HMAC_SHA1_80,
	[AST_AES_CM_192_HMAC_SHA1_32] = SEALRTP_SUITE_AES_192_CM_HMAC_SHA1_32,
	[AST_AES_CM_256_HMAC_SHA1_80] = SEALRTP_SUITE_AES_256_CM_HMAC_SHA1_80,
	[AST_AES_CM_256_HMAC_SHA1_32] = SEALRTP_SUITE_AES_256_CM_HMAC_SHA1_32,
	[AST_AES_GCM_128] = SEALRTP_SUITE_AEAD_AES_128_GCM,
	[AST_AES_GCM_256] = SEALRTP_SUITE_AEAD_AES_256_GCM,
	[AST_AES_GCM_128_8] = SEALRTP_SUITE_AEAD_AES_128_GCM_8,
	[AST_AES_GCM_256_8] = SEALRTP_SUITE_AEAD_AES_256_GCM_8,
};

/* What an administrator should know of a refused packet, and errno for what was to be sent. */
static const struct trouble_text {
	sealrtp_result result;
	int error;
	const char *inbound;
	const char *outbound;
} trouble_texts[] = {
	{SEALRTP_E_AUTH, EBADMSG,
		"the peer uses another key or suite than was negotiated, sends clear media, or somebody injects "
		"packets",
		""},
	{SEALRTP_E_REPLAY, EEXIST,
		"a packet came twice or very late: the network doubles packets, or somebody replays them", ""},
	{SEALRTP_E_MALFORMED, EBADMSG, "not an SRTP packet", "not an RTP packet"},
	{SEALRTP_E_NO_KEYS, ENOKEY, "clear media, or media before the handshake was finished",
		"nothing is sent in the clear while there are no keys"},
	{SEALRTP_E_KEY_EXPIRED, EKEYEXPIRED, "the peer must re-key: its key's lifetime is over",
		"our key's lifetime is over: re-key by a re-INVITE, or raise lifetime in sealrtp.conf"},
	{SEALRTP_E_INDEX_USED, EEXIST, "", "the other leg doubled a packet; a second copy must not be sent"},
	{SEALRTP_E_SSRC_LIMIT, ENOSPC, "raise max_ssrcs in sealrtp.conf if the peer really has that many sources",
		"raise max_ssrcs in sealrtp.conf if the call really has that many sources"},
	{SEALRTP_E_UNKNOWN_KEY, ENOKEY, "the peer uses an MKI that it did not announce in its SDP", ""},
	{SEALRTP_E_BUFFER, EMSGSIZE, "", "the packet is too large"},
};

_Static_assert(ARRAY_LEN(trouble_texts) < TROUBLE_KINDS, "the last kind is for what has no text");

/* Logs the first of each trouble of a stream and then only now and then: who floods us must not flood the
 * log. */
static void report(struct ast_srtp *stream, enum direction direction, int rtcp, sealrtp_result result)
{
	const struct trouble_text *text = NULL;
	struct trouble *trouble;
	char call[CALL_TEXT_SIZE];
	struct timeval now;
	size_t index;

	for (index = 0; index < ARRAY_LEN(trouble_texts); index++) {
		if (trouble_texts[index].result == result) {
			text = &trouble_texts[index];
			break;
		}
	}
	trouble = &stream->troubles[direction][text ? index : TROUBLE_KINDS - 1];
	trouble->count++;
	if (result == SEALRTP_E_NO_KEYS && stream_has_handshake(stream) && trouble->count < EARLY_PACKETS) {
		return;
	}
	now = ast_tvnow();
	if (trouble->logged) {
		if (trouble->count - trouble->logged < LOG_EVERY ||
			ast_tvdiff_ms(now, trouble->when) < LOG_PAUSE_MS) {
			return;
		}
	}
	trouble->logged = trouble->count;
	trouble->when = now;
	ast_log(LOG_WARNING, "%s %s packet of %s dropped (%u so far): %s%s%s\n",
		direction == INBOUND ? "Received" : "Outgoing", rtcp ? "SRTCP" : "SRTP",
		stream_call(stream, call, sizeof(call)), trouble->count, sealrtp_result_text(result),
		text ? ". " : "",
		!text				   ? ""
		: direction == INBOUND ? text->inbound
							   : text->outbound);
}

static int errno_of(sealrtp_result result)
{
	size_t index;

	for (index = 0; index < ARRAY_LEN(trouble_texts); index++) {
		if (trouble_texts[index].result == result) {
			return trouble_texts[index].error;
		}
	}
	return EIO;
}

/* flags: bit 0 is RTCP. Bit 1, rtp.conf's srtpreplayprotection, is not asked for: replays are always dropped.
 */
static int engine_unprotect(struct ast_srtp *stream, void *buf, int *size, int flags)
{
	int rtcp = flags & 1;
	sealrtp_result result;
	size_t len;

	if (*size < 0) {
		errno = EAGAIN;
		return -1;
	}
	len = *size;
	ao2_lock(stream);
	if (passthrough_runs(stream)) {
		ao2_unlock(stream);
		errno = EAGAIN;
		return -1;
	}
	result = rtcp ? sealrtp_unprotect_rtcp(stream->session, buf, &len)
				  : sealrtp_unprotect_rtp(stream->session, buf, &len);
	if (result == SEALRTP_OK_EVENT) {
		report_events(stream);
	} else if (result < 0) {
		report(stream, INBOUND, rtcp, result);
	}
	ao2_unlock(stream);
	if (result < 0) {
		/* Anything else would read as a broken socket. */
		errno = EAGAIN;
		return -1;
	}
	*size = len;
	return *size;
}

/* A packet is about to be made: what it will need comes into the cache meanwhile. */
void stream_will_send(const struct ast_srtp *stream)
{
	const uint8_t *output = ast_threadstorage_get(&rtp_output, OUTPUT_SIZE);
	size_t line;

	sealrtp_prefetch_protect(__atomic_load_n(&stream->session, __ATOMIC_RELAXED));
	for (line = 0; output && line < USUAL_SIZE; line += CACHE_LINE) {
		__builtin_prefetch(output + line, 1);
	}
}

static int engine_protect(struct ast_srtp *stream, void **buf, int *size, int rtcp)
{
	uint8_t *output = ast_threadstorage_get(rtcp ? &rtcp_output : &rtp_output, OUTPUT_SIZE);
	size_t len, capacity = OUTPUT_SIZE;
	sealrtp_result result;

	if (!output || *size < 0 || *size > OUTPUT_SIZE) {
		errno = output ? EMSGSIZE : ENOMEM;
		return -1;
	}
	len = *size;
	ao2_lock(stream);
	if (passthrough_runs(stream)) {
		/* Music on hold, digits, reports: nothing of ours may mix with what the far phone sends. */
		ao2_unlock(stream);
		errno = EAGAIN;
		return -1;
	}
	if (!stream->keyed && !stream->has_dtls && !stream->zrtp_secured &&
		sealrtp_session_state(stream->session, rtcp ? SEALRTP_RTCP : SEALRTP_RTP) == SEALRTP_STATE_BYPASS) {
		/* It stays as it is: no need to copy it. Were there keys, it would not fit and be dropped. */
		output = *buf;
		capacity = len;
	} else {
		memcpy(output, *buf, len);
	}
	result = rtcp ? sealrtp_protect_rtcp(stream->session, output, &len, capacity)
				  : sealrtp_protect_rtp(stream->session, output, &len, capacity);
	if (result == SEALRTP_OK_EVENT) {
		report_events(stream);
	} else if (result < 0) {
		report(stream, OUTBOUND, rtcp, result);
	}
	ao2_unlock(stream);
	if (result < 0) {
		errno = errno_of(result);
		return -1;
	}
	*buf = output;
	*size = len;
	return *size;
}

static void policy_forget_key(struct ast_srtp_policy *policy)
{
	explicit_bzero(policy->key, sizeof(policy->key));
	explicit_bzero(policy->salt, sizeof(policy->salt));
}

static void policy_free(void *object)
{
	struct ast_srtp_policy *policy = object;

	policy_forget_key(policy);
	sealrtp_keys_free(policy->keys);
}

/* The core makes policies itself only for its built-in DTLS, which does not run beside ours. */
static struct ast_srtp_policy *policy_alloc(void)
{
	struct ast_srtp_policy *policy;

	policy = ao2_alloc_options(sizeof(*policy), policy_free, AO2_ALLOC_OPT_LOCK_NOLOCK);
	if (policy) {
		policy->method = METHOD_DTLS;
	}
	return policy;
}

/* A policy that owns keys negotiated elsewhere; takes them in any case. */
struct ast_srtp_policy *policy_from_keys(sealrtp_keys *keys, const char *method, bool inbound)
{
	struct ast_srtp_policy *policy = policy_alloc();

	if (!policy) {
		sealrtp_keys_free(keys);
		return NULL;
	}
	policy->keys = keys;
	policy->method = method;
	policy->inbound = inbound;
	return policy;
}

/* A policy for a stream that refuses everything until it has keys. */
struct ast_srtp_policy *policy_without_keys(const char *method)
{
	struct ast_srtp_policy *policy = policy_alloc();

	if (policy) {
		policy->method = method;
		policy->without_keys = true;
	}
	return policy;
}

void policy_destroy(struct ast_srtp_policy *policy)
{
	ao2_cleanup(policy);
}

/* Suite and master key come in either order. */
static int policy_make_keys(struct ast_srtp_policy *policy)
{
	if (!policy->suite || !policy->key_len) {
		return 0;
	}
	sealrtp_keys_free(policy->keys);
	policy->keys =
		sealrtp_keys_new(policy->suite, policy->key, policy->key_len, policy->salt, policy->salt_len);
	if (!policy->keys) {
		ast_log(LOG_ERROR, "Master key of %zu and salt of %zu bytes do not fit %s\n", policy->key_len,
			policy->salt_len, sealrtp_suite_name(policy->suite));
		return -1;
	}
	return 0;
}

static int policy_set_suite(struct ast_srtp_policy *policy, enum ast_srtp_suite suite)
{
	if ((size_t)suite >= ARRAY_LEN(suites) || !suites[suite]) {
		ast_log(LOG_ERROR, "Unknown SRTP suite number %d\n", (int)suite);
		return -1;
	}
	policy->suite = suites[suite];
	return policy_make_keys(policy);
}

static int policy_set_master_key(struct ast_srtp_policy *policy, const unsigned char *key, size_t key_len,
	const unsigned char *salt, size_t salt_len)
{
	if (!key || !salt || !key_len || key_len > sizeof(policy->key) || salt_len > sizeof(policy->salt)) {
		ast_log(LOG_ERROR, "Master key of %zu and salt of %zu bytes are of no suite\n", key_len, salt_len);
		return -1;
	}
	policy_forget_key(policy);
	memcpy(policy->key, key, key_len);
	memcpy(policy->salt, salt, salt_len);
	policy->key_len = key_len;
	policy->salt_len = salt_len;
	return policy_make_keys(policy);
}

/* Keys hold for every SSRC of their direction: a bridged call sends under the SSRCs of the other leg. */
static void policy_set_ssrc(struct ast_srtp_policy *policy, unsigned long ssrc, int inbound)
{
	(void)ssrc;
	policy->inbound = inbound;
}

/* The keys that run are kept if these are the same; index and replay state go on in any case. */
static int install(struct ast_srtp *stream, const struct ast_srtp_policy *policy, enum direction direction)
{
	char call[CALL_TEXT_SIZE];
	sealrtp_result result;

	if (policy->without_keys) {
		return 0;
	}
	ao2_lock(stream);
	result = direction == INBOUND ? sealrtp_session_set_inbound(stream->session, policy->keys)
								  : sealrtp_session_set_outbound(stream->session, policy->keys);
	if (result < 0) {
		ast_log(LOG_ERROR, "Keys by %s of %s refused: %s\n", policy->method,
			stream_call(stream, call, sizeof(call)), sealrtp_result_text(result));
	} else {
		stream->method = policy->method;
		stream->keyed = true;
		zrtp_stop(stream);
	}
	ao2_unlock(stream);
	return result < 0 ? -1 : 0;
}

static int engine_add_stream(struct ast_srtp *stream, struct ast_srtp_policy *policy)
{
	return policy ? install(stream, policy, policy->inbound ? INBOUND : OUTBOUND) : -1;
}

static int engine_create(
	struct ast_srtp **stream, struct ast_rtp_instance *rtp, struct ast_srtp_policy *policy)
{
	struct ast_srtp *made = policy ? stream_new(rtp, policy->method) : NULL;

	if (!made) {
		return -1;
	}
	if (install(made, policy, INBOUND)) {
		stream_let_go(made);
		return -1;
	}
	*stream = made;
	return 0;
}

/* The stream stays, so that packets in flight under the old key still open and no index is used twice. */
static int engine_replace(
	struct ast_srtp **stream, struct ast_rtp_instance *rtp, struct ast_srtp_policy *policy)
{
	if (!*stream) {
		return engine_create(stream, rtp, policy);
	}
	return policy ? install(*stream, policy, INBOUND) : -1;
}

static void engine_destroy(struct ast_srtp *stream)
{
	stream_let_go(stream);
}

/* Every SSRC is served by the same keys, so a new one needs nothing. */
static int engine_change_source(struct ast_srtp *stream, unsigned int from_ssrc, unsigned int to_ssrc)
{
	(void)stream, (void)from_ssrc, (void)to_ssrc;
	return 0;
}

/* The callback is for a packet without a context; ours have one from their first packet on. */
static void engine_set_cb(struct ast_srtp *stream, const struct ast_srtp_cb *cb, void *data)
{
	(void)stream, (void)cb, (void)data;
}

static int engine_get_random(unsigned char *key, size_t len)
{
	return sealrtp_random(key, len) < 0 ? -1 : 0;
}

struct ast_srtp_res srtp_engine = {
	.create = engine_create,
	.replace = engine_replace,
	.destroy = engine_destroy,
	.add_stream = engine_add_stream,
	.change_source = engine_change_source,
	.set_cb = engine_set_cb,
	.unprotect = engine_unprotect,
	.protect = engine_protect,
	.get_random = engine_get_random,
};

struct ast_srtp_policy_res srtp_policy_engine = {
	.alloc = policy_alloc,
	.destroy = policy_destroy,
	.set_suite = policy_set_suite,
	.set_master_key = policy_set_master_key,
	.set_ssrc = policy_set_ssrc,
};
