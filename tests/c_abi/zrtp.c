/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Two sessions make a ZRTP call as a PBX and a phone would, by include/sealrtp.h alone. Exits 0 if all of it
 * holds.
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
#define EVENT_KINDS 17

struct end {
	sealrtp_session *session;
	sealrtp_zrtp_call *call;
	uint16_t sequence;
	/* How often each kind of event came. */
	unsigned int events[EVENT_KINDS];
};

static struct end end_new(const sealrtp_config *config, const sealrtp_zrtp *zrtp,
	const sealrtp_zrtp_options *options, uint32_t demand_security, uint32_t ssrc)
{
	struct end end = {.sequence = 0};

	CHECK(sealrtp_session_new(config, demand_security, &end.session) == SEALRTP_OK);
	CHECK(sealrtp_session_zrtp_receive(end.session, (const uint8_t *)"", 0) == SEALRTP_DONE);
	CHECK(sealrtp_zrtp_call_new(zrtp, config, options, &end.call) == SEALRTP_OK);
	CHECK(sealrtp_session_zrtp_use(end.session, end.call, ssrc) == SEALRTP_OK);
	return end;
}

static void end_free(struct end *end)
{
	sealrtp_session_free(end->session);
	sealrtp_zrtp_call_free(end->call);
}

static void poll_events(struct end *end)
{
	sealrtp_event event = {.size = sizeof(event)};

	while (sealrtp_session_poll_event(end->session, &event) == SEALRTP_OK) {
		CHECK(event.text[0] != '\0' && event.kind < EVENT_KINDS);
		end->events[event.kind % EVENT_KINDS]++;
	}
}

static int pass(struct end *from, struct end *to)
{
	uint8_t datagram[2048] = {0};
	sealrtp_address where;
	uint32_t component;
	size_t len = 0;
	int passed = 0;

	while (sealrtp_session_poll_transmit(
			   from->session, datagram, sizeof(datagram), &len, &component, &where) == SEALRTP_OK) {
		CHECK(where.family == 0 && component == SEALRTP_RTP);
		CHECK(sealrtp_session_zrtp_receive(to->session, datagram, len) == SEALRTP_OK);
		passed = 1;
	}
	poll_events(from);
	poll_events(to);
	return passed;
}

static void exchange(struct end *one, struct end *other)
{
	uint32_t ms;

	CHECK(sealrtp_session_zrtp_start(one->session) == SEALRTP_OK);
	CHECK(sealrtp_session_zrtp_start(other->session) == SEALRTP_OK);
	CHECK(sealrtp_session_poll_timeout(one->session, &ms) == SEALRTP_OK && ms <= 51);
	while (pass(one, other) | pass(other, one)) {
	}
}

/* What leaves is clear as long as clear is 1; what comes is what was sent. */
static void media_passes(struct end *from, struct end *to, int clear)
{
	uint8_t packet[HEADER + PAYLOAD + SEALRTP_MAX_TRAILER] = {0x80};
	size_t len = HEADER + PAYLOAD;

	packet[3] = ++from->sequence;
	packet[11] = 7;
	memset(packet + HEADER, 0x55, PAYLOAD);
	CHECK(sealrtp_protect_rtp(from->session, packet, &len, sizeof(packet)) >= SEALRTP_OK);
	CHECK((len == HEADER + PAYLOAD) == clear);
	CHECK((packet[HEADER] == 0x55 && packet[HEADER + 1] == 0x55 && packet[HEADER + 2] == 0x55) == clear);
	CHECK(sealrtp_unprotect_rtp(to->session, packet, &len) >= SEALRTP_OK);
	CHECK(len == HEADER + PAYLOAD && packet[HEADER] == 0x55 && packet[HEADER + PAYLOAD - 1] == 0x55);
}

