/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Key material, out of logs, channel variables and with them out of events. Where FreeSWITCH reads a
 * description back from a variable of its own, the one with the keys is put in its place again.
 */

#include "mod_sealrtp.h"

/* A channel's private data: the description of the peer that came last. */
#define ORIGINAL "sealrtp_original"

struct original {
	char *text;
	char *masked;
};

/* Variables that mod_sofia puts descriptions in. */
static const char *const carriers[] = {SWITCH_R_SDP_VARIABLE, SWITCH_B_SDP_VARIABLE, "sip_reinvite_sdp"};

switch_bool_t mask_text(char *text)
{
	size_t length = strlen(text);
	char *before;
	switch_bool_t changed;

	/* What the library masks has one of these in it; most lines of a log have neither. */
	if (!strstr(text, "inline:") && !switch_stristr("k=", text) && !switch_stristr("key-mgmt", text) &&
		!switch_stristr("inline:", text)) {
		return SWITCH_FALSE;
	}
	before = strdup(text);
	if (sealrtp_sdp_mask(text, length, text) < 0) {
		memset(text, '*', length);
	}
	changed = !before || strcmp(before, text);
	if (before) {
		explicit_bzero(before, length);
		free(before);
	}
	return changed;
}

void mask_vlog(switch_text_channel_t to, const char *file, const char *function, int line,
	const char *userdata, switch_log_level_t level, const char *format, va_list arguments)
{
	char *text = NULL;

	if (switch_vasprintf(&text, format, arguments) < 0 || !text) {
		return;
	}
	mask_text(text);
	switch_log_printf(to, file, function, line, userdata, level, "%s", text);
	free(text);
}

void mask_log(switch_text_channel_t to, const char *file, const char *function, int line,
	const char *userdata, switch_log_level_t level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	mask_vlog(to, file, function, line, userdata, level, format, arguments);
	va_end(arguments);
}

static void wipe(struct original *original)
{
	if (original->text) {
		explicit_bzero(original->text, strlen(original->text));
		original->text = NULL;
	}
}

static switch_status_t forget(switch_core_session_t *session)
{
	struct original *original =
		switch_channel_get_private(switch_core_session_get_channel(session), ORIGINAL);

	if (original) {
		wipe(original);
	}
	return SWITCH_STATUS_SUCCESS;
}

static switch_state_handler_table_t at_end = {.on_destroy = forget};

/* Keeps the text; gives its masked copy. */
static const char *keep(switch_channel_t *channel, const char *text, char *masked)
{
	switch_core_session_t *session = switch_channel_get_session(channel);
	struct original *original = switch_channel_get_private(channel, ORIGINAL);

	if (!original) {
		original = switch_core_session_alloc(session, sizeof(*original));
		switch_channel_set_private(channel, ORIGINAL, original);
		switch_channel_add_state_handler(channel, &at_end);
	}
	wipe(original);
	original->text = switch_core_session_strdup(session, text);
	original->masked = switch_core_session_strdup(session, masked);
	return original->masked;
}

const char *mask_original(switch_channel_t *channel, const char *text)
{
	struct original *original = switch_channel_get_private(channel, ORIGINAL);

	return original && original->text && !strcmp(original->masked, text) ? original->text : text;
}

/* Whether a description in a variable of this channel may be one of a call of ours. */
static switch_bool_t is_ours(switch_channel_t *channel)
{
	const char *partner = switch_channel_get_partner_uuid(channel);
	struct settings *settings;
	struct terms terms = {0};
	char reason[REASON_SIZE];
	struct call *call = call_find(switch_channel_get_uuid(channel));
	switch_bool_t ours;

	if (!call && partner) {
		call = call_find(partner);
	}
	if (call) {
		call_release(call);
		return SWITCH_TRUE;
	}
	settings = settings_get();
	ours = settings && policy_of(settings, channel, NULL, &terms, reason, sizeof(reason)) != OPTED_OUT;
	sealrtp_config_free(terms.config);
	settings_put(settings);
	return ours;
}

static switch_bool_t is_carrier(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(carriers) / sizeof(*carriers); i++) {
		if (!strcmp(name, carriers[i])) {
			return SWITCH_TRUE;
		}
	}
	return SWITCH_FALSE;
}

switch_status_t mask_variable(
	switch_channel_t *channel, const char *name, const char *value, switch_bool_t check)
{
	switch_status_t status;
	const char *shown = value;
	char *masked;

	if (zstr(name) || zstr(value) || !is_carrier(name) || !policy_applies(channel) ||
		!(masked = strdup(value))) {
		return switch_channel_set_variable_var_check(channel, name, value, check);
	}
	if (mask_text(masked) && is_ours(channel)) {
		shown = strcmp(name, SWITCH_R_SDP_VARIABLE) ? masked : keep(channel, value, masked);
	}
	status = switch_channel_set_variable_var_check(channel, name, shown, check);
	explicit_bzero(masked, strlen(masked));
	free(masked);
	return status;
}

/* Bypass media: the other leg is to have what the phone has sent. */
switch_status_t mask_pass(switch_channel_t *from, switch_channel_t *to, const char *sdp)
{
	return switch_channel_pass_sdp(from, to, policy_applies(from) || !sdp ? sdp : mask_original(from, sdp));
}
