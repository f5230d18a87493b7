// SPDX-License-Identifier: MIT
/*
 * A client's calls that are about more than a node: transactions, domains, control commands.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "client.h"

int xsc_transaction_start(struct xsc *xs, xsc_tx *ret_tx)
{
	char *text DOM_CLEANUP_FREE = NULL;
	uint64_t id;
	int err = xsc_call(xs, XSC_TX_NONE, XS_TRANSACTION_START, "", 1, &text, NULL);

	if (err)
		return err;
	if (dom_parse_u64(text, UINT32_MAX, &id) || !id)
		return -EIO;
	*ret_tx = (uint64_t)xs->generation << 32 | id;
	return 0;
}

int xsc_transaction_end(struct xsc *xs, xsc_tx tx, bool abort)
{
	int err = xsc_call(xs, tx, XS_TRANSACTION_END, abort ? "F" : "T", 2, NULL, NULL);

	/* What was to be dropped is gone with its connection. */
	return abort && err == -EAGAIN ? 0 : err;
}

/* --- domains --- */

/* A request whose payload is one number. */
static int call_domid(struct xsc *xs, uint32_t type, uint16_t domid, char **ret)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", domid);
	return xsc_call_path(xs, XSC_TX_NONE, type, text, ret, NULL);
}

static int introduce(struct xsc *xs, uint16_t domid, uint64_t gfn, uint32_t port, int fd,
		     char **ret)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u%c%llu%c%u%c%s", domid, 0,
			 (unsigned long long)gfn, 0, port, 0, fd >= 0 ? "fd" : "");
	struct xsc_piece p = { text, (size_t)n + (fd >= 0) };

	return xsc_call_pieces(xs, XSC_TX_NONE, XS_INTRODUCE, &p, 1, fd, ret, NULL);
}

int xsc_introduce(struct xsc *xs, uint16_t domid, uint64_t gfn, uint32_t port)
{
	return introduce(xs, domid, gfn, port, -1, NULL);
}

int xsc_introduce_guest(struct xsc *xs, uint16_t domid, uint64_t gfn, uint32_t port, int *ret_fd)
{
	char *reply DOM_CLEANUP_FREE = NULL;
	int ours DOM_CLEANUP_FD = -1, theirs DOM_CLEANUP_FD = -1, pair[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	err = introduce(xs, domid, gfn, port, theirs, &reply);
	/* The daemon had stopped looking for descriptors here, and looks again now. */
	if (err == -EAGAIN)
		err = introduce(xs, domid, gfn, port, theirs, &reply);
	if (err)
		return err;
	/* Xen's daemons ignore the fourth argument and say "OK". */
	if (strcmp(reply, "FD"))
		return -EINVAL;
	*ret_fd = dom_fd_steal(&ours);
	return 0;
}

int xsc_release(struct xsc *xs, uint16_t domid)
{
	return call_domid(xs, XS_RELEASE, domid, NULL);
}

int xsc_resume(struct xsc *xs, uint16_t domid)
{
	return call_domid(xs, XS_RESUME, domid, NULL);
}

int xsc_set_target(struct xsc *xs, uint16_t domid, uint16_t target)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u%c%u", domid, 0, target);

	return xsc_call(xs, XSC_TX_NONE, XS_SET_TARGET, text, (size_t)n + 1, NULL, NULL);
}

int xsc_is_introduced(struct xsc *xs, uint16_t domid, bool *ret)
{
	char *text DOM_CLEANUP_FREE = NULL;
	int err = call_domid(xs, XS_IS_DOMAIN_INTRODUCED, domid, &text);

	if (!err)
		*ret = text[0] == 'T';
	return err;
}

int xsc_get_domain_path(struct xsc *xs, uint16_t domid, char **ret_path)
{
	return call_domid(xs, XS_GET_DOMAIN_PATH, domid, ret_path);
}

int xsc_control(struct xsc *xs, const char *const *argv, char **ret_out)
{
	char buf[XENSTORE_PAYLOAD_MAX];
	size_t len = 0;

	for (; *argv; argv++) {
		size_t n = strlen(*argv) + 1;

		if (n > sizeof(buf) - len)
			return -EMSGSIZE;
		memcpy(buf + len, *argv, n);
		len += n;
	}
	return xsc_call(xs, XSC_TX_NONE, XS_CONTROL, buf, len, ret_out, NULL);
}
