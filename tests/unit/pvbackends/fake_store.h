// SPDX-License-Identifier: MIT
/*
 * A store in the test itself, behind the functions of xsc.h that back ends use. Include once per
 * program. What the toolstack and the guest do is done with fs_set() and fs_rm().
 */
#ifndef FAKE_STORE_H
#define FAKE_STORE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "domicile/base/cc.h"
#include "domicile/xsc.h"

#define FS_MAX 4096

struct fs_pair {
	char *a, *b;		/* path and value, or path and token */
};

struct xsc {
	struct fs_pair nodes[FS_MAX], watches[FS_MAX], events[FS_MAX];
	unsigned nnodes, nwatches, nevents;
	struct fs_pair last;	/* event handed out */
	int fd;
	bool down;		/* the daemon is away */
	uint64_t calls;		/* requests made by the back ends */
};

static inline struct xsc *fs_new(void)
{
	struct xsc *fs = calloc(1, sizeof(*fs));

	if (!fs)
		abort();
	fs->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fs;
}

static inline void fs_drop(struct fs_pair *list, unsigned *n, unsigned i)
{
	free(list[i].a);
	free(list[i].b);
	--*n;
	memmove(&list[i], &list[i + 1], (*n - i) * sizeof(*list));
}

static inline void fs_free(struct xsc *fs)
{
	while (fs->nnodes)
		fs_drop(fs->nodes, &fs->nnodes, 0);
	while (fs->nwatches)
		fs_drop(fs->watches, &fs->nwatches, 0);
	while (fs->nevents)
		fs_drop(fs->events, &fs->nevents, 0);
	free(fs->last.a);
	free(fs->last.b);
	close(fs->fd);
	free(fs);
}

static inline void fs_queue(struct xsc *fs, const char *path, const char *token)
{
	uint64_t one = 1;

	if (fs->nevents == FS_MAX)
		abort();
	fs->events[fs->nevents++] = (struct fs_pair){ strdup(path), strdup(token) };
	if (write(fs->fd, &one, 8) != 8)
		abort();
}

static inline bool fs_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}

static inline void fs_fire(struct xsc *fs, const char *path, bool removed)
{
	for (unsigned i = 0; i < fs->nwatches; i++) {
		if (fs_below(path, fs->watches[i].a))
			fs_queue(fs, path, fs->watches[i].b);
		else if (removed && fs_below(fs->watches[i].a, path))
			fs_queue(fs, fs->watches[i].a, fs->watches[i].b);
	}
}

static inline const char *fs_get(struct xsc *fs, const char *path)
{
	for (unsigned i = 0; i < fs->nnodes; i++)
		if (!strcmp(fs->nodes[i].a, path))
			return fs->nodes[i].b;
	return NULL;
}

static inline void fs_set(struct xsc *fs, const char *path, const char *value)
{
	for (unsigned i = 0; i < fs->nnodes; i++)
		if (!strcmp(fs->nodes[i].a, path))
			fs_drop(fs->nodes, &fs->nnodes, i--);
	if (fs->nnodes == FS_MAX)
		abort();
	fs->nodes[fs->nnodes++] = (struct fs_pair){ strdup(path), strdup(value) };
	fs_fire(fs, path, false);
}

static inline void fs_rm(struct xsc *fs, const char *path)
{
	for (unsigned i = 0; i < fs->nnodes; i++)
		if (fs_below(fs->nodes[i].a, path))
			fs_drop(fs->nodes, &fs->nnodes, i--);
	fs_fire(fs, path, true);
}

static inline int fs_begin(struct xsc *fs)
{
	fs->calls++;
	return fs->down ? -ECONNRESET : 0;
}

int xsc_read(struct xsc *fs, xsc_tx tx DOM_UNUSED, const char *path, char **ret_value, size_t *ret_len)
{
	const char *v = fs_get(fs, path);

	if (fs_begin(fs))
		return -ECONNRESET;
	if (!v)
		return -ENOENT;
	*ret_value = strdup(v);
	if (ret_len)
		*ret_len = strlen(v);
	return 0;
}

