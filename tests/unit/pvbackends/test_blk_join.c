// SPDX-License-Identifier: MIT
/*
 * Neighbours that come together are one operation on the image, and nobody can tell but by the time.
 *
 * The file calls of the poll engine are replaced here: they are counted, and fail, or move less than
 * asked for, where a test says so. It has one worker, so that they come in the order of the ring.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/syscall.h>

#include "blk_fix.h"

#define DEPTH 32u		/* requests in flight, each with 32 pages of its own */

/* What the replaced calls do and have done. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct files {
	struct file_call { bool write; uint64_t off, len; } calls[64];
	unsigned count;
	uint64_t bad;		/* this byte cannot be moved; UINT64_MAX: all can */
	bool whole;		/* nothing is moved by a call that touches it, not even what is before */
	unsigned one_in;	/* of so many calls one moves only some of its bytes; 0: none */
	uint32_t random;
	int direct_fd;		/* takes only pages; -1: there is none */
} files;

static uint64_t length(const struct iovec *iov, int count)
{
	uint64_t len = 0;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	return len;
}

/* How many of the bytes may be moved now; -errno. */
static int64_t permitted(bool write, int fd, const struct iovec *iov, int count, uint64_t off)
{
	uint64_t len = length(iov, count);

	if (files.count < DOM_ARRAY_LEN(files.calls))
		files.calls[files.count] = (struct file_call){ write, off, len };
	files.count++;
	for (int i = 0; i < count && fd == files.direct_fd; i++)
		if (((uintptr_t)iov[i].iov_base | iov[i].iov_len) & 4095)
			return -EINVAL;
	if (files.bad - off < len)
		return files.whole || files.bad == off ? -EIO : (int64_t)(files.bad - off);
	files.random = files.random * 1103515245 + 12345;
	if (files.one_in && (files.random >> 16) % files.one_in == 0)
		return 1 + (files.random >> 8) % (int64_t)len;
	return (int64_t)len;
}

static ssize_t move(bool write, int fd, const struct iovec *iov, int count, off_t off)
{
	struct iovec part[BLK_MAX_SEGMENTS];
	int64_t n;
	int used = 0;

	pthread_mutex_lock(&lock);
	n = permitted(write, fd, iov, count, (uint64_t)off);
	pthread_mutex_unlock(&lock);
	if (n < 0) {
		errno = (int)-n;
		return -1;
	}
	for (; n > 0; used++) {
		part[used] = (struct iovec){ iov[used].iov_base, DOM_MIN((size_t)n, iov[used].iov_len) };
		n -= (int64_t)part[used].iov_len;
	}
	return syscall(write ? SYS_pwritev : SYS_preadv, fd, part, used, off, 0);
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t off)
{
	return move(false, fd, iov, count, off);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
	return move(true, fd, iov, count, off);
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	return move(false, fd, &(struct iovec){ buf, len }, 1, off);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return move(true, fd, &(struct iovec){ (void *)(uintptr_t)buf, len }, 1, off);
}

static int set_up(void **state, enum ev_engine_choice engine)
{
	files = (struct files){ .bad = UINT64_MAX, .direct_fd = -1 };
	*state = fix_new(&(struct ev_config){ .engine = engine, .workers = 1 });
	start(*state, 0, 0);
	return 0;
}

static unsigned draw(uint32_t *random, unsigned below)
{
	*random = *random * 1103515245 + 12345;
	return (*random >> 16) % below;
}

/* Send what is on the ring, wait for @n answers; their statuses by id. */
static void run(struct fix *f, unsigned n, int *ret)
{
	uint64_t end = ev_now() + 20000000000u;
	struct blkif_response rsp;
	bool seen[DEPTH] = { 0 };

	fe_push(&f->fe);
	while (n) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->l, ev_now() + 10000000);
		for (; fe_response(&f->fe, &rsp); n--) {
			assert_true(n && rsp.id < DEPTH && !seen[rsp.id]);
			seen[rsp.id] = true;
			if (ret)
				ret[rsp.id] = rsp.status;
			else
				assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
		}
	}
}

/* Request @id for @n pages at page @at of the disk, in its own pages. */
static void pages(struct fix *f, uint8_t op, unsigned id, unsigned at, unsigned n)
{
	fe_pages(&f->fe, op, id, at * 8ul, id * 32, n);
}

static void paint(struct fix *f, unsigned id, unsigned n, uint8_t first)
{
	for (unsigned i = 0; i < n; i++)
		memset(fe_data(&f->fe, id * 32 + i), first + (int)i, 4096);
}

static void calls_are(const struct file_call *want, unsigned n)
{
	assert_int_equal(files.count, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(files.calls[i].write, want[i].write);
		assert_int_equal(files.calls[i].off / 4096, want[i].off);
		assert_int_equal(files.calls[i].len / 4096, want[i].len);
	}
	files.count = 0;
}

