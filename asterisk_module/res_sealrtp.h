/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the files of res_sealrtp.so tell each other. Include it behind asterisk.h.
 */

#ifndef RES_SEALRTP_H
#define RES_SEALRTP_H

#include <limits.h>
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
#define REASON_SIZE 512
/* Hex digits and colons of the longest hash, and its name. */
#define FINGERPRINT_SIZE 256
/* A stream's method while nobody makes keys. */
#define METHOD_NONE "-"
#define METHOD_SDES "SDES"
#define METHOD_DTLS "DTLS"
#define METHOD_ZRTP "ZRTP"
#define METHOD_PASSTHROUGH "PASSTHROUGH"
/* A section of sealrtp.conf. */
#define SECTION_NAME_SIZE 257
/* All keys of a configuration, a line each. */
#define DESCRIPTION_SIZE 16384
/* A peer's name in the cache. */
#define PEER_NAME_SIZE 80
/* Kinds of refused packets that are told apart in the log; the last is "other". */
#define TROUBLE_KINDS 10

/* zid.c: our ZID and the cache of peers, one for all calls. */
struct zid {
	sealrtp_zrtp *zrtp;
	/* The file, or "" for one in memory. */
	char path[PATH_MAX];
};

enum config_result zid_open(const char *path, struct zid *running, struct zid **out);
void zid_default_path(char *path, size_t size);
void zid_peer_name(const char *peer, char *name, size_t size);

/* config.c: the configuration for new calls; readers hold a reference to the one they took. */
struct settings {
	/* [general] */
	sealrtp_config *config;
	/* Certificates and everything of OpenSSL. */
	sealrtp_dtls *dtls;
	/* All sections. */
	sealrtp_policies *policies;
	/* sealrtp_wants */
	uint32_t wants;
	/* zrtp_cache, or "". */
	char zid_path[PATH_MAX];
	/* NULL if nobody has ZRTP. */
	struct zid *zid;
};

enum config_result {
	CONFIG_LOADED,
	CONFIG_REFUSED,
};

enum config_result config_load(void);
void config_done(void);
struct settings *config_get(void);
sealrtp_config *config_for_endpoint(const struct settings *settings, const char *endpoint);
sealrtp_config *config_for_name(const struct settings *settings, const char *channel);
uint32_t config_wants(const struct settings *settings);

/* policy.c: under which policy a channel's call is. */
sealrtp_config *config_for_channel(const struct settings *settings, struct ast_channel *chan);
sealrtp_config *config_for_call(const struct settings *settings, const char *channel);
sealrtp_config *policy_chosen(struct ast_channel *chan);
unsigned int policy_choices(void);
uint32_t policy_wants(void);
int policy_choose(struct ast_channel *chan, const char *item, const char *name, bool dialled);
void policy_name(struct ast_channel *chan, char *name, size_t size);
void policy_dialled(struct ast_channel *chan, char *name, size_t size);

/* Whether ICE has to choose where media goes. */
enum ice_state {
	/* Not used, or the peer has no candidates. */
	ICE_UNUSED,
	/* Pairs are being checked. */
	ICE_CHECKING,
	/* The next address is that of the chosen pair. */
	ICE_CHOOSING,
	ICE_CHOSEN,
};

/* openssl.c: what OpenSSL must not keep of us. */
void openssl_hold(void);
void openssl_release(void);

/* streams.c: one stream is one ast_srtp: the security of an RTP instance's RTP and RTCP. Its ao2 lock guards
 * all but the counters; it is taken behind the channel's and the RTP instance's lock. Later methods hang
 * their state here. */
