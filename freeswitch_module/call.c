/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The calls whose media is ours: a leg for each channel, from its first description to its hangup.
 */

#include "surface.h"

/* A channel's private data: its call. */
#define PRIVATE "sealrtp"

struct secret {
	char *text;
	struct secret *next;
};

static struct call *calls;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void wipe(char *text)
{
	if (text) {
		explicit_bzero(text, strlen(text));
	}
}

void call_release(struct call *call)
{
	if (!call || atomic_fetch_sub(&call->refs, 1) != 1) {
		return;
	}
	recording_end(call);
	sealrtp_config_free(call->config);
	settings_put(call->settings);
	pthread_mutex_destroy(&call->lock);
	free(call);
}

struct call *call_find(const char *uuid)
{
	struct call *call;

	pthread_mutex_lock(&lock);
	for (call = calls; call && strcmp(call->uuid, uuid); call = call->next) {
	}
	if (call) {
		atomic_fetch_add(&call->refs, 1);
	}
	pthread_mutex_unlock(&lock);
	return call;
}

struct call *call_of(switch_core_session_t *session)
{
	struct call *call = switch_channel_get_private(switch_core_session_get_channel(session), PRIVATE);

	if (call) {
		atomic_fetch_add(&call->refs, 1);
	}
	return call;
}

uint32_t calls_count(void)
{
	struct call *call;
	uint32_t count = 0;

	pthread_mutex_lock(&lock);
	for (call = calls; call; call = call->next) {
		count++;
	}
	pthread_mutex_unlock(&lock);
	return count;
}

/* Those that are up now, each referenced. */
static struct call **snapshot(size_t *count)
{
	struct call *call, **all;
	size_t size = 0;

	*count = 0;
	pthread_mutex_lock(&lock);
	for (call = calls; call; call = call->next) {
		size++;
	}
	all = calloc(size + 1, sizeof(*all));
	for (call = calls; all && call; call = call->next) {
		atomic_fetch_add(&call->refs, 1);
		all[(*count)++] = call;
	}
	pthread_mutex_unlock(&lock);
	return all;
}

void calls_each(switch_bool_t (*each)(struct call *call, void *data), void *data)
{
	size_t count, i;
	struct call **all = snapshot(&count);
	switch_bool_t more = SWITCH_TRUE;

	for (i = 0; i < count; i++) {
		more = more && each(all[i], data);
		call_release(all[i]);
	}
	free(all);
}

sealrtp_leg *call_lock(struct call *call)
{
	pthread_mutex_lock(&call->lock);
	return call->leg;
}

void call_unlock(struct call *call)
{
	pthread_mutex_unlock(&call->lock);
}

void call_hangup(const char *uuid, switch_call_cause_t cause)
{
	switch_core_session_t *session = switch_core_session_locate(uuid);

	if (session) {
		switch_channel_hangup(switch_core_session_get_channel(session), cause);
		switch_core_session_rwunlock(session);
	}
}

void call_add_secret(struct call *call, switch_core_session_t *session, char *text)
{
	struct secret *secret = switch_core_session_alloc(session, sizeof(*secret));

	secret->text = text;
	secret->next = call->secrets;
	call->secrets = secret;
}

switch_bool_t call_is_secret(struct call *call, const char *text)
{
	const struct secret *secret;

	pthread_mutex_lock(&call->lock);
	for (secret = call->secrets; secret && secret->text != text; secret = secret->next) {
	}
	pthread_mutex_unlock(&call->lock);
	return secret ? SWITCH_TRUE : SWITCH_FALSE;
}

/* Callbacks of the leg. */

static uint32_t take_port(void *data)
{
	const struct call *call = data;

	return switch_rtp_request_port(call->address);
}

static void give_port(void *data, uint32_t port)
{
	const struct call *call = data;

	switch_rtp_release_port(call->address, (switch_port_t)port);
}

static void tell(void *data, const sealrtp_leg_event *event)
{
	struct call *call = data;

	recording_event(call, event);
	queue_event(call, event);
}

static void take_terms(struct call *call, struct terms *terms)
{
	sealrtp_config_free(call->config);
	call->config = terms->config;
	terms->config = NULL;
	switch_copy_string(call->policy, terms->policy, sizeof(call->policy));
	recording_rule(call);
}

sealrtp_result call_set_terms(struct call *call, struct terms *terms, char *reason, size_t reason_size)
{
	sealrtp_result result = SEALRTP_OK;

	if (call->leg) {
		result = sealrtp_leg_set_config(call->leg, terms->config, reason, reason_size);
	}
	take_terms(call, terms);
	return result;
}

/* Under what number the peer knows us: the one it dialled, or the caller's that it is shown. */
static const char *number_of(switch_channel_t *channel, switch_bool_t outgoing)
{
	switch_caller_profile_t *profile = switch_channel_get_caller_profile(channel);
	const char *dialled = switch_channel_get_variable(channel, "sip_to_user");

	if (!outgoing && !zstr(dialled)) {
		return dialled;
	}
	if (!profile) {
		return "";
	}
	if (!outgoing) {
		return switch_str_nil(profile->destination_number);
	}
	return switch_test_flag(profile, SWITCH_CPF_HIDE_NUMBER) ? "" : switch_str_nil(profile->caller_id_number);
}

