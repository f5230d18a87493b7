// SPDX-License-Identifier: MIT
/*
 * The block back end's queues against a front end in the test itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>

#include "blk_fix.h"
#include "fake_ring.h"

static int set_up(void **state, enum ev_engine_choice engine)
{
	*state = fix_new(&(struct ev_config){ .engine = engine });
	return 0;
}

/* Push and wait for one response. */
static struct blkif_response next(struct fix *f)
{
	struct blkif_response rsp;
	uint64_t end = ev_now() + 5000000000u;

	fe_push(&f->fe);
	while (!fe_response(&f->fe, &rsp)) {
		assert_true(ev_now() < end);
		ev_loop_turn(f->l, ev_now() + 10000000);
	}
	return rsp;
}

static int status(struct fix *f)
{
	return next(f).status;
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (uint8_t)(seed >> 16);
	}
}

/* Write and read @pages pages at once, compare with the file. */
static void round_trip(struct fix *f, unsigned pages, uint64_t sector)
{
	size_t n = pages * 4096ul;
	uint8_t *want = malloc(n), *file = malloc(n);

	assert_non_null(want);
	assert_non_null(file);
	fill(want, n, (uint32_t)sector + pages);
	memcpy(fe_data(&f->fe, 0), want, n);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, sector, 0, pages);
	assert_int_equal(status(f), BLKIF_RSP_OKAY);
	assert_int_equal(pread(f->disk.img.fd, file, n, (off_t)sector * 512), n);
	assert_memory_equal(file, want, n);
	fe_pages(&f->fe, BLKIF_OP_READ, 2, sector, 300, pages);
	assert_int_equal(status(f), BLKIF_RSP_OKAY);
	assert_memory_equal(fe_data(&f->fe, 300), want, n);
	free(want);
	free(file);
}

static void data_survives_in_every_layout_and_size(void **state)
{
	struct fix *f = *state;
	static const unsigned sizes[] = { 1, 11, 12, 64, 256 };

	for (unsigned layout = 0; layout < 2; layout++)
		for (unsigned order = 0; order <= BLK_MAX_RING_ORDER; order += 2) {
			start(f, layout, order);
			/* Far enough to wrap around the ring and cross its pages. */
			for (unsigned i = 0; i < 120; i++)
				round_trip(f, i % 8 ? 1 : sizes[i / 8 % DOM_ARRAY_LEN(sizes)],
					   i * 37 % 5000);
			stop(f);
		}
}

static void scattered_segments_move_exactly_their_bytes(void **state)
{
	struct fix *f = *state;
	struct blkif_request_segment segs[11];
	uint8_t expect[11 * 4096], file[11 * 4096];
	uint32_t rnd = 99;

	start(f, 0, 0);
	for (unsigned round = 0; round < 200; round++) {
		size_t len = 0;
		unsigned n = 1 + round % 11;

		for (unsigned i = 0; i < n; i++) {
			unsigned page, first, last;

			rnd = rnd * 1103515245 + 12345;
			page = (rnd >> 8) % 50;
			first = (rnd >> 16) % 8;
			last = first + (rnd >> 20) % (8 - first);
			segs[i] = (struct blkif_request_segment){ f->fe.data_page + page,
					(uint8_t)first, (uint8_t)last, 0xffff };
			memset(fe_data(&f->fe, page), (int)(rnd >> 24), 4096);
		}
		for (unsigned i = 0; i < n; i++) {
			size_t l = (segs[i].last_sect - segs[i].first_sect + 1u) * 512;

			memcpy(expect + len, f->d->ram + segs[i].gref * 4096ul +
					     segs[i].first_sect * 512ul, l);
			len += l;
		}
		fe_request(&f->fe, BLKIF_OP_WRITE, round, 8 * round, segs, n);
		assert_int_equal(status(f), BLKIF_RSP_OKAY);
		assert_int_equal(pread(f->disk.img.fd, file, len, 8 * round * 512), len);
		assert_memory_equal(file, expect, len);
	}
}

