// SPDX-License-Identifier: MIT
/*
 * The grant table: frames of entries that the guest maps where it likes. What entries look like is in
 * gnttab_entry.c, the use that back ends make of them in gnttab_use.c.
 *
 * With version 2 there are status frames, one for every 8 grant frames. Those that the guest has not
 * mapped are memory of our own, so that each entry has its status at any time; grant frames exist only
 * once the guest has mapped them, since an entry in a frame that was never seen grants nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "xenabi/grant_table.h"
#include "xenabi/memory.h"

#include "priv.h"

/* ---- frames ---- */

static unsigned status_frames_for(unsigned frames)
{
	return XA_GRANT_PLACES(frames) - frames;
}

int xa_gnttab_init(struct xa_domain *d)
{
	unsigned status = status_frames_for(d->cfg.max_grant_frames);

	d->frames = calloc(d->cfg.max_grant_frames, sizeof(*d->frames));
	d->status_frames = calloc(status, sizeof(*d->status_frames));
	if (!d->frames || !d->status_frames)
		return -ENOMEM;
	d->nr_frames = 1;
	d->gnt_abi = &xa_gnttab_v1;
	for (unsigned i = 0; i < d->cfg.max_grant_frames; i++)
		d->frames[i].gfn = UINT64_MAX;
	for (unsigned i = 0; i < status; i++)
		d->status_frames[i].gfn = UINT64_MAX;
	return xa_gntmap_init(d);
}

static void frame_fini(struct xa_grant_frame *f)
{
	if (f->is_private)
		free(f->page);
	free(f->use);
	*f = (struct xa_grant_frame){ .gfn = UINT64_MAX };
}

static void drop_frames(struct xa_domain *d)
{
	for (unsigned i = 0; d->frames && i < d->cfg.max_grant_frames; i++)
		frame_fini(&d->frames[i]);
	for (unsigned i = 0; d->status_frames && i < status_frames_for(d->cfg.max_grant_frames); i++)
		frame_fini(&d->status_frames[i]);
}

void xa_gnttab_reset(struct xa_domain *d)
{
	xa_lock(&d->gnt_lock);
	drop_frames(d);
	d->nr_frames = 1;
	d->gnt_abi = &xa_gnttab_v1;
	xa_gntmap_reset(d);
	xa_unlock(&d->gnt_lock);
}

void xa_gnttab_fini(struct xa_domain *d)
{
	drop_frames(d);
	free(d->frames);
	free(d->status_frames);
	d->frames = d->status_frames = NULL;
	xa_gntmap_fini(d);
}

/* Give the frame memory of our own, which has what its page has now, or zeros. */
static int make_private(struct xa_grant_frame *f)
{
	void *page = aligned_alloc(XEN_PAGE_SIZE, XEN_PAGE_SIZE);

	if (!page)
		return -ENOMEM;
	if (f->page)
		dom_copy_once(page, f->page, XEN_PAGE_SIZE);
	else
		memset(page, 0, XEN_PAGE_SIZE);
	f->page = page;
	f->gfn = UINT64_MAX;
	f->is_private = true;
	return 0;
}

/* Let the table have @frames frames, with status frames if need be. gnt_lock held. */
static int grow(struct xa_domain *d, unsigned frames)
{
	if (d->gnt_abi->version == 2)
		for (unsigned i = 0; i < status_frames_for(frames); i++)
			if (!d->status_frames[i].page && make_private(&d->status_frames[i]))
				return -ENOMEM;
	d->nr_frames = DOM_MAX(d->nr_frames, frames);
	return 0;
}

int xa_gnttab_grow(struct xa_domain *d, unsigned frames)
{
	int err;

	xa_lock(&d->gnt_lock);
	err = grow(d, frames);
	xa_unlock(&d->gnt_lock);
	return err;
}

bool xa_gnttab_has(const struct xa_domain *d, grant_ref_t ref)
{
	return ref >> xa_grant_shift(d->gnt_abi->version) < d->nr_frames;
}

static bool entry_of(const struct xa_domain *d, grant_ref_t ref, struct xa_grant_entry *ret)
{
	return xa_grant_entry(d, d->gnt_abi->version, ref, ret);
}

/* The entries that a toolstack makes before the guest starts: its two rings. */
static void seed_reserved(struct xa_domain *d)
{
	const struct {
		grant_ref_t ref;
		struct xa_gfn gfn;
	} rings[] = {
		{ GNTTAB_RESERVED_CONSOLE, d->cfg.console_gfn },
		{ GNTTAB_RESERVED_XENSTORE, d->cfg.store_gfn },
	};

	for (unsigned i = 0; i < DOM_ARRAY_LEN(rings); i++) {
		struct grant_entry_v1 v = { GTF_permit_access, 0, (uint32_t)rings[i].gfn.v };
		struct xa_grant_entry e;

		if (entry_of(d, rings[i].ref, &e))
			d->gnt_abi->put(&e, &v);
	}
}

