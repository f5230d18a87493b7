// SPDX-License-Identifier: MIT
/*
 * The control socket (ctl.h): connections and lines here, commands in ctl_cmds.c.
 *
 * A client is either receiving or sending, so one op and one buffer each serve it; requests that
 * arrived together wait in the buffer until the reply before theirs is gone. That also bounds what
 * a client can make us hold: one request, one reply.
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "domicile/base/fd.h"
#include "domicile/paths.h"
#include "vmm.h"

#define DEPTH_MAX 4		/* requests are flat */
#define RETRY_NS 100000000ull	/* before the next accept, when one failed */

struct client {
	struct vmm_ctl *ctl;
	int fd;
	struct ev_op op;		/* poll while `out.text` is NULL, else send */
	struct vmm_fds fds;		/* came with what is in `in`, for its first request */
	struct vmm_ctl_answer out;
	size_t sent;
	size_t len;			/* bytes in `in` */
	char in[DOM_CTL_REQUEST_MAX];
};

struct vmm_ctl {
	struct vmm *vm;
	int fd;
	unsigned clients;
	struct ev_op accept_op, retry_op;
	struct ev_group group;		/* every op here */
};

/* The request: one line. */

static const struct dom_ctl_cmd *find_cmd(const char *name)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_ctl_cmds); i++) {
		if (!strcmp(dom_ctl_cmds[i].name, name))
			return &dom_ctl_cmds[i];
	}
	return NULL;
}

static const struct vmm_ctl_handler *find_handler(const char *name)
{
	const struct vmm_ctl_handler *h = vmm_ctl_handlers;

	while (h->name && strcmp(h->name, name))
		h++;
	return h->name ? h : NULL;
}

/* Is @word one of the words in @doc up to the first ':'? */
static bool in_doc(const char *doc, const char *word)
{
	size_t len = strlen(word), end = strcspn(doc, ":");

	for (size_t i = 0; len && i + len <= end; i += strcspn(doc + i, " :") + 1) {
		if (!strncmp(doc + i, word, len) && strchr(" :", doc[i + len]))
			return true;
	}
	return false;
}

bool vmm_ctl_field_ok(const struct dom_ctl_field *f, json_object *v)
{
	switch (f->type) {
	case DOM_CTL_UINT:
		return json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= 0;
	case DOM_CTL_BOOL:
		return json_object_is_type(v, json_type_boolean);
	case DOM_CTL_STRING:
		return json_object_is_type(v, json_type_string) &&
			strlen(json_object_get_string(v)) == (size_t)json_object_get_string_len(v);
	case DOM_CTL_ENUM:
		return json_object_is_type(v, json_type_string) &&
			!strchr(json_object_get_string(v), ' ') &&
			in_doc(f->doc, json_object_get_string(v));
	case DOM_CTL_COUNTERS:
		return json_object_is_type(v, json_type_object);
	case DOM_CTL_OBJECTS:
		return json_object_is_type(v, json_type_array);
	}
	return false;
}

static const struct dom_ctl_field *find_field(const struct dom_ctl_cmd *cmd, const char *name)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(cmd->req) && cmd->req[i].name; i++) {
		if (!strcmp(cmd->req[i].name, name))
			return &cmd->req[i];
	}
	return NULL;
}

/* Every field has a row and the row's type, and none is missing. */
static int check_fields(const struct dom_ctl_cmd *cmd, json_object *req, struct dom_err *err)
{
	json_object_object_foreach(req, name, value) {
		const struct dom_ctl_field *f = find_field(cmd, name);

		if (!strcmp(name, "v") || !strcmp(name, "cmd"))
			continue;
		if (!f)
			return dom_err_set(err, -EINVAL, "%s: unknown field \"%.40s\"", cmd->name, name);
		if (!vmm_ctl_field_ok(f, value))
			return dom_err_set(err, -EINVAL, "%s: bad value of \"%s\": %s", cmd->name, name,
					   f->doc);
	}
	for (size_t i = 0; i < DOM_ARRAY_LEN(cmd->req) && cmd->req[i].name; i++) {
		if (!cmd->req[i].optional &&
		    !json_object_object_get_ex(req, cmd->req[i].name, NULL))
			return dom_err_set(err, -EINVAL, "%s: \"%s\" is missing: %s", cmd->name,
					   cmd->req[i].name, cmd->req[i].doc);
	}
	return 0;
}

