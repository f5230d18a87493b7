// SPDX-License-Identifier: MIT
/*
 * What only 64-bit PV guests have: the page that their kernel is started with, the stack frames and
 * selectors that it exchanges with its hypervisor, and the hypercalls on its processor and its page
 * tables.
 *   ABI: xen/include/public/xen.h, arch-x86/xen.h, arch-x86/xen-x86_64.h, callback.h, nmi.h
 */
#ifndef XENABI_PV_H
#define XENABI_PV_H

#include "xenabi/base.h"

/* struct start_info, whose address the kernel finds in RSI. */
struct start_info_64 {
	char magic[32];			/* "xen-3.0-x86_64" */
	uint64_t nr_pages;
	uint64_t shared_info;		/* machine address */
	uint32_t flags;			/* SIF_* */
	uint32_t _pad0;
	uint64_t store_mfn;
	uint32_t store_evtchn;
	uint32_t _pad1;
	uint64_t console_mfn;		/* console.domU */
	uint32_t console_evtchn;
	uint32_t _pad2;
	uint64_t pt_base;		/* virtual address of the top page table */
	uint64_t nr_pt_frames;
	uint64_t mfn_list;		/* virtual address of the p2m list */
	uint64_t mod_start;		/* virtual address, or a pfn with SIF_MOD_START_PFN */
	uint64_t mod_len;
	char cmd_line[1024];
	uint64_t first_p2m_pfn;		/* of a p2m list outside of the initial mapping */
	uint64_t nr_p2m_frames;
};
XA_CHECK_SIZE(struct start_info_64, 1168);
#define SIF_MOD_START_PFN (1u << 3)

/* Virtual addresses of the hypervisor, and the table of pfns by mfn at their start. */
#define PV_HYPERVISOR_START 0xffff800000000000ull
#define PV_HYPERVISOR_END 0xffff880000000000ull
#define PV_MACH2PHYS_START PV_HYPERVISOR_START
#define PV_MACH2PHYS_END 0xffff804000000000ull

/* Selectors that every guest's GDT has, in its page FIRST_RESERVED_GDT_PAGE. */
#define FIRST_RESERVED_GDT_PAGE 14u
#define FIRST_RESERVED_GDT_BYTE (FIRST_RESERVED_GDT_PAGE * XEN_PAGE_SIZE)
#define FLAT_RING3_CS32 0xe023u
#define FLAT_RING3_DS64 0xe02bu
#define FLAT_RING3_CS64 0xe033u

/* set_trap_table */
struct trap_info_64 {
	uint8_t vector;
	uint8_t flags;			/* bits 0-1: DPL; TI_IF */
	uint16_t cs;
	uint32_t _pad;
	uint64_t address;		/* 0 ends the list */
};
XA_CHECK_SIZE(struct trap_info_64, 16);
#define TI_DPL 3u
#define TI_IF 4u			/* entry disables events */

/* iret: what lies on the kernel's stack */
struct iret_context_64 {
	uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
};
XA_CHECK_SIZE(struct iret_context_64, 72);
#define VGCF_in_syscall (1u << 8)

/* set_segment_base */
#define SEGBASE_FS 0
#define SEGBASE_GS_USER 1
#define SEGBASE_GS_KERNEL 2
#define SEGBASE_GS_USER_SEL 3

/* mmu_update: the low bits of ptr */
struct mmu_update_64 {
	uint64_t ptr, val;
};
XA_CHECK_SIZE(struct mmu_update_64, 16);
#define MMU_NORMAL_PT_UPDATE 0
#define MMU_MACHPHYS_UPDATE 1
#define MMU_PT_UPDATE_PRESERVE_AD 2
#define MMU_PT_UPDATE_NO_TRANSLATE 3
#define MMU_UPDATE_PREEMPTED 0x80000000u

