// SPDX-License-Identifier: MIT
/*
 * Live update: the process becomes another binary without any client noticing.
 *
 * Nodes, domains and guests' watches are in the state file already. What is only in memory goes
 * into a memfd as records of the same shape: sockets by number, bytes half read or not yet
 * written, tools' watches, ids of open transactions. Then exec; process id and descriptors stay.
 * Open transactions are not carried over: they go on and end with EAGAIN.
 *
 * The reply to the command is sent by the new binary, or says why there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domicile/base/cur.h"
#include "domicile/base/fd.h"
#include "xsd.h"

#define MAGIC "DOMXSLU1"
#define ARGS_MAX 64

/* Contents of XSD_REC_LIVE_CONN, in a. */
struct rec_conn {
	uint32_t next_tx;
	uint8_t own;		/* the domain's own connection, not a tool's */
	uint8_t ignored;
	uint8_t waits;		/* for the reply to the update command, in b */
	uint8_t reserved;
};

/* --- the command --- */

static int say(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char *text)
{
	xsd_reply(s, c, r, text, strlen(text) + 1);
	return 0;
}

static void forget(struct xsd *s)
{
	free(s->live_update.binary);
	free(s->live_update.cmdline);
	s->live_update.binary = s->live_update.cmdline = NULL;
	s->live_update.start = false;
	s->live_update.conn = NULL;
}

static int keep(char **to, const char *arg)
{
	free(*to);
	*to = strdup(arg);
	return *to ? 0 : -ENOMEM;
}

/*
 * -f FILE, then maybe -c CMDLINE, then -s [-F] [-t SECONDS]; -a gives up. The answer "OK" is
 * success, anything else a reason. This is what `xenstore-control live-update` sends.
 */
int xsd_live_control(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		     unsigned argc)
{
	if (argc == 2 && !strcmp(argv[0], "-f")) {
		forget(s);
		if (access(argv[1], R_OK | X_OK))
			return say(s, c, r, "File not accessible.");
		return keep(&s->live_update.binary, argv[1]) ? -ENOMEM : say(s, c, r, "OK");
	}
	if (argc == 1 && !strcmp(argv[0], "-a")) {
		forget(s);
		return say(s, c, r, "OK");
	}
	if (!s->live_update.binary)
		return say(s, c, r, "Not in live-update mode.");
	if (argc == 2 && !strcmp(argv[0], "-c"))
		return keep(&s->live_update.cmdline, argv[1]) ? -ENOMEM : say(s, c, r, "OK");
	if (argc < 1 || strcmp(argv[0], "-s"))
		return -EINVAL;
	if (!s->state.on)
		return say(s, c, r, "No state file.");
	s->live_update.start = true;
	s->live_update.conn = c;
	s->live_update.hdr = r->hdr;
	return 0;
}

/* --- saving --- */

static int put(int fd, struct xsd_rec_args a)
{
	size_t size = xsd_rec_size(&a);
	char *buf DOM_CLEANUP_FREE = malloc(size);

	if (!buf)
		return -ENOMEM;
	xsd_rec_put(buf, &a);
	return dom_write_all(fd, buf, size);
}

static int save_watches(int fd, const struct xsd_conn *c)
{
	int err = 0;

	dom_list_for_each(l, &c->watches) {
		const struct xsd_watch *w = DOM_CONTAINER_OF(l, struct xsd_watch, on_conn);
		struct xsd_rec_args a = { .type = XSD_REC_LIVE_WATCH, .num = w->depth,
			.b = w->token, .b_len = w->token_len };

		a.a = xsd_watch_path(w, &a.a_len) + w->prefix;
		a.a_len -= w->prefix;
		err = err ? err : put(fd, a);
	}
	return err;
}

static int save_conn(struct xsd *s, int fd, const struct xsd_conn *c)
{
	struct rec_conn r = { .next_tx = c->next_tx, .own = c->owner != NULL,
		.ignored = c->ignored, .waits = c == s->live_update.conn };
	int err = put(fd, (struct xsd_rec_args){ .type = XSD_REC_LIVE_CONN, .num = c->fd,
			.domid = c->dom->domid, .a = &r, .a_len = sizeof(r),
			.b = &s->live_update.hdr, .b_len = sizeof(s->live_update.hdr) });

	if (!err && c->in.len > c->in.pos)
		err = put(fd, (struct xsd_rec_args){ .type = XSD_REC_LIVE_IN,
				.a = c->in.data + c->in.pos, .a_len = c->in.len - c->in.pos });
	if (!err && c->out.len > c->out.pos)
		err = put(fd, (struct xsd_rec_args){ .type = XSD_REC_LIVE_OUT,
				.a = c->out.data + c->out.pos, .a_len = c->out.len - c->out.pos });
	/* Those of guests are in the state file. */
	if (!err && !c->owner)
		err = save_watches(fd, c);
	dom_list_for_each(l, &c->txns) {
		const struct xsd_txn *t = DOM_CONTAINER_OF(l, struct xsd_txn, link);

		if (!err)
			err = put(fd, (struct xsd_rec_args){ .type = XSD_REC_LIVE_TXN,
					.a = &t->id, .a_len = sizeof(t->id) });
	}
	return err;
}

