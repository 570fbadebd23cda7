/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Two sessions make a DTLS-SRTP call as a PBX would, by include/sealrtp.h alone. Exits 0 if all of it holds.
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

#define HEADER 12
#define PAYLOAD 160

struct end {
	sealrtp_session *session;
	sealrtp_address address;
	char fingerprint[256];
	/* Of the last events. */
	unsigned int secured, failed, traces;
	uint64_t failure;
	char text[1024];
};

static struct end end_new(const sealrtp_config *config, const sealrtp_dtls *dtls, uint16_t port)
{
	struct end end = {.address = {.ip = {127, 0, 0, 1}, .port = port, .family = 4}};
	char value[200], reason[256];

	CHECK(sealrtp_session_new(config, 1, &end.session) == SEALRTP_OK);
	CHECK(sealrtp_session_dtls_local_setup(end.session) == 0);
	CHECK(sealrtp_session_dtls_fingerprint(end.session, "sha-256", value, sizeof(value)) == SEALRTP_DONE);
	CHECK(sealrtp_session_dtls_use(end.session, dtls, NULL, SEALRTP_SETUP_ACTPASS, reason, sizeof(reason)) ==
		  SEALRTP_OK);
	CHECK(sealrtp_session_dtls_fingerprint(end.session, "sha-256", value, sizeof(value)) == SEALRTP_OK);
	CHECK(
		sealrtp_session_dtls_fingerprint(end.session, "rot-13", value, sizeof(value)) == SEALRTP_E_ARGUMENT);
	CHECK(strlen(value) == 95);
	snprintf(end.fingerprint, sizeof(end.fingerprint), "sha-256 %s", value);
	return end;
}

static void poll_events(struct end *end)
{
	sealrtp_event event = {.size = sizeof(event)};

	while (sealrtp_session_poll_event(end->session, &event) == SEALRTP_OK) {
		CHECK(event.text[0] != '\0');
		switch (event.kind) {
		case SEALRTP_EVENT_SECURED:
			end->secured++;
			break;
		case SEALRTP_EVENT_FAILED:
			end->failed++;
			end->failure = event.value;
			snprintf(end->text, sizeof(end->text), "%s", event.text);
			break;
		case SEALRTP_EVENT_TRACE:
			end->traces++;
			break;
		default:
			break;
		}
	}
}

static int pass(struct end *from, struct end *to)
{
	uint8_t datagram[2048] = {0};
	sealrtp_address where;
	uint32_t component;
	size_t len = 0;
	int passed = 0;
	uint8_t small[1] = {0};

	if (sealrtp_session_poll_transmit(from->session, small, sizeof(small), &len, &component, &where) ==
		SEALRTP_E_BUFFER) {
		CHECK(len > sizeof(small));
	}
	while (sealrtp_session_poll_transmit(
			   from->session, datagram, sizeof(datagram), &len, &component, &where) == SEALRTP_OK) {
		CHECK(where.family == 0 || (where.family == 4 && where.port == to->address.port));
		CHECK(sealrtp_session_dtls_receive(to->session, component, datagram, len, &from->address) ==
			  SEALRTP_OK);
		passed = 1;
	}
	poll_events(from);
	poll_events(to);
	return passed;
}

static void signal_offer_and_answer(
	struct end *offerer, struct end *answerer, const char *of_answerer, uint32_t rtcp_separate)
{
	char reason[256];
	uint32_t setup = sealrtp_session_dtls_local_setup(offerer->session);

	CHECK(setup == SEALRTP_SETUP_ACTPASS);
	CHECK(sealrtp_session_dtls_remote_setup(answerer->session, setup, reason, sizeof(reason)) == SEALRTP_OK);
	CHECK(sealrtp_session_dtls_remote_fingerprint(
			  answerer->session, offerer->fingerprint, reason, sizeof(reason)) == SEALRTP_OK);
	setup = sealrtp_session_dtls_local_setup(answerer->session);
	CHECK(setup == SEALRTP_SETUP_ACTIVE);
	CHECK(sealrtp_session_dtls_remote_setup(offerer->session, setup, reason, sizeof(reason)) == SEALRTP_OK);
	CHECK(sealrtp_session_dtls_remote_fingerprint(offerer->session, of_answerer, reason, sizeof(reason)) ==
		  SEALRTP_OK);
	CHECK(
		sealrtp_session_dtls_start(offerer->session, rtcp_separate, 0, reason, sizeof(reason)) == SEALRTP_OK);
	CHECK(sealrtp_session_dtls_start(answerer->session, rtcp_separate, 0, reason, sizeof(reason)) ==
		  SEALRTP_OK);
}

