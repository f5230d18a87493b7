// SPDX-License-Identifier: MIT
/*
 * The PV console: a page with two byte rings, served for the guest.
 *
 * Output is copied once, from the ring into a history of fixed size from which every sink takes
 * what it can. The space left in it, counted from the slowest sink that may make the guest wait, is
 * what is taken from the ring: a guest that writes faster than its readers read finds its ring
 * full.
 *
 * When to raise an interrupt. A front end that finds too little space may wait for one (Linux polls
 * instead, see domU_write_console() in its drivers/tty/hvc/hvc_xen.c; FreeBSD and others wait).
 * Raising one after each read costs the guest an interrupt per line: 652 in one verbose boot. The
 * rule here: after consuming, raise if the guest may have seen more than half of the ring in use
 * since the last interrupt, that is if out_prod is more than half a ring ahead of the out_cons that
 * was valid at the last interrupt. The consumer index that a guest acts upon is never older than
 * that, and it sends an event after each write; so either we see its write in time and count it, or
 * its event makes us look again. Hence a front end that waits for at most half a ring of space
 * never waits in vain, and output costs one interrupt per KiB instead of one per line. Example,
 * ring of 2048: the guest writes lines of 60 bytes; out_cons follows each time, no interrupt; the
 * 18th read finds out_prod 1080 ahead of the out_cons of the last interrupt: raise, and count anew.
 *
 * Input always raises one: the guest waits for nothing else.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "con/con.h"
#include "domicile/base/once.h"
#include "xenabi/io_console.h"

#define SINKS 4
#define SOURCES 3

/* Passes over the ring per wake-up, while sinks make room; then the loop has its turn. */
#define ROUNDS 8

struct pvb_console {
	struct ev_loop *loop;
	struct xa_domain *domain;
	domid_t domid;
	const struct dom_log *log;
	struct dom_ratelimit limit;
	struct ev_group group;

	struct pvb_ring ring;
	uint8_t *page;			/* the guest's; NULL: none */
	uint32_t out_cons, in_prod;	/* ours; the guest's copies are write-only to us */
	uint32_t told_cons;		/* out_cons at the last interrupt */
	bool broken;			/* impossible indices; until reset */
	bool serving, again;		/* inside serve(); sinks moved meanwhile */

	struct con_hist hist;
	struct con_sink *sinks[SINKS];	/* those configured, then NULL */
	struct con_source *sources[SOURCES];
	struct con_term term;
	struct con_pty pty;
	struct con_sock sock;
	struct con_log file;
	int own_eventfd;		/* -1: the ring's is somebody else's */

	uint64_t patience;		/* ns */
	struct ev_op kick, stall, more;
	void (*quit)(void *arg);
	void *quit_arg;
	struct pvb_console_stats stats;

	pthread_mutex_t print_lock;	/* of the two below */
	uint32_t print_len;
	uint8_t print[CON_PRINT_MAX];
	struct ev_post print_post;
};

static uint32_t *field(const struct pvb_console *c, unsigned offset)
{
	return (uint32_t *)(void *)(c->page + offset);
}

struct ev_group *con_group(struct pvb_console *c)
{
	return &c->group;
}

void con_quit(struct pvb_console *c)
{
	if (c->quit)
		c->quit(c->quit_arg);
}

void con_warn(struct pvb_console *c, const char *what, int error)
{
	dom_log(c->log, DOM_LOG_WARN, "domain %u: %s: %s", c->domid, what, strerror(-error));
}

static void notify(struct pvb_console *c)
{
	c->told_cons = c->out_cons;
	c->stats.notifies++;
	/* It fails when the guest has closed its end; then nobody listens. */
	(void)xa_evtchn_notify(c->domain, c->ring.port);
}

static void break_ring(struct pvb_console *c, const char *which)
{
	c->broken = true;
	dom_log_guest(c->log, &c->limit, DOM_LOG_WARN,
		      "domain %u: console: impossible %s indices, console is dead until the guest restarts",
		      c->domid, which);
}

