/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Begin and end of what is seen of the module.
 */

#include "surface.h"

switch_status_t surface_start(void)
{
	report_start();
	recording_start();
	apps_start();
	api_start();
	return SWITCH_STATUS_SUCCESS;
}

void surface_stop(void)
{
	api_stop();
	recording_stop();
	report_stop();
	explain_stop();
}
