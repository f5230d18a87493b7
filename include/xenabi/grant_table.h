// SPDX-License-Identifier: MIT
/*
 * Grant tables: entries and operations.
 *   ABI: xen/include/public/grant_table.h
 */
#ifndef XENABI_GRANT_TABLE_H
#define XENABI_GRANT_TABLE_H

#include "xenabi/base.h"

#define GNTTABOP_map_grant_ref 0
#define GNTTABOP_unmap_grant_ref 1
#define GNTTABOP_setup_table 2
#define GNTTABOP_dump_table 3
#define GNTTABOP_transfer 4
#define GNTTABOP_copy 5
#define GNTTABOP_query_size 6
#define GNTTABOP_unmap_and_replace 7
#define GNTTABOP_set_version 8
#define GNTTABOP_get_status_frames 9
#define GNTTABOP_get_version 10
#define GNTTABOP_swap_grant_ref 11
#define GNTTABOP_cache_flush 12

/* Version 1 entry; 512 to a page. flags and domid share a 32-bit word, changed atomically. */
struct grant_entry_v1 {
	uint16_t flags;		/* GTF_* */
	domid_t domid;		/* who may use the page */
	uint32_t frame;		/* guest page number */
};
XA_CHECK_SIZE(struct grant_entry_v1, 8);

/* Version 2: entries of 16 bytes, 256 to a page; the in-use flags are in status frames apart. */
struct grant_entry_header {
	uint16_t flags;		/* GTF_*, without GTF_reading and GTF_writing */
	domid_t domid;
};
struct grant_entry_v2_full_page {
	struct grant_entry_header hdr;
	uint32_t pad0;
	uint64_t frame;
};
struct grant_entry_v2_sub_page {		/* GTF_sub_page */
	struct grant_entry_header hdr;
	uint16_t page_off, length;	/* the part of the page that is granted */
	uint64_t frame;
};
struct grant_entry_v2_transitive {		/* GTF_transitive: what another domain granted us */
	struct grant_entry_header hdr;
	domid_t trans_domid;
	uint16_t pad0;
	grant_ref_t gref;
};
union grant_entry_v2 {
	struct grant_entry_header hdr;
	struct grant_entry_v2_full_page full_page;
	struct grant_entry_v2_sub_page sub_page;
	struct grant_entry_v2_transitive transitive;
	uint32_t spacer[4];
};
XA_CHECK_SIZE(union grant_entry_v2, 16);
typedef uint16_t grant_status_t;	/* GTF_reading and GTF_writing; 2048 to a status frame */

#define GTF_invalid 0u
#define GTF_permit_access 1u
#define GTF_accept_transfer 2u
#define GTF_transitive 3u
#define GTF_type_mask 3u
#define GTF_readonly (1u << 2)
#define GTF_reading (1u << 3)
#define GTF_writing (1u << 4)
#define GTF_PWT (1u << 5)
#define GTF_PCD (1u << 6)
#define GTF_PAT (1u << 7)
#define GTF_sub_page (1u << 8)

#define GNTTAB_NR_RESERVED_ENTRIES 8u
#define GNTTAB_RESERVED_CONSOLE 0u
#define GNTTAB_RESERVED_XENSTORE 1u

