/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Under which policy a channel's call is: what the dialplan has chosen, else the section of its end point, as
 * they were when the call first asked. A reload concerns later calls.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/datastore.h"
#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* What holds where it is not known what was chosen. */
#define SAFEST "strict"

/* Guarded by the channel's lock. */
struct choice {
	/* NULL until the call asks. */
	sealrtp_config *config;
	/* It is the dialplan's. */
	bool chosen;
	/* What the legs begin with that this channel dials, or NULL. */
	sealrtp_config *dialled;
};

/* Our functions are called as long as there is one. */
static int choices;
/* sealrtp_wants of all that was ever chosen. */
static int wants;

unsigned int policy_choices(void)
{
	return ast_atomic_fetchadd_int(&choices, 0);
}

uint32_t policy_wants(void)
{
	return (uint32_t)__atomic_load_n(&wants, __ATOMIC_ACQUIRE);
}

static void choice_destroy(void *object)
{
	struct choice *choice = object;

	sealrtp_config_free(choice->config);
	sealrtp_config_free(choice->dialled);
	ast_atomic_fetchadd_int(&choices, -1);
	ast_module_unref(AST_MODULE_SELF);
}

static struct choice *choice_new(void)
{
	struct choice *choice = ao2_alloc_options(sizeof(*choice), choice_destroy, AO2_ALLOC_OPT_LOCK_NOLOCK);

	if (choice) {
		ast_atomic_fetchadd_int(&choices, 1);
		ast_module_ref(AST_MODULE_SELF);
	}
	return choice;
}

static void drop(void *data)
{
	ao2_cleanup(data);
}

/* For a leg that is dialled. */
static void *inherit(void *data)
{
	const struct choice *from = data;
	struct choice *choice = from ? choice_new() : NULL;

	if (choice && from->dialled) {
		choice->config = sealrtp_config_copy(from->dialled);
		choice->dialled = sealrtp_config_copy(from->dialled);
		choice->chosen = true;
		if (!choice->config || !choice->dialled) {
			ao2_ref(choice, -1);
			choice = NULL;
		}
	}
	return choice;
}

static const struct ast_datastore_info info = {
	.type = "sealrtp-policy",
	.duplicate = inherit,
	.destroy = drop,
};

/* A leg may look before it inherits, and a transfer brings two together: what was chosen counts. The channel
 * is locked. */
static struct ast_datastore *find(struct ast_channel *chan)
{
	struct ast_datastore *datastore, *found = NULL;

	AST_LIST_TRAVERSE(ast_channel_datastores(chan), datastore, entry)
	{
		const struct choice *choice = datastore->data;

		if (datastore->info == &info && (!found || !choice || choice->chosen)) {
			found = datastore;
			if (!choice || choice->chosen) {
				break;
			}
		}
	}
	return found;
}

/* The channel is locked. */
static struct choice *get(struct ast_channel *chan)
{
	struct ast_datastore *datastore = find(chan);

	if (datastore && datastore->data) {
		return datastore->data;
	}
	if (!datastore) {
		datastore = ast_datastore_alloc(&info, NULL);
		if (!datastore) {
			return NULL;
		}
		datastore->inheritance = DATASTORE_INHERIT_FOREVER;
		datastore->data = choice_new();
		if (!datastore->data) {
			ast_datastore_free(datastore);
			return NULL;
		}
		ast_channel_datastore_add(chan, datastore);
	}
	return datastore->data;
}

/* What holds for the channel's call; the caller frees it. NULL only if memory or the library fail. */
sealrtp_config *config_for_channel(const struct settings *settings, struct ast_channel *chan)
{
	struct ast_datastore *datastore;
	sealrtp_config *config = NULL;
	struct choice *choice;

	ast_channel_lock(chan);
	datastore = find(chan);
	if (datastore && !datastore->data) {
		sealrtp_policies_named(settings->policies, SAFEST, &config);
	} else if (!datastore && !watch_endpoint(ast_channel_name(chan), NULL, 0)) {
		config = config_for_name(settings, ast_channel_name(chan));
	} else if ((choice = get(chan))) {
		if (!choice->config) {
			choice->config = config_for_name(settings, ast_channel_name(chan));
		}
		config = sealrtp_config_copy(choice->config);
	}
	ast_channel_unlock(chan);
	return config;
}

