/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Sources: channels whose policy has recording = refuse, and where their audio goes.
 */

#include "surface.h"

/* A bridge over loopback channels is followed so far. */
#define MAX_HOPS 8

struct source {
	/* m-lines that have keys, and above them those that are clear. Written without the lock. */
	uint64_t lines;
	struct origin origin;
	/* The conference it is in, or "". */
	char conference[SWITCH_UUID_FORMATTED_LENGTH + 1];
	struct source *next;
};

static switch_thread_rwlock_t *lock;
/* By uuid. */
static switch_hash_t *sources;
static struct source *all;
/* Looked at before anything else is, in recorders of calls that are nobody's concern. */
static int count;

struct source *source_add(const char *uuid, const char *name)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source) {
		return NULL;
	}
	switch_copy_string(source->origin.uuid, uuid, sizeof(source->origin.uuid));
	switch_copy_string(source->origin.name, name, sizeof(source->origin.name));
	switch_thread_rwlock_wrlock(lock);
	source->next = all;
	all = source;
	switch_core_hash_insert(sources, source->origin.uuid, source);
	switch_thread_rwlock_unlock(lock);
	__atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
	return source;
}

#define LINES 32

static uint64_t bit_of(uint32_t line)
{
	return 1ULL << (line < LINES ? line : LINES - 1);
}

void source_secured(struct source *source, uint32_t line)
{
	uint64_t bit = bit_of(line);

	__atomic_or_fetch(&source->lines, bit, __ATOMIC_SEQ_CST);
	__atomic_and_fetch(&source->lines, ~(bit << LINES), __ATOMIC_SEQ_CST);
}

void source_clear(struct source *source, uint32_t line)
{
	uint64_t bit = bit_of(line);

	__atomic_or_fetch(&source->lines, bit << LINES, __ATOMIC_SEQ_CST);
	__atomic_and_fetch(&source->lines, ~bit, __ATOMIC_SEQ_CST);
}

void source_remove(struct source *source)
{
	struct source **at = &all;

	if (!source) {
		return;
	}
	switch_thread_rwlock_wrlock(lock);
	while (*at != source) {
		at = &(*at)->next;
	}
	*at = source->next;
	switch_core_hash_delete(sources, source->origin.uuid);
	switch_thread_rwlock_unlock(lock);
	__atomic_sub_fetch(&count, 1, __ATOMIC_SEQ_CST);
	free(source);
}

/* A line has keys, or it is not known yet of any that it is clear. */
static bool is_withheld(const struct source *source)
{
	uint64_t lines = __atomic_load_n(&source->lines, __ATOMIC_SEQ_CST);

	return (lines & UINT32_MAX) || !(lines >> LINES);
}

static bool is_source(const char *uuid, struct origin *origin)
{
	const struct source *source;
	bool found;

	switch_thread_rwlock_rdlock(lock);
	source = switch_core_hash_find(sources, uuid);
	found = source && is_withheld(source);
	if (found) {
		*origin = source->origin;
	}
	switch_thread_rwlock_unlock(lock);
	return found;
}

bool source_confers(const char *conference, struct origin *origin)
{
	const struct source *source;

	if (!__atomic_load_n(&count, __ATOMIC_SEQ_CST)) {
		return false;
	}
	switch_thread_rwlock_rdlock(lock);
	for (source = all; source; source = source->next) {
		if (*source->conference && (!*conference || !strcmp(source->conference, conference)) &&
			is_withheld(source)) {
			*origin = source->origin;
			break;
		}
	}
	switch_thread_rwlock_unlock(lock);
	return source != NULL;
}

void source_joins(const char *uuid, const char *conference)
{
	struct source *source;

	switch_thread_rwlock_wrlock(lock);
	source = switch_core_hash_find(sources, uuid);
	if (source) {
		switch_copy_string(source->conference, conference, sizeof(source->conference));
	}
	switch_thread_rwlock_unlock(lock);
}

/* Where a channel's audio goes, by its variables; "" for nowhere. */
struct links {
	/* Whom it talks to, once bridged and before. */
	char bond[SWITCH_UUID_FORMATTED_LENGTH + 1];
	char originate_bond[SWITCH_UUID_FORMATTED_LENGTH + 1];
	char conference[SWITCH_UUID_FORMATTED_LENGTH + 1];
	/* The other one of a pair of loopback channels. */
	char pair[SWITCH_UUID_FORMATTED_LENGTH + 1];
};

/* In one pass under the channel's lock: what copies a variable takes memory of the session, at each frame. */
static void get_links(switch_channel_t *channel, struct links *links)
{
	const struct {
		const char *name;
		char *value;
	} wanted[] = {
		{SWITCH_SIGNAL_BOND_VARIABLE, links->bond},
		{SWITCH_ORIGINATE_SIGNAL_BOND_VARIABLE, links->originate_bond},
		{"conference_uuid", links->conference},
		{"other_loopback_leg_uuid", links->pair},
	};
	switch_event_header_t *header = switch_channel_variable_first(channel);
	size_t index;

	memset(links, 0, sizeof(*links));
	if (!header) {
		return;
	}
	for (; header; header = header->next) {
		for (index = 0; index < sizeof(wanted) / sizeof(*wanted); index++) {
			if (!strcasecmp(header->name, wanted[index].name)) {
				switch_copy_string(
					wanted[index].value, switch_str_nil(header->value), sizeof(links->bond));
			}
		}
	}
	switch_channel_variable_last(channel);
}

static const char *partner_of(const struct links *links)
{
	return *links->bond ? links->bond : links->originate_bond;
}

/* The channel itself, whom it talks to, and its conference. */
static bool reaches(switch_channel_t *channel, struct links *links, struct origin *origin)
{
	get_links(channel, links);
	return is_source(switch_channel_get_uuid(channel), origin) ||
		   (*partner_of(links) && is_source(partner_of(links), origin)) ||
		   (*links->conference && source_confers(links->conference, origin));
}

bool source_reaches(switch_core_session_t *session, struct origin *origin)
{
	switch_core_session_t *next;
	struct links links;
	bool found;
	int hops;

	if (!__atomic_load_n(&count, __ATOMIC_SEQ_CST)) {
		return false;
	}
	found = reaches(switch_core_session_get_channel(session), &links, origin);
	for (hops = 0; !found && *partner_of(&links) && hops < MAX_HOPS; hops++) {
		if (!(next = switch_core_session_locate(partner_of(&links)))) {
			break;
		}
		get_links(switch_core_session_get_channel(next), &links);
		switch_core_session_rwunlock(next);
		if (!*links.pair || !(next = switch_core_session_locate(links.pair))) {
			break;
		}
		found = reaches(switch_core_session_get_channel(next), &links, origin);
		switch_core_session_rwunlock(next);
	}
	return found;
}

void source_start(switch_memory_pool_t *pool)
{
	switch_thread_rwlock_create(&lock, pool);
	switch_core_hash_init(&sources);
}

/* No leg is left. */
void source_stop(void)
{
	switch_core_hash_destroy(&sources);
	switch_thread_rwlock_destroy(lock);
}
