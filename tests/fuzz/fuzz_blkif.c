// SPDX-License-Identifier: MIT
/*
 * A hostile front end for the block back end: the input chooses the layout and the size of the ring,
 * then is a script of raw writes to the ring and to indirect pages, grants given and taken, requests
 * of both well- and ill-formed kinds, and wake-ups. The disk is a small file in memory.
 */
#include <fcntl.h>
#include <stdint.h>

#include "../unit/pvbackends/fake_blkfront.h"
#include "fuzz_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECTORS 64u
#define PAGES 40u

struct run {
	struct ev_loop *l;
	struct xa_domain *d;
	struct blk_disk disk;
	struct blk_queue *q;
	struct blkfront fe;
};

static void complain(struct blk_disk *disk DOM_UNUSED, const char *what DOM_UNUSED,
		     int error DOM_UNUSED)
{
}

static void op_bytes(struct run *r, struct dom_cur *cur)
{
	fuzz_bytes(r->d, cur, PAGES * 4096);
}

static void op_produce(struct run *r, struct dom_cur *cur)
{
	*fake_u32(r->d, 0, XA_RING_REQ_PROD) += dom_cur_u16(cur) & 1023u;
}

static void op_kick(struct run *r, struct dom_cur *cur DOM_UNUSED)
{
	fuzz_kick(r->l, r->q->eventfd, 3);
}

static void op_grant(struct run *r, struct dom_cur *cur)
{
	fuzz_grant(r->d, cur, PAGES);
}

static void op_fail_grant(struct run *r, struct dom_cur *cur)
{
	r->d->fail_grant = dom_cur_u8(cur);
}

/* A request that makes sense but for one byte. */
static void op_request(struct run *r, struct dom_cur *cur)
{
	uint8_t op = dom_cur_u8(cur), sector = dom_cur_u8(cur), n = dom_cur_u8(cur) % 24;
	uint8_t at = dom_cur_u8(cur), bits = dom_cur_u8(cur);

	r->fe.req_prod = DOM_LOAD(fake_u32(r->d, 0, XA_RING_REQ_PROD));
	if (op == BLKIF_OP_DISCARD)
		fe_discard(&r->fe, 1, sector, n, 0);
	else
		fe_pages(&r->fe, op, 1, sector, 0, n);
	fe_entry(&r->fe, r->fe.req_prod - 1)[at % r->fe.entry_size] ^= bits;
	DOM_STORE(fake_u32(r->d, 0, XA_RING_REQ_PROD), r->fe.req_prod);
}

/* Requests that continue each other, which the back end may join. */
static void op_neighbours(struct run *r, struct dom_cur *cur)
{
	uint8_t op = dom_cur_u8(cur), sector = dom_cur_u8(cur), count = dom_cur_u8(cur) % 8;
	uint8_t n = dom_cur_u8(cur) % 16;

	r->fe.req_prod = DOM_LOAD(fake_u32(r->d, 0, XA_RING_REQ_PROD));
	for (unsigned i = 0; i < count; i++)
		fe_pages(&r->fe, op, i, sector + 8u * n * i, 0, n);
	DOM_STORE(fake_u32(r->d, 0, XA_RING_REQ_PROD), r->fe.req_prod);
}

static void op_shrink(struct run *r, struct dom_cur *cur)
{
	(void)!ftruncate(r->disk.img.fd, dom_cur_u8(cur) % (SECTORS * 2 + 1) * 256);
}

static void (*const ops[])(struct run *r, struct dom_cur *cur) = {
	op_bytes, op_produce, op_kick, op_grant, op_fail_grant, op_request, op_shrink,
	op_neighbours,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	struct dom_cur cur = dom_cur_init(data, size);
	uint8_t how = dom_cur_u8(&cur);
	struct run r = { .d = fake_domain_new(PAGES) };
	struct blk_queue_config cfg;

	if (!loop && ev_loop_new(NULL, &loop, NULL))
		abort();
	r.l = loop;
	r.disk = (struct blk_disk){
		.loop = loop, .domain = r.d, .complain = complain,
		.img = { .fd = memfd_create("disk", MFD_CLOEXEC), .buffered_fd = -1,
			 .join_max = 16384 },
		.lim = { .sectors = SECTORS, .sector_size = how & 8 ? 4096 : 512,
			 .readonly = how & 16, .discard = !(how & 16) },
		.spin_max = how & 32 ? 1000 : 0,
	};
	if (ftruncate(r.disk.img.fd, SECTORS * 512))
		abort();
	fe_init(&r.fe, r.d, &blk_layouts[how & 1], how >> 1 & 3 & 2);
	cfg = fe_config(&r.fe);
	if (blk_queue_new(&r.disk, &cfg, &r.q))
		abort();
	while (dom_cur_left(&cur) && !cur.bad)
		ops[dom_cur_u8(&cur) % DOM_ARRAY_LEN(ops)](&r, &cur);
	blk_queue_free(r.q, NULL);
	do {
		ev_loop_turn(loop, ev_loop_armed(loop) ? EV_FOREVER : 0);
	} while (ev_loop_armed(loop));
	ev_loop_turn(loop, 0);
	/* Nothing may stay mapped, nothing may be written beyond the disk. */
	if (fake_grants_in_use(r.d) || lseek(r.disk.img.fd, 0, SEEK_END) > SECTORS * 512)
		abort();
	close(r.disk.img.fd);
	fake_domain_free(r.d);
	return 0;
}
