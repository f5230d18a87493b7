// SPDX-License-Identifier: MIT
/*
 * Private header of the PV shim: the hypervisor of a PV guest that runs inside the guest's virtual
 * machine, at privilege level 0.
 *
 * The guest's kernel runs at level 1 and its user programs at level 3. Level 1 is supervisor to the
 * paging hardware, so the guest's page tables are used as they are; privileged instructions fault
 * there and are emulated by emul.c, and every way out of the guest leads to the stack that the TSS
 * names. The kernel believes that it runs at level 3, because on Xen it does; what it is shown of
 * its own state says so.
 *
 * Nothing is guarded from the guest's kernel, which can write to this memory: it would only fool
 * itself. Guarded are the guest's kernel from its user programs, and everything outside from both,
 * the latter by the virtual machine.
 *
 * Interrupts are off in the shim, but for the halt in SCHEDOP_block. It keeps no lock: what vCPUs
 * share is changed by atomic operations.
 */
#ifndef PVSHIM_SHIM_H
#define PVSHIM_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domicile/base/cc.h"
#include "domicile/shim.h"
#include "xenabi/errno.h"
#include "xenabi/hypercall.h"
#include "xenabi/pv.h"
#include "xenabi/shared_info.h"

#ifndef EPERM
enum {
#define SHIM_ERRNO(name, number) name = (number),
	XA_ERRNOS(SHIM_ERRNO)
#undef SHIM_ERRNO
};
#endif

/* Selectors of our own, behind those of the ABI. */
#define SEL_SHIM_CS 0xe008u
#define SEL_SHIM_SS 0xe010u
#define SEL_KERNEL_CS 0xe039u	/* level 1 */
#define SEL_KERNEL_SS 0xe041u
#define SEL_TSS 0xe048u
#define SEL_LDT 0xe058u

#define RFLAGS_TF 0x100ull
#define RFLAGS_IF 0x200ull
#define RFLAGS_IOPL 0x3000ull
#define RFLAGS_NT 0x4000ull
#define RFLAGS_RF 0x10000ull
#define RFLAGS_VM 0x20000ull
#define RFLAGS_AC 0x40000ull
#define RFLAGS_FIXED 0x2ull

/* Exceptions, and our own reasons to enter. */
enum {
	VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_UD = 6, VEC_NM = 7, VEC_DF = 8, VEC_GP = 13,
	VEC_PF = 14, VEC_MC = 18, VEC_INT80 = 0x80,
};

#define PF_PRESENT 1u
#define PF_WRITE 2u
#define PF_USER 4u

#define PTE_P (1ull << 0)
#define PTE_RW (1ull << 1)
#define PTE_USER (1ull << 2)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_NX (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull

/* struct shim_regs is as entry.S pushes the guest's registers. From rax on: a struct shim_call. */

/* An answer of CPUID that is remembered, since the instruction is an exit to KVM. */
struct shim_cpuid {
	uint32_t leaf, subleaf, reg[4];
	bool valid;
};
#define SHIM_CPUIDS 128u

/*
 * A vCPU: the first pages of its block. The very first is what user mode's page table has, too, if
 * there are two: what entry.S needs before it has loaded the kernel's, the TSS, and small stacks.
 */
struct shim_vcpu {
	uint64_t rsp, rax;	/* entry.S: the guest's at SYSCALL */
	uint64_t kernel_root;	/* guest-physical address */
	uint64_t user_cr3;	/* what CR3 is for user mode, if there are two page tables */
	uint16_t verw;		/* a selector */
	bool kernel_mode;	/* authoritative: a kernel may well run at level 3 */
	uint8_t rest_of_page[4096 - 35];

