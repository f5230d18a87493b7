// SPDX-License-Identifier: MIT
/*
 * What boot/ offers to the VMM: from a kernel file to guest RAM that a vCPU can start in.
 *
 *	boot_map_init(&map, 0, low_ram_end);			what of guest RAM is taken
 *	boot_map_add(&map, acpi, acpi_len, "ACPI tables", &err);
 *	boot_image_open(path, &img, &err);			what kind of file is it
 *	boot_image_load(img, &ram, &map, &opts, &k, &err);	decode it into guest RAM
 *	boot_image_close(img);
 *	boot_pvh_entry(&k, &entry, &err);			is it a PVH kernel
 *	boot_modules_load(mods, n, &k, &ram, &map, &err);	initrd and the like
 *	boot_pvh_start_info(&info, &ram, &map, &gpa, &err);	what the kernel is told
 *
 * Nothing here knows KVM, and every byte of every file is untrusted: a bad file costs bounded
 * memory and yields one sentence in struct dom_err that names the file and the remedy. Files are
 * read with pread into small buffers and never mapped, so that a file which shrinks meanwhile is
 * an error and not a SIGBUS, and nothing of the image is left in memory after the load.
 *
 * All functions run on one thread, before the vCPUs do. Addresses are guest-physical unless they
 * are called gva, lengths are bytes.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domicile/base/cc.h"
#include "domicile/base/err.h"

/* Bounds on what a file may ask for. Listed in domicile(8). */
enum {
	BOOT_SEGS_MAX = 32,		/* loadable segments of a kernel */
	BOOT_SITES_MAX = 32,		/* hypercall sites of a kernel; real ones have 2 */
	BOOT_MODULES_MAX = 8,		/* files handed to a kernel beside itself */
	BOOT_TAKEN_MAX = 64,		/* ranges of guest RAM told apart while booting */
	BOOT_NOTE_STR = 256,		/* longest string of a Xen note, with its NUL */
	BOOT_NOTE_TYPES = 20,		/* types 0 .. XEN_ELFNOTE_PHYS32_RELOC */
};

/* Guest RAM, as far as loading needs it. */
struct boot_ram {
	void *ctx;
	/* Host address of [gpa, gpa + len), NULL unless all of it is RAM. */
	void *(*range)(void *ctx, uint64_t gpa, uint64_t len);
	bool zeroed;	/* RAM is known to be zero: .bss need not be written */
};

/* Which parts of the guest's low RAM are taken, and by what. */
struct boot_map {
	uint64_t lo, hi;	/* [lo, hi) is what may be handed out */
	unsigned count;
	struct boot_taken {
		uint64_t start, end;	/* [start, end) */
		const char *what;	/* for people; not owned */
	} taken[BOOT_TAKEN_MAX];	/* unordered, disjoint */
};

/** boot_map_init - an empty map of [@lo, @hi); boot_map_place hands out nothing outside of it */
void boot_map_init(struct boot_map *map, uint64_t lo, uint64_t hi);

/**
 * boot_map_add - take a given range
 * @what:  name of the range for people; must outlive @map
 *
 * Returns 0; -EINVAL if the range wraps or is empty; -EEXIST if it overlaps a taken one; -ENOSPC
 * if BOOT_TAKEN_MAX ranges are taken. @err (may be NULL) names both ranges.
 */
int boot_map_add(struct boot_map *map, uint64_t start, uint64_t len, const char *what,
		 struct dom_err *err);

/**
 * boot_map_place - take the highest free range of @len bytes below @limit
 * @align:  power of two
 * @limit:  first address not usable; 0 for the end of the map
 *
 * Returns 0, -ENOMEM if there is no such range, -ENOSPC as boot_map_add.
 */
int boot_map_place(struct boot_map *map, uint64_t len, uint64_t align, uint64_t limit,
		   const char *what, uint64_t *ret_start);

/*
 * The notes that a kernel leaves for Xen, see include/xenabi/elfnote.h. A note that is present may
 * well have the value 0 (mini-os: PHYS32_ENTRY), so ask boot_note_has() first.
 */
struct boot_notes {
	uint32_t present;		/* bit per XEN_ELFNOTE_* type */
	bool legacy;			/* an __xen_guest string, from before notes, was seen */
	uint64_t num[BOOT_NOTE_TYPES];	/* by type: numeric notes; YES/NO notes as 1/0 */
	uint64_t l1_valid_mask, l1_valid_value;		/* XEN_ELFNOTE_L1_MFN_VALID */
	uint32_t reloc_align, reloc_min, reloc_max;	/* PHYS32_RELOC; max is inclusive */
	char guest_os[BOOT_NOTE_STR], guest_version[BOOT_NOTE_STR], xen_version[BOOT_NOTE_STR];
	char loader[BOOT_NOTE_STR], pae_mode[BOOT_NOTE_STR], features[BOOT_NOTE_STR];
};

