// SPDX-License-Identifier: MIT
/*
 * block-list, network-list, channel-list: devices of domains, from the store.
 */
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "cmds.h"

/* A number below the front end's directory, -1 when it is not there. */
static long long front_num(struct xl *xl, const char *front, const char *key)
{
	char *v DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s/%s", front, key);

	return v && *v ? strtoll(v, NULL, 10) : -1;
}

static void print_block(struct xl *xl, unsigned domid, const char *id, const char *front,
			const char *back)
{
	printf("%-5s %-3d %-6u %-5lld %-6lld %-8lld %-30s\n", id, 0, domid, front_num(xl, front, "state"),
	       front_num(xl, front, "event-channel"), front_num(xl, front, "ring-ref"), back);
}

static void print_vif(struct xl *xl, unsigned domid DOM_UNUSED, const char *id, const char *front,
		      const char *back)
{
	char *mac DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s/mac", front);

	printf("%-3s %-2d %-17s%6lld %5lld %6lld %5lld/%-11lld %-30s\n", id, 0, mac ? mac : "",
	       front_num(xl, front, "handle"), front_num(xl, front, "state"),
	       front_num(xl, front, "event-channel-tx"), front_num(xl, front, "tx-ring-ref"),
	       front_num(xl, front, "rx-ring-ref"), back);
}

/* A console without a name is the first one, which is no channel. */
static void print_channel(struct xl *xl, unsigned domid, const char *id, const char *front,
			  const char *back)
{
	char *name DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s/name", back);
	char *connection DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s/connection", back);
	char *tty DOM_CLEANUP_FREE = NULL;

	if (!name || !connection)
		return;
	printf("%-3s %-2d %-5lld %-6lld %-8lld %-10s ", id, 0, front_num(xl, front, "state"),
	       front_num(xl, front, "port"), front_num(xl, front, "ring-ref"), connection);
	if (!strcmp(connection, "pty")) {
		tty = xl_console_tty(xl, domid, (unsigned)strtoul(id, NULL, 10));
		printf("%-30s ", tty ? tty : "");
	}
	putchar('\n');
}

typedef void (*printer)(struct xl *xl, unsigned domid, const char *id, const char *front,
			const char *back);

static void list_kind(struct xl *xl, unsigned domid, const char *kind, printer print)
{
	char path[DOM_PATH_MAX], **ids DOM_CLEANUP_FREE = NULL;
	unsigned count = 0;

	snprintf(path, sizeof(path), "/libxl/%u/device/%s", domid, kind);
	if (xsc_directory(xl->xs, XSC_TX_NONE, path, &ids, &count))
		return;
	for (unsigned i = 0; i < count; i++) {
		char *front DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s/%s/frontend", path, ids[i]);
		char *back DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s/%s/backend", path, ids[i]);

		if (front && back)
			print(xl, domid, ids[i], front, back);
	}
}

int cmd_block_list(struct xl *xl, struct xl_args *a)
{
	unsigned domid;
	uint64_t n;

	if (!xl_store(xl))
		return XL_FAIL;
	printf("%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle", "state", "evt-ch",
	       "ring-ref", "BE-path");
	for (int i = 0; i < a->argc; i++) {
		/* Real xl goes on after an unknown domain, and ends well. */
		if (!dom_parse_u64(a->argv[i], DOM_CFG_DOMID_MAX, &n)) {
			domid = (unsigned)n;
		} else if (xl_domain_by_name(xl, a->argv[i], &domid)) {
			fprintf(stderr, "%s is an invalid domain identifier\n", a->argv[i]);
			continue;
		}
		list_kind(xl, domid, "vbd", print_block);
	}
	return XL_OK;
}

int cmd_network_list(struct xl *xl, struct xl_args *a)
{
	unsigned domid;

	if (!xl_store(xl))
		return XL_FAIL;
	printf("%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s\n", "Idx", "BE", "Mac Addr.", "handle",
	       "state", "evt-ch", "  tx-", "rx-ring-ref", "BE-path");
	for (int i = 0; i < a->argc; i++) {
		if (xl_domain_find(xl, a->argv[i], &domid))
			return XL_FAIL;
		list_kind(xl, domid, "vif", print_vif);
	}
	return XL_OK;
}

int cmd_channel_list(struct xl *xl, struct xl_args *a)
{
	unsigned domid;

	if (!xl_store(xl))
		return XL_FAIL;
	printf("%-3s %-2s %-5s %-6s %8s %-10s %-30s\n", "Idx", "BE", "state", "evt-ch", "ring-ref",
	       "connection", "");
	for (int i = 0; i < a->argc; i++) {
		if (xl_domain_find(xl, a->argv[i], &domid))
			return XL_FAIL;
		list_kind(xl, domid, "console", print_channel);
	}
	return XL_OK;
}
