/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The C ABI of SealRTP. Made from c_api/src by cbindgen: change it there, then run `make header`.
 */

#ifndef SEALRTP_H
#define SEALRTP_H

#include <stddef.h>
#include <stdint.h>

// The version of this ABI: it changes when a caller must be built anew.
#define SEALRTP_ABI_VERSION 2

// Most `a=crypto` attributes of one m-line that are read.
#define SEALRTP_SDES_MAX_LINES 64

// Most bytes that protection adds to a packet.
#define SEALRTP_MAX_TRAILER 148

// What a call answers: zero or positive is success, negative is an error and nothing was done.
enum sealrtp_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    SEALRTP_OK = 0,
    // Done, and `sealrtp_session_poll_event` has something to say.
    SEALRTP_OK_EVENT = 1,
    // SDES: negotiated, and keys are new: fetch them with `sealrtp_sdes_keys`.
    SEALRTP_OK_KEYS_CHANGED = 2,
    // Nothing (more) to enumerate or to poll.
    SEALRTP_DONE = 3,
    // A null pointer, or a size or value out of range.
    SEALRTP_E_ARGUMENT = -1,
    // A fault of the library; the handle answers nothing else from here on.
    SEALRTP_E_INTERNAL = -2,
    // The buffer is too small.
    SEALRTP_E_BUFFER = -3,
    // No keys are installed in this direction: nothing passes.
    SEALRTP_E_NO_KEYS = -4,
    // Authentication failed: the packet is under another key or suite, was changed, or is clear.
    SEALRTP_E_AUTH = -5,
    // The packet was received before, or is older than the replay window.
    SEALRTP_E_REPLAY = -6,
    // Not an RTP, RTCP, SRTP or SRTCP packet, or one whose lengths lie.
    SEALRTP_E_MALFORMED = -7,
    // The lifetime of the master key is over.
    SEALRTP_E_KEY_EXPIRED = -8,
    // The packet's index was sent before, or is older than the replay window.
    SEALRTP_E_INDEX_USED = -9,
    // Too many SSRCs in this direction.
    SEALRTP_E_SSRC_LIMIT = -10,
    // The packet's MKI or index belongs to no master key.
    SEALRTP_E_UNKNOWN_KEY = -11,
    // No such suite.
    SEALRTP_E_SUITE = -12,
    // Key or salt do not have the suite's length, or cannot be used together.
    SEALRTP_E_KEY = -13,
    // No such configuration key, or a value it does not take.
    SEALRTP_E_CONFIG = -14,
    // SDES: the peer's attribute was refused; the reason tells why.
    SEALRTP_E_SDES = -15,
    // The system's random generator failed.
    SEALRTP_E_RANDOM = -16,
    // DTLS: a certificate, a configuration or what the peer's SDP says cannot be used; the reason tells why.
    SEALRTP_E_DTLS = -17,
    // ZRTP: the cache cannot be used, or what the peer's SDP says; the reason tells why.
    SEALRTP_E_ZRTP = -18,
    // Policy refuses an offer or answer; the reason tells why and what to change.
    SEALRTP_E_POLICY = -19,
    // An SDP body cannot be read; the reason tells the line.
    SEALRTP_E_SDP = -20,
    // The machine has no thread, socket, port or memory left for this.
    SEALRTP_E_SYSTEM = -21,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_result sealrtp_result;
#else
typedef int32_t sealrtp_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Numbers of the suites; they never change.
enum sealrtp_suite
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // RFC 4568.
    SEALRTP_SUITE_AES_CM_128_HMAC_SHA1_80 = 1,
    // RFC 4568.
    SEALRTP_SUITE_AES_CM_128_HMAC_SHA1_32 = 2,
    // RFC 6188.
    SEALRTP_SUITE_AES_192_CM_HMAC_SHA1_80 = 3,
    // RFC 6188.
    SEALRTP_SUITE_AES_192_CM_HMAC_SHA1_32 = 4,
    // RFC 6188.
    SEALRTP_SUITE_AES_256_CM_HMAC_SHA1_80 = 5,
    // RFC 6188.
    SEALRTP_SUITE_AES_256_CM_HMAC_SHA1_32 = 6,
    // RFC 7714.
    SEALRTP_SUITE_AEAD_AES_128_GCM = 7,
    // RFC 7714.
    SEALRTP_SUITE_AEAD_AES_256_GCM = 8,
    // 8-byte tag, from the drafts of RFC 7714.
    SEALRTP_SUITE_AEAD_AES_128_GCM_8 = 9,
    // 8-byte tag, from the drafts of RFC 7714.
    SEALRTP_SUITE_AEAD_AES_256_GCM_8 = 10,
    // RFC 4568.
    SEALRTP_SUITE_F8_128_HMAC_SHA1_80 = 11,
    // Authentication only.
    SEALRTP_SUITE_NULL_HMAC_SHA1_80 = 12,
    // Authentication only.
    SEALRTP_SUITE_NULL_HMAC_SHA1_32 = 13,
    // Encryption only.
    SEALRTP_SUITE_AES_CM_128_NULL_AUTH = 14,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_suite sealrtp_suite;
#else
typedef uint32_t sealrtp_suite;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What an event is about.
enum sealrtp_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // A master key has used seven eighths of its lifetime; `value`: packets left.
    SEALRTP_EVENT_KEY_EXPIRING = 1,
    // A master key's lifetime is over: packets are refused.
    SEALRTP_EVENT_KEY_EXPIRED = 2,
    // A further SSRC was refused.
    SEALRTP_EVENT_SSRC_LIMIT = 3,
    // The first packet under new keys was authenticated.
    SEALRTP_EVENT_REKEYED = 4,
    // A DTLS handshake or a ZRTP exchange gave keys; `value`: milliseconds it took.
    SEALRTP_EVENT_SECURED = 5,
    // A DTLS handshake or a ZRTP exchange failed; `value`: a `sealrtp_failure`. Only after SEALRTP_FAILURE_ZRTP media may pass
    // still: in the clear where it did before.
    SEALRTP_EVENT_FAILED = 6,
    // The peer closed the DTLS association before there were keys.
    SEALRTP_EVENT_CLOSED = 7,
    // A step of a handshake, for `sealrtp_session_set_trace`.
    SEALRTP_EVENT_TRACE = 8,
    // The peer did not answer the handshake on RTCP's own port: RTCP stays blocked, RTP goes on.
    SEALRTP_EVENT_NO_RTCP = 9,
    // The peer does not answer ZRTP's Hello. One of its own that comes later is answered.
    SEALRTP_EVENT_NO_ANSWER = 10,
    // The ZRTP peer does not have the secret of the last call: somebody may be in between, or a cache was lost.
    SEALRTP_EVENT_CACHE_MISMATCH = 11,
    // The user compared the SAS (`value` 1), or takes that back (0).
    SEALRTP_EVENT_VERIFIED = 12,
    // The PBX at which we are enrolled told the far end's SAS.
    SEALRTP_EVENT_RELAYED_SAS = 13,
    // The ZRTP peer ended SRTP; no media passes any more.
    SEALRTP_EVENT_CLEARED = 14,
    // A ZRTP message that should not come was not obeyed; anybody can cause it.
    SEALRTP_EVENT_ALERT = 15,
    // The cache of ZRTP could not be used; the call goes on without.
    SEALRTP_EVENT_CACHE_UNUSABLE = 16,
    // Of a leg: offer and answer have left the line clear, and nobody makes keys.
    SEALRTP_EVENT_CLEAR = 17,
    // Of a leg: something that the administrator should know, see the text.
    SEALRTP_EVENT_WARNING = 18,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_event_kind sealrtp_event_kind;
#else
typedef uint32_t sealrtp_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why a handshake or an exchange failed, or what else a call's security has suffered.
enum sealrtp_failure
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The peer's certificate is not the one of its `a=fingerprint`: somebody may be in between.
    SEALRTP_FAILURE_FINGERPRINT = 1,
    // The peer showed no certificate.
    SEALRTP_FAILURE_NO_CERTIFICATE = 2,
    // No CA that is trusted has signed the peer's certificate.
    SEALRTP_FAILURE_UNTRUSTED = 3,
    // No SRTP protection profile in common.
    SEALRTP_FAILURE_NO_PROFILE = 4,
    // The peer did not answer, or not in time.
    SEALRTP_FAILURE_TIMEOUT = 5,
    // The peer gave up.
    SEALRTP_FAILURE_ALERT = 6,
    // Another, see the text.
    SEALRTP_FAILURE_OTHER = 7,
    // Of ZRTP, see the text.
    SEALRTP_FAILURE_ZRTP = 8,
    // For `sealrtp_config_consequence`: SEALRTP_EVENT_CACHE_MISMATCH has come.
    SEALRTP_FAILURE_CACHE_MISMATCH = 9,
    // For `sealrtp_config_consequence`: an end point whose calls were secured before has a clear one.
    SEALRTP_FAILURE_DOWNGRADE = 10,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_failure sealrtp_failure;
#else
typedef uint32_t sealrtp_failure;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A transport of a stream.
enum sealrtp_component
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // RTP's; with rtcp-mux RTCP's as well.
    SEALRTP_RTP = 0,
    // RTCP's own.
    SEALRTP_RTCP = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_component sealrtp_component;
#else
typedef uint32_t sealrtp_component;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether media of a component passes, and how.
enum sealrtp_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Media passes in the clear, both ways.
    SEALRTP_STATE_BYPASS = 1,
    // No media passes that is not secured, and a direction has no keys yet, or none any more.
    SEALRTP_STATE_BLOCK = 2,
    // Both directions have keys; nothing clear passes.
    SEALRTP_STATE_SECURE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_state sealrtp_state;
#else
typedef uint32_t sealrtp_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The value of `a=setup`.
enum sealrtp_setup
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Sends the ClientHello.
    SEALRTP_SETUP_ACTIVE = 1,
    // Waits for it.
    SEALRTP_SETUP_PASSIVE = 2,
    // Either, as the answer says.
    SEALRTP_SETUP_ACTPASS = 3,
    // No association for the time being.
    SEALRTP_SETUP_HOLDCONN = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_setup sealrtp_setup;
