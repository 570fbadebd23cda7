/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Passthrough: the datagrams of two bridged legs are handed on untouched, and their phones are end to end.
 *
 * The library decides whether two legs can be passed through and what of theirs may pass. Legs are looked at
 * in the reports' thread, which holds no lock: when a bridge changes and when a stream is looked at. A pair's
 * lock is taken behind no other, and under it no other is taken; two streams are never locked at once.
 */

#include "asterisk.h"

#include <sys/socket.h>

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/logger.h"
#include "asterisk/manager.h"
#include "asterisk/netsock2.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "legs.h"
#include "res_sealrtp.h"

/* How often a leg that waits for its other is looked at; where it rings, the answer will tell. */
#define LOOK_MS 100
#define RINGING_MS 2000
/* RFC 7983 section 7: first bytes of RTP with RTCP, and of ZRTP. */
#define FIRST_RTP 128
#define LAST_RTP 191
#define FIRST_ZRTP 16
#define LAST_ZRTP 19

/* Two streams of one kind of media, as ao2. Its own lock guards `state`. */
struct passthrough_pair {
	sealrtp_passthrough *state;
	/* By side; kept until the last of them lets go. */
	struct ast_srtp *streams[2];
	/* Used in the reports' thread alone: that both phones have agreed was told. */
	bool told;
};

/* Some end point has had it since the module was loaded. */
static bool in_use;

static void pair_destroy(void *object)
{
	struct passthrough_pair *pair = object;

	sealrtp_passthrough_free(pair->state);
	ao2_cleanup(pair->streams[SEALRTP_LEFT]);
	ao2_cleanup(pair->streams[SEALRTP_RIGHT]);
}

/* Takes the library's object in any case. */
static struct passthrough_pair *pair_new(
	sealrtp_passthrough *state, struct ast_srtp *left, struct ast_srtp *right)
{
	struct passthrough_pair *pair = ao2_alloc(sizeof(*pair), pair_destroy);

	if (!pair) {
		sealrtp_passthrough_free(state);
		return NULL;
	}
	pair->state = state;
	pair->streams[SEALRTP_LEFT] = ao2_bump(left);
	pair->streams[SEALRTP_RIGHT] = ao2_bump(right);
	return pair;
}

static uint32_t side_of(const struct passthrough_pair *pair, const struct ast_srtp *stream)
{
	return pair->streams[SEALRTP_LEFT] == stream ? SEALRTP_LEFT : SEALRTP_RIGHT;
}

static struct ast_srtp *other_of(const struct passthrough_pair *pair, const struct ast_srtp *stream)
{
	return pair->streams[side_of(pair, stream) == SEALRTP_LEFT ? SEALRTP_RIGHT : SEALRTP_LEFT];
}

/* With a reference, or NULL. */
static struct passthrough_pair *pair_of(struct ast_srtp *stream)
{
	struct passthrough_pair *pair;

	ao2_lock(stream);
	pair = ao2_bump(stream->pair);
	ao2_unlock(stream);
	return pair;
}

static void get_info(
	struct passthrough_pair *pair, const struct ast_srtp *stream, sealrtp_passthrough_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	ao2_lock(pair);
	sealrtp_passthrough_get_info(pair->state, side_of(pair, stream), info);
	ao2_unlock(pair);
}

/* The policy of the stream's end point. The stream is locked. */
void passthrough_settle(struct ast_srtp *stream, const sealrtp_config *config)
{
	stream->passthrough.wanted = stream->zrtp.rule != SEALRTP_ZRTP_NO && sealrtp_config_passthrough(config);
	if (stream->passthrough.wanted) {
		__atomic_store_n(&in_use, true, __ATOMIC_RELEASE);
	}
}

/* Whether the stream's media is another's, or may be: no ZRTP of ours then. */
bool passthrough_holds(const struct ast_srtp *stream)
{
	return stream->passthrough.wanted && !stream->passthrough.over;
}

