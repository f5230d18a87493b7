// SPDX-License-Identifier: MIT
/*
 * Consoles that come as devices: from their description in the store to bytes at the terminal or
 * socket; store and guest are in the test itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fake_device.h"
#include "xenabi/io_console.h"

#define BE(n) "/local/domain/0/backend/console/7/" n
#define FE(n) "/local/domain/7/device/console/" n
#define PORT 3u
#define RING 5u			/* page, and grant */

struct fix {
	struct device v;
	char sock[64];
};

static int set_up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	device_init(&f->v, 16);
	f->v.d->grants[RING] = (struct fake_grant){ .gfn = RING, .valid = true };
	snprintf(f->sock, sizeof(f->sock), "/tmp/test_condev.%d", (int)getpid());
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	device_fini(&f->v);
	unlink(f->sock);
	free(f);
	return 0;
}

static void describe(struct fix *f, const char *connection, const char *path)
{
	fs_set(f->v.fs, BE("1/frontend"), FE("1"));
	fs_set(f->v.fs, BE("1/online"), "1");
	fs_set(f->v.fs, BE("1/connection"), connection);
	if (path)
		fs_set(f->v.fs, BE("1/path"), path);
	fs_set(f->v.fs, FE("1/tty"), "");
	fs_set(f->v.fs, BE("1/state"), "1");
	fs_set(f->v.fs, FE("1/state"), "1");
}

static void connect_front(struct fix *f, const char *ref, const char *port)
{
	fs_set(f->v.fs, FE("1/ring-ref"), ref);
	fs_set(f->v.fs, FE("1/port"), port);
	fs_set(f->v.fs, FE("1/state"), "3");
	device_settle(&f->v);
}

static void expect_state(struct fix *f, const char *want)
{
	assert_string_equal(fs_get(f->v.fs, BE("1/state")), want);
}

/* The guest writes @text. */
static void put(struct fix *f, const char *text)
{
	uint32_t *prod = fake_u32(f->v.d, RING, XA_CONSOLE_OUT_PROD);
	uint64_t one = 1;

	for (; *text; text++, ++*prod)
		f->v.d->ram[RING * 4096 + XA_CONSOLE_OUT + *prod % XA_CONSOLE_OUT_SIZE] = (uint8_t)*text;
	assert_int_equal(write(f->v.d->backend_fd[PORT], &one, 8), 8);
	device_settle(&f->v);
}

/* What has come in for the guest, taken. */
static const char *input(struct fix *f)
{
	static char text[64];
	uint32_t *cons = fake_u32(f->v.d, RING, XA_CONSOLE_IN_CONS);
	uint32_t prod = *fake_u32(f->v.d, RING, XA_CONSOLE_IN_PROD);
	size_t n = 0;

	for (; *cons != prod && n < sizeof(text) - 1; ++*cons)
		text[n++] = (char)f->v.d->ram[RING * 4096 + XA_CONSOLE_IN + *cons % XA_CONSOLE_IN_SIZE];
	text[n] = '\0';
	return text;
}

static void expect_read(struct fix *f, int fd, const char *want)
{
	char text[64] = "";
	size_t n = 0;

	for (int i = 0; i < 200 && n < strlen(want); i++) {
		ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);

		n += got > 0 ? (size_t)got : 0;
		ev_loop_turn(f->v.l, ev_now() + 10000000);
	}
	text[n] = '\0';
	assert_string_equal(text, want);
}

/* Input takes its way through the kernel, and the loop. */
static void expect_input(struct fix *f, const char *want)
{
	const char *got = "";

	for (int i = 0; i < 200 && !*got; i++) {
		ev_loop_turn(f->v.l, ev_now() + 10000000);
		got = input(f);
	}
	assert_string_equal(got, want);
}

static void terminal_is_named_and_talks(void **state)
{
	struct fix *f = *state;
	int fd;

	describe(f, "pty", NULL);
	assert_int_equal(device_start(&f->v, NULL), 0);
	expect_state(f, "2");
	fd = open(fs_get(f->v.fs, FE("1/tty")), O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0);
	device_settle(&f->v);
	connect_front(f, "5", "3");
	expect_state(f, "4");
	put(f, "hello");
	expect_read(f, fd, "hello");
	assert_int_equal(write(fd, "abc", 3), 3);
	expect_input(f, "abc");
	assert_true(f->v.d->notifies[PORT] > 0);
	close(fd);
}

static int dial(struct fix *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->sock);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	device_settle(&f->v);
	return fd;
}

