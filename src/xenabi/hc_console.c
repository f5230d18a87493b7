// SPDX-License-Identifier: MIT
/*
 * console_io: the emergency console, which Linux uses with earlyprintk=xen.
 *   ABI: xen/include/public/xen.h: operation, byte count, buffer
 */
#include "xenabi/hypercall.h"
#include "domicile/base/num.h"

#include "priv.h"

static int64_t consoleio_write(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	uint64_t at = call->arg[2];
	uint64_t left = DOM_MIN((uint32_t)call->arg[1], XA_MAX_CONSOLE);
	char buf[256];

	(void)arg;
	if ((int32_t)call->arg[1] < 0)
		return -EINVAL;
	while (left) {
		size_t n = DOM_MIN(left, sizeof(buf));

		if (!xa_spend(v, 1))
			return -E2BIG;
		if (xa_copy_from(v, buf, (struct xa_gva){ at }, n))
			return -EFAULT;
		v->d->plat->console(v->d->ctx, buf, n);
		left -= n;
		if (!dom_add_u64(at, n, &at))
			return -EFAULT;
	}
	return 0;
}

/* Nothing is ever typed there. */
static int64_t consoleio_read(struct xa_vcpu *v, const struct xa_call *call, void *arg)
{
	(void)v;
	(void)call;
	(void)arg;
	return 0;
}

static const struct xa_op ops[] = {
	[CONSOLEIO_write] = { "write", consoleio_write },
	[CONSOLEIO_read]  = { "read",  consoleio_read },
};

const struct xa_family xa_console_ops = { ops, DOM_ARRAY_LEN(ops), .arg = 2 };
