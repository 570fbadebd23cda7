/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Recording of secured calls: recording = disclose, allow, refuse.
 *
 * Recorders get a call's audio from functions of the core, and the core itself calls them by its table of
 * slots: there they are refused or silenced, from their first sample on, in a core as it was shipped.
 */

#include "surface.h"

#define EVENT_REFUSED "sealrtp::recording_refused"
#define EVENT_STARTED "sealrtp::recording_started"
/* Set by us, and before the call is answered by the dialplan: "yes". */
#define VARIABLE "sealrtp_recording"
#define CONFERENCE_OBJECT "/mod_conference.so"
#define REFUSE "recording = refuse"

struct genuine genuine;

#define SLOT(object, symbol, function, member)                                                               \
	{                                                                                                        \
		object, symbol, (void *)function, (void **)&genuine.member, NULL                                     \
	}

/* Modules may have recorders of their own. */
static const struct slot slots[] = {
	SLOT(NULL, "switch_core_media_bug_add", media_bug_add, bug_add),
	SLOT(NULL, "switch_core_media_bug_read", media_bug_read, bug_read),
	SLOT(NULL, "switch_core_media_bug_get_native_read_frame", media_bug_native_read_frame, native_read_frame),
	SLOT(NULL, "switch_core_media_bug_get_native_write_frame", media_bug_native_write_frame,
		native_write_frame),
	SLOT(NULL, "switch_ivr_record_session_event", media_bugs_record_session, record_session),
	SLOT(NULL, "switch_ivr_record_file_event", media_bugs_record_file, record_file),
	SLOT(CORE_OBJECT, "switch_core_file_write", media_bugs_file_write, file_write),
	SLOT(CONFERENCE_OBJECT, "switch_channel_set_variable_var_check", conference_set_variable, set_variable),
	SLOT(CONFERENCE_OBJECT, "switch_core_perform_file_open", conference_file_open, file_open),
	SLOT(CONFERENCE_OBJECT, "switch_core_file_write", conference_file_write, file_write),
	SLOT(CONFERENCE_OBJECT, "switch_core_file_write_video", conference_file_write_video, file_write_video),
	SLOT(CONFERENCE_OBJECT, "switch_core_file_close", conference_file_close, file_close),
};

#define SLOTS (sizeof(slots) / sizeof(*slots))

/* What the core calls by its own table; a linker may have been told to leave that out. */
static const char *const of_core[] = {"switch_core_media_bug_add", "switch_core_media_bug_read",
	"switch_core_media_bug_get_native_read_frame", "switch_core_media_bug_get_native_write_frame",
	"switch_ivr_record_file_event", "switch_core_file_write"};

static bool is_of_core(const char *symbol)
{
	size_t index;

	for (index = 0; index < sizeof(of_core) / sizeof(*of_core); index++) {
		if (!strcmp(of_core[index], symbol)) {
			return true;
		}
	}
	return false;
}

switch_status_t recording_check(const struct settings *settings)
{
	char reason[REASON_SIZE] = "";
	struct slot needed[SLOTS];
	size_t index;

	if (!(settings->wants & SEALRTP_WANTS_NO_RECORDING)) {
		return SWITCH_STATUS_SUCCESS;
	}
	for (index = 0; index < SLOTS; index++) {
		needed[index] = slots[index];
		if (needed[index].object || is_of_core(needed[index].symbol)) {
			needed[index].object = needed[index].object ? needed[index].object : CORE_OBJECT;
			needed[index].needed_for = REFUSE;
		}
	}
	if (got_replace(needed, SLOTS, reason, sizeof(reason)) == SWITCH_STATUS_SUCCESS) {
		return SWITCH_STATUS_SUCCESS;
	}
	switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR,
		"sealrtp.conf.xml has " REFUSE
		", and recorders cannot be kept off here: %s. Use recording = allow or "
		"disclose\n",
		reason);
	return SWITCH_STATUS_FALSE;
}

switch_status_t recording_require(void)
{
	struct settings *settings = settings_get();
	switch_status_t status = recording_check(settings);

	settings_put(settings);
	return status;
}

void recording_start(void)
{
	conferences_start();
	switch_event_reserve_subclass(EVENT_REFUSED);
	switch_event_reserve_subclass(EVENT_STARTED);
	intercept_add(slots, SLOTS);
}

/* No call is left, and nothing is replaced any more. */
void recording_stop(void)
{
	switch_event_free_subclass(EVENT_REFUSED);
	switch_event_free_subclass(EVENT_STARTED);
	conferences_stop();
}

/* --- calls --- */

void recording_begin(struct call *call)
{
	call->source = source_add(call->uuid, call->name);
}

void recording_rule(struct call *call)
{
	source_refuse(call->source, sealrtp_recording_action(call->config, 0, 1) == SEALRTP_RECORDING_WITHHOLD);
}

void recording_end(struct call *call)
{
	source_remove(call->source);
	call->source = NULL;
}

