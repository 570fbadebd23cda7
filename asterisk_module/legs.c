/* SPDX-License-Identifier: GPL-2.0-only
 *
 * A leg that may be passed through: its stream, its policy, its codecs.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/format.h"
#include "asterisk/format_cap.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "legs.h"
#include "res_sealrtp.h"

void leg_free(struct leg *leg)
{
	size_t index;

	for (index = 0; index < leg->count; index++) {
		ao2_cleanup(leg->codecs[index].format);
	}
	ao2_cleanup(leg->stream);
	memset(leg, 0, sizeof(*leg));
}

/* The channel is locked. */
static void get_codecs(struct leg *leg, struct ast_channel *chan, struct ast_rtp_instance *rtp, bool video)
{
	struct ast_format_cap *formats = ast_channel_nativeformats(chan);
	struct ast_rtp_codecs *codecs = ast_rtp_instance_get_codecs(rtp);
	size_t index, total = formats ? ast_format_cap_count(formats) : 0;

	for (index = 0; index < total && leg->count < MAX_FORMATS; index++) {
		struct ast_format *format = ast_format_cap_get_format(formats, index);
		struct codec *codec = &leg->codecs[leg->count];

		if (format && ast_format_get_type(format) == (video ? AST_MEDIA_TYPE_VIDEO : AST_MEDIA_TYPE_AUDIO)) {
			codec->format = format;
			codec->receives = ast_rtp_codecs_payload_code(codecs, 1, format, 0);
			codec->sends = ast_rtp_codecs_payload_code_tx(codecs, 1, format, 0);
			leg->count++;
		} else {
			ao2_cleanup(format);
		}
	}
	leg->dtmf = ast_rtp_codecs_payload_code_tx(codecs, 0, NULL, AST_RTP_DTMF);
}

static void get_facts(struct leg *leg)
{
	struct ast_srtp *stream = leg->stream;

	ao2_lock(stream);
	leg->facts.id = stream->number;
	leg->facts.agreed_with = stream->passthrough.agreed_with;
	leg->facts.mode = !stream->zrtp.settled										  ? SEALRTP_LEG_UNKNOWN
					  : passthrough_holds(stream) && !stream->passthrough.refused ? SEALRTP_LEG_PASSTHROUGH
																				  : SEALRTP_LEG_ENDPOINT;
	leg->facts.demand_security = zrtp_demands(stream);
	leg->facts.keyed = stream->keyed || stream->zrtp.started || stream->zrtp_secured || dtls_serves(stream) ||
					   stream->dtls.bundled;
	ao2_unlock(stream);
}

/* False if the channel has no such media of ours. */
bool leg_get(struct leg *leg, struct ast_channel *chan, bool video)
{
	struct ast_rtp_glue *glue;
	struct ast_rtp_instance *rtp = NULL;

	memset(leg, 0, sizeof(*leg));
	ast_channel_lock(chan);
	ast_copy_string(leg->channel, ast_channel_name(chan), sizeof(leg->channel));
	ast_copy_string(leg->id, ast_channel_uniqueid(chan), sizeof(leg->id));
	leg->up = ast_channel_state(chan) == AST_STATE_UP;
	leg->stream = stream_of_channel(chan, video);
	glue = leg->stream ? ast_rtp_instance_get_glue(ast_channel_tech(chan)->type) : NULL;
	if (glue && video && glue->get_vrtp_info) {
		glue->get_vrtp_info(chan, &rtp);
	} else if (glue && !video) {
		glue->get_rtp_info(chan, &rtp);
	}
	if (rtp) {
		get_codecs(leg, chan, rtp, video);
		ao2_ref(rtp, -1);
	}
	ast_channel_unlock(chan);
	if (!leg->stream) {
		return false;
	}
	get_facts(leg);
	return true;
}

static const struct codec *find_codec(const struct leg *leg, const struct ast_format *format)
{
	size_t index;

	for (index = 0; index < leg->count; index++) {
		if (ast_format_cmp(leg->codecs[index].format, format) != AST_FORMAT_CMP_NOT_EQUAL) {
			return &leg->codecs[index];
		}
	}
	return NULL;
}

static bool is_codec(const struct leg *leg, int payload)
{
	size_t index;

	for (index = 0; index < leg->count; index++) {
		if (payload >= 0 && leg->codecs[index].sends == payload) {
			return true;
		}
	}
	return false;
}

/* Whether what either phone may send means the same to the other. Digits may not come through: many phones
 * have a payload type of their own for them, and what a phone does not know it drops. */
bool leg_same_codecs(const struct leg *left, const struct leg *right)
{
	size_t index;

	if (!left->count || left->count != right->count) {
		return false;
	}
	for (index = 0; index < left->count; index++) {
		const struct codec *here = &left->codecs[index], *there = find_codec(right, here->format);

		if (!there || here->receives != there->sends || there->receives != here->sends) {
			return false;
		}
	}
	return !is_codec(left, right->dtmf) && !is_codec(right, left->dtmf);
}
