// SPDX-License-Identifier: MIT
/*
 * First C code of a PVH kernel: what every test finds ready.
 */
#include "kern/hypercall.h"
#include "xenabi/cpuid.h"
#include "xenabi/pvh.h"

uint32_t xen_cpuid_base, tsc_khz;
uint8_t hypercall_page[PAGE_SIZE] PAGE_ALIGNED;

void spin_ms(unsigned ms)
{
	uint64_t until = tsc_after_ms(ms);

	while (rdtsc() < until)
		cpu_relax();
}

const struct hvm_start_info *start_info(void)
{
	return (const struct hvm_start_info *)(unsigned long)start_info_gpa;
}

/* Where @word begins on the command line, as a word of its own. */
static const char *find_arg(const char *word)
{
	size_t len = strlen(word);
	const char *s = (const char *)(unsigned long)start_info()->cmdline_paddr;

	for (bool at_start = true; s && *s; at_start = *s++ == ' ') {
		if (at_start && !memcmp(s, word, len) && (!s[len] || s[len] == ' ' || s[len] == '='))
			return s + len;
	}
	return NULL;
}

bool arg_has(const char *word)
{
	return find_arg(word);
}

uint64_t arg_number(const char *word)
{
	const char *s = find_arg(word);
	uint64_t v = 0;

	if (s && *s++ == '=') {
		while (*s >= '0' && *s <= '9')
			v = v * 10 + (uint64_t)(*s++ - '0');
	}
	return v;
}

static void find_xen(void)
{
	uint32_t r[4];

	for (uint32_t base = XEN_CPUID_FIRST_LEAF; base < 0x40010000; base += 0x100) {
		cpuid(base, 0, r);
		if (r[1] != XEN_CPUID_SIGNATURE_EBX || r[2] != XEN_CPUID_SIGNATURE_ECX ||
		    r[3] != XEN_CPUID_SIGNATURE_EDX)
			continue;
		xen_cpuid_base = base;
		cpuid(base + 3, 0, r);
		tsc_khz = r[2];
		break;
	}
	if (!xen_cpuid_base)
		fail("no Xen leaves in CPUID");
}

void kern_main(void);

void kern_main(void)
{
	uint32_t r[4];

	trap_init();
	paging_init();
	find_xen();
	cpuid(xen_cpuid_base + 2, 0, r);
	if (try_wrmsr(r[1], (unsigned long)hypercall_page) != NO_FAULT)
		fail("the hypercall page MSR %#x faults", r[1]);
	have_hypercalls = true;
	if (!tsc_khz)
		fail("CPUID does not tell the frequency of the TSC");
	test_main();
	pass();
}

const char *pick_site(const char *amd, const char *intel)
{
	uint32_t r[4];

	cpuid(0, 0, r);
	return r[2] == 0x6c65746e ? intel : amd;	/* "ntel" of GenuineIntel */
}
