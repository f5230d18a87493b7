// SPDX-License-Identifier: MIT
/*
 * A guest's life: its machine is built stage by stage, runs, and is taken down by the same stages
 * in reverse, also when one of them fails. A reboot is a new machine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "domicile/base/fd.h"
#include "domicile/base/once.h"
#include "vmm.h"

/* How long the consoles may take to get rid of a dead guest's last words. */
#define FLUSH_NS 2000000000ull
#define FLUSH_LOOK_NS 10000000ull	/* between looks at what no event tells of */

static int up_accel(struct vmm *vm, struct dom_err *err)
{
	bool has_xen = vmm_kvm_cap(vm, KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_EVTCHN_SEND;

	if (vm->cfg.pv) {
		vm->accel = &vmm_accel_pv;
		return vmm_pv_check(vm, err);
	}
	if (vm->cfg.accel == VMM_ACCEL_XEN && !has_xen)
		return dom_err_set(err, -ENOSYS, "--accel xen: this host's KVM lacks Xen support "
				   "(CONFIG_KVM_XEN, Linux 5.19 or newer); use --accel plain or auto");
	vm->accel = has_xen && vm->cfg.accel != VMM_ACCEL_PLAIN ? &vmm_accel_xen : &vmm_accel_plain;
	/*
	 * The kernel's Xen support delivers 2-level events only, and doing without it would cost
	 * every guest more than FIFO gives it.
	 */
	if (!vm->cfg.events_forced)
		vm->cfg.events = vm->accel == &vmm_accel_xen ? XA_EVENTS_2L : XA_EVENTS_ANY;
	return vm->accel->vm_init(vm, err);
}

static int up_platform(struct vmm *vm, struct dom_err *err)
{
	int r = vmm_msr_init(vm, err);

	vmm_pio_init(vm);
	return r ? r : vmm_cpuid_init(vm, err);
}

static void down_platform(struct vmm *vm)
{
	free(vm->cpuid);
	vm->cpuid = NULL;
}

static int up_domain(struct vmm *vm, struct dom_err *err)
{
	struct xa_memmap_entry map[VMM_MEMMAP_MAX];
	struct xa_config cfg = {
		/* Without a number of its own: no guest is domain 0. */
		.domid = vm->cfg.domid ? vm->cfg.domid : 1,
		.pv = vm->cfg.pv,
		.max_vcpus = vm->cfg.vcpus,
		.tot_pages = vm->mem.size >> XEN_PAGE_SHIFT,
		.max_pages = DOM_MAX(vm->mem.size, vm->cfg.maxmem_kib << 10) >> XEN_PAGE_SHIFT,
		.max_grant_frames = vm->cfg.max_grant_frames,
		.grant_v2 = vm->cfg.max_grant_version >= 2,
		.max_evtchn = vm->cfg.max_evtchn,
		.events = vm->cfg.events,
		.xen_major = VMM_XEN_MAJOR,
		.xen_minor = VMM_XEN_MINOR,
		.cmdline = "",
		.console_gfn = { vm->console_gfn },
		.store_gfn = { strcmp(vm->cfg.xenstore, "none") ? vm->store_gfn : 0 },
		.special_gfn = { vm->cfg.pv ? 0 : VMM_SPECIAL_GFN },
		.grant_gfn = { VMM_PV_GRANT_GFN },
		.low_pages = vm->mem.low >> XEN_PAGE_SHIFT,
		.high_gfn = { VMM_HIGH_START >> XEN_PAGE_SHIFT },
		.memmap = map,
		.memmap_count = vmm_memmap(vm, map),
		.platform = &vmm_platform,
		.platform_ctx = vm,
		.log = &vm->log,
	};

	memcpy(cfg.uuid, vm->cfg.uuid, sizeof(cfg.uuid));
	return xa_domain_new(&cfg, &vm->dom, err);
}

static void down_domain(struct vmm *vm)
{
	xa_domain_free(vm->dom);
	vm->dom = NULL;
}

static void on_stop(struct ev_op *op, int result)
{
	if (result != -ECANCELED)
		ev_loop_stop(DOM_CONTAINER_OF(op, struct vmm, stop_op)->loop);
}

static int up_loop(struct vmm *vm, struct dom_err *err)
{
	const struct ev_config cfg = { .workers_later = true };
	int r = ev_loop_new(&cfg, &vm->loop, err);

	if (r)
		return r;
	vm->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (vm->stop_fd < 0)
		return dom_err_set(err, -errno, "eventfd: %s", strerror(errno));
	ev_op_init(&vm->stop_op, vm->loop, on_stop, NULL);
	ev_event(&vm->stop_op, vm->stop_fd);
	return 0;
}

/* Waits for everything armed, so after this no callback of an earlier stage can come. */
static void down_loop(struct vmm *vm)
{
	ev_loop_free(vm->loop);
	vm->loop = NULL;
	dom_close_fd(&vm->stop_fd);
	dom_close_fd(&vm->signal_fd);
}

static int enter_worker(void *arg)
{
	struct vmm *vm = arg;
	struct dom_err err = { 0 };
	int r = vmm_sandbox_thread(vm, VMM_THREAD_WORKER, &err);

	if (r)
		dom_log(&vm->log, DOM_LOG_ERROR, "worker for files: %s", err.msg);
	return r;
}

/* Without io_uring the loop has threads for files, which are confined like all others. */
static int up_workers(struct vmm *vm, struct dom_err *err)
{
	int r = ev_loop_workers(vm->loop, enter_worker, vm);

	return r ? dom_err_set(err, r, "workers for files: %s", strerror(-r)) : 0;
}

/* The last stage: from here on this thread runs the loop, and takes the machine down. */
static int up_filter(struct vmm *vm, struct dom_err *err)
{
	int r;

	vmm_vcpus_unwatch(vm);
	r = vmm_sandbox_thread(vm, VMM_THREAD_IO, err);
	vmm_sandbox_fini(vm);
	vm->confined = vm->cfg.sandbox != VMM_SANDBOX_OFF;
	return r;
}

/*
 * Order matters twice: what a stage needs is built before it, and what it gave out is taken back
 * after those who use it are gone. The loop is up before everything that arms operations on it;
 * its "down" comes after theirs and before the memory that those operations point into.
 */
static const struct stage {
	const char *name;
	int (*up)(struct vmm *vm, struct dom_err *err);
	void (*down)(struct vmm *vm);	/* also called for a stage whose up failed half-way */
} stages[] = {
	{ "kvm",      vmm_kvm_open,      vmm_kvm_close },
	{ "accel",    up_accel,          NULL },
	{ "memory",   vmm_mem_init,      vmm_mem_fini },
	{ "platform", up_platform,       down_platform },
	{ "boot",     vmm_boot_load,     NULL },
	{ "domain",   up_domain,         down_domain },
	{ "devfds",   vmm_devices_fds,   vmm_devices_close_fds },
	{ "watchdog", vmm_watchdog_init, vmm_watchdog_fini },
	{ "vcpus",    vmm_vcpus_create,  vmm_vcpus_destroy },
	{ "loop",     up_loop,           down_loop },
	{ "timers",   vmm_timers_start,  NULL },
	{ "store",    vmm_store_open,    vmm_store_close },
	{ "devices",  vmm_devices_start, vmm_devices_stop },
	{ "backends", vmm_backends_start, vmm_backends_stop },
	{ "pv",       vmm_pv_start,      NULL },
	{ "dump",     vmm_dump_init,     vmm_dump_fini },
	{ "ctl",      vmm_ctl_open,      vmm_ctl_close },
	{ "signals",  vmm_signals_up,    NULL },
	{ "watch",    vmm_vcpus_watch,   vmm_vcpus_unwatch },
	{ "confine",  vmm_sandbox_process, vmm_sandbox_fini },
	{ "workers",  up_workers,        NULL },
	{ "threads",  vmm_vcpus_start,   vmm_vcpus_stop },
	{ "filter",   up_filter,         NULL },
};

/* Pass on what the guest left in its consoles, whose last kicks may not have been seen. */
static void flush(struct vmm *vm)
{
	uint64_t deadline = ev_now() + FLUSH_NS;

	while (!vmm_devices_drain(vm) && ev_now() < deadline) {
		if (ev_loop_turn(vm->loop, DOM_MIN(deadline, ev_now() + FLUSH_LOOK_NS)) < 0)
			return;
	}
}

/* Does somebody want to look at the guest that ended? Then it stays as it is, but for time. */
static bool keep(struct vmm *vm)
{
	const struct dom_shutdown *s = vmm_shutdown_of(vm->outcome);

	if (!s || vm->destroyed || !(vm->cfg.preserve >> s->code & 1))
		return false;
	vmm_vcpus_pause(vm);
	flush(vm);
	/* A successor may want the same disks. */
	vmm_backends_close(vm);
	vm->shutdown = s;
	dom_log(&vm->log, DOM_LOG_INFO, "%s: the guest is preserved until it is destroyed", s->name);
	/* No vCPU runs that could end it once more: only a person can. */
	DOM_STORE(&vm->outcome, VMM_RUNNING);
	return true;
}

/* The guest's life, from its first instruction. */
static int run(struct vmm *vm, struct dom_err *err)
{
	int r;

	vm->paused = vm->cfg.paused;
	vmm_ready(&vm->cfg);
	if (!vm->paused)
		vmm_vcpus_unpause(vm);
	r = ev_loop_run(vm->loop);
	if (!r) {
		const enum vmm_outcome outcome = DOM_LOAD_ACQUIRE(&vm->outcome);
		const bool kept = keep(vm);

		vmm_ready_shutdown(&vm->cfg, outcome);
		if (kept)
			r = ev_loop_run(vm->loop);
	}
	return r ? dom_err_set(err, r, "event loop: %s", strerror(-r)) : 0;
}

int vmm_machine_run(struct vmm *vm, struct dom_err *err)
{
	size_t built;
	int r = 0;

	vm->outcome = VMM_RUNNING;
	vm->destroyed = false;
	vm->shutdown = NULL;
	for (built = 0; built < DOM_ARRAY_LEN(stages) && !r; built++)
		r = stages[built].up(vm, err);
	if (!r) {
		r = run(vm, err);
		vmm_vcpus_stop(vm);
		flush(vm);
		if (vm->cfg.stats)
			vmm_stats_print(vm, STDERR_FILENO);
	}
	while (built-- > 0) {
		if (stages[built].down)
			stages[built].down(vm);
	}
	return r ? VMM_FAILED : vm->outcome;
}
