// SPDX-License-Identifier: MIT
/*
 * Kernels that have been decompressed once. An entry is a file of the cache's directory:
 *
 *	0	struct entry_header, padded to a page
 *	4096	the ELF kernel up to the last byte that is loaded; gaps are holes
 *
 * Finding one: the file name is a hash of the payload's size and its first and last bytes, which
 * costs nothing. What counts is in the header: a keyed hash (hash.c) over the whole compressed
 * payload, which the image at hand must have, and another over the content, which is checked while
 * the content is read into guest RAM. The ELF head has a hash of its own, because it decides where
 * the rest goes and must be trusted before anything is written.
 *
 * Hashing all of both files is most of the work of a start, so it is done only when one of them may
 * have changed since it was last done: the header keeps the image's stamp (inode, size, times), and
 * the entry's own mtime is set to a value that the header knows and any later write destroys.
 *
 * A damaged entry is removed and the kernel decoded again; the decoder then writes to the very same
 * places, so nothing of it survives. The payload's hash for a new entry is taken from the bytes the
 * decoder read, not from a second look at the file. No failure here is an error: it costs time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "impl.h"

#define ENTRY_MAGIC "DOMKERN2"
#define DEFAULT_BYTES (512ull << 20)

enum { DEFAULT_ENTRIES = 8, DATA = 4096, SAMPLE = 4096 };

/* Written and read by the same build on the same host: native byte order, no other width. */
struct entry_header {
	char magic[8];
	uint8_t key[HASH_KEY];		/* of the three hashes */
	uint64_t payload_len;
	uint64_t content_len;		/* bytes behind DATA */
	uint64_t head_len;		/* of these the ELF head */
	struct boot_stamp source;	/* the image when its payload last had the right hash */
	uint64_t verified;		/* our mtime, ns, since the content last had the right hash */
	struct boot_hash_value payload, head, content;
	struct boot_hash_value header;	/* of all fields above */
};

