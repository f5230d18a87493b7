// SPDX-License-Identifier: MIT
/*
 * A vCPU's state in the form of Xen's XEN_DOMCTL_getvcpucontext, for a core dump.
 *
 * A PV guest that is in the shim is shown where it was before: at the registers that the shim keeps
 * for it; and what it has told its hypervisor (handlers, descriptor tables, page tables) the shim has
 * been told. All that lies in memory that the guest can write to, and is given to people as the
 * guest's word, like the rest of its memory.
 */
#include <string.h>

#include "domicile/shim.h"
#include "xenabi/pv.h"
#include "vmm.h"

#define MSR_KERNEL_GS_BASE 0xc0000102u
#define VGCF_I387_VALID (1u << 0)
#define VGCF_ONLINE (1u << 5)

/* Offsets in the 512 bytes of FXSAVE. */
#define FX_FCW 0u
#define FX_FSW 2u
#define FX_FTW 4u
#define FX_FOP 6u
#define FX_RIP 8u
#define FX_RDP 16u
#define FX_MXCSR 24u
#define FX_ST 32u
#define FX_XMM 160u

static void put_fpu(uint8_t fx[512], const struct kvm_fpu *f)
{
	memcpy(fx + FX_FCW, &f->fcw, sizeof(f->fcw));
	memcpy(fx + FX_FSW, &f->fsw, sizeof(f->fsw));
	memcpy(fx + FX_FTW, &f->ftwx, sizeof(f->ftwx));
	memcpy(fx + FX_FOP, &f->last_opcode, sizeof(f->last_opcode));
	memcpy(fx + FX_RIP, &f->last_ip, sizeof(f->last_ip));
	memcpy(fx + FX_RDP, &f->last_dp, sizeof(f->last_dp));
	memcpy(fx + FX_MXCSR, &f->mxcsr, sizeof(f->mxcsr));
	memcpy(fx + FX_ST, f->fpr, sizeof(f->fpr));
	memcpy(fx + FX_XMM, f->xmm, sizeof(f->xmm));
}

static void put_regs(struct cpu_user_regs_64 *u, const struct kvm_regs *r,
		     const struct kvm_sregs *s)
{
	*u = (struct cpu_user_regs_64){
		.r15 = r->r15, .r14 = r->r14, .r13 = r->r13, .r12 = r->r12, .rbp = r->rbp,
		.rbx = r->rbx, .r11 = r->r11, .r10 = r->r10, .r9 = r->r9, .r8 = r->r8,
		.rax = r->rax, .rcx = r->rcx, .rdx = r->rdx, .rsi = r->rsi, .rdi = r->rdi,
		.rip = r->rip, .rflags = r->rflags, .rsp = r->rsp,
		.cs = s->cs.selector, .ss = s->ss.selector, .ds = s->ds.selector,
		.es = s->es.selector, .fs = s->fs.selector, .gs = s->gs.selector,
	};
}

/* The guest's registers while the shim works for it. */
static void put_shim_frame(const uint8_t *block, struct cpu_user_regs_64 *u)
{
	struct shim_regs r;

	memcpy(&r, block + SHIM_FRAME, sizeof(r));
	*u = (struct cpu_user_regs_64){
		.r15 = r.r15, .r14 = r.r14, .r13 = r.r13, .r12 = r.r12, .rbp = r.rbp,
		.rbx = r.rbx, .r11 = r.r11, .r10 = r.r10, .r9 = r.r9, .r8 = r.r8,
		.rax = r.rax, .rcx = r.rcx, .rdx = r.rdx, .rsi = r.rsi, .rdi = r.rdi,
		.error_code = (uint32_t)r.error, .entry_vector = (uint32_t)r.vector,
		.rip = r.rip, .rflags = r.rflags, .rsp = r.rsp,
		.cs = (uint16_t)r.cs, .ss = (uint16_t)r.ss,
		.ds = u->ds, .es = u->es, .fs = u->fs, .gs = u->gs,
	};
}

/*
 * A PV kernel runs at level 1 with selectors of the shim's and is shown, on Xen, those of level 3.
 * Where the shim has not yet said who came in by SYSCALL, its own mark says so.
 * Returns whether it is the kernel.
 */
static bool show_pv_selectors(const uint8_t *block, struct cpu_user_regs_64 *u)
{
	bool kernel = (u->cs & 3) == 1 || (!u->cs && block[SHIM_KERNEL_MODE]);

	if (kernel) {
		u->cs = FLAT_RING3_CS64;
		u->ss = FLAT_RING3_DS64;
	}
	return kernel;
}

/* Handlers of exceptions. ABI: xen/arch/x86/domctl.c (arch_get_info_guest): none is all zero */
static void put_traps(struct vcpu_guest_context_64 *ctxt, const struct shim_gate traps[256])
{
	for (unsigned i = 0; i < 256; i++) {
		if (!traps[i].address)
			continue;
		ctxt->trap_ctxt[i] = (struct trap_info_64){
			.vector = (uint8_t)i,
			.flags = (uint8_t)((traps[i].dpl & TI_DPL) | (traps[i].masks ? TI_IF : 0)),
			.cs = FLAT_RING3_CS64,
			.address = traps[i].address,
		};
	}
}

