// SPDX-License-Identifier: MIT
/*
 * Fact: SCHEDOP_poll sleeps until one of the ports is pending or a time has come; SCHEDOP_block
 *   until an event is pending.
 * Source: do_poll(), vcpu_block() in xen/common/sched/core.c
 * Expect: returns 0 for a pending port, after the timeout without one, and when a masked port's
 *   event comes, from whatever timer or vCPU and also inside a multicall, having slept meanwhile:
 *   spurious returns are allowed but must be few. An interrupt that is no event ends it, too. -EINVAL
 *   for too many ports and for no such port.
 * run: vcpus=2
 */
#include "kern/event.h"

#define VECTOR_IPI 0x55u
#define MS 1000000ull
#define VAIN_MAX 8	/* a clock that is read a little early makes for some */

static evtchn_port_t timer, ipi;
static volatile unsigned ipis;
static void (*volatile act)(void);	/* what vCPU 1 is to do, once */

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
	if (returns > VAIN_MAX)
		fail("poll returned %u times in vain", returns);
}

static void on_ipi(struct frame *f)
{
	(void)f;
	ipis++;
	lapic_eoi();
}

static void second(void)
{
	lapic_init(true);
	for (;;) {
		void (*fn)(void) = act;

		cpu_relax();
		if (!fn)
			continue;
		spin_ms(30);	/* vCPU 0 is asleep by now, or misses nothing */
		act = NULL;
		fn();
	}
}

static void send_event(void)
{
	CHECK_EQ(send(ipi), 0);
}

static void send_interrupt(void)
{
	lapic_ipi(0, VECTOR_IPI);
}

static void periodic_timer_ends_it(void)
{
	struct vcpu_set_periodic_timer t = { .period_ns = 30 * MS };
	unsigned returns = 0;

	CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &t), 0);
	for (unsigned i = 0; i < 3; i++) {
		while (!event_pending(timer) && returns++ < 100)
			CHECK_EQ(poll(&timer, 1, 0), 0);
		CHECK(event_pending(timer));
		event_clear_pending(timer);
	}
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	event_clear_pending(timer);
}

static void another_vcpu_ends_it(void)
{
	struct ABI(sched_poll) p = { .ports = (unsigned long)&ipi, .nr_ports = 1 };
	struct ABI(multicall_entry) call = {
		.op = __HYPERVISOR_sched_op, .args = { SCHEDOP_poll, (unsigned long)&p },
	};

	act = send_event;
	while (!event_pending(ipi))
		CHECK_EQ(poll(&ipi, 1, 0), 0);
	event_clear_pending(ipi);

	act = send_event;
	while (!event_pending(ipi))
		CHECK_EQ(hypercall4(__HYPERVISOR_multicall, (unsigned long)&call, 1, 0, 0), 0);
	CHECK_EQ((long)call.result, 0);
	event_clear_pending(ipi);
}

/* Whatever a later call of the list finds ends the wait of an earlier one, with no interrupt to help. */
static void a_later_call_ends_it(void)
{
	struct ABI(sched_poll) none = { .ports = (unsigned long)&ipi, .nr_ports = 1 };
	struct ABI(sched_poll) past = { .ports = (unsigned long)&ipi, .nr_ports = 1, .timeout = 1 };
	struct ABI(sched_poll) there = { .ports = (unsigned long)&timer, .nr_ports = 1 };
	struct ABI(multicall_entry) calls[] = {
		{ .op = __HYPERVISOR_sched_op, .args = { SCHEDOP_poll, (unsigned long)&none } },
		{ .op = __HYPERVISOR_sched_op, .args = { SCHEDOP_poll, (unsigned long)&past } },
	};

	CHECK_EQ(hypercall4(__HYPERVISOR_multicall, (unsigned long)calls, 2, 0, 0), 0);
	set_timer(now() + MS);
	while (!event_pending(timer))
		cpu_relax();
	calls[1].args[1] = (unsigned long)&there;
	CHECK_EQ(hypercall4(__HYPERVISOR_multicall, (unsigned long)calls, 2, 0, 0), 0);
	event_clear_pending(timer);
}

static void an_interrupt_ends_it(void)
{
	set_handler(VECTOR_IPI, on_ipi);
	irq_on();
	act = send_interrupt;
	while (!ipis)
		CHECK_EQ(poll(&ipi, 1, 0), 0);
	irq_off();
	CHECK(!event_pending(ipi));
}

void test_main(void)
{
	evtchn_port_t none = 0xfffffff0, both[2];
	uint64_t deadline;

	shared_info_map();
	timer = bind_virq(VIRQ_TIMER, 0);
	ipi = bind_ipi(0);
	event_mask(timer);
	event_mask(ipi);

	CHECK_EQ(send(ipi), 0);
	CHECK_EQ(poll(&ipi, 1, 0), 0);
	event_clear_pending(ipi);

	poll_until(&ipi, 1, now() + 300 * MS, ipi);
	CHECK(!event_pending(ipi));
	CHECK_EQ(poll(&ipi, 1, 1), 0);	/* in the past */

	deadline = now() + 50 * MS;
	set_timer(deadline);
	while (!event_pending(timer))
		CHECK_EQ(poll(&timer, 1, 0), 0);
	CHECK(now() >= deadline);
	event_clear_pending(timer);

	both[0] = ipi;
	both[1] = timer;
	set_timer(now() + 20 * MS);
	poll_until(both, 2, now() + 10000 * MS, timer);
	CHECK(event_pending(timer));
	event_clear_pending(timer);

	CHECK_EQ(poll(&none, 1, 0), -EINVAL);
	CHECK_EQ(poll(&ipi, 129, 0), -EINVAL);

	CHECK_EQ(sched_op(SCHEDOP_yield, NULL), 0);
	lapic_init(true);
	smp_start(1, second);
	periodic_timer_ends_it();
	another_vcpu_ends_it();
	a_later_call_ends_it();
	an_interrupt_ends_it();
	upcall_by_vcpu_vector(0);
	event_scan(0);
	event_clear_mask(timer);
	deadline = now() + 50 * MS;
	set_timer(deadline);
	irq_on();
	while (!event_count[timer])
		CHECK_EQ(sched_op(SCHEDOP_block, NULL), 0);
	CHECK(now() >= deadline);
}
