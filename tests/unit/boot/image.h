// SPDX-License-Identifier: MIT
/*
 * Small kernels for the tests of boot/, made in memory, and guest RAM to load them into.
 *
 *	file	0x0000  ELF header, program headers
 *		0x1000  segment 0, r-x: noise, a pair of hypercall sites, the notes
 *		0x6000  segment 1, rw-: noise, and .bss behind it
 *		0x7000  bytes that nobody loads
 */
#ifndef TEST_BOOT_IMAGE_H
#define TEST_BOOT_IMAGE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <bzlib.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lz4.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "vmm/boot/boot.h"
#include "xenabi/elfnote.h"

struct blob {
	uint8_t *p;
	size_t len;
};

enum {
	T_SEG0 = 0x1000, T_SEG0_LEN = 0x4000, T_SEG0_PA = 0x100000,
	T_SEG1 = 0x6000, T_SEG1_LEN = 0x1000, T_SEG1_PA = 0x140000, T_SEG1_MEM = 0x8000,
	T_FILE = 0x7400, T_NOTES = 0x4000, T_SITES = 0x2000, T_ENTRY = 0x100040,
	T_RAM = 4 << 20,
};
#define T_VIRT 0xffffffff80000000ull

static inline void t_put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static inline size_t t_note(uint8_t *p, uint32_t type, const void *desc, uint32_t len)
{
	t_put(p, 4, 4);
	t_put(p + 4, len, 4);
	t_put(p + 8, type, 4);
	memcpy(p + 12, "Xen", 4);
	memcpy(p + 16, desc, len);
	return 16 + ((len + 3) & ~3u);
}

static inline void t_phdr(uint8_t *elf, bool is64, unsigned i, uint32_t type, uint32_t flags,
			  const uint64_t v[5])
{
	uint8_t *p = elf + (is64 ? 64 + 56 * i : 52 + 32 * i);
	unsigned w = is64 ? 8 : 4;

	t_put(p, type, 4);
	if (is64)
		t_put(p + 4, flags, 4);
	for (unsigned f = 0; f < 5; f++)
		t_put(p + w + w * f, v[f], w);
	if (!is64)
		t_put(p + 24, flags, 4);
}

/* A pair of sites as Linux has them, the functions' last jumps meeting at @leave. */
static inline void t_sites(uint8_t *p, unsigned distance, int32_t leave)
{
	memcpy(p, "\x0f\x01\xd9\xe9", 4);
	t_put(p + 4, (uint32_t)leave, 4);
	memcpy(p + distance, "\x0f\x01\xc1\xe9", 4);
	t_put(p + distance + 4, (uint32_t)(leave - (int32_t)distance), 4);
}

static inline struct blob t_elf(bool is64)
{
	struct blob b = { calloc(1, T_FILE), T_FILE };
	uint64_t virt = is64 ? T_VIRT : 0;
	uint32_t seed = 1;
	size_t n = T_NOTES;

	for (size_t i = T_SEG0; i < T_FILE; i++) {
		seed = seed * 1664525 + 1013904223;
		/* Half noise, so that it compresses, but not to nothing. */
		b.p[i] = i & 1 ? (uint8_t)(seed >> 24) : 0x90;
	}
	memcpy(b.p, "\177ELF", 4);
	b.p[4] = is64 ? 2 : 1;
	b.p[5] = b.p[6] = 1;
	t_put(b.p + 16, 2, 2);
	t_put(b.p + 18, is64 ? 62 : 3, 2);
	t_put(b.p + 20, 1, 4);
	t_put(b.p + 24, T_ENTRY, 4);
	t_put(b.p + (is64 ? 32 : 28), is64 ? 64 : 52, 4);
	t_put(b.p + (is64 ? 54 : 42), is64 ? 56 : 32, 2);
	t_put(b.p + (is64 ? 56 : 44), 3, 2);
	t_sites(b.p + T_SITES, 32, 0x1234);
	t_phdr(b.p, is64, 0, 1, 5, (uint64_t[]){ T_SEG0, virt + T_SEG0_PA, T_SEG0_PA, T_SEG0_LEN,
						 T_SEG0_LEN });
	t_phdr(b.p, is64, 1, 1, 6, (uint64_t[]){ T_SEG1, virt + T_SEG1_PA, T_SEG1_PA, T_SEG1_LEN,
						 T_SEG1_MEM });
	n += t_note(b.p + n, XEN_ELFNOTE_GUEST_OS, "test", 5);
	n += t_note(b.p + n, XEN_ELFNOTE_PHYS32_ENTRY, &(uint64_t){ T_ENTRY }, is64 ? 8 : 4);
	t_phdr(b.p, is64, 2, 4, 4, (uint64_t[]){ T_NOTES, 0, 0, n - T_NOTES, n - T_NOTES });
	return b;
}

