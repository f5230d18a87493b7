// SPDX-License-Identifier: MIT
/*
 * Consoles beside the first, which come as devices: what xl.cfg calls channels. The ring is that of
 * the first console, in a page that the guest grants.
 *
 * Our directory, as libxl writes it: name, connection ("pty" or "socket") and, for the latter,
 * path. The name of the terminal goes to node tty of the front end's directory, where xenconsole
 * looks for it. The front end writes ring-ref, port and state Initialised.
 *
 * Number 0 is in the store, too, but is the domain's first console, which the VMM serves from the
 * start: it is passed by here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "con/con.h"
#include "priv.h"

struct con_dev {
	struct pvb_console *con;
	int eventfd;		/* the console's */
	grant_ref_t ref;
	evtchn_port_t port;
};

static int open_console(struct pvb_dev *dev, struct con_dev *c, const char *connection,
			const char *path, struct dom_err *err)
{
	struct pvb_env env = pvb_env(dev);
	struct pvb_console_config cfg = {
		.loop = env.loop, .domain = env.domain, .domid = env.domid, .log = env.log,
		.in_fd = -1, .out_fd = -1,
		.pty = !strcmp(connection, "pty"),
		.listen_path = strcmp(connection, "socket") ? NULL : path,
	};
	int fd, r;

	if (!cfg.pty && !cfg.listen_path)
		return dom_err_set(err, -EINVAL, "connection \"%.40s\" is not pty, nor socket with a path",
				   connection);
	fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return dom_err_set(err, -errno, "eventfd: %s", strerror(errno));
	r = con_new(&cfg, fd, &c->con, err);
	if (r)
		close(fd);
	else
		c->eventfd = fd;
	return r;
}

/* Tell where the terminal is. The toolstack has made the node, and its permissions stay. */
static int tell_tty(struct pvb_dev *dev, const struct con_dev *c)
{
	const char *tty = pvb_console_pty(c->con);

	return tty ? pvb_write_front(dev, "tty", tty) : 0;
}

static int con_probe(struct pvb_dev *dev, struct dom_err *err)
{
	char *connection = NULL, *path = NULL;
	struct con_dev *c;
	int r;

	c = calloc(1, sizeof(*c));
	if (!c)
		return dom_err_set(err, -ENOMEM, "out of memory");
	dev->priv = c;
	r = pvb_read(dev, dev->be, "connection", &connection);
	if (r < 0)
		return dom_err_set(err, r, "cannot read %s/connection: %s", dev->be, strerror(-r));
	(void)pvb_read(dev, dev->be, "path", &path);
	r = open_console(dev, c, connection, path, err);
	free(connection);
	free(path);
	if (r)
		return r;
	r = tell_tty(dev, c);
	return r ? dom_err_set(err, r, "cannot write %s/tty: %s", dev->fe, strerror(-r)) : 0;
}

static int con_connect(struct pvb_dev *dev, struct dom_err *err)
{
	struct pvb_env env = pvb_env(dev);
	struct con_dev *c = dev->priv;
	uint64_t ref, port;
	void *page;
	int r;

	if (pvb_read_uint(dev, dev->fe, "ring-ref", UINT32_MAX, &ref) ||
	    pvb_read_uint(dev, dev->fe, "port", UINT32_MAX, &port))
		return dom_err_set(err, -EINVAL, "cannot read ring-ref and port in %s", dev->fe);
	r = xa_grant_map(env.domain, (grant_ref_t)ref, true, &page);
	if (r)
		return dom_err_set(err, r, "cannot use the ring, grant %u: %s", (unsigned)ref,
				   strerror(-r));
	r = xa_evtchn_bind_backend(env.domain, (evtchn_port_t)port, c->eventfd);
	if (r) {
		xa_grant_unmap(env.domain, (grant_ref_t)ref, true);
		return dom_err_set(err, r, "cannot bind event channel %u: %s", (unsigned)port,
				   strerror(-r));
	}
	c->ref = (grant_ref_t)ref;
	c->port = (evtchn_port_t)port;
	con_attach(c->con, page, c->port);
	return 0;
}

static void con_disconnect(struct pvb_dev *dev)
{
	struct pvb_env env = pvb_env(dev);
	struct con_dev *c = dev->priv;

	/* Ports begin at 1: connect() has got so far. */
	if (c->port) {
		con_detach(c->con);
		xa_evtchn_close_backend(env.domain, c->port);
		xa_grant_unmap(env.domain, c->ref, true);
		c->port = 0;
	}
	pvb_disconnected(dev);
}

static void con_remove(struct pvb_dev *dev)
{
	struct con_dev *c = dev->priv;

	if (c)
		pvb_console_free(c->con);
	free(c);
}

static bool con_drain(struct pvb_dev *dev)
{
	struct con_dev *c = dev->priv;

	return !c->con || pvb_console_drain(c->con);
}

static void con_info(const struct pvb_dev *dev, struct pvb_dev_info *info)
{
	const struct con_dev *c = dev->priv;
	struct pvb_console_stats st;

	if (!c->con)
		return;
	pvb_console_stats(c->con, &st);
	info->tty = pvb_console_pty(c->con);
	pvb_count(info, "out-bytes", st.out_bytes);
	pvb_count(info, "in-bytes", st.in_bytes);
	pvb_count(info, "dropped-bytes", st.dropped_bytes);
	pvb_count(info, "kicks", st.kicks);
	pvb_count(info, "notifies", st.notifies);
}

const struct pvb_driver con_driver = {
	.kind = "console",
	.first_id = 1,
	.probe = con_probe,
	.connect = con_connect,
	.disconnect = con_disconnect,
	.remove = con_remove,
	.drain = con_drain,
	.info = con_info,
};
