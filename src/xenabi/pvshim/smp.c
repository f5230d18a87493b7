// SPDX-License-Identifier: MIT
/*
 * Several vCPUs: how they are started, and how one makes others forget translations.
 *
 * A vCPU that wants others to flush raises their `flush_asked` and interrupts those that may have
 * something to forget; they answer by making `flush_done` equal. A vCPU that waits in the halt
 * instruction or in the VMM is not waited for: it says so in `in_guest`, and looks when it comes
 * back, before it uses a translation of the guest's. One that waits for others does their bidding
 * meanwhile, since interrupts are off.
 */
#include "xenabi/shared_info.h"
#include "xenabi/vcpu.h"

#include "shim.h"
#include "hw.h"

void shim_flush_asked(struct shim_vcpu *v)
{
	uint32_t asked = __atomic_load_n(&v->flush_asked, __ATOMIC_SEQ_CST);

	if (asked == v->flush_done)
		return;
	hw_write_cr3(hw_read_cr3());
	v->state.flushes++;
	__atomic_store_n(&v->flush_done, asked, __ATOMIC_SEQ_CST);
}

void shim_out_of_guest(struct shim_vcpu *v)
{
	__atomic_store_n(&v->in_guest, false, __ATOMIC_SEQ_CST);
}

void shim_in_guest(struct shim_vcpu *v)
{
	__atomic_store_n(&v->in_guest, true, __ATOMIC_SEQ_CST);
	shim_flush_asked(v);
}

static void interrupt(unsigned id, unsigned vector)
{
	/* x2APIC: destination in the upper half; level asserted. */
	hw_wrmsr(MSR_X2APIC_ICR, (uint64_t)id << 32 | 0x4000 | vector);
}

void shim_flush_others(struct shim_vcpu *v, uint64_t mask)
{
	uint32_t want[SHIM_MAX_VCPUS];
	uint64_t wait = 0;

	for (unsigned i = 0; i < shim_info()->nr_vcpus; i++) {
		struct shim_vcpu *t = shim_vcpu(i);

		if (t == v || !(mask >> i & 1) || !t->initialised)
			continue;
		want[i] = __atomic_add_fetch(&t->flush_asked, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&t->in_guest, __ATOMIC_SEQ_CST)) {
			interrupt(i, SHIM_VECTOR_FLUSH);
			wait |= 1ull << i;
		}
	}
	for (unsigned i = 0; wait; i = (i + 1) % SHIM_MAX_VCPUS) {
		struct shim_vcpu *t;

		if (!(wait >> i & 1))
			continue;
		t = shim_vcpu(i);
		if ((int32_t)(__atomic_load_n(&t->flush_done, __ATOMIC_SEQ_CST) - want[i]) >= 0 ||
		    !__atomic_load_n(&t->in_guest, __ATOMIC_SEQ_CST))
			wait &= ~(1ull << i);
		shim_flush_asked(v);
		hw_wait();
	}
}

static void take_registers(struct shim_vcpu *t, const struct cpu_user_regs_64 *u)
{
	t->start = (struct shim_regs){
		.r15 = u->r15, .r14 = u->r14, .r13 = u->r13, .r12 = u->r12, .rbp = u->rbp,
		.rbx = u->rbx, .r11 = u->r11, .r10 = u->r10, .r9 = u->r9, .r8 = u->r8,
		.rax = u->rax, .rcx = u->rcx, .rdx = u->rdx, .rsi = u->rsi, .rdi = u->rdi,
		.rip = u->rip, .cs = SEL_KERNEL_CS, .ss = SEL_KERNEL_SS, .rsp = u->rsp,
		.rflags = (u->rflags & ~(RFLAGS_IOPL | RFLAGS_VM | RFLAGS_NT)) | RFLAGS_IF |
			  RFLAGS_FIXED,
	};
}

/* Copy a part of the context at @va: it is too long for the stack. */
#define TAKE(va, member, to)                                                                       \
	shim_copy_from((to), (va) + offsetof(struct vcpu_guest_context_64, member), sizeof(*(to)))

static int take_traps(struct shim_vcpu *t, uint64_t va)
{
	for (unsigned i = 0; i < 256; i++) {
		struct trap_info_64 trap;

		if (TAKE(va, trap_ctxt[i], &trap))
			return -EFAULT;
		trap.vector = (uint8_t)i;
		shim_set_trap(t, &trap);
	}
	return 0;
}

