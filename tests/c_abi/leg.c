/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Two PBXs, each with a leg on a relay, call each other through real sockets by SDES, DTLS-SRTP and ZRTP, by
 * include/sealrtp.h alone. Exits 0 if all of it holds.
 */

#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sealrtp.h"

static int failures;

#define CHECK(condition)                                                                                     \
	do {                                                                                                     \
		if (!(condition)) {                                                                                  \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
			failures++;                                                                                      \
		}                                                                                                    \
	} while (0)

#define ADDRESS "127.0.0.1"
#define TEXT_SIZE 4096
#define PACKET_SIZE 172
/* Under valgrind a handshake takes seconds. */
#define PATIENCE_MS 60000

/* A PBX: its media socket, and its leg. */
struct end {
	sealrtp_leg *leg;
	int socket;
	unsigned short port;
	/* Ports that the leg has. */
	unsigned int ports;
	/* By the events, which may come in any thread. */
	unsigned int secured, failed, clear;
	uint64_t failure;
	char suite[40];
};

static int bound(unsigned short port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int found = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, ADDRESS, &address.sin_addr);
	if (bind(found, (struct sockaddr *)&address, sizeof(address))) {
		close(found);
		return -1;
	}
	return found;
}

static unsigned short port_of(int socket)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	getsockname(socket, (struct sockaddr *)&address, &len);
	return ntohs(address.sin_port);
}

static uint32_t take_port(void *data)
{
	struct end *end = data;
	unsigned short port;
	int rtp, rtcp;

	for (;;) {
		rtp = bound(0);
		port = port_of(rtp);
		rtcp = port % 2 ? -1 : bound(port + 1);
		close(rtp);
		if (rtcp >= 0) {
			close(rtcp);
			end->ports++;
			return port;
		}
	}
}

static uint32_t no_port(void *data)
{
	(void)data;
	return 0;
}

static void give_port(void *data, uint32_t port)
{
	struct end *end = data;
	int again = bound((unsigned short)port);

	/* Its sockets are closed already. */
	CHECK(again >= 0);
	close(again);
	end->ports--;
}

static void on_event(void *data, const sealrtp_leg_event *event)
{
	struct end *end = data;

	CHECK(event->size == sizeof(*event) && event->text[0]);
	switch (event->kind) {
	case SEALRTP_EVENT_SECURED:
		CHECK(event->suite[0] && !strcmp(event->media, "audio") && event->line == 0 && !event->consequence);
		snprintf(end->suite, sizeof(end->suite), "%s", event->suite);
		__atomic_fetch_add(&end->secured, 1, __ATOMIC_SEQ_CST);
		break;
	case SEALRTP_EVENT_FAILED:
		CHECK(event->consequence == SEALRTP_CONSEQUENCE_HANGUP);
		end->failure = event->value;
		__atomic_fetch_add(&end->failed, 1, __ATOMIC_SEQ_CST);
		break;
	case SEALRTP_EVENT_CLEAR:
		__atomic_fetch_add(&end->clear, 1, __ATOMIC_SEQ_CST);
		break;
	default:
		break;
	}
}

static sealrtp_config *config_of(const char *method, const char *fallback)
{
	sealrtp_config *config = sealrtp_config_new();

	CHECK(sealrtp_config_set(config, "offer", method, NULL, 0) == SEALRTP_OK);
	CHECK(sealrtp_config_set(config, "accept", method, NULL, 0) == SEALRTP_OK);
	CHECK(sealrtp_config_set(config, "fallback", fallback, NULL, 0) == SEALRTP_OK);
	return config;
}

