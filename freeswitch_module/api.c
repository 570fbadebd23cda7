/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sealrtp: the administrator's command, at the console and by the event socket.
 */

#include "facts.h"
#include "surface.h"

#define SYNTAX                                                                                               \
	"status | calls | show <uuid> | explain <uuid>|<name>|<section> | policy [<name>] | "                    \
	"zrtp list|verify|forget|name | set debug dtls|zrtp on|off [<uuid>|<name>] | reload"
#define MAX_WORDS 32
#define DESCRIPTION_SIZE 8192
#define VALUE_SIZE 64

static const char usage[] =
	"sealrtp status                              version, calls, what holds for all\n"
	"sealrtp calls                               each secured call: who made its keys, whether media passes\n"
	"sealrtp show <uuid>                         all that is known of a call's media\n"
	"sealrtp explain <uuid>|<name>|<section>     why a call is secured as it is, also of the last that "
	"ended\n"
	"sealrtp policy [<policy or section>]        what sealrtp.conf.xml comes to\n"
	"sealrtp zrtp list                           our ZID, and the peers that secrets are kept of\n"
	"sealrtp zrtp verify <zid> [no]              the SAS was compared with this peer; no: it was not, or "
	"differed\n"
	"sealrtp zrtp forget <zid>                   its next call is like the first one\n"
	"sealrtp zrtp name <zid> <name>              a name for a peer, of at most 64 bytes\n"
	"sealrtp set debug dtls|zrtp on|off [<uuid>|<name>]   prints each step of handshakes, of these channels\n"
	"sealrtp reload                              reads sealrtp.conf.xml anew, for new calls\n";

struct words {
	int count;
	char *word[MAX_WORDS];
};

/* --- status, calls, show --- */

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

