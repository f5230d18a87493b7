// SPDX-License-Identifier: MIT
/*
 * What is at the other ends of a console: terminals, pipes, the log.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "con_fix.h"
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
		UNTIL(f->r.l, write(master, junk, sizeof(junk)) > 0);
		settle(f);
	}
	UNTIL(f->r.l, fe_waiting(f) == XA_CONSOLE_IN_SIZE);
	UNTIL(f->r.l, write(master, "\x1d", 1) == 1);
	UNTIL(f->r.l, f->quits == 1);
	fe_write(f, "bye");
	UNTIL(f->r.l, readable(master));
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
	UNTIL(f->r.l, fe_waiting(f) == 1);
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
		UNTIL(f->r.l, fe_free(f->r.d) >= 20);
	}
	UNTIL(f->r.l, fe_free(f->r.d) == XA_CONSOLE_OUT_SIZE);
	tty = open(link, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_true(tty >= 0);
	while (len < 4096) {
		UNTIL(f->r.l, readable(tty));
		n = read(tty, got + len, sizeof(got) - 1 - (size_t)len);
		assert_true(n > 0);
		len += n;
	}
	got[len] = 0;
	assert_int_equal(len, 4096);
	assert_string_equal(got + len - 20, "line 998.\nline 999.\n");
	/* Input, without an echo of output or input. */
	assert_int_equal(write(tty, "ls\n", 3), 3);
	UNTIL(f->r.l, fe_waiting(f) == 3);
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
	UNTIL(f->r.l, readable(tty));
	expect(tty, "missed\n");
	fe_write(f, "live\n");
	UNTIL(f->r.l, readable(tty));
	expect(tty, "live\n");
	assert_int_equal(write(tty, "q", 1), 1);
	UNTIL(f->r.l, fe_waiting(f) == 1);
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
		UNTIL(f->r.l, fe_free(f->r.d) == XA_CONSOLE_OUT_SIZE);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(end_of_input_is_quiet),
		BOTH(escape_quits_even_when_the_guest_takes_no_input),
		BOTH(escape_can_be_turned_off),
		BOTH(pty_keeps_recent_output_for_a_late_reader),
		BOTH(slow_stdout_holds_the_guest_only_for_so_long),
		BOTH(closed_stdout_does_not_stop_the_log),
		BOTH(log_moves_to_a_second_file_when_full),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