static void end_open(struct end *end, const char *name, const sealrtp_relay *relay,
	const sealrtp_config *config, const sealrtp_dtls *dtls, const sealrtp_zrtp *zrtp)
{
	sealrtp_leg_options options;
	char reason[256] = "";

	memset(end, 0, sizeof(*end));
	end->socket = bound(0);
	end->port = port_of(end->socket);
	memset(&options, 0, sizeof(options));
	options.size = sizeof(options);
	options.name = name;
	options.address = ADDRESS;
	options.config = config;
	options.dtls = dtls;
	options.zrtp = zrtp;
	options.number = name;
	options.take_port = take_port;
	options.give_port = give_port;
	options.event = on_event;
	options.data = end;
	CHECK(sealrtp_leg_new(relay, &options, &end->leg, reason, sizeof(reason)) == SEALRTP_OK);
	CHECK(!reason[0]);
}

static void end_close(struct end *end)
{
	sealrtp_leg_free(end->leg);
	CHECK(end->ports == 0);
	close(end->socket);
}

typedef sealrtp_result take_function(
	sealrtp_leg *, const sealrtp_sdp_message *, const char *, size_t, char *, size_t *, char *, size_t);

/* One description through a leg, as text with a NUL. */
static sealrtp_result take(
	take_function *function, struct end *end, uint32_t request, const char *sdp, char *out)
{
	sealrtp_sdp_message message = {.size = sizeof(message), .request = request, .cseq = 1, .tls = 1};
	char reason[512] = "";
	size_t len = 3, needed;
	sealrtp_result result;

	result = function(end->leg, &message, sdp, strlen(sdp), out, &len, reason, sizeof(reason));
	if (result != SEALRTP_E_BUFFER) {
		CHECK(result < 0 && reason[0]);
		return result;
	}
	needed = len;
	CHECK(needed > 3 && needed < TEXT_SIZE);
	len = TEXT_SIZE;
	result = function(end->leg, &message, sdp, strlen(sdp), out, &len, reason, sizeof(reason));
	CHECK(result == SEALRTP_OK && len == needed);
	out[len] = '\0';
	return result;
}

static void body_of(const struct end *end, char *body)
{
	snprintf(body, TEXT_SIZE,
		"v=0\r\no=- 1 1 IN IP4 " ADDRESS "\r\ns=-\r\nc=IN IP4 " ADDRESS "\r\nt=0 0\r\n"
		"m=audio %u RTP/AVP 0\r\na=ptime:20\r\n",
		end->port);
}

static uint32_t state_of(const struct end *end)
{
	sealrtp_leg_line line = {.size = sizeof(line)};

	CHECK(sealrtp_leg_get_line(end->leg, 0, &line) == SEALRTP_OK);
	return line.state;
}

static void wait_for(const struct end *end, uint32_t state)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	int waited;

	for (waited = 0; waited < PATIENCE_MS && state_of(end) != state; waited += 5) {
		nanosleep(&pause, NULL);
	}
	CHECK(state_of(end) == state);
}

static void wait_count(const unsigned int *count)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	int waited;

	for (waited = 0; waited < PATIENCE_MS && !__atomic_load_n(count, __ATOMIC_SEQ_CST); waited += 5) {
		nanosleep(&pause, NULL);
	}
	CHECK(__atomic_load_n(count, __ATOMIC_SEQ_CST) > 0);
}

/* Sends RTP of one PBX; whether the other gets it as it was. */
static int is_heard(const struct end *from, const struct end *to, uint8_t sequence, int patience_ms)
{
	uint8_t sent[PACKET_SIZE] = {0x80, 0, 0, sequence, 0, 0, 0, 160, 1, 2, 3, 4}, got[2048];
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct pollfd poll_fd = {.fd = to->socket, .events = POLLIN};
	sealrtp_leg_line line = {.size = sizeof(line)};
	ssize_t len;

	memset(sent + 12, sequence, sizeof(sent) - 12);
	CHECK(sealrtp_leg_get_line(from->leg, 0, &line) == SEALRTP_OK);
	inet_pton(AF_INET, ADDRESS, &address.sin_addr);
	address.sin_port = htons((uint16_t)line.pbx_side_port);
	CHECK(sendto(from->socket, sent, sizeof(sent), 0, (struct sockaddr *)&address, sizeof(address)) ==
		  sizeof(sent));
	if (poll(&poll_fd, 1, patience_ms) != 1) {
		return 0;
	}
	len = recv(to->socket, got, sizeof(got), 0);
	CHECK(len == sizeof(sent) && !memcmp(sent, got, sizeof(sent)));
	return 1;
}