/* The history and its sinks. */

const void *con_peek(const struct con_sink *s, uint32_t max, uint32_t *ret_len)
{
	const struct con_hist *h = &s->con->hist;
	uint32_t at = (uint32_t)(s->pos & (h->size - 1));
	uint32_t behind = (uint32_t)(h->head - s->pos), straight = h->size - at;
	uint32_t len = DOM_MIN(behind, straight);

	*ret_len = DOM_MIN(max, len);
	return *ret_len ? h->data + at : NULL;
}

void con_taken(struct con_sink *s, uint64_t n)
{
	s->pos += n;
	s->since = ev_now();
}

/* Sinks that are further behind than the history reaches have lost something. */
static void forget_lost(struct pvb_console *c)
{
	uint64_t tail = c->hist.head > c->hist.size ? c->hist.head - c->hist.size : 0;

	for (unsigned i = 0; i < SINKS && c->sinks[i]; i++) {
		struct con_sink *s = c->sinks[i];

		if (s->dead) {
			s->pos = c->hist.head;
		} else if (s->pos < tail) {
			s->dropped += tail - s->pos;
			c->stats.dropped_bytes += tail - s->pos;
			s->pos = tail;
		}
	}
}

/* Bytes that may be added before a sink that makes the guest wait would lose something. */
static uint32_t room(const struct pvb_console *c)
{
	uint64_t behind = 0;

	for (unsigned i = 0; i < SINKS && c->sinks[i]; i++) {
		const struct con_sink *s = c->sinks[i];

		if (!s->lossy && !s->dead)
			behind = DOM_MAX(behind, c->hist.head - s->pos);
	}
	return behind < c->hist.size ? (uint32_t)(c->hist.size - behind) : 0;
}

static void pump_all(struct pvb_console *c)
{
	for (unsigned i = 0; i < SINKS && c->sinks[i]; i++)
		if (!c->sinks[i]->dead)
			c->sinks[i]->pump(c->sinks[i]);
}

/* Sinks that have taken everything were not slow until now. */
static void mark_ready(struct pvb_console *c)
{
	uint64_t now = ev_now();

	for (unsigned i = 0; i < SINKS && c->sinks[i]; i++)
		if (c->sinks[i]->pos == c->hist.head)
			c->sinks[i]->since = now;
}

/* The guest waits: for how long still? Sinks without any progress for too long do not count. */
static void check_patience(struct pvb_console *c)
{
	uint64_t now = ev_now(), next = EV_FOREVER;

	for (unsigned i = 0; i < SINKS && c->sinks[i]; i++) {
		struct con_sink *s = c->sinks[i];

		if (s->lossy || s->dead || c->hist.head - s->pos < c->hist.size)
			continue;
		if (s->since + c->patience <= now) {
			s->lossy = true;
			c->again = true;
		} else {
			next = DOM_MIN(next, s->since + c->patience);
		}
	}
	if (next != EV_FOREVER)
		ev_timer(&c->stall, next);
}

/* Output. */

/* Move @n bytes from the ring to the history; there is room. */
static void copy_out(struct pvb_console *c, uint32_t n)
{
	while (n) {
		uint32_t from = c->out_cons & (XA_CONSOLE_OUT_SIZE - 1);
		uint32_t to = (uint32_t)(c->hist.head & (c->hist.size - 1));
		uint32_t straight = DOM_MIN(XA_CONSOLE_OUT_SIZE - from, c->hist.size - to);
		uint32_t len = DOM_MIN(n, straight);

		dom_copy_once(c->hist.data + to, c->page + XA_CONSOLE_OUT + from, len);
		c->out_cons += len;
		c->hist.head += len;
		n -= len;
	}
}

