// SPDX-License-Identifier: MIT
/*
 * The table of hypercalls: who may call, what is not there, widths, multicall, statistics; and the
 * small families xen_version, console_io, vm_assist, physdev_op, hvm_op.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "xenabi/cpuid.h"

#include "fake_xa.h"

static int setup(void **state)
{
	*state = fake_new();
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static void user_mode_is_eperm(void **state)
{
	struct fake *f = *state;
	struct xa_call call = { .abi = XA_ABI_PVH64, .cpl = 3, .nr = __HYPERVISOR_xen_version };

	assert_int_equal(xa_hypercall(xa_domain_vcpu(f->d, 0), &call), -EPERM);
	call.cpl = 1;
	call.nr = 1000;
	assert_int_equal(xa_hypercall(xa_domain_vcpu(f->d, 0), &call), -EPERM);
}

static void calls_that_pvh_guests_do_not_have(void **state)
{
	static const struct {
		uint64_t nr;
		int64_t err;
	} rows[] = {
		{ __HYPERVISOR_set_trap_table, -ENOSYS }, { __HYPERVISOR_mmu_update, -ENOSYS },
		{ __HYPERVISOR_set_gdt, -ENOSYS }, { __HYPERVISOR_stack_switch, -ENOSYS },
		{ __HYPERVISOR_set_callbacks, -ENOSYS }, { __HYPERVISOR_fpu_taskswitch, -ENOSYS },
		{ __HYPERVISOR_sched_op_compat, -ENOSYS }, { __HYPERVISOR_platform_op, -EPERM },
		{ __HYPERVISOR_set_debugreg, -ENOSYS }, { __HYPERVISOR_get_debugreg, -ENOSYS },
		{ __HYPERVISOR_update_descriptor, -ENOSYS }, { 11, -ENOSYS },
		{ __HYPERVISOR_update_va_mapping, -ENOSYS },
		{ __HYPERVISOR_event_channel_op_compat, -ENOSYS },
		{ __HYPERVISOR_physdev_op_compat, -ENOSYS },
		{ __HYPERVISOR_update_va_mapping_otherdomain, -ENOSYS },
		{ __HYPERVISOR_iret, -ENOSYS }, { __HYPERVISOR_set_segment_base, -ENOSYS },
		{ __HYPERVISOR_mmuext_op, -ENOSYS }, { __HYPERVISOR_xsm_op, -ENOSYS },
		{ __HYPERVISOR_nmi_op, -ENOSYS }, { __HYPERVISOR_callback_op, -ENOSYS },
		{ __HYPERVISOR_xenoprof_op, -ENOSYS }, { __HYPERVISOR_sysctl, -EPERM },
		{ __HYPERVISOR_domctl, -EPERM }, { __HYPERVISOR_kexec_op, -ENOSYS },
		{ __HYPERVISOR_tmem_op, -ENOSYS }, { __HYPERVISOR_argo_op, -ENOSYS },
		{ __HYPERVISOR_xenpmu_op, -EOPNOTSUPP }, { __HYPERVISOR_dm_op, -EPERM },
		{ __HYPERVISOR_hypfs_op, -EPERM }, { __HYPERVISOR_mca, -ENOSYS },
		{ 43, -ENOSYS }, { 49, -ENOSYS }, { 64, -ENOSYS }, { UINT64_MAX, -ENOSYS },
	};
	struct fake *f = *state;

	for (unsigned abi = XA_ABI_PVH64; abi <= XA_ABI_PVH32; abi++) {
		f->abi = abi;
		for (unsigned i = 0; i < DOM_ARRAY_LEN(rows); i++)
			assert_int_equal(fake_call(f, 0, rows[i].nr, 0, FAKE_ARG, 1), rows[i].err);
	}
}

static void upper_halves_of_32_bit_arguments_are_ignored(void **state)
{
	struct fake *f = *state;
	uint64_t junk = 0xdeadbeef00000000ull;

	f->abi = XA_ABI_PVH32;
	assert_int_equal(fake_call(f, 0, junk | __HYPERVISOR_xen_version, junk, junk, junk),
			 4 << 16 | 17);
}

/* ---- xen_version ---- */

