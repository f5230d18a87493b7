// SPDX-License-Identifier: MIT
/*
 * What a virtual machine consists of here: memory, vCPUs, the way Xen is presented, and struct vmm, which
 * has it all.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "domicile/base/err.h"
#include "domicile/base/log.h"
#include "domicile/base/xenver.h"
#include "domicile/ctl.h"
#include "domicile/ev.h"
#include "domicile/pvb.h"
#include "domicile/xa.h"

#include "config.h"

/* Guest-physical layout. RAM ends below the hole and goes on at 4 GiB. */
#define VMM_HOLE_START 0xc0000000ull	/* 3 GiB */
#define VMM_HIGH_START 0x100000000ull	/* 4 GiB */
#define VMM_ACPI_GPA 0xe0000ull		/* tables, in RAM that the map calls reserved; Linux also
					 * looks here for the RSDP */
#define VMM_ACPI_SIZE 0x10000ull
/*
 * Special pages, at the addresses that Xen's domain builder uses.
 *   ABI: tools/libs/guest/xg_dom_x86.c (special_pfn)
 */
#define VMM_SPECIAL_GFN 0xfeff8ull
#define VMM_SPECIAL_PAGES 8u
#define VMM_STORE_GFN (VMM_SPECIAL_GFN + 4)
#define VMM_CONSOLE_GFN (VMM_SPECIAL_GFN + 7)

/*
 * PV guests: shared_info is one of the special pages, which it need not share with anything; grant
 * frames come between RAM and them.
 */
#define VMM_PV_SHARED_GFN VMM_SPECIAL_GFN
#define VMM_PV_GRANT_GFN 0xf0000ull

/* The Xen release whose behaviour guests see. */
#define VMM_XEN_MAJOR ((unsigned)DOM_XEN_MAJOR)
#define VMM_XEN_MINOR ((unsigned)DOM_XEN_MINOR)

/*
 * Memory behind 1 MiB of guest addresses outside RAM, made when a guest first asks for it. RAM
 * comes in whole MiB, so that windows and RAM never overlap.
 */
#define VMM_WINDOW_SIZE (1ull << 20)
#define VMM_MAX_WINDOWS 64u
struct vmm_window {
	uint64_t gpa;
	uint8_t *host;
};

struct vmm_mem {
	int memfd;		/* -1: anonymous memory */
	uint64_t size;		/* bytes of RAM */
	uint64_t low;		/* bytes of it below the hole */
	uint8_t *ram;		/* 2 MiB aligned: KVM maps huge pages only then */
	uint8_t *special;	/* VMM_SPECIAL_PAGES pages */
	pthread_mutex_t lock;	/* creation of windows */
	struct vmm_window windows[VMM_MAX_WINDOWS];
	unsigned nr_windows;	/* published with release order */
	unsigned next_slot;
	uint8_t *extra;		/* by vmm_mem_add() */
	uint64_t extra_size;
};

struct vmm;
struct vmm_vcpu;

/* Work for a vCPU's thread, on the stack of the caller, who waits. */
struct vmm_work {
	int (*fn)(struct vmm_vcpu *v, void *arg);
	void *arg;
	int result;
	bool done;
	struct vmm_work *next;
};

/* A vCPU's single-shot timer on plain hosts and of PV guests, see tick.c. */
struct vmm_tick {
	pthread_mutex_t lock;
	uint64_t *mail;			/* deadline and horizon in guest RAM; NULL: no stub */
	uint64_t wanted;		/* deadline set by hypercall, 0: none */
	uint64_t last;			/* deadline that came last, 0: none yet */
	uint64_t since;			/* from the one before to that one */
	uint64_t period;		/* of ticks, 0: not known */
	uint64_t taken;			/* deadlines found in the mailbox when they were due */
};

#define VMM_EXIT_REASONS 64u

