// SPDX-License-Identifier: MIT
/*
 * The notes that a kernel leaves for Xen. A note is namesz, descsz, type, then name and value, each
 * padded to 4 bytes in ELF64 files too (GRUB's p_align of 8 notwithstanding). What does not parse
 * ends the segment; unknown types and owners are skipped.
 */
#include "xenabi/elfnote.h"

#include "impl.h"

enum note_kind { NOTE_IGNORE, NOTE_NUM, NOTE_STR, NOTE_YES, NOTE_L1, NOTE_RELOC };

/* How each type is stored; the offset is that of a string in struct boot_notes. */
static const struct note_type {
	enum note_kind kind;
	size_t offset;
} note_types[BOOT_NOTE_TYPES] = {
#define STR(member) { NOTE_STR, offsetof(struct boot_notes, member) }
	[XEN_ELFNOTE_ENTRY]		 = { NOTE_NUM },
	[XEN_ELFNOTE_HYPERCALL_PAGE]	 = { NOTE_NUM },
	[XEN_ELFNOTE_VIRT_BASE]		 = { NOTE_NUM },
	[XEN_ELFNOTE_PADDR_OFFSET]	 = { NOTE_NUM },
	[XEN_ELFNOTE_XEN_VERSION]	 = STR(xen_version),
	[XEN_ELFNOTE_GUEST_OS]		 = STR(guest_os),
	[XEN_ELFNOTE_GUEST_VERSION]	 = STR(guest_version),
	[XEN_ELFNOTE_LOADER]		 = STR(loader),
	[XEN_ELFNOTE_PAE_MODE]		 = STR(pae_mode),
	[XEN_ELFNOTE_FEATURES]		 = STR(features),
	[XEN_ELFNOTE_BSD_SYMTAB]	 = { NOTE_YES },
	[XEN_ELFNOTE_HV_START_LOW]	 = { NOTE_NUM },
	[XEN_ELFNOTE_L1_MFN_VALID]	 = { NOTE_L1 },
	[XEN_ELFNOTE_SUSPEND_CANCEL]	 = { NOTE_NUM },
	[XEN_ELFNOTE_INIT_P2M]		 = { NOTE_NUM },
	[XEN_ELFNOTE_MOD_START_PFN]	 = { NOTE_NUM },
	[XEN_ELFNOTE_SUPPORTED_FEATURES] = { NOTE_NUM },
	[XEN_ELFNOTE_PHYS32_ENTRY]	 = { NOTE_NUM },
	[XEN_ELFNOTE_PHYS32_RELOC]	 = { NOTE_RELOC },
#undef STR
};

/* 4- or 8-byte numbers, as Xen accepts them; anything else is as if the note were missing. */
static bool store_num(uint64_t *ret, struct dom_cur *c)
{
	if (c->size != 4 && c->size != 8)
		return false;
	*ret = c->size == 8 ? dom_cur_u64(c) : dom_cur_u32(c);
	return true;
}

/*
 * The string up to its NUL, or all of it: Linux 6.1 and 6.12 write FEATURES without one. A string
 * that does not fit is as if the note were missing.
 */
static bool store_str(char *dst, const struct dom_cur *c)
{
	size_t len = c->size ? strnlen((const char *)c->base, c->size) : 0;

	if (len >= BOOT_NOTE_STR)
		return false;
	memcpy(dst, c->base, len);
	memset(dst + len, 0, BOOT_NOTE_STR - len);
	return true;
}

/*
 * Up to three words, each of which may be missing: alignment, lowest start, last byte. Seen in
 * Debian's 6.12: 2 MiB, 16 MiB, 1 GiB - 1.
 */
static bool store_reloc(struct boot_notes *notes, struct dom_cur *c)
{
	notes->reloc_align = c->size >= 4 ? dom_cur_u32(c) : 2 << 20;
	notes->reloc_min = c->size >= 8 ? dom_cur_u32(c) : 0;
	notes->reloc_max = c->size >= 12 ? dom_cur_u32(c) : UINT32_MAX;
	return true;
}

static bool store(struct boot_notes *notes, uint32_t type, struct dom_cur *c)
{
	switch (note_types[type].kind) {
	case NOTE_NUM:
		return store_num(&notes->num[type], c);
	case NOTE_STR:
		return store_str((char *)notes + note_types[type].offset, c);
	case NOTE_YES:
		notes->num[type] = c->size >= 3 && !memcmp(c->base, "yes", 3);
		return true;
	case NOTE_L1:
		if (c->size < 16)
			return false;
		notes->l1_valid_mask = dom_cur_u64(c);
		notes->l1_valid_value = dom_cur_u64(c);
		return true;
	case NOTE_RELOC:
		return store_reloc(notes, c);
	case NOTE_IGNORE:
		break;
	}
	return false;
}

/* boot_notes_parse - add the Xen notes of one PT_NOTE segment to @notes; the last of a type wins */
void boot_notes_parse(struct boot_notes *notes, const void *data, size_t len)
{
	struct dom_cur c = dom_cur_init(data, len);

	while (dom_cur_left(&c) >= 12) {
		uint32_t namesz = dom_cur_u32(&c), descsz = dom_cur_u32(&c);
		uint32_t type = dom_cur_u32(&c);
		const char *name = dom_cur_take(&c, dom_align_up(namesz, 4));
		struct dom_cur desc = dom_cur_sub(&c, c.pos, descsz);

		if (c.bad || desc.bad)
			return;
		if (namesz == sizeof("Xen") && !memcmp(name, "Xen", sizeof("Xen")) &&
		    type < BOOT_NOTE_TYPES && store(notes, type, &desc))
			notes->present |= 1u << type;
		/* The last note's padding may be missing. */
		dom_cur_seek(&c, DOM_MIN(c.pos + dom_align_up(descsz, 4), (uint64_t)c.size));
	}
}
