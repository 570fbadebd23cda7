/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Dialplan applications: sealrtp_wait, sealrtp_verify.
 */

#include "facts.h"
#include "surface.h"

#define VARIABLE_STATUS "sealrtp_status"
#define WAIT_DEFAULT 10
#define WAIT_MOST 86400
/* How often a waiting channel looks. */
#define WAIT_STEP_MS 20

/* What a call has come to, or NULL while that is open. A channel without a leg is FreeSWITCH's own. */
static const char *settled(switch_core_session_t *session)
{
	struct call *call = call_of(session);
	const char *status = NULL;
	struct facts facts;
	uint32_t line;

	if (!call) {
		return switch_channel_media_ready(switch_core_session_get_channel(session)) ? "CLEAR" : NULL;
	}
	if (facts_learn_first(call, &facts, &line)) {
		if (facts.line.state == SEALRTP_STATE_SECURE) {
			status = "SECURE";
		} else if (atomic_load(&call->failed)) {
			status = "FAILED";
		} else if (facts.line.state == SEALRTP_STATE_BYPASS &&
				   (facts.line.method == SEALRTP_METHOD_CLEAR || atomic_load(&call->unanswered))) {
			status = "CLEAR";
		}
	}
	call_release(call);
	return status;
}

/* What it is when the time is up. */
static const char *unsettled(switch_core_session_t *session)
{
	struct call *call = call_of(session);
	struct facts facts;
	uint32_t line;
	switch_bool_t blocked;

	if (!call) {
		return "CLEAR";
	}
	blocked = !facts_learn_first(call, &facts, &line) || facts.line.state != SEALRTP_STATE_BYPASS;
	call_release(call);
	return blocked ? "BLOCK" : "CLEAR";
}

/* It waits by reading: while nobody reads the channel nothing of it is looked at. */
SWITCH_STANDARD_APP(wait_app)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	const char *status = NULL;
	double seconds = WAIT_DEFAULT;
	switch_time_t until;
	char *end = NULL;

	if (!zstr(data)) {
		seconds = strtod(data, &end);
		if (*end || !(seconds >= 0 && seconds <= WAIT_MOST)) {
			switch_log_printf(SWITCH_CHANNEL_SESSION_LOG(session), SWITCH_LOG_ERROR,
				"sealrtp_wait takes a number of seconds, 0 to %d, not '%s'\n", WAIT_MOST, data);
			seconds = WAIT_DEFAULT;
		}
	}
	until = switch_micro_time_now() + (switch_time_t)(seconds * 1000000);
	while (switch_channel_ready(channel) && !(status = settled(session)) && switch_micro_time_now() < until) {
		switch_ivr_sleep(session, WAIT_STEP_MS, SWITCH_FALSE, NULL);
	}
	if (!status) {
		status = switch_channel_ready(channel) ? unsettled(session) : "HANGUP";
	}
	switch_channel_set_variable(channel, VARIABLE_STATUS, status);
}

SWITCH_STANDARD_APP(verify_app)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	switch_bool_t verified = zstr(data) || switch_true(data);
	sealrtp_result result = SEALRTP_DONE;
	struct call *call;

	if (!verified && !switch_false(data)) {
		switch_log_printf(SWITCH_CHANNEL_SESSION_LOG(session), SWITCH_LOG_ERROR,
			"sealrtp_verify takes yes or no, not '%s'\n", data);
		return;
	}
	call = call_of(session);
	if (call) {
		sealrtp_leg *leg = call_lock(call);

		result = leg ? sealrtp_leg_verify(leg, verified) : SEALRTP_DONE;
		call_unlock(call);
		call_release(call);
	}
	if (result != SEALRTP_OK && result != SEALRTP_OK_EVENT) {
		switch_log_printf(SWITCH_CHANNEL_SESSION_LOG(session), SWITCH_LOG_WARNING, "%s: sealrtp_verify: %s\n",
			switch_channel_get_name(channel),
			result == SEALRTP_DONE ? "no SAS to compare, since ZRTP made no keys"
								   : sealrtp_result_text(result));
	}
}

void apps_start(void)
{
	switch_loadable_module_interface_t **module_interface = &runtime.interface;
	switch_application_interface_t *app;

	SWITCH_ADD_APP(app, "sealrtp_wait", "Wait until the channel's media is secured",
		"Waits until media is secured, it is sure that it will not be, or the time is up, by default 10 "
		"seconds. Sets "
		"sealrtp_status: SECURE; CLEAR, media passes unprotected; BLOCK, nothing passes; FAILED, the "
		"handshake has "
		"failed; HANGUP",
		wait_app, "[<seconds>]", SAF_NONE);
	SWITCH_ADD_APP(app, "sealrtp_verify", "Say whether the users found the same ZRTP SAS",
		"yes, the default: both compared it, and the cache remembers that of the peer. no: it was another, "
		"or the cache "
		"is to forget that it was compared",
		verify_app, "[yes|no]", SAF_NONE);
}