/* Frames of the GDT are in the page table of the vCPU's window, of which the last two are the shim's. */
static void put_gdt(const struct vmm_vcpu *v, struct vcpu_guest_context_64 *ctxt, uint64_t entries)
{
	const uint64_t *window = (const uint64_t *)(const void *)(v->vmm->pv.area + SHIM_TABLES +
				 SHIM_L1_WINDOWS * XEN_PAGE_SIZE) + v->id * SHIM_WINDOW_PAGES;

	ctxt->gdt_ents = DOM_MIN(entries, FIRST_RESERVED_GDT_PAGE * 512);
	for (unsigned i = 0; i < (ctxt->gdt_ents + 511) / 512; i++)
		ctxt->gdt_frames[i] = (window[i] & 0x000ffffffffff000) >> XEN_PAGE_SHIFT;
}

/* What a PV guest has told its hypervisor. */
static void put_pv_state(const struct vmm_vcpu *v, const uint8_t *block,
			 struct vcpu_guest_context_64 *ctxt)
{
	struct shim_state s;

	memcpy(&s, block + SHIM_STATE, sizeof(s));
	put_traps(ctxt, s.traps);
	put_gdt(v, ctxt, s.gdt_entries);
	ctxt->ldt_base = s.ldt_base;
	ctxt->ldt_ents = s.ldt_entries;
	ctxt->kernel_ss = FLAT_RING3_DS64;
	ctxt->kernel_sp = s.kernel_sp;
	ctxt->ctrlreg[1] = s.user_root;
	memcpy(&ctxt->ctrlreg[3], block + SHIM_KERNEL_ROOT, sizeof(ctxt->ctrlreg[3]));
	ctxt->event_callback_eip = s.event.address;
	ctxt->failsafe_callback_eip = s.failsafe.address;
	ctxt->syscall_callback_eip = s.syscall.address;
	ctxt->flags |= (s.failsafe.masks ? VGCF_failsafe_disables_events : 0) |
		       (s.syscall.masks ? VGCF_syscall_disables_events : 0);
	ctxt->vm_assist = v->id ? 0 : s.vm_assist;
	ctxt->user_regs.rflags |= s.iopl & 0x3000;
}

static void put_segment_bases(struct vcpu_guest_context_64 *ctxt, const struct kvm_sregs *s,
			      uint64_t other_gs, bool kernel)
{
	ctxt->fs_base = s->fs.base;
	ctxt->gs_base_kernel = kernel ? s->gs.base : other_gs;
	ctxt->gs_base_user = kernel ? other_gs : s->gs.base;
}

static int read_state(struct vmm_vcpu *v, void *arg)
{
	struct vcpu_guest_context_64 *ctxt = arg;
	/* struct kvm_msrs ends in an array without a length, here of one entry. */
	uint64_t buf[(sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)) / 8] = { 0 };
	struct kvm_msrs *msr = (struct kvm_msrs *)buf;
	struct kvm_debugregs dr = { 0 };
	struct kvm_fpu fpu = { 0 };
	struct kvm_sregs s;
	struct kvm_regs r;
	bool kernel;
	int e;

	msr->nmsrs = 1;
	msr->entries[0].index = MSR_KERNEL_GS_BASE;
	e = vmm_ioctl(v->fd, KVM_GET_REGS, &r);
	e = e ? e : vmm_ioctl(v->fd, KVM_GET_SREGS, &s);
	e = e ? e : vmm_ioctl(v->fd, KVM_GET_FPU, &fpu);
	if (e)
		return e;
	/* Old hosts, and emulated ones, may lack these two. */
	(void)vmm_ioctl(v->fd, KVM_GET_DEBUGREGS, &dr);
	(void)vmm_ioctl(v->fd, KVM_GET_MSRS, msr);
	put_fpu(ctxt->fpu_ctxt, &fpu);
	put_regs(&ctxt->user_regs, &r, &s);
	ctxt->ctrlreg[0] = s.cr0;
	ctxt->ctrlreg[2] = s.cr2;
	ctxt->ctrlreg[3] = s.cr3;
	ctxt->ctrlreg[4] = s.cr4;
	kernel = !s.ss.dpl;
	if (v->vmm->cfg.pv) {
		const uint8_t *block = v->vmm->pv.area + SHIM_BLOCK + (size_t)v->id * SHIM_VCPU_SIZE;

		if (!s.ss.dpl)
			put_shim_frame(block, &ctxt->user_regs);
		kernel = show_pv_selectors(block, &ctxt->user_regs);
		put_pv_state(v, block, ctxt);
	}
	put_segment_bases(ctxt, &s, msr->entries[0].data, kernel);
	ctxt->flags |= VGCF_I387_VALID | (kernel ? VGCF_in_kernel : 0);
	memcpy(ctxt->debugreg, dr.db, sizeof(dr.db));
	ctxt->debugreg[6] = dr.dr6;
	ctxt->debugreg[7] = dr.dr7;
	return 0;
}

int vmm_dump_vcpu_state(struct vmm_vcpu *v, struct vcpu_guest_context_64 *ret)
{
	*ret = (struct vcpu_guest_context_64){ 0 };
	return vmm_vcpu_call(v, read_state, ret);
}

int vmm_dump_vcpu(struct vmm_vcpu *v, struct vcpu_guest_context_64 *ret)
{
	struct vmm_vcpu_info info;
	int r = vmm_dump_vcpu_state(v, ret);

	vmm_vcpu_info(v, &info);
	if (!r && info.online)
		ret->flags |= VGCF_ONLINE;
	return r;
}
