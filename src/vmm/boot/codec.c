// SPDX-License-Identifier: MIT
/*
 * From compressed bytes of a file to the sink: the table of codecs and the loop that drives one.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "impl.h"

static const struct boot_codec *const codecs[] = {
	&boot_codec_gzip, &boot_codec_bzip2, &boot_codec_xz,   &boot_codec_lzma,
	&boot_codec_lz4,  &boot_codec_zstd,  &boot_codec_lzo,
};

/* boot_codec_find - the codec whose magic number @head starts with; NULL if none */
const struct boot_codec *boot_codec_find(const void *head, size_t len)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(codecs); i++) {
		const struct boot_codec *c = codecs[i];

		if (len >= c->magic_len && !memcmp(head, c->magic, c->magic_len))
			return c;
	}
	return NULL;
}

static int decode_error(const struct boot_codec *codec, const struct boot_src *src,
			const struct boot_sink *sink, int r, struct dom_err *err)
{
	if (r == -ENODATA)
		return dom_err_set(err, -ENOEXEC,
				   "%s: truncated: its %s data ends after %" PRIu64 " bytes of kernel; copy or install it again",
				   src->name, codec->name, sink->pos);
	if (r == -ENOMEM)
		return dom_err_set(err, r, "%s: not enough host memory to decode %s data; free some",
				   src->name, codec->name);
	return dom_err_set(err, -ENOEXEC,
			   "%s: corrupt: its %s data is damaged after %" PRIu64 " bytes of kernel; install it again",
			   src->name, codec->name, sink->pos);
}

/* Drive an opened codec until it ends, the sink has enough, or something is wrong. */
static int run(const struct boot_codec *codec, void *state, struct boot_src *src,
	       struct boot_sink *sink, struct dom_err *err)
{
	struct boot_io io = { 0 };
	unsigned stuck = 0;

	for (;;) {
		size_t in_before, room;
		ssize_t n;
		int r, step;

		if (!io.in_len && !io.eof) {
			n = boot_src_read(src, &io.in, err);
			if (n < 0)
				return (int)n;
			io.in_len = (size_t)n;
			io.eof = src->pos == src->end;
		}
		io.out = boot_sink_next(sink, &io.out_len);
		in_before = io.in_len;
		room = io.out_len;
		step = codec->step(state, &io);
		if (step < 0)
			return decode_error(codec, src, sink, step, err);
		r = boot_sink_advance(sink, room - io.out_len, err);
		if (r < 0)
			return r;
		if (r == STEP_END || step == STEP_END)
			return 0;
		/* liblzma may once come back without progress and mean nothing by it. */
		stuck = io.in_len == in_before && io.out_len == room ? stuck + 1 : 0;
		if (stuck == 2)
			return decode_error(codec, src, sink, -ENODATA, err);
	}
}

/* Read what the codec left, so that the hash covers all of the payload. */
static int drain(struct boot_src *src, struct dom_err *err)
{
	const uint8_t *data;
	ssize_t n;

	do {
		n = boot_src_read(src, &data, err);
	} while (n > 0);
	return (int)n;
}

/*
 * boot_codec_decode - decode all of @src into @sink
 *
 * Bytes behind the end of the compressed data are no error: bzImages have some. Returns 0 or a set
 * error.
 */
int boot_codec_decode(const struct boot_codec *codec, struct boot_src *src, struct boot_sink *sink,
		      struct dom_err *err)
{
	void *state;
	int r;

	if (!codec->open)
		return dom_err_set(err, -EOPNOTSUPP,
				   "%s: %s compression is not supported; use a kernel compressed with zstd, xz, lz4, gzip or bzip2",
				   src->name, codec->name);
	state = calloc(1, codec->state_size);
	r = state ? codec->open(state) : -ENOMEM;
	if (r) {
		free(state);
		return decode_error(codec, src, sink, r, err);
	}
	r = run(codec, state, src, sink, err);
	codec->close(state);
	free(state);
	return r || !src->hash ? r : drain(src, err);
}
