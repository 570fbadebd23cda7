/* SPDX-License-Identifier: GPL-2.0-only
 *
 * sealrtp.conf: hands each key to the library, which knows them all but the path of the cache.
 *
 * A section of an end point begins as a copy of [general].
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/config.h"
#include "asterisk/linkedlists.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define CONFIG_FILE "sealrtp.conf"
#define GENERAL "general"
/* What an end point may have of its own, by how it begins. */
static const char *const section_keys[] = {
	"zrtp", "offer", "accept", "fallback", "sdes_signalling", "recording", "on_failure"};
/* General only, and ours: the library is handed a path. */
#define CACHE_KEY "zrtp_cache"
#define IN_MEMORY "none"

static AO2_GLOBAL_OBJ_STATIC(current);

static void section_free(struct section *section)
{
	sealrtp_config_free(section->config);
	ast_free(section);
}

static void settings_destroy(void *object)
{
	struct settings *settings = object;
	struct section *section;

	while ((section = AST_LIST_REMOVE_HEAD(&settings->sections, next))) {
		section_free(section);
	}
	ao2_cleanup(settings->zid);
	sealrtp_dtls_free(settings->dtls);
	sealrtp_config_free(settings->config);
}

static struct settings *settings_new(void)
{
	struct settings *settings;

	settings = ao2_alloc_options(sizeof(*settings), settings_destroy, AO2_ALLOC_OPT_LOCK_NOLOCK);
	if (!settings) {
		return NULL;
	}
	zid_default_path(settings->zid_path, sizeof(settings->zid_path));
	settings->config = sealrtp_config_new();
	if (!settings->config) {
		ao2_ref(settings, -1);
		return NULL;
	}
	return settings;
}

static enum config_result set(sealrtp_config *config, const char *name, const struct ast_variable *variable)
{
	char message[512] = "";
	int32_t result;

	result = sealrtp_config_set(config, variable->name, variable->value, message, sizeof(message));
	if (result < 0) {
		ast_log(LOG_ERROR, "%s line %d, [%s]: %s\n", S_OR(variable->file, CONFIG_FILE), variable->lineno,
			name, S_OR(message, sealrtp_result_text(result)));
		return CONFIG_REFUSED;
	}
	if (!ast_strlen_zero(message)) {
		ast_log(LOG_WARNING, "%s line %d, [%s]: %s\n", S_OR(variable->file, CONFIG_FILE), variable->lineno,
			name, message);
	}
	return CONFIG_LOADED;
}

static enum config_result set_general(struct settings *settings, const struct ast_variable *variable)
{
	if (strcasecmp(variable->name, CACHE_KEY)) {
		return set(settings->config, GENERAL, variable);
	}
	if (!strcasecmp(variable->value, IN_MEMORY)) {
		settings->zid_path[0] = '\0';
	} else if (variable->value[0] == '/' && strlen(variable->value) < sizeof(settings->zid_path)) {
		ast_copy_string(settings->zid_path, variable->value, sizeof(settings->zid_path));
	} else {
		ast_log(LOG_ERROR,
			"%s line %d, [" GENERAL "]: " CACHE_KEY " = %s: expected an absolute path, or " IN_MEMORY "\n",
			S_OR(variable->file, CONFIG_FILE), variable->lineno, variable->value);
		return CONFIG_REFUSED;
	}
	return CONFIG_LOADED;
}

static enum config_result set_section(const struct section *section, const struct ast_variable *variable)
{
	bool known = false;
	size_t index;

	for (index = 0; index < ARRAY_LEN(section_keys); index++) {
		known |= !strncasecmp(variable->name, section_keys[index], strlen(section_keys[index]));
	}
	if (!known || !strcasecmp(variable->name, CACHE_KEY)) {
		ast_log(LOG_ERROR,
			"%s line %d, [%s]: %s belongs into [" GENERAL "]; the section of an end point takes keys of "
			"its policy and of ZRTP\n",
			S_OR(variable->file, CONFIG_FILE), variable->lineno, section->name, variable->name);
		return CONFIG_REFUSED;
	}
	return set(section->config, section->name, variable);
}

static struct section *find_section(const struct settings *settings, const char *name)
{
	struct section *section;

	AST_LIST_TRAVERSE(&settings->sections, section, next)
	{
		if (!strcasecmp(section->name, name)) {
			return section;
		}
	}
	return NULL;
}

static struct section *get_section(struct settings *settings, const char *name)
{
	struct section *section = find_section(settings, name);