static int save(struct xsd *s, int fd)
{
	int err = dom_write_all(fd, MAGIC, strlen(MAGIC));

	/* With their lock; their directory may be closed to the user that the process is by now. */
	for (int i = 0; i < 2 && !err; i++)
		err = put(fd, (struct xsd_rec_args){ .type = XSD_REC_LIVE_STATE,
				.domid = (uint16_t)i, .num = s->state.file[i].fd });
	for (unsigned i = 0; i < s->n_listeners && !err; i++)
		err = put(fd, (struct xsd_rec_args){ .type = XSD_REC_LIVE_LISTENER,
				.num = s->listeners[i] });
	dom_list_for_each(l, &s->conns)
		if (!err)
			err = save_conn(s, fd, DOM_CONTAINER_OF(l, struct xsd_conn, all));
	return err;
}

/* --- exec --- */

static void set_cloexec(struct xsd *s, int memfd, bool on)
{
	int flags = on ? FD_CLOEXEC : 0;

	fcntl(memfd, F_SETFD, flags);
	for (int i = 0; i < 2; i++)
		fcntl(s->state.file[i].fd, F_SETFD, flags);
	for (unsigned i = 0; i < s->n_listeners; i++)
		fcntl(s->listeners[i], F_SETFD, flags);
	dom_list_for_each(l, &s->conns) {
		const struct xsd_conn *c = DOM_CONTAINER_OF(l, struct xsd_conn, all);

		if (c->fd >= 0)
			fcntl(c->fd, F_SETFD, flags);
	}
}

/* The old arguments, without what a former update added, then the new ones. */
static void build_args(struct xsd *s, char **args, char *live)
{
	char *save_ptr = NULL, *word;
	unsigned n = 0;

	args[n++] = s->live_update.binary;
	for (char **a = s->argv + 1; *a && n < ARGS_MAX - 2; a++)
		if (strncmp(*a, "--live-update=", 14))
			args[n++] = *a;
	word = s->live_update.cmdline ? strtok_r(s->live_update.cmdline, " ", &save_ptr) : NULL;
	for (; word && n < ARGS_MAX - 2; word = strtok_r(NULL, " ", &save_ptr))
		args[n++] = word;
	args[n++] = live;
	args[n] = NULL;
}

void xsd_live_start(struct xsd *s)
{
	int fd DOM_CLEANUP_FD = memfd_create("xenstored-live", MFD_CLOEXEC);
	struct xsd_conn *c = s->live_update.conn;
	struct xsd_req r = { .hdr = s->live_update.hdr };
	char live[32], *args[ARGS_MAX];
	int err = fd < 0 ? -errno : 0;

	xsd_fan_run(s, true);
	xsd_txn_tell(s, true);
	if (!err)
		err = save(s, fd);

	if (!err) {
		dom_log(&s->log, DOM_LOG_INFO, "live update: becoming %s", s->live_update.binary);
		snprintf(live, sizeof(live), "--live-update=%d", fd);
		build_args(s, args, live);
		set_cloexec(s, fd, false);
		execv(s->live_update.binary, args);
		err = -errno;
		set_cloexec(s, fd, true);
	}
	dom_log(&s->log, DOM_LOG_ERROR, "live update: %s", strerror(-err));
	forget(s);
	dom_list_for_each(l, &s->conns)
		if (DOM_CONTAINER_OF(l, struct xsd_conn, all) == c)
			say(s, c, &r, strerror(-err));
	while (!dom_list_empty(&s->dirty))
		xsd_conn_flush(s, DOM_CONTAINER_OF(s->dirty.next, struct xsd_conn, dirty));
}

/* --- taking over --- */

struct resume {
	struct xsd *s;
	bool dry;
	struct xsd_conn *c;	/* the one that records are about; NULL after one we cannot use */
	struct xsd_conn *waits;
	struct xsd_sockmsg hdr;
};

static int resume_listener(struct resume *r, const struct xsd_rec_args *a)
{
	struct xsd *s = r->s;

	if (s->n_listeners == XSD_LISTEN_MAX || a->num < 0)
		return -EINVAL;
	if (r->dry)
		return 0;
	fcntl(a->num, F_SETFD, FD_CLOEXEC);
	s->listeners[s->n_listeners] = a->num;
	return xsd_loop_add(s, a->num, 1 /* EPOLLIN */, &s->listeners[s->n_listeners++]);
}

