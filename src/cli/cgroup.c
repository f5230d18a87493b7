// SPDX-License-Identifier: MIT
/*
 * A cgroup (v2) per domain: what weight and cap of Xen's credit schedulers become.
 *
 *   weight w   cpu.weight = w * 100 / 256, from 1 to 10000
 *   cap c      cpu.max    = c % of 100 ms; 0: no limit
 *
 * Where: below $DOMICILE_CGROUP; else below the cgroup of the unit that xl runs in, when that is a
 * domicile@ unit (they are delegated); else below domicile.slice, when the host has one. Where
 * there is none of these, domains run in the cgroup of whoever started them, and setting weight or
 * cap says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "js.h"
#include "life.h"

#define ROOT "/sys/fs/cgroup"

static int write_file(const char *dir, const char *name, const char *text)
{
	char path[DOM_PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd DOM_CLEANUP_FD = dom_open(path, O_WRONLY | (getenv("DOMICILE_CGROUP") ? O_CREAT : 0), 0644);

	return fd < 0 ? fd : dom_write_all(fd, text, strlen(text));
}

/* Path, below ROOT, of the cgroup that this process is in. */
static bool own_cgroup(char *buf, size_t size)
{
	return xl_proc_line("/proc/self/cgroup", "0:", buf, size) && buf[0] == '/';
}

/* The directory that domains' cgroups are made in; false when there is none. */
static bool base_dir(char buf[DOM_PATH_MAX])
{
	const char *env = getenv("DOMICILE_CGROUP");
	char own[DOM_PATH_MAX / 2];

	if (env && *env)
		return snprintf(buf, DOM_PATH_MAX, "%s", env) < DOM_PATH_MAX;
	if (access(ROOT "/cgroup.controllers", F_OK))
		return false;
	if (own_cgroup(own, sizeof(own)) && strstr(own, "/domicile@")) {
		char *cut = strstr(strstr(own, "/domicile@") + 1, "/");

		if (cut)
			*cut = '\0';
		snprintf(buf, DOM_PATH_MAX, ROOT "%s", own);
		return true;
	}
	snprintf(buf, DOM_PATH_MAX, ROOT "/domicile.slice");
	return !access(buf, W_OK);
}

static bool domain_dir(unsigned domid, char buf[DOM_PATH_MAX + 32])
{
	char base[DOM_PATH_MAX];

	if (!base_dir(base))
		return false;
	snprintf(buf, DOM_PATH_MAX + 32, "%s/domain-%u", base, domid);
	return true;
}

int xl_cgroup_set(unsigned domid, unsigned weight, unsigned cap)
{
	char dir[DOM_PATH_MAX + 32], text[64];
	unsigned w = weight * 100 / 256;
	int err;

	if (!domain_dir(domid, dir) || access(dir, F_OK))
		return -ENOTSUP;
	snprintf(text, sizeof(text), "%u", w < 1 ? 1 : w > 10000 ? 10000 : w);
	err = write_file(dir, "cpu.weight", text);
	if (cap)
		snprintf(text, sizeof(text), "%u 100000", cap * 1000);
	else
		snprintf(text, sizeof(text), "max 100000");
	return err ? err : write_file(dir, "cpu.max", text);
}

int xl_cgroup_make(struct xl_life *l)
{
	char base[DOM_PATH_MAX], dir[DOM_PATH_MAX + 32], monitor[DOM_PATH_MAX + 32];
	int64_t weight = xl_js_int(l->json, "b_info/sched_params/weight", 256);
	int64_t cap = xl_js_int(l->json, "b_info/sched_params/cap", 0);
	int err;

	if (!base_dir(base) || !domain_dir(l->domid, dir))
		return 0;
	/* A cgroup with children may hold no process: move this one aside in a unit's cgroup. */
	if (strstr(base, "/domicile@")) {
		snprintf(monitor, sizeof(monitor), "%s/monitor", base);
		if (!mkdir(monitor, 0755) || errno == EEXIST)
			write_file(monitor, "cgroup.procs", "0");
	}
	write_file(base, "cgroup.subtree_control", "+cpu");
	if (mkdir(dir, 0755) && errno != EEXIST)
		return dom_err_set(&l->err, -errno, "%s: cannot be made: %s", dir, strerror(errno));
	err = xl_cgroup_set(l->domid, (unsigned)weight, (unsigned)cap);
	/* No cpu controller here: only a weight or cap that was asked for is worth an error. */
	if (err && (weight != 256 || cap)) {
		rmdir(dir);
		return dom_err_set(&l->err, err, "%s: weight and cap cannot be set: %s", dir,
				   strerror(-err));
	}
	return 0;
}

void xl_cgroup_enter(unsigned domid)
{
	char dir[DOM_PATH_MAX + 32];

	/* Staying outside is no reason not to run. */
	if (domain_dir(domid, dir))
		write_file(dir, "cgroup.procs", "0");
}

void xl_cgroup_remove(unsigned domid)
{
	char dir[DOM_PATH_MAX + 32];
	static const char *const files[] = { "cpu.weight", "cpu.max", "cgroup.procs" };

	if (!domain_dir(domid, dir))
		return;
	if (rmdir(dir) && errno == ENOTEMPTY && getenv("DOMICILE_CGROUP")) {
		/* Not a real cgroup: its files are ours. */
		for (size_t i = 0; i < DOM_ARRAY_LEN(files); i++) {
			char path[DOM_PATH_MAX + 64];

			snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
			unlink(path);
		}
		rmdir(dir);
	}
}
