/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Media that would go past FreeSWITCH once it is ours: the phones have keys with the relay and none with one
 * another, so it would be silence, or clear. It stays here; bypass_media set before the first description
 * leaves the whole call alone instead.
 */

#include "mod_sealrtp.h"

static switch_bool_t has_leg(const char *uuid)
{
	struct call *call = uuid ? call_find(uuid) : NULL;

	call_release(call);
	return call != NULL;
}

/* The channel's media is ours, or that of the one it is bridged with. */
static switch_bool_t stays(const char *uuid)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);
	switch_bool_t ours = has_leg(uuid);

	if (session) {
		ours = ours || has_leg(switch_channel_get_partner_uuid(switch_core_session_get_channel(session)));
		switch_core_session_rwunlock(session);
	}
	if (ours) {
		switch_log_printf(SWITCH_CHANNEL_UUID_LOG(uuid), SWITCH_LOG_WARNING,
			"the media of this call is secured here and cannot bypass FreeSWITCH: it stays\n");
	}
	return ours;
}

switch_status_t bypass_begin(const char *uuid, switch_media_flag_t flags)
{
	return stays(uuid) ? SWITCH_STATUS_FALSE : switch_ivr_nomedia(uuid, flags);
}

switch_status_t bypass_begin_3p(const char *uuid, switch_media_flag_t flags)
{
	return stays(uuid) ? SWITCH_STATUS_FALSE : switch_ivr_3p_nomedia(uuid, flags);
}

static void refuse(switch_core_session_t *session)
{
	report_refusal(session, "another phone's description",
		"the media of this call is secured here and cannot bypass FreeSWITCH: set bypass_media before the "
		"call is answered, or not at all");
	switch_channel_hangup(switch_core_session_get_channel(session), SWITCH_CAUSE_INCOMPATIBLE_DESTINATION);
}

/* mod_sofia is about to send another phone's description as this channel's. */
void bypass_describe(switch_core_session_t *session, const char *sdp, switch_bool_t copy)
{
	const char *partner = switch_channel_get_partner_uuid(switch_core_session_get_channel(session));
	switch_core_session_t *other = zstr(sdp) || !partner ? NULL : switch_core_session_locate(partner);

	/* Read from a variable by the core, which has it masked. */
	if (other) {
		sdp = mask_original(switch_core_session_get_channel(other), sdp);
		copy = SWITCH_TRUE;
	}
	if (zstr(sdp) || !has_leg(switch_core_session_get_uuid(session))) {
		switch_core_media_set_local_sdp(session, sdp, copy);
	} else {
		refuse(session);
	}
	if (other) {
		switch_core_session_rwunlock(other);
	}
}
