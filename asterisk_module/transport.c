/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Datagrams of DTLS and ZRTP between the sockets of an RTP instance and its stream, and the stream's timer.
 *
 * Nothing reads a channel that nobody uses, so timers have a thread of their own. It takes the stream's lock
 * alone: sockets and addresses are copied into the stream whenever the engine is told of new ones, and
 * forgotten before the engine closes a socket.
 */

#include "asterisk.h"

#include <sys/socket.h>

#include "asterisk/astobj2.h"
#include "asterisk/strings.h"
#include "asterisk/logger.h"
#include "asterisk/netsock2.h"
#include "asterisk/sched.h"
#include "asterisk/threadstorage.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* Enough to see what a datagram is. */
#define PEEK_SIZE 16
/* RFC 7983 section 7: first bytes of DTLS. */
#define DTLS_FIRST 20
#define DTLS_LAST 63
/* RFC 6189 section 5: the first byte, and the magic cookie that no RTP, DTLS or STUN has there. */
#define ZRTP_FIRST 0x10
#define ZRTP_COOKIE 0x5a525450
#define ZRTP_COOKIE_AT 4
/* The largest dtls_mtu, which is more than any message of ZRTP has. */
#define SEND_SIZE 16384

AST_THREADSTORAGE(receive_buffer);

static struct ast_sched_context *sched;

static void to_library(const struct ast_sockaddr *from, sealrtp_address *to)
{
	memset(to, 0, sizeof(*to));
	to->port = ast_sockaddr_port(from);
	if (from->ss.ss_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&from->ss;

		to->family = 6;
		memcpy(to->ip, &sin6->sin6_addr, 16);
	} else {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)&from->ss;

		to->family = 4;
		memcpy(to->ip, &sin->sin_addr, 4);
	}
}

static void from_library(const sealrtp_address *from, struct ast_sockaddr *to)
{
	memset(to, 0, sizeof(*to));
	if (from->family == 6) {
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&to->ss;

		sin6->sin6_family = AF_INET6;
		memcpy(&sin6->sin6_addr, from->ip, 16);
		to->len = sizeof(*sin6);
	} else {
		struct sockaddr_in *sin = (struct sockaddr_in *)&to->ss;

		sin->sin_family = AF_INET;
		memcpy(&sin->sin_addr, from->ip, 4);
		to->len = sizeof(*sin);
	}
	ast_sockaddr_set_port(to, from->port);
}

/* The instance is locked. */
void transport_learn(struct ast_srtp *stream, struct ast_rtp_instance *instance)
{
	int rtp = rtp_engine_fd(instance, 0), rtcp = rtp_engine_fd(instance, 1);

	ao2_lock(stream);
	stream->transport.fds[SEALRTP_RTP] = rtp;
	stream->transport.fds[SEALRTP_RTCP] = rtcp == rtp ? -1 : rtcp;
	ao2_unlock(stream);
}

/* Before a socket is closed. */
void transport_forget(struct ast_srtp *stream)
{
	ao2_lock(stream);
	stream->transport.fds[SEALRTP_RTP] = stream->transport.fds[SEALRTP_RTCP] = -1;
	ao2_unlock(stream);
}

/* Where the peer's media goes. While a call is on hold the engine is told of none, and a handshake goes on
 * with the one before. The stream is locked. */
void transport_set_remote(struct ast_srtp *stream, const struct ast_sockaddr *address)
{
	if (ast_sockaddr_isnull(address) || ast_sockaddr_is_any(address) || !ast_sockaddr_port(address)) {
		return;
	}
	ast_sockaddr_copy(&stream->transport.remote[SEALRTP_RTP], address);
	ast_sockaddr_copy(&stream->transport.remote[SEALRTP_RTCP], address);
	ast_sockaddr_set_port(&stream->transport.remote[SEALRTP_RTCP], ast_sockaddr_port(address) + 1);
}

/* The stream is locked. */
bool transport_has_remote(const struct ast_srtp *stream)
{
	return !ast_sockaddr_isnull(&stream->transport.remote[SEALRTP_RTP]);
}

