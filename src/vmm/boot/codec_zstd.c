// SPDX-License-Identifier: MIT
/*
 * zstd, through libzstd. Linux compresses with --ultra -22, whose window of 128 MiB is above the
 * decoder's default limit. Window memory is touched only as far as there is output, and that has
 * its own bound in the sink.
 */
#include <zstd.h>

#include "impl.h"

enum { WINDOW_LOG_MAX = 31 };

struct zstd_state {
	ZSTD_DStream *d;
};

static int zstd_open(void *state)
{
	struct zstd_state *s = state;

	s->d = ZSTD_createDStream();
	if (!s->d)
		return -ENOMEM;
	if (ZSTD_isError(ZSTD_DCtx_setParameter(s->d, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		ZSTD_freeDStream(s->d);
		return -ENOMEM;
	}
	return 0;
}

static int zstd_step(void *state, struct boot_io *io)
{
	struct zstd_state *s = state;
	ZSTD_inBuffer in = { .src = io->in, .size = io->in_len };
	ZSTD_outBuffer out = { .dst = io->out, .size = io->out_len };
	size_t r = ZSTD_decompressStream(s->d, &out, &in);

	if (ZSTD_isError(r))
		return -EBADMSG;
	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->out_len -= out.pos;
	return r ? STEP_MORE : STEP_END;
}

static void zstd_close(void *state)
{
	struct zstd_state *s = state;

	ZSTD_freeDStream(s->d);
}

const struct boot_codec boot_codec_zstd = {
	.name = "zstd",
	.magic = { 0x28, 0xb5, 0x2f, 0xfd },
	.magic_len = 4,
	.state_size = sizeof(struct zstd_state),
	.open = zstd_open,
	.step = zstd_step,
	.close = zstd_close,
};
