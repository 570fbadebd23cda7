/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sealrtp zrtp: the peers that secrets are kept of.
 */

#include "api.h"

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

void api_zrtp(switch_stream_handle_t *stream, const struct words *words)
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
