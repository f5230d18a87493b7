// SPDX-License-Identifier: MIT
/*
 * Random event-channel operations, compared step by step with a model that knows only the rules of
 * the ABI: which port is in which state, which event is pending, and that no event is lost. The
 * same walk is done with both formats; the guest end consumes events as Linux does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

enum { PORTS = 60, STEPS = 30000 };

struct model_port {
	enum { FREE, UNBOUND, LOOP, VIRQ, IPI } state;
	unsigned vcpu, peer, virq;
	bool pending, masked;
};

struct walk {
	struct fake *f;
	struct model_port p[PORTS];
	bool virq_used[FAKE_VCPUS];
	bool fifo;
};

static uint32_t *word(struct fake *f, evtchn_port_t port)
{
	return (uint32_t *)fake_at(f, FAKE_ARRAY_GFN * XEN_PAGE_SIZE) + port;
}

static uint32_t *control(struct fake *f, unsigned vcpu)
{
	return fake_at(f, FAKE_CONTROL_GFN * XEN_PAGE_SIZE + vcpu * 128);
}

/* ---- what the guest does with its memory, per format ---- */

static bool guest_pending(struct walk *w, unsigned port)
{
	if (w->fifo)
		return *word(w->f, port) >> EVTCHN_FIFO_PENDING & 1;
	return fake_pending(w->f)[0] >> port & 1;
}

static void guest_mask(struct walk *w, unsigned port)
{
	if (w->fifo)
		*word(w->f, port) |= 1u << EVTCHN_FIFO_MASKED;
	else
		fake_mask(w->f)[0] |= 1ull << port;
	w->p[port].masked = true;
}

static void handled(struct walk *w, unsigned vcpu, unsigned port)
{
	assert_true(w->p[port].pending);
	assert_false(w->p[port].masked);
	assert_int_equal(w->p[port].vcpu, vcpu);
	w->p[port].pending = false;
}

static void consume_2l(struct walk *w, unsigned vcpu)
{
	uint64_t *sel = (uint64_t *)(fake_info(w->f, vcpu) + XA_VCPU_INFO_SEL_64);
	uint64_t ready = 0;

	if (*sel & 1)
		ready = fake_pending(w->f)[0] & ~fake_mask(w->f)[0];
	*sel = 0;
	for (unsigned port = 1; port < PORTS; port++)
		/* As Linux: a vCPU handles the ports that are its own. */
		if ((ready >> port & 1) && w->p[port].vcpu == vcpu) {
			fake_pending(w->f)[0] &= ~(1ull << port);
			handled(w, vcpu, port);
		}
}

static void consume_fifo(struct walk *w, unsigned vcpu)
{
	uint32_t *ctl = control(w->f, vcpu);

	for (unsigned prio = 0; prio < EVTCHN_FIFO_MAX_QUEUES; prio++) {
		unsigned count = 0;

		while (ctl[0] >> prio & 1) {
			unsigned port = ctl[2 + prio], next;

			assert_true(port > 0 && port < PORTS && ++count < PORTS);
			next = *word(w->f, port) & EVTCHN_FIFO_LINK_MASK;
			*word(w->f, port) &= ~(1u << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK);
			ctl[2 + prio] = next;
			if (!next)
				ctl[0] &= ~(1u << prio);
			if (guest_pending(w, port) &&
			    !(*word(w->f, port) >> EVTCHN_FIFO_MASKED & 1)) {
				*word(w->f, port) &= ~(1u << EVTCHN_FIFO_PENDING);
				/* Queued for this vCPU before it was moved: still handled. */
				handled(w, w->p[port].vcpu, port);
			}
		}
	}
}

static void consume(struct walk *w, unsigned vcpu)
{
	uint8_t *info = fake_info(w->f, vcpu);

	if (!info[XA_VCPU_INFO_PENDING])
		return;
	info[XA_VCPU_INFO_PENDING] = 0;
	if (w->fifo)
		consume_fifo(w, vcpu);
	else
		consume_2l(w, vcpu);
}

