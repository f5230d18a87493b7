// SPDX-License-Identifier: MIT
/*
 * Xen on a KVM with CONFIG_KVM_XEN: the kernel intercepts hypercalls, delivers events between a
 * domain's own ports and to eventfds, runs the timers and keeps time, runstate and upcalls. What
 * it does not know it hands to us as KVM_EXIT_XEN.
 *
 * The kernel knows the 2-level event format only. A guest that selects FIFO (possible when forced
 * by --events) is served without the in-kernel events and timers: xenabi's routes then stay here.
 *
 * Attributes of a vCPU are set on its own thread; shared_info and vcpu_info are set before anybody
 * can send to the new place, and never from two threads at once (the kernel had races there:
 * CVE-2022-49882, CVE-2022-49884).
 */
#include <errno.h>
#include <string.h>

#include "domicile/base/once.h"
#include "xenabi/event_channel.h"
#include "kvm_abi.h"
#include "vmm.h"

/* ABI: xen/include/public/arch-x86/cpuid.h */
#define MSR_XEN_HYPERCALL_PAGE 0x40000000u
#define PRIO_2LEVEL KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL
#define MAX_2LEVEL_PORTS 4096u

static bool in_kernel_events(const struct vmm *vm)
{
	return vm->cfg.events == XA_EVENTS_2L;
}

bool vmm_xen_events(const struct vmm *vm)
{
	return vm->accel == &vmm_accel_xen && in_kernel_events(vm);
}

static int set_vm_attr(struct vmm *vm, struct kvm_xen_hvm_attr *attr)
{
	return vmm_ioctl(vm->vm_fd, KVM_XEN_HVM_SET_ATTR, attr);
}

static int set_vcpu_attr(struct vmm_vcpu *v, void *arg)
{
	return vmm_ioctl(v->fd, KVM_XEN_VCPU_SET_ATTR, arg);
}

static int xen_vm_init(struct vmm *vm, struct dom_err *err)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = MSR_XEN_HYPERCALL_PAGE,
	};
	struct kvm_xen_hvm_attr long_mode = {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = 1,
	};
	struct kvm_xen_hvm_attr version = {
		.type = KVM_XEN_ATTR_TYPE_XEN_VERSION,
		.u.xen_version = VMM_XEN_MAJOR << 16 | VMM_XEN_MINOR,
	};
	int r;

	if (in_kernel_events(vm))
		config.flags |= KVM_XEN_HVM_CONFIG_EVTCHN_SEND;
	r = vmm_ioctl(vm->vm_fd, KVM_XEN_HVM_CONFIG, &config);
	if (!r)
		r = set_vm_attr(vm, &long_mode);
	if (!r)
		r = set_vm_attr(vm, &version);
	return r ? dom_err_set(err, r, "/dev/kvm: its Xen support refused our settings (%s); "
			       "use --accel plain", strerror(-r)) : 0;
}

static int xen_vcpu_init(struct vmm_vcpu *v, struct dom_err *err)
{
	struct kvm_xen_vcpu_attr id = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID,
		.u.vcpu_id = v->id,
	};
	int r = set_vcpu_attr(v, &id);

	if (r)
		return dom_err_set(err, r, "vcpu %u: cannot set its Xen id: %s", v->id, strerror(-r));
	return vmm_timer_init(v, err);
}

int vmm_exit_xen(struct vmm_vcpu *v)
{
	struct kvm_xen_exit *x = &v->run->xen;
	struct xa_call call = {
		.abi = x->u.hcall.longmode ? XA_ABI_PVH64 : XA_ABI_PVH32,
		.cpl = (uint8_t)x->u.hcall.cpl,
		.nr = x->u.hcall.input,
	};

	if (x->type != KVM_EXIT_XEN_HCALL)
		return -EIO;
	v->exits_hypercall++;
	memcpy(call.arg, x->u.hcall.params, sizeof(call.arg));
	x->u.hcall.result = (uint64_t)xa_hypercall(v->xa, &call);
	return 0;
}

static int apply_timer_port(struct vmm_vcpu *v)
{
	struct kvm_xen_vcpu_attr timer = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_TIMER,
		.u.timer = { .port = DOM_LOAD(&v->timer_port), .priority = PRIO_2LEVEL },
	};

	return set_vcpu_attr(v, &timer);
}

