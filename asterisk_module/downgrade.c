/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The downgrade watch: which end points had secured calls, and whether one of them has a clear call now.
 *
 * Kept in Asterisk's database, family sealrtp, per end point: when it was last secured, and how. Never keys.
 * Each channel that goes up is looked at until its audio is secured or is clear for good. What then becomes
 * of a clear call is the library's word.
 */

#include "asterisk.h"

#include "asterisk/astdb.h"
#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/cli.h"
#include "asterisk/localtime.h"
#include "asterisk/logger.h"
#include "asterisk/manager.h"
#include "asterisk/sched.h"
#include "asterisk/security_events.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define FAMILY "sealrtp"

/* How often and how long a channel is looked at: ZRTP's Hellos are unanswered after some seconds. */
#define LOOK_MS 500
#define LOOKS 60

#define ROW "%-48s %-12s %s\n"
#define WHEN_SIZE 20

static struct ast_sched_context *sched;

/* A channel whose audio is neither secured nor clear for good. */
struct candidate {
	char id[AST_MAX_UNIQUEID];
	int looks;
};

/* What is kept of an end point: "<seconds since 1970> <method>". */
struct memory {
	char when[WHEN_SIZE];
	char method[32];
};

static bool memory_read(const char *value, struct memory *memory)
{
	struct timeval at = {.tv_sec = 0};
	struct ast_tm broken;
	long long seconds;

	if (sscanf(value, "%lld %31s", &seconds, memory->method) != 2) {
		return false;
	}
	at.tv_sec = seconds;
	ast_strftime(memory->when, sizeof(memory->when), "%Y-%m-%dT%H:%M:%S", ast_localtime(&at, &broken, NULL));
	return true;
}

static bool recall(const char *endpoint, struct memory *memory)
{
	char value[64];

	return !ast_db_get(FAMILY, endpoint, value, sizeof(value)) && memory_read(value, memory);
}

/* A call of this channel's end point is secured. */
void downgrade_secured(const char *channel, const char *method)
{
	char endpoint[AST_CHANNEL_NAME], value[64];

	if (watch_endpoint(channel, endpoint, sizeof(endpoint))) {
		snprintf(value, sizeof(value), "%lld %.31s", (long long)ast_tvnow().tv_sec, method);
		ast_db_put(FAMILY, endpoint, value);
	}
}

enum found {
	GONE,
	NOT_YET,
	SECURED,
	CLEAR,
};

/* What a channel's audio has come to. The stream is locked. */
static enum found judge(const struct ast_srtp *stream, bool last)
{
	const struct zrtp *zrtp = &stream->zrtp;

	if (!stream->session) {
		return GONE;
	}
	if (passthrough_holds(stream)) {
		/* The phones' affair: nothing tells clear media from secured without keys. Or it will be ours. */
		return stream->passthrough.agreed_with ? SECURED : NOT_YET;
	}
	switch (sealrtp_session_state(stream->session, SEALRTP_RTP)) {
	case SEALRTP_STATE_SECURE:
		return SECURED;
	case SEALRTP_STATE_BYPASS:
		break;
	default:
		/* Nothing clear passes. */
		return NOT_YET;
	}
	if (last || stream->sdp.decided == SEALRTP_METHOD_CLEAR || !stream->zrtp_candidate || zrtp->stopped ||
		zrtp->unanswered || zrtp->failed) {
		return CLEAR;
	}
	return zrtp->settled && zrtp->rule == SEALRTP_ZRTP_NO ? CLEAR : NOT_YET;
}

/* The channel's audio, with a reference, or NULL; false if the channel is not to be looked at again. */
static bool get_audio(struct ast_channel *chan, struct ast_rtp_instance **rtp)
{
	struct ast_rtp_glue *glue;
	bool up;

	*rtp = NULL;
	ast_channel_lock(chan);
	up = ast_channel_state(chan) == AST_STATE_UP && !ast_check_hangup(chan);
	glue = ast_rtp_instance_get_glue(ast_channel_tech(chan)->type);
	if (up && glue) {
		glue->get_rtp_info(chan, rtp);
	}
	ast_channel_unlock(chan);
	return up && glue;
}

static const char *const consequences[] = {
	[SEALRTP_CONSEQUENCE_HANGUP] = "Hangup",
	[SEALRTP_CONSEQUENCE_BLOCK] = "Block",
	[SEALRTP_CONSEQUENCE_CONTINUE] = "Continue",
};