static int64_t version(struct fake *f, unsigned op, uint64_t at)
{
	return fake_call(f, 0, __HYPERVISOR_xen_version, op, at, 0);
}

static void version_texts(void **state)
{
	struct fake *f = *state;
	char *arg = fake_at(f, FAKE_ARG);
	struct xen_feature_info fi = { 0, 0 };

	assert_int_equal(version(f, XENVER_version, 0), 0x40011);
	assert_int_equal(version(f, XENVER_extraversion, FAKE_ARG), 0);
	assert_string_equal(arg, ".0");
	assert_int_equal(version(f, XENVER_capabilities, FAKE_ARG), 0);
	assert_string_equal(arg, "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ");
	assert_int_equal(version(f, XENVER_changeset, FAKE_ARG), 0);
	assert_string_equal(arg, "");
	assert_int_equal(version(f, XENVER_compile_info, FAKE_ARG), 0);
	assert_memory_equal(arg, "Domicile ", 9);
	assert_int_equal(version(f, XENVER_guest_handle, FAKE_ARG), 0);
	assert_memory_equal(arg, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20", 16);
	assert_int_equal(version(f, XENVER_commandline, FAKE_ARG), 0);
	assert_string_equal(arg, "<denied>");
	assert_int_equal(version(f, XENVER_pagesize, 0), 4096);
	assert_int_equal(version(f, XENVER_pagesize, 1), -EINVAL);
	assert_int_equal(version(f, XENVER_build_id, 0), -EPERM);
	assert_int_equal(fake_op(f, __HYPERVISOR_xen_version, XENVER_get_features, &fi), 0);
	assert_int_equal(fi.submap, 0x12305);
	fi.submap_idx = 1;
	assert_int_equal(fake_op(f, __HYPERVISOR_xen_version, XENVER_get_features, &fi), -EINVAL);
	assert_int_equal(version(f, XENVER_extraversion2, 0), -ENOSYS);
	assert_int_equal(version(f, 15, FAKE_ARG), -ENOSYS);
	assert_int_equal(version(f, XENVER_capabilities, FAKE_BAD), -EFAULT);
}

static void xen_4_20(struct xa_config *cfg)
{
	cfg->xen_minor = 20;
	cfg->cmdline = "console=vga";
}

static void version_4_20(void **state)
{
	struct fake *f = fake_new_cfg(xen_4_20);
	struct xen_feature_info fi = { 0, 0 };
	uint32_t *len = fake_at(f, FAKE_ARG);

	(void)state;
	assert_int_equal(fake_op(f, __HYPERVISOR_xen_version, XENVER_get_features, &fi), 0);
	assert_int_equal(fi.submap, 0x52305);
	assert_int_equal(version(f, XENVER_capabilities2, 0), 61);
	*len = 60;
	assert_int_equal(version(f, XENVER_capabilities2, FAKE_ARG), -ENOBUFS);
	*len = 61;
	assert_int_equal(version(f, XENVER_capabilities2, FAKE_ARG), 61);
	assert_memory_equal(len + 1, "xen-3.0-x86_64 ", 15);
	*len = 0;
	assert_int_equal(version(f, XENVER_changeset2, FAKE_ARG), -EINVAL);
	assert_int_equal(version(f, XENVER_extraversion2, FAKE_BAD), -EFAULT);
	assert_int_equal(version(f, XENVER_commandline2, 0), -EPERM);
	assert_int_equal(version(f, XENVER_commandline, FAKE_ARG), 0);
	assert_string_equal((char *)len, "console=vga");
	fake_free(f);
}

static void platform_parameters_in_both_widths(void **state)
{
	struct fake *f = *state;
	uint64_t *arg = fake_at(f, FAKE_ARG);

	*arg = UINT64_MAX;
	assert_int_equal(version(f, XENVER_platform_parameters, FAKE_ARG), 0);
	assert_int_equal(*arg, 0);
	*arg = UINT64_MAX;
	f->abi = XA_ABI_PVH32;
	assert_int_equal(version(f, XENVER_platform_parameters, FAKE_ARG), 0);
	assert_int_equal(*arg, 0xffffffff00000000ull);
}

/* ---- console_io, vm_assist, physdev_op ---- */

static void console_write_and_read(void **state)
{
	struct fake *f = *state;
	char text[700];

	memset(text, 'x', sizeof(text));
	memcpy(fake_at(f, FAKE_LIST), text, sizeof(text));
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_console_io, CONSOLEIO_write, 700, FAKE_LIST),
			 0);
	assert_int_equal(f->console_len, 700);
	assert_memory_equal(f->console, text, 700);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_console_io, CONSOLEIO_read, 10, FAKE_LIST),
			 0);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_console_io, CONSOLEIO_write, 10, FAKE_BAD),
			 -EFAULT);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_console_io, CONSOLEIO_write, UINT32_MAX,
				   FAKE_LIST), -EINVAL);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_console_io, 2, 10, FAKE_LIST), -ENOSYS);
}

