// SPDX-License-Identifier: MIT
/*
 * Private declarations of src/vmm: one process per guest, which owns its KVM virtual machine, its
 * memory, its vCPU threads and the loop that serves its back ends.
 *
 * Threads: the main thread builds the machine, then runs the event loop; each vCPU has a thread.
 * vCPU ioctls are made only on that vCPU's thread, because KVM makes every other caller wait until
 * the vCPU leaves KVM_RUN, which may be never (a vCPU that waits for its start-up IPI). Others hand
 * work to a vCPU with vmm_vcpu_call().
 */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "domicile/base/err.h"
#include "domicile/base/log.h"
#include "domicile/base/xenver.h"
#include "domicile/ctl.h"
#include "domicile/domcfg.h"
#include "domicile/ev.h"
#include "domicile/pvb.h"
#include "domicile/xa.h"

#define VMM_MAX_VCPUS XA_MAX_VCPUS

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

#define VMM_MIN_MEMORY_MIB 16u

/* The Xen release whose behaviour guests see. */
#define VMM_XEN_MAJOR ((unsigned)DOM_XEN_MAJOR)
#define VMM_XEN_MINOR ((unsigned)DOM_XEN_MINOR)

/* What became of the guest. The process's exit status is this value; see domcfg.h. */
enum vmm_outcome {
	VMM_RUNNING = -1,
	VMM_POWEROFF = 0,
	VMM_FAILED = DOM_EXIT_START,	/* our own failure; the reason was told */
	VMM_USAGE = DOM_EXIT_USAGE,
	VMM_REBOOT = 65,
	VMM_SUSPEND = 66,
	VMM_CRASHED = 67,		/* SHUTDOWN_crash, or a state KVM cannot continue */
	VMM_WATCHDOG = 68,
	VMM_SOFT_RESET = 69,
	VMM_DESTROYED = DOM_EXIT_DESTROYED,
};

enum vmm_accel_kind { VMM_ACCEL_AUTO, VMM_ACCEL_XEN, VMM_ACCEL_PLAIN };

#define VMM_MAX_MODULES 8u

/* What guest memory is made of, see mem.c. */
enum vmm_ram { VMM_RAM_AUTO, VMM_RAM_SHARED, VMM_RAM_PRIVATE };

/* How much of the confinement of sandbox.c is in force. */
enum vmm_sandbox { VMM_SANDBOX_OFF, VMM_SANDBOX_LOG, VMM_SANDBOX_ON };

/* A device of a domain started by hand: the nodes of its two ends in the store. */
#define VMM_MAX_DEVICES 64u
#define VMM_DEVICE_NODES 16u
struct vmm_device_node {
	const char *key, *value;	/* key NULL: no more */
};
struct vmm_device {
	const char *kind;		/* directory in the store: "vbd" */
	unsigned id;
	struct vmm_device_node back[VMM_DEVICE_NODES], front[VMM_DEVICE_NODES];
};

/* Does user mode of a PV guest run on the kernel's page table? AUTO: as the processor allows. */
enum vmm_roots { VMM_ROOTS_AUTO, VMM_ROOTS_ONE, VMM_ROOTS_TWO };

/* Does a PV guest's shim guard against speculation? AUTO: as the host does for itself. */
enum vmm_speculation { VMM_SPECULATION_AUTO, VMM_SPECULATION_OFF, VMM_SPECULATION_ON };

