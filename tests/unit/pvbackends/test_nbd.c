// SPDX-License-Identifier: MIT
/*
 * Images behind an NBD server: a server in a thread of the test, well-behaved or not, and the block
 * back end as a device of the store.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fake_blkfront.h"
#include "fake_device.h"

#define BE "/local/domain/0/backend/vbd/7/51712"
#define QBE "/local/domain/0/backend/qdisk/7/51712"
#define FE "/local/domain/7/device/vbd/51712"
#define SIZE (4u << 20)

/* What the server does wrong. */
enum fault {
	GOOD, BAD_GREETING, NO_EXPORT, HUGE_OPTION, ENDLESS_OPTIONS, HANGS_UP, BAD_REPLY, BAD_HANDLE,
	ERRORS, DIES_LATER, DIES_AND_RETURNS, DIES_AND_SHRINKS, DIES_OFTEN, SLOW, READ_ONLY,
};

struct server {
	enum fault fault;
	int listen_fd;
	pthread_t thread;
	uint8_t *data;
	uint64_t size;
	unsigned commands, flushes, trims;
	unsigned clients;		/* atomic */
	uint64_t off[64];		/* of the commands of the last client, in order */
};

struct fix {
	struct device v;
	struct blkfront fe;
	struct server sv;
	char socket[64];
	unsigned asked;			/* times for another server */
	unsigned asked_max;		/* as often as there is somebody to ask */
	bool sent;			/* and then there is another one */
};