	uint8_t *info;		/* vcpu_info */
	struct shim_state state;
	uint8_t unusual;	/* what keeps entry.S from going its own way; by shim_set_unusual() */
	bool initialised;
	bool nmi_pending;	/* told the guest next */
	bool nmi_masked;	/* by an NMI that is being handled */
	uint32_t id;
	/* Other vCPUs' wish that we forget translations; see smp.c. */
	uint32_t flush_asked, flush_done;
	bool in_guest;
	/* Where to start, if this is not the first vCPU. */
	struct shim_regs start;
	uint64_t fs_base, gs_base_kernel, gs_base_user;
	struct shim_cpuid cpuid[SHIM_CPUIDS];
};
#define UNUSUAL_NMI 1u		/* one is pending, or being handled */
#define UNUSUAL_SYSCALL 2u	/* there is no handler, or one that does not mask events */
#define UNUSUAL_PF 4u		/* the same for page faults */

/* Offsets inside a vCPU's block. */
#define VCPU_TSS 0x100
#define VCPU_ENTRY_STACK 0x800
#define VCPU_IST1_TOP 0xc00	/* NMI, #DF, #MC */
#define VCPU_IST2_TOP 0x1000	/* #DB */
#define VCPU_STUBS 0x4000
#define VCPU_GDT 0x6000		/* the reserved page of the GDT */
#define VCPU_STACK_TOP 0x10000
_Static_assert(sizeof(struct shim_vcpu) <= SHIM_VCPU_MAIL, "a vCPU's block is too small");
_Static_assert(SHIM_VCPU_MAIL + sizeof(struct shim_mail) <= VCPU_STUBS, "the mailbox is too big");

#define ENTRY_KNOWS(member, offset)                                                                \
	_Static_assert(offsetof(struct shim_vcpu, member) == (offset), "entry.S knows")
ENTRY_KNOWS(rsp, 0);
ENTRY_KNOWS(rax, 8);
ENTRY_KNOWS(kernel_root, SHIM_KERNEL_ROOT);
ENTRY_KNOWS(user_cr3, 0x18);
ENTRY_KNOWS(verw, 0x20);
ENTRY_KNOWS(kernel_mode, SHIM_KERNEL_MODE);
ENTRY_KNOWS(info, 0x1000);
ENTRY_KNOWS(state.kernel_sp, SHIM_STATE);
ENTRY_KNOWS(state.syscall.address, SHIM_STATE + 8);
ENTRY_KNOWS(state.iopl, SHIM_STATE + 0x18);
ENTRY_KNOWS(state.traps[VEC_PF].address, SHIM_STATE + 0x20 + 14 * 16);
ENTRY_KNOWS(unusual, 0x20d8);
_Static_assert(XA_VCPU_INFO_PENDING == 0 && XA_VCPU_INFO_MASK == 1 && XA_VCPU_INFO_CR2_64 == 16,
	       "entry.S knows");
_Static_assert(SHIM_START_STACK < VCPU_STACK_TOP && SHIM_START_STACK > VCPU_GDT + 0x1000,
	       "stacks overlap");
_Static_assert(SHIM_VCPU_SIZE == VCPU_STACK_TOP, "entry.S knows");

#ifdef SHIM_UNIT
/* Tests have no hypervisor hole: they say where things are. */
extern struct shim_info *shim_test_info;
extern uint8_t *shim_test_direct, *shim_test_marks, *shim_test_vcpus;
extern uint64_t *shim_test_windows, *shim_test_m2p, shim_test_unseen[SHIM_UNSEEN_WORDS];
#define shim_m2p() (shim_test_m2p)
#define shim_unseen() (shim_test_unseen)
#define shim_info() (shim_test_info)
#define shim_direct(gpa) ((void *)(shim_test_direct + (gpa)))
#define shim_marks() (shim_test_marks)
#define shim_windows() (shim_test_windows)
#define shim_block(id) (shim_test_vcpus + (size_t)(id) * SHIM_VCPU_SIZE)
#else
#define shim_info() ((const struct shim_info *)(SHIM_VA + SHIM_INFO))
#define shim_direct(gpa) ((void *)(SHIM_DIRECT_VA + (gpa)))
#define shim_marks() ((uint8_t *)SHIM_MARKS_VA)
#define shim_unseen() ((uint64_t *)(SHIM_VA + SHIM_UNSEEN))
#define shim_m2p() ((uint64_t *)(SHIM_VA + SHIM_M2P_BLOCK * (uint64_t)SHIM_BLOCK))
#define shim_windows() ((uint64_t *)(SHIM_VA + SHIM_TABLES + SHIM_L1_WINDOWS * 4096ull))
#define shim_block(id) ((uint8_t *)SHIM_VCPUS_VA + (size_t)(id) * SHIM_VCPU_SIZE)
#endif

