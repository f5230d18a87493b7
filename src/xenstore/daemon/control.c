// SPDX-License-Identifier: MIT
/*
 * Control commands, limits and features: what an administrator may ask and set. Texts are those of
 * C xenstored 4.20, since people and scripts read them.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "xsd.h"

/* A reply being written; what does not fit is cut off. */
struct out {
	char text[XENSTORE_PAYLOAD_MAX];
	size_t len;
};

DOM_PRINTF(2, 3)
static void add(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->text + o->len, sizeof(o->text) - o->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->len = DOM_MIN(o->len + (size_t)n, sizeof(o->text) - 1);
}

static int reply(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const struct out *o)
{
	xsd_reply(s, c, r, o->text, o->len + 1);
	return 0;
}

static int ack(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	xsd_ack(s, c, r);
	return 0;
}

/* --- check --- */

/* Count the nodes of each owner into xsd_dom.counted. */
static int count_nodes(struct xsd *s)
{
	int more = 0;

	for (int i = 0; i < 2 && more >= 0; i++) {
		struct xsd_walk w;

		xsd_walk_init(&w, s->tree.root[i], i ? "" : "/", !i);
		while ((more = xsd_walk_next(&w)) > 0) {
			struct xsd_dom *d = xsd_dom_peek(s, w.node->perms->v[0].domid);

			if (d && !w.leaving && (w.len || !i))
				d->counted++;
		}
		xsd_walk_fini(&w);
	}
	return more;
}

int xsd_check(struct xsd *s)
{
	struct xsd_dom *d;
	int bad = 0, err;

	for (unsigned id = 0; (d = xsd_dom_next(s, &id)); id++)
		d->counted = 0;
	err = count_nodes(s);
	if (err)
		return err;
	for (unsigned id = 0; (d = xsd_dom_next(s, &id)); id++) {
		if (d->acct[XSD_Q_NODES] == d->counted)
			continue;
		bad++;
		dom_log(&s->log, DOM_LOG_ERROR,
			"check: domain %u owns %llu nodes, %llu are accounted", id,
			(unsigned long long)d->counted, (unsigned long long)d->acct[XSD_Q_NODES]);
	}
	return bad;
}

static int do_check(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		    unsigned argc)
{
	(void)argv;
	if (argc)
		return -EINVAL;
	xsd_check(s);
	return ack(s, c, r);
}

/* --- log --- */

static int do_log(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		  unsigned argc)
{
	if (argc != 1)
		return -EINVAL;
	if (!strcmp(argv[0], "on") || !strcmp(argv[0], "+io"))
		s->log.level = DOM_LOG_DEBUG;
	else if (!strcmp(argv[0], "off") || !strcmp(argv[0], "-io"))
		s->log.level = DOM_LOG_INFO;
	else if (argv[0][0] != '+' && argv[0][0] != '-')
		return -EINVAL;
	return ack(s, c, r);
}

static int do_logfile(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		      unsigned argc)
{
	int fd;

	if (argc != 1)
		return -EINVAL;
	fd = dom_open(argv[0], O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd >= 0) {
		dom_close_fd(&s->log_file);
		s->log_file = s->log.fd = fd;
	} else {
		dom_log(&s->log, DOM_LOG_WARN, "logfile %s: %s", argv[0], strerror(-fd));
	}
	return ack(s, c, r);
}

static int do_print(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		    unsigned argc)
{
	if (argc != 1)
		return -EINVAL;
	dom_log(&s->log, DOM_LOG_INFO, "control: %s", argv[0]);
	return ack(s, c, r);
}

/* --- memreport --- */

/* Without a log file to write to, C xenstored refuses; so do we. */
static int do_memreport(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
			unsigned argc)
{
	struct mallinfo2 m = mallinfo2();
	struct dom_log to = s->log;
	const struct xsd_dom *d;
	int fd DOM_CLEANUP_FD = -1;

	if (argc > 1)
		return -EINVAL;
	if (argc) {
		fd = dom_open(argv[0], O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0600);
		to.fd = fd;
	} else {
		to.fd = s->log_file;
	}
	if (to.fd < 0)
		return -EBADF;
	dom_log(&to, DOM_LOG_INFO, "memory: %zu bytes in use, %zu free, %zu mapped", m.uordblks,
		m.fordblks, m.hblkhd);
	for (unsigned id = 0; (d = xsd_dom_next(s, &id)); id++) {
		if (d->introduced || d->acct[XSD_Q_NODES])
			dom_log(&to, DOM_LOG_INFO, "domain %u: %llu nodes, %llu bytes", id,
				(unsigned long long)d->acct[XSD_Q_NODES],
				(unsigned long long)d->acct[XSD_Q_MEMORY]);
	}
	return ack(s, c, r);
}

