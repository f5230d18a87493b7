// SPDX-License-Identifier: MIT
/*
 * Fact: SCHEDOP_shutdown with SHUTDOWN_crash ends the domain as crashed, as Linux does in a panic.
 * Source: xen/include/public/sched.h; do_sched_op() in xen/common/sched/core.c
 * Expect: the VMM's exit status for a crash (domcfg.h: 67); no vCPU runs on.
 * run: exit=67
 */
#include "kern/hypercall.h"

void test_main(void)
{
	pass_unless_alive();
	sched_shutdown(SHUTDOWN_crash);
	fail("still alive");
}