#else
typedef uint32_t sealrtp_setup;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether ZRTP is done on streams that have no keys of another method.
enum sealrtp_zrtp_rule
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It is not.
    SEALRTP_ZRTP_NO = 0,
    // Where the peer does it; clear media passes before, and where it does not.
    SEALRTP_ZRTP_YES = 1,
    // No clear media passes, ever.
    SEALRTP_ZRTP_REQUIRED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_zrtp_rule sealrtp_zrtp_rule;
#else
typedef uint32_t sealrtp_zrtp_rule;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Where a line's keys come from.
enum sealrtp_method
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Nothing is agreed on yet.
    SEALRTP_METHOD_NONE = 0,
    // Nobody makes keys, and clear media passes.
    SEALRTP_METHOD_CLEAR = 1,
    // SDES: the session has its keys.
    SEALRTP_METHOD_SDES = 2,
    // DTLS-SRTP: the session knows the peer's fingerprint; the handshake begins with `sealrtp_session_dtls_start`.
    SEALRTP_METHOD_DTLS = 3,
    // ZRTP: it begins with `sealrtp_session_zrtp_start`.
    SEALRTP_METHOD_ZRTP = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_method sealrtp_method;
#else
typedef uint32_t sealrtp_method;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What becomes of a call.
enum sealrtp_consequence
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It ends.
    SEALRTP_CONSEQUENCE_HANGUP = 1,
    // It stays up, and no media passes.
    SEALRTP_CONSEQUENCE_BLOCK = 2,
    // It goes on as it is.
    SEALRTP_CONSEQUENCE_CONTINUE = 3,
    // It goes on, and there is nothing to tell.
    SEALRTP_CONSEQUENCE_NOTHING = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_consequence sealrtp_consequence;
#else
typedef uint32_t sealrtp_consequence;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// One of two legs.
enum sealrtp_side
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The first.
    SEALRTP_LEFT = 0,
    // The second.
    SEALRTP_RIGHT = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_side sealrtp_side;
#else
typedef uint32_t sealrtp_side;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a leg's policy asks for.
enum sealrtp_leg_mode
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It is not known yet whose call it is.
    SEALRTP_LEG_UNKNOWN = 0,
    // We are the end of its ZRTP, or it has none.
    SEALRTP_LEG_ENDPOINT = 1,
    // Passthrough.
    SEALRTP_LEG_PASSTHROUGH = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_leg_mode sealrtp_leg_mode;
#else
typedef uint32_t sealrtp_leg_mode;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What becomes of two legs.
enum sealrtp_passthrough_decision
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // More will be known later: ask again.
    SEALRTP_PASSTHROUGH_WAIT = 0,
    // They are passed through.
    SEALRTP_PASSTHROUGH_PAIR = 1,
    // They are not.
    SEALRTP_PASSTHROUGH_CANNOT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_passthrough_decision sealrtp_passthrough_decision;
#else
typedef uint32_t sealrtp_passthrough_decision;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What becomes of a leg that cannot be passed through, or no longer.
enum sealrtp_passthrough_outcome
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // We are the end of its ZRTP; what passes without keys stays as it is.
    SEALRTP_OUTCOME_ENDPOINT = 0,
    // We are the end of its ZRTP, and nothing clear passes: its phone has keys and takes nothing clear.
    SEALRTP_OUTCOME_ENDPOINT_SECURED = 1,
    // The call is refused, or ends.
    SEALRTP_OUTCOME_REFUSE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_passthrough_outcome sealrtp_passthrough_outcome;
#else
typedef uint32_t sealrtp_passthrough_outcome;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a section is.
enum sealrtp_section_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // `[general]`
    SEALRTP_SECTION_GENERAL = 0,
    // A policy, of the file or built in.
    SEALRTP_SECTION_POLICY = 1,
    // An end point.
    SEALRTP_SECTION_ENDPOINT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_section_kind sealrtp_section_kind;
#else
typedef uint32_t sealrtp_section_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a whole file asks for: bits of `sealrtp_policies_wants`.
enum sealrtp_wants
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Somebody offers or accepts a method, or demands security: calls need a look at all.
    SEALRTP_WANTS_SECURITY = 1,
    // Somebody has ZRTP.
    SEALRTP_WANTS_ZRTP = 2,
    // Somebody has `fallback = reject`: until it is known whose call it is, nothing clear may pass.
    SEALRTP_WANTS_NOTHING_CLEAR = 4,
    // Somebody has `recording = refuse`.
    SEALRTP_WANTS_NO_RECORDING = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_wants sealrtp_wants;
#else
typedef uint32_t sealrtp_wants;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What becomes of a recorder on a call.
enum sealrtp_recording
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It goes on.
    SEALRTP_RECORDING_NOTHING = 0,
    // It goes on, and ZRTP's disclosure flag tells the peer (RFC 6189 section 11).
    SEALRTP_RECORDING_DISCLOSE = 1,
    // It gets silence, and is taken off the call where it can be.
    SEALRTP_RECORDING_WITHHOLD = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_recording sealrtp_recording;
#else
typedef uint32_t sealrtp_recording;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What streams and negotiations may do. They copy what they need: a later change concerns later calls.
typedef struct sealrtp_config sealrtp_config;

// What handshakes need, shared by calls in any thread: the configuration, the certificate made here, and those of end
// points. Made anew when the configuration changes; sessions keep what they took.
typedef struct sealrtp_dtls sealrtp_dtls;

// Master keys of one direction with their suite and session parameters; zeroised when freed.
typedef struct sealrtp_keys sealrtp_keys;

// One leg of a call: its offers and answers, and a stream of a relay for each RTP m-line. Its functions may be called from any
// thread, but not from within its own callbacks.
typedef struct sealrtp_leg sealrtp_leg;

// The offers and answers of one call with one peer. One thread at a time.
typedef struct sealrtp_offer_answer sealrtp_offer_answer;

// Two legs that are passed through, of one kind of media. One thread at a time may use it.
typedef struct sealrtp_passthrough sealrtp_passthrough;

// A configuration file: taken line by line, then finished, then read.
typedef struct sealrtp_policies sealrtp_policies;

// Threads and sockets of a relay: between a PBX, which sends and receives clear media on loopback, and its peers. One serves all
// calls of a process; its functions may be called from any thread.
typedef struct sealrtp_relay sealrtp_relay;

// Offer and answer of one m-line, over the whole call. One thread at a time.
typedef struct sealrtp_sdes sealrtp_sdes;

// The security of one media stream.
//
// One thread at a time may use it; `sealrtp_session_get_stats` and `sealrtp_session_state` may run in any thread
// meanwhile.
typedef struct sealrtp_session sealrtp_session;

// Our ZID and the cache of retained secrets, for calls in any thread. Sessions keep what they need of it.
typedef struct sealrtp_zrtp sealrtp_zrtp;

// One call with one peer, whose streams share a SAS: the first one runs Diffie-Hellman, the others Multistream mode. Its
// streams may be used in different threads.
typedef struct sealrtp_zrtp_call sealrtp_zrtp_call;

// An end point's options. A null text is one that is not given.
typedef struct sealrtp_dtls_options {
    // Set by the caller: sizeof(sealrtp_dtls_options).
    size_t size;
    // PEM file with the certificate, and its chain behind it; null: the certificate made by the library.
    const char *cert_file;
    // PEM file with the private key; null: in `cert_file`.
    const char *key_file;
    // DTLS cipher suites in OpenSSL's words; null: the configuration's.
    const char *ciphers;
    // PEM file with certificates of CAs.
    const char *ca_file;
    // Directory with such files.
    const char *ca_path;
    // 1: the peer's certificate must be of one of those CAs, besides its fingerprint.
    uint32_t verify_certificate;
} sealrtp_dtls_options;

// Something that has happened to a leg, to log or to act on.
typedef struct sealrtp_leg_event {
    // sizeof(sealrtp_leg_event) of the library: it may be longer than the caller's.
    size_t size;
    // A `sealrtp_event_kind`.
    uint32_t kind;
    // Which m-line, from 0 on.
    uint32_t line;
    // A `sealrtp_method`: whose the event is.
    uint32_t method;
    // A `sealrtp_consequence` if it is a failure (FAILED, CLOSED, CLEARED, CACHE_MISMATCH, and NO_ANSWER where nothing clear may
    // pass); otherwise 0. HANGUP: end the call. BLOCK: the line's media is stopped already. With either nothing passes any more.
    uint32_t consequence;
    // Of FAILED a `sealrtp_failure`; otherwise as the kind says.
    uint64_t value;
    // 1 if it is about RTCP's own handshake.
    uint32_t rtcp;
    // "audio", "video", ...
    char media[16];
    // Of SECURED the SRTP suite, otherwise "".
    char suite[40];
    // The event in English, for a log; no keys.
    char text[1024];
} sealrtp_leg_event;

