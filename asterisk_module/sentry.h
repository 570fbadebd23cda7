/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Sentries of recording = refuse. Include it behind asterisk.h.
 *
 * A sentry is a hook that sees each frame of a channel before audiohooks do. It stands on the channels of end
 * points that refuse, and on those that share a bridge with one: its first frame there waits until they all
 * have a sentry. A source is a channel whose audio nobody may record. A bridge with a source in it is known
 * by a key, and so is a pair of unreal channels (Local) that carries a source's audio into another bridge.
 */

#ifndef SEALRTP_SENTRY_H
#define SEALRTP_SENTRY_H

#include "asterisk/bridge.h"
#include "asterisk/channel.h"
#include "asterisk/frame.h"
#include "asterisk/framehook.h"
#include "asterisk/linkedlists.h"

#include "res_sealrtp.h"

/* 120 ms of 16-bit samples at 16 kHz. A longer frame is left out as a whole. */
#define SILENCE_SIZE 3840
/* A bridge's unique id, or the name of a pair of channels. */
#define KEY_SIZE AST_CHANNEL_NAME

/* Where a source's audio goes: its bridge, and the other half of its pair. */
enum { KEY_BRIDGE, KEY_PAIR, KEYS };

struct sentry {
	AST_LIST_ENTRY(sentry) next;
	/* The end point refuses. */
	bool refuses;
	/* It had keys; stays true. */
	bool secured;
	/* All channels of its bridge have a sentry, and these they were. */
	bool surrounded;
	uintptr_t company;
	/* A task is on its way that sets sentries. */
	bool calling;
	/* Its channel has become another, which has a sentry of its own. */
	bool gone;
	/* Guarded by the lock of all sentries; "" for none. */
	char keys[KEYS][KEY_SIZE];
	/* Unique id of the channel whose end point refuses. Guarded by the lock of all sentries. */
	char origin[AST_MAX_UNIQUEID];
	/* When a recorder was last refused, by its number, and the last one. */
	time_t refused[RECORDERS];
	const struct recorder *last;
	struct ast_frame silence;
	char samples[AST_FRIENDLY_OFFSET + SILENCE_SIZE];
};

/* sentry.c */
/* The channel's sentry or NULL. The channel is locked. */
struct sentry *sentry_find(struct ast_channel *chan);
/* The channel's sentry, a new one where there was none. The channel is locked. */
struct sentry *sentry_post(struct ast_channel *chan);
/* Gives a reference back. */
void sentry_drop(void *data);
/* A source's audio goes there, or nobody's any more. */
void sentry_set_key(struct sentry *sentry, int which, const char *key, const char *origin);
/* Whether somebody else's audio goes there; whose, by a unique id. */
bool sentry_is_reached(const struct sentry *self, int which, const char *key, char *origin);
/* "Local/100@default-00000001;1" gives the name of the pair; "" for a channel that is none of a pair. */
void sentry_pair_of(struct ast_channel *chan, char *pair);
/* Whether nobody may record the channel's audio. The channel is locked. */
bool sentry_is_source(struct sentry *sentry, struct ast_channel *chan, char *origin);
/* A recorder was refused. The channel is locked. */
void sentry_tell(
	struct sentry *sentry, struct ast_channel *chan, const struct recorder *recorder, const char *origin);

/* sentry_hook.c: what becomes of each frame. */
extern const struct ast_framehook_interface sentry_hook;

/* sentry_company.c */
/* A source's frame goes to its bridge: false until everybody there has a sentry. */
bool sentry_may_enter(
	struct sentry *sentry, struct ast_channel *chan, struct ast_bridge *bridge, const char *origin);

#endif
