/* SPDX-License-Identifier: GPL-2.0-only
 *
 * recording = refuse: recorders of a secured channel, and of the bridge that it is in, get silence.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"

#include "sentry.h"

/* Whether the channel's policy takes its audio away from recorders once it is secured. The channel is locked.
 */
static bool refuses(const struct settings *settings, struct ast_channel *chan)
{
	sealrtp_config *config;
	bool refused;

	if (!watch_endpoint(ast_channel_name(chan), NULL, 0)) {
		return false;
	}
	config = config_for_channel(settings, chan);
	refused = sealrtp_recording_action(config, 0, 1) == SEALRTP_RECORDING_WITHHOLD;
	sealrtp_config_free(config);
	return refused;
}

/* What the channel's policy says holds from here on. */
void recording_rule(struct ast_channel *chan)
{
	struct settings *settings = config_get();
	struct sentry *sentry;
	bool refused;

	ast_channel_lock(chan);
	sentry = sentry_find(chan);
	refused = !settings || refuses(settings, chan);
	if (refused && !sentry) {
		sentry = sentry_post(chan);
	}
	if (sentry) {
		sentry->refuses = refused;
	}
	ast_channel_unlock(chan);
	ao2_cleanup(settings);
}

/* A channel has come to be. No lock is held. */
void recording_look(const char *name, const char *id)
{
	struct settings *settings = config_get();
	struct ast_channel *chan;

	if (settings && (config_wants(settings) & SEALRTP_WANTS_NO_RECORDING) && watch_endpoint(name, NULL, 0) &&
		(chan = ast_channel_get_by_name(id))) {
		recording_rule(chan);
		ast_channel_unref(chan);
	}
	ao2_cleanup(settings);
	disclosure_learn();
}

/* ARI records the channel. Its audio is withheld already. No lock is held. */
void recording_by_ari(const char *id)
{
	struct ast_channel *chan = ast_channel_get_by_name(id);
	char origin[AST_MAX_UNIQUEID];
	struct sentry *sentry;
	bool stop;

	if (!chan) {
		return;
	}
	ast_channel_lock(chan);
	sentry = sentry_find(chan);
	stop = sentry && sentry->refuses && sentry_is_source(sentry, chan, origin);
	if (stop) {
		sentry_tell(sentry, chan, recorder_ari(), origin);
	}
	ast_channel_unlock(chan);
	if (stop) {
		ast_queue_control(chan, AST_CONTROL_RECORD_STOP);
	}
	ast_channel_unref(chan);
}

/* The recorder that was last refused on the channel, or NULL. The channel is locked. */
const struct recorder *recording_refused(struct ast_channel *chan)
{
	struct sentry *sentry = sentry_find(chan);

	return sentry ? sentry->last : NULL;
}
