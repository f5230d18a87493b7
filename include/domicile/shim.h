// SPDX-License-Identifier: MIT
/*
 * The contract between the VMM and the PV shim, the program that runs at privilege level 0 inside
 * every PV guest and is its hypervisor as far as its processor and its page tables are concerned.
 *
 * Both sides are in one process image's distribution, but not of one trust: the shim's memory is
 * writable to the guest's kernel. What the VMM puts there is for the shim; what it reads back, which
 * is nothing but the registers of a call, is the guest's word.
 */
#ifndef DOMICILE_SHIM_H
#define DOMICILE_SHIM_H

#include <stddef.h>

#include "xenabi/base.h"

#define SHIM_MAX_VCPUS 32u	/* those that have their vcpu_info in shared_info */

/*
 * Virtual addresses: three slots of the top page table in the hole that the ABI keeps for the
 * hypervisor. Slot 256: the table of pfns by mfn, read-only. Slot 257: the shim. Slot 258: all of
 * guest-physical memory that is RAM or below 4 GiB, for the shim. None is accessible to user mode.
 */
#define SHIM_M2P_VA 0xffff800000000000
#define SHIM_VA 0xffff808000000000
#define SHIM_DIRECT_VA 0xffff810000000000
#define SHIM_HOLE_END 0xffff880000000000
#define SHIM_M2P_SLOT 256u
#define SHIM_SLOT 257u
#define SHIM_DIRECT_SLOT 258u
#define SHIM_HOLE_SLOTS 16u	/* from SHIM_M2P_SLOT */

/*
 * The shim's memory, in 2 MiB blocks from SHIM_VA and at the guest-physical address that the VMM
 * chose: image, page tables, struct shim_info and SHIM_UNSEEN; per-vCPU blocks; windows onto GDTs and
 * LDTs, which have pages of their own; marks, a byte per frame of RAM.
 */
#define SHIM_BLOCK 0x200000
#define SHIM_TABLES 0x100000	/* offset of the page tables in the first block */
#define SHIM_INFO 0x1f0000	/* offset of struct shim_info */
#define SHIM_UNSEEN 0x1f8000	/* offset of a bit for each 4096 marks: see src/xenabi/pvshim/mmu.c */
#define SHIM_UNSEEN_WORDS 160u	/* for as much memory as SHIM_L2_DIRECT maps */
#define SHIM_VCPUS_VA (SHIM_VA + SHIM_BLOCK)
#define SHIM_VCPU_SIZE 0x10000	/* SHIM_MAX_VCPUS of them fill their block */
#define SHIM_START_STACK 0xc000	/* offset of a vCPU's first stack pointer in its block */
#define SHIM_WINDOWS_VA (SHIM_VA + 2 * SHIM_BLOCK)	/* two blocks */
#define SHIM_WINDOW_PAGES 32u	/* per vCPU: 16 for the GDT, 16 for the LDT */
#define SHIM_MARKS_VA (SHIM_VA + 4 * SHIM_BLOCK)
#define SHIM_M2P_BLOCK 64	/* the table of pfns once more, writable: blocks up to 511 */
/*
 * Guest-physical: from the third block on are the marks, there being no memory behind the windows,
 * a block for 8 GiB; behind them is the table of pfns.
 */
#define SHIM_MARKS_OFFSET (2 * SHIM_BLOCK)

/* Page tables, as page numbers from SHIM_TABLES. */
enum shim_table {
	SHIM_L4,		/* what vCPUs start with: nothing but the hole */
	SHIM_L3_M2P, SHIM_L3_SHIM, SHIM_L3_DIRECT,
	SHIM_L2_M2P, SHIM_L2_SHIM,
	SHIM_L1_WINDOWS,	/* and the next one */
	SHIM_L2_DIRECT = SHIM_L1_WINDOWS + 2,	/* and the next ones, one for each GiB */
	/* What stands for SHIM_L3_SHIM in the second page table of a process, see SHIM_DUTY_ROOTS. */
	SHIM_L3_USER = SHIM_L2_DIRECT + 160,
	SHIM_L2_USER, SHIM_L1_USER_IMAGE, SHIM_L1_USER_VCPUS,
	SHIM_NR_TABLES,
};

/*
 * The mailbox of a vCPU's single-shot timer, at this offset in its block: how a timer is set without a
 * call, see src/vmm/tick.c.
 */
#define SHIM_VCPU_MAIL 0x3ff0
struct shim_mail {
	uint64_t deadline;		/* ns of the guest's clock; 0: none */
	uint64_t horizon;		/* the VMM looks at this time at the latest; 0: it does not */
};

/* Pages of a vCPU's block that user mode's page table has, too: entry data and stacks, stubs, GDT. */
#define SHIM_VCPU_USER_PAGES { 0, 4, 6 }

/*
 * What the shim does for processors that let code look where it must not, on top of what costs
 * nothing: see src/vmm/pv_duties.c, which decides.
 */
