// SPDX-License-Identifier: MIT
/*
 * Requests on watches.
 */
#include <errno.h>
#include <string.h>

#include "domicile/base/num.h"
#include "xsd.h"

/* Watches of guests are kept over a restart; tools set theirs again themselves. */
static bool is_kept(const struct xsd_conn *c)
{
	return c->owner && c->owner->domid;
}

int xsd_do_watch(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[3] = { NULL, NULL, NULL }, *path;
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, arg, 3);
	struct xsd_rec_args a = { .type = XSD_REC_WATCH, .domid = c->dom->domid, .num = -1 };
	struct xsd_watch *w;
	char buf[XSD_PATH_MAX];
	size_t len;
	int err;

	if (n != 2 && n != 3)
		return -EINVAL;
	err = xsd_path(s, c, arg[0], true, buf, &path, &len);
	if (err)
		return err;
	if (n == 3) {
		uint64_t depth;

		if (dom_parse_u64(arg[2], INT32_MAX, &depth) || (path[0] == '@' && depth != 1))
			return -EINVAL;
		a.num = (int32_t)depth;
	}
	if (xsd_watch_find(s, c, path, len, arg[1]))
		return -EEXIST;
	if (xsd_quota_over(s, c, XSD_Q_WATCHES, c->dom->acct[XSD_Q_WATCHES] + 1))
		return -E2BIG;
	if (!xsd_conn_privileged(c) &&
	    xsd_quota_over(s, c, XSD_Q_MEMORY, c->dom->acct[XSD_Q_MEMORY] + r->hdr.len + 64))
		return -ENOMEM;
	a.a = arg[0];
	a.a_len = strlen(arg[0]);
	a.b = arg[1];
	a.b_len = strlen(arg[1]);
	err = is_kept(c) ? xsd_state_reserve(s, xsd_rec_size(&a)) : 0;
	if (!err)
		err = xsd_watch_add(s, c, path, len,
				    xsc_path_is_relative(arg[0]) ? c->home_len : 0, arg[1], a.num,
				    &w);
	if (err)
		return err;
	if (is_kept(c))
		xsd_state_put(s, &a);
	xsd_ack(s, c, r);
	xsd_watch_first(s, w);
	return 0;
}

int xsd_do_unwatch(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[2], *path;
	struct xsd_watch *w;
	char buf[XSD_PATH_MAX];
	size_t len;
	int err;

	if (xsc_wire_strings(r->data, r->hdr.len, arg, 2) != 2)
		return -EINVAL;
	err = xsd_path(s, c, arg[0], true, buf, &path, &len);
	if (err)
		return err;
	w = xsd_watch_find(s, c, path, len, arg[1]);
	if (!w)
		return -ENOENT;
	if (is_kept(c)) {
		struct xsd_rec_args a = { .type = XSD_REC_UNWATCH, .domid = c->dom->domid,
			.a = path, .a_len = len, .b = arg[1], .b_len = strlen(arg[1]) };

		err = xsd_state_reserve(s, xsd_rec_size(&a));
		if (err)
			return err;
		xsd_state_put(s, &a);
	}
	xsd_watch_del(s, w);
	xsd_ack(s, c, r);
	return 0;
}

int xsd_do_reset_watches(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	if (is_kept(c)) {
		struct xsd_rec_args a = { .type = XSD_REC_RESET, .domid = c->dom->domid };
		int err = xsd_state_reserve(s, xsd_rec_size(&a));

		if (err)
			return err;
		xsd_state_put(s, &a);
	}
	xsd_watch_del_all(s, c);
	xsd_txn_free_all(s, c);
	r->txn = NULL;
	xsd_ack(s, c, r);
	return 0;
}