static bool get(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

static bool put(int fd, const void *buf, size_t len)
{
	return send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool put_be(int fd, uint64_t v, unsigned bytes)
{
	v = htobe64(v << (64 - 8 * bytes));
	return put(fd, &v, bytes);
}

static uint64_t be(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | *p++;
	return v;
}

static void reply_option(int fd, uint32_t type, uint32_t len)
{
	put_be(fd, 0x3e889045565a9, 8);
	put_be(fd, 7, 4);
	put_be(fd, type, 4);
	put_be(fd, len, 4);
}

static bool greet(struct server *sv, int fd)
{
	uint8_t in[4 + 16 + 6];
	unsigned flags = 1 | 4 | 0x20 | (sv->fault == READ_ONLY ? 2 : 0);

	put(fd, sv->fault == BAD_GREETING ? "NBDMUGGL" : "NBDMAGIC", 8);
	put(fd, "IHAVEOPT", 8);
	put_be(fd, 3, 2);
	if (!get(fd, in, sizeof(in)) || be(in, 4) != 3 || be(in + 12, 4) != 7 || be(in + 16, 4) != 6)
		return false;
	if (sv->fault == HANGS_UP)
		return false;
	if (sv->fault == NO_EXPORT) {
		reply_option(fd, 0x80000006, 0);
		return true;
	}
	if (sv->fault == HUGE_OPTION) {
		reply_option(fd, 3, 0x40000000);
		return true;
	}
	for (unsigned i = 0; i < (sv->fault == ENDLESS_OPTIONS ? 1000 : 1); i++) {
		reply_option(fd, 3, 12);
		put_be(fd, 0, 2);
		put_be(fd, sv->size, 8);
		put_be(fd, flags, 2);
	}
	reply_option(fd, 1, 0);
	return true;
}

static bool serve_one(struct server *sv, int fd)
{
	uint8_t h[28], reply[16] = { 0x67, 0x44, 0x66, 0x98 };
	uint64_t off;
	uint32_t len;
	bool ok;

	if (!get(fd, h, sizeof(h)) || be(h, 4) != 0x25609513)
		return false;
	off = be(h + 16, 8);
	len = (uint32_t)be(h + 24, 4);
	assert_true(off + len <= SIZE);
	if (h[7] == 1 && !get(fd, sv->data + off, len))
		return false;
	sv->off[sv->commands++ % DOM_ARRAY_LEN(sv->off)] = off;
	sv->flushes += h[7] == 3;
	sv->trims += h[7] == 4;
	if (h[7] == 4)
		memset(sv->data + off, 0, len);
	if (sv->fault >= DIES_LATER && sv->fault <= DIES_OFTEN && sv->commands == 3)
		return false;
	if (sv->fault == SLOW)
		usleep(100000);
	memcpy(reply + 8, h + 8, 8);
	if (sv->fault == BAD_REPLY)
		reply[0] = 0x68;
	if (sv->fault == BAD_HANDLE)
		reply[8] ^= 0xff;
	if (sv->fault == ERRORS)
		reply[7] = 28;
	ok = put(fd, reply, sizeof(reply));
	return ok && (h[7] || sv->fault == ERRORS || put(fd, sv->data + off, len));
}

static void *server_main(void *arg)
{
	struct server *sv = arg;
	bool again;

	do {
		int fd = accept(sv->listen_fd, NULL, NULL);

		__atomic_fetch_add(&sv->clients, 1, __ATOMIC_SEQ_CST);
		sv->commands = 0;
		if (fd >= 0 && greet(sv, fd))
			while (serve_one(sv, fd))
				;
		if (fd >= 0)
			close(fd);
		/* Another one in its place, which means well, or has another image. */
		again = fd >= 0 && sv->fault >= DIES_AND_RETURNS && sv->fault <= DIES_OFTEN;
		sv->size = sv->fault == DIES_AND_SHRINKS ? SIZE / 2 : SIZE;
		if (again && sv->fault != DIES_OFTEN)
			sv->fault = GOOD;
	} while (again);
	return NULL;
}

static int set_up(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	device_init(&f->v, 1100);
	f->sv.data = calloc(1, SIZE);
	f->sv.size = SIZE;
	snprintf(f->socket, sizeof(f->socket), "/tmp/dom-nbd-%d", getpid());
	unlink(f->socket);
	strcpy(addr.sun_path, f->socket);
	f->sv.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->sv.listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(f->sv.listen_fd, 1), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	device_fini(&f->v);
	shutdown(f->sv.listen_fd, SHUT_RDWR);
	pthread_join(f->sv.thread, NULL);
	close(f->sv.listen_fd);
	unlink(f->socket);
	free(f->sv.data);
	free(f);
	return 0;
}

static void connect_ring(struct fix *f, const char *state)
{
	device_settle(&f->v);
	fe_init(&f->fe, f->v.d, &blk_layouts[0], 0);
	fs_set(f->v.fs, FE "/ring-ref", "0");
	fs_set(f->v.fs, FE "/event-channel", "3");
	fs_set(f->v.fs, FE "/state", "3");
	device_settle(&f->v);
	assert_string_equal(fs_get(f->v.fs, state), "4");
	f->fe.kick = f->v.d->backend_fd[FE_PORT];
}

static bool ask_server(void *arg, unsigned id)
{
	struct fix *f = arg;

	assert_int_equal(id, 51712);
	if (f->asked++ >= f->asked_max)
		return false;
	if (f->sent)
		fs_set(f->v.fs, QBE "/physical-device-path", f->socket);
	return true;
}

/* A disk whose server comes from the toolstack. */
static void start_helped(struct fix *f, enum fault fault)
{
	struct pvb_config cfg = device_config(&f->v);

	cfg.ask_server = ask_server;
	cfg.arg = f;
	f->sv.fault = fault;
	assert_int_equal(pthread_create(&f->sv.thread, NULL, server_main, &f->sv), 0);
	fs_set(f->v.fs, QBE "/frontend", FE);
	fs_set(f->v.fs, QBE "/physical-device-path", f->socket);
	fs_set(f->v.fs, QBE "/mode", "w");
	fs_set(f->v.fs, QBE "/online", "1");
	fs_set(f->v.fs, QBE "/state", "1");
	fs_set(f->v.fs, FE "/state", "1");
	assert_int_equal(pvb_new(&cfg, &f->v.p, NULL), 0);
	connect_ring(f, QBE "/state");
}

static int start(struct fix *f, enum fault fault, struct dom_err *err)
{
	f->sv.fault = fault;
	assert_int_equal(pthread_create(&f->sv.thread, NULL, server_main, &f->sv), 0);
	fs_set(f->v.fs, BE "/frontend", FE);
	fs_set(f->v.fs, BE "/params", f->socket);
	fs_set(f->v.fs, BE "/mode", "w");
	fs_set(f->v.fs, BE "/online", "1");
	fs_set(f->v.fs, BE "/state", "1");
	fs_set(f->v.fs, FE "/state", "1");
	return device_start(&f->v, err);
}

static void connect_front(struct fix *f, enum fault fault)
{
	struct dom_err err = { 0 };

	if (start(f, fault, &err))
		fail_msg("%s", err.msg);
	connect_ring(f, BE "/state");
}

/* Push what was put on the ring and wait for @n answers; returns how many were good. */
static unsigned run(struct fix *f, unsigned n)
{
	uint64_t end = ev_now() + 10000000000u;
	struct blkif_response rsp;
	unsigned good = 0;

	fe_push(&f->fe);
	for (unsigned got = 0; got < n;) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->v.l, ev_now() + 10000000);
		while (fe_response(&f->fe, &rsp)) {
			got++;
			good += rsp.status == BLKIF_RSP_OKAY;
		}
	}
	return good;
}