static void a_clear_call_becomes_secure_and_tells_how(
	const sealrtp_config *config, const sealrtp_zrtp *pbx, const sealrtp_zrtp *phone)
{
	struct end one = end_new(config, pbx, NULL, 0, 1), other = end_new(config, phone, NULL, 0, 2);
	sealrtp_zrtp_info ours = {.size = sizeof(ours)}, theirs = {.size = sizeof(theirs)};
	char zid[32];

	CHECK(sealrtp_session_set_trace(one.session, 1) == SEALRTP_OK);
	CHECK(sealrtp_session_state(one.session, SEALRTP_RTP) == SEALRTP_STATE_BYPASS);
	media_passes(&one, &other, 1);
	media_passes(&other, &one, 1);
	CHECK(sealrtp_session_get_zrtp_info(one.session, &ours) == SEALRTP_DONE);
	CHECK(sealrtp_session_zrtp_verify(one.session, 1) == SEALRTP_DONE);
	exchange(&one, &other);
	CHECK(one.events[SEALRTP_EVENT_SECURED] == 1 && other.events[SEALRTP_EVENT_SECURED] == 1);
	CHECK(one.events[SEALRTP_EVENT_TRACE] > 8 && other.events[SEALRTP_EVENT_TRACE] == 0);
	media_passes(&one, &other, 0);
	media_passes(&other, &one, 0);
	CHECK(sealrtp_session_state(one.session, SEALRTP_RTP) == SEALRTP_STATE_SECURE);
	CHECK(sealrtp_session_state(other.session, SEALRTP_RTCP) == SEALRTP_STATE_SECURE);

	CHECK(sealrtp_session_get_zrtp_info(one.session, &ours) == SEALRTP_OK);
	CHECK(sealrtp_session_get_zrtp_info(other.session, &theirs) == SEALRTP_OK);
	CHECK(strlen(ours.sas) == 4 && !strcmp(ours.sas, theirs.sas));
	CHECK(!memcmp(ours.sas_hash, theirs.sas_hash, sizeof(ours.sas_hash)));
	CHECK(strcmp(ours.role, theirs.role) != 0);
	CHECK(!strcmp(ours.key_agreement, "X255") && !strcmp(ours.suite, "AES_CM_128_HMAC_SHA1_80"));
	CHECK(!strcmp(ours.continuity, "new") && !ours.verified && !ours.multistream && !ours.enrolled);
	CHECK(sealrtp_zrtp_zid(phone, zid, sizeof(zid)) == SEALRTP_OK && !strcmp(zid, ours.peer_zid));
	CHECK(sealrtp_session_zrtp_verify(one.session, 1) == SEALRTP_OK);
	CHECK(sealrtp_session_zrtp_verify(other.session, 1) == SEALRTP_OK);
	poll_events(&one);
	CHECK(one.events[SEALRTP_EVENT_VERIFIED] == 1);
	end_free(&one);
	end_free(&other);
}

static void count_peer(void *data, const sealrtp_zrtp_peer *peer)
{
	CHECK(strlen(peer->zid) == 24 && peer->first_seen > 0 && peer->last_seen >= peer->first_seen);
	++*(unsigned int *)data;
}

static void the_cache_remembers_and_forgets(
	const sealrtp_config *config, const sealrtp_zrtp *pbx, const sealrtp_zrtp *phone)
{
	struct end one = end_new(config, pbx, NULL, 1, 1), other = end_new(config, phone, NULL, 1, 2);
	sealrtp_zrtp_info info = {.size = sizeof(info)};
	sealrtp_zrtp_peer peer = {.size = sizeof(peer)};
	unsigned int peers = 0;
	char zid[32];

	exchange(&one, &other);
	CHECK(sealrtp_session_get_zrtp_info(one.session, &info) == SEALRTP_OK);
	CHECK(!strcmp(info.continuity, "match") && info.verified);
	CHECK(sealrtp_zrtp_peers(pbx, count_peer, &peers) == SEALRTP_OK && peers == 1);
	CHECK(sealrtp_zrtp_zid(phone, zid, sizeof(zid)) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_name_peer(pbx, zid, "reception") == SEALRTP_OK);
	CHECK(sealrtp_zrtp_name_peer(pbx, zid, "bell\a") == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_zrtp_get_peer(pbx, zid, &peer) == SEALRTP_OK);
	CHECK(!strcmp(peer.name, "reception") && peer.verified && !peer.enrolled && peer.expires == 0);
	CHECK(sealrtp_zrtp_verify_peer(pbx, zid, 0) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_get_peer(pbx, zid, &peer) == SEALRTP_OK && !peer.verified);
	CHECK(sealrtp_zrtp_get_peer(pbx, "0123", &peer) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_zrtp_forget_peer(pbx, zid) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_forget_peer(pbx, zid) == SEALRTP_DONE);
	end_free(&one);
	end_free(&other);

	/* The phone still has its secret. */
	one = end_new(config, pbx, NULL, 1, 1);
	other = end_new(config, phone, NULL, 1, 2);
	exchange(&one, &other);
	CHECK(other.events[SEALRTP_EVENT_CACHE_MISMATCH] == 1 && one.events[SEALRTP_EVENT_CACHE_MISMATCH] == 0);
	CHECK(one.events[SEALRTP_EVENT_SECURED] == 1 && other.events[SEALRTP_EVENT_SECURED] == 1);
	end_free(&one);
	end_free(&other);
}