/* Tells the library whose ClientHello needs no cookie. The stream is locked. */
void transport_expect(struct ast_srtp *stream)
{
	sealrtp_address source;
	uint32_t component;

	for (component = SEALRTP_RTP; component <= SEALRTP_RTCP; component++) {
		if (!ast_sockaddr_isnull(&stream->transport.remote[component])) {
			to_library(&stream->transport.remote[component], &source);
			sealrtp_session_dtls_expect_source(stream->session, component, &source);
		}
	}
}

/* Whether RTCP has a socket of its own. The stream is locked. */
bool transport_rtcp_is_separate(const struct ast_srtp *stream)
{
	return stream->transport.fds[SEALRTP_RTCP] >= 0;
}

/* The stream is locked. */
void transport_send(struct ast_srtp *stream)
{
	uint8_t datagram[SEND_SIZE] = {0};
	struct ast_sockaddr source;
	sealrtp_address to;
	uint32_t component;
	size_t len;

	while (sealrtp_session_poll_transmit(
			   stream->session, datagram, sizeof(datagram), &len, &component, &to) == SEALRTP_OK) {
		const struct ast_sockaddr *address = &stream->transport.remote[component];

		if (to.family) {
			from_library(&to, &source);
			address = &source;
		}
		/* A lost datagram is sent again by the stream's timer. */
		if (stream->transport.fds[component] >= 0 && !ast_sockaddr_isnull(address)) {
			ast_sendto(stream->transport.fds[component], datagram, len, 0, address);
		}
	}
}

static int on_timer(const void *data);

/* An entry that comes too early does nothing but make the next one, so none is ever taken back. */
static void arm(struct ast_srtp *stream)
{
	struct timeval now = ast_tvnow(), due;
	uint32_t ms;

	if (sealrtp_session_poll_timeout(stream->session, &ms) != SEALRTP_OK) {
		return;
	}
	due = ast_tvadd(now, ast_samp2tv(ms, 1000));
	if (!ast_tvzero(stream->transport.due) && ast_tvcmp(stream->transport.due, due) <= 0) {
		return;
	}
	ao2_ref(stream, +1);
	if (ast_sched_add(sched, ms ? ms : 1, on_timer, stream) < 0) {
		ao2_ref(stream, -1);
		return;
	}
	stream->transport.due = due;
}

/* Sends what waits, tells what happened, sets the timer. The stream is locked. */
void transport_pump(struct ast_srtp *stream)
{
	if (!stream->session) {
		return;
	}
	transport_send(stream);
	report_events(stream);
	arm(stream);
}

static int on_timer(const void *data)
{
	struct ast_srtp *stream = (struct ast_srtp *)data;

	ao2_lock(stream);
	/* Another entry may be pending. */
	if (ast_tvdiff_ms(stream->transport.due, ast_tvnow()) <= 1) {
		stream->transport.due = ast_tv(0, 0);
	}
	if (stream->session) {
		sealrtp_session_handle_timeout(stream->session);
		transport_pump(stream);
	}
	ao2_unlock(stream);
	ao2_ref(stream, -1);
	return 0;
}

static int on_start(const void *data)
{
	struct ast_srtp *stream = (struct ast_srtp *)data;

	ao2_lock(stream);
	dtls_start_late(stream);
	ao2_unlock(stream);
	ao2_ref(stream, -1);
	return 0;
}

static int on_look(const void *data)
{
	struct ast_srtp *stream = (struct ast_srtp *)data;

	zrtp_look_again(stream);
	ao2_ref(stream, -1);
	return 0;
}

/* Begins the handshake in so many milliseconds, or now if there is no memory for a timer. The stream is
 * locked. */
void transport_start_later(struct ast_srtp *stream, int ms)
{
	ao2_ref(stream, +1);
	if (ast_sched_add(sched, ms, on_start, stream) < 0) {
		dtls_start_late(stream);
		ao2_ref(stream, -1);
	}
}

/* Looks for the stream's channel in so many milliseconds. The stream is locked or known to nobody else. */
void transport_look_later(struct ast_srtp *stream, int ms)
{
	ao2_ref(stream, +1);
	if (ast_sched_add(sched, ms, on_look, stream) < 0) {
		ao2_ref(stream, -1);
		zrtp_look_again(stream);
	}
}