/* The texts of a call's offer and answer, as the peers have them. */
struct texts {
	char offer[TEXT_SIZE], answer[TEXT_SIZE];
};

static void make_call(struct end *alice, struct end *bob, struct texts *texts, int forge)
{
	char body[TEXT_SIZE], seen[TEXT_SIZE], *at;

	body_of(alice, body);
	CHECK(take(sealrtp_leg_local, alice, 1, body, texts->offer) == SEALRTP_OK);
	if (forge && (at = strstr(texts->offer, "a=fingerprint:sha-256 "))) {
		at += strlen("a=fingerprint:sha-256 ");
		memcpy(at, strncmp(at, "00", 2) ? "00" : "01", 2);
	}
	CHECK(take(sealrtp_leg_remote, bob, 1, texts->offer, seen) == SEALRTP_OK);
	CHECK(strstr(seen, " RTP/AVP 0") && !strstr(seen, "a=crypto") && !strstr(seen, "a=fingerprint") &&
		  !strstr(seen, "a=zrtp-hash"));
	body_of(bob, body);
	CHECK(take(sealrtp_leg_local, bob, 0, body, texts->answer) == SEALRTP_OK);
	CHECK(take(sealrtp_leg_remote, alice, 0, texts->answer, seen) == SEALRTP_OK);
}

static void check_line(const struct end *end, uint32_t method)
{
	sealrtp_leg_line line = {.size = sizeof(line)};
	sealrtp_session_stats stats = {.size = sizeof(stats)};
	sealrtp_dtls_info dtls = {.size = sizeof(dtls)};
	sealrtp_zrtp_info zrtp = {.size = sizeof(zrtp)};
	char explanation[TEXT_SIZE];

	CHECK(sealrtp_leg_get_line(end->leg, 0, &line) == SEALRTP_OK);
	CHECK(sealrtp_leg_get_line(end->leg, 1, &line) == SEALRTP_DONE);
	CHECK(line.open && line.method == method && !strcmp(line.media, "audio") && line.suite[0]);
	CHECK(!strcmp(line.suite, end->suite) && !strncmp(line.peer_address, ADDRESS ":", strlen(ADDRESS ":")));
	CHECK(line.from_peer.packets > 0 && line.from_pbx.packets > 0 && line.from_pbx.bytes > 0);
	CHECK(sealrtp_leg_get_stats(end->leg, 0, &stats) == SEALRTP_OK);
	CHECK(stats.inbound.rtp_packets > 0 && stats.outbound.rtp_packets > 0 && !stats.inbound.clear_packets);
	CHECK(sealrtp_leg_get_stats(end->leg, 1, &stats) == SEALRTP_DONE);
	CHECK(sealrtp_leg_get_dtls_info(end->leg, 0, &dtls) ==
		  (method == SEALRTP_METHOD_DTLS ? SEALRTP_OK : SEALRTP_DONE));
	CHECK(sealrtp_leg_get_zrtp_info(end->leg, 0, &zrtp) ==
		  (method == SEALRTP_METHOD_ZRTP ? SEALRTP_OK : SEALRTP_DONE));
	CHECK(sealrtp_leg_note(end->leg, "a note") == SEALRTP_OK);
	CHECK(sealrtp_leg_explain(end->leg, explanation, sizeof(explanation)) == SEALRTP_OK);
	CHECK(strstr(explanation, "a note") && !strstr(explanation, "inline:"));
}

