/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Replaces the slots of the object that is its argument, and puts them back: prints what calls through them
 * give before, replaced, after, and of an object that is missed a slot.
 */

#include <dlfcn.h>
#include <stdio.h>

#include "mod_sealrtp.h"

static int replacement(void)
{
	return 2;
}

static void *genuine;

int main(int argc, char **argv)
{
	const struct slot slots[] = {{"/caller", "slot_of_test", replacement, &genuine, "the test"}};
	const struct slot missing[] = {{"/caller", "switch_log_printf", replacement, NULL, "the test"}};
	char reason[REASON_SIZE] = "";
	void *object = argc == 2 ? dlopen(argv[1], RTLD_LAZY) : NULL;
	int (*call_it)(void), (*call_by_pointer)(void);

	if (!object) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	call_it = (int (*)(void))dlsym(object, "call_it");
	call_by_pointer = (int (*)(void))dlsym(object, "call_by_pointer");
	printf("before %d %d\n", call_it(), call_by_pointer());
	if (got_replace(slots, 1, reason, sizeof(reason)) != SWITCH_STATUS_SUCCESS) {
		printf("refused %s\n", reason);
		return 1;
	}
	printf("replaced %d %d genuine %d\n", call_it(), call_by_pointer(), ((int (*)(void))genuine)());
	got_replace(slots, 1, reason, sizeof(reason));
	got_restore(slots, 1);
	printf("after %d %d\n", call_it(), call_by_pointer());
	if (got_replace(missing, 1, reason, sizeof(reason)) == SWITCH_STATUS_SUCCESS) {
		return 1;
	}
	printf("missing %s\n", reason);
	return 0;
}
