// SPDX-License-Identifier: MIT
/*
 * Where each byte of an ELF kernel goes, asked and answered in file order.
 *
 * The head (file header and program headers) is collected in a buffer of our own. As soon as it is
 * complete, plan() turns it into pieces: file ranges with a destination in guest RAM, or in a
 * buffer for the notes. From then on boot_sink_next() hands out guest memory itself, so that a
 * decompressor's output is never copied:
 *
 *	file:	 head | (gap) | .text, .rodata (notes) | (gap) | .data | symbols
 *	goes to: head  scratch  guest RAM   +note_buf    scratch  RAM    scratch
 *
 * Pieces may share file bytes (notes nearly always lie inside a segment): the first piece gets
 * them, boot_sink_advance() copies them to the others.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "domicile/base/num.h"

#include "impl.h"

int boot_sink_init(struct boot_sink *s, const struct boot_ram *ram, struct boot_map *map,
		   struct boot_kernel *k, uint64_t limit, bool declared, struct dom_err *err)
{
	*s = (struct boot_sink){
		.ram = ram,
		.map = map,
		.k = k,
		.limit = limit < IMAGE_MAX ? limit : IMAGE_MAX,
		.declared = declared && limit < IMAGE_MAX,
		.head_len = ELF_HEAD,
		.head = malloc(ELF_HEAD_MAX),
		.scratch = malloc(SINK_SCRATCH),
	};
	if (!s->head || !s->scratch)
		return dom_err_set(err, -ENOMEM, "%s: out of memory", k->name);
	return 0;
}

void boot_sink_fini(struct boot_sink *s)
{
	for (unsigned i = 0; i < s->notes; i++)
		free(s->note_buf[i]);
	free(s->head);
	free(s->scratch);
	*s = (struct boot_sink){ 0 };
}

/* Index of the piece that holds the byte at @pos, or of the next one, or s->pieces. */
static unsigned piece_at(const struct boot_sink *s, uint64_t pos)
{
	unsigned i = 0;

	while (i < s->pieces && pos >= s->piece[i].off + s->piece[i].len)
		i++;
	return i;
}

/*
 * boot_sink_gap - how many bytes from here on nobody wants
 *
 * UINT64_MAX once all that is needed has arrived.
 */
uint64_t boot_sink_gap(const struct boot_sink *s)
{
	unsigned i;

	if (!s->planned)
		return 0;
	if (s->pos >= s->need_end)
		return UINT64_MAX;
	i = piece_at(s, s->pos);
	return s->piece[i].off > s->pos ? s->piece[i].off - s->pos : 0;
}

/*
 * boot_sink_next - where the next bytes of the file go
 * @ret_len:  how many of them fit there, at least 1
 *
 * At the limit one spare byte is handed out: a decoder that has more to say may say it, and
 * boot_sink_advance() objects.
 */
void *boot_sink_next(struct boot_sink *s, size_t *ret_len)
{
	uint64_t gap = boot_sink_gap(s), left = s->limit - s->pos;
	uint64_t len = SINK_SCRATCH;
	uint8_t *dst = s->scratch;

	if (!left) {
		len = left = 1;
	} else if (!s->planned) {
		dst = s->head + s->pos;
		len = s->head_len - s->pos;
	} else if (gap) {
		len = DOM_MIN(gap, len);
	} else {
		const struct boot_piece *p = &s->piece[piece_at(s, s->pos)];

		dst = p->dst + (s->pos - p->off);
		len = p->off + p->len - s->pos;
	}
	*ret_len = (size_t)DOM_MIN(len, left);
	return dst;
}

/* Copy the part of [pos, pos + n), found at @data, that piece @p wants. */
static void deliver(const struct boot_piece *p, const uint8_t *data, uint64_t pos, size_t n)
{
	uint64_t from = DOM_MAX(pos, p->off), to = DOM_MIN(pos + n, p->off + p->len);

	if (from < to && p->dst + (from - p->off) != data + (from - pos))
		memcpy(p->dst + (from - p->off), data + (from - pos), (size_t)(to - from));
}

