// SPDX-License-Identifier: MIT
/*
 * CPUID leaves and the hypercall page.
 *   ABI: xen/include/public/arch-x86/cpuid.h, arch-x86/xen.h
 *   Values: as a Xen 4.20 PVH guest showed them (shared/reference/guest), but for the clock: the
 *   TSC is never emulated here, so leaf 3 does not say so.
 */
#include <string.h>

#include "xenabi/cpuid.h"
#include "xenabi/hypercall.h"

#include "priv.h"

static void leaf_base(const struct xa_vcpu *v, uint32_t subleaf, uint32_t khz, uint32_t r[4])
{
	(void)v;
	(void)subleaf;
	(void)khz;
	r[0] = XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES;
	r[1] = XEN_CPUID_SIGNATURE_EBX;
	r[2] = XEN_CPUID_SIGNATURE_ECX;
	r[3] = XEN_CPUID_SIGNATURE_EDX;
}

static void leaf_version(const struct xa_vcpu *v, uint32_t subleaf, uint32_t khz, uint32_t r[4])
{
	(void)subleaf;
	(void)khz;
	r[0] = v->d->cfg.xen_major << 16 | v->d->cfg.xen_minor;
}

static void leaf_msrs(const struct xa_vcpu *v, uint32_t subleaf, uint32_t khz, uint32_t r[4])
{
	(void)subleaf;
	(void)khz;
	r[0] = 1;	/* hypercall pages */
	r[1] = XA_MSR_HYPERCALL_PAGE;
	r[2] = v->d->cfg.pv ? XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD : 0;
}

/* Factor and shift with which ns = (ticks << shift) * mul >> 32, as in vcpu_time_info. */
static void tsc_scale(uint32_t khz, uint32_t *mul, int32_t *shift)
{
	uint64_t hz = khz * 1000ull;

	*shift = 0;
	while (hz > 2000000000ull) {
		hz >>= 1;
		--*shift;
	}
	while (hz && hz <= 1000000000ull) {
		hz <<= 1;
		++*shift;
	}
	*mul = hz ? (uint32_t)((1000000000ull << 32) / hz) : 0;
}

static void leaf_tsc(const struct xa_vcpu *v, uint32_t subleaf, uint32_t khz, uint32_t r[4])
{
	int32_t shift;

	(void)v;
	switch (subleaf) {
	case 0:
		r[2] = khz;
		r[3] = 1;	/* incarnation: never migrated */
		break;
	case 1:
		tsc_scale(khz, &r[2], &shift);
		r[3] = (uint32_t)shift;
		break;
	case 2:
		r[0] = khz;
		break;
	}
}

static void leaf_hvm(const struct xa_vcpu *v, uint32_t subleaf, uint32_t khz, uint32_t r[4])
{
	(void)khz;
	if (v->d->cfg.pv || subleaf)
		return;
	r[0] = XEN_HVM_CPUID_IOMMU_MAPPINGS | XEN_HVM_CPUID_VCPU_ID_PRESENT |
	       XEN_HVM_CPUID_DOMID_PRESENT | XEN_HVM_CPUID_UPCALL_VECTOR;
	r[1] = v->id;
	r[2] = v->d->cfg.domid;
}

static void leaf_pv(const struct xa_vcpu *v, uint32_t subleaf, uint32_t khz, uint32_t r[4])
{
	(void)khz;
	if (v->d->cfg.pv && !subleaf)
		r[1] = 40;	/* address width that MFNs may need */
}

static void (*const leaves[])(const struct xa_vcpu *v, uint32_t subleaf, uint32_t khz,
			      uint32_t r[4]) = {
	leaf_base, leaf_version, leaf_msrs, leaf_tsc, leaf_hvm, leaf_pv,
};

bool xa_cpuid(const struct xa_vcpu *v, uint32_t index, uint32_t subleaf, uint32_t tsc_khz,
	      uint32_t ret[4])
{
	if (index >= DOM_ARRAY_LEN(leaves))
		return false;
	memset(ret, 0, 4 * sizeof(ret[0]));
	leaves[index](v, subleaf, tsc_khz, ret);
	return true;
}

void xa_hypercall_page_pv64(uint8_t *page)
{
	/* push %rcx; push %r11; mov $nr, %eax; syscall; pop %r11; pop %rcx; ret */
	static const uint8_t before[] = { 0x51, 0x41, 0x53, 0xb8 };
	static const uint8_t after[] = { 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3 };
	/* iret never returns, and finds RAX on the stack too. */
	static const uint8_t iret[] = { 0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret, 0, 0, 0,
					0x0f, 0x05 };

	memset(page, 0xcc, XEN_PAGE_SIZE);
	for (uint32_t nr = 0; nr < XEN_PAGE_SIZE / XA_HYPERCALL_STUB; nr++) {
		uint8_t *p = page + nr * XA_HYPERCALL_STUB;

		memcpy(p, before, sizeof(before));
		memcpy(p + sizeof(before), &nr, sizeof(nr));
		memcpy(p + sizeof(before) + sizeof(nr), after, sizeof(after));
	}
	memcpy(page + __HYPERVISOR_iret * XA_HYPERCALL_STUB, iret, sizeof(iret));
}

void xa_hypercall_page(uint8_t *page, const uint8_t *insn, size_t insn_len)
{
	static const uint8_t ud2[] = { 0x0f, 0x0b };

	memset(page, 0xcc, XEN_PAGE_SIZE);
	for (uint32_t nr = 0; nr < XEN_PAGE_SIZE / XA_HYPERCALL_STUB; nr++) {
		uint8_t *p = page + nr * XA_HYPERCALL_STUB;

		/* iret is for PV guests, whose page is not made here. */
		if (nr == __HYPERVISOR_iret) {
			memcpy(p, ud2, sizeof(ud2));
			continue;
		}
		*p++ = 0xb8;	/* mov $nr, %eax */
		memcpy(p, &nr, sizeof(nr));
		p += sizeof(nr);
		memcpy(p, insn, insn_len);
		p += insn_len;
		*p = 0xc3;	/* ret */
	}
}
