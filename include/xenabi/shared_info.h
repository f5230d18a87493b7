// SPDX-License-Identifier: MIT
/*
 * The page that a domain shares with its hypervisor, and the per-vCPU part of it. Offsets, not
 * structs: the page belongs to the guest and no code should be tempted to dereference it.
 *   ABI: xen/include/public/xen.h, arch-x86/xen.h, arch-x86/xen-x86_64.h, arch-x86/xen-x86_32.h
 */
#ifndef XENABI_SHARED_INFO_H
#define XENABI_SHARED_INFO_H

#include "xenabi/base.h"

/* vcpu_info records inside shared_info; further vCPUs must register theirs. */
#define XEN_LEGACY_MAX_VCPUS 32u

/* struct vcpu_info: 64 bytes in both widths. */
#define XA_VCPU_INFO_SIZE 64u
#define XA_VCPU_INFO_PENDING 0u		/* uint8_t evtchn_upcall_pending */
#define XA_VCPU_INFO_MASK 1u		/* uint8_t evtchn_upcall_mask: PV guests only */
#define XA_VCPU_INFO_SEL_64 8u		/* uint64_t evtchn_pending_sel */
#define XA_VCPU_INFO_SEL_32 4u		/* uint32_t evtchn_pending_sel */
#define XA_VCPU_INFO_TIME 32u		/* struct vcpu_time_info */

/* struct shared_info */
#define XA_SHARED_INFO_PENDING 0x800u	/* evtchn_pending[]: 64 x 64 or 32 x 32 bits */
#define XA_SHARED_INFO_MASK_64 0xa00u	/* evtchn_mask[] */
#define XA_SHARED_INFO_MASK_32 0x880u
#define XA_SHARED_INFO_WC_64 0xc00u	/* uint32_t wc_version, wc_sec, wc_nsec */
#define XA_SHARED_INFO_WC_32 0x900u
#define XA_SHARED_INFO_WC_SEC_HI_64 0xc0cu
#define XA_SHARED_INFO_WC_SEC_HI_32 0x924u

/* Time record of a vCPU; the layout is also that of kvmclock. */
struct vcpu_time_info {
	uint32_t version;		/* odd while being written */
	uint32_t pad0;
	uint64_t tsc_timestamp;		/* TSC at the last update */
	uint64_t system_time;		/* ns since the domain's start at the last update */
	uint32_t tsc_to_system_mul;	/* ns = ((tsc - tsc_timestamp) << shift) * mul >> 32 */
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad1[2];
};
XA_CHECK_SIZE(struct vcpu_time_info, 32);

#define XEN_PVCLOCK_TSC_STABLE_BIT (1u << 0)
#define XEN_PVCLOCK_GUEST_STOPPED (1u << 1)

#endif
