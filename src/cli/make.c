// SPDX-License-Identifier: MIT
/*
 * Making a domain. Stages in order; when one fails, xl_domain_remove() takes away what the former
 * ones left, and the user gets one sentence. tests/cli/create_faults makes every system call fail
 * in turn and looks for leftovers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "blkdev.h"
#include "domain.h"
#include "js.h"
#include "life.h"
#include "netdev.h"
#include "spec.h"

void xl_life_init(struct xl_life *l, struct xl *xl, struct json_object *json, bool paused)
{
	int signal_fd = l->signal_fd;

	*l = (struct xl_life){
		.xl = xl, .json = json, .paused = paused, .ready_fd = -1, .signal_fd = signal_fd,
		.name = xl_js_str(json, "c_info/name", ""), .uuid = xl_js_str(json, "c_info/uuid", ""),
		.type = xl_js_str(json, "c_info/type", ""),
	};
}

static int check_file(struct xl_life *l, const char *what, const char *path)
{
	if (!path || !*path || !access(path, R_OK))
		return 0;
	return dom_err_set(&l->err, -errno, "%s \"%s\" of domain \"%s\" cannot be read: %s", what, path,
			   l->name, strerror(errno));
}

static int check_disks(struct xl_life *l)
{
	struct json_object *list = xl_js_get(l->json, "disks");
	size_t count = list ? json_object_array_length(list) : 0;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		struct json_object *disk = json_object_array_get_idx(list, i);
		const char *vdev = xl_js_str(disk, "vdev", "");

		err = xl_blkdev_check(disk, &l->err);
		for (size_t j = 0; j < i && !err; j++)
			if (!strcmp(vdev, xl_js_str(json_object_array_get_idx(list, j), "vdev", "")))
				err = dom_err_set(&l->err, -EEXIST, "two disks are called %s", vdev);
	}
	return err;
}

static int check_nics(struct xl_life *l)
{
	struct json_object *list = xl_js_get(l->json, "nics");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *nic = json_object_array_get_idx(list, i);
		int err = xl_netdev_check(nic, &l->err);

		if (err)
			return err;
	}
	return 0;
}

static int check_memory(struct xl_life *l)
{
	int64_t target = xl_js_int(l->json, "b_info/target_memkb", 0);
	struct xl_host host;

	xl_host_read(&host);
	if (target < 1024)
		return dom_err_set(&l->err, -EINVAL, "%lld KiB of memory are too little for a domain",
				   (long long)target);
	if (xl_js_defbool(l->json, "b_info/claim_mode", true) && (uint64_t)target > host.avail_kb)
		return dom_err_set(&l->err, -ENOMEM,
				   "domain \"%s\" needs %lld MiB of memory and the host has %llu MiB free",
				   l->name, (long long)target / 1024,
				   (unsigned long long)host.avail_kb / 1024);
	return 0;
}

/* Everything that can be said before anything is made. */
static int stage_check(struct xl_life *l)
{
	int64_t vcpus = xl_js_int(l->json, "b_info/max_vcpus", 1);
	int err;

	if (!*l->name || strlen(l->name) > XL_NAME_MAX)
		return dom_err_set(&l->err, -EINVAL, "a domain's name has from 1 to %d bytes", XL_NAME_MAX);
	if (vcpus < 1 || vcpus > DOM_CFG_VCPUS_MAX)
		return dom_err_set(&l->err, -EINVAL, "a domain can have from 1 to %d vCPUs, not %lld",
				   DOM_CFG_VCPUS_MAX, (long long)vcpus);
	err = check_file(l, "kernel", xl_js_str(l->json, "b_info/kernel", NULL));
	if (!err)
		err = check_file(l, "ramdisk", xl_js_str(l->json, "b_info/ramdisk", NULL));
	if (!err)
		err = check_disks(l);
	if (!err)
		err = check_nics(l);
	return err ? err : check_memory(l);
}

/* In a transaction: a free id, and the name if it is free. */
static int take_id(struct xl_life *l, xsc_tx tx, unsigned *ret_domid)
{
	struct xl *xl = l->xl;
	struct xsc_perm perms[2] = { { 0, XSC_PERM_NONE }, { 0, XSC_PERM_READ } };
	char path[XL_NAME_PATH_MAX], token[37];
	unsigned other, id;
	int err = xl_name_path(l->name, path, sizeof(path));

	if (err)
		return err;
	other = xl_index_read(xl, tx, path, token);
	if (other && !strcmp(token, l->token)) {
		*ret_domid = other;	/* a former attempt did commit, only its answer was lost */
		return 0;
	}
	if (!xl_domain_by_name_tx(xl, tx, l->name, &other))
		return dom_err_set(&l->err, -EEXIST, "Domain with name \"%s\" already exists.", l->name);
	id = (unsigned)xl_read_uint(xl, tx, 0, "/tool/domicile/last-domid");
	for (unsigned tries = 0; ; tries++) {
		char *dir DOM_CLEANUP_FREE = NULL;

		id = id >= DOM_CFG_DOMID_MAX ? 1 : id + 1;
		dir = xl_read(xl, tx, "/local/domain/%u", id);
		if (!dir)
			break;
		if (tries == DOM_CFG_DOMID_MAX)
			return dom_err_set(&l->err, -ENOSPC, "all %d domain ids are in use", DOM_CFG_DOMID_MAX);
	}
	perms[1].domid = (uint16_t)id;
	err = xsc_printf(xl->xs, tx, "/tool/domicile/last-domid", "%u", id);
	snprintf(path, sizeof(path), "/local/domain/%u", id);
	if (!err)
		err = xsc_mkdir(xl->xs, tx, path);
	if (!err)
		err = xsc_set_perms(xl->xs, tx, path, perms, 2);
	/* libxl's order: vm first. It is empty until the tree is written. */
	snprintf(path, sizeof(path), "/local/domain/%u/vm", id);
	if (!err)
		err = xsc_printf(xl->xs, tx, path, "/vm/%s", l->uuid);
	snprintf(path, sizeof(path), "/local/domain/%u/name", id);
	if (!err)
		err = xsc_write(xl->xs, tx, path, l->name, strlen(l->name));
	if (!err)
		err = xl_name_path(l->name, path, sizeof(path));
	if (!err)
		err = xsc_printf(xl->xs, tx, path, "%u %s", id, l->token);
	*ret_domid = id;
	return err;
}

