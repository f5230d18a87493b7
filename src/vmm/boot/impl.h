// SPDX-License-Identifier: MIT
/*
 * Private to boot/. A kernel flows through three stages, each ignorant of the others:
 *
 *	struct boot_src	 ->  struct boot_codec  ->  struct boot_sink
 *	bytes of a file      a decompressor         places ELF segments in guest RAM
 *
 * The sink tells where the next bytes go (boot_sink_next), the codec writes them there, and
 * boot_sink_advance says how many they were: decompressors write into guest RAM themselves.
 */
#ifndef VMM_BOOT_IMPL_H
#define VMM_BOOT_IMPL_H

#include <errno.h>

#include "domicile/base/cur.h"

#include "boot.h"

/* Bounds that are nobody else's business. */
enum {
	SRC_BUF = 128 << 10,		/* bytes of a file in memory */
	SINK_CHUNK = 1 << 20,		/* bytes read at once into guest RAM */
	SINK_SCRATCH = 64 << 10,	/* for bytes nobody wants */
	SINK_NOTES = 8,			/* PT_NOTE segments */
	NOTE_BYTES = 64 << 10,		/* longest PT_NOTE segment */
	ELF_HEAD = 64,			/* enough for either ELF header */
	ELF_HEAD_MAX = 64 << 10,	/* program headers must end by then */
	ELF_PHDRS_MAX = 128,
};
#define IMAGE_MAX (1ull << 30)		/* bytes of a decoded kernel that are looked at */
#define IMAGE_TAIL (64ull << 20)	/* decoded beyond the last segment for its checksum */
#define INITRD_LIMIT_64 0x80000000ull	/* Linux x86: initrd_addr_max of 64-bit kernels */
#define INITRD_LIMIT_32 0x38000000ull	/* Linux x86: same of 32-bit kernels */

/* src.c: part of a file, read in order, optionally hashed on the way. */
struct boot_hash;

struct boot_src {
	const char *name;		/* path, for errors */
	int fd;				/* not owned */
	uint64_t pos, end;		/* [pos, end) of the file is still to come */
	struct boot_hash *hash;		/* of every byte that boot_src_read reads; may be NULL */
	uint64_t hashed;		/* how many have */
	uint8_t *buf;			/* SRC_BUF bytes, owned */
};

int boot_src_init(struct boot_src *src, const char *name, int fd, uint64_t pos, uint64_t len,
		  struct dom_err *err);
void boot_src_fini(struct boot_src *src);
int boot_src_error(const char *name, int r, struct dom_err *err);
ssize_t boot_src_read(struct boot_src *src, const uint8_t **ret, struct dom_err *err);
int boot_pread(int fd, void *buf, size_t len, uint64_t off);

/* elf.c */
struct boot_elf {
	bool is64;
	uint16_t machine;
	uint64_t entry, phoff;
	unsigned phnum, phentsize;
};

struct boot_phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz;
};

#define PT_LOAD 1u
#define PT_NOTE 4u

int boot_elf_header(const void *head, size_t len, const char *name, struct boot_elf *ret,
		    struct dom_err *err);
uint64_t boot_elf_head_end(const struct boot_elf *elf);
bool boot_elf_phdr(const struct boot_elf *elf, const void *head, size_t len, unsigned i,
		   struct boot_phdr *ret);

/* sink.c: where each byte of the ELF file goes. */
struct boot_piece {
	uint64_t off, len;	/* range of the file */
	uint8_t *dst;		/* its place, in guest RAM or in note_buf */
};

struct boot_sink {
	const struct boot_ram *ram;
	struct boot_map *map;
	struct boot_kernel *k;
	uint64_t pos;		/* file offset of the next byte */
	uint64_t limit;		/* the file ends there, as far as we know */
	bool declared;		/* ... because a header says so */
	bool planned;		/* the head is complete and the pieces are known */
	uint64_t need_end;	/* end of the last piece */
	size_t head_len;	/* bytes of the head, as far as known */
	unsigned pieces, notes;
	struct boot_piece piece[BOOT_SEGS_MAX + SINK_NOTES];	/* ascending off */
	struct boot_piece note[SINK_NOTES];
	uint8_t *head, *scratch, *note_buf[SINK_NOTES];
};

int boot_sink_init(struct boot_sink *s, const struct boot_ram *ram, struct boot_map *map,
		   struct boot_kernel *k, uint64_t limit, bool declared, struct dom_err *err);