struct ast_srtp {
	/* What every packet looks at stands in one line of the cache, next to the lock. */
	sealrtp_session *session;
	/* While the phones are end to end. Also looked at without the stream's lock. */
	struct passthrough_pair *pair;
	/* The end point has DTLS. Changes under the instance's lock and the stream's, so either is enough to
	 * read.
	 */
	bool has_dtls;
	/* The stream is there because an end point may have ZRTP, or a policy; never changes. */
	bool zrtp_candidate;
	/* ZRTP has made keys. */
	bool zrtp_secured;
	/* SDES has made keys. */
	bool keyed;
	/* What comes in waits until it is known whether its recorders are to be refused. Also read without the
	 * stream's lock. */
	bool held;
	/* The owner, which outlives the stream; NULL once it has let go. */
	struct ast_rtp_instance *rtp;
	/* Who makes the keys, e.g. "SDES"; METHOD_NONE where nobody is known to. */
	const char *method;
	/* on_failure has it that nothing passes. */
	bool blocked;
	/* Name of the channel as last seen, or "". */
	char channel[AST_CHANNEL_NAME];
	/* Our RTP address. */
	struct ast_sockaddr local;
	/* Number of the stream since the module was loaded. */
	unsigned int number;
	struct timeval since;
	/* DTLS of the instance: changes under the instance's lock and the stream's, so either is enough to read.
	 */
	struct dtls {
		/* The session knows our certificate. */
		bool used;
		/* SDES was chosen after all. */
		bool stopped;
		/* The instance uses the sockets and the stream of another. */
		bool bundled;
		/* Media may flow. */
		bool activated;
		/* There is an association, or there will be. */
		bool started;
		/* The handshake failed, and that was told. */
		bool failed;
		/* We answer an offer that has no DTLS. */
		bool answering_clear;
		/* How often set_configuration came since media last began to flow. */
		unsigned int configurations;
		/* The peer asks for a new association. */
		bool renew;
		/* A description of the peer has a=setup or a=fingerprint. */
		bool peer_has_dtls;
		/* The peer's description came before ours, or ours was asked for, since media last began to flow. */
		bool answering;
		bool described;
		bool has_candidates;
		enum ice_state ice;
		enum ast_rtp_dtls_hash hash;
		/* Ours, as given to the channel driver. */
		char fingerprint[FINGERPRINT_SIZE];
		/* Why something of the peer's description was refused, or "". */
		char refusal[REASON_SIZE];
		/* Where the peer's media went when the association began. */
		struct ast_sockaddr began;
	} dtls;
	/* ZRTP of the instance. */
	struct zrtp {
		/* It is known whose call this is. */
		bool settled;
		/* What the end point asks for: a sealrtp_config_zrtp(). */
		uint32_t rule;
		/* Nothing clear may pass: a sealrtp_config_demands(). */
		bool demands;
		/* Media may flow. */
		bool activated;
		/* The session has a share in the call's association. Also read without the stream's lock. */
		bool used;
		/* Hello was sent. */
		bool started;
		/* SDES or DTLS was chosen. */
		bool stopped;
		/* Nobody answered there. */
		bool unanswered;
		struct ast_sockaddr asked;
		bool failed;
		/* Our Confirm has the disclosure flag. */
		bool disclosed;
		/* Messages that should not have come. */
		unsigned int alerts;
		/* How often the channel was looked for in vain. */
		unsigned int tries;
		/* Ours, as the engine says. */
		uint32_t ssrc;
		/* Shared by the streams of a call. */
		struct zrtp_call *call;
	} zrtp;
	/* The phones are end to end, or may be. */
	struct passthrough {
		/* The end point's policy asks for it. */
		bool wanted;
		/* It was given up: we are the end of the phone's ZRTP. */
		bool over;
		/* It was given up, and the call ends. */
		bool refused;
		/* Number of the stream whose phone shares keys with this one's; 0 for none. */
		unsigned int agreed_with;
		/* Since when it is up and on its own, and when it is looked at again; zero for neither. */
		struct timeval since;
		struct timeval look;
		/* Where the peer's datagrams come from, by component, where its description does not tell. */
		struct ast_sockaddr learnt[2];
	} passthrough;
	/* The descriptions of its call, where chan_pjsip's pass through us. */
	struct sdp {
		/* NULL where they do not. */
		struct sdp_dialog *dialog;
		/* They will say who makes the keys, and have not yet. */
		bool awaited;
		/* What they said: a sealrtp_method. */
		uint32_t decided;
		/* ZRTP may come on top of SDES. */
		bool upgrade;
	} sdp;
	/* Guarded by the stream's lock alone. */
	struct transport {
		/* Sockets by component, -1 for none. */
		int fds[2];
		/* Where media goes. */
		struct ast_sockaddr remote[2];
		/* When the next timer comes; zero for none. */
		struct timeval due;
	} transport;
	/* How often each trouble came, by direction, and when it was last logged. */
	struct trouble {
		unsigned int count;
		unsigned int logged;
		struct timeval when;
	} troubles[2][TROUBLE_KINDS];
};