struct vmm_config {
	const char *name;
	bool pv;			/* PV guest; otherwise PVH */
	enum vmm_roots pv_roots;
	enum vmm_speculation pv_speculation;
	domid_t domid;
	uint8_t uuid[16];
	const char *kernel;
	const char *entries;		/* only tell what guests this kernel can be */
	const char *modules[VMM_MAX_MODULES];
	unsigned nr_modules;
	const char *cmdline;
	uint64_t memory_mib;
	enum vmm_ram ram;
	unsigned vcpus;			/* in all */
	unsigned vcpus_online;		/* that the store offers to the guest at boot */
	enum vmm_accel_kind accel;
	enum xa_events events;
	bool events_forced;		/* --events was given */
	const char *console;		/* "stdio", "pty", "none" or a file's path */
	const char *console_log;	/* file that also gets the guest's output; may be NULL */
	const char *xenstore;		/* "auto", "none" or a socket's path */
	bool reboot_restarts;		/* --on-reboot restart */
	bool stats;
	unsigned max_grant_frames, max_grant_version, max_evtchn;
	const char *config_file;	/* description by xl, domcfg.h; NULL: all by options */
	int ready_fd;			/* -1: nobody waits */
	enum dom_log_level log_level;
	bool log_level_forced;		/* --log-level was given */
	enum vmm_sandbox sandbox;
	const char *user;		/* to run as, when started by root; NULL: who we are */
	struct vmm_device *devices;	/* by options; those of a description are in the store */
	unsigned nr_devices;

	/* By the description only. */
	const char *rundir;		/* place of the control socket; NULL: none */
	bool paused;			/* start with vCPUs paused */
	uint64_t maxmem_kib;		/* limit of ballooning; 0: memory_mib */
	const char **affinity;		/* CPU list per vCPU, "" and beyond the end: all */
	unsigned nr_affinity;
	unsigned preserve;		/* bit per SHUTDOWN_* code: stay, for a look at the corpse */

	char **owned;			/* strings that others above point to */
	unsigned nr_owned;
};

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
	pthread_cond_t cond;		/* signalled when work arrives, is done, or poll may end */
	struct vmm_work *work;
	bool stop;			/* leave the run loop */
	bool pause;			/* do not run the guest */
	bool resting;			/* paused, and the thread has taken notice */
	bool woken;			/* xa_platform.wake() came */

	/* Set by any thread with atomics and applied before the next KVM_RUN. */
	evtchn_port_t timer_port;	/* KVM_XEN: port for the in-kernel timer */
	bool timer_port_changed;
	uint8_t unsent;			/* upcall vector that the LAPIC did not accept, 0: none */
	uint8_t inject;			/* plain: vector to place in the LAPIC's IRR, 0: none */

	uint64_t clock_msr;		/* plain: where KVM keeps the time record; vCPU's thread */
	bool was_reset;			/* KVM may have reset the vCPU; vCPU's thread */

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
	int (*runstate_area)(struct vmm_vcpu *v, struct xa_gpa gpa);
	void (*port_route)(struct vmm *vm, evtchn_port_t port, const struct xa_port_route *route);
	void (*timer_port)(struct vmm_vcpu *v, evtchn_port_t port);
	int (*runstate_flag)(struct vmm *vm, bool on);
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

/* kvm.c: /dev/kvm and the virtual machine */
int vmm_kvm_open(struct vmm *vm, struct dom_err *err);
void vmm_kvm_close(struct vmm *vm);
int vmm_kvm_cap(const struct vmm *vm, unsigned cap);
int vmm_enable_cap(const struct vmm *vm, unsigned cap, uint64_t arg0);
int vmm_ioctl(int fd, unsigned long request, void *arg);
uint64_t vmm_now(const struct vmm *vm);

/* mem.c: guest memory */
int vmm_mem_init(struct vmm *vm, struct dom_err *err);
void vmm_mem_fini(struct vmm *vm);
/** host address of [gpa, gpa + len) if it lies in RAM below or above the hole, else NULL */
void *vmm_ram(const struct vmm *vm, uint64_t gpa, uint64_t len);
/** host address of a page with memory behind it, RAM or not; NULL otherwise */
void *vmm_page(struct vmm *vm, struct xa_gfn gfn);
int vmm_populate(struct vmm *vm, struct xa_gfn gfn);
int vmm_release(struct vmm *vm, struct xa_gfn gfn, uint64_t count);
/** what the guest owns now, KiB */
uint64_t vmm_memory_kib(const struct vmm *vm);

/** Make @size bytes of zeroed memory appear at @gpa, outside of RAM. Freed by vmm_mem_fini(). */
int vmm_mem_add(struct vmm *vm, uint64_t gpa, uint64_t size, uint8_t **ret_host);

