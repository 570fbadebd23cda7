/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sealrtp status, calls and show: what there is, and what has become of it.
 */

#include "api.h"
#include "facts.h"
#include "surface.h"

/* Lines by who makes their keys, secured and not. */
struct census {
	uint32_t lines[SEALRTP_METHOD_ZRTP + 1][2];
};

static switch_bool_t count_call(struct call *call, void *data)
{
	struct census *census = data;
	struct facts facts;
	uint32_t line;

	for (line = 0; facts_learn(call, line, &facts); line++) {
		if (facts.line.open && facts.line.method <= SEALRTP_METHOD_ZRTP) {
			census->lines[facts.line.method][facts.line.state != SEALRTP_STATE_SECURE]++;
		}
	}
	return SWITCH_TRUE;
}

static void show_general(switch_stream_handle_t *stream)
{
	struct settings *settings = settings_get();
	char *text = calloc(1, DESCRIPTION_SIZE);

	if (settings && text && sealrtp_config_describe(settings->general, text, DESCRIPTION_SIZE) >= 0) {
		stream->write_function(stream,
			"\nsealrtp.conf.xml, <settings>, for new calls; the others: sealrtp policy\n%szrtp_cache         "
			"         = %s\n",
			text, zstr(settings->zid_path) ? "none" : settings->zid_path);
	}
	free(text);
	settings_put(settings);
}

void api_status(switch_stream_handle_t *stream, const struct words *words)
{
	struct census census = {0};
	char dtls[NAME_SIZE] = "", zrtp[NAME_SIZE] = "";

	(void)words;
	calls_each(count_call, &census);
	report_get_trace("dtls", dtls, sizeof(dtls));
	report_get_trace("zrtp", zrtp, sizeof(zrtp));
	stream->write_function(stream,
		"SealRTP version      %s, ABI %u\n"
		"SRTP path            %s\n"
		"FreeSWITCH           %s\n"
		"Calls                %u\n"
		"Streams              %u\n"
		"Lines by SDES        %u\n"
		"Lines by DTLS        %u secure, %u without keys\n"
		"Lines by ZRTP        %u secure, %u without keys\n"
		"Lines in the clear   %u\n"
		"DTLS trace           %s\n"
		"ZRTP trace           %s\n"
		"Calls hung up        %u for want of keys\n",
		sealrtp_version(), sealrtp_abi_version(), sealrtp_srtp_path(), switch_version_full(), calls_count(),
		sealrtp_relay_streams(runtime.relay), census.lines[SEALRTP_METHOD_SDES][0],
		census.lines[SEALRTP_METHOD_DTLS][0], census.lines[SEALRTP_METHOD_DTLS][1],
		census.lines[SEALRTP_METHOD_ZRTP][0], census.lines[SEALRTP_METHOD_ZRTP][1],
		census.lines[SEALRTP_METHOD_CLEAR][1], dtls, zrtp, report_hung_up());
	show_general(stream);
}

/* The words of a row have no spaces, so that scripts can split it. */
#define ROW "%-36s %-32s %-5s %-9s %-6s %-23s %-21s %10s %10s %8s %8s %8s %s\n"
#define NUMBER_SIZE 24

static const char *number(uint64_t value, char *text)
{
	switch_snprintf(text, NUMBER_SIZE, "%llu", (unsigned long long)value);
	return text;
}

static uint64_t refused(const struct sealrtp_direction_stats *direction)
{
	return direction->malformed + direction->refused + direction->expired;
}

static switch_bool_t show_rows(struct call *call, void *data)
{
	switch_stream_handle_t *stream = data;
	char texts[5][NUMBER_SIZE];
	struct facts facts;
	uint32_t line;

	for (line = 0; facts_learn(call, line, &facts); line++) {
		const sealrtp_session_stats *stats = &facts.stats;

		if (!facts.line.open) {
			continue;
		}
		stream->write_function(stream, ROW, call->uuid, call->name, facts.line.media,
			or_dash(facts_method(facts.line.method)), or_dash(facts_state(facts.line.state)),
			or_dash(facts.line.suite), or_dash(facts.line.peer_address),
			number(stats->inbound.rtp_packets + stats->inbound.clear_packets, texts[0]),
			number(stats->outbound.rtp_packets + stats->outbound.clear_packets, texts[1]),
			number(stats->inbound.auth_failures, texts[2]), number(stats->inbound.replays, texts[3]),
			number(refused(&stats->inbound) + refused(&stats->outbound), texts[4]), call->policy);
	}
	return SWITCH_TRUE;
}

