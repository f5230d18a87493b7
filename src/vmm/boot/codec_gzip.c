// SPDX-License-Identifier: MIT
/* gzip, through zlib. Its trailer (CRC and size) is checked by zlib. */
#include <limits.h>
#include <zlib.h>

#include "impl.h"

enum { WINDOW_BITS = 15, GZIP_FORMAT = 16 };

static int gzip_open(void *state)
{
	return inflateInit2((z_stream *)state, WINDOW_BITS + GZIP_FORMAT) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_step(void *state, struct boot_io *io)
{
	z_stream *z = state;
	int r;

	z->next_in = (Bytef *)(uintptr_t)io->in;
	z->avail_in = (uInt)io->in_len;
	z->next_out = io->out;
	z->avail_out = (uInt)DOM_MIN(io->out_len, (size_t)UINT_MAX);
	r = inflate(z, Z_NO_FLUSH);
	io->in_len -= (size_t)(z->next_in - io->in);
	io->in = z->next_in;
	io->out_len -= (size_t)(z->next_out - io->out);
	io->out = z->next_out;
	if (r == Z_STREAM_END)
		return STEP_END;
	if (r == Z_OK || r == Z_BUF_ERROR)
		return STEP_MORE;
	return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static void gzip_close(void *state)
{
	inflateEnd(state);
}

const struct boot_codec boot_codec_gzip = {
	.name = "gzip",
	.magic = { 0x1f, 0x8b, 0x08 },
	.magic_len = 3,
	.trailer = true,
	.state_size = sizeof(z_stream),
	.open = gzip_open,
	.step = gzip_step,
	.close = gzip_close,
};
