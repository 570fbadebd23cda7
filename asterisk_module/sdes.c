/* SPDX-License-Identifier: GPL-2.0-only
 *
 * SDES: Asterisk hands a=crypto values over one by one and asks for ours; the library negotiates.
 *
 * A session's media keeps one ast_sdp_crypto over all its offers and answers, so the same keys come and go
 * with every re-INVITE and nothing changes for the stream.
 */

#include "asterisk.h"

#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/sdp_srtp.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* One value: tag, suite, key, lifetime, MKI and session parameters. */
#define VALUE_SIZE 2048
/* Both channel drivers write "a=crypto:" before what they get and CRLF behind it, so this makes a further
 * attribute. */
#define NEXT_ATTRIBUTE "\r\na=crypto:"
/* A refusal explains a call that fails this soon after it. */
#define REFUSAL_FRESH_MS 3000

struct ast_sdp_crypto {
	sealrtp_sdes *sdes;
	/* What get_attr() gave last; it holds keys. */
	char *attributes;
	bool negotiated;
};

static int alive;

/* The last refused answer to an offer of ours: at that time chan_pjsip has not told the RTP instance its
 * channel. */
AST_MUTEX_DEFINE_STATIC(refusal_lock);
static char refusal[REASON_SIZE];
static struct timeval refusal_when;

static void remember_refusal(const char *reason)
{
	ast_mutex_lock(&refusal_lock);
	ast_copy_string(refusal, reason, sizeof(refusal));
	refusal_when = ast_tvnow();
	ast_mutex_unlock(&refusal_lock);
}

/* Gives the reason of the last refused answer if that was just now, once. */
bool sdes_last_refusal(char *reason, size_t size)
{
	bool fresh;

	ast_mutex_lock(&refusal_lock);
	fresh = refusal[0] && ast_tvdiff_ms(ast_tvnow(), refusal_when) < REFUSAL_FRESH_MS;
	ast_copy_string(reason, fresh ? refusal : "", size);
	refusal[0] = '\0';
	ast_mutex_unlock(&refusal_lock);
	return fresh;
}

static void forget_attributes(struct ast_sdp_crypto *crypto)
{
	if (crypto->attributes) {
		explicit_bzero(crypto->attributes, strlen(crypto->attributes));
		ast_free(crypto->attributes);
		crypto->attributes = NULL;
	}
}

static void crypto_free(struct ast_sdp_crypto *crypto)
{
	if (!crypto) {
		return;
	}
	forget_attributes(crypto);
	sealrtp_sdes_free(crypto->sdes);
	ast_free(crypto);
	ast_atomic_fetchadd_int(&alive, -1);
	ast_module_unref(AST_MODULE_SELF);
}

static struct ast_sdp_crypto *crypto_alloc(void)
{
	struct settings *settings = config_get();
	struct ast_sdp_crypto *crypto = settings ? ast_calloc(1, sizeof(*crypto)) : NULL;
	sealrtp_result result;

	if (!crypto) {
		ao2_cleanup(settings);
		return NULL;
	}
	result = sealrtp_sdes_new(settings->config, &crypto->sdes);
	ao2_ref(settings, -1);
	if (result < 0) {
		ast_log(LOG_ERROR, "No SDES negotiation: %s\n", sealrtp_result_text(result));
		ast_free(crypto);
		return NULL;
	}
	ast_atomic_fetchadd_int(&alive, 1);
	ast_module_ref(AST_MODULE_SELF);
	return crypto;
}

/* Ours are built when they are asked for. */
static int crypto_build_offer(struct ast_sdp_crypto *crypto, int taglen)
{
	(void)crypto, (void)taglen;
	return 0;
}

/* Puts the negotiated keys to work. */
static int activate(struct ast_sdp_crypto *crypto, struct ast_rtp_instance *rtp)
{
	sealrtp_keys *inbound = NULL, *outbound = NULL;
	struct ast_srtp_policy *remote, *local;
	sealrtp_result result;
	int res = -1;

	result = sealrtp_sdes_keys(crypto->sdes, &inbound, &outbound);
	if (result < 0) {
		ast_log(LOG_ERROR, "SDES has no keys: %s\n", sealrtp_result_text(result));
		return -1;
	}
	remote = policy_from_keys(inbound, METHOD_SDES, true);
	local = policy_from_keys(outbound, METHOD_SDES, false);
	if (remote && local) {
		res = ast_rtp_instance_add_srtp_policy(rtp, remote, local, 0);
	}
	policy_destroy(remote);
	policy_destroy(local);
	return res;
}