static void data_flush_and_trim_reach_the_server(void **state)
{
	struct fix *f = *state;

	connect_front(f, GOOD);
	assert_string_equal(fs_get(f->v.fs, BE "/sectors"), "8192");
	assert_string_equal(fs_get(f->v.fs, BE "/feature-discard"), "1");
	/* The largest request there is, and more of them than buffers. */
	for (unsigned i = 0; i < 256 * 4096; i++)
		fe_data(&f->fe, 0)[i] = (uint8_t)(i * 7 + i / 4096);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, 8, 0, 256);
	assert_int_equal(run(f, 1), 1);
	assert_memory_equal(f->sv.data + 4096, fe_data(&f->fe, 0), 256 * 4096);
	memset(fe_data(&f->fe, 0), 0, 256 * 4096);
	for (unsigned i = 0; i < 24; i++)
		fe_pages(&f->fe, BLKIF_OP_READ, i, 8 + i * 8, i, 1);
	assert_int_equal(run(f, 24), 24);
	assert_memory_equal(f->sv.data + 4096, fe_data(&f->fe, 0), 24 * 4096);
	fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 1, 0, NULL, 0);
	fe_pages(&f->fe, BLKIF_OP_WRITE_BARRIER, 2, 0, 3, 2);
	assert_int_equal(run(f, 2), 2);
	assert_int_equal(f->sv.flushes, 3);
	assert_memory_equal(f->sv.data, fe_data(&f->fe, 3), 8192);
	fe_discard(&f->fe, 1, 8, 16, 0);
	assert_int_equal(run(f, 1), 1);
	assert_int_equal(f->sv.trims, 1);
	assert_int_equal(f->sv.data[4096], 0);
}

static void read_only_export_is_a_read_only_disk(void **state)
{
	struct fix *f = *state;

	connect_front(f, READ_ONLY);
	assert_string_equal(fs_get(f->v.fs, BE "/feature-discard"), "0");
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, 0, 0, 1);
	assert_int_equal(run(f, 1), 0);
	assert_int_equal(f->sv.commands, 0);
}

static void server_that_is_none_is_refused_at_the_start(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };
	static const enum fault faults[] = { BAD_GREETING, NO_EXPORT, HUGE_OPTION, ENDLESS_OPTIONS,
					     HANGS_UP };

	for (unsigned i = 0; i < DOM_ARRAY_LEN(faults); i++) {
		if (i) {
			tear_down(state);
			set_up(state);
			f = *state;
		}
		assert_true(start(f, faults[i], &err) < 0);
		assert_non_null(strstr(err.msg, f->socket));
		device_settle(&f->v);
		assert_string_equal(fs_get(f->v.fs, BE "/state"), "6");
	}
}

static void errors_of_the_server_are_the_guests(void **state)
{
	struct fix *f = *state;

	connect_front(f, ERRORS);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 1);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 2, 0, 0, 1);
	fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 3, 0, NULL, 0);
	assert_int_equal(run(f, 3), 0);
	assert_int_equal(f->sv.commands, 3);
}

/* Whatever goes wrong on the way, each request gets its answer, those after it, too. */
static void all_requests_fail(struct fix *f, enum fault fault, unsigned most)
{
	connect_front(f, fault);
	for (unsigned i = 0; i < 20; i++)
		fe_pages(&f->fe, i % 2 ? BLKIF_OP_WRITE : BLKIF_OP_READ, i, i * 8, i, 1);
	assert_true(run(f, 20) <= most);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 1);
	assert_int_equal(run(f, 1), 0);
}

