// SPDX-License-Identifier: MIT
/*
 * The CPUID leaves by which a guest recognises Xen.
 *   ABI: xen/include/public/arch-x86/cpuid.h
 */
#ifndef XENABI_CPUID_H
#define XENABI_CPUID_H

#include "xenabi/base.h"

#define XEN_CPUID_FIRST_LEAF 0x40000000u
#define XEN_CPUID_MAX_NUM_LEAVES 5u
#define XEN_CPUID_SIGNATURE_EBX 0x566e6558u	/* "XenV" */
#define XEN_CPUID_SIGNATURE_ECX 0x65584d4du	/* "MMXe" */
#define XEN_CPUID_SIGNATURE_EDX 0x4d4d566eu	/* "nVMM" */

/* Leaf 2: ecx */
#define XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD (1u << 0)

/* Leaf 4: eax */
#define XEN_HVM_CPUID_APIC_ACCESS_VIRT (1u << 0)
#define XEN_HVM_CPUID_X2APIC_VIRT (1u << 1)
#define XEN_HVM_CPUID_IOMMU_MAPPINGS (1u << 2)
#define XEN_HVM_CPUID_VCPU_ID_PRESENT (1u << 3)
#define XEN_HVM_CPUID_DOMID_PRESENT (1u << 4)
#define XEN_HVM_CPUID_EXT_DEST_ID (1u << 5)
#define XEN_HVM_CPUID_UPCALL_VECTOR (1u << 6)

/* MSR that asks for a hypercall page, as told by leaf 2. */
#define XA_MSR_HYPERCALL_PAGE 0x40000000u

#endif