/* What is handed on, as the stream's counters. No lock is held. */
bool passthrough_stats(struct ast_srtp *stream, sealrtp_session_stats *stats, bool *passes)
{
	struct passthrough_pair *pair = pair_of(stream);
	sealrtp_passthrough_info in, out;

	if (!pair) {
		return false;
	}
	get_info(pair, stream, &in);
	get_info(pair, other_of(pair, stream), &out);
	ao2_ref(pair, -1);
	*passes = in.passes_media;
	stats->inbound.rtp_packets = in.rtp;
	stats->inbound.rtcp_packets = in.rtcp;
	stats->inbound.refused = in.dropped;
	stats->outbound.rtp_packets = out.rtp;
	stats->outbound.rtcp_packets = out.rtcp;
	stats->outbound.refused = 0;
	return true;
}

/* --- the way of a datagram --- */

/* Media must come from where ours goes, as symmetric RTP has it; a first datagram tells where that is. Else
 * from that host: RTCP's port shows only so. The stream is locked. */
static bool is_from_peer(struct ast_srtp *stream, struct ast_rtp_instance *instance, uint32_t component,
	const struct ast_sockaddr *from)
{
	struct ast_sockaddr *learnt = &stream->passthrough.learnt[component];
	const struct ast_sockaddr *remote = &stream->transport.remote[component];

	if (!ast_sockaddr_isnull(learnt)) {
		return !ast_sockaddr_cmp(learnt, from);
	}
	if (ast_sockaddr_cmp(remote, from)) {
		if (!ast_rtp_instance_get_prop(instance, AST_RTP_PROPERTY_NAT)) {
			if (ast_sockaddr_cmp_addr(remote, from)) {
				return false;
			}
			if (component == SEALRTP_RTP) {
				/* It may send by another port than it receives at. */
				return true;
			}
		}
		ast_sockaddr_copy(learnt, from);
	}
	return true;
}

/* The engine knows of another address. */
void passthrough_address_known(struct ast_srtp *stream)
{
	ao2_lock(stream);
	memset(stream->passthrough.learnt, 0, sizeof(stream->passthrough.learnt));
	ao2_unlock(stream);
}

static void send_to(struct ast_srtp *stream, const struct passthrough_pair *pair, uint32_t component,
	const uint8_t *datagram, size_t len)
{
	const struct ast_sockaddr *to;

	ao2_lock(stream);
	if (stream->pair == pair) {
		/* With rtcp-mux there, RTCP goes where RTP goes. */
		if (stream->transport.fds[component] < 0) {
			component = SEALRTP_RTP;
		}
		to = &stream->passthrough.learnt[component];
		if (ast_sockaddr_isnull(to)) {
			to = &stream->transport.remote[component];
		}
		if (stream->transport.fds[component] >= 0 && !ast_sockaddr_isnull(to)) {
			ast_sendto(stream->transport.fds[component], datagram, len, 0, to);
		}
	}
	ao2_unlock(stream);
}

/* True if a datagram of a stream that is passed through was waiting; it is consumed, and ICE's are not. The
 * instance is locked. */
