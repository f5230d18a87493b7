// SPDX-License-Identifier: MIT
/*
 * Fact: with FIFO event channels a port has a word in the guest's array; pending ports are linked
 *   into one queue per priority, in the order of their events.
 * Source: xen/common/event_fifo.c;
 *   xen/include/public/event_channel.h
 * Expect: 17 link bits; queues in order of events and priority; a masked port is pending and not
 *   linked until unmasked; a second event of a linked port does not link it twice; the errors of
 *   init_control, expand_array and set_priority.
 * run: events=fifo
 */
#include "kern/event.h"

static uint8_t control[PAGE_SIZE] PAGE_ALIGNED;
static uint32_t words[PAGE_SIZE / 4] PAGE_ALIGNED;
static volatile struct evtchn_fifo_control_block *const block = (void *)(control + 64);

static bool has(evtchn_port_t port, unsigned bit)
{
	return *(volatile uint32_t *)&words[port] >> bit & 1;
}

static void set_priority(evtchn_port_t port, unsigned priority)
{
	struct evtchn_set_priority p = { port, priority };

	CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &p), 0);
}

/*
 * The guest's half: take the head of the most urgent queue. Without concurrent events its link may
 * be cleared by plain atomics. Returns 0 when nothing is ready.
 */
static evtchn_port_t consume(void)
{
	evtchn_port_t port;
	uint32_t old;
	unsigned q;

	if (!block->ready)
		return 0;
	q = (unsigned)__builtin_ctz(block->ready);
	port = block->head[q];
	CHECK(port && port < PAGE_SIZE / 4 && has(port, EVTCHN_FIFO_LINKED));
	old = __atomic_fetch_and(&words[port], ~(1u << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK),
				 __ATOMIC_SEQ_CST);
	block->head[q] = old & EVTCHN_FIFO_LINK_MASK;
	if (!block->head[q])
		__atomic_fetch_and(&block->ready, ~(1u << q), __ATOMIC_SEQ_CST);
	CHECK(has(port, EVTCHN_FIFO_PENDING));
	__atomic_fetch_and(&words[port], ~(1u << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
	return port;
}

static void start(void)
{
	struct evtchn_init_control c = { (unsigned long)control >> 12, 64, 0, 0, { 0 } };
	struct evtchn_expand_array e = { (unsigned long)words >> 12 };
	struct evtchn_init_control bad = c;

	CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &e), -EOPNOTSUPP);
	bad.offset = 4;
	CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &bad), -EINVAL);
	bad.offset = PAGE_SIZE - 64;
	CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &bad), -EINVAL);
	bad = c;
	bad.vcpu = 7;
	CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &bad), -ENOENT);
	CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &c), 0);
	CHECK_EQ(c.link_bits, EVTCHN_FIFO_LINK_BITS);
	CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &c), -EINVAL);
	CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &e), 0);
}

static evtchn_port_t new_port(void)
{
	struct evtchn_bind_ipi b = { .vcpu = 0 };

	CHECK_EQ(event_channel_op(EVTCHNOP_bind_ipi, &b), 0);
	CHECK(b.port && b.port < PAGE_SIZE / 4);
	return b.port;
}

static void unmasked(evtchn_port_t port)
{
	__atomic_fetch_and(&words[port], ~(1u << EVTCHN_FIFO_MASKED), __ATOMIC_SEQ_CST);
}

void test_main(void)
{
	evtchn_port_t a, b, c, urgent;
	struct evtchn_set_priority bad = { 1, EVTCHN_FIFO_PRIORITY_MIN + 1 };

	shared_info_map();
	start();
	a = new_port();
	b = new_port();
	c = new_port();
	urgent = new_port();
	unmasked(a);
	unmasked(b);
	unmasked(c);
	unmasked(urgent);

	/* Order within a queue, and the more urgent queue first. */
	set_priority(urgent, EVTCHN_FIFO_PRIORITY_MAX);
	CHECK_EQ(send(b), 0);
	CHECK_EQ(send(a), 0);
	CHECK_EQ(send(b), 0);
	CHECK_EQ(send(c), 0);
	CHECK_EQ(send(urgent), 0);
	CHECK(vcpu_pending(0));
	CHECK_EQ(block->ready, 1u << EVTCHN_FIFO_PRIORITY_MAX | 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
	CHECK_EQ(words[b] & EVTCHN_FIFO_LINK_MASK, a);
	CHECK_EQ(words[a] & EVTCHN_FIFO_LINK_MASK, c);
	CHECK_EQ(words[c] & EVTCHN_FIFO_LINK_MASK, 0);
	CHECK_EQ(consume(), urgent);
	CHECK_EQ(consume(), b);
	CHECK_EQ(consume(), a);
	/* A queue that empties while another event arrives. */
	CHECK_EQ(send(b), 0);
	CHECK_EQ(consume(), c);
	CHECK_EQ(consume(), b);
	CHECK_EQ(consume(), 0);

	/* Masked: pending, and linked by unmask. */
	__atomic_fetch_or(&words[a], 1u << EVTCHN_FIFO_MASKED, __ATOMIC_SEQ_CST);
	CHECK_EQ(send(a), 0);
	CHECK(has(a, EVTCHN_FIFO_PENDING) && !has(a, EVTCHN_FIFO_LINKED));
	CHECK_EQ(consume(), 0);
	CHECK_EQ(unmask(a), 0);
	CHECK(!has(a, EVTCHN_FIFO_MASKED));
	CHECK_EQ(consume(), a);

	/* A linked port that changes its priority stays where it is for this event. */
	CHECK_EQ(send(a), 0);
	set_priority(a, EVTCHN_FIFO_PRIORITY_MIN);
	CHECK_EQ(block->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
	CHECK_EQ(consume(), a);
	CHECK_EQ(send(a), 0);
	CHECK_EQ(block->ready, 1u << EVTCHN_FIFO_PRIORITY_MIN);
	CHECK_EQ(consume(), a);

	CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &bad), -EINVAL);
}
