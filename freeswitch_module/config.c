/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sealrtp.conf.xml: hands each param to the library, which knows them all but the path of the cache and the
 * relay's threads.
 */

#include "surface.h"

#include <pthread.h>

#define CONFIG "sealrtp.conf"
/* What messages call it. FreeSWITCH's XML has no line numbers. */
#define FILE_NAME "sealrtp.conf.xml"
#define NO_LINE 0
#define GENERAL "general"
/* In <settings> only, and ours. */
#define CACHE_KEY "zrtp_cache"
#define THREADS_KEY "relay-threads"
#define MOST_THREADS 64
#define IN_MEMORY "none"
/* All that the library has to say of a file. */
#define MESSAGES_SIZE 65536

/* The lists of sections, what a section of each is called, its prefix in the library, and its type there. */
static const struct list {
	const char *name, *item, *prefix, *type;
} lists[] = {
	{"policies", "policy", "", "policy"},
	{"users", "user", "user/", "endpoint"},
	{"gateways", "gateway", "gateway/", "endpoint"},
	{"profiles", "profile", "profile/", "endpoint"},
};

static struct settings *current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct settings *settings_get(void)
{
	struct settings *settings;

	pthread_mutex_lock(&lock);
	settings = current;
	if (settings) {
		atomic_fetch_add(&settings->refs, 1);
	}
	pthread_mutex_unlock(&lock);
	return settings;
}

void settings_put(struct settings *settings)
{
	if (!settings || atomic_fetch_sub(&settings->refs, 1) != 1) {
		return;
	}
	zid_put(settings->zid);
	sealrtp_dtls_free(settings->dtls);
	sealrtp_config_free(settings->general);
	sealrtp_policies_free(settings->policies);
	free(settings);
}

static void replace(struct settings *settings)
{
	struct settings *was;

	pthread_mutex_lock(&lock);
	was = current;
	current = settings;
	pthread_mutex_unlock(&lock);
	settings_put(was);
}

static switch_status_t refuse(const char *section, const char *name, const char *value, const char *expected)
{
	switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR, FILE_NAME ", [%s]: %s = %s: %s\n", section, name,
		value, expected);
	return SWITCH_STATUS_FALSE;
}

static switch_status_t set_cache(struct settings *settings, const char *section, const char *value)
{
	if (!strcasecmp(value, IN_MEMORY)) {
		settings->zid_path[0] = '\0';
	} else if (value[0] == '/' && strlen(value) < sizeof(settings->zid_path)) {
		switch_copy_string(settings->zid_path, value, sizeof(settings->zid_path));
	} else {
		return refuse(section, CACHE_KEY, value, "expected an absolute path, or " IN_MEMORY);
	}
	return SWITCH_STATUS_SUCCESS;
}

static switch_status_t set_threads(struct settings *settings, const char *section, const char *value)
{
	char *end = NULL;
	unsigned long threads = strtoul(value, &end, 10);

	if (zstr(value) || *end || threads > MOST_THREADS) {
		return refuse(section, THREADS_KEY, value, "expected 1 to 64 threads, or 0: one for each processor");
	}
	settings->relay_threads = (uint32_t)threads;
	return SWITCH_STATUS_SUCCESS;
}

/* Keys that are ours, each in <settings> alone. */
static const struct own {
	const char *name;
	switch_status_t (*set)(struct settings *settings, const char *section, const char *value);
} own[] = {{CACHE_KEY, set_cache}, {THREADS_KEY, set_threads}};

static switch_status_t set(
	struct settings *settings, const char *section, const char *name, const char *value)
{
	char message[REASON_SIZE * 2] = "";
	sealrtp_result result;
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(*own); i++) {
		if (!strcasecmp(name, own[i].name)) {
			return strcmp(section, GENERAL)
					   ? refuse(section, name, value, "belongs into <settings>, all calls share it")
					   : own[i].set(settings, section, value);
		}
	}
	result = sealrtp_policies_set(
		settings->policies, FILE_NAME, NO_LINE, section, name, value, message, sizeof(message));
	if (result < 0) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR, "%s\n",
			zstr(message) ? sealrtp_result_text(result) : message);
		return SWITCH_STATUS_FALSE;
	}
	if (!zstr(message)) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_WARNING, "%s\n", message);
	}
	return SWITCH_STATUS_SUCCESS;
}

/* Every fault is logged, not only the first. */
static switch_status_t set_params(struct settings *settings, const char *section, switch_xml_t parent)
{
	switch_status_t status = SWITCH_STATUS_SUCCESS;
	switch_xml_t param;

	for (param = switch_xml_child(parent, "param"); param; param = param->next) {
		if (set(settings, section, switch_xml_attr_soft(param, "name"),
				switch_xml_attr_soft(param, "value")) != SWITCH_STATUS_SUCCESS) {
			status = SWITCH_STATUS_FALSE;
		}
	}
	return status;
}

