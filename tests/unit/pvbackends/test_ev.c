// SPDX-License-Identifier: MIT
/*
 * The event loop, each test with both engines.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "both_engines.h"

struct fix {
	struct ev_loop *l;
	struct ev_op op;
	int res, calls;
	int fd[2];
};

static void on_done(struct ev_op *op, int res)
{
	struct fix *f = DOM_CONTAINER_OF(op, struct fix, op);

	f->res = res;
	f->calls++;
}

static int set_up(void **state, enum ev_engine_choice engine)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct ev_config cfg = { .engine = engine };

	assert_non_null(f);
	*state = f;
	f->fd[0] = f->fd[1] = -1;
	if (ev_loop_new(&cfg, &f->l, NULL))
		return 1;
	ev_op_init(&f->op, f->l, on_done, NULL);
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	ev_loop_free(f->l);
	for (int i = 0; i < 2; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	free(f);
	return 0;
}

/* Turn until the op was called @calls times, for at most 5 s. */
static void turn_until(struct fix *f, int calls)
{
	uint64_t end = ev_now() + 5000000000u;

	while (f->calls < calls && ev_now() < end)
		assert_true(ev_loop_turn(f->l, end) >= 0);
	assert_int_equal(f->calls, calls);
}

static void open_file(struct fix *f)
{
	f->fd[0] = memfd_create("ev", MFD_CLOEXEC);
	assert_true(f->fd[0] >= 0);
}

static void write_then_read_moves_bytes(void **state)
{
	struct fix *f = *state;
	char buf[16] = "";

	open_file(f);
	ev_write(&f->op, f->fd[0], "hello", 5, 3);
	assert_false(ev_idle(&f->op));
	turn_until(f, 1);
	assert_int_equal(f->res, 5);
	assert_true(ev_idle(&f->op));
	ev_read(&f->op, f->fd[0], buf, sizeof(buf), 3);
	turn_until(f, 2);
	assert_int_equal(f->res, 5);
	assert_memory_equal(buf, "hello", 5);
}

static void vectored_io_moves_all_segments(void **state)
{
	struct fix *f = *state;
	char a[3], b[4];
	struct iovec out[2] = { { (void *)(uintptr_t)"abc", 3 }, { (void *)(uintptr_t)"defg", 4 } };
	struct iovec in[2] = { { a, 3 }, { b, 4 } };

	open_file(f);
	ev_writev(&f->op, f->fd[0], out, 2, 0);
	turn_until(f, 1);
	assert_int_equal(f->res, 7);
	ev_readv(&f->op, f->fd[0], in, 2, 0);
	turn_until(f, 2);
	assert_int_equal(f->res, 7);
	assert_memory_equal(a, "abc", 3);
	assert_memory_equal(b, "defg", 4);
}

static void fsync_and_fallocate_succeed(void **state)
{
	struct fix *f = *state;

	open_file(f);
	ev_fallocate(&f->op, f->fd[0], 0, 0, 8192);
	turn_until(f, 1);
	assert_int_equal(f->res, 0);
	assert_int_equal(lseek(f->fd[0], 0, SEEK_END), 8192);
	ev_fsync(&f->op, f->fd[0], true);
	turn_until(f, 2);
	assert_int_equal(f->res, 0);
}

static void bad_descriptor_is_ebadf(void **state)
{
	struct fix *f = *state;
	char c;

	ev_read(&f->op, 999, &c, 1, 0);
	turn_until(f, 1);
	assert_int_equal(f->res, -EBADF);
	ev_poll(&f->op, 999, POLLIN);
	turn_until(f, 2);
	assert_int_equal(f->res, -EBADF);
}

