// SPDX-License-Identifier: MIT
/*
 * Fact: a vCPU's time is accounted to four states, kept up to date in an area that it registers.
 * Source: xen/include/public/vcpu.h; Linux reads stolen time from it
 * Expect: state running; the four times sum up to no more than the system time, grow, and never
 *   fall; what the hypercall says lies between what the area shows before and after it; an area across
 *   a page boundary works; an address that is not mapped is refused.
 * run:
 */
#include "kern/event.h"

static uint8_t pages[2 * PAGE_SIZE] PAGE_ALIGNED;

static long area(unsigned long va)
{
	struct vcpu_register_area a = { .addr = va };

	return vcpu_op(VCPUOP_register_runstate_memory_area, 0, &a);
}

static uint64_t sum(volatile struct ABI(vcpu_runstate_info) *r)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < 4; i++)
		total += r->time[i];
	return total;
}

static void check_between(const struct ABI(vcpu_runstate_info) *before,
			  const struct ABI(vcpu_runstate_info) *told,
			  const struct ABI(vcpu_runstate_info) *after)
{
	CHECK(before->state_entry_time <= told->state_entry_time);
	CHECK(told->state_entry_time <= after->state_entry_time);
	for (unsigned i = 0; i < 4; i++) {
		/* The area is as of the last change, the hypercall as of now. */
		uint64_t since = i == RUNSTATE_running ? now() - told->state_entry_time : 0;

		CHECK(before->time[i] <= told->time[i]);
		CHECK(told->time[i] <= after->time[i] + since);
	}
}

/* Area and hypercall are of one account, whoever keeps it. */
static void check_agreement(volatile struct ABI(vcpu_runstate_info) *r)
{
	struct ABI(vcpu_runstate_info) before, told, after;

	for (unsigned i = 0; i < 5; i++) {
		before = *r;
		CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &told), 0);
		after = *r;
		check_between(&before, &told, &after);
		CHECK(sum(&told) <= now());
		spin_ms(5);
	}
}

static void check_area(volatile struct ABI(vcpu_runstate_info) *r)
{
	struct ABI(vcpu_runstate_info) now_;
	uint64_t before;

	CHECK_EQ(area((unsigned long)r), 0);
	CHECK_EQ(r->state, RUNSTATE_running);
	CHECK(r->state_entry_time <= now());
	before = sum(r);
	CHECK(before <= now());
	spin_ms(20);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &now_), 0);
	CHECK_EQ(now_.state, RUNSTATE_running);
	CHECK(sum(&now_) >= before + 10000000);
	CHECK(sum(&now_) <= now());
	CHECK(sum(r) >= before);
	check_agreement(r);
}

void test_main(void)
{
	shared_info_map();
	check_area((void *)pages);
	CHECK_EQ(area(0), 0);
	spin_ms(20);
	check_area((void *)pages);
	check_area((void *)(pages + PAGE_SIZE - 16));
	CHECK_EQ(area(0), 0);
	if (paging)
		map_page(TEST_VA, 0, 0);
	/* Xen takes any address and skips updates that fault; refusing is as good for a guest. */
	CHECK(area(TEST_VA) == 0 || area(TEST_VA) == -EFAULT || area(TEST_VA) == -EINVAL);
}
