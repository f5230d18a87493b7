// SPDX-License-Identifier: MIT
/*
 * What is special about a PVH kernel: its entry point, and the start_info behind its %ebx.
 */
#include <inttypes.h>
#include <string.h>

#include "xenabi/elfnote.h"
#include "xenabi/pvh.h"

#include "impl.h"

/*
 * Linux reads the memory map, the module list and the command line through its first page tables,
 * which map 1 GiB (seen with 6.1: a triple fault before the first message when they were above).
 */
#define REACH (1ull << 30)

enum { MEMMAP_MAX = 128, CMDLINE_MAX = 64 << 10 };

static bool in_segment(const struct boot_kernel *k, uint64_t gpa)
{
	for (unsigned i = 0; i < k->segs; i++)
		if (gpa >= k->seg[i].gpa && gpa - k->seg[i].gpa < k->seg[i].filesz)
			return true;
	return false;
}

int boot_pvh_entry(const struct boot_kernel *k, uint32_t *ret_entry, struct dom_err *err)
{
	uint64_t entry = k->notes.num[XEN_ELFNOTE_PHYS32_ENTRY];

	if (!boot_note_has(&k->notes, XEN_ELFNOTE_PHYS32_ENTRY))
		return dom_err_set(err, -ENOEXEC,
				   "%s: not a Xen PVH kernel (no XEN_ELFNOTE_PHYS32_ENTRY note%s); use a kernel built with CONFIG_PVH, or type = \"pv\" if it is a PV kernel",
				   k->name,
				   k->notes.legacy ? ", but an __xen_guest section of Xen 3 times" :
				   k->notes.present ? ", but others for Xen" : "");
	if (entry > UINT32_MAX || !in_segment(k, entry))
		return dom_err_set(err, -ENOEXEC,
				   "%s: its PVH entry point 0x%" PRIx64 " is outside the kernel; it is corrupt, install it again",
				   k->name, entry);
	*ret_entry = (uint32_t)entry;
	return 0;
}

/* Appends records and strings to one block of guest RAM. */
struct block {
	uint8_t *mem;		/* NULL while only measuring */
	uint64_t gpa, len;
};

static uint64_t put(struct block *b, const void *data, size_t len)
{
	uint64_t at = b->gpa + b->len;

	if (b->mem)
		memcpy(b->mem + b->len, data, len);
	b->len += dom_align_up(len, 8);
	return at;
}

static uint64_t put_string(struct block *b, const char *s)
{
	return s ? put(b, s, strlen(s) + 1) : 0;
}

/* Write all of it to @b, or just measure. The header comes last because it points to the rest. */
static void build(const struct boot_start_info *info, struct block *b)
{
	struct hvm_modlist_entry mod[BOOT_MODULES_MAX] = { 0 };
	struct hvm_start_info si = {
		.magic = XEN_HVM_START_MAGIC_VALUE,
		.version = XEN_HVM_START_VERSION,
		.flags = info->flags,
		.nr_modules = info->mod_count,
		.rsdp_paddr = info->rsdp,
		.memmap_entries = info->memmap_count,
	};

	b->len = sizeof(si);
	for (unsigned i = 0; i < info->memmap_count; i++) {
		struct hvm_memmap_table_entry e = {
			.addr = info->memmap[i].start,
			.size = info->memmap[i].len,
			.type = info->memmap[i].type,
		};
		uint64_t at = put(b, &e, sizeof(e));

		if (!i)
			si.memmap_paddr = at;
	}
	for (unsigned i = 0; i < info->mod_count; i++)
		mod[i] = (struct hvm_modlist_entry){
			.paddr = info->mods[i].gpa,
			.size = info->mods[i].len,
			.cmdline_paddr = put_string(b, info->mods[i].cmdline),
		};
	if (info->mod_count)
		si.modlist_paddr = put(b, mod, info->mod_count * sizeof(mod[0]));
	si.cmdline_paddr = put_string(b, info->cmdline);
	if (b->mem)
		memcpy(b->mem, &si, sizeof(si));
}

static int check(const struct boot_start_info *info, struct dom_err *err)
{
	if (info->mod_count > BOOT_MODULES_MAX || info->memmap_count > MEMMAP_MAX)
		return dom_err_set(err, -EINVAL,
				   "%u modules and %u ranges of memory; at most %d and %d are possible",
				   info->mod_count, info->memmap_count, BOOT_MODULES_MAX,
				   MEMMAP_MAX);
	for (unsigned i = 0; i <= info->mod_count; i++) {
		const char *s = i ? info->mods[i - 1].cmdline : info->cmdline;

		if (s && strlen(s) >= CMDLINE_MAX)
			return dom_err_set(err, -EINVAL,
					   "the kernel command line has more than %d bytes; shorten it",
					   CMDLINE_MAX - 1);
	}
	return 0;
}

int boot_pvh_start_info(const struct boot_start_info *info, const struct boot_ram *ram,
			struct boot_map *map, uint32_t *ret_gpa, struct dom_err *err)
{
	struct block b = { 0 };
	uint64_t pages;
	int r = check(info, err);

	if (r)
		return r;
	build(info, &b);
	pages = dom_align_up(b.len, XEN_PAGE_SIZE);
	r = boot_map_place(map, pages, XEN_PAGE_SIZE, REACH, "start_info", &b.gpa);
	if (!r)
		b.mem = ram->range(ram->ctx, b.gpa, pages);
	if (!b.mem)
		return dom_err_set(err, -ENOMEM,
				   "no room for start_info and command line in guest memory; raise memory");
	memset(b.mem, 0, (size_t)pages);
	build(info, &b);
	*ret_gpa = (uint32_t)b.gpa;
	return 0;
}
