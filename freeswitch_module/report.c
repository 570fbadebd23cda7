/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What is told of a call, and what becomes of it.
 */

#include "mod_sealrtp.h"

void report_refusal(switch_core_session_t *session, const char *what, const char *reason)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);

	switch_log_printf(SWITCH_CHANNEL_SESSION_LOG(session), SWITCH_LOG_WARNING, "%s: %s is refused: %s\n",
		switch_channel_get_name(channel), what, reason);
	switch_channel_set_variable(channel, VARIABLE_REASON, reason);
}

void report_begin(struct call *call, switch_core_session_t *session)
{
}

void report_end(struct call *call, switch_core_session_t *session)
{
}

void report_event(struct call *call, const sealrtp_leg_event *event)
{
	switch_bool_t ends = event->consequence == SEALRTP_CONSEQUENCE_HANGUP;

	switch_log_printf(SWITCH_CHANNEL_LOG, event->consequence ? SWITCH_LOG_WARNING : SWITCH_LOG_INFO,
		"%s: %s\n", call->name, event->text);
	if (ends) {
		call_hangup(call->uuid, SWITCH_CAUSE_INCOMPATIBLE_DESTINATION);
	}
}