void recording_event(struct call *call, const sealrtp_leg_event *event)
{
	if (event->rtcp) {
		return;
	}
	switch (event->kind) {
	case SEALRTP_EVENT_SECURED:
		source_secured(call->source, event->line);
		break;
	case SEALRTP_EVENT_CLEAR:
		source_clear(call->source, event->line);
		break;
	case SEALRTP_EVENT_FAILED:
	case SEALRTP_EVENT_NO_ANSWER:
		/* It goes on in the clear. */
		if (event->consequence != SEALRTP_CONSEQUENCE_HANGUP &&
			event->consequence != SEALRTP_CONSEQUENCE_BLOCK) {
			source_clear(call->source, event->line);
		}
		break;
	default:
		break;
	}
}

/* --- telling --- */

void recording_refused(
	switch_core_session_t *session, const char *conference, const char *recorder, const struct origin *origin)
{
	switch_channel_t *channel = session ? switch_core_session_get_channel(session) : NULL;
	const char *where = channel ? switch_channel_get_name(channel) : switch_str_nil(conference);
	switch_event_t *event;

	switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_WARNING,
		"%s: %s gets nothing, since the policy of %s has recording = refuse. Stop recording such calls, or "
		"set "
		"recording = allow or disclose in sealrtp.conf.xml\n",
		where, recorder, origin->name);
	if (channel) {
		switch_channel_set_variable_printf(channel, VARIABLE, "refused %s", recorder);
	}
	if (switch_event_create_subclass(&event, SWITCH_EVENT_CUSTOM, EVENT_REFUSED) != SWITCH_STATUS_SUCCESS) {
		return;
	}
	if (channel) {
		switch_channel_event_set_data(channel, event);
	} else {
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Conference-Unique-ID", conference);
	}
	switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Recorder", recorder);
	switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Refused-By", origin->name);
	switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Refused-By-Unique-ID", origin->uuid);
	switch_event_fire(&event);
}

/* Whether the peer was told, of a leg that ZRTP has secured: "yes" or "no"; otherwise NULL. */
static const char *disclosed(const char *uuid)
{
	sealrtp_zrtp_info info = {.size = sizeof(info)};
	struct call *call = call_find(uuid);
	const char *told = NULL;
	sealrtp_leg *leg;

	if (!call) {
		return NULL;
	}
	leg = call_lock(call);
	if (leg && sealrtp_recording_action(call->config, 1, 1) == SEALRTP_RECORDING_DISCLOSE &&
		sealrtp_leg_get_zrtp_info(leg, 0, &info) == SEALRTP_OK) {
		told = call->disclosed ? "yes" : "no";
	}
	call_unlock(call);
	call_release(call);
	return told;
}

static void tell_started(switch_core_session_t *session, const char *recorder)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	const char *told = disclosed(switch_core_session_get_uuid(session));
	switch_event_t *event;

	if (!told) {
		return;
	}
	switch_channel_set_variable_printf(
		channel, VARIABLE, "%s %s", recorder, strcmp(told, "yes") ? "undisclosed" : "disclosed");
	if (strcmp(told, "yes")) {
		switch_log_printf(SWITCH_CHANNEL_SESSION_LOG(session), SWITCH_LOG_NOTICE,
			"%s: %s began after the keys were made: ZRTP cannot tell the peer any more. Set the "
			"variable " VARIABLE "=yes before the call is answered or made\n",
			switch_channel_get_name(channel), recorder);
	}
	if (switch_event_create_subclass(&event, SWITCH_EVENT_CUSTOM, EVENT_STARTED) == SWITCH_STATUS_SUCCESS) {
		switch_channel_event_set_data(channel, event);
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Recorder", recorder);
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Disclosed", told);
		switch_event_fire(&event);
	}
}

/* On the channel, or on the one that it talks to. */
void recording_started(switch_core_session_t *session, const char *recorder)
{
	switch_core_session_t *partner;

	tell_started(session, recorder);
	if (switch_core_session_get_partner(session, &partner) == SWITCH_STATUS_SUCCESS) {
		tell_started(partner, recorder);
		switch_core_session_rwunlock(partner);
	}
}

static bool is_recorded(switch_core_session_t *session)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);

	return switch_true(switch_channel_get_variable(channel, VARIABLE)) || media_bugs_record(session);
}

void recording_disclose(struct call *call, switch_core_session_t *session)
{
	switch_core_session_t *partner;
	bool recorded;

	if (call->disclosed || sealrtp_recording_action(call->config, 1, 0) != SEALRTP_RECORDING_DISCLOSE) {
		return;
	}
	recorded = is_recorded(session);
	if (!recorded && switch_core_session_get_partner(session, &partner) == SWITCH_STATUS_SUCCESS) {
		recorded = is_recorded(partner);
		switch_core_session_rwunlock(partner);
	}
	if (recorded) {
		call->disclosed = sealrtp_leg_disclose(call->leg, 1) == SEALRTP_OK;
	}
}
