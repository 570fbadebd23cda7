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
}

/* A stream that refuses everything until it has keys. Each one keeps the module loaded. The instance is
 * locked. */
struct ast_srtp *stream_new(struct ast_rtp_instance *rtp, const char *method)
{
	struct settings *settings = config_get();
	struct ast_srtp *stream;
	int32_t result;

	if (!settings) {
		return NULL;
	}
	stream = ao2_alloc(sizeof(*stream), stream_destroy);
	if (!stream) {
		ao2_ref(settings, -1);
		return NULL;
	}
	result = sealrtp_session_new(settings->config, 1, &stream->session);
	ao2_ref(settings, -1);
	if (result < 0) {
		ast_log(LOG_ERROR, "No stream for %p: %s\n", rtp, sealrtp_result_text(result));
		ao2_ref(stream, -1);
		return NULL;
	}
	stream->rtp = rtp;
	ast_rtp_instance_get_local_address(rtp, &stream->local);
	stream->method = method;
	stream->number = ast_atomic_fetchadd_int(&ever, 1) + 1;
	stream->since = ast_tvnow();
	if (!ao2_link(streams, stream)) {
		ao2_ref(stream, -1);
		return NULL;
	}
	ast_module_ref(AST_MODULE_SELF);
	return stream;
}

/* The owner's last word: drops its reference. */
void stream_let_go(struct ast_srtp *stream)
{
	ao2_lock(stream);
	stream->rtp = NULL;
	ao2_unlock(stream);
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
