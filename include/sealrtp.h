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
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealrtp_event_kind sealrtp_event_kind;
#else
typedef uint32_t sealrtp_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What streams and negotiations may do. They copy what they need: a later change concerns later calls.
typedef struct sealrtp_config sealrtp_config;

// Master keys of one direction with their suite and session parameters; zeroised when freed.
typedef struct sealrtp_keys sealrtp_keys;

// Offer and answer of one m-line, over the whole call. One thread at a time.
typedef struct sealrtp_sdes sealrtp_sdes;

// One media stream.
//
// One thread at a time may protect, unprotect, set keys or poll; `sealrtp_session_get_stats` may run in any thread
// meanwhile.
typedef struct sealrtp_session sealrtp_session;

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
    char text[128];
} sealrtp_event;

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

// Makes a stream that refuses everything until it has keys.
//
// # Safety
// `config` is a handle or null, `out` points to a pointer or is null.
sealrtp_result sealrtp_session_new(const struct sealrtp_config *config, struct sealrtp_session **out);

// Frees the stream and zeroises its keys; null is nothing.
//
// # Safety
// `session` is null or a handle that is not used again.
void sealrtp_session_free(struct sealrtp_session *session);

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

// The suite's name as in the RFCs, or null for a number of none. The text lives as long as the library.
const char *sealrtp_suite_name(uint32_t suite);

// The number of the suite with this name, in any spelling of the field; 0 for none.
//
// # Safety
// `name` is null or a C string.
uint32_t sealrtp_suite_from_name(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SEALRTP_H */
