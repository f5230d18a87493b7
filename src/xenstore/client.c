// SPDX-License-Identifier: MIT
/*
 * The connection of a tool, the toolstack or a VMM to the daemon.
 *
 * Every blocking call is one exchange(): send, then take messages in until the reply is there;
 * events met on the way are queued. A lost connection shows as -ECONNRESET in one place, call(),
 * which is also the only one that re-connects.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "xenstore.h"

#define RX_STEP 4096u
#define DIRECTORY_TRIES 16

struct event {
	struct event *next;
	size_t token;		/* offset of the token behind the path */
	char path[];
};

struct watch {
	char *path, *token;
	int depth;		/* -1: none given */
};

struct xsc {
	int fd;
	char path[108];
	unsigned generation;
	int reconnect_ms;
	uint32_t last_id;
	char *rx;			/* bytes received and not yet taken */
	size_t rx_len, rx_cap;
	struct event *first, **last;	/* queued events */
	unsigned n_events;
	struct event *taken;		/* the one the caller looks at */
	struct watch *watches;
	unsigned n_watches;
};

/* Payload of a request in pieces. */
struct piece {
	const void *data;
	size_t len;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- connection --- */

const char *xsc_default_path(char *buf, size_t size)
{
	const char *path = getenv("XENSTORED_PATH"), *dir = getenv("XENSTORED_RUNDIR");

	if (path && *path)
		snprintf(buf, size, "%s", path);
	else
		snprintf(buf, size, "%s/socket", dir && *dir ? dir : "/run/xenstored");
	return buf;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd DOM_CLEANUP_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return dom_fd_steal(&fd);
}

int xsc_open(struct xsc **ret, const char *path, struct dom_err *err)
{
	struct xsc *xs = calloc(1, sizeof(*xs));

	if (!xs)
		return dom_err_set(err, -ENOMEM, "out of memory");
	xs->last = &xs->first;
	xs->generation = 1;
	if (path)
		snprintf(xs->path, sizeof(xs->path), "%s", path);
	else
		xsc_default_path(xs->path, sizeof(xs->path));
	xs->fd = path && strlen(path) >= sizeof(xs->path) ? -ENAMETOOLONG : connect_to(xs->path);
	if (xs->fd < 0) {
		int code = dom_err_set(err, xs->fd,
				       "cannot reach xenstored at %s: %s; is domicile-xenstored running?",
				       xs->path, strerror(-xs->fd));

		xs->fd = -1;
		xsc_close(xs);
		return code;
	}
	*ret = xs;
	return 0;
}

/* Forget the connection, keep what outlives it: watches and events already here. */
static int lost(struct xsc *xs)
{
	dom_close_fd(&xs->fd);
	xs->rx_len = 0;
	return -ECONNRESET;
}

void xsc_close(struct xsc *xs)
{
	struct event *next;

	if (!xs)
		return;
	lost(xs);
	for (struct event *e = xs->first; e; e = next) {
		next = e->next;
		free(e);
	}
	for (unsigned i = 0; i < xs->n_watches; i++) {
		free(xs->watches[i].path);
		free(xs->watches[i].token);
	}
	free(xs->watches);
	free(xs->taken);
	free(xs->rx);
	free(xs);
}

int xsc_fd(const struct xsc *xs)
{
	return xs->fd;
}

unsigned xsc_generation(const struct xsc *xs)
{
	return xs->generation;
}

void xsc_set_reconnect(struct xsc *xs, int timeout_ms)
{
	xs->reconnect_ms = timeout_ms;
}

/* --- messages --- */

/* Receive some bytes; -EAGAIN when @flags forbid waiting and there are none. */
static int receive(struct xsc *xs, int flags)
{
	ssize_t n;

	if (xs->rx_cap - xs->rx_len < RX_STEP) {
		size_t cap = xs->rx_cap ? xs->rx_cap * 2 : RX_STEP * 2;
		char *rx = realloc(xs->rx, cap);

		if (!rx)
			return -ENOMEM;
		xs->rx = rx;
		xs->rx_cap = cap;
	}
	do
		n = recv(xs->fd, xs->rx + xs->rx_len, xs->rx_cap - xs->rx_len, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	if (n <= 0)
		return lost(xs);
	xs->rx_len += (size_t)n;
	return 0;
}

static int queue_event(struct xsc *xs, const char *payload, size_t len)
{
	const char *str[2];
	struct event *e;

	if (xsc_wire_strings(payload, len, str, 2) < 2)
		return 0;	/* not an event we could report */
	e = malloc(sizeof(*e) + len);
	if (!e)
		return -ENOMEM;
	e->next = NULL;
	e->token = (size_t)(str[1] - payload);
	memcpy(e->path, payload, len);
	*xs->last = e;
	xs->last = &e->next;
	xs->n_events++;
	return 0;
}

/*
 * Take the first message out of what was received. 1: it is not an event and is in *hdr and *ret
 * (if @ret; with a NUL behind); 0: it was an event, now queued; -EAGAIN: not complete yet.
 */
static int take(struct xsc *xs, struct xsd_sockmsg *hdr, char **ret)
{
	size_t len;
	int result = 1;
	char *copy;

	if (xs->rx_len < sizeof(*hdr))
		return -EAGAIN;
	memcpy(hdr, xs->rx, sizeof(*hdr));
	if (hdr->len > XENSTORE_PAYLOAD_MAX)
		return lost(xs);
	len = sizeof(*hdr) + hdr->len;
	if (xs->rx_len < len)
		return -EAGAIN;
	if (hdr->type == XS_WATCH_EVENT) {
		result = queue_event(xs, xs->rx + sizeof(*hdr), hdr->len);
	} else if (ret) {
		copy = malloc(hdr->len + 1u);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, xs->rx + sizeof(*hdr), hdr->len);
		copy[hdr->len] = 0;
		*ret = copy;
	}
	if (result < 0)
		return result;
	xs->rx_len -= len;
	memmove(xs->rx, xs->rx + len, xs->rx_len);
	return result;
}

static int transmit(struct xsc *xs, struct xsd_sockmsg *hdr, const struct piece *p, unsigned n,
		    int pass_fd)
{
	char ctl[CMSG_SPACE(sizeof(int))] DOM_ALIGNED(8) = { 0 };
	struct iovec iov[6] = { { .iov_base = hdr, .iov_len = sizeof(*hdr) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n + 1 };

	for (unsigned i = 0; i < n; i++)
		iov[i + 1] = (struct iovec){ .iov_base = (void *)(uintptr_t)p[i].data,
			.iov_len = p[i].len };
	if (pass_fd >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)ctl;

		msg.msg_control = ctl;
		msg.msg_controllen = sizeof(ctl);
		c->cmsg_len = CMSG_LEN(sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(pass_fd));
	}
	while (msg.msg_iovlen) {
		ssize_t sent = sendmsg(xs->fd, &msg, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return lost(xs);
		msg.msg_controllen = 0;
		while (msg.msg_iovlen && (size_t)sent >= msg.msg_iov->iov_len) {
			sent -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen) {
			msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + sent;
			msg.msg_iov->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

/* One request and its reply over the connection as it is. */
static int exchange(struct xsc *xs, uint32_t tx, uint32_t type, const struct piece *p, unsigned n,
		    int pass_fd, char **ret, size_t *ret_len)
{
	struct xsd_sockmsg hdr = { .type = type, .req_id = ++xs->last_id, .tx_id = tx }, in;
	char *reply DOM_CLEANUP_FREE = NULL;
	int err;

	for (unsigned i = 0; i < n; i++)
		hdr.len += (uint32_t)p[i].len;
	if (xs->fd < 0)
		return -ECONNRESET;
	err = transmit(xs, &hdr, p, n, pass_fd);
	while (!err) {
		int got = take(xs, &in, &reply);

		if (got > 0 && in.req_id == hdr.req_id)
			break;
		if (got > 0)
			dom_free_ptr(&reply);
		err = got == -EAGAIN ? receive(xs, 0) : DOM_MIN(got, 0);
	}
	if (err)
		return err;
	if (in.type == XS_ERROR)
		return xsc_wire_error_code(reply, in.len);
	if (in.type != type)
		return -EIO;
	if (ret) {
		*ret = reply;
		reply = NULL;
	}
	if (ret_len)
		*ret_len = in.len;
	return 0;
}

int xsc_reconnect(struct xsc *xs)
{
	int fd;

	if (xs->fd >= 0)
		return 0;
	fd = connect_to(xs->path);
	if (fd < 0)
		return fd;
	xs->fd = fd;
	xs->generation++;
	for (unsigned i = 0; i < xs->n_watches; i++) {
		const struct watch *w = &xs->watches[i];
		char depth[12];
		struct piece p[3] = { { w->path, strlen(w->path) + 1 },
			{ w->token, strlen(w->token) + 1 }, { depth, 0 } };

		if (w->depth >= 0)
			p[2].len = (size_t)snprintf(depth, sizeof(depth), "%d", w->depth) + 1;
		if (exchange(xs, 0, XS_WATCH, p, 3, -1, NULL, NULL) == -ECONNRESET)
			return -ECONNRESET;
	}
	return 0;
}

static int reconnect_wait(struct xsc *xs)
{
	uint64_t end = now_ms() + (uint64_t)xs->reconnect_ms;

	while (xsc_reconnect(xs)) {
		if (!xs->reconnect_ms || now_ms() >= end)
			return -ECONNRESET;
		poll(NULL, 0, 10);
	}
	return 0;
}

static int call(struct xsc *xs, xsc_tx tx, uint32_t type, const struct piece *p, unsigned n,
		int pass_fd, char **ret, size_t *ret_len)
{
	size_t len = 0;
	int err;

	for (unsigned i = 0; i < n; i++)
		len += p[i].len;
	if (len > XENSTORE_PAYLOAD_MAX)
		return -EMSGSIZE;
	for (;;) {
		if (tx && (unsigned)(tx >> 32) != xs->generation)
			return -EAGAIN;
		err = exchange(xs, (uint32_t)tx, type, p, n, pass_fd, ret, ret_len);
		if (err != -ECONNRESET || !xs->reconnect_ms)
			return err;
		err = reconnect_wait(xs);
		if (err)
			return err;
	}
}

int xsc_call(struct xsc *xs, xsc_tx tx, uint32_t type, const void *payload, size_t len, char **ret,
	     size_t *ret_len)
{
	struct piece p = { payload, len };

	return call(xs, tx, type, &p, 1, -1, ret, ret_len);
}

/* A request whose payload is one string. */
static int call_path(struct xsc *xs, xsc_tx tx, uint32_t type, const char *path, char **ret,
		     size_t *ret_len)
{
	return xsc_call(xs, tx, type, path, strlen(path) + 1, ret, ret_len);
}

/* --- nodes --- */

int xsc_read(struct xsc *xs, xsc_tx tx, const char *path, char **ret_value, size_t *ret_len)
{
	return call_path(xs, tx, XS_READ, path, ret_value, ret_len);
}

int xsc_write(struct xsc *xs, xsc_tx tx, const char *path, const void *value, size_t len)
{
	struct piece p[2] = { { path, strlen(path) + 1 }, { value, len } };

	return call(xs, tx, XS_WRITE, p, 2, -1, NULL, NULL);
}

int xsc_printf(struct xsc *xs, xsc_tx tx, const char *path, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(buf))
		return -EMSGSIZE;
	return xsc_write(xs, tx, path, buf, (size_t)n);
}

int xsc_mkdir(struct xsc *xs, xsc_tx tx, const char *path)
{
	return call_path(xs, tx, XS_MKDIR, path, NULL, NULL);
}

int xsc_rm(struct xsc *xs, xsc_tx tx, const char *path)
{
	return call_path(xs, tx, XS_RM, path, NULL, NULL);
}

/* Fetch a long list part by part; -EAGAIN when it changed between two of them. */
static int directory_parts(struct xsc *xs, xsc_tx tx, const char *path, char **ret, size_t *ret_len)
{
	char *list DOM_CLEANUP_FREE = NULL;
	char gen[24] = "";
	size_t len = 0;

	for (;;) {
		char *part DOM_CLEANUP_FREE = NULL;
		char off[24], *more;
		struct piece p[2] = { { path, strlen(path) + 1 }, { off, 0 } };
		size_t part_len, gen_len;
		int err;

		p[1].len = (size_t)snprintf(off, sizeof(off), "%zu", len) + 1;
		err = call(xs, tx, XS_DIRECTORY_PART, p, 2, -1, &part, &part_len);
		if (err)
			return err;
		gen_len = strnlen(part, part_len) + 1;
		if (gen_len >= part_len || gen_len > sizeof(gen))
			return -EIO;
		if (len && strcmp(gen, part))
			return -EAGAIN;
		memcpy(gen, part, gen_len);
		part_len -= gen_len;
		more = realloc(list, len + part_len);
		if (!more)
			return -ENOMEM;
		list = more;
		memcpy(list + len, part + gen_len, part_len);
		len += part_len;
		/* An empty name is the end. */
		if (list[len - 1] == 0 && (len == 1 || list[len - 2] == 0))
			break;
	}
	*ret = list;
	*ret_len = len - 1;
	list = NULL;
	return 0;
}

int xsc_directory(struct xsc *xs, xsc_tx tx, const char *path, char ***ret_names,
		  unsigned *ret_count)
{
	char *list DOM_CLEANUP_FREE = NULL, *copy;
	char **names;
	size_t len;
	unsigned n;
	int err = call_path(xs, tx, XS_DIRECTORY, path, &list, &len);

	for (int i = 0; err == -E2BIG || err == -EAGAIN; i++) {
		if (i == DIRECTORY_TRIES)
			return -EBUSY;
		if (tx && err == -EAGAIN)
			return err;
		err = directory_parts(xs, tx, path, &list, &len);
	}
	if (err)
		return err;
	n = xsc_wire_strings(list, len, NULL, 0);
	names = malloc((n + 1) * sizeof(*names) + len);
	if (!names)
		return -ENOMEM;
	copy = (char *)(names + n + 1);
	memcpy(copy, list, len);
	for (unsigned i = 0; i < n; i++, copy += strlen(copy) + 1)
		names[i] = copy;
	names[n] = NULL;
	*ret_names = names;
	*ret_count = n;
	return 0;
}

int xsc_get_perms(struct xsc *xs, xsc_tx tx, const char *path, struct xsc_perm **ret_perms,
		  unsigned *ret_count)
{
	char *text DOM_CLEANUP_FREE = NULL;
	struct xsc_perm *perms;
	const char *one;
	size_t len;
	unsigned n;
	int err = call_path(xs, tx, XS_GET_PERMS, path, &text, &len);

	if (err)
		return err;
	n = xsc_wire_strings(text, len, NULL, 0);
	perms = malloc((n ? n : 1) * sizeof(*perms));
	if (!perms)
		return -ENOMEM;
	one = text;
	for (unsigned i = 0; i < n; i++, one += strlen(one) + 1) {
		if (xsc_perm_parse(one, &perms[i])) {
			free(perms);
			return -EIO;
		}
	}
	*ret_perms = perms;
	*ret_count = n;
	return 0;
}

int xsc_set_perms(struct xsc *xs, xsc_tx tx, const char *path, const struct xsc_perm *perms,
		  unsigned count)
{
	char text[XENSTORE_PAYLOAD_MAX];
	struct piece p[2] = { { path, strlen(path) + 1 }, { text, 0 } };

	for (unsigned i = 0; i < count; i++) {
		if (p[1].len + 8 > sizeof(text))
			return -EMSGSIZE;
		p[1].len += strlen(xsc_perm_format(&perms[i], text + p[1].len)) + 1;
	}
	return call(xs, tx, XS_SET_PERMS, p, 2, -1, NULL, NULL);
}

/* --- watches --- */

static struct watch *find_watch(struct xsc *xs, const char *path, const char *token)
{
	for (unsigned i = 0; i < xs->n_watches; i++)
		if (!strcmp(xs->watches[i].path, path) && !strcmp(xs->watches[i].token, token))
			return &xs->watches[i];
	return NULL;
}

static void drop_watch(struct xsc *xs, struct watch *w)
{
	free(w->path);
	free(w->token);
	*w = xs->watches[--xs->n_watches];
}

static int set_watch(struct xsc *xs, const char *path, const char *token, int depth)
{
	struct watch *w = realloc(xs->watches, (xs->n_watches + 1) * sizeof(*w));
	char text[12];
	struct piece p[3] = { { path, strlen(path) + 1 }, { token, strlen(token) + 1 },
		{ text, 0 } };
	int err;

	if (!w)
		return -ENOMEM;
	xs->watches = w;
	if (find_watch(xs, path, token))
		return -EEXIST;
	w += xs->n_watches;
	*w = (struct watch){ .path = strdup(path), .token = strdup(token), .depth = depth };
	xs->n_watches++;
	if (!w->path || !w->token) {
		drop_watch(xs, w);
		return -ENOMEM;
	}
	if (depth >= 0)
		p[2].len = (size_t)snprintf(text, sizeof(text), "%d", depth) + 1;
	err = call(xs, XSC_TX_NONE, XS_WATCH, p, 3, -1, NULL, NULL);
	/* Set by a re-connection inside the call, then once more. */
	if (err == -EEXIST)
		err = 0;
	if (err)
		drop_watch(xs, find_watch(xs, path, token));
	return err;
}

int xsc_watch(struct xsc *xs, const char *path, const char *token)
{
	return set_watch(xs, path, token, -1);
}

int xsc_watch_depth(struct xsc *xs, const char *path, const char *token, unsigned depth)
{
	return depth > INT32_MAX ? -EINVAL : set_watch(xs, path, token, (int)depth);
}

/* Is this event one of a watch on @path with @token? */
static bool belongs(const struct event *e, const char *path, const char *token)
{
	size_t len = strlen(path);

	return !strcmp(e->path + e->token, token) && !strncmp(e->path, path, len) &&
	       (!e->path[len] || e->path[len] == '/' || !strcmp(path, "/"));
}

int xsc_unwatch(struct xsc *xs, const char *path, const char *token)
{
	struct piece p[2] = { { path, strlen(path) + 1 }, { token, strlen(token) + 1 } };
	struct watch *w = find_watch(xs, path, token);
	int err = call(xs, XSC_TX_NONE, XS_UNWATCH, p, 2, -1, NULL, NULL);
	struct event **at = &xs->first;

	if (w)
		drop_watch(xs, w);
	while (*at) {
		struct event *e = *at;

		if (!belongs(e, path, token)) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		xs->n_events--;
		free(e);
	}
	xs->last = at;
	return err;
}

int xsc_dispatch(struct xsc *xs)
{
	struct xsd_sockmsg hdr;
	int err;

	if (xs->fd < 0 && (!xs->reconnect_ms || xsc_reconnect(xs)))
		return -ECONNRESET;
	for (;;) {
		do
			err = take(xs, &hdr, NULL);
		while (err >= 0);
		if (err == -EAGAIN)
			err = receive(xs, MSG_DONTWAIT);
		if (err == -EAGAIN)
			return (int)xs->n_events;
		if (err)
			return err;
	}
}

int xsc_next_event(struct xsc *xs, int timeout_ms, struct xsc_event *ret)
{
	uint64_t end = now_ms() + (uint64_t)DOM_MAX(timeout_ms, 0);

	while (!xs->first) {
		struct pollfd pfd = { .events = POLLIN };
		int err, wait = timeout_ms;
		uint64_t now = now_ms();

		if (xs->fd < 0 && timeout_ms && xs->reconnect_ms && reconnect_wait(xs))
			return -ECONNRESET;
		err = xsc_dispatch(xs);
		if (err == -ECONNRESET && xs->reconnect_ms && timeout_ms)
			continue;
		if (err < 0)
			return err;
		if (err > 0)
			break;
		if (timeout_ms > 0)
			wait = now < end ? (int)(end - now) : 0;
		if (!wait)
			return -EAGAIN;
		pfd.fd = xs->fd;
		if (poll(&pfd, 1, wait) < 0 && errno != EINTR)
			return -errno;
	}
	free(xs->taken);
	xs->taken = xs->first;
	xs->first = xs->taken->next;
	if (!xs->first)
		xs->last = &xs->first;
	xs->n_events--;
	*ret = (struct xsc_event){ .path = xs->taken->path,
		.token = xs->taken->path + xs->taken->token };
	return 0;
}

/* --- transactions --- */

int xsc_transaction_start(struct xsc *xs, xsc_tx *ret_tx)
{
	char *text DOM_CLEANUP_FREE = NULL;
	uint64_t id;
	int err = xsc_call(xs, XSC_TX_NONE, XS_TRANSACTION_START, "", 1, &text, NULL);

	if (err)
		return err;
	if (dom_parse_u64(text, UINT32_MAX, &id) || !id)
		return -EIO;
	*ret_tx = (uint64_t)xs->generation << 32 | id;
	return 0;
}

int xsc_transaction_end(struct xsc *xs, xsc_tx tx, bool abort)
{
	int err = xsc_call(xs, tx, XS_TRANSACTION_END, abort ? "F" : "T", 2, NULL, NULL);

	/* What was to be dropped is gone with its connection. */
	return abort && err == -EAGAIN ? 0 : err;
}

/* --- domains --- */

/* A request whose payload is one number. */
static int call_domid(struct xsc *xs, uint32_t type, uint16_t domid, char **ret)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", domid);
	return call_path(xs, XSC_TX_NONE, type, text, ret, NULL);
}

static int introduce(struct xsc *xs, uint16_t domid, uint64_t gfn, uint32_t port, int fd,
		     char **ret)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u%c%llu%c%u%c%s", domid, 0,
			 (unsigned long long)gfn, 0, port, 0, fd >= 0 ? "fd" : "");
	struct piece p = { text, (size_t)n + (fd >= 0) };

	return call(xs, XSC_TX_NONE, XS_INTRODUCE, &p, 1, fd, ret, NULL);
}

int xsc_introduce(struct xsc *xs, uint16_t domid, uint64_t gfn, uint32_t port)
{
	return introduce(xs, domid, gfn, port, -1, NULL);
}

int xsc_introduce_guest(struct xsc *xs, uint16_t domid, uint64_t gfn, uint32_t port, int *ret_fd)
{
	char *reply DOM_CLEANUP_FREE = NULL;
	int ours DOM_CLEANUP_FD = -1, theirs DOM_CLEANUP_FD = -1, pair[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	err = introduce(xs, domid, gfn, port, theirs, &reply);
	/* The daemon had stopped looking for descriptors here, and looks again now. */
	if (err == -EAGAIN)
		err = introduce(xs, domid, gfn, port, theirs, &reply);
	if (err)
		return err;
	/* Xen's daemons ignore the fourth argument and say "OK". */
	if (strcmp(reply, "FD"))
		return -EINVAL;
	*ret_fd = dom_fd_steal(&ours);
	return 0;
}

int xsc_release(struct xsc *xs, uint16_t domid)
{
	return call_domid(xs, XS_RELEASE, domid, NULL);
}

int xsc_resume(struct xsc *xs, uint16_t domid)
{
	return call_domid(xs, XS_RESUME, domid, NULL);
}

int xsc_set_target(struct xsc *xs, uint16_t domid, uint16_t target)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u%c%u", domid, 0, target);

	return xsc_call(xs, XSC_TX_NONE, XS_SET_TARGET, text, (size_t)n + 1, NULL, NULL);
}

int xsc_is_introduced(struct xsc *xs, uint16_t domid, bool *ret)
{
	char *text DOM_CLEANUP_FREE = NULL;
	int err = call_domid(xs, XS_IS_DOMAIN_INTRODUCED, domid, &text);

	if (!err)
		*ret = text[0] == 'T';
	return err;
}

int xsc_get_domain_path(struct xsc *xs, uint16_t domid, char **ret_path)
{
	return call_domid(xs, XS_GET_DOMAIN_PATH, domid, ret_path);
}

int xsc_control(struct xsc *xs, const char *const *argv, char **ret_out)
{
	char buf[XENSTORE_PAYLOAD_MAX];
	size_t len = 0;

	for (; *argv; argv++) {
		size_t n = strlen(*argv) + 1;

		if (n > sizeof(buf) - len)
			return -EMSGSIZE;
		memcpy(buf + len, *argv, n);
		len += n;
	}
	return xsc_call(xs, XSC_TX_NONE, XS_CONTROL, buf, len, ret_out, NULL);
}