/* Of this thread, TRANSPORT_RECEIVE_SIZE bytes; NULL if there is no memory. */
uint8_t *transport_buffer(void)
{
	return ast_threadstorage_get(&receive_buffer, TRANSPORT_RECEIVE_SIZE);
}

static bool is_dtls(const uint8_t *head, ssize_t len)
{
	return len >= 1 && head[0] >= DTLS_FIRST && head[0] <= DTLS_LAST;
}

static bool is_zrtp(const uint8_t *head, ssize_t len)
{
	uint32_t cookie;

	if (len < ZRTP_COOKIE_AT + (ssize_t)sizeof(cookie) || head[0] != ZRTP_FIRST) {
		return false;
	}
	memcpy(&cookie, head + ZRTP_COOKIE_AT, sizeof(cookie));
	return ntohl(cookie) == ZRTP_COOKIE;
}

/* The stream is locked. */
static void receive_dtls(
	struct ast_srtp *stream, int rtcp, const uint8_t *datagram, size_t len, const struct ast_sockaddr *from)
{
	sealrtp_address source;

	to_library(from, &source);
	/* An RTCP address of ICE's choosing is known to the built-in engine alone. */
	if (rtcp && stream->dtls.ice == ICE_CHOSEN) {
		ast_sockaddr_copy(&stream->transport.remote[SEALRTP_RTCP], from);
	}
	sealrtp_session_dtls_receive(stream->session,
		rtcp && transport_rtcp_is_separate(stream) ? SEALRTP_RTCP : SEALRTP_RTP, datagram, len, &source);
}

/* A phone behind NAT may send no RTP before it is secured. Where symmetric RTP is on, what it does send tells
 * its address as well as RTP would, until the engine has learnt it from RTP. The stream is locked. */
static void learn_from_zrtp(
	struct ast_srtp *stream, struct ast_rtp_instance *instance, const struct ast_sockaddr *from)
{
	struct ast_sockaddr described;

	ast_rtp_instance_get_requested_target_address(instance, &described);
	if (!transport_has_remote(stream) ||
		(ast_rtp_instance_get_prop(instance, AST_RTP_PROPERTY_NAT) &&
			!ast_sockaddr_cmp(&described, &stream->transport.remote[SEALRTP_RTP]))) {
		transport_set_remote(stream, from);
	}
}

/* True if a DTLS or ZRTP datagram of the stream was waiting; it is consumed. The instance is locked. */
bool transport_read(struct ast_srtp *stream, struct ast_rtp_instance *instance, int rtcp)
{
	uint8_t head[PEEK_SIZE], *datagram;
	int fd = rtp_engine_fd(instance, rtcp);
	struct ast_sockaddr from;
	bool dtls, zrtp;
	ssize_t len;

	if (fd < 0 || (!stream->has_dtls && !zrtp_receives(stream))) {
		return false;
	}
	len = recv(fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
	dtls = stream->has_dtls && is_dtls(head, len);
	zrtp = !rtcp && is_zrtp(head, len) && zrtp_receives(stream);
	if (!dtls && !zrtp) {
		return false;
	}
	datagram = transport_buffer();
	if (!datagram) {
		return false;
	}
	len = ast_recvfrom(fd, datagram, TRANSPORT_RECEIVE_SIZE, MSG_DONTWAIT, &from);
	if (len < 1) {
		return true;
	}
	ao2_lock(stream);
	if (dtls) {
		receive_dtls(stream, rtcp, datagram, len, &from);
	} else {
		learn_from_zrtp(stream, instance, &from);
		sealrtp_session_zrtp_receive(stream->session, datagram, len);
	}
	transport_pump(stream);
	ao2_unlock(stream);
	return true;
}

int transport_start(void)
{
	sched = ast_sched_context_create();
	if (!sched || ast_sched_start_thread(sched)) {
		transport_stop();
		return -1;
	}
	return 0;
}

static int drop(const void *data)
{
	ao2_ref((void *)data, -1);
	return 0;
}

void transport_stop(void)
{
	if (sched) {
		ast_sched_clean_by_callback(sched, on_timer, drop);
		ast_sched_clean_by_callback(sched, on_start, drop);
		ast_sched_clean_by_callback(sched, on_look, drop);
		ast_sched_context_destroy(sched);
		sched = NULL;
	}
}
