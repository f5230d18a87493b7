// SPDX-License-Identifier: MIT
/*
 * What a request says, and what is replied: strings, numbers, paths and permissions of a payload.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xsd.h"

#include "xsd.h"

/* --- replies --- */

void xsd_reply(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const void *data, size_t len)
{
	struct xsd_sockmsg hdr = r->hdr;

	hdr.len = (uint32_t)len;
	r->replied = true;
	xsd_conn_send(s, c, &hdr, data, len, NULL, 0);
}

void xsd_ack(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	/* Whoever acts upon the reply finds its events before those of what follows. */
	if (!dom_list_empty(&c->fanout.changes)) {
		c->fanout.reply_waits = true;
		c->reply = r->hdr;
		return;
	}
	xsd_reply(s, c, r, "OK", sizeof("OK"));
}

void xsd_reply_error(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, int err)
{
	const char *name = xsc_wire_error_name(err);

	r->hdr.type = XS_ERROR;
	xsd_reply(s, c, r, name, strlen(name) + 1);
}

const char *xsd_req_one(const struct xsd_req *r)
{
	size_t len = r->hdr.len;

	return len && memchr(r->data, 0, len) == r->data + len - 1 ? r->data : NULL;
}

unsigned xsd_req_number(const char *text)
{
	return (unsigned)strtol(text, NULL, 10);
}

/* Does @path start with "/local/domain/<number>/"? Then its length, which no quota counts. */
static size_t home_part(const char *path, size_t len)
{
	static const char base[] = "/local/domain/";
	size_t n = sizeof(base) - 1, digits = 0;

	if (len <= n || memcmp(path, base, n))
		return 0;
	while (n < len && path[n] >= '0' && path[n] <= '9' && digits < 5) {
		n++;
		digits++;
	}
	return digits && n < len && path[n] == '/' ? n + 1 : 0;
}

int xsd_path(struct xsd *s, struct xsd_conn *c, const char *path, bool special, char *buf,
	     const char **ret, size_t *ret_len)
{
	size_t len = strlen(path);

	if (path[0] == '@' && !special)
		return -EINVAL;
	if (xsc_path_is_relative(path)) {
		memcpy(buf, c->home, c->home_len);
		memcpy(buf + c->home_len, path, len + 1);
		path = buf;
		len += c->home_len;
	}
	if (!xsd_split_valid(&s->gen, path, len))
		return -EINVAL;
	if (xsd_quota_over(s, c, XSD_Q_PATH, len - home_part(path, len)))
		return -EINVAL;
	*ret = path;
	*ret_len = len;
	return 0;
}

int xsd_perms_parse(struct xsd *s, const char *text, unsigned n, struct xsd_perms **ret)
{
	struct xsd_perms *p = xsd_perms_new(n, s->gen.gen + 1);
	int err = p ? 0 : -ENOMEM;

	for (unsigned i = 0; !err && i < n; i++, text += strlen(text) + 1)
		err = xsc_perm_parse(text, &p->v[i]) ? -EINVAL : 0;
	return xsd_perms_made(s, p, err, ret);
}
