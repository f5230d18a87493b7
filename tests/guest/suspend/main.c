// SPDX-License-Identifier: MIT
/*
 * Fact: SHUTDOWN_suspend ends the domain with a status of its own: nobody saves it yet.
 * Source: xen/include/public/sched.h
 * Expect: the VMM's exit status for a suspend (domcfg.h: 66).
 * run: exit=66
 */
#include "kern/hypercall.h"

void test_main(void)
{
	pass_unless_alive();
	sched_shutdown(SHUTDOWN_suspend);
	fail("still alive");
}
