// SPDX-License-Identifier: MIT
/*
 * Fact: a vCPU that runs and gets INIT and SIPI starts again, as Linux does with processors that it
 *   takes offline and brings back, and by kexec; the places that were registered for it stay.
 * Source: vlapic_init_sipi_one() in xen/arch/x86/hvm/vlapic.c (observable behaviour)
 * Expect: its time record is filled again, whatever was there, and tells the time that the first
 *   vCPU's does. (A KVM with Xen support keeps the clock on, and need not write to a record that the
 *   guest has cleared.)
 * run: vcpus=2 only64 plain
 */
#include "kern/event.h"

#define IPI_INIT 0x4500u
#define IPI_STARTUP 0x4600u

static volatile uint64_t told[2];

static void first_life(void)
{
	told[0] = vcpu_time(1);
	for (;;)
		cpu_relax();
}

static void second_life(void)
{
	told[1] = vcpu_time(1);
	for (;;)
		cpu_relax();
}

void test_main(void)
{
	uint64_t before;

	shared_info_map();
	lapic_init(true);
	smp_start(1, first_life);
	WAIT_FOR(told[0], 10000);

	lapic_ipi(1, IPI_INIT);
	spin_ms(10);
	memset((uint8_t *)(unsigned long)vcpu_info(1) + XA_VCPU_INFO_TIME, 0,
	       sizeof(struct vcpu_time_info));
	before = now();
	smp_prepare(1, second_life);
	lapic_ipi(1, IPI_STARTUP | AP_TRAMPOLINE >> 12);
	WAIT_FOR(told[1], 10000);
	CHECK(told[1] >= before);
	CHECK(told[1] <= now() + 1000000);	/* records of vCPUs may differ by a little */
}