static inline struct blob t_gzip(struct blob in)
{
	z_stream z = { .next_in = in.p, .avail_in = (uInt)in.len };
	struct blob out = { malloc(in.len + 4096), in.len + 4096 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = out.p;
	z.avail_out = (uInt)out.len;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.len = z.total_out;
	deflateEnd(&z);
	return out;
}

static inline struct blob t_bzip2(struct blob in)
{
	unsigned len = (unsigned)in.len + 4096;
	struct blob out = { malloc(len), 0 };

	assert_int_equal(BZ2_bzBuffToBuffCompress((char *)out.p, &len, (char *)in.p,
						  (unsigned)in.len, 1, 0, 0), BZ_OK);
	out.len = len;
	return out;
}

static inline struct blob t_xz(struct blob in)
{
	struct blob out = { malloc(in.len + 4096), 0 };

	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, in.p, in.len, out.p,
						 &out.len, in.len + 4096), LZMA_OK);
	return out;
}

static inline struct blob t_lzma(struct blob in)
{
	struct blob out = { malloc(in.len + 4096), 0 };
	lzma_stream s = LZMA_STREAM_INIT;
	lzma_options_lzma o;

	lzma_lzma_preset(&o, 0);
	o.dict_size = 1 << 16;
	assert_int_equal(lzma_alone_encoder(&s, &o), LZMA_OK);
	s.next_in = in.p;
	s.avail_in = in.len;
	s.next_out = out.p;
	s.avail_out = in.len + 4096;
	assert_int_equal(lzma_code(&s, LZMA_FINISH), LZMA_STREAM_END);
	out.len = s.total_out;
	lzma_end(&s);
	return out;
}

/* Two blocks, as large kernels have. */
static inline struct blob t_lz4(struct blob in)
{
	struct blob out = { malloc(in.len + 4096), 4 };
	size_t half = in.len / 2;

	memcpy(out.p, "\x02\x21\x4c\x18", 4);
	for (unsigned i = 0; i < 2; i++) {
		int n = LZ4_compress_default((char *)in.p + i * half, (char *)out.p + out.len + 4,
					     (int)(i ? in.len - half : half), (int)in.len);

		assert_true(n > 0);
		t_put(out.p + out.len, (uint32_t)n, 4);
		out.len += 4 + (size_t)n;
	}
	return out;
}

static inline struct blob t_zstd(struct blob in)
{
	struct blob out = { malloc(in.len + 4096), 0 };

	out.len = ZSTD_compress(out.p, in.len + 4096, in.p, in.len, 3);
	assert_false(ZSTD_isError(out.len));
	return out;
}

static const struct t_codec {
	const char *name;
	struct blob (*encode)(struct blob in);
	bool trailer, checked;	/* ends in its decoded size; has a checksum */
} t_codecs[] = {
	{ "gzip",  t_gzip,  true,  true },
	{ "bzip2", t_bzip2, false, true },
	{ "xz",	   t_xz,    false, true },
	{ "lzma",  t_lzma,  false, false },
	{ "lz4",   t_lz4,   false, false },
	{ "zstd",  t_zstd,  false, false },
};

enum { T_SETUP = 1024, T_PAYLOAD = 0x40, T_TAIL = 64 };

