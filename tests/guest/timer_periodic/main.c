// SPDX-License-Identifier: MIT
/*
 * Fact: VCPUOP_set_periodic_timer raises VIRQ_TIMER again and again.
 * Source: xen/include/public/vcpu.h; do_vcpu_op() in xen/common/domain.c
 * Expect: five events of a 20 ms timer take at least 80 ms; none after a stop; less than 1 ms is
 *   -EINVAL; a single-shot timer works beside it.
 * run:
 */
#include "kern/event.h"

static evtchn_port_t port;

static long set(uint64_t period)
{
	struct vcpu_set_periodic_timer t = { period };

	return vcpu_op(VCPUOP_set_periodic_timer, 0, &t);
}

static bool take(void)
{
	if (!event_pending(port))
		return false;
	event_clear_pending(port);
	return true;
}

void test_main(void)
{
	struct ABI(vcpu_set_singleshot_timer) shot = { 0 };
	uint64_t start;

	shared_info_map();
	port = bind_virq(VIRQ_TIMER, 0);
	event_mask(port);

	CHECK_EQ(set(999999), -EINVAL);
	start = now();
	CHECK_EQ(set(20000000), 0);
	for (unsigned i = 0; i < 5; i++)
		WAIT_FOR(take(), 5000);
	CHECK(now() - start >= 80000000);

	CHECK_EQ(set(3600000000000ull), 0);
	shot.timeout_abs_ns = now() + 20000000;
	spin_ms(50);
	take();
	CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &shot), 0);
	WAIT_FOR(take(), 5000);

	CHECK_EQ(set(20000000), 0);
	WAIT_FOR(take(), 5000);
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	take();
	spin_ms(100);
	CHECK(!take());
}
