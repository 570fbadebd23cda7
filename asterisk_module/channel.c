/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What a channel keeps of us over transfers: that its media stays in Asterisk, and that its call offers
 * enrolment.
 *
 * Media that is secured here, or may be, must come through here. A hook that asks for voice frames keeps a
 * bridge from handing it over to the other phone (direct media) and does nothing else.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/datastore.h"
#include "asterisk/framehook.h"
#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

struct keepsake {
	bool enrolment;
	/* The hook is there. */
	bool hooked;
	/* Media may go directly. */
	bool released;
};

/* Our functions are called as long as there is one. */
static int keepsakes;

unsigned int channel_keepsakes(void)
{
	return ast_atomic_fetchadd_int(&keepsakes, 0);
}

static void keepsake_destroy(void *object)
{
	(void)object;
	ast_atomic_fetchadd_int(&keepsakes, -1);
	ast_module_unref(AST_MODULE_SELF);
}

static void drop(void *data)
{
	ao2_ref(data, -1);
}

static const struct ast_datastore_info info = {
	.type = "sealrtp",
	.destroy = drop,
};

/* The channel is locked. */
static struct keepsake *find(struct ast_channel *chan)
{
	struct ast_datastore *datastore = ast_channel_datastore_find(chan, &info, NULL);

	return datastore ? datastore->data : NULL;
}

static struct keepsake *get(struct ast_channel *chan)
{
	struct keepsake *keepsake = find(chan);
	struct ast_datastore *datastore;

	if (keepsake) {
		return keepsake;
	}
	keepsake = ao2_alloc_options(sizeof(*keepsake), keepsake_destroy, AO2_ALLOC_OPT_LOCK_NOLOCK);
	if (!keepsake) {
		return NULL;
	}
	ast_atomic_fetchadd_int(&keepsakes, 1);
	ast_module_ref(AST_MODULE_SELF);
	datastore = ast_datastore_alloc(&info, NULL);
	if (!datastore) {
		ao2_ref(keepsake, -1);
		return NULL;
	}
	datastore->data = keepsake;
	ast_channel_datastore_add(chan, datastore);
	return keepsake;
}

static struct ast_frame *pass(
	struct ast_channel *chan, struct ast_frame *frame, enum ast_framehook_event event, void *data)
{
	(void)chan, (void)event, (void)data;
	return frame;
}

static int consumes(void *data, enum ast_frame_type type)
{
	const struct keepsake *keepsake = data;

	return type == AST_FRAME_VOICE && !keepsake->released;
}

/* Keeps the channel's media in Asterisk from here on. The channel is locked. */
void channel_anchor(struct ast_channel *chan)
{
	struct keepsake *keepsake = get(chan);
	struct ast_framehook_interface hook = {
		.version = AST_FRAMEHOOK_INTERFACE_VERSION,
		.event_cb = pass,
		.destroy_cb = drop,
		.consume_cb = consumes,
		.data = keepsake,
	};

	if (!keepsake) {
		return;
	}
	keepsake->released = false;
	if (keepsake->hooked) {
		return;
	}
	ao2_ref(keepsake, +1);
	keepsake->hooked = ast_framehook_attach(chan, &hook) >= 0;
	if (!keepsake->hooked) {
		ast_log(LOG_WARNING, "%s: set direct_media=no, its media cannot be kept in Asterisk\n",
			ast_channel_name(chan));
		ao2_ref(keepsake, -1);
	}
}

/* The peer has no ZRTP: as far as we are concerned, its media may go directly. The channel is locked. */
void channel_release(struct ast_channel *chan)
{
	struct keepsake *keepsake = find(chan);

	if (keepsake && keepsake->hooked && !keepsake->released) {
		keepsake->released = true;
		if (ast_channel_is_bridged(chan)) {
			ast_channel_set_unbridged_nolock(chan, 1);
		}
	}
}

/* The call that is to begin offers the peer to enrol. The channel is locked. */
int channel_offer_enrolment(struct ast_channel *chan)
{
	struct keepsake *keepsake = get(chan);

	if (!keepsake) {
		return -1;
	}
	keepsake->enrolment = true;
	return 0;
}

/* The channel is locked. */
bool channel_enrolment(struct ast_channel *chan)
{
	const struct keepsake *keepsake = find(chan);

	return keepsake && keepsake->enrolment;
}

/* A channel has come to be: if its end point has ZRTP, a bridge must not be quicker than we are. */
void channel_is_new(const char *name, const char *id)
{
	struct settings *settings = config_get();
	sealrtp_config *config = NULL;
	struct ast_channel *chan;

	if (settings && settings->zid && watch_endpoint(name, NULL, 0)) {
		config = config_for_name(settings, name);
	}
	if (config && sealrtp_config_zrtp(config) != SEALRTP_ZRTP_NO && (chan = ast_channel_get_by_name(id))) {
		ast_channel_lock(chan);
		channel_anchor(chan);
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
	}
	sealrtp_config_free(config);
	ao2_cleanup(settings);
}