// What a leg is made of. Zero what is not said: memset, then set `size`.
typedef struct sealrtp_leg_options {
    // Set by the caller: sizeof(sealrtp_leg_options).
    size_t size;
    // For texts, e.g. "sofia/internal/1000@example.org".
    const char *name;
    // IP address, without port, that the sockets towards the peer bind. The PBX's own media sockets are at this address as well.
    const char *address;
    // The call's policy; copied.
    const struct sealrtp_config *config;
    // Our certificates; what is needed is copied.
    const struct sealrtp_dtls *dtls;
    // Which of them; null: the one made by the library.
    const struct sealrtp_dtls_options *dtls_options;
    // ZID and cache; null: no ZRTP. Copied.
    const struct sealrtp_zrtp *zrtp;
    // 1: this PBX offers enrolment, see `sealrtp_zrtp_options`.
    uint32_t enrolment;
    // 1: what runs here may disclose keys or media, see `sealrtp_zrtp_options`.
    uint32_t disclosure;
    // Under which the peer knows us, see `sealrtp_zrtp_options`; null or "": our own ZID.
    const char *number;
    // 1: we called, and `number` is the caller's.
    uint32_t outgoing;
    // 1: what hands the peer's descriptions over prints UDP/TLS/RTP/SAVP as RTP/SAVP, as sofia-sip does. An RTP/SAVP line with
    // a=fingerprint and no a=crypto is then read as UDP/TLS/RTP/SAVP.
    uint32_t savp_fingerprint_is_udp_tls;
    // Gives a free even UDP port of `address`, whose odd neighbour is free for RTCP; 0: there is none left. Called within
    // `sealrtp_leg_remote` and `_local`, several times if a port turns out to be used.
    uint32_t (*take_port)(void *data);
    // Takes such a port back. Called within any function of the leg.
    void (*give_port)(void *data, uint32_t port);
    // Tells an event: in a thread of the relay, or in the caller's before a function of the leg returns. One at a time for a leg, with no
    // lock of the relay held. It must not block, and must not call a function of this leg or free it: queue what is to be done. Null: nothing is told.
    void (*event)(void *data, const struct sealrtp_leg_event *event);
    // For the three functions; lives until `sealrtp_leg_free` has returned.
    void *data;
} sealrtp_leg_options;

// What is known of the SIP message that a description comes in.
typedef struct sealrtp_sdp_message {
    // Set by the caller: sizeof(sealrtp_sdp_message).
    size_t size;
    // 1: an INVITE or UPDATE, which offers. 0: a response, ACK or PRACK, which answers if an answer is awaited.
    uint32_t request;
    // Number of the CSeq header.
    uint32_t cseq;
    // 1: it travels over TLS, as far as we can see.
    uint32_t tls;
} sealrtp_sdp_message;

// Packets and bytes that a stream of the relay has carried or dropped.
typedef struct sealrtp_relay_counters {
    // RTP and RTCP packets that were passed on.
    uint64_t packets;
    // Their bytes, as they were sent.
    uint64_t bytes;
    // Datagrams of DTLS and ZRTP.
    uint64_t handshake;
    // Packets that the stream's session refused: no keys, not authentic, replayed, malformed; see `sealrtp_leg_get_stats`.
    uint64_t refused;
    // Datagrams that are no media.
    uint64_t not_media;
    // Datagrams from somewhere else than the PBX.
    uint64_t not_the_pbx;
    // Packets for which no address is known, or on hold.
    uint64_t no_address;
    // Packets that the system did not take.
    uint64_t not_sent;
} sealrtp_relay_counters;

// What has become of an m-line. The texts end with a NUL.
typedef struct sealrtp_leg_line {
    // Set by the caller: sizeof(sealrtp_leg_line).
    size_t size;
    // "audio", "video", ...
    char media[16];
    // 1: a stream of the relay carries it. 0: it is declined, or not RTP: then all but `media` is 0.
    uint32_t open;
    // A `sealrtp_method`.
    uint32_t method;
    // A `sealrtp_state`, of RTP.
    uint32_t state;
    // A `sealrtp_state`, of RTCP.
    uint32_t rtcp_state;
    // 1: RTP and RTCP share a port (RFC 5761).
    uint32_t muxed;
    // Our port towards the peer; RTCP's is the next one.
    uint32_t peer_side_port;
    // Our port on loopback towards the PBX; RTCP's is the next one.
    uint32_t pbx_side_port;
    // Where media for the peer goes now, e.g. `192.0.2.1:5004` or `[2001:db8::1]:5004`; "": nowhere, it is on hold or not known yet.
    char peer_address[64];
    // The SRTP suite of what we send; "": no keys (yet).
    char suite[40];
    // Peer to PBX.
    struct sealrtp_relay_counters from_peer;
    // PBX to peer.
    struct sealrtp_relay_counters from_pbx;
} sealrtp_leg_line;

// Counters of one direction.
typedef struct sealrtp_direction_stats {
    // A `sealrtp_suite`; 0 while there are no keys.
    uint32_t suite;
    // SSRCs seen under the present keys.
    uint32_t ssrcs;
    // RTP packets protected or opened.
    uint64_t rtp_packets;
    // RTCP packets protected or opened.
    uint64_t rtcp_packets;
    // Bytes of those packets after they were protected or opened.
    uint64_t bytes;
    // Packets whose authentication failed.
    uint64_t auth_failures;
    // Packets received before, or older than the replay window.
    uint64_t replays;
    // Packets that are no RTP or RTCP, or whose lengths lie.
    uint64_t malformed;
    // Packets refused for another reason: no keys, index used, too many SSRCs, unknown MKI.
    uint64_t refused;
    // Packets refused because the key's lifetime was over.
    uint64_t expired;
    // How often keys were installed after the first.
    uint64_t rekeys;
    // Packets that passed in the clear, in the state BYPASS.
    uint64_t clear_packets;
} sealrtp_direction_stats;

// Counters of a stream.
typedef struct sealrtp_session_stats {
    // Set by the caller: sizeof(sealrtp_session_stats).
    size_t size;
    // What we receive.
    struct sealrtp_direction_stats inbound;
    // What we send.
    struct sealrtp_direction_stats outbound;
} sealrtp_session_stats;

// What a finished handshake agreed on. The texts end with a NUL.
typedef struct sealrtp_dtls_info {
    // Set by the caller: sizeof(sealrtp_dtls_info).
    size_t size;
    // Ours: "client" or "server".
    char role[8];
    // The SRTP protection profile, as its suite is called.
    char profile[40];
    // OpenSSL's name of the DTLS cipher suite.
    char cipher[64];
    // "DTLSv1.2".
    char version[16];
    // Of our certificate, e.g. "sha-256 AB:CD:...".
    char local_fingerprint[256];
    // Of the peer's certificate, by the hash function of its `a=fingerprint`.
    char remote_fingerprint[256];
    // From the first ClientHello to the keys.
    uint32_t handshake_ms;
    // How often a flight of ours went out again.
    uint32_t retransmissions;
    // 1 if RTCP's session was RTP's, resumed.
    uint32_t resumed;
    // Bytes that DTLS takes for this stream now, both components.
    uint64_t memory_bytes;
} sealrtp_dtls_info;

// What an exchange agreed on; holds no key. The texts end with a NUL.
typedef struct sealrtp_zrtp_info {
    // Set by the caller: sizeof(sealrtp_zrtp_info).
    size_t size;
    // Ours: "initiator" or "responder".
    char role[16];
    // The SRTP suite.
    char suite[40];
    // As RFC 6189 section 5.1.5 names it, e.g. "X255"; "Mult": the keys are of the call's first stream.
    char key_agreement[8];
    // E.g. "S256".
    char hash[8];
    // E.g. "AES1".
    char cipher[8];
    // E.g. "HS80".
    char auth_tag[8];
    // "B32" or "B256".
    char sas_type[8];
    // What two people compare: four characters, or two words with a colon between.
    char sas[64];
    // Of the far end, by a PBX that we are enrolled at, or "".
    char relayed_sas[64];
    // 24 hex digits.
    char peer_zid[32];
    // The peer's software, as it calls itself; printable ASCII.
    char peer_client[72];
    // What the cache had to say: "new", "match", "mismatch", or "unused".
    char continuity[16];
    // The whole sashash, for `sealrtp_session_zrtp_relay_sas`.
    uint8_t sas_hash[32];
    // 1: the SAS was compared, in this call or before and nothing has changed since.
    uint32_t verified;
    // 1: the peer may disclose keys or media.
    uint32_t disclosure;
    // 1: the peer shares a pbxsecret with us.
    uint32_t enrolled;
    // 1: the peer offers enrolment.
    uint32_t enrolment_offered;
    // 1: the peer says that it is a PBX in the middle.
    uint32_t mitm;
    // 1: Multistream mode; `sas` is that of the call's first stream.
    uint32_t multistream;
    // From the peer's first Hello to the keys.
    uint32_t handshake_ms;
    // How often a message of ours went out again.
    uint32_t retransmissions;
    // Bytes of this stream's session, without keys and heap.
    uint64_t memory_bytes;
} sealrtp_zrtp_info;

// A line of our own description.
typedef struct sealrtp_sdp_line {
    // Set by the caller: sizeof(sealrtp_sdp_line).
    size_t size;
    // The RTP port; 0: declined.
    uint32_t port;
    // 1: it is RTP. 0: leave it alone.
    uint32_t rtp;
    // 1: it may have ZRTP, whose call `sealrtp_offer_answer_describe` and `_apply` take.
    uint32_t zrtp;
    // "audio", "video", ...
    char media[16];
} sealrtp_sdp_line;

// A leg, when two are bridged.
typedef struct sealrtp_leg_facts {
    // Tells it from all others; not 0.
    uint64_t id;
    // The leg whose phone its phone shares keys with, from a passthrough that was; 0: none.
    uint64_t agreed_with;
    // A `sealrtp_leg_mode`.
    uint32_t mode;
    // 1: nothing clear may pass.
    uint32_t demand_security;
    // 1: we have keys of it, or make some.
    uint32_t keyed;
} sealrtp_leg_facts;

// What is known of one leg that is passed through.
typedef struct sealrtp_passthrough_info {
    // Set by the caller: sizeof(sealrtp_passthrough_info).
    size_t size;
    // Why it was given up, or "".
    char failed[128];
    // ZRTP messages that came from this leg and were handed on.
    uint64_t zrtp;
    // RTP packets, secured or not.
    uint64_t rtp;
    // RTCP packets, secured or not.
    uint64_t rtcp;
    // What was dropped of this leg's.
    uint64_t dropped;
    // 1: both phones have confirmed keys to one another, as far as can be seen.
    uint32_t agreed;
    // 1: media is handed on.
    uint32_t passes_media;
} sealrtp_passthrough_info;

