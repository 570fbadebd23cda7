/* SPDX-License-Identifier: GPL-2.0-only
 *
 * SDP of chan_pjsip, which res_sealrtp_pjsip.so shows: which end point it is of, what the library makes of
 * it, and which streams it describes.
 *
 * A dialog begins with its first description, where policy has a say, and ends with its last stream. Its lock
 * is taken before a channel's and before a stream's.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/causes.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define AST_API_MODULE
#include "sdp_api.h"

#define DRIVER "PJSIP"
#define TEXT_SIZE 256
#define BUCKETS 1021
/* Lines of a description whose streams are ours to secure; further ones stay as they are. */
#define LINES_MAX 64
/* Room for what the library adds to a text, and its limit, in bytes. */
#define TEXT_MORE 4096
#define TEXT_MAX (256 * 1024)
/* A call without a stream, as one that rings or was refused, is forgotten after this long; sooner if there
 * are very many, which nobody's phones are. */
#define IDLE_MS 600000
#define FLOOD_IDLE_MS 4000
#define FLOOD 4096
/* So many dialogs are kept before the idle ones are looked for. */
#define SWEEP_AT 256

struct sdp_dialog {
	sealrtp_offer_answer *offer_answer;
	/* Of the time the call began. */
	struct settings *settings;
	sealrtp_config *config;
	/* By line; NULL where there is none. */
	struct ast_srtp *streams[LINES_MAX];
	struct timeval last;
	/* Streams that name it. */
	int alive;
	/* We sent the first request. */
	bool initiated;
	bool tls;
	/* Its steps are among those of ended calls. */
	bool kept;
	/* Unique id and name of its channel, or "". */
	char channel[AST_MAX_UNIQUEID];
	char name[AST_CHANNEL_NAME];
	/* "PJSIP/alice" */
	char endpoint[TEXT_SIZE];
	char call_id[TEXT_SIZE];
	/* Of who sent the first request. */
	char tag[TEXT_SIZE];
};

static struct ao2_container *dialogs;
static bool engaged;
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

	return engaged && !strncmp(channel, DRIVER "/", strlen(DRIVER "/")) &&
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
static struct sdp_dialog *dialog_of(const struct sealrtp_sip *sip, bool outgoing)
{
	const struct key key = {sip->call_id, sip->local_tag, sip->remote_tag};
	struct sdp_dialog *dialog = ao2_find(dialogs, &key, OBJ_SEARCH_KEY);

	if (dialog || ast_strlen_zero(sip->endpoint)) {
		return dialog;
	}
	sweep();
	return dialog_new(sip, sip->request ? outgoing : !outgoing);
}

/* The stream at an RTP port of ours, with a reference, or NULL. */
static struct ast_srtp *stream_at(uint32_t port)
{
	struct ao2_iterator iterator = ao2_iterator_init(streams_all(), 0);
	struct ast_srtp *stream;

	while ((stream = ao2_iterator_next(&iterator))) {
		if (stream->session && (uint32_t)ast_sockaddr_port(&stream->local) == port) {
			break;
		}
		ao2_ref(stream, -1);
	}
	ao2_iterator_destroy(&iterator);
	return stream;
}

/* The stream's call is this dialog from here on. The dialog is locked. */
static void adopt(struct sdp_dialog *dialog, struct ast_srtp *stream)
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

/* The text that the library writes by `write`, ast_malloc'ed; NULL with the library's result. */
static char *write_text(struct sdp_dialog *dialog, size_t size, size_t *len, sealrtp_result *result)
{
	char *text = NULL;

	for (*len = size; *len <= TEXT_MAX; size = *len) {
		text = ast_malloc(size);
		if (!text) {
			*result = SEALRTP_E_INTERNAL;
			return NULL;
		}
		*result = sealrtp_offer_answer_write(dialog->offer_answer, text, len);
		if (*result == SEALRTP_OK) {
			return text;
		}
		explicit_bzero(text, size);
		ast_free(text);
		if (*result != SEALRTP_E_BUFFER) {
			return NULL;
		}
	}
	return NULL;
}

/* The channel of the dialog with a reference, or NULL. */
static struct ast_channel *channel_of(struct sdp_dialog *dialog)
{
	return ast_strlen_zero(dialog->channel) ? NULL : ast_channel_get_by_name(dialog->channel);
}

static void learn_channel(struct sdp_dialog *dialog, const struct sealrtp_sip *sip)
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