static void server_that_dies_fails_what_is_in_flight_and_later(void **state)
{
	all_requests_fail(*state, DIES_LATER, 2);
}

/* Say in the store that there is a server, and wait until the back end has been there. */
static void tell_of_server(struct fix *f)
{
	uint64_t end = ev_now() + 10000000000u;

	fs_set(f->v.fs, BE "/physical-device-path", f->socket);
	while (__atomic_load_n(&f->sv.clients, __ATOMIC_SEQ_CST) < 2) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->v.l, ev_now() + 1000000);
	}
}

/* Whoever starts another server says so in the store. */
static void server_that_comes_back_is_used(void **state)
{
	struct fix *f = *state;

	all_requests_fail(f, DIES_AND_RETURNS, 2);
	fs_set(f->v.fs, BE "/physical-device-path", "/nonexistent");
	device_settle(&f->v);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 1);
	assert_int_equal(run(f, 1), 0);
	tell_of_server(f);
	for (unsigned i = 0; i < 20; i++)
		fe_pages(&f->fe, i % 2 ? BLKIF_OP_WRITE : BLKIF_OP_READ, i, i * 8, i, 1);
	assert_int_equal(run(f, 20), 20);
	assert_string_equal(fs_get(f->v.fs, BE "/state"), "4");
}

static void another_image_in_its_place_is_not_used(void **state)
{
	struct fix *f = *state;

	all_requests_fail(f, DIES_AND_SHRINKS, 2);
	tell_of_server(f);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 1);
	assert_int_equal(run(f, 1), 0);
	assert_string_equal(fs_get(f->v.fs, BE "/sectors"), "8192");
}

/* The toolstack's server comes again by itself: what was in flight is sent to it, in order. */
static void dead_server_is_replaced_unnoticed(void **state)
{
	struct fix *f = *state;
	unsigned first;

	f->asked_max = 1;
	f->sent = true;
	start_helped(f, DIES_AND_RETURNS);
	for (unsigned i = 0; i < 20; i++) {
		memset(fe_data(&f->fe, i), (int)i + 1, 4096);
		fe_pages(&f->fe, i == 1 ? BLKIF_OP_READ : BLKIF_OP_WRITE, i, i * 8, i, 1);
	}
	assert_int_equal(run(f, 20), 20);
	assert_int_equal(f->asked, 1);
	assert_int_equal(__atomic_load_n(&f->sv.clients, __ATOMIC_SEQ_CST), 2);
	/* All but those of which the first server has told, which are two at most. */
	first = 20 - f->sv.commands;
	assert_in_range(first, 0, 2);
	for (unsigned i = first; i < 20; i++) {
		assert_int_equal(f->sv.off[i - first], i * 4096ul);
		assert_int_equal(f->sv.data[i * 4096ul], i == 1 ? 0 : i + 1);
	}
}

/* A write that was answered and not flushed may be gone: a flush must not say that it is there. */
static void flush_tells_that_a_server_died_with_writes(void **state)
{
	struct fix *f = *state;

	f->asked_max = 1;
	f->sent = true;
	start_helped(f, DIES_AND_RETURNS);
	for (unsigned i = 0; i < 2; i++) {
		fe_pages(&f->fe, BLKIF_OP_WRITE, i, i * 8, i, 1);
		assert_int_equal(run(f, 1), 1);
	}
	fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 1, 0, NULL, 0);
	assert_int_equal(run(f, 1), 0);
	assert_int_equal(f->asked, 1);
	fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 1, 0, NULL, 0);
	assert_int_equal(run(f, 1), 1);
}

static void flush_after_nothing_was_lost_is_good(void **state)
{
	struct fix *f = *state;

	f->asked_max = 1;
	f->sent = true;
	start_helped(f, DIES_AND_RETURNS);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, 0, 0, 1);
	assert_int_equal(run(f, 1), 1);
	fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 1, 0, NULL, 0);
	assert_int_equal(run(f, 1), 1);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, 8, 0, 1);
	assert_int_equal(run(f, 1), 1);
	assert_int_equal(f->asked, 1);
	fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 1, 0, NULL, 0);
	assert_int_equal(run(f, 1), 1);
}

