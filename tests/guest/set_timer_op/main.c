// SPDX-License-Identifier: MIT
/*
 * Fact: the hypercall set_timer_op sets the single-shot timer by a time in registers; 0 stops it.
 * Source: do_set_timer_op() in xen/common/sched/core.c; mini-os and BSDs use it
 * Expect: an event not before its time; none after a stop. 32-bit kernels pass two halves.
 * run:
 */
#include "kern/event.h"

static evtchn_port_t port;

static long set(uint64_t deadline)
{
#ifdef __x86_64__
	return hypercall4(__HYPERVISOR_set_timer_op, deadline, 0, 0, 0);
#else
	return hypercall4(__HYPERVISOR_set_timer_op, (uint32_t)deadline, (uint32_t)(deadline >> 32),
			  0, 0);
#endif
}

void test_main(void)
{
	uint64_t deadline;

	shared_info_map();
	port = bind_virq(VIRQ_TIMER, 0);
	event_mask(port);

	deadline = now() + 50000000;
	CHECK_EQ(set(deadline), 0);
	WAIT_FOR(event_pending(port), 5000);
	CHECK(now() >= deadline);
	event_clear_pending(port);

	/* Far enough ahead that the upper half is not 0. */
	CHECK_EQ(set(now() + (1ull << 33)), 0);
	spin_ms(50);
	CHECK(!event_pending(port));

	CHECK_EQ(set(now() + 100000000), 0);
	CHECK_EQ(set(0), 0);
	spin_ms(200);
	CHECK(!event_pending(port));
}
