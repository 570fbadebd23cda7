/* SPDX-License-Identifier: GPL-2.0-only
 *
 * sealrtp show policy [<policy or end point>]
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/cli.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define ROW "%-9s %-32s %-18s %-18s %-9s %-9s %-11s %s\n"
#define VALUE_SIZE 64

static const char *const kinds[] = {
	[SEALRTP_SECTION_GENERAL] = "general",
	[SEALRTP_SECTION_POLICY] = "policy",
	[SEALRTP_SECTION_ENDPOINT] = "endpoint",
};

static const char *value(const sealrtp_config *config, const char *key, char *text)
{
	return sealrtp_config_get(config, key, text, VALUE_SIZE) >= 0 ? text : "-";
}

static void show_row(int fd, const sealrtp_config *config, uint32_t kind)
{
	char name[SECTION_NAME_SIZE] = "", texts[6][VALUE_SIZE];

	sealrtp_config_section(config, name, sizeof(name));
	ast_cli(fd, ROW, kind < ARRAY_LEN(kinds) ? kinds[kind] : "-", name, value(config, "offer", texts[0]),
		value(config, "accept", texts[1]), value(config, "fallback", texts[2]),
		value(config, "recording", texts[3]), value(config, "zrtp_mode", texts[4]),
		value(config, "on_failure", texts[5]));
}

static void show_all(int fd, const struct settings *settings)
{
	sealrtp_config *config = NULL;
	uint32_t index, kind;

	ast_cli(fd, ROW, "Kind", "Name", "Offer", "Accept", "Fallback", "Recording", "ZRTP-Mode", "On-Failure");
	for (index = 0; sealrtp_policies_section(settings->policies, index, &config, &kind) == SEALRTP_OK;
		 index++) {
		show_row(fd, config, kind);
		sealrtp_config_free(config);
	}
}

/* A policy, else an end point. */
static void show_one(int fd, const struct settings *settings, const char *name)
{
	char *text = ast_calloc(1, DESCRIPTION_SIZE), section[SECTION_NAME_SIZE] = "";
	const char *what = "policy";
	sealrtp_config *config = NULL;

	if (sealrtp_policies_named(settings->policies, name, &config) != SEALRTP_OK) {
		what = "end point";
		config = config_for_endpoint(settings, name);
	}
	if (config && text && sealrtp_config_section(config, section, sizeof(section)) >= 0 &&
		sealrtp_config_describe(config, text, DESCRIPTION_SIZE) >= 0) {
		ast_cli(fd, "%s, by [%s] as %s, for new calls:\n%s", name, section, what, text);
	}
	sealrtp_config_free(config);
	ast_free(text);
}

static char *complete(const struct settings *settings, const char *word, int nth)
{
	char name[SECTION_NAME_SIZE];
	sealrtp_config *config = NULL;
	uint32_t index, kind;
	int which = 0;

	for (index = 0; sealrtp_policies_section(settings->policies, index, &config, &kind) == SEALRTP_OK;
		 index++) {
		bool fits = sealrtp_config_section(config, name, sizeof(name)) >= 0 &&
					!strncasecmp(name, word, strlen(word)) && ++which > nth;

		sealrtp_config_free(config);
		if (fits) {
			return ast_strdup(name);
		}
	}
	return NULL;
}

static char *show_policy(struct ast_cli_entry *entry, int cmd, struct ast_cli_args *args)
{
	struct settings *settings;
	char *answer = CLI_SUCCESS;

	switch (cmd) {
	case CLI_INIT:
		entry->command = "sealrtp show policy";
		entry->usage =
			"Usage: sealrtp show policy [<policy or end point>]\n"
			"       Lists what holds for new calls: in [general], under each policy, for each end point "
			"with\n"
			"       a section. With a name, as strict, alice or PJSIP/alice, every key of it with its value\n"
			"       and the line of sealrtp.conf that it comes from.\n";
		return NULL;
	case CLI_GENERATE:
		settings = args->pos == entry->args ? config_get() : NULL;
		answer = settings ? complete(settings, args->word, args->n) : NULL;
		ao2_cleanup(settings);
		return answer;
	}
	if (args->argc != entry->args && args->argc != entry->args + 1) {
		return CLI_SHOWUSAGE;
	}
	settings = config_get();
	if (!settings) {
		return CLI_FAILURE;
	}
	if (args->argc == entry->args) {
		show_all(args->fd, settings);
	} else {
		show_one(args->fd, settings, args->argv[entry->args]);
	}
	ao2_ref(settings, -1);
	return answer;
}

static struct ast_cli_entry commands[] = {
	AST_CLI_DEFINE(show_policy, "Show what sealrtp.conf comes to"),
};

int policy_cli_register(void)
{
	return ast_cli_register_multiple(commands, ARRAY_LEN(commands));
}

void policy_cli_unregister(void)
{
	ast_cli_unregister_multiple(commands, ARRAY_LEN(commands));
}
