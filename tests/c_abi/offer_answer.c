/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Two PBXs call each other by policy, by include/sealrtp.h alone: one offers everything, the other takes what
 * it likes best. Exits 0 if all of it holds.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sealrtp.h"

static int failures;

#define CHECK(condition)                                                                                     \
	do {                                                                                                     \
		if (!(condition)) {                                                                                  \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
			failures++;                                                                                      \
		}                                                                                                    \
	} while (0)

#define BODY_SIZE 16384

static const char clear[] = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
							"m=audio 4000 RTP/AVP 0\r\na=ptime:20\r\nm=image 4002 udptl t38\r\n";

struct end {
	sealrtp_config *config;
	sealrtp_dtls *dtls;
	sealrtp_zrtp *zrtp;
	sealrtp_zrtp_call *call;
	sealrtp_offer_answer *offer_answer;
	sealrtp_session *session;
	uint32_t ssrc;
	char reason[512];
};

static struct end end_new(const char *accept, const char *fallback, uint32_t ssrc)
{
	struct end end = {.ssrc = ssrc};

	end.config = sealrtp_config_new();
	CHECK(sealrtp_config_set(end.config, "accept", accept, end.reason, sizeof(end.reason)) == SEALRTP_OK);
	CHECK(sealrtp_config_set(end.config, "fallback", fallback, end.reason, sizeof(end.reason)) == SEALRTP_OK);
	CHECK(sealrtp_dtls_new(end.config, &end.dtls, end.reason, sizeof(end.reason)) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_new(NULL, &end.zrtp, end.reason, sizeof(end.reason)) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_call_new(end.zrtp, end.config, NULL, &end.call) == SEALRTP_OK);
	CHECK(sealrtp_offer_answer_new(end.config, end.dtls, "alice", &end.offer_answer) == SEALRTP_OK);
	CHECK(sealrtp_session_new(end.config, 0, &end.session) == SEALRTP_OK);
	return end;
}

static void end_free(struct end *end)
{
	sealrtp_session_free(end->session);
	sealrtp_offer_answer_free(end->offer_answer);
	sealrtp_zrtp_call_free(end->call);
	sealrtp_zrtp_free(end->zrtp);
	sealrtp_dtls_free(end->dtls);
	sealrtp_config_free(end->config);
}

/* Our description, for the peer. */
static size_t say(struct end *end, const sealrtp_sdp_message *message, char *body)
{
	sealrtp_sdp_line line = {.size = sizeof(line)};
	size_t len = 1;
	uint32_t lines = 0;

	CHECK(sealrtp_offer_answer_local(end->offer_answer, message, clear, strlen(clear), &lines, end->reason,
			  sizeof(end->reason)) == SEALRTP_OK);
	CHECK(lines == 2);
	CHECK(sealrtp_offer_answer_line(end->offer_answer, 0, &line) == SEALRTP_OK);
	CHECK(line.port == 4000 && line.rtp && !strcmp(line.media, "audio"));
	CHECK(sealrtp_offer_answer_line(end->offer_answer, 1, &line) == SEALRTP_OK);
	CHECK(line.port == 4002 && !line.rtp && !line.zrtp && !strcmp(line.media, "image"));
	CHECK(sealrtp_offer_answer_line(end->offer_answer, 2, &line) == SEALRTP_DONE);
	CHECK(sealrtp_offer_answer_describe(end->offer_answer, 0, end->session, end->call, end->ssrc, end->reason,
			  sizeof(end->reason)) == SEALRTP_OK);
	CHECK(sealrtp_offer_answer_write(end->offer_answer, body, &len) == SEALRTP_E_BUFFER);
	CHECK(len > strlen(clear) && len < BODY_SIZE);
	CHECK(sealrtp_offer_answer_write(end->offer_answer, body, &len) == SEALRTP_OK);
	body[len] = '\0';
	CHECK(strstr(body, "\r\nm=image 4002 udptl t38\r\n"));
	return len;
}

static sealrtp_result hear(
	struct end *end, const sealrtp_sdp_message *message, const char *body, size_t body_len)
{
	char seen[BODY_SIZE];
	size_t len = sizeof(seen);
	sealrtp_result result = sealrtp_offer_answer_remote(
		end->offer_answer, message, body, body_len, seen, &len, end->reason, sizeof(end->reason));

