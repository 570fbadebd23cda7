/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The streams that are alive, and what they are called in a log.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/netsock2.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

static struct ao2_container *streams;
static int ever;

static int by_number(const void *left, const void *right, int flags)
{
	const struct ast_srtp *a = left, *b = right;

	(void)flags;
	return a->number < b->number ? -1 : a->number > b->number;
}

int streams_init(void)
{
	streams = ao2_container_alloc_rbtree(AO2_ALLOC_OPT_LOCK_MUTEX, 0, by_number, NULL);
	return streams ? 0 : -1;
}

void streams_done(void)
{
	ao2_cleanup(streams);
	streams = NULL;
}

static void stream_destroy(void *object)
{
	struct ast_srtp *stream = object;

	sealrtp_session_free(stream->session);
	ao2_cleanup(stream->zrtp.call);
}

static sealrtp_session *session_new(const sealrtp_config *config, bool demand_security)
{
	struct settings *settings = config_get();
	sealrtp_session *session = NULL;
	sealrtp_result result;

	if (!settings) {
		return NULL;
	}
	result = sealrtp_session_new(config ? config : settings->config, demand_security, &session);
	ao2_ref(settings, -1);
	if (result < 0) {
		ast_log(LOG_ERROR, "No SRTP session: %s\n", sealrtp_result_text(result));
		return NULL;
	}
	sealrtp_session_set_trace(session, report_any_trace());
	return session;
}

/* A stream that refuses everything until it has keys. Each one keeps the module loaded. The instance is
 * locked. */
struct ast_srtp *stream_new(struct ast_rtp_instance *rtp, const char *method)
{
	struct ast_srtp *stream;

	stream = ao2_alloc(sizeof(*stream), stream_destroy);
	if (!stream) {
		return NULL;
	}
	stream->session = session_new(NULL, true);
	if (!stream->session) {
		ao2_ref(stream, -1);
		return NULL;
	}
	stream->rtp = rtp;
	ast_rtp_instance_get_local_address(rtp, &stream->local);
	stream->method = method;
	stream->number = ast_atomic_fetchadd_int(&ever, 1) + 1;
	stream->since = ast_tvnow();
	stream->transport.fds[SEALRTP_RTP] = stream->transport.fds[SEALRTP_RTCP] = -1;
	if (!ao2_link(streams, stream)) {
		ao2_ref(stream, -1);
		return NULL;
	}
	ast_module_ref(AST_MODULE_SELF);
	return stream;
}

/* A session without keys in place of the one there is, by [general] where no configuration is given. The
 * stream is locked. */
int stream_renew(struct ast_srtp *stream, const sealrtp_config *config, bool demand_security)
{
	sealrtp_session *session = session_new(config, demand_security || stream->blocked);

	if (!session) {
		return -1;
	}
	sealrtp_session_free(stream->session);
	stream->session = session;
	return 0;
}

/* From here on nothing passes, and no ZRTP changes that. The stream is locked. */
void stream_block(struct ast_srtp *stream)
{
	stream->blocked = true;
	if (sealrtp_session_state(stream->session, SEALRTP_RTP) == SEALRTP_STATE_SECURE) {
		zrtp_stop(stream);
		if (!stream_renew(stream, NULL, true)) {
			return;
		}
	}
	sealrtp_session_demand_security(stream->session);
}

/* The stream of a channel's audio or video, with a reference, or NULL. The channel is locked. */
struct ast_srtp *stream_of_channel(struct ast_channel *chan, bool video)
{
	struct ast_rtp_glue *glue = ast_rtp_instance_get_glue(ast_channel_tech(chan)->type);
	struct ast_rtp_instance *rtp = NULL;
	struct ast_srtp *stream = NULL;

