// SPDX-License-Identifier: MIT
/*
 * Private declarations of src/vmm: one process per guest, which owns its KVM virtual machine, its
 * memory, its vCPU threads and the loop that serves its back ends.
 *
 * Threads: the main thread builds the machine, then runs the event loop; each vCPU has a thread.
 * vCPU ioctls are made only on that vCPU's thread, because KVM makes every other caller wait until
 * the vCPU leaves KVM_RUN, which may be never (a vCPU that waits for its start-up IPI). Others hand
 * work to a vCPU with vmm_vcpu_call().
 *
 * config.h has what is asked for, machine.h what there is, this what each file does.
 */
#ifndef VMM_H
#define VMM_H

#include "config.h"
#include "machine.h"

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

/* wait.c: SCHEDOP_poll */
/** Let @v wait, from its next KVM_RUN on, until woken, interrupted or, if not 0, @deadline. */
void vmm_wait_begin(struct vmm_vcpu *v, uint64_t deadline);
/** End the wait of @v, or the one that it is about to begin. Any thread. */
void vmm_wait_wake(struct vmm_vcpu *v);
/** A wake-up came to @v, which waits. On its thread. */
void vmm_wait_woken(struct vmm_vcpu *v);
/** @v waited, and the guest runs on. On its thread. */
void vmm_wait_over(struct vmm_vcpu *v);

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
/** Does the kernel make events of the guest's pending without telling us? */
bool vmm_xen_events(const struct vmm *vm);
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
/** Wake @v from its wait at @deadline; 0: do not. */
void vmm_wait_timer_set(struct vmm_vcpu *v, uint64_t deadline);

/* platform.c */
extern const struct xa_platform vmm_platform;
void vmm_vcpu_paging(const struct vmm_vcpu *v, struct xa_paging *ret);

/* devices.c: console and store rings */
int vmm_devices_fds(struct vmm *vm, struct dom_err *err);
void vmm_devices_close_fds(struct vmm *vm);
int vmm_devices_start(struct vmm *vm, struct dom_err *err);
void vmm_devices_stop(struct vmm *vm);
/** Pass on what an ended guest left in its consoles: true when done, else turn the loop and ask again. */
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
/** The same of one that runs, without the processor's registers. Any thread. */
void vmm_report_guest(struct vmm_vcpu *v);

/* debugkey.c */
/** Write to the log what @key stands for. Returns 0, -ENOENT. Loop's thread. */
int vmm_debug_key(struct vmm *vm, char key);
/** All of them. Loop's thread. */
void vmm_debug_all(struct vmm *vm);

/* signal.c: SIGTERM, SIGINT and SIGHUP end the guest in an orderly way, SIGQUIT tells what it does */
/** Call before any thread or process is made. */
void vmm_signals_block(void);
int vmm_signals_up(struct vmm *vm, struct dom_err *err);

#endif