static void xen_before_run(struct vmm_vcpu *v)
{
	if (DOM_UNLIKELY(DOM_LOAD(&v->unsent)))
		vmm_retry_msi(v);
	if (DOM_UNLIKELY(DOM_LOAD(&v->timer_port_changed)) &&
	    __atomic_exchange_n(&v->timer_port_changed, false, __ATOMIC_ACQ_REL))
		apply_timer_port(v);
}

static void xen_upcall(struct vmm_vcpu *v, struct xa_upcall how)
{
	if (how.kind == XA_UPCALL_VCPU_VECTOR)
		vmm_signal_msi(v, how.vector);
	else if (how.kind == XA_UPCALL_DOMAIN_VECTOR)
		vmm_vcpu_kick(v);	/* KVM looks at evtchn_upcall_pending when it enters */
}

static int xen_upcall_set(struct vmm_vcpu *v, struct xa_upcall how)
{
	struct kvm_xen_hvm_attr domain = {
		.type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR,
		.u.vector = how.kind == XA_UPCALL_DOMAIN_VECTOR ? how.vector : 0,
	};
	struct kvm_xen_vcpu_attr vcpu = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR,
		.u.vector = how.vector,
	};

	if (how.kind == XA_UPCALL_VCPU_VECTOR)
		return vmm_vcpu_call(v, set_vcpu_attr, &vcpu);
	return set_vm_attr(v->vmm, &domain);
}

static int xen_shared_info(struct vmm *vm, struct xa_gfn gfn)
{
	struct kvm_xen_hvm_attr width = {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = !xa_shared_is_32bit(vm->dom),
	};
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = gfn.v,
	};
	int r = set_vm_attr(vm, &width);

	return r ? r : set_vm_attr(vm, &attr);
}

static int set_area(struct vmm_vcpu *v, uint16_t type, struct xa_gpa gpa)
{
	/* UINT64_MAX takes the area away, to the kernel as to xenabi. */
	struct kvm_xen_vcpu_attr attr = { .type = type, .u.gpa = gpa.v };

	return vmm_vcpu_call(v, set_vcpu_attr, &attr);
}

static int xen_vcpu_info(struct vmm_vcpu *v, struct xa_gpa gpa)
{
	return set_area(v, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, gpa);
}

static int xen_time_area(struct vmm_vcpu *v, struct xa_gpa gpa)
{
	return set_area(v, KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO, gpa);
}

/*
 * The kernel counts a vCPU's time only while there is an area, so it is told what came before. Its
 * times must make up all of the time until then: what is missing, if anything, was before the start.
 */
static int set_times(struct vmm_vcpu *v, const struct xa_times *t)
{
	struct kvm_xen_vcpu_attr attr = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA,
		.u.runstate = {
			.state = t->state, .state_entry_time = t->since,
			.time_running = t->time[XA_RUNNING], .time_runnable = t->time[XA_RUNNABLE],
			.time_blocked = t->time[XA_BLOCKED],
		},
	};

	attr.u.runstate.time_offline = t->since - t->time[XA_RUNNING] - t->time[XA_RUNNABLE] -
				       t->time[XA_BLOCKED];
	return vmm_vcpu_call(v, set_vcpu_attr, &attr);
}

static int get_vcpu_attr(struct vmm_vcpu *v, void *arg)
{
	return vmm_ioctl(v->fd, KVM_XEN_VCPU_GET_ATTR, arg);
}

static int xen_runstate_times(struct vmm_vcpu *v, struct xa_times *ret)
{
	struct kvm_xen_vcpu_attr attr = { .type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA };
	int r = vmm_vcpu_call(v, get_vcpu_attr, &attr);

	if (r)
		return r;
	*ret = (struct xa_times){
		.state = attr.u.runstate.state & 3, .since = attr.u.runstate.state_entry_time,
		.time = {
			[XA_RUNNING] = attr.u.runstate.time_running,
			[XA_RUNNABLE] = attr.u.runstate.time_runnable,
			[XA_BLOCKED] = attr.u.runstate.time_blocked,
			[XA_OFFLINE] = attr.u.runstate.time_offline,
		},
	};
	return 0;
}