/* Wrap a compressed kernel of @size decoded bytes into a bzImage; frees @payload. */
static inline struct blob t_bzimage(struct blob payload, uint32_t size, bool trailer)
{
	size_t len = payload.len + (trailer ? 0 : 4);
	struct blob b = { calloc(1, T_SETUP + T_PAYLOAD + len + T_TAIL),
			  T_SETUP + T_PAYLOAD + len + T_TAIL };

	b.p[0x1f1] = 1;
	t_put(b.p + 0x1fe, 0xaa55, 2);
	memcpy(b.p + 0x202, "HdrS", 4);
	t_put(b.p + 0x206, 0x20f, 2);
	t_put(b.p + 0x22c, 0x7fffffff, 4);
	t_put(b.p + 0x248, T_PAYLOAD, 4);
	t_put(b.p + 0x24c, len, 4);
	t_put(b.p + 0x258, T_SEG0_PA, 8);
	t_put(b.p + 0x260, 0x100000, 4);
	memcpy(b.p + T_SETUP + T_PAYLOAD, payload.p, payload.len);
	if (!trailer)
		t_put(b.p + T_SETUP + T_PAYLOAD + payload.len, size, 4);
	free(payload.p);
	return b;
}

static inline void t_write(const char *path, const void *p, size_t len)
{
	int fd;

	/* A new file each time: ext4 writes a truncated one to the disk at close. */
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, len), len);
	close(fd);
}

/* Guest RAM and everything a load gives. */
struct t_guest {
	uint8_t *mem;
	size_t size;
	struct boot_ram ram;
	struct boot_map map;
	struct boot_kernel k;
	struct dom_err err;
};

static inline void *t_range(void *ctx, uint64_t gpa, uint64_t len)
{
	struct t_guest *g = ctx;

	return gpa <= g->size && len <= g->size - gpa ? g->mem + gpa : NULL;
}

static inline void t_guest_init(struct t_guest *g, size_t size)
{
	*g = (struct t_guest){ .mem = malloc(size), .size = size };
	memset(g->mem, 0xee, size);
	g->ram = (struct boot_ram){ .ctx = g, .range = t_range };
	boot_map_init(&g->map, 0, size);
}

static inline int t_load_cached(struct t_guest *g, const char *path, const struct boot_opts *opts)
{
	struct boot_image *img;
	int r = boot_image_open(path, &img, &g->err);

	if (r)
		return r;
	r = boot_image_load(img, &g->ram, &g->map, opts, &g->k, &g->err);
	boot_image_close(img);
	return r;
}

static inline int t_load(struct t_guest *g, const char *path)
{
	return t_load_cached(g, path, &(struct boot_opts){ .cache_dir = "" });
}

/* Write @p to @path and load it into RAM that is dirty where t_elf() goes. */
static inline int t_load_blob(struct t_guest *g, const char *path, const void *p, size_t len)
{
	struct t_guest fresh = { .mem = g->mem, .size = T_RAM };

	if (g->size != T_RAM) {
		free(g->mem);
		t_guest_init(&fresh, T_RAM);
	}
	*g = fresh;
	memset(g->mem + T_SEG0_PA, 0xee, T_SEG1_PA + T_SEG1_MEM - T_SEG0_PA);
	g->ram = (struct boot_ram){ .ctx = g, .range = t_range };
	boot_map_init(&g->map, 0, T_RAM);
	t_write(path, p, len);
	return t_load(g, path);
}

/* Is the kernel of t_elf() in RAM, complete and with a clean .bss? */
static inline bool t_loaded(const struct t_guest *g, struct blob elf)
{
	static const uint8_t zero[T_SEG1_MEM - T_SEG1_LEN];

	return !memcmp(g->mem + T_SEG0_PA, elf.p + T_SEG0, T_SEG0_LEN) &&
	       !memcmp(g->mem + T_SEG1_PA, elf.p + T_SEG1, T_SEG1_LEN) &&
	       !memcmp(g->mem + T_SEG1_PA + T_SEG1_LEN, zero, sizeof(zero));
}

/* An error is one line that starts with the file's name. */
static inline void t_check_err(const struct t_guest *g, const char *path, int r)
{
	assert_true(r < 0);
	assert_int_equal(g->err.code, r);
	assert_memory_equal(g->err.msg, path, strlen(path));
	assert_null(strchr(g->err.msg, '\n'));
	assert_true(strlen(g->err.msg) > strlen(path) + 10);
}

/* A directory of this test's own; remove it with t_rmdir. */
static inline void t_mkdir(char *buf, size_t size)
{
	snprintf(buf, size, "/tmp/test-boot-XXXXXX");
	assert_non_null(mkdtemp(buf));
}

static inline void t_rmdir(const char *dir)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	assert_int_equal(system(cmd), 0);
}

#endif
