// SPDX-License-Identifier: MIT
/*
 * Fact: SCHEDOP_watchdog ends a domain that does not poke in time.
 * Source: domain_watchdog() in xen/common/sched/core.c
 * Expect: two watchdogs, ids 1 and 2, a third is -ENOSPC; a stopped one and a poked one do not bite;
 *   a poke of one that is not running is -EINVAL; then exit status 68.
 * run: exit=68
 */
#include "kern/hypercall.h"

static long watchdog(unsigned id, unsigned seconds)
{
	struct sched_watchdog w = { id, seconds };

	return sched_op(SCHEDOP_watchdog, &w);
}

void test_main(void)
{
	CHECK_EQ(watchdog(1, 1), -EINVAL);
	CHECK_EQ(watchdog(0, 2), 1);
	CHECK_EQ(watchdog(0, 2), 2);
	CHECK_EQ(watchdog(0, 2), -ENOSPC);
	CHECK_EQ(watchdog(2, 0), 0);
	for (unsigned i = 0; i < 4; i++) {
		spin_ms(1000);
		CHECK_EQ(watchdog(1, 2), 0);
	}
	pass_unless_alive();
	spin_ms(20000);
	fail("still alive");
}