// Something the owner of a stream should log or act on.
typedef struct sealrtp_event {
    // Set by the caller: sizeof(sealrtp_event).
    size_t size;
    // A `sealrtp_event_kind`.
    uint32_t kind;
    // 1 if it is about what we send, 0 if about what we receive.
    uint32_t outbound;
    // The SSRC it is about, or 0.
    uint32_t ssrc;
    // 1 if it is about RTCP.
    uint32_t rtcp;
    // As the kind says, or 0.
    uint64_t value;
    // The event in English, for a log.
    char text[1024];
} sealrtp_event;

// An IP address and a port.
typedef struct sealrtp_address {
    // In network order; an IPv4 address is in the first 4 bytes.
    uint8_t ip[16];
    // In the machine's order.
    uint16_t port;
    // 4 or 6; 0 is no address.
    uint16_t family;
} sealrtp_address;

// What is kept of a peer under one number of ours; never a secret. The texts end with a NUL, times are seconds since 1970.
typedef struct sealrtp_zrtp_peer {
    // Set by the caller: sizeof(sealrtp_zrtp_peer).
    size_t size;
    // 24 hex digits.
    char zid[32];
    // As the administrator named it, or "".
    char name[80];
    // 1: the SAS was compared.
    uint32_t verified;
    // 1: it is enrolled here, or this is enrolled there.
    uint32_t enrolled;
    // When it was first met.
    int64_t first_seen;
    // When it was last met.
    int64_t last_seen;
    // When its secrets expire; 0: never.
    int64_t expires;
    // The number under which it knows us, in one word, "from:" before it when we called; "": it knows our own ZID.
    char number[72];
} sealrtp_zrtp_peer;

// What a single call decides.
typedef struct sealrtp_zrtp_options {
    // Set by the caller: sizeof(sealrtp_zrtp_options).
    size_t size;
    // 1: this PBX offers enrolment (RFC 6189 section 7.3.1), and says that it is one.
    uint32_t enrolment;
    // 1: what runs here may disclose keys or media (RFC 6189 section 11).
    uint32_t disclosure;
    // Under which the peer knows us: the one that it dialled, or the caller's that it was shown. Null or "": our own ZID.
    // A phone keeps its secrets by the URI and the ZID of whom it talked to, so a PBX of one ZID is a stranger to it under
    // each new number; with this, each number is an end point with a ZID and secrets of its own. Not heeded with `zrtp_mitm`
    // or `enrolment`: phones know a PBX in the middle by its one ZID. Any bytes; of a long one all count.
    const char *number;
    // 1: we called, and `number` is the caller's. What the phone dials under the same number may be another URI.
    uint32_t outgoing;
} sealrtp_zrtp_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The ABI version of the library that is loaded; compare it with SEALRTP_ABI_VERSION before anything else.
uint32_t sealrtp_abi_version(void);

// The library's version, e.g. "0.1.0". The text lives as long as the library.
const char *sealrtp_version(void);

// Fills `buf` from the system's random generator.
//
// # Safety
// `buf` points to `len` bytes or is null.
sealrtp_result sealrtp_random(uint8_t *buf, size_t len);

// The defaults. Null only if the library is at fault.
struct sealrtp_config *sealrtp_config_new(void);

// Sets one key, as in `sealrtp.conf`. On SEALRTP_E_CONFIG nothing has changed and `message` says what was expected; on
// SEALRTP_OK it holds a warning, or is empty.
//
// # Safety
// `config` is a handle or null; `key` and `value` are C strings or null; `message` has `message_size` bytes or is null.
sealrtp_result sealrtp_config_set(struct sealrtp_config *config,
                                  const char *key,
                                  const char *value,
                                  char *message,
                                  size_t message_size);

// A configuration of its own with the same values, e.g. for one end point. Null for null, or if the library is at fault.
//
// # Safety
// `config` is a handle or null.
struct sealrtp_config *sealrtp_config_copy(const struct sealrtp_config *config);

// The `sealrtp_zrtp_rule` of a configuration; SEALRTP_ZRTP_REQUIRED for null.
//
// # Safety
// `config` is a handle or null.
uint32_t sealrtp_config_zrtp(const struct sealrtp_config *config);

// What becomes of a call in which a `sealrtp_failure` happened, as `on_failure` and `fallback` have it; an unknown one is of
// DTLS-SRTP. SEALRTP_CONSEQUENCE_HANGUP for null.
//
// # Safety
// `config` is a handle or null.
uint32_t sealrtp_config_consequence(const struct sealrtp_config *config,
                                    uint32_t failure);

// 1: policy speaks in the descriptions of calls, for `offer` or `accept` names a method. 0: they are left alone.
//
// # Safety
// `config` is a handle or null.
uint32_t sealrtp_config_is_active(const struct sealrtp_config *config);

// 1: no clear media may pass, ever: `fallback = reject`. 1 for null.
//
// # Safety
// `config` is a handle or null.
uint32_t sealrtp_config_demands(const struct sealrtp_config *config);

// The whole configuration as text, a line for each key. SEALRTP_E_BUFFER: `text` holds what fitted.
//
// # Safety
// `config` is a handle or null, `text` has `text_size` bytes or is null.
sealrtp_result sealrtp_config_describe(const struct sealrtp_config *config, char *text, size_t text_size);

// Frees the configuration; null is nothing.
//
// # Safety
// `config` is null or a handle that is not used again.
void sealrtp_config_free(struct sealrtp_config *config);

// Makes the certificate that end points without one of their own use, and checks the configuration's `dtls_` keys. On
// SEALRTP_E_DTLS `message` says what is wrong.
//
// From here on OpenSSL, which others in the process may use too, keeps addresses of functions of ours: who unloads the library
// must take them out first, as `asterisk_module/openssl.c` does.
//
// # Safety
// `config` is a handle or null, `out` points to a pointer or is null, `message` has `message_size` bytes or is null.
sealrtp_result sealrtp_dtls_new(const struct sealrtp_config *config,
                                struct sealrtp_dtls **out,
                                char *message,
                                size_t message_size);

// Frees what handshakes to come would need; sessions keep what they took. Null is nothing.
//
// # Safety
// `dtls` is null or a handle that is not used again.
void sealrtp_dtls_free(struct sealrtp_dtls *dtls);

// One master key and salt, without MKI, for the longest lifetime. Null if the suite is unknown or a length is not the
// suite's.
//
// # Safety
// `key` points to `key_len` bytes and `salt` to `salt_len`, or they are null.
struct sealrtp_keys *sealrtp_keys_new(uint32_t suite,
                                      const uint8_t *key,
                                      size_t key_len,
                                      const uint8_t *salt,
                                      size_t salt_len);

// Frees and zeroises the keys; null is nothing.
//
// # Safety
// `keys` is null or a handle that is not used again.
void sealrtp_keys_free(struct sealrtp_keys *keys);

// Begins a leg whose media `relay` carries. Nothing is bound before its first description. On SEALRTP_E_ARGUMENT and SEALRTP_E_DTLS
// `reason` says why.
//
// # Safety
// `relay` is a handle or null, `options` points to a struct with its size set, whose handles and texts are what they say or null, or
// is null, `out` points to a pointer or is null, `reason` has `reason_size` bytes or is null. The callbacks may be called in any
// thread.
sealrtp_result sealrtp_leg_new(const struct sealrtp_relay *relay,
                               const struct sealrtp_leg_options *options,
                               struct sealrtp_leg **out,
                               char *reason,
                               size_t reason_size);

// Ends a leg: DTLS associations are closed, sockets too, ports are given back, keys zeroised. An event that runs is waited for, and none comes
// after it. Null is nothing.
//
// # Safety
// `leg` is null or a handle that is not used again; no callback of the leg runs in this thread.
void sealrtp_leg_free(struct sealrtp_leg *leg);

// Takes the peer's description of `sdp_len` bytes, offer or answer by `message`, and writes the one for the PBX: clear RTP on the
// relay's loopback ports. `*len` is the size of `out` and becomes the text's length, without a NUL. The same text once more changes nothing
// and is answered the same.
//
// SEALRTP_E_POLICY: refuse it, an offer with 488, an answer by ending the call; `reason` says why and what to change.
// SEALRTP_E_SDP: it cannot be read. SEALRTP_E_SYSTEM: no port or socket; 500. After these nothing has changed and nothing clear passes that
// did not before. SEALRTP_E_BUFFER: `*len` bytes are needed; ask again with the same text.
//
// # Safety
// `leg` is a handle or null, `message` points to a struct with its size set or is null, `sdp` to `sdp_len` bytes or is null, `len` to
// a number or is null, `out` has `*len` bytes or is null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_leg_remote(struct sealrtp_leg *leg,
                                  const struct sealrtp_sdp_message *message,
                                  const char *sdp,
                                  size_t sdp_len,
                                  char *out,
                                  size_t *len,
                                  char *reason,
                                  size_t reason_size);

// Takes the PBX's own description, offer or answer by `message`, and writes the one for the peer: the relay's outer ports, profile and keys
// by policy. The rest as `sealrtp_leg_remote`; on an error nothing may be sent. The text holds keys: wipe it after use, and mask it for logs,
// `sealrtp_sdp_mask`.
//
// # Safety
// As `sealrtp_leg_remote`.
sealrtp_result sealrtp_leg_local(struct sealrtp_leg *leg,
                                 const struct sealrtp_sdp_message *message,
                                 const char *sdp,
                                 size_t sdp_len,
                                 char *out,
                                 size_t *len,
                                 char *reason,
                                 size_t reason_size);

// Another policy for the call from here on: an offer of the peer that is not answered yet is decided anew, what was agreed on
// stands. SEALRTP_E_POLICY: that offer is to be answered by 488, and `reason` says why.
//
// # Safety
// `leg` and `config` are handles or null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_leg_set_config(struct sealrtp_leg *leg,
                                      const struct sealrtp_config *config,
                                      char *reason,
                                      size_t reason_size);

// From here on no clear media passes on any line; there is no way back.
//
// # Safety
// `leg` is a handle or null.
sealrtp_result sealrtp_leg_demand_security(struct sealrtp_leg *leg);

