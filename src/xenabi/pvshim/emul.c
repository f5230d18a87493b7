// SPDX-License-Identifier: MIT
/*
 * Privileged instructions of the guest, which fault outside of level 0, and INT n. One table for
 * one-byte opcodes and one for those behind 0x0f; what is in neither, and what a handler refuses,
 * is the guest's own general protection fault.
 *   ABI: xen/arch/x86/pv/emul-priv-op.c (which instructions; observable behaviour)
 */
#include "shim.h"
#include "hw.h"

#define INSN_MAX 15u

struct insn {
	uint8_t byte[INSN_MAX];
	unsigned len, pos;	/* bytes there are, bytes used */
	unsigned opsize;	/* 2, 4 or 8 */
	uint8_t rex, op;
};

typedef bool emulate_fn(struct shim_vcpu *v, struct shim_regs *r, struct insn *i);

static bool fetch(const struct shim_regs *r, struct insn *i)
{
	unsigned to_page_end = 4096 - (r->rip & 4095);

	i->len = INSN_MAX;
	if (!shim_copy_from(i->byte, r->rip, INSN_MAX))
		return true;
	i->len = to_page_end < INSN_MAX ? to_page_end : INSN_MAX;
	return !shim_copy_from(i->byte, r->rip, i->len);
}

/* The next byte; beyond the end a byte that no table has. */
static uint8_t next(struct insn *i)
{
	return i->pos < i->len ? i->byte[i->pos++] : 0x90;
}

static bool is_prefix(uint8_t b)
{
	/* Sizes, repetition, lock, segments. */
	return b == 0x66 || b == 0x67 || b == 0xf0 || b == 0xf2 || b == 0xf3 || b == 0x2e ||
	       b == 0x36 || b == 0x3e || b == 0x26 || b == 0x64 || b == 0x65;
}

static uint8_t next_opcode(struct insn *i)
{
	uint8_t b;

	i->opsize = 4;
	for (b = next(i); i->pos < i->len && is_prefix(b); b = next(i)) {
		if (b == 0x66)
			i->opsize = 2;
	}
	if ((b & 0xf0) == 0x40) {
		i->rex = b;
		if (b & 8)
			i->opsize = 8;
		b = next(i);
	}
	return b;
}

/* General register @n as instructions number them. */
static uint64_t *gpr(struct shim_regs *r, unsigned n)
{
	uint64_t *const regs[16] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
		&r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
	};

	return regs[n & 15];
}

static unsigned modrm_reg(const struct insn *i, uint8_t modrm)
{
	return (modrm >> 3 & 7) | (i->rex & 4 ? 8u : 0);
}

static unsigned modrm_rm(const struct insn *i, uint8_t modrm)
{
	return (modrm & 7) | (i->rex & 1 ? 8u : 0);
}

/* Step over the address that follows @modrm. */
static void skip_address(struct insn *i, uint8_t modrm)
{
	unsigned mod = modrm >> 6, rm = modrm & 7;
	uint8_t base = rm == 4 && mod != 3 ? next(i) & 7 : rm;

	if (mod == 1)
		i->pos += 1;
	else if (mod == 2 || (mod == 0 && base == 5))
		i->pos += 4;
}

static bool emulate_nothing(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	(void)v;
	(void)r;
	(void)i;
	return true;
}

/*
 * Ports. There are none: reads give all ones. The PIT and the speaker's gate read as zero, since
 * kernels that look for a running timer would do so 100,000 times.
 */
static uint32_t read_port(uint16_t port)
{
	return (port >= 0x40 && port <= 0x43) || port == 0x61 ? 0 : ~0u;
}

static bool emulate_in(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint16_t port = i->op & 8 ? (uint16_t)r->rdx : next(i);
	uint32_t value = read_port(port);

	(void)v;
	if (!(i->op & 1))
		r->rax = (r->rax & ~0xffull) | (uint8_t)value;
	else if (i->opsize == 2)
		r->rax = (r->rax & ~0xffffull) | (uint16_t)value;
	else
		r->rax = value;
	return true;
}

static bool emulate_out(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	(void)v;
	(void)r;
	if (!(i->op & 8))
		next(i);
	return true;
}

