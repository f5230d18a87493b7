// SPDX-License-Identifier: MIT
/*
 * The FIFO event format: queues as a guest consumes them, and a guest that does not play by the
 * rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

#define P (1u << EVTCHN_FIFO_PENDING)
#define M (1u << EVTCHN_FIFO_MASKED)
#define L (1u << EVTCHN_FIFO_LINKED)
#define B (1u << EVTCHN_FIFO_BUSY)
#define PRIO EVTCHN_FIFO_PRIORITY_DEFAULT

static uint32_t *control(struct fake *f, unsigned vcpu)
{
	return fake_at(f, FAKE_CONTROL_GFN * XEN_PAGE_SIZE + vcpu * 128);
}

static uint32_t *head(struct fake *f, unsigned vcpu, unsigned prio)
{
	return control(f, vcpu) + 2 + prio;
}

static uint32_t *word(struct fake *f, evtchn_port_t port)
{
	return (uint32_t *)fake_at(f, FAKE_ARRAY_GFN * XEN_PAGE_SIZE) + port;
}

static int64_t init_control(struct fake *f, unsigned vcpu)
{
	struct evtchn_init_control a = { FAKE_CONTROL_GFN, vcpu * 128, vcpu, 0, { 0 } };
	int64_t err = fake_evtchn(f, EVTCHNOP_init_control, &a);

	if (!err)
		assert_int_equal(a.link_bits, EVTCHN_FIFO_LINK_BITS);
	return err;
}

static int64_t expand(struct fake *f, uint64_t gfn)
{
	struct evtchn_expand_array a = { gfn };

	return fake_evtchn(f, EVTCHNOP_expand_array, &a);
}

static int64_t set_priority(struct fake *f, evtchn_port_t port, uint32_t prio)
{
	struct evtchn_set_priority a = { port, prio };

	return fake_evtchn(f, EVTCHNOP_set_priority, &a);
}

static int64_t unmask(struct fake *f, evtchn_port_t port)
{
	struct evtchn_unmask a = { port };

	return fake_evtchn(f, EVTCHNOP_unmask, &a);
}

static evtchn_port_t ipi(struct fake *f, unsigned vcpu)
{
	evtchn_port_t port;

	assert_int_equal(fake_bind_ipi(f, vcpu, &port), 0);
	return port;
}

static int setup(void **state)
{
	struct fake *f = fake_new();

	assert_int_equal(fake_map_shared(f), 0);
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		assert_int_equal(fake_upcall_vector(f, i, 0xf3), 0);
		assert_int_equal(init_control(f, i), 0);
	}
	assert_int_equal(expand(f, FAKE_ARRAY_GFN), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

/* Take the first port off a queue, as Linux does. Returns 0 when the queue is empty. */
static evtchn_port_t consume(struct fake *f, unsigned vcpu, unsigned prio)
{
	evtchn_port_t port = *head(f, vcpu, prio), next;
	uint32_t *w;

	if (!port)
		return 0;
	w = word(f, port);
	next = *w & EVTCHN_FIFO_LINK_MASK;
	*w &= ~(L | B | EVTCHN_FIFO_LINK_MASK | P);
	*head(f, vcpu, prio) = next;
	if (!next)
		*control(f, vcpu) &= ~(1u << prio);
	return port;
}

static void ack(struct fake *f, unsigned vcpu)
{
	fake_info(f, vcpu)[XA_VCPU_INFO_PENDING] = 0;
}

static void events_queue_in_order(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = ipi(f, 1), b = ipi(f, 1), c = ipi(f, 1);

	fake_send(f, b);
	fake_send(f, a);
	fake_send(f, c);
	fake_send(f, b);	/* queued already */
	assert_int_equal(*control(f, 1), 1u << PRIO);
	assert_int_equal(f->upcalls[1], 1);
	assert_int_equal(*word(f, b), P | L | a);
	assert_int_equal(consume(f, 1, PRIO), b);
	assert_int_equal(consume(f, 1, PRIO), a);
	assert_int_equal(consume(f, 1, PRIO), c);
	assert_int_equal(consume(f, 1, PRIO), 0);
	ack(f, 1);
	fake_send(f, a);
	assert_int_equal(f->upcalls[1], 2);
	assert_int_equal(consume(f, 1, PRIO), a);
}