static uint64_t ns_of(struct timespec ts)
{
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct boot_stamp stamp_of(const struct stat *st)
{
	return (struct boot_stamp){ st->st_dev, st->st_ino, (uint64_t)st->st_size,
				    ns_of(st->st_mtim), ns_of(st->st_ctim) };
}

/* Name the entry after the payload's size, first and last bytes. */
static int name_entry(struct boot_cache *c, const struct boot_src *src)
{
	static const uint8_t key[HASH_KEY] = "names need no secret, and a short key of letters will do";
	uint64_t len = src->end - src->pos;
	size_t n = len < SAMPLE ? (size_t)len : SAMPLE;
	struct boot_hash *h = boot_hash_new(key);
	int r = h ? boot_pread(src->fd, src->buf, n, src->pos) : -ENOMEM;

	if (!r) {
		boot_hash_add(h, &len, sizeof(len));
		boot_hash_add(h, src->buf, n);
		r = boot_pread(src->fd, src->buf, n, src->end - n);
	}
	if (!r) {
		boot_hash_add(h, src->buf, n);
		snprintf(c->name, sizeof(c->name), "%016" PRIx64 CACHE_SUFFIX,
			 boot_hash_get(h).w[0]);
	}
	boot_hash_free(h);
	return r;
}

/* boot_cache_init - open the cache for the payload of @src; c->dir is -1 if there is none */
void boot_cache_init(struct boot_cache *c, const struct boot_opts *opts,
		     const struct boot_src *src)
{
	const char *dir = opts ? opts->cache_dir : NULL;
	struct stat st = { 0 };
	char path[4096];

	*c = (struct boot_cache){
		.dir = -1,
		.max_bytes = opts && opts->cache_bytes ? opts->cache_bytes : DEFAULT_BYTES,
		.max_entries = opts && opts->cache_entries ? opts->cache_entries : DEFAULT_ENTRIES,
	};
	if (!dir && !boot_cache_default_dir(path, sizeof(path)))
		dir = path;
	if (!dir || !*dir || fstat(src->fd, &st) || name_entry(c, src))
		return;
	c->source = stamp_of(&st);
	if (getrandom(c->key, sizeof(c->key), GRND_NONBLOCK) != (ssize_t)sizeof(c->key))
		return;
	c->hash = boot_hash_new(c->key);
	if (c->hash)
		c->dir = boot_cache_open_dir(dir);
	if (c->dir < 0)
		c->dir = -1;
}

void boot_cache_fini(struct boot_cache *c)
{
	dom_close_fd(&c->dir);
	boot_hash_free(c->hash);
	c->hash = NULL;
}

static struct boot_hash_value hash_header(struct boot_hash *h, const struct entry_header *eh)
{
	boot_hash_reset(h);
	boot_hash_add(h, eh, offsetof(struct entry_header, header));
	return boot_hash_get(h);
}

/* Hash @len bytes of a file at @off through @src's buffer. */
static int hash_file(struct boot_hash *h, int fd, uint64_t off, uint64_t len,
		     const struct boot_src *src, struct boot_hash_value *ret)
{
	boot_hash_reset(h);
	while (len) {
		size_t n = len < SRC_BUF ? (size_t)len : SRC_BUF;
		int r = boot_pread(fd, src->buf, n, off);

		if (r)
			return r;
		boot_hash_add(h, src->buf, n);
		off += n;
		len -= n;
	}
	*ret = boot_hash_get(h);
	return 0;
}

/*
 * Is the entry ours, whole, and made from the payload of @src? Allocates @ret_hash if so; @ret_known
 * says that neither file has changed since both were last hashed.
 */
static int check_entry(int fd, const struct boot_cache *c, const struct boot_src *src,
		       struct entry_header *eh, struct boot_hash **ret_hash, bool *ret_known)
{
	uint64_t payload_len = src->end - src->pos;
	struct boot_hash_value v;
	struct boot_hash *h;
	struct stat st;
	int r;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	r = boot_pread(fd, eh, sizeof(*eh), 0);
	if (r)
		return r;
	if (memcmp(eh->magic, ENTRY_MAGIC, sizeof(eh->magic)) || eh->payload_len != payload_len ||
	    eh->content_len > IMAGE_MAX || eh->head_len > eh->content_len ||
	    (uint64_t)st.st_size != DATA + eh->content_len)
		return -EBADMSG;
	h = boot_hash_new(eh->key);
	if (!h)
		return -ENOMEM;
	r = -EBADMSG;
	if (boot_hash_equal(hash_header(h, eh), eh->header) &&
	    !hash_file(h, fd, DATA, eh->head_len, src, &v) && boot_hash_equal(v, eh->head)) {
		*ret_known = ns_of(st.st_mtim) == eh->verified &&
			     !memcmp(&eh->source, &c->source, sizeof(c->source));
		r = 0;
	}
	if (!r && !*ret_known &&
	    (hash_file(h, src->fd, src->pos, payload_len, src, &v) ||
	     !boot_hash_equal(v, eh->payload)))
		r = -EBADMSG;
	if (!r) {
		boot_hash_reset(h);
		*ret_hash = h;
		return 0;
	}
	boot_hash_free(h);
	return r;
}

static int pwrite_all(int fd, const uint8_t *data, size_t len, uint64_t off)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Write the header, and note that the image and all of the entry have just had the right hashes. */
static int write_header(int fd, const struct boot_cache *c, struct boot_hash *h,
			struct entry_header *eh)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW } };
	int r;

	clock_gettime(CLOCK_REALTIME, &times[1]);
	eh->source = c->source;
	eh->verified = ns_of(times[1]);
	eh->header = hash_header(h, eh);
	r = pwrite_all(fd, (const uint8_t *)eh, sizeof(*eh), 0);
	return r ? r : futimens(fd, times) ? -errno : 0;
}

