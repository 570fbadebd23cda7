/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Keeps our SRTP engine registered.
 *
 * "module load res_srtp.so" fails while we are active, and on its way out unregisters whatever SRTP engine
 * there is: from then on Asterisk would send clear media in secured calls and crash at their end. So the RTP
 * engine "asterisk" is registered anew with the same functions, those that send, receive or destroy preceded
 * by a look at the registration.
 */

#include "asterisk.h"

#include <unistd.h>

#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/manager.h"
#include "asterisk/netsock2.h"
#include "asterisk/sched.h"
#include "asterisk/stasis.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define ENGINE_NAME "asterisk"
/* Longer than the core is between finding an engine and making its instance, which the engine's list lock
 * covers. */
#define SETTLE_US 20000

/* The core's registration, which it has no function to read. */
extern struct ast_srtp_res *res_srtp;
extern struct ast_srtp_policy_res *res_srtp_policy;

static struct ast_rtp_engine *builtin;
static struct ast_module *builtin_module;
static struct ast_rtp_engine engine;
static struct stasis_subscription *load_events;
static bool engaged;
static int instances;
static int repairs;
AST_MUTEX_DEFINE_STATIC(repair_lock);

bool guard_is_active(void)
{
	return res_srtp == &srtp_engine && res_srtp_policy == &srtp_policy_engine;
}

unsigned int guard_instances(void)
{
	return ast_atomic_fetchadd_int(&instances, 0);
}

unsigned int guard_repairs(void)
{
	return ast_atomic_fetchadd_int(&repairs, 0);
}

static void __attribute__((cold, noinline)) repair(void)
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

static inline void guard(void)
{
	if (__builtin_expect(!guard_is_active(), 0)) {
		repair();
	}
}

/* Loading a module, even in vain, is such an event; the others cost a comparison each. */
static void on_manager_event(
	void *data, struct stasis_subscription *subscription, struct stasis_message *message)
{
	(void)data, (void)subscription, (void)message;
	if (engaged) {
		guard();
	}
}

static int guarded_new(
	struct ast_rtp_instance *instance, struct ast_sched_context *sched, struct ast_sockaddr *sa, void *data)
{
	int res;

	guard();
	res = builtin->new (instance, sched, sa, data);
	/* The core calls destroy only for what came with data. */
	if (ast_rtp_instance_get_data(instance)) {
		ast_atomic_fetchadd_int(&instances, 1);
	}
	return res;
}

static int guarded_destroy(struct ast_rtp_instance *instance)
{
	guard();
	ast_atomic_fetchadd_int(&instances, -1);
	return builtin->destroy(instance);
}

/* Every function that may reach the SRTP engine: type, name, parameters, arguments. */
#define GUARDED_FUNCTIONS(X)                                                                                 \
	X(int, write, (struct ast_rtp_instance * i, struct ast_frame * frame), (i, frame))                       \
	X(struct ast_frame *, read, (struct ast_rtp_instance * i, int rtcp), (i, rtcp))                          \
	X(void, stop, (struct ast_rtp_instance * i), (i))                                                        \
	X(int, dtmf_begin, (struct ast_rtp_instance * i, char digit), (i, digit))                                \
	X(int, dtmf_end, (struct ast_rtp_instance * i, char digit), (i, digit))                                  \
	X(int, dtmf_end_with_duration, (struct ast_rtp_instance * i, char digit, unsigned int ms),               \
		(i, digit, ms))                                                                                      \
	X(void, update_source, (struct ast_rtp_instance * i), (i))                                               \
	X(void, change_source, (struct ast_rtp_instance * i), (i))                                               \
	X(void, prop_set, (struct ast_rtp_instance * i, enum ast_rtp_property property, int value),              \
		(i, property, value))                                                                                \
	X(void, remote_address_set, (struct ast_rtp_instance * i, struct ast_sockaddr * sa), (i, sa))            \
	X(int, red_buffer, (struct ast_rtp_instance * i, struct ast_frame * frame), (i, frame))                  \
	X(int, activate, (struct ast_rtp_instance * i), (i))                                                     \
	X(int, sendcng, (struct ast_rtp_instance * i, int level), (i, level))                                    \
	X(int, bundle, (struct ast_rtp_instance * child, struct ast_rtp_instance * parent), (child, parent))     \
	X(void, set_remote_ssrc, (struct ast_rtp_instance * i, unsigned int ssrc), (i, ssrc))

#define DEFINE(type, name, parameters, arguments)                                                            \
	static type guarded_##name parameters                                                                    \
	{                                                                                                        \
		guard();                                                                                             \
		return builtin->name arguments;                                                                      \
	}
#define INSTALL(type, name, parameters, arguments)                                                           \
	if (builtin->name) {                                                                                     \
		engine.name = guarded_##name;                                                                        \
	}

GUARDED_FUNCTIONS(DEFINE)

/* The core gives out an engine only with an instance of it. Its address is the one of calls, because with a
 * stunaddr in rtp.conf the instance asks that server, which cannot answer to a loopback address. */
static struct ast_rtp_engine *find_builtin(void)
{
	struct ast_sched_context *sched = ast_sched_context_create();
	struct ast_rtp_engine *found = NULL;
	struct ast_rtp_instance *instance;
	struct ast_sockaddr any;

	if (!sched) {
		return NULL;
	}
	ast_sockaddr_parse(&any, "0.0.0.0", 0);
	instance = ast_rtp_instance_new(ENGINE_NAME, sched, &any, NULL);
	if (instance) {
		found = ast_rtp_instance_get_engine(instance);
		ast_rtp_instance_destroy(instance);
	}
	ast_sched_context_destroy(sched);
	return found;
}

/* All that can fail. */
int guard_prepare(void)
{
	builtin = find_builtin();
	if (!builtin) {
		ast_log(LOG_ERROR,
			"No RTP engine \"" ENGINE_NAME "\": is res_rtp_asterisk.so loaded, and is an RTP port free?\n");
		return -1;
	}
	load_events =
		__stasis_subscribe(ast_manager_get_topic(), on_manager_event, NULL, __FILE__, __LINE__, __func__);
	if (!load_events) {
		return -1;
	}
	stasis_subscription_accept_message_type(load_events, ast_manager_get_generic_type());
	stasis_subscription_set_filter(load_events, STASIS_SUBSCRIPTION_FILTER_SELECTIVE);
	return 0;
}

void guard_undo_prepare(void)
{
	if (load_events) {
		load_events = stasis_unsubscribe_and_join(load_events);
	}
}

/* From here on RTP instances are of our engine, and each keeps the module loaded. */
int guard_engage(void)
{
	builtin_module = builtin->mod;
	engine = *builtin;
	memset(&engine.entry, 0, sizeof(engine.entry));
	engine.new = guarded_new;
	engine.destroy = guarded_destroy;
	GUARDED_FUNCTIONS(INSTALL)
	ast_rtp_engine_unregister(builtin);
	if (ast_rtp_engine_register2(&engine, AST_MODULE_SELF)) {
		ast_rtp_engine_register2(builtin, builtin_module);
		return -1;
	}
	engaged = true;
	return 0;
}

/* -1 if an instance came in the last moment, and all is as before. */
int guard_disengage(void)
{
	ast_rtp_engine_unregister(&engine);
	ast_rtp_engine_register2(builtin, builtin_module);
	usleep(SETTLE_US);
	if (guard_instances()) {
		ast_rtp_engine_unregister(builtin);
		ast_rtp_engine_register2(&engine, AST_MODULE_SELF);
		return -1;
	}
	engaged = false;
	return 0;
}
