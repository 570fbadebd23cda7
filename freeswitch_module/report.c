/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Tells what becomes of calls: log, channel variables, events; and hangs up where the policy says so.
 */

#include "facts.h"
#include "surface.h"

#define EVENT_SECURED "sealrtp::secured"
#define EVENT_CLEAR "sealrtp::clear"
#define EVENT_FAILED "sealrtp::failed"
#define EVENT_CACHE_MISMATCH "sealrtp::cache_mismatch"
#define EVENT_VERIFIED "sealrtp::verified"
#define EVENT_REFUSED "sealrtp::refused"

static const char *const subclasses[] = {
	EVENT_SECURED, EVENT_CLEAR, EVENT_FAILED, EVENT_CACHE_MISMATCH, EVENT_VERIFIED, EVENT_REFUSED};

#define LENGTH(table) (sizeof(table) / sizeof(*(table)))

/* How many ZRTP messages of a call that should not have come are told by one line. */
#define ALERTS_EVERY 100

/* Which calls are traced: channels whose name or uuid begins with this; "" are all. */
static struct trace {
	uint32_t method;
	const char *word;
	switch_bool_t on;
	char channel[NAME_SIZE];
} traces[] = {
	{.method = SEALRTP_METHOD_DTLS, .word = "dtls"}, {.method = SEALRTP_METHOD_ZRTP, .word = "zrtp"}};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t hung_up;

uint32_t report_hung_up(void)
{
	return __atomic_load_n(&hung_up, __ATOMIC_RELAXED);
}

/* --- traces --- */

static switch_bool_t any_trace(void)
{
	switch_bool_t any = SWITCH_FALSE;
	size_t index;

	pthread_mutex_lock(&lock);
	for (index = 0; index < LENGTH(traces); index++) {
		any = any || traces[index].on;
	}
	pthread_mutex_unlock(&lock);
	return any;
}

static switch_bool_t trace_call(struct call *call, void *data)
{
	sealrtp_leg *leg = call_lock(call);

	(void)data;
	if (leg) {
		sealrtp_leg_set_trace(leg, any_trace());
	}
	call_unlock(call);
	return SWITCH_TRUE;
}

switch_bool_t report_set_trace(const char *word, switch_bool_t on, const char *channel)
{
	struct trace *trace = NULL;
	size_t index;

	for (index = 0; index < LENGTH(traces) && !trace; index++) {
		trace = strcasecmp(word, traces[index].word) ? NULL : &traces[index];
	}
	if (!trace) {
		return SWITCH_FALSE;
	}
	pthread_mutex_lock(&lock);
	trace->on = on;
	switch_copy_string(trace->channel, channel, sizeof(trace->channel));
	pthread_mutex_unlock(&lock);
	calls_each(trace_call, NULL);
	return SWITCH_TRUE;
}

/* "on", "on for sofia/internal", "off". */
void report_get_trace(const char *word, char *text, size_t size)
{
	size_t index;

	pthread_mutex_lock(&lock);
	for (index = 0; index < LENGTH(traces); index++) {
		if (!strcasecmp(word, traces[index].word)) {
			switch_snprintf(text, size, "%s%s%s", traces[index].on ? "on" : "off",
				*traces[index].channel ? " for " : "", traces[index].channel);
		}
	}
	pthread_mutex_unlock(&lock);
}

static switch_bool_t is_traced(const struct call *call, uint32_t method)
{
	switch_bool_t traced = SWITCH_FALSE;
	size_t index;

	pthread_mutex_lock(&lock);
	for (index = 0; index < LENGTH(traces); index++) {
		const struct trace *trace = &traces[index];
		size_t length = strlen(trace->channel);

		if (trace->on && trace->method == method) {
			traced = !strncasecmp(call->name, trace->channel, length) ||
					 !strncasecmp(call->uuid, trace->channel, length);
		}
	}
	pthread_mutex_unlock(&lock);
	return traced;
}

/* --- variables and events --- */

static void set_variable(void *data, const char *variable, const char *header, const char *value)
{
	(void)header;
	/* What was of keys that are gone is taken back. */
	switch_channel_set_variable(data, variable, zstr(value) ? NULL : value);
}

