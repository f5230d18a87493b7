// SPDX-License-Identifier: MIT
/*
 * Where things are at run time. One table for xl, the VMM and the units, so that no path is
 * spelled twice.
 *
 *   <rundir>                  0711  /run/domicile; $XDG_RUNTIME_DIR/domicile when not root;
 *                                   $DOMICILE_RUNDIR overrides both
 *   <rundir>/<domid>/         0700  one directory per domain, made and removed by xl
 *     domain.json             0600  what xl hands to the VMM (domcfg.h)
 *     config.json             0600  the domain in libxl's JSON form, for `xl list -l`
 *     ctl                     0600  control socket of the VMM (ctl.h), made by the VMM
 *     vmm.log                 0600  standard error of the VMM, opened by xl
 *   <logdir>                  0750  /var/log/domicile; <rundir>/log when not root;
 *                                   $DOMICILE_LOGDIR overrides both
 *     xl-NAME.log                   the domain's monitor, as /var/log/xen/xl-NAME.log of Xen
 *     console-NAME.log              what the guest wrote, when the console is logged
 *   <dumpdir>                 0700  /var/lib/xen/dump; <rundir>/dump when not root;
 *                                   $DOMICILE_DUMPDIR overrides both
 *     NAME                    0600  core of a domain with on_* = coredump-*
 *   <etcdir>                        /etc/domicile; $DOMICILE_ETCDIR overrides
 *     xl.conf                       xl.conf(5); /etc/xen/xl.conf is read when it is absent
 *     auto/                         configurations started at boot, as /etc/xen/auto
 */
#ifndef DOM_PATHS_H
#define DOM_PATHS_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DOM_PATH_MAX 512	/* bytes, terminator included, that hold every path built here */

/* Names inside the directory of a domain. */
#define DOM_FILE_DOMCFG "domain.json"
#define DOM_FILE_CONFIG "config.json"
#define DOM_FILE_CTL "ctl"
#define DOM_FILE_LOG "vmm.log"

enum dom_dir { DOM_DIR_RUN, DOM_DIR_LOG, DOM_DIR_ETC, DOM_DIR_DUMP };

/** dom_path_fits - 0 when snprintf's result @n fits a buffer of @size, -ENAMETOOLONG otherwise */
static inline int dom_path_fits(int n, size_t size)
{
	return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/**
 * dom_path_dir - the path of a directory of this host
 * @dir:  which one
 * @buf:  DOM_PATH_MAX bytes that receive the path
 *
 * Returns 0 or -ENAMETOOLONG. Reads the environment: call it before other threads run.
 */
static inline int dom_path_dir(enum dom_dir dir, char buf[DOM_PATH_MAX])
{
	static const struct {
		const char *env, *root, *below;
	} dirs[] = {
		[DOM_DIR_RUN] = { "DOMICILE_RUNDIR", "/run/domicile",     "" },
		[DOM_DIR_LOG] = { "DOMICILE_LOGDIR", "/var/log/domicile", "/log" },
		[DOM_DIR_ETC] = { "DOMICILE_ETCDIR", "/etc/domicile",     NULL },
		[DOM_DIR_DUMP] = { "DOMICILE_DUMPDIR", "/var/lib/xen/dump", "/dump" },
	};
	const char *own = getenv(dirs[dir].env);
	const char *run = getenv("DOMICILE_RUNDIR");
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (own && *own)
		return dom_path_fits(snprintf(buf, DOM_PATH_MAX, "%s", own), DOM_PATH_MAX);
	if (!dirs[dir].below || (geteuid() == 0 && !(run && *run)))
		return dom_path_fits(snprintf(buf, DOM_PATH_MAX, "%s", dirs[dir].root), DOM_PATH_MAX);
	if (run && *run)
		return dom_path_fits(snprintf(buf, DOM_PATH_MAX, "%s%s", run, dirs[dir].below),
				     DOM_PATH_MAX);
	if (xdg && *xdg)
		return dom_path_fits(snprintf(buf, DOM_PATH_MAX, "%s/domicile%s", xdg,
					      dirs[dir].below), DOM_PATH_MAX);
	return dom_path_fits(snprintf(buf, DOM_PATH_MAX, "/tmp/domicile-%u%s", geteuid(),
				      dirs[dir].below), DOM_PATH_MAX);
}

/**
 * dom_path_domain - the path of a file in the directory of domain @domid
 * @rundir:  what dom_path_dir(DOM_DIR_RUN) told
 * @file:    one of DOM_FILE_*, or "" for the directory itself (then with a trailing slash)
 * @buf:     DOM_PATH_MAX bytes that receive the path
 *
 * Returns 0 or -ENAMETOOLONG. Any thread.
 */
static inline int dom_path_domain(const char *rundir, unsigned domid, const char *file,
				  char buf[DOM_PATH_MAX])
{
	return dom_path_fits(snprintf(buf, DOM_PATH_MAX, "%s/%u/%s", rundir, domid, file),
			     DOM_PATH_MAX);
}

#endif
