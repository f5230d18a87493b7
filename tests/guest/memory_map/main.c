// SPDX-License-Identifier: MIT
/*
 * Fact: XENMEM_memory_map gives the memory map of start_info, and the reservation calls count pages.
 * Source: xen/include/public/memory.h; arch_memory_op() in xen/arch/x86/mm.c
 * Expect: the same entries in both places; not more than asked for; RAM of the configured size
 *   (the runner's number of MiB); current = maximum reservation = that many pages.
 * run: memory=64 cmdline=mib=64
 * run: memory=4000 cmdline=mib=4000 as=memory_map_4000
 */
#include "kern/hypercall.h"
#include "xenabi/pvh.h"

static struct xa_e820entry map[32];

static long get_map(uint32_t *nr)
{
	struct ABI(xen_memory_map) m = { .nr_entries = *nr, .buffer = (unsigned long)map };
	long r = memory_op(XENMEM_memory_map, &m);

	*nr = m.nr_entries;
	return r;
}

void test_main(void)
{
	const struct hvm_memmap_table_entry *want = (void *)(unsigned long)start_info()->memmap_paddr;
	uint64_t pages = arg_number("mib") << 8, ram = 0, end = 0;
	struct xen_memory_domain self = { DOMID_SELF };
	uint32_t nr = ARRAY_LEN(map);

	CHECK_EQ(get_map(&nr), 0);
	CHECK_EQ(nr, start_info()->memmap_entries);
	for (uint32_t i = 0; i < nr; i++) {
		CHECK(map[i].addr == want[i].addr && map[i].size == want[i].size &&
		      map[i].type == want[i].type);
		CHECK(map[i].addr >= end && map[i].size);
		end = map[i].addr + map[i].size;
		if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM)
			ram += map[i].size;
	}
	/* The first MiB has less RAM than that. */
	CHECK(ram <= pages << 12 && ram + 0x100000 >= pages << 12);

	map[1].type = 0x55;
	nr = 1;
	CHECK_EQ(get_map(&nr), 0);
	CHECK_EQ(nr, 1);
	CHECK_EQ(map[1].type, 0x55);

	CHECK_EQ(memory_op(XENMEM_current_reservation, &self), pages);
	CHECK_EQ(memory_op(XENMEM_maximum_reservation, &self), pages);
	self.domid = 0x1234;
	CHECK_EQ(memory_op(XENMEM_current_reservation, &self), -ESRCH);
}
