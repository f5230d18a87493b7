// SPDX-License-Identifier: MIT
/*
 * vcpu_op, timers and run state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_xa.h"

#define MS 1000000ull

static int setup(void **state)
{
	struct fake *f = fake_new();

	for (unsigned i = 0; i < FAKE_VCPUS; i++)
		assert_int_equal(fake_upcall_vector(f, i, 0xf3), 0);
	assert_int_equal(fake_map_shared(f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static int64_t plain(struct fake *f, unsigned op, unsigned target)
{
	return fake_vcpu_op(f, 0, op, target, NULL, 0);
}

static int64_t register_info(struct fake *f, unsigned target, uint64_t gfn, uint32_t offset)
{
	struct vcpu_register_vcpu_info a = { gfn, offset, 0 };

	return fake_vcpu_op(f, 0, VCPUOP_register_vcpu_info, target, &a, sizeof(a));
}

static int64_t singleshot(struct fake *f, unsigned vcpu, unsigned target, uint64_t at, uint32_t flags)
{
	struct vcpu_set_singleshot_timer_64 a = { at, flags, 0 };

	return fake_vcpu_op(f, vcpu, VCPUOP_set_singleshot_timer, target, &a, sizeof(a));
}

static int64_t periodic(struct fake *f, unsigned target, uint64_t period)
{
	struct vcpu_set_periodic_timer a = { period };

	return fake_vcpu_op(f, 0, VCPUOP_set_periodic_timer, target, &a, sizeof(a));
}

static evtchn_port_t bind_timer(struct fake *f, unsigned vcpu)
{
	struct evtchn_bind_virq a = { VIRQ_TIMER, vcpu, 0 };

	assert_int_equal(fake_evtchn(f, EVTCHNOP_bind_virq, &a), 0);
	return a.port;
}

static void unknown_vcpu_is_enoent(void **state)
{
	for (unsigned op = 0; op < 16; op++)
		assert_int_equal(fake_call(*state, 0, __HYPERVISOR_vcpu_op, op, FAKE_VCPUS,
					   FAKE_BAD),
				 -ENOENT);
	assert_int_equal(fake_call(*state, 0, __HYPERVISOR_vcpu_op, 3, 1ull << 32, 0), -ENOENT);
	assert_int_equal(fake_call(*state, 0, __HYPERVISOR_vcpu_op, 16, 0, FAKE_ARG), -ENOSYS);
}

static void vcpu_info_moves_with_its_contents(void **state)
{
	struct fake *f = *state;
	uint8_t *info = fake_at(f, 0x50040);
	evtchn_port_t port;

	fake_bind_ipi(f, 0, &port);
	fake_send(f, port);
	fake_info(f, 0)[XA_VCPU_INFO_TIME] = 0x77;
	assert_int_equal(register_info(f, 0, 0x50, 0x40), 0);
	assert_int_equal(f->vcpu_info[0], 0x50040);
	assert_int_equal(info[XA_VCPU_INFO_TIME], 0x77);
	assert_int_equal(info[XA_VCPU_INFO_PENDING], 1);
	/* Everything may be pending: the guest looks at all of it. */
	assert_int_equal(*(uint64_t *)(info + XA_VCPU_INFO_SEL_64), UINT64_MAX);
	info[XA_VCPU_INFO_PENDING] = 0;
	*(uint64_t *)(info + XA_VCPU_INFO_SEL_64) = 0;
	fake_pending(f)[0] = 0;
	fake_send(f, port);
	assert_int_equal(info[XA_VCPU_INFO_PENDING], 1);
	/* shared_info may move afterwards; the registered record stays. */
	assert_int_equal(fake_map_grants(f, 0, FAKE_SHARED_GFN), 0);
	assert_int_equal(fake_map_shared(f), 0);
	info[XA_VCPU_INFO_PENDING] = 0;
	assert_true(!xa_upcall_pending(xa_domain_vcpu(f->d, 0)));
}