/* A new RTP instance under old keys needs them too: without a stream it would send clear media. */
static bool needs_keys(struct ast_rtp_instance *rtp)
{
	struct ast_srtp *stream = ast_rtp_instance_get_srtp(rtp, 0);

	return !stream || stream_state(stream) != SEALRTP_STATE_SECURE;
}

static int crypto_parse(struct ast_rtp_instance *rtp, struct ast_sdp_srtp *srtp, const char *attribute)
{
	struct ast_sdp_crypto *crypto = srtp->crypto;
	char reason[REASON_SIZE] = "";
	char call[CALL_TEXT_SIZE];
	sealrtp_result result;

	if (!crypto || !rtp) {
		return -1;
	}
	result = sealrtp_sdes_remote(crypto->sdes, attribute, reason, sizeof(reason));
	if (result < 0) {
		const char *why = S_OR(reason, sealrtp_result_text(result));

		ast_log(LOG_NOTICE,
			"a=crypto of the peer refused, %s: %s. See suites and session_parameters in sealrtp.conf\n",
			rtp_call(rtp, call, sizeof(call)), why);
		if (crypto->attributes && !crypto->negotiated) {
			remember_refusal(why);
		}
		return -1;
	}
	if (result == SEALRTP_OK_KEYS_CHANGED || needs_keys(rtp)) {
		if (activate(crypto, rtp)) {
			ast_log(LOG_ERROR, "SRTP could not be set up, %s\n", rtp_call(rtp, call, sizeof(call)));
			return -1;
		}
	}
	crypto->negotiated = true;
	ast_set_flag(srtp, AST_SRTP_CRYPTO_OFFER_OK);
	return 0;
}

/* All our attributes as one text, or NULL. */
static char *join_attributes(sealrtp_sdes *sdes)
{
	char value[VALUE_SIZE], *joined = NULL;
	sealrtp_result result;
	size_t index, used = 0;

	for (index = 0; (result = sealrtp_sdes_local(sdes, index, value, sizeof(value))) == SEALRTP_OK; index++) {
		size_t room = used + strlen(value) + sizeof(NEXT_ATTRIBUTE);
		/* Not realloc, which may leave a copy of the keys behind. */
		char *longer = ast_calloc(1, room);

		if (!longer) {
			result = SEALRTP_E_BUFFER;
			break;
		}
		used = snprintf(longer, room, "%s%s%s", S_OR(joined, ""), joined ? NEXT_ATTRIBUTE : "", value);
		if (joined) {
			explicit_bzero(joined, strlen(joined));
			ast_free(joined);
		}
		joined = longer;
	}
	explicit_bzero(value, sizeof(value));
	if (result != SEALRTP_DONE || !joined) {
		ast_log(LOG_ERROR, "No a=crypto of ours: %s\n", sealrtp_result_text(result));
		if (joined) {
			explicit_bzero(joined, strlen(joined));
			ast_free(joined);
		}
		return NULL;
	}
	return joined;
}

/* The suites and their order are sealrtp.conf's, not srtp_tag_32's. */
static const char *crypto_attributes(struct ast_sdp_srtp *srtp, int dtls_enabled, int default_taglen_32)
{
	(void)default_taglen_32;
	if (!srtp) {
		return NULL;
	}
	if (!srtp->crypto && !(srtp->crypto = crypto_alloc())) {
		return NULL;
	}
	/* chan_sip asks with DTLS on as well: keys then come from its handshake. */
	if (dtls_enabled) {
		return NULL;
	}
	forget_attributes(srtp->crypto);
	srtp->crypto->attributes = join_attributes(srtp->crypto->sdes);
	return srtp->crypto->attributes;
}

static struct ast_sdp_crypto_api api = {
	.dtor = crypto_free,
	.alloc = crypto_alloc,
	.build_offer = crypto_build_offer,
	.parse_offer = crypto_parse,
	.get_attr = crypto_attributes,
};

int sdes_register(void)
{
	return ast_sdp_crypto_register(&api);
}

void sdes_unregister(void)
{
	ast_sdp_crypto_unregister(&api);
}

unsigned int sdes_alive(void)
{
	return ast_atomic_fetchadd_int(&alive, 0);
}
