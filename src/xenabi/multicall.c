// SPDX-License-Identifier: MIT
/*
 * multicall: a list of hypercalls in one. Each entry is copied, performed and given its result
 * before the next is looked at, so an entry may see what the one before it did.
 *   ABI: xen/include/public/xen.h: address of the list, number of entries
 */
#include <stddef.h>

#include "xenabi/hypercall.h"
#include "domicile/base/num.h"

#include "priv.h"

/* Read the entry at @at into @ret, which has the ABI of the list already. */
static int read_entry(struct xa_vcpu *v, uint64_t at, struct xa_call *ret)
{
	struct multicall_entry_64 e64;
	struct multicall_entry_32 e32;

	if (!xa_is_32(ret)) {
		if (xa_copy_from(v, &e64, (struct xa_gva){ at }, sizeof(e64)))
			return -EFAULT;
		ret->nr = e64.op;
		for (unsigned i = 0; i < DOM_ARRAY_LEN(e64.args); i++)
			ret->arg[i] = e64.args[i];
		return 0;
	}
	if (xa_copy_from(v, &e32, (struct xa_gva){ at }, sizeof(e32)))
		return -EFAULT;
	ret->nr = e32.op;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(e32.args); i++)
		ret->arg[i] = e32.args[i];
	return 0;
}

static int64_t run_list(struct xa_vcpu *v, const struct xa_call *list)
{
	struct xa_call call = { .abi = list->abi, .cpl = list->cpl };
	bool is_32 = xa_is_32(list);
	uint64_t size = is_32 ? sizeof(struct multicall_entry_32) :
				sizeof(struct multicall_entry_64);
	uint64_t at = list->arg[0];

	for (uint64_t i = 0; i < list->arg[1]; i++) {
		int64_t result;
		uint64_t result_at;

		if (!xa_spend(v, 1))
			return -E2BIG;
		if (read_entry(v, at, &call))
			return -EFAULT;
		result = xa_hcall(v, &call);
		if (!dom_add_u64(at, is_32 ? offsetof(struct multicall_entry_32, result) :
					     offsetof(struct multicall_entry_64, result),
				 &result_at) ||
		    xa_copy_to(v, (struct xa_gva){ result_at }, &result, is_32 ? 4 : 8))
			return -EFAULT;
		if (!dom_add_u64(at, size, &at))
			return -EFAULT;
	}
	return 0;
}

int64_t xa_multicall(struct xa_vcpu *v, const struct xa_call *call, const struct xa_family *f)
{
	int64_t ret;

	(void)f;
	if (v->in_multicall)
		return -EINVAL;
	if (call->arg[1] > XA_MAX_BATCH)
		return -E2BIG;
	v->in_multicall = true;
	ret = run_list(v, call);
	v->in_multicall = false;
	return ret;
}
