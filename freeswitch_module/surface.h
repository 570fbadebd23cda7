/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What administrators, dialplans and programs see of the module, and what becomes of recorders.
 */

#ifndef SEALRTP_SURFACE_H
#define SEALRTP_SURFACE_H

#include <stdbool.h>

#include "mod_sealrtp.h"

/* --- sources: channels whose audio nobody may record (source.c) --- */

struct source;

struct source *source_add(const char *uuid, const char *name);
/* Its policy has recording = refuse, or not. If so its audio is withheld until an m-line is clear and none
 * has keys. */
void source_refuse(struct source *source, bool refuses);
/* An m-line has keys, or is clear. From any thread; takes no lock. */
void source_secured(struct source *source, uint32_t line);
void source_clear(struct source *source, uint32_t line);
/* NULL is nothing. */
void source_remove(struct source *source);

/* A source's uuid and name. */
struct origin {
	char uuid[SWITCH_UUID_FORMATTED_LENGTH + 1];
	char name[256];
};

/* Whether a source's audio is heard on this channel: its own, that of whom it talks to, or of its conference.
 */
bool source_reaches(switch_core_session_t *session, struct origin *origin);
/* Whether a source is in this conference; "": in any. */
bool source_confers(const char *conference, struct origin *origin);
/* A source's channel has joined a conference, or has left all with "". Other channels are nothing. */
void source_joins(const char *uuid, const char *conference);

/* --- recording (recording.c, media_bugs.c, conferences.c) --- */

/* Before intercept_start. */
void recording_start(void);
void recording_stop(void);
/* Whether recording = refuse can be kept in this FreeSWITCH, if these settings ask for it; told in the log if
 * not. */
switch_status_t recording_check(const struct settings *settings);
/* The same of the settings that count. After intercept_start. */
switch_status_t recording_require(void);
/* A call begins, its policy is known or another one, and ends. */
void recording_begin(struct call *call);
void recording_rule(struct call *call);
void recording_end(struct call *call);
/* An event of its leg, in the thread that it comes in: takes no lock. */
void recording_event(struct call *call, const sealrtp_leg_event *event);
/* Before a description of ours goes out: ZRTP's disclosure flag is set if somebody records this call, or the
 * dialplan has said that it will be. The call is locked. */
void recording_disclose(struct call *call, switch_core_session_t *session);

/* A recorder has begun. */
void recording_started(switch_core_session_t *session, const char *recorder);

/* What the core would have been asked, had we not. */
struct genuine {
	switch_status_t (*bug_add)(switch_core_session_t *, const char *, const char *,
		switch_media_bug_callback_t, void *, time_t, switch_media_bug_flag_t, switch_media_bug_t **);
	switch_status_t (*bug_read)(switch_media_bug_t *, switch_frame_t *, switch_bool_t);
	switch_frame_t *(*native_read_frame)(switch_media_bug_t *);
	switch_frame_t *(*native_write_frame)(switch_media_bug_t *);
	switch_status_t (*record_session)(
		switch_core_session_t *, const char *, uint32_t, switch_file_handle_t *, switch_event_t *);
	switch_status_t (*record_file)(switch_core_session_t *, switch_file_handle_t *, const char *,
		switch_input_args_t *, uint32_t, switch_event_t *);
	switch_status_t (*file_open)(const char *, const char *, int, switch_file_handle_t *, const char *,
		uint32_t, uint32_t, unsigned int, switch_memory_pool_t *);
	switch_status_t (*file_write)(switch_file_handle_t *, void *, switch_size_t *);
	switch_status_t (*file_write_video)(switch_file_handle_t *, switch_frame_t *);
	switch_status_t (*file_close)(switch_file_handle_t *);
	switch_status_t (*set_variable)(switch_channel_t *, const char *, const char *, switch_bool_t);
};
extern struct genuine genuine;

/* Tells that a recorder gets nothing of this session, or of a conference. */
void recording_refused(switch_core_session_t *session, const char *conference, const char *recorder,
	const struct origin *origin);
/* Makes silence of so many samples, or bytes of a native file, that are about to be written. */
void recording_silence(const switch_file_handle_t *fh, void *data, switch_size_t len);

/* A recorder is on the session, or is being put there by this thread. */
bool media_bugs_record(switch_core_session_t *session);

/* Replacements: media_bugs.c */
switch_status_t media_bug_add(switch_core_session_t *session, const char *function, const char *target,
	switch_media_bug_callback_t callback, void *user_data, time_t stop_time, switch_media_bug_flag_t flags,
	switch_media_bug_t **new_bug);
switch_status_t media_bug_read(switch_media_bug_t *bug, switch_frame_t *frame, switch_bool_t fill);
switch_frame_t *media_bug_native_read_frame(switch_media_bug_t *bug);
switch_frame_t *media_bug_native_write_frame(switch_media_bug_t *bug);
switch_status_t media_bugs_record_session(switch_core_session_t *session, const char *file, uint32_t limit,
	switch_file_handle_t *fh, switch_event_t *vars);
switch_status_t media_bugs_record_file(switch_core_session_t *session, switch_file_handle_t *fh,
	const char *file, switch_input_args_t *args, uint32_t limit, switch_event_t *vars);
switch_status_t media_bugs_file_write(switch_file_handle_t *fh, void *data, switch_size_t *len);

/* Replacements: conferences.c */
switch_status_t conference_set_variable(
	switch_channel_t *channel, const char *name, const char *value, switch_bool_t check);
switch_status_t conference_file_open(const char *file, const char *func, int line, switch_file_handle_t *fh,
	const char *path, uint32_t channels, uint32_t rate, unsigned int flags, switch_memory_pool_t *pool);
switch_status_t conference_file_write(switch_file_handle_t *fh, void *data, switch_size_t *len);
switch_status_t conference_file_write_video(switch_file_handle_t *fh, switch_frame_t *frame);
switch_status_t conference_file_close(switch_file_handle_t *fh);
void conferences_start(void);
void conferences_stop(void);

/* --- what administrators and dialplans see --- */

/* Locks, events, the API and the applications. */
switch_status_t surface_start(void);
void surface_stop(void);

void report_start(void);
void report_stop(void);
/* Calls that were hung up for want of keys. */
uint32_t report_hung_up(void);
/* SWITCH_FALSE: `word` is not dtls or zrtp. `channel`: the begin of a name or uuid, "" for all. */
switch_bool_t report_set_trace(const char *word, switch_bool_t on, const char *channel);
void report_get_trace(const char *word, char *text, size_t size);

/* Keeps a call's steps after its end. The call is locked. */
void explain_keep(struct call *call);
void explain_print(switch_stream_handle_t *stream, const char *wanted);
void explain_stop(void);

void api_start(void);
void api_stop(void);
void apps_start(void);

#endif
