// SPDX-License-Identifier: MIT
/*
 * What the commands of the control socket do. The rows of dom_ctl_cmds (ctl.h) say what a request
 * has and what a reply must have; a handler gets a request that was checked against them. All run
 * on the loop's thread.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domicile/base/once.h"
#include "vmm.h"

static void add_uint(json_object *o, const char *name, uint64_t value)
{
	json_object_object_add(o, name, json_object_new_uint64(value));
}

static void add_string(json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

static uint64_t get_uint(json_object *req, const char *name)
{
	return json_object_get_uint64(json_object_object_get(req, name));
}

/* The vCPU that the request names, 0 by default. */
static struct vmm_vcpu *find_vcpu(struct vmm *vm, json_object *req, struct dom_err *err)
{
	uint64_t id = get_uint(req, "vcpu");

	if (id < vm->cfg.vcpus)
		return &vm->vcpus[id];
	dom_err_set(err, -ENOENT, "no vCPU %llu: the domain has %u", (unsigned long long)id,
		    vm->cfg.vcpus);
	return NULL;
}

/* The domain's state in a word. A domain whose online vCPUs all wait is blocked. */
static const char *state_of(const struct vmm *vm)
{
	if (DOM_LOAD(&vm->outcome) != VMM_RUNNING)
		return "dying";
	if (vm->shutdown)
		return "shutdown";
	if (vm->paused)
		return "paused";
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		struct vmm_vcpu_info info;

		vmm_vcpu_info(&vm->vcpus[i], &info);
		if (info.online && info.running)
			return "running";
	}
	return "blocked";
}

static void format_uuid(const uint8_t u[16], char buf[37])
{
	snprintf(buf, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

static int cmd_status(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	uint64_t ns = 0, maxmem = vm->cfg.maxmem_kib;
	unsigned online = 0;
	char uuid[37];

	(void)req;
	(void)err;
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		struct vmm_vcpu_info info;

		vmm_vcpu_info(&vm->vcpus[i], &info);
		ns += info.cpu_ns;
		online += info.online;
	}
	format_uuid(vm->cfg.uuid, uuid);
	add_uint(rep, "domid", vm->cfg.domid);
	add_string(rep, "uuid", uuid);
	add_uint(rep, "pid", (uint64_t)getpid());
	add_string(rep, "state", state_of(vm));
	if (vm->shutdown)
		add_string(rep, "reason", vm->shutdown->name);
	add_uint(rep, "cpu_ns", ns);
	add_uint(rep, "vcpus", online);
	add_uint(rep, "maxvcpus", vm->cfg.vcpus);
	add_uint(rep, "memory_kb", vmm_memory_kib(vm));
	add_uint(rep, "maxmem_kb", maxmem ? maxmem : vm->cfg.memory_mib * 1024);
	return 0;
}

static int cmd_pause(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	(void)req;
	(void)rep;
	(void)err;
	vmm_vcpus_pause(vm);
	vm->paused = true;
	return 0;
}

static int refuse_dead(const struct vmm *vm, struct dom_err *err)
{
	return vm->shutdown ? dom_err_set(err, -ESHUTDOWN, "the guest has ended (%s)",
					  vm->shutdown->name) : 0;
}

static int cmd_unpause(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	int r = refuse_dead(vm, err);

	(void)req;
	(void)rep;
	if (!r) {
		vm->paused = false;
		/* The end of a core dump lets them run. */
		if (!vmm_dump_running(vm))
			vmm_vcpus_unpause(vm);
	}
	return r;
}

static int cmd_destroy(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	(void)vm;
	(void)req;
	(void)rep;
	(void)err;
	return 0;
}

static int cmd_vcpus(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	json_object *list = json_object_new_array_ext((int)vm->cfg.vcpus);

	(void)req;
	(void)err;
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		json_object *o = json_object_new_object();
		struct vmm_vcpu_info info;
		char cpus[512];

		vmm_vcpu_info(&vm->vcpus[i], &info);
		vmm_cpulist_format(&info.affinity, cpus, sizeof(cpus));
		add_uint(o, "vcpu", i);
		add_string(o, "state", !info.online ? "offline" : info.running ? "running" : "blocked");
		add_uint(o, "tid", (uint64_t)info.tid);
		add_uint(o, "cpu", info.cpu);
		add_uint(o, "cpu_ns", info.cpu_ns);
		add_string(o, "affinity", cpus);
		json_object_array_add(list, o);
	}
	json_object_object_add(rep, "vcpus", list);
	return 0;
}

static int cmd_vcpu_pin(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	const char *text = json_object_get_string(json_object_object_get(req, "cpus"));
	struct vmm_vcpu *v = find_vcpu(vm, req, err);
	cpu_set_t set;
	int r;

	(void)rep;
	if (!v)
		return err->code;
	if (vmm_cpulist_parse(text, &set))
		return dom_err_set(err, -EINVAL, "\"%.80s\" is no list of host CPUs like 0-3,5", text);
	r = vmm_vcpu_pin(v, &set);
	if (r == -EINVAL)
		return dom_err_set(err, r, "this host has none of the CPUs %.80s", text);
	return r ? dom_err_set(err, r, "vCPU %u: %s", v->id, strerror(-r)) : 0;
}

