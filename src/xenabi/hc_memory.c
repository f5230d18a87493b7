// SPDX-License-Identifier: MIT
/*
 * memory_op: what is where in guest-physical memory.
 *   ABI: xen/include/public/memory.h
 *
 * A guest places shared_info and its grant frames at page numbers of its choice. If there is RAM
 * already, that page is adopted: contents move into it and it is used from then on. (On Xen the
 * RAM is replaced by another page; the guest sees the same contents either way.) Elsewhere the
 * platform is asked for memory.
 *
 * Operations on many extents do a bounded number per call and return how many, which is what
 * their callers expect from a hypervisor that is short of memory.
 */
#include <stdlib.h>
#include <string.h>

#include "xenabi/memory.h"
#include "domicile/base/bits.h"
#include "domicile/base/num.h"

#include "priv.h"

/* Page numbers above this are not addresses: 52 bits are architectural. */
#define MAX_GFN (1ull << (52 - XEN_PAGE_SHIFT))

/* ---- pages given back by the guest; mem_lock held ---- */

/* Is @gfn a page of RAM that the guest gave back? */
static bool is_ballooned(const struct xa_domain *d, uint64_t gfn)
{
	return d->ballooned && gfn < d->ballooned_bits && dom_bit_test(d->ballooned, (unsigned)gfn);
}

static int ballooned_alloc(struct xa_domain *d)
{
	uint64_t bits = d->max_gfn + 1;

	if (d->ballooned)
		return 0;
	if (bits > UINT32_MAX)
		return -ENOMEM;
	d->ballooned = calloc(DOM_BITS_WORDS(bits), sizeof(uint64_t));
	if (!d->ballooned)
		return -ENOMEM;
	d->ballooned_bits = bits;
	return 0;
}

static void set_ballooned(struct xa_domain *d, uint64_t gfn, bool on)
{
	if (!d->ballooned || gfn >= d->ballooned_bits)
		return;
	if (on)
		dom_bit_set(d->ballooned, (unsigned)gfn);
	else
		dom_bit_clear(d->ballooned, (unsigned)gfn);
}

/* Memory behind @gfn that the guest may use; NULL if there is none or it was given back. */
static void *present_page(struct xa_domain *d, uint64_t gfn)
{
	return gfn < MAX_GFN && !is_ballooned(d, gfn) ? xa_page_of(d, gfn) : NULL;
}

bool xa_page_owned(struct xa_domain *d, struct xa_gfn gfn)
{
	bool owned;

	xa_lock(&d->mem_lock);
	owned = present_page(d, gfn.v);
	xa_unlock(&d->mem_lock);
	return owned;
}

/* Make sure that there is memory behind @gfn. */
static int make_present(struct xa_domain *d, uint64_t gfn)
{
	int err = 0;

	if (gfn >= MAX_GFN)
		return -EINVAL;
	if (is_ballooned(d, gfn) || !xa_page_of(d, gfn))
		err = d->plat->populate(d->ctx, (struct xa_gfn){ gfn });
	if (err)
		return err;
	if (!xa_page_of(d, gfn))
		return -EINVAL;
	set_ballooned(d, gfn, false);
	d->max_gfn = DOM_MAX(d->max_gfn, gfn);
	return 0;
}

/* What the hypervisor keeps at @gfn, other than RAM, must go on existing without it. */
static int evict(struct xa_domain *d, uint64_t gfn)
{
	if (d->shared_gfn == gfn) {
		xa_set_shared(d, d->shared_private);
		d->shared_gfn = UINT64_MAX;
	}
	return xa_gnttab_unmap(d, gfn);
}

/* ---- add_to_physmap ---- */

/*
 * The first vCPUs have their vcpu_info at the start of shared_info until they register another. No
 * lock is held: the platform waits for each vCPU, which may itself be waiting for our locks.
 */
