// SPDX-License-Identifier: MIT
/*
 * event_channel_op with the 2-level format: every operation in every state of a port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

static int setup(void **state)
{
	struct fake *f = fake_new();

	assert_int_equal(fake_map_shared(f), 0);
	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		assert_int_equal(fake_upcall_vector(f, i, 0xf3), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static evtchn_port_t ipi(struct fake *f, unsigned vcpu)
{
	evtchn_port_t port;

	assert_int_equal(fake_bind_ipi(f, vcpu, &port), 0);
	return port;
}

static evtchn_port_t unbound(struct fake *f, domid_t remote)
{
	evtchn_port_t port;

	assert_int_equal(fake_alloc_unbound(f, remote, &port), 0);
	return port;
}

static int64_t bind_virq(struct fake *f, uint32_t virq, uint32_t vcpu, evtchn_port_t *ret)
{
	struct evtchn_bind_virq a = { virq, vcpu, 0 };
	int64_t err = fake_evtchn(f, EVTCHNOP_bind_virq, &a);

	*ret = a.port;
	return err;
}

static int64_t bind_vcpu(struct fake *f, evtchn_port_t port, uint32_t vcpu)
{
	struct evtchn_bind_vcpu a = { port, vcpu };

	return fake_evtchn(f, EVTCHNOP_bind_vcpu, &a);
}

static int64_t close_port(struct fake *f, evtchn_port_t port)
{
	struct evtchn_close a = { port };

	return fake_evtchn(f, EVTCHNOP_close, &a);
}

static int64_t unmask(struct fake *f, evtchn_port_t port)
{
	struct evtchn_unmask a = { port };

	return fake_evtchn(f, EVTCHNOP_unmask, &a);
}

static int64_t bind_interdomain(struct fake *f, domid_t dom, evtchn_port_t remote,
				evtchn_port_t *ret)
{
	struct evtchn_bind_interdomain a = { dom, remote, 0 };
	int64_t err = fake_evtchn(f, EVTCHNOP_bind_interdomain, &a);

	*ret = a.local_port;
	return err;
}

static void ports_are_given_out_lowest_first(void **state)
{
	struct fake *f = *state;

	assert_int_equal(ipi(f, 0), 1);
	assert_int_equal(ipi(f, 0), 2);
	assert_int_equal(ipi(f, 0), 3);
	assert_int_equal(close_port(f, 2), 0);
	assert_int_equal(ipi(f, 0), 2);
	assert_int_equal(ipi(f, 0), 4);
}

static void send_to_ipi_sets_pending_selector_and_upcall_once(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port = ipi(f, 1);

	assert_int_equal(fake_send(f, port), 0);
	assert_int_equal(fake_pending(f)[0], 1ull << port);
	assert_int_equal(fake_info(f, 1)[XA_VCPU_INFO_PENDING], 1);
	assert_int_equal(*(uint64_t *)(fake_info(f, 1) + XA_VCPU_INFO_SEL_64), 1);
	assert_int_equal(f->upcalls[1], 1);
	assert_int_equal(f->upcalls[0], 0);
	assert_int_equal(f->upcall[1].vector, 0xf3);
	/* Again while pending: nobody is told twice. */
	assert_int_equal(fake_send(f, port), 0);
	assert_int_equal(f->upcalls[1], 1);
	assert_true(xa_upcall_pending(xa_domain_vcpu(f->d, 1)));
}

static void masked_port_is_pending_but_not_delivered(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port = ipi(f, 0);

	fake_mask(f)[0] = 1ull << port;
	assert_int_equal(fake_send(f, port), 0);
	assert_int_equal(fake_pending(f)[0], 1ull << port);
	assert_int_equal(f->upcalls[0], 0);
	assert_int_equal(unmask(f, port), 0);
	assert_int_equal(fake_mask(f)[0], 0);
	assert_int_equal(f->upcalls[0], 1);
	assert_int_equal(unmask(f, port), 0);
	assert_int_equal(f->upcalls[0], 1);
}

static void unmask_without_pending_is_silent(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port = ipi(f, 0);

	fake_mask(f)[0] = 1ull << port;
	assert_int_equal(unmask(f, port), 0);
	assert_int_equal(f->upcalls[0], 0);
}

