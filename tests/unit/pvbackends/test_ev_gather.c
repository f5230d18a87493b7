// SPDX-License-Identifier: MIT
/* A loop that sleeps until several files have results: ev_gather(). Only io_uring can do it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "domicile/base/cc.h"
#include "both_engines.h"

#define READS 6u

/* Reads that end when the test says so: of eventfds, at a position as if these were files. */
struct reads {
	struct ev_loop *l;
	struct ev_group group;
	struct ev_op op[READS], timer, outsider;
	uint64_t value[READS + 1];
	int fd[READS + 1], done;
	bool rang, idle;
};

static void on_read(struct ev_op *op, int res DOM_UNUSED)
{
	DOM_CONTAINER_OF(op->group, struct reads, group)->done++;
}

static void on_ring(struct ev_op *op, int res)
{
	if (res >= 0)
		DOM_CONTAINER_OF(op, struct reads, timer)->rang = true;
}

static void on_outsider(struct ev_op *op DOM_UNUSED, int res DOM_UNUSED)
{
}

static void reads_idle(struct ev_group *g)
{
	DOM_CONTAINER_OF(g, struct reads, group)->idle = true;
}

static void complete(const struct reads *r, unsigned i)
{
	uint64_t one = 1;

	assert_int_equal(write(r->fd[i], &one, 8), 8);
}

static int set_up(void **state, enum ev_engine_choice engine)
{
	struct reads *r = calloc(1, sizeof(*r));
	struct ev_config cfg = { .engine = engine };

	assert_non_null(r);
	*state = r;
	if (ev_loop_new(&cfg, &r->l, NULL))
		return 1;
	ev_group_init(&r->group, r->l);
	ev_op_init(&r->timer, r->l, on_ring, NULL);
	ev_op_init(&r->outsider, r->l, on_outsider, NULL);
	for (unsigned i = 0; i <= READS; i++)
		r->fd[i] = eventfd(0, EFD_CLOEXEC);
	for (unsigned i = 0; i < READS; i++) {
		ev_op_init(&r->op[i], r->l, on_read, &r->group);
		ev_read(&r->op[i], r->fd[i], &r->value[i], 8, 0);
	}
	assert_true(ev_loop_turn(r->l, 0) >= 0);
	assert_int_equal(r->done, 0);
	/* However long that takes, it is not what the test waits for. */
	ev_timer(&r->timer, ev_now() + 60000000000u);
	return 0;
}

static int tear_down(void **state)
{
	struct reads *r = *state;

	for (unsigned i = 0; i < READS; i++)
		complete(r, i);
	ev_cancel(&r->timer);
	ev_cancel(&r->outsider);
	ev_group_close(&r->group, reads_idle);
	while (!r->idle || !ev_idle(&r->timer) || !ev_idle(&r->outsider))
		assert_true(ev_loop_turn(r->l, EV_FOREVER) >= 0);
	ev_loop_free(r->l);
	for (unsigned i = 0; i <= READS; i++)
		close(r->fd[i]);
	free(r);
	return 0;
}

static void gathering_waits_for_a_third_of_the_files(void **state)
{
	struct reads *r = *state;

	ev_gather(&r->group);
	ev_gather(&r->group);	/* says no more than once */
	complete(r, 0);
	complete(r, 1);
	ev_loop_turn(r->l, EV_FOREVER);
	assert_int_equal(r->done, 2);
	/* Only for one sleep. */
	complete(r, 2);
	ev_loop_turn(r->l, EV_FOREVER);
	assert_int_equal(r->done, 3);
	assert_false(r->rang);
}

static void gathering_ends_with_the_first_timer(void **state)
{
	struct reads *r = *state;
	uint64_t due = ev_now() + 30000000;

	ev_timer(&r->timer, due);
	ev_gather(&r->group);
	complete(r, 0);
	ev_loop_turn(r->l, EV_FOREVER);
	assert_true(ev_now() >= due);
	assert_true(r->rang);
	assert_int_equal(r->done, 1);
}

static void gathering_is_not_heard_while_others_wait_for_files(void **state)
{
	struct reads *r = *state;

	ev_read(&r->outsider, r->fd[6], &r->value[6], 8, 0);
	ev_gather(&r->group);
	complete(r, 0);
	ev_loop_turn(r->l, EV_FOREVER);
	assert_int_equal(r->done, 1);
	assert_false(r->rang);
	complete(r, 6);
}

static void gathering_is_not_heard_just_after_something_else(void **state)
{
	struct reads *r = *state;

	ev_event(&r->outsider, r->fd[6]);
	complete(r, 6);
	ev_loop_turn(r->l, EV_FOREVER);
	for (int i = 0; i < 3; i++) {
		ev_gather(&r->group);
		complete(r, (unsigned)i);
		ev_loop_turn(r->l, EV_FOREVER);
		assert_int_equal(r->done, i + 1);
	}
	assert_false(r->rang);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		URING(gathering_waits_for_a_third_of_the_files),
		URING(gathering_ends_with_the_first_timer),
		URING(gathering_is_not_heard_while_others_wait_for_files),
		URING(gathering_is_not_heard_just_after_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
