// SPDX-License-Identifier: MIT
/*
 * Fact: HVMOP_set_evtchn_upcall_vector makes a vCPU's upcall a LAPIC interrupt of that vector, which
 *   the guest must acknowledge.
 * Source: xen/include/public/hvm/hvm_op.h
 * Expect: each of several events gives one upcall, in service at the LAPIC until its EOI; an event
 *   sent with interrupts off is taken when they come on. By x2APIC and by the LAPIC's page.
 * run: cmdline=x2apic
 * run: cmdline=xapic as=event_vcpu_vector_xapic
 */
#include "kern/event.h"

#define ROUNDS 5u

static volatile bool was_in_service;

static void take(struct frame *f)
{
	(void)f;
	was_in_service = lapic_in_service(UPCALL_VECTOR);
	upcall_count[0]++;
	event_scan(0);
	lapic_eoi();
}

void test_main(void)
{
	evtchn_port_t port;

	shared_info_map();
	lapic_init(arg_has("x2apic"));
	upcall_by_vcpu_vector(0);
	set_handler(UPCALL_VECTOR, take);
	port = bind_ipi(0);

	irq_on();
	for (unsigned i = 1; i <= ROUNDS; i++) {
		CHECK_EQ(send(port), 0);
		WAIT_FOR(event_count[port] == i, 5000);
		CHECK(was_in_service || arg_has("kvm_pvm"));
		CHECK(!lapic_in_service(UPCALL_VECTOR));
	}
	irq_off();
	CHECK_EQ(upcall_count[0], ROUNDS);

	CHECK_EQ(send(port), 0);
	CHECK_EQ(send(port), 0);
	spin_ms(20);
	CHECK_EQ(upcall_count[0], ROUNDS);
	CHECK(event_pending(port) && vcpu_pending(0));
	irq_on();
	WAIT_FOR(upcall_count[0] == ROUNDS + 1, 5000);
	spin_ms(20);
	CHECK_EQ(upcall_count[0], ROUNDS + 1);
	CHECK_EQ(event_count[port], ROUNDS + 1);
}
