/* SPDX-License-Identifier: GPL-2.0-only
 *
 * res_sealrtp_pjsip.so: shows res_sealrtp.so the descriptions in chan_pjsip's messages, and puts its texts
 * into them.
 *
 * chan_pjsip sees the peer's description without media security, and the wire sees chan_pjsip's with it. A
 * message of ours is changed for as long as it is printed only: whoever sends it again, or answers a
 * challenge, works on chan_pjsip's.
 */

/*** MODULEINFO
	<depend>res_pjsip</depend>
	<depend>res_pjsip_session</depend>
	<depend>res_sealrtp</depend>
	<support_level>extended</support_level>
 ***/

#include "asterisk.h"

#include "asterisk/ast_version.h"
#include "asterisk/astobj2.h"
#include "asterisk/logger.h"
#include "asterisk/module.h"
#include "asterisk/sorcery.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "sdp_api.h"

#include "pjsip_abi.h"
#include "bodies.h"
#include "layout.h"

#ifndef SEALRTP_ASTERISK_MAJOR
#error                                                                                                       \
	"SEALRTP_ASTERISK_MAJOR must be the major version of the Asterisk that this module is built for, e.g. 22"
#endif

#define TEXT_SIZE 256
#define NOT_ACCEPTABLE_HERE 488
/* A transaction's role in its key. */
#define ROLE_UAS 1

/* Copies of what the other module is told of a message. */
struct words {
	char call_id[TEXT_SIZE], local_tag[TEXT_SIZE], remote_tag[TEXT_SIZE], endpoint[TEXT_SIZE];
	char what[TEXT_SIZE + sizeof("200 to ")];
	struct sealrtp_sip sip;
	/* With a reference. */
	struct ast_sip_session *session;
};

static bool copy(char *to, const pj_str_t *from)
{
	if (from->slen < 0 || from->slen >= TEXT_SIZE) {
		return false;
	}
	memcpy(to, from->ptr, from->slen);
	to[from->slen] = '\0';
	return true;
}

static bool equals(const pj_str_t *text, const char *expected)
{
	return text->slen == (ssize_t)strlen(expected) && !strncmp(text->ptr, expected, text->slen);
}

/* Offers and answers go in these (RFC 3261, 3262, 3311). */
static bool carries_media(const pjsip_method *method)
{
	return equals(&method->name, "INVITE") || equals(&method->name, "UPDATE") ||
		   equals(&method->name, "ACK") || equals(&method->name, "PRACK");
}

/* Of 18x and 2xx only: others describe nothing that counts. */
static bool is_answer(int code)
{
	return code > 100 && code < 300;
}

static enum sealrtp_sdp_hop hop_of(const char *transport, size_t len)
{
	bool tls =
		(len >= 3 && !strncasecmp(transport, "TLS", 3)) || (len >= 3 && !strncasecmp(transport, "WSS", 3));

	return tls ? SEALRTP_SDP_HOP_TLS : SEALRTP_SDP_HOP_CLEAR;
}

static bool is_secure_type(const pj_str_t *text, enum sealrtp_sdp_hop *hop)
{
	if (text->slen <= 0) {
		return false;
	}
	*hop = hop_of(text->ptr, text->slen);
	return true;
}

/* What both directions have in common. False: the message is not one of a call, or its headers are too long.
 */
static bool describe(struct words *words, const pjsip_msg *msg, const pjsip_cid_hdr *call_id,
	const pjsip_fromto_hdr *local, const pjsip_fromto_hdr *remote, const pjsip_cseq_hdr *cseq)
{
	char method[TEXT_SIZE];

	if (!call_id || !local || !remote || !cseq || !carries_media(&cseq->method) ||
		!copy(method, &cseq->method.name) || !copy(words->call_id, &call_id->id) ||
		!copy(words->local_tag, &local->tag) || !copy(words->remote_tag, &remote->tag)) {
		return false;
	}
	if (msg->type == PJSIP_RESPONSE_MSG) {
		if (!is_answer(msg->line.status.code)) {
			return false;
		}
		snprintf(words->what, sizeof(words->what), "%3d to %s", msg->line.status.code % 1000, method);
	} else {
		ast_copy_string(words->what, method, sizeof(words->what));
	}
	words->session = NULL;
	words->sip = (struct sealrtp_sip){
		.size = sizeof(words->sip),
		.call_id = words->call_id,
		.local_tag = words->local_tag,
		.remote_tag = words->remote_tag,
		.what = words->what,
		.cseq = cseq->cseq,
		.request = msg->type == PJSIP_REQUEST_MSG &&
				   (equals(&cseq->method.name, "INVITE") || equals(&cseq->method.name, "UPDATE")),
		.hop = SEALRTP_SDP_HOP_SAME,
	};
	return true;
}

