/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Our ZID and the cache of peers: one for the process, kept over reloads unless zrtp_cache changes.
 */

#include "mod_sealrtp.h"

#include <libgen.h>
#include <sys/stat.h>

/* Secrets of years of calls: nobody else's to read. */
#define FOLDER_MODE 0700
#define FILE_NAME "sealrtp/zid.db"

/* Beside FreeSWITCH's own databases. */
void zid_default_path(char *path, size_t size)
{
	switch_snprintf(path, size, "%s/" FILE_NAME, SWITCH_GLOBAL_dirs.db_dir);
}

static switch_status_t make_folder(const char *path)
{
	char copy[sizeof(((struct zid *)NULL)->path)];
	const char *folder;

	switch_copy_string(copy, path, sizeof(copy));
	folder = dirname(copy);
	if (mkdir(folder, FOLDER_MODE) && errno != EEXIST) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR, "zrtp_cache: folder %s cannot be made: %s\n",
			folder, strerror(errno));
		return SWITCH_STATUS_FALSE;
	}
	return SWITCH_STATUS_SUCCESS;
}

/* The one that is running if its file is the same. "" is one in memory. */
switch_status_t zid_open(const char *path, struct zid *running, struct zid **out)
{
	char message[REASON_SIZE] = "";
	sealrtp_result result;
	struct zid *zid;

	if (running && !strcmp(running->path, path)) {
		atomic_fetch_add(&running->refs, 1);
		*out = running;
		return SWITCH_STATUS_SUCCESS;
	}
	if (!zstr(path) && make_folder(path) != SWITCH_STATUS_SUCCESS) {
		return SWITCH_STATUS_FALSE;
	}
	zid = calloc(1, sizeof(*zid));
	switch_assert(zid);
	atomic_init(&zid->refs, 1);
	switch_copy_string(zid->path, path, sizeof(zid->path));
	result = sealrtp_zrtp_new(zstr(path) ? NULL : path, &zid->zrtp, message, sizeof(message));
	if (result < 0) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_ERROR, "zrtp_cache: %s\n",
			zstr(message) ? sealrtp_result_text(result) : message);
		zid_put(zid);
		return SWITCH_STATUS_FALSE;
	}
	if (!zstr(message)) {
		switch_log_printf(SWITCH_CHANNEL_LOG, SWITCH_LOG_WARNING, "zrtp_cache: %s\n", message);
	}
	*out = zid;
	return SWITCH_STATUS_SUCCESS;
}

void zid_put(struct zid *zid)
{
	if (zid && atomic_fetch_sub(&zid->refs, 1) == 1) {
		sealrtp_zrtp_free(zid->zrtp);
		free(zid);
	}
}
