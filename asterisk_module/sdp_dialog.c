/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The calls of chan_pjsip whose descriptions are policy's: which end point one is of, its channel, its steps.
 *
 * A dialog begins with its first description, where policy has a say, and ends with its last stream. Its lock
 * is taken before a channel's and before a stream's.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "sdp_dialog.h"

#define DRIVER "PJSIP"
#define BUCKETS 1021
/* A call without a stream, as one that rings or was refused, is forgotten after this long; sooner if there
 * are very many, which nobody's phones are. */
#define IDLE_MS 600000
#define FLOOD_IDLE_MS 4000
#define FLOOD 4096
/* So many dialogs are kept before the idle ones are looked for. */
#define SWEEP_AT 256

static struct ao2_container *dialogs;
static int sweep_at = SWEEP_AT;
/* Dialogs that have streams. */
static int with_streams;

struct key {
	const char *call_id;
	const char *local_tag;
	const char *remote_tag;
};

static int hash_dialog(const void *object, int flags)
{
	const char *call_id = (flags & OBJ_SEARCH_MASK) == OBJ_SEARCH_KEY
							  ? ((const struct key *)object)->call_id
							  : ((const struct sdp_dialog *)object)->call_id;

	return ast_str_hash(call_id);
}

/* Both ends of a call may be ours: they differ in who began. */
static int match_dialog(void *object, void *arg, int flags)
{
	const struct sdp_dialog *dialog = object;
	const struct key *key = arg;
	const char *tag;

	if ((flags & OBJ_SEARCH_MASK) != OBJ_SEARCH_KEY) {
		return object == arg ? CMP_MATCH | CMP_STOP : 0;
	}
	tag = dialog->initiated ? key->local_tag : key->remote_tag;
	return !strcmp(dialog->call_id, key->call_id) && !strcmp(dialog->tag, tag) ? CMP_MATCH | CMP_STOP : 0;
}

int sdp_start(void)
{
	dialogs = ao2_container_alloc_hash(AO2_ALLOC_OPT_LOCK_MUTEX, 0, BUCKETS, hash_dialog, NULL, match_dialog);
	return dialogs ? 0 : -1;
}

void sdp_stop(void)
{
	ao2_cleanup(dialogs);
	dialogs = NULL;
}

bool sdp_dialogs_are_kept(void)
{
	return dialogs != NULL;
}

unsigned int sdp_dialogs(void)
{
	return dialogs ? ao2_container_count(dialogs) : 0;
}

/* The call's steps outlive it, once. */
static void keep(struct sdp_dialog *dialog)
{
	char *steps = dialog->kept || !dialog->offer_answer ? NULL : ast_malloc(EXPLAIN_SIZE);

	if (steps) {
		sealrtp_offer_answer_explain(dialog->offer_answer, steps, EXPLAIN_SIZE);
		explain_keep(dialog->name, dialog->endpoint, steps);
		dialog->kept = true;
		ast_free(steps);
	}
}

static void dialog_destroy(void *object)
{
	struct sdp_dialog *dialog = object;
	size_t index;

	keep(dialog);
	for (index = 0; index < ARRAY_LEN(dialog->streams); index++) {
		ao2_cleanup(dialog->streams[index]);
	}
	sealrtp_offer_answer_free(dialog->offer_answer);
	sealrtp_config_free(dialog->config);
	ao2_cleanup(dialog->settings);
}

/* Whether descriptions of an end point ("PJSIP/alice") are policy's: with media_encryption they are
 * chan_pjsip's. */
static bool is_policys(const sealrtp_config *config, const char *endpoint)
{
	return sealrtp_config_is_active(config) && watch_is_clear(strchr(endpoint, '/') + 1);
}

/* Whether the policy of a channel's end point speaks in its descriptions. Asks sorcery: no lock is held. */
bool sdp_speaks_for(const sealrtp_config *config, const char *channel)
{
	char endpoint[AST_CHANNEL_NAME];

	return sdp_is_engaged() && !strncmp(channel, DRIVER "/", strlen(DRIVER "/")) &&
		   watch_endpoint(channel, endpoint, sizeof(endpoint)) && is_policys(config, endpoint);
}