static void poll_reports_events_once(void **state)
{
	struct fix *f = *state;

	assert_int_equal(pipe2(f->fd, O_CLOEXEC), 0);
	ev_poll(&f->op, f->fd[0], POLLIN);
	assert_int_equal(ev_loop_turn(f->l, 0), 0);
	assert_int_equal(write(f->fd[1], "x", 1), 1);
	turn_until(f, 1);
	assert_int_equal(f->res & POLLIN, POLLIN);
	assert_true(ev_idle(&f->op));
	ev_loop_turn(f->l, 0);
	assert_int_equal(f->calls, 1);
}

static void multishot_poll_reports_until_cancelled(void **state)
{
	struct fix *f = *state;
	char c;

	assert_int_equal(pipe2(f->fd, O_CLOEXEC), 0);
	ev_poll_multi(&f->op, f->fd[0], POLLIN);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(write(f->fd[1], "x", 1), 1);
		turn_until(f, i);
		assert_int_equal(f->res & POLLIN, POLLIN);
		assert_int_equal(read(f->fd[0], &c, 1), 1);
		assert_false(ev_idle(&f->op));
	}
	ev_cancel(&f->op);
	turn_until(f, 4);
	assert_int_equal(f->res, -ECANCELED);
	assert_true(ev_idle(&f->op));
}

static void eventfd_reports_counter_each_time(void **state)
{
	struct fix *f = *state;

	f->fd[0] = eventfd(0, EFD_CLOEXEC);
	ev_event(&f->op, f->fd[0]);
	for (int i = 1; i <= 3; i++) {
		uint64_t n = (uint64_t)i * 7;

		assert_int_equal(write(f->fd[0], &n, 8), 8);
		turn_until(f, i);
		assert_int_equal(f->res, n);
	}
	ev_cancel(&f->op);
	turn_until(f, 4);
	assert_int_equal(f->res, -ECANCELED);
}

static void cancel_in_callback(struct ev_op *op, int res)
{
	on_done(op, res);
	ev_cancel(op);
}

static void cancel_inside_the_callback_ends_an_eventfd(void **state)
{
	struct fix *f = *state;
	uint64_t one = 1;

	f->fd[0] = eventfd(0, EFD_CLOEXEC);
	ev_op_init(&f->op, f->l, cancel_in_callback, NULL);
	ev_event(&f->op, f->fd[0]);
	assert_int_equal(write(f->fd[0], &one, 8), 8);
	turn_until(f, 2);
	assert_int_equal(f->res, -ECANCELED);
	assert_true(ev_idle(&f->op));
	assert_int_equal(ev_loop_armed(f->l), 0);
}

static void cancel_of_a_pending_read_is_reported_once(void **state)
{
	struct fix *f = *state;
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->fd), 0);
	ev_recv(&f->op, f->fd[0], &c, 1);
	ev_loop_turn(f->l, 0);
	ev_cancel(&f->op);
	ev_cancel(&f->op);
	turn_until(f, 1);
	assert_int_equal(f->res, -ECANCELED);
	/* And before the kernel has seen it. */
	ev_recv(&f->op, f->fd[0], &c, 1);
	ev_cancel(&f->op);
	turn_until(f, 2);
	assert_int_equal(f->res, -ECANCELED);
	ev_cancel(&f->op);
	assert_true(ev_idle(&f->op));
}

static void stream_read_waits_for_data(void **state)
{
	struct fix *f = *state;
	char buf[8];

	assert_int_equal(pipe2(f->fd, O_CLOEXEC), 0);
	ev_read(&f->op, f->fd[0], buf, sizeof(buf), EV_STREAM);
	ev_loop_turn(f->l, 0);
	assert_int_equal(f->calls, 0);
	assert_int_equal(write(f->fd[1], "ab", 2), 2);
	turn_until(f, 1);
	assert_int_equal(f->res, 2);
	close(f->fd[1]);
	f->fd[1] = -1;
	ev_read(&f->op, f->fd[0], buf, sizeof(buf), EV_STREAM);
	turn_until(f, 2);
	assert_int_equal(f->res, 0);
}