/* What xen-init-dom0 writes at boot on Xen, once per store. */
static int describe_host(struct xl *xl)
{
	static const char *const nodes[][2] = {
		{ "/local/domain/0/domid", "0" },
		{ "/local/pool/0/name", "Pool-0" },
		{ "/local/domain/0/name", "Domain-0" },
	};
	char *name DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "/local/domain/0/name");
	int err = 0;

	for (size_t i = 0; !name && i < DOM_ARRAY_LEN(nodes) && !err; i++)
		err = xsc_printf(xl->xs, XSC_TX_NONE, nodes[i][0], "%s", nodes[i][1]);
	return err;
}

static int stage_register(struct xl_life *l)
{
	unsigned domid = 0, tries = 0;
	xsc_tx tx;
	int err = xl_store_start(l->xl, &l->err);

	if (err)
		return err;
	xl_uuid_random(l->token);
	err = describe_host(l->xl);
	if (err)
		return err;
	do {
		/* Others that create at the same moment: let them finish. */
		if (tries++)
			usleep((unsigned)getpid() % 997 * DOM_MIN(tries, 20u));
		err = xsc_transaction_start(l->xl->xs, &tx);
		if (!err) {
			err = take_id(l, tx, &domid);
			if (err)
				xsc_transaction_end(l->xl->xs, tx, true);
			else
				err = xsc_transaction_end(l->xl->xs, tx, false);
		}
	} while (err == -EAGAIN && tries < 1000);
	if (!err)
		l->domid = domid;
	else if (!l->err.code)
		dom_err_set(&l->err, err, "the store does not take domain \"%s\": %s", l->name, strerror(-err));
	return err;
}

/* A directory that is ours, made when missing. */
static int own_dir(struct xl_life *l, const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) && errno != EEXIST)
		return dom_err_set(&l->err, -errno, "directory %s cannot be made: %s", path, strerror(errno));
	if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return dom_err_set(&l->err, -EPERM, "%s is not a directory of user %u: remove it", path, geteuid());
	return 0;
}

static int stage_directory(struct xl_life *l)
{
	char path[DOM_PATH_MAX], log[DOM_PATH_MAX];
	int err = own_dir(l, l->xl->rundir, 0711);

	/* Without a log directory the monitor is silent, no more. */
	if (!err && !dom_path_dir(DOM_DIR_LOG, log))
		mkdir(log, 0750);
	if (!err)
		err = dom_path_domain(l->xl->rundir, l->domid, "", path);
	return err ? err : own_dir(l, path, 0700);
}

static int stage_files(struct xl_life *l)
{
	char path[DOM_PATH_MAX], dir[DOM_PATH_MAX];
	int err = xl_config_save(l->xl, l->domid, l->json);

	if (err)
		return dom_err_set(&l->err, err, "the configuration of domain %u cannot be stored: %s",
				   l->domid, strerror(-err));
	if (dom_path_domain(l->xl->rundir, l->domid, DOM_FILE_DOMCFG, path) ||
	    snprintf(dir, sizeof(dir), "%s/%u", l->xl->rundir, l->domid) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	return xl_domcfg_write(l, path, dir);
}

static const struct {
	const char *what;		/* for who wants to be told */
	int (*up)(struct xl_life *l);
} stages[] = {
	{ "check what the configuration names", stage_check },
	{ "register id and name",               stage_register },
	{ "make its directory",                 stage_directory },
	{ "write its description",              stage_files },
	{ "write its nodes in the store",       xl_layout_write },
	{ "prepare its disks",                  xl_blkdevs_up },
	{ "prepare its interfaces",             xl_netdevs_up },
	{ "make its cgroup",                    xl_cgroup_make },
};

void xl_life_unmake(struct xl_life *l)
{
	if (xl_life_remove(l) != -ENOENT)
		return;
	xl_blkdevs_down(l->xl, l->domid, l->json);
	xl_netdevs_down(l->domid, l->json);
	/* Scripts write into the store. */
	xl_life_remove(l);
}

int xl_life_make(struct xl_life *l)
{
	int err = 0;

	for (size_t i = 0; i < DOM_ARRAY_LEN(stages) && !err; i++) {
		xl_debug(l->xl, 1, "domain \"%s\": %s", l->name, stages[i].what);
		err = stages[i].up(l);
	}
	if (err && !l->err.code)
		dom_err_set(&l->err, err, "domain \"%s\" cannot be made: %s", l->name, strerror(-err));
	if (err && l->domid)
		xl_life_unmake(l);
	return err;
}
