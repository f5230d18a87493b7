// SPDX-License-Identifier: MIT
/*
 * Fact: privileged instructions of a PV kernel are executed on its behalf, as far as they concern what
 *   is its own.
 * Source: xen/arch/x86/pv/emul-priv-op.c (observable behaviour)
 * Expect: FS and GS bases by WRMSR and by set_segment_base are the same, also the user's; addresses that
 *   are not canonical and unknown registers fault; CR3 reads as the page table's address, CR2 is the
 *   vcpu_info's; TS is set and cleared; CLI and STI do nothing; ports read as ones; debug registers take
 *   addresses outside of the hypervisor's hole.
 * run:
 */
#include "kernpv/pv.h"

#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

static uint64_t here = 0x1234, there = 0x5678;

static uint64_t read_fs(void)
{
	uint64_t v;

	__asm__ volatile("mov %%fs:0, %0" : "=r"(v));
	return v;
}

static uint64_t read_gs(void)
{
	uint64_t v;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(v));
	return v;
}

static void check_bases(void)
{
	wrmsr(MSR_FS_BASE, (uint64_t)&here);
	CHECK_EQ(read_fs(), 0x1234);
	CHECK_EQ(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_FS, (uint64_t)&there, 0, 0), 0);
	CHECK_EQ(read_fs(), 0x5678);
	CHECK_EQ(rdmsr(MSR_FS_BASE), &there);
	CHECK_EQ(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, (uint64_t)&there, 0, 0), 0);
	CHECK_EQ(read_gs(), 0x5678);
	wrmsr(MSR_GS_BASE, (uint64_t)&here);
	CHECK_EQ(read_gs(), 0x1234);
	CHECK_EQ(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0x4000, 0, 0), 0);
	CHECK_EQ(rdmsr(MSR_KERNEL_GS_BASE), 0x4000);
	CHECK_EQ(read_gs(), 0x1234);
	CHECK_EQ(hypercall(__HYPERVISOR_set_segment_base, SEGBASE_FS, 1ull << 63, 0, 0), -EINVAL);
	CHECK_EQ(hypercall(__HYPERVISOR_set_segment_base, 9, 0, 0, 0), -EINVAL);
}

static void check_faults(void)
{
	unsigned count = pv_count;

	pv_handle(VECTOR_GP, pv_step_over);
	pv_skip = 2;
	wrmsr(MSR_FS_BASE, 1ull << 63);
	CHECK_EQ(pv_count, count + 1);
	rdmsr(0x12345);
	CHECK_EQ(pv_count, count + 2);
	pv_skip = 1;
	__asm__ volatile("hlt");
	CHECK_EQ(pv_count, count + 3);
}

static void check_control(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	CHECK_EQ(v, pv_info->pt_base);
	__asm__ volatile("mov %0, %%cr2" : : "r"(0x77ul));
	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	CHECK_EQ(v, 0x77);
	CHECK_EQ(*(volatile uint64_t *)vcpu_info(XA_VCPU_INFO_CR2_64), 0x77);
	CHECK_EQ(hypercall(__HYPERVISOR_fpu_taskswitch, 1, 0, 0, 0), 0);
	__asm__ volatile("mov %%cr0, %0" : "=r"(v));
	CHECK(v & 8);
	__asm__ volatile("clts; mov %%cr0, %0" : "=r"(v));
	CHECK(!(v & 8));
	irq_off();
	irq_on();
	CHECK_EQ(inb(0x3f8), 0xff);
	CHECK_EQ(inl(0xcfc), 0xffffffff);
	outb(0x3f8, 1);
}

static void check_debug(void)
{
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 1, 0x1000, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_get_debugreg, 1, 0, 0, 0), 0x1000);
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 1, PV_HYPERVISOR_START, 0, 0), -EPERM);
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 7, 0x2000, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_get_debugreg, 7, 0, 0, 0), 0x400);
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 8, 0, 0, 0), -EINVAL);
}

void test_main(void)
{
	check_bases();
	check_control();
	check_debug();
	check_faults();
}