static int move_embedded_info(struct xa_domain *d, uint64_t gfn)
{
	int err = 0;

	for (unsigned i = 0; i < d->cfg.max_vcpus && i < XEN_LEGACY_MAX_VCPUS && !err; i++) {
		uint64_t gpa = (gfn << XEN_PAGE_SHIFT) + i * XA_VCPU_INFO_SIZE;
		bool registered;

		xa_lock(&d->evtchn_lock);
		registered = d->vcpus[i].info_registered;
		xa_unlock(&d->evtchn_lock);
		if (!registered)
			err = d->plat->vcpu_info(d->ctx, i, (struct xa_gpa){ gpa });
	}
	return err;
}

static int map_shared_info(struct xa_domain *d, uint64_t idx, uint64_t gfn)
{
	int err;

	if (idx != 0)
		return -EINVAL;
	err = make_present(d, gfn);
	if (!err && d->shared_gfn != gfn)
		err = evict(d, gfn);
	if (err)
		return err;
	xa_set_shared(d, xa_page_of(d, gfn));
	d->shared_gfn = gfn;
	return d->plat->shared_info(d->ctx, (struct xa_gfn){ gfn });
}

static int map_grant_frame(struct xa_domain *d, uint64_t idx, uint64_t gfn)
{
	int err;

	if (!xa_gnttab_may_map(d, idx))
		return -EINVAL;
	err = make_present(d, gfn);
	if (!err && d->shared_gfn == gfn)
		err = evict(d, gfn);
	return err ? err : xa_gnttab_map(d, idx, gfn, xa_page_of(d, gfn));
}

/* XENMAPSPACE_gmfn: move the guest's page @idx to @gfn. */
static int map_gmfn(struct xa_domain *d, uint64_t idx, uint64_t gfn)
{
	void *from = present_page(d, idx);
	int err;

	if (!from)
		return -EINVAL;
	if (idx == gfn)
		return 0;
	err = ballooned_alloc(d);
	if (!err)
		err = make_present(d, gfn);
	if (!err)
		err = evict(d, gfn);
	if (err)
		return err;
	dom_copy_once(xa_page_of(d, gfn), from, XEN_PAGE_SIZE);
	err = d->plat->release(d->ctx, (struct xa_gfn){ idx }, 1);
	if (!err)
		set_ballooned(d, idx, true);
	return err;
}

/* What can be mapped, by XENMAPSPACE_*. mem_lock held. */
static int (*const map_space[])(struct xa_domain *d, uint64_t idx, uint64_t gfn) = {
	[XENMAPSPACE_shared_info] = map_shared_info,
	[XENMAPSPACE_grant_table] = map_grant_frame,
	[XENMAPSPACE_gmfn] = map_gmfn,
};

static int add_one(struct xa_domain *d, uint32_t space, uint64_t idx, uint64_t gfn)
{
	int err;

	if (space >= DOM_ARRAY_LEN(map_space))
		return -EINVAL;
	xa_lock(&d->mem_lock);
	err = map_space[space](d, idx, gfn);
	xa_unlock(&d->mem_lock);
	if (!err && space == XENMAPSPACE_shared_info)
		err = move_embedded_info(d, gfn);
	return err;
}

int xa_shared_info_place(struct xa_domain *d, struct xa_gfn gfn)
{
	return add_one(d, XENMAPSPACE_shared_info, 0, gfn.v);
}

int xa_grant_frame_place(struct xa_domain *d, uint64_t idx, uint64_t *ret_gfn)
{
	uint64_t place = idx & XENMAPIDX_grant_table_status ?
		d->cfg.max_grant_frames + (idx ^ XENMAPIDX_grant_table_status) : idx;

	*ret_gfn = d->cfg.grant_gfn.v + place;
	return add_one(d, XENMAPSPACE_grant_table, idx, *ret_gfn);
}

/* Whose physical map may be changed? A PV guest has none: it sees frames. */
static int check_physmap(const struct xa_domain *d, domid_t domid)
{
	int err = xa_check_self(d, domid);

	return err ? err : d->cfg.pv ? -EACCES : 0;
}

