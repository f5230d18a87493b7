// SPDX-License-Identifier: MIT
/*
 * grant_table_op: lists of operations on grants. The guest has no other domain whose pages it
 * could map, so mapping fails as Xen fails it for references that do not exist; copying within
 * the domain works, and a PV guest may map its own grants.
 *   ABI: xen/include/public/grant_table.h
 *
 * Problems with one operation are a GNTST_* in its status field; the hypercall itself fails only
 * for arguments that cannot be read or written.
 */
#include <string.h>

#include "xenabi/grant_table.h"
#include "xenabi/memory.h"
#include "domicile/base/num.h"

#include "priv.h"

/* GNTST_* for naming domain @id where only the guest itself makes sense. */
static int16_t self_status(const struct xa_domain *d, domid_t id)
{
	switch (xa_check_self(d, id)) {
	case 0:
		return GNTST_okay;
	case -EPERM:
		return GNTST_permission_denied;
	default:
		return GNTST_bad_domain;
	}
}

static int64_t gnttabop_map_grant_ref(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_map_grant_ref *a = arg;

	(void)call;
	if (!(a->flags & (GNTMAP_device_map | GNTMAP_host_map)))
		a->status = GNTST_bad_gntref;
	else if (a->dom == 0)
		a->status = GNTST_bad_gntref;	/* domain 0 grants nothing */
	else if (a->dom != v->d->cfg.domid)
		a->status = GNTST_bad_domain;
	else if (v->d->cfg.pv)
		a->status = xa_gntmap(v, a);
	else
		a->status = GNTST_general_error;	/* its own pages are mapped already */
	return 0;
}

static int64_t gnttabop_unmap_grant_ref(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_unmap_grant_ref *a = arg;

	(void)call;
	a->status = v->d->cfg.pv ? xa_gntunmap(v, a) : GNTST_bad_handle;
	return 0;
}

/*
 * Where the guest sees frame @idx, see xa_gnttab_map(): a PVH guest chose the place, a PV guest asks
 * for it here. -ENOMEM
 */
static int frame_gfn(struct xa_domain *d, const struct xa_grant_frame *f, uint64_t idx,
		     uint64_t *ret_gfn)
{
	xa_lock(&d->gnt_lock);
	*ret_gfn = f->gfn;
	xa_unlock(&d->gnt_lock);
	return d->cfg.pv && *ret_gfn == UINT64_MAX ? xa_grant_frame_place(d, idx, ret_gfn) : 0;
}

static int64_t gnttabop_setup_table(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_setup_table_64 *a = arg;
	struct xa_domain *d = v->d;

	a->status = self_status(d, a->dom);
	if (a->status != GNTST_okay)
		return 0;
	if (a->nr_frames > d->cfg.max_grant_frames || xa_gnttab_grow(d, a->nr_frames)) {
		a->status = GNTST_general_error;
		return 0;
	}
	for (unsigned i = 0; i < a->nr_frames; i++) {
		uint64_t gfn;

		if (frame_gfn(d, &d->frames[i], i, &gfn))
			return -ENOMEM;
		if (xa_put_ulong(v, xa_is_32(call), a->frame_list, i, gfn))
			return -EFAULT;
	}
	return 0;
}

/* The list has 64-bit numbers for 32-bit guests, too. */
static int64_t gnttabop_get_status_frames(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_get_status_frames_64 *a = arg;
	struct xa_domain *d = v->d;
	unsigned have;

	(void)call;
	a->status = self_status(d, a->dom);
	if (a->status != GNTST_okay)
		return 0;
	xa_lock(&d->gnt_lock);
	have = d->gnt_abi->version == 2 ? XA_GRANT_PLACES(d->nr_frames) - d->nr_frames : 0;
	xa_unlock(&d->gnt_lock);
	if (a->nr_frames > have) {
		a->status = GNTST_general_error;
		return 0;
	}
	for (unsigned i = 0; i < a->nr_frames; i++) {
		uint64_t gfn;

		if (frame_gfn(d, &d->status_frames[i], XENMAPIDX_grant_table_status | i, &gfn))
			return -ENOMEM;
		if (xa_put_ulong(v, false, a->frame_list, i, gfn))
			a->status = GNTST_bad_virt_addr;
	}
	return 0;
}

/* One side of a copy: its page, pinned if it is a grant, and the part of it that may be used. */
struct side {
	uint8_t *page;
	bool pinned;
	unsigned begin, end;
};

