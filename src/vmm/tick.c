// SPDX-License-Identifier: MIT
/*
 * Timer ticks without exits, on plain hosts and of PV guests.
 *
 * A busy Linux sets its next tick, 4 ms on, with a hypercall at each tick; an exit to userspace for
 * every one of them would be most of what a quiet boot makes. So the guest's hypercall sites go to a
 * stub (tick_stub.S), and VMM and stub share two words per vCPU, the mailbox:
 *
 *	deadline	the time at which the guest wants VIRQ_TIMER, 0: none. The stub writes it,
 *			the VMM takes it out when it is due.
 *	horizon		the VMM will look at the deadline at this time at the latest; 0: it will not.
 *
 * The stub stores the deadline and then reads the horizon: if that is not later, it is done; else it
 * empties the mailbox and makes the hypercall. The VMM stores a horizon and then reads the deadline.
 * So one of the two sees what the other did. When a tick was delivered, the VMM expects the next one
 * a period later, and makes that the horizon.
 *
 * While the vCPU has a timer that was set by a hypercall there is no horizon: a timer set later
 * replaces that one, and only the hypercall knows how.
 *
 * A PV guest's shim (src/xenabi/pvshim/timer.c) does what the stub does, with words of its own memory.
 * For others the words are the part of vcpu_info that Xen uses for PV guests only: arch.cr2 and
 * arch.pad. All of them are the guest's memory, and what the VMM finds there says no more than the
 * hypercall would.
 *   ABI: xen/include/public/arch-x86/xen-x86_64.h (struct arch_vcpu_info)
 */
#include "domicile/base/once.h"
#include "domicile/xa_guest.h"
#include "vmm.h"

#define VCPU_INFO_ARCH 16u
#define KERNEL_IMAGE_GVA 0xffffffff80000000ull
#define GIB (1ull << 30)

/* What counts as a tick (100 to 1000 Hz, with room), and how much earlier than expected it may come. */
#define PERIOD_MIN 500000u
#define PERIOD_MAX 20000000u
#define SLACK 20000u

/* A guest can change its deadline faster than anybody reads it; the last reading but one counts. */
#define READINGS 4

static uint64_t *words_of(struct vmm *vm, uint64_t gpa)
{
	/* Xen wants vcpu_info within a page, but not aligned. */
	return gpa % sizeof(uint64_t) ? NULL : vmm_ram(vm, gpa, 2 * sizeof(uint64_t));
}

void vmm_tick_forget(struct vmm *vm)
{
	DOM_STORE(&vm->tick_table, NULL);
	vm->tick_linear = 0;
	for (unsigned i = 0; vm->vcpus && i < vm->cfg.vcpus; i++) {
		struct vmm_tick *t = &vm->vcpus[i].tick;

		pthread_mutex_lock(&t->lock);
		t->mail = NULL;
		pthread_mutex_unlock(&t->lock);
	}
}

/* Does the guest's kernel see @gpa at @linear + @gpa, for good? */
static bool is_linear(struct vmm_vcpu *me, uint64_t linear, uint64_t gpa)
{
	struct xa_gva gva = { linear + gpa };
	struct xa_gpa at;

	/* Before per-CPU data is set up there is a copy in the image, which is given up later. */
	return gva.v < KERNEL_IMAGE_GVA && !xa_guest_translate(me->xa, gva, &at) && at.v == gpa;
}

/*
 * Where does the linear mapping start in which the guest's kernel sees all memory? Linux keeps
 * per-CPU data there, @gpa among it, and GS knows where: up to 6.14 its base is the start of that
 * data; since then it is the distance to the copy in the kernel's image, which lies in the gigabyte
 * from KERNEL_IMAGE_GVA on, so that the start, a multiple of a gigabyte, is one of two. 0: unknown.
 */
static uint64_t find_linear(struct vmm_vcpu *me, uint64_t gpa)
{
	uint64_t gs = me->run->s.regs.sregs.gs.base;
	uint64_t below = (gs + KERNEL_IMAGE_GVA - gpa) & ~(GIB - 1);
	struct xa_gpa at;

	if (!xa_guest_translate(me->xa, (struct xa_gva){ gs }, &at) &&
	    is_linear(me, gs - at.v, gpa))
		return gs - at.v;
	if (is_linear(me, below, gpa))
		return below;
	return is_linear(me, below + GIB, gpa) ? below + GIB : 0;
}

