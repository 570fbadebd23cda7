/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The few structures and functions of pjproject and res_pjsip.so that this module uses. Asterisk's packages
 * ship no headers of either.
 *
 * Only what no build option of pjproject changes is declared here. Where such members lie inside larger
 * structures is measured when the module is loaded (layout.c).
 */

#ifndef SEALRTP_PJSIP_ABI_H
#define SEALRTP_PJSIP_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

typedef int pj_status_t;
typedef int pj_bool_t;

typedef struct pj_str_t {
	char *ptr;
	ssize_t slen;
} pj_str_t;

typedef struct pj_pool_t pj_pool_t;
typedef struct pjsip_endpoint pjsip_endpoint;
typedef struct pjsip_dialog pjsip_dialog;
typedef struct pjsip_transaction pjsip_transaction;
typedef struct pjsip_rx_data pjsip_rx_data;
typedef struct pjsip_tx_data pjsip_tx_data;
typedef struct pjsip_event pjsip_event;
typedef struct pjmedia_sdp_session pjmedia_sdp_session;
struct ast_sip_endpoint;
struct ast_sip_session;
struct ast_taskprocessor;

enum { PJ_SUCCESS = 0, PJ_FALSE = 0, PJ_TRUE = 1 };

/* Status codes of our own, in pjlib's range for applications. */
enum { PJ_ERRNO_OF_USER = 170000, STATUS_REFUSED = PJ_ERRNO_OF_USER + 488 };

enum {
	PJSIP_MOD_PRIORITY_TRANSPORT_LAYER = 8,
	PJSIP_MOD_PRIORITY_TSX_LAYER = 16,
	PJSIP_MOD_PRIORITY_APPLICATION = 32,
};

enum pjsip_method_id { PJSIP_INVITE_METHOD = 0, PJSIP_ACK_METHOD = 2, PJSIP_OPTIONS_METHOD = 5 };

typedef struct pjsip_method {
	int id;
	pj_str_t name;
} pjsip_method;

#define PJSIP_HDR_MEMBERS                                                                                    \
	void *prev;                                                                                              \
	void *next;                                                                                              \
	int type;                                                                                                \
	pj_str_t name;                                                                                           \
	pj_str_t short_name;                                                                                     \
	const void *functions

typedef struct pjsip_hdr {
	PJSIP_HDR_MEMBERS;
} pjsip_hdr;

typedef struct pjsip_cid_hdr {
	PJSIP_HDR_MEMBERS;
	pj_str_t id;
} pjsip_cid_hdr;

/* From and To. */
typedef struct pjsip_fromto_hdr {
	PJSIP_HDR_MEMBERS;
	void *uri;
	pj_str_t tag;
} pjsip_fromto_hdr;

typedef struct pjsip_cseq_hdr {
	PJSIP_HDR_MEMBERS;
	int32_t cseq;
	pjsip_method method;
} pjsip_cseq_hdr;

typedef struct pjsip_via_hdr {
	PJSIP_HDR_MEMBERS;
	pj_str_t transport;
} pjsip_via_hdr;

typedef struct pjsip_param {
	void *prev;
	void *next;
	pj_str_t name;
	pj_str_t value;
} pjsip_param;

typedef struct pjsip_media_type {
	pj_str_t type;
	pj_str_t subtype;
	pjsip_param parameters;
} pjsip_media_type;

typedef struct pjsip_msg_body {
	pjsip_media_type content_type;
	void *data;
	unsigned int len;
	int (*print_body)(struct pjsip_msg_body *body, char *buffer, size_t size);
	void *(*clone_data)(pj_pool_t *pool, const void *data, unsigned int len);
} pjsip_msg_body;

enum { PJSIP_REQUEST_MSG = 0, PJSIP_RESPONSE_MSG = 1 };

typedef struct pjsip_msg {
	int type;
	union {
		struct {
			pjsip_method method;
			void *uri;
		} request;
		struct {
			int code;
			pj_str_t reason;
		} status;
	} line;
	pjsip_hdr headers;
	pjsip_msg_body *body;
} pjsip_msg;

typedef struct pjsip_multipart_part {
	void *prev;
	void *next;
	pjsip_hdr headers;
	pjsip_msg_body *body;
} pjsip_multipart_part;

/* The members of pjsip_rx_data's msg_info that are used. */
typedef struct rx_msg_info {
	char *buffer;
	int len;
	pjsip_msg *msg;
	char *info;
	pjsip_cid_hdr *call_id;
	pjsip_fromto_hdr *from;
	pjsip_fromto_hdr *to;
	pjsip_via_hdr *via;
	pjsip_cseq_hdr *cseq;
} rx_msg_info;

/* The first members of pjsip_rx_data. */
typedef struct rx_head {
	pj_pool_t *pool;
	void *transport;
} rx_head;

