/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Where pjproject, as it was built for this Asterisk, keeps what we need. Include it behind pjsip_abi.h.
 */

#ifndef SEALRTP_PJSIP_LAYOUT_H
#define SEALRTP_PJSIP_LAYOUT_H

#include <stdbool.h>

/* Offsets in bytes. */
struct layout {
	/* Of rx_msg_info in pjsip_rx_data. */
	size_t rx_msg_info;
	/* Of the message in pjsip_tx_data. */
	size_t tx_msg;
	/* Of the type's name in pjsip_transport. */
	size_t transport_name;
};

extern struct layout layout;

/* Measures in a servant thread; false, with a log line, where something is not as declared. */
bool layout_measure(void);

static inline rx_msg_info *rx_info(pjsip_rx_data *rdata)
{
	return (rx_msg_info *)((char *)rdata + layout.rx_msg_info);
}

static inline pjsip_msg *tx_msg(pjsip_tx_data *tdata)
{
	return *(pjsip_msg **)((char *)tdata + layout.tx_msg);
}

static inline const char *rx_transport_name(pjsip_rx_data *rdata)
{
	return *(const char **)((char *)((rx_head *)rdata)->transport + layout.transport_name);
}

#endif
