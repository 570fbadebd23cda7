/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Descriptions on their way through FreeSWITCH: the peer's loses its security and gets the relay's address
 * before FreeSWITCH reads it, FreeSWITCH's own gets security and the relay's ports before mod_sofia sends it.
 */

#include "surface.h"

/* What the library adds to a description, at first guess. */
#define ROOM 8192
/* Keys are made in one place on these channels. */
static const char *const set_on_ours[][2] = {
	{"rtp_secure_media", "forbidden"},
	{"rtp_secure_media_inbound", "forbidden"},
	{"rtp_secure_media_outbound", "forbidden"},
	{"rtp_use_dtls", "false"},
	{"media_webrtc", "false"},
};

typedef sealrtp_result (*carry)(sealrtp_leg *leg, const sealrtp_sdp_message *message, const char *sdp,
	size_t length, char *out, size_t *out_length, char *reason, size_t reason_size);

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static void wipe(char *text)
{
	if (text) {
		explicit_bzero(text, strlen(text));
		free(text);
	}
}

static void prepare(switch_channel_t *channel)
{
	size_t i;

	for (i = 0; i < sizeof(set_on_ours) / sizeof(*set_on_ours); i++) {
		switch_channel_set_variable(channel, set_on_ours[i][0], set_on_ours[i][1]);
	}
}

/* Whose call it is may have been decided, or changed, since the last description. `*call` NULL: nobody's of
 * ours. */
static sealrtp_result find(
	switch_core_session_t *session, struct call **call, char *reason, size_t reason_size)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	sealrtp_result result = SEALRTP_OK;
	struct terms terms = {0};
	struct settings *settings;
	enum opted opted;

	*call = call_of(session);
	settings = *call ? (*call)->settings : settings_get();
	if (!settings) {
		return SEALRTP_OK;
	}
	opted = policy_of(settings, channel, NULL, &terms, reason, reason_size);
	if (opted == OPTED_WRONG) {
		result = SEALRTP_E_POLICY;
	} else if (opted == OPTED_IN && !*call) {
		/* mod_sofia's thread and the session's own may both be the first. */
		pthread_mutex_lock(&making);
		*call = call_of(session);
		if (!*call) {
			prepare(channel);
			*call = call_new(session, settings, &terms, reason, reason_size);
		}
		pthread_mutex_unlock(&making);
		result = *call ? SEALRTP_OK : SEALRTP_E_SYSTEM;
		settings_put(settings);
		settings = NULL;
	} else if (opted == OPTED_IN) {
		call_lock(*call);
		if (strcasecmp((*call)->policy, terms.policy)) {
			result = call_set_terms(*call, &terms, reason, reason_size);
		}
		call_unlock(*call);
	}
	if (!*call && settings) {
		settings_put(settings);
	}
	sealrtp_config_free(terms.config);
	return result;
}

/* One description through the leg, locked. The text is the caller's to wipe. */
static sealrtp_result translate(carry way, sealrtp_leg *leg, const sealrtp_sdp_message *message,
	const char *sdp, char **out, char *reason, size_t reason_size)
{
	size_t length = strlen(sdp), size = length + ROOM, written;
	sealrtp_result result;

	*out = NULL;
	do {
		wipe(*out);
		*out = calloc(1, size + 1);
		switch_assert(*out);
		written = size;
		result = way(leg, message, sdp, length, *out, &written, reason, reason_size);
		size = written;
	} while (result == SEALRTP_E_BUFFER);
	if (result < 0) {
		wipe(*out);
		*out = NULL;
		if (zstr(reason)) {
			switch_snprintf(reason, reason_size, "%s", sealrtp_result_text(result));
		}
	}
	return result;
}

static void keep_offer(struct call *call, const char *sdp, const char *shown)
{
	wipe(call->offer);
	call->offer = strdup(sdp);
	free(call->shown);
	call->shown = strdup(shown);
}

/* An offer of ours was refused, or nothing has changed: mod_sofia hands the peer's last offer over as the
 * answer. It is none. */
static switch_bool_t is_stale(const struct call *call, const char *sdp, switch_sdp_type_t type)
{
	return type == SDP_ANSWER && call->exchange.ours && call->offer && call->shown &&
		   !strcmp(call->offer, sdp);
}

/* `*answers`: the peer's description answers ours, so that a refusal ends the call. */
static sealrtp_result take_remote(struct call *call, switch_channel_t *channel, const char *sdp,
	switch_sdp_type_t type, char **out, switch_bool_t *answers, char *reason, size_t reason_size)
{
	struct exchange before = call->exchange;
	sealrtp_leg *leg = call_lock(call);
	sealrtp_sdp_message message;
	sealrtp_result result = SEALRTP_E_SYSTEM;

	if (leg && is_stale(call, sdp, type)) {
		call->exchange.open = 0;
		*out = strdup(call->shown);
		result = SEALRTP_OK;
	} else if (leg) {
		message = exchange_remote(&call->exchange, channel, type, call->offer && !strcmp(call->offer, sdp));
		*answers = !message.request;
		result = translate(sealrtp_leg_remote, leg, &message, sdp, out, reason, reason_size);
		if (result < 0) {
			call->exchange = before;
		} else if (message.request) {
			keep_offer(call, sdp, *out);
		}
	} else {
		switch_snprintf(reason, reason_size, "its leg has ended");
	}
	call_unlock(call);
	return result;
}

