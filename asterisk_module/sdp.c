/* SPDX-License-Identifier: GPL-2.0-only
 *
 * SDP of chan_pjsip, which res_sealrtp_pjsip.so shows: which end point it is of, what the library makes of it, and which
 * streams it describes.
 */

#include "asterisk.h"

#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#define AST_API_MODULE
#include "sdp_api.h"

enum sealrtp_sdp_verdict AST_OPTIONAL_API_NAME(sealrtp_sdp_incoming)(const struct sealrtp_sip *sip, struct sealrtp_text *text)
{
	ast_debug(1, "%s of %s: %zu bytes\n", sip->what, S_OR(sip->endpoint, "?"), text->len);
	return SEALRTP_SDP_PASS;
}

enum sealrtp_sdp_verdict AST_OPTIONAL_API_NAME(sealrtp_sdp_outgoing)(const struct sealrtp_sip *sip, struct sealrtp_text *text)
{
	ast_debug(1, "%s to %s: %zu bytes\n", sip->what, S_OR(sip->endpoint, "?"), text->len);
	return SEALRTP_SDP_PASS;
}

void AST_OPTIONAL_API_NAME(sealrtp_sdp_engage)(bool on)
{
	ast_debug(1, "SDP of chan_pjsip is %s\n", on ? "shown" : "not shown");
}