static void send_by_port_state(void **state)
{
	struct fake *f = *state;
	evtchn_port_t virq;

	assert_int_equal(bind_virq(f, VIRQ_TIMER, 0, &virq), 0);
	assert_int_equal(fake_send(f, virq), -EINVAL);
	assert_int_equal(fake_send(f, unbound(f, 0)), 0);
	assert_int_equal(fake_send(f, 100), -EINVAL);		/* free */
	assert_int_equal(fake_send(f, 0), -EINVAL);		/* reserved */
	assert_int_equal(fake_send(f, 4096), -EINVAL);
	assert_int_equal(fake_send(f, UINT32_MAX), -EINVAL);
}

static void close_by_port_state(void **state)
{
	struct fake *f = *state;
	evtchn_port_t virq;

	assert_int_equal(bind_virq(f, VIRQ_TIMER, 2, &virq), 0);
	assert_int_equal(f->timer_port[2], virq);
	assert_int_equal(close_port(f, virq), 0);
	assert_int_equal(f->timer_port[2], 0);
	assert_int_equal(bind_virq(f, VIRQ_TIMER, 2, &virq), 0);
	assert_int_equal(close_port(f, unbound(f, 0)), 0);
	assert_int_equal(close_port(f, ipi(f, 0)), 0);
	assert_int_equal(close_port(f, 0), -EINVAL);
	assert_int_equal(close_port(f, 50), -EINVAL);
	assert_int_equal(close_port(f, 4096), -EINVAL);
}

static void close_clears_pending(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port = ipi(f, 0);

	fake_send(f, port);
	assert_int_equal(close_port(f, port), 0);
	assert_int_equal(fake_pending(f)[0], 0);
}

static void virq_rules(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port;

	assert_int_equal(bind_virq(f, NR_VIRQS, 0, &port), -EINVAL);
	assert_int_equal(bind_virq(f, VIRQ_TIMER, FAKE_VCPUS, &port), -ENOENT);
	assert_int_equal(bind_virq(f, VIRQ_ARGO, 1, &port), -EINVAL);	/* of the domain */
	assert_int_equal(bind_virq(f, VIRQ_ARGO, 0, &port), 0);
	assert_int_equal(bind_virq(f, VIRQ_ARGO, 0, &port), -EEXIST);
	assert_int_equal(bind_virq(f, VIRQ_TIMER, 3, &port), 0);
	assert_int_equal(bind_virq(f, VIRQ_TIMER, 3, &port), -EEXIST);
	xa_raise_virq(xa_domain_vcpu(f->d, 3), VIRQ_TIMER);
	assert_int_equal(f->upcalls[3], 1);
	xa_raise_virq(xa_domain_vcpu(f->d, 2), VIRQ_TIMER);	/* unbound there: dropped */
	assert_int_equal(f->upcalls[2], 0);
	xa_raise_virq(xa_domain_vcpu(f->d, 2), VIRQ_ARGO);	/* the domain's: on vCPU 0 */
	assert_int_equal(f->upcalls[0], 1);
	xa_raise_virq(xa_domain_vcpu(f->d, 2), 1000);
}

static void bind_vcpu_by_port_state(void **state)
{
	struct fake *f = *state;
	evtchn_port_t timer, argo, u = unbound(f, 0);

	assert_int_equal(bind_virq(f, VIRQ_TIMER, 0, &timer), 0);
	assert_int_equal(bind_virq(f, VIRQ_ARGO, 0, &argo), 0);
	assert_int_equal(bind_vcpu(f, timer, 1), -EINVAL);
	assert_int_equal(bind_vcpu(f, argo, 1), 0);
	assert_int_equal(bind_vcpu(f, ipi(f, 0), 1), -EINVAL);
	assert_int_equal(bind_vcpu(f, u, 1), 0);
	assert_int_equal(bind_vcpu(f, u, FAKE_VCPUS), -ENOENT);
	assert_int_equal(bind_vcpu(f, 90, 1), -EINVAL);
	assert_int_equal(bind_vcpu(f, 5000, 1), -EINVAL);
	xa_raise_virq(xa_domain_vcpu(f->d, 0), VIRQ_ARGO);
	assert_int_equal(f->upcalls[1], 1);
	/* Closing it after the move releases the virq, which belongs to vCPU 0. */
	assert_int_equal(close_port(f, argo), 0);
	assert_int_equal(bind_virq(f, VIRQ_ARGO, 0, &argo), 0);
}