/* memmap.c: the map that the guest is told */
#define VMM_MEMMAP_MAX 8u
unsigned vmm_memmap(const struct vmm *vm, struct xa_memmap_entry map[VMM_MEMMAP_MAX]);

/* boot.c: kernel, modules, ACPI and start_info into guest RAM */
int vmm_boot_load(struct vmm *vm, struct dom_err *err);

/* entries.c: print "pv", "pvh", both or neither, as the kernel @path can be started; 0 or -errno */
int vmm_print_entries(const char *path, struct dom_err *err);

/* acpi.c */
/** Build the tables at VMM_ACPI_GPA; returns the RSDP's address. */
uint64_t vmm_acpi_build(struct vmm *vm);

/* cpuid.c, msr.c, regs.c: what a vCPU looks like */
int vmm_cpuid_init(struct vmm *vm, struct dom_err *err);
int vmm_cpuid_set(struct vmm_vcpu *v, struct dom_err *err);
int vmm_msr_init(struct vmm *vm, struct dom_err *err);
int vmm_exit_rdmsr(struct vmm_vcpu *v);
int vmm_exit_wrmsr(struct vmm_vcpu *v);
int vmm_regs_init(struct vmm_vcpu *v, struct dom_err *err);
/** Load the registers that VCPUOP_initialise asked for. On the vCPU's thread. */
int vmm_regs_start(struct vmm_vcpu *v, const struct xa_vcpu_start *start);

/* pv.c: the shim of PV guests */
struct boot_pv;
/** Can this domain be a PV guest? */
int vmm_pv_check(const struct vmm *vm, struct dom_err *err);
/** Put the shim, which will start the kernel as @boot says, into its memory. */
int vmm_pv_load(struct vmm *vm, const struct boot_pv *boot, struct dom_err *err);
/** Stage: shared_info, and the rings in start_info. */
int vmm_pv_start(struct vmm *vm, struct dom_err *err);
int vmm_pv_regs(struct vmm_vcpu *v);
/** A write to SHIM_PORT; false: not by the shim. */
bool vmm_pv_call(struct vmm_vcpu *v);

/* pio.c: ports and MMIO */
int vmm_exit_io(struct vmm_vcpu *v);
int vmm_exit_mmio(struct vmm_vcpu *v);
void vmm_pio_init(struct vmm *vm);
#define VMM_PORT_ACPI_SLEEP_CONTROL 0xb004u
#define VMM_PORT_ACPI_SLEEP_STATUS 0xb005u
#define VMM_PORT_ACPI_RESET 0xb006u
#define VMM_PORT_HYPERCALL 0xe4u	/* plain hosts: what rewritten sites write to */

/* vcpu.c: vCPU threads */
int vmm_vcpus_create(struct vmm *vm, struct dom_err *err);
/** Start the threads; the vCPUs are paused until vmm_vcpus_unpause(). */
int vmm_vcpus_start(struct vmm *vm, struct dom_err *err);
void vmm_vcpus_stop(struct vmm *vm);
void vmm_vcpus_destroy(struct vmm *vm);
/** Stop running the guest; no vCPU runs on return. Not from a vCPU's thread. */
void vmm_vcpus_pause(struct vmm *vm);
/** Let the vCPUs run again. */
void vmm_vcpus_unpause(struct vmm *vm);
/** Make @v leave KVM_RUN and look at its pending work. Any thread. */
void vmm_vcpu_kick(struct vmm_vcpu *v);
/** Run @fn on @v's thread and wait for its result. Any thread, a vCPU's own included. */
int vmm_vcpu_call(struct vmm_vcpu *v, int (*fn)(struct vmm_vcpu *v, void *arg), void *arg);
/** The vCPU that the calling thread runs, NULL on other threads. */
struct vmm_vcpu *vmm_vcpu_self(void);

