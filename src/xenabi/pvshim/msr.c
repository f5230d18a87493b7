// SPDX-License-Identifier: MIT
/*
 * Model-specific registers of the guest's kernel, one row each. All others fault, as they do for an
 * unprivileged guest of Xen; kernels are prepared for that where they probe.
 */
#include "shim.h"
#include "hw.h"

enum policy {
	REAL,		/* the processor's */
	BASE,		/* the processor's; an address */
	FIXED,		/* reads give .value */
	IGNORE,		/* writes change nothing */
	FAULT,
};

static const struct {
	uint32_t msr;
	uint8_t read, write;	/* enum policy */
	uint64_t value;
	const char *who;
} msrs[] = {
	{ MSR_FS_BASE, REAL, BASE, 0, "segment bases" },
	{ MSR_GS_BASE, REAL, BASE, 0, "segment bases; Linux writes it before its first hypercall" },
	{ MSR_KERNEL_GS_BASE, REAL, BASE, 0, "the user's GS base, read at context switches" },
	{ MSR_EFER, REAL, FAULT, 0, "Linux, at start" },
	{ MSR_APIC_BASE, FIXED, FAULT, 0xfee00900, "Linux, at start: xAPIC, enabled" },
	{ MSR_PAT, REAL, FAULT, 0, "Linux, which uses it as it finds it" },
	{ 0x8b, REAL, IGNORE, 0, "microcode revision" },
	{ 0x1a0, REAL, IGNORE, 0, "MISC_ENABLE, Linux on Intel" },
	{ 0xc0010015, FIXED, IGNORE, 0, "HWCR, Linux on AMD" },
};

bool shim_rdmsr(struct shim_vcpu *v, uint32_t msr, uint64_t *ret)
{
	(void)v;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(msrs); i++) {
		if (msrs[i].msr != msr || msrs[i].read == FAULT)
			continue;
		*ret = msrs[i].value;
		return msrs[i].read == FIXED || !hw_rdmsr_safe(msr, ret);
	}
	return false;
}

bool shim_wrmsr(struct shim_vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(msrs); i++) {
		if (msrs[i].msr != msr || msrs[i].write == FAULT)
			continue;
		if (msrs[i].write == BASE) {
			if ((uint64_t)((int64_t)(value << 16) >> 16) != value)
				return false;
			hw_wrmsr(msr, value);
		}
		return true;
	}
	return false;
}
