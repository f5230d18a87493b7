// SPDX-License-Identifier: MIT
/*
 * The grant table: frames of version 1 entries that the guest maps where it likes, and the use that
 * back ends make of its grants.
 *
 * An entry's flags and domain id share a 32-bit word. To use a grant we set the in-use flags in
 * that word, by compare-and-swap against the word that was checked: a guest that revokes the grant
 * at the same moment either sees the flags or makes our swap fail. How often each grant is used,
 * and for which page, is kept here; the flags go away with the last use.
 */
#include <stdlib.h>
#include <string.h>

#include "xenabi/grant_table.h"

#include "priv.h"

/* Attempts against a guest that keeps changing an entry. */
#define PIN_TRIES 5

int xa_gnttab_init(struct xa_domain *d)
{
	d->frames = calloc(d->cfg.max_grant_frames, sizeof(*d->frames));
	if (!d->frames)
		return -ENOMEM;
	d->nr_frames = 1;
	for (unsigned i = 0; i < d->cfg.max_grant_frames; i++)
		d->frames[i].gfn = UINT64_MAX;
	return 0;
}

static void frame_fini(struct xa_grant_frame *f)
{
	if (f->is_private)
		free(f->page);
	free(f->use);
	*f = (struct xa_grant_frame){ .gfn = UINT64_MAX };
}

void xa_gnttab_reset(struct xa_domain *d)
{
	xa_lock(&d->gnt_lock);
	for (unsigned i = 0; i < d->cfg.max_grant_frames; i++)
		frame_fini(&d->frames[i]);
	d->nr_frames = 1;
	xa_unlock(&d->gnt_lock);
}

void xa_gnttab_fini(struct xa_domain *d)
{
	for (unsigned i = 0; d->frames && i < d->cfg.max_grant_frames; i++)
		frame_fini(&d->frames[i]);
	free(d->frames);
	d->frames = NULL;
}

/* The entries that a toolstack makes before the guest starts: its two rings. */
static void seed_reserved(const struct xa_domain *d, struct grant_entry_v1 *table)
{
	table[GNTTAB_RESERVED_CONSOLE] = (struct grant_entry_v1){
		.flags = GTF_permit_access, .frame = (uint32_t)d->cfg.console_gfn.v };
	table[GNTTAB_RESERVED_XENSTORE] = (struct grant_entry_v1){
		.flags = GTF_permit_access, .frame = (uint32_t)d->cfg.store_gfn.v };
}

int xa_gnttab_map(struct xa_domain *d, uint64_t idx, uint64_t gfn, void *page)
{
	struct xa_grant_frame *f;
	int err = -EINVAL;

	xa_lock(&d->gnt_lock);
	if (idx >= d->cfg.max_grant_frames)
		goto out;
	f = &d->frames[idx];
	err = -ENOMEM;
	if (!f->use)
		f->use = calloc(XA_GRANTS_PER_FRAME, sizeof(*f->use));
	if (!f->use)
		goto out;
	err = 0;
	if (f->page == page)
		goto out;
	if (f->page) {
		dom_copy_once(page, f->page, XEN_PAGE_SIZE);
	} else {
		memset(page, 0, XEN_PAGE_SIZE);
		if (idx == 0)
			seed_reserved(d, page);
	}
	if (f->is_private)
		free(f->page);
	f->page = page;
	f->gfn = gfn;
	f->is_private = false;
	if (idx >= d->nr_frames)
		d->nr_frames = (unsigned)idx + 1;
out:
	xa_unlock(&d->gnt_lock);
	return err;
}

int xa_gnttab_unmap(struct xa_domain *d, uint64_t gfn)
{
	int err = 0;

	xa_lock(&d->gnt_lock);
	for (unsigned i = 0; i < d->nr_frames && !err; i++) {
		struct xa_grant_frame *f = &d->frames[i];
		void *copy;

		if (f->gfn != gfn)
			continue;
		copy = aligned_alloc(XEN_PAGE_SIZE, XEN_PAGE_SIZE);
		if (!copy) {
			err = -ENOMEM;
			continue;
		}
		dom_copy_once(copy, f->page, XEN_PAGE_SIZE);
		f->page = copy;
		f->gfn = UINT64_MAX;
		f->is_private = true;
	}
	xa_unlock(&d->gnt_lock);
	return err;
}

