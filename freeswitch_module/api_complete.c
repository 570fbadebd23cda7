/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sealrtp: completion at the console.
 */

#include "api.h"

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

void api_complete_start(void)
{
	char line[128];
	size_t index;

	switch_console_add_complete_func("::sealrtp::list_zids", list_zids);
	switch_console_add_complete_func("::sealrtp::list_calls", list_calls);
	for (index = 0; index < sizeof(completions) / sizeof(*completions); index++) {
		switch_snprintf(line, sizeof(line), "add sealrtp %s", completions[index]);
		switch_console_set_complete(line);
	}
}

void api_complete_stop(void)
{
	switch_console_set_complete("del sealrtp");
	switch_console_del_complete_func("::sealrtp::list_zids");
	switch_console_del_complete_func("::sealrtp::list_calls");
}
