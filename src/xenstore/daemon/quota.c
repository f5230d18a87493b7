// SPDX-License-Identifier: MIT
/*
 * The table of limits and the accounts they are held against.
 *
 * Accounts change only after the change they stand for has happened, so nothing has to be undone.
 * Domain 0 has accounts but no limits.
 */
#include "xsd.h"

/* Names, texts and defaults: C xenstored, `xenstore-control quota` and `quota-soft`. */
const struct xsd_quota_row xsd_quotas[XSD_Q_COUNT] = {
	[XSD_Q_NODES]       = { "nodes", "Nodes per domain", 1000, 0 },
	[XSD_Q_WATCHES]     = { "watches", "Watches per domain", 128, 0 },
	[XSD_Q_OUTSTANDING] = { "outstanding", "Outstanding requests per domain", 20, 0 },
	[XSD_Q_MEMORY]      = { "memory", "Total Xenstore memory per domain", 2621440, 2097152 },
	[XSD_Q_TRANS]       = { "transactions", "Active transactions per domain", 10, 0 },
	[XSD_Q_TRANS_NODES] = { "transaction-nodes",
				"Max. number of accessed nodes per transaction", 1024, 0 },
	[XSD_Q_PERMS]       = { "node-permissions", "Max. number of permissions per node", 5, 0 },
	[XSD_Q_PATH]        = { "path-max", "Max. length of a node path", 2048, 0 },
	[XSD_Q_NODE_SIZE]   = { "node-size", "Max. size of a node", 2048, 0 },
};

int xsd_quota_find(const char *name)
{
	for (int q = 0; q < XSD_Q_COUNT; q++)
		if (!strcmp(name, xsd_quotas[q].name))
			return q;
	return -1;
}

uint32_t xsd_quota_limit(const struct xsd *s, const struct xsd_dom *d, enum xsd_quota q)
{
	return d->limit[q] ? d->limit[q] - 1 : s->hard[q];
}

static void seen(struct xsd *s, struct xsd_dom *d, enum xsd_quota q, uint64_t value)
{
	if (d->seen[q] < value)
		d->seen[q] = value;
	if (d->domid && s->seen[q] < value)
		s->seen[q] = value;
}

bool xsd_quota_over(struct xsd *s, struct xsd_conn *c, enum xsd_quota q, uint64_t value)
{
	uint32_t limit = xsd_quota_limit(s, c->dom, q);

	if (!xsd_conn_privileged(c) && limit && value > limit)
		return true;
	/* Connections over the socket are not a domain's own; their requests leave no trace. */
	if (c->owner)
		seen(s, c->dom, q, value);
	return false;
}

/* The soft level only writes a line, once until the account has fallen again. */
static void warn_soft(struct xsd *s, struct xsd_dom *d)
{
	bool over = s->soft[XSD_Q_MEMORY] && d->acct[XSD_Q_MEMORY] > s->soft[XSD_Q_MEMORY];

	if (over && !d->soft_warned)
		dom_log_guest(&s->log, &d->log_limit, DOM_LOG_WARN,
			      "domain %u exceeds soft memory quota", d->domid);
	d->soft_warned = over;
}

void xsd_quota_add(struct xsd *s, struct xsd_dom *d, enum xsd_quota q, long change)
{
	d->acct[q] += (uint64_t)change;
	if (change > 0)
		seen(s, d, q, d->acct[q]);
	if (q == XSD_Q_MEMORY && d->domid)
		warn_soft(s, d);
}