/* The entry of @ref and its use count; false if the table is not that long. */
static bool entry_of(struct xa_domain *d, grant_ref_t ref, struct grant_entry_v1 **ret_entry,
		     struct xa_grant_use **ret_use)
{
	struct xa_grant_frame *f = &d->frames[ref / XA_GRANTS_PER_FRAME];

	if (ref / XA_GRANTS_PER_FRAME >= d->nr_frames || !f->page)
		return false;
	*ret_entry = (struct grant_entry_v1 *)f->page + ref % XA_GRANTS_PER_FRAME;
	*ret_use = &f->use[ref % XA_GRANTS_PER_FRAME];
	return true;
}

/* The word with an entry's flags (low half) and domain id. */
static uint32_t *entry_word(struct grant_entry_v1 *e)
{
	return (uint32_t *)(void *)e;
}

/* Check the entry for use by @by and set its in-use flags. */
static int set_flags(struct grant_entry_v1 *e, domid_t by, bool write)
{
	uint32_t want = GTF_reading | (write ? GTF_writing : 0);
	uint32_t old = DOM_LOAD_ACQUIRE(entry_word(e));

	for (unsigned i = 0; i < PIN_TRIES; i++) {
		if ((old & GTF_type_mask) != GTF_permit_access || old >> 16 != by)
			return -EINVAL;
		if (write && (old & GTF_readonly))
			return -EACCES;
		if (__atomic_compare_exchange_n(entry_word(e), &old, old | want, false,
						__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return 0;
	}
	return -EINVAL;
}

/* Clear those in-use flags that @use does not account for any more. */
static void clear_flags(struct grant_entry_v1 *e, const struct xa_grant_use *use)
{
	uint32_t keep = (use->writers ? GTF_writing : 0) |
			(use->readers || use->writers ? GTF_reading : 0);

	__atomic_fetch_and(entry_word(e), ~(uint32_t)(GTF_reading | GTF_writing) | keep,
			   __ATOMIC_SEQ_CST);
}

int xa_gnttab_pin(struct xa_domain *d, grant_ref_t ref, domid_t by, bool write, void **ret_page)
{
	struct grant_entry_v1 *e;
	struct xa_grant_use *use;
	uint32_t frame;
	void *page;
	int err;

	if (!entry_of(d, ref, &e, &use) || use->readers == UINT16_MAX || use->writers == UINT16_MAX)
		return -EINVAL;
	err = set_flags(e, by, write);
	if (err)
		return err;
	/* A grant in use stays the page that it was at first, whatever the entry says. */
	frame = use->readers || use->writers ? use->frame : DOM_LOAD(&e->frame);
	page = xa_page_of(d, frame);
	if (!page) {
		clear_flags(e, use);
		return -EFAULT;
	}
	use->frame = frame;
	if (write)
		use->writers++;
	else
		use->readers++;
	*ret_page = page;
	return 0;
}

void xa_gnttab_unpin(struct xa_domain *d, grant_ref_t ref, bool write)
{
	struct grant_entry_v1 *e;
	struct xa_grant_use *use;

	if (!entry_of(d, ref, &e, &use) || !(write ? use->writers : use->readers))
		return;
	if (write)
		use->writers--;
	else
		use->readers--;
	clear_flags(e, use);
}

int xa_gnttab_swap(struct xa_domain *d, grant_ref_t a, grant_ref_t b)
{
	struct grant_entry_v1 *ea, *eb, copy;
	struct xa_grant_use *ua, *ub;

	if (!entry_of(d, a, &ea, &ua) || !entry_of(d, b, &eb, &ub))
		return GNTST_bad_gntref;
	if (ua->readers || ua->writers || ub->readers || ub->writers)
		return GNTST_eagain;
	if (a == b)
		return GNTST_okay;
	dom_copy_once(&copy, ea, sizeof(copy));
	dom_copy_once(ea, eb, sizeof(copy));
	dom_copy_once(eb, &copy, sizeof(copy));
	return GNTST_okay;
}

int xa_grant_map(struct xa_domain *d, grant_ref_t ref, bool write, void **ret_page)
{
	int err;

	xa_lock(&d->gnt_lock);
	err = xa_gnttab_pin(d, ref, 0, write, ret_page);
	xa_unlock(&d->gnt_lock);
	return err;
}

void xa_grant_unmap(struct xa_domain *d, grant_ref_t ref, bool write)
{
	xa_lock(&d->gnt_lock);
	xa_gnttab_unpin(d, ref, write);
	xa_unlock(&d->gnt_lock);
}
