// SPDX-License-Identifier: MIT
/*
 * xen_version operations and the feature bits of XENVER_get_features.
 *   ABI: xen/include/public/version.h, features.h
 */
#ifndef XENABI_VERSION_H
#define XENABI_VERSION_H

#include "xenabi/base.h"

#define XENVER_version 0
#define XENVER_extraversion 1
#define XENVER_compile_info 2
#define XENVER_capabilities 3
#define XENVER_changeset 4
#define XENVER_platform_parameters 5
#define XENVER_get_features 6
#define XENVER_pagesize 7
#define XENVER_guest_handle 8
#define XENVER_commandline 9
#define XENVER_build_id 10
/* Since Xen 4.18: the same texts without a length limit, as struct xen_varbuf. */
#define XENVER_extraversion2 11
#define XENVER_capabilities2 12
#define XENVER_changeset2 13
#define XENVER_commandline2 14

#define XEN_EXTRAVERSION_LEN 16u
#define XEN_CAPABILITIES_INFO_LEN 1024u
#define XEN_CHANGESET_INFO_LEN 64u
#define XEN_COMMANDLINE_LEN 1024u

struct xen_compile_info {
	char compiler[64];
	char compile_by[16];
	char compile_domain[32];
	char compile_date[32];
};
struct xen_platform_parameters_64 {
	uint64_t virt_start;
};
struct xen_platform_parameters_32 {
	uint32_t virt_start;
};
struct xen_feature_info {
	uint32_t submap_idx;	/* in */
	uint32_t submap;	/* out */
};
/* Followed by len bytes, not terminated. Also the layout of struct xen_build_id. */
struct xen_varbuf {
	uint32_t len;		/* in: room in bytes */
};
XA_CHECK_SIZE(struct xen_compile_info, 144);
XA_CHECK_SIZE(struct xen_feature_info, 8);

#define XENFEAT_writable_page_tables 0
#define XENFEAT_writable_descriptor_tables 1
#define XENFEAT_auto_translated_physmap 2
#define XENFEAT_supervisor_mode_kernel 3
#define XENFEAT_pae_pgdir_above_4gb 4
#define XENFEAT_mmu_pt_update_preserve_ad 5
#define XENFEAT_highmem_assist 6
#define XENFEAT_gnttab_map_avail_bits 7
#define XENFEAT_hvm_callback_vector 8
#define XENFEAT_hvm_safe_pvclock 9
#define XENFEAT_hvm_pirqs 10
#define XENFEAT_dom0 11
#define XENFEAT_memory_op_vnode_supported 13
#define XENFEAT_linux_rsdp_unrestricted 15
#define XENFEAT_not_direct_mapped 16
#define XENFEAT_direct_mapped 17
#define XENFEAT_runstate_phys_area 18	/* since Xen 4.18 */
#define XENFEAT_vcpu_time_phys_area 19	/* since Xen 4.18 */
#define XENFEAT_dm_msix_all_writes 20	/* since Xen 4.18 */

#endif