/* vcpu_info.c: vCPU threads as the host sees them */
struct vmm_vcpu_info {
	pid_t tid;
	bool online;		/* started by the guest */
	bool running;		/* not waiting in the host's scheduler */
	unsigned cpu;		/* host CPU */
	uint64_t cpu_ns;
	cpu_set_t affinity;
};
/** Stage: what vmm_vcpu_watch() needs, opened before confinement. */
int vmm_vcpus_watch(struct vmm *vm, struct dom_err *err);
void vmm_vcpus_unwatch(struct vmm *vm);
/** Open what tells about @v's thread, which runs. Main thread. */
void vmm_vcpu_watch(struct vmm_vcpu *v);
/** Any thread but vCPUs'. */
void vmm_vcpu_info(struct vmm_vcpu *v, struct vmm_vcpu_info *ret);
/** Has the guest ever run on it? */
bool vmm_vcpu_ran(const struct vmm_vcpu *v);
/** Returns 0; -EINVAL when the host has none of the CPUs; -ESRCH when the thread has ended. */
int vmm_vcpu_pin(struct vmm_vcpu *v, const cpu_set_t *set);

/* exit.c: reasons KVM_RUN returns for */
/** Handle the exit in v->run. Returns 0 to go on, else negative errno: the vCPU cannot continue. */
int vmm_exit_handle(struct vmm_vcpu *v);
const char *vmm_exit_name(unsigned reason);
/** End the guest; the first outcome wins. Any thread. */
void vmm_finish(struct vmm *vm, enum vmm_outcome outcome);
/** End the guest, or the remains of it, because somebody asked for that. Loop's thread. */
void vmm_destroy(struct vmm *vm);

/* plain_sites.c: from where guests make hypercalls by port */
/** Rewrite the three bytes at @gpa, which the guest sees at @gva, to a hypercall by port. */
void vmm_plain_add_site(struct vmm *vm, uint64_t gpa, uint64_t gva);
/** Make the site at @gpa a jump by @rel bytes from its second byte's end instead. */
void vmm_plain_redirect(struct vmm *vm, uint64_t gpa, int8_t rel);
/** Are the instructions that were placed at the sites still there? */
bool vmm_plain_sites_hold(struct vmm *vm);
/** The guest writes the address of a page for stubs to the MSR. Returns 0 or -EINVAL. */
int vmm_plain_hypercall_page(struct vmm_vcpu *v, uint64_t msr_value);
/**
 * Is the instruction that exited one that we placed? KVM leaves @rip at the instruction when the
 * processor intercepted it, and behind it when KVM's emulator executed it.
 */
bool vmm_plain_known_site(struct vmm_vcpu *v, uint64_t rip);

/* kvm_xen.c, kvm_plain.c */
int vmm_exit_xen(struct vmm_vcpu *v);
bool vmm_plain_hypercall(struct vmm_vcpu *v);
struct boot_kernel;
/** Rewrite the hypercall sites of the kernel that was loaded. Before it runs. */
void vmm_plain_set_kernel(struct vmm *vm, const struct boot_kernel *k);
/** The guest writes EFER: look for a kernel that it has loaded itself. Returns 0 or -errno. */
int vmm_plain_efer(struct vmm_vcpu *v, uint64_t value);
/** Inject @vector as an MSI to @v's LAPIC. Any thread. */
void vmm_signal_msi(struct vmm_vcpu *v, uint8_t vector);
/** Send v->unsent again if the event is still pending. On the vCPU's thread. */
void vmm_retry_msi(struct vmm_vcpu *v);

/**
 * vmm_pv_duties - what the PV shim has to do for the host's processor (enum shim_duty)
 * @dir: of the kernel's files on vulnerabilities
 */
uint32_t vmm_pv_duties(const char *dir);

/* tick.c, tick_plant.c: timer ticks without exits, on plain hosts and of PV guests */
struct boot_kernel;
/** Make the sites of @k go to a stub in its padding; false: there is no room, they are as before. */
bool vmm_tick_plant(struct vmm *vm, const struct boot_kernel *k);
/** Another kernel is there: its memory is not to be touched on behalf of the one before. */
void vmm_tick_forget(struct vmm *vm);
/** How many bytes at @p do nothing and are there for alignment, counted up to the first >= 16 */
size_t vmm_tick_padding(const uint8_t *p, const uint8_t *end);
/** vcpu_info of @v is at @vcpu_info now. On a vCPU's thread, in its hypercall. */
void vmm_tick_vcpu_info(struct vmm_vcpu *v, struct xa_gpa vcpu_info);
void vmm_tick_set(struct vmm_vcpu *v, uint64_t deadline);
void vmm_tick_fired(struct vmm_vcpu *v);
/** What vmm_tick_fired() does, at @now of the guest's clock. */
void vmm_tick_look(struct vmm_vcpu *v, uint64_t now);