static void add_console(json_object *list, unsigned devid, const char *tty)
{
	json_object *o = json_object_new_object();

	add_uint(o, "devid", devid);
	add_string(o, "tty", tty ? tty : "");
	json_object_array_add(list, o);
}

static void add_further_console(void *arg, const struct pvb_dev_info *info)
{
	if (!strcmp(info->kind, "console"))
		add_console(arg, info->id, info->tty);
}

static int cmd_console(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	json_object *list = json_object_new_array();

	(void)req;
	(void)err;
	add_console(list, 0, vm->console ? pvb_console_pty(vm->console) : NULL);
	if (vm->backends)
		pvb_each(vm->backends, add_further_console, list);
	json_object_object_add(rep, "consoles", list);
	return 0;
}

static void add_device(void *arg, const struct pvb_dev_info *info)
{
	json_object *o = json_object_new_object(), *counters = json_object_new_object();

	for (unsigned i = 0; i < PVB_DEV_COUNTERS && info->counters[i].name; i++)
		add_uint(counters, info->counters[i].name, info->counters[i].value);
	add_string(o, "kind", info->kind);
	add_uint(o, "id", info->id);
	add_uint(o, "state", info->state);
	json_object_object_add(o, "counters", counters);
	json_object_array_add(arg, o);
}

static int cmd_devices(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	json_object *list = json_object_new_array();

	(void)req;
	(void)err;
	if (vm->backends)
		pvb_each(vm->backends, add_device, list);
	json_object_object_add(rep, "devices", list);
	return 0;
}

static int cmd_give_files(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	const char *name = json_object_get_string(json_object_object_get(req, "name"));
	int r = refuse_dead(vm, err);

	(void)rep;
	if (r)
		return r;
	if (!vm->given.count)
		return dom_err_set(err, -EINVAL, "no descriptors came with the request");
	r = vmm_files_give(&vm->files, name, &vm->given);
	return r ? dom_err_set(err, r, "no memory to keep them") : 0;
}

static int cmd_dump_core(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	(void)req;
	(void)rep;
	if (!vm->given.count)
		return dom_err_set(err, -EINVAL, "no descriptor came with the request");
	return vmm_dump_start(vm, vm->given.fd[--vm->given.count], err);
}

static int cmd_dump_status(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	struct vmm_dump_state s;

	(void)req;
	(void)err;
	vmm_dump_state(vm, &s);
	add_string(rep, "state", s.state);
	add_uint(rep, "done_kb", s.done_kib);
	add_uint(rep, "total_kb", s.total_kib);
	if (!strcmp(s.state, "failed"))
		add_string(rep, "error", s.error);
	return 0;
}

static int cmd_trigger(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	const char *what = json_object_get_string(json_object_object_get(req, "trigger"));
	struct vmm_vcpu *v = find_vcpu(vm, req, err);
	int r = v ? refuse_dead(vm, err) : err->code;

	(void)rep;
	if (r)
		return r;
	if (!strcmp(what, "reset")) {
		vmm_finish(vm, VMM_REBOOT);
		return 0;
	}
	r = vmm_platform.nmi(vm, v->id);
	return r ? dom_err_set(err, r, "vCPU %u: cannot send an NMI: %s", v->id, strerror(-r)) : 0;
}

static int cmd_debug_key(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	const char *key = json_object_get_string(json_object_object_get(req, "key"));

	(void)rep;
	if (strlen(key) != 1)
		return dom_err_set(err, -EINVAL, "a debug key is one character");
	return vmm_debug_key(vm, *key) ?
		dom_err_set(err, -ENOENT, "no debug key '%c'; 'h' lists them in the log", *key) : 0;
}

static void add_hypercall(void *arg, const struct xa_hcall_stat *s)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", s->name, *s->op ? "." : "", s->op);
	add_uint(arg, name, s->count);
}

static int cmd_stats(struct vmm *vm, json_object *req, json_object *rep, struct dom_err *err)
{
	json_object *exits = json_object_new_object(), *hypercalls = json_object_new_object();

	(void)req;
	(void)err;
	for (unsigned reason = 0; reason < VMM_EXIT_REASONS; reason++) {
		uint64_t count = vmm_stats_exits_by(vm, reason);

		if (count)
			add_uint(exits, vmm_exit_name(reason), count);
	}
	xa_stats(vm->dom, add_hypercall, hypercalls);
	json_object_object_add(rep, "exits", exits);
	json_object_object_add(rep, "hypercalls", hypercalls);
	return 0;
}

const struct vmm_ctl_handler vmm_ctl_handlers[] = {
	{ "status",    cmd_status },
	{ "pause",     cmd_pause },
	{ "unpause",   cmd_unpause },
	{ "destroy",   cmd_destroy, .after = vmm_destroy },
	{ "vcpus",     cmd_vcpus },
	{ "vcpu-pin",  cmd_vcpu_pin },
	{ "console",   cmd_console },
	{ "devices",   cmd_devices },
	{ "give-files", cmd_give_files },
	{ "dump-core", cmd_dump_core },
	{ "dump-status", cmd_dump_status },
	{ "trigger",   cmd_trigger },
	{ "debug-key", cmd_debug_key },
	{ "stats",     cmd_stats },
	{ NULL }
};