int xsc_write(struct xsc *fs, xsc_tx tx DOM_UNUSED, const char *path, const void *value, size_t len)
{
	char *v = strndup(value, len);

	if (fs_begin(fs)) {
		free(v);
		return -ECONNRESET;
	}
	fs_set(fs, path, v);
	free(v);
	return 0;
}

int xsc_directory(struct xsc *fs, xsc_tx tx DOM_UNUSED, const char *path, char ***ret_names,
		  unsigned *ret_count)
{
	size_t n = strlen(path);
	char **names = calloc(1, FS_MAX * sizeof(*names) + 65536), *text = (char *)(names + FS_MAX);
	unsigned count = 0;

	if (!names || fs_begin(fs)) {
		free(names);
		return -ECONNRESET;
	}
	for (unsigned i = 0; i < fs->nnodes; i++) {
		const char *name = fs->nodes[i].a + n + 1;
		size_t len;
		bool seen = false;

		if (!fs_below(fs->nodes[i].a, path) || !fs->nodes[i].a[n])
			continue;
		len = strcspn(name, "/");
		for (unsigned k = 0; k < count; k++)
			seen |= strlen(names[k]) == len && !strncmp(names[k], name, len);
		if (seen)
			continue;
		names[count++] = text;
		memcpy(text, name, len);
		text += len + 1;
	}
	if (!count) {
		free(names);
		return -ENOENT;
	}
	*ret_names = names;
	*ret_count = count;
	return 0;
}

int xsc_watch(struct xsc *fs, const char *path, const char *token)
{
	if (fs_begin(fs))
		return -ECONNRESET;
	for (unsigned i = 0; i < fs->nwatches; i++)
		if (!strcmp(fs->watches[i].a, path) && !strcmp(fs->watches[i].b, token))
			return -EEXIST;
	fs->watches[fs->nwatches++] = (struct fs_pair){ strdup(path), strdup(token) };
	fs_queue(fs, path, token);
	return 0;
}

int xsc_unwatch(struct xsc *fs, const char *path, const char *token)
{
	if (fs_begin(fs))
		return -ECONNRESET;
	for (unsigned i = 0; i < fs->nwatches; i++)
		if (!strcmp(fs->watches[i].a, path) && !strcmp(fs->watches[i].b, token)) {
			fs_drop(fs->watches, &fs->nwatches, i);
			return 0;
		}
	return -ENOENT;
}

int xsc_next_event(struct xsc *fs, int timeout_ms DOM_UNUSED, struct xsc_event *ret)
{
	uint64_t count;

	if (fs->down)
		return -ECONNRESET;
	if (!fs->nevents) {
		(void)!read(fs->fd, &count, 8);
		return -EAGAIN;
	}
	free(fs->last.a);
	free(fs->last.b);
	fs->last = fs->events[0];
	fs->nevents--;
	memmove(fs->events, fs->events + 1, fs->nevents * sizeof(fs->events[0]));
	*ret = (struct xsc_event){ fs->last.a, fs->last.b };
	return 0;
}

int xsc_dispatch(struct xsc *fs)
{
	return fs->down ? -ECONNRESET : (int)fs->nevents;
}

int xsc_fd(const struct xsc *fs)
{
	return fs->down ? -1 : fs->fd;
}

int xsc_reconnect(struct xsc *fs)
{
	if (fs->down)
		return -ECONNREFUSED;
	for (unsigned i = 0; i < fs->nwatches; i++)
		fs_queue(fs, fs->watches[i].a, fs->watches[i].b);
	return 0;
}

int xsc_transaction_start(struct xsc *fs, xsc_tx *ret_tx)
{
	*ret_tx = 1;
	return fs_begin(fs);
}

int xsc_transaction_end(struct xsc *fs, xsc_tx tx DOM_UNUSED, bool abort_it DOM_UNUSED)
{
	return fs_begin(fs);
}

/* The test owns the store and frees it with fs_free(). */
void xsc_close(struct xsc *fs)
{
	while (fs->nwatches)
		fs_drop(fs->watches, &fs->nwatches, 0);
}

#endif
