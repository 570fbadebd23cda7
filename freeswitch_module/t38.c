/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * T.38: its UDPTL is clear, so where policy demands security FreeSWITCH neither offers nor begins it, and
 * facsimile stays in audio.
 */

#include "mod_sealrtp.h"

static switch_bool_t is_barred(switch_core_session_t *session)
{
	struct call *call = call_of(session);
	switch_bool_t barred;

	if (!call) {
		return SWITCH_FALSE;
	}
	call_lock(call);
	barred = sealrtp_config_demands(call->config) ? SWITCH_TRUE : SWITCH_FALSE;
	call_unlock(call);
	call_release(call);
	return barred;
}

void t38_start(switch_core_session_t *session, switch_t38_options_t *options)
{
	if (!is_barred(session)) {
		switch_core_media_start_udptl(session, options);
	}
}

void t38_describe(switch_core_session_t *session, switch_t38_options_t *options, int insist)
{
	if (!is_barred(session)) {
		switch_core_media_set_udptl_image_sdp(session, options, insist);
		return;
	}
	switch_log_printf(SWITCH_CHANNEL_SESSION_LOG(session), SWITCH_LOG_WARNING,
		"%s: T.38 is not offered: it is clear, and this call's policy has fallback = reject. The facsimile "
		"stays in audio\n",
		switch_channel_get_name(switch_core_session_get_channel(session)));
}