static void register_vcpu_info_rules(void **state)
{
	struct fake *f = *state;

	assert_int_equal(register_info(f, 0, 0x50, 4096 - 63), -ENXIO);
	assert_int_equal(register_info(f, 0, 0x50, 2), -ENXIO);
	assert_int_equal(register_info(f, 0, FAKE_HOLE_GFN, 0), -EINVAL);
	assert_int_equal(register_info(f, 0, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(register_info(f, 0, 0x50, 4096 - 64), 0);
	assert_int_equal(register_info(f, 0, 0x50, 0), -EINVAL);
	/* The boot vCPU registers for those that are not up yet, not for running ones. */
	assert_int_equal(register_info(f, 1, 0x51, 0), 0);
	fake_call(f, 2, __HYPERVISOR_xen_version, 0, 0, 0);
	assert_int_equal(register_info(f, 2, 0x52, 0), -EINVAL);
	f->ret_vcpu_info = -EIO;
	assert_int_equal(register_info(f, 3, 0x53, 0), -EIO);
	f->ret_vcpu_info = 0;
	assert_int_equal(register_info(f, 3, 0x53, 0), 0);
}

static void many_vcpus(struct xa_config *cfg)
{
	cfg->max_vcpus = 40;
}

static void vcpus_beyond_32_need_a_record(void **state)
{
	struct fake *f = fake_host();
	struct xa_config cfg = fake_config(f);
	evtchn_port_t port;

	(void)state;
	many_vcpus(&cfg);
	assert_int_equal(xa_domain_new(&cfg, &f->d, NULL), 0);
	fake_map_shared(f);
	fake_bind_ipi(f, 35, &port);
	fake_send(f, port);
	assert_int_equal(fake_pending(f)[0], 1ull << port);
	assert_int_equal(((uint64_t *)fake_info(f, 35))[0], 0);
	fake_free(f);
}

static void singleshot_timer(void **state)
{
	struct fake *f = *state;
	struct xa_vcpu *v = xa_domain_vcpu(f->d, 1);
	uint64_t now = f->now;

	bind_timer(f, 1);
	assert_int_equal(singleshot(f, 0, 1, now + MS, 0), -EINVAL);	/* another's */
	assert_int_equal(singleshot(f, 1, 1, now - 1, VCPU_SSHOTTMR_future), -ETIME);
	assert_int_equal(f->timer[1], 0);
	assert_int_equal(singleshot(f, 1, 1, now + MS, VCPU_SSHOTTMR_future), 0);
	assert_int_equal(f->timer[1], now + MS);
	assert_int_equal(singleshot(f, 1, 1, now + MS, 0), 0);
	assert_int_equal(f->set_timers, 1);	/* told once */
	/* Early: set again. */
	xa_timer_fired(v);
	assert_int_equal(f->upcalls[1], 0);
	assert_int_equal(f->set_timers, 2);
	f->now = now + MS;
	xa_timer_fired(v);
	assert_int_equal(f->upcalls[1], 1);
	xa_timer_fired(v);
	assert_int_equal(f->upcalls[1], 1);
	/* A time long past still rings. */
	assert_int_equal(singleshot(f, 1, 1, 0, 0), 0);
	assert_int_not_equal(f->timer[1], 0);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_stop_singleshot_timer, 1, NULL, 0), -EINVAL);
	assert_int_equal(fake_vcpu_op(f, 1, VCPUOP_stop_singleshot_timer, 1, NULL, 0), 0);
	assert_int_equal(f->timer[1], 0);
}

static void singleshot_of_32_bit_code(void **state)
{
	struct fake *f = *state;
	struct vcpu_set_singleshot_timer_32 a = { f->now + MS, VCPU_SSHOTTMR_future };

	f->abi = XA_ABI_PVH32;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_set_singleshot_timer, 0, &a, sizeof(a)), 0);
	assert_int_equal(f->timer[0], f->now + MS);
}

static void periodic_timer(void **state)
{
	struct fake *f = *state;
	struct xa_vcpu *v = xa_domain_vcpu(f->d, 0);
	uint64_t now = f->now;

	bind_timer(f, 0);
	assert_int_equal(periodic(f, 0, MS - 1), -EINVAL);
	assert_int_equal(periodic(f, 0, UINT64_MAX), -EINVAL);
	assert_int_equal(periodic(f, 0, 10 * MS), 0);
	assert_int_equal(f->timer[0], now + 10 * MS);
	/* The earlier of both timers counts. */
	assert_int_equal(singleshot(f, 0, 0, now + MS, 0), 0);
	assert_int_equal(f->timer[0], now + MS);
	f->now = now + MS;
	xa_timer_fired(v);
	assert_int_equal(f->timer[0], now + 10 * MS);
	/* Ten periods late: one tick, and on from now. */
	f->now = now + 100 * MS;
	fake_info(f, 0)[0] = 0;
	xa_timer_fired(v);
	assert_int_equal(f->timer[0], now + 110 * MS);
	assert_int_equal(plain(f, VCPUOP_stop_periodic_timer, 0), 0);
	assert_int_equal(f->timer[0], 0);
	assert_int_equal(plain(f, VCPUOP_stop_periodic_timer, 3), 0);
	assert_int_equal(periodic(f, 3, 10 * MS), 0);
	assert_int_equal(f->timer[3], f->now + 10 * MS);
}

