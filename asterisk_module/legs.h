/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What passthrough must know of a leg. Include it behind asterisk.h.
 */

#ifndef LEGS_H
#define LEGS_H

#include "asterisk/channel.h"
#include "asterisk/format.h"

#include "res_sealrtp.h"

/* More codecs than a leg negotiates in one kind of media. */
#define MAX_FORMATS 32

/* A codec that a leg has negotiated, with its payload types. */
struct codec {
	struct ast_format *format;
	int receives;
	int sends;
};

/* A leg's stream and what is to be known of it. */
struct leg {
	struct ast_srtp *stream;
	char channel[AST_CHANNEL_NAME];
	char id[AST_MAX_UNIQUEID];
	bool up;
	sealrtp_leg_facts facts;
	struct codec codecs[MAX_FORMATS];
	size_t count;
	/* Of digits, or -1. */
	int dtmf;
};

bool leg_get(struct leg *leg, struct ast_channel *chan, bool video);
void leg_free(struct leg *leg);
bool leg_same_codecs(const struct leg *left, const struct leg *right);

#endif
