// SPDX-License-Identifier: MIT
/*
 * Fact: vCPUs may also be started by hypercall: VCPUOP_initialise gives registers, VCPUOP_up runs.
 * Source: xen/include/public/hvm/hvm_vcpu.h; arch_set_info_hvm_guest() in xen/arch/x86/hvm/domain.c
 * Expect: up before initialise is -EINVAL, a second initialise -EEXIST; vCPU 1 starts in 32-bit
 *   mode with segments of its own, vCPU 2 in 64-bit mode (64-bit kernel only); is_up follows up and
 *   down; a vCPU that is down does not run, and goes on where it was after up.
 * run: vcpus=3
 */
#include "kern/event.h"

static volatile unsigned alive[3], entered[3];
static unsigned starting;

static void ap(void)
{
	volatile unsigned *count = &alive[starting];

	entered[starting]++;
	for (;;)
		++*count;
}

static struct vcpu_hvm_context context;

static void initialise(unsigned id)
{
	CHECK_EQ(vcpu_op(VCPUOP_is_up, id, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_up, id, NULL), -EINVAL);
	CHECK_EQ(vcpu_op(VCPUOP_initialise, id, &context), 0);
	CHECK_EQ(vcpu_op(VCPUOP_initialise, id, &context), -EEXIST);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, id, NULL), 0);
}

static void start(unsigned id)
{
	initialise(id);
	starting = id;
	smp_prepare(id, ap);
	CHECK_EQ(vcpu_op(VCPUOP_up, id, NULL), 0);
	WAIT_FOR(alive[id], 10000);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, id, NULL), 1);
}

static void down_and_up(unsigned id)
{
	unsigned seen;

	CHECK_EQ(vcpu_op(VCPUOP_down, id, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, id, NULL), 0);
	spin_ms(50);
	seen = alive[id];
	spin_ms(50);
	CHECK_EQ(alive[id], seen);
	CHECK_EQ(vcpu_op(VCPUOP_up, id, NULL), 0);
	WAIT_FOR(alive[id] != seen, 10000);
	CHECK_EQ(entered[id], 1);
}

void test_main(void)
{
	/* Flat 32-bit segments: type and presence in bits 0-7, AVL L D G in 8-11. */
	context.mode = VCPU_HVM_MODE_32B;
	context.cpu_regs.x86_32 = (struct vcpu_hvm_x86_32){
		.eip = (uint32_t)(unsigned long)enter_flat, .eflags = 2, .cr0 = CR0_PE,
		.cs_limit = 0xffffffff, .ds_limit = 0xffffffff, .ss_limit = 0xffffffff,
		.es_limit = 0xffffffff, .tr_limit = 0x67,
		.cs_ar = 0xc9b, .ds_ar = 0xc93, .ss_ar = 0xc93, .es_ar = 0xc93, .tr_ar = 0x8b,
	};
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 0, &context), -EEXIST);
	start(1);
	down_and_up(1);
#ifdef __x86_64__
	context.mode = VCPU_HVM_MODE_64B;
	context.cpu_regs.x86_64 = (struct vcpu_hvm_x86_64){
		.rip = (unsigned long)enter_long, .rflags = 2,
		.cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = (unsigned long)pml4, .cr4 = CR4_PAE,
		.efer = EFER_LME | EFER_LMA,
	};
	start(2);
	down_and_up(2);
#endif
}
