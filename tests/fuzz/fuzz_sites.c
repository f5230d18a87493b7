// SPDX-License-Identifier: MIT
/* Code to search for hypercall sites; the first byte says how it is aligned. */
#undef NDEBUG
#include <assert.h>

#include "vmm/boot/impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_site site[BOOT_SITES_MAX];
	const uint64_t gpa = 0x100000;
	uint64_t gva;
	unsigned n;

	if (!size)
		return 0;
	gva = 0xffffffff81000000 + data[0];
	data++;
	size--;
	n = boot_find_sites(data, size, gpa, gva, site, BOOT_SITES_MAX);
	assert(n <= BOOT_SITES_MAX && n % 2 == 0);
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = site[i].gpa - gpa;

		assert(site[i].gva - gva == at && dom_in_range(at, 4, size));
		assert(data[at] == 0x0f && data[at + 1] == 0x01);
		assert(data[at + 2] == (site[i].vmmcall ? 0xd9 : 0xc1));
		assert(!i || site[i].gpa > site[i - 1].gpa);
		assert(i % 2 == 0 || site[i].vmmcall != site[i - 1].vmmcall);
	}
	return 0;
}
