// SPDX-License-Identifier: MIT
/*
 * THE table of hypercalls, and the two steps between a trapped call and its handler: choose the row
 * and the column of the caller's ABI; for families of operations choose the operation's row too,
 * copy its argument in, run the handler on the copy, copy the result out.
 *
 * An argument whose layout depends on the caller's width is translated by its row's list of
 * fields, so that handlers know the 64-bit layout only.
 */
#include <string.h>

#include "xenabi/errno.h"
#include "xenabi/hypercall.h"

#include "priv.h"

#define XA_ERRNO_IS_HOSTS(name, number) _Static_assert(name == number, #name " differs from Xen's");
XA_ERRNOS(XA_ERRNO_IS_HOSTS)

/*
 * One hypercall. Columns that are NULL answer -ENOSYS, as Xen does for calls that a kind of guest
 * does not have.
 */
struct row {
	const char *name;
	const struct xa_family *ops;		/* operations, for handlers that are `family` */
	xa_hcall_fn *column[XA_ABIS];
};

/* Copy the fields of @op between its 32-bit and its 64-bit layout. */
static void widen(const struct xa_op *op, uint8_t *arg64, const uint8_t *arg32)
{
	for (unsigned i = 0; i < op->nfields; i++) {
		const struct xa_field *f = &op->fields[i];

		memcpy(arg64 + f->off64, arg32 + f->off32, f->size32);
	}
}

static void narrow(const struct xa_op *op, uint8_t *arg32, const uint8_t *arg64)
{
	for (unsigned i = 0; i < op->nfields; i++) {
		const struct xa_field *f = &op->fields[i];

		memcpy(arg32 + f->off32, arg64 + f->off64, f->size32);
	}
}

#define ARG32_MAX 64

int xa_arg_in(struct xa_vcpu *v, const struct xa_op *op, bool is_32, uint64_t va, void *arg)
{
	uint8_t arg32[ARG32_MAX];

	if (!is_32 || !op->nfields)
		return xa_copy_from(v, arg, (struct xa_gva){ va }, op->size64);
	if (xa_copy_from(v, arg32, (struct xa_gva){ va }, op->size32))
		return -EFAULT;
	memset(arg, 0, op->size64);
	widen(op, arg, arg32);
	return 0;
}

int xa_arg_out(struct xa_vcpu *v, const struct xa_op *op, bool is_32, uint64_t va, const void *arg)
{
	uint8_t arg32[ARG32_MAX] = { 0 };

	if (!is_32 || !op->nfields)
		return xa_copy_to(v, (struct xa_gva){ va }, arg, op->size64);
	narrow(op, arg32, arg);
	return xa_copy_to(v, (struct xa_gva){ va }, arg32, op->size32);
}

/* Count operation @op of the call's family; numbers that do not exist share the last counter. */
static void count_op(struct xa_vcpu *v, const struct xa_call *call, const struct xa_family *f,
		     uint64_t op)
{
	uint64_t *c = &v->counts[v->d->stat_base[call->nr] + (op < f->nr_ops ? op : f->nr_ops)];

	/* One writer; others only read. */
	DOM_STORE(c, DOM_LOAD(c) + 1);
}

/* Run one operation of family @f: copy its argument in, handle the copy, copy it out. */
static int64_t family(struct xa_vcpu *v, const struct xa_call *call, const struct xa_family *f)
{
	uint64_t nr = f->op_mask ? call->arg[0] & f->op_mask : call->arg[0];
	uint64_t va = call->arg[f->arg];
	/* Deliberately not cleared: rows say which bytes are used, and 1 KiB per call shows. */
	_Alignas(8) uint8_t arg[XA_MAX_ARG];
	const struct xa_op *op;
	int64_t ret;

	count_op(v, call, f, nr);
	if (nr >= f->nr_ops)
		return -ENOSYS;
	op = &f->ops[nr];
	if (f->check) {
		ret = f->check(v, call);
		if (ret)
			return ret;
	}
	if (!op->fn)
		return op->err ? op->err : -ENOSYS;
	if (op->dir & XA_IN) {
		bool same = !op->nfields || !xa_is_32(call);

		if (same ? xa_copy_from(v, arg, (struct xa_gva){ va }, op->size64) :
			   xa_arg_in(v, op, true, va, arg))
			return f->fault ? f->fault(call) : -EFAULT;
	} else if (op->size64) {
		memset(arg, 0, op->size64);
	}
	ret = op->fn(v, call, arg);
	if ((op->dir & XA_OUT) && (ret >= 0 || (op->dir & XA_ALWAYS)) &&
	    xa_arg_out(v, op, xa_is_32(call), va, arg))
		ret = -EFAULT;
	return ret;
}

