/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Recorders that are media bugs (record_session, uuid_record, eavesdrop, three_way, uuid_... of other
 * modules), and those that read the channel themselves (record, voicemail).
 *
 * A recorder that comes to a channel with a source's audio is refused. One that was there before, or whose
 * channel is bridged to a source later, gets silence for as long as that is so.
 */

#include "surface.h"

#define PRIVATE "sealrtp_media_bugs"

/* Media bugs that listen to a call or change it, and carry no audio away. All others are recorders. */
static const char *const harmless[] = {
	"displace",
	"preprocess",
	"audio",
	"inband_dtmf",
	"inband_dtmf_generate",
	"tone_detect",
	"detect_speech",
	"spandsp_tdd_encode",
	"spandsp_tdd_decode",
	"spandsp_dtmf_detect",
	"spandsp_tone_detect",
	"fax_tone_detect",
	"fsk_detect",
	"vmd",
	"avmd",
	"video_write_overlay",
};

/* What is known of a media bug; lives as long as the session. */
struct known {
	switch_media_bug_t *bug;
	const char *function;
	bool harmless;
	/* Somebody was told that it gets nothing. */
	int told;
	struct known *next;
};

struct bugs {
	struct known *first;
};

/* Payload types of RFC 3551, and what silence is in them; for others it is zeros. */
#define ALAW 8
#define ALAW_SILENCE 0xD5
#define ULAW 0
#define ULAW_SILENCE 0xFF

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The session that this thread records by an application, and whether somebody was told. */
static __thread struct {
	switch_core_session_t *session;
	bool told;
} reading;

/* The session that this thread gives a recorder just now, for which the core may describe our media first. */
static __thread switch_core_session_t *adding;

static bool is_harmless(const char *function)
{
	size_t index;

	for (index = 0; function && index < sizeof(harmless) / sizeof(*harmless); index++) {
		if (!strcmp(function, harmless[index])) {
			return true;
		}
	}
	return false;
}

/* What was noted of a media bug, or NULL. */
static struct known *find(switch_media_bug_t *bug)
{
	switch_core_session_t *session = switch_core_media_bug_get_session(bug);
	struct bugs *bugs = switch_channel_get_private(switch_core_session_get_channel(session), PRIVATE);
	struct known *known = bugs ? __atomic_load_n(&bugs->first, __ATOMIC_ACQUIRE) : NULL;

	while (known && known->bug != bug) {
		known = known->next;
	}
	return known;
}