static void failing_grant_undoes_the_others(void **state)
{
	struct fix *f = *state;

	start(f, 0, 0);
	for (unsigned k = 1; k <= 11; k++) {
		f->d->fail_grant = k;
		fe_pages(&f->fe, BLKIF_OP_WRITE, k, 0, 0, 11);
		assert_int_equal(status(f), BLKIF_RSP_ERROR);
		assert_int_equal(fake_grants_in_use(f->d), 1);	/* the ring */
	}
	round_trip(f, 11, 0);
	/* Read-only grants may be written from, not read into. */
	f->d->grants[f->fe.data_page].readonly = true;
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, 0, 0, 1);
	assert_int_equal(status(f), BLKIF_RSP_OKAY);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
}

static void requests_that_make_no_sense_are_errors(void **state)
{
	struct fix *f = *state;
	struct blkif_request_segment seg = { .last_sect = 7 };

	start(f, 0, 0);
	seg.gref = f->fe.data_page;
	fe_request(&f->fe, BLKIF_OP_READ, 1, SECTORS - 7, &seg, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_request(&f->fe, BLKIF_OP_READ, 1, UINT64_MAX - 7, &seg, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_request(&f->fe, BLKIF_OP_WRITE, 1, 0, &seg, 0);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	seg.last_sect = 8;
	fe_request(&f->fe, BLKIF_OP_READ, 1, 0, &seg, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	seg.first_sect = 5;
	seg.last_sect = 4;
	fe_request(&f->fe, BLKIF_OP_READ, 1, 0, &seg, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	seg = (struct blkif_request_segment){ .gref = 4000, .last_sect = 7 };
	fe_request(&f->fe, BLKIF_OP_READ, 1, 0, &seg, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 11);
	fe_entry(&f->fe, f->fe.req_prod - 1)[1] = 12;	/* segments */
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 12);
	fe_entry(&f->fe, f->fe.req_prod - 1)[3] = 0xff;	/* indirect segments, high byte */
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_pages(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 1, 0, 0, 12);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_request(&f->fe, 4, 1, 0, &seg, 0);		/* BLKIF_OP_PACKET */
	assert_int_equal(status(f), BLKIF_RSP_EOPNOTSUPP);
	fe_request(&f->fe, 200, 1, 0, &seg, 0);
	assert_int_equal(status(f), BLKIF_RSP_EOPNOTSUPP);
	fe_discard(&f->fe, 1, 0, UINT64_MAX, 0);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_discard(&f->fe, 1, 0, 8, BLKIF_DISCARD_SECURE);
	assert_int_equal(status(f), BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(fake_grants_in_use(f->d), 1);
	round_trip(f, 1, 0);
}

static void sectors_of_4096_bytes_are_never_split(void **state)
{
	struct fix *f = *state;
	struct blkif_request_segment seg = { .first_sect = 0, .last_sect = 3 };

	f->disk.lim.sector_size = 4096;
	start(f, 0, 0);
	seg.gref = f->fe.data_page;
	fe_request(&f->fe, BLKIF_OP_READ, 1, 0, &seg, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	seg.last_sect = 7;
	fe_request(&f->fe, BLKIF_OP_READ, 1, 4, &seg, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_request(&f->fe, BLKIF_OP_READ, 1, 8, &seg, 1);
	assert_int_equal(status(f), BLKIF_RSP_OKAY);
}

static void readonly_disk_refuses_all_that_writes(void **state)
{
	struct fix *f = *state;

	f->disk.lim.readonly = true;
	start(f, 0, 0);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, 0, 0, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, 0, 0, 20);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_pages(&f->fe, BLKIF_OP_WRITE_BARRIER, 1, 0, 0, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_pages(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 1, 0, 0, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_discard(&f->fe, 1, 0, 8, 0);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 1);
	assert_int_equal(status(f), BLKIF_RSP_OKAY);
	assert_int_equal(f->disk.stats.ops[BLK_WRITE], 0);
}

static void responses_carry_no_stray_bytes(void **state)
{
	struct fix *f = *state;
	struct blkif_response rsp;

	start(f, 0, 0);
	fe_pages(&f->fe, BLKIF_OP_READ, 0x1122334455667788, 0, 0, 1);
	/* What the slot held before, and what the stack may hold. */
	fe_entry(&f->fe, f->fe.req_prod - 1)[9] = 0xee;
	rsp = next(f);
	assert_int_equal(rsp.operation, BLKIF_OP_READ);
	assert_int_equal(rsp.pad, 0);
	assert_int_equal(rsp.pad2, 0);
}

static void response_to_an_indirect_request_names_the_operation_within(void **state)
{
	struct fix *f = *state;

	start(f, 0, 0);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 16);
	assert_int_equal(next(f).operation, BLKIF_OP_READ);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 2, 0, 0, 16);
	assert_int_equal(next(f).operation, BLKIF_OP_WRITE);
}

static void flush_and_empty_barrier_succeed(void **state)
{
	struct fix *f = *state;

	start(f, 0, 0);
	fe_request(&f->fe, BLKIF_OP_FLUSH_DISKCACHE, 1, 12345678, NULL, 0);
	assert_int_equal(status(f), BLKIF_RSP_OKAY);
	fe_request(&f->fe, BLKIF_OP_WRITE_BARRIER, 2, 0, NULL, 0);
	assert_int_equal(status(f), BLKIF_RSP_OKAY);
	assert_int_equal(f->disk.stats.ops[BLK_FLUSH], 1);
	assert_int_equal(f->disk.stats.ops[BLK_BARRIER], 1);
}

static void barrier_comes_after_all_before_and_before_all_after(void **state)
{
	struct fix *f = *state;
	uint64_t order[30];
	uint8_t want[4096];

	start(f, 0, 0);
	for (unsigned round = 0; round < 20; round++) {
		/* All write the same sectors: the one that counts is known only with barriers. */
		for (unsigned i = 0; i < 30; i++) {
			memset(fe_data(&f->fe, i), (int)(i + round), 4096);
			fe_pages(&f->fe, i % 10 == 9 ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_WRITE, i,
				 i % 10 == 9 ? 0 : 8 + 8 * i, i, 1);
		}
		for (unsigned i = 0; i < 30; i++) {
			struct blkif_response rsp = next(f);

			assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
			order[i] = rsp.id;
		}
		for (unsigned i = 0; i < 30; i++)
			assert_int_equal(order[i] / 10, i / 10);
		assert_int_equal(order[9], 9);
		assert_int_equal(order[19], 19);
		assert_int_equal(pread(f->disk.img.fd, want, 4096, 0), 4096);
		assert_int_equal(want[0], 29 + round);
	}
}

static void discard_makes_a_hole(void **state)
{
	struct fix *f = *state;
	uint8_t page[4096];

	start(f, 0, 0);
	round_trip(f, 4, 0);
	fe_discard(&f->fe, 1, 8, 16, 0);
	assert_int_equal(status(f), BLKIF_RSP_OKAY);
	assert_int_equal(pread(f->disk.img.fd, page, 4096, 4096), 4096);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(page[i], 0);
	assert_int_equal(lseek(f->disk.img.fd, 0, SEEK_END), SECTORS * 512);
}

static void file_that_became_shorter_is_an_error_not_a_hang(void **state)
{
	struct fix *f = *state;

	start(f, 0, 0);
	assert_int_equal(ftruncate(f->disk.img.fd, 6000), 0);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 0, 0, 4);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_pages(&f->fe, BLKIF_OP_READ, 1, 4000, 0, 1);
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	assert_int_equal(f->complaints, 2);
	assert_int_equal(ftruncate(f->disk.img.fd, SECTORS * 512), 0);
	round_trip(f, 4, 0);
}

static void failing_device_is_an_error(void **state)
{
	struct fix *f = *state;
	int good = f->disk.img.fd, bad = open("/dev/full", O_RDWR | O_CLOEXEC);

	assert_true(bad >= 0);
	f->disk.img.fd = bad;
	start(f, 0, 0);
	fe_pages(&f->fe, BLKIF_OP_WRITE, 1, 0, 0, 4);	/* ENOSPC */
	assert_int_equal(status(f), BLKIF_RSP_ERROR);
	fe_discard(&f->fe, 1, 0, 8, 0);
	assert_int_not_equal(status(f), BLKIF_RSP_OKAY);
	f->disk.img.fd = good;
	round_trip(f, 4, 0);
	close(bad);
}

static void impossible_index_stops_only_this_queue(void **state)
{
	struct fix *f = *state;
	uint64_t one = 1;

	start(f, 0, 0);
	DOM_STORE(fake_u32(f->d, 0, XA_RING_REQ_PROD), f->fe.entries + 1);
	assert_int_equal(write(f->fe.kick, &one, 8), 8);
	ev_loop_turn(f->l, ev_now() + 100000000);
	ev_loop_turn(f->l, ev_now() + 1000000);
	assert_true(f->q->broken);
	assert_int_equal(f->complaints, 1);
	DOM_STORE(fake_u32(f->d, 0, XA_RING_REQ_PROD), 1);
	assert_int_equal(write(f->fe.kick, &one, 8), 8);
	ev_loop_turn(f->l, ev_now() + 10000000);
	assert_int_equal(DOM_LOAD(fake_u32(f->d, 0, XA_RING_RSP_PROD)), 0);
	assert_int_equal(f->complaints, 1);
}

static void full_ring_completes_and_batches_interrupts(void **state)
{
	struct fix *f = *state;
	struct blkif_response rsp;
	unsigned got = 0;

	start(f, 0, 0);
	for (unsigned i = 0; i < f->fe.entries; i++)
		fe_pages(&f->fe, BLKIF_OP_READ, i, i * 8, i, 1);
	fe_push(&f->fe);
	while (got < f->fe.entries) {
		ev_loop_turn(f->l, ev_now() + 1000000000);
		while (fe_response(&f->fe, &rsp))
			got++;
	}
	assert_true(fake_notifies(f->d, FE_PORT) < f->fe.entries);
	assert_int_equal(f->disk.stats.kicks, 1);
}

static void requests_before_the_connection_are_served(void **state)
{
	struct fix *f = *state;
	struct blk_queue_config cfg;
	struct blkif_response rsp = { 0 };

	fe_init(&f->fe, f->d, &blk_layouts[0], 0);
	f->fe.kick = eventfd(0, EFD_CLOEXEC);
	fe_pages(&f->fe, BLKIF_OP_READ, 5, 0, 0, 1);
	fe_push(&f->fe);
	close(f->fe.kick);
	cfg = fe_config(&f->fe);
	assert_int_equal(blk_queue_new(&f->disk, &cfg, &f->q), 0);
	for (int i = 0; i < 100 && !fe_response(&f->fe, &rsp); i++)
		ev_loop_turn(f->l, ev_now() + 10000000);
	assert_int_equal(rsp.id, 5);
}

static void free_with_requests_in_flight_unpins_everything(void **state)
{
	struct fix *f = *state;

	for (unsigned round = 0; round < 20; round++) {
		start(f, 0, 0);
		for (unsigned i = 0; i < 30; i++)
			fe_pages(&f->fe, i == round ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_WRITE, i,
				 i * 8, i, 1);
		fe_push(&f->fe);
		for (unsigned i = 0; i < round % 4; i++)
			ev_loop_turn(f->l, 0);
		stop(f);
	}
}

static void bad_ring_grant_is_refused(void **state)
{
	struct fix *f = *state;
	struct blk_queue_config cfg;

	fe_init(&f->fe, f->d, &blk_layouts[0], 2);
	cfg = fe_config(&f->fe);
	cfg.ring[2] = 4090;
	assert_int_equal(blk_queue_new(&f->disk, &cfg, &f->q), -EINVAL);
	cfg.ring[2] = 2;
	cfg.port = 99;
	assert_int_equal(blk_queue_new(&f->disk, &cfg, &f->q), -EINVAL);
	assert_null(f->q);
}

struct thread {
	struct fix *f;
	bool done;
};

/* A guest thread that works with one request at a time and sleeps in between. */
static void *one_at_a_time(void *arg)
{
	struct thread *self = arg;
	struct fix *f = self->f;
	struct blkif_response rsp;

	for (unsigned i = 0; i < 2000; i++) {
		uint64_t count;

		fe_pages(&f->fe, BLKIF_OP_READ, i, i % 100 * 8, 0, 1);
		fe_push(&f->fe);
		while (!fe_response(&f->fe, &rsp))
			if (fe_sleep(&f->fe) && read(f->d->port_fd[FE_PORT], &count, 8) != 8)
				abort();
		if (rsp.id != i || rsp.status != BLKIF_RSP_OKAY)
			abort();
	}
	__atomic_store_n(&self->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void polling_never_loses_a_request(void **state)
{
	struct fix *f = *state;
	struct thread guest = { .f = f };
	uint64_t end = ev_now() + 30000000000u;
	pthread_t t;

	f->disk.spin_max = BLK_SPIN_MAX_NS;
	f->d->port_fd[FE_PORT] = eventfd(0, EFD_CLOEXEC);
	start(f, 0, 0);
	assert_int_equal(pthread_create(&t, NULL, one_at_a_time, &guest), 0);
	while (!__atomic_load_n(&guest.done, __ATOMIC_ACQUIRE) && ev_now() < end)
		ev_loop_turn(f->l, ev_now() + 10000000);
	pthread_join(t, NULL);
	assert_int_equal(f->disk.stats.ops[BLK_READ], 2000);
	assert_true(f->disk.stats.kicks <= 2000);
	close(f->d->port_fd[FE_PORT]);
}

/* A guest thread with as many requests in flight as the ring holds, which sleeps when there is no answer. */
static void *many_at_a_time(void *arg)
{
	struct thread *self = arg;
	struct fix *f = self->f;
	struct blkif_response rsp;
	unsigned sent = 0, got = 0;

	while (got < 20000) {
		uint64_t count;

		for (; sent < 20000 && sent - got < f->fe.entries; sent++)
			fe_pages(&f->fe, BLKIF_OP_READ, sent, sent * 13 % 500 * 8, sent % 32, 1);
		fe_push(&f->fe);
		if (fe_sleep(&f->fe) && read(f->d->port_fd[FE_PORT], &count, 8) != 8)
			abort();
		for (; fe_response(&f->fe, &rsp); got++)
			if (rsp.status != BLKIF_RSP_OKAY)
				abort();
	}
	__atomic_store_n(&self->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void patience_never_loses_a_request(void **state)
{
	struct fix *f = *state;
	struct thread guest = { .f = f };
	uint64_t end = ev_now() + 60000000000u;
	unsigned patient = 0;
	pthread_t t;

	f->d->port_fd[FE_PORT] = eventfd(0, EFD_CLOEXEC);
	start(f, 0, 0);
	assert_int_equal(pthread_create(&t, NULL, many_at_a_time, &guest), 0);
	while (!__atomic_load_n(&guest.done, __ATOMIC_ACQUIRE) && ev_now() < end) {
		/* Whatever has been measured. */
		f->q->pace.patient = true;
		f->q->pace.skip = 0;
		ev_loop_turn(f->l, ev_now() + 10000000);
		patient += f->q->waiting;
	}
	pthread_join(t, NULL);
	assert_int_equal(f->disk.stats.ops[BLK_READ], 20000);
	assert_true(patient > 0);
	close(f->d->port_fd[FE_PORT]);
}

/* The image is a pipe that nobody writes to: a disk that stands still. */
static void disk_that_stands_still_leaves_no_request_on_the_ring(void **state)
{
	struct fix *f = *state;
	uint64_t end = ev_now() + 20000000000u;
	int image = f->disk.img.fd, fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	f->disk.img.fd = fds[0];
	start(f, 0, 0);
	f->q->pace = (struct blk_pace){ .patient = true, .since = 1 };
	for (unsigned i = 0; i < BLK_BUSY; i++)
		fe_pages(&f->fe, BLKIF_OP_READ, i, i * 16, i, 1);
	assert_true(fe_push(&f->fe));
	while (!f->q->waiting)
		ev_loop_turn(f->l, EV_FOREVER);
	fe_pages(&f->fe, BLKIF_OP_READ, BLK_BUSY, BLK_BUSY * 16, BLK_BUSY, 1);
	/* It wants no kick, but looks. */
	assert_false(fe_push(&f->fe));
	while (f->fe.entries - f->q->nfree == BLK_BUSY && ev_now() < end)
		ev_loop_turn(f->l, end);
	assert_int_equal(f->fe.entries - f->q->nfree, BLK_BUSY + 1);
	/* After some of that it wants one again. */
	while (f->q->waiting && ev_now() < end)
		ev_loop_turn(f->l, end);
	assert_false(f->q->pace.patient);
	fe_pages(&f->fe, BLKIF_OP_READ, BLK_BUSY + 1, 0, BLK_BUSY + 1, 1);
	assert_true(fe_push(&f->fe));
	stop(f);
	f->disk.img.fd = image;
	close(fds[0]);
	close(fds[1]);
}

static void flip(void *arg, uint32_t *rnd)
{
	struct fix *f = arg;
	uint64_t one = 1;

	for (int i = 0; i < 200; i++) {
		uint32_t r = fake_rnd(rnd);

		/* Operations, counts, grants, sectors, indirect segments. */
		fake_guest_scribble(f->d->ram + 64 + (r >> 16) % (9 * 4096 - 64),
				    (uint8_t)((r >> 8) % (r % 4 ? 16 : 256)));
	}
	DOM_STORE(fake_u32(f->d, 0, XA_RING_REQ_PROD),
		  DOM_LOAD(fake_u32(f->d, 0, XA_RING_RSP_PROD)) + (*rnd >> 8) % 33);
	if (write(f->fe.kick, &one, 8) != 8)
		abort();
}

static void requests_rewritten_during_service_harm_nobody(void **state)
{
	struct fix *f = *state;
	struct fake_racer w = { .step = flip, .arg = f };
	uint64_t end = ev_now() + 500000000;

	start(f, 0, 0);
	fake_race_start(&w);
	while (ev_now() < end) {
		ev_loop_turn(f->l, ev_now() + 1000000);
		f->q->broken = false;
	}
	fake_race_stop(&w);
	assert_int_equal(lseek(f->disk.img.fd, 0, SEEK_END), SECTORS * 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(data_survives_in_every_layout_and_size),
		BOTH(scattered_segments_move_exactly_their_bytes),
		BOTH(failing_grant_undoes_the_others),
		BOTH(requests_that_make_no_sense_are_errors),
		BOTH(sectors_of_4096_bytes_are_never_split),
		BOTH(readonly_disk_refuses_all_that_writes),
		BOTH(responses_carry_no_stray_bytes),
		BOTH(response_to_an_indirect_request_names_the_operation_within),
		BOTH(flush_and_empty_barrier_succeed),
		BOTH(barrier_comes_after_all_before_and_before_all_after),
		BOTH(discard_makes_a_hole),
		BOTH(file_that_became_shorter_is_an_error_not_a_hang),
		BOTH(failing_device_is_an_error),
		BOTH(impossible_index_stops_only_this_queue),
		BOTH(full_ring_completes_and_batches_interrupts),
		BOTH(requests_before_the_connection_are_served),
		BOTH(free_with_requests_in_flight_unpins_everything),
		BOTH(bad_ring_grant_is_refused),
		BOTH(polling_never_loses_a_request),
		BOTH(patience_never_loses_a_request),
		URING(disk_that_stands_still_leaves_no_request_on_the_ring),
		BOTH(requests_rewritten_during_service_harm_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
