// SPDX-License-Identifier: MIT
/*
 * ELF32 and ELF64 headers of x86 kernels. Decodes only; whether the numbers make sense together is
 * for the sink, which knows guest RAM.
 */
#include "impl.h"

enum { ELFCLASS32 = 1, ELFCLASS64 = 2, ELFDATA2LSB = 1, EM_386 = 3, EM_X86_64 = 62 };
enum { ET_EXEC = 2, ET_DYN = 3, EI_CLASS = 4, EI_DATA = 5, EI_NIDENT = 16 };
enum { PHDR32 = 32, PHDR64 = 56 };

/*
 * boot_elf_header - decode the file header
 * @head:  the first ELF_HEAD bytes of the file
 *
 * Returns 0 or -ENOEXEC. The program headers end at or below ELF_HEAD_MAX afterwards.
 */
int boot_elf_header(const void *head, size_t len, const char *name, struct boot_elf *ret,
		    struct dom_err *err)
{
	struct dom_cur c = dom_cur_init(head, len);
	const uint8_t *ident = dom_cur_take(&c, EI_NIDENT);
	struct boot_elf elf = { 0 };
	uint16_t type;

	if (!ident || memcmp(ident, "\177ELF", 4) || ident[EI_DATA] != ELFDATA2LSB ||
	    (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64))
		return dom_err_set(err, -ENOEXEC,
				   "%s: holds no x86 ELF kernel; use a kernel for x86 PCs", name);
	elf.is64 = ident[EI_CLASS] == ELFCLASS64;
	type = dom_cur_u16(&c);
	elf.machine = dom_cur_u16(&c);
	dom_cur_u32(&c);		/* e_version */
	elf.entry = elf.is64 ? dom_cur_u64(&c) : dom_cur_u32(&c);
	elf.phoff = elf.is64 ? dom_cur_u64(&c) : dom_cur_u32(&c);
	dom_cur_take(&c, elf.is64 ? 8 : 4);	/* e_shoff */
	dom_cur_take(&c, 4 + 2);		/* e_flags, e_ehsize */
	elf.phentsize = dom_cur_u16(&c);
	elf.phnum = dom_cur_u16(&c);
	if (c.bad || (elf.machine != EM_386 && elf.machine != EM_X86_64) ||
	    (type != ET_EXEC && type != ET_DYN))
		return dom_err_set(err, -ENOEXEC,
				   "%s: is an ELF file but not an x86 kernel; use a kernel for x86 PCs",
				   name);
	if (!elf.phnum || elf.phnum > ELF_PHDRS_MAX ||
	    elf.phentsize < (elf.is64 ? PHDR64 : PHDR32) || elf.phoff > ELF_HEAD_MAX ||
	    boot_elf_head_end(&elf) > ELF_HEAD_MAX)
		return dom_err_set(err, -ENOEXEC,
				   "%s: ELF program headers are corrupt; install the kernel again",
				   name);
	*ret = elf;
	return 0;
}

/* boot_elf_head_end - file offset behind the last program header */
uint64_t boot_elf_head_end(const struct boot_elf *elf)
{
	return elf->phoff + (uint64_t)elf->phnum * elf->phentsize;
}

/* boot_elf_phdr - decode program header @i of the @len bytes at @head; false if it is not there */
bool boot_elf_phdr(const struct boot_elf *elf, const void *head, size_t len, unsigned i,
		   struct boot_phdr *ret)
{
	struct dom_cur file = dom_cur_init(head, len);
	struct dom_cur c = dom_cur_sub(&file, elf->phoff + (uint64_t)i * elf->phentsize,
				       elf->phentsize);
	struct boot_phdr p = { .type = dom_cur_u32(&c) };

	if (elf->is64) {
		p.flags = dom_cur_u32(&c);
		p.offset = dom_cur_u64(&c);
		p.vaddr = dom_cur_u64(&c);
		p.paddr = dom_cur_u64(&c);
		p.filesz = dom_cur_u64(&c);
		p.memsz = dom_cur_u64(&c);
	} else {
		p.offset = dom_cur_u32(&c);
		p.vaddr = dom_cur_u32(&c);
		p.paddr = dom_cur_u32(&c);
		p.filesz = dom_cur_u32(&c);
		p.memsz = dom_cur_u32(&c);
		p.flags = dom_cur_u32(&c);
	}
	*ret = p;
	return !c.bad;
}
