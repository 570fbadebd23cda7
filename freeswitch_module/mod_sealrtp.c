/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * mod_sealrtp: SDES, DTLS-SRTP and ZRTP for mod_sofia's calls, by one policy.
 */

#include "surface.h"

SWITCH_MODULE_LOAD_FUNCTION(mod_sealrtp_load);
SWITCH_MODULE_SHUTDOWN_FUNCTION(mod_sealrtp_shutdown);
/* The one symbol that others see; mod_sealrtp.map hides the rest. */
extern __attribute__((visibility("default")))
switch_loadable_module_function_table_t mod_sealrtp_module_interface;
SWITCH_MODULE_DEFINITION(mod_sealrtp, mod_sealrtp_load, mod_sealrtp_shutdown, NULL);

struct runtime runtime;

static switch_status_t start_relay(void)
{
	struct settings *settings = settings_get();
	sealrtp_result result = sealrtp_relay_new(settings->relay_threads, &runtime.relay);

	settings_put(settings);
	if (result < 0) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_CRIT, "the media relay cannot start: %s\n",
			sealrtp_result_text(result));
		return SWITCH_STATUS_GENERR;
	}
	return SWITCH_STATUS_SUCCESS;
}

static switch_status_t check_library(void)
{
	if (sealrtp_abi_version() == SEALRTP_ABI_VERSION) {
		return SWITCH_STATUS_SUCCESS;
	}
	switch_log_printf(
		SWITCH_CHANNEL_LOG, SWITCH_LOG_CRIT, "mod_sealrtp was linked with another version of its library\n");
	return SWITCH_STATUS_GENERR;
}

/* Each start with its stop; a start that fails stops those before it, the last one first. */
static const struct part {
	switch_status_t (*start)(void);
	void (*stop)(void);
} parts[] = {
	{check_library, NULL},
	{config_load, config_unload},
	{start_relay, NULL},
	{surface_start, surface_stop},
	{queue_start, queue_stop},
	{intercept_start, intercept_stop},
	{recording_require, NULL},
};
#define PARTS (sizeof(parts) / sizeof(*parts))

static void stop_parts(size_t started)
{
	while (started--) {
		if (parts[started].stop) {
			parts[started].stop();
		}
	}
	sealrtp_relay_free(runtime.relay);
	runtime.relay = NULL;
}

SWITCH_MODULE_LOAD_FUNCTION(mod_sealrtp_load)
{
	size_t i;

	memset(&runtime, 0, sizeof(runtime));
	runtime.pool = pool;
	*module_interface = switch_loadable_module_create_module_interface(pool, modname);
	runtime.interface = *module_interface;
	for (i = 0; i < PARTS; i++) {
		if (parts[i].start() != SWITCH_STATUS_SUCCESS) {
			stop_parts(i);
			return SWITCH_STATUS_GENERR;
		}
	}
	atomic_store(&runtime.running, true);
	if (sealrtp_srtp_path_error()) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_WARNING, "%s; taking %s\n",
			sealrtp_srtp_path_error(), sealrtp_srtp_path());
	}
	switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_INFO,
		"SealRTP %s secures mod_sofia's calls by sealrtp.conf.xml, SRTP path %s\n", sealrtp_version(),
		sealrtp_srtp_path());
	return SWITCH_STATUS_SUCCESS;
}

/* With calls up FreeSWITCH says "Module in use"; `unload -f` ends them here: none of them goes on in the
 * clear. */
SWITCH_MODULE_SHUTDOWN_FUNCTION(mod_sealrtp_shutdown)
{
	atomic_store(&runtime.running, false);
	calls_stop();
	stop_parts(PARTS);
	return SWITCH_STATUS_SUCCESS;
}
