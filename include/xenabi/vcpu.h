// SPDX-License-Identifier: MIT
/*
 * Operations on vCPUs: start, run state, timers, registered areas.
 *   ABI: xen/include/public/vcpu.h, hvm/hvm_vcpu.h
 */
#ifndef XENABI_VCPU_H
#define XENABI_VCPU_H

#include "xenabi/base.h"

#define VCPUOP_initialise 0
#define VCPUOP_up 1
#define VCPUOP_down 2
#define VCPUOP_is_up 3
#define VCPUOP_get_runstate_info 4
#define VCPUOP_register_runstate_memory_area 5
#define VCPUOP_set_periodic_timer 6
#define VCPUOP_stop_periodic_timer 7
#define VCPUOP_set_singleshot_timer 8
#define VCPUOP_stop_singleshot_timer 9
#define VCPUOP_register_vcpu_info 10
#define VCPUOP_send_nmi 11
#define VCPUOP_get_physid 12
#define VCPUOP_register_vcpu_time_memory_area 13
/* Since Xen 4.18: as 5 and 13, with a guest-physical address. */
#define VCPUOP_register_runstate_phys_area 14
#define VCPUOP_register_vcpu_time_phys_area 15

#define RUNSTATE_running 0
#define RUNSTATE_runnable 1
#define RUNSTATE_blocked 2
#define RUNSTATE_offline 3
#define XEN_RUNSTATE_UPDATE (1ull << 63)	/* in state_entry_time: being written */

struct vcpu_runstate_info_64 {
	int32_t state;			/* RUNSTATE_* */
	uint32_t _pad;
	uint64_t state_entry_time;	/* ns */
	uint64_t time[4];		/* ns spent in each state */
};
struct vcpu_runstate_info_32 {
	int32_t state;
	uint64_t state_entry_time;
	uint64_t time[4];
} __attribute__((packed, aligned(4)));

/* Both register_*_memory_area operations: a virtual address, 32-bit callers use the low half. */
struct vcpu_register_area {
	uint64_t addr;
};
struct vcpu_set_periodic_timer {
	uint64_t period_ns;
};
struct vcpu_set_singleshot_timer_64 {
	uint64_t timeout_abs_ns;
	uint32_t flags;			/* VCPU_SSHOTTMR_* */
	uint32_t _pad;
};
struct vcpu_set_singleshot_timer_32 {
	uint64_t timeout_abs_ns;
	uint32_t flags;
} __attribute__((packed, aligned(4)));
#define VCPU_SSHOTTMR_future (1u << 0)	/* -ETIME if the time has passed */

struct vcpu_register_vcpu_info {
	uint64_t mfn;			/* guest page for PVH */
	uint32_t offset;		/* bytes; the record may not cross the page */
	uint32_t rsvd;
};
struct vcpu_get_physid {
	uint64_t phys_id;
};
XA_CHECK_SIZE(struct vcpu_runstate_info_64, 48);
XA_CHECK_SIZE(struct vcpu_runstate_info_32, 44);
XA_CHECK_SIZE(struct vcpu_register_area, 8);
XA_CHECK_SIZE(struct vcpu_set_periodic_timer, 8);
XA_CHECK_SIZE(struct vcpu_set_singleshot_timer_64, 16);
XA_CHECK_SIZE(struct vcpu_set_singleshot_timer_32, 12);
XA_CHECK_SIZE(struct vcpu_register_vcpu_info, 16);

/* First state of a PVH vCPU. ABI: xen/include/public/hvm/hvm_vcpu.h */
struct vcpu_hvm_x86_32 {
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, eip, eflags;
	uint32_t cr0, cr3, cr4, pad1;
	uint64_t efer;
	uint32_t cs_base, ds_base, ss_base, es_base, tr_base;
	uint32_t cs_limit, ds_limit, ss_limit, es_limit, tr_limit;
	uint16_t cs_ar, ds_ar, ss_ar, es_ar, tr_ar;
	uint16_t pad2[3];
};
struct vcpu_hvm_x86_64 {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, rip, rflags;
	uint64_t cr0, cr3, cr4, efer;
};
struct vcpu_hvm_context {
	uint32_t mode;			/* VCPU_HVM_MODE_* */
	uint32_t pad;
	union {
		struct vcpu_hvm_x86_32 x86_32;
		struct vcpu_hvm_x86_64 x86_64;
	} cpu_regs;
};
#define VCPU_HVM_MODE_32B 0
#define VCPU_HVM_MODE_64B 1
XA_CHECK_SIZE(struct vcpu_hvm_x86_32, 120);
XA_CHECK_SIZE(struct vcpu_hvm_x86_64, 112);
XA_CHECK_SIZE(struct vcpu_hvm_context, 128);

#endif
