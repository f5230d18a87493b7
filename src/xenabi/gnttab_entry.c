// SPDX-License-Identifier: MIT
/*
 * The two versions of grant table entries, as a whole; how one is used is in gnttab_use.c.
 *   ABI: xen/include/public/grant_table.h; gnttab_set_version in xen/common/grant_table.c
 */
#include "xenabi/grant_table.h"

#include "priv.h"

/* ---- version 1 ---- */

static int v1_get(const struct xa_grant_entry *e, struct grant_entry_v1 *ret)
{
	dom_copy_once(ret, e->shared, sizeof(*ret));
	return 0;
}

static void v1_put(const struct xa_grant_entry *e, const struct grant_entry_v1 *v)
{
	dom_copy_once(e->shared, v, sizeof(*v));
}

static void v1_swap(const struct xa_grant_entry *a, const struct xa_grant_entry *b)
{
	struct grant_entry_v1 copy;

	dom_copy_once(&copy, a->shared, sizeof(copy));
	dom_copy_once(a->shared, b->shared, sizeof(copy));
	dom_copy_once(b->shared, &copy, sizeof(copy));
}

const struct xa_gnttab_abi xa_gnttab_v1 = {
	.version = 1,
	.get = v1_get, .put = v1_put, .swap = v1_swap,
};

/* ---- version 2 ---- */

static int v2_get(const struct xa_grant_entry *e, struct grant_entry_v1 *ret)
{
	union grant_entry_v2 copy;
	unsigned type;

	dom_copy_once(&copy, e->shared, sizeof(copy));
	type = copy.hdr.flags & GTF_type_mask;
	if (type == GTF_transitive || (type == GTF_permit_access && copy.full_page.frame >> 32))
		return -ERANGE;
	*ret = (struct grant_entry_v1){ 0 };
	if (type == GTF_permit_access) {
		ret->flags = copy.hdr.flags | (DOM_LOAD(e->status) & XA_GRANT_IN_USE);
		ret->domid = copy.hdr.domid;
		ret->frame = (uint32_t)copy.full_page.frame;
	}
	return 0;
}

static void v2_put(const struct xa_grant_entry *e, const struct grant_entry_v1 *v)
{
	union grant_entry_v2 copy = { .full_page = {
		.hdr = { v->flags & (uint16_t)~XA_GRANT_IN_USE, v->domid }, .frame = v->frame } };

	dom_copy_once(e->shared, &copy, sizeof(copy));
	DOM_STORE(e->status, v->flags & XA_GRANT_IN_USE);
}

static void v2_swap(const struct xa_grant_entry *a, const struct xa_grant_entry *b)
{
	grant_status_t status = DOM_LOAD(a->status);
	union grant_entry_v2 copy;

	dom_copy_once(&copy, a->shared, sizeof(copy));
	dom_copy_once(a->shared, b->shared, sizeof(copy));
	dom_copy_once(b->shared, &copy, sizeof(copy));
	DOM_STORE(a->status, DOM_LOAD(b->status));
	DOM_STORE(b->status, status);
}

const struct xa_gnttab_abi xa_gnttab_v2 = {
	.version = 2,
	.get = v2_get, .put = v2_put, .swap = v2_swap,
};
