// SPDX-License-Identifier: MIT
/*
 * Client of the VMMs' control sockets (ctl.h). All exchanges have a deadline: a VMM that hangs
 * costs a command five seconds and a message, and `xl list` shows the others.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "js.h"
#include "life.h"

#define TIMEOUT_MS 5000	/* a busy host may take some of it */

/* One exchange in progress. */
struct call {
	int fd;
	char *buf;	/* reply so far */
	size_t len;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int ctl_connect(struct xl *xl, unsigned domid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char path[DOM_PATH_MAX];
	int fd;

	if (dom_path_domain(xl->rundir, domid, DOM_FILE_CTL, path) ||
	    strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Send one request line. It is far smaller than a socket's buffer, so it goes whole or not. */
static int ctl_send_with(int fd, const char *cmd, struct json_object *req, const int *fds,
			 unsigned count)
{
	char control[CMSG_SPACE(sizeof(int) * DOM_CTL_FDS_MAX)] = { 0 };
	struct iovec iov = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	const char *text;
	char *line;
	ssize_t n;
	int len;

	json_object_object_add(req, "v", json_object_new_int(DOM_CTL_VERSION));
	json_object_object_add(req, "cmd", json_object_new_string(cmd));
	text = json_object_to_json_string_ext(req, JSON_C_TO_STRING_PLAIN);
	len = asprintf(&line, "%s\n", text);
	if (len < 0)
		return -ENOMEM;
	iov = (struct iovec){ line, (size_t)len };
	if (count) {
		struct cmsghdr *h = (struct cmsghdr *)(void *)control;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		*h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
				       .cmsg_len = CMSG_LEN(sizeof(int) * count) };
		memcpy(CMSG_DATA(h), fds, sizeof(int) * count);
	}
	n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	free(line);
	if (n < 0)
		return -errno;
	return n == len ? 0 : -EMSGSIZE;
}

static int ctl_send(int fd, const char *cmd, struct json_object *req)
{
	return ctl_send_with(fd, cmd, req, NULL, 0);
}

/* Take in what has come. 1: the reply is complete, 0: not yet, or -errno. */
static int ctl_receive(struct call *c)
{
	char chunk[4096];
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);
	char *more;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	if (c->len + (size_t)n > DOM_CTL_REPLY_MAX)
		return -EMSGSIZE;
	more = realloc(c->buf, c->len + (size_t)n + 1);
	if (!more)
		return -ENOMEM;
	memcpy(more + c->len, chunk, (size_t)n);
	c->buf = more;
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
	return strchr(c->buf, '\n') != NULL;
}

/* The reply in @text; its error if it is one. */
int xl_ctl_decode(const char *text, struct json_object **ret, struct dom_err *err)
{
	struct json_object *json = json_tokener_parse(text), *ok;
	int64_t code;

	if (!json_object_is_type(json, json_type_object) ||
	    !json_object_object_get_ex(json, "ok", &ok)) {
		json_object_put(json);
		return dom_err_set(err, -EPROTO, "its VMM answers with something that is no reply");
	}
	if (!json_object_get_boolean(ok)) {
		code = xl_js_int(json, "errno", EIO);
		code = code > 0 && code < 4096 ? code : EIO;
		dom_err_set(err, (int)-code, "%s", xl_js_str(json, "error", strerror((int)code)));
		json_object_put(json);
		return (int)-code;
	}
	if (ret)
		*ret = json;
	else
		json_object_put(json);
	return 0;
}

void xl_ctl_all(struct xl *xl, const char *cmd, struct xl_ctl_reply *replies, unsigned count)
{
	struct pollfd *fds = calloc(count + 1u, sizeof(*fds));
	struct call *calls = calloc(count + 1u, sizeof(*calls));
	int64_t deadline = now_ms() + TIMEOUT_MS, left;
	struct json_object *req = json_object_new_object();
	unsigned open = 0;

	if (!fds || !calls)
		abort();
	for (unsigned i = 0; i < count; i++) {
		replies[i].json = NULL;
		fds[i].fd = ctl_connect(xl, replies[i].domid);
		fds[i].events = POLLIN;
		calls[i].fd = fds[i].fd;
		replies[i].err = fds[i].fd < 0 ? fds[i].fd : ctl_send(fds[i].fd, cmd, req);
		if (replies[i].err)
			fds[i].fd = -1;
		else
			open++;
	}
	while (open && (left = deadline - now_ms()) > 0 && poll(fds, count, (int)left) != 0) {
		for (unsigned i = 0; i < count; i++) {
			int got = fds[i].fd >= 0 && fds[i].revents ? ctl_receive(&calls[i]) : 0;

			if (!got)
				continue;
			replies[i].err = got < 0 ? got :
				xl_ctl_decode(calls[i].buf, &replies[i].json, NULL);
			fds[i].fd = -1;
			open--;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		if (fds[i].fd >= 0)
			replies[i].err = -ETIMEDOUT;
		if (calls[i].fd >= 0)
			close(calls[i].fd);
		free(calls[i].buf);
	}
	json_object_put(req);
	free(calls);
	free(fds);
}

static int ctl_call(struct xl *xl, unsigned domid, const char *cmd, struct json_object *req,
		    const int *fds, unsigned count, struct json_object **ret, struct dom_err *err)
{
	int64_t deadline = now_ms() + TIMEOUT_MS, left;
	struct call c = { .fd = ctl_connect(xl, domid) };
	int code = c.fd < 0 ? c.fd : 0;

	if (!req)
		req = json_object_new_object();
	if (!code)
		code = ctl_send_with(c.fd, cmd, req, fds, count);
	json_object_put(req);
	while (!code && (left = deadline - now_ms()) > 0) {
		struct pollfd fd = { .fd = c.fd, .events = POLLIN };

		code = poll(&fd, 1, (int)left) > 0 ? ctl_receive(&c) : 0;
	}
	if (code == 1)
		code = xl_ctl_decode(c.buf, ret, err);
	else if (!code)
		code = dom_err_set(err, -ETIMEDOUT, "domain %u does not answer on its control socket", domid);
	else
		dom_err_set(err, code, "domain %u cannot be asked for %s: %s", domid, cmd, strerror(-code));
	xl_debug(xl, 2, "domain %u: asked for %s: %s", domid, cmd, code ? strerror(-code) : "ok");
	if (c.fd >= 0)
		close(c.fd);
	free(c.buf);
	return code;
}

int xl_ctl(struct xl *xl, unsigned domid, const char *cmd, struct json_object *req,
	   struct json_object **ret, struct dom_err *err)
{
	return ctl_call(xl, domid, cmd, req, NULL, 0, ret, err);
}

int xl_ctl_with(struct xl *xl, unsigned domid, const char *cmd, struct json_object *req,
		const int *fds, unsigned count, struct dom_err *err)
{
	return ctl_call(xl, domid, cmd, req, fds, count, NULL, err);
}

int xl_ctl_files(struct xl *xl, unsigned domid, const char *name, const int *fds, unsigned count,
		 struct dom_err *err)
{
	struct json_object *req = json_object_new_object();

	xl_js_set_str(req, "name", name);
	return xl_ctl_with(xl, domid, "give-files", req, fds, count, err);
}