static void a_call_is_secured(const sealrtp_relay *relay, const sealrtp_dtls *dtls,
	const sealrtp_zrtp *zrtps[2], const char *name, uint32_t method)
{
	sealrtp_config *config = config_of(name, "reject");
	sealrtp_zrtp_info infos[2] = {{.size = sizeof(infos[0])}, {.size = sizeof(infos[1])}};
	struct end alice, bob;
	struct texts texts;
	uint8_t sequence;

	end_open(&alice, "alice", relay, config, dtls, zrtps[0]);
	end_open(&bob, "bob", relay, config, dtls, zrtps[1]);
	CHECK(sealrtp_leg_set_trace(alice.leg, 1) == SEALRTP_OK);
	make_call(&alice, &bob, &texts, 0);
	CHECK(sealrtp_relay_streams(relay) == 2 && alice.ports == 1 && bob.ports == 1);
	wait_for(&alice, SEALRTP_STATE_SECURE);
	wait_for(&bob, SEALRTP_STATE_SECURE);
	wait_count(&alice.secured);
	wait_count(&bob.secured);
	for (sequence = 1; sequence < 20; sequence++) {
		CHECK(is_heard(&alice, &bob, sequence, PATIENCE_MS));
		CHECK(is_heard(&bob, &alice, sequence, PATIENCE_MS));
	}
	check_line(&alice, method);
	check_line(&bob, method);
	if (method == SEALRTP_METHOD_ZRTP) {
		CHECK(sealrtp_leg_get_zrtp_info(alice.leg, 0, &infos[0]) == SEALRTP_OK);
		CHECK(sealrtp_leg_get_zrtp_info(bob.leg, 0, &infos[1]) == SEALRTP_OK);
		CHECK(infos[0].sas[0] && !strcmp(infos[0].sas, infos[1].sas));
	}
	CHECK(sealrtp_leg_verify(alice.leg, 1) == (method == SEALRTP_METHOD_ZRTP ? SEALRTP_OK : SEALRTP_DONE));
	CHECK(sealrtp_leg_accept_enrolment(alice.leg) == SEALRTP_DONE);
	CHECK(sealrtp_leg_relay_sas(alice.leg, &infos[1]) == SEALRTP_DONE);
	CHECK(alice.failed == 0 && bob.failed == 0 && alice.clear == 0);
	end_close(&alice);
	end_close(&bob);
	CHECK(sealrtp_relay_streams(relay) == 0);
	sealrtp_config_free(config);
}

static void another_certificate_ends_the_call(const sealrtp_relay *relay, const sealrtp_dtls *dtls)
{
	sealrtp_config *config = config_of("dtls", "rtp");
	struct end alice, bob;
	struct texts texts;

	end_open(&alice, "alice", relay, config, dtls, NULL);
	end_open(&bob, "bob", relay, config, dtls, NULL);
	make_call(&alice, &bob, &texts, 1);
	wait_count(&bob.failed);
	CHECK(bob.failure == SEALRTP_FAILURE_FINGERPRINT);
	CHECK(state_of(&bob) == SEALRTP_STATE_BLOCK);
	CHECK(!is_heard(&bob, &alice, 1, 100) && !is_heard(&alice, &bob, 1, 100));
	end_close(&alice);
	end_close(&bob);
	sealrtp_config_free(config);
}

