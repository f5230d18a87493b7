// SPDX-License-Identifier: MIT
/*
 * Fact: SCHEDOP_poll sleeps until one of the ports is pending or a time has come; SCHEDOP_block
 *   until an event is pending.
 * Source: do_poll(), vcpu_block() in xen/common/sched/core.c
 * Expect: returns 0 for a pending port, after the timeout without one, and when a masked port's
 *   event comes, having slept meanwhile: spurious returns are allowed but must be few. -EINVAL for
 *   too many ports and for no such port.
 * run:
 */
#include "kern/event.h"

static evtchn_port_t timer;

static long poll(evtchn_port_t *ports, unsigned nr, uint64_t timeout)
{
	struct ABI(sched_poll) p = {
		.ports = (unsigned long)ports, .nr_ports = nr, .timeout = timeout,
	};

	return sched_op(SCHEDOP_poll, &p);
}

static void set_timer(uint64_t deadline)
{
	struct ABI(vcpu_set_singleshot_timer) t = { .timeout_abs_ns = deadline };

	CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &t), 0);
}

/* Poll until @deadline has come or @port is pending. */
static void poll_until(evtchn_port_t *ports, unsigned nr, uint64_t deadline, evtchn_port_t port)
{
	unsigned returns = 0;

	while (now() < deadline && !event_pending(port)) {
		CHECK_EQ(poll(ports, nr, deadline), 0);
		returns++;
	}
	if (returns > 20)
		fail("poll returned %u times in vain", returns);
}

void test_main(void)
{
	evtchn_port_t ipi, none = 0xfffffff0, both[2];
	uint64_t deadline;

	shared_info_map();
	timer = bind_virq(VIRQ_TIMER, 0);
	ipi = bind_ipi(0);
	event_mask(timer);
	event_mask(ipi);

	CHECK_EQ(send(ipi), 0);
	CHECK_EQ(poll(&ipi, 1, 0), 0);
	event_clear_pending(ipi);

	poll_until(&ipi, 1, now() + 50000000, ipi);
	CHECK(!event_pending(ipi));
	CHECK_EQ(poll(&ipi, 1, 1), 0);	/* in the past */

	deadline = now() + 50000000;
	set_timer(deadline);
	while (!event_pending(timer))
		CHECK_EQ(poll(&timer, 1, 0), 0);
	CHECK(now() >= deadline);
	event_clear_pending(timer);

	both[0] = ipi;
	both[1] = timer;
	set_timer(now() + 20000000);
	poll_until(both, 2, now() + 10000000000, timer);
	CHECK(event_pending(timer));
	event_clear_pending(timer);

	CHECK_EQ(poll(&none, 1, 0), -EINVAL);
	CHECK_EQ(poll(&ipi, 129, 0), -EINVAL);

	CHECK_EQ(sched_op(SCHEDOP_yield, NULL), 0);
	lapic_init(true);
	upcall_by_vcpu_vector(0);
	event_scan(0);
	event_clear_mask(timer);
	deadline = now() + 50000000;
	set_timer(deadline);
	irq_on();
	while (!event_count[timer])
		CHECK_EQ(sched_op(SCHEDOP_block, NULL), 0);
	CHECK(now() >= deadline);
}
