/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Uses the library as an outsider does: include/sealrtp.h and nothing else. Exits 0 if all of it holds.
 */

#include <pthread.h>
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

#define PAYLOAD 160
#define HEADER 12

static void rtp(uint8_t *packet, uint32_t ssrc, uint16_t seq)
{
	memset(packet, 0, HEADER);
	packet[0] = 0x80;
	packet[2] = (uint8_t)(seq >> 8);
	packet[3] = (uint8_t)seq;
	packet[8] = (uint8_t)(ssrc >> 24);
	packet[9] = (uint8_t)(ssrc >> 16);
	packet[10] = (uint8_t)(ssrc >> 8);
	packet[11] = (uint8_t)ssrc;
	memset(packet + HEADER, (uint8_t)seq, PAYLOAD);
}

static void rtcp(uint8_t *packet)
{
	static const uint8_t receiver_report[] = {0x80, 201, 0, 1, 1, 2, 3, 4};

	memcpy(packet, receiver_report, sizeof(receiver_report));
}

static sealrtp_config *config_with(const char *key, const char *value)
{
	char message[256];
	sealrtp_config *config = sealrtp_config_new();

	CHECK(config != NULL);
	CHECK(sealrtp_config_set(config, key, value, message, sizeof(message)) == SEALRTP_OK);
	return config;
}