/* Nothing clear passes any more, and the call ends. */
static void end_call(struct sdp_dialog *dialog, const char *reason)
{
	struct ast_channel *chan = channel_of(dialog);
	size_t index;

	for (index = 0; index < ARRAY_LEN(dialog->streams); index++) {
		struct ast_srtp *stream = dialog->streams[index];

		if (stream) {
			ao2_lock(stream);
			if (stream->session) {
				sealrtp_session_demand_security(stream->session);
			}
			ao2_unlock(stream);
		}
	}
	if (chan) {
		report_failed(chan, METHOD_NONE, reason, true);
		ast_channel_unref(chan);
	}
}

/* Why the message goes no further, for a log line. A description that cannot be read passes where clear media
 * may. */
static enum sealrtp_sdp_verdict refuse(struct sdp_dialog *dialog, const struct sealrtp_sip *sip,
	bool outgoing, sealrtp_result result, const char *reason)
{
	const char *why = S_OR(reason, sealrtp_result_text(result));
	bool ends = outgoing || !sip->request;

	if (result == SEALRTP_E_SDP && !sealrtp_config_demands(dialog->config)) {
		ast_log(LOG_NOTICE, "%s: SDP of %s left as it is: %s (Call-ID %s)\n", dialog->endpoint, sip->what,
			why, sip->call_id);
		return SEALRTP_SDP_PASS;
	}
	ast_log(LOG_WARNING, "%s: %s of %s: %s (Call-ID %s)\n", dialog->endpoint,
		outgoing	   ? "Not sending SDP"
		: sip->request ? "Refusing with 488 the offer"
					   : "Ending the call, refused SDP",
		sip->what, why, sip->call_id);
	if (ends) {
		end_call(dialog, why);
	}
	if (!dialog->alive) {
		/* Nothing comes after it. */
		keep(dialog);
		ao2_unlink(dialogs, dialog);
	}
	return SEALRTP_SDP_REFUSED;
}

static void fill(
	struct sealrtp_sdp_message *message, struct sdp_dialog *dialog, const struct sealrtp_sip *sip)
{
	if (sip->hop != SEALRTP_SDP_HOP_SAME) {
		dialog->tls = sip->hop == SEALRTP_SDP_HOP_TLS;
	}
	dialog->last = ast_tvnow();
	*message = (struct sealrtp_sdp_message){
		.size = sizeof(*message),
		.request = sip->request,
		.cseq = sip->cseq,
		.tls = dialog->tls,
	};
}

/* Gives the stream its share of the call's ZRTP, if the line may have it. No stream is locked. */
static void prepare_zrtp(struct sdp_dialog *dialog, struct ast_srtp *stream)
{
	struct ast_channel *chan = channel_of(dialog);

	if (chan) {
		zrtp_prepare(stream, dialog->settings, dialog->config, chan, dialog->initiated);
		ast_channel_unref(chan);
	}
}

/* What a line of ours says is taken from its stream. The dialog is locked. */
static sealrtp_result describe(struct sdp_dialog *dialog, uint32_t index, char *reason, size_t size)
{
	struct sealrtp_sdp_line line = {.size = sizeof(line)};
	sealrtp_result result = SEALRTP_OK;
	struct ast_srtp *stream;

	if (sealrtp_offer_answer_line(dialog->offer_answer, index, &line) != SEALRTP_OK || !line.rtp ||
		!line.port) {
		return SEALRTP_OK;
	}
	stream = stream_at(line.port);
	if (!stream) {
		snprintf(reason, size,
			"the media of port %u is not ours, so it cannot be secured: set direct_media=no", line.port);
		return SEALRTP_DONE;
	}
	ao2_cleanup(dialog->streams[index]);
	dialog->streams[index] = stream;
	adopt(dialog, stream);
	if (line.zrtp) {
		prepare_zrtp(dialog, stream);
	}
	ao2_lock(stream);
	if (stream->session) {
		result = sealrtp_offer_answer_describe(dialog->offer_answer, index, stream->session,
			line.zrtp ? zrtp_handle(stream) : NULL, stream->zrtp.ssrc, reason, size);
		zrtp_described(stream);
	}
	ao2_unlock(stream);
	return result;
}

/* Clear media passes from here on, where it did not before: the stream was blocked until the call was known,
 * or secured and policy lets go of that. The stream is locked. */
static void open_up(struct sdp_dialog *dialog, struct ast_srtp *stream)
{
	stream->method = METHOD_NONE;
	if (sealrtp_session_state(stream->session, SEALRTP_RTP) == SEALRTP_STATE_BYPASS ||
		sealrtp_config_demands(dialog->config) || stream_renew(stream, dialog->config, false)) {
		return;
	}
	stream->keyed = stream->dtls.configured = stream->dtls.started = false;
}

