// SPDX-License-Identifier: MIT
/*
 * A hostile server of the NBD protocol. Either the input is what it says during the negotiation, and it
 * hangs up then; or the negotiation goes well, and the input is a script of what the server and a
 * guest do: requests, raw bytes, replies that are right but for what the input says, turns of the loop,
 * the end of the connection.
 */
#include <endian.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../unit/pvbackends/fake_blkfront.h"
#include "domicile/base/cur.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECTORS 256u
#define PAGES 40u
#define GUARD 24u	/* data page that no request names */

struct run {
	struct ev_loop *l;
	struct xa_domain *d;
	struct blk_disk disk;
	struct blk_queue *q;
	struct blkfront fe;
	int fd;			/* the server's end */
};

static void complain(struct blk_disk *disk DOM_UNUSED, const char *what DOM_UNUSED,
		     int error DOM_UNUSED)
{
}

static void say(struct run *r, const void *buf, size_t len)
{
	(void)!send(r->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_be(struct run *r, uint64_t v, unsigned bytes)
{
	v = htobe64(v << (64 - 8 * bytes));
	say(r, &v, bytes);
}

static void turns(struct run *r)
{
	uint8_t buf[4096];

	for (unsigned i = 0; i < 4; i++)
		ev_loop_turn(r->l, 0);
	while (recv(r->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void op_turn(struct run *r, struct dom_cur *cur DOM_UNUSED)
{
	turns(r);
}

static void op_request(struct run *r, struct dom_cur *cur)
{
	uint8_t op = dom_cur_u8(cur) % 6, sector = dom_cur_u8(cur), n = 1 + dom_cur_u8(cur) % 20;
	uint32_t cons = DOM_LOAD(fake_u32(r->d, 0, XA_RING_RSP_PROD));

	if (r->fe.req_prod - cons >= r->fe.entries)
		return;
	if (op == BLKIF_OP_DISCARD)
		fe_discard(&r->fe, 1, sector, n, 0);
	else
		fe_pages(&r->fe, op, 1, sector, 0, op == BLKIF_OP_FLUSH_DISKCACHE ? 0 : n);
	fe_push(&r->fe);
	turns(r);
}

static void op_bytes(struct run *r, struct dom_cur *cur)
{
	for (uint8_t n = dom_cur_u8(cur); n && dom_cur_left(cur); n--)
		say_be(r, dom_cur_u8(cur), 1);
}

/* The magic number, an error, a handle, and bytes of data behind them. */
static void op_reply(struct run *r, struct dom_cur *cur)
{
	static const uint8_t data[4096] = { 0x77 };
	uint8_t handle = dom_cur_u8(cur), error = dom_cur_u8(cur), pages = dom_cur_u8(cur) % 21;
	uint8_t more = dom_cur_u8(cur);

	say_be(r, 0x67446698, 4);
	say_be(r, error, 4);
	say_be(r, handle, 8);
	for (unsigned i = 0; i < pages; i++)
		say(r, data, sizeof(data));
	say(r, data, more);
	turns(r);
}

static void op_hang_up(struct run *r, struct dom_cur *cur DOM_UNUSED)
{
	shutdown(r->fd, SHUT_RDWR);
}

static void (*const ops[])(struct run *r, struct dom_cur *cur) = {
	op_turn, op_request, op_bytes, op_reply, op_request, op_reply, op_hang_up,
};

/* What a server that means well says first. */
static void negotiate_well(struct run *r, uint16_t flags)
{
	say(r, "NBDMAGICIHAVEOPT", 16);
	say_be(r, 3, 2);
	say_be(r, 0x3e889045565a9, 8);
	say_be(r, 7, 4);
	say_be(r, 3, 4);
	say_be(r, 12, 4);
	say_be(r, 0, 2);
	say_be(r, SECTORS * 512, 8);
	say_be(r, flags, 2);
	say_be(r, 0x3e889045565a9, 8);
	say_be(r, 7, 4);
	say_be(r, 1, 4);
	say_be(r, 0, 4);
}

/* Guest and server at work. */
static void work(struct run *r, struct dom_cur *cur)
{
	struct blk_queue_config cfg;

	fe_init(&r->fe, r->d, &blk_layouts[0], 0);
	memset(fe_data(&r->fe, GUARD), 0x5a, 4096);
	cfg = fe_config(&r->fe);
	if (blk_queue_new(&r->disk, &cfg, &r->q))
		abort();
	r->fe.kick = r->q->eventfd;
	while (dom_cur_left(cur) && !cur->bad)
		ops[dom_cur_u8(cur) % DOM_ARRAY_LEN(ops)](r, cur);
	turns(r);
	blk_queue_free(r->q, NULL);
	for (unsigned i = 0; i < 4096; i++)
		if (fe_data(&r->fe, GUARD)[i] != 0x5a)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	struct dom_cur cur = dom_cur_init(data, size);
	uint8_t how = dom_cur_u8(&cur);
	struct run r = { .d = fake_domain_new(PAGES) };
	int pair[2];

	if ((!loop && ev_loop_new(NULL, &loop, NULL)) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	r.l = loop;
	r.fd = pair[0];
	r.disk = (struct blk_disk){ .loop = loop, .domain = r.d, .complain = complain,
				    .img = { .fd = -1, .buffered_fd = -1 } };
	if (how & 1) {
		if (size > 1)
			say(&r, data + 1, size - 1);
		shutdown(r.fd, SHUT_WR);
	} else {
		negotiate_well(&r, dom_cur_u8(&cur));
	}
	/* A size of no bytes, or of more than a file may have, is refused. */
	if (blk_nbd_open(&r.disk, pair[1], &r.disk.lim, &r.disk.img.nbd) == 0) {
		if (!r.disk.lim.sectors || r.disk.lim.sectors > (uint64_t)INT64_MAX >> 9)
			abort();
		if (!(how & 1))
			work(&r, &cur);
		blk_nbd_close(r.disk.img.nbd);
	} else if (!(how & 1)) {
		abort();
	}
	do {
		ev_loop_turn(loop, ev_loop_armed(loop) ? EV_FOREVER : 0);
	} while (ev_loop_armed(loop));
	ev_loop_turn(loop, 0);
	if (fake_grants_in_use(r.d))
		abort();
	close(r.fd);
	fake_domain_free(r.d);
	return 0;
}