static void vm_assist_knows_the_runstate_flag(void **state)
{
	struct fake *f = *state;

	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vm_assist, VMASST_CMD_enable,
				   VMASST_TYPE_runstate_update_flag, 0), 0);
	assert_int_equal(f->runstate_flag, 1);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vm_assist, VMASST_CMD_disable,
				   VMASST_TYPE_runstate_update_flag, 0), 0);
	assert_int_equal(f->runstate_flag, 0);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vm_assist, VMASST_CMD_enable,
				   VMASST_TYPE_writable_pagetables, 0), -EINVAL);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vm_assist, 2,
				   VMASST_TYPE_runstate_update_flag, 0), -ENOSYS);
	f->ret_flag = -EIO;
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_vm_assist, VMASST_CMD_enable,
				   VMASST_TYPE_runstate_update_flag, 0), -EIO);
}

static void physdev_is_enosys(void **state)
{
	for (unsigned op = 0; op < 40; op++)
		assert_int_equal(fake_call(*state, 0, __HYPERVISOR_physdev_op, op, FAKE_ARG, 0),
				 -ENOSYS);
}

/* ---- hvm_op ---- */

static int64_t set_param(struct fake *f, domid_t dom, uint32_t index, uint64_t value)
{
	struct xen_hvm_param a = { dom, 0, index, value };

	return fake_op(f, __HYPERVISOR_hvm_op, HVMOP_set_param, &a);
}

static int64_t get_param(struct fake *f, uint32_t index, uint64_t *ret)
{
	struct xen_hvm_param a = { DOMID_SELF, 0, index, 0 };
	int64_t err = fake_op(f, __HYPERVISOR_hvm_op, HVMOP_get_param, &a);

	*ret = a.value;
	return err;
}

