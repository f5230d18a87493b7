// SPDX-License-Identifier: MIT
/*
 * What a PVH guest finds behind %ebx at its entry point. All addresses are guest-physical, and all
 * of it lies below 4 GiB.
 *
 * ABI: xen/include/public/arch-x86/hvm/start_info.h
 */
#ifndef XENABI_PVH_H
#define XENABI_PVH_H

#include <stdint.h>

#include "xenabi/base.h"

#define XEN_HVM_START_MAGIC_VALUE 0x336ec578u
#define XEN_HVM_START_VERSION 1u	/* the version with a memory map */

/* hvm_memmap_table_entry.type: the ACPI address range types */
#define XEN_HVM_MEMMAP_TYPE_RAM 1u
#define XEN_HVM_MEMMAP_TYPE_RESERVED 2u
#define XEN_HVM_MEMMAP_TYPE_ACPI 3u
#define XEN_HVM_MEMMAP_TYPE_NVS 4u
#define XEN_HVM_MEMMAP_TYPE_UNUSABLE 5u
#define XEN_HVM_MEMMAP_TYPE_DISABLED 6u
#define XEN_HVM_MEMMAP_TYPE_PMEM 7u

struct hvm_start_info {
	uint32_t magic;			/* XEN_HVM_START_MAGIC_VALUE */
	uint32_t version;
	uint32_t flags;			/* SIF_* */
	uint32_t nr_modules;
	uint64_t modlist_paddr;		/* array of struct hvm_modlist_entry */
	uint64_t cmdline_paddr;		/* NUL-terminated */
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;		/* array of struct hvm_memmap_table_entry */
	uint32_t memmap_entries;
	uint32_t reserved;		/* 0 */
};
XA_CHECK_SIZE(struct hvm_start_info, 56);

struct hvm_modlist_entry {
	uint64_t paddr;
	uint64_t size;			/* bytes */
	uint64_t cmdline_paddr;		/* NUL-terminated; 0 for none */
	uint64_t reserved;
};
XA_CHECK_SIZE(struct hvm_modlist_entry, 32);

struct hvm_memmap_table_entry {
	uint64_t addr;
	uint64_t size;			/* bytes */
	uint32_t type;			/* XEN_HVM_MEMMAP_TYPE_* */
	uint32_t reserved;		/* 0 */
};
XA_CHECK_SIZE(struct hvm_memmap_table_entry, 24);

#endif
