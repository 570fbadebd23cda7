/* SPDX-License-Identifier: GPL-2.0-only
 *
 * sealrtp zrtp show [<zid>] | verify <zid> [no] | forget <zid> | name <zid> <name>: the cache of peers
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/cli.h"
#include "asterisk/localtime.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* The words of a row have no spaces but in the name, which is last. */
#define ROW "%-24s %-8s %-8s %-19s %-19s %-19s %-16s %s\n"
#define WHEN_SIZE 20

static const char *when(int64_t seconds, char *text)
{
	struct timeval at = {.tv_sec = seconds};
	struct ast_tm broken;

	if (!seconds) {
		return "never";
	}
	ast_strftime(text, WHEN_SIZE, "%Y-%m-%dT%H:%M:%S", ast_localtime(&at, &broken, NULL));
	return text;
}

/* The cache that calls use now, with a reference; says so where there is none. */
static struct zid *open_cache(int fd)
{
	struct settings *settings = config_get();
	struct zid *zid = settings ? ao2_bump(settings->zid) : NULL;

	ao2_cleanup(settings);
	if (!zid && fd >= 0) {
		ast_cli(fd, "Nobody has ZRTP: see zrtp in sealrtp.conf\n");
	}
	return zid;
}

/* The one ZID that the CLI asks for, of those that begin with a word. */
struct completion {
	const char *word;
	int wanted;
	char *found;
};

static void complete_peer(void *data, const sealrtp_zrtp_peer *peer)
{
	struct completion *completion = data;

	if (!strncasecmp(peer->zid, completion->word, strlen(completion->word)) && completion->wanted-- == 0) {
		completion->found = ast_strdup(peer->zid);
	}
}

static char *complete(const char *word, int state)
{
	struct completion completion = {.word = word, .wanted = state};
	struct zid *zid = open_cache(-1);

	if (zid) {
		sealrtp_zrtp_peers(zid->zrtp, complete_peer, &completion);
		ao2_ref(zid, -1);
	}
	return completion.found;
}

static char *unknown(int fd, const char *peer, sealrtp_result result)
{
	if (result == SEALRTP_DONE) {
		ast_cli(fd, "No peer %s in the cache\n", peer);
	} else {
		ast_cli(fd, "%s: %s\n", peer, sealrtp_result_text(result));
	}
	return CLI_FAILURE;
}

struct listing {
	int fd;
	/* Only this one, or NULL. */
	const char *zid;
	unsigned int shown;
};

static void show_peer(void *data, const sealrtp_zrtp_peer *peer)
{
	struct listing *listing = data;
	char texts[3][WHEN_SIZE];

	if (listing->zid && strcasecmp(peer->zid, listing->zid)) {
		return;
	}
	ast_cli(listing->fd, ROW, peer->zid, AST_CLI_YESNO(peer->verified), AST_CLI_YESNO(peer->enrolled),
		when(peer->first_seen, texts[0]), when(peer->last_seen, texts[1]), when(peer->expires, texts[2]),
		S_OR(peer->number, "-"), peer->name);
	listing->shown++;
}

static char *zrtp_show(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	struct listing listing = {.fd = -1};
	sealrtp_result result;
	char ours[32] = "";
	struct zid *zid;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp zrtp show";
		entry->usage =
			"Usage: sealrtp zrtp show [<zid>]\n"
			"       Our ZID, and the peers that secrets are kept of, the latest first: whether users have\n"
			"       compared the SAS, whether the peer is enrolled at this PBX, first and last call, when "
			"the\n"
			"       secret expires, the number under which the peer knows us (\"from:\" before it when we "
			"called;\n"
			"       - is our own ZID), and the peer's name.\n";
		return NULL;
	case CLI_GENERATE:
		return args->pos == entry->args ? complete(args->word, args->n) : NULL;
	}
	if (args->argc > entry->args + 1) {
		return CLI_SHOWUSAGE;
	}
	zid = open_cache(args->fd);
	if (!zid) {
		return CLI_SUCCESS;
	}
	sealrtp_zrtp_zid(zid->zrtp, ours, sizeof(ours));
	ast_cli(args->fd, "Our ZID %s, cache %s\n", ours, S_OR(zid->path, "in memory"));
	ast_cli(args->fd, ROW, "ZID", "Verified", "Enrolled", "First", "Last", "Expires", "Number", "Name");
	listing.fd = args->fd;
	listing.zid = args->argc > entry->args ? args->argv[entry->args] : NULL;
	result = sealrtp_zrtp_peers(zid->zrtp, show_peer, &listing);
	if (result < 0) {
		ast_cli(args->fd, "The cache cannot be read: %s\n", sealrtp_result_text(result));
	}
	ast_cli(args->fd, "%u peer%s\n", listing.shown, ESS(listing.shown));
	ao2_ref(zid, -1);
	return CLI_SUCCESS;
}

