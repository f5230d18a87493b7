// SPDX-License-Identifier: MIT
/*
 * The console back end against a front end in the test itself: the ring.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "con_fix.h"
static void output_reaches_stdout_and_the_log(void **state)
{
	struct fix *f = *state;
	size_t len;
	char *log;

	with_stdout(f);
	f->cfg.log_path = f->log;
	start(f);
	fe_write(f, "hello\n");
	fe_write(f, "world\n");
	settle(f);
	expect(f->out[0], "hello\nworld\n");
	assert_true(pvb_console_flushed(f->c));
	log = slurp(f->log, &len);
	assert_string_equal(log, "hello\nworld\n");
	free(log);
	assert_int_equal(fe_free(f->r.d), XA_CONSOLE_OUT_SIZE);
}

static void last_words_are_kept_when_freed_at_once(void **state)
{
	struct fix *f = *state;
	size_t len;
	char *log;

	with_stdout(f);
	f->cfg.log_path = f->log;
	start(f);
	fe_write(f, "first\n");
	ev_loop_turn(f->r.l, 0);
	fe_put(f->r.d, "Power down\n", 11);
	pvb_console_free(f->c);
	f->c = NULL;
	settle(f);
	expect(f->out[0], "first\nPower down\n");
	log = slurp(f->log, &len);
	assert_string_equal(log, "first\nPower down\n");
	free(log);
}

static void last_words_wait_for_a_slow_reader(void **state)
{
	struct fix *f = *state;
	char full[4096];

	with_stdout(f);
	start(f);
	fcntl(f->out[1], F_SETFL, O_NONBLOCK);
	memset(full, 'x', sizeof(full));
	while (write(f->out[1], full, sizeof(full)) > 0)
		;
	fe_put(f->r.d, "Power down\n", 11);
	for (int i = 0; i < 3; i++) {
		assert_false(pvb_console_drain(f->c));
		ev_loop_turn(f->r.l, ev_now() + 1000000);
	}
	while (read(f->out[0], full, sizeof(full)) > 0)
		;
	UNTIL(f->r.l, pvb_console_drain(f->c));
	pvb_console_free(f->c);
	f->c = NULL;
	settle(f);
	expect(f->out[0], "Power down\n");
}

static void lines_cost_one_interrupt_per_half_ring(void **state)
{
	struct fix *f = *state;
	struct pvb_console_stats st;
	char line[61];

	with_stdout(f);
	start(f);
	memset(line, 'x', 60);
	line[60] = 0;
	for (int i = 0; i < 600; i++) {
		char drain[4096];

		fe_write(f, line);
		UNTIL(f->r.l, fe_free(f->r.d) == XA_CONSOLE_OUT_SIZE);
		while (read(f->out[0], drain, sizeof(drain)) > 0)
			;
	}
	pvb_console_stats(f->c, &st);
	assert_int_equal(st.out_bytes, 36000);
	assert_in_range(st.notifies, 30, 36);
	assert_int_equal(st.notifies, fake_notifies(f->r.d, PORT));
}

/* A front end that never polls: waits for an interrupt when less than @want bytes are free. */
struct waiter {
	struct fix *f;
	uint32_t total;
	bool done;
};

