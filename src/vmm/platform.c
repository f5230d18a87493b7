// SPDX-License-Identifier: MIT
/*
 * What src/xenabi asks of its host, answered by the VMM: memory by mem.c, events and timers by the
 * KVM flavour in use, waiting by the vCPU threads.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "domicile/base/once.h"
#include "domicile/shim.h"
#include "xenabi/sched.h"
#include "vmm.h"

static struct vmm_vcpu *vcpu_of(void *ctx, unsigned vcpu)
{
	return &((struct vmm *)ctx)->vcpus[vcpu];
}

/* xenabi may have more vCPUs (max_vcpus) than run; ours are all of them. */
static void *op_page(void *ctx, struct xa_gfn gfn)
{
	return vmm_page(ctx, gfn);
}

static int op_populate(void *ctx, struct xa_gfn gfn)
{
	return vmm_populate(ctx, gfn);
}

static int op_release(void *ctx, struct xa_gfn gfn, uint64_t count)
{
	return vmm_release(ctx, gfn, count);
}

void vmm_vcpu_paging(const struct vmm_vcpu *v, struct xa_paging *ret)
{
	const struct kvm_sregs *s = &v->run->s.regs.sregs;

	*ret = (struct xa_paging){ s->cr0, s->cr3, s->cr4, s->efer, s->ss.dpl };
}

static void op_paging(void *ctx, unsigned vcpu, struct xa_paging *ret)
{
	vmm_vcpu_paging(vcpu_of(ctx, vcpu), ret);
}

static void op_upcall(void *ctx, unsigned vcpu, struct xa_upcall how)
{
	struct vmm *vm = ctx;

	vm->accel->upcall(vcpu_of(ctx, vcpu), how);
}

static int op_upcall_set(void *ctx, unsigned vcpu, struct xa_upcall how)
{
	struct vmm *vm = ctx;

	return vm->accel->upcall_set(vcpu_of(ctx, vcpu), how);
}

static void op_wait(void *ctx, unsigned vcpu, uint64_t deadline)
{
	vmm_wait_begin(vcpu_of(ctx, vcpu), deadline);
}

static void op_wake(void *ctx, unsigned vcpu)
{
	vmm_wait_wake(vcpu_of(ctx, vcpu));
}

static bool op_raise_masked(void *ctx, unsigned vcpu, evtchn_port_t port)
{
	struct vmm *vm = ctx;

	return vm->accel->raise_masked && vm->accel->raise_masked(vcpu_of(ctx, vcpu), port);
}

/* SCHEDOP_block is hlt with interrupts on: KVM waits for one in the next KVM_RUN. */
static void op_block(void *ctx, unsigned vcpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_HALTED };

	vmm_ioctl(vcpu_of(ctx, vcpu)->fd, KVM_SET_MP_STATE, &state);
}

static void op_yield(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
	sched_yield();
}

static uint64_t op_now(void *ctx)
{
	return vmm_now(ctx);
}

static void op_set_timer(void *ctx, unsigned vcpu, uint64_t deadline)
{
	struct vmm *vm = ctx;

	vm->accel->set_timer(vcpu_of(ctx, vcpu), deadline);
}

static int op_shared_info(void *ctx, struct xa_gfn gfn)
{
	struct vmm *vm = ctx;

	return vm->accel->shared_info(vm, gfn);
}

static int op_vcpu_info(void *ctx, unsigned vcpu, struct xa_gpa gpa)
{
	struct vmm *vm = ctx;

	return vm->accel->vcpu_info(vcpu_of(ctx, vcpu), gpa);
}

static int op_time_area(void *ctx, unsigned vcpu, struct xa_gpa gpa)
{
	struct vmm *vm = ctx;

	return vm->accel->time_area(vcpu_of(ctx, vcpu), gpa);
}

static int op_runstate_area(void *ctx, unsigned vcpu, struct xa_gpa gpa,
			    const struct xa_times *times)
{
	struct vmm *vm = ctx;

	return vm->accel->runstate_area(vcpu_of(ctx, vcpu), gpa, times);
}

static int op_runstate_times(void *ctx, unsigned vcpu, struct xa_times *ret)
{
	struct vmm *vm = ctx;

	return vm->accel->runstate_times ? vm->accel->runstate_times(vcpu_of(ctx, vcpu), ret) :
					   -ENOSYS;
}