bool passthrough_read(struct ast_srtp *stream, struct ast_rtp_instance *instance, int rtcp)
{
	uint32_t component = SEALRTP_RTP;
	sealrtp_result result = SEALRTP_DONE;
	struct ast_sockaddr from;
	uint8_t first, *datagram;
	struct passthrough_pair *pair;
	ssize_t len;
	int fd;

	if (!__atomic_load_n(&stream->pair, __ATOMIC_ACQUIRE) || !(pair = pair_of(stream))) {
		return false;
	}
	fd = rtp_engine_fd(instance, rtcp);
	if (fd < 0 || recv(fd, &first, sizeof(first), MSG_PEEK | MSG_DONTWAIT) != sizeof(first) ||
		!((first >= FIRST_RTP && first <= LAST_RTP) || (first >= FIRST_ZRTP && first <= LAST_ZRTP)) ||
		!(datagram = transport_buffer())) {
		ao2_ref(pair, -1);
		return false;
	}
	len = ast_recvfrom(fd, datagram, TRANSPORT_RECEIVE_SIZE, MSG_DONTWAIT, &from);
	if (len > 0) {
		bool known;

		/* A call whose media does not come to the built-in engine is alive all the same. */
		ast_rtp_instance_set_last_rx(instance, time(NULL));
		ao2_lock(stream);
		known = is_from_peer(
			stream, instance, rtcp && transport_rtcp_is_separate(stream) ? SEALRTP_RTCP : SEALRTP_RTP, &from);
		ao2_unlock(stream);
		if (known) {
			ao2_lock(pair);
			result =
				sealrtp_passthrough_receive(pair->state, side_of(pair, stream), datagram, len, &component);
			ao2_unlock(pair);
		}
	}
	if (result == SEALRTP_OK || result == SEALRTP_OK_EVENT) {
		send_to(other_of(pair, stream), pair, component, datagram, len);
	}
	if (result == SEALRTP_OK_EVENT) {
		zrtp_look_again(pair->streams[SEALRTP_LEFT]);
	}
	ao2_ref(pair, -1);
	return true;
}

/* --- who is paired; all of it runs in the reports' thread, without locks --- */

static void join(struct passthrough_pair *pair, uint32_t side)
{
	struct ast_srtp *stream = pair->streams[side];

	ao2_lock(stream);
	if (stream->session && !stream->pair) {
		stream->passthrough.since = ast_tv(0, 0);
		stream->method = METHOD_PASSTHROUGH;
		__atomic_store_n(&stream->pair, ao2_bump(pair), __ATOMIC_RELEASE);
	}
	ao2_unlock(stream);
}

/* The stream is on its own again. Where the phones had agreed, nothing clear goes to its phone any more. */
static void leave(struct ast_srtp *stream, struct passthrough_pair *pair, uint64_t agreed_with)
{
	bool was;

	ao2_lock(stream);
	was = stream->pair == pair;
	if (was) {
		__atomic_store_n(&stream->pair, NULL, __ATOMIC_RELEASE);
		stream->method = METHOD_ZRTP;
		if (agreed_with) {
			stream->passthrough.agreed_with = agreed_with;
			if (stream->session) {
				sealrtp_session_demand_security(stream->session);
			}
		}
	}
	ao2_unlock(stream);
	if (was) {
		ao2_ref(pair, -1);
	}
}

static void part(struct passthrough_pair *pair)
{
	struct ast_srtp *left = pair->streams[SEALRTP_LEFT], *right = pair->streams[SEALRTP_RIGHT];
	sealrtp_passthrough_info info;

	get_info(pair, left, &info);
	leave(left, pair, info.agreed ? right->number : 0);
	leave(right, pair, info.agreed ? left->number : 0);
	zrtp_look_again(left);
	zrtp_look_again(right);
}

static void part_stream(struct ast_srtp *stream)
{
	struct passthrough_pair *pair = stream ? pair_of(stream) : NULL;

	if (pair) {
		part(pair);
		ao2_ref(pair, -1);
	}
}

/* One stream of a call that cannot be passed through, or no longer. */
static uint32_t give_up_stream(struct ast_srtp *stream)
{
	uint32_t outcome;

	part_stream(stream);
	ao2_lock(stream);
	outcome = sealrtp_passthrough_give_up(zrtp_demands(stream), stream->passthrough.agreed_with != 0);
	if (outcome == SEALRTP_OUTCOME_REFUSE) {
		stream->passthrough.refused = true;
	} else {
		stream->passthrough.over = true;
	}
	if (outcome == SEALRTP_OUTCOME_ENDPOINT_SECURED) {
		stream->zrtp.demands = true;
		if (stream->session) {
			sealrtp_session_demand_security(stream->session);
		}
	}
	ao2_unlock(stream);
	return outcome;
}