static void media_passes(struct end *from, struct end *to)
{
	uint8_t packet[HEADER + PAYLOAD + SEALRTP_MAX_TRAILER] = {0x80};
	size_t len = HEADER + PAYLOAD;

	packet[3] = 1;
	packet[11] = 7;
	memset(packet + HEADER, 0x55, PAYLOAD);
	CHECK(sealrtp_protect_rtp(from->session, packet, &len, sizeof(packet)) == SEALRTP_OK);
	CHECK(packet[HEADER] != 0x55 || packet[HEADER + 1] != 0x55 || packet[HEADER + 2] != 0x55);
	CHECK(sealrtp_unprotect_rtp(to->session, packet, &len) == SEALRTP_OK);
	CHECK(len == HEADER + PAYLOAD && packet[HEADER] == 0x55 && packet[HEADER + PAYLOAD - 1] == 0x55);
}

static void a_call_has_keys_and_tells_how(const sealrtp_config *config, const sealrtp_dtls *dtls)
{
	struct end offerer = end_new(config, dtls, 4000), answerer = end_new(config, dtls, 5000);
	sealrtp_dtls_info ours = {.size = sizeof(ours)}, theirs = {.size = sizeof(theirs)};
	uint8_t clear[HEADER + PAYLOAD] = {0x80};
	size_t len = sizeof(clear);
	uint32_t ms = 0;

	CHECK(sealrtp_session_set_trace(offerer.session, 1) == SEALRTP_OK);
	CHECK(sealrtp_session_poll_timeout(offerer.session, &ms) == SEALRTP_DONE);
	CHECK(sealrtp_session_state(offerer.session, SEALRTP_RTP) == SEALRTP_STATE_BLOCK);
	CHECK(sealrtp_unprotect_rtp(offerer.session, clear, &len) == SEALRTP_E_NO_KEYS);
	signal_offer_and_answer(&offerer, &answerer, answerer.fingerprint, 0);
	CHECK(sealrtp_session_poll_timeout(answerer.session, &ms) == SEALRTP_OK && ms <= 1001);
	CHECK(sealrtp_session_handle_timeout(answerer.session) == SEALRTP_OK);
	CHECK(sealrtp_session_get_dtls_info(offerer.session, SEALRTP_RTP, &ours) == SEALRTP_DONE);
	while (pass(&answerer, &offerer) | pass(&offerer, &answerer)) {
	}
	CHECK(offerer.secured == 1 && answerer.secured == 1 && !offerer.failed && !answerer.failed);
	CHECK(offerer.traces > 10 && answerer.traces == 0);
	CHECK(sealrtp_session_state(offerer.session, SEALRTP_RTP) == SEALRTP_STATE_SECURE);
	CHECK(sealrtp_session_state(offerer.session, SEALRTP_RTCP) == SEALRTP_STATE_SECURE);
	media_passes(&offerer, &answerer);
	media_passes(&answerer, &offerer);

	CHECK(sealrtp_session_get_dtls_info(offerer.session, SEALRTP_RTP, &ours) == SEALRTP_OK);
	CHECK(sealrtp_session_get_dtls_info(answerer.session, SEALRTP_RTP, &theirs) == SEALRTP_OK);
	CHECK(!strcmp(ours.role, "server") && !strcmp(theirs.role, "client"));
	CHECK(!strcmp(ours.profile, "AEAD_AES_256_GCM") && !strcmp(ours.profile, theirs.profile));
	CHECK(!strcmp(ours.version, "DTLSv1.2") && !strcmp(ours.cipher, theirs.cipher));
	CHECK(!strcmp(ours.local_fingerprint, offerer.fingerprint));
	CHECK(!strcmp(ours.remote_fingerprint, answerer.fingerprint));
	CHECK(ours.memory_bytes > 0 && ours.memory_bytes < 10000);

	CHECK(sealrtp_session_close(offerer.session) == SEALRTP_OK);
	CHECK(sealrtp_session_state(offerer.session, SEALRTP_RTP) == SEALRTP_STATE_BLOCK);
	sealrtp_session_free(offerer.session);
	sealrtp_session_free(answerer.session);
}

