// SPDX-License-Identifier: MIT
/*
 * Between the guest's user mode, its kernel and the shim: how the kernel is entered, with a frame
 * on its stack, and how it asks for the way back.
 *
 * A frame, from low to high addresses: rcx, r11, the error code of those exceptions that have one,
 * rip, cs, rflags, rsp, ss. Beside cs, in bits 32-39 of its slot, stands the event mask of the
 * moment; IF in rflags is its opposite. Frames of the kernel's own name a selector of level 0.
 *   ABI: xen/arch/x86/x86_64/entry.S (create_bounce_frame; observable behaviour),
 *        xen/include/public/arch-x86/xen-x86_64.h (iret)
 */
#include "xenabi/shared_info.h"

#include "shim.h"
#include "hw.h"

void shim_crash(enum shim_crash why, uint64_t rip, uint64_t a, uint64_t b)
{
	const uint64_t arg[6] = { why, rip, a, b };

	/* The VMM does not let us run on. */
	for (;;)
		hw_call(SHIM_CALL_CRASH, arg);
}

static uint8_t load_mask(struct shim_vcpu *v)
{
	return __atomic_load_n(shim_info_byte(v, XA_VCPU_INFO_MASK), __ATOMIC_SEQ_CST);
}

static void store_mask(struct shim_vcpu *v, bool on)
{
	__atomic_store_n(shim_info_byte(v, XA_VCPU_INFO_MASK), on, __ATOMIC_SEQ_CST);
}

static bool is_pending(struct shim_vcpu *v)
{
	return __atomic_load_n(shim_info_byte(v, XA_VCPU_INFO_PENDING), __ATOMIC_SEQ_CST);
}

void shim_to_kernel(struct shim_vcpu *v)
{
	hw_swapgs();
	v->kernel_mode = true;
}

/* The page table changes last of all, in entry.S: until then the shim needs all of memory. */
void shim_to_user(struct shim_vcpu *v)
{
	hw_swapgs();
	v->kernel_mode = false;
}

/* What a frame says of the mode it was made in. */
static uint64_t frame_cs(const struct shim_regs *r, bool user)
{
	if (user)
		return r->cs;
	return (r->cs | 3) == (SEL_KERNEL_CS | 3) ? FLAT_RING3_CS64 & ~3ull : r->cs & ~3ull;
}

static uint64_t frame_ss(const struct shim_regs *r, bool user)
{
	return user || (r->ss | 3) != (SEL_KERNEL_SS | 3) ? r->ss : FLAT_RING3_DS64;
}

enum frame_kind { FRAME_PLAIN, FRAME_ERROR, FRAME_FAILSAFE };

/* Go to @gate of the kernel with a frame that tells of @r. */
static void bounce(struct shim_vcpu *v, struct shim_regs *r, const struct shim_gate *gate,
		   enum frame_kind kind, uint64_t error)
{
	bool user = !v->kernel_mode;
	uint64_t frame[11], sp = r->rsp, rflags = r->rflags & ~(RFLAGS_IF | RFLAGS_IOPL);
	uint8_t mask = load_mask(v);
	unsigned n = 0;

	if (user) {
		shim_to_kernel(v);
		sp = v->state.kernel_sp;
	}
	frame[n++] = r->rcx;
	frame[n++] = r->r11;
	if (kind == FRAME_ERROR)
		frame[n++] = error;
	if (kind == FRAME_FAILSAFE) {
		uint16_t segment[4];

		hw_segments(segment);
		for (unsigned i = 0; i < 4; i++)
			frame[n++] = segment[i];
	}
	frame[n++] = r->rip;
	frame[n++] = frame_cs(r, user) | (uint64_t)mask << 32;
	frame[n++] = rflags | (mask ? 0 : RFLAGS_IF) | v->state.iopl;
	frame[n++] = r->rsp;
	frame[n++] = frame_ss(r, user);
	sp = (sp & ~15ull) - n * sizeof(frame[0]);
	if (shim_copy_to(sp, frame, n * sizeof(frame[0])))
		shim_crash(SHIM_CRASH_BAD_STACK, r->rip, sp, r->vector);
	if (gate->masks)
		store_mask(v, true);
	r->rip = gate->address;
	r->cs = SEL_KERNEL_CS;
	r->rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM);
	r->rsp = sp;
	r->ss = SEL_KERNEL_SS;
}

void shim_bounce(struct shim_vcpu *v, struct shim_regs *r, const struct shim_gate *gate)
{
	bounce(v, r, gate, FRAME_PLAIN, 0);
}

void shim_bounce_error(struct shim_vcpu *v, struct shim_regs *r, const struct shim_gate *gate,
		       uint64_t error)
{
	bounce(v, r, gate, FRAME_ERROR, error);
}

/* The kernel's return to user mode was impossible. */
void shim_bounce_failsafe(struct shim_vcpu *v, struct shim_regs *r)
{
	if (!v->state.failsafe.address)
		shim_crash(SHIM_CRASH_NO_FAILSAFE, r->rip, r->cs, r->ss);
	bounce(v, r, &v->state.failsafe, FRAME_FAILSAFE, 0);
}

/* Exceptions that push an error code. ABI: AMD64 manual volume 2, chapter 8 */
static bool has_error(unsigned vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

void shim_inject(struct shim_vcpu *v, struct shim_regs *r, unsigned vector)
{
	const struct shim_gate *gate = &v->state.traps[vector];

	if (!gate->address)
		shim_crash(SHIM_CRASH_NO_HANDLER, r->rip, vector,
			   vector == VEC_PF ? hw_read_cr2() : r->error);
	bounce(v, r, gate, has_error(vector) ? FRAME_ERROR : FRAME_PLAIN, r->error);
}

/*
 * The iret hypercall: a frame on the kernel's stack says where to go. A selector of level 3 means
 * user mode, all others mean the kernel, whose selectors are ours whatever the frame says.
 */
void shim_iret(struct shim_vcpu *v, struct shim_regs *r)
{
	struct iret_context_64 c;

	if (shim_copy_from(&c, r->rsp, sizeof(c)))
		shim_crash(SHIM_CRASH_BAD_IRET, r->rip, r->rsp, 0);
	r->cs = SEL_KERNEL_CS;
	r->ss = SEL_KERNEL_SS;
	if ((c.cs & 3) == 3) {
		shim_to_user(v);
		r->cs = (uint16_t)c.cs;
		r->ss = (uint16_t)c.ss | 3;
	}
	r->rip = c.rip;
	r->rsp = c.rsp;
	r->rflags = (c.rflags & ~(RFLAGS_IOPL | RFLAGS_VM | RFLAGS_NT)) | RFLAGS_IF | RFLAGS_FIXED;
	r->rax = c.rax;
	r->rcx = c.flags & VGCF_in_syscall ? c.rip : c.rcx;
	r->r11 = c.flags & VGCF_in_syscall ? c.rflags : c.r11;
	if (DOM_UNLIKELY(v->nmi_masked))
		shim_nmi_state(v, v->nmi_pending, false);
	store_mask(v, !(c.rflags & RFLAGS_IF));
}

bool shim_leave(struct shim_vcpu *v, struct shim_regs *r)
{
	if (DOM_UNLIKELY(v->nmi_pending) && !v->nmi_masked && v->state.nmi.address) {
		shim_nmi_state(v, false, true);
		shim_bounce(v, r, &v->state.nmi);
	}
	if (DOM_UNLIKELY(is_pending(v)) && !load_mask(v) && v->state.event.address)
		shim_bounce(v, r, &v->state.event);
	r->rflags |= RFLAGS_IF;
	return !v->kernel_mode;
}
