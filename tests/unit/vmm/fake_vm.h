// SPDX-License-Identifier: MIT
/*
 * A domain without KVM: configuration, vCPUs that have no threads, a real event loop and a real
 * xenabi domain. For tests of what is asked about a domain rather than of running one.
 */
#ifndef FAKE_VM_H
#define FAKE_VM_H

#include <stdlib.h>
#include <string.h>

#include "vmm/vmm.h"

static inline void fake_vm_init(struct vmm *vm, unsigned vcpus)
{
	struct xa_config cfg = {
		.domid = 7,
		.max_vcpus = vcpus,
		.tot_pages = 8192,
		.max_pages = 8192,
		.max_grant_frames = 4,
		.max_evtchn = 1024,
		.cmdline = "",
		.platform = &vmm_platform,
		.platform_ctx = vm,
	};

	*vm = (struct vmm){
		.cfg = { .name = "fake", .domid = 7, .memory_mib = 32, .vcpus = vcpus,
			 .vcpus_online = vcpus, .console = "none", .xenstore = "none",
			 .ready_fd = -1 },
		.log = { .fd = -1 },
		.kvm_fd = -1, .vm_fd = -1, .stop_fd = -1, .console_fd = -1, .store_fd = -1,
		.watchdog_fd = -1, .signal_fd = -1, .task_fd = -1, .landlock_fd = -1, .mem.memfd = -1,
		.accel = &vmm_accel_plain, .outcome = VMM_RUNNING,
	};
	vm->vcpus = calloc(vcpus, sizeof(*vm->vcpus));
	for (unsigned i = 0; i < vcpus; i++) {
		struct vmm_vcpu *v = &vm->vcpus[i];

		v->vmm = vm;
		v->id = i;
		v->fd = v->timer_fd = v->wait_fd = v->stat_fd = -1;
		v->run = calloc(1, sizeof(*v->run));
		pthread_mutex_init(&v->lock, NULL);
		pthread_mutex_init(&v->tick.lock, NULL);
		pthread_cond_init(&v->cond, NULL);
	}
	if (ev_loop_new(NULL, &vm->loop, NULL) || xa_domain_new(&cfg, &vm->dom, NULL) ||
	    vmm_dump_init(vm, NULL))
		abort();
	for (unsigned i = 0; i < vcpus; i++)
		vm->vcpus[i].xa = xa_domain_vcpu(vm->dom, i);
}

static inline void fake_vm_fini(struct vmm *vm)
{
	vmm_dump_fini(vm);
	ev_loop_free(vm->loop);
	xa_domain_free(vm->dom);
	for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
		free(vm->vcpus[i].run);
		pthread_mutex_destroy(&vm->vcpus[i].lock);
		pthread_cond_destroy(&vm->vcpus[i].cond);
	}
	free(vm->vcpus);
}

#endif
