/* SPDX-License-Identifier: GPL-2.0-only
 *
 * sealrtp show status | streams | stream <channel>, sealrtp set debug dtls | zrtp on | off [<channel>]
 */

#include "asterisk.h"

#include "asterisk/ast_version.h"
#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/cli.h"
#include "asterisk/netsock2.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* The words of a row have no spaces, so that scripts can split it. */
#define ROW "%-6s %-32s %-6s %-6s %-21s %-23s %-23s %10s %10s %8s %8s %8s %8s %8s\n"
#define NUMBER_SIZE 24

static const char *number(uint64_t value, char *text)
{
	snprintf(text, NUMBER_SIZE, "%llu", (unsigned long long)value);
	return text;
}

static const char *suite_name(const struct sealrtp_direction_stats *direction)
{
	const char *name = direction->suite ? sealrtp_suite_name(direction->suite) : NULL;

	return S_OR(name, "-");
}

static const char *state_name(struct ast_srtp *stream)
{
	static const char *const names[] = {
		[SEALRTP_STATE_BYPASS] = "BYPASS",
		[SEALRTP_STATE_BLOCK] = "BLOCK",
		[SEALRTP_STATE_SECURE] = "SECURE",
	};
	sealrtp_session_stats stats = {.size = sizeof(stats)};
	uint32_t state = stream_state(stream);
	bool passes;

	if (passthrough_stats(stream, &stats, &passes)) {
		return passes ? "FORWARD" : "BLOCK";
	}
	return state < ARRAY_LEN(names) && names[state] ? names[state] : "-";
}

static uint64_t refused(const struct sealrtp_direction_stats *direction)
{
	return direction->malformed + direction->refused + direction->expired;
}

/* False if the stream has been let go. */
static bool get_stats(struct ast_srtp *stream, sealrtp_session_stats *stats)
{
	sealrtp_result result;

	bool passes;

	ao2_lock(stream);
	result = sealrtp_session_get_stats(stream->session, stats);
	ao2_unlock(stream);
	passthrough_stats(stream, stats, &passes);
	return result >= 0;
}

/* Not a clear stream that nobody wants to secure and nobody blocks, nor one whose packets are another's. */
static bool is_shown(const struct ast_srtp *stream)
{
	return !stream->dtls.bundled && (stream->blocked || strcmp(stream->method, METHOD_NONE));
}

static bool show_row(int fd, struct ast_srtp *stream)
{
	sealrtp_session_stats stats = {.size = sizeof(stats)};
	char texts[8][NUMBER_SIZE], channel[AST_CHANNEL_NAME];

	if (!is_shown(stream) || !get_stats(stream, &stats)) {
		return false;
	}
	stream_channel_name(stream, channel, sizeof(channel));
	ast_cli(fd, ROW, number(stream->number, texts[0]), channel, stream->method, state_name(stream),
		ast_sockaddr_stringify(&stream->local), suite_name(&stats.inbound), suite_name(&stats.outbound),
		number(stats.inbound.rtp_packets, texts[1]), number(stats.outbound.rtp_packets, texts[2]),
		number(stats.inbound.rtcp_packets, texts[3]), number(stats.outbound.rtcp_packets, texts[4]),
		number(stats.inbound.auth_failures, texts[5]), number(stats.inbound.replays, texts[6]),
		number(refused(&stats.inbound) + refused(&stats.outbound), texts[7]));
	return true;
}

static void show_direction(int fd, const char *name, const struct sealrtp_direction_stats *direction)
{
	ast_cli(fd,
		"  %s: %s\n"
		"    SSRCs            %u\n"
		"    RTP packets      %llu\n"
		"    RTCP packets     %llu\n"
		"    Bytes            %llu\n"
		"    Auth failures    %llu\n"
		"    Replays          %llu\n"
		"    Malformed        %llu\n"
		"    Refused          %llu\n"
		"    Key expired      %llu\n"
		"    Re-keyed         %llu\n",
		name, suite_name(direction), direction->ssrcs, (unsigned long long)direction->rtp_packets,
		(unsigned long long)direction->rtcp_packets, (unsigned long long)direction->bytes,
		(unsigned long long)direction->auth_failures, (unsigned long long)direction->replays,
		(unsigned long long)direction->malformed, (unsigned long long)direction->refused,
		(unsigned long long)direction->expired, (unsigned long long)direction->rekeys);
}

