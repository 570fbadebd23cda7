/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Recordings of conferences: silent while a source is in the conference.
 *
 * mod_conference names a channel's conference in a variable before its audio is in the mix, and takes another
 * one back when it is out: that is watched. Whose a file is tells an event a moment after it was opened;
 * until then it is taken for the recording of whatever conference a source is in.
 */

#include "surface.h"

#define EVENT_SUBCLASS "conference::maintenance"
/* What was mixed while a source was there is written a little later. */
#define LINGER_US 500000

struct recording {
	switch_file_handle_t *fh;
	char *path;
	/* Unique id of the conference, or "" while it is not known. */
	char conference[SWITCH_UUID_FORMATTED_LENGTH + 1];
	/* It is silent up to then. */
	switch_time_t until;
	bool told;
	struct recording *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recording *recordings;
static switch_event_node_t *node;

/* The lock is held. */
static struct recording *find(const switch_file_handle_t *fh)
{
	struct recording *recording = recordings;

	while (recording && recording->fh != fh) {
		recording = recording->next;
	}
	return recording;
}

static bool is_withheld(const switch_file_handle_t *fh)
{
	struct recording *recording;
	struct origin origin;
	bool withheld = false, tell = false;
	char conference[SWITCH_UUID_FORMATTED_LENGTH + 1] = "";

	pthread_mutex_lock(&lock);
	if ((recording = find(fh))) {
		switch_time_t now = switch_micro_time_now();

		if (source_confers(recording->conference, &origin)) {
			recording->until = now + LINGER_US;
			tell = *recording->conference && !recording->told;
			recording->told |= tell;
			switch_copy_string(conference, recording->conference, sizeof(conference));
		}
		withheld = now < recording->until;
	}
	pthread_mutex_unlock(&lock);
	if (tell) {
		recording_refused(NULL, conference, "conference", &origin);
	}
	return withheld;
}

/* --- in place of the core's functions, where mod_conference calls them --- */

switch_status_t conference_set_variable(
	switch_channel_t *channel, const char *name, const char *value, switch_bool_t check)
{
	if (name && !strcmp(name, "conference_uuid")) {
		source_joins(switch_channel_get_uuid(channel), switch_str_nil(value));
	} else if (name && !value && !strcmp(name, "conference_call_key")) {
		source_joins(switch_channel_get_uuid(channel), "");
	}
	return genuine.set_variable(channel, name, value, check);
}

switch_status_t conference_file_open(const char *file, const char *func, int line, switch_file_handle_t *fh,
	const char *path, uint32_t channels, uint32_t rate, unsigned int flags, switch_memory_pool_t *pool)
{
	switch_status_t status = genuine.file_open(file, func, line, fh, path, channels, rate, flags, pool);
	struct recording *recording;

	if (status != SWITCH_STATUS_SUCCESS || !(flags & SWITCH_FILE_FLAG_WRITE)) {
		return status;
	}
	if (!(recording = calloc(1, sizeof(*recording))) || !(recording->path = strdup(switch_str_nil(path)))) {
		free(recording);
		genuine.file_close(fh);
		return SWITCH_STATUS_MEMERR;
	}
	recording->fh = fh;
	pthread_mutex_lock(&lock);
	recording->next = recordings;
	recordings = recording;
	pthread_mutex_unlock(&lock);
	return status;
}

switch_status_t conference_file_write(switch_file_handle_t *fh, void *data, switch_size_t *len)
{
	if (is_withheld(fh)) {
		recording_silence(fh, data, *len);
	}
	return genuine.file_write(fh, data, len);
}

switch_status_t conference_file_write_video(switch_file_handle_t *fh, switch_frame_t *frame)
{
	return is_withheld(fh) ? SWITCH_STATUS_SUCCESS : genuine.file_write_video(fh, frame);
}

switch_status_t conference_file_close(switch_file_handle_t *fh)
{
	struct recording **at = &recordings, *recording;

	pthread_mutex_lock(&lock);
	while (*at && (*at)->fh != fh) {
		at = &(*at)->next;
	}
	if ((recording = *at)) {
		*at = recording->next;
	}
	pthread_mutex_unlock(&lock);
	if (recording) {
		free(recording->path);
		free(recording);
	}
	return genuine.file_close(fh);
}

static void on_event(switch_event_t *event)
{
	const char *action = switch_event_get_header(event, "Action");
	const char *path = switch_event_get_header(event, "Path");
	const char *conference = switch_event_get_header(event, "Conference-Unique-ID");
	struct recording *recording;

	if (zstr(action) || strcmp(action, "start-recording") || !path || !conference) {
		return;
	}
	pthread_mutex_lock(&lock);
	for (recording = recordings; recording; recording = recording->next) {
		if (!*recording->conference && !strcmp(recording->path, path)) {
			switch_copy_string(recording->conference, conference, sizeof(recording->conference));
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

void conferences_start(void)
{
	switch_event_bind_removable("mod_sealrtp", SWITCH_EVENT_CUSTOM, EVENT_SUBCLASS, on_event, NULL, &node);
}

/* Recordings that go on are no longer looked at. */
void conferences_stop(void)
{
	struct recording *recording;

	switch_event_unbind(&node);
	pthread_mutex_lock(&lock);
	while ((recording = recordings)) {
		recordings = recording->next;
		free(recording->path);
		free(recording);
	}
	pthread_mutex_unlock(&lock);
}
