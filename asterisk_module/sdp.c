/* SPDX-License-Identifier: GPL-2.0-only
 *
 * SDP of chan_pjsip, which res_sealrtp_pjsip.so shows: what the library makes of it, and what becomes of the
 * message.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "sdp_dialog.h"

#define AST_API_MODULE
#include "sdp_api.h"

/* Room for what the library adds to a text, and its limit, in bytes. */
#define TEXT_MORE 4096
#define TEXT_MAX (256 * 1024)

static bool engaged;

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

/* Nothing clear passes any more, and the call ends. */
static void end_call(struct sdp_dialog *dialog, const char *reason)
{
	struct ast_channel *chan = sdp_dialog_channel(dialog);

	sdp_streams_demand_security(dialog);
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
		sdp_dialog_drop(dialog);
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

	sdp_dialog_learn_channel(dialog, sip);
	out = strip(dialog, sip, text, &len, &result, reason, sizeof(reason));
	/* What answers our offer is in force at once; an offer, with our answer. */
	if (result >= 0 && !sip->request) {
		sealrtp_result applied = sdp_streams_apply(dialog, false, reason, sizeof(reason));

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
	struct ast_channel *chan = sdp_dialog_channel(dialog);
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

static enum sealrtp_sdp_verdict outgoing(
	struct sdp_dialog *dialog, const struct sealrtp_sip *sip, struct sealrtp_text *text)
{
	struct sealrtp_sdp_message message;
	char reason[REASON_SIZE] = "";
	uint32_t lines = 0, index;
	sealrtp_result result;

	sdp_dialog_learn_channel(dialog, sip);
	fill(&message, dialog, sip);
	result = follow_dialplan(dialog, reason, sizeof(reason));
	if (result >= 0) {
		result = sealrtp_offer_answer_local(
			dialog->offer_answer, &message, text->body, text->len, &lines, reason, sizeof(reason));
	}
	for (index = 0; result == SEALRTP_OK && index < MIN(lines, LINES_MAX); index++) {
		result = sdp_streams_describe(dialog, index, reason, sizeof(reason));
	}
	if (result == SEALRTP_DONE) {
		/* Media that nobody secures goes from phone to phone. */
		return sdp_streams_may_be_clear(dialog) ? SEALRTP_SDP_PASS
												: refuse(dialog, sip, true, SEALRTP_E_POLICY, reason);
	}
	if (result >= 0) {
		text->changed = write_text(dialog, text->len + TEXT_MORE, &text->changed_len, &result);
	}
	if (result >= 0) {
		result = sdp_streams_apply(dialog, !sip->request, reason, sizeof(reason));
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
	if (sip->size != sizeof(*sip) || !sdp_dialogs_are_kept()) {
		ast_log(LOG_ERROR,
			"res_sealrtp_pjsip.so and res_sealrtp.so are of different versions: install both of one\n");
		return SEALRTP_SDP_REFUSED;
	}
	dialog = sdp_dialog_of(sip, is_outgoing);
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
