// SPDX-License-Identifier: MIT
/*
 * A hostile front end for the console: the input is a script of what it does to the ring page, with
 * wake-ups, typed input and resets in between. Output goes to a pipe that is read now and then.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>

#include "../unit/pvbackends/fake_guest.h"
#include "fuzz_guest.h"
#include "domicile/pvb.h"
#include "xenabi/io_console.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct ev_loop *l;
	struct xa_domain *d;
	struct pvb_console *c;
	struct pvb_ring ring;
	int in[2], out[2];
};

static void op_bytes(struct run *r, struct dom_cur *cur)
{
	fuzz_bytes(r->d, cur, 4096);
}

static void op_produce(struct run *r, struct dom_cur *cur)
{
	*fake_u32(r->d, 0, XA_CONSOLE_OUT_PROD) += dom_cur_u16(cur) & 4095u;
}

static void op_consume(struct run *r, struct dom_cur *cur)
{
	*fake_u32(r->d, 0, XA_CONSOLE_IN_CONS) += dom_cur_u16(cur) & 2047u;
}

static void op_kick(struct run *r, struct dom_cur *cur DOM_UNUSED)
{
	fuzz_kick(r->l, r->ring.eventfd, 2);
}

static void op_type(struct run *r, struct dom_cur *cur)
{
	uint8_t buf[256] = { 0 };
	uint8_t n = dom_cur_u8(cur);

	dom_cur_copy(cur, buf, n);
	(void)!write(r->in[1], buf, n);
	ev_loop_turn(r->l, 0);
}

static void op_drain(struct run *r, struct dom_cur *cur DOM_UNUSED)
{
	char buf[4096];

	(void)!read(r->out[0], buf, sizeof(buf));
	ev_loop_turn(r->l, 0);
}

static void op_reset(struct run *r, struct dom_cur *cur)
{
	struct pvb_ring ring = r->ring;

	ring.gfn.v = dom_cur_u8(cur) & 1;	/* 1: no memory there */
	pvb_console_reset(r->c, &ring);
}

static void op_print(struct run *r, struct dom_cur *cur)
{
	uint8_t n = dom_cur_u8(cur);
	const void *p = dom_cur_take(cur, n);

	if (p)
		pvb_console_print(r->c, p, n);
}

static void (*const ops[])(struct run *r, struct dom_cur *cur) = {
	op_bytes, op_produce, op_consume, op_kick, op_type, op_drain, op_reset, op_print,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	struct dom_cur cur = dom_cur_init(data, size);
	struct run r = { .d = fake_domain_new(1) };
	struct pvb_console_config cfg;

	signal(SIGPIPE, SIG_IGN);
	if (!loop && ev_loop_new(NULL, &loop, NULL))
		abort();
	if (pipe2(r.in, O_CLOEXEC | O_NONBLOCK) || pipe2(r.out, O_CLOEXEC | O_NONBLOCK))
		abort();
	fcntl(r.out[1], F_SETPIPE_SZ, 4096);
	r.l = loop;
	r.ring.port = 1;
	r.ring.eventfd = eventfd(0, EFD_CLOEXEC);
	cfg = (struct pvb_console_config){
		.loop = loop, .domain = r.d, .ring = r.ring, .window = 4096, .patience_ms = 1,
		.stdio = true, .in_fd = r.in[0], .out_fd = r.out[1],
	};
	if (pvb_console_new(&cfg, &r.c, NULL))
		abort();
	while (dom_cur_left(&cur) && !cur.bad)
		ops[dom_cur_u8(&cur) % DOM_ARRAY_LEN(ops)](&r, &cur);
	pvb_console_free(r.c);
	while (ev_loop_armed(loop))
		ev_loop_turn(loop, EV_FOREVER);
	for (int i = 0; i < 2; i++) {
		close(r.in[i]);
		close(r.out[i]);
	}
	close(r.ring.eventfd);
	fake_domain_free(r.d);
	return 0;
}