static int corrupt(const struct boot_sink *s, const char *what, struct dom_err *err)
{
	return dom_err_set(err, -ENOEXEC, "%s: %s; the kernel is corrupt, install it again",
			   s->k->name, what);
}

static int add_piece(struct boot_sink *s, const struct boot_phdr *p, uint8_t *dst,
		     struct dom_err *err)
{
	unsigned i = s->pieces;

	if (!dom_in_range(p->offset, p->filesz, s->limit))
		return dom_err_set(err, -ENOEXEC,
				   "%s: truncated: a segment ends beyond the kernel's end; copy or install it again",
				   s->k->name);
	if (!p->filesz)
		return 0;
	for (; i && s->piece[i - 1].off > p->offset; i--)
		s->piece[i] = s->piece[i - 1];
	s->piece[i] = (struct boot_piece){ p->offset, p->filesz, dst };
	s->pieces++;
	s->need_end = DOM_MAX(s->need_end, p->offset + p->filesz);
	return 0;
}

static int add_note(struct boot_sink *s, const struct boot_phdr *p, struct dom_err *err)
{
	uint8_t *buf;

	if (!p->filesz)
		return 0;
	if (s->notes == SINK_NOTES || p->filesz > NOTE_BYTES)
		return dom_err_set(err, -EFBIG, "%s: more than %d notes or one above %d KiB",
				   s->k->name, SINK_NOTES, NOTE_BYTES >> 10);
	buf = calloc(1, (size_t)p->filesz);
	if (!buf)
		return dom_err_set(err, -ENOMEM, "%s: out of memory", s->k->name);
	s->note_buf[s->notes] = buf;
	s->note[s->notes++] = (struct boot_piece){ p->offset, p->filesz, buf };
	return add_piece(s, p, buf, err);
}

/* Take the segment's RAM and clear its .bss; its file content arrives later. */
static int add_segment(struct boot_sink *s, const struct boot_phdr *p, struct dom_err *err)
{
	struct boot_kernel *k = s->k;
	unsigned i = k->segs;
	struct dom_err why;
	uint64_t end;
	uint8_t *dst;
	int r;

	if (p->filesz > p->memsz || !dom_add_u64(p->paddr, p->memsz, &end))
		return corrupt(s, "a segment's sizes contradict each other", err);
	if (!p->memsz)
		return 0;
	if (i == BOOT_SEGS_MAX)
		return dom_err_set(err, -EFBIG, "%s: has more than %d segments", k->name,
				   BOOT_SEGS_MAX);
	dst = s->ram->range(s->ram->ctx, p->paddr, p->memsz);
	if (!dst)
		return dom_err_set(err, -ENOMEM,
				   "%s: a segment at 0x%" PRIx64 "-0x%" PRIx64 " is outside guest memory; use a kernel linked for x86 PCs",
				   k->name, p->paddr, end);
	r = boot_map_add(s->map, p->paddr, p->memsz, "a kernel segment", &why);
	if (r)
		return dom_err_set(err, r, "%s: %s; use another kernel", k->name, why.msg);
	for (; i && k->seg[i - 1].gpa > p->paddr; i--)
		k->seg[i] = k->seg[i - 1];
	k->seg[i] = (struct boot_seg){ p->paddr, p->vaddr, p->filesz, p->memsz, p->flags };
	k->segs++;
	if (!s->ram->zeroed)
		memset(dst + p->filesz, 0, (size_t)(p->memsz - p->filesz));
	return add_piece(s, p, dst, err);
}

