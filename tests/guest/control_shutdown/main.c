// SPDX-License-Identifier: MIT
/*
 * Fact: a toolstack asks a guest to shut down by the node control/shutdown of its directory; the
 *   guest watches it, takes the request up by emptying it, and shuts down for that reason.
 * Source: docs/misc/xenstore-paths.pandoc, ~/control/shutdown; shutdown_handler() of Linux
 * Expect: the watch fires when it is set and for each write; the node may be written by the guest;
 *   "poweroff" ends it with status 0, "reboot" with 65. With the word "self" the guest writes the
 *   request itself; without it somebody else must, and it waits without using the processor: the
 *   guest that tests of xl run by the hundred.
 * run: cmdline=self,poweroff xenstore=auto
 * run: cmdline=self,reboot xenstore=auto exit=65 as=control_shutdown_reboot
 */
#include "kern/xenstore.h"

#define NODE "control/shutdown"

static const struct {
	const char *request;
	unsigned reason;
} requests[] = {
	{ "poweroff", SHUTDOWN_poweroff },
	{ "reboot",   SHUTDOWN_reboot },
	{ "crash",    SHUTDOWN_crash },		/* not of the protocol: for tests of on_crash */
};

static void take_up(void)
{
	CHECK_EQ(xs_read(NODE), XS_READ);
	for (unsigned i = 0; i < ARRAY_LEN(requests); i++) {
		if (strcmp(xs_payload, requests[i].request))
			continue;
		xs_write(NODE, "");
		pass_unless_alive();
		sched_shutdown(requests[i].reason);
		fail("still alive");
	}
}

void test_main(void)
{
	xs_init();
	xs_sleep();
	xs_watch(NODE, "shutdown");
	xs_wait_event();
	kprintf("%s: waiting\n", test_name);
	if (arg_has("self"))
		xs_write(NODE, arg_has("reboot") ? "reboot" : "poweroff");
	for (;;) {
		take_up();
		xs_wait_event();
	}
}
