// SPDX-License-Identifier: MIT
/*
 * The two versions of grant table entries.
 *
 * Version 1 has an entry's flags and domain id in a 32-bit word. To use a grant we set the in-use flags
 * in that word, by compare-and-swap against the word that was checked: a guest that revokes the grant
 * at the same moment either sees the flags or makes our swap fail.
 *
 * Version 2 has the in-use flags in a status frame apart. We set them there, then look at the entry
 * again; a guest that revokes a grant clears the entry, then looks at the status. One of the two sees
 * what the other did. An entry may grant a part of a page, which only a copy can respect: it is
 * refused to those who map. Or it passes on what another domain granted; there is no other domain
 * whose grants could be passed on, so it leads nowhere.
 *   ABI: xen/include/public/grant_table.h; _set_status_v1, _set_status_v2, acquire_grant_for_copy and
 *   gnttab_set_version in xen/common/grant_table.c
 */
#include "xenabi/grant_table.h"

#include "priv.h"

/* Attempts against a guest that keeps changing an entry. */
#define TAKE_TRIES 5

#define IN_USE (GTF_reading | GTF_writing)

/* The word with an entry's flags (low half) and domain id. */
static uint32_t *header_word(const struct xa_grant_entry *e)
{
	return e->shared;
}

/* May @by use a grant with this header? */
static int check_header(uint32_t header, domid_t by, bool write, bool part)
{
	uint32_t mask = GTF_type_mask | (part ? 0 : GTF_sub_page);

	if ((header & mask) != GTF_permit_access || header >> 16 != by)
		return -EINVAL;
	return write && (header & GTF_readonly) ? -EACCES : 0;
}

static uint16_t use_flags(bool write)
{
	return GTF_reading | (write ? GTF_writing : 0);
}

/* ---- version 1 ---- */

static int v1_take(const struct xa_grant_entry *e, domid_t by, bool write, bool part)
{
	uint32_t old = DOM_LOAD_ACQUIRE(header_word(e));

	for (unsigned i = 0; i < TAKE_TRIES; i++) {
		int err = check_header(old, by, write, part);

		if (err)
			return err;
		if (__atomic_compare_exchange_n(header_word(e), &old, old | use_flags(write), false,
						__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return 0;
	}
	return -EINVAL;
}

static void v1_clear(const struct xa_grant_entry *e, uint16_t keep)
{
	__atomic_fetch_and(header_word(e), ~(uint32_t)IN_USE | keep, __ATOMIC_SEQ_CST);
}

static void v1_where(const struct xa_grant_entry *e)
{
	const struct grant_entry_v1 *shared = e->shared;

	e->use->frame = DOM_LOAD(&shared->frame);
	e->use->offset = 0;
	e->use->length = XEN_PAGE_SIZE;
}

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
	.version = 1, .shift = 9,
	.take = v1_take, .clear = v1_clear, .where = v1_where,
	.get = v1_get, .put = v1_put, .swap = v1_swap,
};

/* ---- version 2 ---- */

static void v2_clear(const struct xa_grant_entry *e, uint16_t keep)
{
	__atomic_fetch_and(e->status, (uint16_t)(~IN_USE | keep), __ATOMIC_SEQ_CST);
}

static int v2_take(const struct xa_grant_entry *e, domid_t by, bool write, bool part)
{
	const struct xa_grant_use *use = e->use;
	int err = check_header(DOM_LOAD_ACQUIRE(header_word(e)), by, write, part);

	if (err)
		return err;
	__atomic_fetch_or(e->status, use_flags(write), __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	err = check_header(DOM_LOAD_ACQUIRE(header_word(e)), by, write, part);
	if (err)
		v2_clear(e, use->writers ? IN_USE : use->readers ? GTF_reading : 0);
	return err;
}

static void v2_where(const struct xa_grant_entry *e)
{
	union grant_entry_v2 copy;

	dom_copy_once(&copy, e->shared, sizeof(copy));
	e->use->frame = copy.full_page.frame;	/* of a part of a page it is in the same place */
	e->use->offset = 0;
	e->use->length = XEN_PAGE_SIZE;
	if (copy.hdr.flags & GTF_sub_page) {
		e->use->offset = copy.sub_page.page_off;
		e->use->length = copy.sub_page.length;
	}
}

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
		ret->flags = copy.hdr.flags | (DOM_LOAD(e->status) & IN_USE);
		ret->domid = copy.hdr.domid;
		ret->frame = (uint32_t)copy.full_page.frame;
	}
	return 0;
}

static void v2_put(const struct xa_grant_entry *e, const struct grant_entry_v1 *v)
{
	union grant_entry_v2 copy = { .full_page = {
		.hdr = { v->flags & (uint16_t)~IN_USE, v->domid }, .frame = v->frame } };

	dom_copy_once(e->shared, &copy, sizeof(copy));
	DOM_STORE(e->status, v->flags & IN_USE);
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
	.version = 2, .shift = 8,
	.take = v2_take, .clear = v2_clear, .where = v2_where,
	.get = v2_get, .put = v2_put, .swap = v2_swap,
};
