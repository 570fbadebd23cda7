/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What offer and answer decide comes to the streams of a call.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/utils.h"

#include "sdp_dialog.h"

/* The stream at an RTP port of ours, with a reference, or NULL. */
static struct ast_srtp *stream_at(uint32_t port)
{
	struct ao2_iterator iterator = ao2_iterator_init(streams_all(), 0);
	struct ast_srtp *stream;

	while ((stream = ao2_iterator_next(&iterator))) {
		if (stream->session && (uint32_t)ast_sockaddr_port(&stream->local) == port) {
			break;
		}
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
	return stream;
}

/* Gives the stream its share of the call's ZRTP, if the line may have it. No stream is locked. */
static void prepare_zrtp(struct sdp_dialog *dialog, struct ast_srtp *stream)
{
	struct ast_channel *chan = sdp_dialog_channel(dialog);

	if (chan) {
		zrtp_prepare(stream, dialog->settings, dialog->config, chan, dialog->initiated);
		ast_channel_unref(chan);
	}
}

/* What a line of ours says is taken from its stream. The dialog is locked. */
sealrtp_result sdp_streams_describe(struct sdp_dialog *dialog, uint32_t index, char *reason, size_t size)
{
	struct sealrtp_sdp_line line = {.size = sizeof(line)};
	sealrtp_result result = SEALRTP_OK;
	struct ast_srtp *stream;

	if (sealrtp_offer_answer_line(dialog->offer_answer, index, &line) != SEALRTP_OK || !line.rtp ||
		!line.port) {
		return SEALRTP_OK;
	}
	stream = stream_at(line.port);
	if (!stream) {
		snprintf(reason, size,
			"the media of port %u is not ours, so it cannot be secured: set direct_media=no", line.port);
		return SEALRTP_DONE;
	}
	ao2_cleanup(dialog->streams[index]);
	dialog->streams[index] = stream;
	sdp_dialog_adopt(dialog, stream);
	if (line.zrtp) {
		prepare_zrtp(dialog, stream);
	}
	ao2_lock(stream);
	if (stream->session) {
		result = sealrtp_offer_answer_describe(dialog->offer_answer, index, stream->session,
			line.zrtp ? zrtp_handle(stream) : NULL, stream->zrtp.ssrc, reason, size);
		zrtp_described(stream);
	}
	ao2_unlock(stream);
	return result;
}

/* Clear media passes from here on, where it did not before: the stream was blocked until the call was known,
 * or secured and policy lets go of that. The stream is locked. */
static void open_up(struct sdp_dialog *dialog, struct ast_srtp *stream)
{
	stream->method = METHOD_NONE;
	if (sealrtp_session_state(stream->session, SEALRTP_RTP) == SEALRTP_STATE_BYPASS ||
		sealrtp_config_demands(dialog->config) || stream_renew(stream, dialog->config, false)) {
		return;
	}
	stream->keyed = stream->has_dtls = stream->dtls.started = false;
}

/* What was decided for a stream shows in its flags, and begins. The stream is locked. */
static void follow(struct sdp_dialog *dialog, struct ast_srtp *stream, uint32_t method, bool answering)
{
	if (method == SEALRTP_METHOD_NONE) {
		return;
	}
	stream->sdp.awaited = false;
	stream->sdp.decided = method;
	switch (method) {
	case SEALRTP_METHOD_SDES:
		stream->method = METHOD_SDES;
		stream->keyed = true;
		stream->sdp.upgrade = stream->zrtp.used;
		if (!stream->sdp.upgrade) {
			zrtp_stop(stream);
		}
		break;
	case SEALRTP_METHOD_DTLS:
		dtls_decided(stream, answering);
		break;
	case SEALRTP_METHOD_ZRTP:
		zrtp_decided(stream);
		break;
	default:
		open_up(dialog, stream);
	}
}

/* The dialog is locked. */
static sealrtp_result apply(
	struct sdp_dialog *dialog, uint32_t index, bool answering, char *reason, size_t size)
{
	struct ast_srtp *stream = dialog->streams[index];
	uint32_t method = SEALRTP_METHOD_NONE;
	sealrtp_result result = SEALRTP_OK;

	if (!stream) {
		return SEALRTP_OK;
	}
	ao2_lock(stream);
	if (stream->session) {
		result = sealrtp_offer_answer_apply(dialog->offer_answer, index, stream->session, zrtp_handle(stream),
			stream->zrtp.ssrc, &method, reason, size);
		if (result >= 0) {
			zrtp_described(stream);
			follow(dialog, stream, method, answering);
		} else {
			sealrtp_session_demand_security(stream->session);
		}
	}
	ao2_unlock(stream);
	if (method != SEALRTP_METHOD_NONE) {
		zrtp_look_again(stream);
	}
	return result;
}

/* Media that is secured here comes through here: chan_pjsip, which knows nothing of it, would send it from
 * phone to phone. */
static void anchor(struct sdp_dialog *dialog)
{
	struct ast_channel *chan;
	bool secured = false;
	size_t index;

	for (index = 0; !secured && index < ARRAY_LEN(dialog->streams); index++) {
		const struct ast_srtp *stream = dialog->streams[index];

		secured = stream &&
				  (stream->sdp.decided == SEALRTP_METHOD_SDES || stream->sdp.decided == SEALRTP_METHOD_DTLS);
	}
	chan = secured ? sdp_dialog_channel(dialog) : NULL;
	if (chan) {
		ast_channel_lock(chan);
		channel_anchor(chan);
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
	}
}

sealrtp_result sdp_streams_apply(struct sdp_dialog *dialog, bool answering, char *reason, size_t size)
{
	sealrtp_result result = SEALRTP_OK;
	uint32_t index;

	for (index = 0; result >= 0 && index < ARRAY_LEN(dialog->streams); index++) {
		result = apply(dialog, index, answering, reason, size);
	}
	anchor(dialog);
	return result;
}

/* Whether policy lets the call's media pass in the clear, and nothing has secured it. The dialog is locked.
 */
bool sdp_streams_may_be_clear(struct sdp_dialog *dialog)
{
	bool clear = !sealrtp_config_demands(dialog->config);
	size_t index;

	for (index = 0; clear && index < ARRAY_LEN(dialog->streams); index++) {
		struct ast_srtp *stream = dialog->streams[index];

		if (stream) {
			ao2_lock(stream);
			clear = !stream->session ||
					sealrtp_session_state(stream->session, SEALRTP_RTP) == SEALRTP_STATE_BYPASS;
			ao2_unlock(stream);
		}
	}
	return clear;
}

/* Nothing clear passes any more. */
void sdp_streams_demand_security(struct sdp_dialog *dialog)
{
	size_t index;

	for (index = 0; index < ARRAY_LEN(dialog->streams); index++) {
		struct ast_srtp *stream = dialog->streams[index];

		if (stream) {
			ao2_lock(stream);
			if (stream->session) {
				sealrtp_session_demand_security(stream->session);
			}
			ao2_unlock(stream);
		}
	}
}