static void find_numbers(void *data, const sealrtp_zrtp_peer *peer)
{
	char *numbers = data;

	strcat(strcat(numbers, peer->number), " ");
}

/* To one phone each number is somebody else; both ends' caches say so. */
static void each_number_is_an_end_point_of_its_own(const sealrtp_config *config, const sealrtp_zrtp *pbx)
{
	static const struct {
		const char *number;
		uint32_t outgoing;
		const char *in_list;
	} numbers[] = {{"100", 0, "100 "}, {"200", 0, "200 "}, {"100", 1, "from:100 "}, {"", 0, " "}};
	char zids[4][32], message[256], listed[1024] = "";
	sealrtp_zrtp *phone = NULL;
	int number, round, before;

	CHECK(sealrtp_zrtp_new(NULL, &phone, message, sizeof(message)) == SEALRTP_OK && !message[0]);
	for (round = 0; round < 2; round++) {
		for (number = 0; number < 4; number++) {
			sealrtp_zrtp_options options = {.size = sizeof(options),
				.number = numbers[number].number,
				.outgoing = numbers[number].outgoing};
			sealrtp_zrtp_info info = {.size = sizeof(info)};
			struct end leg, at_phone;

			leg = end_new(config, pbx, &options, 1, 1);
			at_phone = end_new(config, phone, NULL, 1, 2);
			exchange(&leg, &at_phone);
			CHECK(leg.events[SEALRTP_EVENT_CACHE_MISMATCH] == 0);
			CHECK(at_phone.events[SEALRTP_EVENT_CACHE_MISMATCH] == 0);
			CHECK(sealrtp_session_get_zrtp_info(leg.session, &info) == SEALRTP_OK);
			CHECK(!strcmp(info.continuity, round ? "match" : "new"));
			CHECK(sealrtp_session_get_zrtp_info(at_phone.session, &info) == SEALRTP_OK);
			CHECK(!strcmp(info.continuity, round ? "match" : "new"));
			CHECK(!round || !strcmp(zids[number], info.peer_zid));
			strcpy(zids[number], info.peer_zid);
			for (before = 0; before < number; before++) {
				CHECK(strcmp(zids[before], zids[number]) != 0);
			}
			end_free(&leg);
			end_free(&at_phone);
		}
	}
	CHECK(sealrtp_zrtp_zid(pbx, message, sizeof(message)) == SEALRTP_OK && !strcmp(message, zids[3]));
	if (sealrtp_zrtp_peers(pbx, find_numbers, listed) == SEALRTP_OK) {
		for (number = 0; number < 4; number++) {
			CHECK(strstr(listed, numbers[number].in_list) != NULL);
		}
	}
	sealrtp_zrtp_free(phone);
}

static void a_pbx_in_the_middle_has_one_zid(const sealrtp_config *config, const sealrtp_zrtp *pbx)
{
	sealrtp_config *mitm = sealrtp_config_copy(config);
	sealrtp_zrtp *phone = NULL;
	char zid[32] = "", message[256];
	int enrolment;

	CHECK(sealrtp_config_set(mitm, "zrtp_mitm", "yes", message, sizeof(message)) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_new(NULL, &phone, message, sizeof(message)) == SEALRTP_OK && !message[0]);
	CHECK(sealrtp_zrtp_zid(pbx, zid, sizeof(zid)) == SEALRTP_OK);
	for (enrolment = 0; enrolment < 2; enrolment++) {
		sealrtp_zrtp_options options = {.size = sizeof(options), .enrolment = enrolment, .number = "300"};
		struct end leg = end_new(enrolment ? config : mitm, pbx, &options, 1, 1);
		struct end at_phone = end_new(config, phone, NULL, 1, 2);
		sealrtp_zrtp_info info = {.size = sizeof(info)};

		exchange(&leg, &at_phone);
		CHECK(sealrtp_session_get_zrtp_info(at_phone.session, &info) == SEALRTP_OK);
		CHECK(!strcmp(info.peer_zid, zid) && !strcmp(info.continuity, enrolment ? "match" : "new"));
		end_free(&leg);
		end_free(&at_phone);
	}
	sealrtp_zrtp_free(phone);
	sealrtp_config_free(mitm);
}