static void set_timer_op(void **state)
{
	struct fake *f = *state;

	assert_int_equal(fake_call(f, 0, __HYPERVISOR_set_timer_op, f->now + 5, 0, 0), 0);
	assert_int_equal(f->timer[0], f->now + 5);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_set_timer_op, 0, 0, 0), 0);
	assert_int_equal(f->timer[0], 0);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_set_timer_op, UINT64_MAX, 0, 0), 0);
	assert_int_equal(f->timer[0], f->now + 100 * MS);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_set_timer_op, 1ull << 60, 0, 0), 0);
	assert_int_equal(f->timer[0], f->now + 100 * MS);
	f->abi = XA_ABI_PVH32;
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_set_timer_op, 0x10, 2, 0), 0);
	assert_int_equal(f->timer[0], 0x200000010ull);
}

static struct vcpu_hvm_context context_64(void)
{
	return (struct vcpu_hvm_context){
		.mode = VCPU_HVM_MODE_64B,
		.cpu_regs.x86_64 = { .rip = 0x1000, .cr0 = 0x80000001, .cr4 = 0x20, .cr3 = 0x2000,
				     .efer = 0x500 },
	};
}

static int64_t initialise(struct fake *f, unsigned target, const struct vcpu_hvm_context *c)
{
	return fake_vcpu_op(f, 0, VCPUOP_initialise, target, c, sizeof(*c));
}

static void start_and_stop(void **state)
{
	struct fake *f = *state;
	struct vcpu_hvm_context c = context_64();

	assert_int_equal(plain(f, VCPUOP_is_up, 0), 1);
	assert_int_equal(plain(f, VCPUOP_is_up, 1), 0);
	assert_int_equal(plain(f, VCPUOP_up, 1), -EINVAL);	/* without registers */
	assert_int_equal(initialise(f, 0, &c), -EEXIST);
	assert_int_equal(initialise(f, 1, &c), 0);
	assert_int_equal(initialise(f, 1, &c), -EEXIST);
	f->ret_vcpu_up = -EIO;
	assert_int_equal(plain(f, VCPUOP_up, 1), -EIO);
	assert_int_equal(plain(f, VCPUOP_is_up, 1), 0);
	f->ret_vcpu_up = 0;
	assert_int_equal(plain(f, VCPUOP_up, 1), 0);
	assert_int_equal(f->start.rip, 0x1000);
	assert_true(f->start.mode64);
	assert_int_equal(plain(f, VCPUOP_is_up, 1), 1);
	assert_int_equal(plain(f, VCPUOP_up, 1), 0);
	assert_int_equal(f->ups, 2);
	assert_int_equal(plain(f, VCPUOP_down, 1), 0);
	assert_int_equal(plain(f, VCPUOP_down, 1), 0);
	assert_int_equal(f->downs, 1);
	assert_int_equal(plain(f, VCPUOP_up, 1), 0);	/* goes on where it was */
	assert_int_equal(f->start.rip, 0);
	assert_int_equal(f->ups, 3);
	assert_int_equal(plain(f, VCPUOP_down, 1), 0);
	assert_int_equal(f->shutdown_reason, -1);
	assert_int_equal(plain(f, VCPUOP_down, 0), 0);	/* the last one */
	assert_int_equal(f->shutdown_reason, SHUTDOWN_poweroff);
}

static void started_by_sipi_is_up(void **state)
{
	struct fake *f = *state;

	xa_runstate_update(xa_domain_vcpu(f->d, 2), XA_RUNNING, 0);
	assert_int_equal(plain(f, VCPUOP_is_up, 2), 1);
}

