// SPDX-License-Identifier: MIT
/*
 * LZ4 "legacy frames", the only ones the kernel uses: a magic number, then blocks of a 4-byte
 * little-endian length and that many bytes, each decoding to 8 MiB at most. There is no end mark
 * and no checksum; the frame ends with the input. Blocks are independent, so one decodes straight
 * to its place when there is room for it, and through a bounce buffer when a segment ends in it.
 *
 * Source: lz4 doc/lz4_Frame_format.md, "Legacy frame"
 */
#include <lz4.h>
#include <stdlib.h>

#include "impl.h"

enum { MAGIC_LEN = 4, LEN_LEN = 4, BLOCK_OUT = 8 << 20 };
enum { BLOCK_IN = LZ4_COMPRESSBOUND(BLOCK_OUT) };

struct lz4_state {
	uint8_t *in, *bounce;
	size_t have;		/* bytes of the current field or block in `in` */
	size_t want;		/* ... and how many there must be */
	enum { LZ4_MAGIC, LZ4_LEN, LZ4_BLOCK } expect;
	size_t pos, end;	/* decoded bytes in bounce, not yet handed out */
};

static void lz4_close(void *state)
{
	struct lz4_state *s = state;

	free(s->in);
	free(s->bounce);
}

static int lz4_open(void *state)
{
	struct lz4_state *s = state;

	s->in = malloc(BLOCK_IN);
	s->bounce = malloc(BLOCK_OUT);
	s->want = MAGIC_LEN;
	if (s->in && s->bounce)
		return 0;
	lz4_close(s);
	return -ENOMEM;
}

/* Collect input until the current field is complete; true when it is. */
static bool collect(struct lz4_state *s, struct boot_io *io)
{
	size_t n = DOM_MIN(s->want - s->have, io->in_len);

	memcpy(s->in + s->have, io->in, n);
	s->have += n;
	io->in += n;
	io->in_len -= n;
	if (s->have < s->want)
		return false;
	s->have = 0;
	return true;
}

static void hand_out(struct lz4_state *s, struct boot_io *io)
{
	size_t n = DOM_MIN(s->end - s->pos, io->out_len);

	memcpy(io->out, s->bounce + s->pos, n);
	s->pos += n;
	io->out += n;
	io->out_len -= n;
}

static int decode_block(struct lz4_state *s, struct boot_io *io)
{
	bool direct = io->out_len >= BLOCK_OUT;
	int n = LZ4_decompress_safe((const char *)s->in, (char *)(direct ? io->out : s->bounce),
				    (int)s->want, BLOCK_OUT);

	if (n < 0)
		return -EBADMSG;
	if (direct) {
		io->out += n;
		io->out_len -= (size_t)n;
	} else {
		s->pos = 0;
		s->end = (size_t)n;
		hand_out(s, io);
	}
	return 0;
}

static int lz4_step(void *state, struct boot_io *io)
{
	struct lz4_state *s = state;
	struct dom_cur c;

	if (s->pos < s->end) {
		hand_out(s, io);
		return STEP_MORE;
	}
	if (s->expect == LZ4_LEN && !s->have && !io->in_len && io->eof)
		return STEP_END;
	if (!collect(s, io))
		return STEP_MORE;
	switch (s->expect) {
	case LZ4_BLOCK:
		s->expect = LZ4_LEN;
		if (decode_block(s, io))
			return -EBADMSG;
		s->want = LEN_LEN;
		break;
	case LZ4_LEN:
		c = dom_cur_init(s->in, LEN_LEN);
		s->want = dom_cur_u32(&c);
		if (!s->want || s->want > BLOCK_IN)
			return -EBADMSG;
		s->expect = LZ4_BLOCK;
		break;
	case LZ4_MAGIC:
		s->expect = LZ4_LEN;
		s->want = LEN_LEN;
		break;
	}
	return STEP_MORE;
}

const struct boot_codec boot_codec_lz4 = {
	.name = "lz4",
	.magic = { 0x02, 0x21, 0x4c, 0x18 },
	.magic_len = MAGIC_LEN,
	.state_size = sizeof(struct lz4_state),
	.open = lz4_open,
	.step = lz4_step,
	.close = lz4_close,
};
