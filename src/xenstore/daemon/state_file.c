// SPDX-License-Identifier: MIT
/*
 * One of the two state files: a header and then records, mapped. What is behind the header's length
 * does not exist.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domicile/base/num.h"
#include "domicile/base/once.h"
#include "xsd.h"

#define MAGIC "DOMXSST1"
#define VERSION 1u
#define FIRST_SIZE (64u << 10)
#define KEPT_SIZE (4u << 20)		/* space that the file not in use may hold on to */

struct header {
	char magic[8];
	uint32_t version;
	uint32_t size;		/* of this header */
	uint64_t epoch;		/* the file with the higher one counts */
	uint64_t used;		/* bytes valid, this header included; 0: file not complete */
	char boot[40];		/* boot id: a store does not outlive its host's domains */
	char reserved[56];
};
_Static_assert(sizeof(struct header) == XSD_FILE_HEADER, "state file header has another size");

int xsd_file_grow(struct xsd_file *f, size_t need)
{
	size_t size = f->size ? f->size : FIRST_SIZE;
	char *map;
	int err;

	/* In small steps: each is a pause for everybody. */
	while (size < need)
		size += DOM_MIN(size, (size_t)256 << 10);
	/* Reserve the space: a page that the file system cannot provide later would kill us. */
	do
		err = posix_fallocate(f->fd, 0, (off_t)size);
	while (err == EINTR);
	if (err)
		return -err;
	map = f->map ? mremap(f->map, f->size, size, MREMAP_MAYMOVE) :
		       mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (map == MAP_FAILED)
		return -ENOMEM;
	f->map = map;
	f->size = size;
	return 0;
}

int xsd_file_put(struct xsd_file *f, const struct xsd_rec_args *a)
{
	size_t size = xsd_rec_size(a);

	if (f->used + size > f->size && xsd_file_grow(f, f->used + size))
		return -ENOSPC;
	xsd_rec_put(f->map + f->used, a);
	f->used += size;
	return 0;
}

void xsd_file_publish(struct xsd_file *f)
{
	struct header *h = (struct header *)(void *)f->map;

	DOM_STORE_RELEASE(&h->used, f->used);
}

int xsd_file_begin(struct xsd *s, struct xsd_file *f)
{
	struct header h = { .magic = MAGIC, .version = VERSION, .size = sizeof(h),
		.epoch = s->state.epoch };
	int err = xsd_file_grow(f, FIRST_SIZE);

	if (err)
		return err;
	memcpy(h.boot, s->state.boot, sizeof(h.boot));
	memcpy(f->map, &h, sizeof(h));
	f->used = sizeof(h);
	return 0;
}

/*
 * What a file holds does not count any more. Its space is kept for the next snapshot, as having
 * pages cleared and mapped again costs more than all the copying; much space is given back.
 */
void xsd_file_empty(struct xsd_file *f)
{
	f->used = 0;
	if (f->map && f->size >= sizeof(struct header) && f->size <= KEPT_SIZE) {
		xsd_file_publish(f);
		return;
	}
	if (f->map)
		munmap(f->map, f->size);
	*f = (struct xsd_file){ .fd = f->fd };
	/* Should this fail, the file is stale, and its epoch says so. */
	if (f->fd >= 0 && ftruncate(f->fd, 0))
		return;
}

uint64_t xsd_file_epoch(const struct xsd *s, struct xsd_file *f)
{
	off_t size = lseek(f->fd, 0, SEEK_END);
	struct header h;

	if (size < (off_t)sizeof(h))
		return 0;
	f->map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->map == MAP_FAILED) {
		f->map = NULL;
		return 0;
	}
	f->size = (size_t)size;
	memcpy(&h, f->map, sizeof(h));
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) || h.version != VERSION ||
	    h.size != sizeof(h) || h.used < sizeof(h) || h.used > f->size ||
	    memcmp(h.boot, s->state.boot, sizeof(h.boot)))
		return 0;
	f->used = h.used;
	return h.epoch;
}
