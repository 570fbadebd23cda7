/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Measures pjproject's structures: a message that pjproject itself has parsed, and one that it has made, are
 * searched for what is known to be in them.
 *
 * A guess may be any number: before it is followed the kernel is asked to read there, so a wrong one ends in
 * a refusal and not in a crash.
 */

#include "asterisk.h"

#include <fcntl.h>
#include <unistd.h>

#include "asterisk/logger.h"
#include "asterisk/utils.h"

#include "pjsip_abi.h"
#include "layout.h"

/* More than any build's pjsip_rx_data, whose packet has at most 64 KB. */
#define RX_SIZE (512 * 1024)
/* A pool that all of a small message fits into. */
#define POOL_SIZE (64 * 1024)
/* More than any build's pjsip_tx_data has in front of its message. */
#define TX_BLOCK 1024
/* Of pjsip_transport. */
#define TRANSPORT_BLOCK 400

#define CALL_ID "layout-call@sealrtp"
#define FROM_TAG "layout-from"
#define TO_TAG "layout-to"
#define CSEQ 4711
#define BODY "v=0\r\n"
#define TRANSPORT "TLS"

struct layout layout;

static const char packet[] = "UPDATE sip:sealrtp@127.0.0.1 SIP/2.0\r\n"
							 "Via: SIP/2.0/" TRANSPORT " 127.0.0.1:5060;branch=z9hG4bKlayout\r\n"
							 "Max-Forwards: 70\r\n"
							 "From: <sip:layout@127.0.0.1>;tag=" FROM_TAG "\r\n"
							 "To: <sip:sealrtp@127.0.0.1>;tag=" TO_TAG "\r\n"
							 "Call-ID: " CALL_ID "\r\n"
							 "CSeq: 4711 UPDATE\r\n"
							 "Content-Type: application/sdp\r\n"
							 "Content-Length: 5\r\n"
							 "\r\n" BODY;

/* A pipe that is written to and read from. */
struct probe {
	int fds[2];
};

/* Whether there is so much memory. */
static bool holds(const struct probe *probe, const void *pointer, size_t size)
{
	char sink[512];
	ssize_t written;

	if (!pointer || (uintptr_t)pointer % sizeof(void *) || size > sizeof(sink)) {
		return false;
	}
	written = write(probe->fds[1], pointer, size);
	return written == (ssize_t)size && read(probe->fds[0], sink, size) == written;
}

static bool is_text(const struct probe *probe, const pj_str_t *text, const char *expected)
{
	uintptr_t start = (uintptr_t)text->ptr & -sizeof(void *);

	return text->slen == (ssize_t)strlen(expected) &&
		   holds(probe, (const void *)start, (uintptr_t)text->ptr - start + text->slen) &&
		   !strncmp(text->ptr, expected, text->slen);
}

static bool is_header(const struct probe *probe, const void *pointer, size_t size, const char *name)
{
	const pjsip_hdr *header = pointer;

	return holds(probe, pointer, size) && is_text(probe, &header->name, name);
}

/* What differs of a message from what the declarations say, or NULL. */
static const char *compare_message(const struct probe *probe, const pjsip_msg *msg)
{
	const pjsip_msg_body *body = msg->body;

	if (!holds(probe, body, sizeof(*body))) {
		return "pjsip_msg.body";
	}
	if (!is_text(probe, &body->content_type.type, "application") ||
		!is_text(probe, &body->content_type.subtype, "sdp")) {
		return "pjsip_msg_body.content_type";
	}
	if (body->len != strlen(BODY) || !body->data || strncmp(body->data, BODY, strlen(BODY))) {
		return "pjsip_msg_body.data";
	}
	return find_header(msg, "Call-ID") ? NULL : "pjsip_msg.headers";
}

static const char *compare_headers(const struct probe *probe, const rx_msg_info *info)
{
	if (!is_header(probe, info->call_id, sizeof(*info->call_id), "Call-ID") ||
		!is_text(probe, &info->call_id->id, CALL_ID)) {
		return "msg_info.cid";
	}
	if (!is_header(probe, info->from, sizeof(*info->from), "From") ||
		!is_text(probe, &info->from->tag, FROM_TAG)) {
		return "msg_info.from";
	}
	if (!is_header(probe, info->to, sizeof(*info->to), "To") || !is_text(probe, &info->to->tag, TO_TAG)) {
		return "msg_info.to";
	}
	if (!is_header(probe, info->via, sizeof(*info->via), "Via") ||
		!is_text(probe, &info->via->transport, TRANSPORT)) {
		return "msg_info.via";
	}
	if (!is_header(probe, info->cseq, sizeof(*info->cseq), "CSeq") || info->cseq->cseq != CSEQ ||
		!is_text(probe, &info->cseq->method.name, "UPDATE")) {
		return "msg_info.cseq";
	}
	return NULL;
}

static bool is_request(const struct probe *probe, const pjsip_msg *msg, int id, const char *method)
{
	return holds(probe, msg, sizeof(*msg)) && msg->type == PJSIP_REQUEST_MSG &&
		   msg->line.request.method.id == id && is_text(probe, &msg->line.request.method.name, method);
}

/* The parser of pjproject knows UPDATE as one of its other methods. */
#define OTHER_METHOD 6

