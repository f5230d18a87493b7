// SPDX-License-Identifier: MIT
/*
 * API of src/xenabi: what a Xen guest sees of its hypervisor. The library knows neither KVM nor
 * io_uring nor sockets; it reaches the host only through struct xa_platform, a table of functions
 * that the VMM hands over and that unit tests replace with a fake.
 *
 * A domain has vCPUs, numbered from 0 without gaps. Each vCPU's hypercalls are made on the thread
 * that runs it; everything else may come from any thread. Locks are the library's own (order: mem,
 * gnt, evtchn, vcpu) and none is held across a call into the platform unless that call's
 * documentation says so.
 */
#ifndef DOMICILE_XA_H
#define DOMICILE_XA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domicile/base/err.h"
#include "domicile/base/log.h"
#include "xenabi/base.h"

struct xa_domain;
struct xa_vcpu;

/* Guest addresses are types of their own: none of them is ever a C pointer. */
struct xa_gpa {
	uint64_t v;	/* guest-physical, bytes */
};
struct xa_gva {
	uint64_t v;	/* guest-virtual, bytes; meaningful with a vCPU's paging state */
};
struct xa_gfn {
	uint64_t v;	/* guest-physical page number */
};

/*
 * The four hypercall ABIs. For PVH the width is that of the code that makes the call, so one guest
 * may use both (GRUB's 32-bit PVH image loads a 64-bit kernel); for PV it is fixed.
 */
enum xa_abi { XA_ABI_PVH64, XA_ABI_PVH32, XA_ABI_PV64, XA_ABI_PV32, XA_ABIS };

/* Which event-channel formats a guest may select with EVTCHNOP_init_control. */
enum xa_events {
	XA_EVENTS_ANY,	/* FIFO when the guest asks for it, as real Xen */
	XA_EVENTS_2L,	/* 2-level only: init_control answers -ENOSYS and Linux falls back */
};

/* Paging state of a vCPU, as its architecture defines the registers. */
struct xa_paging {
	uint64_t cr0, cr3, cr4, efer;
	uint8_t cpl;		/* current privilege level, 0 .. 3 */
};

/*
 * How the guest wants to hear of pending events.
 *   ABI: xen/include/public/hvm/params.h (HVM_PARAM_CALLBACK_IRQ), hvm/hvm_op.h
 */
enum xa_upcall_kind {
	XA_UPCALL_NONE,		/* not chosen yet: events stay pending */
	XA_UPCALL_VCPU_VECTOR,	/* HVMOP_set_evtchn_upcall_vector: a LAPIC vector; the guest does EOI */
	XA_UPCALL_DOMAIN_VECTOR,/* callback vector of the whole domain: injected, the guest does no EOI */
	XA_UPCALL_PV,		/* PV guests: an entry point of the kernel, which the platform makes
				 * look at its vcpu_info; never told through upcall_set */
};
struct xa_upcall {
	enum xa_upcall_kind kind;
	uint8_t vector;		/* 0x10 .. 0xff, of the two kinds with a vector */
};

/*
 * Where a send on a guest port goes, for hosts that can deliver without leaving the kernel. Told
 * through xa_platform.port_route whenever it changes.
 */
enum xa_route_kind { XA_ROUTE_NONE, XA_ROUTE_LOCAL, XA_ROUTE_EVENTFD };
struct xa_port_route {
	enum xa_route_kind kind;
	unsigned vcpu;		/* XA_ROUTE_LOCAL: vCPU that the port notifies */
	evtchn_port_t port;	/* XA_ROUTE_LOCAL: port that becomes pending (an IPI port: itself) */
	int eventfd;		/* XA_ROUTE_EVENTFD: descriptor of the back end, not owned */
};

/*
 * First state of a vCPU started by VCPUOP_initialise in a PVH domain.
 *   ABI: struct vcpu_hvm_context in xen/include/public/hvm/hvm_vcpu.h
 */