/* Each fingerprint on a line of its own, so that two people can compare them. */
static void show_dtls(int fd, struct ast_srtp *stream, uint32_t component)
{
	sealrtp_dtls_info info = {.size = sizeof(info)};
	sealrtp_result result;

	ao2_lock(stream);
	result = sealrtp_session_get_dtls_info(stream->session, component, &info);
	ao2_unlock(stream);
	if (result != SEALRTP_OK) {
		return;
	}
	ast_cli(fd,
		"  %s by DTLS-SRTP\n"
		"    Role             %s\n"
		"    Profile          %s\n"
		"    Cipher           %s\n"
		"    Version          %s\n"
		"    Handshake        %u ms, %u retransmissions%s\n"
		"    Memory           %llu bytes\n"
		"    Our fingerprint  %s\n"
		"    The peer's       %s\n",
		component == SEALRTP_RTCP ? "RTCP" : "RTP", S_OR(info.role, "-"), S_OR(info.profile, "-"),
		S_OR(info.cipher, "-"), S_OR(info.version, "-"), info.handshake_ms, info.retransmissions,
		info.resumed ? ", RTP's session resumed" : "", (unsigned long long)info.memory_bytes,
		S_OR(info.local_fingerprint, "-"), S_OR(info.remote_fingerprint, "-"));
}

/* What two people compare, and what it was made by. */
static void show_zrtp(int fd, struct ast_srtp *stream)
{
	char name[PEER_NAME_SIZE];
	sealrtp_zrtp_info info;

	if (!zrtp_info(stream, &info)) {
		return;
	}
	zid_peer_name(info.peer_zid, name, sizeof(name));
	ast_cli(fd,
		"  RTP by ZRTP\n"
		"    SAS              %s (%s), %s\n"
		"    Relayed SAS      %s\n"
		"    Role             %s\n"
		"    Algorithms       %s %s %s %s%s\n"
		"    Suite            %s\n"
		"    Peer             %s %s (%s)\n"
		"    Cache            %s\n"
		"    Disclosure       %s\n"
		"    Enrolled         %s\n"
		"    Handshake        %u ms, %u retransmissions\n"
		"    Memory           %llu bytes\n",
		S_OR(info.sas, "-"), info.sas_type, info.verified ? "verified" : "not verified",
		S_OR(info.relayed_sas, "-"), info.role, info.key_agreement, info.hash, info.cipher, info.auth_tag,
		info.multistream ? ", keys of the call's first stream" : "", info.suite, info.peer_zid,
		S_OR(name, "-"), S_OR(info.peer_client, "-"), info.continuity, AST_CLI_YESNO(info.disclosure),
		info.enrolled			 ? "Yes"
		: info.enrolment_offered ? "No, offered in this call"
								 : "No",
		info.handshake_ms, info.retransmissions, (unsigned long long)info.memory_bytes);
}

static void show_details(int fd, struct ast_srtp *stream, const char *channel)
{
	sealrtp_session_stats stats = {.size = sizeof(stats)};

	if (!get_stats(stream, &stats)) {
		return;
	}
	ast_cli(fd, "Stream %u of %s: %s, keys by %s, local RTP %s, up %lld s\n", stream->number, channel,
		state_name(stream), stream->method, ast_sockaddr_stringify(&stream->local),
		(long long)(ast_tvdiff_ms(ast_tvnow(), stream->since) / 1000));
	show_dtls(fd, stream, SEALRTP_RTP);
	show_dtls(fd, stream, SEALRTP_RTCP);
	show_zrtp(fd, stream);
	show_direction(fd, "In", &stats.inbound);
	show_direction(fd, "Out", &stats.outbound);
}