static void op_port_route(void *ctx, evtchn_port_t port, const struct xa_port_route *route)
{
	struct vmm *vm = ctx;

	vm->accel->port_route(vm, port, route);
}

static void op_timer_port(void *ctx, unsigned vcpu, evtchn_port_t port)
{
	struct vmm *vm = ctx;

	vm->accel->timer_port(vcpu_of(ctx, vcpu), port);
}

/* A vCPU started by hypercall instead of by INIT and SIPI. */
static int start_vcpu(struct vmm_vcpu *v, void *arg)
{
	const struct xa_vcpu_start *st = arg;
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int r = st ? vmm_regs_start(v, st) : 0;

	DOM_STORE(&v->down, false);
	return r ? r : vmm_ioctl(v->fd, KVM_SET_MP_STATE, &state);
}

static int op_vcpu_up(void *ctx, unsigned vcpu, const struct xa_vcpu_start *start)
{
	return vmm_vcpu_call(vcpu_of(ctx, vcpu), start_vcpu, (void *)(uintptr_t)start);
}

static int stop_vcpu(struct vmm_vcpu *v, void *arg)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_UNINITIALIZED };

	(void)arg;
	DOM_STORE(&v->down, true);
	if (v->waiting)
		vmm_wait_over(v);
	return vmm_ioctl(v->fd, KVM_SET_MP_STATE, &state);
}

static int op_vcpu_down(void *ctx, unsigned vcpu)
{
	return vmm_vcpu_call(vcpu_of(ctx, vcpu), stop_vcpu, NULL);
}

static int send_nmi(struct vmm_vcpu *v, void *arg)
{
	(void)arg;
	return vmm_ioctl(v->fd, KVM_NMI, NULL);
}

static int op_nmi(void *ctx, unsigned vcpu)
{
	struct vmm *vm = ctx;

	/* A PV guest's is made by its shim. */
	if (vm->cfg.pv) {
		vmm_signal_msi(vcpu_of(ctx, vcpu), SHIM_VECTOR_NMI);
		/* It polls with interrupts off. */
		vmm_wait_wake(vcpu_of(ctx, vcpu));
		return 0;
	}
	return vmm_vcpu_call(vcpu_of(ctx, vcpu), send_nmi, NULL);
}

static const enum vmm_outcome outcomes[] = {
	[SHUTDOWN_poweroff] = VMM_POWEROFF,
	[SHUTDOWN_reboot] = VMM_REBOOT,
	[SHUTDOWN_suspend] = VMM_SUSPEND,
	[SHUTDOWN_crash] = VMM_CRASHED,
	[SHUTDOWN_watchdog] = VMM_WATCHDOG,
	[SHUTDOWN_soft_reset] = VMM_SOFT_RESET,
};

static void op_shutdown(void *ctx, unsigned reason)
{
	struct vmm *vm = ctx;

	dom_log(&vm->log, DOM_LOG_INFO, "guest shutdown, reason %u", reason);
	vmm_finish(vm, reason < DOM_ARRAY_LEN(outcomes) ? outcomes[reason] : VMM_CRASHED);
}

static void op_console(void *ctx, const char *data, size_t len)
{
	vmm_emergency_console(ctx, data, len);
}

static void op_set_watchdog(void *ctx, uint64_t deadline)
{
	vmm_watchdog_set(ctx, deadline);
}

static int op_runstate_flag(void *ctx, bool on)
{
	struct vmm *vm = ctx;

	return vm->accel->runstate_flag(vm, on);
}

const struct xa_platform vmm_platform = {
	.page = op_page,
	.populate = op_populate,
	.release = op_release,
	.paging = op_paging,
	.upcall = op_upcall,
	.upcall_set = op_upcall_set,
	.wait = op_wait,
	.wake = op_wake,
	.raise_masked = op_raise_masked,
	.block = op_block,
	.yield = op_yield,
	.now = op_now,
	.set_timer = op_set_timer,
	.shared_info = op_shared_info,
	.vcpu_info = op_vcpu_info,
	.time_area = op_time_area,
	.runstate_area = op_runstate_area,
	.runstate_times = op_runstate_times,
	.port_route = op_port_route,
	.timer_port = op_timer_port,
	.vcpu_up = op_vcpu_up,
	.vcpu_down = op_vcpu_down,
	.nmi = op_nmi,
	.shutdown = op_shutdown,
	.console = op_console,
	.set_watchdog = op_set_watchdog,
	.runstate_flag = op_runstate_flag,
};
