/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What is known of a call's security, once for variables, events and the console.
 */

#include "facts.h"

static const char *const states[] = {
	[SEALRTP_STATE_BYPASS] = "CLEAR",
	[SEALRTP_STATE_BLOCK] = "BLOCK",
	[SEALRTP_STATE_SECURE] = "SECURE",
};

static const char *const methods[] = {
	[SEALRTP_METHOD_SDES] = "SDES",
	[SEALRTP_METHOD_DTLS] = "DTLS-SRTP",
	[SEALRTP_METHOD_ZRTP] = "ZRTP",
};

#define LENGTH(table) (sizeof(table) / sizeof(*(table)))

const char *facts_state(uint32_t state)
{
	return state < LENGTH(states) && states[state] ? states[state] : "";
}

const char *facts_method(uint32_t method)
{
	return method < LENGTH(methods) && methods[method] ? methods[method] : "";
}

/* What our administrator calls a peer, or "". May wait for the cache's file. */
static void learn_name(const struct call *call, struct facts *facts)
{
	sealrtp_zrtp_peer peer = {.size = sizeof(peer)};
	const struct zid *zid = call->settings->zid;

	if (zid && sealrtp_zrtp_get_peer(zid->zrtp, facts->zrtp.peer_zid, &peer) == SEALRTP_OK) {
		switch_copy_string(facts->peer_name, peer.name, sizeof(facts->peer_name));
	}
}

switch_bool_t facts_learn(struct call *call, uint32_t line, struct facts *facts)
{
	switch_bool_t known = SWITCH_FALSE;
	sealrtp_leg *leg;

	memset(facts, 0, sizeof(*facts));
	facts->line.size = sizeof(facts->line);
	facts->stats.size = sizeof(facts->stats);
	facts->dtls.size = sizeof(facts->dtls);
	facts->zrtp.size = sizeof(facts->zrtp);
	leg = call_lock(call);
	if (leg && sealrtp_leg_get_line(leg, line, &facts->line) == SEALRTP_OK) {
		known = SWITCH_TRUE;
		sealrtp_leg_get_stats(leg, line, &facts->stats);
		facts->has_zrtp = sealrtp_leg_get_zrtp_info(leg, line, &facts->zrtp) == SEALRTP_OK;
		facts->has_dtls = sealrtp_leg_get_dtls_info(leg, line, &facts->dtls) == SEALRTP_OK;
	}
	call_unlock(call);
	if (known && facts->has_zrtp) {
		learn_name(call, facts);
	}
	return known;
}

switch_bool_t facts_learn_first(struct call *call, struct facts *facts, uint32_t *line)
{
	for (*line = 0; facts_learn(call, *line, facts); (*line)++) {
		if (facts->line.open) {
			return SWITCH_TRUE;
		}
	}
	return SWITCH_FALSE;
}

static const char *yes_no(uint32_t value)
{
	return value ? "yes" : "no";
}

void facts_each(const struct facts *facts,
	void (*tell)(void *data, const char *variable, const char *header, const char *value), void *data)
{
	const sealrtp_zrtp_info *zrtp = facts->has_zrtp ? &facts->zrtp : NULL;
	const sealrtp_dtls_info *dtls = facts->has_dtls && !zrtp ? &facts->dtls : NULL;
	switch_bool_t secure = facts->line.state == SEALRTP_STATE_SECURE;
	char ms[16] = "";
	size_t index;
	const struct {
		const char *variable;
		const char *header;
		const char *value;
	} all[] = {
		{"sealrtp_state", "State", facts_state(facts->line.state)},
		{"sealrtp_method", "Method", secure ? facts_method(facts->line.method) : ""},
		{"sealrtp_suite", "Suite", facts->line.suite},
		{"sealrtp_role", "Role",
			zrtp   ? zrtp->role
			: dtls ? dtls->role
				   : ""},
		{"sealrtp_sas", "SAS", zrtp ? zrtp->sas : ""},
		{"sealrtp_sas_type", "SAS-Type", zrtp ? zrtp->sas_type : ""},
		{"sealrtp_sas_verified", "SAS-Verified", zrtp ? yes_no(zrtp->verified) : ""},
		{"sealrtp_relayed_sas", "Relayed-SAS", zrtp ? zrtp->relayed_sas : ""},
		{"sealrtp_cache", "Cache", zrtp ? zrtp->continuity : ""},
		{"sealrtp_peer_zid", "Peer-ZID", zrtp ? zrtp->peer_zid : ""},
		{"sealrtp_peer_name", "Peer-Name", zrtp ? facts->peer_name : ""},
		{"sealrtp_peer_client", "Peer-Client", zrtp ? zrtp->peer_client : ""},
		{"sealrtp_key_agreement", "Key-Agreement", zrtp ? zrtp->key_agreement : ""},
		{"sealrtp_hash", "Hash", zrtp ? zrtp->hash : ""},
		{"sealrtp_cipher", "Cipher",
			zrtp   ? zrtp->cipher
			: dtls ? dtls->cipher
				   : ""},
		{"sealrtp_auth_tag", "Auth-Tag", zrtp ? zrtp->auth_tag : ""},
		{"sealrtp_disclosure", "Disclosure", zrtp ? yes_no(zrtp->disclosure) : ""},
		{"sealrtp_enrolled", "Enrolled", zrtp ? yes_no(zrtp->enrolled) : ""},
		{"sealrtp_profile", "Profile", dtls ? dtls->profile : ""},
		{"sealrtp_local_fingerprint", "Local-Fingerprint", dtls ? dtls->local_fingerprint : ""},
		{"sealrtp_fingerprint", "Fingerprint", dtls ? dtls->remote_fingerprint : ""},
		{"sealrtp_handshake_ms", "Handshake-Ms", ms},
	};

	if (zrtp || dtls) {
		switch_snprintf(ms, sizeof(ms), "%u", zrtp ? zrtp->handshake_ms : dtls->handshake_ms);
	}
	for (index = 0; index < LENGTH(all); index++) {
		tell(data, all[index].variable, all[index].header, all[index].value);
	}
}
