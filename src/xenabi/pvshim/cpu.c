// SPDX-License-Identifier: MIT
/*
 * Hypercalls about the vCPU that makes them, and the start of a vCPU.
 */
#include "xenabi/callback.h"
#include "xenabi/physdev.h"
#include "xenabi/sched.h"
#include "xenabi/shared_info.h"
#include "xenabi/version.h"

#include "shim.h"
#include "hw.h"

int64_t shim_stack_switch(struct shim_vcpu *v, const struct shim_call *call)
{
	/* The selector is ours, whatever the kernel would like. */
	if (!shim_va_ok(call->arg[1]))
		return -EINVAL;
	v->state.kernel_sp = call->arg[1] & ~15ull;
	return 0;
}

int64_t shim_set_callbacks(struct shim_vcpu *v, const struct shim_call *call)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!shim_va_ok(call->arg[i]))
			return -EINVAL;
	}
	v->state.event = (struct shim_gate){ .address = call->arg[0], .masks = true };
	v->state.failsafe = (struct shim_gate){ .address = call->arg[1] };
	v->state.syscall = (struct shim_gate){ .address = call->arg[2] };
	shim_set_unusual(v);
	return 0;
}

/* The callback that @type means; NULL for those that we never make. */
static struct shim_gate *callback(struct shim_vcpu *v, unsigned type)
{
	switch (type) {
	case CALLBACKTYPE_event: return &v->state.event;
	case CALLBACKTYPE_failsafe: return &v->state.failsafe;
	case CALLBACKTYPE_syscall: return &v->state.syscall;
	case CALLBACKTYPE_syscall32: return &v->state.syscall32;
	case CALLBACKTYPE_nmi: return &v->state.nmi;
	}
	/* SYSENTER is not among the features; a kernel that offers a callback is told so. */
	return NULL;
}

static int64_t callbackop_register(struct shim_vcpu *v, const struct shim_call *call)
{
	struct callback_register_64 a;
	struct shim_gate *gate;

	if (shim_copy_from(&a, call->arg[1], sizeof(a)))
		return -EFAULT;
	gate = callback(v, a.type);
	if (!gate)
		return -ENOSYS;
	if (!shim_va_ok(a.address))
		return -EINVAL;
	*gate = (struct shim_gate){
		.address = a.address,
		.masks = a.flags & CALLBACKF_mask_events || gate == &v->state.event || gate == &v->state.nmi,
	};
	shim_set_unusual(v);
	return 0;
}

static int64_t callbackop_unregister(struct shim_vcpu *v, const struct shim_call *call)
{
	struct callback_unregister a;
	struct shim_gate *gate;

	if (shim_copy_from(&a, call->arg[1], sizeof(a)))
		return -EFAULT;
	gate = callback(v, a.type);
	if (!gate || gate == &v->state.event || gate == &v->state.failsafe || gate == &v->state.syscall)
		return -EINVAL;
	*gate = (struct shim_gate){ .address = 0 };
	return 0;
}

int64_t shim_callback_op(struct shim_vcpu *v, const struct shim_call *call)
{
	switch (call->arg[0]) {
	case CALLBACKOP_register: return callbackop_register(v, call);
	case CALLBACKOP_unregister: return callbackop_unregister(v, call);
	}
	return -ENOSYS;
}

int64_t shim_nmi_op(struct shim_vcpu *v, const struct shim_call *call)
{
	struct xennmi_callback_64 a;

	if (call->arg[0] == XENNMI_unregister_callback) {
		v->state.nmi.address = 0;
		return 0;
	}
	if (call->arg[0] != XENNMI_register_callback)
		return -ENOSYS;
	if (shim_copy_from(&a, call->arg[1], sizeof(a)))
		return -EFAULT;
	if (!shim_va_ok(a.handler_address))
		return -EINVAL;
	v->state.nmi = (struct shim_gate){ .address = a.handler_address, .masks = true };
	return 0;
}

int64_t shim_fpu_taskswitch(struct shim_vcpu *v, const struct shim_call *call)
{
	uint64_t cr0 = hw_read_cr0();

	(void)v;
	hw_write_cr0(call->arg[0] ? cr0 | CR0_TS : cr0 & ~CR0_TS);
	return 0;
}