static void policy_decides_what_is_refused_and_what_is_clear(
	const sealrtp_relay *relay, const sealrtp_dtls *dtls)
{
	sealrtp_config *sdes = config_of("sdes", "rtp"), *other = config_of("dtls", "rtp"),
				   *strict = config_of("dtls", "reject");
	char body[TEXT_SIZE], out[TEXT_SIZE], reason[512] = "";
	struct end alice, bob;
	struct texts texts;

	end_open(&alice, "alice", relay, sdes, dtls, NULL);
	end_open(&bob, "bob", relay, strict, dtls, NULL);
	body_of(&alice, body);
	CHECK(take(sealrtp_leg_local, &alice, 1, body, texts.offer) == SEALRTP_OK);
	CHECK(take(sealrtp_leg_remote, &bob, 1, texts.offer, out) == SEALRTP_E_POLICY);
	CHECK(take(sealrtp_leg_remote, &bob, 1, "no description", out) == SEALRTP_E_SDP);
	CHECK(bob.ports == 0);
	CHECK(sealrtp_leg_set_config(bob.leg, other, reason, sizeof(reason)) == SEALRTP_OK);
	make_call(&alice, &bob, &texts, 0);
	CHECK(alice.clear == 1 && bob.clear == 1 && state_of(&bob) == SEALRTP_STATE_BYPASS);
	CHECK(is_heard(&alice, &bob, 1, PATIENCE_MS) && is_heard(&bob, &alice, 1, PATIENCE_MS));
	CHECK(sealrtp_leg_demand_security(bob.leg) == SEALRTP_OK);
	CHECK(!is_heard(&alice, &bob, 2, 100) && !is_heard(&bob, &alice, 2, 100));
	end_close(&alice);
	end_close(&bob);
	sealrtp_config_free(sdes);
	sealrtp_config_free(other);
	sealrtp_config_free(strict);
}

