/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What a sentry does with each frame: silence for who must not record it.
 */

#include "asterisk.h"

#include "asterisk/bridge.h"
#include "asterisk/channel.h"
#include "asterisk/format_cache.h"
#include "asterisk/framehook.h"
#include "asterisk/utils.h"

#include "sentry.h"

/* The frame's length of silence, or nothing at all where its codec's silence is not known. Reading, the frame
 * is ours to free. */
static struct ast_frame *silence(
	struct sentry *sentry, struct ast_frame *frame, enum ast_framehook_event event)
{
	struct ast_frame *silent = &ast_null_frame;
	int byte = -1;

	if (frame->frametype == AST_FRAME_VOICE && frame->datalen <= SILENCE_SIZE) {
		byte = ast_format_cmp(frame->subclass.format, ast_format_ulaw) == AST_FORMAT_CMP_EQUAL	 ? 0xFF
			   : ast_format_cmp(frame->subclass.format, ast_format_alaw) == AST_FORMAT_CMP_EQUAL ? 0xD5
			   : ast_format_cache_is_slinear(frame->subclass.format)							 ? 0
																								 : -1;
	}
	if (byte >= 0) {
		silent = &sentry->silence;
		*silent = (struct ast_frame){
			.frametype = AST_FRAME_VOICE,
			/* Formats of the cache live as long as Asterisk. */
			.subclass.format = byte == 0xFF	  ? ast_format_ulaw
							   : byte == 0xD5 ? ast_format_alaw
											  : ast_format_cache_get_slin_by_rate(
													ast_format_get_sample_rate(frame->subclass.format)),
			.datalen = frame->datalen,
			.samples = frame->samples,
			.offset = AST_FRIENDLY_OFFSET,
			.src = "sealrtp",
			.delivery = frame->delivery,
			.ts = frame->ts,
			.len = frame->len,
			.seqno = frame->seqno,
			.stream_num = frame->stream_num,
		};
		silent->data.ptr = sentry->samples + AST_FRIENDLY_OFFSET;
		memset(silent->data.ptr, byte, frame->datalen);
		if (ast_test_flag(frame, AST_FRFLAG_HAS_TIMING_INFO)) {
			ast_set_flag(silent, AST_FRFLAG_HAS_TIMING_INFO);
		}
	}
	if (event == AST_FRAMEHOOK_EVENT_READ) {
		ast_frfree(frame);
	}
	return silent;
}

#define SPIES (RECORDER_AUDIOHOOK | RECORDER_MONITOR)

/* Nobody may record what passes the channel in either direction. */
static void refuse_spies(struct sentry *sentry, struct ast_channel *chan, const char *origin)
{
	const struct recorder *recorder = NULL;

	while ((recorder = recorder_find(chan, SPIES, recorder))) {
		recorder_remove(chan, recorder);
		sentry_tell(sentry, chan, recorder, origin);
	}
}

static struct ast_frame *on_read(struct sentry *sentry, struct ast_channel *chan, struct ast_frame *frame)
{
	struct ast_bridge *bridge = ast_channel_internal_bridge(chan);
	const struct recorder *recorder;
	char origin[AST_MAX_UNIQUEID];

	if (!sentry_is_source(sentry, chan, origin)) {
		sentry_set_key(sentry, KEY_BRIDGE, "", "");
		if (bridge && recorder_find(chan, SPIES, NULL) && !recorder_find(chan, RECORDER_DRIVER, NULL) &&
			sentry_is_reached(sentry, KEY_BRIDGE, bridge->uniqueid, origin)) {
			refuse_spies(sentry, chan, origin);
		}
		return frame;
	}
	refuse_spies(sentry, chan, origin);
	if (!sentry_may_enter(sentry, chan, bridge, origin)) {
		return silence(sentry, frame, AST_FRAMEHOOK_EVENT_READ);
	}
	recorder = recorder_find(chan, RECORDER_APPLICATION, NULL);
	if (!recorder) {
		return frame;
	}
	if (!recorder->quiet) {
		sentry_tell(sentry, chan, recorder, origin);
	}
	return silence(sentry, frame, AST_FRAMEHOOK_EVENT_READ);
}

static struct ast_frame *on_write(struct sentry *sentry, struct ast_channel *chan, struct ast_frame *frame)
{
	struct ast_bridge *bridge = ast_channel_internal_bridge(chan);
	const struct recorder *recorder = recorder_find(chan, SPIES | RECORDER_DRIVER, NULL);
	char origin[AST_MAX_UNIQUEID] = "", pair[KEY_SIZE];
	bool reached;

	sentry_pair_of(chan, pair);
	if (!recorder && !*pair) {
		return frame;
	}
	reached = bridge && sentry_is_reached(sentry, KEY_BRIDGE, bridge->uniqueid, origin);
	sentry_set_key(sentry, KEY_PAIR, reached ? pair : "", origin);
	if (!reached && !sentry_is_source(sentry, chan, origin)) {
		return frame;
	}
	recorder = reached ? recorder_find(chan, RECORDER_DRIVER, NULL) : NULL;
	if (!recorder) {
		refuse_spies(sentry, chan, origin);
		return frame;
	}
	/* It may stay, and whoever spies on it: the source may leave the bridge. */
	sentry_tell(sentry, chan, recorder, origin);
	return silence(sentry, frame, AST_FRAMEHOOK_EVENT_WRITE);
}

static struct ast_frame *on_frame(
	struct ast_channel *chan, struct ast_frame *frame, enum ast_framehook_event event, void *data)
{
	if (!frame || (frame->frametype != AST_FRAME_VOICE && frame->frametype != AST_FRAME_VIDEO)) {
		return frame;
	}
	if (event == AST_FRAMEHOOK_EVENT_READ) {
		return on_read(data, chan, frame);
	}
	return event == AST_FRAMEHOOK_EVENT_WRITE ? on_write(data, chan, frame) : frame;
}

/* Another channel comes in this one's place, and its sentry with it. */
static void replaced(void *data, int id, struct ast_channel *old_chan, struct ast_channel *new_chan)
{
	struct sentry *sentry = data;

	(void)old_chan;
	sentry->gone = true;
	sentry_set_key(sentry, KEY_BRIDGE, "", "");
	sentry_set_key(sentry, KEY_PAIR, "", "");
	ast_framehook_detach(new_chan, id);
}

/* Who spies makes frames pass here by itself, so bridges may do as they please. */
static int consumes(void *data, enum ast_frame_type type)
{
	(void)data, (void)type;
	return 0;
}

const struct ast_framehook_interface sentry_hook = {
	.version = AST_FRAMEHOOK_INTERFACE_VERSION,
	.event_cb = on_frame,
	.destroy_cb = sentry_drop,
	.consume_cb = consumes,
	.chan_breakdown_cb = replaced,
};
