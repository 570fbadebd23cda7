/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The function whose slots are replaced, as libfreeswitch has its own.
 */

int slot_of_test(void);

int slot_of_test(void)
{
	return 1;
}