static void add_header(void *data, const char *variable, const char *header, const char *value)
{
	(void)variable;
	if (!zstr(value)) {
		switch_event_add_header_string(data, SWITCH_STACK_BOTTOM, header, value);
	}
}

static const char *consequence_name(uint32_t consequence)
{
	return consequence == SEALRTP_CONSEQUENCE_HANGUP  ? "hangup"
		   : consequence == SEALRTP_CONSEQUENCE_BLOCK ? "block"
													  : "continue";
}

/* A failure's name in events, and what an administrator can do about it. */
static const struct failure {
	const char *name;
	const char *advice;
} failures[] = {
	[SEALRTP_FAILURE_FINGERPRINT] = {"fingerprint",
		"Somebody may be in between; or the peer's SDP tells of another certificate than it uses"},
	[SEALRTP_FAILURE_NO_CERTIFICATE] = {"no_certificate", "The peer must be set to show its certificate"},
	[SEALRTP_FAILURE_UNTRUSTED] = {"untrusted", "The peer's certificate is of no CA that is trusted here"},
	[SEALRTP_FAILURE_NO_PROFILE] = {"no_profile", "See dtls_profiles in sealrtp.conf.xml, and the peer's"},
	[SEALRTP_FAILURE_TIMEOUT] = {"timeout",
		"Is the peer's media address in its SDP right and reachable, and does it do DTLS?"},
	[SEALRTP_FAILURE_ALERT] = {"alert", "See the peer's log"},
	[SEALRTP_FAILURE_OTHER] = {"other", "See sealrtp set debug dtls on"},
	[SEALRTP_FAILURE_ZRTP] = {"zrtp", "See offer, accept and fallback in sealrtp.conf.xml, sealrtp set debug "
									  "zrtp on, and the peer's settings"},
	[SEALRTP_FAILURE_CACHE_MISMATCH] = {"cache_mismatch", "Compare the SAS before you trust the line"},
};

static const struct failure *failure_of(const sealrtp_leg_event *event)
{
	static const struct failure unknown = {"other", "See sealrtp explain"};
	uint64_t value = event->kind == SEALRTP_EVENT_FAILED		   ? event->value
					 : event->kind == SEALRTP_EVENT_NO_ANSWER	   ? SEALRTP_FAILURE_ZRTP
					 : event->kind == SEALRTP_EVENT_CACHE_MISMATCH ? SEALRTP_FAILURE_CACHE_MISMATCH
																   : 0;

	return value < LENGTH(failures) && failures[value].name ? &failures[value] : &unknown;
}

struct telling {
	struct call *call;
	const sealrtp_leg_event *event;
	struct facts facts;
	/* NULL once the channel is gone. */
	switch_core_session_t *session;
	/* It is about the call's first m-line: variables tell of that one. */
	switch_bool_t first;
};

static switch_channel_t *channel_of(const struct telling *telling)
{
	return telling->session ? switch_core_session_get_channel(telling->session) : NULL;
}

static void fire(const struct telling *telling, const char *subclass)
{
	switch_channel_t *channel = channel_of(telling);
	const sealrtp_leg_event *about = telling->event;
	switch_event_t *event;

	if (switch_event_create_subclass(&event, SWITCH_EVENT_CUSTOM, subclass) != SWITCH_STATUS_SUCCESS) {
		return;
	}
	if (channel) {
		switch_channel_event_set_data(channel, event);
	} else {
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Unique-ID", telling->call->uuid);
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Channel-Name", telling->call->name);
	}
	switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Policy", telling->call->policy);
	switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Media", about->media);
	facts_each(&telling->facts, add_header, event);
	if (about->consequence) {
		switch_event_add_header_string(
			event, SWITCH_STACK_BOTTOM, "Consequence", consequence_name(about->consequence));
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Failure", failure_of(about)->name);
		/* Whose handshake it was; the line may have keys by another. */
		switch_event_del_header(event, "Method");
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Method", facts_method(about->method));
	}
	switch_event_add_header_string(
		event, SWITCH_STACK_BOTTOM, about->consequence ? "Reason" : "Text", about->text);
	switch_event_fire(&event);
}

static void set_variables(const struct telling *telling)
{
	switch_channel_t *channel = channel_of(telling);

	if (channel && telling->first) {
		facts_each(&telling->facts, set_variable, channel);
	}
}

