/* SPDX-License-Identifier: GPL-2.0-only
 *
 * A call of chan_pjsip's from its first description to its last stream. Include it behind asterisk.h.
 */

#ifndef SEALRTP_SDP_DIALOG_H
#define SEALRTP_SDP_DIALOG_H

#include "asterisk/channel.h"

#include "res_sealrtp.h"
#include "sdp_message.h"

#define TEXT_SIZE 256
/* Lines of a description whose streams are ours to secure; further ones stay as they are. */
#define LINES_MAX 64

struct sdp_dialog {
	sealrtp_offer_answer *offer_answer;
	/* Of the time the call began. */
	struct settings *settings;
	sealrtp_config *config;
	/* By line; NULL where there is none. */
	struct ast_srtp *streams[LINES_MAX];
	struct timeval last;
	/* Streams that name it. */
	int alive;
	/* We sent the first request. */
	bool initiated;
	bool tls;
	/* Its steps are among those of ended calls. */
	bool kept;
	/* Unique id and name of its channel, or "". */
	char channel[AST_MAX_UNIQUEID];
	char name[AST_CHANNEL_NAME];
	/* "PJSIP/alice" */
	char endpoint[TEXT_SIZE];
	char call_id[TEXT_SIZE];
	/* Of who sent the first request. */
	char tag[TEXT_SIZE];
};

/* sdp_dialog.c */
/* Whether there may be dialogs: sdp_start() was called. */
bool sdp_dialogs_are_kept(void);
/* The dialog of a message with a reference, a new one where there is none; NULL where policy has no say. */
struct sdp_dialog *sdp_dialog_of(const struct sealrtp_sip *sip, bool outgoing);
/* The stream's call is this dialog from here on. The dialog is locked. */
void sdp_dialog_adopt(struct sdp_dialog *dialog, struct ast_srtp *stream);
/* Nothing comes after it: its steps are kept, it is not. */
void sdp_dialog_drop(struct sdp_dialog *dialog);
/* The channel of the dialog with a reference, or NULL. */
struct ast_channel *sdp_dialog_channel(struct sdp_dialog *dialog);
void sdp_dialog_learn_channel(struct sdp_dialog *dialog, const struct sealrtp_sip *sip);

/* sdp_streams.c */
/* What a line of ours says is taken from its stream. The dialog is locked. */
sealrtp_result sdp_streams_describe(struct sdp_dialog *dialog, uint32_t index, char *reason, size_t size);
/* What was decided is in force for all streams. The dialog is locked. */
sealrtp_result sdp_streams_apply(struct sdp_dialog *dialog, bool answering, char *reason, size_t size);
/* Whether policy lets the call's media pass in the clear, and nothing has secured it. The dialog is locked.
 */
bool sdp_streams_may_be_clear(struct sdp_dialog *dialog);
/* Nothing clear passes any more. */
void sdp_streams_demand_security(struct sdp_dialog *dialog);

#endif