enum shim_duty {
	SHIM_DUTY_ROOTS = 1,	/* user mode runs without the kernel's page table */
	SHIM_DUTY_LFENCE = 2,	/* at entries: no guess about who came in is acted upon */
	SHIM_DUTY_RSB = 4,	/* at entries from user mode: the return stack buffer is overwritten */
	SHIM_DUTY_VERW = 8,	/* at returns to user mode: the processor's buffers are cleared */
	SHIM_DUTY_IBPB = 16,	/* between processes: branch predictions are forgotten */
	SHIM_DUTY_ENTRY_IBPB = 32,	/* the same at entries from user mode */
	SHIM_DUTIES = 63,
};
_Static_assert(SHIM_TABLES + SHIM_NR_TABLES * 4096 <= SHIM_INFO, "too many tables");

/* Interrupt vectors at which the shim is told something. */
#define SHIM_VECTOR_EVENT 0xf0	/* look at vcpu_info */
#define SHIM_VECTOR_FLUSH 0xf1	/* from shim to shim */
#define SHIM_VECTOR_NMI 0xf2	/* VCPUOP_send_nmi */
#define SHIM_VECTOR_SPURIOUS 0xff

/*
 * A call to the VMM: a 4-byte OUT to this port at privilege level 0, with a number and arguments in
 * the registers of a 64-bit hypercall. Numbers below SHIM_CALLS are hypercalls.
 */
#define SHIM_PORT 0xe6
#define SHIM_CALLS 0x1000
#define SHIM_CALL_CRASH 0x1000	/* enum shim_crash, rip, two details */

/* Why the shim gave up the guest: name, and what stands in the VMM's log. */
#define SHIM_CRASHES(X)                                                                            \
	X(SHIM, "a fault inside the shim (details: vector, address)")                               \
	X(NO_HANDLER, "an exception that the guest has no handler for (details: vector, cr2)")      \
	X(BAD_STACK, "no room for an exception frame on the kernel's stack (details: rsp, vector)") \
	X(BAD_IRET, "an iret frame that cannot be read (details: rsp, 0)")                          \
	X(BAD_ROOT, "a page table root that is no RAM (details: frame, 0)")                         \
	X(MACHINE, "a double fault or machine check (details: vector, rsp)")                        \
	X(NO_FAILSAFE, "an impossible return to user mode, and no failsafe callback (details: cs, ss)") \
	X(NOT_READY, "a vCPU that was started before it was initialised (details: 0, 0)")

enum shim_crash {
#define SHIM_CRASH_ENUM(name, text) SHIM_CRASH_##name,
	SHIM_CRASHES(SHIM_CRASH_ENUM)
#undef SHIM_CRASH_ENUM
	SHIM_NR_CRASHES
};

/*
 * What a vCPU's block has of the guest's state. Those who write a core file or a report of a crash,
 * for people, may read it, and nobody else, since it is the guest's word: its kernel can write there.
 *
 * At the end of the block, the registers of the guest while the shim works for it.
 */
struct shim_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, rcx, rax, r11, rdi, rsi, rdx, r10, r8, r9;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
#define SHIM_FRAME (SHIM_VCPU_SIZE - sizeof(struct shim_regs))

/* An entry point of the guest's kernel; address 0: none. */
struct shim_gate {
	uint64_t address;
	uint8_t dpl;
	uint8_t masks;		/* not 0: events are masked on entry. No bool, which the guest could break */
};

/* At SHIM_STATE in the block: what hypercalls have set. The rest is where entries need it. */
#define SHIM_STATE 0x1008
#define SHIM_KERNEL_ROOT 0x10	/* of the kernel's page table, guest-physical address */
#define SHIM_KERNEL_MODE 0x22	/* a byte: not user mode */
struct shim_state {
	uint64_t kernel_sp;	/* a multiple of 16 */
	struct shim_gate syscall;
	uint64_t iopl;		/* as in RFLAGS */
	struct shim_gate traps[256];
	struct shim_gate event, failsafe, syscall32, nmi;
	uint64_t user_root;	/* guest-physical address; 0: none */
	uint64_t ldt_base, ldt_entries, gdt_entries;
	uint64_t vm_assist;	/* bits 1 << VMASST_TYPE_*; of the first vCPU, for the domain */
	uint64_t dr[8];
	uint64_t flushes;	/* of translations, that other vCPUs asked for */
};

/* At the start of the image. Offsets are from SHIM_VA, sizes in bytes. */
struct shim_header {
	uint8_t magic[8];		/* SHIM_MAGIC */
	uint32_t entry;			/* where vCPUs start, with RDI = vCPU number */
	uint32_t end;			/* of image and .bss; at most SHIM_TABLES */
	uint32_t user, user_end;	/* pages that user mode's page table has, too */
};
#define SHIM_MAGIC "dompvsh2"

/* What the VMM tells the shim, at SHIM_INFO. */
struct shim_info {
	uint64_t area_gpa;		/* of the first block */
	/* RAM: frames 0 .. low_frames - 1, and high_frame .. end_frame - 1 */
	uint64_t low_frames, high_frame, end_frame;
	uint64_t shared_info;		/* guest-physical address */
	uint32_t nr_vcpus;
	uint32_t xen_version;		/* what XENVER_version answers */
	uint32_t duties;		/* enum shim_duty */
	uint32_t _pad;
	/* The first vCPU's start. */
	uint64_t rip, rsp, rsi, root;	/* root: mfn of the top page table */
};
_Static_assert(SHIM_INFO + sizeof(struct shim_info) <= SHIM_UNSEEN, "SHIM_UNSEEN is not free");

#endif
