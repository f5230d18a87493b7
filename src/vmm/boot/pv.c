// SPDX-License-Identifier: MIT
/*
 * The start of a 64-bit PV kernel: what lies behind it in memory, the page tables that map it, and
 * the page that tells it where everything is.
 *
 *	kernel | p2m list | start_info | store ring | console ring | page tables | stack
 *
 * All of it, from page 0 on, is mapped at the kernel's VIRT_BASE in pages of 4 KiB, with page
 * tables read-only; the p2m list has a place of its own if the kernel names one. The end is rounded up to
 * 4 MiB with at least 512 KiB to spare, which a kernel may use before it has an allocator. All of it
 * is in low memory, where frames are numbered as the guest's pages are: the p2m list says n at n
 * there, and skips the hole behind it.
 *
 *   ABI: xen/include/public/xen.h (start-of-day memory layout), elfnote.h
 */
#include <inttypes.h>
#include <string.h>

#include "xenabi/elfnote.h"
#include "xenabi/pv.h"

#include "impl.h"

#define PAGE ((uint64_t)XEN_PAGE_SIZE)
#define PTE_P 0x1ull
#define PTE_RW 0x2ull
#define PTE_USER 0x4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_ADDR 0x000ffffffffff000ull
#define LEAF (PTE_P | PTE_RW | PTE_A | PTE_D)
#define BRANCH (PTE_P | PTE_RW | PTE_A | PTE_USER)

#define SPARE (512ull << 10)
#define ROUND (4ull << 20)

struct builder {
	const struct boot_kernel *k;
	const struct boot_ram *ram;
	struct boot_pv *out;
	uint64_t base;			/* VIRT_BASE */
	uint64_t p2m_va, p2m, p2m_pages;
	uint64_t info, tables, nr_tables, stack, end;	/* guest-physical; end of what is mapped */
	uint64_t used_tables;
};

static uint64_t note(const struct boot_kernel *k, unsigned type, uint64_t otherwise)
{
	return boot_note_has(&k->notes, type) ? k->notes.num[type] : otherwise;
}

/* Is [@va, @va + @len) what the guest may map: canonical and outside of the hypervisor's hole? */
static bool va_ok(uint64_t va, uint64_t len)
{
	uint64_t last;

	if (!dom_add_u64(va, len - 1, &last))
		return false;
	return last < 0x800000000000ull || va >= PV_HYPERVISOR_END;
}

/*
 * Notes that say what the kernel was made for; both may be missing. FEATURES is no list of conditions,
 * whatever its exclamation marks look like: Linux requires writable_page_tables there, which Xen has
 * not offered for many years. ABI: xen/common/libelf/libelf-dominfo.c (observable behaviour)
 */
static int check_words(const struct boot_kernel *k, struct dom_err *err)
{
	const struct boot_notes *n = &k->notes;

	if (boot_note_has(n, XEN_ELFNOTE_XEN_VERSION) && strcmp(n->xen_version, "xen-3.0"))
		return dom_err_set(err, -EOPNOTSUPP,
				   "%s: was made for %s (note XEN_VERSION), not for xen-3.0; use another kernel",
				   k->name, n->xen_version);
	if (boot_note_has(n, XEN_ELFNOTE_LOADER) && strcmp(n->loader, "generic") &&
	    strcmp(n->guest_os, "linux"))
		return dom_err_set(err, -EOPNOTSUPP,
				   "%s: wants the loader %s (note LOADER), not generic; use another kernel",
				   k->name, n->loader);
	return 0;
}

static int check_kernel(const struct boot_kernel *k, struct dom_err *err)
{
	if (!k->elf64)
		return dom_err_set(err, -ENOEXEC,
				   "%s: a 32-bit kernel, which cannot run as a PV guest here; use a 64-bit one, or type pvh",
				   k->name);
	if (!boot_note_has(&k->notes, XEN_ELFNOTE_ENTRY))
		return dom_err_set(err, -ENOEXEC,
				   "%s: has no PV entry point; use a kernel built with CONFIG_XEN_PV, or type pvh",
				   k->name);
	if (note(k, XEN_ELFNOTE_PADDR_OFFSET, 0))
		return dom_err_set(err, -EOPNOTSUPP,
				   "%s: its physical addresses have an offset (PADDR_OFFSET), which is not supported",
				   k->name);
	return check_words(k, err);
}

bool boot_pv_possible(const struct boot_kernel *k)
{
	struct dom_err why;

	return !check_kernel(k, &why);
}

