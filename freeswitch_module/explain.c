/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sealrtp explain: which rule led to each step of a call, from offer to keys; of calls that are up and of the
 * last ones that have ended or were refused.
 */

#include "facts.h"
#include "surface.h"

/* Calls that are remembered after their end. */
#define KEPT_MAX 64
#define EXPLAIN_SIZE 16384

struct kept {
	struct kept *next;
	switch_time_t ended;
	char uuid[SWITCH_UUID_FORMATTED_LENGTH + 1];
	char name[NAME_SIZE];
	char policy[POLICY_SIZE];
	char steps[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The oldest first. */
static struct kept *history;
static uint32_t count;

void explain_keep(struct call *call)
{
	struct kept **last, *kept = calloc(1, sizeof(*kept) + EXPLAIN_SIZE), *oldest = NULL, *smaller;

	if (!kept) {
		return;
	}
	if (!call->leg || (sealrtp_leg_explain(call->leg, kept->steps, EXPLAIN_SIZE), !*kept->steps)) {
		free(kept);
		return;
	}
	kept->ended = switch_micro_time_now();
	switch_copy_string(kept->uuid, call->uuid, sizeof(kept->uuid));
	switch_copy_string(kept->name, call->name, sizeof(kept->name));
	switch_copy_string(kept->policy, call->policy, sizeof(kept->policy));
	if ((smaller = realloc(kept, sizeof(*kept) + strlen(kept->steps) + 1))) {
		kept = smaller;
	}
	pthread_mutex_lock(&lock);
	for (last = &history; *last; last = &(*last)->next) {
	}
	*last = kept;
	if (++count > KEPT_MAX) {
		oldest = history;
		history = oldest->next;
		count--;
	}
	pthread_mutex_unlock(&lock);
	free(oldest);
}

static void print_steps(switch_stream_handle_t *stream, const char *steps)
{
	uint32_t number = 0;

	while (*steps) {
		size_t length = strcspn(steps, "\n");

		if (length) {
			stream->write_function(stream, "%3u. %.*s\n", ++number, (int)length, steps);
		}
		steps += length + (steps[length] == '\n');
	}
}

/* A channel's uuid or name, a section as user/1000, or what stands behind its slash. */
static switch_bool_t is_meant(const char *wanted, const char *uuid, const char *name, const char *policy)
{
	const char *slash = strchr(policy, '/');

	return !strcasecmp(wanted, uuid) || !strcasecmp(wanted, name) || !strcasecmp(wanted, policy) ||
		   (slash && !strcasecmp(wanted, slash + 1));
}

struct asking {
	switch_stream_handle_t *stream;
	const char *wanted;
	uint32_t shown;
};

static const char *passes(uint32_t state)
{
	switch (state) {
	case SEALRTP_STATE_BYPASS:
		return "media passes in the clear";
	case SEALRTP_STATE_SECURE:
		return "media is secured both ways";
	default:
		return "nothing passes until there are keys";
	}
}

static void print_lines(switch_stream_handle_t *stream, struct call *call)
{
	struct facts facts;
	uint32_t line;

	for (line = 0; facts_learn(call, line, &facts); line++) {
		if (facts.line.open) {
			stream->write_function(stream, "     Now: %s, keys by %s, %s\n", facts.line.media,
				*facts_method(facts.line.method) ? facts_method(facts.line.method) : "nobody",
				passes(facts.line.state));
		}
	}
}

static switch_bool_t explain_call(struct call *call, void *data)
{
	struct asking *asking = data;
	char *steps = calloc(1, EXPLAIN_SIZE);
	sealrtp_leg *leg;

	if (!steps || !is_meant(asking->wanted, call->uuid, call->name, call->policy)) {
		free(steps);
		return SWITCH_TRUE;
	}
	leg = call_lock(call);
	if (leg) {
		sealrtp_leg_explain(leg, steps, EXPLAIN_SIZE);
	}
	call_unlock(call);
	if (leg) {
		asking->stream->write_function(
			asking->stream, "%s %s, policy %s\n", call->uuid, call->name, call->policy);
		print_steps(asking->stream, steps);
		print_lines(asking->stream, call);
		asking->shown++;
	}
	free(steps);
	return SWITCH_TRUE;
}

static void explain_history(struct asking *asking)
{
	const struct kept *kept;

	pthread_mutex_lock(&lock);
	for (kept = history; kept; kept = kept->next) {
		char when[80];
		switch_time_exp_t at;
		switch_size_t length;

		if (!is_meant(asking->wanted, kept->uuid, kept->name, kept->policy)) {
			continue;
		}
		switch_time_exp_lt(&at, kept->ended);
		switch_strftime_nocheck(when, &length, sizeof(when), "%Y-%m-%d %T", &at);
		asking->stream->write_function(
			asking->stream, "%s %s, policy %s, ended %s\n", kept->uuid, kept->name, kept->policy, when);
		print_steps(asking->stream, kept->steps);
		asking->shown++;
	}
	pthread_mutex_unlock(&lock);
}

void explain_print(switch_stream_handle_t *stream, const char *wanted)
{
	struct asking asking = {.stream = stream, .wanted = wanted};

	explain_history(&asking);
	calls_each(explain_call, &asking);
	if (!asking.shown) {
		stream->write_function(stream,
			"-ERR No call of %s is up with us or was among the last %d. A call without a policy is "
			"FreeSWITCH's own: see users, gateways and profiles in sealrtp.conf.xml, and sealrtp_policy\n",
			wanted, KEPT_MAX);
	}
}

void explain_stop(void)
{
	struct kept *kept;

	while ((kept = history)) {
		history = kept->next;
		free(kept);
	}
	count = 0;
}