static char *show_streams(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	struct ao2_iterator iterator;
	struct ast_srtp *stream;
	unsigned int shown = 0;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp show streams";
		entry->usage =
			"Usage: sealrtp show streams\n"
			"       Lists the secured media streams, oldest first: who made the keys, whether media passes\n"
			"       (SECURE, BLOCK: none until there are keys, BYPASS: clear, FORWARD: from phone to phone, "
			"untouched), our RTP address, suites, RTP "
			"and RTCP packets that passed, packets that failed authentication, were\n"
			"       replayed or were refused for another reason.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (args->argc != entry->args) {
		return CLI_SHOWUSAGE;
	}
	ast_cli(args->fd, ROW, "Stream", "Channel", "Method", "State", "Local", "Suite-In", "Suite-Out",
		"Packets-In", "Packets-Out", "RTCP-In", "RTCP-Out", "AuthFail", "Replays", "Refused");
	iterator = ao2_iterator_init(streams_all(), 0);
	while ((stream = ao2_iterator_next(&iterator))) {
		shown += show_row(args->fd, stream);
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
	ast_cli(args->fd, "%u stream%s\n", shown, ESS(shown));
	return CLI_SUCCESS;
}

static char *show_stream(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	char channel[AST_CHANNEL_NAME];
	struct ao2_iterator iterator;
	struct ast_srtp *stream;
	unsigned int shown = 0;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp show stream";
		entry->usage =
			"Usage: sealrtp show stream <channel>\n"
			"       Shows all counters of the secured media streams of a channel, and\n"
			"       what the handshake of DTLS-SRTP or ZRTP agreed on, with both fingerprints or the SAS.\n";
		return NULL;
	case CLI_GENERATE:
		return ast_complete_channels(args->line, args->word, args->pos, args->n, entry->args);
	}
	if (args->argc != entry->args + 1) {
		return CLI_SHOWUSAGE;
	}
	iterator = ao2_iterator_init(streams_all(), 0);
	while ((stream = ao2_iterator_next(&iterator))) {
		stream_channel_name(stream, channel, sizeof(channel));
		if (is_shown(stream) && !strcasecmp(channel, args->argv[entry->args])) {
			show_details(args->fd, stream, channel);
			shown++;
		}
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
	if (!shown) {
		ast_cli(args->fd, "%s has no secured stream\n", args->argv[entry->args]);
	}
	return CLI_SUCCESS;
}

static void show_configuration(int fd)
{
	struct settings *settings = config_get();
	char *text = ast_calloc(1, DESCRIPTION_SIZE);

	if (settings && text && sealrtp_config_describe(settings->config, text, DESCRIPTION_SIZE) >= 0) {
		ast_cli(fd, "\nsealrtp.conf, [general], for new calls; the others: sealrtp show policy\n%s", text);
		ast_cli(fd, "zrtp_cache                  = %s\n", S_OR(settings->zid_path, "none"));
	}
	ast_free(text);
	ao2_cleanup(settings);
}

/* Streams by who makes their keys. */
struct census {
	unsigned int sdes;
	/* With keys and without. */
	unsigned int dtls[2];
	unsigned int zrtp[2];
};