static void send_to_a_closed_peer_is_epipe(void **state)
{
	struct fix *f = *state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->fd), 0);
	close(f->fd[1]);
	f->fd[1] = -1;
	ev_send(&f->op, f->fd[0], "x", 1);
	turn_until(f, 1);
	assert_int_equal(f->res, -EPIPE);
}

static void timers_fire_in_order_of_deadline(void **state)
{
	struct fix *f = *state;
	struct fix late = { .l = f->l };
	uint64_t t0 = ev_now();

	ev_op_init(&late.op, f->l, on_done, NULL);
	ev_timer(&late.op, t0 + 40000000);
	ev_timer(&f->op, t0 + 5000000);
	turn_until(f, 1);
	assert_true(ev_now() >= t0 + 5000000);
	assert_int_equal(late.calls, 0);
	/* Moving it forward. */
	ev_timer(&late.op, t0 + 8000000);
	turn_until(&late, 1);
	assert_true(ev_now() >= t0 + 8000000);
	ev_timer(&late.op, t0 + 3600000000000);
	ev_cancel(&late.op);
	turn_until(&late, 2);
	assert_int_equal(late.res, -ECANCELED);
}

struct poster {
	struct ev_loop *l;
	struct ev_post post;
	int runs, value, seen;
};

static void on_post(struct ev_post *p)
{
	struct poster *w = DOM_CONTAINER_OF(p, struct poster, post);

	w->runs++;
	w->seen = __atomic_load_n(&w->value, __ATOMIC_RELAXED);
}

static void *post_many(void *arg)
{
	struct poster *w = arg;

	for (int i = 1; i <= 2000; i++) {
		__atomic_store_n(&w->value, i, __ATOMIC_RELAXED);
		ev_post(w->l, &w->post);
	}
	return NULL;
}

static void posts_from_threads_are_all_seen(void **state)
{
	struct fix *f = *state;
	struct poster w[3];
	pthread_t t[3];
	uint64_t end = ev_now() + 10000000000u;

	for (int i = 0; i < 3; i++) {
		w[i] = (struct poster){ .l = f->l };
		ev_post_init(&w[i].post, on_post);
		assert_int_equal(pthread_create(&t[i], NULL, post_many, &w[i]), 0);
	}
	while ((w[0].seen < 2000 || w[1].seen < 2000 || w[2].seen < 2000) && ev_now() < end)
		ev_loop_turn(f->l, ev_now() + 10000000);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(w[i].seen, 2000);
		assert_true(w[i].runs <= 2000);
	}
}

static void stop_soon(struct ev_op *op, int res)
{
	on_done(op, res);
	ev_loop_stop(op->loop);
}

static void run_returns_after_stop(void **state)
{
	struct fix *f = *state;

	ev_op_init(&f->op, f->l, stop_soon, NULL);
	ev_timer(&f->op, ev_now() + 1000000);
	assert_int_equal(ev_loop_run(f->l), 0);
	assert_int_equal(f->calls, 1);
}

struct owner {
	struct ev_group group;
	struct ev_op read, timer, event;
	char c;
	int done, *idle;
};

static void owner_done(struct ev_op *op, int res DOM_UNUSED)
{
	struct owner *o = DOM_CONTAINER_OF(op->group, struct owner, group);

	o->done++;
	assert_int_equal(*o->idle, 0);
	/* A stubborn owner: arms again although its group is closing. */
	if (op == &o->timer && o->done < 10)
		ev_timer(op, ev_now());
}

static void owner_idle(struct ev_group *g)
{
	struct owner *o = DOM_CONTAINER_OF(g, struct owner, group);

	*o->idle = 1;
	free(o);
}

