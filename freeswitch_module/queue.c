/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Events of legs: they come on threads that carry media and must not wait, and are worked off by one that
 * may.
 */

#include "mod_sealrtp.h"

/* What a peer can cause at will is dropped beyond this; what a call must be told of never is. */
#define MOST_WAITING 64

struct waiting {
	struct call *call;
	sealrtp_leg_event event;
	struct waiting *next;
};

static struct waiting *first, **last = &first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static switch_bool_t stopping;
static pthread_t thread;

static switch_bool_t is_chatter(uint32_t kind)
{
	return kind == SEALRTP_EVENT_TRACE || kind == SEALRTP_EVENT_ALERT || kind == SEALRTP_EVENT_SSRC_LIMIT;
}

void queue_event(struct call *call, const sealrtp_leg_event *event)
{
	struct waiting *waiting;

	if (is_chatter(event->kind) && atomic_load(&call->queued) >= MOST_WAITING) {
		return;
	}
	waiting = malloc(sizeof(*waiting));
	switch_assert(waiting);
	atomic_fetch_add(&call->refs, 1);
	atomic_fetch_add(&call->queued, 1);
	waiting->call = call;
	waiting->event = *event;
	waiting->next = NULL;
	pthread_mutex_lock(&lock);
	*last = waiting;
	last = &waiting->next;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
}

/* The oldest; NULL at the end, when all is told. */
static struct waiting *next(void)
{
	struct waiting *waiting;

	pthread_mutex_lock(&lock);
	while (!first && !stopping) {
		pthread_cond_wait(&news, &lock);
	}
	waiting = first;
	if (waiting) {
		first = waiting->next;
		if (!first) {
			last = &first;
		}
	}
	pthread_mutex_unlock(&lock);
	return waiting;
}

static void *work(void *unused)
{
	struct waiting *waiting;

	while ((waiting = next())) {
		report_event(waiting->call, &waiting->event);
		atomic_fetch_sub(&waiting->call->queued, 1);
		call_release(waiting->call);
		free(waiting);
	}
	return NULL;
}

switch_status_t queue_start(void)
{
	stopping = SWITCH_FALSE;
	return pthread_create(&thread, NULL, work, NULL) ? SWITCH_STATUS_GENERR : SWITCH_STATUS_SUCCESS;
}

void queue_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = SWITCH_TRUE;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
}