/* --- quota --- */

/* Order of `xenstore-control quota`. */
static const enum xsd_quota shown[] = {
	XSD_Q_NODES, XSD_Q_WATCHES, XSD_Q_OUTSTANDING, XSD_Q_MEMORY, XSD_Q_TRANS,
	XSD_Q_TRANS_NODES, XSD_Q_PERMS, XSD_Q_PATH, XSD_Q_NODE_SIZE,
};

static int quota_show(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, bool soft)
{
	struct out o = { .len = 0 };

	add(&o, "Quota settings:\n");
	for (size_t i = 0; i < DOM_ARRAY_LEN(shown); i++) {
		const struct xsd_quota_row *row = &xsd_quotas[shown[i]];
		const char *level = !row->soft ? "" : soft ? " (warning level)" : " (error level)";

		if (!soft || row->soft)
			add(&o, "%-17s: %8u %s%s\n", row->name,
			    soft ? s->soft[shown[i]] : s->hard[shown[i]], row->text, level);
	}
	return reply(s, c, r, &o);
}

static int record_quota(struct xsd *s, int q)
{
	struct xsd_rec_args a = { .type = XSD_REC_QUOTA, .num = q, .a = &s->hard[q], .a_len = 4,
		.b = &s->soft[q], .b_len = 4 };

	if (xsd_state_reserve(s, xsd_rec_size(&a)))
		return -ENOSPC;
	xsd_state_put(s, &a);
	return 0;
}

static int quota_set(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		     unsigned argc, bool soft)
{
	uint64_t value;
	int q, err;

	if (argc != 2)
		return -EINVAL;
	q = xsd_quota_find(argv[0]);
	if (q < 0 || (soft && !xsd_quotas[q].soft) || dom_parse_u64(argv[1], INT32_MAX, &value) ||
	    value < 1)
		return -EINVAL;
	(soft ? s->soft : s->hard)[q] = (uint32_t)value;
	err = record_quota(s, q);
	return err ? err : ack(s, c, r);
}

static int quota_max(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		     unsigned argc)
{
	struct out o = { .len = 0 };

	if (argc > 1 || (argc && strcmp(argv[0], "-r")))
		return -EINVAL;
	if (argc)
		memset(s->seen, 0, sizeof(s->seen));
	add(&o, "Max. seen accounting values:\n");
	for (size_t i = 0; i < DOM_ARRAY_LEN(shown); i++)
		add(&o, "%-17s: %8llu\n", xsd_quotas[shown[i]].name,
		    (unsigned long long)s->seen[shown[i]]);
	return reply(s, c, r, &o);
}

static int quota_domain(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char *arg)
{
	struct xsd_dom *d = xsd_dom_peek(s, (unsigned)strtoul(arg, NULL, 10));
	struct out o = { .len = 0 };

	if (!d)
		return -ENOENT;
	add(&o, "Domain %u:\n", d->domid);
	for (size_t i = 0; i < DOM_ARRAY_LEN(shown); i++)
		add(&o, "%-17s: %8llu (max %8llu)\n", xsd_quotas[shown[i]].name,
		    (unsigned long long)d->acct[shown[i]], (unsigned long long)d->seen[shown[i]]);
	return reply(s, c, r, &o);
}

static int do_quota(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		    unsigned argc)
{
	if (!argc)
		return quota_show(s, c, r, false);
	if (!strcmp(argv[0], "set"))
		return quota_set(s, c, r, argv + 1, argc - 1, false);
	if (!strcmp(argv[0], "max"))
		return quota_max(s, c, r, argv + 1, argc - 1);
	return argc == 1 ? quota_domain(s, c, r, argv[0]) : -EINVAL;
}

static int do_quota_soft(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
			 unsigned argc)
{
	if (!argc)
		return quota_show(s, c, r, true);
	return strcmp(argv[0], "set") ? -EINVAL : quota_set(s, c, r, argv + 1, argc - 1, true);
}

/* --- the table --- */

static int do_help(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		   unsigned argc);

static const struct command {
	const char *name;
	int (*fn)(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		  unsigned argc);
	const char *args;
} commands[] = {
	{ "check",       do_check,         "" },
	{ "log",         do_log,           "[on|off|+<switch>|-<switch>]" },
	{ "live-update", xsd_live_control, "[-c <cmdline>] [-F] [-t <timeout>] <file>\n"
					   "    Default timeout is 60 seconds." },
	{ "logfile",     do_logfile,       "<file>" },
	{ "memreport",   do_memreport,     "[<file>]" },
	{ "print",       do_print,         "<string>" },
	{ "quota",       do_quota,         "[set <name> <val>|<domid>|max [-r]]" },
	{ "quota-soft",  do_quota_soft,    "[set <name> <val>]" },
	{ "help",        do_help,          "" },
};

