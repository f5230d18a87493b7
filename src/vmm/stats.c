// SPDX-License-Identifier: MIT
/*
 * Counters, printed when the guest has ended (--stats) and by the control socket: exits from
 * KVM_RUN by reason, hypercalls by operation. One "name value" per line, for people and scripts.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "domicile/base/once.h"
#include "vmm.h"

/* Not dprintf: it looks at the file first, and loses its buffer when the reader is gone. */
bool vmm_print(int fd, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = DOM_MIN(n, (int)sizeof(line) - 1);
	/* Whoever reads this may be gone; that is no error of the guest's. */
	return n > 0 && write(fd, line, (size_t)n) == n;
}

static void print_hypercall(void *arg, const struct xa_hcall_stat *s)
{
	vmm_print(*(int *)arg, "hypercall %s%s%s %" PRIu64 "\n", s->name, *s->op ? "." : "", s->op,
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
	uint64_t hypercalls = 0, interrupted = 0, taken = 0;

	vmm_print(fd, "accel %s\n", vm->accel->name);
	vmm_print(fd, "engine %s\n", ev_loop_engine(vm->loop));
	vmm_print(fd, "first-instruction-us %" PRIu64 "\n",
		(vm->first_run_ns - vm->start_ns) / 1000);
	for (unsigned reason = 0; reason < VMM_EXIT_REASONS; reason++) {
		uint64_t count = vmm_stats_exits_by(vm, reason);

		if (count)
			vmm_print(fd, "exit %s %" PRIu64 "\n", vmm_exit_name(reason), count);
	}
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		hypercalls += vm->vcpus[i].exits_hypercall;
		interrupted += vm->vcpus[i].exits_interrupted;
		taken += vm->vcpus[i].tick.taken;
	}
	vmm_print(fd, "exit interrupted %" PRIu64 "\n", interrupted);
	vmm_print(fd, "userspace-exits %" PRIu64 "\n", vmm_stats_exits(vm));
	vmm_print(fd, "hypercalls %" PRIu64 "\n", hypercalls);
	vmm_print(fd, "timers-without-exit %" PRIu64 "\n", taken);
	xa_stats(vm->dom, print_hypercall, &fd);
}
