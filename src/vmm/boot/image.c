// SPDX-License-Identifier: MIT
/*
 * A kernel file: what is it, and the way from there into guest RAM.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "domicile/base/fd.h"

#include "impl.h"

struct boot_image {
	const char *path;
	const char *format;
	int fd;
	const struct boot_codec *codec;	/* NULL for a bare ELF file */
	uint64_t payload, payload_len;	/* what codec decodes, in the file */
	uint64_t declared;		/* decoded size if the file tells, else 0 */
	struct boot_bzimage bz;		/* zeroes unless it is one */
};

/* The payload of a bzImage ends in its decoded size. */
static int open_bzimage(struct boot_image *img, const uint8_t *head, size_t len, uint64_t file_size,
			struct dom_err *err)
{
	uint8_t magic[8], size[4] = { 0 };
	struct dom_cur c = dom_cur_init(size, sizeof(size));
	int r = boot_bzimage_parse(head, len, file_size, img->path, &img->bz, err);

	if (r)
		return r;
	img->format = "bzImage";
	img->payload = img->bz.payload;
	img->payload_len = img->bz.payload_len;
	r = boot_pread(img->fd, magic, sizeof(magic), img->payload);
	if (!r)
		r = boot_pread(img->fd, size, sizeof(size), img->payload + img->payload_len - 4);
	if (r)
		return boot_src_error(img->path, r, err);
	if (!memcmp(magic, "\177ELF", 4))	/* CONFIG_KERNEL_UNCOMPRESSED */
		return 0;
	img->codec = boot_codec_find(magic, sizeof(magic));
	if (!img->codec)
		return dom_err_set(err, -ENOEXEC,
				   "%s: the kernel in this bzImage is corrupt or compressed in an unknown way; use zstd, xz, lz4, gzip or bzip2",
				   img->path);
	img->declared = dom_cur_u32(&c);
	if (!img->codec->trailer)
		img->payload_len -= sizeof(size);
	if (!img->declared || img->declared > IMAGE_MAX)
		return dom_err_set(err, -ENOEXEC,
				   "%s: corrupt: its kernel is said to have %" PRIu64 " bytes; install it again",
				   img->path, img->declared);
	return 0;
}