/* What the dialplan has chosen for the channel's call, or NULL; the caller frees it. */
sealrtp_config *policy_chosen(struct ast_channel *chan)
{
	struct ast_datastore *datastore;
	const struct choice *choice;
	sealrtp_config *config;

	ast_channel_lock(chan);
	datastore = find(chan);
	choice = datastore ? datastore->data : NULL;
	config = choice && choice->chosen ? sealrtp_config_copy(choice->config) : NULL;
	ast_channel_unlock(chan);
	return config;
}

/* What holds for a call by the name of a channel. No lock is held. */
sealrtp_config *config_for_call(const struct settings *settings, const char *channel)
{
	struct ast_channel *chan = ast_channel_get_by_name(channel);
	sealrtp_config *config;

	if (!chan) {
		return config_for_name(settings, channel);
	}
	config = config_for_channel(settings, chan);
	ast_channel_unref(chan);
	return config;
}

/* The name of the policy or section that holds for the channel's call. */
void policy_name(struct ast_channel *chan, char *name, size_t size)
{
	struct settings *settings = config_get();
	sealrtp_config *config = settings ? config_for_channel(settings, chan) : NULL;

	name[0] = '\0';
	sealrtp_config_section(config, name, size);
	sealrtp_config_free(config);
	ao2_cleanup(settings);
}

/* The name of the policy that dialled legs begin with, or "". */
void policy_dialled(struct ast_channel *chan, char *name, size_t size)
{
	struct ast_datastore *datastore;
	const struct choice *choice;

	name[0] = '\0';
	ast_channel_lock(chan);
	datastore = find(chan);
	choice = datastore ? datastore->data : NULL;
	if (choice && choice->dialled) {
		sealrtp_config_section(choice->dialled, name, size);
	}
	ast_channel_unlock(chan);
}

static void tell_names(
	const struct settings *settings, struct ast_channel *chan, const char *item, const char *given)
{
	struct ast_str *names = ast_str_create(256);
	sealrtp_config *config = NULL;
	uint32_t index, kind;

	for (index = 0;
		 names && sealrtp_policies_section(settings->policies, index, &config, &kind) == SEALRTP_OK;
		 index++) {
		char name[SECTION_NAME_SIZE];

		if (kind == SEALRTP_SECTION_POLICY && sealrtp_config_section(config, name, sizeof(name)) >= 0) {
			ast_str_append(&names, 0, "%s%s", ast_str_strlen(names) ? ", " : "", name);
		}
		sealrtp_config_free(config);
	}
	ast_log(LOG_ERROR, "%s: SEALRTP(%s)=%s is not set, there is no such policy; there are %s\n",
		ast_channel_name(chan), item, given, names ? ast_str_buffer(names) : "others");
	ast_free(names);
}

/* The dialplan's choice: for this channel's call, or for the legs that it dials. */
int policy_choose(struct ast_channel *chan, const char *item, const char *name, bool dialled)
{
	struct settings *settings = config_get();
	sealrtp_config *config = NULL, **kept;
	struct choice *choice;
	uint32_t wanted;

	if (!settings) {
		return -1;
	}
	if (sealrtp_policies_named(settings->policies, name, &config) != SEALRTP_OK) {
		tell_names(settings, chan, item, name);
		ao2_ref(settings, -1);
		return -1;
	}
	wanted = (sealrtp_config_demands(config) ? SEALRTP_WANTS_NOTHING_CLEAR : 0) | SEALRTP_WANTS_SECURITY;
	if (sealrtp_config_zrtp(config) != SEALRTP_ZRTP_NO && !settings->zid) {
		ast_log(LOG_WARNING,
			"%s: policy %s has no ZRTP, since nobody in sealrtp.conf has: name it there as policy of a "
			"section\n",
			ast_channel_name(chan), name);
	}
	ast_channel_lock(chan);
	choice = get(chan);
	if (choice) {
		/* Streams that come from here on begin accordingly. */
		__atomic_fetch_or(&wants, (int)wanted, __ATOMIC_RELEASE);
		kept = dialled ? &choice->dialled : &choice->config;
		sealrtp_config_free(*kept);
		*kept = config;
		choice->chosen |= !dialled;
		config = NULL;
	}
	ast_channel_unlock(chan);
	sealrtp_config_free(config);
	ao2_ref(settings, -1);
	return choice ? 0 : -1;
}
