// SPDX-License-Identifier: MIT
/*
 * vm_assist: optional behaviours. A PVH guest has one.
 *   ABI: xen/include/public/xen.h: command, type
 */
#include "xenabi/hypercall.h"

#include "priv.h"

static int64_t set_assist(struct xa_vcpu *v, const struct xa_call *call, bool on)
{
	struct xa_domain *d = v->d;
	int err = 0;

	if (call->arg[1] != VMASST_TYPE_runstate_update_flag)
		return -EINVAL;
	if (d->plat->runstate_flag)
		err = d->plat->runstate_flag(d->ctx, on);
	if (!err)
		__atomic_store_n(&d->runstate_flag, on, __ATOMIC_RELAXED);
	return err;
}

static int64_t vmasst_enable(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	return set_assist(v, call, true);
}

static int64_t vmasst_disable(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)arg;
	return set_assist(v, call, false);
}

static const struct xa_op ops[] = {
	[VMASST_CMD_enable]  = { "enable",  vmasst_enable },
	[VMASST_CMD_disable] = { "disable", vmasst_disable },
};

const struct xa_family xa_vm_assist_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 1 };
