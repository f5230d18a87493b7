// SPDX-License-Identifier: MIT
/*
 * Notes that a kernel leaves for Xen in ELF notes with the owner "Xen". Numeric notes are 4 or 8
 * bytes long, whatever the class of the ELF file; names and values are padded to 4 bytes.
 *
 * ABI: xen/include/public/elfnote.h
 */
#ifndef XENABI_ELFNOTE_H
#define XENABI_ELFNOTE_H

#define XEN_ELFNOTE_INFO 0		/* string NAME=VALUE */
#define XEN_ELFNOTE_ENTRY 1		/* number: virtual entry point (PV) */
#define XEN_ELFNOTE_HYPERCALL_PAGE 2	/* number: virtual address of the hypercall page */
#define XEN_ELFNOTE_VIRT_BASE 3		/* number: where to map the image, default 0 */
#define XEN_ELFNOTE_PADDR_OFFSET 4	/* number: p_paddr minus pseudo-physical address */
#define XEN_ELFNOTE_XEN_VERSION 5	/* string: "xen-3.0" */
#define XEN_ELFNOTE_GUEST_OS 6		/* string */
#define XEN_ELFNOTE_GUEST_VERSION 7	/* string */
#define XEN_ELFNOTE_LOADER 8		/* string: "generic" */
#define XEN_ELFNOTE_PAE_MODE 9		/* string: "yes", "no", "bimodal" */
#define XEN_ELFNOTE_FEATURES 10		/* string: names separated by '|', '!' means required */
#define XEN_ELFNOTE_BSD_SYMTAB 11	/* string: "yes" or "no" */
#define XEN_ELFNOTE_HV_START_LOW 12	/* number: lowest start of the hypervisor hole */
#define XEN_ELFNOTE_L1_MFN_VALID 13	/* pairs of mask and value */
#define XEN_ELFNOTE_SUSPEND_CANCEL 14	/* number: 0 or 1 */
#define XEN_ELFNOTE_INIT_P2M 15		/* number: virtual address of the initial p2m */
#define XEN_ELFNOTE_MOD_START_PFN 16	/* number: module address may be a pfn */
#define XEN_ELFNOTE_SUPPORTED_FEATURES 17	/* number: bits of XENFEAT_* 0 .. 31 */
#define XEN_ELFNOTE_PHYS32_ENTRY 18	/* number: physical 32-bit entry point (PVH) */
#define XEN_ELFNOTE_PHYS32_RELOC 19	/* 0 to 3 words: alignment, first, last address */

#endif
