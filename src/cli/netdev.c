// SPDX-License-Identifier: MIT
/*
 * Host side of a domain's network interfaces: a persistent tap per vif, made before the VMM
 * starts, since the VMM is confined and since the hotplug scripts of Xen expect the interface.
 *
 * A vif without script= is joined to its bridge here. With script= the named program runs as on
 * Xen ("online" and "offline", XENBUS_PATH and vif in its environment), so that vif-route,
 * vif-openvswitch and people's own scripts work as they are. A vif with passt has no interface: its
 * frames go to a passt(1), which the VMM starts, or we do for a VMM that runs already.
 */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>

#include "domicile/base/fd.h"
#include "domicile/base/passt.h"

#include "device.h"
#include "hotplug.h"
#include "js.h"
#include "layout.h"
#include "netdev.h"
#include "netvlan.h"
#include "plug.h"

#define DEFAULT_BRIDGE "xenbr0"

/*
 * Where a script is run, the name before it ran: scripts of Xen find the interface as vifID.N and
 * give it the name of the node vifname themselves.
 */
static void first_name(struct json_object *nic, unsigned domid, char buf[16])
{
	if (!xl_js_get(nic, "script"))
		xl_nic_name(nic, domid, buf);
	else
		snprintf(buf, 16, "vif%u.%u", domid, (unsigned)xl_js_int(nic, "devid", 0) & 0xff);
}

