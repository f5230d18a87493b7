// SPDX-License-Identifier: MIT
/*
 * Grants that a PV guest maps into page tables of its own: GNTTABOP_map_grant_ref and its opposite.
 * The guest names an entry by its machine address (GNTMAP_contains_pte) or an address that the entry
 * maps; the entry is written here, in guest memory, and the shim forgets translations when one has
 * been taken away. The only grants that there are to map are the guest's own.
 *
 * A mapping is known by its handle, an index into a table that holds what the grant's use was: a
 * guest that meanwhile wrote something else to the entry is told so and keeps the mapping, as on Xen.
 */
#include <stdlib.h>

#include "xenabi/grant_table.h"

#include "priv.h"

/* Architectural bits. ABI: AMD64 manual volume 2, chapter 5 */
#define PTE_P (1ull << 0)
#define PTE_RW (1ull << 1)
#define PTE_USER (1ull << 2)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_AVAIL_SHIFT 9
#define PTE_ADDR 0x000ffffffffff000ull

/* Attempts against a guest that keeps changing an entry. */
#define CLEAR_TRIES 5

int xa_gntmap_init(struct xa_domain *d)
{
	if (!d->cfg.pv)
		return 0;
	d->maps = calloc(XA_MAX_GRANT_MAPS, sizeof(*d->maps));
	return d->maps ? 0 : -ENOMEM;
}

void xa_gntmap_reset(struct xa_domain *d)
{
	for (unsigned i = 0; d->maps && i < XA_MAX_GRANT_MAPS; i++)
		d->maps[i] = (struct xa_grant_map){ 0 };
}

void xa_gntmap_fini(struct xa_domain *d)
{
	free(d->maps);
	d->maps = NULL;
}

/* The entry that @host_addr means by @flags; NULL: there is none. */
static uint64_t *entry_at(struct xa_vcpu *v, uint64_t host_addr, uint32_t flags)
{
	uint8_t *page;

	if (!(flags & GNTMAP_contains_pte))
		return xa_find_pte(v, (struct xa_gva){ host_addr });
	if (host_addr % sizeof(uint64_t))
		return NULL;
	page = xa_page_of(v->d, host_addr >> XEN_PAGE_SHIFT);
	return page ? (uint64_t *)(void *)(page + host_addr % XEN_PAGE_SIZE) : NULL;
}

/* ABI: bits 16 to 18 of the flags are the guest's, and go to the entry. */
static uint64_t entry_value(uint64_t frame, uint32_t flags)
{
	return frame << XEN_PAGE_SHIFT | PTE_P | PTE_A | PTE_D |
	       (flags & GNTMAP_readonly ? 0 : PTE_RW) |
	       (flags & GNTMAP_application_map ? PTE_USER : 0) |
	       (uint64_t)(flags >> GNTMAP_guest_avail_shift & 7) << PTE_AVAIL_SHIFT;
}

static struct xa_grant_map *unused_map(struct xa_domain *d)
{
	for (unsigned i = 0; i < XA_MAX_GRANT_MAPS; i++) {
		if (!d->maps[i].flags)
			return &d->maps[i];
	}
	return NULL;
}

static int16_t map_one(struct xa_vcpu *v, struct gnttab_map_grant_ref *a)
{
	bool write = !(a->flags & GNTMAP_readonly);
	struct xa_domain *d = v->d;
	struct xa_grant_map *m = unused_map(d);
	uint64_t *entry = NULL;
	void *page;
	int err;

	if (!m)
		return GNTST_no_device_space;
	if (a->flags & GNTMAP_host_map) {
		entry = entry_at(v, a->host_addr, a->flags);
		if (!entry)
			return GNTST_general_error;
	}
	err = xa_gnttab_pin(d, a->ref, d->cfg.domid, write, &page, NULL);
	if (err)
		return err == -EFAULT ? GNTST_bad_page :
		       err == -EACCES ? GNTST_general_error : GNTST_bad_gntref;
	*m = (struct xa_grant_map){ .frame = xa_gnttab_frame(d, a->ref), .ref = a->ref,
				    .flags = a->flags };
	if (entry)
		__atomic_store_n(entry, entry_value(m->frame, a->flags), __ATOMIC_RELEASE);
	a->handle = (uint32_t)(m - d->maps);
	a->dev_bus_addr = m->frame << XEN_PAGE_SHIFT;
	return GNTST_okay;
}

int16_t xa_gntmap(struct xa_vcpu *v, struct gnttab_map_grant_ref *a)
{
	int16_t status;

	xa_lock(&v->d->gnt_lock);
	status = map_one(v, a);
	xa_unlock(&v->d->gnt_lock);
	return status;
}

/* Take the frame out of the entry, if it is still there; the processor may set bits meanwhile. */
static bool clear_entry(uint64_t *entry, uint64_t frame)
{
	uint64_t old = __atomic_load_n(entry, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < CLEAR_TRIES; i++) {
		if (!(old & PTE_P) || (old & PTE_ADDR) != frame << XEN_PAGE_SHIFT)
			return false;
		if (__atomic_compare_exchange_n(entry, &old, 0, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* Each half of a mapping goes when its address is named; the use ends with the last. */
static int16_t unmap_one(struct xa_vcpu *v, const struct gnttab_unmap_grant_ref *a)
{
	struct xa_domain *d = v->d;
	struct xa_grant_map *m = a->handle < XA_MAX_GRANT_MAPS ? &d->maps[a->handle] : NULL;

	if (!m || !m->flags)
		return GNTST_bad_handle;
	if (a->dev_bus_addr && a->dev_bus_addr != m->frame << XEN_PAGE_SHIFT)
		return GNTST_general_error;
	if (a->host_addr && m->flags & GNTMAP_host_map) {
		uint64_t *entry = entry_at(v, a->host_addr, m->flags);

		if (!entry || !clear_entry(entry, m->frame))
			return GNTST_general_error;
		m->flags &= ~GNTMAP_host_map;
	}
	if (a->dev_bus_addr)
		m->flags &= ~GNTMAP_device_map;
	if (m->flags & (GNTMAP_host_map | GNTMAP_device_map))
		return GNTST_okay;
	xa_gnttab_unpin(d, m->ref, !(m->flags & GNTMAP_readonly));
	*m = (struct xa_grant_map){ 0 };
	return GNTST_okay;
}

int16_t xa_gntunmap(struct xa_vcpu *v, const struct gnttab_unmap_grant_ref *a)
{
	int16_t status;

	xa_lock(&v->d->gnt_lock);
	status = unmap_one(v, a);
	xa_unlock(&v->d->gnt_lock);
	return status;
}
