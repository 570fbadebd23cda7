/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * mod_sealrtp: what its files know of one another. No rule is here or in them: they carry SDP, ports, names
 * and events between FreeSWITCH and the library behind sealrtp.h.
 */

#ifndef MOD_SEALRTP_H
#define MOD_SEALRTP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <switch.h>

#include <sealrtp.h>

/* What the library has to say of one thing. */
#define REASON_SIZE 512
#define POLICY_SIZE 264
#define NAME_SIZE 256

/* Channel variables that the administrator sets. */
#define VARIABLE_POLICY "sealrtp_policy"
/* Its value for "left alone, as without the module". */
#define POLICY_NONE "none"
/* Channel variable of ours: why a description was refused. */
#define VARIABLE_REASON "sealrtp_reason"

/* config.c: sealrtp.conf.xml */

/* Our ZID and the cache of peers: one for the process, kept over reloads unless zrtp_cache changes. */
struct zid {
	atomic_uint refs;
	sealrtp_zrtp *zrtp;
	char path[512];
};

/* Beside FreeSWITCH's databases. */
void zid_default_path(char *path, size_t size);
/* `running` once more if it is the same file; "" is one in memory. */
switch_status_t zid_open(const char *path, struct zid *running, struct zid **out);
void zid_put(struct zid *zid);

/* A file as it was read; never changed afterwards. */
struct settings {
	atomic_uint refs;
	sealrtp_policies *policies;
	/* <settings>. */
	sealrtp_config *general;
	sealrtp_dtls *dtls;
	struct zid *zid;
	/* Bits of sealrtp_policies_wants, of what the file names. */
	uint32_t wants;
	/* relay-threads; 0: one for each processor. */
	uint32_t relay_threads;
	char zid_path[512];
};

/* A file that is refused changes nothing, and each fault is logged. Without a file the defaults hold. */
switch_status_t config_load(void);
void config_unload(void);
/* The file that counts now; the caller puts it back. NULL before the first load. */
struct settings *settings_get(void);
void settings_put(struct settings *settings);

/* policy.c: whose call it is */

/* What holds for a call. The caller frees `config`. */
struct terms {
	sealrtp_config *config;
	/* The policy or section, e.g. "strict", "user/alice@example.org". */
	char policy[POLICY_SIZE];
};

enum opted {
	/* Nobody asks for us: left alone as without the module. */
	OPTED_OUT,
	OPTED_IN,
	/* sealrtp_policy names no policy: the call is refused. */
	OPTED_WRONG,
};

/* `variables` is what the dial string of a call that is being made has, or NULL. On OPTED_WRONG `reason` says
 * what to change. */
enum opted policy_of(const struct settings *settings, switch_channel_t *channel, switch_event_t *variables,
	struct terms *terms, char *reason, size_t reason_size);
/* Its channel is mod_sofia's, and its media passes through FreeSWITCH. */
switch_bool_t policy_applies(switch_channel_t *channel);
/* Its signalling travels over TLS, as far as can be seen. */
switch_bool_t policy_tls(switch_channel_t *channel);

/* exchange.c: offers and answers */

/* Where offers and answers stand, for the messages that FreeSWITCH hands over without saying what they are.
 */
struct exchange {
	uint32_t cseq;
	/* The last offer was ours. */
	unsigned ours : 1;
	/* ... and is not answered yet. */
	unsigned open : 1;
};

/* `again`: the text is that of the last offer. */
sealrtp_sdp_message exchange_remote(
	struct exchange *exchange, switch_channel_t *channel, switch_sdp_type_t type, switch_bool_t again);
sealrtp_sdp_message exchange_local(
	struct exchange *exchange, switch_channel_t *channel, switch_sdp_type_t type);

/* call.c: the calls whose media is ours */

/* recording.c's. */
struct source;

struct call {
	/* Fixed from the beginning. */
	char uuid[SWITCH_UUID_FORMATTED_LENGTH + 1];
	char name[NAME_SIZE];
	/* Of our sockets towards the peer: FreeSWITCH's rtp-ip. */
	char address[64];
	/* The configuration that it began with; kept over reloads. */
	struct settings *settings;

	/* What recorders may not have. */
	struct source *source;
	/* ZRTP's disclosure flag is set. */
	switch_bool_t disclosed;
	/* A handshake has failed, or the peer does no ZRTP; report.c's. */
	atomic_bool failed, unanswered;

	/* For what follows. The leg's functions take a lock of their own; no callback of the leg takes this one.
	 */
	pthread_mutex_t lock;
	/* NULL once it has ended. */
	sealrtp_leg *leg;
	sealrtp_config *config;
	char policy[POLICY_SIZE];
	struct exchange exchange;
	/* The peer's last offer, as it came and as FreeSWITCH was shown it: wiped when the call ends. malloc. */
	char *offer;
	char *shown;
	/* Our descriptions in the session's memory, to be wiped when the call ends. */
	struct secret *secrets;

	/* call.c's own. */
	atomic_uint refs;
	/* Events that wait, queue.c's. */
	atomic_uint queued;
	switch_bool_t protects;
	struct call *next;
};

/* Ends every call's leg, whose media stops: nothing clear passes. Hangs them up. */
void calls_stop(void);
uint32_t calls_count(void);

/* Makes a leg under these terms, which it takes. NULL: `reason` says why. The channel refers to the call, and
 * so does the caller. */
struct call *call_new(switch_core_session_t *session, struct settings *settings, struct terms *terms,
	char *reason, size_t reason_size);
/* By a channel's UUID, or of a session; the caller releases it. NULL: there is none, its media is not ours.
 */
