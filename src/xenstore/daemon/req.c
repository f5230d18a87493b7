// SPDX-License-Identifier: MIT
/*
 * The requests. One row each; what is common (privilege, transaction) is decided before the
 * handler by the row's flags. Handlers return 0 after replying, or a negative errno that becomes
 * the error reply. Those that begin and end transactions are here, the others stand with their
 * subject: req_node.c, req_perms.c, req_watch.c, req_dom.c, control.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "domicile/base/num.h"
#include "xsd.h"

/* --- transactions --- */

static int do_transaction_start(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	char text[12];
	uint32_t id;
	int err;

	if (r->txn)
		return -EBUSY;
	if (xsd_quota_over(s, c, XSD_Q_TRANS, c->dom->acct[XSD_Q_TRANS] + 1))
		return -ENOSPC;
	err = xsd_txn_start(s, c, &id);
	if (!err)
		xsd_reply(s, c, r, text, (size_t)snprintf(text, sizeof(text), "%u", id) + 1);
	return err;
}

static int do_transaction_end(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	const char *arg = xsd_req_one(r);
	struct xsd_txn *t = r->txn;
	int err;

	if (!arg || (strcmp(arg, "T") && strcmp(arg, "F")))
		return -EINVAL;
	if (!t)
		return -ENOENT;
	err = xsd_txn_end(s, c, t, arg[0] == 'T', &r->hdr);
	if (!err)
		xsd_ack(s, c, r);
	return DOM_MIN(err, 0);
}

/* --- the table --- */

#define PRIV 1u		/* privileged callers only, others get EACCES */
#define NO_TX 2u	/* takes no notice of the transaction id */

static const struct {
	xsd_handler *fn;
	unsigned flags;
} requests[XS_TYPE_COUNT] = {
	[XS_CONTROL]              = { xsd_do_control,              PRIV },
	[XS_DIRECTORY]            = { xsd_do_directory,            0 },
	[XS_READ]                 = { xsd_do_read,                 0 },
	[XS_GET_PERMS]            = { xsd_do_get_perms,            0 },
	[XS_WATCH]                = { xsd_do_watch,                NO_TX },
	[XS_UNWATCH]              = { xsd_do_unwatch,              NO_TX },
	[XS_TRANSACTION_START]    = { do_transaction_start,        0 },
	[XS_TRANSACTION_END]      = { do_transaction_end,          0 },
	[XS_INTRODUCE]            = { xsd_do_introduce,            PRIV },
	[XS_RELEASE]              = { xsd_do_release,              PRIV },
	[XS_GET_DOMAIN_PATH]      = { xsd_do_get_domain_path,      0 },
	[XS_WRITE]                = { xsd_do_write,                0 },
	[XS_MKDIR]                = { xsd_do_mkdir,                0 },
	[XS_RM]                   = { xsd_do_rm,                   0 },
	[XS_SET_PERMS]            = { xsd_do_set_perms,            0 },
	[XS_IS_DOMAIN_INTRODUCED] = { xsd_do_is_domain_introduced, PRIV },
	[XS_RESUME]               = { xsd_do_resume,               PRIV },
	[XS_SET_TARGET]           = { xsd_do_set_target,           PRIV },
	[XS_RESET_WATCHES]        = { xsd_do_reset_watches,        0 },
	[XS_DIRECTORY_PART]       = { xsd_do_directory_part,       0 },
	[XS_GET_FEATURE]          = { xsd_do_get_feature,          0 },
	[XS_SET_FEATURE]          = { xsd_do_set_feature,          PRIV },
	[XS_GET_QUOTA]            = { xsd_do_get_quota,            0 },
	[XS_SET_QUOTA]            = { xsd_do_set_quota,            PRIV },
};

static int find_txn(struct xsd *s, struct xsd_conn *c, struct xsd_req *r)
{
	r->txn = xsd_txn_find(c, r->hdr.tx_id);
	if (!r->txn && c->owner && r->hdr.tx_id <= c->owner->tx_stale)
		r->txn = xsd_txn_stale(s, c, r->hdr.tx_id);
	return r->txn ? 0 : -ENOENT;
}

void xsd_request(struct xsd *s, struct xsd_conn *c, const struct xsd_sockmsg *hdr,
		 const char *data)
{
	struct xsd_req r = { .hdr = *hdr, .data = data };
	uint32_t type = hdr->type;
	int err = 0;

	s->gen.by = c->dom->domid;
	xsd_fan_for(s, &c->fanout);
	if (type >= XS_TYPE_COUNT || !requests[type].fn)
		err = -ENOSYS;
	else if ((requests[type].flags & PRIV) && !xsd_conn_privileged(c))
		err = -EACCES;
	else if (hdr->tx_id && !(requests[type].flags & NO_TX))
		err = find_txn(s, c, &r);
	if (!err)
		err = requests[type].fn(s, c, &r);
	if (err)
		xsd_reply_error(s, c, &r, err);
	xsd_fan_for(s, &s->orphans);
}