static void an_enrolled_phone_is_told_the_far_ends_sas(
	const sealrtp_config *config, const sealrtp_zrtp *pbx, const sealrtp_zrtp *phone)
{
	sealrtp_zrtp_options enrols = {.size = sizeof(enrols), .enrolment = 1};
	struct end leg = end_new(config, pbx, &enrols, 1, 1), at_phone = end_new(config, phone, NULL, 1, 2);
	struct end far_leg, at_far_phone;
	sealrtp_config *mitm = sealrtp_config_copy(config);
	sealrtp_zrtp_info info = {.size = sizeof(info)};
	sealrtp_zrtp *far_phone = NULL;
	char message[256];
	int round;

	CHECK(sealrtp_config_set(mitm, "zrtp_mitm", "yes", message, sizeof(message)) == SEALRTP_OK);
	CHECK(sealrtp_zrtp_new(NULL, &far_phone, message, sizeof(message)) == SEALRTP_OK && !message[0]);
	exchange(&leg, &at_phone);
	/* Both caches are at odds since the last test: the user compares. */
	CHECK(sealrtp_session_zrtp_verify(leg.session, 1) == SEALRTP_OK);
	CHECK(sealrtp_session_zrtp_verify(at_phone.session, 1) == SEALRTP_OK);
	CHECK(sealrtp_session_get_zrtp_info(at_phone.session, &info) == SEALRTP_OK);
	CHECK(info.enrolment_offered && info.mitm);
	CHECK(sealrtp_session_zrtp_accept_enrolment(at_phone.session) == SEALRTP_OK);
	CHECK(sealrtp_session_zrtp_accept_enrolment(leg.session) == SEALRTP_DONE);
	end_free(&leg);
	end_free(&at_phone);

	leg = end_new(mitm, pbx, NULL, 1, 1);
	at_phone = end_new(config, phone, NULL, 1, 2);
	far_leg = end_new(mitm, pbx, NULL, 1, 3);
	at_far_phone = end_new(config, far_phone, NULL, 1, 4);
	exchange(&leg, &at_phone);
	exchange(&far_leg, &at_far_phone);
	CHECK(sealrtp_session_get_zrtp_info(leg.session, &info) == SEALRTP_OK && info.enrolled);
	CHECK(sealrtp_session_get_zrtp_info(far_leg.session, &info) == SEALRTP_OK && !info.enrolled);
	CHECK(sealrtp_session_zrtp_relay_sas(leg.session, &info) == SEALRTP_OK);
	for (round = 0; round < 3; round++) {
		pass(&leg, &at_phone);
		pass(&at_phone, &leg);
	}
	CHECK(at_phone.events[SEALRTP_EVENT_RELAYED_SAS] == 1);
	{
		sealrtp_zrtp_info shown = {.size = sizeof(shown)};

		CHECK(sealrtp_session_get_zrtp_info(at_phone.session, &shown) == SEALRTP_OK);
		CHECK(!strcmp(shown.relayed_sas, info.sas) && strcmp(shown.sas, info.sas) != 0);
	}
	end_free(&leg);
	end_free(&at_phone);
	end_free(&far_leg);
	end_free(&at_far_phone);
	sealrtp_zrtp_free(far_phone);
	sealrtp_config_free(mitm);
}

static void the_signallings_hash_counts(
	const sealrtp_config *config, const sealrtp_zrtp *pbx, const sealrtp_zrtp *phone)
{
	struct end one = end_new(config, pbx, NULL, 0, 1), other = end_new(config, phone, NULL, 0, 2);
	char value[80], reason[256] = "";

	CHECK(sealrtp_session_zrtp_local_hash(other.session, value, sizeof(value)) == SEALRTP_OK);
	CHECK(strlen(value) == 5 + 64 && !strncmp(value, "1.10 ", 5));
	CHECK(sealrtp_session_zrtp_remote_hash(one.session, "1.10 00", reason, sizeof(reason)) == SEALRTP_E_ZRTP);
	CHECK(strstr(reason, "zrtp-hash") != NULL);
	CHECK(sealrtp_session_zrtp_remote_hash(one.session, value, reason, sizeof(reason)) == SEALRTP_OK);
	exchange(&one, &other);
	CHECK(one.events[SEALRTP_EVENT_SECURED] == 1);
	/* It was another's after all: the keys are void, and clear media does not come back. */
	value[10] = value[10] == '0' ? '1' : '0';
	CHECK(sealrtp_session_zrtp_remote_hash(one.session, value, reason, sizeof(reason)) == SEALRTP_OK);
	poll_events(&one);
	CHECK(one.events[SEALRTP_EVENT_FAILED] == 1);
	CHECK(sealrtp_session_state(one.session, SEALRTP_RTP) == SEALRTP_STATE_BLOCK);
	end_free(&one);
	end_free(&other);
}

