/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sealrtp policy: what sealrtp.conf.xml comes to.
 */

#include "api.h"

#define VALUE_SIZE 64

static const char *const kinds[] = {
	[SEALRTP_SECTION_GENERAL] = "settings",
	[SEALRTP_SECTION_POLICY] = "policy",
	[SEALRTP_SECTION_ENDPOINT] = "section",
};

#define POLICY_ROW "%-9s %-32s %-18s %-18s %-9s %-9s %s\n"

static const char *value(const sealrtp_config *config, const char *key, char *text)
{
	return sealrtp_config_get(config, key, text, VALUE_SIZE) >= 0 ? text : "-";
}

static void show_policies(switch_stream_handle_t *stream, const struct settings *settings)
{
	sealrtp_config *config = NULL;
	uint32_t index, kind;

	stream->write_function(
		stream, POLICY_ROW, "Kind", "Name", "Offer", "Accept", "Fallback", "Recording", "On-Failure");
	for (index = 0; sealrtp_policies_section(settings->policies, index, &config, &kind) == SEALRTP_OK;
		 index++) {
		char name[POLICY_SIZE] = "", texts[5][VALUE_SIZE];

		sealrtp_config_section(config, name, sizeof(name));
		stream->write_function(stream, POLICY_ROW, kind < sizeof(kinds) / sizeof(*kinds) ? kinds[kind] : "-",
			name, value(config, "offer", texts[0]), value(config, "accept", texts[1]),
			value(config, "fallback", texts[2]), value(config, "recording", texts[3]),
			value(config, "on_failure", texts[4]));
		sealrtp_config_free(config);
	}
}

/* A section by its name, as strict, vault or user/1000. */
static sealrtp_config *find_section(const struct settings *settings, const char *wanted)
{
	sealrtp_config *config = NULL;
	char name[POLICY_SIZE];
	uint32_t index, kind;

	if (sealrtp_policies_named(settings->policies, wanted, &config) == SEALRTP_OK) {
		return config;
	}
	for (index = 0; sealrtp_policies_section(settings->policies, index, &config, &kind) == SEALRTP_OK;
		 index++) {
		if (sealrtp_config_section(config, name, sizeof(name)) >= 0 && !strcasecmp(name, wanted)) {
			return config;
		}
		sealrtp_config_free(config);
	}
	return NULL;
}

void api_policy(switch_stream_handle_t *stream, const struct words *words)
{
	struct settings *settings = settings_get();
	char *text = calloc(1, DESCRIPTION_SIZE);
	sealrtp_config *config = NULL;

	if (settings && text && words->count == 1) {
		show_policies(stream, settings);
	} else if (settings && text && (config = find_section(settings, words->word[1])) &&
			   sealrtp_config_describe(config, text, DESCRIPTION_SIZE) >= 0) {
		stream->write_function(stream, "%s, for new calls:\n%s", words->word[1], text);
	} else {
		stream->write_function(stream, "-ERR No policy or section %s: sealrtp policy lists them\n",
			words->count > 1 ? words->word[1] : "");
	}
	sealrtp_config_free(config);
	free(text);
	settings_put(settings);
}
