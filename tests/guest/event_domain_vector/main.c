// SPDX-License-Identifier: MIT
/*
 * Fact: with HVM_PARAM_CALLBACK_IRQ of type vector Xen injects that vector itself: no interrupt
 *   controller is involved and the guest acknowledges nothing.
 * Source: xen/include/public/hvm/params.h; older Linux, mini-os and BSDs depend on it
 * Expect: several events in a row, each an upcall, without EOI and with the LAPIC never touched;
 *   one sent with interrupts off comes when they are on again; the parameter reads back.
 * run:
 */
#include "kern/event.h"

#define ROUNDS 5u

void test_main(void)
{
	evtchn_port_t port;
	uint64_t via;

	shared_info_map();
	upcall_by_domain_vector();
	CHECK_EQ(hvm_get_param(HVM_PARAM_CALLBACK_IRQ, &via), 0);
	CHECK_EQ(via, 2ull << 56 | UPCALL_VECTOR);
	port = bind_ipi(0);

	irq_on();
	for (unsigned i = 1; i <= ROUNDS; i++) {
		CHECK_EQ(send(port), 0);
		WAIT_FOR(event_count[port] == i, 5000);
	}
	irq_off();
	CHECK_EQ(send(port), 0);
	spin_ms(20);
	CHECK_EQ(event_count[port], ROUNDS);
	irq_on();
	WAIT_FOR(event_count[port] == ROUNDS + 1, 5000);
	/* A halted vCPU is woken too: the timer's event comes while it sleeps. */
	irq_off();
	port = bind_virq(VIRQ_TIMER, 0);
	for (unsigned i = 1; i <= 3; i++) {
		struct ABI(vcpu_set_singleshot_timer) t = { .timeout_abs_ns = now() + 20000000 };

		CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &t), 0);
		while (event_count[port] < i)
			irq_wait();
	}
}
