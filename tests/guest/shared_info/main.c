// SPDX-License-Identifier: MIT
/*
 * Fact: shared_info appears at the page that the guest chooses, with a wall clock and, per vCPU, a
 *   time record that follows the TSC; it may be moved, and so may vcpu_info.
 * Source: xen/include/public/xen.h (shared_info, vcpu_time_info), vcpu.h (register_vcpu_info)
 * Expect: even versions; system time never goes back and agrees with the TSC; wall clock plus
 *   system time is the host's time (from the runner) within two minutes; all of it again after
 *   shared_info has moved and after vcpu_info has moved out of it. A registration that
 *   crosses its page is -ENXIO, a second one of the same vCPU -EINVAL.
 * run: cmdline=time=@now@
 */
#include "kern/event.h"

static uint8_t other[PAGE_SIZE] PAGE_ALIGNED;
static uint8_t *info_page = shared_info;

static void check_time(void)
{
	uint64_t start = now(), start_tsc = rdtsc(), last = start, ms;

	for (unsigned i = 0; i < 200; i++) {
		uint64_t t = now();

		if (t < last)
			fail("time went back from %llu to %llu", (unsigned long long)last,
			     (unsigned long long)t);
		last = t;
	}
	spin_ms(50);
	/* Since start: TSC ticks in ms, and the record's ns. 2^20 ns is near enough to 1 ms. */
	ms = rdtsc() - start_tsc;
	CHECK(now() - start >= 40000000ull);
	CHECK(now() - start < 60000000000ull);
	CHECK(ms >= (uint64_t)tsc_khz * 50);
}

static void check_wall_clock(void)
{
	volatile uint32_t *wc = (volatile uint32_t *)(info_page + SI_WC);
	uint64_t sec, host = arg_number("time");

	CHECK(wc[0] && !(wc[0] & 1));
	CHECK(wc[2] < 1000000000);
	sec = wc[1] + (now() >> 30);	/* close enough to division by 10^9 */
	if (sec + 120 < host || sec > host + 120)
		fail("wall clock %llu, the host's is %llu", (unsigned long long)sec,
		     (unsigned long long)host);
	CHECK_EQ(*(volatile uint32_t *)(info_page + SI_WC_SEC_HI), 0);
}

static void move_shared_info(void)
{
	memset(other, 0x5a, sizeof(other));
	CHECK_EQ(add_to_physmap(XENMAPSPACE_shared_info, 0, (unsigned long)other), 0);
	info_page = other;
	vcpu_info_at[0] = other;
}

static void move_vcpu_info(void)
{
	static uint8_t page[PAGE_SIZE] PAGE_ALIGNED;
	struct vcpu_register_vcpu_info r = {
		.mfn = (unsigned long)page >> 12, .offset = PAGE_SIZE - XA_VCPU_INFO_SIZE + 8,
	};

	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, &r), -ENXIO);
	r.offset = PAGE_SIZE - XA_VCPU_INFO_SIZE;
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, &r), 0);
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, &r), -EINVAL);
	vcpu_info_at[0] = page + PAGE_SIZE - XA_VCPU_INFO_SIZE;
}

void test_main(void)
{
	shared_info_map();
	check_time();
	check_wall_clock();
	move_shared_info();
	check_time();
	check_wall_clock();
	move_vcpu_info();
	check_time();
	check_wall_clock();
}