static void servers_that_die_too_often_are_not_replaced(void **state)
{
	struct fix *f = *state;

	f->asked_max = 100;
	f->sent = true;
	start_helped(f, DIES_OFTEN);
	for (unsigned i = 0; i < 20; i++)
		fe_pages(&f->fe, BLKIF_OP_READ, i, i * 8, i, 1);
	assert_true(run(f, 20) <= 4 * 2);
	assert_int_equal(__atomic_load_n(&f->sv.clients, __ATOMIC_SEQ_CST), 4);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 1);
	assert_int_equal(run(f, 1), 0);
}

static void requests_fail_when_nobody_sends_a_server(void **state)
{
	struct fix *f = *state;

	f->asked_max = 1;
	start_helped(f, DIES_LATER);
	for (unsigned i = 0; i < 20; i++)
		fe_pages(&f->fe, i % 2 ? BLKIF_OP_WRITE : BLKIF_OP_READ, i, i * 8, i, 1);
	assert_true(run(f, 20) <= 2);
	assert_int_equal(f->asked, 2);
}

/* While they wait for a server that does not come, the guest may have its pages back. */
static void held_requests_do_not_keep_a_disk(void **state)
{
	struct fix *f = *state;

	f->asked_max = 100;
	start_helped(f, DIES_LATER);
	for (unsigned i = 0; i < 20; i++)
		fe_pages(&f->fe, BLKIF_OP_WRITE, i, i * 8, i, 1);
	fe_push(&f->fe);
	for (uint64_t end = ev_now() + 10000000000u; !f->asked; assert_true(ev_now() < end))
		ev_loop_turn(f->v.l, ev_now() + 1000000);
	assert_true(fake_grants_in_use(f->v.d) >= 18);
	shutdown(f->sv.listen_fd, SHUT_RDWR);	/* nobody is to be found there */
	fs_set(f->v.fs, FE "/state", "6");
	for (uint64_t end = ev_now() + 10000000000u; fake_grants_in_use(f->v.d);
	     assert_true(ev_now() < end))
		ev_loop_turn(f->v.l, ev_now() + 1000000);
}

static void reply_that_is_none_ends_the_connection(void **state)
{
	all_requests_fail(*state, BAD_REPLY, 0);
}

static void reply_to_nothing_ends_the_connection(void **state)
{
	all_requests_fail(*state, BAD_HANDLE, 0);
}

/* The guest gets its pages back at once; what the server says later goes nowhere. */
static void disconnecting_does_not_wait_for_a_slow_server(void **state)
{
	struct fix *f = *state;

	connect_front(f, SLOW);
	for (unsigned i = 0; i < 24; i++)
		fe_pages(&f->fe, i % 2 ? BLKIF_OP_WRITE : BLKIF_OP_READ, i, i * 8, i, 1);
	fe_push(&f->fe);
	device_settle(&f->v);
	assert_true(fake_grants_in_use(f->v.d) > 24);
	fs_set(f->v.fs, FE "/state", "6");
	for (uint64_t end = ev_now() + 300000000u; fake_grants_in_use(f->v.d) && ev_now() < end;)
		ev_loop_turn(f->v.l, ev_now() + 1000000);
	assert_int_equal(fake_grants_in_use(f->v.d), 0);
	memset(fe_data(&f->fe, 0), 0x5a, 4096);
	for (int i = 0; i < 30; i++)
		ev_loop_turn(f->v.l, ev_now() + 10000000);
	assert_int_equal(fe_data(&f->fe, 0)[0], 0x5a);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(data_flush_and_trim_reach_the_server),
		ONE(read_only_export_is_a_read_only_disk),
		ONE(server_that_is_none_is_refused_at_the_start),
		ONE(errors_of_the_server_are_the_guests),
		ONE(server_that_dies_fails_what_is_in_flight_and_later),
		ONE(server_that_comes_back_is_used),
		ONE(another_image_in_its_place_is_not_used),
		ONE(dead_server_is_replaced_unnoticed),
		ONE(flush_tells_that_a_server_died_with_writes),
		ONE(flush_after_nothing_was_lost_is_good),
		ONE(servers_that_die_too_often_are_not_replaced),
		ONE(requests_fail_when_nobody_sends_a_server),
		ONE(held_requests_do_not_keep_a_disk),
		ONE(reply_that_is_none_ends_the_connection),
		ONE(reply_to_nothing_ends_the_connection),
		ONE(disconnecting_does_not_wait_for_a_slow_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