static int recognise(struct boot_image *img, struct dom_err *err)
{
	uint8_t head[BZIMAGE_HEAD] = { 0 };
	struct stat st;
	ssize_t n;
	int r = 0;

	if (fstat(img->fd, &st))
		return dom_err_set(err, -errno, "%s: %s", img->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return dom_err_set(err, -ENOEXEC, "%s: not a regular file; name a kernel image",
				   img->path);
	n = dom_read_all(img->fd, head, sizeof(head));
	if (n < 0)
		return boot_src_error(img->path, (int)n, err);
	img->payload_len = (uint64_t)st.st_size;
	img->format = "ELF";
	if (n >= 4 && !memcmp(head, "\177ELF", 4))
		return 0;
	img->codec = boot_codec_find(head, (size_t)n);
	if (img->codec)
		img->format = img->codec->name;
	else if (boot_bzimage_is(head, (size_t)n))
		r = open_bzimage(img, head, (size_t)n, (uint64_t)st.st_size, err);
	else
		r = dom_err_set(err, -ENOEXEC,
				"%s: not a kernel image; use a Linux bzImage (vmlinuz) or an ELF kernel, which may be compressed",
				img->path);
	if (!r && img->codec && !img->codec->open)
		r = dom_err_set(err, -EOPNOTSUPP,
				"%s: %s compression is not supported; use zstd, xz, lz4, gzip or bzip2",
				img->path, img->codec->name);
	return r;
}

int boot_image_open(const char *path, struct boot_image **ret, struct dom_err *err)
{
	struct boot_image *img = calloc(1, sizeof(*img));
	int r;

	if (!img)
		return dom_err_set(err, -ENOMEM, "%s: out of memory", path);
	img->path = path;
	/* Not blocking: a FIFO is told apart only after open. */
	img->fd = dom_open(path, O_RDONLY | O_NONBLOCK, 0);
	if (img->fd < 0)
		r = dom_err_set(err, img->fd, "%s: %s; check the path and its permissions", path,
				strerror(-img->fd));
	else
		r = recognise(img, err);
	if (r) {
		boot_image_close(img);
		return r;
	}
	*ret = img;
	return 0;
}

void boot_image_close(struct boot_image *img)
{
	if (!img)
		return;
	dom_close_fd(&img->fd);
	free(img);
}

/* One attempt to fill guest RAM: from the cache, by decoding, or by plain reading. */
static int load_raw(const struct boot_image *img, struct boot_sink *sink, struct dom_err *err)
{
	int r = boot_raw_copy(img->fd, img->payload, sink, NULL, err);

	return r ? r : boot_sink_finish(sink, err);
}

static int load_decoded(const struct boot_image *img, struct boot_src *src, struct boot_sink *sink,
			struct boot_cache *cache, struct dom_err *err)
{
	int r;

	src->hash = cache->dir < 0 ? NULL : cache->hash;
	r = boot_codec_decode(img->codec, src, sink, err);
	if (!r)
		r = boot_sink_finish(sink, err);
	if (!r)
		boot_cache_store(cache, src, sink);
	return r;
}

/* The cache first; what it left behind when it fails is undone. */
static int load_compressed(const struct boot_image *img, const struct boot_ram *ram,
			   struct boot_map *map, const struct boot_opts *opts,
			   struct boot_kernel *k, struct dom_err *err)
{
	uint64_t limit = img->declared ? img->declared : IMAGE_MAX;
	const struct boot_kernel fresh = *k;
	const struct boot_map before = *map;
	struct boot_cache cache = { .dir = -1 };
	struct boot_sink sink = { 0 };
	struct boot_src src;
	int r;

	r = boot_src_init(&src, img->path, img->fd, img->payload, img->payload_len, err);
	if (r)
		return r;
	boot_cache_init(&cache, opts, &src);
	r = boot_sink_init(&sink, ram, map, k, limit, img->declared != 0, err);
	if (r)
		goto out;
	r = boot_cache_load(&cache, &src, &sink);
	k->cached = !r;
	if (!r)
		goto out;
	boot_sink_fini(&sink);
	*k = fresh;
	*map = before;
	r = boot_sink_init(&sink, ram, map, k, limit, img->declared != 0, err);
	if (!r)
		r = load_decoded(img, &src, &sink, &cache, err);
out:
	boot_sink_fini(&sink);
	boot_cache_fini(&cache);
	boot_src_fini(&src);
	return r;
}

static int load_elf(const struct boot_image *img, const struct boot_ram *ram, struct boot_map *map,
		    struct boot_kernel *k, struct dom_err *err)
{
	struct boot_sink sink = { 0 };
	int r = boot_sink_init(&sink, ram, map, k, img->payload_len, false, err);

	if (!r)
		r = load_raw(img, &sink, err);
	boot_sink_fini(&sink);
	return r;
}

/*
 * Keep modules out of the RAM that a bzImage asks for at its start. It is a precaution (the PVH
 * entry needs only the segments): as much as there is and is free.
 */
static void reserve_init(const struct boot_bzimage *bz, const struct boot_kernel *k,
			 struct boot_map *map)
{
	uint64_t end;

	if (!bz->init_len || !dom_add_u64(bz->init_start, bz->init_len, &end))
		return;
	end = DOM_MIN(end, map->hi);
	if (end > k->end && bz->init_start <= k->end)
		boot_map_add(map, k->end, end - k->end, "the kernel's start-up memory", NULL);
}

/* What follows from the loaded segments: hypercall sites, or a kernel of the time before notes. */
static void look_around(const struct boot_ram *ram, bool find_sites, struct boot_kernel *k)
{
	for (unsigned i = 0; i < k->segs; i++) {
		const struct boot_seg *s = &k->seg[i];
		const void *mem = ram->range(ram->ctx, s->gpa, s->memsz);

		if (!mem || !s->filesz)
			continue;
		if (s->flags & BOOT_SEG_X && find_sites)
			k->sites += boot_find_sites(mem, (size_t)s->filesz, s->gpa, s->gva,
						    k->site + k->sites, BOOT_SITES_MAX - k->sites);
		if (!k->notes.present && memmem(mem, (size_t)s->filesz, "XEN_VER=xen-3", 13))
			k->notes.legacy = true;
	}
}

int boot_image_load(struct boot_image *img, const struct boot_ram *ram, struct boot_map *map,
		    const struct boot_opts *opts, struct boot_kernel *ret, struct dom_err *err)
{
	struct boot_kernel *k;
	int r;

	k = calloc(1, sizeof(*k));
	if (!k)
		return dom_err_set(err, -ENOMEM, "%s: out of memory", img->path);
	k->name = img->path;
	k->format = img->format;
	k->codec = img->codec ? img->codec->name : "none";
	r = img->codec ? load_compressed(img, ram, map, opts, k, err) :
			 load_elf(img, ram, map, k, err);
	if (!r) {
		look_around(ram, !(opts && opts->no_sites), k);
		if (!opts || !opts->no_init)
			reserve_init(&img->bz, k, map);
		k->module_limit = img->bz.initrd_limit ? img->bz.initrd_limit :
				  k->elf64 ? INITRD_LIMIT_64 : INITRD_LIMIT_32;
		*ret = *k;
	}
	free(k);
	return r;
}