/* gnt_lock held. */
static int16_t copy_side(struct xa_domain *d, const struct gnttab_copy_ptr_64 *ptr, bool is_ref,
			 bool write, struct side *ret)
{
	grant_ref_t ref = (grant_ref_t)ptr->ptr;
	const struct xa_grant_use *part;
	void *page;

	if (!is_ref) {
		if (ptr->domid != DOMID_SELF && ptr->domid != d->cfg.domid)
			return GNTST_permission_denied;
		*ret = (struct side){ xa_page_of(d, ptr->ptr), false, 0, XEN_PAGE_SIZE };
		return ret->page ? GNTST_okay : GNTST_bad_page;
	}
	if (ptr->domid == 0)
		return GNTST_bad_gntref;	/* domain 0 grants nothing */
	if (xa_check_self(d, ptr->domid))
		return GNTST_bad_domain;
	if (!xa_gnttab_has(d, ref))
		return GNTST_bad_gntref;
	switch (xa_gnttab_pin(d, ref, d->cfg.domid, write, &page, &part)) {
	case 0:
		*ret = (struct side){ page, true, part->offset, part->offset + part->length };
		return GNTST_okay;
	case -EFAULT:
		return GNTST_bad_page;
	default:
		return GNTST_general_error;
	}
}

static bool within(const struct side *s, unsigned offset, unsigned len)
{
	return offset >= s->begin && offset + len <= s->end;
}

/* Through a buffer: both sides are shared memory and may overlap. */
static void copy_bytes(uint8_t *to, const uint8_t *from, unsigned len)
{
	uint8_t buf[256];

	for (unsigned done = 0; done < len;) {
		unsigned n = DOM_MIN((unsigned)sizeof(buf), len - done);

		dom_copy_once(buf, from + done, n);
		memcpy(to + done, buf, n);
		done += n;
	}
}

/* gnt_lock held. */
static int16_t copy_one(struct xa_domain *d, const struct gnttab_copy_64 *a)
{
	struct side from = { 0 }, to = { 0 };
	int16_t status;

	status = copy_side(d, &a->source, a->flags & GNTCOPY_source_gref, false, &from);
	if (status == GNTST_okay)
		status = copy_side(d, &a->dest, a->flags & GNTCOPY_dest_gref, true, &to);
	if (status == GNTST_okay && (!within(&from, a->source.offset, a->len) ||
				     !within(&to, a->dest.offset, a->len)))
		status = GNTST_general_error;
	if (status == GNTST_okay)
		copy_bytes(to.page + a->dest.offset, from.page + a->source.offset, a->len);
	if (to.pinned)
		xa_gnttab_unpin(d, (grant_ref_t)a->dest.ptr, true);
	if (from.pinned)
		xa_gnttab_unpin(d, (grant_ref_t)a->source.ptr, false);
	return status;
}

static int64_t gnttabop_copy(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_copy_64 *a = arg;

	(void)call;
	if (a->source.offset + a->len > XEN_PAGE_SIZE || a->dest.offset + a->len > XEN_PAGE_SIZE) {
		a->status = GNTST_bad_copy_arg;
		return 0;
	}
	xa_lock(&v->d->gnt_lock);
	a->status = copy_one(v->d, a);
	xa_unlock(&v->d->gnt_lock);
	return 0;
}

static int64_t gnttabop_query_size(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_query_size *a = arg;

	(void)call;
	a->status = self_status(v->d, a->dom);
	if (a->status != GNTST_okay)
		return 0;
	xa_lock(&v->d->gnt_lock);
	a->nr_frames = v->d->nr_frames;
	xa_unlock(&v->d->gnt_lock);
	a->max_nr_frames = v->d->cfg.max_grant_frames;
	return 0;
}

static unsigned version_now(struct xa_domain *d)
{
	unsigned version;

	xa_lock(&d->gnt_lock);
	version = d->gnt_abi->version;
	xa_unlock(&d->gnt_lock);
	return version;
}

/* The argument tells the version in any case. Where version 2 is off: as with Xen's gnttab=max-ver:1. */
static int64_t gnttabop_set_version(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_set_version *a = arg;
	int err;

	(void)call;
	if (a->version != 1 && a->version != 2)
		err = -EINVAL;
	else if (a->version == 2 && !v->d->cfg.grant_v2)
		err = -ENOSYS;
	else
		err = xa_gnttab_set_version(v->d, a->version);
	a->version = version_now(v->d);
	return err;
}

static int64_t gnttabop_get_version(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_get_version *a = arg;

	(void)call;
	a->version = version_now(v->d);
	return xa_check_self(v->d, a->dom);
}

static int64_t gnttabop_swap_grant_ref(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	struct gnttab_swap_grant_ref *a = arg;

	(void)call;
	xa_lock(&v->d->gnt_lock);
	a->status = (int16_t)xa_gnttab_swap(v->d, a->ref_a, a->ref_b);
	xa_unlock(&v->d->gnt_lock);
	return 0;
}