static int is_idle(void *object, void *arg, int flags)
{
	const struct sdp_dialog *dialog = object;
	const int *ms = arg;

	(void)flags;
	return !dialog->alive && ast_tvdiff_ms(ast_tvnow(), dialog->last) > *ms ? CMP_MATCH : 0;
}

static void forget_idle(int ms)
{
	ao2_callback(dialogs, OBJ_UNLINK | OBJ_NODATA | OBJ_MULTIPLE, is_idle, &ms);
}

/* Who may not call at all can still send offers. */
static void sweep(void)
{
	if (ao2_container_count(dialogs) < sweep_at) {
		return;
	}
	forget_idle(IDLE_MS);
	if (ao2_container_count(dialogs) - ast_atomic_fetchadd_int(&with_streams, 0) > FLOOD) {
		forget_idle(FLOOD_IDLE_MS);
	}
	sweep_at = ao2_container_count(dialogs) + SWEEP_AT;
}

/* chan_pjsip's pvt of a channel, which begins alike in all versions. */
struct pjsip_pvt {
	void *pvt;
	void *session;
};

/* The channel of a session, with a reference, or NULL. */
static struct ast_channel *find_channel(const char *endpoint, const void *session)
{
	struct ast_channel_iterator *iterator;
	struct ast_channel *chan = NULL;
	char prefix[TEXT_SIZE + sizeof("-")];
	bool found = false;

	snprintf(prefix, sizeof(prefix), "%s-", endpoint);
	iterator = session ? ast_channel_iterator_by_name_new(prefix, strlen(prefix)) : NULL;
	if (!iterator) {
		return NULL;
	}
	while (!found && (chan = ast_channel_iterator_next(iterator))) {
		const struct pjsip_pvt *pvt;

		ast_channel_lock(chan);
		pvt = ast_channel_tech_pvt(chan);
		found = pvt && !strcmp(ast_channel_tech(chan)->type, DRIVER) && pvt->session == session;
		ast_channel_unlock(chan);
		if (!found) {
			ast_channel_unref(chan);
			chan = NULL;
		}
	}
	ast_channel_iterator_destroy(iterator);
	return chan;
}

/* Of a call of ours what its channel has; the dialplan has no word yet on one that comes in. */
static sealrtp_config *first_config(
	const struct settings *settings, const struct sealrtp_sip *sip, const char *endpoint, bool initiated)
{
	struct ast_channel *chan = initiated ? find_channel(endpoint, sip->session) : NULL;
	sealrtp_config *config;

	if (!chan) {
		return config_for_endpoint(settings, endpoint);
	}
	config = config_for_channel(settings, chan);
	ast_channel_unref(chan);
	return config;
}

/* NULL where policy has no say. */
static struct sdp_dialog *dialog_new(const struct sealrtp_sip *sip, bool initiated)
{
	struct settings *settings = config_get();
	char endpoint[TEXT_SIZE];
	sealrtp_config *config;
	struct sdp_dialog *dialog;
	sealrtp_result result;

	snprintf(endpoint, sizeof(endpoint), DRIVER "/%s", sip->endpoint);
	config = settings ? first_config(settings, sip, endpoint, initiated) : NULL;
	if (!config || !is_policys(config, endpoint) || !(dialog = ao2_alloc(sizeof(*dialog), dialog_destroy))) {
		sealrtp_config_free(config);
		ao2_cleanup(settings);
		return NULL;
	}
	dialog->settings = settings;
	dialog->config = config;
	dialog->initiated = initiated;
	dialog->last = ast_tvnow();
	ast_copy_string(dialog->endpoint, endpoint, sizeof(dialog->endpoint));
	ast_copy_string(dialog->call_id, sip->call_id, sizeof(dialog->call_id));
	ast_copy_string(dialog->tag, initiated ? sip->local_tag : sip->remote_tag, sizeof(dialog->tag));
	result = sealrtp_offer_answer_new(dialog->config, settings->dtls, endpoint, &dialog->offer_answer);
	if (result >= 0) {
		result = sealrtp_offer_answer_set_feedback(dialog->offer_answer, watch_has_avpf(sip->endpoint));
	}
	if (result < 0 || !ao2_link(dialogs, dialog)) {
		ast_log(LOG_ERROR, "No SDP of ours for %s: %s\n", endpoint, sealrtp_result_text(result));
		ao2_ref(dialog, -1);
		return NULL;
	}
	return dialog;
}