/* As the core does when it has keys: "show channels" has it in its column secure. */
static void fire_call_secure(const struct telling *telling)
{
	const sealrtp_zrtp_info *zrtp = &telling->facts.zrtp;
	switch_event_t *event;

	if (!telling->session || switch_event_create(&event, SWITCH_EVENT_CALL_SECURE) != SWITCH_STATUS_SUCCESS) {
		return;
	}
	if (telling->facts.has_zrtp) {
		switch_event_add_header(event, SWITCH_STACK_BOTTOM, "secure_type", "zrtp:%s%s", zrtp->sas,
			strchr(zrtp->sas, ':') ? "" : ":");
	} else {
		switch_event_add_header(event, SWITCH_STACK_BOTTOM, "secure_type", "srtp:%s:%s",
			telling->event->method == SEALRTP_METHOD_DTLS ? "dtls" : "sdes", telling->event->suite);
	}
	switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "caller-unique-id", telling->call->uuid);
	switch_event_fire(&event);
}

/* --- kinds of events --- */

static void say(const struct telling *telling, switch_log_level_t level)
{
	switch_log_printf(SWITCH_CHANNEL_UUID_LOG(telling->call->uuid), level, "%s: %s\n", telling->call->name,
		telling->event->text);
}

static void tell_secured(const struct telling *telling)
{
	say(telling, SWITCH_LOG_INFO);
	/* RTCP's own handshake tells nothing new. */
	if (telling->event->rtcp) {
		return;
	}
	set_variables(telling);
	fire_call_secure(telling);
	fire(telling, EVENT_SECURED);
}

static void tell_clear(const struct telling *telling)
{
	say(telling, SWITCH_LOG_INFO);
	set_variables(telling);
	fire(telling, EVENT_CLEAR);
}

static void hang_up(const struct telling *telling)
{
	__atomic_add_fetch(&hung_up, 1, __ATOMIC_RELAXED);
	call_hangup(telling->call->uuid, SWITCH_CAUSE_BEARERCAPABILITY_NOTAVAIL);
}

static void tell_failure(const struct telling *telling, const char *subclass)
{
	const sealrtp_leg_event *event = telling->event;
	switch_channel_t *channel = channel_of(telling);

	switch_log_printf(SWITCH_CHANNEL_UUID_LOG(telling->call->uuid), SWITCH_LOG_WARNING, "%s%s: %s. %s\n",
		event->consequence == SEALRTP_CONSEQUENCE_HANGUP  ? "Hanging up "
		: event->consequence == SEALRTP_CONSEQUENCE_BLOCK ? "Blocking "
														  : "",
		telling->call->name, event->text, failure_of(event)->advice);
	set_variables(telling);
	if (channel) {
		switch_channel_set_variable(channel, VARIABLE_REASON, event->text);
	}
	fire(telling, subclass);
	if (event->consequence == SEALRTP_CONSEQUENCE_HANGUP) {
		hang_up(telling);
	}
}

static void tell_failed(const struct telling *telling)
{
	tell_failure(telling, EVENT_FAILED);
}

static void tell_mismatch(const struct telling *telling)
{
	tell_failure(telling, EVENT_CACHE_MISMATCH);
}

/* A peer that knows nothing of ZRTP is a failure only where it must. */
static void tell_no_answer(const struct telling *telling)
{
	if (telling->event->consequence == SEALRTP_CONSEQUENCE_HANGUP ||
		telling->event->consequence == SEALRTP_CONSEQUENCE_BLOCK) {
		tell_failed(telling);
	} else {
		tell_clear(telling);
	}
}

static void tell_verified(const struct telling *telling)
{
	say(telling, SWITCH_LOG_INFO);
	set_variables(telling);
	fire(telling, EVENT_VERIFIED);
}

static void tell_notice(const struct telling *telling)
{
	say(telling, SWITCH_LOG_INFO);
	set_variables(telling);
}

static void tell_warning(const struct telling *telling)
{
	say(telling, SWITCH_LOG_WARNING);
}

/* Anybody can cause them. */
static void tell_alert(const struct telling *telling)
{
	static uint32_t alerts;
	uint32_t before = __atomic_fetch_add(&alerts, 1, __ATOMIC_RELAXED);

	if (before % ALERTS_EVERY == 0) {
		switch_log_printf(SWITCH_CHANNEL_UUID_LOG(telling->call->uuid), SWITCH_LOG_NOTICE,
			"%s: %s (%u such messages so far, of all calls)\n", telling->call->name, telling->event->text,
			before + 1);
	}
}

