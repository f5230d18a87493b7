// SPDX-License-Identifier: MIT
/*
 * Fact: multicall performs a list of hypercalls and stores each one's result in its entry.
 * Source: do_multicall() in xen/common/multicall.c
 * Expect: 0; results and effects of each call in order; -ENOSYS for an unknown one, which does not
 *   end the list; a multicall inside is -EINVAL; an unmapped list is -EFAULT; an empty one is 0.
 * run:
 */
#include "kern/event.h"

static struct ABI(multicall_entry) list[5];

static long multicall(void *calls, unsigned nr)
{
	return hypercall4(__HYPERVISOR_multicall, (unsigned long)calls, nr, 0, 0);
}

void test_main(void)
{
	struct evtchn_send arg;
	struct xen_feature_info info = { .submap_idx = 0 };

	shared_info_map();
	arg.port = bind_ipi(0);
	event_mask(arg.port);

	list[0] = (struct ABI(multicall_entry)){
		.op = __HYPERVISOR_xen_version, .args = { XENVER_version },
	};
	list[1] = (struct ABI(multicall_entry)){
		.op = __HYPERVISOR_event_channel_op, .args = { EVTCHNOP_send, (unsigned long)&arg },
	};
	list[2] = (struct ABI(multicall_entry)){ .op = 60 };
	list[3] = (struct ABI(multicall_entry)){
		.op = __HYPERVISOR_multicall, .args = { (unsigned long)list, 1 },
	};
	list[4] = (struct ABI(multicall_entry)){
		.op = __HYPERVISOR_xen_version,
		.args = { XENVER_get_features, (unsigned long)&info },
	};
	CHECK_EQ(multicall(list, 5), 0);
	CHECK_EQ(list[0].result, xen_version(XENVER_version, NULL));
	CHECK_EQ((long)list[1].result, 0);
	CHECK(event_pending(arg.port));
	CHECK_EQ((long)list[2].result, -ENOSYS);
	CHECK_EQ((long)list[3].result, -EINVAL);
	CHECK_EQ((long)list[4].result, 0);
	CHECK(info.submap);

	CHECK_EQ(multicall(list, 0), 0);
	/* Nothing is mapped, or without paging: no memory is there. */
	if (paging)
		map_page(TEST_VA, 0, 0);
	CHECK_EQ(multicall((void *)TEST_VA, 1), -EFAULT);
}