/* The end point's name; takes the reference. */
static void set_endpoint(struct words *words, struct ast_sip_endpoint *endpoint)
{
	if (endpoint) {
		ast_copy_string(words->endpoint, ast_sorcery_object_get_id(endpoint), sizeof(words->endpoint));
		ao2_ref(endpoint, -1);
		words->sip.endpoint = words->endpoint;
	}
}

/* Whatever the dialog tells. */
static void ask_dialog(struct words *words, pjsip_dialog *dialog)
{
	if (!dialog) {
		return;
	}
	set_endpoint(words, ast_sip_dialog_get_endpoint(dialog));
	words->session = ast_sip_dialog_get_session(dialog);
	words->sip.session = words->session;
}

static void erase(char *text, size_t len)
{
	if (text) {
		explicit_bzero(text, len);
		ast_free(text);
	}
}

/* --- what comes in --- */

/* Keys of the packet are nobody's business but ours; whoever logs it comes later. */
static pj_bool_t hide_keys(pjsip_rx_data *rdata)
{
	const rx_msg_info *info = rx_info(rdata);

	/* The packet is a part of the structure, in front of this one. */
	if (info->buffer >= (char *)rdata && info->buffer < (const char *)info && info->len > 0 &&
		info->len <= (const char *)info - info->buffer) {
		bodies_hide_keys(((rx_head *)rdata)->pool, info->msg, info->buffer, info->len);
	}
	return PJ_FALSE;
}

/* The dialog, the session and the negotiator read the message through this one. */
static void refresh_cache(pjsip_rx_data *rdata, char *text, size_t len)
{
	pjsip_rdata_sdp_info *cached = pjsip_rdata_get_sdp_info(rdata);

	if (cached && cached->body.ptr != text) {
		cached->body = (pj_str_t){text, len};
		cached->sdp = NULL;
		cached->error = pjmedia_sdp_parse(((rx_head *)rdata)->pool, text, len, &cached->sdp);
	}
}

static bool replace_body(pjsip_rx_data *rdata, pjsip_msg_body *body, const char *text, size_t len)
{
	char *own = pj_pool_alloc(((rx_head *)rdata)->pool, len + 1);

	if (!own) {
		return false;
	}
	memcpy(own, text, len);
	own[len] = '\0';
	/* It was ours alone since hide_keys(). */
	body->data = own;
	body->len = len;
	refresh_cache(rdata, own, len);
	return true;
}

static enum sealrtp_sdp_verdict receive(pjsip_rx_data *rdata)
{
	const rx_msg_info *info = rx_info(rdata);
	bool request = info->msg->type == PJSIP_REQUEST_MSG;
	pjsip_msg_body **place = bodies_find_sdp(info->msg);
	enum sealrtp_sdp_verdict verdict;
	const char *transport;
	struct sealrtp_text text = {.changed = NULL};
	struct words words;

	if (!place || !(*place)->data ||
		!describe(&words, info->msg, info->call_id, request ? info->to : info->from,
			request ? info->from : info->to, info->cseq)) {
		return SEALRTP_SDP_PASS;
	}
	transport = rx_transport_name(rdata);
	words.sip.hop = hop_of(S_OR(transport, ""), strlen(S_OR(transport, "")));
	ask_dialog(&words, pjsip_ua_find_dialog(&info->call_id->id, request ? &info->to->tag : &info->from->tag,
						   request ? &info->from->tag : &info->to->tag, PJ_FALSE));
	if (request && !words.sip.endpoint) {
		set_endpoint(&words, ast_pjsip_rdata_get_endpoint(rdata));
	}
	text.body = (*place)->data;
	text.len = (*place)->len;
	verdict = sealrtp_sdp_incoming(&words.sip, &text);
	if (verdict == SEALRTP_SDP_CHANGED && !replace_body(rdata, *place, text.changed, text.changed_len)) {
		verdict = SEALRTP_SDP_REFUSED;
	}
	erase(text.changed, text.changed_len);
	ao2_cleanup(words.session);
	return verdict;
}

static pjsip_module in_dialogs, first_requests;

/* Answered already: the transaction layer does the rest. */
static bool has_transaction(pjsip_rx_data *rdata)
{
	const rx_msg_info *info = rx_info(rdata);
	pj_str_t key = {NULL, 0};

	return !pjsip_tsx_create_key(((rx_head *)rdata)->pool, &key, ROLE_UAS, &info->cseq->method, rdata) &&
		   pjsip_tsx_layer_find_tsx(&key, PJ_FALSE);
}