/* Every function with null for everything: an error, no crash. */
static void null_is_an_error(void)
{
	sealrtp_config *config = sealrtp_config_new();
	sealrtp_session *media = NULL;
	sealrtp_sdes *sdes = NULL;
	size_t len = 0;

	CHECK(sealrtp_session_new(NULL, 1, &media) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_new(config, 1, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_sdes_new(NULL, &sdes) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_sdes_new(config, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_config_set(NULL, "suites", "x", NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_config_set(config, NULL, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_config_set(config, "nonsense", "1", NULL, 0) == SEALRTP_E_CONFIG);
	CHECK(sealrtp_config_describe(NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_config_describe(config, NULL, 0) == SEALRTP_E_BUFFER);
	CHECK(sealrtp_session_set_inbound(NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_set_outbound(NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_protect_rtp(NULL, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_protect_rtcp(NULL, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_unprotect_rtp(NULL, NULL, NULL) == SEALRTP_E_ARGUMENT);
	/* Hints, which no handle can disturb. */
	sealrtp_prefetch_protect(NULL);
	sealrtp_prefetch_unprotect(NULL);
	CHECK(sealrtp_unprotect_rtcp(NULL, NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_get_stats(NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_poll_event(NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_sdes_local(NULL, 0, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_sdes_remote(NULL, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_sdes_remote_all(NULL, NULL, 0, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_sdes_keys(NULL, NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_keys_new(1, NULL, 16, NULL, 14) == NULL);
	CHECK(sealrtp_random(NULL, 1) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_suite_from_name(NULL) == 0);
	CHECK(sealrtp_suite_name(0) == NULL);

	CHECK(sealrtp_session_new(config, 1, &media) == SEALRTP_OK);
	CHECK(sealrtp_session_set_inbound(media, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_protect_rtp(media, NULL, &len, 100) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_unprotect_rtp(media, NULL, &len) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_get_stats(media, NULL) == SEALRTP_E_ARGUMENT);
	sealrtp_session_free(media);
	sealrtp_session_free(NULL);
	sealrtp_sdes_free(NULL);
	sealrtp_keys_free(NULL);
	sealrtp_config_free(config);
	sealrtp_config_free(NULL);
}

static void every_result_and_suite_has_a_text(void)
{
	uint32_t suite;
	int32_t result;

	for (result = -16; result <= 3; result++) {
		CHECK(strcmp(sealrtp_result_text(result), "unknown result") != 0);
	}
	CHECK(strcmp(sealrtp_result_text(99), "unknown result") == 0);
	for (suite = 1; suite <= SEALRTP_SUITE_AES_CM_128_NULL_AUTH; suite++) {
		CHECK(sealrtp_suite_from_name(sealrtp_suite_name(suite)) == suite);
	}
	CHECK(sealrtp_suite_from_name("AES_CM_256_HMAC_SHA1_80") == SEALRTP_SUITE_AES_256_CM_HMAC_SHA1_80);
}

static void a_wrong_value_is_explained(void)
{
	char message[256];
	char text[4096];
	sealrtp_config *config = sealrtp_config_new();

	CHECK(sealrtp_config_set(config, "replay_window", "7", message, sizeof(message)) == SEALRTP_E_CONFIG);
	CHECK(strstr(message, "replay_window") && strstr(message, "64"));
	CHECK(sealrtp_config_set(config, "suites", "NULL_HMAC_SHA1_80", message, sizeof(message)) == SEALRTP_OK);
	CHECK(message[0] != '\0');
	CHECK(sealrtp_config_describe(config, text, sizeof(text)) == SEALRTP_OK);
	CHECK(strstr(text, "NULL_HMAC_SHA1_80") != NULL);
	CHECK(sealrtp_config_describe(config, text, 8) == SEALRTP_E_BUFFER);
	CHECK(strlen(text) == 7);
	sealrtp_config_free(config);
}

/* Offer and answer between two, then media both ways. */
static void a_call_is_negotiated_and_heard(const char *suites)
{
	enum { BUFFER = HEADER + PAYLOAD + SEALRTP_MAX_TRAILER };
	sealrtp_config *config = config_with("suites", suites);
	sealrtp_sdes *offerer, *answerer;
	sealrtp_session *alice, *bob;
	sealrtp_keys *inbound, *outbound;
	sealrtp_session_stats stats = {.size = sizeof(stats)};
	sealrtp_event event = {.size = sizeof(event)};
	char lines[8][2048];
	const char *values[8];
	char answer[2048], again[2048], reason[256];
	uint8_t buf[BUFFER], replay[BUFFER];
	size_t count = 0, len;
	uint16_t seq;

	CHECK(sealrtp_sdes_new(config, &offerer) == SEALRTP_OK);
	CHECK(sealrtp_sdes_new(config, &answerer) == SEALRTP_OK);
	CHECK(sealrtp_session_new(config, 1, &alice) == SEALRTP_OK);
	CHECK(sealrtp_session_new(config, 1, &bob) == SEALRTP_OK);

	CHECK(sealrtp_sdes_keys(offerer, &inbound, &outbound) == SEALRTP_E_NO_KEYS);
	while (count < 8 && sealrtp_sdes_local(offerer, count, lines[count], sizeof(lines[0])) == SEALRTP_OK) {
		values[count] = lines[count];
		count++;
	}
	CHECK(count > 0);
	CHECK(sealrtp_sdes_local(offerer, 0, answer, 4) == SEALRTP_E_BUFFER);
	CHECK(sealrtp_sdes_remote(answerer, "1 AES_CM_128_HMAC_SHA1_80 inline:!", reason, sizeof(reason)) ==
		  SEALRTP_E_SDES);
	CHECK(reason[0] != '\0');
	CHECK(
		sealrtp_sdes_remote_all(answerer, values, count, reason, sizeof(reason)) == SEALRTP_OK_KEYS_CHANGED);
	CHECK(sealrtp_sdes_local(answerer, 0, answer, sizeof(answer)) == SEALRTP_OK);
	CHECK(sealrtp_sdes_local(answerer, 1, again, sizeof(again)) == SEALRTP_DONE);
	CHECK(sealrtp_sdes_remote(offerer, answer, reason, sizeof(reason)) == SEALRTP_OK_KEYS_CHANGED);
	CHECK(sealrtp_sdes_remote(offerer, answer, reason, sizeof(reason)) == SEALRTP_OK);
	CHECK(reason[0] == '\0');

	/* Before keys nothing passes. */
	rtp(buf, 7, 1);
	len = HEADER + PAYLOAD;
	CHECK(sealrtp_protect_rtp(alice, buf, &len, sizeof(buf)) == SEALRTP_E_NO_KEYS);
	CHECK(sealrtp_unprotect_rtp(bob, buf, &len) == SEALRTP_E_NO_KEYS);
	CHECK(len == HEADER + PAYLOAD);

	CHECK(sealrtp_sdes_keys(offerer, &inbound, &outbound) == SEALRTP_OK);
	CHECK(sealrtp_session_set_inbound(alice, inbound) == SEALRTP_OK);
	CHECK(sealrtp_session_set_outbound(alice, outbound) == SEALRTP_OK);
	sealrtp_keys_free(inbound);
	sealrtp_keys_free(outbound);
	CHECK(sealrtp_sdes_keys(answerer, &inbound, &outbound) == SEALRTP_OK);
	CHECK(sealrtp_session_set_inbound(bob, inbound) == SEALRTP_OK);
	CHECK(sealrtp_session_set_outbound(bob, outbound) == SEALRTP_OK);
	sealrtp_keys_free(inbound);
	sealrtp_keys_free(outbound);

	for (seq = 1; seq <= 50; seq++) {
		rtp(buf, 7, seq);
		len = HEADER + PAYLOAD;
		sealrtp_prefetch_protect(alice);
		sealrtp_prefetch_unprotect(bob);
		CHECK(sealrtp_protect_rtp(alice, buf, &len, HEADER + PAYLOAD) == SEALRTP_E_BUFFER);
		CHECK(sealrtp_protect_rtp(alice, buf, &len, sizeof(buf)) == SEALRTP_OK);
		CHECK(len > HEADER + PAYLOAD && len <= sizeof(buf));
		memcpy(replay, buf, len);
		CHECK(sealrtp_unprotect_rtp(bob, buf, &len) == SEALRTP_OK);
		CHECK(len == HEADER + PAYLOAD && buf[HEADER] == (uint8_t)seq &&
			  buf[HEADER + PAYLOAD - 1] == (uint8_t)seq);
		len = HEADER + PAYLOAD;
		CHECK(sealrtp_protect_rtp(alice, buf, &len, sizeof(buf)) == SEALRTP_E_INDEX_USED);
	}
	rtp(buf, 7, 51);
	len = HEADER + PAYLOAD;
	CHECK(sealrtp_protect_rtp(alice, buf, &len, sizeof(buf)) == SEALRTP_OK);
	memcpy(replay, buf, len);
	buf[len - 1] ^= 1;
	count = len;
	CHECK(sealrtp_unprotect_rtp(bob, buf, &count) == SEALRTP_E_AUTH);
	count = len;
	memcpy(buf, replay, len);
	CHECK(sealrtp_unprotect_rtp(bob, buf, &count) == SEALRTP_OK);
	CHECK(sealrtp_unprotect_rtp(bob, replay, &len) == SEALRTP_E_REPLAY);
	len = 5;
	CHECK(sealrtp_unprotect_rtp(bob, replay, &len) == SEALRTP_E_MALFORMED);

	rtcp(buf);
	len = 8;
	CHECK(sealrtp_protect_rtcp(bob, buf, &len, sizeof(buf)) == SEALRTP_OK);
	CHECK(sealrtp_unprotect_rtcp(alice, buf, &len) == SEALRTP_OK);
	CHECK(len == 8);

	CHECK(sealrtp_session_get_stats(bob, &stats) == SEALRTP_OK);
	CHECK(stats.inbound.rtp_packets == 51 && stats.inbound.auth_failures == 1 && stats.inbound.replays == 1);
	CHECK(stats.inbound.malformed == 1 && stats.inbound.refused == 1 && stats.inbound.ssrcs == 1);
	CHECK(stats.outbound.rtcp_packets == 1 && stats.outbound.suite == stats.inbound.suite);
	CHECK(sealrtp_session_poll_event(bob, &event) == SEALRTP_DONE);

	/* An older caller's struct is shorter: nothing is written behind it. */
	memset(&stats, 0xee, sizeof(stats));
	stats.size = offsetof(sealrtp_session_stats, outbound);
	CHECK(sealrtp_session_get_stats(bob, &stats) == SEALRTP_OK);
	CHECK(stats.inbound.rtp_packets == 51 && stats.outbound.suite == 0xeeeeeeeeu);
	stats.size = 0;
	CHECK(sealrtp_session_get_stats(bob, &stats) == SEALRTP_E_ARGUMENT);

	sealrtp_session_free(alice);
	sealrtp_session_free(bob);
	sealrtp_sdes_free(offerer);
	sealrtp_sdes_free(answerer);
	sealrtp_config_free(config);
}

static void a_lifetime_is_told_by_events(void)
{
	char message[256], offer[2048], answer[2048];
	sealrtp_config *config = config_with("suites", "AES_CM_128_HMAC_SHA1_80");
	sealrtp_sdes *us, *peer;
	sealrtp_session *media;
	sealrtp_keys *inbound, *outbound;
	sealrtp_event event = {.size = sizeof(event)};
	uint8_t buf[HEADER + PAYLOAD + SEALRTP_MAX_TRAILER];
	size_t len;
	uint16_t seq;

	CHECK(sealrtp_config_set(config, "lifetime", "2^4", message, sizeof(message)) == SEALRTP_OK);
	CHECK(sealrtp_sdes_new(config, &us) == SEALRTP_OK);
	CHECK(sealrtp_sdes_new(config, &peer) == SEALRTP_OK);
	CHECK(sealrtp_sdes_local(us, 0, offer, sizeof(offer)) == SEALRTP_OK);
	CHECK(strstr(offer, "|2^4") != NULL);
	CHECK(sealrtp_sdes_remote(peer, offer, message, sizeof(message)) == SEALRTP_OK_KEYS_CHANGED);
	CHECK(sealrtp_sdes_local(peer, 0, answer, sizeof(answer)) == SEALRTP_OK);
	CHECK(sealrtp_sdes_remote(us, answer, message, sizeof(message)) == SEALRTP_OK_KEYS_CHANGED);
	CHECK(sealrtp_sdes_keys(us, &inbound, &outbound) == SEALRTP_OK);
	CHECK(sealrtp_session_new(config, 1, &media) == SEALRTP_OK);
	CHECK(sealrtp_session_set_outbound(media, outbound) == SEALRTP_OK);
	for (seq = 0; seq < 16; seq++) {
		rtp(buf, 7, seq);
		len = HEADER + PAYLOAD;
		CHECK(
			sealrtp_protect_rtp(media, buf, &len, sizeof(buf)) == (seq < 13 ? SEALRTP_OK : SEALRTP_OK_EVENT));
	}
	rtp(buf, 7, 16);
	len = HEADER + PAYLOAD;
	CHECK(sealrtp_protect_rtp(media, buf, &len, sizeof(buf)) == SEALRTP_E_KEY_EXPIRED);
	CHECK(sealrtp_session_poll_event(media, &event) == SEALRTP_OK);
	CHECK(event.kind == SEALRTP_EVENT_KEY_EXPIRING && event.outbound == 1 && event.value == 2);
	CHECK(sealrtp_session_poll_event(media, &event) == SEALRTP_OK);
	CHECK(event.kind == SEALRTP_EVENT_KEY_EXPIRED && strstr(event.text, "lifetime"));
	CHECK(sealrtp_session_poll_event(media, &event) == SEALRTP_DONE);
	sealrtp_keys_free(inbound);
	sealrtp_keys_free(outbound);
	sealrtp_session_free(media);
	sealrtp_sdes_free(us);
	sealrtp_sdes_free(peer);
	sealrtp_config_free(config);
}

static void *read_statistics(void *media)
{
	sealrtp_session_stats stats = {.size = sizeof(stats)};
	uint64_t last = 0;

	while (last < 2000) {
		if (sealrtp_session_get_stats(media, &stats) != SEALRTP_OK || stats.outbound.rtp_packets < last) {
			return media;
		}
		last = stats.outbound.rtp_packets;
	}
	return NULL;
}

static void statistics_are_read_while_packets_flow(void)
{
	static const uint8_t key[16] = {1}, salt[14] = {2};
	sealrtp_config *config = sealrtp_config_new();
	sealrtp_keys *keys = sealrtp_keys_new(SEALRTP_SUITE_AES_CM_128_HMAC_SHA1_80, key, 16, salt, 14);
	sealrtp_session *media;
	uint8_t buf[HEADER + PAYLOAD + SEALRTP_MAX_TRAILER];
	pthread_t reader;
	void *fault = NULL;
	size_t len;
	uint16_t seq;

	CHECK(keys != NULL);
	CHECK(sealrtp_keys_new(SEALRTP_SUITE_AES_CM_128_HMAC_SHA1_80, key, 15, salt, 14) == NULL);
	CHECK(sealrtp_session_new(config, 1, &media) == SEALRTP_OK);
	CHECK(sealrtp_session_set_outbound(media, keys) == SEALRTP_OK);
	CHECK(pthread_create(&reader, NULL, read_statistics, media) == 0);
	for (seq = 0; seq < 2000; seq++) {
		rtp(buf, 7, seq);
		len = HEADER + PAYLOAD;
		CHECK(sealrtp_protect_rtp(media, buf, &len, sizeof(buf)) == SEALRTP_OK);
	}
	CHECK(pthread_join(reader, &fault) == 0);
	CHECK(fault == NULL);
	sealrtp_keys_free(keys);
	sealrtp_session_free(media);
	sealrtp_config_free(config);
}

static sealrtp_result policy_line(sealrtp_policies *policies, uint32_t line, const char *section,
	const char *key, const char *value, char *said)
{
	return sealrtp_policies_set(policies, "sealrtp.conf", line, section, key, value, said, 512);
}

static void sections_come_to_policies(void)
{
	sealrtp_policies *policies = sealrtp_policies_new();
	sealrtp_config *config = NULL;
	char text[512], name[64];
	uint32_t index, kind = 9, kinds[3] = {0, 0, 0};
	const uint32_t wanted = SEALRTP_WANTS_SECURITY | SEALRTP_WANTS_ZRTP | SEALRTP_WANTS_NOTHING_CLEAR;
	const uint32_t all = wanted | SEALRTP_WANTS_NO_RECORDING;

	CHECK(sealrtp_policies_set(NULL, "f", 1, "a", "offer", "none", NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_policies_set(policies, "f", 1, "a", NULL, "none", NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_policies_general(policies) == NULL);
	CHECK(sealrtp_policies_wants(NULL) == all && sealrtp_policies_wants(policies) == all);
	CHECK(policy_line(policies, 2, "general", "sdes_signalling", "any", text) == SEALRTP_OK);
	CHECK(strstr(text, "line 2, [general]: sdes_signalling: "));
	CHECK(policy_line(policies, 4, "vault", "type", "policy", text) == SEALRTP_OK && !text[0]);
	CHECK(policy_line(policies, 5, "vault", "fallback", "reject", text) == SEALRTP_OK);
	CHECK(policy_line(policies, 7, "alice", "policy", "vault", text) == SEALRTP_OK);
	CHECK(sealrtp_policies_finish(policies, text, sizeof(text)) == SEALRTP_OK && !text[0]);
	CHECK(sealrtp_policies_finish(policies, text, sizeof(text)) == SEALRTP_E_ARGUMENT);
	CHECK(policy_line(policies, 8, "alice", "offer", "none", text) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_policies_wants(policies) == wanted);

	CHECK(sealrtp_policies_endpoint(policies, "PJSIP/alice", NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_policies_endpoint(policies, "PJSIP/alice", &config) == SEALRTP_OK);
	CHECK(sealrtp_config_section(config, name, sizeof(name)) == SEALRTP_OK && !strcmp(name, "alice"));
	CHECK(sealrtp_config_rule(config, "fallback", text, sizeof(text)) == SEALRTP_OK);
	CHECK(!strcmp(text, "fallback = reject (sealrtp.conf line 5, [vault])"));
	CHECK(
		sealrtp_config_get(config, "fallback", text, sizeof(text)) == SEALRTP_OK && !strcmp(text, "reject"));
	CHECK(sealrtp_config_get(config, "sweets", text, sizeof(text)) == SEALRTP_E_CONFIG);
	CHECK(sealrtp_config_get(config, "fallback", text, 3) == SEALRTP_E_BUFFER);
	CHECK(sealrtp_config_demands(config) == 1 && sealrtp_config_demands(NULL) == 1);
	sealrtp_config_free(config);
	CHECK(sealrtp_policies_named(policies, "lax", &config) == SEALRTP_DONE);
	CHECK(sealrtp_policies_named(policies, "VAULT", &config) == SEALRTP_OK);
	sealrtp_config_free(config);
	for (index = 0; sealrtp_policies_section(policies, index, &config, &kind) == SEALRTP_OK; index++) {
		CHECK(kind < 3);
		kinds[kind % 3]++;
		sealrtp_config_free(config);
	}
	CHECK(kinds[SEALRTP_SECTION_GENERAL] == 1 && kinds[SEALRTP_SECTION_POLICY] == 4);
	CHECK(kinds[SEALRTP_SECTION_ENDPOINT] == 1);
	sealrtp_policies_free(policies);
	sealrtp_policies_free(NULL);
}

static void a_wrong_file_gives_no_policies_and_each_fault_is_told_once(void)
{
	sealrtp_policies *policies = sealrtp_policies_new();
	sealrtp_config *config = NULL;
	char text[512];

	CHECK(policy_line(policies, 2, "alice", "fallback", "maybe", text) == SEALRTP_E_CONFIG);
	CHECK(!strcmp(text, "sealrtp.conf line 2, [alice]: fallback = maybe: expected one of rtp, reject"));
	CHECK(policy_line(policies, 3, "alice", "policy", "lax", text) == SEALRTP_OK);
	CHECK(sealrtp_policies_finish(policies, text, sizeof(text)) == SEALRTP_E_CONFIG);
	CHECK(strstr(text, "line 3, [alice]: policy = lax: expected one of ") && !strstr(text, "maybe"));
	CHECK(sealrtp_policies_endpoint(policies, "alice", &config) == SEALRTP_E_ARGUMENT && !config);
	CHECK(sealrtp_policies_general(policies) == NULL);
	sealrtp_policies_free(policies);
}

int main(void)
{
	const char *named = getenv("SEALRTP_SRTP_PATH");
	uint8_t a[32], b[32];

	CHECK(sealrtp_abi_version() == SEALRTP_ABI_VERSION);
	CHECK(strlen(sealrtp_version()) > 0);
	CHECK(strlen(sealrtp_srtp_path()) > 0);
	CHECK(!sealrtp_srtp_path_error() == (!named || !strcmp(named, sealrtp_srtp_path())));
	CHECK(sealrtp_random(a, sizeof(a)) == SEALRTP_OK && sealrtp_random(b, sizeof(b)) == SEALRTP_OK);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	null_is_an_error();
	every_result_and_suite_has_a_text();
	a_wrong_value_is_explained();
	a_call_is_negotiated_and_heard("AES_CM_128_HMAC_SHA1_80");
	a_call_is_negotiated_and_heard("AES_CM_128_HMAC_SHA1_32, AES_256_CM_HMAC_SHA1_80");
	a_call_is_negotiated_and_heard("AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES_CM_128_HMAC_SHA1_80");
	a_call_is_negotiated_and_heard("AEAD_AES_128_GCM_8");
	a_lifetime_is_told_by_events();
	statistics_are_read_while_packets_flow();
	sections_come_to_policies();
	a_wrong_file_gives_no_policies_and_each_fault_is_told_once();
	if (failures) {
		fprintf(stderr, "%d checks failed\n", failures);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