struct xa_segment {
	uint32_t base, limit, attr;	/* attr: VMCB format, bits 0-7 type..P, 8-11 AVL..G */
};
struct xa_vcpu_start {
	bool mode64;
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, rip, rflags;
	uint64_t cr0, cr3, cr4, efer;
	struct xa_segment cs, ds, ss, es, tr;	/* mode64: fixed flat segments, unused here */
};

/* States of a vCPU. ABI: xen/include/public/vcpu.h */
enum xa_runstate { XA_RUNNING, XA_RUNNABLE, XA_BLOCKED, XA_OFFLINE };

/* What a vCPU's time went to until it came to be in its present state; ns of guest system time. */
struct xa_times {
	enum xa_runstate state;
	uint64_t since, time[4];
};

/*
 * What the library needs of its host. @ctx is xa_config.platform_ctx. Functions may be called from
 * any thread unless they say "on the vCPU's thread". All are mandatory but those that may be NULL.
 */
struct xa_platform {
	/*
	 * Host address of the guest page @gfn, NULL when no memory is behind it. The address stays
	 * valid for the life of the domain.
	 */
	void *(*page)(void *ctx, struct xa_gfn gfn);

	/*
	 * Put memory behind @gfn, which has none (a grant frame that the guest maps outside its
	 * RAM, or a page it ballooned out). Returns 0, -EINVAL outside of what a guest may use,
	 * -ENOMEM. Called with the memory lock held; may call xa_guest_*() but no other xa_*().
	 */
	int (*populate)(void *ctx, struct xa_gfn gfn);

	/*
	 * Give the memory behind @count pages from @gfn back to the host; they read as zero later.
	 * Called with the memory lock held, as populate().
	 */
	int (*release)(void *ctx, struct xa_gfn gfn, uint64_t count);

	/* Paging state of @vcpu for a hypercall in progress. On the vCPU's thread. */
	void (*paging)(void *ctx, unsigned vcpu, struct xa_paging *ret);

	/*
	 * Make @vcpu take its upcall: vcpu_info.evtchn_upcall_pending went from 0 to 1, or pending
	 * events were unmasked. Called with the event lock held; must not call back into xa_*.
	 */
	void (*upcall)(void *ctx, unsigned vcpu, struct xa_upcall how);

	/* The way a vCPU (or, with XA_UPCALL_DOMAIN_VECTOR, every vCPU) is notified was chosen. */
	int (*upcall_set)(void *ctx, unsigned vcpu, struct xa_upcall how);

	/*
	 * SCHEDOP_poll: let @vcpu sleep until wake() for it, an interrupt that it can take, or
	 * @deadline (guest system time in ns; 0: none). That may be here, or when the hypercall is
	 * done, before the guest goes on; calls behind it in a multicall are made before then. Once
	 * it is over, xa_poll_ended() must be called, here or later on the same thread. Ending early
	 * is allowed. A wake() that came since the last xa_poll_ended() is not lost. On the vCPU's
	 * thread, no lock held.
	 */
	void (*wait)(void *ctx, unsigned vcpu, uint64_t deadline);

	/* End the wait() of @vcpu, now or the next one. May be called with the event lock held. */
	void (*wake)(void *ctx, unsigned vcpu);

	/*
	 * An event for @vcpu at @port, which the guest masks: where hosts keep vCPUs that poll out
	 * of our sight, they make it pending in our stead, and return true. 2-level format only.
	 * Called with the event lock held. NULL: there is no such host.
	 */
	bool (*raise_masked)(void *ctx, unsigned vcpu, evtchn_port_t port);

	/* SCHEDOP_block: idle until an interrupt can be taken. On the vCPU's thread. */
	void (*block)(void *ctx, unsigned vcpu);

	/* SCHEDOP_yield. On the vCPU's thread. */
	void (*yield)(void *ctx, unsigned vcpu);

	/* Guest system time: ns since the domain's start, the clock of vcpu_time_info. */
	uint64_t (*now)(void *ctx);

	/*
	 * Call xa_timer_fired() for @vcpu at @deadline (guest system time in ns), or never (0).
	 * Replaces the former setting.
	 */
	void (*set_timer)(void *ctx, unsigned vcpu, uint64_t deadline);

