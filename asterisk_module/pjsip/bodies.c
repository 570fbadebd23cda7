/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The description in a message's body, alone or among others (multipart).
 */

#include "asterisk.h"

#include <stdbool.h>
#include <strings.h>

#include "pjsip_abi.h"
#include "bodies.h"

/* A part of a multipart body may be multipart itself; none is deeper in practice. */
#define PARTS_MAX 32

#define KEY_METHOD "inline:"
#define ATTRIBUTE "a=crypto:"

static bool equals(const pj_str_t *text, const char *expected)
{
	return text->slen == (ssize_t)strlen(expected) && !strncasecmp(text->ptr, expected, text->slen);
}

static bool is_sdp(const pjsip_msg_body *body)
{
	return body && equals(&body->content_type.type, "application") &&
		   equals(&body->content_type.subtype, "sdp");
}

pjsip_msg_body **bodies_find_sdp(pjsip_msg *msg)
{
	pjsip_multipart_part *part;
	int count = 0;

	if (!msg || !msg->body) {
		return NULL;
	}
	if (is_sdp(msg->body)) {
		return &msg->body;
	}
	if (!equals(&msg->body->content_type.type, "multipart")) {
		return NULL;
	}
	for (part = pjsip_multipart_get_first_part(msg->body); part && count < PARTS_MAX;
		 part = pjsip_multipart_get_next_part(msg->body, part), count++) {
		if (is_sdp(part->body)) {
			return &part->body;
		}
	}
	return NULL;
}

/* Overwrites what follows "inline:" in each a=crypto line; its length stays. */
static void blank(char *text, size_t len)
{
	char *end = text + len, *line, *next;

	for (line = text; line < end; line = next) {
		char *stop = memchr(line, '\n', end - line);
		char *key;

		next = stop ? stop + 1 : end;
		if ((size_t)(next - line) < strlen(ATTRIBUTE) || strncasecmp(line, ATTRIBUTE, strlen(ATTRIBUTE))) {
			continue;
		}
		key = memmem(line, next - line, KEY_METHOD, strlen(KEY_METHOD));
		for (key = key ? key + strlen(KEY_METHOD) : line + strlen(ATTRIBUTE);
			 key < next && *key != '\r' && *key != '\n'; key++) {
			*key = '*';
		}
	}
}

void bodies_hide_keys(pj_pool_t *pool, pjsip_msg *msg, char *packet, size_t len)
{
	pjsip_msg_body **place = bodies_find_sdp(msg);
	const char *data = place ? (*place)->data : NULL;
	char *text;

	if (!data || !memmem(data, (*place)->len, ATTRIBUTE, strlen(ATTRIBUTE))) {
		return;
	}
	/* The body may be a part of the packet. */
	if (data >= packet && data < packet + len) {
		text = pj_pool_alloc(pool, (*place)->len + 1);
		if (!text) {
			return;
		}
		memcpy(text, data, (*place)->len);
		text[(*place)->len] = '\0';
		(*place)->data = text;
	}
	blank(packet, len);
}