	if (!glue || !guard_is_active()) {
		return NULL;
	}
	if (video && glue->get_vrtp_info) {
		glue->get_vrtp_info(chan, &rtp);
	} else if (!video) {
		glue->get_rtp_info(chan, &rtp);
	}
	if (rtp) {
		/* The instance keeps it. */
		stream = ao2_bump(ast_rtp_instance_get_srtp(rtp, 0));
		ao2_ref(rtp, -1);
	}
	/* Bundled video shares the stream of audio. */
	if (stream && video && stream->dtls.bundled) {
		ao2_ref(stream, -1);
		stream = stream_of_channel(chan, false);
	}
	return stream;
}

/* The owner's last word: drops its reference. A timer may hold the stream for some time, but no keys. */
void stream_let_go(struct ast_srtp *stream)
{
	struct sdp_dialog *dialog;

	ao2_lock(stream);
	stream->rtp = NULL;
	sealrtp_session_free(stream->session);
	stream->session = NULL;
	dialog = stream->sdp.dialog;
	stream->sdp.dialog = NULL;
	ao2_unlock(stream);
	sdp_forget(dialog);
	passthrough_close(stream);
	ao2_unlink(streams, stream);
	ao2_ref(stream, -1);
	ast_module_unref(AST_MODULE_SELF);
}

void stream_set_channel(struct ast_srtp *stream, const char *name)
{
	ao2_lock(stream);
	ast_copy_string(stream->channel, name, sizeof(stream->channel));
	ao2_unlock(stream);
}

/* The call of an RTP instance; its port where chan_pjsip has not told the channel yet. Locks the instance. */
const char *rtp_call(struct ast_rtp_instance *rtp, char *text, size_t size)
{
	const char *id = ast_rtp_instance_get_channel_id(rtp);
	struct ast_sockaddr local;

	if (!ast_strlen_zero(id)) {
		snprintf(text, size, "channel %s", id);
	} else {
		ast_rtp_instance_get_local_address(rtp, &local);
		snprintf(text, size, "call on our RTP port %d", ast_sockaddr_port(&local));
	}
	return text;
}

/* The call of a locked stream. Locks nothing else: with bundled media the packet path holds another
 * instance's lock. */
const char *stream_call(const struct ast_srtp *stream, char *text, size_t size)
{
	const char *id = stream->rtp ? ast_rtp_instance_get_channel_id(stream->rtp) : "";

	snprintf(text, size, "channel %s (stream %u, RTP port %d)",
		S_OR(stream->channel, S_OR(id, "not yet known")), stream->number, ast_sockaddr_port(&stream->local));
	return text;
}

/* Unique id of the stream's channel, or "". */
void stream_channel_id(struct ast_srtp *stream, char *id, size_t size)
{
	ao2_lock(stream);
	ast_copy_string(id, stream->rtp ? ast_rtp_instance_get_channel_id(stream->rtp) : "", size);
	ao2_unlock(stream);
}

/* The channel as it is named now: transfers rename. Takes the channel's lock. */
void stream_channel_name(struct ast_srtp *stream, char *name, size_t size)
{
	char id[AST_MAX_UNIQUEID];
	struct ast_channel *chan;

	stream_channel_id(stream, id, sizeof(id));
	chan = ast_strlen_zero(id) ? NULL : ast_channel_get_by_name(id);
	if (chan) {
		ast_channel_lock(chan);
		ast_copy_string(name, ast_channel_name(chan), size);
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
		stream_set_channel(stream, name);
		return;
	}
	ao2_lock(stream);
	ast_copy_string(name, S_OR(stream->channel, "-"), size);
	ao2_unlock(stream);
}

/* Whether RTP passes, and how: a sealrtp_state. */
uint32_t stream_state(struct ast_srtp *stream)
{
	uint32_t state;

	ao2_lock(stream);
	state = sealrtp_session_state(stream->session, SEALRTP_RTP);
	ao2_unlock(stream);
	return state;
}

/* The container itself, oldest stream first. */
struct ao2_container *streams_all(void)
{
	return streams;
}

unsigned int streams_alive(void)
{
	return streams ? ao2_container_count(streams) : 0;
}

unsigned int streams_ever(void)
{
	return ast_atomic_fetchadd_int(&ever, 0);
}