/* pjsip_rx_data: the first place where all is as declared. */
static const char *measure_rx(const char *rdata, size_t size, const struct probe *probe)
{
	const char *differs = "pjsip_rx_data.msg_info";
	size_t offset;

	for (offset = sizeof(rx_head); offset + sizeof(rx_msg_info) <= size; offset += sizeof(void *)) {
		const rx_msg_info *info = (const rx_msg_info *)(rdata + offset);

		if (!is_request(probe, info->msg, OTHER_METHOD, "UPDATE")) {
			continue;
		}
		differs = compare_message(probe, info->msg);
		if (!differs) {
			differs = compare_headers(probe, info);
		}
		if (!differs) {
			layout.rx_msg_info = offset;
		}
		return differs;
	}
	return differs;
}

static const char *measure_transport(const char *transport, const struct probe *probe, const char *name)
{
	size_t offset;

	if (!holds(probe, transport, TRANSPORT_BLOCK)) {
		return "pjsip_rx_data.tp_info.transport";
	}
	for (offset = 0; offset + sizeof(name) <= TRANSPORT_BLOCK; offset += sizeof(void *)) {
		if (*(const char *const *)(transport + offset) == name) {
			layout.transport_name = offset;
			return NULL;
		}
	}
	return "pjsip_transport.type_name";
}

static const char *measure_received(const struct probe *probe, pjsip_endpoint *endpoint)
{
	pj_pool_t *pool = pjsip_endpt_create_pool(endpoint, "sealrtp", POOL_SIZE, POOL_SIZE);
	char *text = ast_strdup(packet), *rdata = ast_calloc(1, RX_SIZE), transport[] = TRANSPORT;
	const char *differs = "no memory";

	if (pool && text && rdata) {
		((rx_head *)rdata)->pool = pool;
		if (ast_sip_create_rdata(
				(pjsip_rx_data *)rdata, text, "127.0.0.1", 5060, transport, "127.0.0.1", 5060)) {
			differs = "the parser's result";
		} else {
			differs = measure_rx(rdata, RX_SIZE, probe);
		}
		if (!differs) {
			differs = measure_transport(((rx_head *)rdata)->transport, probe, transport);
		}
	}
	ast_free(rdata);
	ast_free(text);
	if (pool) {
		pj_pool_release(pool);
	}
	return differs;
}

static pj_str_t text_of(const char *text)
{
	return (pj_str_t){(char *)text, strlen(text)};
}

static const char *measure_made(const struct probe *probe, pjsip_endpoint *endpoint)
{
	const pj_str_t uri = text_of("sip:sealrtp@127.0.0.1"), call_id = text_of(CALL_ID), body = text_of(BODY);
	const pjsip_method options = {PJSIP_OPTIONS_METHOD, text_of("OPTIONS")};
	const char *differs = "pjsip_tx_data.msg";
	pjsip_tx_data *tdata = NULL;
	const char *made;
	size_t offset;

	if (pjsip_endpt_create_request(
			endpoint, &options, &uri, &uri, &uri, NULL, &call_id, CSEQ, &body, &tdata) ||
		!tdata) {
		return "no request could be made";
	}
	made = (const char *)tdata;
	for (offset = 0; holds(probe, made + offset, sizeof(void *)) && offset < TX_BLOCK;
		 offset += sizeof(void *)) {
		const pjsip_msg *msg = *(const pjsip_msg **)(made + offset);

		if (is_request(probe, msg, PJSIP_OPTIONS_METHOD, "OPTIONS")) {
			const pjsip_cid_hdr *found = find_header(msg, "Call-ID");

			layout.tx_msg = offset;
			differs = found && is_text(probe, &found->id, CALL_ID) &&
							  holds(probe, msg->body, sizeof(*msg->body)) && msg->body->len == strlen(BODY)
						  ? NULL
						  : "pjsip_msg";
			break;
		}
	}
	pjsip_tx_data_dec_ref(tdata);
	return differs;
}

static int measure(void *data)
{
	pjsip_endpoint *endpoint = ast_sip_get_pjsip_endpoint();
	const char **differs = data;
	struct probe probe;

	if (!endpoint || pipe2(probe.fds, O_CLOEXEC | O_NONBLOCK)) {
		*differs = endpoint ? "no pipe" : "no endpoint";
		return 0;
	}
	*differs = measure_received(&probe, endpoint);
	if (!*differs) {
		*differs = measure_made(&probe, endpoint);
	}
	close(probe.fds[0]);
	close(probe.fds[1]);
	return 0;
}

bool layout_measure(void)
{
	const char *differs = "no thread of res_pjsip";

	ast_sip_push_task_wait_servant(NULL, measure, &differs);
	if (differs) {
		ast_log(LOG_ERROR,
			"This Asterisk's pjproject is not as known (%s): SDP is left alone, so end points with "
			"media_encryption=no have "
			"ZRTP only\n",
			differs);
		return false;
	}
	ast_debug(1,
		"pjsip_rx_data.msg_info at %zu, pjsip_tx_data.msg at %zu, pjsip_transport.type_name at %zu\n",
		layout.rx_msg_info, layout.tx_msg, layout.transport_name);
	return true;
}