/* Operations that exist in Xen, but not for guests like these. */
static int64_t dom0_only(struct xa_vcpu *v, const struct xa_call *call, const struct xa_family *f)
{
	(void)v;
	(void)call;
	(void)f;
	return -EPERM;
}

static int64_t unsupported(struct xa_vcpu *v, const struct xa_call *call, const struct xa_family *f)
{
	(void)v;
	(void)call;
	(void)f;
	return -EOPNOTSUPP;
}

#define ALL(fn) { fn, fn, fn, fn }
#define PVH(fn) { fn, fn, NULL, NULL }

/*
 * Where a name has no columns, Xen knows the number but not for PVH guests. PV guests have many of
 * those; they are answered inside the guest, by pvshim/hcall.c, and never come here.
 */
static const struct row rows[] = {
	[__HYPERVISOR_set_trap_table] = { "set_trap_table" },
	[__HYPERVISOR_mmu_update] = { "mmu_update" },
	[__HYPERVISOR_set_gdt] = { "set_gdt" },
	[__HYPERVISOR_stack_switch] = { "stack_switch" },
	[__HYPERVISOR_set_callbacks] = { "set_callbacks" },
	[__HYPERVISOR_fpu_taskswitch] = { "fpu_taskswitch" },
	[__HYPERVISOR_sched_op_compat] = { "sched_op_compat" },
	[__HYPERVISOR_platform_op] = { "platform_op", NULL, ALL(dom0_only) },
	[__HYPERVISOR_set_debugreg] = { "set_debugreg" },
	[__HYPERVISOR_get_debugreg] = { "get_debugreg" },
	[__HYPERVISOR_update_descriptor] = { "update_descriptor" },
	[__HYPERVISOR_memory_op] = { "memory_op", &xa_memory_ops, ALL(family) },
	[__HYPERVISOR_multicall] = { "multicall", NULL, ALL(xa_multicall) },
	[__HYPERVISOR_update_va_mapping] = { "update_va_mapping" },
	[__HYPERVISOR_set_timer_op] = { "set_timer_op", NULL, ALL(xa_set_timer_op) },
	[__HYPERVISOR_event_channel_op_compat] = { "event_channel_op_compat" },
	[__HYPERVISOR_xen_version] = { "xen_version", &xa_version_ops, ALL(family) },
	[__HYPERVISOR_console_io] = { "console_io", &xa_console_ops, ALL(family) },
	[__HYPERVISOR_physdev_op_compat] = { "physdev_op_compat" },
	[__HYPERVISOR_grant_table_op] = { "grant_table_op", &xa_grant_ops, ALL(xa_grant_table_op) },
	[__HYPERVISOR_vm_assist] = { "vm_assist", &xa_vm_assist_ops, ALL(family) },
	[__HYPERVISOR_update_va_mapping_otherdomain] = { "update_va_mapping_otherdomain" },
	[__HYPERVISOR_iret] = { "iret" },
	[__HYPERVISOR_vcpu_op] = { "vcpu_op", &xa_vcpu_ops, ALL(family) },
	[__HYPERVISOR_set_segment_base] = { "set_segment_base" },
	[__HYPERVISOR_mmuext_op] = { "mmuext_op" },
	[__HYPERVISOR_xsm_op] = { "xsm_op" },
	[__HYPERVISOR_nmi_op] = { "nmi_op" },
	[__HYPERVISOR_sched_op] = { "sched_op", &xa_sched_ops, ALL(family) },
	[__HYPERVISOR_callback_op] = { "callback_op" },
	[__HYPERVISOR_xenoprof_op] = { "xenoprof_op" },
	[__HYPERVISOR_event_channel_op] = { "event_channel_op", &xa_evtchn_ops, ALL(family) },
	[__HYPERVISOR_physdev_op] = { "physdev_op", &xa_physdev_ops, PVH(family) },
	[__HYPERVISOR_hvm_op] = { "hvm_op", &xa_hvm_ops, PVH(family) },
	[__HYPERVISOR_sysctl] = { "sysctl", NULL, ALL(dom0_only) },
	[__HYPERVISOR_domctl] = { "domctl", NULL, ALL(dom0_only) },
	[__HYPERVISOR_kexec_op] = { "kexec_op" },
	[__HYPERVISOR_tmem_op] = { "tmem_op" },
	[__HYPERVISOR_argo_op] = { "argo_op" },
	[__HYPERVISOR_xenpmu_op] = { "xenpmu_op", NULL, ALL(unsupported) },
	[__HYPERVISOR_dm_op] = { "dm_op", NULL, ALL(dom0_only) },
	[__HYPERVISOR_hypfs_op] = { "hypfs_op", NULL, ALL(dom0_only) },
	[__HYPERVISOR_mca] = { "mca" },
};
_Static_assert(DOM_ARRAY_LEN(rows) <= XA_HCALLS, "stat_base is too short");