static void alloc_unbound_rules(void **state)
{
	struct fake *f = *state;
	struct evtchn_alloc_unbound a = { 7, 0, 0 };

	assert_int_equal(fake_evtchn(f, EVTCHNOP_alloc_unbound, &a), 0);	/* own id */
	assert_int_equal(a.port, 1);
	a.dom = 0;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_alloc_unbound, &a), -EPERM);
	a.dom = 55;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_alloc_unbound, &a), -ESRCH);
}

static void interdomain_within_the_domain(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = unbound(f, DOMID_SELF), b;

	assert_int_equal(bind_vcpu(f, a, 2), 0);
	assert_int_equal(bind_interdomain(f, DOMID_SELF, a, &b), 0);
	/* The new end is told to look: what was sent before was lost. */
	assert_int_equal(fake_pending(f)[0], 1ull << b);
	assert_int_equal(fake_status(f, a), EVTCHNSTAT_interdomain);
	assert_int_equal(f->route[b].kind, XA_ROUTE_LOCAL);
	assert_int_equal(f->route[b].port, a);
	assert_int_equal(f->route[b].vcpu, 2);
	assert_int_equal(fake_send(f, b), 0);
	assert_int_equal(f->upcalls[2], 1);
	assert_int_equal(bind_vcpu(f, a, 3), 0);
	assert_int_equal(f->route[b].vcpu, 3);
	/* Closing one end leaves the other unbound. */
	assert_int_equal(close_port(f, b), 0);
	assert_int_equal(fake_status(f, a), EVTCHNSTAT_unbound);
	assert_int_equal(f->route[a].kind, XA_ROUTE_NONE);
	assert_int_equal(fake_send(f, a), 0);
}

static void bind_interdomain_rules(void **state)
{
	struct fake *f = *state;
	evtchn_port_t for_dom0 = unbound(f, 0), port;

	assert_int_equal(bind_interdomain(f, DOMID_SELF, for_dom0, &port), -EINVAL);
	assert_int_equal(bind_interdomain(f, DOMID_SELF, 99, &port), -EINVAL);
	assert_int_equal(bind_interdomain(f, DOMID_SELF, 1u << 20, &port), -EINVAL);
	assert_int_equal(bind_interdomain(f, 0, 3, &port), -EINVAL);
	assert_int_equal(bind_interdomain(f, 9, 3, &port), -ESRCH);
	/* The failures took no port. */
	assert_int_equal(ipi(f, 0), for_dom0 + 1);
}

static void backend_ports(void **state)
{
	struct fake *f = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	evtchn_port_t port = unbound(f, 0), console;

	assert_int_equal(xa_evtchn_bind_backend(f->d, ipi(f, 0), fd), -EINVAL);
	assert_int_equal(xa_evtchn_bind_backend(f->d, unbound(f, 3), fd), -EINVAL);
	assert_int_equal(xa_evtchn_bind_backend(f->d, 7777, fd), -EINVAL);
	assert_int_equal(fake_eventfd_read(fd), 0);
	assert_int_equal(xa_evtchn_bind_backend(f->d, port, fd), 0);
	assert_int_equal(fake_eventfd_read(fd), 1);	/* it is told to look */
	assert_int_equal(fake_send(f, port), 0);
	assert_int_equal(fake_eventfd_read(fd), 1);
	assert_int_equal(f->route[port].kind, XA_ROUTE_EVENTFD);
	assert_int_equal(f->route[port].eventfd, fd);
	assert_int_equal(fake_status(f, port), EVTCHNSTAT_interdomain);

	assert_int_equal(xa_evtchn_notify(f->d, port), 0);
	assert_int_equal(f->upcalls[0], 1);
	assert_int_equal(xa_evtchn_notify(f->d, 1000), -EINVAL);

	xa_evtchn_close_backend(f->d, port);
	assert_int_equal(fake_status(f, port), EVTCHNSTAT_unbound);
	assert_int_equal(f->route[port].kind, XA_ROUTE_NONE);
	assert_int_equal(fake_send(f, port), 0);
	assert_int_equal(fake_eventfd_read(fd), 0);
	assert_int_equal(xa_evtchn_notify(f->d, port), -EINVAL);
	assert_int_equal(xa_evtchn_bind_backend(f->d, port, fd), 0);

	assert_int_equal(xa_evtchn_alloc_backend(f->d, fd, &console), 0);
	fake_eventfd_read(fd);
	assert_int_equal(fake_send(f, console), 0);
	assert_int_equal(fake_eventfd_read(fd), 1);
	/* The guest may close its end; the back end finds out. */
	assert_int_equal(close_port(f, console), 0);
	assert_int_equal(xa_evtchn_notify(f->d, console), -EINVAL);
	xa_evtchn_close_backend(f->d, console);
	close(fd);
}