/* The guest took the tail off but has not seen that the queue is empty. */
static void append_to_consumed_tail_restarts_the_queue(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = ipi(f, 0), b = ipi(f, 0);

	fake_send(f, a);
	*word(f, a) &= ~(L | EVTCHN_FIFO_LINK_MASK);
	fake_send(f, b);
	assert_int_equal(*head(f, 0, PRIO), b);
	assert_int_equal(*word(f, a) & EVTCHN_FIFO_LINK_MASK, 0);
	/* And the same port twice in a row. */
	*word(f, b) &= ~(L | P);
	fake_send(f, b);
	assert_int_equal(*head(f, 0, PRIO), b);
	assert_int_equal(*word(f, b), P | L);
}

static void masked_event_is_pending_only(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = ipi(f, 0);

	*word(f, a) = M;
	fake_send(f, a);
	assert_int_equal(*word(f, a), P | M);
	assert_int_equal(f->upcalls[0], 0);
	assert_int_equal(unmask(f, a), 0);
	assert_int_equal(*word(f, a), P | L);
	assert_int_equal(f->upcalls[0], 1);
}

static void priorities_have_their_own_queues(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = ipi(f, 0), b = ipi(f, 0);

	assert_int_equal(set_priority(f, a, 0), 0);
	assert_int_equal(set_priority(f, b, EVTCHN_FIFO_PRIORITY_MIN), 0);
	assert_int_equal(set_priority(f, b, EVTCHN_FIFO_PRIORITY_MIN + 1), -EINVAL);
	assert_int_equal(set_priority(f, 900, 0), -EINVAL);
	fake_send(f, b);
	fake_send(f, a);
	assert_int_equal(*control(f, 0), 1u | 1u << 15);
	assert_int_equal(consume(f, 0, 0), a);
	assert_int_equal(consume(f, 0, 15), b);
}

static void event_moves_to_another_queue(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = ipi(f, 0), b = ipi(f, 0);

	fake_send(f, a);
	assert_int_equal(consume(f, 0, PRIO), a);
	assert_int_equal(set_priority(f, a, 3), 0);
	fake_send(f, a);
	assert_int_equal(*head(f, 0, 3), a);
	/* The old queue must not be continued behind a. */
	fake_send(f, b);
	assert_int_equal(*head(f, 0, PRIO), b);
	assert_int_equal(*word(f, a) & EVTCHN_FIFO_LINK_MASK, 0);
}

static void linked_event_stays_in_its_queue_after_set_priority(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = ipi(f, 0);

	fake_send(f, a);
	assert_int_equal(set_priority(f, a, 3), 0);
	fake_send(f, a);
	assert_int_equal(*head(f, 0, 3), 0);
	assert_int_equal(*head(f, 0, PRIO), a);
}

static void events_before_the_array_are_held(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port = 0;

	while (port < XEN_PAGE_SIZE / 4)
		port = ipi(f, 2);
	fake_send(f, port);
	assert_int_equal(f->upcalls[2], 0);
	assert_int_equal(expand(f, FAKE_ARRAY_GFN + 1), 0);
	assert_int_equal(*word(f, port), P | L);
	assert_int_equal(f->upcalls[2], 1);
}

static void pending_2l_events_survive_the_switch(void **state)
{
	struct fake *f = fake_new();
	evtchn_port_t a = ipi(f, 0);

	(void)state;
	fake_map_shared(f);
	fake_send(f, a);
	assert_int_equal(init_control(f, 0), 0);
	assert_int_equal(f->route[a].kind, XA_ROUTE_NONE);
	*word(f, a) = 0;
	assert_int_equal(expand(f, FAKE_ARRAY_GFN), 0);
	assert_int_equal(*word(f, a), P | L);
	fake_free(f);
}

static void linked_port_is_not_given_out_again(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = ipi(f, 0);
	struct evtchn_close c = { a };

	fake_send(f, a);
	assert_int_equal(fake_evtchn(f, EVTCHNOP_close, &c), 0);
	assert_int_equal(*word(f, a), L);
	assert_int_not_equal(ipi(f, 0), a);
	*word(f, a) = 0;
	assert_int_equal(ipi(f, 0), a);
}

static void init_control_rules(void **state)
{
	struct fake *f = fake_new();
	struct evtchn_init_control a = { .control_gfn = FAKE_CONTROL_GFN, .vcpu = FAKE_VCPUS };

	(void)state;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_init_control, &a), -ENOENT);
	a.vcpu = 0;
	a.offset = XEN_PAGE_SIZE - 64;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_init_control, &a), -EINVAL);
	a.offset = 4;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_init_control, &a), -EINVAL);
	a.offset = 0;
	a.control_gfn = FAKE_HOLE_GFN;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_init_control, &a), -EINVAL);
	/* None of these failures changed the format. */
	assert_int_equal(expand(f, FAKE_ARRAY_GFN), -EOPNOTSUPP);
	assert_int_equal(init_control(f, 0), 0);
	assert_int_equal(init_control(f, 0), -EINVAL);
	assert_int_equal(init_control(f, 1), 0);
	assert_int_equal(expand(f, FAKE_HOLE_GFN), -EINVAL);
	fake_free(f);
}