/* Take what fits; true if the guest has more than that. */
static bool take_output(struct pvb_console *c)
{
	uint32_t prod = DOM_LOAD_ACQUIRE(field(c, XA_CONSOLE_OUT_PROD));
	uint32_t used = prod - c->out_cons;
	uint32_t n = DOM_MIN(used, room(c));

	if (used > XA_CONSOLE_OUT_SIZE) {
		break_ring(c, "output");
		return false;
	}
	if (n) {
		mark_ready(c);
		copy_out(c, n);
		c->stats.out_bytes += n;
		DOM_STORE_RELEASE(field(c, XA_CONSOLE_OUT_CONS), c->out_cons);
		forget_lost(c);
		if (prod - c->told_cons > XA_CONSOLE_OUT_SIZE / 2)
			notify(c);
	}
	return n < used;
}

static void serve_output(struct pvb_console *c)
{
	bool left = false;

	if (c->serving) {
		c->again = true;
		return;
	}
	c->serving = true;
	for (unsigned i = 0; i < ROUNDS; i++) {
		c->again = false;
		left = c->page && !c->broken && take_output(c);
		pump_all(c);
		if (left && room(c) == 0)
			check_patience(c);
		else if (left)
			c->again = true;
		if (!c->again)
			break;
	}
	c->serving = false;
	if (c->again && ev_idle(&c->more))
		ev_timer(&c->more, 0);
}

void con_moved(struct con_sink *s)
{
	struct pvb_console *c = s->con;

	/* One that moves again is worth waiting for again, unless nobody is at the other end. */
	if (s == &c->pty.out.sink)
		s->lossy &= !(c->pty.attached && c->pty.notify >= 0);
	else if (s == &c->sock.out.sink)
		s->lossy &= !c->sock.attached;
	else
		s->lossy = false;
	serve_output(c);
}

/* Input. */

static uint32_t copy_in(struct pvb_console *c, struct con_source *s, uint32_t space)
{
	uint32_t n = DOM_MIN(space, s->len);

	for (uint32_t i = 0; i < n; i++)
		DOM_STORE(c->page + XA_CONSOLE_IN + ((c->in_prod + i) & (XA_CONSOLE_IN_SIZE - 1)),
			  s->buf[i]);
	c->in_prod += n;
	s->len -= n;
	memmove(s->buf, s->buf + n, s->len);
	return n;
}

void con_feed(struct pvb_console *c)
{
	uint32_t used, n = 0;

	if (c->group.idle)
		return;
	if (c->page && !c->broken) {
		used = c->in_prod - DOM_LOAD_ACQUIRE(field(c, XA_CONSOLE_IN_CONS));
		if (used > XA_CONSOLE_IN_SIZE)
			break_ring(c, "input");
		for (unsigned i = 0; i < SOURCES && c->sources[i] && !c->broken; i++)
			n += copy_in(c, c->sources[i], XA_CONSOLE_IN_SIZE - used - n);
	}
	if (n) {
		DOM_STORE_RELEASE(field(c, XA_CONSOLE_IN_PROD), c->in_prod);
		c->stats.in_bytes += n;
		notify(c);
	}
	for (unsigned i = 0; i < SOURCES && c->sources[i]; i++)
		con_source_wait(c->sources[i]);
}

/* Wake-ups. */

static void on_kick(struct ev_op *op, int res)
{
	struct pvb_console *c = DOM_CONTAINER_OF(op, struct pvb_console, kick);

	if (res < 0)
		return;
	c->stats.kicks++;
	serve_output(c);
	con_feed(c);
}

static void on_stall(struct ev_op *op, int res)
{
	struct pvb_console *c = DOM_CONTAINER_OF(op, struct pvb_console, stall);

	if (res == 0)
		serve_output(c);
}

static void on_more(struct ev_op *op, int res)
{
	struct pvb_console *c = DOM_CONTAINER_OF(op, struct pvb_console, more);

	if (res == 0)
		serve_output(c);
}

static void hist_add(struct pvb_console *c, const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		c->hist.data[c->hist.head++ & (c->hist.size - 1)] = data[i];
	forget_lost(c);
}

