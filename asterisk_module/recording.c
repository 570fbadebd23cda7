/* SPDX-License-Identifier: GPL-2.0-only
 *
 * recording = refuse: recorders of a secured channel, and of the bridge that it is in, get silence.
 *
 * A sentry is a hook that sees each frame of a channel before audiohooks do. It stands on the channels of end
 * points that refuse, and on those that share a bridge with one: its first frame there waits until they all
 * have a sentry. A source is a channel whose audio nobody may record. A bridge with a source in it is known
 * by a key, and so is a pair of unreal channels (Local) that carries a source's audio into another bridge.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/bridge.h"
#include "asterisk/bridge_channel.h"
#include "asterisk/channel.h"
#include "asterisk/datastore.h"
#include "asterisk/format_cache.h"
#include "asterisk/framehook.h"
#include "asterisk/linkedlists.h"
#include "asterisk/lock.h"
#include "asterisk/logger.h"
#include "asterisk/strings.h"
#include "asterisk/time.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* A recorder that comes again within this time was told already. */
#define SAME_S 60
/* 120 ms of 16-bit samples at 16 kHz. A longer frame is left out as a whole. */
#define SILENCE_SIZE 3840
/* A bridge's unique id, or the name of a pair of channels. */
#define KEY_SIZE AST_CHANNEL_NAME

/* Where a source's audio goes: its bridge, and the other half of its pair. */
enum { KEY_BRIDGE, KEY_PAIR, KEYS };

struct sentry {
	AST_LIST_ENTRY(sentry) next;
	/* The end point refuses. */
	bool refuses;
	/* It had keys; stays true. */
	bool secured;
	/* All channels of its bridge have a sentry, and these they were. */
	bool surrounded;
	uintptr_t company;
	/* A task is on its way that sets sentries. */
	bool calling;
	/* Its channel has become another, which has a sentry of its own. */
	bool gone;
	/* Guarded by `lock`; "" for none. */
	char keys[KEYS][KEY_SIZE];
	/* Unique id of the channel whose end point refuses. Guarded by `lock`. */
	char origin[AST_MAX_UNIQUEID];
	/* When a recorder was last refused, by its number, and the last one. */
	time_t refused[RECORDERS];
	const struct recorder *last;
	struct ast_frame silence;
	char samples[AST_FRIENDLY_OFFSET + SILENCE_SIZE];
};

/* Every sentry; it is in here as long as it lives. */
static AST_LIST_HEAD_NOLOCK_STATIC(sentries, sentry);
AST_MUTEX_DEFINE_STATIC(lock);
static int alive;

/* Our functions are called as long as there is one. */
unsigned int recording_sentries(void)
{
	return ast_atomic_fetchadd_int(&alive, 0);
}

static void sentry_destroy(void *object)
{
	struct sentry *sentry = object;

	ast_mutex_lock(&lock);
	AST_LIST_REMOVE(&sentries, sentry, next);
	ast_mutex_unlock(&lock);
	ast_atomic_fetchadd_int(&alive, -1);
	ast_module_unref(AST_MODULE_SELF);
}

static void drop(void *data)
{
	ao2_ref(data, -1);
}

static const struct ast_datastore_info info = {
	.type = "sealrtp-recording",
	.destroy = drop,
};

/* The channel is locked. */
static struct sentry *find(struct ast_channel *chan)
{
	struct ast_datastore *datastore;
	struct sentry *sentry;

	while ((datastore = ast_channel_datastore_find(chan, &info, NULL))) {
		sentry = datastore->data;
		if (!sentry->gone) {
			return sentry;
		}
		ast_channel_datastore_remove(chan, datastore);
		ast_datastore_free(datastore);
	}
	return NULL;
}

/* The channel is locked. */
static void post(
	struct sentry *sentry, struct ast_channel *chan, const struct recorder *recorder, const char *origin)
{
	time_t *last = &sentry->refused[recorder_number(recorder)];
	time_t now = ast_tvnow().tv_sec;
	bool told = recorder->persists && *last && now - *last < SAME_S;

	*last = now;
	sentry->last = recorder;
	if (!told) {
		refusal_tell(chan, recorder, origin);
	}
}

/* --- where sources' audio goes --- */

