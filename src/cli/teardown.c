// SPDX-License-Identifier: MIT
/*
 * Taking a domain away. Whoever sees its end does it: the monitor, `xl destroy`, or a creation that
 * failed. The store part is one transaction, and only the process whose transaction found the
 * domain there goes on with the host's part, so that two at once do it once.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "blkdev.h"
#include "js.h"
#include "life.h"
#include "netdev.h"
#include "process.h"

#define REMOVE_TRIES 3		/* connections to the store */
#define DESTROY_MS 10000	/* how long a VMM may take to end before it is killed */

/* Remove the files of a directory, and then itself; there are no directories inside. */
static void remove_dir(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
}

/* What is missing needs no removing. */
static int rm(struct xl *xl, xsc_tx tx, const char *path)
{
	int err = xsc_rm(xl->xs, tx, path);

	return err == -ENOENT ? 0 : err;
}

/* Remove /local/domain/0/backend/KIND/domid of all kinds, and a kind without devices. */
static int remove_backends(struct xl *xl, xsc_tx tx, unsigned domid)
{
	char **kinds DOM_CLEANUP_FREE = NULL, path[DOM_PATH_MAX], want[16];
	unsigned count = 0;

	if (xsc_directory(xl->xs, tx, "/local/domain/0/backend", &kinds, &count))
		return 0;
	snprintf(want, sizeof(want), "%u", domid);
	for (unsigned i = 0; i < count; i++) {
		char **ids DOM_CLEANUP_FREE = NULL;
		unsigned n = 0;
		bool here = false;

		snprintf(path, sizeof(path), "/local/domain/0/backend/%s", kinds[i]);
		if (xsc_directory(xl->xs, tx, path, &ids, &n))
			continue;
		for (unsigned j = 0; j < n; j++)
			here = here || !strcmp(ids[j], want);
		if (!here)
			continue;
		if (n > 1)
			snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", kinds[i], domid);
		if (rm(xl, tx, path))
			return -EIO;
	}
	return 0;
}

/*
 * In a transaction: is this the domain that is meant? Then remove its nodes. *ret_gone tells that
 * somebody else did: what is removed then was written by a maker who had not noticed.
 */
static int remove_nodes(struct xl *xl, xsc_tx tx, unsigned domid, const char *uuid, bool *ret_gone)
{
	char path[DOM_PATH_MAX], index[XL_NAME_PATH_MAX], token[37];
	char *vm DOM_CLEANUP_FREE = NULL, *name DOM_CLEANUP_FREE = NULL, *home DOM_CLEANUP_FREE = NULL;
	int err;

	/* Only the store's word that it is missing counts, no other failure. */
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	err = xsc_read(xl->xs, tx, path, &home, NULL);
	*ret_gone = err == -ENOENT;
	if (err && !*ret_gone)
		return err;
	err = 0;
	vm = xl_read(xl, tx, "/local/domain/%u/vm", domid);
	name = xl_read(xl, tx, "/local/domain/%u/name", domid);
	if (vm && (strncmp(vm, "/vm/", 4) || strcmp(vm + 4, uuid)))
		return -ENOENT;
	if (name && !xl_name_path(name, index, sizeof(index)) &&
	    xl_index_read(xl, tx, index, token) == domid)
		err = rm(xl, tx, index);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	if (!err)
		err = rm(xl, tx, path);
	if (!err)
		err = remove_backends(xl, tx, domid);
	snprintf(path, sizeof(path), "/vm/%s", uuid);
	if (!err)
		err = rm(xl, tx, path);
	snprintf(path, sizeof(path), "/libxl/%u", domid);
	return err ? err : rm(xl, tx, path);
}

/* One attempt. *committing tells that it got as far as asking for the commit. */
static int try_remove(struct xl *xl, unsigned domid, const char *uuid, bool *committing)
{
	bool gone = false;
	xsc_tx tx;
	int err;

	if (!xl_store(xl))
		return -ENOTCONN;
	err = xsc_transaction_start(xl->xs, &tx);
	if (err)
		return err;
	err = remove_nodes(xl, tx, domid, uuid, &gone);
	if (err) {
		xsc_transaction_end(xl->xs, tx, true);
		return err;
	}
	*committing = *committing || !gone;
	err = xsc_transaction_end(xl->xs, tx, false);
	return err ? err : gone ? -ENOENT : 0;
}

/*
 * Nodes must not be left because a connection broke, so there is more than one attempt. A commit
 * whose answer was lost may have happened: finding nothing after that means that we did it.
 */
static int remove_from_store(struct xl *xl, unsigned domid, const char *uuid)
{
	bool committing = false;
	int err = -EAGAIN;

	for (unsigned broken = 0; broken < REMOVE_TRIES && err && err != -ENOENT; ) {
		err = try_remove(xl, domid, uuid, &committing);
		if (!err || err == -ENOENT || err == -EAGAIN)
			continue;
		broken++;
		xsc_close(xl->xs);
		xl->xs = NULL;
	}
	return err == -ENOENT && committing ? 0 : err;
}

