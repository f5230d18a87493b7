// SPDX-License-Identifier: MIT
/*
 * console: the user's terminal and the guest's, connected. The VMM serves the guest's console ring
 * on a pseudo terminal, whose name is in the store; nothing else is needed here, and stock
 * xenconsole works the same way.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "cmds.h"
#include "js.h"

#define TTY_MS 60000		/* a restarted domain needs a moment, on a busy host more */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Wait until node @path of a domain has a value, to be freed; NULL when it does not come in time. */
static char *wait_for_value(struct xl *xl, unsigned domid, const char *path)
{
	int64_t end = now_ms() + TTY_MS, left;
	char *value = NULL;
	struct xsc_event ev;

	if (xsc_watch(xl->xs, path, "tty"))
		return NULL;
	while ((left = end - now_ms()) > 0) {
		free(value);
		value = xl_read(xl, XSC_TX_NONE, "%s", path);
		if ((value && *value) || !xl_domain_exists(xl, domid))
			break;
		/* The node's removal, with its domain's, fires, too. */
		xsc_next_event(xl->xs, (int)DOM_MIN(left, (int64_t)1000), &ev);
	}
	xsc_unwatch(xl->xs, path, "tty");
	if (value && *value)
		return value;
	free(value);
	return NULL;
}

char *xl_console_tty(struct xl *xl, unsigned domid, unsigned num)
{
	struct json_object *rep = NULL, *list;
	char *tty = NULL;

	if (xl_ctl(xl, domid, "console", NULL, &rep, NULL))
		return NULL;
	list = xl_js_get(rep, "consoles");
	for (size_t i = 0; list && i < json_object_array_length(list) && !tty; i++) {
		struct json_object *c = json_object_array_get_idx(list, i);
		const char *path = xl_js_str(c, "tty", "");

		if (xl_js_int(c, "devid", -1) == num && *path)
			tty = strdup(path);
	}
	json_object_put(rep);
	return tty;
}

/*
 * Path of the terminal of console @num; NULL when there is none. Further consoles are there from
 * the beginning, or not at all, and their directory in the store is the guest's, which must not be
 * able to have us open what it likes: their names come from the VMM.
 */
static char *tty_path(struct xl *xl, unsigned domid, unsigned num)
{
	char path[80];

	if (!xl_store(xl))
		return NULL;
	snprintf(path, sizeof(path), "/local/domain/%u/console/tty", domid);
	return num ? xl_console_tty(xl, domid, num) : wait_for_value(xl, domid, path);
}

/* TCSANOW: what the guest has written so far must not be dropped. */
static void set_raw(int fd, struct termios *ret_old, bool *ret_changed)
{
	struct termios raw;

	*ret_changed = !tcgetattr(fd, ret_old);
	if (!*ret_changed)
		return;
	raw = *ret_old;
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
}

/* Copy from the user to the guest up to the escape. False: the session ends. */
static bool from_user(int tty, char escape)
{
	char buf[256], *end;
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	end = memchr(buf, escape, (size_t)n);
	if (dom_write_all(tty, buf, end ? (size_t)(end - buf) : (size_t)n))
		return false;
	return !end;
}

static bool from_guest(int tty)
{
	char buf[4096];
	ssize_t n = read(tty, buf, sizeof(buf));

	/* The other end of a pseudo terminal is gone: EIO. */
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	return n > 0 && !dom_write_all(STDOUT_FILENO, buf, (size_t)n);
}

static void copy(int tty, char escape)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = tty, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents && !from_guest(tty))
			return;
		if (fds[0].revents && !from_user(tty, escape)) {
			/* What the guest has said already is still wanted. */
			while (poll(&fds[1], 1, 0) == 1 && from_guest(tty))
				;
			return;
		}
	}
}

int xl_console_session(struct xl *xl, unsigned domid, unsigned num, char escape, bool unpause)
{
	char *path DOM_CLEANUP_FREE = tty_path(xl, domid, num);
	struct dom_err err = { 0 };
	struct termios old, old_tty;
	bool changed, ignored;

	if (!path) {
		xl_error(xl, "domain %u has no console %u", domid, num);
		return XL_FAIL;
	}
	int tty DOM_CLEANUP_FD = dom_open(path, O_RDWR | O_NOCTTY, 0);

	if (tty < 0) {
		xl_error(xl, "console %u of domain %u, %s, cannot be opened: %s", num, domid, path,
			 strerror(-tty));
		return XL_FAIL;
	}
	set_raw(tty, &old_tty, &ignored);
	if (unpause && xl_ctl(xl, domid, "unpause", NULL, NULL, &err)) {
		xl_error(xl, "%s", err.msg);
		return XL_FAIL;
	}
	set_raw(STDIN_FILENO, &old, &changed);
	copy(tty, escape);
	if (changed)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	return XL_OK;
}

/* "^]" and "]" both mean the control character. */
static bool parse_escape(const char *text, char *ret)
{
	const char *c = text[0] == '^' && text[1] ? text + 1 : text;

	if (!*c || c[1])
		return false;
	*ret = c > text ? (char)(*c & 0x1f) : *c;
	return true;
}

int cmd_console(struct xl *xl, struct xl_args *a)
{
	char escape = 0x1d;
	uint64_t num = 0;
	unsigned domid;

	if (a->set['t'] && strcmp(a->val['t'], "pv") && strcmp(a->val['t'], "serial") &&
	    strcmp(a->val['t'], "vuart")) {
		fprintf(stderr, "console type supported are: pv, serial, vuart\n");
		return XL_FAIL;
	}
	if (a->set['t'] && strcmp(a->val['t'], "pv")) {
		xl_error(xl, "PV and PVH guests have no %s console", a->val['t']);
		return XL_FAIL;
	}
	if (a->set['n'] && dom_parse_u64(a->val['n'], 255, &num)) {
		xl_error(xl, "-n %s: consoles are numbered from 0 to 255", a->val['n']);
		return XL_USAGE;
	}
	if (a->set['e'] && !parse_escape(a->val['e'], &escape)) {
		xl_error(xl, "-e %s: give one character, or ^ and one character", a->val['e']);
		return XL_USAGE;
	}
	if (xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	return xl_console_session(xl, domid, (unsigned)num, escape, false);
}