static void tell_trace(const struct telling *telling)
{
	if (is_traced(telling->call, telling->event->method)) {
		say(telling, SWITCH_LOG_CONSOLE);
	}
}

/* What is not here is a warning. */
static void (*const tellers[])(const struct telling *) = {
	[SEALRTP_EVENT_SECURED] = tell_secured,
	[SEALRTP_EVENT_FAILED] = tell_failed,
	[SEALRTP_EVENT_CLOSED] = tell_failed,
	[SEALRTP_EVENT_CLEARED] = tell_failed,
	[SEALRTP_EVENT_NO_ANSWER] = tell_no_answer,
	[SEALRTP_EVENT_CACHE_MISMATCH] = tell_mismatch,
	[SEALRTP_EVENT_VERIFIED] = tell_verified,
	[SEALRTP_EVENT_RELAYED_SAS] = tell_notice,
	[SEALRTP_EVENT_REKEYED] = tell_notice,
	[SEALRTP_EVENT_CLEAR] = tell_clear,
	[SEALRTP_EVENT_ALERT] = tell_alert,
	[SEALRTP_EVENT_TRACE] = tell_trace,
};

/* For who waits for the call's keys. A re-INVITE begins anew. */
static void note_outcome(struct call *call, const sealrtp_leg_event *event)
{
	switch (event->kind) {
	case SEALRTP_EVENT_SECURED:
		atomic_store(&call->failed, false);
		atomic_store(&call->unanswered, false);
		break;
	case SEALRTP_EVENT_FAILED:
	case SEALRTP_EVENT_CLOSED:
	case SEALRTP_EVENT_CLEARED:
		atomic_store(&call->failed, true);
		break;
	case SEALRTP_EVENT_NO_ANSWER:
		atomic_store(&call->unanswered, true);
		break;
	default:
		break;
	}
}

void report_event(struct call *call, const sealrtp_leg_event *event)
{
	struct telling telling = {.call = call, .event = event};
	void (*tell)(const struct telling *) = event->kind < LENGTH(tellers) ? tellers[event->kind] : NULL;
	struct facts first;
	uint32_t line = 0;

	if (tell == tell_trace) {
		tell(&telling);
		return;
	}
	telling.first = facts_learn_first(call, &first, &line) && line == event->line;
	if (telling.first) {
		telling.facts = first;
	} else {
		facts_learn(call, event->line, &telling.facts);
	}
	note_outcome(call, event);
	telling.session = switch_core_session_locate(call->uuid);
	(tell ? tell : tell_warning)(&telling);
	if (telling.session) {
		switch_core_session_rwunlock(telling.session);
	}
}

/* --- descriptions --- */

void report_refusal(switch_core_session_t *session, const char *what, const char *reason)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	switch_event_t *event;

	switch_log_printf(SWITCH_CHANNEL_SESSION_LOG(session), SWITCH_LOG_WARNING, "%s: %s refused: %s\n",
		switch_channel_get_name(channel), what, reason);
	switch_channel_set_variable(channel, VARIABLE_REASON, reason);
	if (switch_event_create_subclass(&event, SWITCH_EVENT_CUSTOM, EVENT_REFUSED) == SWITCH_STATUS_SUCCESS) {
		switch_channel_event_set_data(channel, event);
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "What", what);
		switch_event_add_header_string(event, SWITCH_STACK_BOTTOM, "Reason", reason);
		switch_event_fire(&event);
	}
}

void report_begin(struct call *call, switch_core_session_t *session)
{
	(void)session;
	if (call->leg && any_trace()) {
		sealrtp_leg_set_trace(call->leg, 1);
	}
}

void report_end(struct call *call, switch_core_session_t *session)
{
	(void)session;
	explain_keep(call);
}

void report_start(void)
{
	size_t index;

	for (index = 0; index < LENGTH(subclasses); index++) {
		switch_event_reserve_subclass(subclasses[index]);
	}
}

void report_stop(void)
{
	size_t index;

	for (index = 0; index < LENGTH(subclasses); index++) {
		switch_event_free_subclass(subclasses[index]);
	}
}