// Whether keys or media may be disclosed here (RFC 6189 section 11): exchanges of ZRTP that are not set up yet say so.
// SEALRTP_DONE: it is set up already, and says what it said.
//
// # Safety
// `leg` is a handle or null.
sealrtp_result sealrtp_leg_disclose(struct sealrtp_leg *leg,
                                    uint32_t disclosure);

// Adds a step to the explanation.
//
// # Safety
// `leg` is a handle or null, `step` a C string or null.
sealrtp_result sealrtp_leg_note(struct sealrtp_leg *leg, const char *step);

// Writes each step so far with the rule behind it, one on a line; no keys. SEALRTP_E_BUFFER: `text` holds what fitted.
//
// # Safety
// `leg` is a handle or null, `text` has `text_size` bytes or is null.
sealrtp_result sealrtp_leg_explain(const struct sealrtp_leg *leg,
                                   char *text,
                                   size_t text_size);

// What m-line `index`, from 0 on, has come to. SEALRTP_DONE past the last.
//
// # Safety
// `leg` is a handle or null, `line` points to a struct with its size set or is null.
sealrtp_result sealrtp_leg_get_line(const struct sealrtp_leg *leg,
                                    uint32_t index,
                                    struct sealrtp_leg_line *line);

// Counters of an m-line's session. SEALRTP_DONE: no stream carries it.
//
// # Safety
// `leg` is a handle or null, `stats` points to a struct with its size set or is null.
sealrtp_result sealrtp_leg_get_stats(const struct sealrtp_leg *leg,
                                     uint32_t index,
                                     struct sealrtp_session_stats *stats);

// What the DTLS handshake of an m-line agreed on, for RTP. SEALRTP_DONE: nothing (yet).
//
// # Safety
// `leg` is a handle or null, `info` points to a struct with its size set or is null.
sealrtp_result sealrtp_leg_get_dtls_info(const struct sealrtp_leg *leg,
                                         uint32_t index,
                                         struct sealrtp_dtls_info *info);

// What ZRTP agreed on for an m-line. SEALRTP_DONE: nothing (yet).
//
// # Safety
// `leg` is a handle or null, `info` points to a struct with its size set or is null.
sealrtp_result sealrtp_leg_get_zrtp_info(const struct sealrtp_leg *leg,
                                         uint32_t index,
                                         struct sealrtp_zrtp_info *info);

// The user has compared the call's SAS, or with 0 takes that back; SEALRTP_EVENT_VERIFIED follows. SEALRTP_DONE: there is no SAS.
//
// # Safety
// `leg` is a handle or null.
sealrtp_result sealrtp_leg_verify(struct sealrtp_leg *leg,
                                  uint32_t verified);

// The user trusts the PBX that offers enrolment (RFC 6189 section 7.3.1). SEALRTP_DONE: none does.
//
// # Safety
// `leg` is a handle or null.
sealrtp_result sealrtp_leg_accept_enrolment(struct sealrtp_leg *leg);

// Tells the peer, who is enrolled here, the SAS of the far end that it is bridged to (RFC 6189 section 7.3.2): what
// `sealrtp_leg_get_zrtp_info` says of the other leg's line. Only one of two enrolled ends may be told. SEALRTP_DONE: not secured by ZRTP,
// or this is no PBX (`zrtp_mitm`).
//
// # Safety
// `leg` is a handle or null, `far_end` points to a struct that `sealrtp_leg_get_zrtp_info` has filled or is null.
sealrtp_result sealrtp_leg_relay_sas(struct sealrtp_leg *leg,
                                     const struct sealrtp_zrtp_info *far_end);

// Whether each step of a handshake is told from now on, as SEALRTP_EVENT_TRACE.
//
// # Safety
// `leg` is a handle or null.
sealrtp_result sealrtp_leg_set_trace(struct sealrtp_leg *leg, uint32_t trace);

// Writes `text`, a description or any text that may have one in it, with each key of `a=crypto`, `a=key-mgmt` and `k=` replaced by as many
// `*`, for logs, events and variables. It becomes exactly as long as it was, so `out` may be `text` itself and needs `len` bytes.
//
// # Safety
// `text` points to `len` bytes or is null, `out` has `len` bytes or is null; they are the same or do not overlap.
sealrtp_result sealrtp_sdp_mask(const char *text,
                                size_t len,
                                char *out);

// Begins a call by policy, with our certificate for its DTLS. `name` is for texts, e.g. "PJSIP/alice".
//
// # Safety
// `config` and `dtls` are handles or null, `name` a C string or null, `out` points to a pointer or is null.
sealrtp_result sealrtp_offer_answer_new(const struct sealrtp_config *config,
                                        const struct sealrtp_dtls *dtls,
                                        const char *name,
                                        struct sealrtp_offer_answer **out);

// Frees it and zeroises its keys; null is nothing.
//
// # Safety
// `offer_answer` is null or a handle that is not used again.
void sealrtp_offer_answer_free(struct sealrtp_offer_answer *offer_answer);

// Takes the peer's description of `sdp_len` bytes and writes the text for a PBX that knows of no security; `*len` is the
// size of `out` and becomes the text's length. SEALRTP_DONE: pass it on as it came. SEALRTP_E_POLICY: refuse it, an offer with
// 488, an answer by ending the call; `reason` says why and what to change. SEALRTP_E_SDP: it cannot be read. SEALRTP_E_BUFFER:
// `*len` bytes are needed; ask again.
//
// # Safety
// `offer_answer` is a handle or null, `message` points to a struct with its size set or is null, `sdp` to `sdp_len` bytes or is
// null, `len` to a number or is null, `out` has `*len` bytes or is null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_offer_answer_remote(struct sealrtp_offer_answer *offer_answer,
                                           const struct sealrtp_sdp_message *message,
                                           const char *sdp,
                                           size_t sdp_len,
                                           char *out,
                                           size_t *len,
                                           char *reason,
                                           size_t reason_size);

// Whether the PBX speaks RTP/AVPF with this peer (1) or RTP/AVP (0), where it takes that one only. Not called: as the peer.
//
// # Safety
// `offer_answer` is a handle or null.
sealrtp_result sealrtp_offer_answer_set_feedback(struct sealrtp_offer_answer *offer_answer,
                                                 uint32_t feedback);

// Another policy for the call from here on, e.g. because the dialplan has chosen one: an offer of the peer that is not answered
// yet is decided anew, what was agreed on stands. SEALRTP_E_POLICY: that offer is to be answered by 488, and `reason` says why.
//
// # Safety
// `offer_answer` and `config` are handles or null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_offer_answer_set_config(struct sealrtp_offer_answer *offer_answer,
                                               const struct sealrtp_config *config,
                                               char *reason,
                                               size_t reason_size);

// Takes our own description, as the PBX made it, and tells how many lines it has. Then for each ask
// `sealrtp_offer_answer_line`, tell `sealrtp_offer_answer_describe`, and `sealrtp_offer_answer_write` at the end. Refusals as
// `sealrtp_offer_answer_remote`: nothing may be sent.
//
// # Safety
// `offer_answer` is a handle or null, `message` points to a struct with its size set or is null, `sdp` to `sdp_len` bytes or is
// null, `lines` to a number or is null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_offer_answer_local(struct sealrtp_offer_answer *offer_answer,
                                          const struct sealrtp_sdp_message *message,
                                          const char *sdp,
                                          size_t sdp_len,
                                          uint32_t *lines,
                                          char *reason,
                                          size_t reason_size);

// What line `index`, from 0 on, of our description is. SEALRTP_DONE past the last.
//
// # Safety
// `offer_answer` is a handle or null, `line` points to a struct with its size set or is null.
sealrtp_result sealrtp_offer_answer_line(const struct sealrtp_offer_answer *offer_answer,
                                         uint32_t index,
                                         struct sealrtp_sdp_line *line);

// Takes fingerprint, role and Hello hash of the line's stream into our description; sets DTLS or ZRTP up in the session where
// they are to be. `call` null: no ZRTP on this stream, which sends under `ssrc`. Refusals as `sealrtp_offer_answer_remote`.
//
// # Safety
// `offer_answer`, `session` and `call` are handles or null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_offer_answer_describe(struct sealrtp_offer_answer *offer_answer,
                                             uint32_t index,
                                             struct sealrtp_session *session,
                                             const struct sealrtp_zrtp_call *call,
                                             uint32_t ssrc,
                                             char *reason,
                                             size_t reason_size);

// Writes our description for the peer; `*len` as in `sealrtp_offer_answer_remote`. The text may hold keys: wipe it after use.
// SEALRTP_DONE: there is none.
//
// # Safety
// `offer_answer` is a handle or null, `len` points to a number or is null, `out` has `*len` bytes or is null.
sealrtp_result sealrtp_offer_answer_write(struct sealrtp_offer_answer *offer_answer,
                                          char *out,
                                          size_t *len);

// Puts what is agreed on for a line into its session, and tells the `sealrtp_method`; as often as asked, with the same result.
// To be called when our answer was written and when the peer's was taken. Refusals as `sealrtp_offer_answer_remote`: the call must
// end.
//
// # Safety
// `offer_answer`, `session` and `call` are handles or null, `method` points to a number or is null, `reason` has `reason_size`
// bytes or is null.
sealrtp_result sealrtp_offer_answer_apply(struct sealrtp_offer_answer *offer_answer,
                                          uint32_t index,
                                          struct sealrtp_session *session,
                                          const struct sealrtp_zrtp_call *call,
                                          uint32_t ssrc,
                                          uint32_t *method,
                                          char *reason,
                                          size_t reason_size);

// Adds a step to the explanation, e.g. how a handshake ended.
//
// # Safety
// `offer_answer` is a handle or null, `step` a C string or null.
sealrtp_result sealrtp_offer_answer_note(struct sealrtp_offer_answer *offer_answer, const char *step);

