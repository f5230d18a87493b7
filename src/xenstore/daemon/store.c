// SPDX-License-Identifier: MIT
/*
 * The daemon's one struct, from empty store to nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "domicile/base/fd.h"
#include "xsd.h"

static void live_add(struct xsd_acct *a, uint16_t owner, int nodes, long bytes)
{
	struct xsd *s = DOM_CONTAINER_OF(a, struct xsd, live);
	struct xsd_dom *d = xsd_dom_get(s, owner);

	/* Owners were mentioned before, in permissions or as creator, so they exist. */
	if (!d)
		return;
	s->work += (uint64_t)abs(nodes);
	if (nodes)
		xsd_quota_add(s, d, XSD_Q_NODES, nodes);
	if (bytes)
		xsd_quota_add(s, d, XSD_Q_MEMORY, bytes);
}

/* What C xenstored starts with. /tool/xenstored is where tools look for a daemon's details. */
static int first_nodes(struct xsd *s)
{
	static const char *const paths[] = { "/tool/xenstored", "@releaseDomain",
		"@introduceDomain" };
	int err = 0;

	s->live.add(&s->live, 0, 1, xsd_node_mem(1, 0, 0));
	for (size_t i = 0; i < DOM_ARRAY_LEN(paths) && !err; i++)
		err = xsd_tree_set(&s->tree, &s->gen, &s->live, paths[i], strlen(paths[i]), NULL, NULL,
				   0, true, -1);
	return err;
}

int xsd_init(struct xsd *s)
{
	struct xsd_dom *dom0;

	*s = (struct xsd){ .epoll = -1, .log_file = -1, .log = { .fd = -1 },
		.watches = { .few = 64 },
		.live = { .add = live_add },
		.state = { .file = { { .fd = -1 }, { .fd = -1 } } } };
	dom_list_init(&s->conns);
	dom_list_init(&s->ready);
	dom_list_init(&s->later);
	dom_list_init(&s->held);
	dom_list_init(&s->telling);
	dom_list_init(&s->fans);
	xsd_fanout_init(&s->orphans, NULL);
	s->fan_for = &s->orphans;
	dom_list_init(&s->guest_txns);
	dom_list_init(&s->dirty);
	dom_list_init(&s->graves);
	/* Hashes are seeded so that no guest can choose names that collide. */
	if (getrandom(&s->seed, sizeof(s->seed), GRND_NONBLOCK) != sizeof(s->seed))
		s->seed = (uint64_t)(uintptr_t)s;
	s->gen.seed = (uint32_t)(s->seed >> 32) | 1;
	for (int q = 0; q < XSD_Q_COUNT; q++) {
		s->hard[q] = xsd_quotas[q].hard;
		s->soft[q] = xsd_quotas[q].soft;
	}
	dom0 = xsd_dom_get(s, 0);
	if (!dom0 || xsd_tree_init(&s->tree, &s->gen))
		return -ENOMEM;
	dom0->introduced = true;
	return first_nodes(s);
}

void xsd_fini(struct xsd *s)
{
	dom_list_for_each_safe(l, &s->conns)
		xsd_conn_free(s, DOM_CONTAINER_OF(l, struct xsd_conn, all));
	xsd_loop_fini(s);
	xsd_txn_fini(s);
	xsd_fan_fini(s);
	xsd_state_close(s);
	xsd_tree_fini(&s->tree);
	xsd_watches_fini(s);
	xsd_dom_fini(s);
	for (unsigned i = 0; i < s->n_listeners; i++)
		dom_close_fd(&s->listeners[i]);
	while (s->n_spare)
		free(s->spare[--s->n_spare]);
	free(s->listing);
	free(s->live_update.binary);
	free(s->live_update.cmdline);
	dom_close_fd(&s->log_file);
}