static void null_and_nonsense_are_errors(const sealrtp_relay *relay, const sealrtp_dtls *dtls)
{
	sealrtp_sdp_message message = {.size = sizeof(message), .request = 1, .cseq = 1};
	sealrtp_config *config = sealrtp_config_new();
	sealrtp_leg_options options, good;
	sealrtp_leg_line line = {.size = sizeof(line)};
	sealrtp_zrtp_info zrtp = {.size = 1};
	const char *audio = "v=0\r\nc=IN IP4 " ADDRESS "\r\nm=audio 4000 RTP/AVP 0\r\n";
	struct end end = {.ports = 0};
	sealrtp_relay *none = NULL;
	sealrtp_leg *leg = NULL;
	char out[64], reason[256];
	size_t len = sizeof(out);

	CHECK(sealrtp_relay_new(1, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_relay_new(65, &none) == SEALRTP_E_ARGUMENT && !none);
	CHECK(sealrtp_relay_streams(NULL) == 0);
	sealrtp_relay_free(NULL);
	sealrtp_leg_free(NULL);
	memset(&good, 0, sizeof(good));
	good.size = sizeof(good);
	good.name = "x";
	good.address = ADDRESS;
	good.config = config;
	good.dtls = dtls;
	good.take_port = no_port;
	good.give_port = give_port;
	good.data = &end;
	CHECK(sealrtp_leg_new(NULL, &good, &leg, reason, sizeof(reason)) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_new(relay, NULL, &leg, reason, sizeof(reason)) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_new(relay, &good, NULL, reason, sizeof(reason)) == SEALRTP_E_ARGUMENT);
#define REFUSED(member, value)                                                                               \
	options = good;                                                                                          \
	options.member = value;                                                                                  \
	CHECK(sealrtp_leg_new(relay, &options, &leg, reason, sizeof(reason)) == SEALRTP_E_ARGUMENT && !leg)
	REFUSED(size, 8);
	REFUSED(name, NULL);
	REFUSED(address, "pbx.example.org");
	CHECK(strstr(reason, "address"));
	REFUSED(config, NULL);
	REFUSED(dtls, NULL);
	REFUSED(take_port, NULL);
	REFUSED(give_port, NULL);
	CHECK(sealrtp_leg_new(relay, &good, &leg, NULL, 0) == SEALRTP_OK);
	CHECK(sealrtp_leg_remote(NULL, &message, "", 0, out, &len, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_remote(leg, NULL, "", 0, out, &len, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_remote(leg, &message, NULL, 9, out, &len, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_local(leg, &message, "v=0\r\n", 5, out, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(
		sealrtp_leg_local(leg, &message, "v=0\r\n", 5, NULL, &len, NULL, 0) == SEALRTP_E_BUFFER && len == 5);
	CHECK(sealrtp_leg_local(leg, &message, audio, strlen(audio), out, &len, reason, sizeof(reason)) ==
		  SEALRTP_E_SYSTEM);
	CHECK(strstr(reason, "no RTP port is left"));
	CHECK(sealrtp_leg_set_config(leg, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_set_config(NULL, config, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_demand_security(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_disclose(NULL, 1) == SEALRTP_E_ARGUMENT && sealrtp_leg_disclose(leg, 1) == SEALRTP_OK);
	CHECK(sealrtp_leg_note(leg, NULL) == SEALRTP_E_ARGUMENT &&
		  sealrtp_leg_note(NULL, "x") == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_explain(leg, NULL, 0) == SEALRTP_E_BUFFER);
	CHECK(sealrtp_leg_explain(NULL, out, sizeof(out)) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_get_line(NULL, 0, &line) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_get_line(leg, 9, &line) == SEALRTP_DONE);
	CHECK(sealrtp_leg_get_stats(NULL, 0, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_get_dtls_info(NULL, 0, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_get_zrtp_info(NULL, 0, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_verify(NULL, 1) == SEALRTP_E_ARGUMENT && sealrtp_leg_verify(leg, 1) == SEALRTP_DONE);
	CHECK(sealrtp_leg_accept_enrolment(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_relay_sas(leg, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_relay_sas(leg, &zrtp) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_leg_set_trace(NULL, 1) == SEALRTP_E_ARGUMENT);
	sealrtp_leg_free(leg);
	CHECK(end.ports == 0);
	sealrtp_config_free(config);
}

static void keys_are_masked_in_place_and_elsewhere(void)
{
	const char *line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA|1:1\r\n";
	const char *masked = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:****|1:1\r\n";
	char text[64], out[64] = "";

	snprintf(text, sizeof(text), "%s", line);
	CHECK(sealrtp_sdp_mask(text, strlen(text), out) == SEALRTP_OK && !strcmp(out, masked));
	CHECK(!strcmp(text, line));
	CHECK(sealrtp_sdp_mask(text, strlen(text), text) == SEALRTP_OK && !strcmp(text, masked));
	CHECK(sealrtp_sdp_mask(NULL, 1, out) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_sdp_mask(text, 1, NULL) == SEALRTP_E_ARGUMENT);
}

int main(void)
{
	sealrtp_config *config = sealrtp_config_new();
	const sealrtp_zrtp *zrtps[2];
	sealrtp_zrtp *alice_zrtp = NULL, *bob_zrtp = NULL;
	sealrtp_dtls *dtls = NULL;
	sealrtp_relay *relay = NULL;
	char message[256];

	CHECK(sealrtp_dtls_new(config, &dtls, message, sizeof(message)) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_new(NULL, &alice_zrtp, message, sizeof(message)) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_new(NULL, &bob_zrtp, message, sizeof(message)) == SEALRTP_OK);
	CHECK(sealrtp_relay_new(2, &relay) == SEALRTP_OK);
	zrtps[0] = alice_zrtp;
	zrtps[1] = bob_zrtp;
	null_and_nonsense_are_errors(relay, dtls);
	keys_are_masked_in_place_and_elsewhere();
	a_call_is_secured(relay, dtls, zrtps, "sdes", SEALRTP_METHOD_SDES);
	a_call_is_secured(relay, dtls, zrtps, "dtls", SEALRTP_METHOD_DTLS);
	a_call_is_secured(relay, dtls, zrtps, "zrtp", SEALRTP_METHOD_ZRTP);
	another_certificate_ends_the_call(relay, dtls);
	policy_decides_what_is_refused_and_what_is_clear(relay, dtls);
	sealrtp_relay_free(relay);
	sealrtp_zrtp_free(alice_zrtp);
	sealrtp_zrtp_free(bob_zrtp);
	sealrtp_dtls_free(dtls);
	sealrtp_config_free(config);
	if (failures) {
		fprintf(stderr, "%d checks failed\n", failures);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
