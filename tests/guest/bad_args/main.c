// SPDX-License-Identifier: MIT
/*
 * Fact: bad numbers, operations, domains and pointers get the error that Xen gives, and nothing
 *   else happens.
 * Source: do_xen_version() in xen/common/kernel.c, do_memory_op() in memory.c, do_event_channel_op()
 *   in event_channel.c, do_sched_op() in sched/core.c, do_vcpu_op() in domain.c, hvm_op in
 *   xen/arch/x86/hvm/hvm.c; copies fail with -EFAULT where the guest's own kernel would fault or
 *   where there is no memory
 * Expect: see the table and the list of pointers below.
 * run:
 */
#include "kern/hypercall.h"
#include "xenabi/physdev.h"

static uint8_t page[2 * PAGE_SIZE] PAGE_ALIGNED;
static struct xen_memory_domain other_domain = { 0x1234 };
static struct xen_hvm_param no_param = { DOMID_SELF, 0, HVM_NR_PARAMS, 0 };
static struct xen_hvm_param no_domain = { 0x1234, 0, HVM_PARAM_STORE_PFN, 0 };
static struct xen_hvm_evtchn_upcall_vector low_vector = { 0, 15 }, no_vcpu = { 99, 0x40 };
static struct ABI(xen_add_to_physmap) no_space = { .domid = DOMID_SELF, .space = 77 };
static struct ABI(xen_add_to_physmap) no_frame = {
	.domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = 100000, .gpfn = 0x100,
};
static struct evtchn_bind_ipi ipi_no_vcpu = { .vcpu = 99 };
static struct evtchn_bind_virq no_virq = { .virq = 99 }, virq_no_vcpu = { VIRQ_TIMER, 99, 0 };
static struct evtchn_send free_port = { 50 }, no_port = { 0xfffffff0 }, port_0 = { 0 };
static struct evtchn_status status_no_dom = { .dom = 0x1234, .port = 1 };
static struct evtchn_status status_no_port = { .dom = DOMID_SELF, .port = 0xfffffff0 };
static struct sched_watchdog bad_watchdog = { 5, 1 };
static struct gnttab_set_version bad_version = { 3 };
static struct vcpu_set_periodic_timer short_period = { 1000 };

#define P(object) (unsigned long)&(object)

static const struct {
	unsigned nr;
	unsigned long arg[3];
	long want;
	const char *what;
} calls[] = {
	{ 56, { 0 }, -ENOSYS, "hypercall 56" },
	{ 1000, { 0 }, -ENOSYS, "hypercall 1000" },
	{ 0xffffffff, { 0 }, -ENOSYS, "hypercall 0xffffffff" },
	{ __HYPERVISOR_set_trap_table, { 0 }, -ENOSYS, "set_trap_table, for PV" },
	{ __HYPERVISOR_mmu_update, { 0 }, -ENOSYS, "mmu_update, for PV" },
	{ __HYPERVISOR_iret, { 0 }, -ENOSYS, "iret, for PV" },
	{ __HYPERVISOR_xen_version, { 99 }, -ENOSYS, "xen_version 99" },
	{ __HYPERVISOR_memory_op, { 63 }, -ENOSYS, "memory_op 63" },
	{ __HYPERVISOR_memory_op, { XENMEM_current_reservation, P(other_domain) }, -ESRCH,
	  "reservation of another domain" },
	{ __HYPERVISOR_memory_op, { XENMEM_add_to_physmap, P(no_space) }, -EINVAL, "bad map space" },
	{ __HYPERVISOR_memory_op, { XENMEM_add_to_physmap, P(no_frame) }, -EINVAL, "bad grant frame" },
	{ __HYPERVISOR_event_channel_op, { 99, P(page) }, -ENOSYS, "event_channel_op 99" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_bind_ipi, P(ipi_no_vcpu) }, -ENOENT,
	  "bind_ipi on no vCPU" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_bind_virq, P(no_virq) }, -EINVAL, "no such VIRQ" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_bind_virq, P(virq_no_vcpu) }, -ENOENT,
	  "bind_virq on no vCPU" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_send, P(free_port) }, -EINVAL, "send on free port" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_send, P(no_port) }, -EINVAL, "send on no port" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_close, P(port_0) }, -EINVAL, "close port 0" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_close, P(free_port) }, -EINVAL, "close free port" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_unmask, P(no_port) }, -EINVAL, "unmask no port" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_status, P(status_no_dom) }, -ESRCH,
	  "status in no domain" },
	{ __HYPERVISOR_event_channel_op, { EVTCHNOP_status, P(status_no_port) }, -EINVAL,
	  "status of no port" },
	{ __HYPERVISOR_sched_op, { 99, P(page) }, -ENOSYS, "sched_op 99" },
	{ __HYPERVISOR_sched_op, { SCHEDOP_watchdog, P(bad_watchdog) }, -EINVAL, "watchdog 5" },
	{ __HYPERVISOR_vcpu_op, { VCPUOP_is_up, 99 }, -ENOENT, "is_up of no vCPU" },
	{ __HYPERVISOR_vcpu_op, { 99, 0 }, -ENOSYS, "vcpu_op 99" },
	{ __HYPERVISOR_vcpu_op, { VCPUOP_set_periodic_timer, 0, P(short_period) }, -EINVAL,
	  "period of 1 us" },
	{ __HYPERVISOR_hvm_op, { 99, P(page) }, -ENOSYS, "hvm_op 99" },
	{ __HYPERVISOR_hvm_op, { HVMOP_get_param, P(no_param) }, -EINVAL, "get no parameter" },
	{ __HYPERVISOR_hvm_op, { HVMOP_set_param, P(no_param) }, -EINVAL, "set no parameter" },
	{ __HYPERVISOR_hvm_op, { HVMOP_get_param, P(no_domain) }, -ESRCH, "parameter of no domain" },
	{ __HYPERVISOR_hvm_op, { HVMOP_set_evtchn_upcall_vector, P(low_vector) }, -EINVAL,
	  "upcall vector 15" },
	{ __HYPERVISOR_hvm_op, { HVMOP_set_evtchn_upcall_vector, P(no_vcpu) }, -ENOENT,
	  "upcall vector of no vCPU" },
	{ __HYPERVISOR_grant_table_op, { 99, P(page), 1 }, -ENOSYS, "grant_table_op 99" },
	{ __HYPERVISOR_grant_table_op, { GNTTABOP_query_size, P(page), 0xffffffff }, -EINVAL,
	  "negative count of grant operations" },
	{ __HYPERVISOR_grant_table_op, { GNTTABOP_set_version, P(bad_version), 1 }, -EINVAL,
	  "grant table version 3" },
	{ __HYPERVISOR_vm_assist, { VMASST_CMD_enable, 63 }, -EINVAL, "vm_assist type 63" },
	{ __HYPERVISOR_physdev_op, { PHYSDEVOP_eoi, P(page) }, -ENOSYS, "physdev_op eoi" },
};

