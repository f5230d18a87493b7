// SPDX-License-Identifier: MIT
/*
 * Fact: a balloon driver gives pages back by decrease_reservation and gets them by populate_physmap.
 * Source: decrease_reservation(), populate_physmap() in xen/common/memory.c
 * Expect: both count the pages they did; the reservation follows; contents are gone; a page given
 *   back twice counts once; populating again gives writable zeroes; more than the maximum is not
 *   given; an extent of 2^9 pages too.
 * run: memory=64
 */
#include "kern/hypercall.h"

#define PAGES 16u
#define BIG 0x2000000ul		/* 2 MiB at 32 MiB, nothing else is there */

static uint8_t pages[PAGES * PAGE_SIZE] PAGE_ALIGNED;
static unsigned long gfns[PAGES];

static long change(unsigned op, unsigned long *list, unsigned nr, unsigned order)
{
	struct ABI(xen_memory_reservation) r = {
		.extent_start = (unsigned long)list, .nr_extents = nr, .extent_order = order,
		.domid = DOMID_SELF,
	};

	return memory_op(op, &r);
}

static long reservation(void)
{
	struct xen_memory_domain self = { DOMID_SELF };

	return memory_op(XENMEM_current_reservation, &self);
}

void test_main(void)
{
	long start = reservation();
	unsigned long big = BIG >> 12, fresh = 0x30000000ul >> 12;

	memset(pages, 0x5a, sizeof(pages));
	for (unsigned i = 0; i < PAGES; i++)
		gfns[i] = (unsigned long)pages / PAGE_SIZE + i;

	CHECK_EQ(change(XENMEM_decrease_reservation, gfns, PAGES, 0), PAGES);
	CHECK_EQ(reservation(), start - (long)PAGES);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK(*(volatile uint8_t *)(pages + i * PAGE_SIZE) != 0x5a);
	CHECK_EQ(change(XENMEM_decrease_reservation, gfns, 1, 0), 0);
	CHECK_EQ(reservation(), start - (long)PAGES);

	CHECK_EQ(change(XENMEM_populate_physmap, gfns, PAGES, 0), PAGES);
	CHECK_EQ(reservation(), start);
	for (unsigned i = 0; i < sizeof(pages); i += 512)
		CHECK_EQ(*(volatile uint8_t *)(pages + i), 0);
	memset(pages, 0xa5, sizeof(pages));
	CHECK_EQ(pages[sizeof(pages) - 1], 0xa5);
	/* All that the domain may have, it has. */
	CHECK_EQ(change(XENMEM_populate_physmap, &fresh, 1, 0), 0);

	*(volatile uint32_t *)BIG = 0x12345678;
	CHECK_EQ(change(XENMEM_decrease_reservation, &big, 1, 9), 1);
	CHECK_EQ(reservation(), start - 512);
	CHECK_EQ(change(XENMEM_populate_physmap, &big, 1, 9), 1);
	CHECK_EQ(reservation(), start);
	CHECK_EQ(*(volatile uint32_t *)BIG, 0);
}
