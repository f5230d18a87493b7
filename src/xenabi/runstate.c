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

void xa_runstate_get(struct xa_vcpu *v, enum xa_runstate *ret_state, uint64_t *ret_since,
		     uint64_t ret_time[4])
{
	uint64_t now = v->d->plat->now(v->d->ctx);

	xa_lock(&v->lock);
	*ret_state = v->runstate;
	*ret_since = v->runstate_since;
	memcpy(ret_time, v->runstate_time, sizeof(v->runstate_time));
	if (now > v->runstate_since)
		ret_time[v->runstate] += now - v->runstate_since;
	xa_unlock(&v->lock);
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
	uint64_t entry = v->runstate_since | XEN_RUNSTATE_UPDATE;
	int32_t state = v->runstate;

	if (!v->runstate_area.on || v->runstate_area.by_host)
		return;
	if (flag) {
		area_write(v, entry_off, &entry, sizeof(entry));
		write_barrier();
	}
	area_write(v, 0, &state, sizeof(state));
	area_write(v, entry_off + 8, v->runstate_time, sizeof(v->runstate_time));
	write_barrier();
	area_write(v, entry_off, &v->runstate_since, sizeof(v->runstate_since));
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
	spent = now > v->runstate_since ? now - v->runstate_since : 0;
	if (stolen > spent)
		stolen = spent;
	v->runstate_time[v->runstate] += spent - stolen;
	v->runstate_time[XA_RUNNABLE] += stolen;
	v->runstate_since = now;
	v->runstate = state;
	area_update(v);
	xa_unlock(&v->lock);
}

int xa_runstate_area(struct xa_vcpu *v, const uint64_t *gpa, unsigned split)
{
	struct xa_gpa at = { gpa ? gpa[0] : UINT64_MAX };
	bool one_piece = gpa && gpa[1] == gpa[0] + split;
	int ret = 0;

	/* A host can only be given one range; without an area it must let go of the former one. */
	if (one_piece || v->runstate_area.by_host) {
		ret = v->d->plat->runstate_area(v->d->ctx, v->id,
						one_piece ? at : (struct xa_gpa){ UINT64_MAX });
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