static void only_2l(struct xa_config *cfg)
{
	cfg->events = XA_EVENTS_2L;
}

static void fifo_can_be_switched_off(void **state)
{
	struct fake *f = fake_new_cfg(only_2l);

	(void)state;
	assert_int_equal(init_control(f, 0), -ENOSYS);
	assert_int_equal(expand(f, FAKE_ARRAY_GFN), -ENOSYS);
	fake_free(f);
}

static void array_has_a_limit(void **state)
{
	struct fake *f = *state;

	for (unsigned i = 1; i < EVTCHN_FIFO_NR_CHANNELS / (XEN_PAGE_SIZE / 4); i++)
		assert_int_equal(expand(f, FAKE_ARRAY_GFN), 0);
	assert_int_equal(expand(f, FAKE_ARRAY_GFN), -ENOSPC);
}

static void reset_returns_to_2_level(void **state)
{
	struct fake *f = *state;
	struct evtchn_reset r = { DOMID_SELF };
	evtchn_port_t a;

	assert_int_equal(fake_evtchn(f, EVTCHNOP_reset, &r), 0);
	a = ipi(f, 0);
	assert_int_equal(set_priority(f, a, 1), -ENOSYS);
	fake_send(f, a);
	assert_int_equal(fake_pending(f)[0], 1ull << a);
	assert_int_equal(init_control(f, 0), 0);
}

static void vcpu_without_control_block_keeps_events_pending(void **state)
{
	struct fake *f = fake_new();
	evtchn_port_t a = ipi(f, 3);

	(void)state;
	assert_int_equal(init_control(f, 0), 0);
	assert_int_equal(expand(f, FAKE_ARRAY_GFN), 0);
	fake_send(f, a);
	assert_int_equal(*word(f, a), P);
	assert_int_equal(init_control(f, 3), 0);
	assert_int_equal(unmask(f, a), 0);
	fake_free(f);
}

/* Links, heads and flags full of nonsense: the guest loses events, nothing else happens. */
static void guest_memory_full_of_nonsense_is_harmless(void **state)
{
	struct fake *f = *state;
	evtchn_port_t ports[40];

	srand(1);
	for (unsigned i = 0; i < 40; i++)
		ports[i] = ipi(f, i % FAKE_VCPUS);
	for (unsigned round = 0; round < 5000; round++) {
		*word(f, (unsigned)rand() % 1024) = (uint32_t)rand() * 2654435761u;
		control(f, round % 4)[rand() % 18] = (uint32_t)rand() * 2654435761u;
		fake_send(f, ports[rand() % 40]);
		unmask(f, ports[rand() % 40]);
		set_priority(f, ports[rand() % 40], (uint32_t)rand() % 17);
	}
}

static void ports_are_shown(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port = ipi(f, 1);
	char line[128];

	assert_true(xa_evtchn_show(f->d, port, line, sizeof(line)));
	assert_string_equal(line, "port 1: ipi, vcpu 1");
	*word(f, port) |= M;
	assert_int_equal(fake_send(f, port), 0);
	assert_true(xa_evtchn_show(f->d, port, line, sizeof(line)));
	assert_string_equal(line, "port 1: ipi, vcpu 1, pending, masked");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_queue_in_order),
		TEST(append_to_consumed_tail_restarts_the_queue),
		TEST(masked_event_is_pending_only),
		TEST(priorities_have_their_own_queues),
		TEST(event_moves_to_another_queue),
		TEST(linked_event_stays_in_its_queue_after_set_priority),
		TEST(events_before_the_array_are_held),
		TEST(pending_2l_events_survive_the_switch),
		TEST(linked_port_is_not_given_out_again),
		TEST(init_control_rules),
		TEST(fifo_can_be_switched_off),
		TEST(array_has_a_limit),
		TEST(reset_returns_to_2_level),
		TEST(vcpu_without_control_block_keeps_events_pending),
		TEST(guest_memory_full_of_nonsense_is_harmless),
		TEST(ports_are_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