static sealrtp_result make_leg(struct call *call, switch_channel_t *channel, char *reason, size_t reason_size)
{
	switch_bool_t outgoing = switch_channel_direction(channel) == SWITCH_CALL_DIRECTION_OUTBOUND;
	sealrtp_leg_options options = {
		.size = sizeof(options),
		.name = call->name,
		.address = call->address,
		.config = call->config,
		.dtls = call->settings->dtls,
		.zrtp = call->settings->zid->zrtp,
		.number = number_of(channel, outgoing),
		.outgoing = outgoing,
		.savp_fingerprint_is_udp_tls = 1,
		.take_port = take_port,
		.give_port = give_port,
		.event = tell,
		.data = call,
	};

	return sealrtp_leg_new(runtime.relay, &options, &call->leg, reason, reason_size);
}

/* The leg's last moment: the peer hears of it, sockets close, ports go back. An event that runs is waited
 * for. */
static void end(struct call *call, switch_core_session_t *session)
{
	struct secret *secret;
	sealrtp_leg *leg;

	pthread_mutex_lock(&call->lock);
	if (call->leg) {
		report_end(call, session);
	}
	leg = call->leg;
	call->leg = NULL;
	/* With the lock: who has it may use the leg. */
	sealrtp_leg_free(leg);
	wipe(call->offer);
	switch_safe_free(call->offer);
	switch_safe_free(call->shown);
	for (secret = session ? call->secrets : NULL; secret; secret = secret->next) {
		wipe(secret->text);
	}
	pthread_mutex_unlock(&call->lock);
	if (call->protects && leg) {
		switch_thread_rwlock_unlock(runtime.interface->rwlock);
	}
}

static void forget(struct call *call)
{
	struct call **at;

	pthread_mutex_lock(&lock);
	for (at = &calls; *at && *at != call; at = &(*at)->next) {
	}
	if (*at) {
		*at = call->next;
	}
	pthread_mutex_unlock(&lock);
}

static switch_status_t on_hangup(switch_core_session_t *session)
{
	struct call *call = call_of(session);

	if (call) {
		end(call, session);
		forget(call);
		call_release(call);
	}
	return SWITCH_STATUS_SUCCESS;
}

static switch_status_t on_destroy(switch_core_session_t *session)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	struct call *call = switch_channel_get_private(channel, PRIVATE);

	if (call) {
		end(call, session);
		forget(call);
		switch_channel_set_private(channel, PRIVATE, NULL);
		call_release(call);
	}
	return SWITCH_STATUS_SUCCESS;
}

/* Sticky: a transfer clears the others. */
static switch_state_handler_table_t handlers = {
	.on_hangup = on_hangup, .on_destroy = on_destroy, .flags = SSH_FLAG_STICKY};

static struct call *allocate(switch_core_session_t *session, struct settings *settings, struct terms *terms)
{
	switch_core_media_params_t *params =
		switch_core_media_get_mparams(switch_core_session_get_media_handle(session));
	struct call *call = calloc(1, sizeof(*call));

	switch_assert(call);
	switch_copy_string(call->uuid, switch_core_session_get_uuid(session), sizeof(call->uuid));
	switch_copy_string(
		call->name, switch_channel_get_name(switch_core_session_get_channel(session)), sizeof(call->name));
	switch_copy_string(call->address, switch_str_nil(params->rtpip), sizeof(call->address));
	atomic_fetch_add(&settings->refs, 1);
	call->settings = settings;
	pthread_mutex_init(&call->lock, NULL);
	/* The channel's, and the caller's. */
	atomic_init(&call->refs, 2);
	recording_begin(call);
	take_terms(call, terms);
	return call;
}

struct call *call_new(switch_core_session_t *session, struct settings *settings, struct terms *terms,
	char *reason, size_t reason_size)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	struct call *call;
	sealrtp_result result;

	if (!switch_core_session_get_media_handle(session)) {
		switch_snprintf(reason, reason_size, "the channel has no media");
		return NULL;
	}
	/* While it is held mod_sealrtp is in use, and only `unload -f` unloads it. */
	if (!atomic_load(&runtime.running) ||
		switch_thread_rwlock_tryrdlock(runtime.interface->rwlock) != SWITCH_STATUS_SUCCESS) {
		switch_snprintf(reason, reason_size, "mod_sealrtp is being unloaded");
		return NULL;
	}
	call = allocate(session, settings, terms);
	call->protects = SWITCH_TRUE;
	result = make_leg(call, channel, reason, reason_size);
	if (result < 0) {
		if (zstr(reason)) {
			switch_snprintf(reason, reason_size, "%s", sealrtp_result_text(result));
		}
		switch_thread_rwlock_unlock(runtime.interface->rwlock);
		call_release(call);
		call_release(call);
		return NULL;
	}
	pthread_mutex_lock(&lock);
	call->next = calls;
	calls = call;
	pthread_mutex_unlock(&lock);
	switch_channel_set_private(channel, PRIVATE, call);
	switch_channel_add_state_handler(channel, &handlers);
	report_begin(call, session);
	return call;
}

void calls_stop(void)
{
	size_t count, i;
	struct call **all = snapshot(&count);

	for (i = 0; i < count; i++) {
		switch_core_session_t *session = switch_core_session_locate(all[i]->uuid);

		end(all[i], session);
		forget(all[i]);
		if (session) {
			switch_channel_hangup(
				switch_core_session_get_channel(session), SWITCH_CAUSE_NORMAL_TEMPORARY_FAILURE);
			switch_core_session_rwunlock(session);
		}
		call_release(all[i]);
	}
	free(all);
}
