// SPDX-License-Identifier: MIT
/*
 * Debug keys: what a person asks for with `xl debug-keys`, or all at once with SIGQUIT, written to the
 * log whatever its level, in lines that begin with the domain's name.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "domicile/pvb.h"
#include "xenabi/event_channel.h"
#include "vmm.h"

DOM_PRINTF(2, 3)
static void say(const struct vmm *vm, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vmm_print(vm->log.fd, "%.64s: %s\n", vm->cfg.name, line);
}

static void show_domain(struct vmm *vm)
{
	say(vm, "domain %u, %s, %llu KiB in %s memory, %u vCPUs", vm->cfg.domid, vm->accel->name,
	    (unsigned long long)vmm_memory_kib(vm), vm->mem.memfd >= 0 ? "shared" : "private",
	    vm->cfg.vcpus);
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		struct vmm_vcpu_info info;

		vmm_vcpu_info(&vm->vcpus[i], &info);
		say(vm, "vcpu %u: %s, thread %d on host CPU %u, %llu ms", i,
		    !info.online ? "offline" : info.running ? "running" : "blocked", (int)info.tid,
		    info.cpu, (unsigned long long)info.cpu_ns / 1000000);
	}
}

struct regs {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

static int read_regs(struct vmm_vcpu *v, void *arg)
{
	struct regs *r = arg;
	int e = vmm_ioctl(v->fd, KVM_GET_REGS, &r->regs);

	return e ? e : vmm_ioctl(v->fd, KVM_GET_SREGS, &r->sregs);
}

static void show_regs(struct vmm *vm)
{
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		struct regs r;

		if (vmm_vcpu_call(&vm->vcpus[i], read_regs, &r))
			continue;
		say(vm, "vcpu %u: rip %016llx rsp %016llx rflags %08llx cs %04x cpl %u", i, r.regs.rip,
		    r.regs.rsp, r.regs.rflags, r.sregs.cs.selector, r.sregs.ss.dpl);
		say(vm, "vcpu %u: rax %016llx rbx %016llx rcx %016llx rdx %016llx", i, r.regs.rax,
		    r.regs.rbx, r.regs.rcx, r.regs.rdx);
		say(vm, "vcpu %u: rsi %016llx rdi %016llx rbp %016llx", i, r.regs.rsi, r.regs.rdi,
		    r.regs.rbp);
		say(vm, "vcpu %u: cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx", i, r.sregs.cr0,
		    r.sregs.cr2, r.sregs.cr3, r.sregs.cr4, r.sregs.efer);
		if (vm->accel == &vmm_accel_pv)
			vmm_report_guest(&vm->vcpus[i]);
	}
}

/* The guest makes as many ports as it likes, but fills no log with them. */
#define PORTS_SHOWN 512u

static void show_events(struct vmm *vm)
{
	char line[128];
	unsigned used = 0;

	for (evtchn_port_t port = 1; port < EVTCHN_FIFO_NR_CHANNELS; port++) {
		if (xa_evtchn_show(vm->dom, port, line, sizeof(line)) && used++ < PORTS_SHOWN)
			say(vm, "%s", line);
	}
	if (used > PORTS_SHOWN)
		say(vm, "and %u more ports", used - PORTS_SHOWN);
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		xa_evtchn_show_vcpu(vm->vcpus[i].xa, line, sizeof(line));
		say(vm, "%s", line);
	}
}

static void show_device(void *arg, const struct pvb_dev_info *info)
{
	say(arg, "%s %u: state %u", info->kind, info->id, info->state);
	for (unsigned i = 0; i < PVB_DEV_COUNTERS && info->counters[i].name; i++) {
		if (info->counters[i].value)
			say(arg, "%s %u: %s %llu", info->kind, info->id, info->counters[i].name,
			    (unsigned long long)info->counters[i].value);
	}
}

static void show_devices(struct vmm *vm)
{
	if (vm->backends)
		pvb_each(vm->backends, show_device, vm);
}

static void show_stats(struct vmm *vm)
{
	vmm_stats_print(vm, vm->log.fd);
}

static void show_keys(struct vmm *vm);

static const struct {
	char key;
	void (*show)(struct vmm *vm);
	const char *what;
} keys[] = {
	{ 'd', show_devices, "devices and their counters" },
	{ 'e', show_events,  "event channels" },
	{ 'h', show_keys,    "these keys" },
	{ 'q', show_domain,  "the domain and its vCPUs" },
	{ 'r', show_regs,    "registers of all vCPUs" },
	{ 's', show_stats,   "exits and hypercalls" },
};

static void show_keys(struct vmm *vm)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(keys); i++)
		say(vm, "key '%c': %s", keys[i].key, keys[i].what);
}

int vmm_debug_key(struct vmm *vm, char key)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(keys); i++) {
		if (keys[i].key == key) {
			keys[i].show(vm);
			return 0;
		}
	}
	return -ENOENT;
}

void vmm_debug_all(struct vmm *vm)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(keys); i++)
		if (keys[i].show != show_keys)
			keys[i].show(vm);
}