static void hvm_params(void **state)
{
	struct fake *f = *state;
	uint64_t value;

	assert_int_equal(get_param(f, HVM_PARAM_CONSOLE_PFN, &value), 0);
	assert_int_equal(value, 0xfefff);
	assert_int_equal(get_param(f, HVM_PARAM_STORE_PFN, &value), 0);
	assert_int_equal(value, 0xfeffc);
	xa_hvm_param_set(f->d, HVM_PARAM_STORE_EVTCHN, 5);
	assert_int_equal(get_param(f, HVM_PARAM_STORE_EVTCHN, &value), 0);
	assert_int_equal(value, 5);
	assert_int_equal(xa_hvm_param_get(f->d, HVM_PARAM_IDENT_PT), 0xfeffe000);
	assert_int_equal(xa_hvm_param_get(f->d, 1000), 0);
	xa_hvm_param_set(f->d, 1000, 1);
	assert_int_equal(get_param(f, HVM_PARAM_IDENT_PT, &value), -EPERM);
	assert_int_equal(get_param(f, 3, &value), -EINVAL);
	assert_int_equal(get_param(f, HVM_NR_PARAMS, &value), -EINVAL);
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_CONSOLE_PFN, 1), -EPERM);
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_STORE_EVTCHN, 6), -EEXIST);
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_STORE_EVTCHN, 5), 0);
	assert_int_equal(set_param(f, 0, HVM_PARAM_CALLBACK_IRQ, 1), -EPERM);
	assert_int_equal(set_param(f, 3, HVM_PARAM_CALLBACK_IRQ, 1), -ESRCH);
	assert_int_equal(set_param(f, DOMID_SELF, 0xffffffff, 1), -EINVAL);
}

static void callback_vector_is_told_to_the_platform(void **state)
{
	struct fake *f = *state;
	evtchn_port_t port;

	fake_bind_ipi(f, 1, &port);
	fake_send(f, port);
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 2ull << 56 | 0xf3), 0);
	assert_int_equal(f->upcall_set.kind, XA_UPCALL_DOMAIN_VECTOR);
	assert_int_equal(f->upcall_set.vector, 0xf3);
	assert_int_equal(f->upcalls[1], 1);	/* what waited is told now */
	/* A vCPU's own vector wins. */
	assert_int_equal(fake_upcall_vector(f, 1, 0x80), 0);
	assert_int_equal(f->upcalls[1], 2);
	assert_int_equal(f->upcall[1].kind, XA_UPCALL_VCPU_VECTOR);
	assert_int_equal(f->upcall[1].vector, 0x80);
	/* Linux' "vectors are in use" and kinds that cannot be delivered. */
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 1), 0);
	assert_int_equal(f->upcall_set.kind, XA_UPCALL_NONE);
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 1ull << 56 | 7), 0);
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 2ull << 56 | 0xf), 0);
	assert_int_equal(f->upcall_set.kind, XA_UPCALL_NONE);
	f->ret_upcall_set = -EIO;
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 2ull << 56 | 0xf3), -EIO);
}

static void callback_latches_the_width(void **state)
{
	struct fake *f = *state;

	f->abi = XA_ABI_PVH32;
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 2ull << 56 | 0xf3), 0);
	assert_true(xa_shared_is_32bit(f->d));
	f->abi = XA_ABI_PVH64;
	assert_int_equal(set_param(f, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 1), 0);
	assert_false(xa_shared_is_32bit(f->d));
}

static void upcall_vector_rules(void **state)
{
	struct fake *f = *state;

	assert_int_equal(fake_upcall_vector(f, 0, 0xf), -EINVAL);
	assert_int_equal(fake_upcall_vector(f, FAKE_VCPUS, 0x30), -ENOENT);
	f->ret_upcall_set = -ENODEV;
	assert_int_equal(fake_upcall_vector(f, 0, 0x30), -ENODEV);
}

