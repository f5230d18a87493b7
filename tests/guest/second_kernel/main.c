// SPDX-License-Identifier: MIT
/*
 * Fact: a kernel that the guest brings itself (a boot loader's, kexec's) makes hypercalls like the one
 *   that the VMM loaded. On hosts without KVM_XEN the VMM looks for its hypercall instructions when it
 *   turns system calls on (EFER.SCE), which a kernel does early and where it is going to stay.
 * Source: Linux arch/x86/kernel/head_64.S (secondary_startup_64_no_verify), xen-head.S
 * Expect: the version from a second kernel, from a third elsewhere, and from a fourth that replaced
 *   the third in its place; EFER has what was written each time.
 * run: only64
 */
#include "kern/hypercall.h"

#define EFER_SCE 1u

/* What is needed of a kernel: an entry that writes EFER, and the two sites. */
static const uint8_t entry[] = {
	0xb9, 0x80, 0x00, 0x00, 0xc0,	/* mov $MSR_EFER, %ecx */
	0x0f, 0x32,			/* rdmsr */
	0x83, 0xc8, EFER_SCE,		/* or $EFER_SCE, %eax */
	0x0f, 0x30,			/* wrmsr */
	0xc3,				/* ret */
};
static const uint8_t amd[] = { 0x0f, 0x01, 0xd9, 0xc3 }, intel[] = { 0x0f, 0x01, 0xc1, 0xc3 };

static void copy(unsigned long to, const uint8_t *from, unsigned long len)
{
	for (unsigned long i = 0; i < len; i++)
		((volatile uint8_t *)to)[i] = from[i];
}

/* Write such a kernel to @base, with its sites from @sites on, and enter it. */
static void start_kernel(unsigned long base, unsigned long sites, const char *what)
{
	const char *site = pick_site((const char *)base + sites, (const char *)base + sites + 16);
	long r;

	for (unsigned long i = 0; i < 0x10000; i++)
		((volatile uint8_t *)base)[i] = 0xcc;
	copy(base, entry, sizeof(entry));
	copy(base + sites, amd, sizeof(amd));
	copy(base + sites + 16, intel, sizeof(intel));
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_SCE);
	CHECK(!(rdmsr(MSR_EFER) & EFER_SCE));
	__asm__ volatile("call *%0" : : "r"(base) : "ax", "cx", "dx", "memory");
	CHECK(rdmsr(MSR_EFER) & EFER_SCE);
	r = hypercall_via(site, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0);
	if (r >> 16 != 4)
		fail("%s gets %ld", what, r);
}

void test_main(void)
{
	start_kernel(0x800000, 0x1000, "the second kernel");
	start_kernel(0xa00000, 0x2000, "the third kernel");
	start_kernel(0xa00000, 0x3010, "the kernel in the third's place");
}