/* How many 4 KiB tables map [@va, @va + @len) at the three lower levels, beside those of @other. */
static uint64_t count_tables(uint64_t va, uint64_t len, uint64_t other, uint64_t other_len)
{
	uint64_t n = 0;

	for (unsigned shift = 21; shift <= 39; shift += 9) {
		for (uint64_t i = va >> shift; i <= (va + len - 1) >> shift; i++) {
			n += !other_len || i < other >> shift ||
			     i > (other + other_len - 1) >> shift;
		}
	}
	return n;
}

/* Where everything goes. More tables make a longer mapping, which may need more tables. */
static int lay_out(struct builder *b, uint64_t nr_pages, struct dom_err *err)
{
	uint64_t at = dom_align_up(b->k->end, PAGE);

	b->p2m = at;
	b->p2m_pages = dom_align_up(nr_pages * 8, PAGE) / PAGE;
	at += b->p2m_pages * PAGE;
	b->info = at;
	at += 3 * PAGE;			/* start_info, store, console */
	b->tables = at;
	for (b->nr_tables = 4;; b->nr_tables++) {
		uint64_t need;

		b->stack = b->tables + b->nr_tables * PAGE;
		b->end = dom_align_up(b->stack + PAGE + SPARE, ROUND);
		need = 1 + count_tables(b->base, b->end, 0, 0);
		if (b->p2m_va)
			need += count_tables(b->p2m_va, b->p2m_pages * PAGE, b->base, b->end);
		if (need <= b->nr_tables)
			break;
	}
	if (!va_ok(b->base, b->end) || (b->p2m_va && !va_ok(b->p2m_va, b->p2m_pages * PAGE)) ||
	    b->base % ROUND || b->p2m_va % PAGE)
		return dom_err_set(err, -ENOEXEC,
				   "%s: wants to be mapped at an impossible address (0x%" PRIx64 ", 0x%" PRIx64 ")",
				   b->k->name, b->base, b->p2m_va);
	return 0;
}

static uint64_t *entries(const struct builder *b, uint64_t gpa)
{
	return b->ram->range(b->ram->ctx, gpa, PAGE);
}

/* Map the page @gpa at @va; tables are taken from the front of their range. */
static void map_page(struct builder *b, uint64_t va, uint64_t gpa, uint64_t flags)
{
	uint64_t table = b->tables;

	for (unsigned shift = 39; shift > 12; shift -= 9) {
		uint64_t *e = &entries(b, table)[va >> shift & 511];

		if (!(*e & PTE_P))
			*e = (b->tables + b->used_tables++ * PAGE) | BRANCH;
		table = *e & PTE_ADDR;
	}
	entries(b, table)[va >> 12 & 511] = gpa | flags;
}

static void build_tables(struct builder *b)
{
	b->used_tables = 1;
	for (uint64_t gpa = 0; gpa < b->end; gpa += PAGE) {
		bool table = gpa - b->tables < b->nr_tables * PAGE;
		bool p2m = b->p2m_va && gpa - b->p2m < b->p2m_pages * PAGE;

		if (!p2m)
			map_page(b, b->base + gpa, gpa, table ? LEAF & ~PTE_RW : LEAF);
	}
	for (uint64_t i = 0; b->p2m_va && i < b->p2m_pages; i++)
		map_page(b, b->p2m_va + i * PAGE, b->p2m + i * PAGE, LEAF);
}

static void write_p2m(const struct builder *b, const struct boot_pv_config *cfg)
{
	uint64_t *list = b->ram->range(b->ram->ctx, b->p2m, b->p2m_pages * PAGE);

	for (uint64_t i = 0; i < b->p2m_pages * PAGE / 8; i++) {
		uint64_t frame = i < cfg->low_pages ? i : i - cfg->low_pages + cfg->high_frame;

		list[i] = i < cfg->nr_pages ? frame : UINT64_MAX;
	}
}

static void write_info(struct builder *b, const struct boot_pv_config *cfg,
		       const struct boot_module *mod)
{
	struct start_info_64 *s = b->ram->range(b->ram->ctx, b->info, sizeof(*s));

	memcpy(s->magic, "xen-3.0-x86_64", sizeof("xen-3.0-x86_64"));
	s->nr_pages = cfg->nr_pages;
	s->shared_info = cfg->shared_info;
	s->store_mfn = b->info / PAGE + 1;
	s->console_mfn = b->info / PAGE + 2;
	s->pt_base = b->base + b->tables;
	s->nr_pt_frames = b->nr_tables;
	s->mfn_list = b->p2m_va ? b->p2m_va : b->base + b->p2m;
	if (b->p2m_va) {
		s->first_p2m_pfn = b->p2m / PAGE;
		s->nr_p2m_frames = b->p2m_pages;
	}
	if (mod) {
		bool by_pfn = note(b->k, XEN_ELFNOTE_MOD_START_PFN, 0);

		s->mod_start = by_pfn ? mod->gpa / PAGE : b->base + mod->gpa;
		s->mod_len = mod->len;
		s->flags |= by_pfn ? SIF_MOD_START_PFN : 0;
	}
	if (cfg->cmdline)
		strncpy(s->cmd_line, cfg->cmdline, sizeof(s->cmd_line) - 1);
}