/* timer.c: vCPU timers for hosts without in-kernel Xen timers, and the domain's watchdog */
int vmm_timer_init(struct vmm_vcpu *v, struct dom_err *err);
int vmm_watchdog_init(struct vmm *vm, struct dom_err *err);
void vmm_watchdog_fini(struct vmm *vm);
void vmm_watchdog_set(struct vmm *vm, uint64_t deadline);
int vmm_timers_start(struct vmm *vm, struct dom_err *err);
void vmm_timer_fini(struct vmm_vcpu *v);
void vmm_timer_set(struct vmm_vcpu *v, uint64_t deadline);

/* platform.c */
extern const struct xa_platform vmm_platform;
void vmm_vcpu_paging(const struct vmm_vcpu *v, struct xa_paging *ret);

/* devices.c: console and store rings */
int vmm_devices_fds(struct vmm *vm, struct dom_err *err);
void vmm_devices_close_fds(struct vmm *vm);
int vmm_devices_start(struct vmm *vm, struct dom_err *err);
void vmm_devices_stop(struct vmm *vm);
/** Pass on what an ended guest left in its console: true when done, else turn the loop and ask again. */
bool vmm_devices_drain(struct vmm *vm);
/** Output that does not come through the console ring: console_io, port 0xe9. Any thread. */
void vmm_emergency_console(struct vmm *vm, const char *data, size_t len);

/* backends.c: back ends of the devices in the store, and the files they open */
int vmm_backends_start(struct vmm *vm, struct dom_err *err);
void vmm_backends_stop(struct vmm *vm);
/** Stop them and run the loop until they have let go of their files. Not from a callback. */
void vmm_backends_close(struct vmm *vm);
/**
 * Keep all of @fds under @name, instead of what was kept there, until a back end opens it. What
 * was kept is gone from @fds. Returns 0, -ENOMEM.
 */
int vmm_files_give(struct vmm_files *files, const char *name, struct vmm_fds *fds);
/** One that was given, with the access mode and O_DIRECT of @flags; -ENOENT. The caller's then. */
int vmm_files_take(struct vmm_files *files, const char *name, int flags);
void vmm_fds_close(struct vmm_fds *fds);

/* store.c: the guest's place in xenstore */
int vmm_store_open(struct vmm *vm, struct dom_err *err);
int vmm_store_attach(struct vmm *vm, const struct pvb_ring *store, const struct pvb_ring *console,
		     struct dom_err *err);
void vmm_store_detach(struct vmm *vm);
void vmm_store_close(struct vmm *vm);

/* sandbox.c: confinement, in steps */
enum vmm_thread { VMM_THREAD_IO, VMM_THREAD_VCPU, VMM_THREAD_WORKER };
/** Stage: what concerns the whole process, once everything is open and before threads exist. */
int vmm_sandbox_process(struct vmm *vm, struct dom_err *err);
void vmm_sandbox_fini(struct vmm *vm);
/** The rest, for the calling thread; nothing but its daily work is possible afterwards. */
int vmm_sandbox_thread(struct vmm *vm, enum vmm_thread kind, struct dom_err *err);

/* seccomp.def, compiled: [enum vmm_thread][0: log what is forbidden, 1: kill] */
struct sock_filter;
struct vmm_filter {
	const struct sock_filter *insns;
	unsigned short len;
};
extern const struct vmm_filter vmm_filters[][2];

/* supervise.c */
/** Let @life run in a process of its own, again after each reboot. Returns its last result. */
int vmm_supervise(struct vmm *vm, int (*life)(struct vmm *vm));

