/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Keeps our SRTP engine registered.
 *
 * "module load res_srtp.so" fails while we are active, and on its way out unregisters whatever SRTP engine
 * there is: from then on Asterisk would send clear media in secured calls and crash at their end. So the
 * functions of our RTP engine that send, receive or destroy look at the registration first.
 */

#include "asterisk.h"

#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/manager.h"
#include "asterisk/rtp_engine.h"
#include "asterisk/stasis.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

static struct stasis_subscription *load_events;
static int repairs;
AST_MUTEX_DEFINE_STATIC(repair_lock);

unsigned int guard_repairs(void)
{
	return ast_atomic_fetchadd_int(&repairs, 0);
}

void guard_repair(void)
{
	ast_mutex_lock(&repair_lock);
	if (!guard_is_active()) {
		ast_rtp_engine_unregister_srtp();
		if (ast_rtp_engine_register_srtp(&srtp_engine, &srtp_policy_engine)) {
			ast_log(LOG_ERROR,
				"Another SRTP engine holds the registration. Restart Asterisk with noload => res_srtp.so\n");
		} else {
			ast_atomic_fetchadd_int(&repairs, 1);
			ast_log(LOG_WARNING,
				"Another module, likely res_srtp.so, took SealRTP's place as SRTP engine; it is taken back. "
				"Do not load that module: put noload => res_srtp.so into modules.conf\n");
		}
	}
	ast_mutex_unlock(&repair_lock);
}

/* Loading a module, even in vain, is such an event; the others cost a comparison each. */
static void on_manager_event(
	void *data, struct stasis_subscription *subscription, struct stasis_message *message)
{
	(void)data, (void)subscription, (void)message;
	if (rtp_engine_is_ours()) {
		guard();
	}
}

int guard_start(void)
{
	load_events =
		__stasis_subscribe(ast_manager_get_topic(), on_manager_event, NULL, __FILE__, __LINE__, __func__);
	if (!load_events) {
		return -1;
	}
	stasis_subscription_accept_message_type(load_events, ast_manager_get_generic_type());
	stasis_subscription_set_filter(load_events, STASIS_SUBSCRIPTION_FILTER_SELECTIVE);
	return 0;
}

void guard_stop(void)
{
	if (load_events) {
		load_events = stasis_unsubscribe_and_join(load_events);
	}
}