/* True if the request goes no further. */
static pj_bool_t refuse(pjsip_rx_data *rdata)
{
	pjsip_endpoint *endpoint = ast_sip_get_pjsip_endpoint();

	/* An answer cannot be refused: the call is ended by who has judged it. */
	if (rx_info(rdata)->msg->line.request.method.id == PJSIP_ACK_METHOD) {
		return PJ_FALSE;
	}
	/* The transaction is nobody's: it may outlive this module. */
	if (pjsip_endpt_respond(endpoint, NULL, rdata, NOT_ACCEPTABLE_HERE, NULL, NULL, NULL, NULL)) {
		pjsip_endpt_respond_stateless(endpoint, rdata, NOT_ACCEPTABLE_HERE, NULL, NULL, NULL);
	}
	return PJ_TRUE;
}

/* A request that may begin a call is looked at when it has been authenticated. */
static bool begins(pjsip_rx_data *rdata)
{
	return !rx_info(rdata)->to || !rx_info(rdata)->to->tag.slen;
}

static pj_bool_t receive_in_dialog(pjsip_rx_data *rdata)
{
	if (begins(rdata) ||
		(rx_info(rdata)->msg->line.request.method.id != PJSIP_ACK_METHOD && has_transaction(rdata))) {
		return PJ_FALSE;
	}
	return receive(rdata) == SEALRTP_SDP_REFUSED && refuse(rdata);
}

static pj_bool_t receive_first(pjsip_rx_data *rdata)
{
	return begins(rdata) && receive(rdata) == SEALRTP_SDP_REFUSED && refuse(rdata);
}

/* A refused answer ends its call; until then nothing passes. */
static pj_bool_t receive_response(pjsip_rx_data *rdata)
{
	receive(rdata);
	return PJ_FALSE;
}

/* --- what goes out --- */

static int print_text(pjsip_msg_body *body, char *buffer, size_t size)
{
	if (body->len > size) {
		return -1;
	}
	memcpy(buffer, body->data, body->len);
	return body->len;
}

/* Prints the message with another description in it. */
static pj_status_t print_with(pjsip_tx_data *tdata, pjsip_msg_body *body, char *text, size_t len)
{
	const pjsip_msg_body original = *body;
	pj_status_t status;

	/* In place: a copy's list of parameters would not end. */
	body->data = text;
	body->len = len;
	body->print_body = print_text;
	pjsip_tx_data_invalidate_msg(tdata);
	status = pjsip_tx_data_encode(tdata);
	body->data = original.data;
	body->len = original.len;
	body->print_body = original.print_body;
	return status;
}

/* Prints our answer as a refusal: the peer's offer cannot be answered, and who gets no answer asks again. The
 * call is ended by who has judged it. */
static pj_status_t print_refusal(pjsip_tx_data *tdata)
{
	pjsip_msg *msg = tx_msg(tdata);
	const pjsip_msg original = *msg;
	pj_status_t status;

	msg->line.status.code = NOT_ACCEPTABLE_HERE;
	msg->line.status.reason = (pj_str_t){(char *)"Not Acceptable Here", strlen("Not Acceptable Here")};
	msg->body = NULL;
	pjsip_tx_data_invalidate_msg(tdata);
	status = pjsip_tx_data_encode(tdata);
	msg->line = original.line;
	msg->body = original.body;
	return status;
}

static pjsip_dialog *dialog_of(pjsip_tx_data *tdata, const pjsip_cid_hdr *call_id,
	const pjsip_fromto_hdr *local, const pjsip_fromto_hdr *remote)
{
	pjsip_dialog *dialog = pjsip_tdata_get_dlg(tdata);

	return dialog ? dialog : pjsip_ua_find_dialog(&call_id->id, &local->tag, &remote->tag, PJ_FALSE);
}

static pj_status_t send_text(
	pjsip_tx_data *tdata, pjsip_msg_body **place, const struct sealrtp_sip *sip, char *printed, int len)
{
	struct sealrtp_text text = {.body = printed, .len = len};
	enum sealrtp_sdp_verdict verdict;
	pj_status_t status = PJ_SUCCESS;

	verdict = sealrtp_sdp_outgoing(sip, &text);
	if (verdict == SEALRTP_SDP_CHANGED) {
		status = print_with(tdata, *place, text.changed, text.changed_len);
	} else if (verdict == SEALRTP_SDP_REFUSED) {
		status = tx_msg(tdata)->type == PJSIP_RESPONSE_MSG ? print_refusal(tdata) : STATUS_REFUSED;
	}
	erase(text.changed, text.changed_len);
	return status;
}

