// SPDX-License-Identifier: MIT
/*
 * ringdata -p MIB            write the pattern to standard output
 * ringdata IMAGE MIB COMBO   write it through a disk, and read it back
 *
 * The production back end works on IMAGE (a file, or the socket of an NBD server) as the store
 * describes it; the front end is in this process and uses what COMBO names:
 *
 *   layout,order,segments,queues,persistent,engine    for example 32,4,256,4,1,poll
 *
 * layout 32 or 64; order of the rings, 0 to 4; segments of a request, above 11 they are indirect; rings;
 * whether grants stay (else each is taken back with its answer, which must find it unused); io_uring or
 * poll. The image is discarded in pieces first. Requests have any length and begin at any sector, go to
 * the rings in turns and complete in any order; now and then comes a flush or a barrier.
 *
 * What the pattern has at an offset depends on the offset alone, so that anything that lands elsewhere,
 * twice or not at all, shows: in what is read back, and in the sum of the image, which tests/bench/
 * blockdata/run compares.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fake_blkfront.h"
#include "fake_store.h"

#define BE "/local/domain/0/backend/vbd/7/51712"
#define FE "/local/domain/7/device/vbd/51712"
#define QUEUES_MAX 8u
#define QUEUE_PAGES 1000u	/* guest pages of a queue: FAKE_GRANTS are there for all */
#define SLOTS_MAX 8u		/* requests in flight: as many as the front end has indirect pages */

struct combo {
	unsigned layout, order, segments, queues, persistent;
	char engine[16];
};

struct request {
	bool busy;
	uint8_t op;
	uint64_t sector;
	unsigned sectors, skip;		/* skip: sectors of its first page that are left out */
};

struct queue {
	struct blkfront fe;
	struct request slot[SLOTS_MAX];
	unsigned nslots;
};

struct run {
	struct combo c;
	struct ev_loop *l;
	struct xsc *fs;
	struct xa_domain *d;
	struct pvb *p;
	struct queue q[QUEUES_MAX];
	uint64_t sectors, random, flying, requests;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "ringdata: %s: %s\n", what, why);
	exit(1);
}

/* The pattern: each 8 bytes are a function of their offset. */
static void fill(uint8_t *buf, uint64_t offset, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = (offset + i + 1) * 0x9e3779b97f4a7c15u;

		v ^= v >> 29;
		v *= 0xbf58476d1ce4e5b9u;
		memcpy(buf + i, &v, 8);
	}
}

static bool matches(const uint8_t *buf, uint64_t offset, size_t len)
{
	uint8_t want[4096];

	for (size_t i = 0; i < len; i += 4096) {
		size_t n = DOM_MIN(len - i, sizeof(want));

		fill(want, offset + i, n);
		if (memcmp(buf + i, want, n))
			return false;
	}
	return true;
}

static unsigned draw(struct run *r, unsigned n)
{
	r->random = r->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(r->random >> 33) % n;
}

/* ---- the device ---- */

static void set_u(struct run *r, const char *dir, const char *key, unsigned value)
{
	char path[128], v[16];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	snprintf(v, sizeof(v), "%u", value);
	fs_set(r->fs, path, v);
}

static void wait_for_state(struct run *r, const char *state)
{
	const char *error;

	for (unsigned i = 0; i < 2000; i++) {
		const char *now = fs_get(r->fs, BE "/state");

		if (now && !strcmp(now, state))
			return;
		ev_loop_turn(r->l, ev_now() + 5000000);
	}
	error = fs_get(r->fs, BE "/error");
	die("the back end does not come to state", error ? error : state);
}

static void describe_queue(struct run *r, unsigned i)
{
	struct queue *q = &r->q[i];
	char dir[64], key[16];

	fe_init_at(&q->fe, r->d, &blk_layouts[r->c.layout == 32], r->c.order, i * QUEUE_PAGES,
		   FE_PORT + i);
	q->nslots = DOM_MIN(SLOTS_MAX, (QUEUE_PAGES - q->fe.data_page) / (r->c.segments + 1));
	snprintf(dir, sizeof(dir), r->c.queues > 1 ? FE "/queue-%u" : FE, i);
	for (unsigned n = 0; n < q->fe.ring_pages; n++) {
		snprintf(key, sizeof(key), r->c.order ? "ring-ref%u" : "ring-ref", n);
		set_u(r, dir, key, q->fe.first + n);
	}
	set_u(r, dir, "event-channel", q->fe.port);
}