// Writes each step so far with the rule behind it, one on a line; no keys. SEALRTP_E_BUFFER: `text` holds what fitted.
//
// # Safety
// `offer_answer` is a handle or null, `text` has `text_size` bytes or is null.
sealrtp_result sealrtp_offer_answer_explain(const struct sealrtp_offer_answer *offer_answer,
                                            char *text,
                                            size_t text_size);

// 1: `zrtp_mode = passthrough`; 0 for null.
//
// # Safety
// `config` is a handle or null.
uint32_t sealrtp_config_passthrough(const struct sealrtp_config *config);

// Whether a leg and the one it is bridged with (`right`, null: none) can be passed through: a
// `sealrtp_passthrough_decision`. `waited_ms`: for how long `left` has been up without that; `same_codecs` 1: what one
// phone sends the other understands; `leads` 1: the stream that decides for its call, the audio. On
// SEALRTP_PASSTHROUGH_PAIR `*out` is a handle; on SEALRTP_PASSTHROUGH_CANNOT each of two `reasons`, of `reason_size` bytes,
// tells why to who looks at that leg.
//
// # Safety
// `left` and `right` point to legs or are null, `decision` to a number, `out` to a pointer, `reasons` to two pointers to
// `reason_size` bytes; all may be null.
sealrtp_result sealrtp_passthrough_decide(const struct sealrtp_leg_facts *left,
                                          const struct sealrtp_leg_facts *right,
                                          uint32_t waited_ms,
                                          uint32_t same_codecs,
                                          uint32_t leads,
                                          uint32_t *decision,
                                          struct sealrtp_passthrough **out,
                                          char *const *reasons,
                                          size_t reason_size);

// What becomes of a leg that cannot be passed through, or no longer: a `sealrtp_passthrough_outcome`. `demand_security` 1:
// nothing clear may pass; `agreed` 1: its phone shares keys with another phone.
uint32_t sealrtp_passthrough_give_up(uint32_t demand_security,
                                     uint32_t agreed);

// Takes a datagram of a leg's phone. SEALRTP_OK: send it to the other's, untouched, from the socket of `*component` (a
// `sealrtp_component`; RTP's where RTCP has none of its own). SEALRTP_OK_EVENT: likewise, and both phones have just agreed.
// SEALRTP_DONE: drop it.
//
// # Safety
// `passthrough` is a handle or null, `datagram` points to `len` bytes or is null, `component` to a number or is null.
sealrtp_result sealrtp_passthrough_receive(struct sealrtp_passthrough *passthrough,
                                           uint32_t from,
                                           const uint8_t *datagram,
                                           size_t len,
                                           uint32_t *component);

// In how many milliseconds to call `sealrtp_passthrough_handle_timeout`; SEALRTP_DONE: there is nothing to wait for.
//
// # Safety
// `passthrough` is a handle or null, `ms` points to a number or is null.
sealrtp_result sealrtp_passthrough_poll_timeout(const struct sealrtp_passthrough *passthrough,
                                                uint32_t *ms);

// Gives up when it is time.
//
// # Safety
// `passthrough` is a handle or null.
sealrtp_result sealrtp_passthrough_handle_timeout(struct sealrtp_passthrough *passthrough);

// Fills what is known of a leg.
//
// # Safety
// `passthrough` is a handle or null, `info` points to a struct with its size set or is null.
sealrtp_result sealrtp_passthrough_get_info(const struct sealrtp_passthrough *passthrough,
                                            uint32_t of,
                                            struct sealrtp_passthrough_info *info);

// Frees it; null is nothing.
//
// # Safety
// `passthrough` is null or a handle that is not used again.
void sealrtp_passthrough_free(struct sealrtp_passthrough *passthrough);

// An empty file. Null only if the library is at fault.
struct sealrtp_policies *sealrtp_policies_new(void);

// Takes a line of the file: `line` from 1 on, 0 if it is not known, `section` without brackets. On SEALRTP_E_CONFIG `message` says file, line,
// section, key, value and what was expected, the line counts for nothing, and `sealrtp_policies_finish` will fail; on
// SEALRTP_OK it holds a warning, or is empty.
//
// # Safety
// `policies` is a handle or null; `file`, `section`, `key` and `value` are C strings or null; `message` has
// `message_size` bytes or is null.
sealrtp_result sealrtp_policies_set(struct sealrtp_policies *policies,
                                    const char *file,
                                    uint32_t line,
                                    const char *section,
                                    const char *key,
                                    const char *value,
                                    char *message,
                                    size_t message_size);

// The file is at its end. On SEALRTP_E_CONFIG `message` has the faults that `sealrtp_policies_set` has not told, on
// SEALRTP_OK warnings; a line each, none if it is empty. From here on it is read only, and only after SEALRTP_OK.
//
// # Safety
// `policies` is a handle or null; `message` has `message_size` bytes or is null.
sealrtp_result sealrtp_policies_finish(struct sealrtp_policies *policies,
                                       char *message,
                                       size_t message_size);

// What holds for end points without a section, as a configuration of its own. Null if not finished.
//
// # Safety
// `policies` is a handle or null.
struct sealrtp_config *sealrtp_policies_general(const struct sealrtp_policies *policies);

// Hands out a configuration of its own for an end point by its name, e.g. "PJSIP/alice": the section `[PJSIP/alice]`, else
// `[alice]`, else `[general]`.
//
// # Safety
// `policies` is a handle or null, `endpoint` a C string or null, `out` points to a pointer or is null.
sealrtp_result sealrtp_policies_endpoint(const struct sealrtp_policies *policies,
                                         const char *endpoint,
                                         struct sealrtp_config **out);

// Hands out a configuration of its own for calls under a policy, of the file or built in. SEALRTP_DONE: there is none of
// that name.
//
// # Safety
// `policies` is a handle or null, `policy` a C string or null, `out` points to a pointer or is null.
sealrtp_result sealrtp_policies_named(const struct sealrtp_policies *policies,
                                      const char *policy,
                                      struct sealrtp_config **out);

// Enumerates `[general]`, the policies and the end points: what holds there, as a configuration of its own, and which
// `sealrtp_section_kind` it is. SEALRTP_DONE behind the last one.
//
// # Safety
// `policies` is a handle or null, `out` points to a pointer or is null, `kind` points to a number or is null.
sealrtp_result sealrtp_policies_section(const struct sealrtp_policies *policies,
                                        uint32_t index,
                                        struct sealrtp_config **out,
                                        uint32_t *kind);

// What `[general]`, the end points' sections and the file's own policies ask for together; built-in policies count once a
// section begins under them. All bits for null and before it is finished.
//
// # Safety
// `policies` is a handle or null.
uint32_t sealrtp_policies_wants(const struct sealrtp_policies *policies);

// The name of the section whose values these are: "general", a policy's or an end point's; empty for what
// `sealrtp_config_new` gives.
//
// # Safety
// `config` is a handle or null, `name` has `name_size` bytes or is null.
sealrtp_result sealrtp_config_section(const struct sealrtp_config *config, char *name, size_t name_size);

// A key's value as text. SEALRTP_E_CONFIG: there is no such key.
//
// # Safety
// `config` is a handle or null, `key` a C string or null, `value` has `value_size` bytes or is null.
sealrtp_result sealrtp_config_get(const struct sealrtp_config *config,
                                  const char *key,
                                  char *value,
                                  size_t value_size);

// A key with its value and where that comes from, e.g. "fallback = reject (sealrtp.conf line 12, `[strict]`)".
// SEALRTP_E_CONFIG: there is no such key.
//
// # Safety
// `config` is a handle or null, `key` a C string or null, `rule` has `rule_size` bytes or is null.
sealrtp_result sealrtp_config_rule(const struct sealrtp_config *config,
                                   const char *key,
                                   char *rule,
                                   size_t rule_size);

// Frees the file; configurations that it handed out stay. Null is nothing.
//
// # Safety
// `policies` is null or a handle that is not used again.
void sealrtp_policies_free(struct sealrtp_policies *policies);

// The `sealrtp_recording` for a stream under this configuration. `zrtp` is 1 where its keys come by ZRTP, 0 by another
// method; `secured` is 1 once it has them. SEALRTP_RECORDING_WITHHOLD for null.
//
// # Safety
// `config` is a handle or null.
uint32_t sealrtp_recording_action(const struct sealrtp_config *config,
                                  uint32_t zrtp,
                                  uint32_t secured);

// Starts a relay of so many threads, 1 to 64; 0: one for each processor, 8 at most. SEALRTP_E_SYSTEM: the machine has no thread
// or no file descriptor left.
//
// # Safety
// `out` points to a pointer or is null.
sealrtp_result sealrtp_relay_new(uint32_t threads,
                                 struct sealrtp_relay **out);

// Frees the handle; the relay ends with its last leg. Null is nothing.
//
// # Safety
// `relay` is null or a handle that is not used again.
void sealrtp_relay_free(struct sealrtp_relay *relay);

// How many streams it carries now; 0 for null.
//
// # Safety
// `relay` is a handle or null.
uint32_t sealrtp_relay_streams(const struct sealrtp_relay *relay);

// What a result means, in English. Never null; the text lives as long as the library.
const char *sealrtp_result_text(int32_t result);

// Makes a negotiation in which nothing was offered yet.
//
// # Safety
// `config` is a handle or null, `out` points to a pointer or is null.
sealrtp_result sealrtp_sdes_new(const struct sealrtp_config *config, struct sealrtp_sdes **out);

// Frees the negotiation and zeroises its keys; null is nothing.
//
// # Safety
// `sdes` is null or a handle that is not used again.
void sealrtp_sdes_free(struct sealrtp_sdes *sdes);

// Writes our `a=crypto` attribute number `index`, from 0 on, without "a=crypto:"; SEALRTP_DONE past the last.
//
// Right after a peer's offer that is our answer, one attribute. Otherwise it is an offer: before anything is negotiated
// one attribute for each configured suite, with the same keys whenever asked; afterwards the chosen one. The text holds a
// key: wipe it after use.
//
// # Safety
// `sdes` is a handle or null, `value` has `value_size` bytes or is null.
sealrtp_result sealrtp_sdes_local(struct sealrtp_sdes *sdes,
                                  size_t index,
                                  char *value,
                                  size_t value_size);

