// SPDX-License-Identifier: MIT
/*
 * Life cycle: configurations that are refused, reset, and every allocation failing in turn. For the
 * last the files that allocate are compiled into this program with allocators that fail on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

static int fail_at;	/* allocation that fails, counted down; 0: none */

static bool fails(void)
{
	return fail_at && --fail_at == 0;
}

static void *failing_calloc(size_t n, size_t size)
{
	return fails() ? NULL : calloc(n, size);
}

static void *failing_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : aligned_alloc(align, size);
}

static char *failing_strdup(const char *s)
{
	return fails() ? NULL : strdup(s);
}

#define calloc failing_calloc
#define aligned_alloc failing_aligned_alloc
#undef strdup
#define strdup failing_strdup
#include "xenabi/domain.c"
#include "xenabi/evtchn.c"
#include "xenabi/gnttab.c"
#include "xenabi/hc_memory.c"
#undef calloc
#undef aligned_alloc
#undef strdup

static void configurations_out_of_range(void **state)
{
	struct fake *f = fake_host();
	struct xa_config cfg = fake_config(f);
	struct dom_err err = { 0 };

	(void)state;
	cfg.max_vcpus = 0;
	assert_int_equal(xa_domain_new(&cfg, &f->d, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_non_null(strstr(err.msg, "vCPUs"));
	cfg.max_vcpus = XA_MAX_VCPUS + 1;
	assert_int_equal(xa_domain_new(&cfg, &f->d, &err), -EINVAL);
	cfg = fake_config(f);
	cfg.max_grant_frames = 0;
	assert_int_equal(xa_domain_new(&cfg, &f->d, &err), -EINVAL);
	cfg = fake_config(f);
	cfg.max_evtchn = 1;
	assert_int_equal(xa_domain_new(&cfg, &f->d, NULL), -EINVAL);
	cfg = fake_config(f);
	cfg.domid = DOMID_SELF;
	assert_int_equal(xa_domain_new(&cfg, &f->d, &err), -EINVAL);
	assert_null(f->d);
	xa_domain_free(NULL);
	fake_free(f);
}

static void every_allocation_may_fail(void **state)
{
	struct fake *f = fake_host();
	struct xa_config cfg = fake_config(f);
	int n = 0, ret;

	(void)state;
	cfg.cmdline = "x";
	do {
		struct dom_err err = { 0 };

		fail_at = ++n;
		ret = xa_domain_new(&cfg, &f->d, &err);
		if (fail_at == 0) {
			assert_int_equal(ret, -ENOMEM);
			assert_null(f->d);
		}
	} while (ret);
	assert_true(n > 8);
	fail_at = 0;
	fake_free(f);
}

static void hypercalls_without_memory_are_enomem(void **state)
{
	struct fake *f = fake_new();
	struct xen_remove_from_physmap_64 r = { DOMID_SELF, 0x90 };
	evtchn_port_t port = 0;

	(void)state;
	while (port < XA_PORTS_PER_BUCKET - 1)
		assert_int_equal(fake_alloc_unbound(f, 0, &port), 0);
	fail_at = 1;
	assert_int_equal(fake_alloc_unbound(f, 0, &port), -ENOMEM);
	assert_int_equal(fake_alloc_unbound(f, 0, &port), 0);
	fail_at = 1;
	assert_int_equal(fake_map_grants(f, 0, FAKE_GRANT_GFN), -ENOMEM);
	assert_int_equal(fake_map_grants(f, 0, FAKE_GRANT_GFN), 0);
	fail_at = 1;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &r),
			 -ENOMEM);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &r), 0);
	/* A grant frame that cannot be kept elsewhere is not given up. */
	r.gpfn = FAKE_GRANT_GFN;
	fail_at = 1;
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &r),
			 -ENOMEM);
	assert_int_equal(fake_op(f, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &r), 0);
	fail_at = 0;
	fake_free(f);
}

static void reset_brings_the_first_state_back(void **state)
{
	struct fake *f = fake_new();
	struct vcpu_register_vcpu_info info = { 0x50, 0, 0 };
	struct vcpu_set_singleshot_timer_64 timer = { UINT32_MAX * 8ull, 0, 0 };
	struct sched_watchdog dog = { 0, 9 };
	evtchn_port_t port;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	void *page;

	(void)state;
	fake_map_shared(f);
	fake_map_grants(f, 0, FAKE_GRANT_GFN);
	fake_upcall_vector(f, 0, 0x30);
	fake_vcpu_op(f, 0, VCPUOP_register_vcpu_info, 0, &info, sizeof(info));
	fake_vcpu_op(f, 0, VCPUOP_set_singleshot_timer, 0, &timer, sizeof(timer));
	fake_op(f, __HYPERVISOR_sched_op, SCHEDOP_watchdog, &dog);
	xa_evtchn_alloc_backend(f->d, fd, &port);
	xa_hvm_param_set(f->d, HVM_PARAM_STORE_EVTCHN, port);
	assert_int_equal(xa_grant_map(f->d, 0, false, &page), -EFAULT);

	xa_domain_reset(f->d);
	assert_int_equal(f->timer[0], 0);
	assert_int_equal(f->watchdog, 0);
	assert_int_equal(xa_evtchn_notify(f->d, port), -EINVAL);
	assert_int_equal(f->route[port].kind, XA_ROUTE_NONE);
	assert_int_equal(xa_hvm_param_get(f->d, HVM_PARAM_STORE_EVTCHN), 0);
	assert_int_equal(xa_hvm_param_get(f->d, HVM_PARAM_STORE_PFN), 0xfeffc);
	assert_int_equal(xa_grant_map(f->d, 0, false, &page), -EINVAL);
	assert_false(xa_upcall_pending(xa_domain_vcpu(f->d, 0)));
	/* And all of it can be done again. */
	assert_int_equal(fake_map_shared(f), 0);
	assert_int_equal(fake_map_grants(f, 0, FAKE_GRANT_GFN), 0);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_vcpu_info, 0, &info, sizeof(info)), 0);
	assert_int_equal(fake_bind_ipi(f, 0, &port), 0);
	assert_int_equal(port, 1);
	close(fd);
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configurations_out_of_range),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(hypercalls_without_memory_are_enomem),
		cmocka_unit_test(reset_brings_the_first_state_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
