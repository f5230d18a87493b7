// SPDX-License-Identifier: MIT
/* bzip2, through libbz2. */
#include <bzlib.h>
#include <limits.h>

#include "impl.h"

static int bzip2_open(void *state)
{
	return BZ2_bzDecompressInit((bz_stream *)state, 0, 0) == BZ_OK ? 0 : -ENOMEM;
}

static int bzip2_step(void *state, struct boot_io *io)
{
	bz_stream *bz = state;
	int r;

	bz->next_in = (char *)(uintptr_t)io->in;
	bz->avail_in = (unsigned)io->in_len;
	bz->next_out = (char *)io->out;
	bz->avail_out = (unsigned)DOM_MIN(io->out_len, (size_t)UINT_MAX);
	r = BZ2_bzDecompress(bz);
	io->in_len -= (size_t)((const uint8_t *)bz->next_in - io->in);
	io->in = (const uint8_t *)bz->next_in;
	io->out_len -= (size_t)((uint8_t *)bz->next_out - io->out);
	io->out = (uint8_t *)bz->next_out;
	if (r == BZ_STREAM_END)
		return STEP_END;
	if (r == BZ_OK)
		return STEP_MORE;
	return r == BZ_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static void bzip2_close(void *state)
{
	BZ2_bzDecompressEnd(state);
}

const struct boot_codec boot_codec_bzip2 = {
	.name = "bzip2",
	.magic = { 'B', 'Z', 'h' },
	.magic_len = 3,
	.state_size = sizeof(bz_stream),
	.open = bzip2_open,
	.step = bzip2_step,
	.close = bzip2_close,
};
