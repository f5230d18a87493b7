// SPDX-License-Identifier: MIT
/*
 * Permissions: those that are set name domains, and those that are there say what a client may do.
 */
#include <errno.h>

#include "xsd.h"

static bool is_me(const struct xsd_conn *c, uint16_t domid)
{
	return domid == c->dom->domid || (c->dom->has_target && domid == c->dom->target);
}

/* An entry of a domain that has died since is not valid for a new one with its number. */
static bool entry_alive(const struct xsd *s, const struct xsd_perms *p, unsigned i)
{
	const struct xsd_dom *d = xsd_dom_peek(s, p->v[i].domid);

	return !d || p->gen >= d->dead_gen;
}

unsigned xsd_perm(const struct xsd *s, const struct xsd_conn *c, const struct xsd_perms *p)
{
	if (xsd_conn_privileged(c) || is_me(c, p->v[0].domid))
		return XSC_PERM_READ | XSC_PERM_WRITE | XSD_PERM_OWNER;
	for (unsigned i = 1; i < p->n; i++)
		if (p->v[i].domid == DOMID_ANY ||
		    (is_me(c, p->v[i].domid) && entry_alive(s, p, i)))
			return p->v[i].perms;
	return p->v[0].perms;
}

int xsd_perms_made(struct xsd *s, struct xsd_perms *p, int err, struct xsd_perms **ret)
{
	for (unsigned i = 0; !err && i < p->n; i++)
		err = xsd_dom_get(s, p->v[i].domid) ? 0 : -ENOMEM;
	if (err)
		xsd_perms_unref(p);
	else
		*ret = p;
	return err;
}
