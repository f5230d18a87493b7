// SPDX-License-Identifier: MIT
/*
 * Memory of the guest, by guest-physical and by guest-virtual address.
 *
 * Guest-virtual addresses are translated by reading the guest's page tables as the processor does.
 * The tables are ordinary guest memory: another vCPU may change them while we read, and they may
 * point anywhere, at themselves too. So every entry is read once, the depth is fixed by the paging
 * mode, and an entry that leads outside of guest memory is a fault like one that is not present.
 *
 * The last translation is kept until the hypercall ends. It cannot outlive it: the guest may change
 * its tables between two hypercalls without telling anybody.
 */
#include <string.h>

#include "domicile/base/num.h"

#include "priv.h"

/* Architectural bits. ABI: AMD64 manual volume 2, chapters 3 and 5 */
#define CR0_WP (1ull << 16)
#define CR0_PG (1ull << 31)
#define CR4_PSE (1ull << 4)
#define CR4_PAE (1ull << 5)
#define CR4_LA57 (1ull << 12)
#define EFER_LMA (1ull << 10)
#define PTE_P (1ull << 0)
#define PTE_RW (1ull << 1)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_ADDR 0x000ffffffffff000ull

/* A paging mode of 32-bit code: how many levels, and the size of their entries and index. */
struct walk_mode {
	unsigned levels;
	unsigned index_bits;
	unsigned entry_size;
	uint64_t root_mask;	/* bits of CR3 that are the root's address */
};

static const struct walk_mode mode_pae = { 3, 9, 8, 0xffffffe0ull };
static const struct walk_mode mode_32 = { 2, 10, 4, 0xfffff000ull };