/* mmuext_op */
struct mmuext_op_64 {
	uint32_t cmd;
	uint32_t _pad;
	uint64_t arg1;			/* mfn or linear_addr */
	uint64_t arg2;			/* nr_ents, vcpumask or src_mfn */
};
XA_CHECK_SIZE(struct mmuext_op_64, 24);
#define MMUEXT_PIN_L1_TABLE 0
#define MMUEXT_PIN_L2_TABLE 1
#define MMUEXT_PIN_L3_TABLE 2
#define MMUEXT_PIN_L4_TABLE 3
#define MMUEXT_UNPIN_TABLE 4
#define MMUEXT_NEW_BASEPTR 5
#define MMUEXT_TLB_FLUSH_LOCAL 6
#define MMUEXT_INVLPG_LOCAL 7
#define MMUEXT_TLB_FLUSH_MULTI 8
#define MMUEXT_INVLPG_MULTI 9
#define MMUEXT_TLB_FLUSH_ALL 10
#define MMUEXT_INVLPG_ALL 11
#define MMUEXT_FLUSH_CACHE 12
#define MMUEXT_SET_LDT 13
#define MMUEXT_NEW_USER_BASEPTR 15
#define MMUEXT_CLEAR_PAGE 16
#define MMUEXT_COPY_PAGE 17
#define MMUEXT_FLUSH_CACHE_GLOBAL 18
#define MMUEXT_MARK_SUPER 19
#define MMUEXT_UNMARK_SUPER 20

/* update_va_mapping: flags; other bits are the address of a mask of vCPUs, or UVMF_ALL */
#define UVMF_TLB_FLUSH 1u
#define UVMF_INVLPG 2u
#define UVMF_FLUSHTYPE_MASK 3u
#define UVMF_ALL (1u << 2)

/* nmi_op: XENNMI_register_callback */
struct xennmi_callback_64 {
	uint64_t handler_address, pad;
};

/* physdev_op: set_iopl */
struct physdev_set_iopl {
	uint32_t iopl;
};

/* XENMEM_machphys_mapping */
struct xen_machphys_mapping_64 {
	uint64_t v_start, v_end, max_mfn;
};
XA_CHECK_SIZE(struct xen_machphys_mapping_64, 24);

/* Registers in the order of struct cpu_user_regs. */
struct cpu_user_regs_64 {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint32_t error_code, entry_vector;
	uint64_t rip;
	uint16_t cs, _pad0;
	uint8_t saved_upcall_mask, _pad1[3];
	uint64_t rflags, rsp;
	uint16_t ss, _pad2[3];
	uint16_t es, _pad3[3];
	uint16_t ds, _pad4[3];
	uint16_t fs, _pad5[3];
	uint16_t gs, _pad6[3];
};
XA_CHECK_SIZE(struct cpu_user_regs_64, 200);

/* VCPUOP_initialise: the first state of a PV vCPU */
struct vcpu_guest_context_64 {
	uint8_t fpu_ctxt[512];
	uint64_t flags;			/* VGCF_* */
	struct cpu_user_regs_64 user_regs;
	struct trap_info_64 trap_ctxt[256];
	uint64_t ldt_base, ldt_ents;
	uint64_t gdt_frames[16], gdt_ents;
	uint64_t kernel_ss, kernel_sp;
	uint64_t ctrlreg[8];		/* 1: top page table of user mode, 3: of the kernel */
	uint64_t debugreg[8];
	uint64_t event_callback_eip, failsafe_callback_eip, syscall_callback_eip;
	uint64_t vm_assist;
	uint64_t fs_base, gs_base_kernel, gs_base_user;
};
XA_CHECK_SIZE(struct vcpu_guest_context_64, 5168);
#define VGCF_in_kernel (1u << 2)
#define VGCF_failsafe_disables_events (1u << 3)
#define VGCF_syscall_disables_events (1u << 4)

/* Instruction bytes before one that a PV guest wants its hypervisor to execute. */
#define XEN_EMULATE_PREFIX 0x0f, 0x0b, 'x', 'e', 'n'

/* vcpu_info of a 64-bit guest: arch.cr2 */
#define XA_VCPU_INFO_CR2_64 16u

#endif