/* One more queue of a tap, which is made if it is not there; a descriptor or -errno. */
static int tap_open(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int fd DOM_CLEANUP_FD = dom_open("/dev/net/tun", O_RDWR | O_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(fd, TUNSETIFF, &ifr) ? -errno : dom_fd_steal(&fd);
}

static int tap_persist(const char *name, bool on)
{
	int fd DOM_CLEANUP_FD = tap_open(name);

	if (fd < 0)
		return fd;
	return ioctl(fd, TUNSETPERSIST, on) ? -errno : 0;
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

/* To its final name, where the script has not done it. */
static int rename_tap(const char *from, const char *to)
{
	struct ifreq ifr = { 0 };
	int r;

	if (!strcmp(from, to) || !if_nametoindex(from))
		return 0;
	/* One that is up keeps its name. */
	r = if_ioctl(SIOCGIFFLAGS, &ifr, from);
	ifr.ifr_flags &= (short)~IFF_UP;
	if (!r)
		r = if_ioctl(SIOCSIFFLAGS, &ifr, from);
	snprintf(ifr.ifr_newname, sizeof(ifr.ifr_newname), "%s", to);
	return r ? r : if_ioctl(SIOCSIFNAME, &ifr, from);
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

/* The highest address: a bridge takes the lowest of its ports', and should keep it. */
static int set_port_address(const char *name)
{
	struct ifreq ifr = { .ifr_hwaddr = { .sa_family = ARPHRD_ETHER } };

	memset(ifr.ifr_hwaddr.sa_data, 0xff, 6);
	ifr.ifr_hwaddr.sa_data[0] = (char)0xfe;
	return if_ioctl(SIOCSIFHWADDR, &ifr, name);
}

/*
 * A port has nothing to say for itself: what the host's IPv6 would announce on it goes to the guest
 * alone, or is dropped and counted while there is none. As Xen's scripts, which go on, too, where that
 * cannot be had.
 */
static void quieten_port(const char *name)
{
	char path[80];
	int fd DOM_CLEANUP_FD = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%.16s/disable_ipv6", name);
	fd = dom_open(path, O_WRONLY, 0);
	if (fd >= 0)
		(void)dom_write_all(fd, "1", 1);
}

static unsigned devid_of(struct json_object *nic)
{
	return (unsigned)xl_js_int(nic, "devid", 0);
}

static struct xl_hotplug hotplug(struct json_object *nic, unsigned domid, const char *name)
{
	return (struct xl_hotplug){
		.script = xl_js_str(nic, "script", NULL), .kind = "vif", .domid = domid,
		.devid = devid_of(nic), .ifname = name, .netdev = xl_js_str(nic, "gatewaydev", NULL),
	};
}

/* The bridge that an interface is a port of, by whoever made it one; false for none. */
static bool bridge_of(const char *name, char bridge[16])
{
	char path[64], target[DOM_PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%.16s/brport/bridge", name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	if (n < 0 || !strrchr(target, '/'))
		return false;
	snprintf(bridge, 16, "%.15s", strrchr(target, '/') + 1);
	return true;
}

/* What Linux bridges do with VLANs is the same for every script; other switches are the script's. */
static int join_vlans(struct json_object *nic, const char *name, struct dom_err *err)
{
	const char *spec = xl_js_str(nic, "vlan", NULL);
	char bridge[16];

	return spec && bridge_of(name, bridge) ? xl_vlan_apply(spec, bridge, name, err) : 0;
}

/* Without mtu= a port takes its bridge's, and the guest is told. */
static int adopt_mtu(struct xl *xl, unsigned domid, struct json_object *nic, const char *bridge,
		     const char *name)
{
	struct ifreq ifr = { 0 };
	char node[96];
	int r = if_ioctl(SIOCGIFMTU, &ifr, bridge);

	if (r || ifr.ifr_mtu == 1500)
		return r;
	r = if_ioctl(SIOCSIFMTU, &ifr, name);
	snprintf(node, sizeof(node), "/local/domain/%u/device/vif/%u/mtu", domid, devid_of(nic));
	return r ? r : xsc_printf(xl->xs, XSC_TX_NONE, node, "%d", ifr.ifr_mtu);
}

static int connect_bridge(struct xl *xl, unsigned domid, struct json_object *nic, const char *name,
			  struct dom_err *err)
{
	const char *bridge = xl_js_str(nic, "bridge", DEFAULT_BRIDGE);
	int r = set_port_address(name);

	quieten_port(name);
	/* First: a bridge whose mtu nobody chose takes the least of its ports'. */
	if (!r && !xl_js_get(nic, "mtu") && if_nametoindex(bridge))
		r = adopt_mtu(xl, domid, nic, bridge, name);
	return r ? r : join_bridge(bridge, name, err);
}

/* Connect the interface to the host's network, by its script or to its bridge, and say so. */
static int connect_tap(struct xl *xl, unsigned domid, struct json_object *nic, const char *first,
		       struct dom_err *err)
{
	struct ifreq ifr = { .ifr_mtu = (int)xl_js_int(nic, "mtu", 1500) };
	const struct xl_hotplug h = hotplug(nic, domid, first);
	char name[16];
	int r = 0;

	xl_nic_name(nic, domid, name);
	if (xl_js_get(nic, "mtu"))
		r = if_ioctl(SIOCSIFMTU, &ifr, first);
	if (!r && h.script)
		r = xl_hotplug_run(xl, &h, "online", err);
	if (!r && h.script)
		r = rename_tap(first, name);
	else if (!r)
		r = connect_bridge(xl, domid, nic, name, err);
	if (!r)
		r = join_vlans(nic, name, err);
	return r ? r : if_up(name);
}

static int set_connected(struct xl *xl, unsigned domid, unsigned devid)
{
	char back[80], node[112];

	xl_device_back("vif", domid, devid, back);
	snprintf(node, sizeof(node), "%s/hotplug-status", back);
	return xsc_write(xl->xs, XSC_TX_NONE, node, "connected", 9);
}

/* Under whichever of its names. */
static void netdev_down(unsigned domid, struct json_object *nic)
{
	char name[16];

	if (xl_js_get(nic, "passt"))
		return;
	xl_nic_name(nic, domid, name);
	if (if_nametoindex(name))
		tap_persist(name, false);
	first_name(nic, domid, name);
	if (if_nametoindex(name))
		tap_persist(name, false);
}

/*
 * The host's side of a vif that is described in the store. @give is called in between, when the
 * interface is there and before anybody is told.
 */
static int netdev_up(struct xl *xl, unsigned domid, struct json_object *nic,
		     int (*give)(struct xl *xl, unsigned domid, struct json_object *nic,
				 const char *name, struct dom_err *err), struct dom_err *err)
{
	bool passt = xl_js_get(nic, "passt");
	char name[16];
	int r;

	first_name(nic, domid, name);
	r = passt ? 0 : tap_persist(name, true);
	if (r)
		return dom_err_set(err, r, "interface %s cannot be made: %s%s", name, strerror(-r),
				   r == -EPERM || r == -EACCES ? "; it needs root, or passt" : "");
	if (give)
		r = give(xl, domid, nic, name, err);
	if (!r && !passt)
		r = connect_tap(xl, domid, nic, name, err);
	/* A script says this itself. */
	if (!r && (passt || !xl_js_get(nic, "script")))
		r = set_connected(xl, domid, devid_of(nic));
	if (r)
		netdev_down(domid, nic);
	return r && !err->code ? dom_err_set(err, r, "interface %s: %s", name, strerror(-r)) : r;
}

int xl_netdevs_up(struct xl_life *l)
{
	struct json_object *nics = xl_js_get(l->json, "nics");
	int err = 0;

	for (size_t i = 0; nics && i < json_object_array_length(nics) && !err; i++)
		err = netdev_up(l->xl, l->domid, json_object_array_get_idx(nics, i), NULL, &l->err);
	if (err) {
		xl_netdevs_offline(l->xl, l->domid, l->json);
		xl_netdevs_down(l->domid, l->json);
	}
	return err;
}

static void netdev_offline(struct xl *xl, unsigned domid, struct json_object *nic)
{
	struct xl_hotplug h;
	char name[16], first[16];

	xl_nic_name(nic, domid, name);
	first_name(nic, domid, first);
	h = hotplug(nic, domid, first);
	if (h.script && (if_nametoindex(name) || if_nametoindex(first)))
		xl_hotplug_undo(xl, &h, "offline");
}

void xl_netdevs_offline(struct xl *xl, unsigned domid, struct json_object *json)
{
	struct json_object *nics = xl_js_get(json, "nics");

	for (size_t i = 0; nics && i < json_object_array_length(nics); i++)
		netdev_offline(xl, domid, json_object_array_get_idx(nics, i));
}

void xl_netdevs_down(unsigned domid, struct json_object *json)
{
	struct json_object *nics = xl_js_get(json, "nics");

	for (size_t i = 0; nics && i < json_object_array_length(nics); i++)
		netdev_down(domid, json_object_array_get_idx(nics, i));
}

/* Hot plug. */

/* Queues of the tap, which has this name now, or the socket of a passt, for a VMM that cannot open any. */
static int give_queues(struct xl *xl, unsigned domid, struct json_object *nic, const char *name,
		       struct dom_err *err)
{
	int fds[DOM_CTL_FDS_MAX], r = 0;
	unsigned count = 0;
	char files[32], final[16];

	xl_nic_name(nic, domid, final);
	snprintf(files, sizeof(files), "net/%s", final);
	if (xl_js_get(nic, "passt")) {
		r = dom_passt_start(xl_js_str(nic, "passt", ""), &fds[0], err);
		count = r ? 0 : 1;
	}
	while (!r && !xl_js_get(nic, "passt") && count < DOM_CTL_FDS_MAX) {
		fds[count] = tap_open(name);
		if (fds[count] < 0)
			break;
		count++;
	}
	if (!r && !count)
		r = dom_err_set(err, -EIO, "interface %s cannot be opened", name);
	if (!r)
		r = xl_ctl_files(xl, domid, files, fds, count, err);
	while (count)
		dom_close_fd(&fds[--count]);
	return r;
}

/* Can vlan= have an effect? */
static int check_vlan(struct json_object *nic, struct dom_err *err)
{
	static const char *const bridgeless[] = { "vif-route", "vif-nat" };
	const char *spec = xl_js_str(nic, "vlan", NULL), *script = xl_js_str(nic, "script", ""), *base;
	char path[DOM_PATH_MAX];
	uint8_t set[XL_VLANS];
	int r = spec ? xl_vlan_parse(spec, set, err) : 0;

	if (!spec || r)
		return r;
	if (xl_js_get(nic, "passt"))
		return dom_err_set(err, -ENOTSUP, "vif %u: passt knows no VLANs: leave vlan= out", devid_of(nic));
	base = strrchr(script, '/') ? strrchr(script, '/') + 1 : script;
	for (size_t i = 0; i < DOM_ARRAY_LEN(bridgeless); i++)
		if (!strcmp(base, bridgeless[i]))
			return dom_err_set(err, -ENOTSUP, "vif %u: %s has no bridge, so vlan= means nothing: leave it out",
					   devid_of(nic), script);
	xl_hotplug_find(script, path);
	if (!strcmp(path, XL_SCRIPT_DIR "/vif-openvswitch"))
		return dom_err_set(err, -ENOTSUP, "vif %u: %s does not look at vlan=: say bridge=NAME.TAG:TRUNK in place of it",
				   devid_of(nic), path);
	return 0;
}

int xl_netdev_check(struct json_object *nic, struct dom_err *err)
{
	const char *backend = xl_js_str(nic, "backend_domname", "0"), *name = xl_js_str(nic, "ifname", "");
	unsigned devid = devid_of(nic);

	if (strcmp(backend, "0") && strcmp(backend, "Domain-0"))
		return dom_err_set(err, -ENOTSUP, "vif %u: backend domains are not supported yet", devid);
	if (strlen(name) > 15)
		return dom_err_set(err, -EINVAL, "vif %u: vifname %s is longer than 15 bytes", devid, name);
	if (devid > 255)
		return dom_err_set(err, -EINVAL, "vif %u: there are devids up to 255", devid);
	return check_vlan(nic, err);
}

int xl_netdev_attach(struct xl *xl, unsigned domid, struct json_object *nic, struct dom_err *err)
{
	unsigned devid = devid_of(nic);
	char name[32], back[80];
	int r = xl_netdev_check(nic, err);

	if (!r)
		r = xl_layout_nic(xl, domid, nic, err);
	if (r)
		return r;
	snprintf(name, sizeof(name), "vif %u", devid);
	xl_device_back("vif", domid, devid, back);
	r = netdev_up(xl, domid, nic, give_queues, err);
	if (!r)
		r = xl_plug_attached(xl, back, name, err);
	if (r) {
		netdev_offline(xl, domid, nic);
		netdev_down(domid, nic);
		(void)xl_layout_remove(xl, domid, "vif", devid);
		return r;
	}
	xl_plug_store(xl, domid, "nics", devid_of, devid, nic);
	return 0;
}

/* The vif with this interface, of the stored configuration @json; NULL. */
static struct json_object *nic_of(struct json_object *json, unsigned domid, const char *ifname)
{
	struct json_object *nics = xl_js_get(json, "nics");

	for (size_t i = 0; nics && i < json_object_array_length(nics); i++) {
		struct json_object *nic = json_object_array_get_idx(nics, i);
		char name[16];

		xl_nic_name(nic, domid, name);
		if (!strcmp(name, ifname))
			return nic;
	}
	return NULL;
}

/* Other than at first the VMM comes last: once it has the interface, it does not ask again. */
static int restore(struct xl *xl, unsigned domid, struct json_object *nic, const char *name,
		   struct dom_err *err)
{
	bool passt = xl_js_get(nic, "passt");
	char first[16];
	int r;

	first_name(nic, domid, first);
	r = passt ? 0 : tap_persist(first, true);
	if (!r && !passt)
		r = connect_tap(xl, domid, nic, first, err);
	if (!r)
		r = give_queues(xl, domid, nic, name, err);
	if (r)
		netdev_down(domid, nic);
	return r && !err->code ? dom_err_set(err, r, "interface %s: %s", name, strerror(-r)) : r;
}

int xl_netdev_restore(struct xl *xl, unsigned domid, const char *ifname, struct dom_err *err)
{
	struct json_object *json = xl_config_load(xl, domid), *nic = nic_of(json, domid, ifname);
	char back[80];
	int r = -ENOENT;

	if (nic)
		xl_device_back("vif", domid, devid_of(nic), back);
	/* Who detaches an interface says so first, and then removes it. */
	if (nic && xl_read_uint(xl, XSC_TX_NONE, 0, "%s/online", back) == 1)
		r = restore(xl, domid, nic, ifname, err);
	json_object_put(json);
	return r;
}

/* An interface that somebody has put elsewhere stays there; one with a script is the script's. */
static void rejoin(struct json_object *nic, unsigned domid)
{
	const char *bridge = xl_js_str(nic, "bridge", DEFAULT_BRIDGE);
	char name[16], path[64];
	struct dom_err err = { 0 };
	int r;

	xl_nic_name(nic, domid, name);
	snprintf(path, sizeof(path), "/sys/class/net/%.16s/master", name);
	if (xl_js_get(nic, "passt") || xl_js_get(nic, "script") || !if_nametoindex(bridge) ||
	    !if_nametoindex(name) || !access(path, F_OK))
		return;
	r = join_bridge(bridge, name, &err);
	if (!r)
		r = join_vlans(nic, name, &err);
	if (r)
		fprintf(stderr, "xl: warning: there is a bridge %s again: %s\n", bridge, err.msg);
	else
		fprintf(stderr, "There is a bridge %s again, and %s is a port of it\n", bridge, name);
}

void xl_netdevs_rejoin(struct xl *xl, unsigned domid)
{
	struct json_object *json = xl_config_load(xl, domid), *nics = xl_js_get(json, "nics");

	for (size_t i = 0; nics && i < json_object_array_length(nics); i++)
		rejoin(json_object_array_get_idx(nics, i), domid);
	json_object_put(json);
}

int xl_netdev_detach(struct xl *xl, unsigned domid, unsigned devid, bool force,
		     struct dom_err *err)
{
	char *back DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "/libxl/%u/device/vif/%u/backend", domid,
					      devid);
	struct json_object *json = NULL, *nics;
	int r;

	if (!back)
		return -ENOENT;
	r = xl_plug_close(xl, back, force, err);
	if (r)
		return r;
	json = xl_config_load(xl, domid);
	nics = xl_js_get(json, "nics");
	for (size_t i = 0; nics && i < json_object_array_length(nics); i++) {
		struct json_object *nic = json_object_array_get_idx(nics, i);

		if (devid_of(nic) != devid)
			continue;
		netdev_offline(xl, domid, nic);
		netdev_down(domid, nic);
	}
	json_object_put(json);
	r = xl_layout_remove(xl, domid, "vif", devid);
	xl_plug_store(xl, domid, "nics", devid_of, devid, NULL);
	return r ? dom_err_set(err, r, "the store does not remove its nodes: %s", strerror(-r)) : 0;
}