/* What was decided for a stream shows in its flags, and begins. The stream is locked. */
static void follow(struct sdp_dialog *dialog, struct ast_srtp *stream, uint32_t method, bool answering)
{
	if (method == SEALRTP_METHOD_NONE) {
		return;
	}
	stream->sdp.awaited = false;
	stream->sdp.decided = method;
	switch (method) {
	case SEALRTP_METHOD_SDES:
		stream->method = METHOD_SDES;
		stream->keyed = true;
		stream->sdp.upgrade = stream->zrtp.used;
		if (!stream->sdp.upgrade) {
			zrtp_stop(stream);
		}
		break;
	case SEALRTP_METHOD_DTLS:
		dtls_decided(stream, answering);
		break;
	case SEALRTP_METHOD_ZRTP:
		zrtp_decided(stream);
		break;
	default:
		open_up(dialog, stream);
	}
}

/* The dialog is locked. */
static sealrtp_result apply(
	struct sdp_dialog *dialog, uint32_t index, bool answering, char *reason, size_t size)
{
	struct ast_srtp *stream = dialog->streams[index];
	uint32_t method = SEALRTP_METHOD_NONE;
	sealrtp_result result = SEALRTP_OK;

	if (!stream) {
		return SEALRTP_OK;
	}
	ao2_lock(stream);
	if (stream->session) {
		result = sealrtp_offer_answer_apply(dialog->offer_answer, index, stream->session, zrtp_handle(stream),
			stream->zrtp.ssrc, &method, reason, size);
		if (result >= 0) {
			zrtp_described(stream);
			follow(dialog, stream, method, answering);
		} else {
			sealrtp_session_demand_security(stream->session);
		}
	}
	ao2_unlock(stream);
	if (method != SEALRTP_METHOD_NONE) {
		zrtp_look_again(stream);
	}
	return result;
}

/* Media that is secured here comes through here: chan_pjsip, which knows nothing of it, would send it from
 * phone to phone. */
static void anchor(struct sdp_dialog *dialog)
{
	struct ast_channel *chan;
	bool secured = false;
	size_t index;

	for (index = 0; !secured && index < ARRAY_LEN(dialog->streams); index++) {
		const struct ast_srtp *stream = dialog->streams[index];

		secured = stream &&
				  (stream->sdp.decided == SEALRTP_METHOD_SDES || stream->sdp.decided == SEALRTP_METHOD_DTLS);
	}
	chan = secured ? channel_of(dialog) : NULL;
	if (chan) {
		ast_channel_lock(chan);
		channel_anchor(chan);
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
	}
}

static sealrtp_result apply_all(struct sdp_dialog *dialog, bool answering, char *reason, size_t size)
{
	sealrtp_result result = SEALRTP_OK;
	uint32_t index;

	for (index = 0; result >= 0 && index < ARRAY_LEN(dialog->streams); index++) {
		result = apply(dialog, index, answering, reason, size);
	}
	anchor(dialog);
	return result;
}

/* The text without security in it; NULL with the library's result. */
static char *strip(struct sdp_dialog *dialog, const struct sealrtp_sip *sip, const struct sealrtp_text *text,
	size_t *len, sealrtp_result *result, char *reason, size_t size)
{
	struct sealrtp_sdp_message message;
	char *out = ast_malloc(text->len + TEXT_MORE);

	if (!out) {
		*result = SEALRTP_E_INTERNAL;
		return NULL;
	}
	fill(&message, dialog, sip);
	*len = text->len + TEXT_MORE;
	*result = sealrtp_offer_answer_remote(
		dialog->offer_answer, &message, text->body, text->len, out, len, reason, size);
	if (*result != SEALRTP_OK) {
		ast_free(out);
		return NULL;
	}
	return out;
}

static enum sealrtp_sdp_verdict incoming(
	struct sdp_dialog *dialog, const struct sealrtp_sip *sip, struct sealrtp_text *text)
{
	char reason[REASON_SIZE] = "";
	sealrtp_result result;
	size_t len = 0;
	char *out;

	learn_channel(dialog, sip);
	out = strip(dialog, sip, text, &len, &result, reason, sizeof(reason));
	/* What answers our offer is in force at once; an offer, with our answer. */
	if (result >= 0 && !sip->request) {
		sealrtp_result applied = apply_all(dialog, false, reason, sizeof(reason));

		result = applied < 0 ? applied : result;
	}
	if (result < 0) {
		ast_free(out);
		return refuse(dialog, sip, false, result, reason);
	}
	if (!out) {
		return SEALRTP_SDP_PASS;
	}
	text->changed = out;
	text->changed_len = len;
	return SEALRTP_SDP_CHANGED;
}

static bool is_same_section(const sealrtp_config *one, const sealrtp_config *other)
{
	char names[2][SECTION_NAME_SIZE] = {"", ""};

	sealrtp_config_section(one, names[0], sizeof(names[0]));
	sealrtp_config_section(other, names[1], sizeof(names[1]));
	return !strcmp(names[0], names[1]);
}