/* The largest end of all segments first: "raise memory" must name a size that suffices. */
static int check_memory(const struct boot_sink *s, const struct boot_elf *elf, struct dom_err *err)
{
	struct boot_phdr p;
	uint64_t end, top = 0;

	for (unsigned i = 0; i < elf->phnum; i++) {
		if (!boot_elf_phdr(elf, s->head, s->head_len, i, &p))
			return corrupt(s, "its program headers are cut off", err);
		if (p.type == PT_LOAD && dom_add_u64(p.paddr, p.memsz, &end))
			top = DOM_MAX(top, end);
	}
	if (top > s->map->hi && top <= 1ull << 32)
		return dom_err_set(err, -ENOMEM,
				   "%s: the kernel needs at least %" PRIu64 " MiB of memory: raise memory",
				   s->k->name, dom_align_up(top, 1 << 20) >> 20);
	return 0;
}

/* The head is complete: make the pieces and deliver what of them has already arrived. */
static int plan(struct boot_sink *s, const struct boot_elf *elf, struct dom_err *err)
{
	struct boot_kernel *k = s->k;
	int r = check_memory(s, elf, err);

	for (unsigned i = 0; !r && i < elf->phnum; i++) {
		struct boot_phdr p;

		boot_elf_phdr(elf, s->head, s->head_len, i, &p);
		if (p.type == PT_LOAD)
			r = add_segment(s, &p, err);
		else if (p.type == PT_NOTE)
			r = add_note(s, &p, err);
	}
	if (r)
		return r;
	if (!k->segs)
		return corrupt(s, "has nothing to load", err);
	k->elf64 = elf->is64;
	k->machine = elf->machine;
	k->elf_entry = elf->entry;
	k->start = k->seg[0].gpa;
	k->end = k->seg[k->segs - 1].gpa + k->seg[k->segs - 1].memsz;
	for (unsigned i = 0; i < s->pieces; i++)
		deliver(&s->piece[i], s->head, 0, s->head_len);
	s->planned = true;
	return 0;
}

/* Some bytes of the head have arrived; the first ones tell how many there must be. */
static int advance_head(struct boot_sink *s, size_t n, struct dom_err *err)
{
	struct boot_elf elf;
	int r;

	s->pos += n;
	if (s->pos < s->head_len)
		return 0;
	r = boot_elf_header(s->head, s->head_len, s->k->name, &elf, err);
	if (r)
		return r;
	s->head_len = (size_t)DOM_MAX(boot_elf_head_end(&elf), (uint64_t)ELF_HEAD);
	return s->pos < s->head_len ? 0 : plan(s, &elf, err);
}

/*
 * boot_sink_advance - @n bytes are where boot_sink_next() wanted them
 *
 * Returns 0 to go on, STEP_END when the rest of the file is of no interest, or a set error.
 */
int boot_sink_advance(struct boot_sink *s, size_t n, struct dom_err *err)
{
	uint64_t pos = s->pos;
	unsigned first;

	if (n > s->limit - pos)
		return s->declared ? corrupt(s, "decodes to more bytes than it declares", err) :
				     STEP_END;
	if (!s->planned)
		return advance_head(s, n, err);
	s->pos += n;
	if (pos >= s->need_end)
		return s->pos - s->need_end > IMAGE_TAIL ? STEP_END : 0;
	first = piece_at(s, pos);
	if (s->piece[first].off > pos)
		return 0;
	for (unsigned i = first + 1; i < s->pieces; i++)
		deliver(&s->piece[i], s->piece[first].dst + (pos - s->piece[first].off), pos, n);
	return 0;
}

/* boot_sink_finish - the file is over: was it all there? Reads the notes. */
int boot_sink_finish(struct boot_sink *s, struct dom_err *err)
{
	if (!s->planned || s->pos < s->need_end)
		return dom_err_set(err, -ENOEXEC,
				   "%s: the kernel in it is truncated; copy or install it again",
				   s->k->name);
	for (unsigned i = 0; i < s->notes; i++)
		boot_notes_parse(&s->k->notes, s->note_buf[i], (size_t)s->note[i].len);
	return 0;
}
