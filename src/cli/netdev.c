// SPDX-License-Identifier: MIT
/*
 * Host side of a domain's network interfaces: a persistent tap per vif, made before the VMM
 * starts, since the VMM is confined and since the hotplug scripts of Xen expect the interface.
 *
 * A vif without script= is joined to its bridge here. With script= the named program runs as on
 * Xen ("online" and "offline", XENBUS_PATH and vif in its environment), so that vif-route,
 * vif-openvswitch and people's own scripts work as they are.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>

#include "domicile/base/fd.h"

#include "js.h"
#include "life.h"

#define TAP_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)
#define SCRIPT_DIR "/etc/xen/scripts"
#define DEFAULT_BRIDGE "xenbr0"

void xl_netdev_name(struct json_object *nic, unsigned domid, char buf[16])
{
	const char *name = xl_js_str(nic, "ifname", NULL);

	if (name)
		snprintf(buf, 16, "%s", name);
	else
		snprintf(buf, 16, "vif%u.%u", domid, (unsigned)xl_js_int(nic, "devid", 0) & 0xff);
}

static int tap_persist(const char *name, bool on)
{
	struct ifreq ifr = { .ifr_flags = TAP_FLAGS };
	int fd DOM_CLEANUP_FD = dom_open("/dev/net/tun", O_RDWR, 0);

	if (fd < 0)
		return fd;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETPERSIST, on))
		return -errno;
	return 0;
}

/* One request about interface @name. */
static int if_ioctl(unsigned long request, struct ifreq *ifr, const char *name)
{
	int fd DOM_CLEANUP_FD = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	return fd < 0 || ioctl(fd, request, ifr) ? -errno : 0;
}

static int if_up(const char *name)
{
	struct ifreq ifr = { 0 };
	int err = if_ioctl(SIOCGIFFLAGS, &ifr, name);

	ifr.ifr_flags |= IFF_UP;
	return err ? err : if_ioctl(SIOCSIFFLAGS, &ifr, name);
}

static int join_bridge(const char *bridge, const char *name, struct dom_err *err)
{
	struct ifreq ifr = { .ifr_ifindex = (int)if_nametoindex(name) };
	int code;

	if (!if_nametoindex(bridge))
		return dom_err_set(err, -ENODEV, "Could not find bridge device %s", bridge);
	code = if_ioctl(SIOCBRADDIF, &ifr, bridge);
	if (code)
		return dom_err_set(err, code, "%s cannot join bridge %s: %s", name, bridge,
				   strerror(-code));
	return 0;
}

/* Run a hotplug script the way libxl does; its output goes to standard error. */
static int run_script(const char *script, const char *what, unsigned domid, unsigned devid,
		      const char *name, struct dom_err *err)
{
	char path[DOM_PATH_MAX], xenbus[80], vif[32], verb[16];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s%s%s", *script == '/' ? "" : SCRIPT_DIR,
		 *script == '/' ? "" : "/", script);
	snprintf(xenbus, sizeof(xenbus), "XENBUS_PATH=backend/vif/%u/%u", domid, devid);
	snprintf(vif, sizeof(vif), "vif=%s", name);
	snprintf(verb, sizeof(verb), "%s", what);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		char *const argv[] = { path, verb, (char[]){ "type_if=vif" }, NULL };

		putenv(xenbus);
		putenv(vif);
		setenv("XENBUS_TYPE", "vif", 1);
		dup2(2, 1);
		xl_default_signals();
		execv(path, argv);
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return dom_err_set(err, -EIO, "%s %s failed for %s", path, what, name);
}

static int netdev_up(struct xl_life *l, struct json_object *nic)
{
	const char *script = xl_js_str(nic, "script", NULL);
	unsigned devid = (unsigned)xl_js_int(nic, "devid", 0);
	struct ifreq ifr = { .ifr_mtu = (int)xl_js_int(nic, "mtu", 1500) };
	char name[16], path[80];
	int err;

	xl_netdev_name(nic, l->domid, name);
	err = tap_persist(name, true);
	if (err)
		return dom_err_set(&l->err, err, "interface %s cannot be made: %s%s", name, strerror(-err),
				   err == -EPERM ? "; vifs need root" : "");
	if (xl_js_get(nic, "mtu"))
		err = if_ioctl(SIOCSIFMTU, &ifr, name);
	if (script)
		err = run_script(script, "online", l->domid, devid, name, &l->err);
	else
		err = join_bridge(xl_js_str(nic, "bridge", DEFAULT_BRIDGE), name, &l->err);
	if (!err)
		err = if_up(name);
	if (err) {
		tap_persist(name, false);
		if (!l->err.code)
			dom_err_set(&l->err, err, "interface %s: %s", name, strerror(-err));
		return err;
	}
	/* A script says this itself. */
	snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/%u/hotplug-status", l->domid, devid);
	return script ? 0 : xsc_printf(l->xl->xs, XSC_TX_NONE, path, "connected");
}

int xl_netdevs_up(struct xl_life *l)
{
	struct json_object *nics = xl_js_get(l->json, "nics");
	int err = 0;

	for (size_t i = 0; nics && i < json_object_array_length(nics) && !err; i++)
		err = netdev_up(l, json_object_array_get_idx(nics, i));
	if (err)
		xl_netdevs_down(l->xl, l->domid, l->json);
	return err;
}

void xl_netdevs_down(struct xl *xl DOM_UNUSED, unsigned domid, struct json_object *json)
{
	struct json_object *nics = xl_js_get(json, "nics");
	struct dom_err ignored;
	char name[16];

	for (size_t i = 0; nics && i < json_object_array_length(nics); i++) {
		struct json_object *nic = json_object_array_get_idx(nics, i);
		const char *script = xl_js_str(nic, "script", NULL);

		xl_netdev_name(nic, domid, name);
		if (!if_nametoindex(name))
			continue;
		if (script)
			run_script(script, "offline", domid, (unsigned)xl_js_int(nic, "devid", 0), name,
				   &ignored);
		tap_persist(name, false);
	}
}
