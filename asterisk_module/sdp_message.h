/* SPDX-License-Identifier: GPL-2.0-only
 *
 * A SIP message with a description, as a module shows it that sees them.
 */

#ifndef SEALRTP_SDP_MESSAGE_H
#define SEALRTP_SDP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

enum sealrtp_sdp_verdict {
	/* As it came. */
	SEALRTP_SDP_PASS,
	/* There is another text. */
	SEALRTP_SDP_CHANGED,
	/* The policy does not allow it; the reason was logged. */
	SEALRTP_SDP_REFUSED,
};

/* Whether the signalling is by TLS. */
enum sealrtp_sdp_hop {
	SEALRTP_SDP_HOP_CLEAR,
	SEALRTP_SDP_HOP_TLS,
	/* As the last message that came in the dialog. */
	SEALRTP_SDP_HOP_SAME,
};

/* A message with a description. */
struct sealrtp_sip {
	/* sizeof(struct sealrtp_sip), by which the two modules know that they are of one version. */
	size_t size;
	/* chan_pjsip's end point, or NULL where the dialog tells. */
	const char *endpoint;
	const char *call_id;
	/* chan_pjsip's session, by which the channel is found, or NULL. */
	const void *session;
	/* "" while there is none. */
	const char *local_tag;
	const char *remote_tag;
	/* For log lines: "INVITE", "200 to INVITE". */
	const char *what;
	unsigned int cseq;
	/* INVITE or UPDATE: always an offer. */
	bool request;
	enum sealrtp_sdp_hop hop;
};

/* A description, and what takes its place. */
struct sealrtp_text {
	const char *body;
	size_t len;
	/* Only where the verdict is CHANGED. It may hold keys: the caller erases and ast_free's it. */
	char *changed;
	size_t changed_len;
};

#endif
