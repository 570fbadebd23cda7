/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Our ZID and the cache of peers: one for the process, kept over reloads unless zrtp_cache changes.
 */

#include "asterisk.h"

#include <errno.h>
#include <libgen.h>
#include <sys/stat.h>

#include "asterisk/astobj2.h"
#include "asterisk/logger.h"
#include "asterisk/paths.h"
#include "asterisk/strings.h"
#include "asterisk/utils.h"

#include "res_sealrtp.h"

/* Secrets of years of calls: nobody else's to read. */
#define FOLDER_MODE 0700
#define FILE_NAME "sealrtp/zid.db"

static void zid_destroy(void *object)
{
	struct zid *zid = object;

	sealrtp_zrtp_free(zid->zrtp);
}

/* Beside Asterisk's own database. */
void zid_default_path(char *path, size_t size)
{
	char *astdb = ast_strdupa(ast_config_AST_DB);

	snprintf(path, size, "%s/" FILE_NAME, dirname(astdb));
}

static int make_folder(const char *path)
{
	char *copy = ast_strdupa(path);
	const char *folder = dirname(copy);

	if (ast_mkdir(folder, FOLDER_MODE)) {
		ast_log(LOG_ERROR, "zrtp_cache: folder %s cannot be made: %s\n", folder, strerror(errno));
		return -1;
	}
	return 0;
}

/* The one that is running if its file is the same. "" is one in memory. */
enum config_result zid_open(const char *path, struct zid *running, struct zid **out)
{
	char message[REASON_SIZE] = "";
	sealrtp_result result;
	struct zid *zid;

	if (running && !strcmp(running->path, path)) {
		*out = ao2_bump(running);
		return CONFIG_LOADED;
	}
	if (!ast_strlen_zero(path) && make_folder(path)) {
		return CONFIG_REFUSED;
	}
	zid = ao2_alloc_options(sizeof(*zid), zid_destroy, AO2_ALLOC_OPT_LOCK_NOLOCK);
	if (!zid) {
		return CONFIG_REFUSED;
	}
	ast_copy_string(zid->path, path, sizeof(zid->path));
	result = sealrtp_zrtp_new(S_OR(path, NULL), &zid->zrtp, message, sizeof(message));
	if (result < 0) {
		ast_log(LOG_ERROR, "zrtp_cache: %s\n", S_OR(message, sealrtp_result_text(result)));
		ao2_ref(zid, -1);
		return CONFIG_REFUSED;
	}
	if (!ast_strlen_zero(message)) {
		ast_log(LOG_WARNING, "zrtp_cache: %s\n", message);
	}
	*out = zid;
	return CONFIG_LOADED;
}

/* What our administrator calls a peer, or "". May wait for the file: not under a stream's lock. */
void zid_peer_name(const char *peer, char *name, size_t size)
{
	struct settings *settings = config_get();
	sealrtp_zrtp_peer known = {.size = sizeof(known)};

	name[0] = '\0';
	if (settings && settings->zid && !ast_strlen_zero(peer) &&
		sealrtp_zrtp_get_peer(settings->zid->zrtp, peer, &known) == SEALRTP_OK) {
		ast_copy_string(name, known.name, size);
	}
	ao2_cleanup(settings);
}