static void count_streams(struct census *census)
{
	struct ao2_iterator iterator = ao2_iterator_init(streams_all(), 0);
	struct ast_srtp *stream;

	memset(census, 0, sizeof(*census));
	while ((stream = ao2_iterator_next(&iterator))) {
		bool waiting;

		ao2_lock(stream);
		waiting = sealrtp_session_state(stream->session, SEALRTP_RTP) != SEALRTP_STATE_SECURE;
		if (stream->keyed) {
			census->sdes++;
		} else if (stream->zrtp.started) {
			census->zrtp[waiting]++;
		} else if (dtls_serves(stream) && !stream->dtls.bundled) {
			census->dtls[waiting]++;
		}
		ao2_unlock(stream);
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
}

static char *show_status(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	struct census census;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp show status";
		entry->usage = "Usage: sealrtp show status\n"
					   "       Shows version, registration, numbers of streams and the configuration.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (args->argc != entry->args) {
		return CLI_SHOWUSAGE;
	}
	count_streams(&census);
	ast_cli(args->fd,
		"SealRTP version      %s, ABI %u\n"
		"SRTP path            %s\n"
		"Built for            Asterisk %d, running %s\n"
		"SRTP engine          %s\n"
		"Taken back           %u times\n"
		"RTP instances        %u\n"
		"Streams              %u now, %u ever\n"
		"Streams by SDES      %u\n"
		"Streams by DTLS      %u secure, %u without keys\n"
		"Streams by ZRTP      %u secure, %u without keys\n"
		"DTLS trace           %s\n"
		"ZRTP trace           %s\n"
		"Calls hung up        %u for want of keys\n",
		sealrtp_version(), sealrtp_abi_version(), sealrtp_srtp_path(), SEALRTP_ASTERISK_MAJOR,
		ast_get_version(), guard_is_active() ? "active" : "overwritten, taken back with the next packet",
		guard_repairs(), rtp_engine_instances(), streams_alive(), streams_ever(), census.sdes, census.dtls[0],
		census.dtls[1], census.zrtp[0], census.zrtp[1], report_trace_is_on("DTLS-SRTP") ? "on" : "off",
		report_trace_is_on(METHOD_ZRTP) ? "on" : "off", report_ended());
	show_configuration(args->fd);
	return CLI_SUCCESS;
}

/* sealrtp set debug dtls|zrtp on|off [<channel>] */
static char *set_debug(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	const char *channel, *method;
	bool zrtp, on;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp set debug {dtls|zrtp} {on|off}";
		entry->usage =
			"Usage: sealrtp set debug {dtls|zrtp} {on|off} [<channel>]\n"
			"       Prints each step of handshakes, of calls that are up and of those to come. With a\n"
			"       channel, or the beginning of its name, as PJSIP/alice, only of those.\n";
		return NULL;
	case CLI_GENERATE:
		return args->pos == entry->args
				   ? ast_complete_channels(args->line, args->word, args->pos, args->n, entry->args)
				   : NULL;
	}
	if (args->argc != entry->args && args->argc != entry->args + 1) {
		return CLI_SHOWUSAGE;
	}
	channel = args->argc > entry->args ? args->argv[entry->args] : "";
	zrtp = !strcasecmp(args->argv[entry->args - 2], "zrtp");
	method = zrtp ? METHOD_ZRTP : "DTLS-SRTP";
	on = !strcasecmp(args->argv[entry->args - 1], "on");
	report_set_trace(method, on, on ? channel : "");
	ast_cli(args->fd, "%s is %straced%s%s\n", zrtp ? "ZRTP" : "DTLS", on ? "" : "not ",
		on && !ast_strlen_zero(channel) ? " of " : "", on ? channel : "");
	return CLI_SUCCESS;
}

static struct ast_cli_entry commands[] = {
	AST_CLI_DEFINE(show_status, "Show version, registration and configuration of SealRTP"),
	AST_CLI_DEFINE(show_streams, "List secured media streams"),
	AST_CLI_DEFINE(show_stream, "Show the counters of a channel's secured media streams"),
	AST_CLI_DEFINE(set_debug, "Trace handshakes of DTLS and ZRTP"),
};

int cli_register(void)
{
	return ast_cli_register_multiple(commands, ARRAY_LEN(commands));
}

void cli_unregister(void)
{
	ast_cli_unregister_multiple(commands, ARRAY_LEN(commands));
}
