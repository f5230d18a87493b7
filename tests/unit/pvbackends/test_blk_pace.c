// SPDX-License-Identifier: MIT
/*
 * When the block back end is patient with a disk, by a clock that the test turns.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <time.h>

#include "pvbackends/blk/blk.h"

static uint64_t clock_ns = 1000000000u;

int clock_gettime(clockid_t id DOM_UNUSED, struct timespec *ts)
{
	*ts = (struct timespec){ .tv_sec = (time_t)(clock_ns / 1000000000u),
				 .tv_nsec = (long)(clock_ns % 1000000000u) };
	return 0;
}

/* A disk by what a request takes, in ns, when it is served in a hurry and when with patience. */
struct disk {
	struct blk_pace pace;
	unsigned hurried, patient;
	unsigned noisy;			/* one stretch in so many takes thrice as long; 0: none */
	uint32_t random;
	unsigned waits[2];		/* of the looks at it: in a hurry, with patience */
};

/* @n looks at a queue with @flying requests of which 4 were answered since the one before. */
static void work(struct disk *d, unsigned n, unsigned flying)
{
	bool patient = d->pace.patient, noisy = false;

	while (n--) {
		if (d->pace.done % BLK_STRETCH == 0 && d->noisy) {
			d->random = d->random * 1103515245 + 12345;
			noisy = (d->random >> 16) % d->noisy == 0;
		}
		clock_ns += 4ull * (patient ? d->patient : d->hurried) * (noisy ? 3 : 1);
		d->pace.done += 4;
		patient = blk_pace(&d->pace, flying);
		d->waits[patient]++;
	}
}

static void patience_that_costs_nothing_is_kept(void **state DOM_UNUSED)
{
	struct disk d = { .hurried = 15000, .patient = 15000 };

	work(&d, 100000, 32);
	assert_true(d.waits[true] > 90000);
}

static void patience_that_saves_time_is_kept(void **state DOM_UNUSED)
{
	struct disk d = { .hurried = 15000, .patient = 9000 };

	work(&d, 100000, 32);
	assert_true(d.waits[true] > 90000);
}

static void patience_that_costs_time_is_tried_ever_less(void **state DOM_UNUSED)
{
	struct disk d = { .hurried = 3000, .patient = 4000 };

	work(&d, 10000, 32);
	assert_in_range(d.waits[true], 1, 2500);
	d.waits[true] = 0;
	work(&d, 100000, 32);
	assert_in_range(d.waits[true], 1, 3000);
}

static void noise_of_the_host_does_not_end_it(void **state DOM_UNUSED)
{
	struct disk d = { .hurried = 15000, .patient = 15000, .noisy = 3 };

	work(&d, 200000, 32);
	assert_true(d.waits[true] > 150000);
}

static void disk_that_changes_is_measured_anew(void **state DOM_UNUSED)
{
	struct disk d = { .hurried = 3000, .patient = 4000 };

	work(&d, 20000, 32);
	d.patient = 3000;
	work(&d, 64 * 4 * 64 * 2, 32);
	d.waits[true] = d.waits[false] = 0;
	work(&d, 20000, 32);
	assert_true(d.waits[true] > 15000);
}

static void few_requests_are_served_in_a_hurry(void **state DOM_UNUSED)
{
	struct disk d = { .hurried = 15000, .patient = 15000 };

	work(&d, 10000, BLK_BUSY - 1);
	assert_int_equal(d.waits[true], 0);
	work(&d, 10000, 32);
	assert_true(d.waits[true] > 0);
	d.waits[true] = 0;
	work(&d, 10000, BLK_BUSY - 1);
	assert_int_equal(d.waits[true], 0);
}

static void disk_that_stands_still_is_not_waited_for(void **state DOM_UNUSED)
{
	struct disk d = { .hurried = 15000, .patient = 15000 };
	unsigned glances = 0;

	while (!d.pace.patient)
		work(&d, 1, 32);
	/* Now and then is no harm. */
	for (unsigned i = 0; i < 50; i++) {
		blk_pace_glance(&d.pace);
		assert_true(blk_pace(&d.pace, 32));
		work(&d, 1, 32);
	}
	while (blk_pace(&d.pace, 32)) {
		clock_ns += BLK_PATIENCE_NS;
		blk_pace_glance(&d.pace);
		glances++;
	}
	assert_in_range(glances, 2, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patience_that_costs_nothing_is_kept),
		cmocka_unit_test(patience_that_saves_time_is_kept),
		cmocka_unit_test(patience_that_costs_time_is_tried_ever_less),
		cmocka_unit_test(noise_of_the_host_does_not_end_it),
		cmocka_unit_test(disk_that_changes_is_measured_anew),
		cmocka_unit_test(few_requests_are_served_in_a_hurry),
		cmocka_unit_test(disk_that_stands_still_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