static int64_t xenmem_add_to_physmap(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct xen_add_to_physmap_64 *a = arg;
	int err;

	if (a->space == XENMAPSPACE_gmfn_foreign)
		return -ENOSYS;	/* Xen: only in batches */
	err = check_physmap(v->d, a->domid);
	if (err)
		return err;
	if (a->space == XENMAPSPACE_shared_info)
		xa_latch_width(v->d, xa_is_32(call));
	if (a->space != XENMAPSPACE_gmfn_range)
		return add_one(v->d, a->space, a->idx, a->gpfn);
	for (uint64_t i = 0; i < a->size && !err; i++)
		err = xa_spend(v, 1) ? add_one(v->d, XENMAPSPACE_gmfn, a->idx + i, a->gpfn + i) :
				       -E2BIG;
	return err;
}

static int64_t xenmem_add_to_physmap_batch(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct xen_add_to_physmap_batch_64 *a = arg;
	bool is_32 = xa_is_32(call);
	int err = check_physmap(v->d, a->domid);

	if (err)
		return err;
	if (a->space == XENMAPSPACE_gmfn_foreign) {
		/* No other domain's memory can be reached. */
		err = xa_check_self(v->d, a->foreign_domid);
		return err == -ESRCH ? -ESRCH : -EPERM;
	}
	for (uint64_t i = 0; i < a->size; i++) {
		uint64_t idx, gfn, at;
		int32_t one;

		if (!xa_spend(v, 1))
			return -E2BIG;
		if (xa_get_ulong(v, is_32, a->idxs, i, &idx) ||
		    xa_get_ulong(v, is_32, a->gpfns, i, &gfn) ||
		    !dom_add_u64(a->errs, i * sizeof(one), &at))
			return -EFAULT;
		one = add_one(v->d, a->space, idx, gfn);
		if (xa_copy_to(v, (struct xa_gva){ at }, &one, sizeof(one)))
			return -EFAULT;
	}
	return 0;
}

static int64_t xenmem_remove_from_physmap(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct xen_remove_from_physmap_64 *a = arg;
	struct xa_domain *d = v->d;
	int err = check_physmap(d, a->domid);

	(void)call;
	if (err)
		return err;
	xa_lock(&d->mem_lock);
	err = present_page(d, a->gpfn) ? ballooned_alloc(d) : -ENOENT;
	if (!err)
		err = evict(d, a->gpfn);
	if (!err)
		err = d->plat->release(d->ctx, (struct xa_gfn){ a->gpfn }, 1);
	if (!err)
		set_ballooned(d, a->gpfn, true);
	xa_unlock(&d->mem_lock);
	return err;
}

/* ---- reservations ---- */

/* Extent at which the call starts; also its result when nothing could be done. */
static int64_t start_extent(const struct xa_call *call)
{
	return (int64_t)(call->arg[0] >> MEMOP_EXTENT_SHIFT);
}

static int give_back(struct xa_domain *d, uint64_t *at, uint64_t count)
{
	uint64_t gfn = *at;
	int err = ballooned_alloc(d);

	if (!err && (gfn >= MAX_GFN || count > MAX_GFN - gfn))
		err = -EINVAL;
	for (uint64_t i = 0; i < count && !err; i++)
		err = present_page(d, gfn + i) ? evict(d, gfn + i) : -EINVAL;
	if (!err)
		err = d->plat->release(d->ctx, (struct xa_gfn){ gfn }, count);
	if (err)
		return err;
	for (uint64_t i = 0; i < count; i++)
		set_ballooned(d, gfn + i, true);
	d->tot_pages -= DOM_MIN(count, d->tot_pages);
	return 0;
}

/* A frame that was given back, and the next search begins behind it; UINT64_MAX: there is none. */
static uint64_t any_ballooned(struct xa_domain *d)
{
	uint64_t words = DOM_BITS_WORDS(d->ballooned_bits);

	/* The guest has all that it started with: it need not wait for the whole bitmap. */
	if (!d->ballooned || d->tot_pages >= d->cfg.tot_pages)
		return UINT64_MAX;
	for (uint64_t i = 0; i < words; i++) {
		uint64_t at = (d->next_ballooned + i) % words;

		if (!d->ballooned[at])
			continue;
		d->next_ballooned = at;
		return at * 64 + (unsigned)__builtin_ctzll(d->ballooned[at]);
	}
	return UINT64_MAX;
}