	/*
	 * The domain's shared_info is now the page @gfn (contents already copied): keep its wall
	 * clock valid. Returns 0 or -errno, which becomes the hypercall's result. Called with the
	 * memory lock held, as populate(); xa_shared_is_32bit() tells the layout.
	 */
	int (*shared_info)(void *ctx, struct xa_gfn gfn);

	/*
	 * vcpu_info of @vcpu is now at @gpa (contents already copied): keep its time record valid.
	 * Complete on return: the former place may be reused. No lock is held.
	 */
	int (*vcpu_info)(void *ctx, unsigned vcpu, struct xa_gpa gpa);

	/*
	 * Keep a second copy of the time record at @gpa (VCPUOP_register_vcpu_time_memory_area).
	 * -ENOSYS where the host cannot; guests accept that.
	 */
	int (*time_area)(void *ctx, unsigned vcpu, struct xa_gpa gpa);

	/*
	 * The runstate area of @vcpu is at @gpa (UINT64_MAX: there is none any more). Returns 1 if
	 * the host keeps it up to date from now on, going on from @times, 0 if the library must (by
	 * xa_runstate_update()), or -errno.
	 */
	int (*runstate_area)(void *ctx, unsigned vcpu, struct xa_gpa gpa,
			     const struct xa_times *times);

	/*
	 * Times of @vcpu, whose area the host keeps. Returns 0 or -errno. Matters to a host that
	 * answered 1 to runstate_area(); NULL otherwise.
	 */
	int (*runstate_times)(void *ctx, unsigned vcpu, struct xa_times *ret);

	/* Deliveries for @port changed; a host without acceleration does nothing. Event lock held. */
	void (*port_route)(void *ctx, evtchn_port_t port, const struct xa_port_route *route);

	/* VIRQ_TIMER of @vcpu is bound to @port (0: unbound). Event lock held. */
	void (*timer_port)(void *ctx, unsigned vcpu, evtchn_port_t port);

	/*
	 * VCPUOP_up / VCPUOP_down: start @vcpu (with the registers that VCPUOP_initialise gave, see
	 * struct xa_vcpu_start; NULL: where it was stopped, or, in a PV domain, with what the shim
	 * inside the guest knows of it) or stop it.
	 */
	int (*vcpu_up)(void *ctx, unsigned vcpu, const struct xa_vcpu_start *start);
	int (*vcpu_down)(void *ctx, unsigned vcpu);

	/* VCPUOP_send_nmi. */
	int (*nmi)(void *ctx, unsigned vcpu);

	/* SCHEDOP_shutdown: SHUTDOWN_* reason. The calling vCPU never runs again afterwards. */
	void (*shutdown)(void *ctx, unsigned reason);

	/* console_io write: @len bytes of the guest's emergency console. @data is a private copy. */
	void (*console)(void *ctx, const char *data, size_t len);

	/*
	 * SCHEDOP_watchdog: call xa_watchdog_fired() at @deadline (guest system time in ns), or
	 * never (0). Replaces the former setting. Called with the event lock held; must not call
	 * back into xa_*. NULL: guests are told that there is no watchdog (-ENOSYS).
	 */
	void (*set_watchdog)(void *ctx, uint64_t deadline);

	/*
	 * The guest wants XEN_RUNSTATE_UPDATE set in its runstate areas while they are written
	 * (VMASST_TYPE_runstate_update_flag). Matters to a host that answered 1 to
	 * runstate_area(); NULL otherwise.
	 */
	int (*runstate_flag)(void *ctx, bool on);
};

/* One line of the guest's physical memory map. ABI: E820 types */
struct xa_memmap_entry {
	uint64_t addr, size;
	uint32_t type;
};