static int xen_runstate_area(struct vmm_vcpu *v, struct xa_gpa gpa, const struct xa_times *times)
{
	int r;

	/* Should it not take them, xen_runstate_times() still tells what the area shows. */
	if (gpa.v != UINT64_MAX)
		set_times(v, times);
	r = set_area(v, KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR, gpa);
	/* A kernel without accurate accounting refuses; then it is ours. */
	return r == -EOPNOTSUPP ? 0 : r ? r : 1;
}

static void xen_port_route(struct vmm *vm, evtchn_port_t port, const struct xa_port_route *route)
{
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_EVTCHN,
		.u.evtchn = { .send_port = port, .flags = KVM_XEN_EVTCHN_DEASSIGN },
	};

	if (!in_kernel_events(vm) || port >= MAX_2LEVEL_PORTS)
		return;
	/* A port's route is replaced by removing it first; a missing one is no error. */
	set_vm_attr(vm, &attr);
	attr.u.evtchn.flags = 0;
	if (route->kind == XA_ROUTE_LOCAL) {
		attr.u.evtchn.type = EVTCHNSTAT_ipi;
		attr.u.evtchn.deliver.port.port = route->port;
		attr.u.evtchn.deliver.port.vcpu = route->vcpu;
		attr.u.evtchn.deliver.port.priority = PRIO_2LEVEL;
	} else if (route->kind == XA_ROUTE_EVENTFD) {
		attr.u.evtchn.type = EVTCHNSTAT_interdomain;
		attr.u.evtchn.deliver.eventfd.fd = route->eventfd;
	} else {
		return;
	}
	/* On failure the guest's sends simply keep coming to us. */
	set_vm_attr(vm, &attr);
}

/*
 * The kernel answers SCHEDOP_poll and knows who waits, but not what we make pending: so it must make
 * it pending itself. (It looks only at the vCPU that the port notifies, of whom Linux polls its own.)
 */
static bool xen_raise_masked(struct vmm_vcpu *v, evtchn_port_t port)
{
	struct kvm_irq_routing_xen_evtchn e = {
		.port = port, .vcpu = v->id, .priority = PRIO_2LEVEL,
	};

	return in_kernel_events(v->vmm) && port < MAX_2LEVEL_PORTS &&
	       !vmm_ioctl(v->vmm->vm_fd, KVM_XEN_HVM_EVTCHN_SEND, &e);
}

/* The event lock is held: the vCPU applies it before it next runs. */
static void xen_timer_port(struct vmm_vcpu *v, evtchn_port_t port)
{
	if (!in_kernel_events(v->vmm))
		return;
	DOM_STORE(&v->timer_port, port);
	DOM_STORE_RELEASE(&v->timer_port_changed, true);
	vmm_vcpu_kick(v);
}

/* Older kernels never set the flag, which is what a guest that did not ask expects. */
static int xen_runstate_flag(struct vmm *vm, bool on)
{
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG,
		.u.vector = on,	/* the same byte of the union as runstate_update_flag */
	};

	return set_vm_attr(vm, &attr);
}

static void xen_timer_fired(struct vmm_vcpu *v)
{
	xa_timer_fired(v->xa);
}

const struct vmm_accel vmm_accel_xen = {
	.name = "kvm-xen",
	.vm_init = xen_vm_init,
	.vcpu_init = xen_vcpu_init,
	.before_run = xen_before_run,
	.upcall = xen_upcall,
	.upcall_set = xen_upcall_set,
	/*
	 * Guests set single-shot timers in the kernel. What reaches us are periodic ones, whose next
	 * tick xenabi computes when it hears of the last one, and single-shot ones inside a
	 * multicall. The kernel's timer would raise the event and tell nobody.
	 */
	.set_timer = vmm_timer_set,
	.timer_fired = xen_timer_fired,
	.shared_info = xen_shared_info,
	.vcpu_info = xen_vcpu_info,
	.time_area = xen_time_area,
	.runstate_area = xen_runstate_area,
	.port_route = xen_port_route,
	.timer_port = xen_timer_port,
	.runstate_flag = xen_runstate_flag,
	.runstate_times = xen_runstate_times,
	.raise_masked = xen_raise_masked,
};
