/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Who records: what Asterisk's recorders are recognised by, and how one is taken off a channel.
 *
 * A channel is recorded by an audiohook that spies on it, by an application that reads it, or by a channel in
 * its bridge whose driver is there to record.
 */

#include "asterisk.h"

#include "asterisk/audiohook.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"

#include "res_sealrtp.h"

/* Only versions that have Monitor() have its functions. */
#if SEALRTP_ASTERISK_MAJOR < 21
#define HAS_MONITOR 1
#else
#define HAS_MONITOR 0
#endif

static const struct recorder recorders[] = {
	{.name = "MixMonitor", .kind = RECORDER_AUDIOHOOK, .key = "MixMonitor"},
	{.name = "Snoop", .kind = RECORDER_AUDIOHOOK, .key = "Snoop"},
	/* Looks for its channel again and again. */
	{.name = "ChanSpy", .kind = RECORDER_AUDIOHOOK, .key = "ChanSpy", .persists = true},
	{.name = "Monitor", .kind = RECORDER_MONITOR},
	{.name = "Record", .kind = RECORDER_APPLICATION, .key = "Record", .persists = true},
	{.name = "VoiceMail", .kind = RECORDER_APPLICATION, .key = "VoiceMail", .persists = true},
	{.name = "VoiceMailMain", .kind = RECORDER_APPLICATION, .key = "VoiceMailMain", .persists = true},
	{.name = "MinivmRecord", .kind = RECORDER_APPLICATION, .key = "MinivmRecord", .persists = true},
	{.name = "Dictate", .kind = RECORDER_APPLICATION, .key = "Dictate", .persists = true},
	{.name = "EAGI", .kind = RECORDER_APPLICATION, .key = "EAGI", .persists = true},
	/* These may record or not: ARI tells when it does, RECORD FILE of AGI does not. */
	{.name = "AGI", .kind = RECORDER_APPLICATION, .key = "AGI", .persists = true, .quiet = true},
	{.name = "ARI", .kind = RECORDER_APPLICATION, .key = "Stasis", .persists = true, .quiet = true},
	{.name = "ConfBridge", .kind = RECORDER_DRIVER, .key = "CBRec", .persists = true},
	{.name = "ARI", .kind = RECORDER_DRIVER, .key = "Recorder", .persists = true},
};

_Static_assert(ARRAY_LEN(recorders) <= RECORDERS, "a bit for each");

/* Its place in the table, below RECORDERS. */
unsigned int recorder_number(const struct recorder *recorder)
{
	return recorder - recorders;
}

/* What ARI says that it records. */
const struct recorder *recorder_ari(void)
{
	size_t index = 0;

	while (recorders[index].kind != RECORDER_APPLICATION || strcmp(recorders[index].key, "Stasis")) {
		index++;
	}
	return &recorders[index];
}

static bool monitors(struct ast_channel *chan)
{
#if HAS_MONITOR
	return ast_channel_monitor(chan) != NULL;
#else
	(void)chan;
	return false;
#endif
}

static bool has(struct ast_channel *chan, const struct recorder *recorder)
{
	switch (recorder->kind) {
	case RECORDER_AUDIOHOOK:
		return ast_channel_audiohooks(chan) &&
			   ast_channel_audiohook_count_by_source(chan, recorder->key, AST_AUDIOHOOK_TYPE_SPY) > 0;
	case RECORDER_MONITOR:
		return monitors(chan);
	case RECORDER_APPLICATION:
		return !ast_channel_internal_bridge(chan) &&
			   !strcasecmp(S_OR(ast_channel_appl(chan), ""), recorder->key);
	case RECORDER_DRIVER:
		return !strcmp(ast_channel_tech(chan)->type, recorder->key);
	}
	return false;
}

/* The first recorder of these kinds, a bit of each, behind `after`, or the first of all behind NULL; NULL
 * without one. The channel is locked. */
const struct recorder *recorder_find(
	struct ast_channel *chan, unsigned int kinds, const struct recorder *after)
{
	size_t index;

	for (index = after ? recorder_number(after) + 1 : 0; index < ARRAY_LEN(recorders); index++) {
		if ((kinds & recorders[index].kind) && has(chan, &recorders[index])) {
			return &recorders[index];
		}
	}
	return NULL;
}

/* Takes all audiohooks of a recorder off the channel before the next frame reaches them. The core marks only
 * the first of a name, and another would get that frame: so they are moved to a channel that nobody has, and
 * end there. The channel is locked. */
static void remove_audiohooks(struct ast_channel *chan, const char *source)
{
	struct ast_channel *nobody = ast_dummy_channel_alloc();

	if (!nobody) {
		ast_audiohook_detach_source(chan, source);
		return;
	}
	while (ast_channel_audiohook_count_by_source(chan, source, AST_AUDIOHOOK_TYPE_SPY) > 0) {
		ast_audiohook_move_by_source(chan, nobody, source);
	}
	ast_audiohook_detach_list(ast_channel_audiohooks(nobody));
	ast_channel_audiohooks_set(nobody, NULL);
	ast_channel_unref(nobody);
}

/* Takes a recorder off the channel, where one can be: an application and a driver are there to stay. The
 * channel is locked. */
void recorder_remove(struct ast_channel *chan, const struct recorder *recorder)
{
	if (recorder->kind == RECORDER_AUDIOHOOK) {
		remove_audiohooks(chan, recorder->key);
	}
#if HAS_MONITOR
	if (recorder->kind == RECORDER_MONITOR) {
		ast_channel_monitor(chan)->stop(chan, 0);
	}
#endif
}
