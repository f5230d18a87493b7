// SPDX-License-Identifier: MIT
/*
 * Memory of the guest by virtual address, in its own address space: where it cannot be reached the
 * processor faults, and the copy ends early. Addresses in the hole are refused, since the shim
 * would reach them.
 */
#include "shim.h"
#include "hw.h"

/* entry.S; in unit tests a function of the test. Returns how many bytes were not copied. */
uint64_t shim_copy(void *to, const void *from, uint64_t len);

/*
 * Not in the hole, and not around the end of addresses. What starts below the hole comes to addresses
 * that are not canonical before it gets there, and faults.
 */
static bool range_ok(uint64_t va, size_t len)
{
	return va - PV_HYPERVISOR_START >= PV_HYPERVISOR_END - PV_HYPERVISOR_START &&
	       (!len || va + len - 1 >= va);
}

int shim_copy_from(void *to, uint64_t from, size_t len)
{
	if (!range_ok(from, len))
		return -EFAULT;
	return shim_copy(to, (const void *)(uintptr_t)from, len) ? -EFAULT : 0;
}

int shim_store(uint64_t to, uint64_t value)
{
	return range_ok(to, sizeof(value)) ? hw_store_safe(to, value) : -EFAULT;
}

int shim_copy_to(uint64_t to, const void *from, size_t len)
{
	if (!range_ok(to, len))
		return -EFAULT;
	return shim_copy((void *)(uintptr_t)to, from, len) ? -EFAULT : 0;
}
