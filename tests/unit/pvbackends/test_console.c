// SPDX-License-Identifier: MIT
/*
 * The console back end against a front end in the test itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>

#include "both_engines.h"
#include "domicile/pvb.h"
#include "fake_ring.h"
#include "xenabi/io_console.h"

#define RING 3u
#define PORT 2u

struct fix {
	enum ev_engine_choice engine;
	struct fake_ring r;
	struct pvb_console *c;
	struct pvb_console_config cfg;
	int out[2], in[2];	/* pipes behind stdout and stdin */
	char dir[32], log[64];
	int quits;
};

static void on_quit(void *arg)
{
	((struct fix *)arg)->quits++;
}

static int set_up(void **state, enum ev_engine_choice engine)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	f->engine = engine;
	fake_ring_init(&f->r, engine, 8, PORT);
	strcpy(f->dir, "/tmp/dom-con-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->log, sizeof(f->log), "%s/log", f->dir);
	assert_int_equal(pipe2(f->out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(f->in, O_CLOEXEC), 0);
	f->cfg = (struct pvb_console_config){
		.loop = f->r.l, .domain = f->r.d, .domid = 7,
		.ring = { .gfn = { RING }, .port = PORT, .eventfd = f->r.kick },
		.in_fd = -1, .out_fd = -1, .quit = on_quit, .quit_arg = f,
	};
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;
	char path[128];

	pvb_console_free(f->c);
	for (int i = 0; i < 2; i++) {
		close(f->out[i]);
		close(f->in[i]);
	}
	fake_ring_fini(&f->r);
	snprintf(path, sizeof(path), "%s.1", f->log);
	unlink(path);
	unlink(f->log);
	snprintf(path, sizeof(path), "%s/pty", f->dir);
	assert_int_equal(unlink(path), -1);	/* the console removed it */
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void start(struct fix *f)
{
	struct dom_err err = { 0 };

	if (pvb_console_new(&f->cfg, &f->c, &err))
		fail_msg("%s", err.msg);
}

static void with_stdout(struct fix *f)
{
	f->cfg.stdio = true;
	f->cfg.out_fd = f->out[1];
	fcntl(f->out[0], F_SETFL, O_NONBLOCK);
}

/* Let the loop work until nothing happens for 2 ms, or 200 ms while output is still on its way. */
static void settle(struct fix *f)
{
	for (int idle = 0; idle < 200;) {
		int n = ev_loop_turn(f->r.l, ev_now() + 1000000);

		assert_true(n >= 0);
		idle = n ? 0 : idle + 1;
		if (idle >= 2 && (f->c ? pvb_console_flushed(f->c) : !ev_loop_armed(f->r.l)))
			break;
	}
}

/* Let the loop work until @cond holds: the kernel delivers to terminals in its own time. */
#define UNTIL(f, cond)                                                                             \
	do {                                                                                       \
		uint64_t until_end = ev_now() + 5000000000u;                                       \
		while (!(cond) && ev_now() < until_end)                                            \
			ev_loop_turn((f)->r.l, ev_now() + 1000000);                                \
		assert_true(cond);                                                                 \
	} while (0)

/* The front end: as much of @data as fits now. */
static uint32_t fe_put(struct xa_domain *d, const char *data, uint32_t len)
{
	uint32_t prod = DOM_LOAD(fake_u32(d, RING, XA_CONSOLE_OUT_PROD));
	uint32_t cons = DOM_LOAD_ACQUIRE(fake_u32(d, RING, XA_CONSOLE_OUT_CONS));
	uint32_t n = DOM_MIN(len, XA_CONSOLE_OUT_SIZE - (prod - cons));

	for (uint32_t i = 0; i < n; i++)
		d->ram[RING * 4096 + XA_CONSOLE_OUT + ((prod + i) & (XA_CONSOLE_OUT_SIZE - 1))] =
			(uint8_t)data[i];
	DOM_STORE_RELEASE(fake_u32(d, RING, XA_CONSOLE_OUT_PROD), prod + n);
	return n;
}

static uint32_t fe_free(struct xa_domain *d)
{
	return XA_CONSOLE_OUT_SIZE - (DOM_LOAD(fake_u32(d, RING, XA_CONSOLE_OUT_PROD)) -
				      DOM_LOAD_ACQUIRE(fake_u32(d, RING, XA_CONSOLE_OUT_CONS)));
}

static void fe_write(struct fix *f, const char *text)
{
	assert_int_equal(fe_put(f->r.d, text, (uint32_t)strlen(text)), strlen(text));
	fake_ring_kick(&f->r);
}

/* Take up to @size bytes of input. */
static uint32_t fe_get(struct fix *f, char *buf, uint32_t size)
{
	uint32_t cons = DOM_LOAD(fake_u32(f->r.d, RING, XA_CONSOLE_IN_CONS));
	uint32_t n = DOM_LOAD_ACQUIRE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_PROD)) - cons;

	assert_true(n <= XA_CONSOLE_IN_SIZE);
	n = DOM_MIN(n, size);
	for (uint32_t i = 0; i < n; i++)
		buf[i] = (char)f->r.d->ram[RING * 4096 + XA_CONSOLE_IN +
					 ((cons + i) & (XA_CONSOLE_IN_SIZE - 1))];
	DOM_STORE_RELEASE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_CONS), cons + n);
	fake_ring_kick(&f->r);
	return n;
}

