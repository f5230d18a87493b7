// SPDX-License-Identifier: MIT
/*
 * Hypercall numbers and the multicall entry.
 *   ABI: xen/include/public/xen.h
 *
 * Number in RAX/EAX. Arguments of 64-bit callers in RDI, RSI, RDX, R10, R8, R9; of 32-bit callers
 * in EBX, ECX, EDX, ESI, EDI, EBP. The result replaces the number.
 *   ABI: xen/include/public/arch-x86/xen-x86_64.h, xen-x86_32.h
 */
#ifndef XENABI_HYPERCALL_H
#define XENABI_HYPERCALL_H

#include "xenabi/base.h"

#define __HYPERVISOR_set_trap_table 0
#define __HYPERVISOR_mmu_update 1
#define __HYPERVISOR_set_gdt 2
#define __HYPERVISOR_stack_switch 3
#define __HYPERVISOR_set_callbacks 4
#define __HYPERVISOR_fpu_taskswitch 5
#define __HYPERVISOR_sched_op_compat 6
#define __HYPERVISOR_platform_op 7
#define __HYPERVISOR_set_debugreg 8
#define __HYPERVISOR_get_debugreg 9
#define __HYPERVISOR_update_descriptor 10
#define __HYPERVISOR_memory_op 12
#define __HYPERVISOR_multicall 13
#define __HYPERVISOR_update_va_mapping 14
#define __HYPERVISOR_set_timer_op 15
#define __HYPERVISOR_event_channel_op_compat 16
#define __HYPERVISOR_xen_version 17
#define __HYPERVISOR_console_io 18
#define __HYPERVISOR_physdev_op_compat 19
#define __HYPERVISOR_grant_table_op 20
#define __HYPERVISOR_vm_assist 21
#define __HYPERVISOR_update_va_mapping_otherdomain 22
#define __HYPERVISOR_iret 23
#define __HYPERVISOR_vcpu_op 24
#define __HYPERVISOR_set_segment_base 25
#define __HYPERVISOR_mmuext_op 26
#define __HYPERVISOR_xsm_op 27
#define __HYPERVISOR_nmi_op 28
#define __HYPERVISOR_sched_op 29
#define __HYPERVISOR_callback_op 30
#define __HYPERVISOR_xenoprof_op 31
#define __HYPERVISOR_event_channel_op 32
#define __HYPERVISOR_physdev_op 33
#define __HYPERVISOR_hvm_op 34
#define __HYPERVISOR_sysctl 35
#define __HYPERVISOR_domctl 36
#define __HYPERVISOR_kexec_op 37
#define __HYPERVISOR_tmem_op 38
#define __HYPERVISOR_argo_op 39
#define __HYPERVISOR_xenpmu_op 40
#define __HYPERVISOR_dm_op 41
#define __HYPERVISOR_hypfs_op 42
#define __HYPERVISOR_arch_0 48
#define __HYPERVISOR_mca __HYPERVISOR_arch_0 /* xen/include/public/arch-x86/xen.h */
#define __HYPERVISOR_arch_1 49
#define __HYPERVISOR_arch_7 55

/* Bytes between the stubs of a hypercall page. ABI: xen/include/public/arch-x86/xen.h */
#define XA_HYPERCALL_STUB 32

/* console_io operations. ABI: xen/include/public/xen.h */
#define CONSOLEIO_write 0
#define CONSOLEIO_read 1

/* vm_assist commands and types. ABI: xen/include/public/xen.h */
#define VMASST_CMD_enable 0
#define VMASST_CMD_disable 1
#define VMASST_TYPE_4gb_segments 0
#define VMASST_TYPE_4gb_segments_notify 1
#define VMASST_TYPE_writable_pagetables 2
#define VMASST_TYPE_pae_extended_cr3 3
#define VMASST_TYPE_architectural_iopl 4
#define VMASST_TYPE_runstate_update_flag 5
#define VMASST_TYPE_m2p_strict 32

/* One call of a multicall list. ABI: xen/include/public/xen.h */
struct multicall_entry_64 {
	uint64_t op, result;
	uint64_t args[6];
};
struct multicall_entry_32 {
	uint32_t op, result;
	uint32_t args[6];
};
XA_CHECK_SIZE(struct multicall_entry_64, 64);
XA_CHECK_SIZE(struct multicall_entry_32, 32);

#endif