/* Ports: what the kernel asks for it has anyway, see emul.c; its users get nothing. */
int64_t shim_physdev_op(struct shim_vcpu *v, const struct shim_call *call)
{
	struct physdev_set_iopl a;

	if (call->arg[0] == PHYSDEVOP_set_iobitmap)
		return 0;
	if (call->arg[0] != PHYSDEVOP_set_iopl)
		return -ENOSYS;
	if (shim_copy_from(&a, call->arg[1], sizeof(a)))
		return -EFAULT;
	if (a.iopl > 3)
		return -EINVAL;
	v->state.iopl = (uint64_t)a.iopl << 12;
	return 0;
}

/* For core files. */
static void remember_assist(uint64_t bit, bool on)
{
	uint64_t *assists = &shim_vcpu(0)->state.vm_assist;

	if (on)
		__atomic_fetch_or(assists, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(assists, ~bit, __ATOMIC_RELAXED);
}

/* Of the assists, one changes what the VMM does; the others promise what is so anyway. */
int64_t shim_vm_assist(struct shim_vcpu *v, const struct shim_call *call)
{
	int64_t r = 0;

	if (call->arg[0] > VMASST_CMD_disable)
		return -ENOSYS;
	switch (call->arg[1]) {
	case VMASST_TYPE_runstate_update_flag:
		r = shim_forward(v, call);
		break;
	case VMASST_TYPE_4gb_segments:
	case VMASST_TYPE_4gb_segments_notify:
	case VMASST_TYPE_writable_pagetables:
	case VMASST_TYPE_pae_extended_cr3:
	case VMASST_TYPE_m2p_strict:
		break;
	default:
		return -EINVAL;
	}
	if (!r)
		remember_assist(1ull << call->arg[1], call->arg[0] == VMASST_CMD_enable);
	return r;
}

static bool pending(struct shim_vcpu *v)
{
	return __atomic_load_n(shim_info_byte(v, XA_VCPU_INFO_PENDING), __ATOMIC_SEQ_CST) ||
	       (v->nmi_pending && !v->nmi_masked);
}

/* Events are unmasked, and there is one, when this returns; shim_leave() delivers it. */
static int64_t block(struct shim_vcpu *v)
{
	__atomic_store_n(shim_info_byte(v, XA_VCPU_INFO_MASK), 0, __ATOMIC_SEQ_CST);
	while (!pending(v)) {
		shim_out_of_guest(v);
		hw_halt();
		shim_in_guest(v);
	}
	return 0;
}

int64_t shim_sched_op(struct shim_vcpu *v, const struct shim_call *call)
{
	if (call->arg[0] == SCHEDOP_block)
		return block(v);
	return shim_forward(v, call);
}

/* Linux makes this call to be told of events: the way back does that. */
int64_t shim_xen_version(struct shim_vcpu *v, const struct shim_call *call)
{
	if (call->arg[0] == XENVER_version)
		return shim_info()->xen_version;
	return shim_forward(v, call);
}

#ifndef SHIM_UNIT
#pragma GCC visibility push(hidden)
extern const uint8_t shim_idt_stubs[], shim_stubs[], shim_stub32[], shim_stubs_end[];
extern const uint8_t shim_debug[], shim_nmi[], shim_double_fault[], shim_machine_check[];
extern const uint32_t shim_stub_jumps[], shim_stub_jumps_end[];
#pragma GCC visibility pop

/* In the section that user mode's page table has, too. */
static struct {
	uint64_t low, high;
} idt[256] __attribute__((aligned(16), section(".user.idt"))) = { { 0, 0 } };

/* Gates that the guest may use by INT n: breakpoint, overflow, and the system call of old. */
static unsigned gate_dpl(unsigned vector)
{
	return vector == VEC_BP || vector == 4 || vector == VEC_INT80 ? 3 : 0;
}

static unsigned gate_ist(unsigned vector)
{
	if (vector == VEC_NMI || vector == VEC_DF || vector == VEC_MC)
		return 1;
	return vector == VEC_DB ? 2 : 0;
}

static uintptr_t gate_handler(unsigned vector)
{
	switch (vector) {
	case VEC_DB: return (uintptr_t)shim_debug;
	case VEC_NMI: return (uintptr_t)shim_nmi;
	case VEC_DF: return (uintptr_t)shim_double_fault;
	case VEC_MC: return (uintptr_t)shim_machine_check;
	}
	return (uintptr_t)shim_idt_stubs + vector * 16u;
}

static void build_idt(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t at = gate_handler(i);

		idt[i].low = (at & 0xffff) | (uint64_t)SEL_SHIM_CS << 16 |
			     (uint64_t)gate_ist(i) << 32 | 0x8eull << 40 |
			     (uint64_t)gate_dpl(i) << 45 | (at >> 16 & 0xffff) << 48;
		idt[i].high = at >> 32;
	}
}

