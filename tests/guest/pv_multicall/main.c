// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel makes many hypercalls at once, those that the shim answers and those of the VMM.
 * Source: xen/include/public/xen.h (struct multicall_entry), xen/common/multicall.c
 * Expect: they are made in order, each with its result in its entry, also behind one that failed; a
 *   list in a list and iret are refused in their entries; a list of no entries is well; a list that
 *   cannot be read or written is -EFAULT, after what was before it.
 * run:
 */
#include "kernpv/pv.h"

#define CALLS 21u

static volatile uint64_t one[512] PAGE_ALIGNED, two[512] PAGE_ALIGNED, window[512] PAGE_ALIGNED;
static uint8_t edge[2 * PAGE_SIZE] PAGE_ALIGNED;
static struct multicall_entry_64 list[CALLS];

static struct multicall_entry_64 entry(uint64_t op, uint64_t a, uint64_t b, uint64_t c)
{
	return (struct multicall_entry_64){ .op = op, .result = 0x5a5a, .args = { a, b, c } };
}

static struct multicall_entry_64 show(const volatile void *page)
{
	return entry(__HYPERVISOR_update_va_mapping, (uint64_t)window, (uint64_t)page | PTE_KERNEL,
		     UVMF_INVLPG);
}

static long run(const void *at, unsigned n)
{
	return hypercall(__HYPERVISOR_multicall, (uint64_t)at, n, 0, 0);
}

static void check_order(void)
{
	one[0] = 1;
	two[0] = 2;
	for (unsigned i = 0; i < CALLS; i++)
		list[i] = show(i % 2 ? two : one);
	list[3] = entry(__HYPERVISOR_update_va_mapping, 0x600000000000, 0, 0);
	list[4] = entry(63, 0, 0, 0);
	list[5] = entry(__HYPERVISOR_multicall, (uint64_t)list, 1, 0);
	list[6] = entry(__HYPERVISOR_iret, 0, 0, 0);
	list[7] = entry(__HYPERVISOR_xen_version, XENVER_version, 0, 0);
	list[8] = entry(__HYPERVISOR_event_channel_op, 99, 0, 0);
	list[9] = entry(__HYPERVISOR_xen_version, XENVER_extraversion, 0x600000000000, 0);
	CHECK_EQ(run(list, CALLS), 0);
	CHECK_EQ(list[0].result, 0);
	CHECK_EQ(list[3].result, -EINVAL);
	CHECK_EQ(list[4].result, -ENOSYS);
	CHECK_EQ(list[5].result, -EINVAL);
	CHECK((int64_t)list[6].result < 0 && (int64_t)list[6].result > -4096);
	CHECK_EQ(list[7].result >> 16, 4);
	CHECK_EQ(list[8].result, -ENOSYS);
	CHECK_EQ(list[9].result, -EFAULT);
	for (unsigned i = 10; i < CALLS; i++)
		CHECK_EQ(list[i].result, 0);
	/* The last one holds. */
	CHECK_EQ(window[0], (CALLS - 1) % 2 ? 2 : 1);
}

static void check_ends(void)
{
	const unsigned size = sizeof(list[0]);
	struct multicall_entry_64 *last = (void *)(edge + PAGE_SIZE - size);

	CHECK_EQ(run(list, 0), 0);
	CHECK_EQ(run((void *)0x600000000000, 1), -EFAULT);
	CHECK_EQ(run((void *)PV_HYPERVISOR_START, 1), -EFAULT);
	CHECK_EQ(run((void *)(1ull << 63), 1), -EFAULT);
	/* Its second entry is not there. */
	*last = show(two);
	CHECK_EQ(pv_map((uint64_t)edge + PAGE_SIZE, 0, UVMF_INVLPG), 0);
	CHECK_EQ(run(last, 1), 0);
	CHECK_EQ(last->result, 0);
	CHECK_EQ(window[0], 2);
	CHECK_EQ(run(last, 2), -EFAULT);
	/* One that can be read, but not written. */
	CHECK_EQ(pv_map((uint64_t)edge, (uint64_t)edge | PTE_P | PTE_ACCESSED, UVMF_INVLPG), 0);
	CHECK_EQ(run(last, 1), -EFAULT);
}

void test_main(void)
{
	check_order();
	check_ends();
}
