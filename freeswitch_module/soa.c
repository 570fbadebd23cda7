/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sofia-sip's offer/answer engine (SOA) prints UDP/TLS/RTP/SAVP as RTP/SAVP, so calls of ours go without it.
 * mod_sofia asks for sip_enable_soa when it makes a channel, and before it answers one: there it hears
 * "false".
 */

#include "mod_sealrtp.h"

#define ENABLE_SOA "sip_enable_soa"

static const char off[] = "false";
/* The session that this thread is making. */
static __thread switch_core_session_t *making;

static switch_bool_t is_ours(switch_channel_t *channel, switch_event_t *variables)
{
	struct settings *settings = policy_applies(channel) ? settings_get() : NULL;
	struct terms terms = {0};
	char reason[REASON_SIZE];
	switch_bool_t ours =
		settings && policy_of(settings, channel, variables, &terms, reason, sizeof(reason)) == OPTED_IN;

	sealrtp_config_free(terms.config);
	settings_put(settings);
	return ours;
}

switch_core_session_t *soa_session(switch_endpoint_interface_t *endpoint, switch_call_direction_t direction,
	switch_originate_flag_t flags, switch_memory_pool_t **pool, const char *uuid)
{
	switch_core_session_t *session = switch_core_session_request_uuid(endpoint, direction, flags, pool, uuid);

	making = direction == SWITCH_CALL_DIRECTION_OUTBOUND ? session : NULL;
	return session;
}

char *soa_header(switch_event_t *event, const char *name, int index)
{
	switch_core_session_t *session = making;

	if (session && name && !strcmp(name, ENABLE_SOA)) {
		making = NULL;
		if (is_ours(switch_core_session_get_channel(session), event)) {
			return (char *)off;
		}
	}
	return switch_event_get_header_idx(event, name, index);
}

const char *soa_variable(switch_channel_t *channel, const char *name, switch_bool_t copy, int index)
{
	if (channel && name && !strcmp(name, ENABLE_SOA) && is_ours(channel, NULL)) {
		return off;
	}
	return mask_read(channel, name, copy, index);
}