_Static_assert(
	offsetof(struct ast_srtp, held) < 32, "what every packet looks at is in one line of the cache");

/* Whether the stream's peer is talked to: whether sockets and addresses are of interest. */
static inline bool stream_has_handshake(const struct ast_srtp *stream)
{
	return stream->has_dtls || stream->zrtp_candidate;
}

/* Whether the phones are end to end, so that nothing of ours may be sent or taken. The stream is locked. */
static inline bool passthrough_runs(const struct ast_srtp *stream)
{
	return stream->pair != NULL;
}

/* A packet will be read from the stream's socket: its state comes into the cache while the system is at that.
 * The lock is not needed, since nothing of the session is read. */
static inline void stream_will_receive(const struct ast_srtp *stream)
{
	sealrtp_prefetch_unprotect(__atomic_load_n(&stream->session, __ATOMIC_RELAXED));
}

int streams_init(void);
void streams_done(void);
struct ast_srtp *stream_new(struct ast_rtp_instance *rtp, const char *method);
int stream_renew(struct ast_srtp *stream, const sealrtp_config *config, bool demand_security);
struct ast_srtp *stream_of_channel(struct ast_channel *chan, bool video);
void stream_block(struct ast_srtp *stream);
void stream_channel_name(struct ast_srtp *stream, char *name, size_t size);
uint32_t stream_state(struct ast_srtp *stream);
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
struct ast_srtp_policy *policy_without_keys(const char *method);
void policy_destroy(struct ast_srtp_policy *policy);
void stream_will_send(const struct ast_srtp *stream);

/* sdes.c: a=crypto of chan_pjsip and chan_sip. */
int sdes_register(void);
void sdes_unregister(void);
unsigned int sdes_alive(void);
bool sdes_last_refusal(char *reason, size_t size);

/* rtp_engine.c: the built-in RTP engine with our additions. */
int rtp_engine_prepare(void);
int rtp_engine_engage(void);
int rtp_engine_disengage(void);
bool rtp_engine_is_ours(void);
unsigned int rtp_engine_instances(void);
int rtp_engine_fd(struct ast_rtp_instance *instance, int rtcp);

/* guard.c: keeps the SRTP engine registered. The core has no function to read its registration. */
extern struct ast_srtp_res *res_srtp;
extern struct ast_srtp_policy_res *res_srtp_policy;
int guard_start(void);
void guard_stop(void);
unsigned int guard_repairs(void);
void guard_repair(void) __attribute__((cold));

static inline bool guard_is_active(void)
{
	return res_srtp == &srtp_engine && res_srtp_policy == &srtp_policy_engine;
}

static inline void guard(void)
{
	if (__builtin_expect(!guard_is_active(), 0)) {
		guard_repair();
	}
}

/* dtls.c: the RTP engine's DTLS. */
extern struct ast_rtp_engine_dtls dtls_engine;
int dtls_init(void);
void dtls_done(void);
bool dtls_serves(const struct ast_srtp *stream);
void dtls_activate(struct ast_srtp *stream, struct ast_rtp_instance *instance);
void dtls_start(struct ast_srtp *stream);
void dtls_start_late(struct ast_srtp *stream);
void dtls_ice_candidate(struct ast_srtp *stream);
void dtls_ice_start(struct ast_srtp *stream);
void dtls_ice_stop(struct ast_srtp *stream);
void dtls_property(struct ast_srtp *stream, enum ast_rtp_property property, int value);
void dtls_remote_address(struct ast_srtp *stream, const struct ast_sockaddr *address);
void dtls_bundle(struct ast_srtp *stream, bool bundled);
void dtls_close(struct ast_srtp *stream);
void dtls_decided(struct ast_srtp *stream, bool answering);
int dtls_give_up(struct ast_srtp *stream);

