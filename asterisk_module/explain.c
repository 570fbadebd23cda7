/* SPDX-License-Identifier: GPL-2.0-only
 *
 * sealrtp explain: which rule led to each step of a call, from offer to keys; of calls that are up and of the
 * last ones that have ended or were refused.
 */

#include "asterisk.h"

#include "asterisk/channel.h"
#include "asterisk/cli.h"
#include "asterisk/linkedlists.h"
#include "asterisk/lock.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* Calls that are remembered after their end. */
#define KEPT_MAX 64
#define TIME_SIZE 32

struct kept {
	AST_LIST_ENTRY(kept) next;
	struct timeval ended;
	char channel[AST_CHANNEL_NAME];
	char endpoint[AST_CHANNEL_NAME];
	char steps[0];
};

/* The oldest first. */
static AST_LIST_HEAD_STATIC(history, kept);
static unsigned int count;

/* A call has ended, or came to nothing: the library's steps of it. */
void explain_keep(const char *channel, const char *endpoint, const char *steps)
{
	struct kept *kept = ast_calloc(1, sizeof(*kept) + strlen(steps) + 1), *oldest = NULL;

	if (!kept) {
		return;
	}
	kept->ended = ast_tvnow();
	ast_copy_string(kept->channel, channel, sizeof(kept->channel));
	ast_copy_string(kept->endpoint, endpoint, sizeof(kept->endpoint));
	strcpy(kept->steps, steps); /* SAFE */
	AST_LIST_LOCK(&history);
	AST_LIST_INSERT_TAIL(&history, kept, next);
	if (++count > KEPT_MAX) {
		oldest = AST_LIST_REMOVE_HEAD(&history, next);
		count--;
	}
	AST_LIST_UNLOCK(&history);
	ast_free(oldest);
}

static void print_steps(int fd, char *steps)
{
	unsigned int number = 0;
	char *line;

	while ((line = strsep(&steps, "\n"))) {
		if (!ast_strlen_zero(line)) {
			ast_cli(fd, "%3u. %s\n", ++number, line);
		}
	}
}

static const char *passes(struct ast_srtp *stream)
{
	switch (stream_state(stream)) {
	case SEALRTP_STATE_BYPASS:
		return "media passes in the clear";
	case SEALRTP_STATE_SECURE:
		return "media is secured both ways";
	default:
		return "nothing passes until there are keys";
	}
}

/* Who decides over the keys where no description of the call is ours. */
static const char *who_decides(struct ast_srtp *stream)
{
	return stream->has_dtls || stream->keyed
			   ? "the end point's media_encryption (encryption, dtlsenable in sip.conf) decided over offer "
				 "and answer"
			   : "offer and answer were left as they are: see offer and accept of the end point's policy";
}

static void explain_stream(int fd, struct ast_srtp *stream, const char *channel)
{
	char *steps = ast_malloc(EXPLAIN_SIZE);

	if (!steps) {
		return;
	}
	ast_cli(fd, "Stream %u of %s, our RTP address %s\n", stream->number, channel,
		ast_sockaddr_stringify(&stream->local));
	if (sdp_explain(stream, steps, EXPLAIN_SIZE)) {
		print_steps(fd, steps);
	} else {
		ast_cli(fd, "     %s\n", who_decides(stream));
	}
	ast_cli(fd, "     Now: keys by %s, %s\n", stream->method, passes(stream));
	ast_free(steps);
}

static unsigned int explain_calls(int fd, const char *wanted)
{
	struct ao2_iterator iterator = ao2_iterator_init(streams_all(), 0);
	char channel[AST_CHANNEL_NAME], endpoint[AST_CHANNEL_NAME];
	struct ast_srtp *stream;
	unsigned int shown = 0;

	while ((stream = ao2_iterator_next(&iterator))) {
		stream_channel_name(stream, channel, sizeof(channel));
		if (!strcasecmp(channel, wanted) ||
			(watch_endpoint(channel, endpoint, sizeof(endpoint)) && !strcasecmp(endpoint, wanted))) {
			explain_stream(fd, stream, channel);
			shown++;
		}
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
	return shown;
}

static unsigned int explain_history(int fd, const char *wanted)
{
	unsigned int shown = 0;
	struct kept *kept;

	AST_LIST_LOCK(&history);
	AST_LIST_TRAVERSE(&history, kept, next)
	{
		char when[TIME_SIZE], *steps;
		struct ast_tm tm;

		if (strcasecmp(kept->channel, wanted) && strcasecmp(kept->endpoint, wanted)) {
			continue;
		}
		ast_localtime(&kept->ended, &tm, NULL);
		ast_strftime(when, sizeof(when), "%F %T", &tm);
		ast_cli(fd, "%s, ended %s\n", S_OR(kept->channel, kept->endpoint), when);
		steps = ast_strdup(kept->steps);
		if (steps) {
			print_steps(fd, steps);
			ast_free(steps);
		}
		shown++;
	}
	AST_LIST_UNLOCK(&history);
	return shown;
}

static char *explain(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	const char *wanted;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp explain";
		entry->usage = "Usage: sealrtp explain <channel>|<end point>\n"
					   "       Tells why a call is secured as it is, or is not: each step from offer to keys "
					   "with the rule that\n"
					   "       led to it. With an end point, as PJSIP/alice, all of its calls that are up, "
					   "and those of the last\n"
					   "       64 calls that have ended or were refused.\n";
		return NULL;
	case CLI_GENERATE:
		return ast_complete_channels(args->line, args->word, args->pos, args->n, entry->args);
	}
	if (args->argc != entry->args + 1) {
		return CLI_SHOWUSAGE;
	}
	wanted = args->argv[entry->args];
	if (!(explain_history(args->fd, wanted) + explain_calls(args->fd, wanted))) {
		ast_cli(args->fd, "No call of %s is up or was among the last %d\n", wanted, KEPT_MAX);
	}
	return CLI_SUCCESS;
}

static struct ast_cli_entry commands[] = {
	AST_CLI_DEFINE(explain, "Tell why a call is secured as it is"),
};

int explain_start(void)
{
	return ast_cli_register_multiple(commands, ARRAY_LEN(commands));
}

void explain_stop(void)
{
	struct kept *kept;

	ast_cli_unregister_multiple(commands, ARRAY_LEN(commands));
	AST_LIST_LOCK(&history);
	while ((kept = AST_LIST_REMOVE_HEAD(&history, next))) {
		ast_free(kept);
	}
	count = 0;
	AST_LIST_UNLOCK(&history);
}
