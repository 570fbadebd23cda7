/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What is replaced in other objects: at load, in each object that is loaded later (mod_sofia again, after a
 * reload) before any of it runs, and undone at unload.
 */

#include "mod_sealrtp.h"

#include <dlfcn.h>
#include <pthread.h>

/* Tables of other files of this module. */
#define MOST_TABLES 8

static void *load_object(const char *path, int flags);

static const struct slot ours[] = {
	{SOFIA_OBJECT, "switch_core_media_negotiate_sdp", sdp_negotiate, NULL, "the peer's SDP"},
	{SOFIA_OBJECT, "switch_core_media_gen_local_sdp", sdp_generate, NULL, "our SDP"},
	{SOFIA_OBJECT, "switch_log_printf", mask_log, NULL, "masking keys in logs"},
	{SOFIA_OBJECT, "switch_log_vprintf", mask_vlog, NULL, "masking keys in SIP traces"},
	{SOFIA_OBJECT, "switch_channel_set_variable_var_check", mask_write, NULL,
		"masking keys in channel variables"},
	{SOFIA_OBJECT, "switch_core_session_request_uuid", soa_session, NULL, "UDP/TLS/RTP/SAVP"},
	{SOFIA_OBJECT, "switch_event_get_header_idx", soa_header, NULL, "UDP/TLS/RTP/SAVP"},
	{SOFIA_OBJECT, "switch_channel_get_variable_dup", soa_variable, NULL, "masked channel variables"},
	{SOFIA_OBJECT, "switch_core_media_start_udptl", t38_start, NULL, "T.38"},
	{SOFIA_OBJECT, "switch_core_media_set_udptl_image_sdp", t38_describe, NULL, "T.38"},
	{SOFIA_OBJECT, "switch_core_media_set_local_sdp", bypass_describe, NULL,
		"media that would bypass FreeSWITCH"},
	{NULL, "switch_channel_set_flag_value", bypass_flag, NULL, NULL},
	{NULL, "switch_ivr_nomedia", bypass_begin, NULL, NULL},
	{NULL, "switch_ivr_3p_nomedia", bypass_begin_3p, NULL, NULL},
	/* The core calls these itself in a few places, through slots unless it is linked with -Bsymbolic. */
	{CORE_OBJECT, "switch_core_media_negotiate_sdp", sdp_negotiate, NULL, NULL},
	{CORE_OBJECT, "switch_core_media_gen_local_sdp", sdp_generate, NULL, NULL},
	{CORE_OBJECT, "switch_channel_pass_sdp", mask_pass, NULL, NULL},
	{CORE_OBJECT, "dlopen", load_object, NULL, "modules that are loaded later"},
};

static struct {
	const struct slot *slots;
	size_t count;
} tables[MOST_TABLES];
static size_t table_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void intercept_add(const struct slot *slots, size_t count)
{
	switch_assert(table_count < MOST_TABLES);
	tables[table_count].slots = slots;
	tables[table_count++].count = count;
}

static switch_status_t replace_all(char *reason, size_t reason_size)
{
	switch_status_t status = SWITCH_STATUS_SUCCESS;
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < table_count && status == SWITCH_STATUS_SUCCESS; i++) {
		status = got_replace(tables[i].slots, tables[i].count, reason, reason_size);
	}
	pthread_mutex_unlock(&lock);
	return status;
}

/* dlopen, as libfreeswitch loads modules by it. An object whose calls cannot be taken is not let in: its
 * calls would be clear. */
static void *load_object(const char *path, int flags)
{
	char reason[REASON_SIZE] = "";
	void *object = dlopen(path, flags);

	if (object && atomic_load(&runtime.running) &&
		replace_all(reason, sizeof(reason)) != SWITCH_STATUS_SUCCESS) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_CRIT,
			"%s is not loaded: %s. Unload mod_sealrtp to use it without media security\n", path, reason);
		dlclose(object);
		return NULL;
	}
	return object;
}

switch_status_t intercept_start(void)
{
	char reason[REASON_SIZE] = "";

	intercept_add(ours, sizeof(ours) / sizeof(*ours));
	if (replace_all(reason, sizeof(reason)) != SWITCH_STATUS_SUCCESS) {
		switch_log_printf(
			SWITCH_CHANNEL_LOG, SWITCH_LOG_CRIT, "mod_sealrtp cannot secure calls here: %s\n", reason);
		intercept_stop();
		return SWITCH_STATUS_GENERR;
	}
	return SWITCH_STATUS_SUCCESS;
}

void intercept_stop(void)
{
	while (table_count) {
		table_count--;
		got_restore(tables[table_count].slots, tables[table_count].count);
	}
}