/* zrtp.c: the RTP engine's ZRTP. */
int zrtp_install(struct ast_rtp_instance *instance);
bool zrtp_demands(const struct ast_srtp *stream);
void zrtp_activate(struct ast_srtp *stream, struct ast_rtp_instance *instance);
void zrtp_address_known(struct ast_srtp *stream);
void zrtp_stop(struct ast_srtp *stream);
void zrtp_look_again(struct ast_srtp *stream);
bool zrtp_policy_may_change(struct ast_srtp *stream);
void zrtp_policy_changed(struct ast_srtp *stream, struct ast_channel *chan);
bool zrtp_receives(const struct ast_srtp *stream);
void zrtp_settle(struct ast_srtp *stream, const struct settings *settings, const sealrtp_config *config);
void zrtp_prepare(struct ast_srtp *stream, const struct settings *settings, const sealrtp_config *config,
	struct ast_channel *chan, bool outgoing);
const sealrtp_zrtp_call *zrtp_handle(const struct ast_srtp *stream);
void zrtp_described(struct ast_srtp *stream);
void zrtp_decided(struct ast_srtp *stream);
bool zrtp_info(struct ast_srtp *stream, sealrtp_zrtp_info *info);

/* passthrough.c: two bridged legs whose phones are end to end. */
void passthrough_settle(struct ast_srtp *stream, const sealrtp_config *config);
bool passthrough_holds(const struct ast_srtp *stream);
bool passthrough_stats(struct ast_srtp *stream, sealrtp_session_stats *stats, bool *passes);
void passthrough_address_known(struct ast_srtp *stream);
bool passthrough_read(struct ast_srtp *stream, struct ast_rtp_instance *instance, int rtcp);
void passthrough_review(struct ast_channel *chan);
void passthrough_bridge_changed(const char *channel_id);
void passthrough_close(struct ast_srtp *stream);

/* sdp.c, sdp_dialog.c: the descriptions of chan_pjsip's calls. */
int sdp_start(void);
void sdp_stop(void);
unsigned int sdp_dialogs(void);
bool sdp_is_engaged(void);
bool sdp_speaks_for(const sealrtp_config *config, const char *channel);
void sdp_forget(struct sdp_dialog *dialog);
bool sdp_explain(struct ast_srtp *stream, char *text, size_t size);
void sdp_note(struct ast_srtp *stream, const char *step);

/* explain.c: why a call is secured as it is. Room for the library's steps, in bytes. */
#define EXPLAIN_SIZE (68 * 1024)
int explain_start(void);
void explain_stop(void);
void explain_keep(const char *channel, const char *endpoint, const char *steps);

/* channel.c: what a channel keeps of us. */
unsigned int channel_keepsakes(void);
void channel_is_new(const char *name, const char *id);
void channel_anchor(struct ast_channel *chan);
void channel_release(struct ast_channel *chan);
int channel_offer_enrolment(struct ast_channel *chan);
bool channel_enrolment(struct ast_channel *chan);
int channel_announce_recording(struct ast_channel *chan);
bool channel_recorded(struct ast_channel *chan);

/* recorders.c: who records a channel. */
enum recorder_kind {
	RECORDER_AUDIOHOOK = 1,
	RECORDER_MONITOR = 2,
	/* Reads the channel while it is in no bridge. */
	RECORDER_APPLICATION = 4,
	/* A channel that is in a bridge to record it. */
	RECORDER_DRIVER = 8,
};

/* More than there are. */
#define RECORDERS 16