/* machine.c */
/** Build the machine, run it until the guest ends, take it down. Returns enum vmm_outcome. */
int vmm_machine_run(struct vmm *vm, struct dom_err *err);

/* stats.c */
/** Write a line, which includes its newline, of at most 511 bytes to @fd. Did it get there? */
DOM_PRINTF(2, 3)
bool vmm_print(int fd, const char *fmt, ...);
uint64_t vmm_stats_exits(const struct vmm *vm);
uint64_t vmm_stats_exits_by(const struct vmm *vm, unsigned reason);
void vmm_stats_print(struct vmm *vm, int fd);

/* ctl.c: the control socket, see ctl.h */
int vmm_ctl_open(struct vmm *vm, struct dom_err *err);
void vmm_ctl_close(struct vmm *vm);
struct json_object;
struct vmm_ctl_answer {
	char *text;		/* allocated, one line; NULL when there was no memory */
	size_t len;
	bool close;		/* the connection ends with this reply */
	void (*after)(struct vmm *vm);	/* to be done when the reply is out; may be NULL */
};
/** Do what one request of @len bytes, without its newline, asks for. Loop's thread. */
void vmm_ctl_answer(struct vmm *vm, const char *line, size_t len, struct vmm_ctl_answer *ret);
/** Has @v the type that @f wants? */
bool vmm_ctl_field_ok(const struct dom_ctl_field *f, struct json_object *v);

/* ctl_cmds.c: one row per row of dom_ctl_cmds; ends with a row without name */
struct vmm_ctl_handler {
	const char *name;
	/* Adds fields to @rep; or returns negative errno with @err filled. */
	int (*fn)(struct vmm *vm, struct json_object *req, struct json_object *rep,
		  struct dom_err *err);
	void (*after)(struct vmm *vm);	/* when the reply is out */
};
extern const struct vmm_ctl_handler vmm_ctl_handlers[];

/* dump.c: core dumps, see xenabi/dumpcore.h. Loop's thread. */
int vmm_dump_init(struct vmm *vm, struct dom_err *err);
void vmm_dump_fini(struct vmm *vm);
/**
 * vmm_dump_start - stop the vCPUs and begin to write to @fd, which is ours then also on failure
 *
 * They go on at the end, unless the domain is paused or has ended. Returns 0; -EBUSY; -EINVAL for what
 * is no regular file; -ENOMEM.
 */
int vmm_dump_start(struct vmm *vm, int fd, struct dom_err *err);
bool vmm_dump_running(const struct vmm *vm);
struct vmm_dump_state {
	const char *state;	/* none, running, done, failed: of the last dump */
	const char *error;	/* of a failed one */
	uint64_t done_kib, total_kib;
};
void vmm_dump_state(const struct vmm *vm, struct vmm_dump_state *ret);

/* dump_cpu.c */
struct vcpu_guest_context_64;
/** The state of @v as Xen's tools know it. Returns 0 or -errno, and zeros then. Any thread. */
int vmm_dump_vcpu(struct vmm_vcpu *v, struct vcpu_guest_context_64 *ret);
/** The same without VGCF_ONLINE, for threads that may not ask for that. */
int vmm_dump_vcpu_state(struct vmm_vcpu *v, struct vcpu_guest_context_64 *ret);

/* report.c */
/** Tell the log what @v, of a PV guest that crashed, was doing. The vCPU's thread. */
void vmm_report_crash(struct vmm_vcpu *v);

/* debugkey.c */
/** Write to the log what @key stands for. Returns 0, -ENOENT. Loop's thread. */
int vmm_debug_key(struct vmm *vm, char key);

/* signal.c: SIGTERM, SIGINT and SIGHUP end the guest in an orderly way */
/** Call before any thread or process is made. */
void vmm_signals_block(void);
int vmm_signals_up(struct vmm *vm, struct dom_err *err);

/* config.c */
/**
 * vmm_config_parse - read the command line, and the description of the domain that it names
 *
 * Call vmm_config_fini() in any case. Returns 0; -EOPNOTSUPP when something is asked for rightly that
 * this VMM cannot do; other errors mean wrong usage.
 */