/* Input that the guest has not taken. */
static uint32_t fe_waiting(struct fix *f)
{
	return DOM_LOAD_ACQUIRE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_PROD)) -
	       DOM_LOAD(fake_u32(f->r.d, RING, XA_CONSOLE_IN_CONS));
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void expect(int fd, const char *text)
{
	char buf[4096] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[DOM_MAX(n, 0)] = 0;
	assert_string_equal(buf, text);
}

static char *slurp(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return data;
}

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
	UNTIL(f, pvb_console_drain(f->c));
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
		UNTIL(f, fe_free(f->r.d) == XA_CONSOLE_OUT_SIZE);
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

static void end_of_input_is_quiet(void **state)
{
	struct fix *f = *state;
	struct ev_stats a, b;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	f->cfg.stdio = true;
	f->cfg.in_fd = null;
	start(f);
	settle(f);
	ev_loop_stats(f->r.l, &a);
	settle(f);
	ev_loop_stats(f->r.l, &b);
	assert_true(b.turns - a.turns < 10);
	close(null);
}

/* A terminal for the test: @ret_master is the person's side. */
static int open_terminal(int *ret_master)
{
	char name[64];

	*ret_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_true(*ret_master >= 0);
	assert_int_equal(unlockpt(*ret_master), 0);
	assert_int_equal(ptsname_r(*ret_master, name, sizeof(name)), 0);
	return open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static void escape_quits_even_when_the_guest_takes_no_input(void **state)
{
	struct fix *f = *state;
	struct termios before, raw, after;
	char junk[600];
	int master, tty = open_terminal(&master);

	assert_true(tty >= 0);
	assert_int_equal(tcgetattr(tty, &before), 0);
	f->cfg.stdio = true;
	f->cfg.in_fd = f->cfg.out_fd = tty;
	start(f);
	assert_int_equal(tcgetattr(tty, &raw), 0);
	assert_int_equal(raw.c_lflag & (ICANON | ECHO | ISIG), 0);
	/* Nobody takes input: ring and buffer fill up. */
	memset(junk, 'j', sizeof(junk));
	for (int i = 0; i < 5; i++) {
		UNTIL(f, write(master, junk, sizeof(junk)) > 0);
		settle(f);
	}
	UNTIL(f, fe_waiting(f) == XA_CONSOLE_IN_SIZE);
	UNTIL(f, write(master, "\x1d", 1) == 1);
	UNTIL(f, f->quits == 1);
	fe_write(f, "bye");
	UNTIL(f, readable(master));
	expect(master, "bye");
	pvb_console_free(f->c);
	f->c = NULL;
	assert_int_equal(tcgetattr(tty, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_oflag, before.c_oflag);
	settle(f);
	close(tty);
	close(master);
}

static void escape_can_be_turned_off(void **state)
{
	struct fix *f = *state;
	char c = 0;
	int master, tty = open_terminal(&master);

	f->cfg.stdio = true;
	f->cfg.in_fd = tty;
	f->cfg.no_escape = true;
	start(f);
	assert_int_equal(write(master, "\x1d", 1), 1);
	UNTIL(f, fe_waiting(f) == 1);
	assert_int_equal(f->quits, 0);
	assert_int_equal(fe_get(f, &c, 1), 1);
	assert_int_equal(c, 0x1d);
	close(tty);
	close(master);
}

static void pty_keeps_recent_output_for_a_late_reader(void **state)
{
	struct fix *f = *state;
	char link[64], line[32], got[8192];
	ssize_t n, len = 0;
	int tty;

	f->cfg.pty = true;
	snprintf(link, sizeof(link), "%s/pty", f->dir);
	f->cfg.pty_link = link;
	f->cfg.window = 4096;
	start(f);
	assert_non_null(pvb_console_pty(f->c));
	/* 10,000 bytes, which nobody reads: the guest must not be held up. */
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "line %03d.\n", i);
		fe_write(f, line);
		UNTIL(f, fe_free(f->r.d) >= 20);
	}
	UNTIL(f, fe_free(f->r.d) == XA_CONSOLE_OUT_SIZE);
	tty = open(link, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_true(tty >= 0);
	while (len < 4096) {
		UNTIL(f, readable(tty));
		n = read(tty, got + len, sizeof(got) - 1 - (size_t)len);
		assert_true(n > 0);
		len += n;
	}
	got[len] = 0;
	assert_int_equal(len, 4096);
	assert_string_equal(got + len - 20, "line 998.\nline 999.\n");
	/* Input, without an echo of output or input. */
	assert_int_equal(write(tty, "ls\n", 3), 3);
	UNTIL(f, fe_waiting(f) == 3);
	assert_int_equal(fe_get(f, got, sizeof(got)), 3);
	assert_memory_equal(got, "ls\n", 3);
	settle(f);
	assert_int_equal(read(tty, got, sizeof(got)), -1);
	/* It leaves and comes back: what it missed is there. */
	close(tty);
	settle(f);
	fe_write(f, "missed\n");
	settle(f);
	tty = open(link, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	UNTIL(f, readable(tty));
	expect(tty, "missed\n");
	fe_write(f, "live\n");
	UNTIL(f, readable(tty));
	expect(tty, "live\n");
	assert_int_equal(write(tty, "q", 1), 1);
	UNTIL(f, fe_waiting(f) == 1);
	close(tty);
}

static void slow_stdout_holds_the_guest_only_for_so_long(void **state)
{
	struct fix *f = *state;
	struct pvb_console_stats st;
	uint64_t t0 = ev_now();
	char block[1024];
	uint64_t put = 0;

	with_stdout(f);
	f->cfg.window = 4096;
	f->cfg.patience_ms = 50;
	fcntl(f->out[0], F_SETPIPE_SZ, 4096);
	start(f);
	memset(block, 'b', sizeof(block));
	while (put < 30000 && ev_now() - t0 < 5000000000u) {
		put += fe_put(f->r.d, block, sizeof(block));
		fake_ring_kick(&f->r);
		ev_loop_turn(f->r.l, ev_now() + 10000000);
	}
	assert_true(ev_now() - t0 >= 50000000);
	assert_true(put >= 30000);
	settle(f);
	pvb_console_stats(f->c, &st);
	assert_true(st.dropped_bytes > 0);
	assert_int_equal(st.out_bytes, put);
}

static void closed_stdout_does_not_stop_the_log(void **state)
{
	struct fix *f = *state;
	size_t len;
	char *log;

	with_stdout(f);
	f->cfg.log_path = f->log;
	start(f);
	close(f->out[0]);
	f->out[0] = -1;
	for (int i = 0; i < 10; i++) {
		fe_write(f, "still here\n");
		settle(f);
	}
	log = slurp(f->log, &len);
	assert_int_equal(len, 110);
	free(log);
}

static void log_moves_to_a_second_file_when_full(void **state)
{
	struct fix *f = *state;
	char line[33], path[80], *a, *b;
	size_t alen, blen;

	f->cfg.log_path = f->log;
	f->cfg.log_max = 10000;
	start(f);
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "this is line number %010d\n", i);
		fe_write(f, line);
		UNTIL(f, fe_free(f->r.d) == XA_CONSOLE_OUT_SIZE);
	}
	settle(f);
	snprintf(path, sizeof(path), "%s.1", f->log);
	a = slurp(path, &alen);
	b = slurp(f->log, &blen);
	assert_true(alen >= 10000 && alen < 10000 + 4096);
	assert_true(blen < 10000 + 4096);
	/* The two together are the last lines without a gap. */
	a = realloc(a, alen + blen + 1);
	assert_non_null(a);
	memcpy(a + alen, b, blen + 1);
	for (size_t i = 0; i < (alen + blen) / 31; i++) {
		size_t n = (alen + blen) / 31;

		snprintf(line, sizeof(line), "this is line number %010d\n", (int)(1000 - n + i));
		assert_memory_equal(a + (alen + blen) % 31 + i * 31, line, 31);
	}
	free(a);
	free(b);
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
		BOTH(end_of_input_is_quiet),
		BOTH(escape_quits_even_when_the_guest_takes_no_input),
		BOTH(escape_can_be_turned_off),
		BOTH(pty_keeps_recent_output_for_a_late_reader),
		BOTH(slow_stdout_holds_the_guest_only_for_so_long),
		BOTH(closed_stdout_does_not_stop_the_log),
		BOTH(log_moves_to_a_second_file_when_full),
		BOTH(print_from_another_thread_appears),
		BOTH(bad_settings_are_refused_with_a_sentence),
		BOTH(page_rewritten_during_service_harms_nobody),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