static void send_to_full_eventfd_does_not_block(void **state)
{
	struct fake *f = *state;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t full = UINT64_MAX - 1;
	evtchn_port_t port;

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(xa_evtchn_alloc_backend(f->d, fd, &port), 0);
	assert_int_equal(fake_send(f, port), 0);
	close(fd);
}

static void status_rules(void **state)
{
	struct fake *f = *state;
	struct evtchn_status s = { .dom = 0, .port = 1 };

	assert_int_equal(fake_evtchn(f, EVTCHNOP_status, &s), -EPERM);
	s.dom = 30;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_status, &s), -ESRCH);
	assert_int_equal(fake_status(f, 4096), -EINVAL);
	assert_int_equal(fake_status(f, 0), EVTCHNSTAT_closed);
	assert_int_equal(fake_status(f, 5), EVTCHNSTAT_closed);
	assert_int_equal(fake_status(f, ipi(f, 1)), EVTCHNSTAT_ipi);
	s = (struct evtchn_status){ .dom = DOMID_SELF, .port = 1 };
	assert_int_equal(fake_evtchn(f, EVTCHNOP_status, &s), 0);
	assert_int_equal(s.vcpu, 1);
}

static void reset_closes_all(void **state)
{
	struct fake *f = *state;
	struct evtchn_reset r = { DOMID_SELF };
	evtchn_port_t port = ipi(f, 0), timer;

	unbound(f, 0);
	bind_virq(f, VIRQ_TIMER, 0, &timer);
	assert_int_equal(fake_evtchn(f, EVTCHNOP_reset, &r), 0);
	assert_int_equal(fake_status(f, port), EVTCHNSTAT_closed);
	assert_int_equal(f->timer_port[0], 0);
	assert_int_equal(f->route[port].kind, XA_ROUTE_NONE);
	assert_int_equal(ipi(f, 0), 1);
	r.dom = 0;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_reset, &r), -EPERM);
	r.dom = 44;
	assert_int_equal(fake_evtchn(f, EVTCHNOP_reset, &r), -ESRCH);
}

static void limit_is_4096_for_64_bit_and_1024_for_32_bit(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port;

	for (unsigned i = 1; i < EVTCHN_2L_NR_CHANNELS_64; i++)
		assert_int_equal(fake_alloc_unbound(f, 0, &port), 0);
	assert_int_equal(fake_alloc_unbound(f, 0, &port), -ENOSPC);
	f->abi = XA_ABI_PVH32;
	assert_int_equal(fake_map_shared(f), 0);
	assert_int_equal(fake_status(f, EVTCHN_2L_NR_CHANNELS_32), -EINVAL);
	assert_int_equal(fake_status(f, EVTCHN_2L_NR_CHANNELS_32 - 1), EVTCHNSTAT_unbound);
}