/* Of the segment loads that fault only SS is ours: at level 3 the kernel could load a flat one. */
static bool emulate_mov_sreg(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint8_t modrm = next(i);

	(void)v;
	(void)r;
	if ((modrm >> 3 & 7) != 2)
		return false;
	skip_address(i, modrm);
	return true;
}

/* A far return to a selector of level 3 or 0 is, on Xen, one to the kernel. */
static bool emulate_far_return(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	unsigned size = i->opsize == 8 ? 8 : 4;
	uint64_t to[2] = { 0, 0 };

	(void)v;
	if (i->opsize == 2)
		return false;
	for (unsigned n = 0; n < 2; n++) {
		if (shim_copy_from(&to[n], r->rsp + n * size, size))
			return false;
	}
	r->rip = to[0] - i->pos;	/* the caller steps over the instruction */
	r->rsp += 2 * size;
	return true;
}

static bool emulate_clts(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	(void)v;
	(void)r;
	(void)i;
	hw_write_cr0(hw_read_cr0() & ~CR0_TS);
	return true;
}

/* Bits of CR4 that are the guest's to choose. */
#define CR4_GUEST (CR4_TSD | CR4_DE | CR4_FSGSBASE)

static bool emulate_read_cr(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint8_t modrm = next(i);
	uint64_t *to = gpr(r, modrm_rm(i, modrm));

	switch (modrm_reg(i, modrm)) {
	case 0: *to = hw_read_cr0(); return true;
	case 2: *to = *(uint64_t *)(void *)shim_info_byte(v, XA_VCPU_INFO_CR2_64); return true;
	case 3: *to = v->kernel_root; return true;
	case 4: *to = hw_read_cr4(); return true;
	}
	return false;
}

static bool emulate_write_cr(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint8_t modrm = next(i);
	uint64_t value = *gpr(r, modrm_rm(i, modrm));

	switch (modrm_reg(i, modrm)) {
	case 0:
		hw_write_cr0((hw_read_cr0() & ~CR0_TS) | (value & CR0_TS));
		return true;
	case 2:
		*(uint64_t *)(void *)shim_info_byte(v, XA_VCPU_INFO_CR2_64) = value;
		return true;
	case 3:
		return !shim_set_root(v, value >> 12);
	case 4:
		hw_write_cr4((hw_read_cr4() & ~CR4_GUEST) | (value & CR4_GUEST));
		shim_cpuid_forget(v);
		return true;
	}
	return false;
}

static unsigned debug_register(const struct insn *i, uint8_t modrm)
{
	unsigned reg = modrm_reg(i, modrm);

	return reg == 4 || reg == 5 ? reg + 2 : reg;
}

static bool emulate_read_dr(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint8_t modrm = next(i);
	unsigned reg = debug_register(i, modrm);

	if (reg > 7)
		return false;
	*gpr(r, modrm_rm(i, modrm)) = v->state.dr[reg];
	return true;
}

static bool emulate_write_dr(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint8_t modrm = next(i);

	return !shim_write_dr(v, debug_register(i, modrm), *gpr(r, modrm_rm(i, modrm)));
}

static bool emulate_rdmsr(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint64_t value;

	(void)i;
	if (!shim_rdmsr(v, (uint32_t)r->rcx, &value))
		return false;
	r->rax = (uint32_t)value;
	r->rdx = value >> 32;
	return true;
}

static bool emulate_wrmsr(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	(void)i;
	return shim_wrmsr(v, (uint32_t)r->rcx, r->rdx << 32 | (uint32_t)r->rax);
}

static bool emulate_rdtsc(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint64_t now = hw_rdtsc();

	(void)v;
	(void)i;
	r->rax = (uint32_t)now;
	r->rdx = now >> 32;
	return true;
}

static bool emulate_cpuid(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint32_t reg[4];

	(void)i;
	shim_cpuid(v, (uint32_t)r->rax, (uint32_t)r->rcx, reg);
	r->rax = reg[0];
	r->rbx = reg[1];
	r->rcx = reg[2];
	r->rdx = reg[3];
	return true;
}

static bool emulate_group7(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	if (next(i) != 0xd1)	/* XSETBV */
		return false;
	shim_cpuid_forget(v);
	return !hw_xsetbv((uint32_t)r->rcx, r->rdx << 32 | (uint32_t)r->rax);
}