static void socket_serves_one_after_the_other(void **state)
{
	struct fix *f = *state;
	struct stat st;
	int first, second;

	describe(f, "socket", f->sock);
	assert_int_equal(device_start(&f->v, NULL), 0);
	assert_int_equal(stat(f->sock, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	connect_front(f, "5", "3");
	/* Nobody is there: it is kept. */
	put(f, "early ");
	first = dial(f);
	second = dial(f);
	put(f, "bird");
	expect_read(f, first, "early bird");
	assert_int_equal(send(first, "one", 3, 0), 3);
	expect_input(f, "one");
	close(first);
	put(f, "next");
	expect_read(f, second, "next");
	assert_int_equal(send(second, "two", 3, 0), 3);
	expect_input(f, "two");
	close(second);
	device_settle(&f->v);
	first = dial(f);
	put(f, "last");
	expect_read(f, first, "last");
	close(first);
}

/* The guest writes @len bytes in pieces that its ring has room for. */
static void put_much(struct fix *f, size_t len)
{
	char line[1001];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (size_t n = 0; n < len; n += sizeof(line) - 1)
		put(f, line);
}

/* Read all that comes until the back ends have got rid of it; how much was it? */
static size_t read_until_drained(struct fix *f, int fd)
{
	char buf[4096];
	size_t n = 0;
	bool done = false;

	for (int i = 0; i < 10000 && !done; i++) {
		ssize_t got;

		done = pvb_drain(f->v.p);
		while ((got = read(fd, buf, sizeof(buf))) > 0)
			n += (size_t)got;
		ev_loop_turn(f->v.l, ev_now() + 1000000);
	}
	assert_true(done);
	return n;
}

static void last_words_wait_for_a_slow_reader(void **state)
{
	struct fix *f = *state;
	size_t n = 0;
	char buf[16];
	int fd;

	describe(f, "socket", f->sock);
	assert_int_equal(device_start(&f->v, NULL), 0);
	connect_front(f, "5", "3");
	assert_true(pvb_drain(f->v.p));	/* nothing to say */
	put(f, "x");
	assert_true(pvb_drain(f->v.p));	/* nobody to say it to */
	fd = dial(f);
	/* More than the socket takes: the rest stays in the history, and the last of it in the ring. */
	while (*fake_u32(f->v.d, RING, XA_CONSOLE_OUT_PROD) - *fake_u32(f->v.d, RING, XA_CONSOLE_OUT_CONS) < 1000) {
		put_much(f, 1000);
		n += 1000;
	}
	assert_false(pvb_drain(f->v.p));
	assert_int_equal(read_until_drained(f, fd), n + 1);
	assert_int_equal(read(fd, buf, sizeof(buf)), -1);
	close(fd);
}

static void last_words_wait_until_a_terminal_is_read(void **state)
{
	struct fix *f = *state;
	uint64_t until;
	int fd;

	describe(f, "pty", NULL);
	assert_int_equal(device_start(&f->v, NULL), 0);
	connect_front(f, "5", "3");
	fd = open(fs_get(f->v.fs, FE("1/tty")), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	put_much(f, 2000);
	until = ev_now() + 200000000;
	while (ev_now() < until) {
		assert_false(pvb_drain(f->v.p));
		ev_loop_turn(f->v.l, ev_now() + 10000000);
	}
	assert_int_equal(read_until_drained(f, fd), 2000);
	close(fd);
	device_settle(&f->v);
	put(f, "x");
	assert_true(pvb_drain(f->v.p));	/* nobody reads */
}

static void first_console_is_none_of_ours(void **state)
{
	struct fix *f = *state;

	fs_set(f->v.fs, BE("0/frontend"), "/local/domain/7/console");
	fs_set(f->v.fs, BE("0/online"), "1");
	fs_set(f->v.fs, BE("0/state"), "1");
	assert_int_equal(device_start(&f->v, NULL), 0);
	device_settle(&f->v);
	assert_string_equal(fs_get(f->v.fs, BE("0/state")), "1");
}

static void front_end_that_closes_may_come_back(void **state)
{
	struct fix *f = *state;

	describe(f, "pty", NULL);
	assert_int_equal(device_start(&f->v, NULL), 0);
	connect_front(f, "5", "3");
	expect_state(f, "4");
	fs_set(f->v.fs, FE("1/state"), "6");
	device_settle(&f->v);
	expect_state(f, "6");
	assert_int_equal(fake_grants_in_use(f->v.d), 0);
	assert_false(f->v.d->bound[PORT]);
	fs_set(f->v.fs, FE("1/state"), "1");
	device_settle(&f->v);
	expect_state(f, "2");
	connect_front(f, "5", "3");
	expect_state(f, "4");
}

static void front_end_that_names_nonsense_is_closed(void **state)
{
	static const char *const rows[][2] = {
		{ "6", "3" }, { "4294967295", "3" }, { "5", "77" }, { "x", "3" }, { "5", "" },
	};
	struct fix *f = *state;

	describe(f, "pty", NULL);
	assert_int_equal(device_start(&f->v, NULL), 0);
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		connect_front(f, rows[i][0], rows[i][1]);
		expect_state(f, "5");
		assert_int_equal(fake_grants_in_use(f->v.d), 0);
		fs_set(f->v.fs, FE("1/state"), "6");
		device_settle(&f->v);
		fs_set(f->v.fs, FE("1/state"), "1");
		device_settle(&f->v);
	}
	connect_front(f, "5", "3");
	expect_state(f, "4");
}

static void impossible_indices_silence_the_console_only(void **state)
{
	struct fix *f = *state;

	describe(f, "pty", NULL);
	assert_int_equal(device_start(&f->v, NULL), 0);
	connect_front(f, "5", "3");
	*fake_u32(f->v.d, RING, XA_CONSOLE_OUT_PROD) = 100000;
	put(f, "x");
	expect_state(f, "4");
	fs_set(f->v.fs, FE("1/state"), "6");
	device_settle(&f->v);
	expect_state(f, "6");
}

static void description_that_is_no_good_is_told(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };

	describe(f, "telnet", NULL);
	assert_int_equal(device_start(&f->v, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "telnet"));
}

static void socket_that_cannot_be_made_is_told(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };

	describe(f, "socket", "/nowhere/at/all");
	assert_int_equal(device_start(&f->v, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nowhere/at/all"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(terminal_is_named_and_talks),
		TEST(socket_serves_one_after_the_other),
		TEST(last_words_wait_for_a_slow_reader),
		TEST(last_words_wait_until_a_terminal_is_read),
		TEST(first_console_is_none_of_ours),
		TEST(front_end_that_closes_may_come_back),
		TEST(front_end_that_names_nonsense_is_closed),
		TEST(impossible_indices_silence_the_console_only),
		TEST(description_that_is_no_good_is_told),
		TEST(socket_that_cannot_be_made_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
