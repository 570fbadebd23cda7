/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Key material, out of logs, channel variables and with them out of events, of calls that are not ours, too:
 * whose they are may be known only later. Who reads a description back from a variable gets the one with the
 * keys.
 */

#include "mod_sealrtp.h"

/* A channel's private data: descriptions that its variables have masked copies of, the newest first. */
#define ORIGINALS "sealrtp_originals"

struct original {
	char *text;
	char *masked;
	struct original *next;
};

/* Variables that mod_sofia and the core put descriptions in. */
static const char *const carriers[] = {SWITCH_R_SDP_VARIABLE, SWITCH_B_SDP_VARIABLE, "sip_reinvite_sdp"};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

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

static switch_status_t forget(switch_core_session_t *session)
{
	struct original *original =
		switch_channel_get_private(switch_core_session_get_channel(session), ORIGINALS);

	for (; original; original = original->next) {
		explicit_bzero(original->text, strlen(original->text));
	}
	return SWITCH_STATUS_SUCCESS;
}

static switch_state_handler_table_t at_end = {.on_destroy = forget, .flags = SSH_FLAG_STICKY};

static struct original *find(switch_channel_t *channel, const char *masked)
{
	struct original *original = switch_channel_get_private(channel, ORIGINALS);

	for (; original && strcmp(original->masked, masked); original = original->next) {
	}
	return original;
}

const char *mask_original(switch_channel_t *channel, const char *text)
{
	struct original *original = find(channel, text);

	return original ? original->text : text;
}

/* In the session's memory, like FreeSWITCH's own copies: who has read it may still use it. Wiped when the
 * channel ends. */
static void keep(switch_channel_t *channel, const char *text, const char *masked)
{
	switch_core_session_t *session = switch_channel_get_session(channel);
	struct original *original, *first;

	pthread_mutex_lock(&lock);
	first = switch_channel_get_private(channel, ORIGINALS);
	original = find(channel, masked);
	/* Other keys under the same mask: the newer one counts, so it comes first. */
	if (!original || strcmp(original->text, text)) {
		original = switch_core_session_alloc(session, sizeof(*original));
		original->text = switch_core_session_strdup(session, text);
		original->masked = switch_core_session_strdup(session, masked);
		original->next = first;
		switch_channel_set_private(channel, ORIGINALS, original);
	}
	pthread_mutex_unlock(&lock);
	if (!first) {
		switch_channel_add_state_handler(channel, &at_end);
	}
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

/* A masked copy, with the text itself kept at the channel; NULL: there is no key in it. The caller frees it.
 */
static char *mask_for(switch_channel_t *channel, const char *text)
{
	char *masked = strdup(text);

	if (masked && mask_text(masked)) {
		keep(channel, text, masked);
		return masked;
	}
	free(masked);
	return NULL;
}

switch_status_t mask_write(
	switch_channel_t *channel, const char *name, const char *value, switch_bool_t check)
{
	char *masked = zstr(name) || zstr(value) || !is_carrier(name) ? NULL : mask_for(channel, value);
	switch_status_t status =
		switch_channel_set_variable_var_check(channel, name, masked ? masked : value, check);

	free(masked);
	return status;
}

const char *mask_read(switch_channel_t *channel, const char *name, switch_bool_t copy, int index)
{
	const char *value = switch_channel_get_variable_dup(channel, name, copy, index);

	return channel && value && is_carrier(name) ? mask_original(channel, value) : value;
}

/* One channel's description becomes a variable of another's, which mod_sofia reads. */
switch_status_t mask_pass(switch_channel_t *from, switch_channel_t *to, const char *sdp)
{
	const char *text = zstr(sdp) ? sdp : mask_original(from, sdp);
	char *masked = zstr(text) ? NULL : mask_for(to, text);
	switch_status_t status = switch_channel_pass_sdp(from, to, masked ? masked : text);

	free(masked);
	return status;
}
