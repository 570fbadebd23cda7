/* SPDX-License-Identifier: GPL-2.0-only
 *
 * res_sealrtp.so: SRTP, SDES, DTLS-SRTP and ZRTP for Asterisk, in place of res_srtp.so.
 */

/*** MODULEINFO
	<support_level>extended</support_level>
 ***/

#include "asterisk.h"

#include "asterisk/ast_version.h"
#include "asterisk/logger.h"
#include "asterisk/rtp_engine.h"

#include "res_sealrtp.h"

/* ast_get_version_num() is ABBCC with the major version before the last four digits. */
static bool is_our_asterisk(void)
{
	int running = atoi(ast_get_version_num()) / 10000;

	if (running != SEALRTP_ASTERISK_MAJOR) {
		ast_log(LOG_ERROR,
			"This res_sealrtp.so was built for Asterisk %d, and this is Asterisk %s: build it for this one\n",
			SEALRTP_ASTERISK_MAJOR, ast_get_version());
		return false;
	}
	return true;
}

/* What no call needs; undone by stop_helpers(), also where only part of it was done. */
static int start_helpers(void)
{
	openssl_hold();
	if (config_load() != CONFIG_LOADED) {
		return -1;
	}
	if (streams_init() || sdp_start() || dtls_init() || report_start() || transport_start() ||
		downgrade_start() || watch_start() || relay_start() || disclosure_start() || guard_start() ||
		cli_register() || zrtp_cli_register() || policy_cli_register() || functions_register() ||
		explain_start()) {
		ast_log(LOG_ERROR, "No memory, or no thread could be started\n");
		return -1;
	}
	return rtp_engine_prepare();
}

static void stop_helpers(void)
{
	functions_unregister();
	policy_cli_unregister();
	zrtp_cli_unregister();
	cli_unregister();
	guard_stop();
	disclosure_stop();
	relay_stop();
	watch_stop();
	downgrade_stop();
	transport_stop();
	report_stop();
	dtls_done();
	sdp_stop();
	explain_stop();
	streams_done();
	config_done();
	openssl_release();
}

static void unregister_engines(void)
{
	sdes_unregister();
	if (guard_is_active()) {
		ast_rtp_engine_unregister_srtp();
	}
}

/* From here on calls may use us. */
static int register_engines(void)
{
	if (ast_rtp_engine_register_srtp(&srtp_engine, &srtp_policy_engine)) {
		ast_log(LOG_ERROR, "The SRTP engine could not be registered\n");
		return -1;
	}
	if (sdes_register()) {
		ast_log(LOG_ERROR, "Another module serves a=crypto: put noload => res_srtp.so into modules.conf\n");
		unregister_engines();
		return -1;
	}
	if (rtp_engine_engage()) {
		unregister_engines();
		return -1;
	}
	return 0;
}

static int load_module(void)
{
	if (!is_our_asterisk()) {
		return AST_MODULE_LOAD_DECLINE;
	}
	if (sealrtp_abi_version() != SEALRTP_ABI_VERSION) {
		ast_log(LOG_ERROR, "The library has ABI %u, this module needs %u\n", sealrtp_abi_version(),
			SEALRTP_ABI_VERSION);
		return AST_MODULE_LOAD_DECLINE;
	}
	if (ast_rtp_engine_srtp_is_registered()) {
		ast_log(LOG_ERROR, "Another SRTP module, likely res_srtp.so, is active, and only one can be. "
						   "Put noload => res_srtp.so into modules.conf and restart Asterisk\n");
		return AST_MODULE_LOAD_DECLINE;
	}
	if (start_helpers() || register_engines()) {
		stop_helpers();
		return AST_MODULE_LOAD_DECLINE;
	}
	if (sealrtp_srtp_path_error()) {
		ast_log(LOG_WARNING, "%s; taking %s\n", sealrtp_srtp_path_error(), sealrtp_srtp_path());
	}
	ast_verb(2, "SealRTP %s serves SRTP (path %s), SDES, DTLS-SRTP and ZRTP\n", sealrtp_version(),
		sealrtp_srtp_path());
	return AST_MODULE_LOAD_SUCCESS;
}

/* New calls get the new configuration; those that are up keep theirs. */
static int reload_module(void)
{
	if (config_load() != CONFIG_LOADED) {
		ast_log(LOG_ERROR, "sealrtp.conf was refused: the configuration stays as it was\n");
		return AST_MODULE_RELOAD_ERROR;
	}
	return AST_MODULE_RELOAD_SUCCESS;
}

/* Asterisk asks only when no call holds the module, unless it is forced to; a call must not lose its code
 * even then. */
static int unload_module(void)
{
	if (streams_alive() || sdes_alive() || rtp_engine_instances() || channel_keepsakes() ||
		policy_choices() || recording_sentries()) {
		ast_log(LOG_WARNING,
			"In use by %u RTP instances, %u SRTP streams, %u SDES negotiations and %u channels: not "
			"unloaded\n",
			rtp_engine_instances(), streams_alive(), sdes_alive(),
			MAX(channel_keepsakes(), policy_choices()) + recording_sentries());
		return -1;
	}
	/* First no new streams, then no new instances; who slipped in keeps us. */
	sdes_unregister();
	if (rtp_engine_disengage()) {
		sdes_register();
		return -1;
	}
	if (streams_alive() || sdes_alive()) {
		rtp_engine_engage();
		sdes_register();
		return -1;
	}
	unregister_engines();
	stop_helpers();
	return 0;
}

/* Behind res_srtp.so, so that we see it is active: if it came second, its failure would end Asterisk. Naming
 * it as an optional module would do too, but then a vain attempt to load it keeps us from being loaded again.
 */
#define LOAD_PRIORITY (AST_MODPRI_CHANNEL_DEPEND + 1)

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_LOAD_ORDER,
	"SealRTP: SRTP, SDES, DTLS-SRTP and ZRTP in place of res_srtp",
	.support_level = AST_MODULE_SUPPORT_EXTENDED, .load = load_module, .unload = unload_module,
	.reload = reload_module, .load_pri = LOAD_PRIORITY, .requires = "res_rtp_asterisk", );