/* A 64-bit guest may hand over to 32-bit code while high ports exist. */
static void ports_beyond_the_new_limit_stay_silent(void **state)
{
	struct fake *f = *state;
	evtchn_port_t low, high, port = 0, timer;

	while (port < 2000)
		assert_int_equal(fake_alloc_unbound(f, DOMID_SELF, &port), 0);
	high = port;
	assert_int_equal(bind_virq(f, VIRQ_TIMER, 0, &timer), 0);
	assert_int_equal(close_port(f, 5), 0);
	assert_int_equal(bind_interdomain(f, DOMID_SELF, high, &low), 0);
	assert_int_equal(low, 5);
	f->abi = XA_ABI_PVH32;
	assert_int_equal(fake_map_shared(f), 0);
	assert_int_equal(fake_send(f, low), 0);
	xa_raise_virq(xa_domain_vcpu(f->d, 0), VIRQ_TIMER);
	assert_int_equal(close_port(f, low), 0);
	f->abi = XA_ABI_PVH64;
	assert_int_equal(fake_map_shared(f), 0);
	assert_int_equal(fake_status(f, high), EVTCHNSTAT_unbound);
	xa_domain_reset(f->d);
}

static void layout_of_32_bit_guests(void **state)
{
	struct fake *f = *state;
	uint8_t *shared = fake_at(f, FAKE_SHARED_GFN * XEN_PAGE_SIZE);
	evtchn_port_t port = 0;

	f->abi = XA_ABI_PVH32;
	assert_int_equal(fake_map_shared(f), 0);
	assert_true(xa_shared_is_32bit(f->d));
	while (port < 40)
		assert_int_equal(fake_bind_ipi(f, 1, &port), 0);
	assert_int_equal(fake_send(f, 40), 0);
	assert_int_equal(((uint32_t *)(shared + XA_SHARED_INFO_PENDING))[1], 1u << 8);
	assert_int_equal(*(uint32_t *)(fake_info(f, 1) + XA_VCPU_INFO_SEL_32), 1u << 1);
	((uint32_t *)(shared + XA_SHARED_INFO_MASK_32))[0] = 1u << 9;
	assert_int_equal(fake_send(f, 9), 0);
	assert_int_equal(*(uint32_t *)(fake_info(f, 1) + XA_VCPU_INFO_SEL_32), 1u << 1);
	assert_int_equal(unmask(f, 9), 0);
	assert_int_equal(*(uint32_t *)(fake_info(f, 1) + XA_VCPU_INFO_SEL_32), 3);
}

static void few_channels(struct xa_config *cfg)
{
	cfg->max_evtchn = 4;
}

static void limit_of_the_configuration(void **state)
{
	struct fake *f = fake_new_cfg(few_channels);
	evtchn_port_t port;

	(void)state;
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(fake_bind_ipi(f, 0, &port), 0);
	assert_int_equal(fake_bind_ipi(f, 0, &port), -ENOSPC);
	assert_int_equal(close_port(f, 3), 0);
	assert_int_equal(fake_bind_ipi(f, 0, &port), 0);
	fake_free(f);
}

static void bind_ipi_to_missing_vcpu_is_enoent(void **state)
{
	evtchn_port_t port;

	assert_int_equal(fake_bind_ipi(*state, FAKE_VCPUS, &port), -ENOENT);
}

static void refused_operations(void **state)
{
	struct fake *f = *state;
	struct evtchn_bind_pirq pirq = { 0, 0, 0 };
	struct evtchn_set_priority prio = { 1, 3 };
	struct evtchn_expand_array expand = { FAKE_ARRAY_GFN };

	ipi(f, 0);
	assert_int_equal(fake_evtchn(f, EVTCHNOP_bind_pirq, &pirq), -EINVAL);
	assert_int_equal(fake_evtchn(f, EVTCHNOP_set_priority, &prio), -ENOSYS);
	assert_int_equal(fake_evtchn(f, EVTCHNOP_expand_array, &expand), -EOPNOTSUPP);
	assert_int_equal(fake_evtchn(f, 14, &prio), -ENOSYS);
	assert_int_equal(fake_evtchn(f, UINT64_MAX, &prio), -ENOSYS);
}

static void arguments_that_cannot_be_read_are_efault(void **state)
{
	for (unsigned op = 0; op <= EVTCHNOP_set_priority; op++)
		if (op != EVTCHNOP_bind_pirq)
			assert_int_equal(fake_call(*state, 0, __HYPERVISOR_event_channel_op, op,
						   FAKE_BAD, 0), -EFAULT);
}