static pj_status_t send_out(pjsip_tx_data *tdata)
{
	const pjsip_msg *msg = tx_msg(tdata);
	pjsip_msg_body **place = bodies_find_sdp((pjsip_msg *)msg);
	const pjsip_cid_hdr *call_id;
	const pjsip_fromto_hdr *from, *to, *local, *remote;
	const pjsip_via_hdr *via;
	pj_status_t status;
	struct words words;
	char *printed;
	int len;

	if (!place) {
		return PJ_SUCCESS;
	}
	call_id = find_header(msg, "Call-ID");
	from = find_header(msg, "From");
	to = find_header(msg, "To");
	local = msg->type == PJSIP_REQUEST_MSG ? from : to;
	remote = msg->type == PJSIP_REQUEST_MSG ? to : from;
	if (!describe(&words, msg, call_id, local, remote, find_header(msg, "CSeq"))) {
		return PJ_SUCCESS;
	}
	via = find_header(msg, "Via");
	/* In a response it is the peer's word. */
	if (!(msg->type == PJSIP_REQUEST_MSG && via && is_secure_type(&via->transport, &words.sip.hop))) {
		words.sip.hop = SEALRTP_SDP_HOP_SAME;
	}
	ask_dialog(&words, dialog_of(tdata, call_id, local, remote));
	printed = ast_malloc(SDP_MAX);
	len = printed ? (*place)->print_body(*place, printed, SDP_MAX) : -1;
	status = len < 0 ? STATUS_REFUSED : send_text(tdata, place, &words.sip, printed, len);
	ast_free(printed);
	ao2_cleanup(words.session);
	return status;
}

/* --- the modules, by their places in pjproject's order --- */

#define NAME(text)                                                                                           \
	{                                                                                                        \
		(char *)text, sizeof(text) - 1                                                                       \
	}

/* Before the loggers' 0. */
#define FIRST -1

/* In front of, and for what goes out behind, everybody who logs messages. */
static pjsip_module at_wire = {
	.name = NAME("SealRTP at the wire"),
	.id = -1,
	.priority = FIRST,
	.on_rx_request = hide_keys,
	.on_rx_response = hide_keys,
	.on_tx_request = send_out,
	.on_tx_response = send_out,
};

/* The end point is known there, and nobody has read the description yet. */
static pjsip_module in_dialogs = {
	.name = NAME("SealRTP in dialogs"),
	.id = -1,
	.priority = PJSIP_MOD_PRIORITY_TSX_LAYER - 1,
	.on_rx_request = receive_in_dialog,
	.on_rx_response = receive_response,
};

/* Behind authentication, in front of chan_pjsip's sessions. */
static pjsip_module first_requests = {
	.name = NAME("SealRTP of first requests"),
	.id = -1,
	.priority = PJSIP_MOD_PRIORITY_APPLICATION - 1,
	.on_rx_request = receive_first,
};

static pjsip_module *const modules[] = {&at_wire, &first_requests, &in_dialogs};

static void stop(size_t count)
{
	while (count--) {
		ast_sip_unregister_service(modules[count]);
	}
}

static int load_module(void)
{
	size_t index;

	if (atoi(ast_get_version_num()) / 10000 != SEALRTP_ASTERISK_MAJOR) {
		ast_log(LOG_ERROR,
			"This res_sealrtp_pjsip.so was built for Asterisk %d, and this is Asterisk %s: build it for this "
			"one\n",
			SEALRTP_ASTERISK_MAJOR, ast_get_version());
		return AST_MODULE_LOAD_DECLINE;
	}
	if (!layout_measure()) {
		return AST_MODULE_LOAD_DECLINE;
	}
	at_wire.priority = FIRST;
	for (index = 0; index < ARRAY_LEN(modules); index++) {
		if (ast_sip_register_service(modules[index])) {
			ast_log(LOG_ERROR, "pjproject has no room for a further module\n");
			stop(index);
			return AST_MODULE_LOAD_DECLINE;
		}
	}
	/* pjproject shows what comes in from 0 on; the place is taken. */
	at_wire.priority = 0;
	sealrtp_sdp_engage(true);
	return AST_MODULE_LOAD_SUCCESS;
}

/* Calls that are up keep their keys; a later re-INVITE of theirs goes out as chan_pjsip makes it, so none is
 * left behind. */
static int unload_module(void)
{
	sealrtp_sdp_engage(false);
	stop(ARRAY_LEN(modules));
	return 0;
}

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_LOAD_ORDER, "SealRTP: media security in the SDP of chan_pjsip",
	.support_level = AST_MODULE_SUPPORT_EXTENDED, .load = load_module, .unload = unload_module,
	.load_pri = AST_MODPRI_CHANNEL_DEPEND + 2, .requires = "res_pjsip,res_pjsip_session,res_sealrtp", );