uint8_t sdp_negotiate(
	switch_core_session_t *session, const char *r_sdp, uint8_t *proceed, switch_sdp_type_t type)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	switch_bool_t answers = SWITCH_FALSE;
	char reason[REASON_SIZE] = "";
	struct call *call = NULL;
	sealrtp_result result;
	char *text = NULL;
	uint8_t match = 0;

	if (zstr(r_sdp) || !policy_applies(channel)) {
		return switch_core_media_negotiate_sdp(session, r_sdp, proceed, type);
	}
	r_sdp = mask_original(channel, r_sdp);
	result = find(session, &call, reason, sizeof(reason));
	if (result >= 0 && !call) {
		return switch_core_media_negotiate_sdp(session, r_sdp, proceed, type);
	}
	if (result >= 0) {
		result = take_remote(call, channel, r_sdp, type, &text, &answers, reason, sizeof(reason));
	}
	if (result >= 0) {
		match = switch_core_media_negotiate_sdp(session, text, proceed, type);
	} else {
		/* Without it mod_sofia would not answer at all. */
		if (proceed) {
			*proceed = 1;
		}
		report_refusal(session, answers ? "the peer's answer" : "the peer's offer", reason);
		if (answers) {
			switch_channel_hangup(channel, SWITCH_CAUSE_INCOMPATIBLE_DESTINATION);
		}
	}
	wipe(text);
	call_release(call);
	return match;
}

static void show(switch_core_session_t *session, const char *sdp)
{
	char *masked = strdup(sdp);

	if (masked) {
		mask_text(masked);
		switch_channel_set_variable(switch_core_session_get_channel(session), "rtp_local_sdp_str", masked);
		free(masked);
	}
}

/* mod_sofia sends whatever there is: a description without media, and the channel is hung up. */
static void send_nothing(switch_core_session_t *session, switch_core_media_params_t *params)
{
	const char *ip = switch_str_nil(params->rtpip);

	params->local_sdp_str =
		switch_core_session_sprintf(session, "v=0\r\no=- 0 0 IN %s %s\r\ns=-\r\nt=0 0\r\n",
			strchr(ip, ':') ? "IP6" : "IP4", zstr(ip) ? "0.0.0.0" : ip);
	show(session, params->local_sdp_str);
	switch_channel_hangup(switch_core_session_get_channel(session), SWITCH_CAUSE_INCOMPATIBLE_DESTINATION);
}

static sealrtp_result take_local(struct call *call, switch_core_session_t *session,
	switch_core_media_params_t *params, switch_sdp_type_t type, char *reason, size_t reason_size)
{
	sealrtp_leg *leg = call_lock(call);
	sealrtp_result result = SEALRTP_E_SYSTEM;
	sealrtp_sdp_message message;
	char *text = NULL;

	if (leg) {
		message = exchange_local(&call->exchange, switch_core_session_get_channel(session), type);
		recording_disclose(call, session);
		result =
			translate(sealrtp_leg_local, leg, &message, params->local_sdp_str, &text, reason, reason_size);
	} else {
		switch_snprintf(reason, reason_size, "its leg has ended");
	}
	if (result >= 0) {
		params->local_sdp_str = switch_core_session_strdup(session, text);
		call_add_secret(call, session, params->local_sdp_str);
		show(session, params->local_sdp_str);
	}
	wipe(text);
	call_unlock(call);
	return result;
}

/* The policy was chosen after FreeSWITCH had read the offer: it reads it again, by that policy. */
static sealrtp_result read_again(struct call *call, switch_core_session_t *session, switch_sdp_type_t type,
	char *reason, size_t reason_size)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	const char *offer = switch_channel_get_variable(channel, SWITCH_R_SDP_VARIABLE);
	switch_bool_t answers;
	sealrtp_result result;
	uint8_t proceed = 0;
	char *text = NULL;

	if (type != SDP_ANSWER || zstr(offer)) {
		return SEALRTP_OK;
	}
	result = take_remote(
		call, channel, mask_original(channel, offer), SDP_OFFER, &text, &answers, reason, reason_size);
	if (result >= 0 && !switch_core_media_negotiate_sdp(session, text, &proceed, SDP_OFFER)) {
		switch_snprintf(reason, reason_size, "FreeSWITCH finds no codec in the peer's offer");
		result = SEALRTP_E_SDP;
	}
	wipe(text);
	return result;
}

void sdp_generate(switch_core_session_t *session, switch_sdp_type_t type, const char *ip, switch_port_t port,
	const char *sr, int force)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	switch_media_handle_t *handle = switch_core_session_get_media_handle(session);
	switch_core_media_params_t *params = handle ? switch_core_media_get_mparams(handle) : NULL;
	char reason[REASON_SIZE] = "";
	sealrtp_result result = SEALRTP_OK;
	struct call *call, *known;

	if (!params || !policy_applies(channel)) {
		switch_core_media_gen_local_sdp(session, type, ip, port, sr, force);
		return;
	}
	known = call_of(session);
	result = find(session, &call, reason, sizeof(reason));
	if (result >= 0 && call && !known) {
		result = read_again(call, session, type, reason, sizeof(reason));
	}
	switch_core_media_gen_local_sdp(session, type, ip, port, sr, force);
	/* Where FreeSWITCH has made none, what went through the leg already stands. */
	if (result >= 0 && call && !zstr(params->local_sdp_str) && !call_is_secret(call, params->local_sdp_str)) {
		result = take_local(call, session, params, type, reason, sizeof(reason));
	}
	if (result < 0) {
		report_refusal(session, "our description", reason);
		send_nothing(session, params);
	}
	call_release(known);
	call_release(call);
}