void vmm_tick_vcpu_info(struct vmm_vcpu *v, struct xa_gpa vcpu_info)
{
	struct vmm *vm = v->vmm;
	struct vmm_vcpu *me = vmm_vcpu_self();
	uint64_t gpa = vcpu_info.v + VCPU_INFO_ARCH, linear;
	uint64_t *mail = words_of(vm, gpa), *table = DOM_LOAD(&vm->tick_table);

	if (!table || !me || !mail)
		return;
	linear = vm->tick_linear;
	if (!linear || !is_linear(me, linear, gpa))
		linear = find_linear(me, gpa);
	if (!linear)
		return;
	vm->tick_linear = linear;
	pthread_mutex_lock(&v->tick.lock);
	mail[0] = mail[1] = 0;
	v->tick.mail = mail;
	pthread_mutex_unlock(&v->tick.lock);
	DOM_STORE_RELEASE(&table[v->id], linear + gpa);
}

/* When the guest, which has set no timer, will want the next one: a whole number of ticks on. */
static uint64_t expected(const struct vmm_tick *t, uint64_t now)
{
	uint64_t late = now + SLACK > t->last ? now + SLACK - t->last : 0;

	return t->period ? t->last + (late / t->period + 1) * t->period - SLACK : 0;
}

/* Set horizon and timer. With t->lock. */
static void arm(struct vmm_vcpu *v, uint64_t now, bool expect)
{
	struct vmm_tick *t = &v->tick;
	uint64_t look = t->wanted, deadline = t->mail ? DOM_LOAD(&t->mail[0]) : 0;

	if (!look && !deadline && expect && t->mail)
		look = expected(t, now);
	for (int i = 0; t->mail && i < READINGS; i++) {
		if (deadline && (!look || deadline < look))
			look = deadline;
		__atomic_store_n(&t->mail[1], t->wanted ? 0 : look, __ATOMIC_SEQ_CST);
		deadline = __atomic_load_n(&t->mail[0], __ATOMIC_SEQ_CST);
		if (!deadline || (look && look <= deadline))
			break;
	}
	vmm_timer_set(v, look);
}

void vmm_tick_set(struct vmm_vcpu *v, uint64_t deadline)
{
	pthread_mutex_lock(&v->tick.lock);
	v->tick.wanted = deadline;
	arm(v, 0, false);
	pthread_mutex_unlock(&v->tick.lock);
}

/* A timer for @deadline came: what can be learnt about the next one? */
static void learn(struct vmm_tick *t, uint64_t deadline)
{
	uint64_t since = t->last ? deadline - t->last : 0;
	uint64_t change = since > t->since ? since - t->since : t->since - since;

	/* Twice the same: neither a tick that was skipped nor another timer in between. */
	if (since >= PERIOD_MIN && since <= PERIOD_MAX && change <= SLACK)
		t->period = since;
	t->since = since;
	t->last = deadline;
}

/* Take the deadline out of the mailbox if it has come. With t->lock. */
static bool take(struct vmm_tick *t, uint64_t now)
{
	uint64_t deadline = t->mail ? DOM_LOAD(&t->mail[0]) : 0;

	if (!deadline || deadline > now ||
	    !__atomic_compare_exchange_n(&t->mail[0], &deadline, 0, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	learn(t, deadline);
	t->taken++;
	return true;
}

void vmm_tick_fired(struct vmm_vcpu *v)
{
	vmm_tick_look(v, vmm_now(v->vmm));
}

void vmm_tick_look(struct vmm_vcpu *v, uint64_t now)
{
	struct vmm_tick *t = &v->tick;
	bool mail, call;

	pthread_mutex_lock(&t->lock);
	mail = take(t, now);
	call = t->wanted && t->wanted <= now;
	if (call) {
		learn(t, t->wanted);
		t->wanted = 0;
	}
	pthread_mutex_unlock(&t->lock);
	if (call)
		xa_timer_fired(v->xa);
	if (mail)
		xa_timer_raise(v->xa);
	pthread_mutex_lock(&t->lock);
	arm(v, now, mail || call);
	pthread_mutex_unlock(&t->lock);
}