static void connect_disk(struct run *r, const char *image)
{
	struct pvb_config cfg = { .loop = r->l, .domain = r->d, .domid = 7, .xs = r->fs };
	struct dom_err err = { 0 };

	fs_set(r->fs, BE "/frontend", FE);
	fs_set(r->fs, BE "/params", image);
	fs_set(r->fs, BE "/mode", "w");
	fs_set(r->fs, BE "/online", "1");
	fs_set(r->fs, BE "/state", "1");
	set_u(r, BE, "persistent", r->c.persistent);
	fs_set(r->fs, FE "/state", "1");
	if (pvb_new(&cfg, &r->p, &err))
		die(image, err.msg);
	wait_for_state(r, "2");
	fs_set(r->fs, FE "/protocol", r->c.layout == 32 ? "x86_32-abi" : "x86_64-abi");
	set_u(r, FE, "feature-persistent", r->c.persistent);
	if (r->c.order)
		set_u(r, FE, "ring-page-order", r->c.order);
	if (r->c.queues > 1)
		set_u(r, FE, "multi-queue-num-queues", r->c.queues);
	for (unsigned i = 0; i < r->c.queues; i++)
		describe_queue(r, i);
	fs_set(r->fs, FE "/state", "3");
	wait_for_state(r, "4");
	for (unsigned i = 0; i < r->c.queues; i++)
		r->q[i].fe.kick = r->d->backend_fd[r->q[i].fe.port];
	r->sectors = strtoull(fs_get(r->fs, BE "/sectors"), NULL, 10);
	if (strcmp(fs_get(r->fs, BE "/feature-persistent"), r->c.persistent ? "1" : "0"))
		die(image, "persistent grants are not offered as they should be");
}

/* ---- requests ---- */

static unsigned page_of(const struct run *r, unsigned slot)
{
	return slot * (r->c.segments + 1);
}

/* Take back, or give again, what a request may use. */
static void set_grants(struct run *r, struct queue *q, unsigned slot, bool valid)
{
	unsigned first = q->fe.first + q->fe.data_page + page_of(r, slot);

	for (unsigned i = 0; !r->c.persistent && i <= r->c.segments; i++) {
		if (r->d->grants[first + i].uses)
			die("grant", "it is in use after the answer");
		r->d->grants[first + i].valid = valid;
	}
}

static void take_answers(struct run *r)
{
	struct blkif_response rsp;

	for (unsigned i = 0; i < r->c.queues; i++) {
		struct queue *q = &r->q[i];

		while (fe_response(&q->fe, &rsp)) {
			struct request *s = &q->slot[rsp.id % SLOTS_MAX];

			if (rsp.id >= q->nslots || !s->busy || rsp.operation != s->op)
				die("answer", "to a request that was not made");
			if (rsp.status != BLKIF_RSP_OKAY)
				die("answer", "a request failed");
			if (s->op == BLKIF_OP_READ &&
			    !matches(fe_data(&q->fe, page_of(r, (unsigned)rsp.id)) + s->skip * 512,
				     s->sector * 512, s->sectors * 512ul))
				die("data", "something else was read than was written");
			if (s->op != BLKIF_OP_DISCARD)
				set_grants(r, q, (unsigned)rsp.id, false);
			s->busy = false;
			r->flying--;
		}
	}
}

/* Push what there is and wait for answers. */
static void turn(struct run *r)
{
	for (unsigned i = 0; i < r->c.queues; i++) {
		fe_push(&r->q[i].fe);
		(void)fe_sleep(&r->q[i].fe);
	}
	if (ev_loop_turn(r->l, ev_now() + 100000000) < 0)
		die("ev_loop_turn", strerror(errno));
	take_answers(r);
}

static void drain(struct run *r)
{
	while (r->flying)
		turn(r);
}

/* A free slot, of a queue that is its turn. */
static struct request *free_slot(struct run *r, struct queue **ret_q, unsigned *ret_slot)
{
	for (;;) {
		*ret_q = &r->q[r->requests % r->c.queues];
		for (unsigned i = 0; i < (*ret_q)->nslots; i++) {
			if ((*ret_q)->slot[i].busy)
				continue;
			*ret_slot = i;
			r->requests++;
			r->flying++;
			return &(*ret_q)->slot[i];
		}
		turn(r);
	}
}

/* @sectors from @sector on, in pages of which the first is used from a sector of chance on. */
static void transfer(struct run *r, uint8_t op, uint64_t sector, unsigned sectors)
{
	struct blkif_request_segment segs[BLK_MAX_SEGMENTS + 1];
	struct queue *q;
	unsigned slot, n = 0, skip = draw(r, 8), page, left = sectors;
	struct request *s = free_slot(r, &q, &slot);

	/* One that is as long as can be has no room for a beginning in the middle of a page. */
	if (skip + sectors > r->c.segments * 8)
		skip = 0;
	*s = (struct request){ true, op, sector, sectors, skip };
	page = page_of(r, slot);
	set_grants(r, q, slot, true);
	if (op == BLKIF_OP_READ)
		memset(fe_data(&q->fe, page), 0x5a, (skip + sectors) * 512ul);
	else
		fill(fe_data(&q->fe, page) + skip * 512, sector * 512, sectors * 512ul);
	for (unsigned from = skip; left; n++, from = 0) {
		unsigned here = DOM_MIN(left, 8 - from);

		segs[n] = (struct blkif_request_segment){
			.gref = q->fe.first + q->fe.data_page + page + n,
			.first_sect = (uint8_t)from, .last_sect = (uint8_t)(from + here - 1) };
		left -= here;
	}
	fe_request(&q->fe, op, slot, sector, segs, n);
}

