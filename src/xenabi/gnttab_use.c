// SPDX-License-Identifier: MIT
/*
 * The use that back ends make of grants.
 *
 * How often each grant is used, and for which page, is kept out of the guest's reach; the in-use flags
 * that the guest sees go away with the last use.
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
 *
 * A disk's 128 KiB are 32 grants, which are taken and given back one by one: what that costs is most of
 * what a back end computes. So all of it is compiled once for each version, into the loops at the end.
 *   ABI: xen/include/public/grant_table.h; _set_status_v1, _set_status_v2 and acquire_grant_for_copy in
 *   xen/common/grant_table.c
 */
#include "xenabi/grant_table.h"

#include "priv.h"

/* Attempts against a guest that keeps changing an entry. */
#define TAKE_TRIES 5

/* The word with an entry's flags (low half) and domain id. */
static inline uint32_t *header_word(const struct xa_grant_entry *e)
{
	return e->shared;
}

/* May @by use a grant with this header? */
static DOM_ALWAYS_INLINE int check_header(uint32_t header, domid_t by, bool write, bool part)
{
	uint32_t mask = GTF_type_mask | (part ? 0 : GTF_sub_page);

	if ((header & mask) != GTF_permit_access || header >> 16 != by)
		return -EINVAL;
	return write && (header & GTF_readonly) ? -EACCES : 0;
}

static inline uint16_t use_flags(bool write)
{
	return GTF_reading | (write ? GTF_writing : 0);
}

static inline bool in_use(const struct xa_grant_use *use)
{
	return use->readers || use->writers;
}

/* The in-use flags that so much use accounts for. */
static inline uint16_t flags_for(unsigned readers, unsigned writers)
{
	return (writers ? GTF_writing : 0) | (readers || writers ? GTF_reading : 0);
}

static inline uint16_t flags_of(const struct xa_grant_use *use)
{
	return flags_for(use->readers, use->writers);
}