/* The first members of what pjsip_rdata_get_sdp_info() gives. */
typedef struct pjsip_rdata_sdp_info {
	pj_str_t body;
	pj_status_t error;
	pjmedia_sdp_session *sdp;
} pjsip_rdata_sdp_info;

typedef struct pjsip_module {
	void *prev;
	void *next;
	pj_str_t name;
	int id;
	int priority;
	pj_status_t (*load)(pjsip_endpoint *endpoint);
	pj_status_t (*start)(void);
	pj_status_t (*stop)(void);
	pj_status_t (*unload)(void);
	pj_bool_t (*on_rx_request)(pjsip_rx_data *rdata);
	pj_bool_t (*on_rx_response)(pjsip_rx_data *rdata);
	pj_status_t (*on_tx_request)(pjsip_tx_data *tdata);
	pj_status_t (*on_tx_response)(pjsip_tx_data *tdata);
	void (*on_tsx_state)(pjsip_transaction *transaction, pjsip_event *event);
} pjsip_module;

/* libasteriskpj.so.2 */
void *pj_pool_alloc(pj_pool_t *pool, size_t size);
void pj_pool_release(pj_pool_t *pool);
pj_pool_t *pjsip_endpt_create_pool(
	pjsip_endpoint *endpoint, const char *name, size_t initial, size_t increment);
pj_status_t pjsip_endpt_create_request(pjsip_endpoint *endpoint, const pjsip_method *method,
	const pj_str_t *target, const pj_str_t *from, const pj_str_t *to, const pj_str_t *contact,
	const pj_str_t *call_id, int cseq, const pj_str_t *text, pjsip_tx_data **out);
void *pjsip_msg_find_hdr_by_name(const pjsip_msg *msg, const pj_str_t *name, const void *start);
pjsip_multipart_part *pjsip_multipart_get_first_part(const pjsip_msg_body *body);
pjsip_multipart_part *pjsip_multipart_get_next_part(const pjsip_msg_body *body, pjsip_multipart_part *part);
pj_status_t pjsip_tx_data_encode(pjsip_tx_data *tdata);
void pjsip_tx_data_invalidate_msg(pjsip_tx_data *tdata);
pj_status_t pjsip_tx_data_dec_ref(pjsip_tx_data *tdata);
pjsip_dialog *pjsip_tdata_get_dlg(pjsip_tx_data *tdata);
pjsip_dialog *pjsip_ua_find_dialog(
	const pj_str_t *call_id, const pj_str_t *local_tag, const pj_str_t *remote_tag, pj_bool_t lock);
pjsip_rdata_sdp_info *pjsip_rdata_get_sdp_info(pjsip_rx_data *rdata);
pj_status_t pjmedia_sdp_parse(pj_pool_t *pool, char *text, size_t len, pjmedia_sdp_session **out);
pj_status_t pjsip_endpt_respond(pjsip_endpoint *endpoint, pjsip_module *module, pjsip_rx_data *rdata,
	int code, const pj_str_t *text, const void *headers, const pjsip_msg_body *body, pjsip_transaction **out);
pj_status_t pjsip_endpt_respond_stateless(pjsip_endpoint *endpoint, pjsip_rx_data *rdata, int code,
	const pj_str_t *text, const void *headers, const pjsip_msg_body *body);
pj_status_t pjsip_tsx_create_key(
	pj_pool_t *pool, pj_str_t *key, int role, const pjsip_method *method, const pjsip_rx_data *rdata);
pjsip_transaction *pjsip_tsx_layer_find_tsx(const pj_str_t *key, pj_bool_t lock);

/* res_pjsip_session.so; with a reference. */
struct ast_sip_session *ast_sip_dialog_get_session(pjsip_dialog *dialog);

/* res_pjsip.so */
pjsip_endpoint *ast_sip_get_pjsip_endpoint(void);
int ast_sip_register_service(pjsip_module *module);
void ast_sip_unregister_service(pjsip_module *module);
struct ast_sip_endpoint *ast_pjsip_rdata_get_endpoint(pjsip_rx_data *rdata);
struct ast_sip_endpoint *ast_sip_dialog_get_endpoint(pjsip_dialog *dialog);
int ast_sip_push_task_wait_servant(struct ast_taskprocessor *serializer, int (*task)(void *), void *data);
int ast_sip_create_rdata(pjsip_rx_data *rdata, char *packet, const char *source, int source_port,
	char *transport_type, const char *local, int local_port);

/* Types of headers have other numbers in other versions; names have not. */
static inline void *find_header(const pjsip_msg *msg, const char *name)
{
	const pj_str_t text = {(char *)name, strlen(name)};

	return pjsip_msg_find_hdr_by_name(msg, &text, NULL);
}

#endif
