// SPDX-License-Identifier: MIT
/* The content of a PT_NOTE segment. */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "vmm/boot/impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_notes n = { 0 };

	boot_notes_parse(&n, data, size);
	assert(n.present < 1u << BOOT_NOTE_TYPES);
	assert(memchr(n.guest_os, 0, sizeof(n.guest_os)));
	assert(memchr(n.guest_version, 0, sizeof(n.guest_version)));
	assert(memchr(n.xen_version, 0, sizeof(n.xen_version)));
	assert(memchr(n.loader, 0, sizeof(n.loader)));
	assert(memchr(n.pae_mode, 0, sizeof(n.pae_mode)));
	assert(memchr(n.features, 0, sizeof(n.features)));
	return 0;
}