/* The frame of an index as XENMEM_add_to_physmap has it; NULL if it cannot be. gnt_lock held. */
static struct xa_grant_frame *frame_at(struct xa_domain *d, uint64_t idx)
{
	if (idx < d->cfg.max_grant_frames)
		return &d->frames[idx];
	idx ^= XENMAPIDX_grant_table_status;
	if (d->gnt_abi->version == 2 && idx < status_frames_for(d->cfg.max_grant_frames))
		return &d->status_frames[idx];
	return NULL;
}

bool xa_gnttab_may_map(struct xa_domain *d, uint64_t idx)
{
	bool may;

	xa_lock(&d->gnt_lock);
	may = frame_at(d, idx) != NULL;
	xa_unlock(&d->gnt_lock);
	return may;
}

/* Grow the table until it has the frame, which gets what a frame has beside its page. */
static int prepare(struct xa_domain *d, struct xa_grant_frame *f, uint64_t idx)
{
	uint64_t frames = idx + 1, status = idx ^ XENMAPIDX_grant_table_status;

	if (idx & XENMAPIDX_grant_table_status) {
		frames = status < status_frames_for(d->nr_frames) ? 0 :
			 DOM_MIN((status + 1) * 8, d->cfg.max_grant_frames);
	} else if (!f->use) {
		f->use = calloc(XA_GRANTS_PER_FRAME, sizeof(*f->use));
		if (!f->use)
			return -ENOMEM;
	}
	return grow(d, (unsigned)frames);
}

int xa_gnttab_map(struct xa_domain *d, uint64_t idx, uint64_t gfn, void *page)
{
	struct xa_grant_frame *f;
	void *old;
	int err = -EINVAL;

	xa_lock(&d->gnt_lock);
	f = frame_at(d, idx);
	if (!f)
		goto out;
	err = prepare(d, f, idx);
	if (err || f->page == page)
		goto out;
	old = f->page;
	if (old)
		dom_copy_once(page, old, XEN_PAGE_SIZE);
	else
		memset(page, 0, XEN_PAGE_SIZE);
	if (f->is_private)
		free(old);
	f->page = page;
	f->gfn = gfn;
	f->is_private = false;
	if (!old && idx == 0)
		seed_reserved(d);
out:
	xa_unlock(&d->gnt_lock);
	return err;
}

/* Those of @frames that are at @gfn live on elsewhere. */
static int unmap_frames(struct xa_grant_frame *frames, unsigned n, uint64_t gfn)
{
	for (unsigned i = 0; i < n; i++)
		if (frames[i].gfn == gfn && make_private(&frames[i]))
			return -ENOMEM;
	return 0;
}

int xa_gnttab_unmap(struct xa_domain *d, uint64_t gfn)
{
	int err;

	xa_lock(&d->gnt_lock);
	err = unmap_frames(d->frames, d->nr_frames, gfn);
	if (!err)
		err = unmap_frames(d->status_frames, status_frames_for(d->nr_frames), gfn);
	xa_unlock(&d->gnt_lock);
	return err;
}

/* ---- versions ---- */

/* Is a grant in use, other than the reserved ones, which a change of the version preserves? */
static bool any_in_use(const struct xa_domain *d)
{
	for (unsigned i = 0; i < d->nr_frames; i++)
		for (unsigned at = i ? 0 : GNTTAB_NR_RESERVED_ENTRIES;
		     d->frames[i].use && at < XA_GRANTS_PER_FRAME; at++)
			if (d->frames[i].use[at].readers || d->frames[i].use[at].writers)
				return true;
	return false;
}

/* gnt_lock held. */
static int change_version(struct xa_domain *d, const struct xa_gnttab_abi *abi)
{
	struct grant_entry_v1 kept[GNTTAB_NR_RESERVED_ENTRIES] = { 0 };
	const struct xa_gnttab_abi *old = d->gnt_abi;
	struct xa_grant_entry e;
	int err = 0;

	if (any_in_use(d))
		return -EBUSY;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(kept) && !err; i++)
		err = entry_of(d, i, &e) ? old->get(&e, &kept[i]) : 0;
	if (err)
		return err;
	d->gnt_abi = abi;
	err = grow(d, d->nr_frames);
	if (err) {
		d->gnt_abi = old;
		return err;
	}
	for (unsigned i = 0; i < d->nr_frames; i++)
		if (d->frames[i].page)
			memset(d->frames[i].page, 0, XEN_PAGE_SIZE);
	for (unsigned i = 0; old->version == 2 && i < status_frames_for(d->nr_frames); i++)
		frame_fini(&d->status_frames[i]);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(kept); i++)
		if (entry_of(d, i, &e))
			abi->put(&e, &kept[i]);
	return 0;
}

int xa_gnttab_set_version(struct xa_domain *d, unsigned version)
{
	const struct xa_gnttab_abi *abi = version == 2 ? &xa_gnttab_v2 : &xa_gnttab_v1;
	int err;

	xa_lock(&d->gnt_lock);
	err = abi == d->gnt_abi ? 0 : change_version(d, abi);
	xa_unlock(&d->gnt_lock);
	return err;
}
