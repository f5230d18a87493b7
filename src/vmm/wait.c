// SPDX-License-Identifier: MIT
/*
 * SCHEDOP_poll: a vCPU that waits for events.
 *
 * It waits in KVM_RUN, halted, as for SCHEDOP_block: so interrupts that are no events, which nobody
 * tells us of, end the wait as they do on Xen, if the guest can take them. What else ends it, an event
 * that the guest masks or the time-out, comes as a wake-up from another thread: that makes the vCPU
 * leave KVM_RUN and go in again without the halt. Nothing is looked at periodically.
 *
 * A wait that an interrupt has ended is noticed when the vCPU next exits; a wake-up that comes
 * before costs the guest that exit, and no more, since the vCPU is seen to have left the place.
 */
#include "vmm.h"

/* Bytes of a hypercall's instruction: the guest is still in front of it, or right behind it. */
#define INSN_MAX 3u

/*
 * Where the kernel delivers events between a guest's ports it answers polls by itself, too, and
 * wakes only those. A poll inside of a multicall is ours, however: with masked ports nobody tells us
 * what the kernel has made pending, and that wait must end now and then for the guest to look.
 */
#define UNTOLD_NS 10000000ull

static void set_mp_state(struct vmm_vcpu *v, uint32_t what)
{
	struct kvm_mp_state state = { .mp_state = what };

	vmm_ioctl(v->fd, KVM_SET_MP_STATE, &state);
}

void vmm_wait_begin(struct vmm_vcpu *v, uint64_t deadline)
{
	uint64_t now = vmm_now(v->vmm);

	if (vmm_xen_events(v->vmm) && (!deadline || deadline > now + UNTOLD_NS))
		deadline = now + UNTOLD_NS;
	/* It may wait already, by a call before in the same multicall: that is over, too. */
	if (deadline && deadline <= now) {
		if (v->waiting)
			vmm_wait_woken(v);
		else
			xa_poll_ended(v->xa);
		return;
	}
	if (deadline || v->wait_timed)
		vmm_wait_timer_set(v, deadline);
	v->waiting = true;
	v->wait_timed = deadline != 0;
	v->wait_rip = v->run->s.regs.regs.rip;
	set_mp_state(v, KVM_MP_STATE_HALTED);
}

/*
 * One that comes while the vCPU does not wait counts for its next wait. A PV guest's NMI, for one,
 * is lost on its shim otherwise, which may be on its way here, with interrupts off.
 */
void vmm_wait_wake(struct vmm_vcpu *v)
{
	pthread_mutex_lock(&v->lock);
	v->woken = true;
	pthread_mutex_unlock(&v->lock);
	vmm_vcpu_kick(v);
}

void vmm_wait_over(struct vmm_vcpu *v)
{
	v->waiting = false;
	if (v->wait_timed)
		vmm_wait_timer_set(v, 0);
	v->wait_timed = false;
	xa_poll_ended(v->xa);
}

void vmm_wait_woken(struct vmm_vcpu *v)
{
	/* A guest that went on, and halts of its own accord now, is left there. */
	if (v->run->s.regs.regs.rip - v->wait_rip <= INSN_MAX)
		set_mp_state(v, KVM_MP_STATE_RUNNABLE);
	vmm_wait_over(v);
}