/* The dialog of a message with a reference, a new one where there is none; NULL where policy has no say. */
struct sdp_dialog *sdp_dialog_of(const struct sealrtp_sip *sip, bool outgoing)
{
	const struct key key = {sip->call_id, sip->local_tag, sip->remote_tag};
	struct sdp_dialog *dialog = ao2_find(dialogs, &key, OBJ_SEARCH_KEY);

	if (dialog || ast_strlen_zero(sip->endpoint)) {
		return dialog;
	}
	sweep();
	return dialog_new(sip, sip->request ? outgoing : !outgoing);
}

/* The stream's call is this dialog from here on. The dialog is locked. */
void sdp_dialog_adopt(struct sdp_dialog *dialog, struct ast_srtp *stream)
{
	ao2_lock(stream);
	if (stream->session && !stream->sdp.dialog) {
		stream->sdp.dialog = ao2_bump(dialog);
		if (!ast_atomic_fetchadd_int(&dialog->alive, 1)) {
			ast_atomic_fetchadd_int(&with_streams, 1);
		}
		stream->sdp.awaited = true;
		zrtp_settle(stream, dialog->settings, dialog->config);
	}
	ao2_unlock(stream);
}

/* The stream has ended. No lock of it is held. */
void sdp_forget(struct sdp_dialog *dialog)
{
	/* Descriptions of a call without streams concern nobody, and hold keys. */
	if (dialog && ast_atomic_fetchadd_int(&dialog->alive, -1) == 1) {
		ast_atomic_fetchadd_int(&with_streams, -1);
		if (dialogs) {
			ao2_unlink(dialogs, dialog);
		}
	}
	ao2_cleanup(dialog);
}

void sdp_dialog_drop(struct sdp_dialog *dialog)
{
	keep(dialog);
	ao2_unlink(dialogs, dialog);
}

/* The channel of the dialog with a reference, or NULL. */
struct ast_channel *sdp_dialog_channel(struct sdp_dialog *dialog)
{
	return ast_strlen_zero(dialog->channel) ? NULL : ast_channel_get_by_name(dialog->channel);
}

void sdp_dialog_learn_channel(struct sdp_dialog *dialog, const struct sealrtp_sip *sip)
{
	struct ast_channel *chan;

	if (!ast_strlen_zero(dialog->channel)) {
		return;
	}
	chan = find_channel(dialog->endpoint, sip->session);
	if (chan) {
		ast_copy_string(dialog->channel, ast_channel_uniqueid(chan), sizeof(dialog->channel));
		ast_channel_lock(chan);
		ast_copy_string(dialog->name, ast_channel_name(chan), sizeof(dialog->name));
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
	}
}

/* Each step of the stream's offers and answers with the rule behind it; false if there are none. */
bool sdp_explain(struct ast_srtp *stream, char *text, size_t size)
{
	struct sdp_dialog *dialog;

	ao2_lock(stream);
	dialog = ao2_bump(stream->sdp.dialog);
	ao2_unlock(stream);
	if (!dialog) {
		return false;
	}
	ao2_lock(dialog);
	sealrtp_offer_answer_explain(dialog->offer_answer, text, size);
	ao2_unlock(dialog);
	ao2_ref(dialog, -1);
	return true;
}

/* A further step of the stream's call. No lock is held. */
void sdp_note(struct ast_srtp *stream, const char *step)
{
	struct sdp_dialog *dialog;

	ao2_lock(stream);
	dialog = ao2_bump(stream->sdp.dialog);
	ao2_unlock(stream);
	if (dialog) {
		ao2_lock(dialog);
		sealrtp_offer_answer_note(dialog->offer_answer, step);
		ao2_unlock(dialog);
		ao2_ref(dialog, -1);
	}
}