static void closing_a_group_frees_its_owner_after_the_last_callback(void **state)
{
	struct fix *f = *state;
	struct owner *o = calloc(1, sizeof(*o));
	int idle = 0;

	assert_non_null(o);
	o->idle = &idle;
	assert_int_equal(pipe2(f->fd, O_CLOEXEC), 0);
	ev_group_init(&o->group, f->l);
	ev_op_init(&o->read, f->l, owner_done, &o->group);
	ev_op_init(&o->timer, f->l, owner_done, &o->group);
	ev_op_init(&o->event, f->l, owner_done, &o->group);
	ev_read(&o->read, f->fd[0], &o->c, 1, EV_STREAM);
	ev_poll_multi(&o->event, f->fd[0], POLLIN);
	ev_timer(&o->timer, ev_now() + 1000000000000u);
	ev_loop_turn(f->l, 0);
	ev_group_close(&o->group, owner_idle);
	ev_group_close(&o->group, owner_idle);
	assert_int_equal(idle, 0);
	for (int i = 0; i < 100 && !idle; i++)
		ev_loop_turn(f->l, ev_now() + 100000000);
	assert_int_equal(idle, 1);
	assert_int_equal(ev_loop_armed(f->l), 0);
}

#define MANY 300

static void more_ops_than_ring_entries_all_complete(void **state)
{
	struct fix *f = *state;
	static const uint32_t pattern = 0x5a5a1234;
	struct fix *many = calloc(MANY, sizeof(*many));
	uint64_t end = ev_now() + 10000000000u;
	int done = 0;

	assert_non_null(many);
	open_file(f);
	for (int i = 0; i < MANY; i++) {
		ev_op_init(&many[i].op, f->l, on_done, NULL);
		ev_write(&many[i].op, f->fd[0], &pattern, 4, (uint64_t)i * 4);
	}
	for (int i = 0; i < MANY; i += 3)
		ev_cancel(&many[i].op);
	while (done < MANY && ev_now() < end) {
		ev_loop_turn(f->l, end);
		done = 0;
		for (int i = 0; i < MANY; i++)
			done += many[i].calls;
	}
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(many[i].calls, 1);
		if (i % 3)
			assert_int_equal(many[i].res, 4);
		else
			assert_true(many[i].res == 4 || many[i].res == -ECANCELED);
	}
	free(many);
}

static void free_cancels_what_is_armed(void **state)
{
	struct fix *f = *state;
	struct ev_config cfg = {
		.engine = !strcmp(ev_loop_engine(f->l), "poll") ? EV_ENGINE_POLL : EV_ENGINE_URING,
	};
	struct fix g = { .calls = 0 };
	char c;

	assert_int_equal(ev_loop_new(&cfg, &g.l, NULL), 0);
	assert_int_equal(pipe2(f->fd, O_CLOEXEC), 0);
	ev_op_init(&g.op, g.l, on_done, NULL);
	ev_read(&g.op, f->fd[0], &c, 1, EV_STREAM);
	ev_loop_free(g.l);
	assert_int_equal(g.calls, 1);
	assert_int_equal(g.res, -ECANCELED);
}

struct spin {
	struct ev_spinner s;
	int polls, left;
};

static bool spin_poll(struct ev_spinner *s)
{
	struct spin *w = DOM_CONTAINER_OF(s, struct spin, s);

	w->polls++;
	return --w->left > 0;
}

static void spinner_keeps_the_loop_awake_until_it_gives_up(void **state)
{
	struct fix *f = *state;
	struct spin w = { .s = { .poll = spin_poll, .active = true }, .left = 6 };
	struct ev_stats st;

	ev_spin_add(f->l, &w.s);
	ev_timer(&f->op, ev_now() + 20000000);
	turn_until(f, 1);
	ev_spin_remove(&w.s);
	assert_int_equal(w.polls, 6);
	ev_loop_stats(f->l, &st);
	assert_int_equal(st.spins, 5);
}

