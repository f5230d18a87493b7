// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel changes its page tables by hypercall, and may write to those that it uses, though
 *   they are mapped read-only.
 * Source: xen/include/public/xen.h (mmu_update, mmuext_op, update_va_mapping)
 * Expect: mmu_update and update_va_mapping set an entry, the latter flushes as told, PRESERVE_AD keeps
 *   the two bits; entries in the hypervisor's hole are -EPERM; what is no RAM is -EINVAL; a write to a
 *   pinned table succeeds; one to a page that is read-only for another reason faults; CLEAR_PAGE and
 *   COPY_PAGE work; a bad sub-operation ends the list, and the count says where; the table of pages by
 *   frame says what it was told.
 * run:
 */
#include "kernpv/pv.h"

static volatile uint64_t one[512] PAGE_ALIGNED, two[512] PAGE_ALIGNED, plain[512] PAGE_ALIGNED;
static uint64_t table[512] PAGE_ALIGNED;

static long update(uint64_t ptr, uint64_t val)
{
	struct mmu_update_64 u = { ptr, val };

	return hypercall(__HYPERVISOR_mmu_update, (uint64_t)&u, 1, 0, DOMID_SELF);
}

static long ext(unsigned cmd, uint64_t arg1, uint64_t arg2)
{
	struct mmuext_op_64 op = { .cmd = cmd, .arg1 = arg1, .arg2 = arg2 };

	return hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&op, 1, 0, DOMID_SELF);
}

static uint64_t frame(const volatile void *p)
{
	return (uint64_t)p / PAGE_SIZE;
}

static void check_updates(void)
{
	uint64_t at = pv_pte_at((uint64_t)one);

	one[0] = 1;
	two[0] = 2;
	CHECK_EQ(pv_map((uint64_t)one, (uint64_t)two | PTE_KERNEL, UVMF_INVLPG), 0);
	CHECK_EQ(one[0], 2);
	CHECK_EQ(update(at, (uint64_t)one | PTE_KERNEL), 0);
	CHECK_EQ(ext(MMUEXT_INVLPG_LOCAL, (uint64_t)one, 0), 0);
	CHECK_EQ(one[0], 1);
	CHECK_EQ(update(at | MMU_PT_UPDATE_PRESERVE_AD, (uint64_t)one | PTE_P | PTE_W), 0);
	CHECK_EQ(pv_pte((uint64_t)one), (uint64_t)one | PTE_KERNEL);
	CHECK_EQ(update(at + 4, 0), -EINVAL);
	CHECK_EQ(update(pv_info->nr_pages * PAGE_SIZE, 0), -EINVAL);
	CHECK_EQ(update(pv_info->pt_base + 256 * 8, 0), -EPERM);
	CHECK_EQ(update(pv_info->pt_base + 271 * 8, 0), -EPERM);
	CHECK_EQ(pv_map(0x600000000000, 0, 0), -EINVAL);
	CHECK_EQ(pv_map(PV_HYPERVISOR_START, 0, 0), -EINVAL);
}

static void check_pages_by_frame(void)
{
	const volatile uint64_t *m2p = (const volatile uint64_t *)PV_MACH2PHYS_START;

	CHECK_EQ(update((uint64_t)one | MMU_MACHPHYS_UPDATE, frame(two)), 0);
	CHECK_EQ(m2p[frame(one)], frame(two));
	CHECK_EQ(m2p[frame(two)], frame(two));
	CHECK_EQ(update((uint64_t)one | MMU_MACHPHYS_UPDATE, frame(one)), 0);
	CHECK_EQ(update(pv_info->nr_pages * PAGE_SIZE | MMU_MACHPHYS_UPDATE, 0), -EINVAL);
}

static void read_only(volatile void *p)
{
	CHECK_EQ(pv_map((uint64_t)p, (uint64_t)p | PTE_P | PTE_ACCESSED, UVMF_INVLPG), 0);
}

static void check_writes(void)
{
	unsigned count = pv_count;

	/* A table in use: the boot tables are. Its spare entry of one gets a value, then nothing. */
	read_only(table);
	CHECK_EQ(ext(MMUEXT_PIN_L1_TABLE, frame(table), 0), 0);
	((volatile uint64_t *)table)[5] = 0x1230;
	CHECK_EQ(table[5], 0x1230);
	CHECK_EQ(pv_count, count);
	CHECK_EQ(ext(MMUEXT_UNPIN_TABLE, frame(table), 0), 0);
	CHECK_EQ(ext(MMUEXT_UNPIN_TABLE, frame(table), 0), -EINVAL);

	read_only(plain);
	pv_handle(VECTOR_PF, pv_step_over);
	pv_skip = 3;
	__asm__ volatile("mov %0, (%1)" : : "a"(1ul), "b"(plain) : "memory");
	CHECK_EQ(pv_count, count + 1);
	CHECK_EQ(pv_frame.error, PTE_P | PTE_W);
	CHECK_EQ(plain[0], 0);
	/* Made writable without a flush: at most a fault without ground, which the kernel never sees. */
	CHECK_EQ(pv_map((uint64_t)plain, (uint64_t)plain | PTE_KERNEL, 0), 0);
	plain[0] = 7;
	CHECK_EQ(plain[0], 7);
	CHECK_EQ(pv_count, count + 1);
}

static void check_lists(void)
{
	struct mmuext_op_64 list[3] = {
		{ .cmd = MMUEXT_TLB_FLUSH_LOCAL }, { .cmd = 77 }, { .cmd = MMUEXT_TLB_FLUSH_LOCAL },
	};
	uint32_t done = 99;

	CHECK_EQ(hypercall(__HYPERVISOR_mmuext_op, (uint64_t)list, 3, (uint64_t)&done, DOMID_SELF),
		 -ENOSYS);
	CHECK_EQ(done, 1);
	CHECK_EQ(hypercall(__HYPERVISOR_mmuext_op, (uint64_t)list, 1, 0, 3), -ESRCH);
	CHECK_EQ(hypercall(__HYPERVISOR_mmu_update, PV_HYPERVISOR_START, 1, 0, DOMID_SELF), -EFAULT);
}

void test_main(void)
{
	check_updates();
	check_writes();
	check_lists();
	check_pages_by_frame();
	two[9] = 9;
	CHECK_EQ(ext(MMUEXT_COPY_PAGE, frame(one), frame(two)), 0);
	CHECK_EQ(one[9], 9);
	CHECK_EQ(ext(MMUEXT_CLEAR_PAGE, frame(one), 0), 0);
	CHECK_EQ(one[9], 0);
	CHECK_EQ(ext(MMUEXT_NEW_BASEPTR, pv_info->nr_pages, 0), -EINVAL);
	CHECK_EQ(ext(MMUEXT_NEW_BASEPTR, pv_info->pt_base / PAGE_SIZE, 0), 0);
}
