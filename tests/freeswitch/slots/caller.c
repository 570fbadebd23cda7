/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * An object that calls it, as mod_sofia does: built in each way in which modules are built.
 */

int slot_of_test(void);
int call_it(void);
int call_by_pointer(void);

/* Written by the dynamic linker, like a table of functions. */
int (*pointer)(void) = slot_of_test;

int call_it(void)
{
	return slot_of_test();
}

int call_by_pointer(void)
{
	return pointer();
}
