/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Tells that a recorder was refused: log, security event, manager event.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/manager.h"
#include "asterisk/netsock2.h"
#include "asterisk/security_events.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

struct refusal {
	const struct recorder *recorder;
	char channel[AST_CHANNEL_NAME];
	char id[AST_MAX_UNIQUEID];
	/* Unique id of the channel whose end point refuses. */
	char origin[AST_MAX_UNIQUEID];
};

/* The media addresses of the channel that refuses, and its name. */
static void look_at_source(
	const char *id, char *name, size_t size, struct ast_sockaddr *local, struct ast_sockaddr *remote)
{
	struct ast_channel *chan = ast_channel_get_by_name(id);
	struct ast_srtp *stream = NULL;

	memset(local, 0, sizeof(*local));
	memset(remote, 0, sizeof(*remote));
	if (chan) {
		ast_channel_lock(chan);
		ast_copy_string(name, ast_channel_name(chan), size);
		stream = stream_of_channel(chan, false);
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
	}
	if (stream) {
		ao2_lock(stream);
		ast_sockaddr_copy(local, &stream->local);
		ast_sockaddr_copy(remote, &stream->transport.remote[SEALRTP_RTP]);
		ao2_unlock(stream);
		ao2_ref(stream, -1);
	}
}

static int tell(void *data)
{
	struct refusal *refusal = data;
	char source[AST_CHANNEL_NAME] = "a channel that has ended";
	struct ast_sockaddr local, remote;
	struct ast_security_event_req_not_allowed event = {
		.common.event_type = AST_SECURITY_EVENT_REQ_NOT_ALLOWED,
		.common.version = AST_SECURITY_EVENT_REQ_NOT_ALLOWED_VERSION,
		.common.service = "SealRTP",
		.common.module = AST_MODULE,
		.common.account_id = refusal->channel,
		.common.session_id = refusal->id,
		.common.local_addr = {&local, AST_TRANSPORT_UDP},
		.common.remote_addr = {&remote, AST_TRANSPORT_UDP},
		.request_type = "Recording",
		.request_params = refusal->recorder->name,
	};

	look_at_source(refusal->origin, source, sizeof(source), &local, &remote);
	ast_log(LOG_WARNING,
		"%s: %s gets silence, since the policy of %s has recording = refuse. Stop recording such calls, or "
		"set "
		"recording = allow or disclose in sealrtp.conf\n",
		refusal->channel, refusal->recorder->name, source);
	ast_security_event_report(AST_SEC_EVT(&event));
	manager_event(EVENT_FLAG_CALL, "SealRTPRecordingRefused",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Recorder: %s\r\n"
		"RefusedBy: %s\r\n",
		refusal->channel, refusal->id, refusal->recorder->name, source);
	ast_free(refusal);
	return 0;
}

/* A recorder of the channel gets silence; `origin` is the unique id of the channel whose end point refuses.
 * The channel is locked. */
void refusal_tell(struct ast_channel *chan, const struct recorder *recorder, const char *origin)
{
	struct refusal *refusal = ast_calloc(1, sizeof(*refusal));

	if (!refusal) {
		return;
	}
	refusal->recorder = recorder;
	ast_copy_string(refusal->channel, ast_channel_name(chan), sizeof(refusal->channel));
	ast_copy_string(refusal->id, ast_channel_uniqueid(chan), sizeof(refusal->id));
	ast_copy_string(refusal->origin, origin, sizeof(refusal->origin));
	if (report_task(tell, refusal)) {
		ast_free(refusal);
	}
}