static inline struct shim_vcpu *shim_vcpu(unsigned id)
{
	return (struct shim_vcpu *)(void *)shim_block(id);
}

static inline uint8_t *shim_info_byte(struct shim_vcpu *v, unsigned offset)
{
	return v->info + offset;
}

/* One hypercall, from registers or, as it stands there, from a multicall list. */
struct shim_call {
	uint64_t nr;
	int64_t result;
	uint64_t arg[6];
};
_Static_assert(sizeof(struct shim_call) == sizeof(struct multicall_entry_64) &&
	       offsetof(struct shim_call, nr) == offsetof(struct multicall_entry_64, op) &&
	       offsetof(struct shim_call, result) == offsetof(struct multicall_entry_64, result) &&
	       offsetof(struct shim_call, arg) == offsetof(struct multicall_entry_64, args),
	       "a call is not as in a list");
_Static_assert(offsetof(struct shim_regs, rdi) - offsetof(struct shim_regs, rax) ==
	       offsetof(struct shim_call, arg) &&
	       offsetof(struct shim_regs, r9) - offsetof(struct shim_regs, rdi) == 5 * sizeof(uint64_t),
	       "a call is not as in registers");

static inline const struct shim_call *shim_call_of(const struct shim_regs *r)
{
	return (const struct shim_call *)(const void *)&r->rax;
}
typedef int64_t shim_hcall_fn(struct shim_vcpu *v, const struct shim_call *call);

/* entry.S, and C that it calls, which returns whether user mode is next */
bool shim_trap(struct shim_regs *r);
bool shim_syscall(struct shim_regs *r);
bool shim_iret_failed(struct shim_regs *r);
void shim_start(uint32_t id) DOM_NORETURN;
void shim_resume(struct shim_regs *r) DOM_NORETURN;

/* access.c: memory of the guest, by virtual address; -EFAULT instead of a fault */
int shim_copy_from(void *to, uint64_t from, size_t len);
int shim_copy_to(uint64_t to, const void *from, size_t len);
int shim_store(uint64_t to, uint64_t value);

/* bounce.c: from and to the guest's kernel */
void shim_bounce(struct shim_vcpu *v, struct shim_regs *r, const struct shim_gate *gate);
void shim_bounce_error(struct shim_vcpu *v, struct shim_regs *r, const struct shim_gate *gate,
		       uint64_t error);
void shim_bounce_failsafe(struct shim_vcpu *v, struct shim_regs *r);
/* Inject exception @vector, whose error code is in @r. */
void shim_inject(struct shim_vcpu *v, struct shim_regs *r, unsigned vector);
void shim_to_user(struct shim_vcpu *v);
void shim_to_kernel(struct shim_vcpu *v);
void shim_iret(struct shim_vcpu *v, struct shim_regs *r);
/* The last thing before the guest runs on: tell it of events. True: user mode is next. */
bool shim_leave(struct shim_vcpu *v, struct shim_regs *r);
void shim_crash(enum shim_crash why, uint64_t rip, uint64_t a, uint64_t b) DOM_NORETURN;

static inline bool shim_is_usual(const struct shim_gate *gate)
{
	return gate->address && gate->masks;
}

/* Must entry.S leave faults, system calls or returns to C? To be told whenever that may have changed. */
static inline void shim_set_unusual(struct shim_vcpu *v)
{
	v->unusual = (v->nmi_pending || v->nmi_masked ? UNUSUAL_NMI : 0) |
		     (shim_is_usual(&v->state.syscall) ? 0 : UNUSUAL_SYSCALL) |
		     (shim_is_usual(&v->state.traps[VEC_PF]) ? 0 : UNUSUAL_PF);
}

static inline void shim_nmi_state(struct shim_vcpu *v, bool is_pending, bool is_masked)
{
	v->nmi_pending = is_pending;
	v->nmi_masked = is_masked;
	shim_set_unusual(v);
}

