// SPDX-License-Identifier: MIT
/*
 * The file that `xl dump-core` writes: an ELF core without program headers, whose sections have the
 * guest's pages, which pages they are, and the state of its vCPUs. Everything is of the 64-bit
 * layout, whatever the guest is.
 *   ABI: docs/misc/dump-core-format.txt, xen/include/public/elfnote.h
 *
 *   .note.Xen         notes of owner "Xen", below
 *   .xen_prstatus     struct vcpu_guest_context_64 per vCPU
 *   .xen_shared_info  the page shared_info
 *   .xen_pages        the pages, aligned to one
 *   .xen_pfn          uint64_t per page: its number; of guests without machine frames (PVH)
 *   .xen_p2m          struct xen_dumpcore_p2m per page, instead, of PV guests
 */
#ifndef XENABI_DUMPCORE_H
#define XENABI_DUMPCORE_H

#include "xenabi/base.h"
#include "xenabi/version.h"

#define XEN_ELFNOTE_DUMPCORE_NONE 0x2000000u
#define XEN_ELFNOTE_DUMPCORE_HEADER 0x2000001u
#define XEN_ELFNOTE_DUMPCORE_XEN_VERSION 0x2000002u
#define XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION 0x2000003u

#define XC_CORE_MAGIC 0xf00febedull		/* PV */
#define XC_CORE_MAGIC_HVM 0xf00febeeull		/* all others */

#define XEN_DUMPCORE_FORMAT_VERSION 0x1ull	/* major in the upper half, minor in the lower */

struct xen_dumpcore_elfnote_header {
	uint64_t xch_magic, xch_nr_vcpus, xch_nr_pages, xch_page_size;
};

/* What XENVER_* answer. */
struct xen_dumpcore_elfnote_xen_version {
	uint64_t major_version, minor_version;
	char extra_version[XEN_EXTRAVERSION_LEN];
	struct xen_compile_info compile_info;
	char capabilities[XEN_CAPABILITIES_INFO_LEN];
	char changeset[XEN_CHANGESET_INFO_LEN];
	struct xen_platform_parameters_64 platform_parameters;
	uint64_t pagesize;
};
XA_CHECK_SIZE(struct xen_dumpcore_elfnote_xen_version, 1280);

struct xen_dumpcore_p2m {
	uint64_t pfn, gmfn;
};

#endif