/* All media of a call goes the same way. */
static void give_up(struct ast_channel *chan, const char *reason)
{
	struct ast_srtp *streams[2];
	uint32_t outcome = SEALRTP_OUTCOME_ENDPOINT;
	size_t index;
	bool refuse;

	ast_channel_lock(chan);
	streams[0] = stream_of_channel(chan, false);
	streams[1] = stream_of_channel(chan, true);
	ast_channel_unlock(chan);
	if (!streams[0] || !passthrough_holds(streams[0]) || streams[0]->passthrough.refused) {
		ao2_cleanup(streams[0]);
		ao2_cleanup(streams[1]);
		return;
	}
	for (index = 0; index < ARRAY_LEN(streams); index++) {
		if (streams[index]) {
			outcome = MAX(outcome, give_up_stream(streams[index]));
		}
	}
	refuse = outcome == SEALRTP_OUTCOME_REFUSE;
	ast_log(LOG_WARNING, "%s%s: no passthrough of its media: %s. %s\n", refuse ? "Hanging up " : "",
		ast_channel_name(chan), reason,
		refuse ? "See zrtp_mode and fallback in sealrtp.conf, and the peer's settings"
			   : "SealRTP is the end of its ZRTP from here on");
	report_failed(chan, METHOD_PASSTHROUGH, reason, refuse);
	for (index = 0; index < ARRAY_LEN(streams); index++) {
		if (streams[index]) {
			zrtp_look_again(streams[index]);
			ao2_ref(streams[index], -1);
		}
	}
}

/* One look is pending at a time, the next. */
static void look_later(struct ast_srtp *stream, uint32_t ms)
{
	struct timeval *look = &stream->passthrough.look, now = ast_tvnow(),
				   due = ast_tvadd(now, ast_samp2tv(ms, 1000));

	ao2_lock(stream);
	/* The scheduler may be early. */
	if (ast_tvdiff_ms(*look, now) < LOOK_MS / 2 || ast_tvcmp(due, *look) < 0) {
		*look = due;
		transport_look_later(stream, ms);
	}
	ao2_unlock(stream);
}

static void tell_agreed(const struct leg *leg, const struct leg *other)
{
	ast_verb(3, "SealRTP: %s: passed through to %s, the phones have agreed on keys end to end\n",
		leg->channel, other->channel);
	manager_event(EVENT_FLAG_CALL, "SealRTPSecured",
		"Channel: %s\r\n"
		"Uniqueid: %s\r\n"
		"Method: " METHOD_PASSTHROUGH "\r\n"
		"Peer: %s\r\n",
		leg->channel, leg->id, other->channel);
}

/* A pair whose legs are still together. True if it has been given up. */
static bool tick(struct passthrough_pair *pair, const struct leg *leg, struct ast_channel *chan,
	const struct leg *other, struct ast_channel *peer)
{
	sealrtp_passthrough_info here, there;
	sealrtp_result timer;
	uint32_t ms = 0;

	ao2_lock(pair);
	sealrtp_passthrough_handle_timeout(pair->state);
	timer = sealrtp_passthrough_poll_timeout(pair->state, &ms);
	ao2_unlock(pair);
	get_info(pair, leg->stream, &here);
	get_info(pair, other->stream, &there);
	if (*here.failed) {
		give_up(chan, here.failed);
		give_up(peer, there.failed);
		return true;
	}
	if (here.agreed && !pair->told) {
		pair->told = true;
		tell_agreed(leg, other);
		tell_agreed(other, leg);
	}
	if (timer == SEALRTP_OK) {
		look_later(leg->stream, ms);
	}
	return false;
}

/* For how long the leg has been up and on its own. */
static uint32_t waited(const struct leg *leg)
{
	struct passthrough *own = &leg->stream->passthrough;
	uint32_t ms = 0;

	ao2_lock(leg->stream);
	if (!leg->up) {
		own->since = ast_tv(0, 0);
	} else if (ast_tvzero(own->since)) {
		own->since = ast_tvnow();
	} else {
		ms = MAX(ast_tvdiff_ms(ast_tvnow(), own->since), 0);
	}
	ao2_unlock(leg->stream);
	return ms;
}