// Takes one `a=crypto` value of the peer (the text behind "a=crypto:"), whether it offers or answers: for a PBX that
// hands attributes over one by one until one is accepted.
//
// SEALRTP_OK: accepted, the keys are those that run. SEALRTP_OK_KEYS_CHANGED: accepted, get the keys with
// `sealrtp_sdes_keys`. SEALRTP_E_SDES: refused, the running keys stay, and `reason` tells tag and cause, never a key.
//
// # Safety
// `sdes` is a handle or null, `value` a C string or null; `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_sdes_remote(struct sealrtp_sdes *sdes,
                                   const char *value,
                                   char *reason,
                                   size_t reason_size);

// Takes all `a=crypto` values of one m-line of the peer. Of an offer it accepts the one whose suite comes first in our
// configuration. Results as `sealrtp_sdes_remote`.
//
// # Safety
// `sdes` is a handle or null, `values` points to `count` C strings or nulls, or is null; `reason` has `reason_size`
// bytes or is null.
sealrtp_result sealrtp_sdes_remote_all(struct sealrtp_sdes *sdes,
                                       const char *const *values,
                                       size_t count,
                                       char *reason,
                                       size_t reason_size);

// Gives the negotiated keys as new handles, which the caller frees: `inbound` is what the peer sends under, `outbound`
// what we send under. SEALRTP_E_NO_KEYS before anything is negotiated.
//
// # Safety
// `sdes` is a handle or null; `inbound` and `outbound` point to pointers or are null.
sealrtp_result sealrtp_sdes_keys(const struct sealrtp_sdes *sdes,
                                 struct sealrtp_keys **inbound,
                                 struct sealrtp_keys **outbound);

// Makes a stream without keys. `demand_security` 1: it refuses everything until it has them; 0: clear media passes until
// then.
//
// # Safety
// `config` is a handle or null, `out` points to a pointer or is null.
sealrtp_result sealrtp_session_new(const struct sealrtp_config *config,
                                   uint32_t demand_security,
                                   struct sealrtp_session **out);

// Frees the stream and zeroises its keys; null is nothing.
//
// # Safety
// `session` is null or a handle that is not used again.
void sealrtp_session_free(struct sealrtp_session *session);

// From here on no clear media passes; there is no way back.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_demand_security(struct sealrtp_session *session);

// The `sealrtp_state` of a component; BLOCK for a null handle. May be called in any thread.
//
// # Safety
// `session` is a handle or null.
uint32_t sealrtp_session_state(const struct sealrtp_session *session, uint32_t component);

// Installs the keys the peer sends under, or re-keys: packets in flight under the old keys still open. The same keys
// again change nothing. The handle stays the caller's.
//
// # Safety
// `session` and `keys` are handles or null.
sealrtp_result sealrtp_session_set_inbound(struct sealrtp_session *session,
                                           const struct sealrtp_keys *keys);

// Installs the keys we send under, or re-keys from the next packet on. The same keys again change nothing. The handle
// stays the caller's.
//
// # Safety
// `session` and `keys` are handles or null.
sealrtp_result sealrtp_session_set_outbound(struct sealrtp_session *session,
                                            const struct sealrtp_keys *keys);

// A packet will soon be given to `sealrtp_unprotect_rtp`: asks the processor to bring what that needs into its cache, e.g.
// while the system reads the packet. Nothing is read and nothing changes: it may be called in any thread, and with a handle
// that is being freed.
void sealrtp_prefetch_unprotect(const struct sealrtp_session *session);

// A packet will soon be given to `sealrtp_protect_rtp`, as `sealrtp_prefetch_unprotect`.
void sealrtp_prefetch_protect(const struct sealrtp_session *session);

// Protects the RTP packet of `*len` bytes in `buf` in place and sets `*len` to its new length, at most
// SEALRTP_MAX_TRAILER bytes more; `capacity` is the size of `buf`. On an error nothing must be sent.
//
// # Safety
// `session` is a handle or null, `buf` points to `capacity` initialised bytes or is null, `len` to a size or is null.
sealrtp_result sealrtp_protect_rtp(struct sealrtp_session *session,
                                   uint8_t *buf,
                                   size_t *len,
                                   size_t capacity);

// Protects the RTCP packet of `*len` bytes in `buf` in place, like `sealrtp_protect_rtp`.
//
// # Safety
// As `sealrtp_protect_rtp`.
sealrtp_result sealrtp_protect_rtcp(struct sealrtp_session *session,
                                    uint8_t *buf,
                                    size_t *len,
                                    size_t capacity);

// Opens the SRTP packet of `*len` bytes in `buf` in place and sets `*len` to the RTP packet's length. On an error the
// packet must be dropped, whatever `buf` then holds.
//
// # Safety
// `session` is a handle or null, `buf` points to `*len` bytes or is null, `len` to a size or is null.
sealrtp_result sealrtp_unprotect_rtp(struct sealrtp_session *session,
                                     uint8_t *buf,
                                     size_t *len);

// Opens the SRTCP packet of `*len` bytes in `buf` in place, like `sealrtp_unprotect_rtp`.
//
// # Safety
// As `sealrtp_unprotect_rtp`.
sealrtp_result sealrtp_unprotect_rtcp(struct sealrtp_session *session, uint8_t *buf, size_t *len);

// Fills `stats`, whose `size` the caller has set. May be called in any thread while the stream is used in another.
//
// # Safety
// `session` is a handle or null, `stats` points to a struct with its size set or is null.
sealrtp_result sealrtp_session_get_stats(const struct sealrtp_session *session,
                                         struct sealrtp_session_stats *stats);

// The oldest event not yet polled: SEALRTP_OK, or SEALRTP_DONE if there is none.
//
// # Safety
// `session` is a handle or null, `event` points to a struct with its size set or is null.
sealrtp_result sealrtp_session_poll_event(struct sealrtp_session *session, struct sealrtp_event *event);

// Sets DTLS-SRTP up: our certificate by `options` (null: the one made by the library) and the `sealrtp_setup` we would
// rather have. Again: for associations to come. On SEALRTP_E_DTLS `reason` says why, and nothing has changed.
//
// # Safety
// `session` and `dtls` are handles or null; `options` points to a struct with its size set, or is null; `reason` has
// `reason_size` bytes or is null.
sealrtp_result sealrtp_session_dtls_use(struct sealrtp_session *session,
                                        const struct sealrtp_dtls *dtls,
                                        const struct sealrtp_dtls_options *options,
                                        uint32_t wanted_setup,
                                        char *reason,
                                        size_t reason_size);

// No DTLS for this stream after all, e.g. because SDES was chosen. What passes without keys stays as it is.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_dtls_stop(struct sealrtp_session *session);

// Writes our certificate's fingerprint by `hash` ("sha-1", "sha-256", ...) as hex bytes with colons, without the hash's
// name. SEALRTP_DONE: DTLS is not set up.
//
// # Safety
// `session` is a handle or null, `hash` a C string or null, `value` has `value_size` bytes or is null.
sealrtp_result sealrtp_session_dtls_fingerprint(struct sealrtp_session *session,
                                                const char *hash,
                                                char *value,
                                                size_t value_size);

// Our `sealrtp_setup`, for the description that is being made: an answer if the peer has offered, otherwise an offer.
// 0: DTLS is not set up.
//
// # Safety
// `session` is a handle or null.
uint32_t sealrtp_session_dtls_local_setup(struct sealrtp_session *session);

// The peer's `sealrtp_setup`. SEALRTP_E_DTLS: it does not answer ours, and `reason` says why.
//
// # Safety
// `session` is a handle or null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_session_dtls_remote_setup(struct sealrtp_session *session,
                                                 uint32_t remote_setup,
                                                 char *reason,
                                                 size_t reason_size);

// One `a=fingerprint` value of the peer, e.g. "sha-256 AB:CD:...". SEALRTP_E_DTLS: malformed or one too many, and
// `reason` says so. The first after `sealrtp_session_dtls_local_setup` or `sealrtp_session_dtls_start` begins a new
// description.
//
// # Safety
// `session` is a handle or null, `value` a C string or null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_session_dtls_remote_fingerprint(struct sealrtp_session *session,
                                                       const char *value,
                                                       char *reason,
                                                       size_t reason_size);

// Where the peer's media comes from, by its SDP or by ICE: a client there is not asked for a cookie, which saves a round
// trip.
//
// # Safety
// `session` is a handle or null, `source` points to an address or is null.
sealrtp_result sealrtp_session_dtls_expect_source(struct sealrtp_session *session,
                                                  uint32_t component,
                                                  const struct sealrtp_address *source);

// Media may flow, and with ICE a pair is chosen: begins the handshakes, or keeps the associations there are where terms
// and transport are the same. Clear media does not pass from here on. `rtcp_separate` 1: RTCP has a port and a handshake
// of its own. SEALRTP_E_DTLS: it cannot begin, nothing has changed, and `reason` says what is missing.
//
// # Safety
// `session` is a handle or null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_session_dtls_start(struct sealrtp_session *session,
                                          uint32_t rtcp_separate,
                                          uint32_t transport_changed,
                                          char *reason,
                                          size_t reason_size);

// Takes a datagram that came from `from`. SEALRTP_DONE: it is not DTLS, or DTLS is not set up. Then poll for events, for
// datagrams to send and for the timeout. A step of a handshake takes up to some milliseconds of CPU.
//
// # Safety
// `session` is a handle or null, `datagram` points to `len` bytes or is null, `from` to an address or is null.
sealrtp_result sealrtp_session_dtls_receive(struct sealrtp_session *session,
                                            uint32_t component,
                                            const uint8_t *datagram,
                                            size_t len,
                                            const struct sealrtp_address *from);

