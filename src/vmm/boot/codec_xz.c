// SPDX-License-Identifier: MIT
/* xz and its predecessor lzma, through liblzma; the x86 filter that Linux uses comes with it. */
#include <lzma.h>

#include "impl.h"

/* Linux up to now uses dictionaries of 32 to 128 MiB. */
#define MEM_LIMIT (320ull << 20)

static int xz_open(void *state)
{
	*(lzma_stream *)state = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_stream_decoder(state, MEM_LIMIT, 0) == LZMA_OK ? 0 : -ENOMEM;
}

static int lzma_open(void *state)
{
	*(lzma_stream *)state = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_alone_decoder(state, MEM_LIMIT) == LZMA_OK ? 0 : -ENOMEM;
}

static int xz_step(void *state, struct boot_io *io)
{
	lzma_stream *xz = state;
	lzma_ret r;

	xz->next_in = io->in;
	xz->avail_in = io->in_len;
	xz->next_out = io->out;
	xz->avail_out = io->out_len;
	r = lzma_code(xz, LZMA_RUN);
	io->in = xz->next_in;
	io->in_len = xz->avail_in;
	io->out = xz->next_out;
	io->out_len = xz->avail_out;
	if (r == LZMA_STREAM_END)
		return STEP_END;
	if (r == LZMA_OK || r == LZMA_BUF_ERROR)
		return STEP_MORE;
	return r == LZMA_MEM_ERROR || r == LZMA_MEMLIMIT_ERROR ? -ENOMEM : -EBADMSG;
}

static void xz_close(void *state)
{
	lzma_end(state);
}

const struct boot_codec boot_codec_xz = {
	.name = "xz",
	.magic = { 0xfd, '7', 'z', 'X', 'Z', 0 },
	.magic_len = 6,
	.state_size = sizeof(lzma_stream),
	.open = xz_open,
	.step = xz_step,
	.close = xz_close,
};

const struct boot_codec boot_codec_lzma = {
	.name = "lzma",
	.magic = { 0x5d, 0, 0 },
	.magic_len = 3,
	.state_size = sizeof(lzma_stream),
	.open = lzma_open,
	.step = xz_step,
	.close = xz_close,
};

/* Recognised for the sake of a better message than "not a kernel". */
const struct boot_codec boot_codec_lzo = {
	.name = "lzo",
	.magic = { 0x89, 'L', 'Z', 'O' },
	.magic_len = 4,
};
