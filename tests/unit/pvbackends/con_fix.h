// SPDX-License-Identifier: MIT
/*
 * What the tests of the console have in common: a console with pipes behind its standard streams, and
 * its front end. Include once per program, after cmocka.h.
 */
#ifndef CON_FIX_H
#define CON_FIX_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>

#include "both_engines.h"
#include "domicile/pvb.h"
#include "fake_ring.h"
#include "until.h"
#include "xenabi/io_console.h"

#define RING 3u
#define PORT 2u

struct fix {
	enum ev_engine_choice engine;
	struct fake_ring r;
	struct pvb_console *c;
	struct pvb_console_config cfg;
	int out[2], in[2];	/* pipes behind stdout and stdin */
	char dir[32], log[64];
	int quits;
};

static inline void on_quit(void *arg)
{
	((struct fix *)arg)->quits++;
}

static int set_up(void **state, enum ev_engine_choice engine)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	f->engine = engine;
	fake_ring_init(&f->r, engine, 8, PORT);
	strcpy(f->dir, "/tmp/dom-con-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->log, sizeof(f->log), "%s/log", f->dir);
	assert_int_equal(pipe2(f->out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(f->in, O_CLOEXEC), 0);
	f->cfg = (struct pvb_console_config){
		.loop = f->r.l, .domain = f->r.d, .domid = 7,
		.ring = { .gfn = { RING }, .port = PORT, .eventfd = f->r.kick },
		.in_fd = -1, .out_fd = -1, .quit = on_quit, .quit_arg = f,
	};
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;
	char path[128];

	pvb_console_free(f->c);
	for (int i = 0; i < 2; i++) {
		close(f->out[i]);
		close(f->in[i]);
	}
	fake_ring_fini(&f->r);
	snprintf(path, sizeof(path), "%s.1", f->log);
	unlink(path);
	unlink(f->log);
	snprintf(path, sizeof(path), "%s/pty", f->dir);
	assert_int_equal(unlink(path), -1);	/* the console removed it */
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static inline void start(struct fix *f)
{
	struct dom_err err = { 0 };

	if (pvb_console_new(&f->cfg, &f->c, &err))
		fail_msg("%s", err.msg);
}

static inline void with_stdout(struct fix *f)
{
	f->cfg.stdio = true;
	f->cfg.out_fd = f->out[1];
	fcntl(f->out[0], F_SETFL, O_NONBLOCK);
}

/* Let the loop work until nothing happens for 2 ms, or 200 ms while output is still on its way. */
static inline void settle(struct fix *f)
{
	for (int idle = 0; idle < 200;) {
		int n = ev_loop_turn(f->r.l, ev_now() + 1000000);

		assert_true(n >= 0);
		idle = n ? 0 : idle + 1;
		if (idle >= 2 && (f->c ? pvb_console_flushed(f->c) : !ev_loop_armed(f->r.l)))
			break;
	}
}

/* The front end: as much of @data as fits now. */
static inline uint32_t fe_put(struct xa_domain *d, const char *data, uint32_t len)
{
	uint32_t prod = DOM_LOAD(fake_u32(d, RING, XA_CONSOLE_OUT_PROD));
	uint32_t cons = DOM_LOAD_ACQUIRE(fake_u32(d, RING, XA_CONSOLE_OUT_CONS));
	uint32_t n = DOM_MIN(len, XA_CONSOLE_OUT_SIZE - (prod - cons));

	for (uint32_t i = 0; i < n; i++)
		d->ram[RING * 4096 + XA_CONSOLE_OUT + ((prod + i) & (XA_CONSOLE_OUT_SIZE - 1))] =
			(uint8_t)data[i];
	DOM_STORE_RELEASE(fake_u32(d, RING, XA_CONSOLE_OUT_PROD), prod + n);
	return n;
}

static inline uint32_t fe_free(struct xa_domain *d)
{
	return XA_CONSOLE_OUT_SIZE - (DOM_LOAD(fake_u32(d, RING, XA_CONSOLE_OUT_PROD)) -
				      DOM_LOAD_ACQUIRE(fake_u32(d, RING, XA_CONSOLE_OUT_CONS)));
}

static inline void fe_write(struct fix *f, const char *text)
{
	assert_int_equal(fe_put(f->r.d, text, (uint32_t)strlen(text)), strlen(text));
	fake_ring_kick(&f->r);
}

/* Take up to @size bytes of input. */
static inline uint32_t fe_get(struct fix *f, char *buf, uint32_t size)
{
	uint32_t cons = DOM_LOAD(fake_u32(f->r.d, RING, XA_CONSOLE_IN_CONS));
	uint32_t n = DOM_LOAD_ACQUIRE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_PROD)) - cons;

	assert_true(n <= XA_CONSOLE_IN_SIZE);
	n = DOM_MIN(n, size);
	for (uint32_t i = 0; i < n; i++)
		buf[i] = (char)f->r.d->ram[RING * 4096 + XA_CONSOLE_IN +
					 ((cons + i) & (XA_CONSOLE_IN_SIZE - 1))];
	DOM_STORE_RELEASE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_CONS), cons + n);
	fake_ring_kick(&f->r);
	return n;
}

/* Input that the guest has not taken. */
static inline uint32_t fe_waiting(struct fix *f)
{
	return DOM_LOAD_ACQUIRE(fake_u32(f->r.d, RING, XA_CONSOLE_IN_PROD)) -
	       DOM_LOAD(fake_u32(f->r.d, RING, XA_CONSOLE_IN_CONS));
}

static inline bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static inline void expect(int fd, const char *text)
{
	char buf[4096] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[DOM_MAX(n, 0)] = 0;
	assert_string_equal(buf, text);
}

static inline char *slurp(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return data;
}

#endif
