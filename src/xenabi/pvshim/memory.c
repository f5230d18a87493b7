// SPDX-License-Identifier: MIT
/*
 * Which of the guest's pages has which frame. At the start that is fixed, but a kernel may change the
 * order of its pages (GRUB does, for the kernel that it starts), and pages that were given back return
 * with other frames. The table of pages by frame is kept here; the guest keeps the other one.
 */
#include "xenabi/memory.h"

#include "shim.h"
#include "hw.h"

int shim_set_pfn(uint64_t mfn, uint64_t pfn)
{
	if (!shim_is_ram(mfn))
		return -EINVAL;
	__atomic_store_n(&shim_m2p()[mfn], pfn, __ATOMIC_RELAXED);
	return 0;
}

#define EXTENTS 32u

/*
 * Pages of the guest get frames, which the VMM writes over their numbers: those must be remembered, so
 * it does a few at a time. The third argument tells how many; the guest has none.
 * ABI: the result is the number of extents that were done, from 0, whatever ended it.
 */
static int64_t populate_physmap(struct shim_vcpu *v, const struct shim_call *call)
{
	uint64_t done = call->arg[0] >> MEMOP_EXTENT_SHIFT, pfn[EXTENTS], mfn[EXTENTS];
	struct xen_memory_reservation_64 r;

	if (shim_copy_from(&r, call->arg[1], sizeof(r)))
		return (int64_t)done;
	while (done < r.nr_extents) {
		unsigned n = r.nr_extents - done < EXTENTS ? (unsigned)(r.nr_extents - done) : EXTENTS;
		uint64_t at = r.extent_start + done * sizeof(pfn[0]), got;
		struct shim_call part = *call;

		part.arg[0] = XENMEM_populate_physmap | done << MEMOP_EXTENT_SHIFT;
		part.arg[2] = n;
		if (shim_copy_from(pfn, at, n * sizeof(pfn[0])))
			break;
		got = (uint64_t)shim_forward(v, &part) - done;
		if (!got || got > n || shim_copy_from(mfn, at, got * sizeof(mfn[0])))
			break;
		for (unsigned i = 0; i < got; i++) {
			for (uint64_t k = 0; k < 1ull << (r.extent_order & 31); k++)
				shim_set_pfn(mfn[i] + k, pfn[i] + k);
		}
		done += got;
	}
	return (int64_t)done;
}

int64_t shim_memory_op(struct shim_vcpu *v, const struct shim_call *call)
{
	const struct xen_machphys_mapping_64 mapping = {
		PV_MACH2PHYS_START, PV_MACH2PHYS_END, shim_info()->end_frame - 1,
	};

	switch (call->arg[0] & MEMOP_CMD_MASK) {
	case XENMEM_machphys_mapping:
		return shim_copy_to(call->arg[1], &mapping, sizeof(mapping));
	case XENMEM_populate_physmap:
		return populate_physmap(v, call);
	}
	return shim_forward(v, call);
}