/* Operations of @row that are counted; the last counter is for numbers that do not exist. */
static unsigned row_counters(const struct row *row)
{
	return row->ops ? row->ops->nr_ops + 1u : 1u;
}

unsigned xa_stat_bases(uint16_t base[XA_HCALLS])
{
	unsigned n = 0;

	for (unsigned nr = 0; nr < DOM_ARRAY_LEN(rows); nr++) {
		base[nr] = (uint16_t)n;
		n += row_counters(&rows[nr]);
	}
	return n;
}

/* Count a call that family() does not. */
static void count(struct xa_vcpu *v, const struct xa_call *call, const struct row *row)
{
	uint64_t *c = &v->counts[v->d->stat_base[call->nr]];

	if (row->ops)
		count_op(v, call, row->ops, call->arg[0]);
	else
		DOM_STORE(c, DOM_LOAD(c) + 1);
}

int64_t xa_hcall(struct xa_vcpu *v, const struct xa_call *call)
{
	const struct row *row;
	xa_hcall_fn *fn;

	if (call->nr >= DOM_ARRAY_LEN(rows) || !rows[call->nr].name)
		return -ENOSYS;
	row = &rows[call->nr];
	fn = row->column[call->abi];
	if (fn != family)
		count(v, call, row);
	return fn ? fn(v, call, row->ops) : -ENOSYS;
}

int64_t xa_hypercall(struct xa_vcpu *v, const struct xa_call *call)
{
	struct xa_call cut;

	if (call->cpl && (call->abi == XA_ABI_PVH64 || call->abi == XA_ABI_PVH32))
		return -EPERM;
	v->walk.have_paging = v->walk.have_page = false;
	v->work_left = XA_WORK;
	if (__atomic_load_n(&v->down, __ATOMIC_RELAXED)) {
		__atomic_store_n(&v->ran, true, __ATOMIC_SEQ_CST);
		__atomic_store_n(&v->down, false, __ATOMIC_SEQ_CST);
	}
	if (DOM_UNLIKELY(__atomic_load_n(&v->times.state, __ATOMIC_RELAXED) != XA_RUNNING))
		xa_runstate_update(v, XA_RUNNING, 0);
	if (!xa_is_32(call))
		return xa_hcall(v, call);
	cut = *call;
	cut.nr = (uint32_t)cut.nr;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(cut.arg); i++)
		cut.arg[i] = (uint32_t)cut.arg[i];
	return xa_hcall(v, &cut);
}

void xa_stats(const struct xa_domain *d, void (*fn)(void *arg, const struct xa_hcall_stat *stat),
	      void *arg)
{
	for (unsigned nr = 0; nr < DOM_ARRAY_LEN(rows); nr++) {
		const struct row *row = &rows[nr];

		for (unsigned op = 0; row->name && op < row_counters(row); op++) {
			struct xa_hcall_stat stat = { .name = row->name, .op = "" };

			if (row->ops)
				stat.op = op < row->ops->nr_ops && row->ops->ops[op].name ?
						  row->ops->ops[op].name : "?";
			for (unsigned i = 0; i < d->cfg.max_vcpus; i++)
				stat.count += DOM_LOAD(&d->vcpus[i].counts[d->stat_base[nr] + op]);
			if (stat.count)
				fn(arg, &stat);
		}
	}
}