/* The dialplan may have chosen another policy since the peer's offer came. The dialog is locked. */
static sealrtp_result follow_dialplan(struct sdp_dialog *dialog, char *reason, size_t size)
{
	struct ast_channel *chan = channel_of(dialog);
	sealrtp_config *chosen = chan ? policy_chosen(chan) : NULL;
	sealrtp_result result = SEALRTP_OK;

	if (chosen && !is_same_section(chosen, dialog->config)) {
		sealrtp_config_free(dialog->config);
		dialog->config = chosen;
		chosen = NULL;
		result = sealrtp_offer_answer_set_config(dialog->offer_answer, dialog->config, reason, size);
	}
	sealrtp_config_free(chosen);
	if (chan) {
		ast_channel_unref(chan);
	}
	return result;
}

/* Whether policy lets the call's media pass in the clear, and nothing has secured it. The dialog is locked.
 */
static bool may_be_clear(struct sdp_dialog *dialog)
{
	bool clear = !sealrtp_config_demands(dialog->config);
	size_t index;

	for (index = 0; clear && index < ARRAY_LEN(dialog->streams); index++) {
		struct ast_srtp *stream = dialog->streams[index];

		if (stream) {
			ao2_lock(stream);
			clear = !stream->session ||
					sealrtp_session_state(stream->session, SEALRTP_RTP) == SEALRTP_STATE_BYPASS;
			ao2_unlock(stream);
		}
	}
	return clear;
}

static enum sealrtp_sdp_verdict outgoing(
	struct sdp_dialog *dialog, const struct sealrtp_sip *sip, struct sealrtp_text *text)
{
	struct sealrtp_sdp_message message;
	char reason[REASON_SIZE] = "";
	uint32_t lines = 0, index;
	sealrtp_result result;

	learn_channel(dialog, sip);
	fill(&message, dialog, sip);
	result = follow_dialplan(dialog, reason, sizeof(reason));
	if (result >= 0) {
		result = sealrtp_offer_answer_local(
			dialog->offer_answer, &message, text->body, text->len, &lines, reason, sizeof(reason));
	}
	for (index = 0; result == SEALRTP_OK && index < MIN(lines, LINES_MAX); index++) {
		result = describe(dialog, index, reason, sizeof(reason));
	}
	if (result == SEALRTP_DONE) {
		/* Media that nobody secures goes from phone to phone. */
		return may_be_clear(dialog) ? SEALRTP_SDP_PASS : refuse(dialog, sip, true, SEALRTP_E_POLICY, reason);
	}
	if (result >= 0) {
		text->changed = write_text(dialog, text->len + TEXT_MORE, &text->changed_len, &result);
	}
	if (result >= 0) {
		result = apply_all(dialog, !sip->request, reason, sizeof(reason));
	}
	if (result < 0) {
		return refuse(dialog, sip, true, result, reason);
	}
	return text->changed ? SEALRTP_SDP_CHANGED : SEALRTP_SDP_PASS;
}

static enum sealrtp_sdp_verdict handle(
	const struct sealrtp_sip *sip, struct sealrtp_text *text, bool is_outgoing)
{
	enum sealrtp_sdp_verdict verdict;
	struct sdp_dialog *dialog;

	text->changed = NULL;
	if (sip->size != sizeof(*sip) || !dialogs) {
		ast_log(LOG_ERROR,
			"res_sealrtp_pjsip.so and res_sealrtp.so are of different versions: install both of one\n");
		return SEALRTP_SDP_REFUSED;
	}
	dialog = dialog_of(sip, is_outgoing);
	if (!dialog) {
		return SEALRTP_SDP_PASS;
	}
	ao2_lock(dialog);
	verdict = is_outgoing ? outgoing(dialog, sip, text) : incoming(dialog, sip, text);
	ao2_unlock(dialog);
	ao2_ref(dialog, -1);
	return verdict;
}

enum sealrtp_sdp_verdict AST_OPTIONAL_API_NAME(sealrtp_sdp_incoming)(
	const struct sealrtp_sip *sip, struct sealrtp_text *text)
{
	return handle(sip, text, false);
}

enum sealrtp_sdp_verdict AST_OPTIONAL_API_NAME(sealrtp_sdp_outgoing)(
	const struct sealrtp_sip *sip, struct sealrtp_text *text)
{
	return handle(sip, text, true);
}

void AST_OPTIONAL_API_NAME(sealrtp_sdp_engage)(bool on)
{
	engaged = on;
}

bool sdp_is_engaged(void)
{
	return engaged;
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