/* ---- operations with their expected results ---- */

static unsigned first_free(struct walk *w)
{
	for (unsigned port = 1; port < PORTS; port++)
		if (w->p[port].state == FREE &&
		    !(w->fifo && (*word(w->f, port) >> EVTCHN_FIFO_LINKED & 1)))
			return port;
	return 0;
}

/* @want: the port expected, as it was before the operation. */
static void took(struct walk *w, unsigned want, unsigned port, int64_t err, struct model_port p)
{
	if (!want) {
		assert_int_equal(err, -ENOSPC);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(port, want);
	p.masked = w->fifo ? *word(w->f, port) >> EVTCHN_FIFO_MASKED & 1 :
			     fake_mask(w->f)[0] >> port & 1;
	p.pending = false;
	w->p[port] = p;
}

static void step_bind(struct walk *w)
{
	unsigned vcpu = (unsigned)rand() % FAKE_VCPUS, want = first_free(w);
	evtchn_port_t port = 0;
	int64_t err;

	if (rand() % 2) {
		err = fake_bind_ipi(w->f, vcpu, &port);
		took(w, want, port, err, (struct model_port){ .state = IPI, .vcpu = vcpu });
	} else {
		err = fake_alloc_unbound(w->f, DOMID_SELF, &port);
		took(w, want, port, err, (struct model_port){ .state = UNBOUND });
	}
}

static void step_virq(struct walk *w)
{
	unsigned vcpu = (unsigned)rand() % FAKE_VCPUS, want = first_free(w);
	struct evtchn_bind_virq a = { VIRQ_DEBUG, vcpu, 0 };
	int64_t err = fake_evtchn(w->f, EVTCHNOP_bind_virq, &a);

	if (w->virq_used[vcpu]) {
		assert_int_equal(err, -EEXIST);
		return;
	}
	if (!err)
		w->virq_used[vcpu] = true;
	took(w, want, a.port, err, (struct model_port){ .state = VIRQ, .vcpu = vcpu });
}

static void step_loop(struct walk *w, unsigned remote)
{
	struct evtchn_bind_interdomain a = { DOMID_SELF, remote, 0 };
	unsigned want = first_free(w);
	int64_t err = fake_evtchn(w->f, EVTCHNOP_bind_interdomain, &a);

	if (w->p[remote].state != UNBOUND || !want) {
		assert_int_equal(err, want ? -EINVAL : -ENOSPC);
		return;
	}
	took(w, want, a.local_port, err, (struct model_port){ .state = LOOP, .peer = remote });
	w->p[a.local_port].pending = true;
	w->p[remote].state = LOOP;
	w->p[remote].peer = a.local_port;
}

static void step_close(struct walk *w, unsigned port)
{
	struct evtchn_close a = { port };
	int64_t err = fake_evtchn(w->f, EVTCHNOP_close, &a);
	struct model_port *p = &w->p[port];

	assert_int_equal(err, p->state == FREE ? -EINVAL : 0);
	if (p->state == LOOP)
		w->p[p->peer].state = UNBOUND;
	if (p->state == VIRQ)
		w->virq_used[p->vcpu] = false;
	p->state = FREE;
	p->pending = false;
}

static void step_send(struct walk *w, unsigned port)
{
	struct model_port *p = &w->p[port];
	int64_t err = fake_send(w->f, port);

	assert_int_equal(err, p->state == FREE || p->state == VIRQ ? -EINVAL : 0);
	if (p->state == IPI)
		p->pending = true;
	if (p->state == LOOP)
		w->p[p->peer].pending = true;
}

static void step_other(struct walk *w, unsigned port)
{
	struct evtchn_unmask u = { port };
	struct evtchn_bind_vcpu b = { port, (unsigned)rand() % FAKE_VCPUS };
	struct evtchn_set_priority prio = { port, (unsigned)rand() % 16 };
	struct model_port *p = &w->p[port];

	switch (rand() % 5) {
	case 0:
		guest_mask(w, port);
		break;
	case 1:
		assert_int_equal(fake_evtchn(w->f, EVTCHNOP_unmask, &u), 0);
		p->masked = false;
		break;
	case 2:
		/* Moving a pending port would leave it with its former vCPU, as on Xen. */
		if (p->pending)
			break;
		assert_int_equal(fake_evtchn(w->f, EVTCHNOP_bind_vcpu, &b),
				 p->state == UNBOUND || p->state == LOOP ? 0 : -EINVAL);
		if (p->state == UNBOUND || p->state == LOOP)
			p->vcpu = b.vcpu;
		break;
	case 3:
		assert_int_equal(fake_evtchn(w->f, EVTCHNOP_set_priority, &prio),
				 w->fifo ? 0 : -ENOSYS);
		break;
	case 4:
		xa_raise_virq(xa_domain_vcpu(w->f->d, b.vcpu), VIRQ_DEBUG);
		for (unsigned i = 1; i < PORTS; i++)
			if (w->p[i].state == VIRQ && w->p[i].vcpu == b.vcpu)
				w->p[i].pending = true;
	}
}

static void compare(struct walk *w)
{
	for (unsigned port = 1; port < PORTS; port++) {
		static const int64_t status[] = { EVTCHNSTAT_closed, EVTCHNSTAT_unbound,
						  EVTCHNSTAT_interdomain, EVTCHNSTAT_virq,
						  EVTCHNSTAT_ipi };

		assert_int_equal(guest_pending(w, port), w->p[port].pending);
		assert_int_equal(fake_status(w->f, port), status[w->p[port].state]);
	}
}

static void limit_ports(struct xa_config *cfg)
{
	cfg->max_evtchn = PORTS;
}

static void do_walk(bool fifo, unsigned seed)
{
	struct walk w = { .f = fake_new_cfg(limit_ports), .fifo = fifo };

	srand(seed);
	assert_int_equal(fake_map_shared(w.f), 0);
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		struct evtchn_init_control a = { FAKE_CONTROL_GFN, i * 128, i, 0, { 0 } };

		assert_int_equal(fake_upcall_vector(w.f, i, 0xf3), 0);
		if (fifo)
			assert_int_equal(fake_evtchn(w.f, EVTCHNOP_init_control, &a), 0);
	}
	if (fifo) {
		struct evtchn_expand_array a = { FAKE_ARRAY_GFN };

		assert_int_equal(fake_evtchn(w.f, EVTCHNOP_expand_array, &a), 0);
	}
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned port = 1 + (unsigned)rand() % (PORTS - 1);

		switch (rand() % 12) {
		case 0: case 1: step_bind(&w); break;
		case 2: step_virq(&w); break;
		case 3: step_loop(&w, port); break;
		case 4: step_close(&w, port); break;
		case 5: case 6: case 7: step_send(&w, port); break;
		case 8: case 9: consume(&w, (unsigned)rand() % FAKE_VCPUS); break;
		default: step_other(&w, port);
		}
		if (i % 64 == 0)
			compare(&w);
	}
	/* Nothing is lost: with all unmasked, every pending event reaches its vCPU. */
	for (unsigned port = 1; port < PORTS; port++) {
		struct evtchn_unmask u = { port };

		if (w.p[port].state == FREE)
			continue;
		assert_int_equal(fake_evtchn(w.f, EVTCHNOP_unmask, &u), 0);
		w.p[port].masked = false;
	}
	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		consume(&w, i);
	for (unsigned port = 1; port < PORTS; port++)
		assert_false(w.p[port].pending);
	fake_free(w.f);
}

static void random_2_level_walks_agree_with_the_model(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++)
		do_walk(false, seed);
}

static void random_fifo_walks_agree_with_the_model(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++)
		do_walk(true, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_2_level_walks_agree_with_the_model),
		cmocka_unit_test(random_fifo_walks_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