/* Set the accessed bit of @at, read as @e, as the processor would. False: it is not present. */
static bool touch_entry(uint64_t *at, uint64_t e)
{
	if (!(e & PTE_P))
		return false;
	/* If it changes under us the guest is racing with itself; leave it alone. */
	__atomic_compare_exchange_n(at, &e, e | PTE_A, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return true;
}

/* Can an entry of this level map a page by itself? */
static bool may_be_large(const struct walk_mode *m, const struct xa_paging *p, unsigned level)
{
	if (m->entry_size == 4)
		return level == 1 && (p->cr4 & CR4_PSE);
	return level == 1;
}

/* Read one entry and set its accessed bit. */
static uint64_t read_entry(void *at, unsigned size, bool may_be_leaf, bool *ret_large)
{
	uint64_t e = size == 8 ? DOM_LOAD((uint64_t *)at) : DOM_LOAD((uint32_t *)at);
	uint32_t old = (uint32_t)e;

	*ret_large = may_be_leaf && (e & PTE_PS);
	if (!(e & PTE_P) || (e & PTE_A))
		return e;
	if (size == 8)
		touch_entry(at, e);
	else
		__atomic_compare_exchange_n((uint32_t *)at, &old, old | (uint32_t)PTE_A, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return e;
}

/* Address that a leaf entry maps; @shift is the log2 of the page's size. */
static uint64_t leaf_address(const struct walk_mode *m, uint64_t entry, unsigned shift)
{
	uint64_t base = entry & PTE_ADDR & ~((1ull << shift) - 1);

	/* PSE-36: a 4 MiB page has address bits 32-39 in entry bits 13-20. */
	if (m->entry_size == 4 && shift == 22)
		base = (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32;
	return base;
}

/*
 * Translate @va in long mode; returns false where the processor would fault. This is the walk of
 * 64-bit guests, made for most hypercalls, and therefore apart from the general one.
 */
static bool walk_long(struct xa_domain *d, const struct xa_paging *p, uint64_t va, bool write,
		      uint64_t *ret_gpa)
{
	void *(*page_of)(void *ctx, struct xa_gfn gfn) = d->plat->page;
	void *ctx = d->ctx;
	uint64_t e = p->cr3;
	uint64_t rights = PTE_RW;
	unsigned shift = p->cr4 & CR4_LA57 ? 48 : 39;

	if ((uint64_t)((int64_t)(va << (55 - shift)) >> (55 - shift)) != va)
		return false;
	for (;; shift -= 9) {
		uint8_t *page = page_of(ctx, (struct xa_gfn){ (e & PTE_ADDR) >> XEN_PAGE_SHIFT });
		uint64_t *at;

		if (!page)
			return false;
		at = (uint64_t *)page + (va >> shift & 511);
		e = DOM_LOAD(at);
		if (DOM_UNLIKELY((e & (PTE_P | PTE_A)) != (PTE_P | PTE_A)) && !touch_entry(at, e))
			return false;
		rights &= e;
		if (shift > 30 || (shift > 12 && !(e & PTE_PS)))
			continue;
		*ret_gpa = (e & PTE_ADDR & ~((1ull << shift) - 1)) | (va & ((1ull << shift) - 1));
		if (!write)
			return true;
		if (!rights && (p->cr0 & CR0_WP))
			return false;
		if (!(e & PTE_D))
			__atomic_fetch_or(at, PTE_D, __ATOMIC_SEQ_CST);
		return true;
	}
}

/* The same in all other modes. */
static bool walk_32(struct xa_domain *d, const struct xa_paging *p, uint64_t va, bool write,
		 uint64_t *ret_gpa)
{
	const struct walk_mode *m = p->cr4 & CR4_PAE ? &mode_pae : &mode_32;
	uint64_t table = p->cr3 & m->root_mask;
	bool writable = true;

	if (va >> 32)
		return false;
	for (unsigned level = m->levels; level-- > 0;) {
		unsigned shift = XEN_PAGE_SHIFT + level * m->index_bits;
		uint64_t index = va >> shift & ((1u << m->index_bits) - 1);
		uint8_t *page = xa_page_of(d, table >> XEN_PAGE_SHIFT);
		/* The four top entries of PAE have no rights and no accessed bit. */
		bool pae_root = m == &mode_pae && level == 2;
		bool large = false;
		uint64_t e;
		uint8_t *at;

		if (!page)
			return false;
		at = page + (table & (XEN_PAGE_SIZE - 1)) + index * m->entry_size;
		e = pae_root ? DOM_LOAD((uint64_t *)at) :
			       read_entry(at, m->entry_size, may_be_large(m, p, level), &large);
		if (!(e & PTE_P))
			return false;
		writable &= pae_root || (e & PTE_RW);
		if (level == 0 || large) {
			*ret_gpa = leaf_address(m, e, shift) | (va & ((1ull << shift) - 1));
			writable |= !(p->cr0 & CR0_WP);
			if (write && writable && !(e & PTE_D))
				__atomic_fetch_or(at, (uint8_t)PTE_D, __ATOMIC_SEQ_CST);
			return !write || writable;
		}
		table = e & PTE_ADDR;
	}
	return false;
}

/* Host address of the page of @va, kept for the rest of the hypercall. NULL: fault. */
static uint8_t *page_of_va(struct xa_vcpu *v, uint64_t va, bool write)
{
	uint64_t page = va & ~(uint64_t)(XEN_PAGE_SIZE - 1);
	uint64_t gpa = page;
	uint8_t *host;

	if (v->walk.have_page && v->walk.va == page && (!write || v->walk.page_write))
		return v->walk.host;
	if (!v->walk.have_paging) {
		v->d->plat->paging(v->d->ctx, v->id, &v->walk.paging);
		v->walk.have_paging = true;
	}
	if (!(v->walk.paging.cr0 & CR0_PG)) {
		if (va >> 32)
			return NULL;
	} else if (v->walk.paging.efer & EFER_LMA ?
			   !walk_long(v->d, &v->walk.paging, page, write, &gpa) :
			   !walk_32(v->d, &v->walk.paging, page, write, &gpa)) {
		return NULL;
	}
	host = xa_page_of(v->d, gpa >> XEN_PAGE_SHIFT);
	if (!host)
		return NULL;
	v->walk.have_page = true;
	/* A page found by a read gets its dirty bit only if it is walked again for the write. */
	v->walk.page_write = write;
	v->walk.va = page;
	v->walk.host = host;
	v->walk.gpa = gpa;
	return host;
}

int xa_copy_from(struct xa_vcpu *v, void *buf, struct xa_gva from, size_t len)
{
	uint8_t *dst = buf;
	uint64_t va = from.v;

	/* The argument of EVTCHNOP_send and its like. */
	if (len == sizeof(uint32_t) && !(va & 3)) {
		const uint8_t *host = page_of_va(v, va, false);
		uint32_t word;

		if (!host)
			return -EFAULT;
		word = DOM_LOAD((const uint32_t *)(host + (va & (XEN_PAGE_SIZE - 1))));
		memcpy(buf, &word, sizeof(word));
		return 0;
	}
	while (len) {
		size_t off = va & (XEN_PAGE_SIZE - 1);
		size_t n = DOM_MIN(len, XEN_PAGE_SIZE - off);
		uint8_t *host = page_of_va(v, va, false);

		if (!host)
			return -EFAULT;
		dom_copy_once(dst, host + off, n);
		dst += n;
		len -= n;
		if (len && !dom_add_u64(va, n, &va))
			return -EFAULT;
	}
	return 0;
}

int xa_copy_to(struct xa_vcpu *v, struct xa_gva to, const void *buf, size_t len)
{
	const uint8_t *src = buf;
	uint64_t va = to.v;

	while (len) {
		size_t off = va & (XEN_PAGE_SIZE - 1);
		size_t n = DOM_MIN(len, XEN_PAGE_SIZE - off);
		uint8_t *host = page_of_va(v, va, true);

		if (!host)
			return -EFAULT;
		memcpy(host + off, src, n);
		src += n;
		len -= n;
		if (len && !dom_add_u64(va, n, &va))
			return -EFAULT;
	}
	return 0;
}

int xa_translate(struct xa_vcpu *v, struct xa_gva va, struct xa_gpa *ret)
{
	if (!page_of_va(v, va.v, true))
		return -EFAULT;
	ret->v = v->walk.gpa + (va.v & (XEN_PAGE_SIZE - 1));
	return 0;
}

uint64_t *xa_find_pte(struct xa_vcpu *v, struct xa_gva va)
{
	struct xa_paging p;
	uint64_t e;

	v->d->plat->paging(v->d->ctx, v->id, &p);
	e = p.cr3;
	if (!(p.efer & EFER_LMA) || p.cr4 & CR4_LA57)
		return NULL;
	for (unsigned shift = 39;; shift -= 9) {
		uint8_t *page = xa_page_of(v->d, (e & PTE_ADDR) >> XEN_PAGE_SHIFT);
		uint64_t *at;

		if (!page)
			return NULL;
		at = (uint64_t *)(void *)page + (va.v >> shift & 511);
		if (shift == 12)
			return at;
		e = DOM_LOAD(at);
		if (!(e & PTE_P) || e & PTE_PS)
			return NULL;
	}
}

int xa_guest_translate(struct xa_vcpu *v, struct xa_gva gva, struct xa_gpa *ret_gpa)
{
	/* Outside of hypercalls nothing is known of the address space any more. */
	v->walk.have_paging = v->walk.have_page = false;
	if (!page_of_va(v, gva.v, false))
		return -EFAULT;
	ret_gpa->v = v->walk.gpa + (gva.v & (XEN_PAGE_SIZE - 1));
	return 0;
}

/* Address of element @index of an array of @size-byte elements. */
static bool element(uint64_t array, uint64_t index, unsigned size, struct xa_gva *ret)
{
	uint64_t off;

	return dom_mul_u64(index, size, &off) && dom_add_u64(array, off, &ret->v);
}

int xa_get_ulong(struct xa_vcpu *v, bool is_32, uint64_t array, uint64_t index, uint64_t *ret)
{
	unsigned size = is_32 ? 4 : 8;
	uint64_t value = 0;
	struct xa_gva at;

	if (!element(array, index, size, &at) || xa_copy_from(v, &value, at, size))
		return -EFAULT;
	*ret = value;
	return 0;
}

int xa_put_ulong(struct xa_vcpu *v, bool is_32, uint64_t array, uint64_t index, uint64_t value)
{
	unsigned size = is_32 ? 4 : 8;
	struct xa_gva at;

	if (!element(array, index, size, &at))
		return -EFAULT;
	return xa_copy_to(v, at, &value, size);
}

void *xa_guest_page(struct xa_domain *d, struct xa_gfn gfn)
{
	return d->plat->page(d->ctx, gfn);
}

/* Both directions of a guest-physical copy; exactly one of @in and @out is given. */
static int copy_phys(struct xa_domain *d, uint64_t gpa, uint8_t *in, const uint8_t *out, size_t len)
{
	uint64_t end;

	if (!dom_add_u64(gpa, len, &end))
		return -EFAULT;
	while (gpa < end) {
		size_t off = gpa & (XEN_PAGE_SIZE - 1);
		size_t n = DOM_MIN(end - gpa, XEN_PAGE_SIZE - off);
		uint8_t *host = xa_page_of(d, gpa >> XEN_PAGE_SHIFT);

		if (!host)
			return -EFAULT;
		if (in) {
			dom_copy_once(in, host + off, n);
			in += n;
		} else {
			memcpy(host + off, out, n);
			out += n;
		}
		gpa += n;
	}
	return 0;
}

int xa_guest_read(struct xa_domain *d, struct xa_gpa gpa, void *buf, size_t len)
{
	return copy_phys(d, gpa.v, buf, NULL, len);
}

int xa_guest_write(struct xa_domain *d, struct xa_gpa gpa, const void *buf, size_t len)
{
	return copy_phys(d, gpa.v, NULL, buf, len);
}