struct xa_config {
	domid_t domid;
	uint8_t uuid[16];
	bool pv;			/* false: PVH */
	unsigned max_vcpus;		/* 1 .. XA_MAX_VCPUS */
	uint64_t tot_pages, max_pages;	/* memory now and at most, in pages */
	unsigned max_grant_frames;	/* 1 .. XA_MAX_GRANT_FRAMES */
	bool grant_v2;			/* the guest may choose version 2 of the grant table */
	unsigned max_evtchn;		/* ports, port 0 included; clipped to the format's limit */
	enum xa_events events;
	unsigned xen_major, xen_minor;	/* version told to the guest */
	const char *cmdline;		/* XENVER_commandline; copied */
	struct xa_gfn console_gfn, store_gfn;
	struct xa_gfn special_gfn;	/* first of 8 pages at the end of the special area */
	struct xa_gfn grant_gfn;	/* PV: the first of XA_GRANT_PLACES(max_grant_frames) pages
					 * outside of RAM at which the guest finds its grant table */
	/* PV: pages 0 .. low_pages - 1 are the frames of these numbers, the others begin here. */
	uint64_t low_pages;
	struct xa_gfn high_gfn;
	const struct xa_memmap_entry *memmap;	/* copied */
	unsigned memmap_count;
	const struct xa_platform *platform;
	void *platform_ctx;
	const struct dom_log *log;	/* debug level only; may be NULL */
};

#define XA_MAX_VCPUS 128u
#define XA_MAX_GRANT_FRAMES 1024u
/* Pages of a grant table of @n frames: these, and the status frames of version 2 behind them. */
#define XA_GRANT_PLACES(n) ((n) + ((n) + 7) / 8)

/**
 * xa_domain_new - create a domain and its vCPUs
 *
 * Allocates, touches no guest memory and calls nothing of the platform.
 * Returns 0; -EINVAL for a configuration out of range (with @err filled), -ENOMEM.
 */
int xa_domain_new(const struct xa_config *cfg, struct xa_domain **ret, struct dom_err *err);

/** xa_domain_free - destroy @d; NULL is accepted. No other thread may use @d any more. */
void xa_domain_free(struct xa_domain *d);

/** xa_domain_rename - @d's number is @domid, below DOMID_FIRST_RESERVED; before the guest runs */
void xa_domain_rename(struct xa_domain *d, domid_t domid);

/**
 * xa_shared_info_place - put a PV domain's shared_info at @gfn, where start_info says it is
 *
 * Before the guest runs. Returns 0, or an error of the platform.
 */
int xa_shared_info_place(struct xa_domain *d, struct xa_gfn gfn);

/**
 * xa_domain_reset - bring everything back to the state of a new domain, for a guest reboot
 *
 * Back-end ports are closed; their eventfds stay the callers'. No vCPU may be running.
 */
void xa_domain_reset(struct xa_domain *d);

/** xa_domain_vcpu - vCPU number @id, NULL when @id >= max_vcpus */
struct xa_vcpu *xa_domain_vcpu(struct xa_domain *d, unsigned id);

/* One hypercall, as the trapping side decoded it. */
struct xa_call {
	enum xa_abi abi;
	uint8_t cpl;		/* privilege level of the caller: all but 0 get -EPERM for PVH */
	uint64_t nr;
	uint64_t arg[6];	/* 32-bit ABIs: upper halves are ignored */
};

/**
 * xa_hypercall - perform one hypercall of @v
 *
 * Returns what the guest finds in RAX (EAX): a result >= 0 or a negative errno. Never fails in any
 * other way: whatever the guest passes, only the guest is affected. On the vCPU's thread.
 */
int64_t xa_hypercall(struct xa_vcpu *v, const struct xa_call *call);

/**
 * xa_cpuid - contents of one Xen CPUID leaf
 * @index:    leaf number relative to the Xen base (0 .. 5)
 * @ret:      eax, ebx, ecx, edx
 * @tsc_khz:  frequency of the guest's TSC
 *
 * Returns false for an index that does not exist. ABI: xen/include/public/arch-x86/cpuid.h
 */
bool xa_cpuid(const struct xa_vcpu *v, uint32_t index, uint32_t subleaf, uint32_t tsc_khz,
	      uint32_t ret[4]);

