// SPDX-License-Identifier: MIT
/*
 * A vCPU's state in the form of Xen's XEN_DOMCTL_getvcpucontext, for a core dump.
 *
 * A PV guest that is in the shim is shown where it was before: at the registers that the shim keeps
 * for it. They lie in memory that the guest can write to, and are given to people as the guest's
 * word, like the rest of its memory.
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

/* The words of SHIM_FRAME. */
enum { R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI, VECTOR, ERROR,
       RIP, CS, RFLAGS, RSP, SS };

/* The guest's registers while the shim works for it. */
static void put_shim_frame(const struct vmm_vcpu *v, struct cpu_user_regs_64 *u)
{
	const uint8_t *block = v->vmm->pv.area + SHIM_BLOCK + (size_t)v->id * SHIM_VCPU_SIZE;
	uint64_t w[SHIM_FRAME_WORDS];

	_Static_assert(SS + 1 == SHIM_FRAME_WORDS, "a word has no name");
	memcpy(w, block + SHIM_FRAME, sizeof(w));
	u->r15 = w[R15]; u->r14 = w[R14]; u->r13 = w[R13]; u->r12 = w[R12];
	u->rbp = w[RBP]; u->rbx = w[RBX]; u->r11 = w[R11]; u->r10 = w[R10];
	u->r9 = w[R9];   u->r8 = w[R8];   u->rax = w[RAX]; u->rcx = w[RCX];
	u->rdx = w[RDX]; u->rsi = w[RSI]; u->rdi = w[RDI];
	u->error_code = (uint32_t)w[ERROR];
	u->entry_vector = (uint32_t)w[VECTOR];
	u->rip = w[RIP]; u->rflags = w[RFLAGS]; u->rsp = w[RSP];
	u->cs = (uint16_t)w[CS];
	u->ss = (uint16_t)w[SS];
}

/*
 * A PV kernel runs at level 1 with selectors of the shim's and is shown, on Xen, those of level 3.
 * Returns whether it is the kernel.
 */
static bool show_pv_selectors(struct cpu_user_regs_64 *u)
{
	bool kernel = (u->cs & 3) == 1;

	if (kernel) {
		u->cs = FLAT_RING3_CS64;
		u->ss = FLAT_RING3_DS64;
	}
	return kernel;
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
	kernel = !s.ss.dpl;
	if (v->vmm->cfg.pv) {
		if (!s.ss.dpl)
			put_shim_frame(v, &ctxt->user_regs);
		kernel = show_pv_selectors(&ctxt->user_regs);
	}
	put_segment_bases(ctxt, &s, msr->entries[0].data, kernel);
	ctxt->flags = VGCF_I387_VALID | (kernel ? VGCF_in_kernel : 0);
	ctxt->ctrlreg[0] = s.cr0;
	ctxt->ctrlreg[2] = s.cr2;
	ctxt->ctrlreg[3] = s.cr3;
	ctxt->ctrlreg[4] = s.cr4;
	memcpy(ctxt->debugreg, dr.db, sizeof(dr.db));
	ctxt->debugreg[6] = dr.dr6;
	ctxt->debugreg[7] = dr.dr7;
	return 0;
}

int vmm_dump_vcpu(struct vmm_vcpu *v, struct vcpu_guest_context_64 *ret)
{
	struct vmm_vcpu_info info;
	int r;

	*ret = (struct vcpu_guest_context_64){ 0 };
	r = vmm_vcpu_call(v, read_state, ret);
	vmm_vcpu_info(v, &info);
	if (!r && info.online)
		ret->flags |= VGCF_ONLINE;
	return r;
}
