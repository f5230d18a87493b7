// SPDX-License-Identifier: MIT
/*
 * New bridges, from the kernel's messages about interfaces. Every domain has a monitor that waits for
 * them and every interface of every domain is told of, so the kernel filters: of a message that says
 * all of an interface, which is so when it is new, the kind is looked at.
 *   Interface: linux/rtnetlink.h (RTM_NEWLINK), linux/if_link.h (IFLA_INFO_KIND), linux/filter.h
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "domicile/base/cc.h"
#include "domicile/base/fd.h"

#include "netwatch.h"

#define AT_CHANGE (sizeof(struct nlmsghdr) + offsetof(struct ifinfomsg, ifi_change))
#define AT_ATTRS (sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg))
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define ONLY_IF(value, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (otherwise))
#define NOT_IF(value, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (otherwise), 0)

/* Loads are of the network's byte order, so numbers of the host are seen turned around. */
static const struct sock_filter new_bridges[] = {
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
	ONLY_IF(RTM_NEWLINK << 8, 13),
	LOAD(AT_CHANGE),
	ONLY_IF(0xffffffff, 11),
	BPF_STMT(BPF_LD | BPF_IMM, AT_ATTRS),
	BPF_STMT(BPF_LDX | BPF_IMM, IFLA_LINKINFO),
	LOAD(SKF_AD_OFF + SKF_AD_NLATTR),
	NOT_IF(0, 7),
	BPF_STMT(BPF_LDX | BPF_IMM, IFLA_INFO_KIND),
	LOAD(SKF_AD_OFF + SKF_AD_NLATTR_NEST),
	NOT_IF(0, 4),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	BPF_STMT(BPF_LD | BPF_W | BPF_IND, sizeof(struct nlattr)),
	ONLY_IF(0x62726964, 1),		/* "brid" */
	BPF_STMT(BPF_RET | BPF_K, 0xffff),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

int xl_netwatch_open(void)
{
	const struct sock_fprog prog = { DOM_ARRAY_LEN(new_bridges),
					 (struct sock_filter *)(uintptr_t)new_bridges };
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	/* The filter first: nothing passes that it has not seen. */
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
			bind(fd, (struct sockaddr *)&addr, sizeof(addr))))
		dom_close_fd(&fd);
	return fd;
}

void xl_netwatch_drain(int fd)
{
	char buf[64];

	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
}