void boot_sink_fini(struct boot_sink *s);
void *boot_sink_next(struct boot_sink *s, size_t *ret_len);
int boot_sink_advance(struct boot_sink *s, size_t n, struct dom_err *err);
uint64_t boot_sink_gap(const struct boot_sink *s);
int boot_sink_finish(struct boot_sink *s, struct dom_err *err);
int boot_raw_copy(int fd, uint64_t base, struct boot_sink *sink, struct boot_hash *hash,
		  struct dom_err *err);

/* codec.c and codec_*.c: one row per compression that kernels come in. */
struct boot_io {
	const uint8_t *in;	/* next input; step moves it */
	size_t in_len;
	uint8_t *out;		/* where output goes; step moves it */
	size_t out_len;
	bool eof;		/* nothing follows in_len */
};

enum { STEP_MORE = 0, STEP_END = 1 };	/* or a negative errno: -EBADMSG for corrupt input */

struct boot_codec {
	const char *name;
	uint8_t magic_len, magic[6];
	bool trailer;		/* the format itself ends in its 4-byte decoded size (gzip) */
	size_t state_size;
	int (*open)(void *state);	/* NULL in a row that is only recognised */
	int (*step)(void *state, struct boot_io *io);
	void (*close)(void *state);
};

extern const struct boot_codec boot_codec_gzip, boot_codec_bzip2, boot_codec_xz, boot_codec_lzma,
	boot_codec_lz4, boot_codec_zstd, boot_codec_lzo;

const struct boot_codec *boot_codec_find(const void *head, size_t len);
int boot_codec_decode(const struct boot_codec *codec, struct boot_src *src, struct boot_sink *sink,
		      struct dom_err *err);

/* bzimage.c */
struct boot_bzimage {
	uint64_t payload, payload_len;	/* in the file */
	uint64_t initrd_limit;		/* 0 if not said */
	uint64_t init_start, init_len;	/* RAM it wants at start; 0 if not said */
};

#define BZIMAGE_HEAD 0x268u	/* bytes of the file that boot_bzimage_parse looks at */

bool boot_bzimage_is(const void *head, size_t len);
int boot_bzimage_parse(const void *head, size_t len, uint64_t file_size, const char *name,
		       struct boot_bzimage *ret, struct dom_err *err);

/* notes.c */
void boot_notes_parse(struct boot_notes *notes, const void *data, size_t len);

/* hash.c: a keyed 128-bit hash, see there for what it is good for. */
#define HASH_KEY 192u

struct boot_hash_value {
	uint64_t w[2];
};

struct boot_hash *boot_hash_new(const uint8_t key[HASH_KEY]);
void boot_hash_free(struct boot_hash *h);
void boot_hash_reset(struct boot_hash *h);
void boot_hash_add(struct boot_hash *h, const void *data, size_t len);
struct boot_hash_value boot_hash_get(const struct boot_hash *h);

static inline bool boot_hash_equal(struct boot_hash_value a, struct boot_hash_value b)
{
	return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

/* cache.c, cache_dir.c */
/* A file as it was: while all of this is the same, so are its contents (nobody can set a ctime). */
struct boot_stamp {
	uint64_t dev, ino, size;
	uint64_t mtime, ctime;	/* ns */
};

struct boot_cache {
	int dir;		/* -1: no cache this time */
	struct boot_stamp source;	/* the image, before anything of it was read */
	uint64_t max_bytes;
	unsigned max_entries;
	char name[40];		/* of this payload's entry */
	uint8_t key[HASH_KEY];	/* for the entry that may be written */
	struct boot_hash *hash;	/* of the payload, fed by its struct boot_src */
};

int boot_cache_open_dir(const char *path);
void boot_cache_evict(int dir, uint64_t max_bytes, unsigned max_entries);
void boot_cache_init(struct boot_cache *c, const struct boot_opts *opts,
		     const struct boot_src *src);
void boot_cache_fini(struct boot_cache *c);
int boot_cache_load(struct boot_cache *c, const struct boot_src *src, struct boot_sink *sink);
void boot_cache_store(struct boot_cache *c, const struct boot_src *src, struct boot_sink *sink);

#define CACHE_SUFFIX ".kernel"
#define CACHE_TMP ".tmp"

/* modules.c: bytes of a module's file, which is checked as for loading. */
int boot_module_size(const char *path, uint64_t *ret_len, struct dom_err *err);

#endif