static void contexts_that_cannot_be_entered(void **state)
{
	struct fake *f = *state;
	struct vcpu_hvm_context c = context_64();

	c.pad = 1;
	assert_int_equal(initialise(f, 1, &c), -EINVAL);
	c = context_64();
	c.mode = 2;
	assert_int_equal(initialise(f, 1, &c), -EINVAL);
	c = context_64();
	c.cpu_regs.x86_64.cr0 = 1;
	assert_int_equal(initialise(f, 1, &c), -EINVAL);
	c = (struct vcpu_hvm_context){ .mode = VCPU_HVM_MODE_32B };
	assert_int_equal(initialise(f, 1, &c), -EINVAL);
	c.cpu_regs.x86_32 = (struct vcpu_hvm_x86_32){
		.eip = 0x100000, .cr0 = 1, .cs_limit = UINT32_MAX, .ds_limit = UINT32_MAX,
		.ss_limit = UINT32_MAX, .es_limit = UINT32_MAX, .tr_limit = 0x67,
		.cs_ar = 0xc9b, .ds_ar = 0xc93, .ss_ar = 0xc93, .es_ar = 0xc93, .tr_ar = 0x8b };
	assert_int_equal(initialise(f, 1, &c), 0);
	assert_int_equal(plain(f, VCPUOP_up, 1), 0);
	assert_false(f->start.mode64);
	assert_int_equal(f->start.cs.attr, 0xc9b);
}

static void runstate_accounting(void **state)
{
	struct fake *f = *state;
	struct xa_vcpu *v = xa_domain_vcpu(f->d, 0);
	struct vcpu_runstate_info_64 *info = fake_at(f, FAKE_ARG);

	xa_runstate_update(v, XA_RUNNING, 0);
	f->now += 100;
	xa_runstate_update(v, XA_BLOCKED, 30);
	f->now += 50;
	xa_runstate_update(v, XA_RUNNING, 0);
	f->now += 7;
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0,
				   FAKE_ARG), 0);
	assert_int_equal(info->state, RUNSTATE_running);
	assert_int_equal(info->state_entry_time, f->now - 7);
	assert_int_equal(info->time[RUNSTATE_running], 77);
	assert_int_equal(info->time[RUNSTATE_blocked], 50);
}

static void runstate_area_follows(void **state)
{
	struct fake *f = *state;
	struct xa_vcpu *v = xa_domain_vcpu(f->d, 0);
	struct vcpu_register_area a = { 0x55000 };
	struct vcpu_runstate_info_64 *info = fake_at(f, 0x55000);

	xa_runstate_update(v, XA_RUNNING, 0);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), 0);
	assert_int_equal(f->runstate_area, 0x55000);
	assert_int_equal(info->state, RUNSTATE_running);
	f->now += 9;
	xa_runstate_update(v, XA_BLOCKED, 0);
	assert_int_equal(info->state, RUNSTATE_blocked);
	assert_int_equal(info->time[RUNSTATE_running], 9);
	assert_int_equal(info->state_entry_time, f->now);
	/* Across two pages. */
	a.addr = 0x55ff0;
	fake_call(f, 0, __HYPERVISOR_vm_assist, 0, VMASST_TYPE_runstate_update_flag, 0);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), 0);
	info = fake_at(f, 0x55ff0);
	assert_int_equal(info->state, RUNSTATE_running);	/* as it makes hypercalls */
	xa_runstate_update(v, XA_BLOCKED, 0);
	f->now += 5;
	xa_runstate_update(v, XA_RUNNING, 0);
	assert_int_equal(info->time[RUNSTATE_blocked], 5);
	assert_int_equal(info->state_entry_time, f->now);
	/* None any more. */
	a.addr = 0;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), 0);
	f->now += 5;
	xa_runstate_update(v, XA_BLOCKED, 0);
	assert_int_equal(info->state, RUNSTATE_running);
	a.addr = FAKE_BAD;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8),
			 -EFAULT);
	a.addr = UINT64_MAX - 4;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8),
			 -EFAULT);
}

static void runstate_area_kept_by_the_host(void **state)
{
	struct fake *f = *state;
	struct vcpu_register_area a = { 0x55000 };

	f->ret_runstate_area = 1;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), 0);
	xa_runstate_update(xa_domain_vcpu(f->d, 0), XA_BLOCKED, 0);
	assert_int_equal(*(int32_t *)fake_at(f, 0x55000), 0);
	a.addr = 0;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), 0);
	assert_int_equal(f->runstate_area, UINT64_MAX);
	f->ret_runstate_area = -EIO;
	a.addr = 0x55000;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), -EIO);
}

