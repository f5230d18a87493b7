// SPDX-License-Identifier: MIT
/*
 * Fact: a PV kernel maps a granted page into its page tables, naming the entry by its machine address or
 *   by the address that it maps.
 * Source: xen/include/public/grant_table.h (GNTTABOP_map_grant_ref, GNTMAP_contains_pte)
 * Expect: the entry holds the granted frame with the rights asked for, the grant is in use until it is
 *   unmapped, and the address then faults; a read-only grant cannot be mapped writable; what is no page
 *   table entry, no grant or no mapping is refused in the status.
 * run:
 */
#include "kernpv/pv.h"

#define READERS (GTF_permit_access | GTF_reading)

static volatile struct grant_entry_v1 table[512] PAGE_ALIGNED;
static volatile uint64_t page[512] PAGE_ALIGNED, window[512] PAGE_ALIGNED;
static domid_t self;

/* A kernel that is told nothing else finds its number by asking for what only it may see. */
static domid_t find_self(void)
{
	for (domid_t id = 1; id < 1000; id++) {
		struct gnttab_query_size q = { .dom = id };

		CHECK_EQ(grant_table_op(GNTTABOP_query_size, &q, 1), 0);
		if (q.status == GNTST_okay)
			return id;
	}
	fail("no domain number");
}

static void setup(void)
{
	uint64_t frame;
	struct gnttab_setup_table_64 s = {
		.dom = DOMID_SELF, .nr_frames = 1, .frame_list = (uint64_t)&frame,
	};

	CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &s, 1), 0);
	CHECK_EQ(s.status, GNTST_okay);
	CHECK_EQ(pv_map((uint64_t)table, frame * PAGE_SIZE | PTE_KERNEL, UVMF_INVLPG), 0);
	self = find_self();
}

static void grant(unsigned ref, unsigned flags)
{
	table[ref].domid = self;
	table[ref].frame = (uint32_t)((uint64_t)page / PAGE_SIZE);
	table[ref].flags = (uint16_t)flags;
}

static struct gnttab_map_grant_ref map(unsigned ref, uint64_t at, unsigned flags)
{
	struct gnttab_map_grant_ref m = {
		.host_addr = at, .flags = GNTMAP_host_map | flags, .ref = ref, .dom = self,
		.status = 1,
	};

	CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &m, 1), 0);
	return m;
}

static int unmap(uint64_t at, uint32_t handle)
{
	struct gnttab_unmap_grant_ref u = { .host_addr = at, .handle = handle, .status = 1 };

	CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
	return u.status;
}

/* Map, use and unmap by @at, which names the entry of the window. */
static void check_window(uint64_t at, unsigned flags)
{
	struct gnttab_map_grant_ref m;
	unsigned count = pv_count;

	CHECK_EQ(pv_map((uint64_t)window, 0, UVMF_INVLPG), 0);
	m = map(8, at, flags | 5u << GNTMAP_guest_avail_shift);
	CHECK_EQ(m.status, GNTST_okay);
	CHECK_EQ(m.dev_bus_addr, (uint64_t)page);
	CHECK_EQ(pv_pte((uint64_t)window), (uint64_t)page | PTE_KERNEL | 5u << 9);
	CHECK_EQ(table[8].flags, READERS | GTF_writing);
	page[3] = 0x1234;
	CHECK_EQ(window[3], 0x1234);
	window[3] = 7;
	CHECK_EQ(page[3], 7);
	CHECK_EQ(unmap(at, m.handle), GNTST_okay);
	CHECK_EQ(table[8].flags, GTF_permit_access);
	CHECK_EQ(pv_pte((uint64_t)window), 0);
	/* No translation has been kept. */
	pv_handle(VECTOR_PF, pv_step_over);
	pv_skip = 3;
	__asm__ volatile("mov (%1), %0" : "=a"(m.host_addr) : "b"(window) : "memory");
	CHECK_EQ(pv_count, count + 1);
	CHECK_EQ(unmap(at, m.handle), GNTST_bad_handle);
}

static void check_read_only(uint64_t at)
{
	struct gnttab_map_grant_ref m;

	grant(9, GTF_permit_access | GTF_readonly);
	CHECK_EQ(map(9, at, GNTMAP_contains_pte).status, GNTST_general_error);
	m = map(9, at, GNTMAP_contains_pte | GNTMAP_readonly);
	CHECK_EQ(m.status, GNTST_okay);
	CHECK(!(pv_pte((uint64_t)window) & PTE_W));
	CHECK_EQ(window[3], 7);
	CHECK_EQ(table[9].flags, READERS | GTF_readonly);
	/* The entry is the kernel's to change, but then this is not its mapping any more. */
	CHECK_EQ(pv_map((uint64_t)window, (uint64_t)table | PTE_KERNEL, UVMF_INVLPG), 0);
	CHECK_EQ(unmap(at, m.handle), GNTST_general_error);
	CHECK_EQ(pv_map((uint64_t)window, (uint64_t)page | PTE_P, UVMF_INVLPG), 0);
	CHECK_EQ(unmap(at, m.handle), GNTST_okay);
	CHECK_EQ(table[9].flags, GTF_permit_access | GTF_readonly);
}

static void check_refused(uint64_t at)
{
	CHECK_EQ(map(8, at + 4, GNTMAP_contains_pte).status, GNTST_general_error);
	CHECK_EQ(map(8, 1ull << 50, GNTMAP_contains_pte).status, GNTST_general_error);
	CHECK_EQ(map(8, 0x600000000000, 0).status, GNTST_general_error);
	CHECK_EQ(map(10, at, GNTMAP_contains_pte).status, GNTST_bad_gntref);
	CHECK_EQ(map(1u << 30, at, GNTMAP_contains_pte).status, GNTST_bad_gntref);
	CHECK_EQ(unmap(at, 0), GNTST_bad_handle);
	CHECK_EQ(unmap(at, ~0u), GNTST_bad_handle);
	self++;
	CHECK_EQ(map(8, at, GNTMAP_contains_pte).status, GNTST_bad_domain);
	self--;
	CHECK_EQ(table[8].flags, GTF_permit_access);
}

void test_main(void)
{
	uint64_t at = pv_pte_at((uint64_t)window);

	setup();
	grant(8, GTF_permit_access);
	check_window(at, GNTMAP_contains_pte);
	check_window((uint64_t)window, 0);
	check_read_only(at);
	check_refused(at);
}