// The next datagram to send: its bytes, the `sealrtp_component` whose socket it leaves by, and where to; family 0: where
// the peer's media goes. SEALRTP_DONE: none. SEALRTP_E_BUFFER: `*len` bytes are needed, and it comes again.
//
// # Safety
// `session` is a handle or null; `buf` has `capacity` initialised bytes or is null; the others point to what they are
// called or are null.
sealrtp_result sealrtp_session_poll_transmit(struct sealrtp_session *session,
                                             uint8_t *buf,
                                             size_t capacity,
                                             size_t *len,
                                             uint32_t *component,
                                             struct sealrtp_address *to);

// In how many milliseconds `sealrtp_session_handle_timeout` is due, 0 if now; SEALRTP_DONE: not at all. May change with
// every call.
//
// # Safety
// `session` is a handle or null, `ms` points to a number or is null.
sealrtp_result sealrtp_session_poll_timeout(struct sealrtp_session *session,
                                            uint32_t *ms);

// Does what is due: retransmits, gives up. Calling it early does nothing.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_handle_timeout(struct sealrtp_session *session);

// Ends it: the peer gets a close_notify (poll for it), and no media passes any more.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_close(struct sealrtp_session *session);

// 1: each step of a handshake is an event from now on. 0: none is.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_set_trace(struct sealrtp_session *session, uint32_t trace);

// What the handshake of a component agreed on. SEALRTP_DONE: there was none, or it is not finished.
//
// # Safety
// `session` is a handle or null, `info` points to a struct with its size set or is null.
sealrtp_result sealrtp_session_get_dtls_info(struct sealrtp_session *session,
                                             uint32_t component,
                                             struct sealrtp_dtls_info *info);

// Sets ZRTP up for a stream that sends RTP under `ssrc`; nothing is sent yet. Again, with another call: for another peer,
// e.g. after a transfer; keys that are there stay in use until there are new ones.
//
// # Safety
// `session` and `call` are handles or null.
sealrtp_result sealrtp_session_zrtp_use(struct sealrtp_session *session,
                                        const struct sealrtp_zrtp_call *call,
                                        uint32_t ssrc);

// Sends Hello to where the peer's media goes. Then poll for datagrams, events and the timeout. What passes without keys
// stays as it is.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_zrtp_start(struct sealrtp_session *session);

// No ZRTP for this stream any more, e.g. because SDES was chosen. Keys that are there stay.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_zrtp_stop(struct sealrtp_session *session);

// Takes a datagram that came in on RTP's transport. SEALRTP_DONE: it is not ZRTP, or ZRTP is not set up. Then poll for
// events, for datagrams to send and for the timeout. A step of an exchange takes up to some milliseconds of CPU.
//
// # Safety
// `session` is a handle or null, `datagram` points to `len` bytes or is null.
sealrtp_result sealrtp_session_zrtp_receive(struct sealrtp_session *session,
                                            const uint8_t *datagram,
                                            size_t len);

// Writes the value of our `a=zrtp-hash`, e.g. "1.10 fe30ef...". SEALRTP_DONE: ZRTP is not set up.
//
// # Safety
// `session` is a handle or null, `value` has `value_size` bytes or is null.
sealrtp_result sealrtp_session_zrtp_local_hash(struct sealrtp_session *session,
                                               char *value,
                                               size_t value_size);

// The peer's `a=zrtp-hash`: another's Hello is refused from here on, and keys that came of one are void. SEALRTP_E_ZRTP: it
// cannot be used, and `reason` says why.
//
// # Safety
// `session` is a handle or null, `value` a C string or null, `reason` has `reason_size` bytes or is null.
sealrtp_result sealrtp_session_zrtp_remote_hash(struct sealrtp_session *session,
                                                const char *value,
                                                char *reason,
                                                size_t reason_size);

// The user has compared the SAS, or with 0 takes that back; SEALRTP_EVENT_VERIFIED follows. SEALRTP_DONE: there is no SAS, or
// it is that of another stream of the call.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_zrtp_verify(struct sealrtp_session *session,
                                           uint32_t verified);

// The user trusts the PBX that offers enrolment (RFC 6189 section 7.3.1). SEALRTP_DONE: none does.
//
// # Safety
// `session` is a handle or null.
sealrtp_result sealrtp_session_zrtp_accept_enrolment(struct sealrtp_session *session);

// Tells the peer, who is enrolled here, the SAS of the far end of the call that it is bridged to (RFC 6189 section 7.3.2).
// Only one of two enrolled ends may be told. SEALRTP_DONE: not secured by ZRTP, or this is no PBX (`zrtp_mitm`).
//
// # Safety
// `session` is a handle or null, `far_end` points to a struct that `sealrtp_session_get_zrtp_info` has filled or is null.
sealrtp_result sealrtp_session_zrtp_relay_sas(struct sealrtp_session *session,
                                              const struct sealrtp_zrtp_info *far_end);

// What ZRTP agreed on for this stream. SEALRTP_DONE: nothing (yet).
//
// # Safety
// `session` is a handle or null, `info` points to a struct with its size set or is null.
sealrtp_result sealrtp_session_get_zrtp_info(struct sealrtp_session *session, struct sealrtp_zrtp_info *info);

// The set of the processor's instructions that SRTP packets of this process go through, e.g. "vaes-512", "sha-ni", or
// "portable": its best, or the one that the environment's SEALRTP_SRTP_PATH names. All give the same bytes. The text
// lives as long as the library.
const char *sealrtp_srtp_path(void);

// What is wrong with SEALRTP_SRTP_PATH, to be logged once; null if nothing is. The processor's best path is in use then. The
// text lives as long as the library.
const char *sealrtp_srtp_path_error(void);

// The suite's name as in the RFCs, or null for a number of none. The text lives as long as the library.
const char *sealrtp_suite_name(uint32_t suite);

// The number of the suite with this name, in any spelling of the field; 0 for none.
//
// # Safety
// `name` is null or a C string.
uint32_t sealrtp_suite_from_name(const char *name);

// Opens the cache, or makes it: the file, not its folder. Null `cache_file`: what is kept ends with the process. When the
// file cannot be used it is the same, and `message` says why and what to do; it is empty if all is well.
//
// # Safety
// `cache_file` is a C string or null, `out` points to a pointer or is null, `message` has `message_size` bytes or is null.
sealrtp_result sealrtp_zrtp_new(const char *cache_file,
                                struct sealrtp_zrtp **out,
                                char *message,
                                size_t message_size);

// Frees the handle; calls that are up keep the cache. Null is nothing.
//
// # Safety
// `zrtp` is null or a handle that is not used again.
void sealrtp_zrtp_free(struct sealrtp_zrtp *zrtp);

// Writes our ZID, 24 hex digits.
//
// # Safety
// `zrtp` is a handle or null, `zid` has `zid_size` bytes or is null.
sealrtp_result sealrtp_zrtp_zid(const struct sealrtp_zrtp *zrtp, char *zid, size_t zid_size);

// Tells `tell` every peer that is kept, once for each number of ours under which it knows us, the one met last first, with `data` as it came. May wait for the file, up to 3 s.
// SEALRTP_E_ZRTP: the cache cannot be read. SEALRTP_DONE: there is no file.
//
// # Safety
// `zrtp` is a handle or null; `tell` is a function or null that does not keep what it gets.
sealrtp_result sealrtp_zrtp_peers(const struct sealrtp_zrtp *zrtp,
                                  void (*tell)(void *data, const struct sealrtp_zrtp_peer *peer),
                                  void *data);

// What is kept of one peer, under the number it was met under last. May wait for the file, up to 3 s. SEALRTP_DONE: nothing. SEALRTP_E_ARGUMENT: no ZID.
//
// # Safety
// `zrtp` is a handle or null, `zid` a C string or null, `peer` points to a struct with its size set or is null.
sealrtp_result sealrtp_zrtp_get_peer(const struct sealrtp_zrtp *zrtp,
                                     const char *zid,
                                     struct sealrtp_zrtp_peer *peer);

// The administrator says whether a peer's SAS was compared, for calls to come under the numbers it knows now. May wait for the file, up to 3 s.
// SEALRTP_DONE: no secret of such a peer is kept. SEALRTP_E_ARGUMENT: no ZID.
//
// # Safety
// `zrtp` is a handle or null, `zid` a C string or null.
sealrtp_result sealrtp_zrtp_verify_peer(const struct sealrtp_zrtp *zrtp,
                                        const char *zid,
                                        uint32_t verified);

// Names a peer, under all numbers; "" takes the name. May wait for the file, up to 3 s. SEALRTP_DONE: no such peer is kept.
// SEALRTP_E_ARGUMENT: no ZID, or a name of more than 64 bytes or with control characters.
//
// # Safety
// `zrtp` is a handle or null; `zid` and `name` are C strings or null.
sealrtp_result sealrtp_zrtp_name_peer(const struct sealrtp_zrtp *zrtp,
                                      const char *zid,
                                      const char *name);

// Forgets a peer under all numbers, with its enrolment: the next call with it is the first one. May wait for the file, up to 3 s.
// SEALRTP_DONE: no such peer is kept. SEALRTP_E_ARGUMENT: no ZID.
//
// # Safety
// `zrtp` is a handle or null, `zid` a C string or null.
sealrtp_result sealrtp_zrtp_forget_peer(const struct sealrtp_zrtp *zrtp,
                                        const char *zid);

// Makes a call; null `options`: none of them.
//
// # Safety
// `zrtp` and `config` are handles or null, `options` points to a struct with its size set, whose `number` is a C string or
// null, or is null, `out` points to a pointer or is null.
sealrtp_result sealrtp_zrtp_call_new(const struct sealrtp_zrtp *zrtp,
                                     const struct sealrtp_config *config,
                                     const struct sealrtp_zrtp_options *options,
                                     struct sealrtp_zrtp_call **out);

// Frees the handle; streams that use it keep what they need. Null is nothing.
//
// # Safety
// `call` is null or a handle that is not used again.
void sealrtp_zrtp_call_free(struct sealrtp_zrtp_call *call);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SEALRTP_H */
