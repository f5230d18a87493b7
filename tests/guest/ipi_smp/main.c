// SPDX-License-Identifier: MIT
/*
 * Fact: further vCPUs start by INIT and a start-up IPI, and vCPUs send each other events.
 * Source: docs/misc/pvh.pandoc; Linux starts its processors this way
 * Expect: vCPU 1 runs the trampoline; an event to it is taken there and one back is taken on vCPU 0,
 *   several times; its LAPIC and CPUID name it 1; each vCPU's own time record advances.
 * run: vcpus=2
 */
#include "kern/event.h"
#include "xenabi/cpuid.h"

#define ROUNDS 5u

static evtchn_port_t to_0, to_1;
static volatile bool ap_ready;
static volatile unsigned long ap_lapic, ap_cpuid;
static volatile uint64_t ap_time;

static void ap(void)
{
	uint32_t r[4];

	lapic_init(true);
	upcall_by_vcpu_vector(1);
	ap_lapic = lapic_id();
	cpuid(xen_cpuid_base + 4, 0, r);
	ap_cpuid = r[1];
	irq_on();
	ap_ready = true;
	for (unsigned i = 1;; i++) {
		while (event_count[to_1] < i)
			cpu_relax();
		ap_time = vcpu_time(1);
		send(to_0);
	}
}

void test_main(void)
{
	uint64_t last = 0;

	shared_info_map();
	lapic_init(true);
	upcall_by_vcpu_vector(0);
	to_0 = bind_ipi(0);
	to_1 = bind_ipi(1);
	smp_start(1, ap);
	WAIT_FOR(ap_ready, 5000);
	CHECK_EQ(ap_lapic, 1);
	CHECK_EQ(ap_cpuid, 1);

	irq_on();
	for (unsigned i = 1; i <= ROUNDS; i++) {
		CHECK_EQ(send(to_1), 0);
		WAIT_FOR(event_count[to_0] == i, 5000);
		CHECK_EQ(event_count[to_1], i);
		if (ap_time <= last)
			fail("time of vCPU 1: %llu after %llu", (unsigned long long)ap_time,
			     (unsigned long long)last);
		last = ap_time;
	}
	CHECK_EQ(upcall_count[0], ROUNDS);
	CHECK_EQ(upcall_count[1], ROUNDS);
}
