// SPDX-License-Identifier: MIT
/*
 * Counters, printed when the guest has ended (--stats) and by the control socket: exits from
 * KVM_RUN by reason, hypercalls by operation. One "name value" per line, for people and scripts.
 */
#include <inttypes.h>
#include <stdio.h>

#include "domicile/base/once.h"
#include "vmm.h"

static void print_hypercall(void *arg, const struct xa_hcall_stat *s)
{
	dprintf(*(int *)arg, "hypercall %s%s%s %" PRIu64 "\n", s->name, *s->op ? "." : "", s->op,
		s->count);
}

uint64_t vmm_stats_exits_by(const struct vmm *vm, unsigned reason)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < vm->cfg.vcpus; i++)
		total += DOM_LOAD(&vm->vcpus[i].exits[reason]);
	return total;
}

uint64_t vmm_stats_exits(const struct vmm *vm)
{
	uint64_t total = 0;

	for (unsigned reason = 0; reason < VMM_EXIT_REASONS; reason++)
		total += vmm_stats_exits_by(vm, reason);
	for (unsigned i = 0; i < vm->cfg.vcpus; i++)
		total += DOM_LOAD(&vm->vcpus[i].exits_interrupted);
	return total;
}

void vmm_stats_print(struct vmm *vm, int fd)
{
	uint64_t hypercalls = 0, interrupted = 0;

	dprintf(fd, "accel %s\n", vm->accel->name);
	dprintf(fd, "engine %s\n", ev_loop_engine(vm->loop));
	dprintf(fd, "first-instruction-us %" PRIu64 "\n",
		(vm->first_run_ns - vm->start_ns) / 1000);
	for (unsigned reason = 0; reason < VMM_EXIT_REASONS; reason++) {
		uint64_t count = vmm_stats_exits_by(vm, reason);

		if (count)
			dprintf(fd, "exit %s %" PRIu64 "\n", vmm_exit_name(reason), count);
	}
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		hypercalls += vm->vcpus[i].exits_hypercall;
		interrupted += vm->vcpus[i].exits_interrupted;
	}
	dprintf(fd, "exit interrupted %" PRIu64 "\n", interrupted);
	dprintf(fd, "userspace-exits %" PRIu64 "\n", vmm_stats_exits(vm));
	dprintf(fd, "hypercalls %" PRIu64 "\n", hypercalls);
	xa_stats(vm->dom, print_hypercall, &fd);
}