static emulate_fn *const one_byte[256] = {
	[0x8e] = emulate_mov_sreg,
	[0xcb] = emulate_far_return,
	[0xe4] = emulate_in, [0xe5] = emulate_in, [0xec] = emulate_in, [0xed] = emulate_in,
	[0xe6] = emulate_out, [0xe7] = emulate_out, [0xee] = emulate_out, [0xef] = emulate_out,
	[0xfa] = emulate_nothing,	/* CLI, STI: events have a mask of their own */
	[0xfb] = emulate_nothing,
};

static emulate_fn *const two_byte[256] = {
	[0x01] = emulate_group7,
	[0x06] = emulate_clts,
	[0x08] = emulate_nothing,	/* INVD, WBINVD: there is no uncached memory */
	[0x09] = emulate_nothing,
	[0x20] = emulate_read_cr, [0x21] = emulate_read_dr,
	[0x22] = emulate_write_cr, [0x23] = emulate_write_dr,
	[0x30] = emulate_wrmsr,
	[0x31] = emulate_rdtsc,
	[0x32] = emulate_rdmsr,
	[0xa2] = emulate_cpuid,
};

/* INT n with a gate that the processor does not let the guest use: ask the guest's own table. */
static bool software_interrupt(struct shim_vcpu *v, struct shim_regs *r, struct insn *i)
{
	uint8_t vector;

	if (next(i) != 0xcd)
		return false;
	vector = next(i);
	if (i->pos != 2 || !v->state.traps[vector].address)
		return false;
	if (!v->kernel_mode && v->state.traps[vector].dpl != 3)
		return false;
	r->rip += 2;
	r->error = 0;
	shim_bounce(v, r, &v->state.traps[vector]);
	return true;
}

/* The two that come by the thousand, without a look at tables: RDMSR of the user's GS base, CPUID. */
static bool emulate_frequent(struct shim_vcpu *v, struct shim_regs *r)
{
	uint8_t insn[2];
	uint64_t value;

	if (r->error || shim_copy_from(insn, r->rip, sizeof(insn)) || insn[0] != 0x0f)
		return false;
	if (insn[1] == 0xa2) {
		emulate_cpuid(v, r, NULL);
	} else if (insn[1] == 0x32 && (uint32_t)r->rcx == MSR_KERNEL_GS_BASE && v->kernel_mode &&
		   !hw_rdmsr_safe(MSR_KERNEL_GS_BASE, &value)) {
		r->rax = (uint32_t)value;
		r->rdx = value >> 32;
	} else {
		return false;
	}
	r->rip += sizeof(insn);
	r->rflags &= ~RFLAGS_RF;
	return true;
}

bool shim_emulate(struct shim_vcpu *v, struct shim_regs *r)
{
	struct insn i = { .len = 0 };
	emulate_fn *fn;

	if (emulate_frequent(v, r))
		return true;
	if (!fetch(r, &i))
		return false;
	if (r->error & 2)	/* the selector of an interrupt gate */
		return software_interrupt(v, r, &i);
	if (r->error && i.byte[0] != 0x8e && i.byte[0] != 0xcb && i.byte[1] != 0xcb)
		return false;
	i.op = next_opcode(&i);
	fn = one_byte[i.op];
	if (i.op == 0x0f) {
		i.op = next(&i);
		fn = two_byte[i.op];
	}
	/* Users may have CPUID; what else faults there is theirs to hear of. */
	if (!fn || (!v->kernel_mode && fn != emulate_cpuid))
		return false;
	if (!fn(v, r, &i) || i.pos > i.len)
		return false;
	r->rip += i.pos;
	r->rflags &= ~RFLAGS_RF;
	return true;
}

bool shim_emulate_ud(struct shim_vcpu *v, struct shim_regs *r)
{
	static const uint8_t prefixed_cpuid[] = { XEN_EMULATE_PREFIX, 0x0f, 0xa2 };
	uint8_t insn[sizeof(prefixed_cpuid)];

	if (shim_copy_from(insn, r->rip, sizeof(insn)))
		return false;
	for (unsigned n = 0; n < sizeof(insn); n++) {
		if (insn[n] != prefixed_cpuid[n])
			return false;
	}
	emulate_cpuid(v, r, NULL);
	r->rip += sizeof(insn);
	return true;
}