static void security_event(struct ast_channel *chan, struct ast_rtp_instance *rtp, const char *reason)
{
	struct ast_sockaddr local, remote;
	struct ast_security_event_req_not_allowed event = {
		.common.event_type = AST_SECURITY_EVENT_REQ_NOT_ALLOWED,
		.common.version = AST_SECURITY_EVENT_REQ_NOT_ALLOWED_VERSION,
		.common.service = "SealRTP",
		.common.module = AST_MODULE,
		.common.account_id = ast_channel_name(chan),
		.common.session_id = ast_channel_uniqueid(chan),
		.common.local_addr = {&local, AST_TRANSPORT_UDP},
		.common.remote_addr = {&remote, AST_TRANSPORT_UDP},
		.request_type = "Downgrade",
		.request_params = reason,
	};

	ast_rtp_instance_get_local_address(rtp, &local);
	ast_rtp_instance_get_remote_address(rtp, &remote);
	ast_security_event_report(AST_SEC_EVT(&event));
}

/* The call is clear, and calls of its end point were not. */
static void tell(struct ast_channel *chan, struct ast_rtp_instance *rtp, struct ast_srtp *stream,
	const char *endpoint, const struct memory *memory)
{
	uint32_t consequence = report_consequence(ast_channel_name(chan), SEALRTP_FAILURE_DOWNGRADE);
	char reason[REASON_SIZE];

	if (consequence == SEALRTP_CONSEQUENCE_NOTHING) {
		return;
	}
	if (consequence == SEALRTP_CONSEQUENCE_BLOCK && !stream) {
		/* There is nothing of ours to block it with. */
		consequence = SEALRTP_CONSEQUENCE_HANGUP;
	}
	snprintf(reason, sizeof(reason), "the call is clear, but the last secured call of %s was by %s at %s",
		endpoint, memory->method, memory->when);
	ast_log(LOG_WARNING,
		"%s%s: %s. Somebody may suppress its security, or the phone was set to do without; if that is "
		"meant: "
		"sealrtp forget endpoint %s. What becomes of such calls: on_failure in sealrtp.conf\n",
		consequence == SEALRTP_CONSEQUENCE_HANGUP  ? "Hanging up "
		: consequence == SEALRTP_CONSEQUENCE_BLOCK ? "Blocking "
												   : "",
		ast_channel_name(chan), reason, endpoint);
	security_event(chan, rtp, reason);
	manager_event(EVENT_FLAG_CALL | EVENT_FLAG_SECURITY, "SealRTPDowngrade",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Endpoint: %s\r\n"
		"Method: %s\r\n"
		"LastSecured: %s\r\n"
		"Consequence: %s\r\n",
		ast_channel_name(chan), ast_channel_uniqueid(chan), endpoint, memory->method, memory->when,
		consequences[consequence]);
	if (consequence == SEALRTP_CONSEQUENCE_BLOCK) {
		ao2_lock(stream);
		stream_block(stream);
		ao2_unlock(stream);
	} else if (consequence == SEALRTP_CONSEQUENCE_HANGUP) {
		report_failed(chan, memory->method, reason, true);
	}
}

/* True if the channel must be looked at again. */
static bool look(const char *id, bool last)
{
	struct ast_channel *chan = ast_channel_get_by_name(id);
	struct ast_rtp_instance *rtp = NULL;
	struct ast_srtp *stream = NULL;
	enum found found = GONE;
	char endpoint[AST_CHANNEL_NAME];
	struct memory memory;
	const char *method = "";

	if (!chan) {
		return false;
	}
	if (get_audio(chan, &rtp)) {
		found = NOT_YET;
	}
	if (rtp) {
		found = CLEAR;
		ast_channel_lock(chan);
		stream = stream_of_channel(chan, false);
		ast_channel_unlock(chan);
	}
	if (stream) {
		ao2_lock(stream);
		found = judge(stream, last);
		method = passthrough_holds(stream) ? METHOD_ZRTP : stream->method;
		ao2_unlock(stream);
	}
	if (found == SECURED) {
		downgrade_secured(ast_channel_name(chan), method);
	} else if (found == CLEAR && watch_endpoint(ast_channel_name(chan), endpoint, sizeof(endpoint)) &&
			   recall(endpoint, &memory)) {
		tell(chan, rtp, stream, endpoint, &memory);
	}
	ao2_cleanup(stream);
	ao2_cleanup(rtp);
	ast_channel_unref(chan);
	return found == NOT_YET && !last;
}

static int look_again(const void *data)
{
	struct candidate *candidate = (struct candidate *)data;

	if (look(candidate->id, --candidate->looks == 0)) {
		return LOOK_MS;
	}
	ast_free(candidate);
	return 0;
}

