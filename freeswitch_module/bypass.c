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

/* Its media is ours, or will be by its policy. */
static switch_bool_t is_ours(const char *uuid)
{
	switch_core_session_t *session = uuid ? switch_core_session_locate(uuid) : NULL;
	struct settings *settings = session ? settings_get() : NULL;
	struct terms terms = {0};
	char reason[REASON_SIZE];
	switch_bool_t ours =
		session &&
		(has_leg(uuid) || (settings && policy_of(settings, switch_core_session_get_channel(session), NULL,
										   &terms, reason, sizeof(reason)) != OPTED_OUT));

	sealrtp_config_free(terms.config);
	settings_put(settings);
	if (session) {
		switch_core_session_rwunlock(session);
	}
	return ours;
}

/* bypass_media_after_bridge: a bridge that was refused it would end, so it never hears of it. */
void bypass_flag(switch_channel_t *channel, switch_channel_flag_t flag, uint32_t value)
{
	if (flag == CF_BYPASS_MEDIA_AFTER_BRIDGE && value &&
		(is_ours(switch_channel_get_uuid(channel)) || is_ours(switch_channel_get_partner_uuid(channel)) ||
			is_ours(switch_channel_get_variable(channel, SWITCH_ORIGINATE_SIGNAL_BOND_VARIABLE)))) {
		switch_log_printf(SWITCH_CHANNEL_CHANNEL_LOG(channel), SWITCH_LOG_WARNING,
			"bypass_media_after_bridge is not heeded: the media of this call is secured here\n");
		return;
	}
	switch_channel_set_flag_value(channel, flag, value);
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