static void status(switch_stream_handle_t *stream, const struct words *words)
{
	struct census census = {0};
	char dtls[NAME_SIZE] = "", zrtp[NAME_SIZE] = "";

	(void)words;
	calls_each(count_call, &census);
	report_get_trace("dtls", dtls, sizeof(dtls));
	report_get_trace("zrtp", zrtp, sizeof(zrtp));
	stream->write_function(stream,
		"SealRTP version      %s, ABI %u\n"
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
		sealrtp_version(), sealrtp_abi_version(), switch_version_full(), calls_count(),
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

static const char *or_dash(const char *text)
{
	return zstr(text) ? "-" : text;
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

static void calls(switch_stream_handle_t *stream, const struct words *words)
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

static void show(switch_stream_handle_t *stream, const struct words *words)
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

static void explain(switch_stream_handle_t *stream, const struct words *words)
{
	explain_print(stream, words->word[1]);
}

/* --- policy, set debug, reload --- */

static const char *const kinds[] = {
	[SEALRTP_SECTION_GENERAL] = "settings",
	[SEALRTP_SECTION_POLICY] = "policy",
	[SEALRTP_SECTION_ENDPOINT] = "section",
};

#define POLICY_ROW "%-9s %-32s %-18s %-18s %-9s %-9s %s\n"

static const char *value(const sealrtp_config *config, const char *key, char *text)
{
	return sealrtp_config_get(config, key, text, VALUE_SIZE) >= 0 ? text : "-";
}

static void show_policies(switch_stream_handle_t *stream, const struct settings *settings)
{
	sealrtp_config *config = NULL;
	uint32_t index, kind;

	stream->write_function(
		stream, POLICY_ROW, "Kind", "Name", "Offer", "Accept", "Fallback", "Recording", "On-Failure");
	for (index = 0; sealrtp_policies_section(settings->policies, index, &config, &kind) == SEALRTP_OK;
		 index++) {
		char name[POLICY_SIZE] = "", texts[5][VALUE_SIZE];

		sealrtp_config_section(config, name, sizeof(name));
		stream->write_function(stream, POLICY_ROW, kind < sizeof(kinds) / sizeof(*kinds) ? kinds[kind] : "-",
			name, value(config, "offer", texts[0]), value(config, "accept", texts[1]),
			value(config, "fallback", texts[2]), value(config, "recording", texts[3]),
			value(config, "on_failure", texts[4]));
		sealrtp_config_free(config);
	}
}

/* A section by its name, as strict, vault or user/1000. */
static sealrtp_config *find_section(const struct settings *settings, const char *wanted)
{
	sealrtp_config *config = NULL;
	char name[POLICY_SIZE];
	uint32_t index, kind;

	if (sealrtp_policies_named(settings->policies, wanted, &config) == SEALRTP_OK) {
		return config;
	}
	for (index = 0; sealrtp_policies_section(settings->policies, index, &config, &kind) == SEALRTP_OK;
		 index++) {
		if (sealrtp_config_section(config, name, sizeof(name)) >= 0 && !strcasecmp(name, wanted)) {
			return config;
		}
		sealrtp_config_free(config);
	}
	return NULL;
}

static void policy(switch_stream_handle_t *stream, const struct words *words)
{
	struct settings *settings = settings_get();
	char *text = calloc(1, DESCRIPTION_SIZE);
	sealrtp_config *config = NULL;

	if (settings && text && words->count == 1) {
		show_policies(stream, settings);
	} else if (settings && text && (config = find_section(settings, words->word[1])) &&
			   sealrtp_config_describe(config, text, DESCRIPTION_SIZE) >= 0) {
		stream->write_function(stream, "%s, for new calls:\n%s", words->word[1], text);
	} else {
		stream->write_function(stream, "-ERR No policy or section %s: sealrtp policy lists them\n",
			words->count > 1 ? words->word[1] : "");
	}
	sealrtp_config_free(config);
	free(text);
	settings_put(settings);
}

static void set_debug(switch_stream_handle_t *stream, const struct words *words)
{
	const char *method = words->word[2], *channel = words->count > 4 ? words->word[4] : "";
	switch_bool_t on = !strcasecmp(words->word[3], "on");

	if (strcasecmp(words->word[1], "debug") || (!on && strcasecmp(words->word[3], "off")) ||
		!report_set_trace(method, on, on ? channel : "")) {
		stream->write_function(stream, "-USAGE: sealrtp set debug dtls|zrtp on|off [<uuid>|<name>]\n");
		return;
	}
	stream->write_function(stream, "+OK %s is %straced%s%s\n", method, on ? "" : "not ",
		on && *channel ? " of " : "", on ? channel : "");
}

static void reload(switch_stream_handle_t *stream, const struct words *words)
{
	(void)words;
	if (config_load() == SWITCH_STATUS_SUCCESS) {
		stream->write_function(stream, "+OK for new calls\n");
	} else {
		stream->write_function(
			stream, "-ERR sealrtp.conf.xml is refused, and all is as it was: the log says why\n");
	}
}

/* --- zrtp --- */

#define PEER_ROW "%-24s %-8s %-8s %-19s %-19s %-19s %-16s %s\n"
#define WHEN_SIZE 32

static const char *when(int64_t seconds, char *text)
{
	switch_time_exp_t at;
	switch_size_t length;

	if (!seconds) {
		return "never";
	}
	switch_time_exp_lt(&at, (switch_time_t)seconds * 1000000);
	switch_strftime_nocheck(text, &length, WHEN_SIZE, "%Y-%m-%dT%H:%M:%S", &at);
	return text;
}

static const char *yes_no(uint32_t value)
{
	return value ? "Yes" : "No";
}

struct listing {
	switch_stream_handle_t *stream;
	uint32_t shown;
};

static void show_peer(void *data, const sealrtp_zrtp_peer *peer)
{
	struct listing *listing = data;
	char texts[3][WHEN_SIZE];

	listing->stream->write_function(listing->stream, PEER_ROW, peer->zid, yes_no(peer->verified),
		yes_no(peer->enrolled), when(peer->first_seen, texts[0]), when(peer->last_seen, texts[1]),
		when(peer->expires, texts[2]), or_dash(peer->number), peer->name);
	listing->shown++;
}

static void list_peers(switch_stream_handle_t *stream, const struct zid *zid)
{
	struct listing listing = {.stream = stream};
	char ours[32] = "";
	sealrtp_result result;

	sealrtp_zrtp_zid(zid->zrtp, ours, sizeof(ours));
	stream->write_function(stream, "Our ZID %s, cache %s\n", ours, zstr(zid->path) ? "in memory" : zid->path);
	stream->write_function(
		stream, PEER_ROW, "ZID", "Verified", "Enrolled", "First", "Last", "Expires", "Number", "Name");
	result = sealrtp_zrtp_peers(zid->zrtp, show_peer, &listing);
	if (result < 0) {
		stream->write_function(stream, "-ERR The cache cannot be read: %s\n", sealrtp_result_text(result));
	}
	stream->write_function(stream, "%u peer%s\n", listing.shown, listing.shown == 1 ? "" : "s");
}

static void tell_peer(switch_stream_handle_t *stream, const char *peer, sealrtp_result result,
	const char *done, const char *more)
{
	if (result == SEALRTP_OK) {
		stream->write_function(stream, "+OK %s is %s%s\n", peer, done, more);
	} else if (result == SEALRTP_DONE) {
		stream->write_function(stream, "-ERR No peer %s in the cache: sealrtp zrtp list has them\n", peer);
	} else {
		stream->write_function(stream, "-ERR %s: %s\n", peer, sealrtp_result_text(result));
	}
}

static void name_peer(switch_stream_handle_t *stream, const struct zid *zid, const struct words *words)
{
	char name[256] = "";
	size_t length = 0;
	int index;

	for (index = 3; index < words->count; index++) {
		length += switch_snprintf(
			name + length, sizeof(name) - length, "%s%s", index > 3 ? " " : "", words->word[index]);
	}
	tell_peer(stream, words->word[2], sealrtp_zrtp_name_peer(zid->zrtp, words->word[2], name), "", name);
}

static void zrtp(switch_stream_handle_t *stream, const struct words *words)
{
	struct settings *settings = settings_get();
	const struct zid *zid = settings ? settings->zid : NULL;
	const char *verb = words->word[1], *peer = words->count > 2 ? words->word[2] : NULL;
	switch_bool_t no = words->count == 4 && !strcasecmp(words->word[3], "no");

	if (!zid) {
		stream->write_function(stream, "-ERR Nobody has ZRTP: see offer and accept in sealrtp.conf.xml\n");
	} else if (!strcasecmp(verb, "list") && words->count == 2) {
		list_peers(stream, zid);
	} else if (!strcasecmp(verb, "verify") && (words->count == 3 || no)) {
		tell_peer(stream, peer, sealrtp_zrtp_verify_peer(zid->zrtp, peer, !no),
			no ? "not verified" : "verified", "");
	} else if (!strcasecmp(verb, "forget") && words->count == 3) {
		tell_peer(stream, peer, sealrtp_zrtp_forget_peer(zid->zrtp, peer), "forgotten", "");
	} else if (!strcasecmp(verb, "name") && words->count > 3) {
		name_peer(stream, zid, words);
	} else {
		stream->write_function(
			stream, "-USAGE: sealrtp zrtp list | verify <zid> [no] | forget <zid> | name <zid> <name>\n");
	}
	settings_put(settings);
}

/* --- the command --- */

static const struct command {
	const char *word;
	/* With the command's own word. */
	int least, most;
	void (*run)(switch_stream_handle_t *stream, const struct words *words);
} commands[] = {
	{"status", 1, 1, status},
	{"calls", 1, 1, calls},
	{"show", 2, 2, show},
	{"explain", 2, 2, explain},
	{"policy", 1, 2, policy},
	{"zrtp", 2, MAX_WORDS, zrtp},
	{"set", 4, 5, set_debug},
	{"reload", 1, 1, reload},
};

SWITCH_STANDARD_API(sealrtp_api)
{
	char *copy = strdup(switch_str_nil(cmd));
	struct words words = {0};
	size_t index;

	(void)session;
	switch_assert(copy);
	words.count = (int)switch_separate_string(copy, ' ', words.word, MAX_WORDS);
	for (index = 0; index < sizeof(commands) / sizeof(*commands); index++) {
		const struct command *command = &commands[index];

		if (words.count && !strcasecmp(words.word[0], command->word) && words.count >= command->least &&
			words.count <= command->most) {
			command->run(stream, &words);
			free(copy);
			return SWITCH_STATUS_SUCCESS;
		}
	}
	stream->write_function(stream, "-USAGE:\n%s", usage);
	free(copy);
	return SWITCH_STATUS_SUCCESS;
}

/* --- completion at the console --- */

struct completion {
	const char *cursor;
	switch_console_callback_match_t *matches;
};

static void complete_peer(void *data, const sealrtp_zrtp_peer *peer)
{
	struct completion *completion = data;

	if (!strncasecmp(peer->zid, completion->cursor, strlen(completion->cursor))) {
		switch_console_push_match(&completion->matches, peer->zid);
	}
}

static switch_bool_t complete_call(struct call *call, void *data)
{
	struct completion *completion = data;

	if (!strncasecmp(call->uuid, completion->cursor, strlen(completion->cursor))) {
		switch_console_push_match(&completion->matches, call->uuid);
	}
	return SWITCH_TRUE;
}

static switch_status_t hand_over(struct completion *completion, switch_console_callback_match_t **matches)
{
	*matches = completion->matches;
	return completion->matches ? SWITCH_STATUS_SUCCESS : SWITCH_STATUS_FALSE;
}

static switch_status_t list_zids(
	const char *line, const char *cursor, switch_console_callback_match_t **matches)
{
	struct completion completion = {.cursor = switch_str_nil(cursor)};
	struct settings *settings = settings_get();

	(void)line;
	if (settings && settings->zid) {
		sealrtp_zrtp_peers(settings->zid->zrtp, complete_peer, &completion);
	}
	settings_put(settings);
	return hand_over(&completion, matches);
}

static switch_status_t list_calls(
	const char *line, const char *cursor, switch_console_callback_match_t **matches)
{
	struct completion completion = {.cursor = switch_str_nil(cursor)};

	(void)line;
	calls_each(complete_call, &completion);
	return hand_over(&completion, matches);
}

static const char *const completions[] = {
	"status",
	"calls",
	"show ::sealrtp::list_calls",
	"explain ::sealrtp::list_calls",
	"policy",
	"zrtp list",
	"zrtp verify ::sealrtp::list_zids",
	"zrtp forget ::sealrtp::list_zids",
	"zrtp name ::sealrtp::list_zids",
	"set debug dtls on ::sealrtp::list_calls",
	"set debug dtls off",
	"set debug zrtp on ::sealrtp::list_calls",
	"set debug zrtp off",
	"reload",
};

void api_start(void)
{
	switch_loadable_module_interface_t **module_interface = &runtime.interface;
	switch_api_interface_t *api;
	char line[128];
	size_t index;

	SWITCH_ADD_API(api, "sealrtp", "Media security of calls", sealrtp_api, SYNTAX);
	switch_console_add_complete_func("::sealrtp::list_zids", list_zids);
	switch_console_add_complete_func("::sealrtp::list_calls", list_calls);
	for (index = 0; index < sizeof(completions) / sizeof(*completions); index++) {
		switch_snprintf(line, sizeof(line), "add sealrtp %s", completions[index]);
		switch_console_set_complete(line);
	}
}

void api_stop(void)
{
	switch_console_set_complete("del sealrtp");
	switch_console_del_complete_func("::sealrtp::list_zids");
	switch_console_del_complete_func("::sealrtp::list_calls");
}