static inline bool boot_note_has(const struct boot_notes *notes, unsigned type)
{
	return type < BOOT_NOTE_TYPES && notes->present >> type & 1;
}

enum boot_seg_flags { BOOT_SEG_X = 1, BOOT_SEG_W = 2, BOOT_SEG_R = 4 };	/* as p_flags */

struct boot_seg {
	uint64_t gpa, gva;	/* p_paddr, p_vaddr */
	uint64_t filesz, memsz;	/* filesz <= memsz; the difference is .bss */
	uint32_t flags;		/* BOOT_SEG_* */
};

/*
 * A hypercall instruction of the kernel: three bytes that the VMM may replace. `gva` is where the
 * linker put it, not necessarily where a relocated (KASLR) kernel runs it.
 */
struct boot_site {
	uint64_t gpa, gva;
	bool vmmcall;		/* 0f 01 d9 (AMD); otherwise vmcall, 0f 01 c1 */
};

/* A kernel in guest RAM. */
struct boot_kernel {
	const char *name;	/* the path given to boot_image_open; not owned */
	const char *format;	/* "bzImage", "ELF" or a codec's name; static */
	const char *codec;	/* codec of the payload, "none" without; static */
	bool cached;		/* came from the cache of decompressed kernels */
	bool elf64;
	uint16_t machine;	/* e_machine: 3 (386) or 62 (x86-64) */
	uint64_t elf_entry;	/* e_entry */
	unsigned segs, sites;
	struct boot_seg seg[BOOT_SEGS_MAX];	/* ascending gpa */
	struct boot_site site[BOOT_SITES_MAX];	/* ascending gpa */
	struct boot_notes notes;
	uint64_t start, end;	/* all segments lie in [start, end) */
	uint64_t module_limit;	/* modules must end at or below this address */
};

struct boot_image;	/* an opened kernel file, recognised but not decoded */

/**
 * boot_image_open - open a kernel file and find out what it is
 * @path:  bzImage, ELF32, ELF64, or an ELF compressed by one of the codecs; must outlive the image
 *         and the boot_kernel made from it
 *
 * Returns 0; the error of open(2); -ENOEXEC if it is none of these; -EOPNOTSUPP for a codec that
 * is known but not supported. @err names file and remedy.
 */
int boot_image_open(const char *path, struct boot_image **ret, struct dom_err *err);

/** boot_image_close - close the file and free the image; NULL is fine */
void boot_image_close(struct boot_image *img);

struct boot_opts {
	const char *cache_dir;		/* NULL: boot_cache_default_dir(); "": no cache */
	uint64_t cache_bytes;		/* bound on the cache's size; 0: 512 MiB */
	unsigned cache_entries;		/* bound on the number of kernels; 0: 8 */
	bool no_sites;			/* do not look for hypercall sites: nobody will need them */
	bool no_init;			/* keep no memory free behind the kernel: a PV one needs none */
};

/**
 * boot_image_load - decode @img straight into guest RAM
 * @ram:    where to
 * @map:    taken ranges; the kernel's segments are added, and what a bzImage needs to start
 * @opts:   may be NULL for defaults
 *
 * Segments go to their physical addresses, .bss is cleared, notes are read, hypercall sites are
 * searched. A decoded payload is kept in the cache and taken from there the next time; failures of
 * the cache only cost time. Returns 0; -ENOEXEC for a corrupt or truncated image; -ENOMEM if a
 * segment is outside RAM; -EEXIST if it meets a taken range; -EFBIG beyond a bound; errors of
 * pread(2). Guest RAM and @map are in an undefined state after a failure.
 */
int boot_image_load(struct boot_image *img, const struct boot_ram *ram, struct boot_map *map,
		    const struct boot_opts *opts, struct boot_kernel *ret, struct dom_err *err);

/**
 * boot_pvh_entry - the 32-bit PVH entry point of @k
 *
 * Returns 0, or -ENOEXEC if the kernel has no PHYS32_ENTRY note or one outside its segments.
 */
int boot_pvh_entry(const struct boot_kernel *k, uint32_t *ret_entry, struct dom_err *err);