/* What follows the trap table in struct vcpu_guest_context_64. */
struct context_tail {
	uint64_t ldt_base, ldt_ents, gdt_frames[16], gdt_ents, kernel_ss, kernel_sp, ctrlreg[8];
	uint64_t debugreg[8], event, failsafe, syscall, vm_assist;
	uint64_t fs_base, gs_base_kernel, gs_base_user;
};
#define TAIL offsetof(struct vcpu_guest_context_64, ldt_base)
_Static_assert(TAIL + sizeof(struct context_tail) == sizeof(struct vcpu_guest_context_64),
	       "the tail has another size");

static int take_context(struct shim_vcpu *t, uint64_t va)
{
	struct cpu_user_regs_64 user;
	struct context_tail tail;
	uint64_t flags;
	int err;

	if (TAKE(va, flags, &flags) || TAKE(va, user_regs, &user) ||
	    shim_copy_from(&tail, va + TAIL, sizeof(tail)))
		return -EFAULT;
	if (!(flags & VGCF_in_kernel) || !shim_is_ram(tail.ctrlreg[3] >> 12) ||
	    tail.gdt_ents > FIRST_RESERVED_GDT_PAGE * 512 || tail.ldt_ents)
		return -EINVAL;
	shim_build_tables(t);
	err = shim_load_gdt(t, tail.gdt_frames, (unsigned)tail.gdt_ents);
	if (!err)
		err = take_traps(t, va);
	if (err)
		return err;
	take_registers(t, &user);
	t->state.kernel_sp = tail.kernel_sp & ~15ull;
	t->kernel_root = tail.ctrlreg[3] & PTE_ADDR;
	t->state.user_root = shim_is_ram(tail.ctrlreg[1] >> 12) ? tail.ctrlreg[1] & PTE_ADDR : 0;
	t->state.event = (struct shim_gate){ .address = tail.event, .masks = true };
	t->state.failsafe = (struct shim_gate){ .address = tail.failsafe,
					  .masks = flags & VGCF_failsafe_disables_events };
	t->state.syscall = (struct shim_gate){ .address = tail.syscall,
					 .masks = flags & VGCF_syscall_disables_events };
	t->fs_base = tail.fs_base;
	t->gs_base_kernel = tail.gs_base_kernel;
	t->gs_base_user = tail.gs_base_user;
	return 0;
}

static int64_t initialise(struct shim_vcpu *v, const struct shim_call *call)
{
	struct shim_vcpu *t = shim_vcpu((unsigned)call->arg[1]);
	int err;

	(void)v;
	if (t->initialised)
		return -EEXIST;
	t->id = (uint32_t)call->arg[1];
	err = take_context(t, call->arg[2]);
	if (err)
		return err;
	if (!t->info)
		t->info = shim_direct(shim_info()->shared_info + t->id * XA_VCPU_INFO_SIZE);
	*shim_info_byte(t, XA_VCPU_INFO_MASK) = 1;
	__atomic_store_n(&t->initialised, true, __ATOMIC_SEQ_CST);
	return 0;
}

static int64_t up(struct shim_vcpu *v, const struct shim_call *call)
{
	if (!shim_vcpu((unsigned)call->arg[1])->initialised)
		return -EINVAL;
	return shim_forward(v, call);
}

/* We read and write vcpu_info ourselves, so we must know where it goes. */
static int64_t register_vcpu_info(struct shim_vcpu *v, const struct shim_call *call)
{
	struct vcpu_register_vcpu_info at;
	uint8_t *info;
	int64_t r;

	if (shim_copy_from(&at, call->arg[2], sizeof(at)))
		return -EFAULT;
	if (!shim_is_ram(at.mfn) || at.offset > XEN_PAGE_SIZE - XA_VCPU_INFO_SIZE)
		return -EINVAL;
	info = (uint8_t *)shim_direct(at.mfn << 12) + at.offset;
	r = shim_forward(v, call);
	if (!r)
		__atomic_store_n(&shim_vcpu((unsigned)call->arg[1])->info, info, __ATOMIC_SEQ_CST);
	return r;
}

static shim_hcall_fn *const ops[] = {
	[VCPUOP_initialise] = initialise,
	[VCPUOP_up] = up,
	[VCPUOP_set_singleshot_timer] = shim_set_singleshot_timer,
	[VCPUOP_stop_singleshot_timer] = shim_stop_singleshot_timer,
	[VCPUOP_register_vcpu_info] = register_vcpu_info,
};

int64_t shim_vcpu_op(struct shim_vcpu *v, const struct shim_call *call)
{
	/* Linux asks for each of as many vCPUs as it could have. */
	if (call->arg[1] >= shim_info()->nr_vcpus)
		return -ENOENT;
	if (call->arg[0] < DOM_ARRAY_LEN(ops) && ops[call->arg[0]])
		return ops[call->arg[0]](v, call);
	return shim_forward(v, call);
}