/* A channel has gone up. Its media may change over in this moment: it is looked at a little later. */
void downgrade_watch(const char *name, const char *id)
{
	struct candidate *candidate;

	if (!watch_endpoint(name, NULL, 0) || !(candidate = ast_calloc(1, sizeof(*candidate)))) {
		return;
	}
	ast_copy_string(candidate->id, id, sizeof(candidate->id));
	candidate->looks = LOOKS;
	if (ast_sched_add(sched, LOOK_MS, look_again, candidate) < 0) {
		ast_free(candidate);
	}
}

/* The end point of an entry's key, /sealrtp/PJSIP/alice. */
static const char *endpoint_of(const struct ast_db_entry *entry)
{
	size_t prefix = strlen("/" FAMILY "/");

	return strlen(entry->key) > prefix ? entry->key + prefix : "";
}

static char *complete(const char *word, int state)
{
	struct ast_db_entry *all = ast_db_gettree(FAMILY, NULL), *entry;
	char *found = NULL;

	for (entry = all; entry && !found; entry = entry->next) {
		if (!strncasecmp(endpoint_of(entry), word, strlen(word)) && state-- == 0) {
			found = ast_strdup(endpoint_of(entry));
		}
	}
	ast_db_freetree(all);
	return found;
}

static char *show(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	struct ast_db_entry *all, *each;
	unsigned int shown = 0;
	struct memory memory;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp show endpoints";
		entry->usage = "Usage: sealrtp show endpoints\n"
					   "       Lists the end points that have had a secured call: by which method and when "
					   "the last one\n"
					   "       was. A clear call of one of them is told as a downgrade.\n";
		return NULL;
	case CLI_GENERATE:
		return NULL;
	}
	if (args->argc != entry->args) {
		return CLI_SHOWUSAGE;
	}
	ast_cli(args->fd, ROW, "Endpoint", "Method", "Last-Secured");
	all = ast_db_gettree(FAMILY, NULL);
	for (each = all; each; each = each->next) {
		if (memory_read(each->data, &memory)) {
			ast_cli(args->fd, ROW, endpoint_of(each), memory.method, memory.when);
			shown++;
		}
	}
	ast_db_freetree(all);
	ast_cli(args->fd, "%u end point%s\n", shown, ESS(shown));
	return CLI_SUCCESS;
}

/* Of the drivers that have an end point of this name: alice is PJSIP/alice and SIP/alice. */
static bool forget(const char *endpoint)
{
	struct ast_db_entry *all = ast_db_gettree(FAMILY, NULL), *entry;
	bool found = false;

	for (entry = all; entry; entry = entry->next) {
		const char *name = endpoint_of(entry), *bare = strchr(name, '/');

		if (!strcasecmp(name, endpoint) || (bare && !strcasecmp(bare + 1, endpoint))) {
			found |= !ast_db_del(FAMILY, name);
		}
	}
	ast_db_freetree(all);
	return found;
}

static char *forget_endpoint(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp forget endpoint";
		entry->usage =
			"Usage: sealrtp forget endpoint <name>\n"
			"       Forgets that an end point, as PJSIP/alice or alice, had secured calls: its next clear "
			"call is\n"
			"       no downgrade. Whatever is secured later is remembered again.\n";
		return NULL;
	case CLI_GENERATE:
		return args->pos == entry->args ? complete(args->word, args->n) : NULL;
	}
	if (args->argc != entry->args + 1) {
		return CLI_SHOWUSAGE;
	}
	if (!forget(args->argv[entry->args])) {
		ast_cli(args->fd, "No secured call of %s is remembered\n", args->argv[entry->args]);
		return CLI_FAILURE;
	}
	ast_cli(args->fd, "%s is forgotten\n", args->argv[entry->args]);
	return CLI_SUCCESS;
}

static struct ast_cli_entry commands[] = {
	AST_CLI_DEFINE(show, "List end points that had secured calls"),
	AST_CLI_DEFINE(forget_endpoint, "Forget that an end point had secured calls"),
};

int downgrade_start(void)
{
	sched = ast_sched_context_create();
	if (!sched || ast_sched_start_thread(sched)) {
		return -1;
	}
	return ast_cli_register_multiple(commands, ARRAY_LEN(commands));
}

static int free_candidate(const void *data)
{
	ast_free((void *)data);
	return 0;
}

/* Nobody calls downgrade_watch() any more. */
void downgrade_stop(void)
{
	ast_cli_unregister_multiple(commands, ARRAY_LEN(commands));
	if (sched) {
		ast_sched_clean_by_callback(sched, look_again, free_candidate);
		ast_sched_context_destroy(sched);
		sched = NULL;
	}
}