static void another_certificate_than_the_sdp_says_fails(
	const sealrtp_config *config, const sealrtp_dtls *dtls, const sealrtp_dtls *others)
{
	struct end offerer = end_new(config, dtls, 4000), answerer = end_new(config, dtls, 5000);
	struct end stranger = end_new(config, others, 6000);

	signal_offer_and_answer(&offerer, &answerer, stranger.fingerprint, 0);
	while (pass(&answerer, &offerer) | pass(&offerer, &answerer)) {
	}
	CHECK(offerer.failed == 1 && offerer.failure == SEALRTP_FAILURE_FINGERPRINT && !offerer.secured);
	CHECK(strstr(offerer.text, stranger.fingerprint) && strstr(offerer.text, answerer.fingerprint));
	CHECK(sealrtp_session_state(offerer.session, SEALRTP_RTP) == SEALRTP_STATE_BLOCK);
	sealrtp_session_free(offerer.session);
	sealrtp_session_free(answerer.session);
	sealrtp_session_free(stranger.session);
}

static void rtcp_on_its_own_port_resumes_the_session(const sealrtp_config *config, const sealrtp_dtls *dtls)
{
	struct end offerer = end_new(config, dtls, 4000), answerer = end_new(config, dtls, 5000);
	sealrtp_dtls_info rtp = {.size = sizeof(rtp)}, rtcp = {.size = sizeof(rtcp)};

	signal_offer_and_answer(&offerer, &answerer, answerer.fingerprint, 1);
	while (pass(&answerer, &offerer) | pass(&offerer, &answerer)) {
	}
	CHECK(offerer.secured == 2 && answerer.secured == 2);
	CHECK(sealrtp_session_get_dtls_info(answerer.session, SEALRTP_RTP, &rtp) == SEALRTP_OK && !rtp.resumed);
	CHECK(sealrtp_session_get_dtls_info(answerer.session, SEALRTP_RTCP, &rtcp) == SEALRTP_OK && rtcp.resumed);
	CHECK(!strcmp(rtp.remote_fingerprint, rtcp.remote_fingerprint));
	CHECK(sealrtp_session_get_dtls_info(offerer.session, SEALRTP_RTCP, &rtcp) == SEALRTP_OK && rtcp.resumed);
	media_passes(&offerer, &answerer);
	sealrtp_session_free(offerer.session);
	sealrtp_session_free(answerer.session);
}

static void refusals_say_why(const sealrtp_config *config, const sealrtp_dtls *dtls)
{
	sealrtp_dtls_options options = {.size = sizeof(options), .cert_file = "/nonexistent.pem"};
	struct end end = end_new(config, dtls, 4000);
	char reason[256] = "";

	CHECK(sealrtp_session_dtls_use(
			  end.session, dtls, &options, SEALRTP_SETUP_ACTPASS, reason, sizeof(reason)) == SEALRTP_E_DTLS);
	CHECK(strstr(reason, "/nonexistent.pem") != NULL);
	options = (sealrtp_dtls_options){.size = sizeof(options), .verify_certificate = 1};
	CHECK(sealrtp_session_dtls_use(
			  end.session, dtls, &options, SEALRTP_SETUP_ACTPASS, reason, sizeof(reason)) == SEALRTP_E_DTLS);
	CHECK(strstr(reason, "CA") != NULL);
	CHECK(sealrtp_session_dtls_use(end.session, dtls, NULL, 9, reason, sizeof(reason)) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_start(end.session, 0, 0, reason, sizeof(reason)) == SEALRTP_E_DTLS);
	CHECK(strstr(reason, "a=setup") != NULL);
	CHECK(sealrtp_session_dtls_remote_setup(end.session, SEALRTP_SETUP_ACTPASS, reason, sizeof(reason)) ==
		  SEALRTP_OK);
	CHECK(sealrtp_session_dtls_start(end.session, 0, 0, reason, sizeof(reason)) == SEALRTP_E_DTLS);
	CHECK(strstr(reason, "fingerprint") != NULL);
	CHECK(sealrtp_session_dtls_remote_fingerprint(end.session, "sha-256 AB", reason, sizeof(reason)) ==
		  SEALRTP_E_DTLS);
	CHECK(sealrtp_session_dtls_stop(end.session) == SEALRTP_OK);
	CHECK(sealrtp_session_state(end.session, SEALRTP_RTP) == SEALRTP_STATE_BLOCK);
	sealrtp_session_free(end.session);
}

