// SPDX-License-Identifier: MIT
/*
 * What CPUID tells a PV guest: what it tells the shim, less what a guest outside of level 0 cannot
 * use, or may not because we use it. The same answer for the prefixed instruction and for the one
 * that faulted. Programs ask some dozens of times when they start, so answers are kept.
 */
#include "shim.h"
#include "hw.h"

enum reg { EAX, EBX, ECX, EDX, ALL };
#define ANY 0xffffffffu
#define BIT(n) (1u << (n))

static const struct {
	uint32_t leaf, subleaf;
	uint8_t reg;		/* enum reg */
	uint32_t keep;
	const char *why;
} rules[] = {
	{ 0x1, ANY, ECX, ~(BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(14) | BIT(15) | BIT(17) |
			   BIT(18) | BIT(21) | BIT(24)),
	  "MONITOR, VMX, SMX, EST, TM2, xTPR, PDCM, PCID, DCA, x2APIC, TSC deadline" },
	{ 0x1, ANY, EDX, ~(BIT(1) | BIT(3) | BIT(7) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17) |
			   BIT(21) | BIT(22) | BIT(29) | BIT(31)),
	  "VME, PSE, MCE, SEP, MTRR, PGE, MCA, PSE36, DS, ACPI, TM, PBE" },
	{ 0x5, ANY, ALL, 0, "MONITOR and MWAIT" },
	{ 0x6, ANY, EAX, BIT(2), "power management, but for the timer that never stops" },
	{ 0x6, ANY, ECX, 0, "power management" },
	{ 0x7, 0, EBX, ~(BIT(1) | BIT(2) | BIT(7) | BIT(10) | BIT(12) | BIT(14) | BIT(15) | BIT(20) |
			 BIT(25)),
	  "TSC_ADJUST, SGX, SMEP, INVPCID, PQM, MPX, PQE, SMAP, PT" },
	{ 0x7, 0, ECX, ~(BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(16) | BIT(22) | BIT(23) |
			 BIT(24) | BIT(29) | BIT(30) | BIT(31)),
	  "UMIP, PKU, OSPKE, WAITPKG, CET, LA57, RDPID, KL, BUS_LOCK, ENQCMD, SGX_LC, PKS" },
	{ 0x7, 0, EDX, ~(BIT(5) | BIT(14) | BIT(18) | BIT(19) | BIT(20) | BIT(26) | BIT(27) | BIT(28) |
			 BIT(29) | BIT(30) | BIT(31)),
	  "UINTR, SERIALIZE, PCONFIG, ARCH_LBR, CET, and speculation control by MSR" },
	{ 0x7, 1, EAX, ~(BIT(17) | BIT(18) | BIT(19) | BIT(22) | BIT(26) | BIT(27)),
	  "FRED, LKGS, WRMSRNS, HRESET, LAM, MSRLIST" },
	{ 0x7, 2, EDX, 0, "speculation control by MSR" },
	{ 0xa, ANY, ALL, 0, "performance counters" },
	{ 0xd, 1, EAX, BIT(0) | BIT(1) | BIT(2), "XSAVES, which is privileged" },
	{ 0xd, 1, ECX, 0, "supervisor states" },
	{ 0x12, ANY, ALL, 0, "SGX" },
	{ 0x14, ANY, ALL, 0, "processor trace" },
	{ 0x80000001, ANY, ECX, ~(BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(13) | BIT(15) |
				  BIT(19) | BIT(22) | BIT(23) | BIT(24) | BIT(26) | BIT(27) | BIT(28) |
				  BIT(29)),
	  "SVM, EXTAPIC, OSVW, IBS, SKINIT, WDT, LWP, NODEID, TOPOEXT, counters, BPEXT, MWAITX" },
	{ 0x80000001, ANY, EDX, ~(BIT(1) | BIT(3) | BIT(7) | BIT(12) | BIT(13) | BIT(14) | BIT(17) |
				  BIT(25) | BIT(26) | BIT(27)),
	  "VME, PSE, MCE, MTRR, PGE, MCA, PSE36, FFXSR, 1 GiB pages, RDTSCP" },
	{ 0x80000007, ANY, EBX, 0, "machine check features" },
	{ 0x80000007, ANY, EDX, BIT(8), "power management, but for the constant TSC" },
	{ 0x80000008, ANY, EBX, BIT(0) | BIT(2), "speculation control by MSR, RDPRU, WBNOINVD" },
	{ 0x8000000a, ANY, ALL, 0, "SVM" },
	{ 0x8000001b, ANY, ALL, 0, "IBS" },
	{ 0x80000021, ANY, EAX, BIT(2) | BIT(6), "automatic IBRS and other MSRs" },
	{ 0x80000022, ANY, ALL, 0, "performance counters" },
};

static void ask(uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
	hw_cpuid(leaf, subleaf, reg);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(rules); i++) {
		if (rules[i].leaf != leaf ||
		    (rules[i].subleaf != ANY && rules[i].subleaf != subleaf))
			continue;
		for (unsigned n = 0; n < 4; n++) {
			if (rules[i].reg == n || rules[i].reg == ALL)
				reg[n] &= rules[i].keep;
		}
	}
}

void shim_cpuid_forget(struct shim_vcpu *v)
{
	memset(v->cpuid, 0, sizeof(v->cpuid));
}

void shim_cpuid(struct shim_vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
	struct shim_cpuid *c = &v->cpuid[(leaf ^ leaf >> 26 ^ subleaf * 11) % SHIM_CPUIDS];

	if (!c->valid || c->leaf != leaf || c->subleaf != subleaf) {
		*c = (struct shim_cpuid){ .leaf = leaf, .subleaf = subleaf, .valid = true };
		ask(leaf, subleaf, c->reg);
	}
	memcpy(reg, c->reg, sizeof(c->reg));
}
