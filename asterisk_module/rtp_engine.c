/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The RTP engine: that of res_rtp_asterisk, with DTLS and ZRTP of ours and a look at the SRTP registration.
 *
 * It is registered as "sealrtp", and in place of the built-in "asterisk": that is what end points have that
 * name none, and guests. What an instance holds stays the built-in engine's.
 */

#include "asterisk.h"

#include <unistd.h>

#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/netsock2.h"
#include "asterisk/sched.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

#define BUILTIN_NAME "asterisk"
#define OUR_NAME "sealrtp"
/* Longer than the core is between finding an engine and making its instance, which the engine's list lock
 * covers. */
#define SETTLE_US 20000

static struct ast_rtp_engine *builtin;
static struct ast_module *builtin_module;
/* In place of the built-in one, and by our name. */
static struct ast_rtp_engine engines[2];
static struct ast_rtp_engine_ice ice;
static bool engaged;
static int instances;

bool rtp_engine_is_ours(void)
{
	return engaged;
}

unsigned int rtp_engine_instances(void)
{
	return ast_atomic_fetchadd_int(&instances, 0);
}

/* The instance is locked. */
int rtp_engine_fd(struct ast_rtp_instance *instance, int rtcp)
{
	return builtin->fd(instance, rtcp);
}

/* The stream of an instance whose peer is talked to, or NULL. The instance is locked. */
static struct ast_srtp *handshake_stream(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = ast_rtp_instance_get_srtp(instance, 0);

	return stream && stream_has_handshake(stream) ? stream : NULL;
}

static int engine_new(
	struct ast_rtp_instance *instance, struct ast_sched_context *sched, struct ast_sockaddr *sa, void *data)
{
	int res;

	guard();
	res = builtin->new (instance, sched, sa, data);
	/* The core calls destroy only for what came with data. */
	if (ast_rtp_instance_get_data(instance)) {
		ast_atomic_fetchadd_int(&instances, 1);
	}
	/* SIP's drivers have a scheduler; others, as chan_rtp, have no end point. */
	return res || !sched ? res : zrtp_install(instance);
}

static int engine_destroy(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = handshake_stream(instance);

	guard();
	if (stream) {
		dtls_close(stream);
	}
	ast_atomic_fetchadd_int(&instances, -1);
	return builtin->destroy(instance);
}

static struct ast_frame *engine_read(struct ast_rtp_instance *instance, int rtcp)
{
	struct ast_srtp *stream = ast_rtp_instance_get_srtp(instance, 0);
	struct ast_frame *frame;

	guard();
	if (stream) {
		stream_will_receive(stream);
		stream = stream_has_handshake(stream) ? stream : NULL;
	}
	if (stream && (passthrough_read(stream, instance, rtcp) || transport_read(stream, instance, rtcp))) {
		return &ast_null_frame;
	}
	frame = builtin->read(instance, rtcp);
	if (frame && stream && __atomic_load_n(&stream->held, __ATOMIC_ACQUIRE) &&
		(frame->frametype == AST_FRAME_VOICE || frame->frametype == AST_FRAME_VIDEO)) {
		ast_frfree(frame);
		frame = &ast_null_frame;
	}
	return frame;
}

/* The built-in one would begin its own handshake. */
static int engine_activate(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = handshake_stream(instance);

	guard();
	if (stream && stream->zrtp_candidate) {
		zrtp_activate(stream, instance);
	}
	if (stream && stream->has_dtls) {
		dtls_activate(stream, instance);
		return 0;
	}
	return builtin->activate ? builtin->activate(instance) : 0;
}

/* RTCP gets or loses its socket here. */
static void engine_prop_set(struct ast_rtp_instance *instance, enum ast_rtp_property property, int value)
{
	struct ast_srtp *stream = handshake_stream(instance);

	guard();
	if (stream && property == AST_RTP_PROPERTY_RTCP) {
		transport_forget(stream);
	}
	builtin->prop_set(instance, property, value);
	if (stream) {
		transport_learn(stream, instance);
		dtls_property(stream, property, value);
	}
}

static void engine_remote_address_set(struct ast_rtp_instance *instance, struct ast_sockaddr *address)
{
	struct ast_srtp *stream = handshake_stream(instance);

	guard();
	builtin->remote_address_set(instance, address);
	if (stream) {
		transport_learn(stream, instance);
		passthrough_address_known(stream);
		dtls_remote_address(stream, address);
		zrtp_address_known(stream);
	}
}

/* A child uses its parent's sockets and SRTP from here on; without a parent it has its own again. */
static int engine_bundle(struct ast_rtp_instance *child, struct ast_rtp_instance *parent)
{
	struct ast_srtp *stream = handshake_stream(child);
	int res;

	guard();
	if (stream) {
		transport_forget(stream);
	}
	res = builtin->bundle(child, parent);
	if (stream) {
		dtls_bundle(stream, !res && parent);
		transport_learn(stream, child);
	}
	return res;
}

static int engine_write(struct ast_rtp_instance *instance, struct ast_frame *frame)
{
	const struct ast_srtp *stream = ast_rtp_instance_get_srtp(instance, 0);

	guard();
	if (stream) {
		stream_will_send(stream);
	}
	return builtin->write(instance, frame);
}