	if (result == SEALRTP_OK) {
		CHECK(len == strlen(clear) && !memcmp(seen, clear, len));
	}
	return result;
}

static uint32_t apply(struct end *end)
{
	uint32_t method = 99;

	CHECK(sealrtp_offer_answer_apply(end->offer_answer, 0, end->session, end->call, end->ssrc, &method,
			  end->reason, sizeof(end->reason)) == SEALRTP_OK);
	return method;
}

static void takes(const char *accept, uint32_t method, const char *attribute, const char *step)
{
	struct end caller = end_new("sdes", "rtp", 1), callee = end_new(accept, "rtp", 2);
	sealrtp_sdp_message offer = {.size = sizeof(offer), .request = 1, .cseq = 1, .tls = 1};
	sealrtp_sdp_message answer = {.size = sizeof(answer), .request = 0, .cseq = 1, .tls = 1};
	char body[BODY_SIZE], steps[8192];
	size_t len;

	len = say(&caller, &offer, body);
	CHECK(strstr(body, "a=crypto:1 ") && strstr(body, "a=fingerprint:sha-256 ") &&
		  strstr(body, "a=zrtp-hash:1.10 "));
	CHECK(hear(&callee, &offer, body, len) == SEALRTP_OK);
	len = say(&callee, &answer, body);
	CHECK(strstr(body, attribute));
	CHECK(apply(&callee) == method);
	CHECK(hear(&caller, &answer, body, len) == SEALRTP_OK);
	CHECK(apply(&caller) == method && apply(&caller) == method);
	if (method == SEALRTP_METHOD_SDES) {
		CHECK(sealrtp_session_state(caller.session, SEALRTP_RTP) == SEALRTP_STATE_SECURE);
		CHECK(sealrtp_session_state(callee.session, SEALRTP_RTP) == SEALRTP_STATE_SECURE);
	}
	CHECK(sealrtp_offer_answer_explain(callee.offer_answer, steps, sizeof(steps)) == SEALRTP_OK);
	CHECK(strstr(steps, "[alice] offer from the peer: audio RTP/AVP") && strstr(steps, step));
	CHECK(!strstr(steps, "inline:"));
	memset(body, 0, sizeof(body));
	end_free(&caller);
	end_free(&callee);
}

static void refusals(void)
{
	struct end strict = end_new("sdes,dtls", "reject", 1);
	sealrtp_sdp_message offer = {.size = sizeof(offer), .request = 1, .cseq = 1, .tls = 1};
	uint32_t method = 99;

	CHECK(hear(&strict, &offer, clear, strlen(clear)) == SEALRTP_E_POLICY);
	CHECK(strstr(strict.reason, "fallback = reject"));
	CHECK(hear(&strict, &offer, "no sdp", 6) == SEALRTP_E_SDP && strstr(strict.reason, "line 1"));
	CHECK(apply(&strict) == SEALRTP_METHOD_NONE);
	CHECK(sealrtp_config_set(strict.config, "fallback", "rtp", NULL, 0) == SEALRTP_OK);
	CHECK(sealrtp_offer_answer_set_config(strict.offer_answer, strict.config, NULL, 0) == SEALRTP_OK);
	CHECK(hear(&strict, &offer, clear, strlen(clear)) == SEALRTP_DONE &&
		  apply(&strict) == SEALRTP_METHOD_CLEAR);
	offer.size = 4;
	CHECK(hear(&strict, &offer, clear, strlen(clear)) == SEALRTP_E_ARGUMENT);
	CHECK(hear(&strict, NULL, clear, strlen(clear)) == SEALRTP_E_ARGUMENT);
	CHECK(
		sealrtp_offer_answer_apply(NULL, 0, strict.session, NULL, 0, &method, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_offer_answer_new(strict.config, NULL, "x", &strict.offer_answer) == SEALRTP_E_ARGUMENT);
	sealrtp_offer_answer_free(NULL);
	end_free(&strict);
}

int main(void)
{
	takes("sdes,dtls,zrtp", SEALRTP_METHOD_SDES, "a=crypto:", "accept = sdes, dtls, zrtp: sdes is taken");
	takes("dtls,zrtp", SEALRTP_METHOD_DTLS, "a=setup:active", "dtls is taken");
	takes("zrtp", SEALRTP_METHOD_ZRTP, "a=zrtp-hash:", "zrtp is taken");
	refusals();
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