static void events_wait_for_a_vector(void **state)
{
	struct fake *f = fake_new();
	evtchn_port_t port;

	(void)state;
	fake_bind_ipi(f, 2, &port);
	assert_int_equal(fake_send(f, port), 0);	/* before shared_info is anywhere */
	assert_int_equal(f->upcalls[2], 0);
	assert_int_equal(fake_map_shared(f), 0);
	assert_int_equal(fake_pending(f)[0], 1ull << port);
	assert_int_equal(fake_upcall_vector(f, 2, 0xf3), 0);
	assert_int_equal(f->upcalls[2], 1);
	fake_free(f);
}

static void assert_shown(struct fake *f, evtchn_port_t port, const char *want)
{
	char line[128];

	assert_true(xa_evtchn_show(f->d, port, line, sizeof(line)));
	assert_string_equal(line, want);
}

static void ports_are_shown_with_both_ends_and_their_bits(void **state)
{
	struct fake *f = *state;
	evtchn_port_t a = ipi(f, 1), b = unbound(f, 0), virq, self = unbound(f, DOMID_SELF), to;
	char line[128] = "as before";

	assert_int_equal(bind_virq(f, VIRQ_TIMER, 2, &virq), 0);
	assert_int_equal(bind_interdomain(f, DOMID_SELF, self, &to), 0);
	fake_mask(f)[0] = 1ull << a;
	assert_int_equal(fake_send(f, a), 0);
	assert_shown(f, a, "port 1: ipi, vcpu 1, pending, masked");
	assert_shown(f, b, "port 2: unbound, for domain 0, vcpu 0");
	assert_shown(f, virq, "port 4: virq 0, vcpu 2");
	assert_shown(f, self, "port 3: to port 5 of the same domain, vcpu 0");
	assert_false(xa_evtchn_show(f->d, 0, line, sizeof(line)));
	assert_false(xa_evtchn_show(f->d, 6, line, sizeof(line)));
	assert_false(xa_evtchn_show(f->d, UINT32_MAX, line, sizeof(line)));
	assert_string_equal(line, "as before");
}

static void what_a_vcpu_was_told_is_shown(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port = ipi(f, 1);
	char line[128];

	xa_evtchn_show_vcpu(xa_domain_vcpu(f->d, 1), line, sizeof(line));
	assert_string_equal(line, "vcpu 1: upcall not pending");
	assert_int_equal(fake_send(f, port), 0);
	fake_info(f, 1)[XA_VCPU_INFO_MASK] = 1;
	xa_evtchn_show_vcpu(xa_domain_vcpu(f->d, 1), line, sizeof(line));
	assert_string_equal(line, "vcpu 1: upcall pending, masked");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_are_given_out_lowest_first),
		TEST(send_to_ipi_sets_pending_selector_and_upcall_once),
		TEST(masked_port_is_pending_but_not_delivered),
		TEST(unmask_without_pending_is_silent),
		TEST(send_by_port_state),
		TEST(close_by_port_state),
		TEST(close_clears_pending),
		TEST(virq_rules),
		TEST(bind_vcpu_by_port_state),
		TEST(alloc_unbound_rules),
		TEST(interdomain_within_the_domain),
		TEST(bind_interdomain_rules),
		TEST(backend_ports),
		TEST(send_to_full_eventfd_does_not_block),
		TEST(status_rules),
		TEST(reset_closes_all),
		TEST(limit_is_4096_for_64_bit_and_1024_for_32_bit),
		TEST(ports_beyond_the_new_limit_stay_silent),
		TEST(layout_of_32_bit_guests),
		TEST(limit_of_the_configuration),
		TEST(bind_ipi_to_missing_vcpu_is_enoent),
		TEST(refused_operations),
		TEST(arguments_that_cannot_be_read_are_efault),
		TEST(events_wait_for_a_vector),
		TEST(ports_are_shown_with_both_ends_and_their_bits),
		TEST(what_a_vcpu_was_told_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
