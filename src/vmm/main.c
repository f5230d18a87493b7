// SPDX-License-Identifier: MIT
/*
 * domicile: runs one Xen guest. See domicile(8).
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "domicile/base/num.h"
#include "vmm.h"

/* When the process was started: by the parent's word if it measures, else now. */
static uint64_t start_time(void)
{
	const char *told = getenv("DOMICILE_START_NS");
	uint64_t ns;

	if (told && !dom_parse_u64(told, UINT64_MAX, &ns))
		return ns;
	return ev_now();
}

static void fail(const struct vmm_config *cfg, const struct dom_err *err)
{
	fprintf(stderr, "domicile: %s\n", err->msg);
	vmm_ready_error(cfg, err);
}

/* Descriptors that whoever started us left open by mistake are none of a guest's business. */
static void close_inherited(const struct vmm_config *cfg)
{
	unsigned ready = cfg->ready_fd < 0 ? STDERR_FILENO : (unsigned)cfg->ready_fd;

	if (cfg->sandbox == VMM_SANDBOX_OFF)
		return;
	if (ready > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, ready - 1, 0);
	close_range(DOM_MAX(ready, (unsigned)STDERR_FILENO) + 1, ~0u, 0);
}

static int run_once(struct vmm *vm)
{
	struct dom_err err = { 0 };
	int outcome = vmm_machine_run(vm, &err);

	if (outcome == VMM_FAILED)
		fail(&vm->cfg, &err);
	return outcome;
}

static int run(struct vmm *vm)
{
	int outcome;

	if (vm->cfg.reboot_restarts && vm->cfg.sandbox != VMM_SANDBOX_OFF)
		return vmm_supervise(vm, run_once);
	do {
		outcome = run_once(vm);
	} while (outcome == VMM_REBOOT && vm->cfg.reboot_restarts);
	return outcome;
}

int main(int argc, char **argv)
{
	struct vmm vm = { .kvm_fd = -1, .vm_fd = -1, .stop_fd = -1, .console_fd = -1, .store_fd = -1,
			  .watchdog_fd = -1, .signal_fd = -1, .task_fd = -1, .landlock_fd = -1,
			  .mem.memfd = -1, .start_ns = start_time() };
	struct dom_err err = { 0 };
	char name[32];
	int outcome;

	/* One arena: threads of ours hardly allocate, and each further arena costs memory. */
	mallopt(M_ARENA_MAX, 1);
	signal(SIGPIPE, SIG_IGN);
	if (vmm_config_parse(argc, argv, &vm.cfg, &err)) {
		fail(&vm.cfg, &err);
		/* Asked for rightly, but more than we can do, is a guest that cannot be run. */
		return err.code == -EOPNOTSUPP ? VMM_FAILED : VMM_USAGE;
	}
	if (vm.cfg.entries) {
		if (!vmm_print_entries(vm.cfg.entries, &err))
			return 0;
		fail(&vm.cfg, &err);
		return VMM_FAILED;
	}
	if (!vm.cfg.name) {
		snprintf(name, sizeof(name), "domicile-%d", getpid());
		vm.cfg.name = name;
	}
	vm.log = (struct dom_log){ STDERR_FILENO, vm.cfg.log_level, "domicile" };
	close_inherited(&vm.cfg);
	vmm_signals_block();
	outcome = run(&vm);
	vmm_config_fini(&vm.cfg);
	return outcome;
}