static void check_calls(void)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		long got = hypercall_site(calls[i].nr, calls[i].arg[0], calls[i].arg[1],
					  calls[i].arg[2]);

		if (got != calls[i].want)
			fail("%s: %ld, not %ld", calls[i].what, got, calls[i].want);
	}
}

static void check_pointer(unsigned long va, const char *what)
{
	static const struct {
		unsigned nr, op;
		const char *what;
	} uses[] = {
		{ __HYPERVISOR_xen_version, XENVER_compile_info, "written" },
		{ __HYPERVISOR_hvm_op, HVMOP_get_param, "read and written" },
	};

	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		long got = hypercall4(uses[i].nr, uses[i].op, va, 0, 0);

		if (got != -EFAULT)
			fail("%s, %s: %ld, not -EFAULT", what, uses[i].what, got);
	}
}

static void check_pointers(void)
{
	struct xen_hvm_param *p = (void *)(TEST_VA + PAGE_SIZE - 8);
	unsigned long pa = (unsigned long)page;

	map_page(TEST_VA, pa, PTE_P | PTE_W);
	map_page(TEST_VA + PAGE_SIZE, 0, 0);
	check_pointer(TEST_VA + PAGE_SIZE, "page not present");
	check_pointer(TEST_VA + PAGE_SIZE - 8, "object running into a page not present");
	check_pointer((unsigned long)-8, "end of the address space");
#ifdef __x86_64__
	check_pointer(0x8000000000000000, "not canonical");
	check_pointer(0x00007ffffffffff8, "object running into the non-canonical hole");
#endif
	map_page(TEST_VA + PAGE_SIZE, 0xfed00000, PTE_P | PTE_W);
	check_pointer(TEST_VA + PAGE_SIZE, "page without memory");
	map_page(TEST_VA + PAGE_SIZE, pa + PAGE_SIZE, PTE_P);
	p = (void *)(TEST_VA + PAGE_SIZE);
	memset(page, 0, sizeof(page));
	*(struct xen_hvm_param *)(page + PAGE_SIZE) =
		(struct xen_hvm_param){ .domid = DOMID_SELF, .index = HVM_PARAM_CONSOLE_PFN };
	check_pointer((unsigned long)p, "page that the kernel may not write");
	CHECK_EQ(p->value, 0);

	/* And an object that crosses into a mapped page is fine. */
	map_page(TEST_VA + PAGE_SIZE, pa + PAGE_SIZE, PTE_P | PTE_W);
	p = (void *)(TEST_VA + PAGE_SIZE - 8);
	*p = (struct xen_hvm_param){ .domid = DOMID_SELF, .index = HVM_PARAM_CONSOLE_PFN };
	CHECK_EQ(hvm_op(HVMOP_get_param, p), 0);
	CHECK(p->value);
}

void test_main(void)
{
	check_calls();
	if (paging)
		check_pointers();
}