/* A source's audio goes there, or nobody's any more. */
static void set_key(struct sentry *sentry, int which, const char *key, const char *origin)
{
	if (strcmp(sentry->keys[which], key)) {
		ast_mutex_lock(&lock);
		ast_copy_string(sentry->keys[which], key, KEY_SIZE);
		ast_copy_string(sentry->origin, origin, sizeof(sentry->origin));
		ast_mutex_unlock(&lock);
	}
}

/* Whether somebody else's audio goes there; whose, by a unique id. */
static bool is_reached(const struct sentry *self, int which, const char *key, char *origin)
{
	const struct sentry *sentry;

	if (!*key) {
		return false;
	}
	ast_mutex_lock(&lock);
	AST_LIST_TRAVERSE(&sentries, sentry, next)
	{
		if (sentry != self && !strcmp(sentry->keys[which], key)) {
			ast_copy_string(origin, sentry->origin, AST_MAX_UNIQUEID);
			break;
		}
	}
	ast_mutex_unlock(&lock);
	return sentry != NULL;
}

/* "Local/100@default-00000001;1" gives the name of the pair; "" for a channel that is none of a pair. */
static void pair_of(struct ast_channel *chan, char *pair)
{
	const char *name = ast_channel_name(chan);
	size_t length = strlen(name);

	pair[0] = '\0';
	if (length > 2 && name[length - 2] == ';') {
		ast_copy_string(pair, name, KEY_SIZE);
		pair[length - 2] = '\0';
	}
}

/* Whether nobody may record the channel's audio. The channel is locked. */
static bool is_source(struct sentry *sentry, struct ast_channel *chan, char *origin)
{
	struct ast_srtp *stream;
	char pair[KEY_SIZE];

	if (sentry->refuses) {
		if (!sentry->secured && (stream = stream_of_channel(chan, false))) {
			sentry->secured = stream_state(stream) == SEALRTP_STATE_SECURE;
			ao2_ref(stream, -1);
		}
		if (sentry->secured) {
			ast_copy_string(origin, ast_channel_uniqueid(chan), AST_MAX_UNIQUEID);
			return true;
		}
	}
	pair_of(chan, pair);
	return is_reached(sentry, KEY_PAIR, pair, origin);
}

/* --- the hook --- */

/* The frame's length of silence, or nothing at all where its codec's silence is not known. Reading, the frame
 * is ours to free. */
static struct ast_frame *silence(
	struct sentry *sentry, struct ast_frame *frame, enum ast_framehook_event event)
{
	struct ast_frame *silent = &ast_null_frame;
	int byte = -1;

	if (frame->frametype == AST_FRAME_VOICE && frame->datalen <= SILENCE_SIZE) {
		byte = ast_format_cmp(frame->subclass.format, ast_format_ulaw) == AST_FORMAT_CMP_EQUAL	 ? 0xFF
			   : ast_format_cmp(frame->subclass.format, ast_format_alaw) == AST_FORMAT_CMP_EQUAL ? 0xD5
			   : ast_format_cache_is_slinear(frame->subclass.format)							 ? 0
																								 : -1;
	}
	if (byte >= 0) {
		silent = &sentry->silence;
		*silent = (struct ast_frame){
			.frametype = AST_FRAME_VOICE,
			/* Formats of the cache live as long as Asterisk. */
			.subclass.format = byte == 0xFF	  ? ast_format_ulaw
							   : byte == 0xD5 ? ast_format_alaw
											  : ast_format_cache_get_slin_by_rate(
													ast_format_get_sample_rate(frame->subclass.format)),
			.datalen = frame->datalen,
			.samples = frame->samples,
			.offset = AST_FRIENDLY_OFFSET,
			.src = "sealrtp",
			.delivery = frame->delivery,
			.ts = frame->ts,
			.len = frame->len,
			.seqno = frame->seqno,
			.stream_num = frame->stream_num,
		};
		silent->data.ptr = sentry->samples + AST_FRIENDLY_OFFSET;
		memset(silent->data.ptr, byte, frame->datalen);
		if (ast_test_flag(frame, AST_FRFLAG_HAS_TIMING_INFO)) {
			ast_set_flag(silent, AST_FRFLAG_HAS_TIMING_INFO);
		}
	}
	if (event == AST_FRAMEHOOK_EVENT_READ) {
		ast_frfree(frame);
	}
	return silent;
}