void api_calls(switch_stream_handle_t *stream, const struct words *words)
{
	(void)words;
	stream->write_function(stream, ROW, "UUID", "Channel", "Media", "Method", "State", "Suite", "Peer",
		"RTP-In", "RTP-Out", "AuthFail", "Replays", "Refused", "Policy");
	calls_each(show_rows, stream);
	stream->write_function(stream, "%u call%s\n", calls_count(), calls_count() == 1 ? "" : "s");
}

static void show_fact(void *data, const char *variable, const char *header, const char *value)
{
	switch_stream_handle_t *stream = data;

	(void)variable;
	if (!zstr(value)) {
		stream->write_function(stream, "    %-18s %s\n", header, value);
	}
}

static void show_direction(switch_stream_handle_t *stream, const char *name,
	const struct sealrtp_direction_stats *direction, const struct sealrtp_relay_counters *relay)
{
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{"SSRCs", direction->ssrcs},
		{"RTP packets", direction->rtp_packets},
		{"RTCP packets", direction->rtcp_packets},
		{"Clear packets", direction->clear_packets},
		{"Bytes", direction->bytes},
		{"Auth failures", direction->auth_failures},
		{"Replays", direction->replays},
		{"Malformed", direction->malformed},
		{"Refused", direction->refused},
		{"Key expired", direction->expired},
		{"Re-keyed", direction->rekeys},
		{"Relayed", relay->packets},
		{"DTLS and ZRTP", relay->handshake},
		{"No media", relay->not_media},
		{"Not FreeSWITCH's", relay->not_the_pbx},
		{"No address", relay->no_address},
		{"Not sent", relay->not_sent},
	};
	size_t index;

	stream->write_function(stream, "  %s\n", name);
	for (index = 0; index < sizeof(counters) / sizeof(*counters); index++) {
		stream->write_function(
			stream, "    %-18s %llu\n", counters[index].name, (unsigned long long)counters[index].value);
	}
}

static void show_line(switch_stream_handle_t *stream, uint32_t line, const struct facts *facts)
{
	if (!facts->line.open) {
		stream->write_function(stream, "m-line %u, %s: declined, or not RTP\n", line, facts->line.media);
		return;
	}
	stream->write_function(stream,
		"m-line %u, %s: %s, RTCP %s%s, our port %u, towards FreeSWITCH %u, the peer's media goes to %s\n",
		line, facts->line.media, or_dash(facts_state(facts->line.state)),
		or_dash(facts_state(facts->line.rtcp_state)), facts->line.muxed ? " (muxed)" : "",
		facts->line.peer_side_port, facts->line.pbx_side_port,
		zstr(facts->line.peer_address) ? "nowhere (on hold, or not known yet)" : facts->line.peer_address);
	facts_each(facts, show_fact, stream);
	show_direction(stream, "From the peer", &facts->stats.inbound, &facts->line.from_peer);
	show_direction(stream, "To the peer", &facts->stats.outbound, &facts->line.from_pbx);
}

void api_show(switch_stream_handle_t *stream, const struct words *words)
{
	struct call *call = call_find(words->word[1]);
	struct facts facts;
	uint32_t line;

	if (!call) {
		stream->write_function(stream,
			"-ERR No call %s is up with us: sealrtp calls lists them, sealrtp explain tells of the last that "
			"ended\n",
			words->word[1]);
		return;
	}
	stream->write_function(stream, "%s %s, policy %s\n", call->uuid, call->name, call->policy);
	for (line = 0; facts_learn(call, line, &facts); line++) {
		show_line(stream, line, &facts);
	}
	call_release(call);
}