static void a_cache_that_cannot_be_opened_is_told_and_calls_go_on(const sealrtp_config *config)
{
	sealrtp_zrtp *one_zrtp = NULL, *other_zrtp = NULL;
	struct end one, other;
	char message[512] = "";
	unsigned int peers = 0;

	CHECK(sealrtp_zrtp_new("/nonexistent/zid.db", &one_zrtp, message, sizeof(message)) == SEALRTP_OK);
	CHECK(strstr(message, "/nonexistent") != NULL);
	CHECK(sealrtp_zrtp_new(NULL, &other_zrtp, message, sizeof(message)) == SEALRTP_OK && !message[0]);
	CHECK(sealrtp_zrtp_peers(one_zrtp, count_peer, &peers) == SEALRTP_DONE && !peers);
	one = end_new(config, one_zrtp, NULL, 1, 1);
	other = end_new(config, other_zrtp, NULL, 1, 2);
	exchange(&one, &other);
	CHECK(one.events[SEALRTP_EVENT_SECURED] == 1);
	end_free(&one);
	end_free(&other);
	sealrtp_zrtp_free(one_zrtp);
	sealrtp_zrtp_free(other_zrtp);
}

/* Every function with null for everything: an error, no crash. */
static void null_is_an_error(void)
{
	sealrtp_zrtp_call *call = NULL;

	CHECK(sealrtp_zrtp_new(NULL, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	sealrtp_zrtp_free(NULL);
	CHECK(sealrtp_zrtp_zid(NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_zrtp_peers(NULL, NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_zrtp_get_peer(NULL, NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_zrtp_verify_peer(NULL, NULL, 1) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_zrtp_name_peer(NULL, NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_zrtp_forget_peer(NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_zrtp_call_new(NULL, NULL, NULL, &call) == SEALRTP_E_ARGUMENT && !call);
	sealrtp_zrtp_call_free(NULL);
	CHECK(sealrtp_config_copy(NULL) == NULL);
	CHECK(sealrtp_config_zrtp(NULL) == SEALRTP_ZRTP_REQUIRED);
	CHECK(sealrtp_session_zrtp_use(NULL, NULL, 1) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_zrtp_start(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_zrtp_stop(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_zrtp_receive(NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_zrtp_local_hash(NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_zrtp_remote_hash(NULL, NULL, NULL, 0) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_zrtp_verify(NULL, 1) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_zrtp_accept_enrolment(NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_zrtp_relay_sas(NULL, NULL) == SEALRTP_E_ARGUMENT);
	CHECK(sealrtp_session_get_zrtp_info(NULL, NULL) == SEALRTP_E_ARGUMENT);
}

/* argv[1] and argv[2] are files that are not there yet. */
int main(int argc, char **argv)
{
	sealrtp_config *config = sealrtp_config_new();
	sealrtp_zrtp *pbx = NULL, *phone = NULL, *memory = NULL;
	char message[256] = "";

	if (argc != 3) {
		fprintf(stderr, "usage: zrtp CACHE CACHE\n");
		return 2;
	}
	null_is_an_error();
	CHECK(sealrtp_config_zrtp(config) == SEALRTP_ZRTP_YES);
	CHECK(sealrtp_config_set(config, "fallback", "reject", message, sizeof(message)) == SEALRTP_OK);
	CHECK(sealrtp_config_zrtp(config) == SEALRTP_ZRTP_REQUIRED);
	CHECK(sealrtp_config_set(config, "zrtp", "yes", message, sizeof(message)) == SEALRTP_E_CONFIG);
	CHECK(strstr(message, "this key is gone"));
	CHECK(sealrtp_zrtp_new(argv[1], &pbx, message, sizeof(message)) == SEALRTP_OK && !message[0]);
	CHECK(sealrtp_zrtp_new(argv[2], &phone, message, sizeof(message)) == SEALRTP_OK && !message[0]);
	CHECK(sealrtp_zrtp_new(NULL, &memory, message, sizeof(message)) == SEALRTP_OK && !message[0]);
	a_clear_call_becomes_secure_and_tells_how(config, pbx, phone);
	the_cache_remembers_and_forgets(config, pbx, phone);
	an_enrolled_phone_is_told_the_far_ends_sas(config, pbx, phone);
	each_number_is_an_end_point_of_its_own(config, pbx);
	each_number_is_an_end_point_of_its_own(config, memory);
	a_pbx_in_the_middle_has_one_zid(config, pbx);
	the_signallings_hash_counts(config, pbx, phone);
	a_cache_that_cannot_be_opened_is_told_and_calls_go_on(config);
	sealrtp_zrtp_free(pbx);
	sealrtp_zrtp_free(phone);
	sealrtp_zrtp_free(memory);
	sealrtp_config_free(config);
	if (failures) {
		fprintf(stderr, "%d failures\n", failures);
	}
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
