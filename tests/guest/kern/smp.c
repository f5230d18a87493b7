// SPDX-License-Identifier: MIT
/*
 * Starting further vCPUs, one at a time.
 */
#include "kern/kern.h"

#define IPI_INIT 0x4500u
#define IPI_STARTUP 0x4600u
#define STACK_SIZE 8192u

static uint8_t stacks[MAX_APS][STACK_SIZE] __attribute__((aligned(16)));
static void (*ap_main)(void);
static volatile bool ap_runs;

unsigned this_vcpu(void)
{
	uint32_t r[4];

	cpuid(1, 0, r);
	return r[1] >> 24;
}

static void ap_start(void)
{
	void (*fn)(void) = ap_main;

	trap_init();
	paging_init();
	ap_runs = true;
	fn();
}

void smp_prepare(unsigned id, void (*fn)(void))
{
	ap_main = fn;
	ap_runs = false;
	boot_stack = (unsigned long)(stacks[id - 1] + STACK_SIZE);
	boot_entry = ap_start;
}

void smp_start(unsigned id, void (*fn)(void))
{
	smp_prepare(id, fn);
	memcpy((void *)(unsigned long)AP_TRAMPOLINE, ap_trampoline,
	       (size_t)(ap_trampoline_end - ap_trampoline));
	lapic_ipi(id, IPI_INIT);
	spin_ms(10);
	lapic_ipi(id, IPI_STARTUP | AP_TRAMPOLINE >> 12);
	WAIT_FOR(ap_runs, 10000);
}