struct call *call_find(const char *uuid);
struct call *call_of(switch_core_session_t *session);
void call_release(struct call *call);
/* Each call that has a leg, newest first, not locked, until `each` says false. */
void calls_each(switch_bool_t (*each)(struct call *call, void *data), void *data);

/* Locks a call and gives its leg, to be used until call_unlock. NULL: it has ended, but is locked all the
 * same. */
sealrtp_leg *call_lock(struct call *call);
void call_unlock(struct call *call);
/* Other terms, which the call takes; locked. Results as sealrtp_leg_set_config. */
sealrtp_result call_set_terms(struct call *call, struct terms *terms, char *reason, size_t reason_size);
/* Text in the session's memory with keys in it; locked. */
void call_add_secret(struct call *call, switch_core_session_t *session, char *text);
/* Whether this very text is one of them; not locked. */
switch_bool_t call_is_secret(struct call *call, const char *text);
/* Hangs a channel up, from any thread; its own thread does the rest. */
void call_hangup(const char *uuid, switch_call_cause_t cause);

/* queue.c: events of legs, on a thread that may wait */

switch_status_t queue_start(void);
/* Nothing is told any more once it returns. */
void queue_stop(void);
/* Never waits. */
void queue_event(struct call *call, const sealrtp_leg_event *event);

/* report.c: variables, events and the log */

/* An event of a leg, on the queue's thread: all that is told and done of it. */
void report_event(struct call *call, const sealrtp_leg_event *event);
/* A description was refused: told in the log and in VARIABLE_REASON. */
void report_refusal(switch_core_session_t *session, const char *what, const char *reason);
/* A call's leg has begun, or ends: the last moment to ask it anything; under lock. */
void report_begin(struct call *call, switch_core_session_t *session);
void report_end(struct call *call, switch_core_session_t *session);

/* sdp.c: descriptions on their way */

uint8_t sdp_negotiate(
	switch_core_session_t *session, const char *r_sdp, uint8_t *proceed, switch_sdp_type_t type);
void sdp_generate(switch_core_session_t *session, switch_sdp_type_t type, const char *ip, switch_port_t port,
	const char *sr, int force);

/* got.c: functions of other objects, replaced for the callers in an object */

struct slot {
	/* Part of the file name of the objects whose calls are taken; NULL: of every object but this one. */
	const char *object;
	const char *symbol;
	void *replacement;
	/* Set before anything is replaced: the function itself. NULL: not asked for. */
	void **genuine;
	/* Without such a slot in an object that is there the module does not load; where it is NULL, nobody
	 * minds. */
	const char *needed_for;
};

/* Replaces a table's slots in all objects that are loaded now; again, for those that were loaded since. */
switch_status_t got_replace(const struct slot *slots, size_t count, char *reason, size_t reason_size);
/* Undoes it in all objects that are loaded now. */
void got_restore(const struct slot *slots, size_t count);

/* intercept.c: what is replaced, where and when */

#define SOFIA_OBJECT "/mod_sofia.so"
#define CORE_OBJECT "/libfreeswitch.so"

switch_status_t intercept_start(void);
void intercept_stop(void);
/* A further table, e.g. of recorders; at load, before intercept_start. */
void intercept_add(const struct slot *slots, size_t count);

/* mask.c: key material in text */

/* `text` masked in place; SWITCH_TRUE if there was anything. */
switch_bool_t mask_text(char *text);
/* The description with its keys that a variable has a masked copy of; `text` itself where it is none. */
const char *mask_original(switch_channel_t *channel, const char *text);
/* Replacements of what descriptions are told by. */
void mask_log(switch_text_channel_t to, const char *file, const char *function, int line,
	const char *userdata, switch_log_level_t level, const char *format, ...) PRINTF_FUNCTION(7, 8);
void mask_vlog(switch_text_channel_t to, const char *file, const char *function, int line,
	const char *userdata, switch_log_level_t level, const char *format, va_list arguments);
switch_status_t mask_write(
	switch_channel_t *channel, const char *name, const char *value, switch_bool_t check);
const char *mask_read(switch_channel_t *channel, const char *name, switch_bool_t copy, int index);
switch_status_t mask_pass(switch_channel_t *from, switch_channel_t *to, const char *sdp);

/* soa.c: sofia-sip's offer/answer engine */

switch_core_session_t *soa_session(switch_endpoint_interface_t *endpoint, switch_call_direction_t direction,
	switch_originate_flag_t flags, switch_memory_pool_t **pool, const char *uuid);
char *soa_header(switch_event_t *event, const char *name, int index);
const char *soa_variable(switch_channel_t *channel, const char *name, switch_bool_t copy, int index);

/* bypass.c: media that would go past FreeSWITCH */

switch_status_t bypass_begin(const char *uuid, switch_media_flag_t flags);
switch_status_t bypass_begin_3p(const char *uuid, switch_media_flag_t flags);
void bypass_flag(switch_channel_t *channel, switch_channel_flag_t flag, uint32_t value);
void bypass_describe(switch_core_session_t *session, const char *sdp, switch_bool_t copy);

/* t38.c: facsimile, which no SRTP carries */

void t38_start(switch_core_session_t *session, switch_t38_options_t *options);
void t38_describe(switch_core_session_t *session, switch_t38_options_t *options, int insist);

/* mod_sealrtp.c */

extern struct runtime {
	switch_memory_pool_t *pool;
	switch_loadable_module_interface_t *interface;
	sealrtp_relay *relay;
	/* Cleared first at unload: no leg is made any more. */
	atomic_bool running;
} runtime;

#endif