static void flush(struct run *r)
{
	struct queue *q;
	unsigned slot;
	struct request *s = free_slot(r, &q, &slot);

	*s = (struct request){ .busy = true, .op = BLKIF_OP_FLUSH_DISKCACHE };
	fe_request(&q->fe, BLKIF_OP_FLUSH_DISKCACHE, slot, 0, NULL, 0);
}

static void discard_all(struct run *r)
{
	const uint64_t step = 8 << 11;

	for (uint64_t at = 0; at < r->sectors; at += step) {
		struct queue *q;
		unsigned slot;
		struct request *s = free_slot(r, &q, &slot);

		*s = (struct request){ .busy = true, .op = BLKIF_OP_DISCARD };
		fe_discard(&q->fe, slot, at, DOM_MIN(step, r->sectors - at), 0);
	}
	drain(r);
}

/*
 * All of the disk, in stripes that are taken in an order of chance; within one, one request follows the
 * other, of any length. Barriers have direct segments only.
 */
static void move_all(struct run *r, uint8_t op)
{
	const unsigned stripe = 1 << 11, longest = r->c.segments * 8;
	uint64_t stripes = (r->sectors + stripe - 1) / stripe;
	uint64_t step = stripes % 7 ? 7 : stripes % 5 ? 5 : 1;	/* each is met once */

	for (uint64_t i = 0, at = 0; i < stripes; i++, at = (at + step) % stripes) {
		uint64_t end = DOM_MIN((at + 1) * stripe, r->sectors), from = at * stripe;

		while (from < end) {
			unsigned n = 1 + draw(r, (unsigned)DOM_MIN(longest, end - from));
			bool barrier = op == BLKIF_OP_WRITE && n <= 8 * 10 && draw(r, 64) == 0;

			transfer(r, barrier ? BLKIF_OP_WRITE_BARRIER : op, from, n);
			from += n;
		}
		if (op == BLKIF_OP_WRITE && i % 64 == 0)
			flush(r);
	}
	drain(r);
	if (op == BLKIF_OP_WRITE)
		flush(r);
	drain(r);
}

static void end(struct run *r)
{
	fs_set(r->fs, FE "/state", "6");
	wait_for_state(r, "6");
	if (fake_grants_in_use(r->d))
		die("grants", "some are in use after the end");
	pvb_free(r->p);
	ev_loop_free(r->l);
	fake_domain_free(r->d);
	fs_free(r->fs);
}

static int print_pattern(uint64_t mib)
{
	static uint8_t buf[1 << 20];

	for (uint64_t i = 0; i < mib; i++) {
		fill(buf, i << 20, sizeof(buf));
		if (fwrite(buf, sizeof(buf), 1, stdout) != 1)
			die("standard output", strerror(errno));
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct run r = { .random = 1 };
	struct ev_config cfg = { 0 };

	if (argc == 3 && !strcmp(argv[1], "-p"))
		return print_pattern(strtoull(argv[2], NULL, 10));
	if (argc != 4 || sscanf(argv[3], "%u,%u,%u,%u,%u,%15s", &r.c.layout, &r.c.order, &r.c.segments,
				&r.c.queues, &r.c.persistent, r.c.engine) != 6 ||
	    r.c.order > BLK_MAX_RING_ORDER || !r.c.segments || r.c.segments > BLK_MAX_SEGMENTS ||
	    !r.c.queues || r.c.queues * QUEUE_PAGES > FAKE_GRANTS)
		die("usage", "ringdata IMAGE MIB LAYOUT,ORDER,SEGMENTS,QUEUES,PERSISTENT,ENGINE");
	cfg.engine = strcmp(r.c.engine, "poll") ? EV_ENGINE_URING : EV_ENGINE_POLL;
	r.fs = fs_new();
	r.d = fake_domain_new(r.c.queues * QUEUE_PAGES);
	if (ev_loop_new(&cfg, &r.l, NULL))
		die("ev_loop_new", r.c.engine);
	connect_disk(&r, argv[1]);
	if (r.sectors != strtoull(argv[2], NULL, 10) << 11)
		die(argv[1], "it has another size");
	discard_all(&r);
	move_all(&r, BLKIF_OP_WRITE);
	move_all(&r, BLKIF_OP_READ);
	printf("%" PRIu64 " requests\n", r.requests);
	end(&r);
	return 0;
}