/* A stream that is on its own: whether it can be passed through to the other's. */
static void decide(const struct leg *leg, struct ast_channel *chan, const struct leg *other,
	struct ast_channel *peer, bool leads)
{
	char texts[2][REASON_SIZE] = {"", ""}, *reasons[2] = {texts[0], texts[1]};
	uint32_t decision = SEALRTP_PASSTHROUGH_WAIT;
	sealrtp_passthrough *state = NULL;
	struct passthrough_pair *pair;

	if (sealrtp_passthrough_decide(&leg->facts, other ? &other->facts : NULL, waited(leg),
			other && leg_same_codecs(leg, other), leads, &decision, &state, reasons, REASON_SIZE) < 0) {
		return;
	}
	if (decision == SEALRTP_PASSTHROUGH_PAIR) {
		pair = pair_new(state, leg->stream, other->stream);
		if (pair) {
			part_stream(other->stream);
			join(pair, SEALRTP_LEFT);
			join(pair, SEALRTP_RIGHT);
			if (leads) {
				ast_verb(3, "SealRTP: %s: passed through to %s%s\n", leg->channel, other->channel,
					leg->dtmf == other->dtmf
						? ""
						: "; digits (telephone-event) do not come through, their payload types differ");
				tick(pair, leg, chan, other, peer);
			}
			ao2_ref(pair, -1);
		}
	} else if (decision == SEALRTP_PASSTHROUGH_CANNOT && leads) {
		give_up(chan, texts[SEALRTP_LEFT]);
		if (other && other->facts.mode == SEALRTP_LEG_PASSTHROUGH) {
			give_up(peer, texts[SEALRTP_RIGHT]);
		}
	} else if (decision == SEALRTP_PASSTHROUGH_WAIT && leads) {
		look_later(leg->stream, leg->up ? LOOK_MS : RINGING_MS);
	}
}

/* A stream of a channel and, if it is bridged with one other, of that. */
static void review_media(struct ast_channel *chan, struct ast_channel *peer, bool video)
{
	struct leg leg = {0}, other = {0};
	struct passthrough_pair *pair;
	bool has_other;

	if (leg_get(&leg, chan, video) && passthrough_holds(leg.stream) && !leg.stream->passthrough.refused) {
		has_other = peer && leg_get(&other, peer, video);
		pair = pair_of(leg.stream);
		if (pair && (!has_other || other_of(pair, leg.stream) != other.stream)) {
			/* Each is looked at again. */
			part(pair);
		} else if (pair) {
			tick(pair, &leg, chan, &other, peer);
		} else {
			decide(&leg, chan, has_other ? &other : NULL, peer, !video);
		}
		ao2_cleanup(pair);
	}
	leg_free(&leg);
	leg_free(&other);
}

/* Looks at a channel that may be passed through. */
void passthrough_review(struct ast_channel *chan)
{
	struct ast_channel *peer = ast_channel_bridge_peer(chan);

	review_media(chan, peer, false);
	review_media(chan, peer, true);
	if (peer) {
		ast_channel_unref(peer);
	}
}

static int review_task(void *data)
{
	struct ast_channel *chan = ast_channel_get_by_name(data);

	if (chan) {
		passthrough_review(chan);
		ast_channel_unref(chan);
	}
	ast_free(data);
	return 0;
}

/* A channel has entered a bridge or left one. */
void passthrough_bridge_changed(const char *channel_id)
{
	char *id = __atomic_load_n(&in_use, __ATOMIC_ACQUIRE) ? ast_strdup(channel_id) : NULL;

	if (id && report_task(review_task, id)) {
		ast_free(id);
	}
}

/* The stream is let go of. */
void passthrough_close(struct ast_srtp *stream)
{
	struct passthrough_pair *pair;

	ao2_lock(stream);
	pair = stream->pair;
	__atomic_store_n(&stream->pair, NULL, __ATOMIC_RELEASE);
	ao2_unlock(stream);
	if (pair) {
		zrtp_look_again(other_of(pair, stream));
		ao2_ref(pair, -1);
	}
}
