/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Sources: channels whose policy has recording = refuse, and where their audio goes.
 */

#include "surface.h"

/* A bridge over loopback channels is followed so far. */
#define MAX_HOPS 8

struct source {
	/* Its policy has recording = refuse. Written under the lock, too. */
	int refuses;
	/* m-lines that have keys, and above them those that are clear. Written without the lock. */
	uint64_t lines;
	struct origin origin;
	/* The conference it is in, or "". */
	char conference[SWITCH_UUID_FORMATTED_LENGTH + 1];
	struct source *next;
	/* Of those that end in the same place of the table. */
	struct source *chained;
};

#define PLACES 4096

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct source *places[PLACES];
static struct source *all;
/* That refuse: looked at before anything else is, by recorders of calls that are nobody's concern. */
static int count;

/* FNV-1a of a uuid. */
static struct source **place_of(const char *uuid)
{
	uint32_t hash = 2166136261u;

	for (; *uuid; uuid++) {
		hash = (hash ^ (uint8_t)*uuid) * 16777619u;
	}
	return &places[hash % PLACES];
}

/* The lock is held. */
static struct source *find(const char *uuid)
{
	struct source *source = *place_of(uuid);

	while (source && strcmp(source->origin.uuid, uuid)) {
		source = source->chained;
	}
	return source;
}

struct source *source_add(const char *uuid, const char *name)
{
	struct source *source = calloc(1, sizeof(*source)), **place = place_of(uuid);

	switch_assert(source);
	switch_copy_string(source->origin.uuid, uuid, sizeof(source->origin.uuid));
	switch_copy_string(source->origin.name, name, sizeof(source->origin.name));
	pthread_rwlock_wrlock(&lock);
	source->next = all;
	all = source;
	source->chained = *place;
	*place = source;
	pthread_rwlock_unlock(&lock);
	return source;
}

void source_refuse(struct source *source, bool refuses)
{
	pthread_rwlock_wrlock(&lock);
	if (source->refuses != refuses) {
		__atomic_store_n(&source->refuses, refuses, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&count, refuses ? 1 : -1, __ATOMIC_SEQ_CST);
	}
	pthread_rwlock_unlock(&lock);
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

static void unlink_from(struct source **at, struct source *source, size_t link)
{
	while (*at != source) {
		at = (struct source **)((char *)*at + link);
	}
	*at = *(struct source **)((char *)source + link);
}

void source_remove(struct source *source)
{
	if (!source) {
		return;
	}
	source_refuse(source, false);
	pthread_rwlock_wrlock(&lock);
	unlink_from(&all, source, offsetof(struct source, next));
	unlink_from(place_of(source->origin.uuid), source, offsetof(struct source, chained));
	pthread_rwlock_unlock(&lock);
	free(source);
}

/* It refuses, and a line has keys, or it is not known yet of any that it is clear. */
static bool is_withheld(const struct source *source)
{
	uint64_t lines = __atomic_load_n(&source->lines, __ATOMIC_SEQ_CST);

	return __atomic_load_n(&source->refuses, __ATOMIC_SEQ_CST) && ((lines & UINT32_MAX) || !(lines >> LINES));
}

static bool is_source(const char *uuid, struct origin *origin)
{
	const struct source *source;
	bool found;

	pthread_rwlock_rdlock(&lock);
	source = find(uuid);
	found = source && is_withheld(source);
	if (found) {
		*origin = source->origin;
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

bool source_confers(const char *conference, struct origin *origin)
{
	const struct source *source;

	if (!__atomic_load_n(&count, __ATOMIC_SEQ_CST)) {
		return false;
	}
	pthread_rwlock_rdlock(&lock);
	for (source = all; source; source = source->next) {
		if (*source->conference && (!*conference || !strcmp(source->conference, conference)) &&
			is_withheld(source)) {
			*origin = source->origin;
			break;
		}
	}
	pthread_rwlock_unlock(&lock);
	return source != NULL;
}

void source_joins(const char *uuid, const char *conference)
{
	struct source *source;

	pthread_rwlock_wrlock(&lock);
	source = find(uuid);
	if (source) {
		switch_copy_string(source->conference, conference, sizeof(source->conference));
	}
	pthread_rwlock_unlock(&lock);
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
				switch_copy_string(wanted[index].value, switch_str_nil(header->value), sizeof(links->bond));
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
