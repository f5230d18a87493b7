// SPDX-License-Identifier: MIT
/*
 * VLANs of a bridge's port. The grammar is that of Xen 4.19's vif-bridge; what is done with it is one
 * message to the kernel for those that the port joins, and one for the VLAN that the bridge gave it.
 *   Interface: linux/if_bridge.h (IFLA_BRIDGE_VLAN_INFO), linux/rtnetlink.h
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "netvlan.h"

/* Parsing. */

struct term {
	unsigned first, step, more;
	uint8_t flags;
};

static bool number(const char **at, unsigned max, unsigned *ret)
{
	unsigned n = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9' && n <= max; ++*at)
		n = n * 10 + (unsigned)(**at - '0');
	*ret = n;
	return n <= max;
}

/* How far the term goes, behind its first number. */
static bool extent(const char **at, struct term *t)
{
	unsigned last;

	if (**at == '-') {
		++*at;
		if (!number(at, XL_VLANS - 1, &last) || last < t->first)
			return false;
		t->step = 1;
		t->more = last - t->first;
	} else if (**at == '+') {
		++*at;
		if (!number(at, XL_VLANS - 1, &t->step) || **at != 'x' || !t->step)
			return false;
		++*at;
		if (!number(at, XL_VLANS - 1, &t->more))
			return false;
	}
	return t->first && t->first + t->step * t->more < XL_VLANS;
}

static bool parse_term(const char **at, struct term *t)
{
	*t = (struct term){ .flags = XL_VLAN_MEMBER };
	if (!number(at, XL_VLANS - 1, &t->first) || !extent(at, t))
		return false;
	if (**at == 'u')
		t->flags |= XL_VLAN_UNTAGGED;
	else if (**at == 'p' && !t->step)
		t->flags |= XL_VLAN_UNTAGGED | XL_VLAN_PVID;
	else
		return !**at || **at == '/';
	++*at;
	return !**at || **at == '/';
}

int xl_vlan_parse(const char *spec, uint8_t ret[XL_VLANS], struct dom_err *err)
{
	unsigned members = 0, pvids = 0, id = 0;
	const char *at = spec;
	struct term t;

	memset(ret, 0, XL_VLANS);
	do {
		at += at != spec;
		if (!parse_term(&at, &t))
			return dom_err_set(err, -EINVAL, "vlan=%s: expected N, Np, A-B or BASE+STEPxMORE, of 1 to 4094, separated by slashes",
					   spec);
		for (unsigned i = 0; i <= t.more; i++)
			ret[t.first + i * t.step] |= t.flags;
	} while (*at);
	for (unsigned i = 1; i < XL_VLANS; i++) {
		if (!ret[i])
			continue;
		members++;
		pvids += (ret[i] & XL_VLAN_PVID) != 0;
		id = i;
	}
	if (members == 1)
		ret[id] |= XL_VLAN_UNTAGGED | XL_VLAN_PVID;
	else if (pvids != 1)
		return dom_err_set(err, -EINVAL, "vlan=%s: one of the VLANs must be marked \"p\", for frames without a tag",
				   spec);
	return 0;
}

/* Telling the kernel. */

struct request {
	struct nlmsghdr h;
	struct ifinfomsg i;
	struct nlattr spec;		/* IFLA_AF_SPEC */
	struct {
		struct nlattr a;	/* IFLA_BRIDGE_VLAN_INFO */
		struct bridge_vlan_info v;
	} vlan[XL_VLANS];
};

static void add_vlan(struct request *r, unsigned *n, unsigned id, uint8_t flags)
{
	r->vlan[(*n)++] = (typeof(r->vlan[0])){
		.a = { .nla_len = sizeof(r->vlan[0]), .nla_type = IFLA_BRIDGE_VLAN_INFO },
		.v = { .vid = (uint16_t)id,
		       .flags = (uint16_t)((flags & XL_VLAN_UNTAGGED ? BRIDGE_VLAN_INFO_UNTAGGED : 0) |
					   (flags & XL_VLAN_PVID ? BRIDGE_VLAN_INFO_PVID : 0)) },
	};
}

/* Send @r with its @n VLANs and wait for what the kernel says. */
static int talk(struct request *r, uint16_t type, unsigned n, unsigned ifindex)
{
	int fd DOM_CLEANUP_FD = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[256];		/* of the request */
	} reply;
	size_t vlans = n * sizeof(r->vlan[0]);

	r->spec = (struct nlattr){ .nla_len = (uint16_t)(sizeof(r->spec) + vlans),
				   .nla_type = IFLA_AF_SPEC | NLA_F_NESTED };
	r->i = (struct ifinfomsg){ .ifi_family = AF_BRIDGE, .ifi_index = (int)ifindex };
	r->h = (struct nlmsghdr){ .nlmsg_len = (uint32_t)(offsetof(struct request, vlan) + vlans),
				  .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK };
	if (fd < 0 || send(fd, r, r->h.nlmsg_len, 0) < 0)
		return -errno;
	if (recv(fd, &reply, sizeof(reply), 0) < (ssize_t)(sizeof(reply.h) + sizeof(reply.e)))
		return -EIO;
	return reply.h.nlmsg_type == NLMSG_ERROR ? reply.e.error : -EIO;
}

/* A number that the kernel tells about a bridge. */
static unsigned bridge_number(const char *bridge, const char *what)
{
	char path[128], text[16];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%.16s/bridge/%s", bridge, what);
	fd = dom_open(path, O_RDONLY, 0);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	dom_close_fd(&fd);
	text[n < 0 ? 0 : n] = '\0';
	return (unsigned)strtoul(text, NULL, 10);
}

int xl_vlan_apply(const char *spec, const char *bridge, const char *name, struct dom_err *err)
{
	uint8_t set[XL_VLANS];
	unsigned n = 0, port = if_nametoindex(name), given;
	int r = xl_vlan_parse(spec, set, err);

	if (r)
		return r;
	if (bridge_number(bridge, "vlan_filtering") != 1)
		return dom_err_set(err, -ENOTSUP, "vlan=%s: bridge %s does not look at VLANs: ip link set %s type bridge vlan_filtering 1",
				   spec, bridge, bridge);
	struct request *req DOM_CLEANUP_FREE = calloc(1, sizeof(*req));

	if (!req)
		return dom_err_set(err, -ENOMEM, "vlan=%s: no memory", spec);
	/* A port begins as a member of one. */
	given = bridge_number(bridge, "default_pvid");
	if (given && given < XL_VLANS && !set[given]) {
		add_vlan(req, &n, given, 0);
		r = talk(req, RTM_DELLINK, n, port);
	}
	n = 0;
	for (unsigned i = 1; i < XL_VLANS; i++)
		if (set[i])
			add_vlan(req, &n, i, set[i]);
	if (!r)
		r = talk(req, RTM_SETLINK, n, port);
	return r ? dom_err_set(err, r, "%s cannot join the VLANs %s of bridge %s: %s", name, spec, bridge,
			       strerror(-r)) : 0;
}