/* Eviction goes by last use; the mtime means something else. */
static void touch(int fd)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };

	futimens(fd, times);
}

/*
 * boot_cache_load - load the kernel of @src's payload from the cache
 *
 * Returns 0 when it is in guest RAM. Otherwise the kernel must be decoded, with a new sink: -ENOENT
 * when this one has not been touched, any other error when it has.
 */
int boot_cache_load(struct boot_cache *c, const struct boot_src *src, struct boot_sink *sink)
{
	struct boot_hash *h DOM_CLEANUP_FREE = NULL;
	struct entry_header eh;
	int fd DOM_CLEANUP_FD = -1;
	bool known = false;
	int r;

	if (c->dir < 0)
		return -ENOENT;
	fd = openat(c->dir, c->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || check_entry(fd, c, src, &eh, &h, &known))
		return -ENOENT;
	sink->limit = eh.content_len;
	r = boot_raw_copy(fd, DATA, sink, known ? NULL : h, NULL);
	if (!r && !known && !boot_hash_equal(boot_hash_get(h), eh.content))
		r = -EBADMSG;
	if (!r)
		r = boot_sink_finish(sink, NULL);
	if (r == -EBADMSG || r == -ENOEXEC || r == -EIO)
		unlinkat(c->dir, c->name, 0);
	else if (!r && (known || write_header(fd, c, h, &eh)))
		touch(fd);
	/* Anything else is not the entry's fault: the guest's memory may be too small for it. */
	return r;
}

/*
 * Write what the sink holds, in the order in which boot_raw_copy() will read and hash it: the head,
 * then each byte that a piece wants. Walks the sink once more, as if the file came again.
 */
static int write_content(int fd, struct boot_sink *sink, struct boot_hash *h,
			 struct entry_header *eh)
{
	uint64_t gap;

	boot_hash_reset(h);
	boot_hash_add(h, sink->head, sink->head_len);
	eh->head = boot_hash_get(h);
	sink->pos = sink->head_len;
	if (pwrite_all(fd, sink->head, sink->head_len, DATA))
		return -EIO;
	while ((gap = boot_sink_gap(sink)) != UINT64_MAX) {
		uint8_t *data;
		size_t len;

		sink->pos += gap;
		data = boot_sink_next(sink, &len);
		len = DOM_MIN(len, (size_t)SINK_CHUNK);
		if (pwrite_all(fd, data, len, DATA + sink->pos))
			return -EIO;
		boot_hash_add(h, data, len);
		sink->pos += len;
	}
	eh->content = boot_hash_get(h);
	return ftruncate(fd, (off_t)(DATA + eh->content_len)) ? -errno : 0;
}

/* boot_cache_store - keep the kernel that @sink has just decoded from all of @src */
void boot_cache_store(struct boot_cache *c, const struct boot_src *src, struct boot_sink *sink)
{
	struct entry_header eh = {
		.magic = ENTRY_MAGIC,
		.content_len = sink->need_end,
		.payload_len = src->hashed,
		.head_len = sink->head_len,
	};
	char tmp[40];
	int fd DOM_CLEANUP_FD = -1;

	if (c->dir < 0 || sink->need_end < sink->head_len || sink->need_end > c->max_bytes)
		return;
	memcpy(eh.key, c->key, sizeof(eh.key));
	eh.payload = boot_hash_get(c->hash);
	snprintf(tmp, sizeof(tmp), "%d" CACHE_TMP, (int)getpid());
	fd = openat(c->dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (write_content(fd, sink, c->hash, &eh))
		goto fail;
	if (write_header(fd, c, c->hash, &eh) ||
	    renameat(c->dir, tmp, c->dir, c->name))
		goto fail;
	boot_cache_evict(c->dir, c->max_bytes, c->max_entries);
	return;
fail:
	unlinkat(c->dir, tmp, 0);
}