static switch_status_t set_list(struct settings *settings, const struct list *list, switch_xml_t root)
{
	switch_status_t status = SWITCH_STATUS_SUCCESS;
	switch_xml_t parent = switch_xml_child(root, list->name), item;

	for (item = parent ? switch_xml_child(parent, list->item) : NULL; item; item = item->next) {
		char section[POLICY_SIZE];

		switch_snprintf(section, sizeof(section), "%s%s", list->prefix, switch_xml_attr_soft(item, "name"));
		if (!section[strlen(list->prefix)]) {
			switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR,
				FILE_NAME ": a <%s> of <%s> has no name\n", list->item, list->name);
			status = SWITCH_STATUS_FALSE;
		} else if (set(settings, section, "type", list->type) != SWITCH_STATUS_SUCCESS ||
				   set_params(settings, section, item) != SWITCH_STATUS_SUCCESS) {
			status = SWITCH_STATUS_FALSE;
		}
	}
	return status;
}

static switch_status_t set_all(struct settings *settings, switch_xml_t root)
{
	switch_status_t status = SWITCH_STATUS_SUCCESS;
	switch_xml_t general = switch_xml_child(root, "settings");
	size_t i;

	if (general) {
		status = set_params(settings, GENERAL, general);
	}
	for (i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (set_list(settings, &lists[i], root) != SWITCH_STATUS_SUCCESS) {
			status = SWITCH_STATUS_FALSE;
		}
	}
	return status;
}

/* What shows only at the end of the file. */
static switch_status_t finish(struct settings *settings)
{
	char *messages = calloc(1, MESSAGES_SIZE), *rest = messages, *line;
	sealrtp_result result;

	switch_assert(messages);
	result = sealrtp_policies_finish(settings->policies, messages, MESSAGES_SIZE);
	while ((line = strsep(&rest, "\n"))) {
		if (!zstr(line)) {
			switch_log_printf(
				SWITCH_CHANNEL_LOG, result < 0 ? SWITCH_LOG_ERROR : SWITCH_LOG_WARNING, "%s\n", line);
		}
	}
	free(messages);
	if (result < 0) {
		return SWITCH_STATUS_FALSE;
	}
	settings->general = sealrtp_policies_general(settings->policies);
	settings->wants = sealrtp_policies_wants(settings->policies);
	return settings->general ? SWITCH_STATUS_SUCCESS : SWITCH_STATUS_FALSE;
}

/* What DTLS-SRTP needs of the configuration, OpenSSL's word on it included. */
static switch_status_t make_dtls(struct settings *settings)
{
	char message[REASON_SIZE] = "";
	sealrtp_result result = sealrtp_dtls_new(settings->general, &settings->dtls, message, sizeof(message));

	if (result < 0) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR, FILE_NAME ": %s\n",
			zstr(message) ? sealrtp_result_text(result) : message);
		return SWITCH_STATUS_FALSE;
	}
	return SWITCH_STATUS_SUCCESS;
}

/* Built-in policies have it, too, and the dialplan may choose one: it is always there. */
static switch_status_t make_zid(struct settings *settings)
{
	struct settings *running = settings_get();
	switch_status_t status = zid_open(settings->zid_path, running ? running->zid : NULL, &settings->zid);

	settings_put(running);
	return status;
}

static switch_status_t make(struct settings *settings, switch_xml_t root)
{
	switch_status_t status = root ? set_all(settings, root) : SWITCH_STATUS_SUCCESS;

	if (finish(settings) != SWITCH_STATUS_SUCCESS || status != SWITCH_STATUS_SUCCESS) {
		return SWITCH_STATUS_FALSE;
	}
	return make_dtls(settings) == SWITCH_STATUS_SUCCESS ? make_zid(settings) : SWITCH_STATUS_FALSE;
}

switch_status_t config_load(void)
{
	switch_xml_t root = NULL, xml;
	struct settings *settings = calloc(1, sizeof(*settings));
	switch_status_t status;

	switch_assert(settings);
	atomic_init(&settings->refs, 1);
	zid_default_path(settings->zid_path, sizeof(settings->zid_path));
	settings->policies = sealrtp_policies_new();
	xml = switch_xml_open_cfg(CONFIG, &root, NULL);
	if (!xml) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_WARNING,
			"no " FILE_NAME " (autoload_configs): no user, gateway or profile is secured, only calls with "
			"the variable " VARIABLE_POLICY "\n");
	}
	status = settings->policies ? make(settings, root) : SWITCH_STATUS_MEMERR;
	if (xml) {
		switch_xml_free(xml);
	}
	/* At the start nothing is replaced yet: recording_require looks then. */
	if (status == SWITCH_STATUS_SUCCESS && atomic_load(&runtime.running)) {
		status = recording_check(settings);
	}
	if (status == SWITCH_STATUS_SUCCESS) {
		replace(settings);
	} else {
		settings_put(settings);
	}
	return status;
}

void config_unload(void)
{
	replace(NULL);
}
