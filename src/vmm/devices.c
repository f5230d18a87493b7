// SPDX-License-Identifier: MIT
/*
 * The two rings that every domain has from its first instruction: console and store. Their event
 * ports exist before the guest runs and are told by HVM parameters.
 *   ABI: xen/include/public/hvm/params.h
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "domicile/base/fd.h"
#include "domicile/pvb.h"
#include "domicile/xa_guest.h"
#include "xenabi/hvm.h"
#include "vmm.h"

int vmm_devices_fds(struct vmm *vm, struct dom_err *err)
{
	vm->console_fd = eventfd(0, EFD_CLOEXEC);
	vm->store_fd = eventfd(0, EFD_CLOEXEC);
	if (vm->console_fd < 0 || vm->store_fd < 0)
		return dom_err_set(err, -errno, "eventfd: %s", strerror(errno));
	return 0;
}

void vmm_devices_close_fds(struct vmm *vm)
{
	dom_close_fd(&vm->console_fd);
	dom_close_fd(&vm->store_fd);
}

static int make_ring(struct vmm *vm, uint64_t gfn, int eventfd_, unsigned pfn_param,
		     unsigned port_param, struct pvb_ring *ret, struct dom_err *err)
{
	evtchn_port_t port;
	int r = xa_evtchn_alloc_backend(vm->dom, eventfd_, &port);

	if (r)
		return dom_err_set(err, r, "no event channel for a ring: %s", strerror(-r));
	xa_hvm_param_set(vm->dom, pfn_param, gfn);
	xa_hvm_param_set(vm->dom, port_param, port);
	*ret = (struct pvb_ring){ .gfn = { gfn }, .port = port, .eventfd = eventfd_ };
	return 0;
}

static void on_quit(void *arg)
{
	vmm_destroy(arg);
}

static int start_console(struct vmm *vm, const struct pvb_ring *ring, struct dom_err *err)
{
	const char *where = vm->cfg.console;
	struct pvb_console_config cfg = {
		.loop = vm->loop,
		.domain = vm->dom,
		.domid = vm->cfg.domid,
		.ring = *ring,
		.log = &vm->log,
		.log_path = vm->cfg.console_log,
		.in_fd = -1,
		.out_fd = -1,
		.quit = on_quit,
		.quit_arg = vm,
	};
	int r;

	if (!strcmp(where, "stdio")) {
		cfg.stdio = true;
		cfg.in_fd = STDIN_FILENO;
		cfg.out_fd = STDOUT_FILENO;
	} else if (!strcmp(where, "pty")) {
		cfg.pty = true;
	} else if (strcmp(where, "none")) {
		cfg.log_path = where;
	}
	r = pvb_console_new(&cfg, &vm->console, err);
	if (!r && cfg.pty)
		dom_log(&vm->log, DOM_LOG_INFO, "console on %s", pvb_console_pty(vm->console));
	return r;
}

int vmm_devices_start(struct vmm *vm, struct dom_err *err)
{
	struct pvb_ring console, store = { 0 };
	int r = 0;

	/*
	 * Port 1 is the store's and 2 the console's, as libxl allocates them. A guest that finds no
	 * store ring does without; one that nobody answers on would wait for ever.
	 */
	if (vm->store)
		r = make_ring(vm, vm->store_gfn, vm->store_fd, HVM_PARAM_STORE_PFN,
			      HVM_PARAM_STORE_EVTCHN, &store, err);
	if (!r)
		r = make_ring(vm, vm->console_gfn, vm->console_fd, HVM_PARAM_CONSOLE_PFN,
			      HVM_PARAM_CONSOLE_EVTCHN, &console, err);
	if (!r)
		r = start_console(vm, &console, err);
	if (!r)
		r = vmm_store_attach(vm, &store, &console, err);
	return r;
}

void vmm_devices_stop(struct vmm *vm)
{
	vmm_store_detach(vm);
	pvb_console_free(vm->console);
	vm->console = NULL;
}

bool vmm_devices_drain(struct vmm *vm)
{
	bool first = !vm->console || pvb_console_drain(vm->console);
	bool others = !vm->backends || pvb_drain(vm->backends);

	return first && others;
}

void vmm_emergency_console(struct vmm *vm, const char *data, size_t len)
{
	if (vm->console)
		pvb_console_print(vm->console, data, len);
}