static void *wait_for_space(void *arg)
{
	struct waiter *w = arg;
	struct fix *f = w->f;
	uint32_t sent = 0, rnd = 12345;
	char chunk[1024];

	while (sent < w->total) {
		uint32_t want, n;
		uint64_t count;

		rnd = rnd * 1103515245 + 12345;
		want = 1 + (rnd >> 16) % 1024;
		want = DOM_MIN(want, w->total - sent);
		for (uint32_t i = 0; i < want; i++)
			chunk[i] = (char)('a' + (sent + i) % 26);
		while (fe_free(f->r.d) < want) {
			struct pollfd fd = { .fd = f->r.event, .events = POLLIN };

			if (poll(&fd, 1, 5000) != 1)
				return NULL;	/* waited in vain */
			if (read(f->r.event, &count, 8) != 8)
				return NULL;
		}
		n = fe_put(f->r.d, chunk, want);
		sent += n;
		fake_ring_kick(&f->r);
	}
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void front_end_that_waits_for_half_a_ring_never_waits_in_vain(void **state)
{
	struct fix *f = *state;
	struct waiter w = { .f = f, .total = 400000 };
	pthread_t t;
	uint32_t got = 0;
	uint64_t end = ev_now() + 20000000000u;

	with_stdout(f);
	start(f);
	assert_int_equal(pthread_create(&t, NULL, wait_for_space, &w), 0);
	while (got < w.total && ev_now() < end) {
		char buf[3000];
		ssize_t n;

		ev_loop_turn(f->r.l, ev_now() + 1000000);
		while ((n = read(f->out[0], buf, sizeof(buf))) > 0) {
			for (ssize_t i = 0; i < n; i++)
				assert_int_equal(buf[i], 'a' + (got + (uint32_t)i) % 26);
			got += (uint32_t)n;
		}
	}
	pthread_join(t, NULL);
	assert_int_equal(got, w.total);
	assert_true(w.done);
}

static void impossible_output_index_stops_the_ring_until_reset(void **state)
{
	struct fix *f = *state;

	with_stdout(f);
	start(f);
	DOM_STORE(fake_u32(f->r.d, RING, XA_CONSOLE_OUT_PROD), XA_CONSOLE_OUT_SIZE + 1);
	fake_ring_kick(&f->r);
	settle(f);
	expect(f->out[0], "");
	DOM_STORE(fake_u32(f->r.d, RING, XA_CONSOLE_OUT_PROD), 5);
	fake_ring_kick(&f->r);
	settle(f);
	expect(f->out[0], "");
	memset(f->r.d->ram + RING * 4096, 0, 4096);
	assert_int_equal(pvb_console_reset(f->c, &f->cfg.ring), 0);
	fe_write(f, "again");
	settle(f);
	expect(f->out[0], "again");
}

static void guest_that_moves_our_index_changes_nothing(void **state)
{
	struct fix *f = *state;

	with_stdout(f);
	start(f);
	fe_write(f, "one");
	settle(f);
	DOM_STORE(fake_u32(f->r.d, RING, XA_CONSOLE_OUT_CONS), 0);
	DOM_STORE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_PROD), 77);
	fake_ring_kick(&f->r);
	settle(f);
	expect(f->out[0], "one");
	assert_int_equal(fe_put(f->r.d, "two", 3), 3);
	fake_ring_kick(&f->r);
	settle(f);
	expect(f->out[0], "two");
}

static void input_waits_while_the_guest_does_not_take_it(void **state)
{
	struct fix *f = *state;
	static char big[5000], got[5000];
	uint32_t n = 0;

	for (unsigned i = 0; i < sizeof(big); i++)
		big[i] = (char)('A' + i % 23);
	f->cfg.stdio = true;
	f->cfg.in_fd = f->in[0];
	start(f);
	assert_int_equal(write(f->in[1], big, sizeof(big)), sizeof(big));
	settle(f);
	assert_int_equal(DOM_LOAD(fake_u32(f->r.d, RING, XA_CONSOLE_IN_PROD)), XA_CONSOLE_IN_SIZE);
	assert_true(fake_notifies(f->r.d, PORT) > 0);
	for (int i = 0; i < 100 && n < sizeof(got); i++) {
		n += fe_get(f, got + n, (uint32_t)sizeof(got) - n);
		settle(f);
	}
	assert_int_equal(n, sizeof(big));
	assert_memory_equal(got, big, sizeof(big));
}

static void impossible_input_index_stops_the_ring(void **state)
{
	struct fix *f = *state;

	f->cfg.stdio = true;
	f->cfg.in_fd = f->in[0];
	start(f);
	DOM_STORE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_CONS), 1);
	assert_int_equal(write(f->in[1], "x", 1), 1);
	settle(f);
	assert_int_equal(DOM_LOAD(fake_u32(f->r.d, RING, XA_CONSOLE_IN_PROD)), 0);
}