static void neighbours_are_one_operation(void **state)
{
	struct fix *f = *state;
	struct ev_stats before, after;
	uint8_t page[4096];

	for (unsigned i = 0; i < 16; i++) {
		paint(f, i, 2, (uint8_t)(1 + 2 * i));
		pages(f, BLKIF_OP_WRITE, i, 5 + 2 * i, 2);
	}
	ev_loop_stats(f->l, &before);
	run(f, 16, NULL);
	ev_loop_stats(f->l, &after);
	/* The write, and waiting for the event channel, perhaps anew. */
	assert_true(after.submits - before.submits <= 3);
	assert_int_equal(f->disk.stats.joined, 15);
	assert_int_equal(f->disk.stats.ops[BLK_WRITE], 16);
	assert_int_equal(f->disk.stats.bytes[BLK_WRITE], 32 * 4096);
	if (f->engine == EV_ENGINE_POLL)
		calls_are((const struct file_call[]){ { true, 5, 32 } }, 1);
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(syscall(SYS_pread64, f->disk.img.fd, page, 4096, (5 + i) * 4096), 4096);
		assert_int_equal(page[0], 1 + i);
		assert_int_equal(page[4095], 1 + i);
	}
	for (unsigned i = 0; i < 8; i++) {
		paint(f, i, 4, 200);
		pages(f, BLKIF_OP_READ, i, 5 + 4 * i, 4);
	}
	run(f, 8, NULL);
	assert_int_equal(f->disk.stats.joined, 15 + 7);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(fe_data(&f->fe, i / 4 * 32 + i % 4)[77], 1 + i);
}

static void runs_end_where_they_must(void **state)
{
	struct fix *f = *state;
	static const struct file_call want[] = {
		{ false, 0, 2 },	/* 0, 1 */
		{ true, 2, 1 },		/* another operation */
		{ false, 3, 2 },	/* and back */
		{ false, 6, 1 },	/* a gap */
		{ false, 5, 1 },	/* backwards */
		{ false, 5, 4 },	/* the same once more; no gap where one was refused */
	};
	int status[DEPTH];

	pages(f, BLKIF_OP_READ, 0, 0, 1);
	pages(f, BLKIF_OP_READ, 1, 1, 1);
	pages(f, BLKIF_OP_WRITE, 2, 2, 1);
	pages(f, BLKIF_OP_READ, 3, 3, 1);
	pages(f, BLKIF_OP_READ, 4, 4, 1);
	pages(f, BLKIF_OP_READ, 5, 6, 1);
	pages(f, BLKIF_OP_READ, 6, 5, 1);
	pages(f, BLKIF_OP_READ, 7, 5, 1);
	pages(f, BLKIF_OP_READ, 8, 6, 1);
	pages(f, BLKIF_OP_READ, 9, SECTORS, 1);
	pages(f, BLKIF_OP_READ, 10, 7, 2);
	run(f, 11, status);
	for (unsigned i = 0; i < 11; i++)
		assert_int_equal(status[i], i == 9 ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
	calls_are(want, DOM_ARRAY_LEN(want));
}

static void runs_have_limits(void **state)
{
	struct fix *f = *state;
	const unsigned most = BLK_JOIN_SEGMENTS / 32;

	for (unsigned i = 0; i < most + 1; i++)
		pages(f, BLKIF_OP_WRITE, i, 32 * i, 32);
	run(f, most + 1, NULL);
	calls_are((const struct file_call[]){ { true, 0, 32 * most }, { true, 32 * most, 32 } }, 2);
	f->disk.img.join_max = 3 * 4096;
	for (unsigned i = 0; i < 7; i++)
		pages(f, BLKIF_OP_READ, i, i, 1);
	run(f, 7, NULL);
	calls_are((const struct file_call[]){ { false, 0, 3 }, { false, 3, 3 }, { false, 6, 1 } }, 3);
	f->disk.img.join_max = 0;
	for (unsigned i = 0; i < 3; i++)
		pages(f, BLKIF_OP_READ, i, i, 1);
	run(f, 3, NULL);
	assert_int_equal(files.count, 3);
}

static void flushes_and_barriers_end_a_run(void **state)
{
	struct fix *f = *state;
	unsigned order[DEPTH], n = 0;
	struct blkif_response rsp;
	uint64_t end = ev_now() + 20000000000u;

	pages(f, BLKIF_OP_WRITE, 0, 0, 1);
	pages(f, BLKIF_OP_WRITE, 1, 1, 1);
	fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 2, 0, NULL, 0);
	pages(f, BLKIF_OP_WRITE, 3, 2, 1);
	pages(f, BLKIF_OP_WRITE, 4, 3, 1);
	pages(f, BLKIF_OP_WRITE_BARRIER, 5, 4, 1);
	pages(f, BLKIF_OP_WRITE, 6, 5, 1);
	pages(f, BLKIF_OP_WRITE, 7, 6, 1);
	fe_push(&f->fe);
	while (n < 8) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->l, ev_now() + 10000000);
		while (fe_response(&f->fe, &rsp)) {
			assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
			order[n++] = (unsigned)rsp.id;
		}
	}
	/* With one worker all ends in order. */
	for (unsigned i = 0; i < 8 && f->engine == EV_ENGINE_POLL; i++)
		assert_int_equal(order[i], i);
	assert_int_equal(order[5], 5);
	assert_int_equal(f->disk.stats.joined, 3);
	if (f->engine == EV_ENGINE_POLL)
		calls_are((const struct file_call[]){ { true, 0, 2 }, { true, 2, 2 }, { true, 4, 1 },
						      { true, 5, 2 } }, 4);
}