static void one_wake_up_costs_one_system_call(void **state)
{
	struct fix *f = *state;
	struct ev_stats a, b;
	uint64_t one = 1;

	f->fd[0] = eventfd(0, EFD_CLOEXEC);
	ev_event(&f->op, f->fd[0]);
	ev_loop_turn(f->l, 0);
	ev_loop_stats(f->l, &a);
	for (int i = 1; i <= 10; i++) {
		assert_int_equal(write(f->fd[0], &one, 8), 8);
		turn_until(f, i);
	}
	ev_loop_stats(f->l, &b);
	/* The poll engine's read is not counted as a wait. */
	assert_in_range(b.enters - a.enters, 10, 11);
}

static int entered_workers, enter_result;

static int enter(void *arg)
{
	assert_ptr_equal(arg, &entered_workers);
	__atomic_fetch_add(&entered_workers, 1, __ATOMIC_SEQ_CST);
	return enter_result;
}

static void workers_enter_before_they_work(void **state DOM_UNUSED)
{
	struct ev_config cfg = { .engine = EV_ENGINE_POLL, .workers = 3, .workers_later = true };
	struct fix f = { .fd = { -1, -1 } };

	open_file(&f);
	entered_workers = enter_result = 0;
	assert_int_equal(ev_loop_new(&cfg, &f.l, NULL), 0);
	ev_op_init(&f.op, f.l, on_done, NULL);
	ev_write(&f.op, f.fd[0], "x", 1, 0);
	for (int i = 0; i < 3; i++)
		ev_loop_turn(f.l, ev_now() + 1000000);
	assert_int_equal(f.calls, 0);
	assert_int_equal(ev_loop_workers(f.l, enter, &entered_workers), 0);
	assert_int_equal(entered_workers, 3);
	turn_until(&f, 1);
	assert_int_equal(f.res, 1);
	ev_loop_free(f.l);
	/* One that may not enter does not work; a loop whose workers never came can be freed. */
	enter_result = -EPERM;
	assert_int_equal(ev_loop_new(&cfg, &f.l, NULL), 0);
	assert_int_equal(ev_loop_workers(f.l, enter, &entered_workers), -EPERM);
	ev_loop_free(f.l);
	assert_int_equal(ev_loop_new(&cfg, &f.l, NULL), 0);
	ev_op_init(&f.op, f.l, on_done, NULL);
	ev_write(&f.op, f.fd[0], "x", 1, 0);
	ev_loop_free(f.l);
	close(f.fd[0]);
}

static void settings_out_of_range_are_einval(void **state DOM_UNUSED)
{
	struct ev_config cfg = { .entries = 63 };
	struct ev_loop *l = NULL;
	struct dom_err err = { 0 };

	assert_int_equal(ev_loop_new(&cfg, &l, &err), -EINVAL);
	assert_null(l);
	assert_true(err.msg[0]);
	ev_loop_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(write_then_read_moves_bytes),
		BOTH(vectored_io_moves_all_segments),
		BOTH(fsync_and_fallocate_succeed),
		BOTH(bad_descriptor_is_ebadf),
		BOTH(poll_reports_events_once),
		BOTH(multishot_poll_reports_until_cancelled),
		BOTH(eventfd_reports_counter_each_time),
		BOTH(cancel_inside_the_callback_ends_an_eventfd),
		BOTH(cancel_of_a_pending_read_is_reported_once),
		BOTH(stream_read_waits_for_data),
		BOTH(send_to_a_closed_peer_is_epipe),
		BOTH(timers_fire_in_order_of_deadline),
		BOTH(posts_from_threads_are_all_seen),
		BOTH(run_returns_after_stop),
		BOTH(closing_a_group_frees_its_owner_after_the_last_callback),
		BOTH(more_ops_than_ring_entries_all_complete),
		BOTH(free_cancels_what_is_armed),
		BOTH(spinner_keeps_the_loop_awake_until_it_gives_up),
		BOTH(one_wake_up_costs_one_system_call),
		cmocka_unit_test(workers_enter_before_they_work),
		cmocka_unit_test(settings_out_of_range_are_einval),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