struct recorder {
	const char *name;
	enum recorder_kind kind;
	/* The audiohook's source, the application's name, or the driver's. */
	const char *key;
	/* It goes on, or comes back, when it is refused. */
	bool persists;
	/* It is no sign of a recording. */
	bool quiet;
};

const struct recorder *recorder_find(
	struct ast_channel *chan, unsigned int kinds, const struct recorder *after);
const struct recorder *recorder_ari(void);
unsigned int recorder_number(const struct recorder *recorder);
void recorder_remove(struct ast_channel *chan, const struct recorder *recorder);

/* recording.c, sentry.c: recording = refuse. */
void recording_rule(struct ast_channel *chan);
void recording_look(const char *name, const char *id);
void recording_by_ari(const char *id);
const struct recorder *recording_refused(struct ast_channel *chan);
unsigned int recording_sentries(void);

/* refusal.c */
void refusal_tell(struct ast_channel *chan, const struct recorder *recorder, const char *origin);

/* disclosure.c: recording = disclose. */
int disclosure_start(void);
void disclosure_stop(void);
void disclosure_learn(void);
bool disclosure_is_due(struct ast_channel *chan);
bool disclosure_is_relayed(struct ast_channel *enrolled);
void disclosure_text(struct ast_channel *chan, char *text, size_t size);

/* relay.c: shows enrolled phones the SAS of the far end. */
int relay_start(void);
void relay_stop(void);
void relay_sas(const char *channel_id);

/* functions.c: what the dialplan has of us. */
int functions_register(void);
void functions_unregister(void);

/* policy_cli.c */
int policy_cli_register(void);
void policy_cli_unregister(void);

/* zrtp_cli.c */
int zrtp_cli_register(void);
void zrtp_cli_unregister(void);

/* transport.c: datagrams of DTLS and ZRTP, and the timer. */
/* The largest UDP payload. */
#define TRANSPORT_RECEIVE_SIZE 65535
uint8_t *transport_buffer(void);
int transport_start(void);
void transport_stop(void);
void transport_start_later(struct ast_srtp *stream, int ms);
void transport_look_later(struct ast_srtp *stream, int ms);
void transport_learn(struct ast_srtp *stream, struct ast_rtp_instance *instance);
void transport_forget(struct ast_srtp *stream);
void transport_set_remote(struct ast_srtp *stream, const struct ast_sockaddr *address);
bool transport_has_remote(const struct ast_srtp *stream);
void transport_expect(struct ast_srtp *stream);
bool transport_rtcp_is_separate(const struct ast_srtp *stream);
bool transport_read(struct ast_srtp *stream, struct ast_rtp_instance *instance, int rtcp);
void transport_send(struct ast_srtp *stream);
void transport_pump(struct ast_srtp *stream);

/* report.c: what becomes of streams, told to administrators and to calls. */
int report_start(void);
void report_stop(void);
void report_events(struct ast_srtp *stream);
void report_not_started(struct ast_srtp *stream, const char *reason);
void report_failed(struct ast_channel *chan, const char *method, const char *reason, bool hang_up);
uint32_t report_consequence(const char *channel, uint64_t failure);
int report_task(int (*task)(void *data), void *data);
void report_set_trace(const char *method, bool on, const char *channel);
bool report_trace_is_on(const char *method);
bool report_any_trace(void);
unsigned int report_ended(void);

/* downgrade.c: end points that were secured before and are not now. */
int downgrade_start(void);
void downgrade_stop(void);
void downgrade_secured(const char *channel, const char *method);
void downgrade_watch(const char *name, const char *id);

/* watch.c: ends calls that must be secured and are not. */
int watch_start(void);
void watch_stop(void);
bool watch_is_optimistic(const char *channel);
bool watch_is_clear(const char *endpoint);
bool watch_has_avpf(const char *endpoint);
bool watch_endpoint(const char *channel, char *endpoint, size_t size);

/* cli.c */
int cli_register(void);
void cli_unregister(void);

#endif
