// SPDX-License-Identifier: MIT
/*
 * A cgroup (v2) per domain: what weight and cap of Xen's credit schedulers become.
 *
 *   weight w   cpu.weight = w * 100 / 256, from 1 to 10000
 *   cap c      cpu.max    = c % of 100 ms; 0: no limit
 *
 * Where: below $DOMICILE_CGROUP; else below the cgroup of the unit that xl runs in, when that is one of
 * ours (they are delegated); else below domicile-domains.service or domicile.slice, when the host has
 * one. Where there is none of these, domains run in the cgroup of whoever started them, and setting
 * weight or cap says so.
 *
 * Only the domain's maker knows which it was: a link in the domain's directory tells the others.
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

/* Path, below ROOT, of the cgroup that this process is in, unless it is outside of our namespace. */
static bool own_cgroup(char *buf, size_t size)
{
	return xl_proc_line("/proc/self/cgroup", "0:", buf, size) && buf[0] == '/' &&
	       !strstr(buf, "/..");
}

/* Delegated units that xl may run in, and where their names begin in the path of a cgroup. */
static const char *const units[] = { "/domicile@", "/domicile-domains.service" };

/* The directory of the unit that this process runs in; false when it is none of ours. */
static bool unit_dir(char buf[DOM_PATH_MAX])
{
	char own[DOM_PATH_MAX / 2];

	if (!own_cgroup(own, sizeof(own)))
		return false;
	for (size_t i = 0; i < DOM_ARRAY_LEN(units); i++) {
		char *unit = strstr(own, units[i]), *below = unit ? strchr(unit + 1, '/') : NULL;

		if (!unit)
			continue;
		if (below)
			*below = '\0';
		snprintf(buf, DOM_PATH_MAX, ROOT "%s", own);
		return true;
	}
	return false;
}

/* The directory that new domains' cgroups are made in; false when there is none. */
static bool base_dir(char buf[DOM_PATH_MAX])
{
	static const char *const others[] = { ROOT "/domicile.slice/domicile-domains.service",
					      ROOT "/domicile.slice" };
	const char *env = getenv("DOMICILE_CGROUP");

	if (env && *env)
		return snprintf(buf, DOM_PATH_MAX, "%s", env) < DOM_PATH_MAX;
	if (access(ROOT "/cgroup.controllers", F_OK))
		return false;
	if (unit_dir(buf))
		return true;
	for (size_t i = 0; i < DOM_ARRAY_LEN(others); i++) {
		strcpy(buf, others[i]);
		if (!access(buf, W_OK))
			return true;
	}
	return false;
}

/* The directory of a domain's cgroup; false when it has none. */
static bool domain_dir(struct xl *xl, unsigned domid, char buf[DOM_PATH_MAX + 32])
{
	char link[DOM_PATH_MAX];
	ssize_t n;

	if (dom_path_domain(xl->rundir, domid, XL_FILE_CGROUP, link))
		return false;
	n = readlink(link, buf, DOM_PATH_MAX + 31);
	buf[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

int xl_cgroup_set(struct xl *xl, unsigned domid, unsigned weight, unsigned cap)
{
	char dir[DOM_PATH_MAX + 32], text[64];
	unsigned w = weight * 100 / 256;
	int err;

	if (!domain_dir(xl, domid, dir))
		return -ENOTSUP;
	snprintf(text, sizeof(text), "%u", w < 1 ? 1 : w > 10000 ? 10000 : w);
	err = write_file(dir, "cpu.weight", text);
	if (cap)
		snprintf(text, sizeof(text), "%u 100000", cap * 1000);
	else
		snprintf(text, sizeof(text), "max 100000");
	return err ? err : write_file(dir, "cpu.max", text);
}

/* Make the directory; first the link to it, so that it can be found and removed at any time. */
static int make_dir(struct xl_life *l, const char *base, const char *dir)
{
	char link[DOM_PATH_MAX], monitor[DOM_PATH_MAX + 32], own[DOM_PATH_MAX];

	/* A cgroup with children may hold no process: move this one aside in its unit's. */
	if (unit_dir(own) && !strcmp(own, base)) {
		snprintf(monitor, sizeof(monitor), "%s/monitor", base);
		if (!mkdir(monitor, 0755) || errno == EEXIST)
			write_file(monitor, "cgroup.procs", "0");
	}
	write_file(base, "cgroup.subtree_control", "+cpu");
	if (dom_path_domain(l->xl->rundir, l->domid, XL_FILE_CGROUP, link) || symlink(dir, link))
		return dom_err_set(&l->err, -errno, "the link to cgroup %s cannot be made: %s", dir,
				   strerror(errno));
	if (mkdir(dir, 0755) && errno != EEXIST)
		return dom_err_set(&l->err, -errno, "%s: cannot be made: %s", dir, strerror(errno));
	return 0;
}

int xl_cgroup_make(struct xl_life *l)
{
	char base[DOM_PATH_MAX];
	int64_t weight = xl_js_int(l->json, "b_info/sched_params/weight", 256);
	int64_t cap = xl_js_int(l->json, "b_info/sched_params/cap", 0);
	int err;

	if (!base_dir(base))
		return 0;
	snprintf(l->cgroup, sizeof(l->cgroup), "%s/domain-%u", base, l->domid);
	err = make_dir(l, base, l->cgroup);
	if (err)
		return err;
	err = xl_cgroup_set(l->xl, l->domid, (unsigned)weight, (unsigned)cap);
	/* No cpu controller here: only a weight or cap that was asked for is worth an error. */
	if (err && (weight != 256 || cap)) {
		xl_cgroup_remove_dir(l->cgroup);
		return dom_err_set(&l->err, err, "%s: weight and cap cannot be set: %s", l->cgroup,
				   err == -ENOENT ? "the cpu controller is not enabled there" :
				   strerror(-err));
	}
	return 0;
}

void xl_cgroup_enter(struct xl *xl, unsigned domid)
{
	char dir[DOM_PATH_MAX + 32];

	/* Staying outside is no reason not to run. */
	if (domain_dir(xl, domid, dir))
		write_file(dir, "cgroup.procs", "0");
}

void xl_cgroup_remove_dir(const char *dir)
{
	static const char *const files[] = { "cpu.weight", "cpu.max", "cgroup.procs" };

	if (rmdir(dir) && errno == ENOTEMPTY && getenv("DOMICILE_CGROUP")) {
		/* Not a real cgroup: its files are ours. */
		for (size_t i = 0; i < DOM_ARRAY_LEN(files); i++) {
			char path[DOM_PATH_MAX * 2];

			snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
			unlink(path);
		}
		rmdir(dir);
	}
}

void xl_cgroup_remove(struct xl *xl, unsigned domid)
{
	char dir[DOM_PATH_MAX + 32];

	if (domain_dir(xl, domid, dir))
		xl_cgroup_remove_dir(dir);
}
