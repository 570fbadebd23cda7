/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the files of res_sealrtp.so tell each other. Include it behind asterisk.h.
 */

#ifndef RES_SEALRTP_H
#define RES_SEALRTP_H

#include <stdbool.h>

#include "asterisk/module.h"
#include "asterisk/netsock2.h"
#include "asterisk/res_srtp.h"
#include "asterisk/rtp_engine.h"

#include "sealrtp.h"

/* Asterisk's headers do not tell their version, and a module for another major version would load and then
 * crash. */
#ifndef SEALRTP_ASTERISK_MAJOR
#error                                                                                                       \
	"SEALRTP_ASTERISK_MAJOR must be the major version of the Asterisk that this module is built for, e.g. 22"
#endif

/* A channel's name and unique id in a log line. */
#define CALL_TEXT_SIZE 256
/* The library's reason for a refusal. */
#define REASON_SIZE 256
/* Kinds of refused packets that are told apart in the log; the last is "other". */
#define TROUBLE_KINDS 10

/* config.c: the configuration for new calls; readers hold a reference to the one they took. */
struct settings {
	sealrtp_config *config;
};

enum config_result {
	CONFIG_LOADED,
	CONFIG_REFUSED,
};

enum config_result config_load(void);
void config_done(void);
struct settings *config_get(void);

/* streams.c: one stream is one ast_srtp: the security of an RTP instance's RTP and RTCP. Its ao2 lock guards
 * all but the counters; it is taken behind the channel's and the RTP instance's lock. Later methods hang
 * their state here. */
struct ast_srtp {
	sealrtp_session *session;
	/* The owner, which outlives the stream; NULL once it has let go. */
	struct ast_rtp_instance *rtp;
	/* Who made the keys, e.g. "SDES". */
	const char *method;
	/* Name of the channel as last seen, or "". */
	char channel[AST_CHANNEL_NAME];
	/* Our RTP address. */
	struct ast_sockaddr local;
	/* Number of the stream since the module was loaded. */
	unsigned int number;
	struct timeval since;
	/* How often each trouble came, by direction, and when it was last logged. */
	struct trouble {
		unsigned int count;
		unsigned int logged;
		struct timeval when;
	} troubles[2][TROUBLE_KINDS];
};

int streams_init(void);
void streams_done(void);
struct ast_srtp *stream_new(struct ast_rtp_instance *rtp, const char *method);
void stream_let_go(struct ast_srtp *stream);
void stream_set_channel(struct ast_srtp *stream, const char *name);
const char *stream_call(const struct ast_srtp *stream, char *text, size_t size);
void stream_channel_id(struct ast_srtp *stream, char *id, size_t size);
const char *rtp_call(struct ast_rtp_instance *rtp, char *text, size_t size);
struct ao2_container *streams_all(void);
unsigned int streams_alive(void);
unsigned int streams_ever(void);

/* srtp_engine.c: Asterisk's SRTP engine over the library. */
extern struct ast_srtp_res srtp_engine;
extern struct ast_srtp_policy_res srtp_policy_engine;
struct ast_srtp_policy *policy_from_keys(sealrtp_keys *keys, const char *method, bool inbound);
void policy_destroy(struct ast_srtp_policy *policy);

/* sdes.c: a=crypto of chan_pjsip and chan_sip. */
int sdes_register(void);
void sdes_unregister(void);
unsigned int sdes_alive(void);
bool sdes_last_refusal(char *reason, size_t size);

/* guard.c: keeps the SRTP engine registered. */
int guard_prepare(void);
void guard_undo_prepare(void);
int guard_engage(void);
int guard_disengage(void);
bool guard_is_active(void);
unsigned int guard_instances(void);
unsigned int guard_repairs(void);

/* watch.c: ends calls that must be secured and are not. */
int watch_start(void);
void watch_stop(void);
unsigned int watch_ended(void);

/* cli.c */
int cli_register(void);
void cli_unregister(void);

#endif