static void on_print(struct ev_post *p)
{
	struct pvb_console *c = DOM_CONTAINER_OF(p, struct pvb_console, print_post);

	pthread_mutex_lock(&c->print_lock);
	hist_add(c, c->print, c->print_len);
	c->print_len = 0;
	pthread_mutex_unlock(&c->print_lock);
	if (!c->group.idle)
		serve_output(c);
}

void pvb_console_print(struct pvb_console *c, const char *data, size_t len)
{
	pthread_mutex_lock(&c->print_lock);
	len = DOM_MIN(len, sizeof(c->print) - c->print_len);
	memcpy(c->print + c->print_len, data, len);
	c->print_len += (uint32_t)len;
	pthread_mutex_unlock(&c->print_lock);
	ev_post(c->loop, &c->print_post);
}

/* Life cycle. */

void con_attach(struct pvb_console *c, uint8_t *page, evtchn_port_t port)
{
	c->ring.port = port;
	c->page = page;
	c->broken = false;
	c->out_cons = c->told_cons = DOM_LOAD(field(c, XA_CONSOLE_OUT_CONS));
	c->in_prod = DOM_LOAD(field(c, XA_CONSOLE_IN_PROD));
	con_feed(c);
}

void con_detach(struct pvb_console *c)
{
	if (c->page)
		serve_output(c);
	c->page = NULL;
}

int pvb_console_reset(struct pvb_console *c, const struct pvb_ring *ring)
{
	uint8_t *page;

	/* The last words of the former life. */
	con_detach(c);
	if (ring->eventfd != c->ring.eventfd)
		return -EINVAL;
	page = xa_guest_page(c->domain, ring->gfn);
	if (!page)
		return -EINVAL;
	con_attach(c, page, ring->port);
	return 0;
}

static int open_ends(struct pvb_console *c, const struct pvb_console_config *cfg,
		     struct dom_err *err)
{
	unsigned sinks = 0, sources = 0;
	int r = 0;

	if (cfg->stdio) {
		r = con_term_open(&c->term, c, cfg->loop, cfg, err);
		c->sinks[sinks++] = &c->term.out.sink;
		c->sources[sources++] = &c->term.in;
	}
	if (r == 0 && cfg->pty) {
		r = con_pty_open(&c->pty, c, cfg->loop, cfg->pty_link, err);
		c->sinks[sinks++] = &c->pty.out.sink;
		c->sources[sources++] = &c->pty.in;
	}
	if (r == 0 && cfg->listen_path) {
		r = con_sock_open(&c->sock, c, cfg->loop, cfg->listen_path, err);
		c->sinks[sinks++] = &c->sock.out.sink;
		c->sources[sources++] = &c->sock.in;
	}
	if (r == 0 && cfg->log_path) {
		r = con_log_open(&c->file, c, cfg->loop, cfg->log_path,
				 cfg->log_max ? cfg->log_max : CON_LOG_MAX, err);
		if (r == 0)
			c->sinks[sinks++] = &c->file.sink;
	}
	return r;
}

static void console_gone(struct ev_group *g)
{
	struct pvb_console *c = DOM_CONTAINER_OF(g, struct pvb_console, group);

	ev_post_drain(c->loop);
	con_log_finish(&c->file);
	con_term_close(&c->term);
	con_pty_close(&c->pty);
	con_sock_close(&c->sock);
	dom_close_fd(&c->own_eventfd);
	pthread_mutex_destroy(&c->print_lock);
	free(c->hist.data);
	free(c);
}

void pvb_console_free(struct pvb_console *c)
{
	if (!c)
		return;
	if (c->print_len)
		on_print(&c->print_post);
	serve_output(c);
	con_term_restore(&c->term);
	c->page = NULL;
	c->quit = NULL;
	/* The log is finished when its op is idle; nobody waits for the others. */
	c->term.out.sink.dead = c->pty.out.sink.dead = c->sock.out.sink.dead = true;
	c->pty.attached = c->sock.attached = false;
	ev_group_close(&c->group, console_gone);
}

