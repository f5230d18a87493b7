// SPDX-License-Identifier: MIT
/*
 * The memory map that the guest is told, in start_info and by XENMEM_memory_map. Addresses of the
 * special pages and the first megabyte's reserved part are as in a real PVH domain.
 */
#include "vmm.h"

enum { E820_RAM = 1, E820_RESERVED = 2 };

unsigned vmm_memmap(const struct vmm *vm, struct xa_memmap_entry map[VMM_MEMMAP_MAX])
{
	const struct vmm_mem *m = &vm->mem;
	const struct xa_memmap_entry all[] = {
		{ 0, 0xa0000, E820_RAM },
		{ 0xa0000, 0x60000, E820_RESERVED },
		{ 0x100000, m->low - 0x100000, E820_RAM },
		{ VMM_SPECIAL_GFN << XEN_PAGE_SHIFT, VMM_SPECIAL_PAGES * XEN_PAGE_SIZE, E820_RESERVED },
		{ VMM_HIGH_START, m->size - m->low, E820_RAM },
	};
	unsigned n = 0;

	/* A PV guest sees its pages only, which have no gaps. */
	if (vm->cfg.pv) {
		map[0] = (struct xa_memmap_entry){ 0, m->size, E820_RAM };
		return 1;
	}

	for (size_t i = 0; i < DOM_ARRAY_LEN(all); i++) {
		if (all[i].size)
			map[n++] = all[i];
	}
	return n;
}