static const struct xa_field setup_table[] = {
	XA_FIELD(gnttab_setup_table, dom), XA_FIELD(gnttab_setup_table, nr_frames),
	XA_FIELD(gnttab_setup_table, status), XA_FIELD(gnttab_setup_table, frame_list),
};
static const struct xa_field get_status_frames[] = {
	XA_FIELD(gnttab_get_status_frames, nr_frames), XA_FIELD(gnttab_get_status_frames, dom),
	XA_FIELD(gnttab_get_status_frames, status), XA_FIELD(gnttab_get_status_frames, frame_list),
};
static const struct xa_field copy[] = {
	XA_FIELD(gnttab_copy, source.ptr), XA_FIELD(gnttab_copy, source.domid),
	XA_FIELD(gnttab_copy, source.offset), XA_FIELD(gnttab_copy, dest.ptr),
	XA_FIELD(gnttab_copy, dest.domid), XA_FIELD(gnttab_copy, dest.offset),
	XA_FIELD(gnttab_copy, len), XA_FIELD(gnttab_copy, flags), XA_FIELD(gnttab_copy, status),
};

/* ABI: those without a handler are refused to PVH guests by xen/arch/x86/hvm/hypercall.c */
static const struct xa_op ops[] = {
	[GNTTABOP_map_grant_ref] = { "map_grant_ref", gnttabop_map_grant_ref,
		XA_ARG(gnttab_map_grant_ref), .dir = XA_INOUT },
	[GNTTABOP_unmap_grant_ref] = { "unmap_grant_ref", gnttabop_unmap_grant_ref,
		XA_ARG(gnttab_unmap_grant_ref), .dir = XA_INOUT },
	[GNTTABOP_setup_table] = { "setup_table", gnttabop_setup_table,
		XA_ARG2(gnttab_setup_table, setup_table), .dir = XA_INOUT },
	[GNTTABOP_dump_table] = { "dump_table" },
	[GNTTABOP_transfer] = { "transfer" },
	[GNTTABOP_copy] = { "copy", gnttabop_copy, XA_ARG2(gnttab_copy, copy), .dir = XA_INOUT },
	[GNTTABOP_query_size] = { "query_size", gnttabop_query_size,
		XA_ARG(gnttab_query_size), .dir = XA_INOUT },
	[GNTTABOP_unmap_and_replace] = { "unmap_and_replace" },
	[GNTTABOP_set_version] = { "set_version", gnttabop_set_version,
		XA_ARG(gnttab_set_version), .dir = XA_INOUT | XA_ALWAYS },
	[GNTTABOP_get_status_frames] = { "get_status_frames", gnttabop_get_status_frames,
		XA_ARG2(gnttab_get_status_frames, get_status_frames), .dir = XA_INOUT },
	[GNTTABOP_get_version] = { "get_version", gnttabop_get_version,
		XA_ARG(gnttab_get_version), .dir = XA_INOUT },
	[GNTTABOP_swap_grant_ref] = { "swap_grant_ref", gnttabop_swap_grant_ref,
		XA_ARG(gnttab_swap_grant_ref), .dir = XA_INOUT },
	[GNTTABOP_cache_flush] = { "cache_flush" },
};

/* Operations that take one argument, not a list. ABI: count must be 1 */
static bool takes_list(uint64_t op)
{
	return op == GNTTABOP_map_grant_ref || op == GNTTABOP_unmap_grant_ref ||
	       op == GNTTABOP_copy || op == GNTTABOP_swap_grant_ref;
}

int64_t xa_grant_table_op(struct xa_vcpu *v, const struct xa_call *call, const struct xa_family *f)
{
	uint64_t nr = call->arg[0], at = call->arg[1];
	uint32_t count = (uint32_t)call->arg[2];
	_Alignas(8) uint8_t arg[64];
	const struct xa_op *op;
	uint64_t stride;

	if (nr >= f->nr_ops || !f->ops[nr].fn)
		return -ENOSYS;
	op = &f->ops[nr];
	if ((int32_t)count < 0 || (!takes_list(nr) && count != 1))
		return -EINVAL;
	if (count > XA_MAX_BATCH)
		return -E2BIG;
	stride = xa_is_32(call) && op->size32 ? op->size32 : op->size64;
	for (uint32_t i = 0; i < count; i++) {
		int64_t ret;

		if (!xa_spend(v, 1))
			return -E2BIG;
		if (xa_arg_in(v, op, xa_is_32(call), at, arg))
			return -EFAULT;
		ret = op->fn(v, call, arg);
		if ((ret >= 0 || (op->dir & XA_ALWAYS)) &&
		    xa_arg_out(v, op, xa_is_32(call), at, arg))
			return -EFAULT;
		if (ret < 0)
			return ret;
		if (!dom_add_u64(at, stride, &at))
			return -EFAULT;
	}
	return 0;
}

const struct xa_family xa_grant_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 1 };
