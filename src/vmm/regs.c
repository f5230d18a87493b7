// SPDX-License-Identifier: MIT
/*
 * Register state of a vCPU that starts a PVH kernel: 32-bit protected mode, flat segments, paging
 * off, EBX pointing at the start_info. Secondary vCPUs keep KVM's reset state and wait for their
 * start-up IPI.
 *   ABI: docs/misc/pvh.pandoc in the Xen tree
 */
#include <string.h>

#include "vmm.h"

#define CR0_PE 0x1u
#define CR0_ET 0x10u

/* Flat 32-bit segments. Types as in the processor's descriptor format. */
static const struct kvm_segment code_segment = {
	.limit = 0xffffffff, .selector = 0x08, .type = 0xb, .present = 1, .s = 1, .db = 1, .g = 1,
};
static const struct kvm_segment data_segment = {
	.limit = 0xffffffff, .selector = 0x10, .type = 0x3, .present = 1, .s = 1, .db = 1, .g = 1,
};
static const struct kvm_segment task_segment = {
	.limit = 0x67, .selector = 0x18, .type = 0xb, .present = 1,
};
static const struct kvm_segment no_segment = { .unusable = 1 };

static int set_boot_registers(struct vmm_vcpu *v)
{
	struct kvm_regs regs = {
		.rip = v->vmm->entry_gpa,
		.rbx = v->vmm->start_info_gpa,
		.rflags = 0x2,
	};
	struct kvm_sregs s;
	int r = vmm_ioctl(v->fd, KVM_GET_SREGS, &s);

	if (r)
		return r;
	s.cs = code_segment;
	s.ds = s.es = s.ss = s.fs = s.gs = data_segment;
	s.tr = task_segment;
	s.ldt = no_segment;
	s.gdt.limit = s.idt.limit = 0;
	s.cr0 = CR0_PE | CR0_ET;
	s.cr3 = s.cr4 = s.efer = 0;
	r = vmm_ioctl(v->fd, KVM_SET_SREGS, &s);
	return r ? r : vmm_ioctl(v->fd, KVM_SET_REGS, &regs);
}

/*
 * Give the guest all of the XSAVE state the host offers. A processor starts with XCR0 = 1 and the
 * guest raises it, but a host whose hypervisor does not report that write (seen with an emulated
 * AMD processor below the host) would leave CPUID leaf 0xd describing the old size.
 */
static int set_xcr0(struct vmm_vcpu *v)
{
	const struct kvm_cpuid2 *cpuid = v->vmm->cpuid;
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };

	if (!vmm_kvm_cap(v->vmm, KVM_CAP_XCRS))
		return 0;
	for (unsigned i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 0xd && e->index == 0) {
			xcrs.xcrs[0].value = (uint64_t)e->edx << 32 | e->eax;
			return vmm_ioctl(v->fd, KVM_SET_XCRS, &xcrs);
		}
	}
	return 0;
}

int vmm_regs_init(struct vmm_vcpu *v, struct dom_err *err)
{
	int r = set_xcr0(v);

	if (!r && v->vmm->cfg.pv)
		r = vmm_pv_regs(v);
	else if (!r && v->id == 0)
		r = set_boot_registers(v);
	return r ? dom_err_set(err, r, "vcpu %u: cannot set its registers: %s", v->id,
			       strerror(-r)) : 0;
}

static struct kvm_segment start_segment(const struct xa_segment *s, uint16_t selector)
{
	/* The attribute word has the descriptor's access byte and, above it, AVL L D G. */
	return (struct kvm_segment){
		.base = s->base, .limit = s->limit, .selector = selector,
		.type = s->attr & 0xf, .s = s->attr >> 4 & 1, .dpl = s->attr >> 5 & 3,
		.present = s->attr >> 7 & 1, .avl = s->attr >> 8 & 1, .l = s->attr >> 9 & 1,
		.db = s->attr >> 10 & 1, .g = s->attr >> 11 & 1,
		.unusable = !(s->attr >> 7 & 1),
	};
}

static void start_segments(struct kvm_sregs *s, const struct xa_vcpu_start *st)
{
	if (st->mode64) {
		s->cs = code_segment;
		s->cs.l = 1;
		s->cs.db = 0;
		s->ds = s->es = s->ss = data_segment;
		s->tr = task_segment;
		return;
	}
	s->cs = start_segment(&st->cs, 0);
	s->ds = start_segment(&st->ds, 0);
	s->ss = start_segment(&st->ss, 0);
	s->es = start_segment(&st->es, 0);
	s->tr = start_segment(&st->tr, 0);
}

int vmm_regs_start(struct vmm_vcpu *v, const struct xa_vcpu_start *st)
{
	struct kvm_regs regs = {
		.rax = st->rax, .rcx = st->rcx, .rdx = st->rdx, .rbx = st->rbx, .rsp = st->rsp,
		.rbp = st->rbp, .rsi = st->rsi, .rdi = st->rdi, .rip = st->rip,
		.rflags = st->rflags | 0x2,
	};
	struct kvm_sregs s;
	int r = vmm_ioctl(v->fd, KVM_GET_SREGS, &s);

	if (r)
		return r;
	start_segments(&s, st);
	s.cr0 = st->cr0 | CR0_ET;
	s.cr3 = st->cr3;
	s.cr4 = st->cr4;
	s.efer = st->efer;
	r = vmm_ioctl(v->fd, KVM_SET_SREGS, &s);
	return r ? r : vmm_ioctl(v->fd, KVM_SET_REGS, &regs);
}