struct vmm_vcpu {
	struct vmm *vmm;
	unsigned id;
	int fd;
	struct kvm_run *run;
	struct kvm_coalesced_mmio_ring *coalesced;
	struct xa_vcpu *xa;
	pthread_t thread;
	bool started;			/* thread exists */
	pid_t tid;			/* of the thread; 0 until it runs, confined */
	struct dom_err start_err;	/* why it could not be confined */
	int stat_fd;			/* its stat file in /proc; -1: not to be had */
	bool down;			/* VCPUOP_down; atomic */

	pthread_mutex_t lock;		/* the fields down to `woken` */
	pthread_cond_t cond;		/* signalled when work arrives or is done */
	struct vmm_work *work;
	bool stop;			/* leave the run loop */
	bool pause;			/* do not run the guest */
	bool resting;			/* paused, and the thread has taken notice */
	bool woken;			/* xa_platform.wake() came, or the time-out of a wait */

	/* Set by any thread with atomics and applied before the next KVM_RUN. */
	evtchn_port_t timer_port;	/* KVM_XEN: port for the in-kernel timer */
	bool timer_port_changed;
	uint8_t unsent;			/* upcall vector that the LAPIC did not accept, 0: none */
	uint8_t inject;			/* plain: vector to place in the LAPIC's IRR, 0: none */

	uint64_t clock_msr;		/* plain: where KVM keeps the time record; vCPU's thread */
	bool was_reset;			/* KVM may have turned its clock off; vCPU's thread */

	/* A wait, see wait.c; vCPU's thread. */
	bool waiting, wait_timed;
	uint64_t wait_rip;		/* where the guest asked for it */
	int wait_fd;			/* timerfd of its time-out */
	struct ev_op wait_op;

	struct vmm_tick tick;		/* plain: timer ticks without exits */
	int timer_fd;			/* timerfd for what the kernel's Xen timers do not do */
	struct ev_op timer_op;

	/* Statistics; written by the vCPU's thread only. */
	uint64_t exits[VMM_EXIT_REASONS];
	uint64_t exits_hypercall;	/* of them, Xen hypercalls (whatever the exit) */
	uint64_t exits_interrupted;	/* KVM_RUN returned because of a signal */
};

/* One way of presenting Xen with KVM: with the kernel's help (KVM_XEN) or without. */
struct vmm_accel {
	const char *name;
	/* Before the first vCPU exists. */
	int (*vm_init)(struct vmm *vm, struct dom_err *err);
	/* On the main thread, before the vCPU's thread exists. */
	int (*vcpu_init)(struct vmm_vcpu *v, struct dom_err *err);
	/* On the vCPU's thread, right before KVM_RUN. */
	void (*before_run)(struct vmm_vcpu *v);
	void (*upcall)(struct vmm_vcpu *v, struct xa_upcall how);
	int (*upcall_set)(struct vmm_vcpu *v, struct xa_upcall how);
	void (*set_timer)(struct vmm_vcpu *v, uint64_t deadline);
	/* The vCPU's timerfd expired. On the loop's thread. */
	void (*timer_fired)(struct vmm_vcpu *v);
	int (*shared_info)(struct vmm *vm, struct xa_gfn gfn);
	int (*vcpu_info)(struct vmm_vcpu *v, struct xa_gpa gpa);
	int (*time_area)(struct vmm_vcpu *v, struct xa_gpa gpa);
	int (*runstate_area)(struct vmm_vcpu *v, struct xa_gpa gpa, const struct xa_times *times);
	void (*port_route)(struct vmm *vm, evtchn_port_t port, const struct xa_port_route *route);
	void (*timer_port)(struct vmm_vcpu *v, evtchn_port_t port);
	int (*runstate_flag)(struct vmm *vm, bool on);
	/* As in xa_platform; these may be NULL. */
	int (*runstate_times)(struct vmm_vcpu *v, struct xa_times *ret);
	bool (*raise_masked)(struct vmm_vcpu *v, evtchn_port_t port);
};

extern const struct vmm_accel vmm_accel_xen, vmm_accel_plain, vmm_accel_pv;

