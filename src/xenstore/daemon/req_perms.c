// SPDX-License-Identifier: MIT
/*
 * Requests on permissions.
 */
#include <errno.h>
#include <string.h>

#include "domicile/base/num.h"
#include "xsd.h"

int xsd_do_get_perms(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	struct xsd_target t;
	int err = xsd_target_get(s, c, r, xsd_req_one(r), XSC_PERM_READ, true, XSD_READ_SELF, &t);
	char buf[XENSTORE_PAYLOAD_MAX];
	size_t len = 0;

	for (unsigned i = 0; !err && i < t.f.node->perms->n; i++) {
		char one[8];
		size_t n = strlen(xsc_perm_format(&t.f.node->perms->v[i], one)) + 1;

		if (len + n > sizeof(buf))
			return -E2BIG;
		memcpy(buf + len, one, n);
		len += n;
	}
	if (!err)
		xsd_reply(s, c, r, buf, len);
	return err;
}

/* "@releaseDomain/<domid>" comes into being when permissions are given to it. */
static bool is_special_of_domain(const char *path)
{
	static const char name[] = "@releaseDomain/";
	uint64_t domid;

	return !strncmp(path, name, sizeof(name) - 1) &&
	       !dom_parse_u64(path + sizeof(name) - 1, DOMID_FIRST_RESERVED - 1, &domid);
}

static int set_perms(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, struct xsd_target *t,
		     const struct xsd_perms *perms)
{
	struct xsd_rec_args a = { .type = XSD_REC_PERMS, .a = t->path, .a_len = t->len,
		.b = perms->v, .b_len = perms->n * sizeof(perms->v[0]) };
	struct xsd_perms *old = t->f.node->perms;
	int err = xsd_target_may_modify(s, c, r, t->f.node, perms->n, t->f.node->val_len);

	/* Only privileged callers may give a node away. */
	if (!xsd_conn_privileged(c) && perms->v[0].domid != old->v[0].domid)
		return -EPERM;
	if (err)
		return err;
	old->refs++;
	err = xsd_change(s, c, r, &a);
	if (!err)
		xsd_target_fire(s, r, t, old);
	xsd_perms_unref(old);
	return err;
}

/*
 * Whom a caller may name. There is no hypervisor to ask which domains exist: to privileged callers,
 * who give nodes to domains before they introduce them, every domain id exists.
 */
static int check_perms(struct xsd *s, const struct xsd_conn *c, struct xsd_perms *p)
{
	const struct xsd_dom *owner = xsd_dom_peek(s, p->v[0].domid);

	if (owner->domid >= DOMID_FIRST_RESERVED ||
	    (!xsd_conn_privileged(c) && !owner->introduced))
		return -ENOENT;
	/* Without the feature it is the number of no domain. */
	for (unsigned i = 1; i < p->n; i++)
		if (p->v[i].domid == DOMID_ANY &&
		    !(c->dom->features & XENSTORE_SERVER_FEATURE_DOMID_ANY))
			p->v[i].perms = XSC_PERM_NONE;
	return 0;
}

int xsd_do_set_perms(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	unsigned n = xsc_wire_strings(r->data, r->hdr.len, NULL, 0);
	struct xsd_perms *perms;
	struct xsd_target t;
	int err;

	if (n < 2)
		return -EINVAL;
	if (xsd_quota_over(s, c, XSD_Q_PERMS, n - 1))
		return -ENOSPC;
	err = xsd_perms_parse(s, r->data + strlen(r->data) + 1, n - 1, &perms);
	if (err)
		return err;
	err = check_perms(s, c, perms);
	if (err) {
		xsd_perms_unref(perms);
		return err;
	}
	err = xsd_target_get(s, c, r, r->data, XSC_PERM_WRITE | XSD_PERM_OWNER, true,
			     XSD_READ_SELF, &t);
	if (err == -ENOENT && xsd_conn_privileged(c) && is_special_of_domain(t.path)) {
		struct xsd_rec_args mk = { .type = XSD_REC_MKDIR, .a = t.path, .a_len = t.len,
			.num = -1 };

		err = xsd_change(s, c, r, &mk);
		xsd_find(t.tree, &s->gen, t.path, t.len, &t.f);
	}
	if (!err)
		err = set_perms(s, c, r, &t, perms);
	xsd_perms_unref(perms);
	if (!err)
		xsd_ack(s, c, r);
	return err;
}