	if (section) {
		return section;
	}
	section = ast_calloc(1, sizeof(*section) + strlen(name) + 1);
	if (!section) {
		return NULL;
	}
	strcpy(section->name, name); /* SAFE */
	section->config = sealrtp_config_copy(settings->config);
	if (!section->config) {
		ast_free(section);
		return NULL;
	}
	AST_LIST_INSERT_TAIL(&settings->sections, section, next);
	return section;
}

/* Every fault of the file is logged, not only the first. What [general] says holds for the sections before it
 * as well. */
static enum config_result set_all(struct settings *settings, struct ast_config *file)
{
	enum config_result result = CONFIG_LOADED;
	const struct ast_variable *variable;
	struct section *section;
	char *category = NULL;

	while ((category = ast_category_browse(file, category))) {
		for (variable = strcasecmp(category, GENERAL) ? NULL : ast_variable_browse(file, category); variable;
			 variable = variable->next) {
			if (set_general(settings, variable) == CONFIG_REFUSED) {
				result = CONFIG_REFUSED;
			}
		}
	}
	while ((category = ast_category_browse(file, category))) {
		if (!strcasecmp(category, GENERAL)) {
			continue;
		}
		section = get_section(settings, category);
		if (!section) {
			return CONFIG_REFUSED;
		}
		for (variable = ast_variable_browse(file, category); variable; variable = variable->next) {
			if (set_section(section, variable) == CONFIG_REFUSED) {
				result = CONFIG_REFUSED;
			}
		}
	}
	return result;
}

/* The configuration of an end point by one of its channels: [alice], or [PJSIP/alice] where chan_sip has an
 * alice too. */
const sealrtp_config *config_of_channel(const struct settings *settings, const char *channel)
{
	char endpoint[AST_CHANNEL_NAME];
	struct section *section = NULL;

	if (watch_endpoint(channel, endpoint, sizeof(endpoint))) {
		section = find_section(settings, endpoint);
		if (!section) {
			section = find_section(settings, strchr(endpoint, '/') + 1);
		}
	}
	return section ? section->config : settings->config;
}

/* Who has ZRTP, and our ZID for it. */
static enum config_result make_zrtp(struct settings *settings)
{
	uint32_t most = sealrtp_config_zrtp(settings->config);
	bool demands = sealrtp_config_demands(settings->config);
	struct settings *running;
	struct section *section;
	enum config_result result;

	AST_LIST_TRAVERSE(&settings->sections, section, next)
	{
		most = MAX(most, sealrtp_config_zrtp(section->config));
		demands |= sealrtp_config_demands(section->config);
		settings->active |= sealrtp_config_is_active(section->config);
	}
	settings->active |= sealrtp_config_is_active(settings->config);
	settings->zrtp_required = demands;
	if (most == SEALRTP_ZRTP_NO) {
		return CONFIG_LOADED;
	}
	running = config_get();
	result = zid_open(settings->zid_path, running ? running->zid : NULL, &settings->zid);
	ao2_cleanup(running);
	return result;
}

/* What DTLS-SRTP needs of the configuration, OpenSSL's word on it included. */
static enum config_result make_dtls(struct settings *settings)
{
	char message[512] = "";
	sealrtp_result result;

	result = sealrtp_dtls_new(settings->config, &settings->dtls, message, sizeof(message));
	if (result < 0) {
		ast_log(LOG_ERROR, CONFIG_FILE ": %s\n", S_OR(message, sealrtp_result_text(result)));
		return CONFIG_REFUSED;
	}
	return CONFIG_LOADED;
}

/* A file that is refused changes nothing; without a file the defaults hold. */
enum config_result config_load(void)
{
	struct ast_flags flags = {0};
	struct ast_config *file;
	struct settings *settings;
	enum config_result result = CONFIG_LOADED;

	file = ast_config_load(CONFIG_FILE, flags);
	if (file == CONFIG_STATUS_FILEINVALID) {
		ast_log(LOG_ERROR, CONFIG_FILE " cannot be read as a configuration file\n");
		return CONFIG_REFUSED;
	}
	settings = settings_new();
	if (!settings) {
		ast_log(LOG_ERROR, "No memory for a configuration\n");
		result = CONFIG_REFUSED;
	} else if (file) {
		result = set_all(settings, file);
	}
	if (file) {
		ast_config_destroy(file);
	}
	if (result == CONFIG_LOADED) {
		result = make_dtls(settings);
	}
	if (result == CONFIG_LOADED) {
		result = make_zrtp(settings);
	}
	if (result == CONFIG_LOADED) {
		ao2_global_obj_replace_unref(current, settings);
	}
	ao2_cleanup(settings);
	return result;
}

void config_done(void)
{
	ao2_global_obj_release(current);
}

/* The caller drops the reference; NULL before the first load. */
struct settings *config_get(void)
{
	return ao2_global_obj_ref(current);
}