/* Is @path a socket, and nobody listens there? A successor of the domain may. */
static bool is_dead_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd DOM_CLEANUP_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path) || lstat(path, &st) ||
	    !S_ISSOCK(st.st_mode))
		return false;
	strcpy(addr.sun_path, path);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) && errno == ECONNREFUSED;
}

/* The sockets of channels, which their VMM, being confined, leaves behind. */
static void remove_channels(struct json_object *json)
{
	struct json_object *list = xl_js_get(json, "channels");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const char *path = xl_js_str(json_object_array_get_idx(list, i),
					     "connection.socket/path", "");

		if (is_dead_socket(path))
			unlink(path);
	}
}

int xl_domain_remove(struct xl *xl, unsigned domid, const char *uuid)
{
	char dir[DOM_PATH_MAX];
	struct json_object *json = xl_config_load(xl, domid);
	int err;

	/* Scripts look into the store, so before it is cleaned. */
	if (json)
		xl_blkdevs_down(xl, domid, json);
	if (json)
		xl_netdevs_offline(xl, domid, json);
	err = remove_from_store(xl, domid, uuid);

	/* -ENOENT: somebody else has done it. Without a store the host's part remains. */
	if (err != -ENOENT) {
		/*
		 * A VMM that came up meanwhile: one that listens already is told here, one that will
		 * listen is found out by its monitor, since its nodes are gone.
		 */
		xl_ctl(xl, domid, "destroy", NULL, NULL, NULL);
		if (json)
			xl_netdevs_down(domid, json);
		if (json)
			remove_channels(json);
		xl_cgroup_remove(xl, domid);
		if (!dom_path_domain(xl->rundir, domid, "", dir))
			remove_dir(dir);
	}
	json_object_put(json);
	return err;
}

/* Is the directory still that of the domain @uuid, or of none any more? */
static bool dir_is_of(struct xl *xl, unsigned domid, const char *uuid)
{
	struct json_object *json = xl_config_load(xl, domid);
	bool same = !json || !strcmp(xl_js_str(json, "c_info/uuid", ""), uuid);

	json_object_put(json);
	return same;
}

int xl_life_remove(struct xl_life *l)
{
	char dir[DOM_PATH_MAX];
	int err = xl_domain_remove(l->xl, l->domid, l->uuid);

	/* Who removed the domain meanwhile may have met us in there, or not yet. */
	if (*l->cgroup)
		xl_cgroup_remove_dir(l->cgroup);
	if (!dom_path_domain(l->xl->rundir, l->domid, "", dir) && dir_is_of(l->xl, l->domid, l->uuid))
		remove_dir(dir);
	return err;
}

/* A descriptor of the VMM's process, -1 when it is gone. Its command line names the directory. */
static int open_vmm(struct xl *xl, unsigned domid)
{
	char path[DOM_PATH_MAX], want[DOM_PATH_MAX];

	if (dom_path_domain(xl->rundir, domid, XL_FILE_PID, path) ||
	    dom_path_domain(xl->rundir, domid, DOM_FILE_DOMCFG, want))
		return -1;
	return xl_process_open(path, want);
}

/* Give a process @ms to end, then kill it. It need not be our child. */
static void wait_for_end(int pidfd, int ms)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	if (poll(&fd, 1, ms) == 1)
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	poll(&fd, 1, DESTROY_MS);
}

/* Wait until somebody else has removed the directory of a domain. */
static void wait_for_removal(const char *dir)
{
	for (int i = 0; i < 100 && !access(dir, F_OK); i++)
		usleep(10000);
}

int xl_domain_destroy(struct xl *xl, unsigned domid, struct dom_err *err)
{
	char uuid[37], dir[DOM_PATH_MAX];
	int pidfd DOM_CLEANUP_FD = -1, code;

	if (!xl_domain_exists(xl, domid))
		return dom_err_set(err, -ESRCH, "Domain %u:Non-existant domain", domid);
	xl_domain_uuid(xl, domid, uuid);
	pidfd = open_vmm(xl, domid);
	code = xl_ctl(xl, domid, "destroy", NULL, NULL, err);
	if (pidfd >= 0)
		wait_for_end(pidfd, code ? 0 : DESTROY_MS);
	code = xl_domain_remove(xl, domid, uuid);
	if (code == -ENOENT && !dom_path_domain(xl->rundir, domid, "", dir))
		wait_for_removal(dir);
	else if (code)
		return dom_err_set(err, code, "domain %u cannot be removed from the store: %s", domid,
				   strerror(-code));
	return 0;
}