static char *zrtp_verify(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	uint32_t verified = 1;
	sealrtp_result result;
	struct zid *zid;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp zrtp verify";
		entry->usage =
			"Usage: sealrtp zrtp verify <zid> [no]\n"
			"       Says that the SAS was compared with this peer; no: that it was not, or differed.\n";
		return NULL;
	case CLI_GENERATE:
		if (args->pos == entry->args) {
			return complete(args->word, args->n);
		}
		return args->pos == entry->args + 1 && !args->n ? ast_strdup("no") : NULL;
	}
	if (args->argc == entry->args + 2 && !strcasecmp(args->argv[entry->args + 1], "no")) {
		verified = 0;
	} else if (args->argc != entry->args + 1) {
		return CLI_SHOWUSAGE;
	}
	zid = open_cache(args->fd);
	if (!zid) {
		return CLI_FAILURE;
	}
	result = sealrtp_zrtp_verify_peer(zid->zrtp, args->argv[entry->args], verified);
	ao2_ref(zid, -1);
	if (result != SEALRTP_OK) {
		return unknown(args->fd, args->argv[entry->args], result);
	}
	ast_cli(args->fd, "%s is %sverified\n", args->argv[entry->args], verified ? "" : "not ");
	return CLI_SUCCESS;
}

static char *zrtp_forget(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	sealrtp_result result;
	struct zid *zid;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp zrtp forget";
		entry->usage = "Usage: sealrtp zrtp forget <zid>\n"
					   "       Takes a peer out of the cache with all its secrets. Its next call is like the "
					   "first one;\n"
					   "       the peer itself, which has not forgotten us, will warn its user.\n";
		return NULL;
	case CLI_GENERATE:
		return args->pos == entry->args ? complete(args->word, args->n) : NULL;
	}
	if (args->argc != entry->args + 1) {
		return CLI_SHOWUSAGE;
	}
	zid = open_cache(args->fd);
	if (!zid) {
		return CLI_FAILURE;
	}
	result = sealrtp_zrtp_forget_peer(zid->zrtp, args->argv[entry->args]);
	ao2_ref(zid, -1);
	if (result != SEALRTP_OK) {
		return unknown(args->fd, args->argv[entry->args], result);
	}
	ast_cli(args->fd, "%s is forgotten\n", args->argv[entry->args]);
	return CLI_SUCCESS;
}

static char *zrtp_name(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	char name[256] = "";
	sealrtp_result result;
	struct zid *zid;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp zrtp name";
		entry->usage = "Usage: sealrtp zrtp name <zid> <name>\n"
					   "       Gives a peer a name, of at most 64 bytes.\n";
		return NULL;
	case CLI_GENERATE:
		return args->pos == entry->args ? complete(args->word, args->n) : NULL;
	}
	if (args->argc < entry->args + 2) {
		return CLI_SHOWUSAGE;
	}
	ast_join(name, sizeof(name), args->argv + entry->args + 1);
	zid = open_cache(args->fd);
	if (!zid) {
		return CLI_FAILURE;
	}
	result = sealrtp_zrtp_name_peer(zid->zrtp, args->argv[entry->args], name);
	ao2_ref(zid, -1);
	if (result != SEALRTP_OK) {
		return unknown(args->fd, args->argv[entry->args], result);
	}
	ast_cli(args->fd, "%s is %s\n", args->argv[entry->args], name);
	return CLI_SUCCESS;
}

static struct ast_cli_entry commands[] = {
	AST_CLI_DEFINE(zrtp_show, "Show our ZID and the peers of the ZRTP cache"),
	AST_CLI_DEFINE(zrtp_verify, "Say that the SAS of a ZRTP peer was compared"),
	AST_CLI_DEFINE(zrtp_forget, "Take a peer out of the ZRTP cache"),
	AST_CLI_DEFINE(zrtp_name, "Name a peer of the ZRTP cache"),
};

int zrtp_cli_register(void)
{
	return ast_cli_register_multiple(commands, ARRAY_LEN(commands));
}

void zrtp_cli_unregister(void)
{
	ast_cli_unregister_multiple(commands, ARRAY_LEN(commands));
}