static void other_hvm_operations(void **state)
{
	struct fake *f = *state;
	struct xen_hvm_get_time t = { 0 };
	struct xen_hvm_get_mem_type m = { DOMID_SELF, 9, { 0 }, 5 };
	struct xen_hvm_xentrace x = { 1, 29, { 0 } };

	assert_int_equal(fake_op(f, __HYPERVISOR_hvm_op, HVMOP_get_time, &t), 0);
	assert_int_equal(t.now, f->now);
	assert_int_equal(fake_op(f, __HYPERVISOR_hvm_op, HVMOP_get_mem_type, &m), 0);
	assert_int_equal(m.mem_type, HVMMEM_ram_rw);
	m.pfn = 0x12345678;
	assert_int_equal(fake_op(f, __HYPERVISOR_hvm_op, HVMOP_get_mem_type, &m), 0);
	assert_int_equal(m.mem_type, HVMMEM_mmio_dm);
	m.domid = 0;
	assert_int_equal(fake_op(f, __HYPERVISOR_hvm_op, HVMOP_get_mem_type, &m), -EPERM);
	assert_int_equal(fake_op(f, __HYPERVISOR_hvm_op, HVMOP_xentrace, &x), -EINVAL);
	x.extra_bytes = 28;
	assert_int_equal(fake_op(f, __HYPERVISOR_hvm_op, HVMOP_xentrace, &x), 0);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_hvm_op, HVMOP_pagetable_dying, FAKE_ARG, 0),
			 -ENOSYS);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_hvm_op, HVMOP_altp2m, FAKE_ARG, 0),
			 -EOPNOTSUPP);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_hvm_op, HVMOP_flush_tlbs, 0, 0), -ENOSYS);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_hvm_op, HVMOP_flush_tlbs, 1, 0), -EINVAL);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_hvm_op, HVMOP_guest_request_vm_event, 0, 0),
			 0);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_hvm_op, HVMOP_guest_request_vm_event, 1, 0),
			 -EINVAL);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_hvm_op, 2, FAKE_ARG, 0), -ENOSYS);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_hvm_op, 26, FAKE_ARG, 0), -ENOSYS);
}

/* ---- multicall ---- */

static void multicall_runs_each_entry(void **state)
{
	struct fake *f = *state;
	struct multicall_entry_64 *m = fake_at(f, FAKE_LIST);

	m[0] = (struct multicall_entry_64){ __HYPERVISOR_xen_version, 99, { XENVER_version } };
	m[1] = (struct multicall_entry_64){ __HYPERVISOR_multicall, 99, { FAKE_LIST, 1 } };
	m[2] = (struct multicall_entry_64){ __HYPERVISOR_xen_version, 99,
					    { XENVER_extraversion, FAKE_ARG } };
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_multicall, FAKE_LIST, 3, 0), 0);
	assert_int_equal(m[0].result, 0x40011);
	assert_int_equal((int64_t)m[1].result, -EINVAL);
	assert_int_equal(m[2].result, 0);
	assert_string_equal(fake_at(f, FAKE_ARG), ".0");
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_multicall, FAKE_BAD, 3, 0), -EFAULT);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_multicall, FAKE_BAD, 0, 0), 0);
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_multicall, FAKE_LIST, UINT64_MAX, 0), -E2BIG);
}

static void multicall_of_32_bit_code(void **state)
{
	struct fake *f = *state;
	struct multicall_entry_32 *m = fake_at(f, FAKE_LIST);

	f->abi = XA_ABI_PVH32;
	m[0] = (struct multicall_entry_32){ __HYPERVISOR_xen_version, 99, { XENVER_version } };
	m[1] = (struct multicall_entry_32){ 99, 99, { 0 } };
	assert_int_equal(fake_call(f, 0, __HYPERVISOR_multicall, FAKE_LIST, 2, 0), 0);
	assert_int_equal(m[0].result, 0x40011);
	assert_int_equal((int32_t)m[1].result, -ENOSYS);
}

/* ---- statistics, CPUID, hypercall page ---- */

struct counted {
	uint64_t version, send, bad, lines;
};

static void add_stat(void *arg, const struct xa_hcall_stat *s)
{
	struct counted *c = arg;

	c->lines++;
	if (!strcmp(s->name, "xen_version") && !strcmp(s->op, "version"))
		c->version = s->count;
	if (!strcmp(s->name, "event_channel_op") && !strcmp(s->op, "send"))
		c->send = s->count;
	if (!strcmp(s->name, "sched_op") && !strcmp(s->op, "?"))
		c->bad = s->count;
}

