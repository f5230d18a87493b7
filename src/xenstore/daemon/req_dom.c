// SPDX-License-Identifier: MIT
/*
 * Requests on domains.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "xsd.h"

static struct xsd_dom *introduced(struct xsd *s, const char *text, int *ret_err)
{
	unsigned domid = text ? xsd_req_number(text) : 0;
	struct xsd_dom *d = text && domid ? xsd_dom_peek(s, domid) : NULL;

	*ret_err = !text || !domid ? -EINVAL : !d || !d->introduced ? -ENOENT : 0;
	return *ret_err ? NULL : d;
}

/*
 * domid, gfn, port; a fourth string "fd" says that the guest's connection came along, and the reply
 * says so, too. EAGAIN: it was not looked for, see conn.c; now it is. Xen's tools send three.
 */
int xsd_do_introduce(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[4];
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, arg, 4), domid;
	bool with_fd = n >= 4 && !strcmp(arg[3], "fd"), known;
	int fd DOM_CLEANUP_FD = dom_fd_steal(&c->rx_fd);
	struct xsd_dom *d;
	int err;

	if (n < 3 || (int)xsd_req_number(arg[2]) <= 0)
		return -EINVAL;
	if (with_fd && fd < 0) {
		err = xsd_conn_takes_fds(c) ? -EINVAL : -EAGAIN;
		xsd_conn_take_fds(c);
		return err;
	}
	domid = xsd_req_number(arg[0]);
	if (domid >= DOMID_FIRST_RESERVED || (with_fd && !domid))
		return -EINVAL;
	d = xsd_dom_peek(s, domid);
	known = d && d->introduced;
	err = xsd_dom_introduce(s, (uint16_t)domid, strtoull(arg[1], NULL, 0),
				xsd_req_number(arg[2]));
	if (err)
		return err;
	d = xsd_dom_peek(s, domid);
	if (d->conn)
		err = xsd_dom_connect(s, d, with_fd ? fd : -1, known);
	if (err)
		return err;
	if (with_fd)
		dom_fd_steal(&fd);
	xsd_reply(s, c, r, with_fd ? "FD" : "OK", 3);
	return 0;
}

int xsd_do_release(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	int err;
	struct xsd_dom *d = introduced(s, xsd_req_one(r), &err);

	if (!d)
		return err;
	xsd_dom_release(s, d);
	xsd_ack(s, c, r);
	return 0;
}

/* A shutdown that could be news again does not pass through this daemon: nothing to forget. */
int xsd_do_resume(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	int err;

	if (!introduced(s, xsd_req_one(r), &err))
		return err;
	xsd_ack(s, c, r);
	return 0;
}

int xsd_do_set_target(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg[2];
	struct xsd_dom *d, *target;

	if (xsc_wire_strings(r->data, r->hdr.len, arg, 2) < 2)
		return -EINVAL;
	d = xsd_dom_peek(s, xsd_req_number(arg[0]));
	target = xsd_dom_peek(s, xsd_req_number(arg[1]));
	if (!d || !d->introduced || !target || !target->introduced)
		return -ENOENT;
	if (xsd_state_reserve(s, 256))
		return -ENOSPC;
	d->target = target->domid;
	d->has_target = true;
	xsd_state_put_dom(s, d);
	xsd_ack(s, c, r);
	return 0;
}

int xsd_do_is_domain_introduced(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg = xsd_req_one(r);
	struct xsd_dom *d;

	if (!arg)
		return -EINVAL;
	d = xsd_dom_peek(s, xsd_req_number(arg));
	xsd_reply(s, c, r,
		  xsd_req_number(arg) == DOMID_SELF || (d && d->introduced) ? "T" : "F", 2);
	return 0;
}

int xsd_do_get_domain_path(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg = xsd_req_one(r);
	char path[32];

	if (!arg)
		return -EINVAL;
	xsd_reply(s, c, r, path,
		  (size_t)snprintf(path, sizeof(path), "/local/domain/%u",
				   xsd_req_number(arg)) + 1);
	return 0;
}