/* Clear all in-use flags but those in @keep. */
static DOM_ALWAYS_INLINE void clear(const struct xa_grant_entry *e, unsigned version, uint16_t keep)
{
	if (version == 1)
		__atomic_fetch_and(header_word(e), ~(uint32_t)XA_GRANT_IN_USE | keep, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(e->status, (uint16_t)(~XA_GRANT_IN_USE | keep), __ATOMIC_SEQ_CST);
}

static DOM_ALWAYS_INLINE int v1_take(const struct xa_grant_entry *e, domid_t by, bool write, bool part)
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

static DOM_ALWAYS_INLINE int v2_take(const struct xa_grant_entry *e, domid_t by, bool write, bool part)
{
	int err = check_header(DOM_LOAD_ACQUIRE(header_word(e)), by, write, part);

	if (err)
		return err;
	__atomic_fetch_or(e->status, use_flags(write), __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	err = check_header(DOM_LOAD_ACQUIRE(header_word(e)), by, write, part);
	if (err)
		clear(e, 2, flags_of(e->use));
	return err;
}

/* What the entry grants now, into frame, offset and length of e->use. */
static inline void v1_where(const struct xa_grant_entry *e)
{
	const struct grant_entry_v1 *shared = e->shared;

	e->use->frame = DOM_LOAD(&shared->frame);
	e->use->offset = 0;
	e->use->length = XEN_PAGE_SIZE;
}

static inline void v2_where(const struct xa_grant_entry *e)
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

/* See xa_gnttab_pin(); @part: a grant of a part of a page will do, which is e->use then. */
static DOM_ALWAYS_INLINE int pin(struct xa_domain *d, unsigned version, grant_ref_t ref, domid_t by,
				 bool write, bool part, void **ret_page, struct xa_grant_entry *e)
{
	void *page;
	int err;

	if (!xa_grant_entry(d, version, ref, e) || e->use->readers == UINT16_MAX ||
	    e->use->writers == UINT16_MAX)
		return -EINVAL;
	err = version == 1 ? v1_take(e, by, write, part) : v2_take(e, by, write, part);
	if (err)
		return err;
	/* A grant in use stays the page that it was at first, whatever the entry says. */
	if (!in_use(e->use))
		(version == 1 ? v1_where : v2_where)(e);
	page = xa_page_of(d, e->use->frame);
	/* The entry may have shrunk to a part of a page after it was checked. */
	if (version == 2 && page && !part && e->use->length != XEN_PAGE_SIZE)
		err = -EINVAL;
	if (DOM_UNLIKELY(!page || err)) {
		clear(e, version, flags_of(e->use));
		return page ? err : -EFAULT;
	}
	if (write)
		e->use->writers++;
	else
		e->use->readers++;
	*ret_page = page;
	return 0;
}

static DOM_ALWAYS_INLINE void unpin(struct xa_domain *d, unsigned version, grant_ref_t ref, bool write)
{
	struct xa_grant_entry e;
	unsigned readers, writers;

	if (!xa_grant_entry(d, version, ref, &e))
		return;
	/* Not read again once one is written: a processor waits for a half of what it reads as a whole. */
	readers = e.use->readers;
	writers = e.use->writers;
	if (!(write ? writers : readers))
		return;
	if (write)
		e.use->writers = (uint16_t)--writers;
	else
		e.use->readers = (uint16_t)--readers;
	clear(&e, version, flags_for(readers, writers));
}

static DOM_ALWAYS_INLINE int pin_all(struct xa_domain *d, unsigned version, const grant_ref_t *refs,
				     unsigned n, bool write, void **ret_pages)
{
	struct xa_grant_entry e;
	int first = 0;

	for (unsigned i = 0; i < n; i++) {
		int err = pin(d, version, refs[i], 0, write, false, &ret_pages[i], &e);

		if (err)
			ret_pages[i] = NULL;
		first = first ? first : err;
	}
	return first;
}

static DOM_ALWAYS_INLINE void unpin_all(struct xa_domain *d, unsigned version, const grant_ref_t *refs,
					unsigned n, bool write)
{
	for (unsigned i = 0; i < n; i++)
		unpin(d, version, refs[i], write);
}

int xa_gnttab_pin(struct xa_domain *d, grant_ref_t ref, domid_t by, bool write, void **ret_page,
		  const struct xa_grant_use **ret_part)
{
	struct xa_grant_entry e;
	bool part = ret_part != NULL;
	int err = d->gnt_abi->version == 1 ? pin(d, 1, ref, by, write, part, ret_page, &e) :
					     pin(d, 2, ref, by, write, part, ret_page, &e);

	if (!err && part)
		*ret_part = e.use;
	return err;
}

void xa_gnttab_unpin(struct xa_domain *d, grant_ref_t ref, bool write)
{
	unpin(d, d->gnt_abi->version, ref, write);
}

uint64_t xa_gnttab_frame(struct xa_domain *d, grant_ref_t ref)
{
	struct xa_grant_entry e;

	return xa_grant_entry(d, d->gnt_abi->version, ref, &e) ? e.use->frame : 0;
}

int xa_gnttab_swap(struct xa_domain *d, grant_ref_t a, grant_ref_t b)
{
	unsigned version = d->gnt_abi->version;
	struct xa_grant_entry ea, eb;

	if (!xa_grant_entry(d, version, a, &ea) || !xa_grant_entry(d, version, b, &eb))
		return GNTST_bad_gntref;
	if (in_use(ea.use) || in_use(eb.use))
		return GNTST_eagain;
	if (a != b)
		d->gnt_abi->swap(&ea, &eb);
	return GNTST_okay;
}

int xa_grant_map(struct xa_domain *d, grant_ref_t ref, bool write, void **ret_page)
{
	int err;

	xa_lock(&d->gnt_lock);
	err = xa_gnttab_pin(d, ref, 0, write, ret_page, NULL);
	xa_unlock(&d->gnt_lock);
	return err;
}

void xa_grant_unmap(struct xa_domain *d, grant_ref_t ref, bool write)
{
	xa_lock(&d->gnt_lock);
	xa_gnttab_unpin(d, ref, write);
	xa_unlock(&d->gnt_lock);
}

int xa_grants_map(struct xa_domain *d, const grant_ref_t *refs, unsigned n, bool write,
		  void **ret_pages)
{
	int err;

	xa_lock(&d->gnt_lock);
	err = d->gnt_abi->version == 1 ? pin_all(d, 1, refs, n, write, ret_pages) :
					 pin_all(d, 2, refs, n, write, ret_pages);
	xa_unlock(&d->gnt_lock);
	return err;
}

void xa_grants_unmap(struct xa_domain *d, const grant_ref_t *refs, unsigned n, bool write)
{
	xa_lock(&d->gnt_lock);
	if (d->gnt_abi->version == 1)
		unpin_all(d, 1, refs, n, write);
	else
		unpin_all(d, 2, refs, n, write);
	xa_unlock(&d->gnt_lock);
}
