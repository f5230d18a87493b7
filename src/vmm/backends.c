// SPDX-License-Identifier: MIT
/*
 * The back ends of the devices that the store describes (disks and so on, pvb.h), and the files that
 * they work on.
 *
 * What is described when the machine is built is opened then, by path, before confinement. Later no
 * path means anything to this process: whoever attaches a device opens what it needs and sends the
 * descriptors over the control socket (command give-files) under the path that the store will name.
 * They wait here until the back end asks for that path. Those of a network interface have the name
 * "net/IFNAME". An interface whose host side went away is asked for over the ready pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "domicile/base/fd.h"
#include "domicile/base/passt.h"
#include "domicile/base/sock.h"
#include "domicile/pvb.h"
#include "domicile/xsc.h"
#include "vmm.h"

#define CLOSE_NS 2000000000ull	/* how long a kept guest's devices may take to close */

/* Files that were given and not yet asked for. The oldest goes when there are too many. */

static void drop_file(struct vmm_files *files, unsigned i)
{
	dom_close_fd(&files->file[i].fd);
	free(files->file[i].name);
	files->count--;
	memmove(&files->file[i], &files->file[i + 1], (files->count - i) * sizeof(files->file[0]));
}

int vmm_files_give(struct vmm_files *files, const char *name, struct vmm_fds *fds)
{
	for (unsigned i = files->count; i-- > 0;) {
		if (!strcmp(files->file[i].name, name))
			drop_file(files, i);
	}
	while (fds->count) {
		char *copy = strdup(name);

		if (!copy)
			return -ENOMEM;
		if (files->count == VMM_MAX_FILES)
			drop_file(files, 0);
		files->file[files->count++] = (struct vmm_file){ copy, fds->fd[--fds->count] };
	}
	return 0;
}

/* A socket has no mode. */
static bool opened_as(int fd, int flags)
{
	const int mask = O_ACCMODE | O_DIRECT;
	struct stat st;

	return (fcntl(fd, F_GETFL) & mask) == (flags & mask) ||
	       (!fstat(fd, &st) && S_ISSOCK(st.st_mode));
}

int vmm_files_take(struct vmm_files *files, const char *name, int flags)
{
	for (unsigned i = 0; i < files->count; i++) {
		int fd = files->file[i].fd;

		if (strcmp(files->file[i].name, name) || !opened_as(fd, flags))
			continue;
		files->file[i].fd = -1;
		drop_file(files, i);
		return fd;
	}
	return -ENOENT;
}

void vmm_fds_close(struct vmm_fds *fds)
{
	while (fds->count)
		close(fds->fd[--fds->count]);
}

static int open_file(void *arg, const char *path, int flags)
{
	struct vmm *vm = arg;
	int fd = vmm_files_take(&vm->files, path, flags);

	/* Its path may be in the store before it is given: a hotplug script has written it. */
	if (fd < 0 && vm->confined)
		return -EAGAIN;
	return fd >= 0 ? fd : dom_open_any(path, flags);
}

static bool ask_server(void *arg, unsigned id)
{
	struct vmm *vm = arg;

	return vmm_ready_disk(&vm->cfg, id);
}

/* Under which name descriptors for an interface are given, all its queues alike. */
static void net_name(const char *ifname, char buf[32])
{
	snprintf(buf, 32, "net/%.16s", ifname);
}

static int open_net(void *arg, const char *ifname, const char *passt, unsigned queue)
{
	struct vmm *vm = arg;
	struct dom_err err = { 0 };
	char name[32];
	int fd, r;

	net_name(ifname, name);
	fd = vmm_files_take(&vm->files, name, O_RDWR);
	/* The back end asks again and again. */
	if (fd < 0 && vm->confined && !queue)
		vmm_ready_link(&vm->cfg, ifname);
	if (fd >= 0 || vm->confined || (passt && queue))
		return fd;
	if (!passt)
		return pvb_tap_open(ifname);
	r = dom_passt_start(passt, &fd, &err);
	if (r)
		dom_log(&vm->log, DOM_LOG_ERROR, "interface %s: %s", ifname, err.msg);
	return r ? r : fd;
}

static void on_gone(void *arg)
{
	struct vmm *vm = arg;

	vm->backends_closing = false;
}

int vmm_backends_start(struct vmm *vm, struct dom_err *err)
{
	const char *where = vm->cfg.xenstore;
	struct pvb_config cfg = {
		.loop = vm->loop,
		.domain = vm->dom,
		.domid = vm->cfg.domid,
		.log = &vm->log,
		.open = open_file,
		.ask_server = ask_server,
		.open_net = open_net,
		.gone = on_gone,
		.arg = vm,
	};
	int r;

	if (!vm->store)
		return vm->cfg.nr_devices ? dom_err_set(err, -EINVAL,
			"devices need the store: they do not go with --xenstore none") : 0;
	/* The domain is in the store by now, so that the daemon runs. */
	r = xsc_open(&cfg.xs, strcmp(where, "auto") ? where : NULL, err);
	return r ? r : pvb_new(&cfg, &vm->backends, err);
}

void vmm_backends_stop(struct vmm *vm)
{
	vm->backends_closing |= vm->backends != NULL;
	pvb_free(vm->backends);
	vm->backends = NULL;
	while (vm->files.count)
		drop_file(&vm->files, 0);
}

void vmm_backends_close(struct vmm *vm)
{
	uint64_t deadline = ev_now() + CLOSE_NS;

	vmm_backends_stop(vm);
	while (vm->backends_closing && ev_now() < deadline) {
		if (ev_loop_turn(vm->loop, deadline) < 0)
			return;
	}
}