/* A 64-bit SYSCALL goes to the vCPU's own code, and one from 32-bit code behind it. */
static void set_syscall(struct shim_vcpu *v)
{
	uint8_t *stubs = (uint8_t *)v + VCPU_STUBS;

	memcpy(stubs, shim_stubs, (uintptr_t)shim_stubs_end - (uintptr_t)shim_stubs);
	for (const uint32_t *at = shim_stub_jumps; at != shim_stub_jumps_end; at++) {
		uint32_t distance;

		memcpy(&distance, stubs + *at, sizeof(distance));
		distance += (uint32_t)((uintptr_t)shim_stubs - (uintptr_t)stubs);
		memcpy(stubs + *at, &distance, sizeof(distance));
	}
	v->verw = SEL_SHIM_SS;
	hw_wrmsr(MSR_STAR, (uint64_t)FLAT_RING3_CS32 << 48 | (uint64_t)SEL_SHIM_CS << 32);
	hw_wrmsr(MSR_LSTAR, (uintptr_t)stubs);
	hw_wrmsr(MSR_CSTAR, (uintptr_t)stubs + ((uintptr_t)shim_stub32 - (uintptr_t)shim_stubs));
	hw_wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_TF | 0x400 | RFLAGS_NT | RFLAGS_AC | RFLAGS_IOPL |
			     RFLAGS_RF);
}

static void set_cpuid_faulting(void)
{
	uint64_t features;

	if (!hw_rdmsr_safe(MSR_MISC_FEATURES, &features))
		hw_wrmsr(MSR_MISC_FEATURES, features | 1);
}

static void set_features(void)
{
	uint64_t cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	uint32_t reg[4];

	hw_cpuid(1, 0, reg);
	if (reg[2] >> 26 & 1)
		cr4 |= CR4_OSXSAVE;
	hw_write_cr4(cr4);
}

/* The first vCPU begins where the builder said, with what it left in shim_info. */
static void start_first(struct shim_vcpu *v)
{
	const struct shim_info *info = shim_info();

	v->info = shim_direct(info->shared_info);
	*shim_info_byte(v, XA_VCPU_INFO_MASK) = 1;
	v->start = (struct shim_regs){
		.rip = info->rip, .rsp = info->rsp, .rsi = info->rsi, .cs = SEL_KERNEL_CS,
		.ss = SEL_KERNEL_SS, .rflags = RFLAGS_IF | RFLAGS_FIXED,
	};
	v->kernel_root = info->root << 12;
	v->initialised = true;
	build_idt();
	shim_patch(info->duties);
}

void shim_start(uint32_t id)
{
	struct shim_vcpu *v = shim_vcpu(id);
	struct shim_regs *r = (struct shim_regs *)(void *)((uint8_t *)v + VCPU_STACK_TOP) - 1;

	v->id = id;
	if (id == 0) {
		start_first(v);
		shim_build_tables(v);
	}
	if (!v->initialised)
		shim_crash(SHIM_CRASH_NOT_READY, 0, id, 0);
	hw_load_tables(SHIM_WINDOWS_VA + (uint64_t)id * SHIM_WINDOW_PAGES * 4096, (uintptr_t)idt);
	set_syscall(v);
	set_features();
	set_cpuid_faulting();
	hw_wrmsr(MSR_X2APIC_SVR, 0x100 | SHIM_VECTOR_SPURIOUS);
	hw_wrmsr(MSR_FS_BASE, v->fs_base);
	hw_wrmsr(MSR_GS_BASE, v->gs_base_kernel);
	hw_wrmsr(MSR_KERNEL_GS_BASE, v->gs_base_user);
	shim_set_unusual(v);
	v->state.dr[6] = 0xffff0ff0;
	v->state.dr[7] = 0x400;
	v->kernel_mode = true;
	if (shim_set_root(v, v->kernel_root >> 12))
		shim_crash(SHIM_CRASH_BAD_ROOT, 0, v->kernel_root >> 12, 0);
	if (id == 0)
		shim_pin_boot(v);
	else if (v->state.user_root)
		shim_set_user_root(v, v->state.user_root >> 12);
	shim_in_guest(v);
	*r = v->start;
	shim_leave(v, r);
	shim_resume(r);
}
#endif