static int do_help(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		   unsigned argc)
{
	struct out o = { .len = 0 };

	(void)argv;
	if (argc)
		return -EINVAL;
	for (size_t i = 0; i < DOM_ARRAY_LEN(commands); i++)
		add(&o, "%-15s %s\n", commands[i].name, commands[i].args);
	return reply(s, c, r, &o);
}

int xsd_do_control(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *argv[16];
	unsigned argc = xsc_wire_strings(r->data, r->hdr.len, argv, DOM_ARRAY_LEN(argv));

	if (argc < 1 || argc > DOM_ARRAY_LEN(argv))
		return -EINVAL;
	for (size_t i = 0; i < DOM_ARRAY_LEN(commands); i++)
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].fn(s, c, r, argv + 1, argc - 1);
	return -EINVAL;
}

/* --- features and limits over the wire. Spec: docs/misc/xenstore.txt, GET_FEATURE ... --- */

static struct xsd_dom *parse_dom(struct xsd *s, const char *text)
{
	uint64_t domid;

	if (dom_parse_u64(text, DOMID_FIRST_RESERVED - 1, &domid))
		return NULL;
	return xsd_dom_peek(s, (unsigned)domid);
}

static int reply_number(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, unsigned value)
{
	char text[12];

	xsd_reply(s, c, r, text, (size_t)snprintf(text, sizeof(text), "%u", value) + 1);
	return 0;
}

/* Without a domain: what this daemon can do. */
int xsd_do_get_feature(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[1];
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, arg, 1);
	struct xsd_dom *d;

	if (n > 1)
		return -EINVAL;
	if (n == 0 || !arg[0][0])
		return reply_number(s, c, r, XSD_FEATURES);
	d = parse_dom(s, arg[0]);
	if (!xsd_conn_privileged(c) && d != c->dom)
		return -EACCES;
	return d && d->introduced ? reply_number(s, c, r, d->features) : -ENOENT;
}

/* Only before the introduction, since the guest may have looked already. */
int xsd_do_set_feature(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[2];
	uint64_t domid, value;
	struct xsd_dom *d;

	if (xsc_wire_strings(r->data, r->hdr.len, arg, 2) != 2 ||
	    dom_parse_u64(arg[0], DOMID_FIRST_RESERVED - 1, &domid) ||
	    dom_parse_u64(arg[1], UINT32_MAX, &value) || (value & ~(uint64_t)XSD_FEATURES))
		return -EINVAL;
	d = xsd_dom_get(s, (uint16_t)domid);
	if (!d)
		return -ENOMEM;
	if (d->introduced)
		return -EBUSY;
	if (xsd_state_reserve(s, 256))
		return -ENOSPC;
	d->features = (uint32_t)value;
	xsd_state_put_dom(s, d);
	return ack(s, c, r);
}

/* None: names of all limits; name: the general limit; domid and name: the domain's. */
int xsd_do_get_quota(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[2];
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, arg, 2);
	struct out o = { .len = 0 };
	struct xsd_dom *d;
	int q;

	if (n > 2)
		return -EINVAL;
	if (n == 0 || (n == 1 && !arg[0][0])) {
		for (int i = 0; i < XSD_Q_COUNT; i++)
			add(&o, "%s%s", i ? " " : "", xsd_quotas[i].name);
		return reply(s, c, r, &o);
	}
	q = xsd_quota_find(arg[n - 1]);
	d = n == 2 ? parse_dom(s, arg[0]) : NULL;
	if (n == 2 && !xsd_conn_privileged(c) && d != c->dom)
		return -EACCES;
	if (q < 0)
		return -EINVAL;
	if (n == 1)
		return reply_number(s, c, r, s->hard[q]);
	return d ? reply_number(s, c, r, xsd_quota_limit(s, d, (enum xsd_quota)q)) : -ENOENT;
}

int xsd_do_set_quota(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[3];
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, arg, 3);
	struct xsd_dom *d = NULL;
	uint64_t value;
	int q, err;

	if (n != 2 && n != 3)
		return -EINVAL;
	q = xsd_quota_find(arg[n - 2]);
	if (q < 0 || dom_parse_u64(arg[n - 1], INT32_MAX, &value))
		return -EINVAL;
	if (n == 3 && !(d = parse_dom(s, arg[0])))
		return -ENOENT;
	if (!d) {
		s->hard[q] = (uint32_t)value;
		err = record_quota(s, q);
		return err ? err : ack(s, c, r);
	}
	if (xsd_state_reserve(s, 256))
		return -ENOSPC;
	d->limit[q] = (uint32_t)value + 1;
	xsd_state_put_dom(s, d);
	return ack(s, c, r);
}