static int check_window(uint32_t window)
{
	return window < CON_WINDOW_MIN || window > CON_WINDOW_MAX || (window & (window - 1)) ?
		-EINVAL : 0;
}

static int console_new(const struct pvb_console_config *cfg, int own_eventfd,
		       struct pvb_console **ret, struct dom_err *err)
{
	uint32_t window = cfg->window ? cfg->window : CON_WINDOW_DEFAULT;
	struct pvb_console *c;
	int r;

	if (check_window(window))
		return dom_err_set(err, -EINVAL, "console window of %u bytes: must be a power of two from %u to %u",
				   window, CON_WINDOW_MIN, CON_WINDOW_MAX);
	c = calloc(1, sizeof(*c));
	if (c)
		c->hist = (struct con_hist){ .data = malloc(window), .size = window };
	if (!c || !c->hist.data) {
		free(c);
		return dom_err_set(err, -ENOMEM, "console: out of memory");
	}
	c->loop = cfg->loop;
	c->domain = cfg->domain;
	c->domid = cfg->domid;
	c->log = cfg->log;
	c->quit = cfg->quit;
	c->quit_arg = cfg->quit_arg;
	c->ring = own_eventfd < 0 ? cfg->ring : (struct pvb_ring){ .eventfd = own_eventfd };
	c->own_eventfd = -1;
	c->patience = (cfg->patience_ms ? cfg->patience_ms : CON_PATIENCE_MS) * 1000000ull;
	c->file.fd = c->file.old_fd = c->term.in.fd = c->term.out.fd = -1;
	c->pty.out.fd = c->pty.notify = c->pty.slave = -1;
	c->sock.out.fd = c->sock.in.fd = c->sock.listen = -1;
	pthread_mutex_init(&c->print_lock, NULL);
	ev_post_init(&c->print_post, on_print);
	ev_group_init(&c->group, c->loop);
	ev_op_init(&c->kick, c->loop, on_kick, &c->group);
	ev_op_init(&c->stall, c->loop, on_stall, &c->group);
	ev_op_init(&c->more, c->loop, on_more, &c->group);
	r = open_ends(c, cfg, err);
	if (r == 0 && own_eventfd < 0) {
		r = pvb_console_reset(c, &cfg->ring);
		if (r < 0)
			dom_err_set(err, r, "console: no memory behind guest frame %#llx",
				    (unsigned long long)cfg->ring.gfn.v);
	}
	if (r < 0) {
		pvb_console_free(c);
		return r;
	}
	c->own_eventfd = own_eventfd;
	ev_event(&c->kick, c->ring.eventfd);
	*ret = c;
	return 0;
}

int pvb_console_new(const struct pvb_console_config *cfg, struct pvb_console **ret,
		    struct dom_err *err)
{
	return console_new(cfg, -1, ret, err);
}

int con_new(const struct pvb_console_config *cfg, int eventfd, struct pvb_console **ret,
	    struct dom_err *err)
{
	return console_new(cfg, eventfd, ret, err);
}

const char *pvb_console_pty(const struct pvb_console *c)
{
	return c->pty.name[0] ? c->pty.name : NULL;
}

bool pvb_console_flushed(const struct pvb_console *c)
{
	for (unsigned i = 0; i < SINKS && c->sinks[i]; i++) {
		const struct con_sink *s = c->sinks[i];

		if (!s->dead && !s->lossy && s->pos != c->hist.head)
			return false;
	}
	return ev_idle(&c->file.op);
}

bool pvb_console_drain(struct pvb_console *c)
{
	on_print(&c->print_post);
	if (c->page && !c->broken && DOM_LOAD_ACQUIRE(field(c, XA_CONSOLE_OUT_PROD)) != c->out_cons)
		return false;
	return pvb_console_flushed(c) && !con_pty_unread(&c->pty);
}

void pvb_console_stats(const struct pvb_console *c, struct pvb_console_stats *ret)
{
	*ret = c->stats;
}