static void *print_thread(void *arg)
{
	for (int i = 0; i < 100; i++)
		pvb_console_print(arg, "early\n", 6);
	return NULL;
}

static void print_from_another_thread_appears(void **state)
{
	struct fix *f = *state;
	pthread_t t;
	char got[1000];
	ssize_t n, len = 0;

	with_stdout(f);
	start(f);
	assert_int_equal(pthread_create(&t, NULL, print_thread, f->c), 0);
	pthread_join(t, NULL);
	settle(f);
	while ((n = read(f->out[0], got + len, sizeof(got) - (size_t)len)) > 0)
		len += n;
	assert_int_equal(len, 600);
	/* One that is still queued when the console goes. */
	pvb_console_print(f->c, "late\n", 5);
	pvb_console_free(f->c);
	f->c = NULL;
	settle(f);
	expect(f->out[0], "late\n");
}

static void bad_settings_are_refused_with_a_sentence(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };

	f->cfg.window = 5000;
	assert_int_equal(pvb_console_new(&f->cfg, &f->c, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "window"));
	f->cfg.window = 0;
	f->cfg.ring.gfn.v = 99;
	assert_int_equal(pvb_console_new(&f->cfg, &f->c, &err), -EINVAL);
	f->cfg.ring.gfn.v = RING;
	f->cfg.log_path = "/nonexistent/log";
	assert_int_equal(pvb_console_new(&f->cfg, &f->c, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/log"));
	assert_null(f->c);
}

static void flip(void *arg, uint32_t *seed)
{
	struct fix *f = arg;
	uint8_t *page = f->r.d->ram + RING * 4096;
	uint32_t rnd = 0;

	for (int i = 0; i < 64; i++) {
		rnd = fake_rnd(seed);
		fake_guest_scribble(page + (rnd >> 16) % 3072, (uint8_t)rnd);
	}
	/* Mostly possible indices, now and then impossible ones. */
	DOM_STORE(fake_u32(f->r.d, RING, XA_CONSOLE_OUT_PROD),
		  DOM_LOAD(fake_u32(f->r.d, RING, XA_CONSOLE_OUT_CONS)) +
		  (rnd >> 8) % (XA_CONSOLE_OUT_SIZE + (rnd % 256 == 0)));
	DOM_STORE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_CONS), rnd % 512 == 1 ? rnd :
		  DOM_LOAD(fake_u32(f->r.d, RING, XA_CONSOLE_IN_PROD)));
	fake_ring_kick(&f->r);
}

static void page_rewritten_during_service_harms_nobody(void **state)
{
	struct fix *f = *state;
	struct fake_racer w = { .step = flip, .arg = f };
	uint64_t end = ev_now() + 200000000;

	with_stdout(f);
	f->cfg.in_fd = f->in[0];
	start(f);
	fake_race_start(&w);
	while (ev_now() < end) {
		char drain[4096];

		ev_loop_turn(f->r.l, ev_now() + 1000000);
		while (read(f->out[0], drain, sizeof(drain)) > 0)
			;
		(void)!write(f->in[1], "x", 1);
		pvb_console_reset(f->c, &f->cfg.ring);
	}
	fake_race_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(output_reaches_stdout_and_the_log),
		BOTH(last_words_are_kept_when_freed_at_once),
		BOTH(last_words_wait_for_a_slow_reader),
		BOTH(lines_cost_one_interrupt_per_half_ring),
		BOTH(front_end_that_waits_for_half_a_ring_never_waits_in_vain),
		BOTH(impossible_output_index_stops_the_ring_until_reset),
		BOTH(guest_that_moves_our_index_changes_nothing),
		BOTH(input_waits_while_the_guest_does_not_take_it),
		BOTH(impossible_input_index_stops_the_ring),
		BOTH(print_from_another_thread_appears),
		BOTH(bad_settings_are_refused_with_a_sentence),
		BOTH(page_rewritten_during_service_harms_nobody),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