/* Sentries are to be set around a source. */
struct call {
	struct sentry *sentry;
	char id[AST_MAX_UNIQUEID];
};

static int surround(void *data);

/* The channel is locked. */
static void call_others(struct sentry *sentry, struct ast_channel *chan)
{
	struct call *call = ast_calloc(1, sizeof(*call));

	if (!call) {
		return;
	}
	call->sentry = ao2_bump(sentry);
	ast_copy_string(call->id, ast_channel_uniqueid(chan), sizeof(call->id));
	sentry->calling = true;
	if (report_task(surround, call)) {
		sentry->calling = false;
		ao2_ref(sentry, -1);
		ast_free(call);
	}
}

/* Who is in a bridge, as one number. The bridge is locked. */
static uintptr_t company_of(struct ast_bridge *bridge)
{
	const struct ast_bridge_channel *member;
	uintptr_t company = 0;

	AST_LIST_TRAVERSE(&bridge->channels, member, entry)
	{
		company = company * 31 + (uintptr_t)member;
	}
	return company;
}

/* False if it is known that others are in the bridge than were. A channel's lock comes behind the bridge's,
 * so that one is not waited for: who holds it may be mixing. */
static bool is_same_company(struct ast_bridge *bridge, uintptr_t company)
{
	bool same;

	if (ao2_trylock(bridge)) {
		return true;
	}
	same = company_of(bridge) == company;
	ao2_unlock(bridge);
	return same;
}

/* A source's frame goes to its bridge: false until everybody there has a sentry. */
static bool may_enter(
	struct sentry *sentry, struct ast_channel *chan, struct ast_bridge *bridge, const char *origin)
{
	const char *key = bridge ? bridge->uniqueid : "";

	if (strcmp(sentry->keys[KEY_BRIDGE], key)) {
		sentry->surrounded = false;
		set_key(sentry, KEY_BRIDGE, key, origin);
	}
	if (!bridge || (sentry->surrounded && is_same_company(bridge, sentry->company))) {
		return true;
	}
	sentry->surrounded = false;
	if (!sentry->calling) {
		call_others(sentry, chan);
	}
	return false;
}

#define SPIES (RECORDER_AUDIOHOOK | RECORDER_MONITOR)

/* Nobody may record what passes the channel in either direction. */
static void refuse_spies(struct sentry *sentry, struct ast_channel *chan, const char *origin)
{
	const struct recorder *recorder = NULL;

	while ((recorder = recorder_find(chan, SPIES, recorder))) {
		recorder_remove(chan, recorder);
		post(sentry, chan, recorder, origin);
	}
}

static struct ast_frame *on_read(struct sentry *sentry, struct ast_channel *chan, struct ast_frame *frame)
{
	struct ast_bridge *bridge = ast_channel_internal_bridge(chan);
	const struct recorder *recorder;
	char origin[AST_MAX_UNIQUEID];

	if (!is_source(sentry, chan, origin)) {
		set_key(sentry, KEY_BRIDGE, "", "");
		if (bridge && recorder_find(chan, SPIES, NULL) && !recorder_find(chan, RECORDER_DRIVER, NULL) &&
			is_reached(sentry, KEY_BRIDGE, bridge->uniqueid, origin)) {
			refuse_spies(sentry, chan, origin);
		}
		return frame;
	}
	refuse_spies(sentry, chan, origin);
	if (!may_enter(sentry, chan, bridge, origin)) {
		return silence(sentry, frame, AST_FRAMEHOOK_EVENT_READ);
	}
	recorder = recorder_find(chan, RECORDER_APPLICATION, NULL);
	if (!recorder) {
		return frame;
	}
	if (!recorder->quiet) {
		post(sentry, chan, recorder, origin);
	}
	return silence(sentry, frame, AST_FRAMEHOOK_EVENT_READ);
}

static struct ast_frame *on_write(struct sentry *sentry, struct ast_channel *chan, struct ast_frame *frame)
{
	struct ast_bridge *bridge = ast_channel_internal_bridge(chan);
	const struct recorder *recorder = recorder_find(chan, SPIES | RECORDER_DRIVER, NULL);
	char origin[AST_MAX_UNIQUEID] = "", pair[KEY_SIZE];
	bool reached;

