/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What res_sealrtp.so does for a module that sees SIP messages: it decides what becomes of their SDP.
 *
 * Shared by Asterisk's optional API, so nothing is exported to the linker. Include it behind asterisk.h.
 */

#ifndef SEALRTP_SDP_API_H
#define SEALRTP_SDP_API_H

#include <stdbool.h>

#include "asterisk/optional_api.h"

#include "sdp_message.h"

#ifndef OPTIONAL_API
#error                                                                                                       \
	"This Asterisk was built without OPTIONAL_API: res_sealrtp_pjsip.so cannot share functions with res_sealrtp.so"
#endif

/* The peer's description. */
AST_OPTIONAL_API(enum sealrtp_sdp_verdict, sealrtp_sdp_incoming,
	(const struct sealrtp_sip *sip, struct sealrtp_text *text), {
		(void)sip;
		(void)text;
		return SEALRTP_SDP_REFUSED;
	});

/* Ours, as the channel driver made it. */
AST_OPTIONAL_API(enum sealrtp_sdp_verdict, sealrtp_sdp_outgoing,
	(const struct sealrtp_sip *sip, struct sealrtp_text *text), {
		(void)sip;
		(void)text;
		return SEALRTP_SDP_REFUSED;
	});

/* Messages of chan_pjsip are shown from here on, or no longer. */
AST_OPTIONAL_API(void, sealrtp_sdp_engage, (bool on), { (void)on; });

#endif