/* Find out what @req wants. */
static int decode(json_object *req, const struct dom_ctl_cmd **ret, struct dom_err *err)
{
	json_object *v = json_object_object_get(req, "v");
	json_object *name = json_object_object_get(req, "cmd");

	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 1)
		return dom_err_set(err, -EINVAL, "\"v\" must be the protocol's version, %d",
				   DOM_CTL_VERSION);
	if (json_object_get_int64(v) > DOM_CTL_VERSION)
		return dom_err_set(err, -EPROTONOSUPPORT, "this domain speaks version %d at most",
				   DOM_CTL_VERSION);
	if (!json_object_is_type(name, json_type_string))
		return dom_err_set(err, -EINVAL, "\"cmd\" must be the name of a command");
	*ret = find_cmd(json_object_get_string(name));
	if (!*ret)
		return dom_err_set(err, -EOPNOTSUPP, "unknown command \"%.40s\"",
				   json_object_get_string(name));
	return check_fields(*ret, req, err);
}

/* One JSON object and nothing after it but blanks; NULL otherwise. */
static json_object *parse_line(const char *line, size_t len)
{
	json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
	json_object *o = NULL;

	if (!tok)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	if (len)
		o = json_tokener_parse_ex(tok, line, (int)len);
	for (size_t i = json_tokener_get_parse_end(tok); o && i < len; i++) {
		if (!strchr(" \t\r", line[i]) || !line[i]) {
			json_object_put(o);
			o = NULL;
		}
	}
	json_tokener_free(tok);
	if (o && !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	return o;
}

static json_object *new_reply(bool ok)
{
	json_object *rep = json_object_new_object();

	json_object_object_add(rep, "v", json_object_new_int(DOM_CTL_VERSION));
	json_object_object_add(rep, "ok", json_object_new_boolean(ok));
	return rep;
}

/* Takes over @rep. Without memory for the text the client is closed. */
static void write_reply(json_object *rep, struct vmm_ctl_answer *a)
{
	size_t len;
	const char *text = json_object_to_json_string_length(rep, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	if (text && len < DOM_CTL_REPLY_MAX)
		a->text = malloc(len + 1);
	if (a->text) {
		memcpy(a->text, text, len);
		a->text[len] = '\n';
		a->len = len + 1;
	}
	json_object_put(rep);
}

static void write_error(const struct dom_err *err, struct vmm_ctl_answer *a)
{
	json_object *rep = new_reply(false);

	json_object_object_add(rep, "errno", json_object_new_int(-err->code));
	json_object_object_add(rep, "error", json_object_new_string(err->msg));
	write_reply(rep, a);
}

void vmm_ctl_answer(struct vmm *vm, const char *line, size_t len, struct vmm_ctl_answer *ret)
{
	json_object *req = parse_line(line, len), *rep;
	const struct vmm_ctl_handler *h;
	const struct dom_ctl_cmd *cmd = NULL;
	struct dom_err err = { 0 };

	*ret = (struct vmm_ctl_answer){ 0 };
	if (!req) {
		dom_err_set(&err, -EBADMSG, "a request is one JSON object in one line");
		write_error(&err, ret);
		ret->close = true;
		return;
	}
	if (decode(req, &cmd, &err)) {
		write_error(&err, ret);
		json_object_put(req);
		return;
	}
	h = find_handler(cmd->name);
	rep = new_reply(true);
	if (h->fn(vm, req, rep, &err)) {
		json_object_put(rep);
		write_error(&err, ret);
	} else {
		write_reply(rep, ret);
		ret->after = h->after;
	}
	json_object_put(req);
}

/* The connections. */

static void client_free(struct client *c)
{
	c->ctl->clients--;
	close(c->fd);
	vmm_fds_close(&c->fds);
	free(c->out.text);
	free(c);
}

/* Take the descriptors of a message, all of them: what is too much is closed. */
static void take_fds(struct client *c, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			if (c->fds.count < DOM_CTL_FDS_MAX)
				c->fds.fd[c->fds.count++] = fd;
			else
				close(fd);
		}
	}
}

/* Returns the bytes received, 0 at the end, -errno. */
static ssize_t receive(struct client *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * DOM_CTL_FDS_MAX)];
	} control;
	struct iovec iov = { c->in + c->len, sizeof(c->in) - c->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	take_fds(c, &msg);
	return n;
}

static void answer(struct client *c, size_t len)
{
	struct vmm *vm = c->ctl->vm;

	vm->given = c->fds;
	c->fds.count = 0;
	vmm_ctl_answer(vm, c->in, len, &c->out);
	vmm_fds_close(&vm->given);
}

/* Answer the first request in the buffer, or receive more of it. */
static void client_next(struct client *c)
{
	char *end = memchr(c->in, '\n', c->len);

	if (end) {
		size_t line = (size_t)(end - c->in);

		answer(c, line);
		c->len -= line + 1;
		memmove(c->in, end + 1, c->len);
	} else if (c->len == sizeof(c->in)) {
		struct dom_err err = { 0 };

		dom_err_set(&err, -EMSGSIZE, "a request has %d bytes at most", DOM_CTL_REQUEST_MAX);
		write_error(&err, &c->out);
		c->out.close = true;
	} else {
		ev_poll(&c->op, c->fd, POLLIN);
		return;
	}
	c->sent = 0;
	if (c->out.text)
		ev_send(&c->op, c->fd, c->out.text, (uint32_t)c->out.len);
	else
		client_free(c);
}