/* emul.c: #GP and #UD of the guest; true: the instruction is done */
bool shim_emulate(struct shim_vcpu *v, struct shim_regs *r);
bool shim_emulate_ud(struct shim_vcpu *v, struct shim_regs *r);

/* cpuid.c, msr.c */
void shim_cpuid(struct shim_vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t reg[4]);
/* CR4 or XCR0 has changed, which CPUID tells of. */
void shim_cpuid_forget(struct shim_vcpu *v);
bool shim_rdmsr(struct shim_vcpu *v, uint32_t msr, uint64_t *ret);
bool shim_wrmsr(struct shim_vcpu *v, uint32_t msr, uint64_t value);

/* Is @va an address that guest code may name: canonical and outside of the hole? */
static inline bool shim_va_ok(uint64_t va)
{
	if ((uint64_t)((int64_t)(va << 16) >> 16) != va)
		return false;
	return va < PV_HYPERVISOR_START || va >= PV_HYPERVISOR_END;
}

/* desc.c: segments, descriptor tables, debug registers */
shim_hcall_fn shim_set_trap_table, shim_set_gdt, shim_update_descriptor, shim_set_segment_base,
	shim_set_debugreg, shim_get_debugreg;
int shim_load_gdt(struct shim_vcpu *v, const uint64_t *frames, unsigned entries);
int shim_load_ldt(struct shim_vcpu *v, uint64_t va, uint64_t entries);
void shim_set_trap(struct shim_vcpu *v, const struct trap_info_64 *t);
int64_t shim_write_dr(struct shim_vcpu *v, unsigned reg, uint64_t value);
void shim_build_tables(struct shim_vcpu *v);
/* #PF at @va: does the guest miss a page of its GDT or LDT? Then the error code of a #GP. */
bool shim_window_fault(struct shim_vcpu *v, uint64_t va, uint64_t *ret_error);

/* mmu.c */
shim_hcall_fn shim_mmu_update, shim_update_va_mapping, shim_mmuext_op, shim_grant_table_op;
int shim_set_root(struct shim_vcpu *v, uint64_t mfn);
/* @mfn is RAM, or 0: none. */
void shim_set_user_root(struct shim_vcpu *v, uint64_t mfn);
void shim_pin_boot(struct shim_vcpu *v);
bool shim_write_fault(struct shim_vcpu *v, uint64_t va);
uint64_t *shim_find_pte(uint64_t root, uint64_t va, bool *ret_writable);

static inline bool shim_is_ram(uint64_t mfn)
{
	const struct shim_info *info = shim_info();

	return mfn < info->low_frames || (mfn >= info->high_frame && mfn < info->end_frame);
}

/* smp.c */
void shim_flush_others(struct shim_vcpu *v, uint64_t mask);
void shim_flush_asked(struct shim_vcpu *v);
void shim_out_of_guest(struct shim_vcpu *v);
void shim_in_guest(struct shim_vcpu *v);
shim_hcall_fn shim_vcpu_op;

/* timer.c */
shim_hcall_fn shim_set_timer_op, shim_set_singleshot_timer, shim_stop_singleshot_timer;

/* hcall.c */
void shim_hypercall(struct shim_vcpu *v, struct shim_regs *r);
int64_t shim_forward(struct shim_vcpu *v, const struct shim_call *call);
extern shim_hcall_fn *const shim_hcalls[];
extern const unsigned shim_nr_hcalls;

/* patch.c: leave out code that is for duties we do not have */
void shim_patch(uint32_t duties);
void shim_leave_out(uint8_t *at, uint32_t len);

/* memory.c */
shim_hcall_fn shim_memory_op;
/* The frame @mfn has the guest's page @pfn; -EINVAL: it is no RAM. */
int shim_set_pfn(uint64_t mfn, uint64_t pfn);

/* cpu.c: hypercalls about the processor, and starting one */
shim_hcall_fn shim_stack_switch, shim_set_callbacks, shim_callback_op, shim_fpu_taskswitch,
	shim_nmi_op, shim_physdev_op, shim_vm_assist, shim_sched_op, shim_xen_version;

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

#endif
