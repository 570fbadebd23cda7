/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * sealrtp: its verbs, which have a file for each thing they are about.
 */

#ifndef SEALRTP_API_H
#define SEALRTP_API_H

#include "mod_sealrtp.h"

#define MAX_WORDS 32
/* Of the text that describes a configuration, in bytes. */
#define DESCRIPTION_SIZE 8192

/* What stands behind the command, separated by spaces. */
struct words {
	int count;
	char *word[MAX_WORDS];
};

static inline const char *or_dash(const char *text)
{
	return zstr(text) ? "-" : text;
}

/* api_calls.c */
void api_status(switch_stream_handle_t *stream, const struct words *words);
void api_calls(switch_stream_handle_t *stream, const struct words *words);
void api_show(switch_stream_handle_t *stream, const struct words *words);
/* api_policy.c */
void api_policy(switch_stream_handle_t *stream, const struct words *words);
/* api_zrtp.c */
void api_zrtp(switch_stream_handle_t *stream, const struct words *words);
/* api_complete.c: at the console. */
void api_complete_start(void);
void api_complete_stop(void);

#endif