static void statistics_count_operations(void **state)
{
	struct fake *f = *state;
	struct counted c = { 0 };

	for (unsigned i = 0; i < 3; i++)
		fake_call(f, i, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	fake_send(f, 1);
	fake_call(f, 0, __HYPERVISOR_sched_op, 77, 0, 0);
	fake_call(f, 0, __HYPERVISOR_sched_op, UINT64_MAX, 0, 0);
	fake_call(f, 0, 500, 0, 0, 0);
	xa_stats(f->d, add_stat, &c);
	assert_int_equal(c.version, 3);
	assert_int_equal(c.send, 1);
	assert_int_equal(c.bad, 2);
	assert_int_equal(c.lines, 3);
}

/* Values: shared/reference/guest/pvh-6.1.txt */
static void cpuid_leaves_are_those_of_xen(void **state)
{
	struct fake *f = *state;
	struct xa_vcpu *v = xa_domain_vcpu(f->d, 2);
	uint32_t r[4];

	assert_true(xa_cpuid(v, 0, 0, 0x279d00, r));
	assert_int_equal(r[0], 0x40000005);
	assert_memory_equal(r + 1, "XenVMMXenVMM", 12);
	assert_true(xa_cpuid(v, 1, 0, 0x279d00, r));
	assert_int_equal(r[0], 0x40011);
	assert_true(xa_cpuid(v, 2, 1, 0x279d00, r));
	assert_int_equal(r[0], 1);
	assert_int_equal(r[1], 0x40000000);
	assert_true(xa_cpuid(v, 3, 0, 0x279d00, r));
	assert_int_equal(r[2], 0x279d00);
	assert_int_equal(r[3], 1);
	assert_true(xa_cpuid(v, 3, 1, 0x279d00, r));
	assert_int_equal(r[2] >> 8, 0xc5381e17u >> 8);
	assert_int_equal(r[3], 0xffffffff);
	assert_true(xa_cpuid(v, 3, 2, 0x279d00, r));
	assert_int_equal(r[0], 0x279d00);
	assert_true(xa_cpuid(v, 3, 3, 0, r));
	assert_int_equal(r[0], 0);
	assert_true(xa_cpuid(v, 3, 1, 0, r));
	assert_true(xa_cpuid(v, 4, 0, 0x279d00, r));
	assert_int_equal(r[0], 0x5c);
	assert_int_equal(r[1], 2);
	assert_int_equal(r[2], 7);
	assert_true(xa_cpuid(v, 5, 0, 0x279d00, r));
	assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
	assert_false(xa_cpuid(v, 6, 0, 0x279d00, r));
}

static void hypercall_page_has_128_stubs(void **state)
{
	static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9 };
	static const uint8_t stub[] = { 0xb8, 17, 0, 0, 0, 0x0f, 0x01, 0xd9, 0xc3, 0xcc };
	uint8_t page[4096];

	(void)state;
	xa_hypercall_page(page, vmmcall, sizeof(vmmcall));
	assert_memory_equal(page + 17 * 32, stub, sizeof(stub));
	assert_int_equal(page[127 * 32 + 1], 127);
	assert_int_equal(page[__HYPERVISOR_iret * 32], 0x0f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(user_mode_is_eperm),
		TEST(calls_that_pvh_guests_do_not_have),
		TEST(upper_halves_of_32_bit_arguments_are_ignored),
		TEST(version_texts),
		TEST(version_4_20),
		TEST(platform_parameters_in_both_widths),
		TEST(console_write_and_read),
		TEST(vm_assist_knows_the_runstate_flag),
		TEST(physdev_is_enosys),
		TEST(hvm_params),
		TEST(callback_vector_is_told_to_the_platform),
		TEST(callback_latches_the_width),
		TEST(upcall_vector_rules),
		TEST(other_hvm_operations),
		TEST(multicall_runs_each_entry),
		TEST(multicall_of_32_bit_code),
		TEST(statistics_count_operations),
		TEST(cpuid_leaves_are_those_of_xen),
		TEST(hypercall_page_has_128_stubs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