/* Every other function that may reach the SRTP engine: type, name, parameters, arguments. */
#define GUARDED_FUNCTIONS(X)                                                                                 \
	X(void, stop, (struct ast_rtp_instance * i), (i))                                                        \
	X(int, dtmf_begin, (struct ast_rtp_instance * i, char digit), (i, digit))                                \
	X(int, dtmf_end, (struct ast_rtp_instance * i, char digit), (i, digit))                                  \
	X(int, dtmf_end_with_duration, (struct ast_rtp_instance * i, char digit, unsigned int ms),               \
		(i, digit, ms))                                                                                      \
	X(void, update_source, (struct ast_rtp_instance * i), (i))                                               \
	X(void, change_source, (struct ast_rtp_instance * i), (i))                                               \
	X(int, red_buffer, (struct ast_rtp_instance * i, struct ast_frame * frame), (i, frame))                  \
	X(int, sendcng, (struct ast_rtp_instance * i, int level), (i, level))                                    \
	X(void, set_remote_ssrc, (struct ast_rtp_instance * i, unsigned int ssrc), (i, ssrc))

#define DEFINE(type, name, parameters, arguments)                                                            \
	static type guarded_##name parameters                                                                    \
	{                                                                                                        \
		guard();                                                                                             \
		return builtin->name arguments;                                                                      \
	}
#define INSTALL(type, name, parameters, arguments)                                                           \
	if (builtin->name) {                                                                                     \
		engine->name = guarded_##name;                                                                       \
	}

GUARDED_FUNCTIONS(DEFINE)

static void ice_add_remote_candidate(
	struct ast_rtp_instance *instance, const struct ast_rtp_engine_ice_candidate *candidate)
{
	struct ast_srtp *stream = handshake_stream(instance);

	builtin->ice->add_remote_candidate(instance, candidate);
	if (stream) {
		dtls_ice_candidate(stream);
	}
}

/* Told first: a pair may be chosen before the built-in one returns. */
static void ice_start(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = handshake_stream(instance);

	if (stream) {
		dtls_ice_start(stream);
	}
	builtin->ice->start(instance);
}

static void ice_stop(struct ast_rtp_instance *instance)
{
	struct ast_srtp *stream = handshake_stream(instance);

	builtin->ice->stop(instance);
	if (stream) {
		dtls_ice_stop(stream);
	}
}

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
	instance = ast_rtp_instance_new(BUILTIN_NAME, sched, &any, NULL);
	if (instance) {
		found = ast_rtp_instance_get_engine(instance);
		ast_rtp_instance_destroy(instance);
	}
	ast_sched_context_destroy(sched);
	return found;
}

/* All that can fail. */
int rtp_engine_prepare(void)
{
	builtin = find_builtin();
	if (!builtin) {
		ast_log(LOG_ERROR,
			"No RTP engine \"" BUILTIN_NAME "\": is res_rtp_asterisk.so loaded, and is an RTP port free?\n");
		return -1;
	}
	if (!builtin->fd || !builtin->read || !builtin->write || !builtin->prop_set ||
		!builtin->remote_address_set) {
		ast_log(LOG_ERROR, "The RTP engine \"" BUILTIN_NAME "\" is not that of res_rtp_asterisk.so\n");
		return -1;
	}
	builtin_module = builtin->mod;
	return 0;
}

static void make(struct ast_rtp_engine *engine, const char *name)
{
	*engine = *builtin;
	memset(&engine->entry, 0, sizeof(engine->entry));
	engine->name = name;
	engine->new = engine_new;
	engine->destroy = engine_destroy;
	engine->read = engine_read;
	engine->write = engine_write;
	engine->activate = engine_activate;
	engine->prop_set = engine_prop_set;
	engine->remote_address_set = engine_remote_address_set;
	if (builtin->bundle) {
		engine->bundle = engine_bundle;
	}
	GUARDED_FUNCTIONS(INSTALL)
	engine->dtls = &dtls_engine;
	if (builtin->ice) {
		ice = *builtin->ice;
		ice.add_remote_candidate = ice_add_remote_candidate;
		ice.start = ice_start;
		ice.stop = ice_stop;
		engine->ice = &ice;
	}
}

static int register_ours(void)
{
	ast_rtp_engine_unregister(builtin);
	if (ast_rtp_engine_register2(&engines[0], AST_MODULE_SELF)) {
		return -1;
	}
	return ast_rtp_engine_register2(&engines[1], AST_MODULE_SELF);
}

/* Those that are not registered are passed over. */
static void register_builtin(void)
{
	ast_rtp_engine_unregister(&engines[0]);
	ast_rtp_engine_unregister(&engines[1]);
	ast_rtp_engine_register2(builtin, builtin_module);
}

/* From here on RTP instances are of our engine, and each keeps the module loaded. */
int rtp_engine_engage(void)
{
	make(&engines[0], BUILTIN_NAME);
	make(&engines[1], OUR_NAME);
	if (register_ours()) {
		ast_log(LOG_ERROR, "The RTP engine could not be registered\n");
		register_builtin();
		return -1;
	}
	engaged = true;
	return 0;
}

/* -1 if an instance came in the last moment, and all is as before. */
int rtp_engine_disengage(void)
{
	register_builtin();
	usleep(SETTLE_US);
	if (rtp_engine_instances()) {
		register_ours();
		return -1;
	}
	engaged = false;
	return 0;
}