	pair_of(chan, pair);
	if (!recorder && !*pair) {
		return frame;
	}
	reached = bridge && is_reached(sentry, KEY_BRIDGE, bridge->uniqueid, origin);
	set_key(sentry, KEY_PAIR, reached ? pair : "", origin);
	if (!reached && !is_source(sentry, chan, origin)) {
		return frame;
	}
	recorder = reached ? recorder_find(chan, RECORDER_DRIVER, NULL) : NULL;
	if (!recorder) {
		refuse_spies(sentry, chan, origin);
		return frame;
	}
	/* It may stay, and whoever spies on it: the source may leave the bridge. */
	post(sentry, chan, recorder, origin);
	return silence(sentry, frame, AST_FRAMEHOOK_EVENT_WRITE);
}

static struct ast_frame *on_frame(
	struct ast_channel *chan, struct ast_frame *frame, enum ast_framehook_event event, void *data)
{
	if (!frame || (frame->frametype != AST_FRAME_VOICE && frame->frametype != AST_FRAME_VIDEO)) {
		return frame;
	}
	if (event == AST_FRAMEHOOK_EVENT_READ) {
		return on_read(data, chan, frame);
	}
	return event == AST_FRAMEHOOK_EVENT_WRITE ? on_write(data, chan, frame) : frame;
}

/* Another channel comes in this one's place, and its sentry with it. */
static void replaced(void *data, int id, struct ast_channel *old_chan, struct ast_channel *new_chan)
{
	struct sentry *sentry = data;

	(void)old_chan;
	sentry->gone = true;
	set_key(sentry, KEY_BRIDGE, "", "");
	set_key(sentry, KEY_PAIR, "", "");
	ast_framehook_detach(new_chan, id);
}

/* Who spies makes frames pass here by itself, so bridges may do as they please. */
static int consumes(void *data, enum ast_frame_type type)
{
	(void)data, (void)type;
	return 0;
}

/* --- setting sentries --- */

/* The channel's sentry, a new one where there was none. The channel is locked. */
static struct sentry *post_sentry(struct ast_channel *chan)
{
	struct sentry *sentry = find(chan);
	struct ast_datastore *datastore;
	struct ast_framehook_interface hook = {
		.version = AST_FRAMEHOOK_INTERFACE_VERSION,
		.event_cb = on_frame,
		.destroy_cb = drop,
		.consume_cb = consumes,
		.chan_breakdown_cb = replaced,
	};

	if (sentry) {
		return sentry;
	}
	sentry = ao2_alloc_options(sizeof(*sentry), sentry_destroy, AO2_ALLOC_OPT_LOCK_NOLOCK);
	if (!sentry) {
		return NULL;
	}
	ast_atomic_fetchadd_int(&alive, 1);
	ast_module_ref(AST_MODULE_SELF);
	ast_mutex_lock(&lock);
	AST_LIST_INSERT_TAIL(&sentries, sentry, next);
	ast_mutex_unlock(&lock);
	datastore = ast_datastore_alloc(&info, NULL);
	hook.data = ao2_bump(sentry);
	if (!datastore || ast_framehook_attach(chan, &hook) < 0) {
		ast_log(LOG_ERROR, "%s: no memory, recorders cannot be refused\n", ast_channel_name(chan));
		if (datastore) {
			ast_datastore_free(datastore);
		}
		ao2_ref(sentry, -2);
		return NULL;
	}
	datastore->data = sentry;
	ast_channel_datastore_add(chan, datastore);
	return sentry;
}

/* The other half of a pair, with a reference, or NULL. */
static struct ast_channel *other_half(struct ast_channel *chan)
{
	char name[AST_CHANNEL_NAME], *last;

	ast_channel_lock(chan);
	ast_copy_string(name, ast_channel_name(chan), sizeof(name));
	ast_channel_unlock(chan);
	last = name + strlen(name) - 1;
	if (last <= name || last[-1] != ';') {
		return NULL;
	}
	*last = *last == '1' ? '2' : '1';
	return ast_channel_get_by_name(name);
}

/* NULL is nobody. */
static bool set_one(struct ast_channel *chan)
{
	bool set = true;

	if (chan) {
		ast_channel_lock(chan);
		set = post_sentry(chan) != NULL;
		ast_channel_unlock(chan);
	}
	return set;
}

