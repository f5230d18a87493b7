// SPDX-License-Identifier: MIT
/*
 * dump-core, and the cores of on_* = coredump-destroy and coredump-restart. The VMM, which is
 * confined, gets an open file and writes to it while its guest is stopped; we ask how far it is.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/paths.h"

#include "cmds.h"
#include "dump.h"
#include "js.h"
#include "life.h"

#define FIRST_LOOK_MS 10	/* at a dump in progress; then less and less often */
#define LOOK_MS 250

/* Wait until the dump has ended, one way or the other. */
static int wait_for_dump(struct xl *xl, unsigned domid, const struct xl_dump *d,
			 struct dom_err *err)
{
	int ms = FIRST_LOOK_MS;

	for (;;) {
		struct pollfd wake = { .fd = d->wake_fd, .events = POLLIN };
		struct json_object *rep;
		const char *state;
		int r, code = xl_ctl(xl, domid, "dump-status", NULL, &rep, err);

		if (code)
			return code;
		state = xl_js_str(rep, "state", "");
		r = !strcmp(state, "running") ? 1 : !strcmp(state, "done") ? 0 :
			dom_err_set(err, -EIO, "%s", xl_js_str(rep, "error", "its VMM knows of no dump"));
		if (r <= 0 || (d->step && !d->step(d->arg, (uint64_t)xl_js_int(rep, "done_kb", 0),
						   (uint64_t)xl_js_int(rep, "total_kb", 0)))) {
			json_object_put(rep);
			return r <= 0 ? r : dom_err_set(err, -EINTR, "interrupted");
		}
		json_object_put(rep);
		poll(&wake, 1, ms);
		ms = DOM_MIN(ms * 2, LOOK_MS);
	}
}

/* The file, open, and whether it is new. */
static int open_core(const char *path, bool *ret_new, struct dom_err *err)
{
	int fd = dom_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	*ret_new = fd >= 0;
	if (fd == -EEXIST)
		fd = dom_open(path, O_RDWR, 0);
	return fd < 0 ? dom_err_set(err, fd, "%s: %s", path, strerror(-fd)) : fd;
}

int xl_dump_core(struct xl *xl, unsigned domid, const struct xl_dump *d, struct dom_err *err)
{
	bool new;
	int fd DOM_CLEANUP_FD = open_core(d->path, &new, err);
	int r = fd < 0 ? fd : xl_ctl_with(xl, domid, "dump-core", NULL, &fd, 1, err);

	if (!r)
		r = wait_for_dump(xl, domid, d, err);
	if (r && fd >= 0 && new)
		unlink(d->path);
	return r;
}

/* Make @dir and what leads to it. */
static int make_dirs(char *dir)
{
	for (char *p = dir + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(dir, 0755);
		*p = '/';
	}
	return mkdir(dir, 0700) && errno != EEXIST ? -errno : 0;
}

int xl_dump_path(const char *name, char *buf, size_t size, struct dom_err *err)
{
	char dir[DOM_PATH_MAX], *p;
	int r = dom_path_dir(DOM_DIR_DUMP, dir);

	if (!r)
		r = make_dirs(dir);
	if (r)
		return dom_err_set(err, r, "directory for core dumps %s: %s", dir, strerror(-r));
	r = dom_path_fits(snprintf(buf, size, "%s/%s", dir, name), size);
	for (p = buf + strlen(dir) + 1; !r && *p; p++)
		*p = *p == '/' ? '_' : *p;
	return r;
}

/* With -t, how far it is, in one line that is written over. */
static bool show_progress(void *arg, uint64_t done, uint64_t total)
{
	const struct xl *xl = arg;

	if (xl->progress && total)
		fprintf(stderr, "\rdumping core: %3u%%", (unsigned)(done * 100 / total));
	return true;
}

int cmd_dump_core(struct xl *xl, struct xl_args *a)
{
	struct xl_dump d = { .path = a->argv[1], .step = show_progress, .arg = xl, .wake_fd = -1 };
	struct dom_err err = { 0 };
	unsigned domid;
	int r;

	if (xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	if (!domid) {
		xl_error(xl, "domain 0 is the host, whose memory is not dumped");
		fprintf(stderr, "core dump failed (rc=-6)\n");
		return XL_FAIL;
	}
	r = xl_dump_core(xl, domid, &d, &err);
	if (xl->progress)
		fprintf(stderr, r ? "\n" : "\rdumping core: 100%%\n");
	if (!r)
		return XL_OK;
	xl_error(xl, "%s", err.msg);
	fprintf(stderr, "core dump failed (rc=-3)\n");
	return XL_FAIL;
}