/* Descriptors that came with a request to the control socket. */
struct vmm_fds {
	int fd[DOM_CTL_FDS_MAX];
	unsigned count;
};

/* Open files under the paths by which back ends will ask for them, see backends.c. */
#define VMM_MAX_FILES 32u
struct vmm_file {
	char *name;
	int fd;
};
struct vmm_files {
	struct vmm_file file[VMM_MAX_FILES];
	unsigned count;
};

/* Where hypercall instructions were rewritten, and pages filled with stubs (plain hosts only). */
#define VMM_MAX_SITES 16u
#define VMM_MAX_HCALL_PAGES 4u

/* The shim's memory inside a PV guest. */
struct vmm_pv {
	uint8_t *area;		/* written before the guest runs, read only for people (shim.h) */
	uint64_t gpa, size;
	uint32_t entry;		/* from SHIM_VA */
	uint64_t start_info;	/* guest-physical address */
};

struct vmm {
	struct vmm_config cfg;
	struct dom_log log;
	struct dom_ratelimit guest_log;
	int kvm_fd, vm_fd;
	size_t run_size;
	uint32_t tsc_khz;
	const struct vmm_accel *accel;
	struct vmm_mem mem;
	uint64_t entry_gpa, start_info_gpa;
	uint64_t store_gfn, console_gfn;	/* the two rings */
	struct vmm_pv pv;
	struct vmm_vcpu *vcpus;		/* cfg.vcpus of them */
	struct kvm_cpuid2 *cpuid;	/* policy applied; per-vCPU fields are set per vCPU */
	struct xa_domain *dom;
	struct ev_loop *loop;
	int watchdog_fd;
	struct ev_op watchdog_op;
	int console_fd, store_fd;	/* eventfds of the two rings */
	struct pvb_console *console;
	struct vmm_store *store;
	struct pvb *backends;		/* of the devices that the store describes */
	bool backends_closing;		/* freed, but not done with the guest's memory and files */
	struct vmm_files files;		/* for back ends to open */
	struct vmm_fds given;		/* with the request that is being answered */
	bool confined;			/* paths mean nothing any more */
	struct vmm_ctl *ctl;
	struct vmm_dump *dump;
	bool paused;			/* by the description or the control socket */
	bool destroyed;			/* asked for by a person; loop's thread */
	const struct dom_shutdown *shutdown;	/* why a guest ended that we keep; else NULL */
	int task_fd;			/* /proc/self/task while threads start; else -1 */
	bool supervised;		/* a process of ours waits for us and starts the next life */
	int landlock_fd;		/* ruleset that every thread enters; -1: none */
	int signal_fd;			/* SIGTERM and its like */
	struct ev_op signal_op;
	int stop_fd;			/* eventfd: the outcome is known */
	struct ev_op stop_op;
	uint64_t stop_count;
	int outcome;			/* enum vmm_outcome; set once, atomically */
	uint64_t start_ns;		/* CLOCK_MONOTONIC of the process's start, or of its exec when
					 * the parent told it in DOMICILE_START_NS */
	uint64_t first_run_ns;		/* of the first KVM_RUN; 0 before */

	pthread_mutex_t sites_lock;	/* changes of the fields down to `nr_sites` */
	uint64_t kernel_start, kernel_end;	/* guest-physical, of the kernel with these sites */
	uint64_t kernel_entry;		/* where it writes EFER; 0: not known yet */
	uint64_t site_va[VMM_MAX_SITES], site_gpa[VMM_MAX_SITES];
	uint16_t site_insn[VMM_MAX_SITES];	/* the first bytes that were placed there */
	unsigned nr_sites;		/* published with release order */
	uint64_t *tick_table;		/* in guest RAM: mailboxes by vCPU (gva); NULL: no stub */
	uint64_t tick_linear;		/* the guest's linear mapping, gva of gpa 0; 0: not known */
	uint64_t hcall_page_gfn[VMM_MAX_HCALL_PAGES];
	unsigned nr_hcall_pages;
};

#endif
