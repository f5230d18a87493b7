// SPDX-License-Identifier: MIT
/*
 * A hostile front end for the xenstore ring bridge: the input is a script of what it does to the ring
 * page, of what the daemon answers, and of connections lost and made again.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../unit/pvbackends/fake_guest.h"
#include "fuzz_guest.h"
#include "domicile/pvb.h"
#include "xenabi/io_xs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct ev_loop *l;
	struct xa_domain *d;
	struct pvb_xsring *x;
	struct pvb_ring ring;
	int daemon;
	bool down;
};

static int introduce(void *arg, int *ret_fd)
{
	struct run *r = arg;
	int fd[2];

	if (r->down)
		return -ECONNREFUSED;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		abort();
	if (r->daemon >= 0)
		close(r->daemon);
	r->daemon = fd[0];
	*ret_fd = fd[1];
	return 0;
}

static void op_bytes(struct run *r, struct dom_cur *cur)
{
	fuzz_bytes(r->d, cur, 4096);
}

static void op_produce(struct run *r, struct dom_cur *cur)
{
	*fake_u32(r->d, 0, XENSTORE_RING_REQ_PROD) += dom_cur_u16(cur) & 2047u;
}

static void op_consume(struct run *r, struct dom_cur *cur)
{
	*fake_u32(r->d, 0, XENSTORE_RING_RSP_CONS) += dom_cur_u16(cur) & 2047u;
}

static void op_kick(struct run *r, struct dom_cur *cur DOM_UNUSED)
{
	fuzz_kick(r->l, r->ring.eventfd, 2);
}

static void op_answer(struct run *r, struct dom_cur *cur)
{
	uint8_t n = dom_cur_u8(cur);
	const void *p = dom_cur_take(cur, n);

	if (p)
		(void)!write(r->daemon, p, n);
	ev_loop_turn(r->l, 0);
}

static void op_listen(struct run *r, struct dom_cur *cur DOM_UNUSED)
{
	char buf[4096];

	(void)!read(r->daemon, buf, sizeof(buf));
	ev_loop_turn(r->l, 0);
}

static void op_restart(struct run *r, struct dom_cur *cur)
{
	r->down = dom_cur_u8(cur) & 1;
	if (r->daemon >= 0)
		close(r->daemon);
	r->daemon = -1;
	ev_loop_turn(r->l, 0);
}

static void op_reset(struct run *r, struct dom_cur *cur DOM_UNUSED)
{
	pvb_xsring_reset(r->x, &r->ring);
}

static void (*const ops[])(struct run *r, struct dom_cur *cur) = {
	op_bytes, op_produce, op_consume, op_kick, op_answer, op_listen, op_restart, op_reset,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	struct dom_cur cur = dom_cur_init(data, size);
	struct run r = { .d = fake_domain_new(1), .daemon = -1 };
	struct pvb_xsring_config cfg;

	signal(SIGPIPE, SIG_IGN);
	if (!loop && ev_loop_new(NULL, &loop, NULL))
		abort();
	r.l = loop;
	r.ring.port = 1;
	r.ring.eventfd = eventfd(0, EFD_CLOEXEC);
	cfg = (struct pvb_xsring_config){
		.loop = loop, .domain = r.d, .ring = r.ring, .introduce = introduce, .arg = &r,
	};
	if (pvb_xsring_new(&cfg, &r.x, NULL))
		abort();
	while (dom_cur_left(&cur) && !cur.bad)
		ops[dom_cur_u8(&cur) % DOM_ARRAY_LEN(ops)](&r, &cur);
	pvb_xsring_free(r.x);
	while (ev_loop_armed(loop))
		ev_loop_turn(loop, EV_FOREVER);
	if (r.daemon >= 0)
		close(r.daemon);
	close(r.ring.eventfd);
	fake_domain_free(r.d);
	return 0;
}