static int resume_conn(struct resume *r, const struct xsd_rec_args *a)
{
	struct xsd_dom *d = xsd_dom_peek(r->s, a->domid);
	int fd = r->dry ? -1 : a->num;
	struct rec_conn rec;

	if (a->a_len != sizeof(rec) || a->b_len != sizeof(r->hdr) || !d)
		return -EINVAL;
	memcpy(&rec, a->a, sizeof(rec));
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	r->c = rec.own ? d->conn : xsd_conn_new(r->s, fd, d);
	if (!r->c)
		return rec.own ? -EINVAL : -ENOMEM;
	if (rec.own && xsd_conn_attach(r->s, r->c, fd))
		return -ENOMEM;
	if (rec.own)
		d->reattach = false;
	r->c->ignored = rec.ignored;
	r->c->next_tx = DOM_MAX(rec.next_tx, 1u);
	if (rec.waits) {
		r->waits = r->c;
		memcpy(&r->hdr, a->b, sizeof(r->hdr));
	}
	return 0;
}

static int resume_in(struct resume *r, const struct xsd_rec_args *a)
{
	return r->c ? xsd_conn_restore(r->s, r->c, a->a, a->a_len, false) : -EINVAL;
}

static int resume_out(struct resume *r, const struct xsd_rec_args *a)
{
	return r->c ? xsd_conn_restore(r->s, r->c, a->a, a->a_len, true) : -EINVAL;
}

static int resume_txn(struct resume *r, const struct xsd_rec_args *a)
{
	uint32_t id;

	if (!r->c || a->a_len != sizeof(id))
		return -EINVAL;
	memcpy(&id, a->a, sizeof(id));
	if (!id || xsd_txn_find(r->c, id))
		return -EINVAL;
	return xsd_txn_stale(r->s, r->c, id) ? 0 : -ENOMEM;
}

static int resume_watch(struct resume *r, const struct xsd_rec_args *a)
{
	return r->c ? xsd_restore_watch(r->s, r->c, a, XSD_REC_WATCH) : -EINVAL;
}

/* Taken over before, see xsd_live_files(). */
static int resume_state(struct resume *r, const struct xsd_rec_args *a)
{
	(void)r;
	return a->domid < 2 && a->num >= 0 ? 0 : -EINVAL;
}

static int (*const resumers[XSD_REC_END])(struct resume *r, const struct xsd_rec_args *a) = {
	[XSD_REC_LIVE_LISTENER] = resume_listener,
	[XSD_REC_LIVE_CONN]     = resume_conn,
	[XSD_REC_LIVE_IN]       = resume_in,
	[XSD_REC_LIVE_OUT]      = resume_out,
	[XSD_REC_LIVE_WATCH]    = resume_watch,
	[XSD_REC_LIVE_TXN]      = resume_txn,
	[XSD_REC_LIVE_STATE]    = resume_state,
};

int xsd_live_parse(struct xsd *s, const void *data, size_t len, bool dry)
{
	struct resume r = { .s = s, .dry = dry };
	size_t pos = strlen(MAGIC);
	struct xsd_rec_args a;
	int more;

	if (len < pos || memcmp(data, MAGIC, pos))
		return -EINVAL;
	while ((more = xsd_rec_next(data, len, &pos, &a)) > 0) {
		int err = resumers[a.type] ? resumers[a.type](&r, &a) : -EINVAL;

		if (err)
			return err;
	}
	if (!more && r.waits) {
		struct xsd_req req = { .hdr = r.hdr };

		xsd_ack(s, r.waits, &req);
	}
	return more;
}

static int map_file(int fd, void **ret, size_t *ret_len)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) || st.st_size <= 0)
		return -EINVAL;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret = map;
	*ret_len = (size_t)st.st_size;
	return 0;
}

int xsd_live_files(struct xsd *s, int fd)
{
	size_t len, pos = strlen(MAGIC);
	struct xsd_rec_args a;
	void *map;
	int more = map_file(fd, &map, &len);

	if (more)
		return more;
	while (len > pos && (more = xsd_rec_next(map, len, &pos, &a)) > 0 &&
	       a.type == XSD_REC_LIVE_STATE) {
		if (a.domid > 1 || a.num < 0 || s->state.file[a.domid].fd >= 0) {
			more = -EINVAL;
			break;
		}
		s->state.file[a.domid].fd = a.num;
		fcntl(a.num, F_SETFD, FD_CLOEXEC);
	}
	munmap(map, len);
	return DOM_MIN(more, 0);
}

int xsd_live_resume(struct xsd *s, int fd)
{
	int owned DOM_CLEANUP_FD = fd;
	size_t len;
	void *map;
	int err = map_file(owned, &map, &len);

	if (err)
		return err;
	err = xsd_live_parse(s, map, len, false);
	munmap(map, len);
	return err;
}
