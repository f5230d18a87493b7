// SPDX-License-Identifier: MIT
/*
 * Fact: VCPUOP_set_singleshot_timer raises VIRQ_TIMER once, at a guest system time.
 * Source: xen/include/public/vcpu.h; do_vcpu_op() in xen/common/domain.c
 * Expect: not before its time, and once; at once when the time has passed, or -ETIME if that is
 *   asked for (KVM answers 0 and raises the event since Linux 6.8); not after a stop; a new setting
 *   replaces the old one.
 * run:
 */
#include "kern/event.h"

static evtchn_port_t port;

static long set(uint64_t deadline, unsigned flags)
{
	struct ABI(vcpu_set_singleshot_timer) t = { .timeout_abs_ns = deadline, .flags = flags };

	return vcpu_op(VCPUOP_set_singleshot_timer, 0, &t);
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
	uint64_t deadline;
	long r;

	shared_info_map();
	port = bind_virq(VIRQ_TIMER, 0);
	event_mask(port);

	for (unsigned i = 0; i < 3; i++) {
		deadline = now() + 50000000;
		CHECK_EQ(set(deadline, 0), 0);
		CHECK(now() >= deadline || !event_pending(port) || now() >= deadline);
		WAIT_FOR(event_pending(port), 5000);
		CHECK(now() >= deadline);
		CHECK(take());
	}
	spin_ms(100);
	CHECK(!take());

	CHECK_EQ(set(1, 0), 0);
	WAIT_FOR(take(), 5000);
	r = set(1, VCPU_SSHOTTMR_future);
	if (r) {
		CHECK_EQ(r, -ETIME);
		spin_ms(20);
		CHECK(!take());
	} else {
		WAIT_FOR(take(), 5000);
	}

	CHECK_EQ(set(now() + 100000000, VCPU_SSHOTTMR_future), 0);
	CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	spin_ms(200);
	CHECK(!take());

	CHECK_EQ(set(now() + 3600000000000ull, 0), 0);
	CHECK_EQ(set(now() + 20000000, 0), 0);
	WAIT_FOR(take(), 5000);
}