/* The last of two writes of the same page, as the front end numbers them, is not begun before the other. */
static void overlapping_writes_are_begun_in_order(void **state)
{
	struct fix *f = *state;

	for (unsigned i = 0; i < 4; i++)
		pages(f, BLKIF_OP_WRITE, i, i % 2, 1 + i / 2);
	run(f, 4, NULL);
	calls_are((const struct file_call[]){ { true, 0, 2 }, { true, 0, 2 }, { true, 1, 2 } }, 3);
}

static void bad_byte_fails_only_its_request(void **state)
{
	struct fix *f = *state;
	int status[DEPTH];

	for (unsigned turn = 0; turn < 4 * 10; turn++) {
		uint8_t op = turn % 2 ? BLKIF_OP_WRITE : BLKIF_OP_READ;
		unsigned victim = turn / 4, joined = (unsigned)f->disk.stats.joined;

		files.bad = UINT64_MAX;
		for (unsigned i = 0; i < 10; i++) {
			paint(f, i, 3, (uint8_t)(i + 1));
			pages(f, BLKIF_OP_WRITE, i, 3 * i, 3);
		}
		run(f, 10, NULL);
		files.bad = victim * 3 * 4096 + (turn % 3) * 5000;
		files.whole = turn & 2;
		for (unsigned i = 0; i < 10; i++) {
			paint(f, i, 3, op == BLKIF_OP_READ ? 100 : (uint8_t)(i + 50));
			pages(f, op, i, 3 * i, 3);
		}
		f->complaints = 0;
		run(f, 10, status);
		assert_int_equal(f->complaints, 1);
		for (unsigned i = 0; i < 10; i++) {
			uint8_t page[4096];

			assert_int_equal(status[i], i == victim ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
			if (i == victim)
				continue;
			assert_int_equal(syscall(SYS_pread64, f->disk.img.fd, page, 4096,
						 (3 * i + 2) * 4096), 4096);
			assert_int_equal(page[9], (op == BLKIF_OP_READ ? 1 : 50) + i + 2);
			assert_memory_equal(page, fe_data(&f->fe, i * 32 + 2), 4096);
		}
		assert_int_equal(f->disk.stats.joined, joined + 18);
	}
}

static void file_that_became_shorter_fails_what_is_beyond(void **state)
{
	struct fix *f = *state;
	int status[DEPTH];

	assert_int_equal(ftruncate(f->disk.img.fd, 4 * 4096 + 100), 0);
	for (unsigned i = 0; i < 8; i++)
		pages(f, BLKIF_OP_READ, i, i, 1);
	run(f, 8, status);
	assert_int_equal(f->disk.stats.joined, 7);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(status[i], i < 4 ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR);
}

static void file_that_may_not_grow_fails_what_is_beyond(void **state)
{
	struct fix *f = *state;
	uint8_t page[4096];
	int status[DEPTH];

	assert_int_equal(ftruncate(f->disk.img.fd, 5 * 4096), 0);
	assert_int_equal(fcntl(f->disk.img.fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	for (unsigned i = 0; i < 8; i++) {
		paint(f, i, 1, (uint8_t)(i + 1));
		pages(f, BLKIF_OP_WRITE, i, i, 1);
	}
	run(f, 8, status);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(status[i], i < 5 ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(syscall(SYS_pread64, f->disk.img.fd, page, 4096, i * 4096), 4096);
		assert_int_equal(page[1], i + 1);
	}
}

static void grant_that_is_not_there_leaves_a_gap(void **state)
{
	struct fix *f = *state;
	int status[DEPTH];

	f->d->grants[f->fe.data_page + 3 * 32].valid = false;
	for (unsigned i = 0; i < 6; i++)
		pages(f, BLKIF_OP_READ, i, i, 1);
	run(f, 6, status);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(status[i], i == 3 ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
	assert_int_equal(fake_grants_in_use(f->d), 1);
	calls_are((const struct file_call[]){ { false, 0, 3 }, { false, 4, 2 } }, 2);
}

/* One that O_DIRECT does not take goes another way; its neighbours are done all the same. */
static void unaligned_neighbour_is_done_without_o_direct(void **state)
{
	struct fix *f = *state;
	struct blkif_request_segment half[2] = {
		{ .gref = f->fe.data_page + 2 * 32, .first_sect = 1, .last_sect = 5 },
		{ .gref = f->fe.data_page + 2 * 32 + 1, .first_sect = 3, .last_sect = 5 },
	};

	f->disk.img.buffered_fd = dup(f->disk.img.fd);
	files.direct_fd = f->disk.img.fd;
	for (unsigned i = 0; i < 5; i++) {
		paint(f, i, 2, (uint8_t)(10 * i));
		if (i == 2)
			fe_request(&f->fe, BLKIF_OP_WRITE, 2, 16, half, 2);
		else
			pages(f, BLKIF_OP_WRITE, i, i, 1);
	}
	run(f, 5, NULL);
	/* All, each alone, one of them once more. */
	assert_int_equal(files.count, 1 + 5 + 1);
	assert_int_equal(f->complaints, 0);
	close(f->disk.img.buffered_fd);
}

/* The model has a number for each page, which stands at its beginning and its end. */
static void random_mixes_match_a_model(void **state)
{
	static uint32_t model[SECTORS / 8];
	struct fix *f = *state;
	unsigned rounds = 300;
	uint32_t random = 7;

	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < rounds; round++) {
		unsigned at = draw(&random, 500), n = 1 + draw(&random, DEPTH), len[DEPTH], where[DEPTH];
		bool touched[1024] = { 0 }, writes[DEPTH];
		unsigned count = 0;

		files.one_in = round % 3 == 2 ? 4 : 0;
		for (unsigned i = 0; i < n; i++) {
			bool clash = false;

			/* Mostly behind the last one, and mostly of the same kind. */
			at = draw(&random, 4) ? at : draw(&random, 500);
			/* The front end has room for the segments of 8 indirect requests in a row. */
			len[count] = 1 + draw(&random, draw(&random, 8) || count >= 8 ? 4 : 32);
			writes[count] = count && draw(&random, 6) ? writes[count - 1] : draw(&random, 2);
			for (unsigned p = 0; p < len[count]; p++)
				clash |= touched[at + p];
			if (clash || at > 900)
				continue;
			where[count] = at;
			for (unsigned p = 0; p < len[count]; p++, at++) {
				uint32_t stamp = writes[count] ? round * 2048 + at + 1 : 0;
				uint8_t *page = fe_data(&f->fe, count * 32 + p);

				touched[at] = true;
				if (writes[count])
					model[at] = stamp;
				memcpy(page, &stamp, 4);
				memcpy(page + 4092, &stamp, 4);
			}
			pages(f, writes[count] ? BLKIF_OP_WRITE : BLKIF_OP_READ, count, where[count],
			      len[count]);
			count++;
		}
		run(f, count, NULL);
		for (unsigned i = 0; i < count; i++)
			for (unsigned p = 0; p < len[i]; p++) {
				const uint8_t *page = fe_data(&f->fe, i * 32 + p);

				assert_memory_equal(page, &model[where[i] + p], 4);
				assert_memory_equal(page + 4092, &model[where[i] + p], 4);
			}
	}
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t stamp;

		assert_int_equal(syscall(SYS_pread64, f->disk.img.fd, &stamp, 4, i * 4096), 4);
		assert_int_equal(stamp, model[i]);
	}
	assert_true(f->disk.stats.joined > rounds * 2);
}

static void free_with_joined_requests_in_flight_unpins_everything(void **state)
{
	struct fix *f = *state;

	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 30; i++)
			pages(f, i == round ? BLKIF_OP_WRITE_BARRIER : round & 4 ? BLKIF_OP_READ :
			      BLKIF_OP_WRITE, i, i, 1);
		fe_push(&f->fe);
		for (unsigned i = 0; i < round % 4; i++)
			ev_loop_turn(f->l, 0);
		stop(f);
		start(f, 0, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(neighbours_are_one_operation),
		POLL(runs_end_where_they_must),
		POLL(runs_have_limits),
		BOTH(flushes_and_barriers_end_a_run),
		POLL(overlapping_writes_are_begun_in_order),
		POLL(bad_byte_fails_only_its_request),
		BOTH(file_that_became_shorter_fails_what_is_beyond),
		BOTH(file_that_may_not_grow_fails_what_is_beyond),
		POLL(grant_that_is_not_there_leaves_a_gap),
		POLL(unaligned_neighbour_is_done_without_o_direct),
		BOTH(random_mixes_match_a_model),
		BOTH(free_with_joined_requests_in_flight_unpins_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