/*
 * The frames of a PV guest's extent: those that its pages had at the start, if they are free, or any
 * one. The guest is told which.
 */
static int choose_frames(struct xa_domain *d, uint64_t *at, uint64_t count)
{
	uint64_t gfn = xa_frame_of(&d->cfg, *at), n = 0;

	if (xa_frame_of(&d->cfg, *at + count - 1) - gfn == count - 1)
		while (n < count && is_ballooned(d, gfn + n))
			n++;
	if (n < count && count == 1) {
		gfn = any_ballooned(d);
		n = gfn != UINT64_MAX;
	}
	*at = gfn;
	return n == count ? 0 : -ENOMEM;
}

static int take(struct xa_domain *d, uint64_t *at, uint64_t count)
{
	uint64_t gfn;

	if (*at >= MAX_GFN || count > MAX_GFN - *at)
		return -EINVAL;
	if (count > d->cfg.max_pages - DOM_MIN(d->tot_pages, d->cfg.max_pages) ||
	    (d->cfg.pv && choose_frames(d, at, count)))
		return -ENOMEM;
	gfn = *at;
	for (uint64_t i = 0; i < count; i++) {
		int err = make_present(d, gfn + i);

		if (err)
			return err;
	}
	d->tot_pages += count;
	return 0;
}

/* Do @one for each extent; returns the number of the first one that was not done. */
static int64_t each_extent(struct xa_vcpu *v, const struct xa_call *call,
			   const struct xen_memory_reservation_64 *a,
			   int (*one)(struct xa_domain *d, uint64_t *at, uint64_t count))
{
	uint64_t start = (uint64_t)start_extent(call);
	/* The shim of a PV guest wants a few at a time, see pvshim/memory.c; 0: no limit. */
	uint64_t limit = v->d->cfg.pv && one == take ? (uint32_t)call->arg[2] : 0;
	uint64_t end = limit ? DOM_MIN(a->nr_extents, start + limit) : a->nr_extents;
	uint64_t i = start;

	if (xa_check_self(v->d, a->domid) || a->extent_order > XA_MAX_EXTENT_ORDER)
		return (int64_t)start;
	for (; i < end && xa_spend(v, 1u << a->extent_order); i++) {
		uint64_t gfn;
		int err;

		if (xa_get_ulong(v, xa_is_32(call), a->extent_start, i, &gfn))
			break;
		xa_lock(&v->d->mem_lock);
		err = one(v->d, &gfn, 1ull << a->extent_order);
		xa_unlock(&v->d->mem_lock);
		/* ABI: a PV guest is told the frame that is behind its page now. */
		if (!err && v->d->cfg.pv && one == take)
			err = xa_put_ulong(v, xa_is_32(call), a->extent_start, i, gfn);
		if (err)
			break;
	}
	return (int64_t)i;
}

static int64_t xenmem_decrease_reservation(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	return each_extent(v, call, arg, give_back);
}

static int64_t xenmem_populate_physmap(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	return each_extent(v, call, arg, take);
}

/*
 * Pages without a place in the guest's memory are of no use to a PVH guest: answer as a Xen that
 * has none left.
 */
static int64_t xenmem_increase_reservation(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)v;
	(void)arg;
	return start_extent(call);
}

/* ---- queries ---- */

static int64_t xenmem_current_reservation(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	int64_t ret = xa_check_self(v->d, ((struct xen_memory_domain *)arg)->domid);

	(void)call;
	if (ret)
		return ret;
	xa_lock(&v->d->mem_lock);
	ret = (int64_t)v->d->tot_pages;
	xa_unlock(&v->d->mem_lock);
	return ret;
}

static int64_t xenmem_maximum_reservation(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	int err = xa_check_self(v->d, ((struct xen_memory_domain *)arg)->domid);

	(void)call;
	return err ? err : (int64_t)v->d->cfg.max_pages;
}

static int64_t maximum_gpfn(struct xa_domain *d)
{
	int64_t ret;

	xa_lock(&d->mem_lock);
	ret = (int64_t)d->max_gfn;
	xa_unlock(&d->mem_lock);
	return ret;
}