/* Sentries for all who share a bridge, and who they are. False if one could not be set. No lock is held. */
static bool set_all(struct ast_bridge *bridge, uintptr_t *company)
{
	struct ao2_container *peers;
	struct ao2_iterator iterator;
	struct ast_channel *peer, *half;
	bool set = true;

	ast_bridge_lock(bridge);
	*company = company_of(bridge);
	peers = ast_bridge_peers_nolock(bridge);
	ast_bridge_unlock(bridge);
	if (!peers) {
		return false;
	}
	iterator = ao2_iterator_init(peers, 0);
	while ((peer = ao2_iterator_next(&iterator))) {
		half = other_half(peer);
		set &= set_one(peer) & set_one(half);
		if (half) {
			ast_channel_unref(half);
		}
		ast_channel_unref(peer);
	}
	ao2_iterator_destroy(&iterator);
	ao2_ref(peers, -1);
	return set;
}

/* The task of a source that has entered a bridge, or somebody has. */
static int surround(void *data)
{
	struct call *call = data;
	struct ast_channel *chan = ast_channel_get_by_name(call->id);
	struct ast_bridge *bridge = NULL;
	uintptr_t company = 0;
	bool set;

	if (chan) {
		ast_channel_lock(chan);
		bridge = ast_channel_get_bridge(chan);
		ast_channel_unlock(chan);
		set = bridge && set_all(bridge, &company);
		ast_channel_lock(chan);
		call->sentry->calling = false;
		if (set && !strcmp(call->sentry->keys[KEY_BRIDGE], bridge->uniqueid)) {
			call->sentry->surrounded = true;
			call->sentry->company = company;
		}
		ast_channel_unlock(chan);
		ao2_cleanup(bridge);
		ast_channel_unref(chan);
	}
	ao2_ref(call->sentry, -1);
	ast_free(call);
	return 0;
}

/* Whether the channel's policy takes its audio away from recorders once it is secured. The channel is locked.
 */
static bool refuses(const struct settings *settings, struct ast_channel *chan)
{
	sealrtp_config *config;
	bool refused;

	if (!watch_endpoint(ast_channel_name(chan), NULL, 0)) {
		return false;
	}
	config = config_for_channel(settings, chan);
	refused = sealrtp_recording_action(config, 0, 1) == SEALRTP_RECORDING_WITHHOLD;
	sealrtp_config_free(config);
	return refused;
}

/* What the channel's policy says holds from here on. */
void recording_rule(struct ast_channel *chan)
{
	struct settings *settings = config_get();
	struct sentry *sentry;
	bool refused;

	ast_channel_lock(chan);
	sentry = find(chan);
	refused = !settings || refuses(settings, chan);
	if (refused && !sentry) {
		sentry = post_sentry(chan);
	}
	if (sentry) {
		sentry->refuses = refused;
	}
	ast_channel_unlock(chan);
	ao2_cleanup(settings);
}

/* A channel has come to be. No lock is held. */
void recording_look(const char *name, const char *id)
{
	struct settings *settings = config_get();
	struct ast_channel *chan;

	if (settings && (config_wants(settings) & SEALRTP_WANTS_NO_RECORDING) && watch_endpoint(name, NULL, 0) &&
		(chan = ast_channel_get_by_name(id))) {
		recording_rule(chan);
		ast_channel_unref(chan);
	}
	ao2_cleanup(settings);
	disclosure_learn();
}

/* ARI records the channel. Its audio is withheld already. No lock is held. */
void recording_by_ari(const char *id)
{
	struct ast_channel *chan = ast_channel_get_by_name(id);
	char origin[AST_MAX_UNIQUEID];
	struct sentry *sentry;
	bool stop;

	if (!chan) {
		return;
	}
	ast_channel_lock(chan);
	sentry = find(chan);
	stop = sentry && sentry->refuses && is_source(sentry, chan, origin);
	if (stop) {
		post(sentry, chan, recorder_ari(), origin);
	}
	ast_channel_unlock(chan);
	if (stop) {
		ast_queue_control(chan, AST_CONTROL_RECORD_STOP);
	}
	ast_channel_unref(chan);
}

/* The recorder that was last refused on the channel, or NULL. The channel is locked. */
const struct recorder *recording_refused(struct ast_channel *chan)
{
	struct sentry *sentry = find(chan);

	return sentry ? sentry->last : NULL;
}