static int check_config(const struct boot_kernel *k, const struct boot_pv_config *cfg,
			struct dom_err *err)
{
	if (cfg->cmdline && strlen(cfg->cmdline) >= sizeof(((struct start_info_64 *)0)->cmd_line))
		return dom_err_set(err, -E2BIG,
				   "the command line has %zu characters; a PV kernel takes up to 1023",
				   strlen(cfg->cmdline));
	if (cfg->mod_count > 1)
		return dom_err_set(err, -EOPNOTSUPP,
				   "%u modules given; a PV kernel takes one", cfg->mod_count);
	return check_kernel(k, err);
}

/*
 * A module that the kernel does not find by its frame must be mapped with it, so it comes right
 * behind it; any other goes to the end of memory.
 */
static int load_module(struct boot_kernel *k, const struct boot_pv_config *cfg,
		       struct boot_module *mod, struct boot_map *map, struct dom_err *err)
{
	uint64_t start = dom_align_up(k->end, PAGE), len;
	int r;

	if (note(k, XEN_ELFNOTE_MOD_START_PFN, 0)) {
		k->module_limit = 0;
		return boot_modules_load(mod, 1, k, cfg->ram, map, err);
	}
	r = boot_module_size(mod->path, &len, err);
	if (r)
		return r;
	k->module_limit = start + dom_align_up(len, PAGE);
	r = boot_modules_load(mod, 1, k, cfg->ram, map, err);
	if (!r)
		k->end = mod->gpa + dom_align_up(mod->len, PAGE);
	return r;
}

static int fill_hypercall_page(const struct builder *b, const struct boot_pv_config *cfg,
			       struct dom_err *err)
{
	uint64_t va = note(b->k, XEN_ELFNOTE_HYPERCALL_PAGE, 0), gpa = va - b->base;
	void *page;

	if (!va)
		return 0;
	page = va % PAGE || gpa < b->k->start || gpa >= b->k->end ? NULL : entries(b, gpa);
	if (!page)
		return dom_err_set(err, -ENOEXEC, "%s: its hypercall page is outside of it",
				   b->k->name);
	cfg->hypercall_page(page);
	return 0;
}

int boot_pv_build(struct boot_kernel *k, const struct boot_pv_config *cfg, struct boot_map *map,
		  struct boot_pv *ret, struct dom_err *err)
{
	struct builder b = { .k = k, .ram = cfg->ram, .out = ret };
	struct boot_module mod = { 0 };
	int r = check_config(k, cfg, err);

	if (!r && cfg->mod_count) {
		mod = cfg->mods[0];
		r = load_module(k, cfg, &mod, map, err);
	}
	if (r)
		return r;
	b.base = note(k, XEN_ELFNOTE_VIRT_BASE, 0);
	b.p2m_va = note(k, XEN_ELFNOTE_INIT_P2M, 0);
	r = lay_out(&b, cfg->nr_pages, err);
	if (!r && (b.end > cfg->low_pages * PAGE ||
		   boot_map_add(map, b.p2m, b.end - b.p2m, "what a PV kernel is started with", NULL)))
		r = dom_err_set(err, -ENOMEM,
				"%s: needs memory up to %" PRIu64 " MiB for its start; raise memory", k->name,
				b.end >> 20);
	if (!r)
		r = fill_hypercall_page(&b, cfg, err);
	if (r)
		return r;
	build_tables(&b);
	write_p2m(&b, cfg);
	write_info(&b, cfg, cfg->mod_count ? &mod : NULL);
	*ret = (struct boot_pv){
		.rip = note(k, XEN_ELFNOTE_ENTRY, 0),
		.rsp = b.base + b.stack + PAGE,
		.rsi = b.base + b.info,
		.root = b.tables / PAGE,
		.start_info = b.info,
		.store = b.info / PAGE + 1,
		.console = b.info / PAGE + 2,
	};
	return 0;
}