static void runstate_is_asked_of_the_host_that_keeps_the_area(void **state)
{
	struct fake *f = *state;
	struct xa_vcpu *v = xa_domain_vcpu(f->d, 0);
	struct vcpu_runstate_info_64 *info = fake_at(f, FAKE_ARG);
	struct vcpu_register_area a = { 0x55000 };
	const uint64_t start = f->now;

	xa_runstate_update(v, XA_RUNNING, 0);
	f->now = start + 100;
	f->ret_runstate_area = 1;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), 0);
	assert_int_equal(f->given_times.since, start);
	assert_int_equal(f->given_times.time[XA_RUNNABLE], start);
	/* 30 of the 100 were stolen. */
	f->host_times = (struct xa_times){ XA_RUNNING, start + 100, { 70, start + 30, 0, 0 } };
	f->now = start + 150;
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, FAKE_ARG), 0);
	assert_int_equal(info->state_entry_time, start + 100);
	assert_int_equal(info->time[XA_RUNNING], 120);
	assert_int_equal(info->time[XA_RUNNABLE], start + 30);
	/* Without an area it is ours again, and goes on from there. */
	a.addr = 0;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), 0);
	f->host_times = (struct xa_times){ 0 };
	f->now = start + 200;
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, FAKE_ARG), 0);
	assert_int_equal(info->time[XA_RUNNING], 170);
	assert_int_equal(info->time[XA_RUNNABLE], start + 30);
}

static void runstate_of_32_bit_guests(void **state)
{
	struct fake *f = *state;
	struct vcpu_register_area a = { 0xffffffff00055000ull };
	struct vcpu_runstate_info_32 *info = fake_at(f, 0x55000);

	f->abi = XA_ABI_PVH32;
	assert_int_equal(fake_map_shared(f), 0);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_memory_area, 0, &a, 8), 0);
	f->now += 3;
	xa_runstate_update(xa_domain_vcpu(f->d, 0), XA_BLOCKED, 0);
	assert_int_equal(info->state, RUNSTATE_blocked);
	assert_int_equal(info->state_entry_time, f->now);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0,
				   0x56000), 0);
	info = fake_at(f, 0x56000);
	assert_int_equal(info->state_entry_time, f->now);
}

static void physical_areas(void **state)
{
	struct fake *f = *state;
	struct vcpu_register_area a = { 0x55000 };

	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_phys_area, 0, &a, 8), 0);
	f->ret_time_area = -ENOSYS;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_vcpu_time_phys_area, 0, &a, 8),
			 -ENOSYS);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_vcpu_time_memory_area, 0, &a, 8),
			 -ENOSYS);
	f->ret_time_area = 0;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_vcpu_time_memory_area, 0, &a, 8), 0);
	assert_int_equal(f->time_area, 0x55000);
	a.addr = 0x55ff8;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_vcpu_time_memory_area, 0, &a, 8),
			 -ENOSYS);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_phys_area, 0, &a, 8), -ENXIO);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_vcpu_time_phys_area, 0, &a, 8), -ENXIO);
	a.addr = FAKE_BAD;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_phys_area, 0, &a, 8), -EINVAL);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_vcpu_time_phys_area, 0, &a, 8),
			 -EINVAL);
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_vcpu_time_memory_area, 0, &a, 8),
			 -EFAULT);
	a.addr = UINT64_MAX;
	assert_int_equal(fake_vcpu_op(f, 0, VCPUOP_register_runstate_phys_area, 0, &a, 8), 0);
}

static void nmi_and_physid(void **state)
{
	struct fake *f = *state;

	assert_int_equal(plain(f, VCPUOP_send_nmi, 1), 0);
	assert_int_equal(f->nmis, 1);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 1, FAKE_ARG),
			 -EINVAL);
	assert_int_equal(plain(f, VCPUOP_get_physid, 0), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_vcpu_is_enoent),
		TEST(vcpu_info_moves_with_its_contents),
		TEST(register_vcpu_info_rules),
		TEST(vcpus_beyond_32_need_a_record),
		TEST(singleshot_timer),
		TEST(singleshot_of_32_bit_code),
		TEST(periodic_timer),
		TEST(set_timer_op),
		TEST(start_and_stop),
		TEST(started_by_sipi_is_up),
		TEST(contexts_that_cannot_be_entered),
		TEST(runstate_accounting),
		TEST(runstate_area_follows),
		TEST(runstate_area_kept_by_the_host),
		TEST(runstate_is_asked_of_the_host_that_keeps_the_area),
		TEST(runstate_of_32_bit_guests),
		TEST(physical_areas),
		TEST(nmi_and_physid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
