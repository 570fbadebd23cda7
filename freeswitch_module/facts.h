/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What is known of a call's security, once for variables, events and the console.
 */

#ifndef SEALRTP_FACTS_H
#define SEALRTP_FACTS_H

#include "mod_sealrtp.h"

/* Of one m-line. */
struct facts {
	sealrtp_leg_line line;
	sealrtp_session_stats stats;
	switch_bool_t has_dtls;
	switch_bool_t has_zrtp;
	sealrtp_dtls_info dtls;
	sealrtp_zrtp_info zrtp;
	char peer_name[80];
};

/* SWITCH_FALSE past the last m-line, or where the leg has ended. */
switch_bool_t facts_learn(struct call *call, uint32_t line, struct facts *facts);
/* The first m-line that a stream of the relay carries; SWITCH_FALSE without one. */
switch_bool_t facts_learn_first(struct call *call, struct facts *facts, uint32_t *line);

/* "SECURE", "BLOCK" or "CLEAR"; "SDES", "DTLS-SRTP", "ZRTP" or "". */
const char *facts_state(uint32_t state);
const char *facts_method(uint32_t method);

/* Each fact, by its name as in "sealrtp_peer_zid" and as in "Peer-ZID"; without a value "". */
void facts_each(const struct facts *facts,
	void (*tell)(void *data, const char *variable, const char *header, const char *value), void *data);

#endif