static void note(switch_core_session_t *session, switch_media_bug_t *bug, const char *function)
{
	switch_channel_t *channel = switch_core_session_get_channel(session);
	struct known *known = switch_core_session_alloc(session, sizeof(*known));
	struct bugs *bugs;

	known->bug = bug;
	known->function = switch_core_session_strdup(session, function ? function : "a media bug");
	known->harmless = is_harmless(function);
	pthread_mutex_lock(&lock);
	if (!(bugs = switch_channel_get_private(channel, PRIVATE))) {
		bugs = switch_core_session_alloc(session, sizeof(*bugs));
		switch_channel_set_private(channel, PRIVATE, bugs);
	}
	known->next = bugs->first;
	__atomic_store_n(&bugs->first, known, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
}

/* Whether a media bug may not have what it reads now. One that nobody has noted (yet) is taken for a
 * recorder. */
static bool is_withheld(switch_media_bug_t *bug)
{
	switch_core_session_t *session = switch_core_media_bug_get_session(bug);
	struct known *known;
	struct origin origin;

	if (!source_reaches(session, &origin)) {
		return false;
	}
	known = find(bug);
	if (known && known->harmless) {
		return false;
	}
	if (known && !__atomic_exchange_n(&known->told, 1, __ATOMIC_SEQ_CST)) {
		recording_refused(session, NULL, known->function, &origin);
	}
	return true;
}

bool media_bugs_record(switch_core_session_t *session)
{
	return adding == session || switch_core_media_bug_count(session, "session_record") ||
		   switch_core_media_bug_count(session, "eavesdrop");
}

/* --- in place of the core's functions --- */

switch_status_t media_bug_add(switch_core_session_t *session, const char *function, const char *target,
	switch_media_bug_callback_t callback, void *user_data, time_t stop_time, switch_media_bug_flag_t flags,
	switch_media_bug_t **new_bug)
{
	struct origin origin;
	switch_status_t status;

	if (!is_harmless(function) && source_reaches(session, &origin)) {
		*new_bug = NULL;
		recording_refused(session, NULL, function ? function : "a media bug", &origin);
		return SWITCH_STATUS_FALSE;
	}
	status = genuine.bug_add(session, function, target, callback, user_data, stop_time, flags, new_bug);
	if (status == SWITCH_STATUS_SUCCESS && *new_bug) {
		note(session, *new_bug, function);
		if (!is_harmless(function)) {
			recording_started(session, function ? function : "a media bug");
		}
	}
	return status;
}

switch_status_t media_bugs_record_session(switch_core_session_t *session, const char *file, uint32_t limit,
	switch_file_handle_t *fh, switch_event_t *vars)
{
	switch_core_session_t *outer = adding;
	switch_status_t status;

	adding = session;
	status = genuine.record_session(session, file, limit, fh, vars);
	adding = outer;
	return status;
}

switch_status_t media_bug_read(switch_media_bug_t *bug, switch_frame_t *frame, switch_bool_t fill)
{
	switch_status_t status = genuine.bug_read(bug, frame, fill);

	if (frame->datalen && is_withheld(bug)) {
		memset(frame->data, 0, frame->datalen);
	}
	return status;
}

static int silent_byte(const switch_frame_t *frame)
{
	uint32_t payload =
		frame->codec && frame->codec->implementation ? frame->codec->implementation->ianacode : UINT32_MAX;

	return payload == ULAW ? ULAW_SILENCE : payload == ALAW ? ALAW_SILENCE : 0;
}

/* A frame of silence as long as this one, of this thread until it asks again. */
static switch_frame_t *silence(const switch_frame_t *frame)
{
	static __thread struct {
		switch_frame_t frame;
		uint8_t data[SWITCH_RECOMMENDED_BUFFER_SIZE];
	} silent;

	silent.frame = *frame;
	silent.frame.data = silent.data;
	silent.frame.buflen = sizeof(silent.data);
	silent.frame.packet = NULL;
	silent.frame.packetlen = 0;
	silent.frame.extra_data = NULL;
	if (frame->datalen > sizeof(silent.data)) {
		silent.frame.datalen = 0;
	} else {
		memset(silent.data, silent_byte(frame), frame->datalen);
	}
	return &silent.frame;
}

switch_frame_t *media_bug_native_read_frame(switch_media_bug_t *bug)
{
	switch_frame_t *frame = genuine.native_read_frame(bug);

	return frame && is_withheld(bug) ? silence(frame) : frame;
}

switch_frame_t *media_bug_native_write_frame(switch_media_bug_t *bug)
{
	switch_frame_t *frame = genuine.native_write_frame(bug);

	return frame && is_withheld(bug) ? silence(frame) : frame;
}

switch_status_t media_bugs_record_file(switch_core_session_t *session, switch_file_handle_t *fh,
	const char *file, switch_input_args_t *args, uint32_t limit, switch_event_t *vars)
{
	switch_core_session_t *outer = reading.session;
	switch_status_t status;

	reading.session = session;
	reading.told = false;
	status = genuine.record_file(session, fh, file, args, limit, vars);
	reading.session = outer;
	return status;
}

switch_status_t media_bugs_file_write(switch_file_handle_t *fh, void *data, switch_size_t *len)
{
	struct origin origin;

	if (reading.session && source_reaches(reading.session, &origin)) {
		if (!reading.told) {
			reading.told = true;
			recording_refused(reading.session, NULL, "record", &origin);
		}
		recording_silence(fh, data, *len);
	}
	return genuine.file_write(fh, data, len);
}

/* Makes silence of so many samples, or bytes of a native file, that are about to be written. */
void recording_silence(const switch_file_handle_t *fh, void *data, switch_size_t len)
{
	switch_size_t channels = fh->real_channels > 1 ? fh->real_channels : 1;

	memset(data, 0, switch_test_flag(fh, SWITCH_FILE_NATIVE) ? len : len * sizeof(int16_t) * channels);
}