static int64_t xenmem_maximum_gpfn(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	int err = xa_check_self(v->d, ((struct xen_memory_domain *)arg)->domid);

	(void)call;
	return err ? err : maximum_gpfn(v->d);
}

/* The host's memory is none of the guest's business: its own top serves. */
static int64_t xenmem_maximum_ram_page(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)call;
	(void)arg;
	return maximum_gpfn(v->d);
}

static int64_t xenmem_memory_map(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct xen_memory_map_64 *a = arg;
	const struct xa_config *cfg = &v->d->cfg;
	uint64_t at = a->buffer;

	(void)call;
	a->nr_entries = DOM_MIN(a->nr_entries, cfg->memmap_count);
	for (unsigned i = 0; i < a->nr_entries; i++) {
		struct xa_e820entry e = { cfg->memmap[i].addr, cfg->memmap[i].size,
					  cfg->memmap[i].type };

		if (xa_copy_to(v, (struct xa_gva){ at }, &e, sizeof(e)) ||
		    !dom_add_u64(at, sizeof(e), &at))
			return -EFAULT;
	}
	return 0;
}

/* Other domains only: there are none that a guest may name. */
static int64_t xenmem_acquire_resource(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct xen_mem_acquire_resource_64 *a = arg;

	(void)call;
	return a->domid != DOMID_SELF && (a->domid == 0 || a->domid == v->d->cfg.domid) ? -EPERM :
											 -ESRCH;
}

static int64_t xenmem_get_vnumainfo(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	const struct xen_vnuma_topology_info *a = arg;
	int err = xa_check_self(v->d, a->domid);

	(void)call;
	if (a->pad)
		return -EINVAL;
	return err ? err : -EOPNOTSUPP;	/* no NUMA topology was configured */
}

static const struct xa_field reservation[] = {
	XA_FIELD(xen_memory_reservation, extent_start),
	XA_FIELD(xen_memory_reservation, nr_extents),
	XA_FIELD(xen_memory_reservation, extent_order), XA_FIELD(xen_memory_reservation, mem_flags),
	XA_FIELD(xen_memory_reservation, domid),
};
static const struct xa_field physmap[] = {
	XA_FIELD(xen_add_to_physmap, domid), XA_FIELD(xen_add_to_physmap, size),
	XA_FIELD(xen_add_to_physmap, space), XA_FIELD(xen_add_to_physmap, idx),
	XA_FIELD(xen_add_to_physmap, gpfn),
};
static const struct xa_field batch[] = {
	XA_FIELD(xen_add_to_physmap_batch, domid), XA_FIELD(xen_add_to_physmap_batch, space),
	XA_FIELD(xen_add_to_physmap_batch, size), XA_FIELD(xen_add_to_physmap_batch, foreign_domid),
	XA_FIELD(xen_add_to_physmap_batch, idxs), XA_FIELD(xen_add_to_physmap_batch, gpfns),
	XA_FIELD(xen_add_to_physmap_batch, errs),
};
static const struct xa_field remove_fields[] = {
	XA_FIELD(xen_remove_from_physmap, domid), XA_FIELD(xen_remove_from_physmap, gpfn),
};
static const struct xa_field memory_map[] = {
	XA_FIELD(xen_memory_map, nr_entries), XA_FIELD(xen_memory_map, buffer),
};
static const struct xa_field resource[] = {
	XA_FIELD(xen_mem_acquire_resource, domid), XA_FIELD(xen_mem_acquire_resource, type),
	XA_FIELD(xen_mem_acquire_resource, id), XA_FIELD(xen_mem_acquire_resource, nr_frames),
	XA_FIELD(xen_mem_acquire_resource, pad), XA_FIELD(xen_mem_acquire_resource, frame),
	XA_FIELD(xen_mem_acquire_resource, frame_list),
};