/**
 * boot_find_sites - search code for the kernel's hypercall instructions
 * @mem:   code; the guest must not be running in it
 * @len:   bytes at @mem
 * @gpa:   guest-physical address of @mem
 * @gva:   its virtual address; decides about alignment
 * @ret:   sites in ascending order, always in pairs of one vmcall and one vmmcall
 * @max:   room in @ret
 *
 * The rule is explained in sites.c. Returns the number of sites stored. Usable at any time, e.g.
 * on RAM that a boot loader inside the guest filled.
 */
unsigned boot_find_sites(const void *mem, size_t len, uint64_t gpa, uint64_t gva,
			 struct boot_site *ret, unsigned max);

/**
 * boot_cache_default_dir - where decompressed kernels are kept
 * @buf:  receives $DOMICILE_CACHE, else /var/cache/domicile for root, else
 *        $XDG_CACHE_HOME/domicile, else $HOME/.cache/domicile
 *
 * Returns 0, or -ENOENT if the environment names no place, or -ENAMETOOLONG.
 */
int boot_cache_default_dir(char *buf, size_t size);

/* A file for the kernel beside itself: the initrd, or what xen-shim is to boot. */
struct boot_module {
	const char *path;	/* in: file */
	const char *cmdline;	/* in: string of its own, may be NULL */
	uint64_t gpa, len;	/* out: where it is; page-aligned start */
};

/**
 * boot_modules_load - read files into RAM, as high as the kernel can reach
 * @mods:   @count <= BOOT_MODULES_MAX modules; their out fields are filled
 * @k:      the kernel they are for
 * @map:    their pages are added
 *
 * Returns 0; -ENOMEM if one does not fit; -EINVAL for an empty file, a directory or too many
 * modules; errors of open(2) and pread(2). @err names file and remedy.
 */
int boot_modules_load(struct boot_module *mods, unsigned count, const struct boot_kernel *k,
		      const struct boot_ram *ram, struct boot_map *map, struct dom_err *err);

/* One entry of the memory map that a PVH guest is given. */
struct boot_memmap {
	uint64_t start, len;
	uint32_t type;		/* XEN_HVM_MEMMAP_TYPE_* of include/xenabi/pvh.h */
};

/* What the start_info of a PVH guest says. */
struct boot_start_info {
	const char *cmdline;			/* NULL for none */
	const struct boot_module *mods;
	unsigned mod_count;
	const struct boot_memmap *memmap;
	unsigned memmap_count;
	uint64_t rsdp;				/* 0 for none */
	uint32_t flags;				/* SIF_*; 0 for an ordinary guest */
};

/**
 * boot_pvh_start_info - write struct hvm_start_info and all it points to into guest RAM
 * @map:      its pages are added
 * @ret_gpa:  address for %ebx of the first vCPU; below 1 GiB, page-aligned
 *
 * Returns 0; -ENOMEM if there is no room; -EINVAL for too many modules or memory map entries.
 */
int boot_pvh_start_info(const struct boot_start_info *info, const struct boot_ram *ram,
			struct boot_map *map, uint32_t *ret_gpa, struct dom_err *err);

/** boot_pv_possible - could @k, as far as its notes tell, be started by boot_pv_build()? */
bool boot_pv_possible(const struct boot_kernel *k);

/* What the start of a 64-bit PV kernel needs to know. */
struct boot_pv_config {
	const struct boot_ram *ram;
	const char *cmdline;			/* NULL for none; at most 1023 characters */
	const struct boot_module *mods;
	unsigned mod_count;			/* 0 or 1 */
	uint64_t nr_pages;			/* of RAM */
	uint64_t low_pages, high_frame;		/* pages 0 .. low_pages - 1 are the frames of these
						 * numbers; the others begin at high_frame */
	uint64_t shared_info;			/* guest-physical address */
	void (*hypercall_page)(uint8_t *page);	/* fills one */
};

/* Where it starts, and where its rings are. */
struct boot_pv {
	uint64_t rip, rsp, rsi;			/* virtual */
	uint64_t root;				/* frame of the top page table */
	uint64_t start_info;			/* guest-physical address */
	uint64_t store, console;		/* frames of the two rings */
};

/**
 * boot_pv_build - make what a PV kernel is started with, and load its module
 * @k:    loaded kernel; its end moves behind a module that must be mapped with it
 * @map:  what is made is added
 *
 * Returns 0; -ENOEXEC for a kernel that is 32-bit, has no PV entry, or asks for impossible
 * addresses; -EOPNOTSUPP for a kernel with PADDR_OFFSET or for several modules; -E2BIG for a command
 * line that is too long; -ENOMEM if memory does not suffice; errors of the module's file.
 */
int boot_pv_build(struct boot_kernel *k, const struct boot_pv_config *cfg, struct boot_map *map,
		  struct boot_pv *ret, struct dom_err *err);

#endif
