// SPDX-License-Identifier: MIT
/*
 * Fact: alloc_unbound and bind_interdomain make a channel between two ports of the same domain;
 *   each end raises the other.
 * Source: xen/common/event_channel.c
 * Expect: a send arrives at the other end only; the new end starts pending; after one end is closed
 *   the other is unbound again and sends vanish; bind_vcpu moves an end to vCPU 1.
 * run: vcpus=2
 */
#include "kern/event.h"

static bool take(evtchn_port_t port)
{
	if (!event_pending(port))
		return false;
	event_clear_pending(port);
	return true;
}

void test_main(void)
{
	struct evtchn_alloc_unbound a = { DOMID_SELF, DOMID_SELF, 0 };
	struct evtchn_bind_interdomain b = { .remote_dom = DOMID_SELF };
	struct evtchn_status st = { .dom = DOMID_SELF };
	struct evtchn_bind_vcpu move = { 0, 1 };

	shared_info_map();
	CHECK_EQ(event_channel_op(EVTCHNOP_alloc_unbound, &a), 0);
	CHECK_EQ(send(a.port), 0);
	CHECK(!event_pending(a.port));
	b.remote_port = a.port;
	CHECK_EQ(event_channel_op(EVTCHNOP_bind_interdomain, &b), 0);
	CHECK(b.local_port != a.port);
	CHECK(take(b.local_port));
	CHECK_EQ(event_channel_op(EVTCHNOP_bind_interdomain, &b), -EINVAL);

	take(a.port);
	CHECK_EQ(send(a.port), 0);
	CHECK(!take(a.port));
	CHECK(take(b.local_port));
	CHECK_EQ(send(b.local_port), 0);
	CHECK(take(a.port));
	CHECK(!take(b.local_port));

	move.port = a.port;
	CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), 0);
	CHECK(!vcpu_pending(1));
	CHECK_EQ(send(b.local_port), 0);
	CHECK(take(a.port));
	CHECK(vcpu_pending(1));
	move.vcpu = 7;
	CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), -ENOENT);

	CHECK_EQ(close_port(b.local_port), 0);
	st.port = a.port;
	CHECK_EQ(event_channel_op(EVTCHNOP_status, &st), 0);
	CHECK_EQ(st.status, EVTCHNSTAT_unbound);
	CHECK_EQ(st.vcpu, 1);
	CHECK_EQ(send(a.port), 0);
	CHECK(!take(a.port));
}
