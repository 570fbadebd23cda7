/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The description in a message's body. Include it behind pjsip_abi.h.
 */

#ifndef SEALRTP_PJSIP_BODIES_H
#define SEALRTP_PJSIP_BODIES_H

/* The body's text may be no longer than this, in bytes. */
#define SDP_MAX 65535

/* Where a message keeps its SDP: pjsip_msg.body, or the part of a multipart body. NULL: it has none. */
pjsip_msg_body **bodies_find_sdp(pjsip_msg *msg);
/* Takes the SDP out of the packet that the message was parsed from, and overwrites the packet's keys: logs
 * and traces show packets. */
void bodies_hide_keys(pj_pool_t *pool, pjsip_msg *msg, char *packet, size_t len);

#endif
