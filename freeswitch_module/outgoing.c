/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Calls that are made: mod_sofia asks for sip_enable_soa once, while it makes the channel. With it sofia-sip
 * would print UDP/TLS/RTP/SAVP as RTP/SAVP, so calls of ours go without.
 */

#include "mod_sealrtp.h"

#define ENABLE_SOA "sip_enable_soa"

/* The session that this thread is making. */
static __thread switch_core_session_t *making;

switch_core_session_t *outgoing_session(switch_endpoint_interface_t *endpoint,
	switch_call_direction_t direction, switch_originate_flag_t flags, switch_memory_pool_t **pool,
	const char *uuid)
{
	switch_core_session_t *session = switch_core_session_request_uuid(endpoint, direction, flags, pool, uuid);

	making = direction == SWITCH_CALL_DIRECTION_OUTBOUND ? session : NULL;
	return session;
}

static switch_bool_t is_ours(switch_core_session_t *session, switch_event_t *variables)
{
	struct settings *settings = settings_get();
	struct terms terms = {0};
	char reason[REASON_SIZE];
	switch_bool_t ours = settings && policy_of(settings, switch_core_session_get_channel(session), variables,
										 &terms, reason, sizeof(reason)) == OPTED_IN;

	sealrtp_config_free(terms.config);
	settings_put(settings);
	return ours;
}

char *outgoing_header(switch_event_t *event, const char *name, int index)
{
	static char off[] = "false";
	switch_core_session_t *session = making;

	if (session && name && !strcmp(name, ENABLE_SOA)) {
		making = NULL;
		if (is_ours(session, event)) {
			return off;
		}
	}
	return switch_event_get_header_idx(event, name, index);
}