/* The whole reply is out. Returns false when the client is gone. */
static bool client_replied(struct client *c)
{
	struct vmm_ctl_answer done = c->out;

	free(c->out.text);
	c->out = (struct vmm_ctl_answer){ 0 };
	if (done.after)
		done.after(c->ctl->vm);
	if (done.close)
		client_free(c);
	return !done.close;
}

static void on_client(struct ev_op *op, int result)
{
	struct client *c = DOM_CONTAINER_OF(op, struct client, op);

	if (result > 0 && !c->out.text) {
		result = (int)receive(c);
		if (result == -EAGAIN || result == -EINTR) {
			client_next(c);
			return;
		}
	}
	if (result <= 0) {
		client_free(c);
		return;
	}
	if (!c->out.text) {
		c->len += (size_t)result;
	} else {
		c->sent += (size_t)result;
		if (c->sent < c->out.len) {
			ev_send(&c->op, c->fd, c->out.text + c->sent,
				(uint32_t)(c->out.len - c->sent));
			return;
		}
		if (!client_replied(c))
			return;
	}
	client_next(c);
}

static void client_new(struct vmm_ctl *ctl, int fd)
{
	struct client *c = ctl->clients < DOM_CTL_CLIENTS_MAX ? malloc(sizeof(*c)) : NULL;

	if (!c) {
		close(fd);
		return;
	}
	/* The buffer is left as it is: only what was received into it is read. */
	c->ctl = ctl;
	c->fd = fd;
	c->len = 0;
	c->fds.count = 0;
	c->out = (struct vmm_ctl_answer){ 0 };
	ctl->clients++;
	ev_op_init(&c->op, ctl->vm->loop, on_client, &ctl->group);
	client_next(c);
}

static void on_accept(struct ev_op *op, int result)
{
	struct vmm_ctl *ctl = DOM_CONTAINER_OF(op, struct vmm_ctl, accept_op);

	if (result == -ECANCELED)
		return;
	if (result < 0) {
		ev_timer(&ctl->retry_op, ev_now() + RETRY_NS);
		return;
	}
	client_new(ctl, result);
	ev_accept(&ctl->accept_op, ctl->fd);
}

static void on_retry(struct ev_op *op, int result)
{
	struct vmm_ctl *ctl = DOM_CONTAINER_OF(op, struct vmm_ctl, retry_op);

	if (result != -ECANCELED)
		ev_accept(&ctl->accept_op, ctl->fd);
}

/* Each client had its callback by now, and is gone. */
static void on_idle(struct ev_group *g)
{
	struct vmm_ctl *ctl = DOM_CONTAINER_OF(g, struct vmm_ctl, group);

	close(ctl->fd);
	free(ctl);
}

/* A listening socket that nobody else could open even for a moment. */
static int listen_at(const struct sockaddr_un *addr)
{
	int fd DOM_CLEANUP_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask = umask(0177);
	int r = 0;

	unlink(addr->sun_path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
	    listen(fd, DOM_CTL_CLIENTS_MAX) < 0)
		r = -errno;
	umask(mask);
	return r ? r : dom_fd_steal(&fd);
}

int vmm_ctl_open(struct vmm *vm, struct dom_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vmm_ctl *ctl;
	int fd;

	if (!vm->cfg.rundir)
		return 0;
	if (dom_path_fits(snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", vm->cfg.rundir,
				   DOM_FILE_CTL), sizeof(addr.sun_path)))
		return dom_err_set(err, -ENAMETOOLONG, "rundir: %s/%s is too long for a socket's path",
				   vm->cfg.rundir, DOM_FILE_CTL);
	fd = listen_at(&addr);
	if (fd < 0)
		return dom_err_set(err, fd, "control socket %s: %s", addr.sun_path, strerror(-fd));
	ctl = calloc(1, sizeof(*ctl));
	if (!ctl) {
		close(fd);
		return dom_err_set(err, -ENOMEM, "no memory for the control socket");
	}
	ctl->vm = vm;
	ctl->fd = fd;
	ev_group_init(&ctl->group, vm->loop);
	ev_op_init(&ctl->accept_op, vm->loop, on_accept, &ctl->group);
	ev_op_init(&ctl->retry_op, vm->loop, on_retry, &ctl->group);
	ev_accept(&ctl->accept_op, fd);
	vm->ctl = ctl;
	return 0;
}

void vmm_ctl_close(struct vmm *vm)
{
	if (vm->ctl)
		ev_group_close(&vm->ctl->group, on_idle);
	vm->ctl = NULL;
}