/* Every function with null for everything: an error, no crash. */
static void null_is_an_error(void)
{
	sealrtp_dtls *dtls = NULL;

	CHECK(sealrtp_dtls_new(NULL, &dtls, NULL, 0) == SEALRTP_E_ARGUMENT);
	sealrtp_dtls_free(NULL);
	CHECK(sealrtp_session_state(NULL, SEALRTP_RTP) == SEALRTP_STATE_BLOCK);
	CHECK(sealrtp_session_demand_security(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_use(NULL, NULL, NULL, SEALRTP_SETUP_ACTIVE, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_stop(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_fingerprint(NULL, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_local_setup(NULL) == 0);
	CHECK(sealrtp_session_dtls_remote_setup(NULL, SEALRTP_SETUP_ACTIVE, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_remote_fingerprint(NULL, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_expect_source(NULL, SEALRTP_RTP, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_start(NULL, 0, 0, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_dtls_receive(NULL, SEALRTP_RTP, NULL, 0, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_poll_transmit(NULL, NULL, 0, NULL, NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_poll_timeout(NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_handle_timeout(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_close(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_set_trace(NULL, 1) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_get_dtls_info(NULL, SEALRTP_RTP, NULL) == SEALRTP_E_ARGUMENT);
}

/* An end point with a certificate of its own: argv[1] and argv[2] are PEM files. */
static void certificates_come_from_files(const sealrtp_config *config, const sealrtp_dtls *dtls, char **argv)
{
	sealrtp_dtls_options options = {
		.size = sizeof(options), .cert_file = argv[1], .key_file = argv[2], .ca_file = argv[1]};
	struct end end = end_new(config, dtls, 4000);
	char value[256], reason[256] = "";

	CHECK(sealrtp_session_dtls_use(
			  end.session, dtls, &options, SEALRTP_SETUP_ACTPASS, reason, sizeof(reason)) == SEALRTP_OK);
	CHECK(sealrtp_session_dtls_fingerprint(end.session, "sha-256", value, sizeof(value)) == SEALRTP_OK);
	printf("%s\n", value);
	options.verify_certificate = 1;
	CHECK(sealrtp_session_dtls_use(
			  end.session, dtls, &options, SEALRTP_SETUP_ACTPASS, reason, sizeof(reason)) == SEALRTP_OK);
	options.key_file = NULL;
	CHECK(sealrtp_session_dtls_use(
			  end.session, dtls, &options, SEALRTP_SETUP_ACTPASS, reason, sizeof(reason)) == SEALRTP_E_DTLS);
	CHECK(strstr(reason, "key") != NULL);
	sealrtp_session_free(end.session);
}

int main(int argc, char **argv)
{
	sealrtp_config *config = sealrtp_config_new();
	sealrtp_dtls *dtls = NULL, *others = NULL;
	char message[256] = "";

	if (argc != 3) {
		fprintf(stderr, "usage: dtls CERTIFICATE KEY\n");
		return 2;
	}
	null_is_an_error();
	CHECK(sealrtp_dtls_new(config, &dtls, message, sizeof(message)) == SEALRTP_OK);
	CHECK(sealrtp_dtls_new(config, &others, message, sizeof(message)) == SEALRTP_OK);
	a_call_has_keys_and_tells_how(config, dtls);
	another_certificate_than_the_sdp_says_fails(config, dtls, others);
	rtcp_on_its_own_port_resumes_the_session(config, dtls);
	refusals_say_why(config, dtls);
	certificates_come_from_files(config, dtls, argv);
	CHECK(sealrtp_config_set(config, "dtls_groups", "nonsense", message, sizeof(message)) == SEALRTP_OK);
	sealrtp_dtls_free(others);
	others = NULL;
	CHECK(sealrtp_dtls_new(config, &others, message, sizeof(message)) == SEALRTP_E_DTLS);
	CHECK(others == NULL && message[0] != '\0');
	sealrtp_dtls_free(dtls);
	sealrtp_config_free(config);
	if (failures) {
		fprintf(stderr, "%d failures\n", failures);
	}
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
