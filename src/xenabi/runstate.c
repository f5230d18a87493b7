// SPDX-License-Identifier: MIT
/*
 * Time that a vCPU spent in each run state, and the area in guest memory that shows it.
 *   ABI: xen/include/public/vcpu.h
 *
 * Guests register the area by virtual address; it is translated once, when it is registered. An
 * area may cross a page, and its two pages need not be neighbours.
 */
#include <string.h>

#include "xenabi/vcpu.h"

#include "priv.h"

/* A host that keeps the area knows better: take over what it says. */
static void ask_host(struct xa_vcpu *v)
{
	struct xa_times times;

	if (!v->runstate_area.by_host || !v->d->plat->runstate_times ||
	    v->d->plat->runstate_times(v->d->ctx, v->id, &times))
		return;
	xa_lock(&v->lock);
	v->times = times;
	xa_unlock(&v->lock);
}

void xa_runstate_get(struct xa_vcpu *v, struct xa_times *ret)
{
	uint64_t now;

	ask_host(v);
	now = v->d->plat->now(v->d->ctx);
	xa_lock(&v->lock);
	*ret = v->times;
	xa_unlock(&v->lock);
	if (now > ret->since)
		ret->time[ret->state] += now - ret->since;
}

/* x86 keeps stores in order, so it is enough that the compiler does. */
static void write_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

/* Write @len bytes at @off of the area. v->lock held. */
static void area_write(struct xa_vcpu *v, unsigned off, const void *buf, unsigned len)
{
	unsigned split = v->runstate_area.split;
	const uint8_t *p = buf;

	/* Memory that went away is the guest's loss. */
	if (off < split) {
		unsigned n = len < split - off ? len : split - off;

		if (xa_guest_write(v->d, (struct xa_gpa){ v->runstate_area.gpa[0] + off }, p, n))
			return;
		p += n;
		off += n;
		len -= n;
	}
	if (len && xa_guest_write(v->d, (struct xa_gpa){ v->runstate_area.gpa[1] + off - split },
				  p, len))
		return;
}

/* Bring the guest's area up to date. v->lock held. */
static void area_update(struct xa_vcpu *v)
{
	bool is_32 = __atomic_load_n(&v->d->shared_32, __ATOMIC_RELAXED);
	unsigned entry_off = is_32 ? offsetof(struct vcpu_runstate_info_32, state_entry_time) :
				     offsetof(struct vcpu_runstate_info_64, state_entry_time);
	bool flag = __atomic_load_n(&v->d->runstate_flag, __ATOMIC_RELAXED);
	uint64_t entry = v->times.since | XEN_RUNSTATE_UPDATE;
	int32_t state = v->times.state;

	if (!v->runstate_area.on || v->runstate_area.by_host)
		return;
	if (flag) {
		area_write(v, entry_off, &entry, sizeof(entry));
		write_barrier();
	}
	area_write(v, 0, &state, sizeof(state));
	area_write(v, entry_off + 8, v->times.time, sizeof(v->times.time));
	write_barrier();
	area_write(v, entry_off, &v->times.since, sizeof(v->times.since));
}

void xa_runstate_update(struct xa_vcpu *v, enum xa_runstate state, uint64_t stolen)
{
	uint64_t now = v->d->plat->now(v->d->ctx);
	uint64_t spent;

	if (state == XA_RUNNING) {
		__atomic_store_n(&v->ran, true, __ATOMIC_SEQ_CST);
		__atomic_store_n(&v->down, false, __ATOMIC_SEQ_CST);
	}
	xa_lock(&v->lock);
	spent = now > v->times.since ? now - v->times.since : 0;
	if (stolen > spent)
		stolen = spent;
	v->times.time[v->times.state] += spent - stolen;
	v->times.time[XA_RUNNABLE] += stolen;
	v->times.since = now;
	v->times.state = state;
	area_update(v);
	xa_unlock(&v->lock);
}

int xa_runstate_area(struct xa_vcpu *v, const uint64_t *gpa, unsigned split)
{
	struct xa_gpa at = { gpa ? gpa[0] : UINT64_MAX };
	bool one_piece = gpa && gpa[1] == gpa[0] + split;
	struct xa_times times;
	int ret = 0;

	/* A host can only be given one range; without an area it must let go of the former one. */
	if (one_piece || v->runstate_area.by_host) {
		ask_host(v);
		xa_lock(&v->lock);
		times = v->times;
		xa_unlock(&v->lock);
		if (!one_piece)
			at.v = UINT64_MAX;
		ret = v->d->plat->runstate_area(v->d->ctx, v->id, at, &times);
		if (ret < 0)
			return ret;
	}
	xa_lock(&v->lock);
	v->runstate_area.on = gpa != NULL;
	v->runstate_area.by_host = one_piece && ret == 1;
	if (gpa) {
		v->runstate_area.gpa[0] = gpa[0];
		v->runstate_area.gpa[1] = gpa[1];
		v->runstate_area.split = split;
	}
	area_update(v);
	xa_unlock(&v->lock);
	return 0;
}
