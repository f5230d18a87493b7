// SPDX-License-Identifier: MIT
/*
 * Memory operations.
 *   ABI: xen/include/public/memory.h
 *
 * The low six bits of the first argument are the operation, the rest is the extent at which an
 * interrupted call goes on.
 */
#ifndef XENABI_MEMORY_H
#define XENABI_MEMORY_H

#include "xenabi/base.h"

#define MEMOP_EXTENT_SHIFT 6	/* xen/include/xen/hypercall.h; seen by guests in a retried call */
#define MEMOP_CMD_MASK 63u

#define XENMEM_increase_reservation 0
#define XENMEM_decrease_reservation 1
#define XENMEM_maximum_ram_page 2
#define XENMEM_current_reservation 3
#define XENMEM_maximum_reservation 4
#define XENMEM_machphys_mfn_list 5
#define XENMEM_populate_physmap 6
#define XENMEM_add_to_physmap 7
#define XENMEM_memory_map 9
#define XENMEM_machine_memory_map 10
#define XENMEM_exchange 11
#define XENMEM_machphys_mapping 12
#define XENMEM_set_memory_map 13
#define XENMEM_maximum_gpfn 14
#define XENMEM_remove_from_physmap 15
#define XENMEM_set_pod_target 16
#define XENMEM_get_pod_target 17
#define XENMEM_get_sharing_freed_pages 18
#define XENMEM_get_sharing_shared_pages 19
#define XENMEM_paging_op 20
#define XENMEM_access_op 21
#define XENMEM_sharing_op 22
#define XENMEM_add_to_physmap_batch 23
#define XENMEM_claim_pages 24
#define XENMEM_machphys_compat_mfn_list 25
#define XENMEM_get_vnumainfo 26
#define XENMEM_reserved_device_memory_map 27
#define XENMEM_acquire_resource 28

struct xen_memory_reservation_64 {
	uint64_t extent_start;		/* address of xen_pfn_t[] */
	uint64_t nr_extents;
	uint32_t extent_order;		/* extents are 2^order pages */
	uint32_t mem_flags;
	domid_t domid;
};
struct xen_memory_reservation_32 {
	uint32_t extent_start;
	uint32_t nr_extents;
	uint32_t extent_order;
	uint32_t mem_flags;
	domid_t domid;
};
struct xen_memory_domain {
	domid_t domid;
};

#define XENMAPSPACE_shared_info 0
#define XENMAPSPACE_grant_table 1
#define XENMAPSPACE_gmfn 2
#define XENMAPSPACE_gmfn_range 3
#define XENMAPSPACE_gmfn_foreign 4
#define XENMAPSPACE_dev_mmio 5
#define XENMAPIDX_grant_table_status 0x80000000u

struct xen_add_to_physmap_64 {
	domid_t domid;
	uint16_t size;			/* gmfn_range only */
	uint32_t space;			/* XENMAPSPACE_* */
	uint64_t idx;
	uint64_t gpfn;
};
struct xen_add_to_physmap_32 {
	domid_t domid;
	uint16_t size;
	uint32_t space;
	uint32_t idx;
	uint32_t gpfn;
};
struct xen_add_to_physmap_batch_64 {
	domid_t domid;
	uint16_t space;
	uint16_t size;			/* elements of each array */
	domid_t foreign_domid;
	uint64_t idxs;			/* address of xen_ulong_t[] */
	uint64_t gpfns;			/* address of xen_pfn_t[] */
	uint64_t errs;			/* address of int[], out */
};
struct xen_add_to_physmap_batch_32 {
	domid_t domid;
	uint16_t space;
	uint16_t size;
	domid_t foreign_domid;
	uint32_t idxs, gpfns, errs;
};
struct xen_remove_from_physmap_64 {
	domid_t domid;
	uint64_t gpfn;
};
struct xen_remove_from_physmap_32 {
	domid_t domid;
	uint32_t gpfn;
};
struct xen_memory_map_64 {
	uint32_t nr_entries;		/* in: room; out: written */
	uint64_t buffer;		/* address of struct xa_e820entry[] */
};
struct xen_memory_map_32 {
	uint32_t nr_entries;
	uint32_t buffer;
};
/* ABI: struct e820entry, 20 bytes without padding */
struct xa_e820entry {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

struct xen_mem_acquire_resource_64 {
	domid_t domid;
	uint16_t type;
	uint32_t id;
	uint32_t nr_frames;
	uint32_t pad;
	uint64_t frame;
	uint64_t frame_list;
};
struct xen_mem_acquire_resource_32 {
	domid_t domid;
	uint16_t type;
	uint32_t id;
	uint32_t nr_frames;
	uint32_t pad;
	uint64_t frame;
	uint32_t frame_list;
} __attribute__((packed, aligned(4)));

/* Handles are in 64-bit unions: one layout. */
struct xen_vnuma_topology_info {
	domid_t domid;
	uint16_t pad;
	uint32_t nr_vnodes, nr_vcpus, nr_vmemranges;
	uint64_t vdistance, vcpu_to_vnode, vmemrange;
};
XA_CHECK_SIZE(struct xen_memory_reservation_64, 32);
XA_CHECK_SIZE(struct xen_memory_reservation_32, 20);
XA_CHECK_SIZE(struct xen_add_to_physmap_64, 24);
XA_CHECK_SIZE(struct xen_add_to_physmap_32, 16);
XA_CHECK_SIZE(struct xen_add_to_physmap_batch_64, 32);
XA_CHECK_SIZE(struct xen_add_to_physmap_batch_32, 20);
XA_CHECK_SIZE(struct xen_remove_from_physmap_64, 16);
XA_CHECK_SIZE(struct xen_remove_from_physmap_32, 8);
XA_CHECK_SIZE(struct xen_memory_map_64, 16);
XA_CHECK_SIZE(struct xen_memory_map_32, 8);
XA_CHECK_SIZE(struct xa_e820entry, 20);
XA_CHECK_SIZE(struct xen_mem_acquire_resource_64, 32);
XA_CHECK_SIZE(struct xen_mem_acquire_resource_32, 28);
XA_CHECK_SIZE(struct xen_vnuma_topology_info, 40);

#endif
