// SPDX-License-Identifier: MIT
/*
 * What a device finds around it: the loop and the domain, files that are opened for it, and its nodes in
 * the store. When a device is asked to use them is xenbus.c's matter.
 *
 * Reads and writes of the store wait for the daemon (tens of microseconds); nothing here is on
 * a data path.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/num.h"
#include "domicile/base/sock.h"
#include "domicile/xsc.h"
#include "priv.h"

struct pvb_env pvb_env(struct pvb_dev *dev)
{
	struct pvb *p = dev->pvb;

	return (struct pvb_env){ p->cfg.loop, p->cfg.domain, p->cfg.domid, p->cfg.log, &p->limit };
}

int pvb_open(struct pvb_dev *dev, const char *path, int flags)
{
	const struct pvb_config *cfg = &dev->pvb->cfg;

	return cfg->open ? cfg->open(cfg->arg, path, flags) : dom_open_any(path, flags);
}

bool pvb_ask_server(struct pvb_dev *dev)
{
	const struct pvb_config *cfg = &dev->pvb->cfg;

	return cfg->ask_server && cfg->ask_server(cfg->arg, dev->id);
}

int pvb_open_net(struct pvb_dev *dev, const char *ifname, const char *passt, unsigned queue)
{
	const struct pvb_config *cfg = &dev->pvb->cfg;

	return cfg->open_net ? cfg->open_net(cfg->arg, ifname, passt, queue) : pvb_tap_open(ifname);
}

/* Nodes. */

bool pvb_join(char *buf, const char *dir, const char *key)
{
	return snprintf(buf, PVB_PATH_SIZE, "%s/%s", dir, key) < PVB_PATH_SIZE;
}

int pvb_read(struct pvb_dev *dev, const char *dir, const char *key, char **ret)
{
	char path[PVB_PATH_SIZE], *value;
	size_t len;
	int r;

	if (!pvb_join(path, dir, key))
		return -ENAMETOOLONG;
	r = xsc_read(dev->pvb->cfg.xs, XSC_TX_NONE, path, &value, &len);
	if (r < 0)
		return r;
	if (strlen(value) != len) {
		free(value);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

int pvb_read_uint(struct pvb_dev *dev, const char *dir, const char *key, uint64_t max,
		  uint64_t *ret)
{
	char *value;
	int r = pvb_read(dev, dir, key, &value);

	if (r < 0)
		return r;
	r = dom_parse_u64(value, max, ret);
	free(value);
	return r < 0 ? -EINVAL : 0;
}

/*
 * Write to our directory, unless the toolstack has removed it: a write would bring a part of it
 * back to life.
 */
static int write_node(struct pvb_dev *dev, const char *key, const char *value)
{
	char path[PVB_PATH_SIZE], frontend[PVB_PATH_SIZE];
	struct xsc *xs = dev->pvb->cfg.xs;
	char *old;
	xsc_tx tx;
	int r;

	if (!pvb_join(path, dev->be, key) || !pvb_join(frontend, dev->be, "frontend"))
		return -ENAMETOOLONG;
	do {
		r = xsc_transaction_start(xs, &tx);
		if (r < 0)
			return r;
		r = xsc_read(xs, tx, frontend, &old, NULL);
		if (r == 0) {
			free(old);
			r = xsc_write(xs, tx, path, value, strlen(value));
		}
		if (r < 0)
			xsc_transaction_end(xs, tx, true);
		else
			r = xsc_transaction_end(xs, tx, false);
	} while (r == -EAGAIN);
	return r;
}

int pvb_write_front(struct pvb_dev *dev, const char *key, const char *value)
{
	char path[PVB_PATH_SIZE];

	return pvb_join(path, dev->fe, key) ?
		xsc_write(dev->pvb->cfg.xs, XSC_TX_NONE, path, value, strlen(value)) : -ENAMETOOLONG;
}

int pvb_printf(struct pvb_dev *dev, const char *key, const char *fmt, ...)
{
	char value[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	return n >= (int)sizeof(value) ? -EMSGSIZE : write_node(dev, key, value);
}
