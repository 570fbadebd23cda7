/* SPDX-License-Identifier: GPL-2.0-only
 *
 * sealrtp.conf: hands each line to the library, which knows them all but the path of the cache.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/config.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define CONFIG_FILE "sealrtp.conf"
#define GENERAL "general"
/* General only, and ours: the library is handed a path. */
#define CACHE_KEY "zrtp_cache"
#define IN_MEMORY "none"
/* All that the library has to say of a file. */
#define MESSAGES_SIZE 65536

static AO2_GLOBAL_OBJ_STATIC(current);

static void settings_destroy(void *object)
{
	struct settings *settings = object;

	ao2_cleanup(settings->zid);
	sealrtp_dtls_free(settings->dtls);
	sealrtp_config_free(settings->config);
	sealrtp_policies_free(settings->policies);
}

static struct settings *settings_new(void)
{
	struct settings *settings;

	settings = ao2_alloc_options(sizeof(*settings), settings_destroy, AO2_ALLOC_OPT_LOCK_NOLOCK);
	if (!settings) {
		return NULL;
	}
	zid_default_path(settings->zid_path, sizeof(settings->zid_path));
	settings->policies = sealrtp_policies_new();
	if (!settings->policies) {
		ao2_ref(settings, -1);
		return NULL;
	}
	return settings;
}

static enum config_result set_cache(
	struct settings *settings, const char *section, const struct ast_variable *variable)
{
	const char *expected = NULL;

	if (strcasecmp(section, GENERAL)) {
		expected = "belongs into [" GENERAL "], all calls share it";
	} else if (!strcasecmp(variable->value, IN_MEMORY)) {
		settings->zid_path[0] = '\0';
	} else if (variable->value[0] == '/' && strlen(variable->value) < sizeof(settings->zid_path)) {
		ast_copy_string(settings->zid_path, variable->value, sizeof(settings->zid_path));
	} else {
		expected = "expected an absolute path, or " IN_MEMORY;
	}
	if (expected) {
		ast_log(LOG_ERROR, "%s line %d, [%s]: " CACHE_KEY " = %s: %s\n", S_OR(variable->file, CONFIG_FILE),
			variable->lineno, section, variable->value, expected);
		return CONFIG_REFUSED;
	}
	return CONFIG_LOADED;
}

static enum config_result set(
	struct settings *settings, const char *section, const struct ast_variable *variable)
{
	char message[REASON_SIZE * 2] = "";
	sealrtp_result result;

	if (!strcasecmp(variable->name, CACHE_KEY)) {
		return set_cache(settings, section, variable);
	}
	result = sealrtp_policies_set(settings->policies, S_OR(variable->file, CONFIG_FILE),
		(uint32_t)MAX(variable->lineno, 0), section, variable->name, variable->value, message,
		sizeof(message));
	if (result < 0) {
		ast_log(LOG_ERROR, "%s\n", S_OR(message, sealrtp_result_text(result)));
		return CONFIG_REFUSED;
	}
	if (!ast_strlen_zero(message)) {
		ast_log(LOG_WARNING, "%s\n", message);
	}
	return CONFIG_LOADED;
}

/* Every fault of the file is logged, not only the first. */
static enum config_result set_all(struct settings *settings, struct ast_config *file)
{
	enum config_result result = CONFIG_LOADED;
	const struct ast_variable *variable;
	char *category = NULL;

	while ((category = ast_category_browse(file, category))) {
		for (variable = ast_variable_browse(file, category); variable; variable = variable->next) {
			if (set(settings, category, variable) == CONFIG_REFUSED) {
				result = CONFIG_REFUSED;
			}
		}
	}
	return result;
}

/* What shows only at the end of the file. */
static enum config_result finish(struct settings *settings)
{
	char *messages = ast_calloc(1, MESSAGES_SIZE), *rest = messages, *line;
	sealrtp_result result;

	if (!messages) {
		return CONFIG_REFUSED;
	}
	result = sealrtp_policies_finish(settings->policies, messages, MESSAGES_SIZE);
	while ((line = strsep(&rest, "\n"))) {
		if (ast_strlen_zero(line)) {
			continue;
		}
		if (result < 0) {
			ast_log(LOG_ERROR, "%s\n", line);
		} else {
			ast_log(LOG_WARNING, "%s\n", line);
		}
	}
	ast_free(messages);
	if (result < 0) {
		return CONFIG_REFUSED;
	}
	settings->config = sealrtp_policies_general(settings->policies);
	settings->wants = sealrtp_policies_wants(settings->policies);
	return settings->config ? CONFIG_LOADED : CONFIG_REFUSED;
}

/* What holds for an end point, e.g. "PJSIP/alice"; NULL only if the library is at fault. */
sealrtp_config *config_for_endpoint(const struct settings *settings, const char *endpoint)
{
	sealrtp_config *config = NULL;

	sealrtp_policies_endpoint(settings->policies, endpoint, &config);
	return config;
}

/* The same by the name of one of its channels; [general] for what is no channel of SIP. */
sealrtp_config *config_for_name(const struct settings *settings, const char *channel)
{
	char endpoint[AST_CHANNEL_NAME] = "";

	return watch_endpoint(channel, endpoint, sizeof(endpoint)) ? config_for_endpoint(settings, endpoint)
															   : sealrtp_config_copy(settings->config);
}

/* What calls may need: sealrtp_wants of the file and of the policies that the dialplan has chosen. */
uint32_t config_wants(const struct settings *settings)
{
	return settings->wants | policy_wants();
}

/* Who has ZRTP, and our ZID for it. */
static enum config_result make_zrtp(struct settings *settings)
{
	struct settings *running;
	enum config_result result;

	if (!(settings->wants & SEALRTP_WANTS_ZRTP)) {
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

static enum config_result make(struct settings *settings, struct ast_config *file)
{
	enum config_result result = file ? set_all(settings, file) : CONFIG_LOADED;

	if (finish(settings) == CONFIG_REFUSED || result == CONFIG_REFUSED) {
		return CONFIG_REFUSED;
	}
	return make_dtls(settings) == CONFIG_LOADED ? make_zrtp(settings) : CONFIG_REFUSED;
}

/* A file that is refused changes nothing; without a file the defaults hold. */
enum config_result config_load(void)
{
	struct ast_flags flags = {0};
	struct ast_config *file;
	struct settings *settings;
	enum config_result result;

	file = ast_config_load(CONFIG_FILE, flags);
	if (file == CONFIG_STATUS_FILEINVALID) {
		ast_log(LOG_ERROR, CONFIG_FILE " cannot be read as a configuration file\n");
		return CONFIG_REFUSED;
	}
	settings = settings_new();
	if (settings) {
		result = make(settings, file);
	} else {
		ast_log(LOG_ERROR, "No memory for a configuration\n");
		result = CONFIG_REFUSED;
	}
	if (file) {
		ast_config_destroy(file);
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
