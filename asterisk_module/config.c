/* SPDX-License-Identifier: GPL-2.0-only
 *
 * sealrtp.conf: hands each key to the library, which knows them all.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/config.h"
#include "asterisk/logger.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define CONFIG_FILE "sealrtp.conf"
#define GENERAL "general"

static AO2_GLOBAL_OBJ_STATIC(current);

static void settings_destroy(void *object)
{
	struct settings *settings = object;

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
	settings->config = sealrtp_config_new();
	if (!settings->config) {
		ao2_ref(settings, -1);
		return NULL;
	}
	return settings;
}

static enum config_result set(struct settings *settings, const struct ast_variable *variable)
{
	char message[512] = "";
	int32_t result;

	result = sealrtp_config_set(settings->config, variable->name, variable->value, message, sizeof(message));
	if (result < 0) {
		ast_log(LOG_ERROR, "%s line %d: %s\n", S_OR(variable->file, CONFIG_FILE), variable->lineno,
			S_OR(message, sealrtp_result_text(result)));
		return CONFIG_REFUSED;
	}
	if (!ast_strlen_zero(message)) {
		ast_log(
			LOG_WARNING, "%s line %d: %s\n", S_OR(variable->file, CONFIG_FILE), variable->lineno, message);
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
		if (strcasecmp(category, GENERAL)) {
			ast_log(LOG_ERROR, CONFIG_FILE ": unknown section [%s], expected [" GENERAL "]\n", category);
			result = CONFIG_REFUSED;
			continue;
		}
		for (variable = ast_variable_browse(file, category); variable; variable = variable->next) {
			if (set(settings, variable) == CONFIG_REFUSED) {
				result = CONFIG_REFUSED;
			}
		}
	}
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
