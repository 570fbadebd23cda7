/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Which offer or answer a description is. mod_sofia knows, and tells switch_core_media something else now and
 * then: a 183's answer comes as SDP_OFFER, and after an answer of the peer an SDP_ANSWER is made that is
 * never sent.
 */

#include "mod_sealrtp.h"

static sealrtp_sdp_message message(
	const struct exchange *exchange, switch_channel_t *channel, uint32_t request)
{
	return (sealrtp_sdp_message){.size = sizeof(sealrtp_sdp_message),
		.request = request,
		.cseq = exchange->cseq,
		.tls = policy_tls(channel) ? 1 : 0};
}

/* An offer of ours is out, and this does not come in a request of the peer's. */
static switch_bool_t answers_ours(
	const struct exchange *exchange, switch_channel_t *channel, switch_sdp_type_t type)
{
	return exchange->ours && (type == SDP_ANSWER || !switch_channel_test_flag(channel, CF_ANSWERED) ||
								 (exchange->open && !switch_channel_test_flag(channel, CF_REINVITE)));
}

sealrtp_sdp_message exchange_remote(
	struct exchange *exchange, switch_channel_t *channel, switch_sdp_type_t type, switch_bool_t again)
{
	if (answers_ours(exchange, channel, type)) {
		exchange->open = 0;
		return message(exchange, channel, 0);
	}
	/* Late negotiation hands the same offer over more than once. */
	if (exchange->ours || !again || switch_channel_test_flag(channel, CF_REINVITE)) {
		exchange->cseq++;
		exchange->ours = 0;
		exchange->open = 1;
	}
	return message(exchange, channel, 1);
}

sealrtp_sdp_message exchange_local(
	struct exchange *exchange, switch_channel_t *channel, switch_sdp_type_t type)
{
	/* A 200 to an INVITE without a description offers. */
	if (type == SDP_OFFER || switch_channel_test_flag(channel, CF_NOSDP_REINVITE) || !exchange->cseq) {
		exchange->cseq++;
		exchange->ours = 1;
		exchange->open = 1;
		return message(exchange, channel, 1);
	}
	if (exchange->ours) {
		/* Not sent: our last offer once more. */
		return message(exchange, channel, 1);
	}
	exchange->open = 0;
	return message(exchange, channel, 0);
}