static const struct xa_op ops[] = {
	[XENMEM_increase_reservation] = { "increase_reservation", xenmem_increase_reservation,
		XA_ARG2(xen_memory_reservation, reservation), .dir = XA_IN },
	[XENMEM_decrease_reservation] = { "decrease_reservation", xenmem_decrease_reservation,
		XA_ARG2(xen_memory_reservation, reservation), .dir = XA_IN },
	[XENMEM_maximum_ram_page] = { "maximum_ram_page", xenmem_maximum_ram_page },
	[XENMEM_current_reservation] = { "current_reservation", xenmem_current_reservation,
		XA_ARG(xen_memory_domain), .dir = XA_IN },
	[XENMEM_maximum_reservation] = { "maximum_reservation", xenmem_maximum_reservation,
		XA_ARG(xen_memory_domain), .dir = XA_IN },
	[XENMEM_machphys_mfn_list] = { "machphys_mfn_list" },
	[XENMEM_populate_physmap] = { "populate_physmap", xenmem_populate_physmap,
		XA_ARG2(xen_memory_reservation, reservation), .dir = XA_IN },
	[XENMEM_add_to_physmap] = { "add_to_physmap", xenmem_add_to_physmap,
		XA_ARG2(xen_add_to_physmap, physmap), .dir = XA_IN },
	[XENMEM_memory_map] = { "memory_map", xenmem_memory_map,
		XA_ARG2(xen_memory_map, memory_map), .dir = XA_INOUT },
	[XENMEM_machine_memory_map] = { "machine_memory_map" },
	[XENMEM_exchange] = { "exchange", .err = -EOPNOTSUPP },
	[XENMEM_machphys_mapping] = { "machphys_mapping" },
	[XENMEM_set_memory_map] = { "set_memory_map", .err = -EPERM },
	[XENMEM_maximum_gpfn] = { "maximum_gpfn", xenmem_maximum_gpfn,
		XA_ARG(xen_memory_domain), .dir = XA_IN },
	[XENMEM_remove_from_physmap] = { "remove_from_physmap", xenmem_remove_from_physmap,
		XA_ARG2(xen_remove_from_physmap, remove_fields), .dir = XA_IN },
	[XENMEM_set_pod_target] = { "set_pod_target", .err = -EPERM },
	[XENMEM_get_pod_target] = { "get_pod_target", .err = -EPERM },
	[XENMEM_get_sharing_freed_pages] = { "get_sharing_freed_pages" },
	[XENMEM_get_sharing_shared_pages] = { "get_sharing_shared_pages" },
	[XENMEM_paging_op] = { "paging_op", .err = -EPERM },
	[XENMEM_access_op] = { "access_op", .err = -EPERM },
	[XENMEM_sharing_op] = { "sharing_op", .err = -EPERM },
	[XENMEM_add_to_physmap_batch] = { "add_to_physmap_batch", xenmem_add_to_physmap_batch,
		XA_ARG2(xen_add_to_physmap_batch, batch), .dir = XA_IN },
	[XENMEM_claim_pages] = { "claim_pages", .err = -EPERM },
	[XENMEM_machphys_compat_mfn_list] = { "machphys_compat_mfn_list" },
	[XENMEM_get_vnumainfo] = { "get_vnumainfo", xenmem_get_vnumainfo,
		XA_ARG(xen_vnuma_topology_info), .dir = XA_IN },
	[XENMEM_reserved_device_memory_map] = { "reserved_device_memory_map" },
	[XENMEM_acquire_resource] = { "acquire_resource", xenmem_acquire_resource,
		XA_ARG2(xen_mem_acquire_resource, resource), .dir = XA_IN },
};

/* ABI: Xen answers reservations whose argument it cannot read with the extent it stands at */
static int64_t fault(const struct xa_call *call)
{
	uint64_t op = call->arg[0] & MEMOP_CMD_MASK;

	return op == XENMEM_increase_reservation || op == XENMEM_decrease_reservation ||
			       op == XENMEM_populate_physmap ?
		       start_extent(call) :
		       -EFAULT;
}

const struct xa_family xa_memory_ops = {
	ops, DOM_ARRAY_LEN(ops), .op_mask = MEMOP_CMD_MASK, .arg = 1, .fault = fault,
};
