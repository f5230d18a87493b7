// SPDX-License-Identifier: MIT
/*
 * The timers of a vCPU: one single-shot and one periodic deadline, both raising VIRQ_TIMER. The
 * platform knows one deadline per vCPU, the earlier of the two.
 *
 * The platform is called without the lock, so two threads (the vCPU's and the one on which the
 * timer fired) could tell it their deadlines in the wrong order. Therefore one thread at a time
 * talks to it; another one that changes something leaves a note, and the first looks again.
 */
#include "priv.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a | b;
	return a < b ? a : b;
}

/* Tell the platform the deadline if it changed. Called with v->lock, returns without it. */
static void rearm_unlock(struct xa_vcpu *v)
{
	v->rearm = true;
	if (v->arming) {
		xa_unlock(&v->lock);
		return;
	}
	v->arming = true;
	while (v->rearm) {
		uint64_t deadline = earlier(v->singleshot, v->periodic);

		v->rearm = false;
		if (deadline == v->armed)
			break;
		v->armed = deadline;
		xa_unlock(&v->lock);
		v->d->plat->set_timer(v->d->ctx, v->id, deadline);
		xa_lock(&v->lock);
	}
	v->arming = false;
	xa_unlock(&v->lock);
}

void xa_timer_set_singleshot(struct xa_vcpu *v, uint64_t deadline)
{
	xa_lock(&v->lock);
	v->singleshot = deadline;
	rearm_unlock(v);
}

void xa_timer_set_periodic(struct xa_vcpu *v, uint64_t period)
{
	uint64_t now = period ? v->d->plat->now(v->d->ctx) : 0;

	xa_lock(&v->lock);
	v->period = period;
	v->periodic = period ? now + period : 0;
	rearm_unlock(v);
}

void xa_timer_fired(struct xa_vcpu *v)
{
	uint64_t now = v->d->plat->now(v->d->ctx);
	bool due = false;

	xa_lock(&v->lock);
	v->armed = 0;
	if (v->singleshot && v->singleshot <= now) {
		v->singleshot = 0;
		due = true;
	}
	if (v->periodic && v->periodic <= now) {
		/* A vCPU that was late gets one tick, not all that it missed. */
		v->periodic = now + v->period;
		due = true;
	}
	rearm_unlock(v);
	if (due)
		xa_raise_virq(v, VIRQ_TIMER);
}

void xa_timer_raise(struct xa_vcpu *v)
{
	xa_raise_virq(v, VIRQ_TIMER);
}