/**
 * xa_hypercall_page - fill a hypercall page with stubs
 * @page:  4096 bytes
 * @insn:  instruction that enters the hypervisor; at most 8 bytes
 *
 * Stub number n is at 32*n: it loads n into EAX, executes @insn and returns.
 * ABI: xen/include/public/arch-x86/xen.h (hypercall page)
 */
void xa_hypercall_page(uint8_t *page, const uint8_t *insn, size_t insn_len);

/**
 * xa_hypercall_page_pv64 - fill a 64-bit PV guest's hypercall page
 * @page:  4096 bytes
 *
 * As xa_hypercall_page; the instruction is SYSCALL, whose two registers each stub saves.
 */
void xa_hypercall_page_pv64(uint8_t *page);

/** xa_timer_fired - the deadline given to set_timer() has come. Any thread. */
void xa_timer_fired(struct xa_vcpu *v);

/** xa_timer_raise - a deadline that the platform keeps by itself has come. Any thread. */
void xa_timer_raise(struct xa_vcpu *v);

/** xa_poll_ended - the wait that xa_platform.wait() was asked for is over. On the vCPU's thread. */
void xa_poll_ended(struct xa_vcpu *v);

/** xa_watchdog_fired - the deadline given to set_watchdog() has come. Any thread. */
void xa_watchdog_fired(struct xa_domain *d);

/**
 * xa_shared_is_32bit - does the guest use the 32-bit layout of shared_info and vcpu_info?
 *
 * Sampled as Xen does it: at HVM_PARAM_CALLBACK_IRQ, and when the guest places shared_info, before
 * the platform is told of either. Any thread, no lock.
 */
bool xa_shared_is_32bit(const struct xa_domain *d);

/** xa_upcall_pending - does @v have events that it has not been told of and does not mask? */
bool xa_upcall_pending(struct xa_vcpu *v);

/**
 * xa_evtchn_show - describe @port in words, at most @len bytes with the end of the string
 *
 * Returns false, and leaves @buf alone, for ports that are not in use. Any thread.
 */
bool xa_evtchn_show(struct xa_domain *d, evtchn_port_t port, char *buf, size_t len);

/** xa_evtchn_show_vcpu - what @v waits for, and was told, in words; as xa_evtchn_show() */
void xa_evtchn_show_vcpu(struct xa_vcpu *v, char *buf, size_t len);

/** xa_raise_virq - make a virtual interrupt pending (VIRQ_*); unbound ones are dropped. */
void xa_raise_virq(struct xa_vcpu *v, unsigned virq);

/**
 * xa_runstate_update - account the time since the last call to @v's former state
 * @state:   state from now on
 * @stolen:  ns since the last call in which the vCPU wanted to run but the host ran others
 *
 * Rewrites the guest's runstate area if it registered one. On the vCPU's thread.
 */
void xa_runstate_update(struct xa_vcpu *v, enum xa_runstate state, uint64_t stolen);

/* One line of the hypercall statistics. */
struct xa_hcall_stat {
	const char *name;	/* "event_channel_op" */
	const char *op;		/* "send"; "" for hypercalls without operations */
	uint64_t count;
};

/**
 * xa_stats - call @fn for each hypercall operation that was made at least once
 */
void xa_stats(const struct xa_domain *d, void (*fn)(void *arg, const struct xa_hcall_stat *stat),
	      void *arg);

/* What a core dump wants to know, see xenabi/dumpcore.h. No vCPU may be running. */

/** xa_page_owned - is there memory behind @gfn that the guest has not given back? Any thread. */
bool xa_page_owned(struct xa_domain *d, struct xa_gfn gfn);

/** xa_shared_page - the page shared_info, wherever it is now; valid until the guest runs again */
const void *xa_shared_page(struct xa_domain *d);

struct xen_dumpcore_elfnote_xen_version;
/** xa_dump_version - what the guest is told of its hypervisor */
void xa_dump_version(const struct xa_domain *d, struct xen_dumpcore_elfnote_xen_version *ret);

#endif