struct gnttab_map_grant_ref {
	uint64_t host_addr;	/* in */
	uint32_t flags;		/* in: GNTMAP_* */
	grant_ref_t ref;	/* in */
	domid_t dom;		/* in */
	int16_t status;		/* out: GNTST_* */
	uint32_t handle;	/* out */
	uint64_t dev_bus_addr;	/* out */
};
struct gnttab_unmap_grant_ref {
	uint64_t host_addr, dev_bus_addr;
	uint32_t handle;
	int16_t status;		/* out */
};
struct gnttab_setup_table_64 {
	domid_t dom;
	uint32_t nr_frames;
	int16_t status;		/* out */
	uint64_t frame_list;	/* address of xen_pfn_t[], out */
};
struct gnttab_setup_table_32 {
	domid_t dom;
	uint32_t nr_frames;
	int16_t status;
	uint32_t frame_list;
};
struct gnttab_transfer_64 {
	uint64_t mfn;
	domid_t domid;
	grant_ref_t ref;
	int16_t status;
};
struct gnttab_transfer_32 {
	uint32_t mfn;
	domid_t domid;
	grant_ref_t ref;
	int16_t status;
};
/* ptr: a grant reference (low 32 bits) or a page number, by GNTCOPY_*_gref. */
struct gnttab_copy_ptr_64 {
	uint64_t ptr;
	domid_t domid;
	uint16_t offset;
};
struct gnttab_copy_ptr_32 {
	uint32_t ptr;
	domid_t domid;
	uint16_t offset;
};
struct gnttab_copy_64 {
	struct gnttab_copy_ptr_64 source, dest;
	uint16_t len, flags;
	int16_t status;		/* out */
};
struct gnttab_copy_32 {
	struct gnttab_copy_ptr_32 source, dest;
	uint16_t len, flags;
	int16_t status;
};
#define GNTCOPY_source_gref (1u << 0)
#define GNTCOPY_dest_gref (1u << 1)
struct gnttab_query_size {
	domid_t dom;
	uint32_t nr_frames, max_nr_frames;	/* out */
	int16_t status;				/* out */
};
struct gnttab_unmap_and_replace {
	uint64_t host_addr, new_addr;
	uint32_t handle;
	int16_t status;
};
struct gnttab_set_version {
	uint32_t version;	/* in and out */
};
struct gnttab_get_status_frames_64 {
	uint32_t nr_frames;
	domid_t dom;
	int16_t status;		/* out */
	uint64_t frame_list;
};
struct gnttab_get_status_frames_32 {
	uint32_t nr_frames;
	domid_t dom;
	int16_t status;
	uint32_t frame_list;
};
struct gnttab_get_version {
	domid_t dom;
	uint16_t pad;
	uint32_t version;	/* out */
};
struct gnttab_swap_grant_ref {
	grant_ref_t ref_a, ref_b;
	int16_t status;
};
XA_CHECK_SIZE(struct gnttab_map_grant_ref, 32);
XA_CHECK_SIZE(struct gnttab_unmap_grant_ref, 24);
XA_CHECK_SIZE(struct gnttab_setup_table_64, 24);
XA_CHECK_SIZE(struct gnttab_setup_table_32, 16);
XA_CHECK_SIZE(struct gnttab_transfer_64, 24);
XA_CHECK_SIZE(struct gnttab_transfer_32, 16);
XA_CHECK_SIZE(struct gnttab_copy_64, 40);
XA_CHECK_SIZE(struct gnttab_copy_32, 24);
XA_CHECK_SIZE(struct gnttab_query_size, 16);
XA_CHECK_SIZE(struct gnttab_unmap_and_replace, 24);
XA_CHECK_SIZE(struct gnttab_get_status_frames_64, 16);
XA_CHECK_SIZE(struct gnttab_get_status_frames_32, 12);
XA_CHECK_SIZE(struct gnttab_get_version, 8);
XA_CHECK_SIZE(struct gnttab_swap_grant_ref, 12);

#define GNTMAP_device_map (1u << 0)
#define GNTMAP_host_map (1u << 1)
#define GNTMAP_readonly (1u << 2)
#define GNTMAP_application_map (1u << 3)
#define GNTMAP_contains_pte (1u << 4)
#define GNTMAP_guest_avail_shift 16

#define GNTST_okay 0
#define GNTST_general_error (-1)
#define GNTST_bad_domain (-2)
#define GNTST_bad_gntref (-3)
#define GNTST_bad_handle (-4)
#define GNTST_bad_virt_addr (-5)
#define GNTST_bad_dev_addr (-6)
#define GNTST_no_device_space (-7)
#define GNTST_permission_denied (-8)
#define GNTST_bad_page (-9)
#define GNTST_bad_copy_arg (-10)
#define GNTST_address_too_big (-11)
#define GNTST_eagain (-12)
#define GNTST_no_space (-13)

#endif