int vmm_config_parse(int argc, char **argv, struct vmm_config *cfg, struct dom_err *err);
void vmm_config_fini(struct vmm_config *cfg);
void vmm_usage(int fd);

/* config_value.c */
/** -EINVAL with the sentence that @value of @option is not the @want that it should be. */
int vmm_config_bad(struct dom_err *err, const char *option, const char *value, const char *want);
/** The index of @value among @words, which end in NULL; 0 or -EINVAL as vmm_config_bad(). */
int vmm_config_word(const char *option, const char *value, const char *const *words, int *ret,
		    struct dom_err *err);
/** Returns 0, or -EINVAL with @err (may be NULL) naming the words possible. */
int vmm_ram_mode_parse(const char *word, enum vmm_ram *ret, struct dom_err *err);
/** A copy of @text that lives as long as @cfg; NULL when there is no memory. */
const char *vmm_config_keep(struct vmm_config *cfg, const char *text);

/* config_device.c: devices by options; strings are copied, but for @kind and @key */
struct vmm_device *vmm_config_find_device(const struct vmm_config *cfg, const char *kind,
					  unsigned id);
/** NULL when there are too many, or no memory. Valid until the next one is added. */
struct vmm_device *vmm_config_add_device(struct vmm_config *cfg, const char *kind, unsigned id);
/** Add a node to the back end's or the front end's directory; 0, -ENOMEM, -E2BIG. */
int vmm_device_back(struct vmm_config *cfg, struct vmm_device *dev, const char *key,
		    const char *value);
int vmm_device_front(struct vmm_config *cfg, struct vmm_device *dev, const char *key,
		     const char *value);
/* config_disk.c, config_net.c */
int vmm_config_disk(struct vmm_config *cfg, const char *spec, struct dom_err *err);
int vmm_config_net(struct vmm_config *cfg, const char *spec, struct dom_err *err);

/* config_json.c: the description of a domain, see domcfg.h */
struct reader;
struct vmm_config_key {
	const char *name;	/* of dom_cfg_keys */
	int (*apply)(struct reader *rd, const char *key, size_t field, struct json_object *v);
	size_t field;		/* offset in struct vmm_config, for those that need it */
};
/** One row per row of dom_cfg_keys; ends with a row without name. */
extern const struct vmm_config_key vmm_config_keys[];
/**
 * vmm_config_json - read a description
 * @text:  @len bytes and a NUL
 * @file:  name for messages
 *
 * Returns 0; -EINVAL for a description that breaks the tables, -EOPNOTSUPP for one that asks for what
 * we cannot do, -ENOMEM.
 */
int vmm_config_json(const char *text, size_t len, const char *file, struct vmm_config *cfg,
		    struct dom_err *err);
int vmm_config_read(const char *file, struct vmm_config *cfg, struct dom_err *err);

/* cpulist.c: sets of host CPUs as text, "0-3,5" */
/** Returns 0, or -EINVAL for text that is no list or names a CPU beyond CPU_SETSIZE. */
int vmm_cpulist_parse(const char *text, cpu_set_t *ret);
/** Returns the length; what does not fit in @size (1 or more) is left out. */
size_t vmm_cpulist_format(const cpu_set_t *set, char *buf, size_t size);

/* ready.c: telling who started us how it goes, by the ready pipe of domcfg.h */
void vmm_ready(const struct vmm_config *cfg);
void vmm_ready_error(const struct vmm_config *cfg, const struct dom_err *err);
void vmm_ready_shutdown(const struct vmm_config *cfg, enum vmm_outcome outcome);
/** The server of disk @id is gone: whoever listens may start another. Is there somebody? */
bool vmm_ready_disk(const struct vmm_config *cfg, unsigned id);
/** The host's side of interface @ifname is gone: whoever listens may give another. */
void vmm_ready_link(const struct vmm_config *cfg, const char *ifname);
/** The row of dom_shutdowns that tells @outcome; NULL when the guest did not end by itself. */
const struct dom_shutdown *vmm_shutdown_of(enum vmm_outcome outcome);

#endif
