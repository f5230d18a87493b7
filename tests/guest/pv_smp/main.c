// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel starts further vCPUs by VCPUOP_initialise and VCPUOP_up, and makes them forget
 *   translations by hypercall.
 * Source: xen/include/public/vcpu.h, arch-x86/xen.h (struct vcpu_guest_context)
 * Expect: a vCPU that was not described cannot be started, one is described once, those beyond the last
 *   do not exist; the second vCPU runs with the registers and bases it was given; it sees another page
 *   behind an address when the first has changed and flushed it there.
 * run: vcpus=2
 */
#include "kernpv/pv.h"

#define CANARY 0x1234567

static struct vcpu_guest_context_64 context;
static uint8_t second_stack[8192] PAGE_ALIGNED;
static volatile uint64_t one[512] PAGE_ALIGNED, two[512] PAGE_ALIGNED, gdt[512] PAGE_ALIGNED;
static volatile uint64_t window[512] PAGE_ALIGNED;
static uint64_t gs_there = CANARY;
static volatile unsigned state;
static volatile uint64_t seen, seen_gs;

static void second(void)
{
	uint64_t gs;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(gs));
	seen_gs = gs;
	seen = window[0];	/* now in its TLB */
	state = 1;
	/* Look all the time, so that the translation stays in use. */
	while (window[0] == 1)
		cpu_relax();
	seen = window[0];
	state = 2;
	hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, 1, 0, 0);
	state = 3;
	for (;;)
		cpu_relax();
}

static void describe(void)
{
	pv_describe_vcpu(&context, second, second_stack + sizeof(second_stack), gdt);
	context.gs_base_kernel = (uint64_t)&gs_there;
}

/* Bounded, so that there is a verdict; the runner's time limit comes first on slow hosts. */
static void await(unsigned want)
{
	for (uint64_t i = 0; state != want; i++) {
		if (i == 4000000000ull)
			fail("the second vCPU is in state %u, not %u", state, want);
		cpu_relax();
	}
}

void test_main(void)
{
	one[0] = 1;
	two[0] = 2;
	CHECK_EQ(pv_map((uint64_t)window, (uint64_t)one | PTE_KERNEL, UVMF_INVLPG), 0);
	describe();
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 2, 0, 0), -ENOENT);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0, 0), -EINVAL);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, (uint64_t)&context, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, (uint64_t)&context, 0), -EEXIST);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0, 0), 0);
	await(1);
	CHECK_EQ(seen, 1);
	CHECK_EQ(seen_gs, CANARY);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0, 0), 1);
	CHECK_EQ(pv_map((uint64_t)window, (uint64_t)two | PTE_KERNEL, UVMF_INVLPG | UVMF_ALL), 0);
	await(2);
	CHECK_EQ(seen, 2);
	while (hypercall(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0, 0) == 1)
		cpu_relax();
	/* It goes on where it was. */
	CHECK_EQ(state, 2);
	CHECK_EQ(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0, 0), 0);
	await(3);
}
