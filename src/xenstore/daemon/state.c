// SPDX-License-Identifier: MIT
/*
 * The state file: what survives the process. Format: domicile-xenstored-state(5).
 *
 * A header and then records, each one change. Files are mapped, and a change is copied there before
 * its reply is sent: the pages belong to the kernel, so they survive kill -9 without a single
 * system call. The header's length moves when a change, or a whole transaction, is complete; what
 * is behind it does not exist.
 *
 * There are two files, one in use: when it has grown, a snapshot is written to the other, and they
 * change roles by the epoch in their headers. Nothing is renamed: after the start the daemon needs
 * no path.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "domicile/base/fd.h"
#include "xsd.h"

/* --- recording --- */

int xsd_state_reserve(struct xsd *s, size_t bytes)
{
	struct xsd_file *f = &s->state.file[s->state.cur];

	if (!s->state.on || s->recovering || f->used + bytes <= f->size)
		return 0;
	return xsd_file_grow(f, f->used + bytes) ? -ENOSPC : 0;
}

void xsd_state_put_raw(struct xsd *s, const void *recs, size_t len)
{
	struct xsd_file *f = &s->state.file[s->state.cur];

	if (!s->state.on || s->recovering || !len)
		return;
	memcpy(f->map + f->used, recs, len);
	f->used += len;
	xsd_file_publish(f);
}

void xsd_state_put(struct xsd *s, const struct xsd_rec_args *a)
{
	struct xsd_file *f = &s->state.file[s->state.cur];

	if (!s->state.on || s->recovering)
		return;
	xsd_rec_put(f->map + f->used, a);
	f->used += xsd_rec_size(a);
	xsd_file_publish(f);
}

void xsd_state_put_dom(struct xsd *s, const struct xsd_dom *d)
{
	struct xsd_rec_dom r;
	struct xsd_rec_args a = xsd_rec_dom(d, &r);

	xsd_state_put(s, &a);
}

/* --- start and stop --- */

static void boot_id(char *buf, size_t size)
{
	int fd DOM_CLEANUP_FD = dom_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0);

	memset(buf, 0, size);
	if (fd < 0 || dom_read_all(fd, buf, size - 1) < 0)
		buf[0] = 0;
}

int xsd_state_open(struct xsd *s, const char *dir, struct dom_err *err)
{
	for (int i = 0; i < 2; i++) {
		char path[300];
		int fd;

		snprintf(path, sizeof(path), "%s/state.%d", dir, i);
		/* In a sticky directory not even root may "create" what is there and another's. */
		fd = dom_open(path, O_RDWR | O_NOFOLLOW, 0);
		if (fd == -ENOENT)
			fd = dom_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
		if (fd < 0)
			return dom_err_set(err, fd, "cannot open state file %s: %s", path,
					   strerror(-fd));
		s->state.file[i].fd = fd;
		if (i == 0 && flock(fd, LOCK_EX | LOCK_NB))
			return dom_err_set(err, -errno, "another xenstored uses %s", dir);
	}
	return 0;
}

int xsd_state_load(struct xsd *s, const char *dir, struct dom_err *err)
{
	struct xsd_state *st = &s->state;
	uint64_t epoch[2];
	int ret;

	boot_id(st->boot, sizeof(st->boot));
	for (int i = 0; i < 2; i++)
		epoch[i] = xsd_file_epoch(s, &st->file[i]);
	st->cur = epoch[1] > epoch[0];
	st->epoch = epoch[st->cur];
	if (st->epoch) {
		struct xsd_file *f = &st->file[st->cur];

		s->recovering = true;
		ret = xsd_state_replay(s, f->map + XSD_FILE_HEADER,
				       f->used - XSD_FILE_HEADER);
		s->recovering = false;
		if (ret)
			return dom_err_set(err, ret, "state file %s/state.%u is damaged; remove it to start with an empty store",
					   dir, st->cur);
		dom_log(&s->log, DOM_LOG_INFO, "store recovered from %s/state.%u", dir, st->cur);
	}
	/* Generations of before must not be met again. */
	s->gen.gen += (st->epoch + 1) << 32;
	/* Continue in a fresh snapshot, so that what was replayed is not replayed again. */
	xsd_file_empty(&st->file[!st->cur]);
	ret = xsd_snapshot_now(s);
	if (ret)
		return dom_err_set(err, ret, "no space for the state file in %s", dir);
	st->on = true;
	return 0;
}

void xsd_state_close(struct xsd *s)
{
	if (s->state.snap)
		xsd_snapshot_end(s);
	for (int i = 0; i < 2; i++) {
		struct xsd_file *f = &s->state.file[i];

		if (f->map)
			munmap(f->map, f->size);
		dom_close_fd(&f->fd);
		f->map = NULL;
	}
	s->state.on = false;
}
