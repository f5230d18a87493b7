// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel has a descriptor table of its own frames and a local one, beside the hypervisor's
 *   descriptors, and changes them by hypercall.
 * Source: xen/include/public/xen.h (set_gdt, update_descriptor, MMUEXT_SET_LDT), arch-x86/xen.h
 * Expect: segments load with the limits that the tables say, also after update_descriptor; what is
 *   behind the tables is #GP with the selector; gates and task segments, frames that are no RAM, tables
 *   that are too long are refused; the reserved selectors stay; an LDT of no entries is none.
 * run:
 */
#include "kernpv/pv.h"

/* Data, present, for user mode, with a limit of @n bytes. */
#define DATA(n) (0x0040f30000000000ull | ((n) - 1))
#define CALL_GATE 0x0000ec0000e03000ull
#define TASK 0x0000890000000067ull
#define GDT(n) ((n) * 8u | 3)
#define LDT(n) ((n) * 8u | 7)

static volatile uint64_t gdt[512] PAGE_ALIGNED, ldt[512] PAGE_ALIGNED;

static long set_gdt(uint64_t frame, unsigned entries)
{
	uint64_t frames[16];

	for (unsigned i = 0; i < ARRAY_LEN(frames); i++)
		frames[i] = frame;
	return hypercall(__HYPERVISOR_set_gdt, (uint64_t)frames, entries, 0, 0);
}

static long set_ldt(uint64_t va, uint64_t entries)
{
	struct mmuext_op_64 op = { .cmd = MMUEXT_SET_LDT, .arg1 = va, .arg2 = entries };

	return hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF);
}

static long set_entry(const volatile uint64_t *at, uint64_t value)
{
	return hypercall(__HYPERVISOR_update_descriptor, (uint64_t)at, value, 0, 0);
}

/* Is @want the limit that LSL finds? */
static void check_limit(unsigned selector, unsigned want)
{
	uint32_t limit = 0;

	if (pv_on_kvm_pvm())
		return;
	__asm__ volatile("lsl %1, %0; jz 1f; xor %0, %0; 1:" : "=&r"(limit) : "r"(selector) : "cc");
	CHECK_EQ(limit, want);
}

/* Load ES; the error code of the exception, or 0xffff: none. */
static unsigned load(unsigned selector)
{
	unsigned count = pv_count;

	pv_skip = 2;
	__asm__ volatile("mov %0, %%es" : : "a"(selector) : "memory");
	if (pv_count == count)
		return 0xffff;
	CHECK_EQ(pv_frame.vector, VECTOR_GP);
	return (unsigned)pv_frame.error;
}

static void check_gdt(void)
{
	gdt[1] = DATA(0x100);
	CHECK_EQ(set_gdt((uint64_t)gdt / PAGE_SIZE, 512), 0);
	CHECK_EQ(load(GDT(1)), 0xffff);
	check_limit(GDT(1), 0xff);
	CHECK_EQ(set_entry(&gdt[1], DATA(0x1000)), 0);
	CHECK_EQ(gdt[1], DATA(0x1000));
	CHECK_EQ(load(GDT(1)), 0xffff);
	check_limit(GDT(1), 0xfff);
	/* One that is empty, and one behind the table's frame. */
	CHECK_EQ(load(GDT(2)), GDT(2) & ~3u);
	CHECK_EQ(load(GDT(600)), GDT(600) & ~3u);
	CHECK_EQ(load(FLAT_RING3_DS64), 0xffff);
	check_limit(FLAT_RING3_DS64, 0xffffffff);
}

static void check_refused(void)
{
	CHECK_EQ(set_entry(&gdt[3], CALL_GATE), -EINVAL);
	CHECK_EQ(set_entry(&gdt[3], TASK), -EINVAL);
	CHECK_EQ(gdt[3], 0);
	CHECK_EQ(set_entry((const uint64_t *)((uint64_t)&gdt[3] + 4), DATA(1)), -EINVAL);
	CHECK_EQ(set_entry((const uint64_t *)(1ull << 50), DATA(1)), -EINVAL);
	CHECK_EQ(set_gdt(pv_info->nr_pages, 1), -EINVAL);
	CHECK_EQ(set_gdt((uint64_t)gdt / PAGE_SIZE, 14 * 512 + 1), -EINVAL);
	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, 0x600000000000, 512, 0, 0), -EFAULT);
	CHECK_EQ(set_ldt((uint64_t)ldt + 8, 1), -EINVAL);
	CHECK_EQ(set_ldt((uint64_t)ldt, 8193), -EINVAL);
	CHECK_EQ(set_ldt(0x600000000000, 1), -EINVAL);
	CHECK_EQ(set_ldt(PV_HYPERVISOR_START, 1), -EINVAL);
	/* What was refused changed nothing. */
	check_limit(GDT(1), 0xfff);
}

static void check_ldt(void)
{
	ldt[1] = DATA(0x200);
	ldt[511] = DATA(0x300);
	CHECK_EQ(load(LDT(1)), LDT(1) & ~3u);
	CHECK_EQ(set_ldt((uint64_t)ldt, 512), 0);
	CHECK_EQ(load(LDT(1)), 0xffff);
	check_limit(LDT(1), 0x1ff);
	check_limit(LDT(511), 0x2ff);
	CHECK_EQ(load(LDT(512)), LDT(512) & ~3u);
	CHECK_EQ(set_ldt((uint64_t)ldt, 2), 0);
	CHECK_EQ(load(LDT(511)), LDT(511) & ~3u);
	CHECK_EQ(load(0), 0xffff);
	CHECK_EQ(set_ldt(0, 0), 0);
	CHECK_EQ(load(LDT(1)), LDT(1) & ~3u);
}

void test_main(void)
{
	pv_handle(VECTOR_GP, pv_step_over);
	check_gdt();
	check_refused();
	check_ldt();
	CHECK_EQ(load(0), 0xffff);
}
