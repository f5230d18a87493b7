// SPDX-License-Identifier: MIT
/*
 * Timers. They are the VMM's, which delivers their event whatever format of events the guest chose.
 * What they do not need is a call for each: a time at which, or after which, the VMM will look anyway
 * is left in the vCPU's mailbox, where it looks. The rules are those of src/vmm/tick.c: deadline
 * first, then the horizon; with no horizon, or a later one, the call is made and the mailbox is empty.
 */
#include "xenabi/vcpu.h"

#include "shim.h"

/* Times that are farther off are perhaps not meant so; the VMM knows what guests mean by them. */
#define FAR_NS (1ull << 40)

static struct shim_mail *mail_of(const struct shim_vcpu *v)
{
	return (struct shim_mail *)(void *)(shim_block(v->id) + SHIM_VCPU_MAIL);
}

static uint64_t horizon(struct shim_mail *m)
{
	return __atomic_load_n(&m->horizon, __ATOMIC_SEQ_CST);
}

static void empty(struct shim_mail *m)
{
	__atomic_store_n(&m->deadline, 0, __ATOMIC_SEQ_CST);
}

/* True: the VMM will see @deadline in time. */
static bool leave_there(struct shim_mail *m, uint64_t deadline)
{
	uint64_t look;

	__atomic_store_n(&m->deadline, deadline, __ATOMIC_SEQ_CST);
	look = horizon(m);
	if (look && look <= deadline && deadline - look < FAR_NS)
		return true;
	empty(m);
	return false;
}

int64_t shim_set_timer_op(struct shim_vcpu *v, const struct shim_call *call)
{
	return leave_there(mail_of(v), call->arg[0]) ? 0 : shim_forward(v, call);
}

int64_t shim_set_singleshot_timer(struct shim_vcpu *v, const struct shim_call *call)
{
	struct vcpu_set_singleshot_timer_64 a;
	struct shim_mail *m = mail_of(v);
	int64_t r;

	if (call->arg[1] != v->id)
		return -EINVAL;
	if (shim_copy_from(&a, call->arg[2], sizeof(a)))
		return -EFAULT;
	if (!a.flags && leave_there(m, a.timeout_abs_ns))
		return 0;
	/* A time that must be in the future replaces the last only if it is. */
	r = shim_forward(v, call);
	if (!r)
		empty(m);
	return r;
}

/* While there is a horizon no timer was set by a call: the mailbox is all there is to stop. */
int64_t shim_stop_singleshot_timer(struct shim_vcpu *v, const struct shim_call *call)
{
	struct shim_mail *m = mail_of(v);

	if (call->arg[1] != v->id)
		return -EINVAL;
	empty(m);
	return horizon(m) ? 0 : shim_forward(v, call);
}
