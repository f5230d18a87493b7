// SPDX-License-Identifier: MIT
/*
 * A VMM without a guest, for tests of xl: it reads the description of domcfg.h and checks every
 * row, speaks ctl.h, echoes on the console, and answers shutdown requests in the store as a
 * kernel would. Words of the guest's command line make it misbehave:
 *
 *   fake=error      report ERROR= and exit      fake=die       exit without a word
 *   fake=mute       never become ready          fake=hang      do not answer on the control socket
 *   fake=crash      crash when ready            fake=deaf      ignore shutdown requests
 *   fake=poweroff   shut down when ready        fake=reboot    reboot when ready
 *   fake=watchdog   end as by a watchdog    fake=nodump     fail to dump a core
 *
 * On SIGUSR1 its first interface has lost the host's side, and it asks for another; how often one was
 * given is in the node "given" of its domain.
 *
 * Asked by --entries what guests a kernel can be, it prints the file.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "domicile/base/fd.h"
#include "domicile/ctl.h"
#include "domicile/domcfg.h"
#include "domicile/paths.h"
#include "domicile/xsc.h"

struct fake {
	struct json_object *cfg;
	unsigned domid;
	int ready_fd, listen_fd, tty, guest_fd, signal_fd;
	int clients[DOM_CTL_CLIENTS_MAX];
	unsigned count;
	struct xsc *xs;
	bool paused;
	int file;				/* descriptor that came with a request, -1 */
	const char *dump_state, *dump_error;
	const struct dom_shutdown *down;	/* shut down and kept */
	unsigned given;
	char pins[64][64];
};

static void die(const char *what)
{
	fprintf(stderr, "fake-vmm: %s: %s\n", what, strerror(errno));
	exit(DOM_EXIT_USAGE);
}

static struct json_object *get(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *w = words; w && (w = strstr(w, word)); w++)
		if ((w == words || w[-1] == ' ') && (w[len] == ' ' || !w[len]))
			return true;
	return false;
}

static void check_object(struct json_object *o, const struct dom_cfg_key *keys);

static void check_value(struct json_object *v, const struct dom_cfg_key *k)
{
	enum json_type types[] = {
		[DOM_CFG_UINT] = json_type_int, [DOM_CFG_BOOL] = json_type_boolean,
		[DOM_CFG_STRING] = json_type_string, [DOM_CFG_ENUM] = json_type_string,
		[DOM_CFG_STRINGS] = json_type_array, [DOM_CFG_OBJECTS] = json_type_array,
	};
	uint64_t n = 0;

	errno = EINVAL;
	if (!json_object_is_type(v, types[k->type]))
		die(k->name);
	if (k->type == DOM_CFG_UINT)
		n = json_object_get_uint64(v);
	else if (k->type == DOM_CFG_STRING)
		n = (uint64_t)json_object_get_string_len(v);
	else if (types[k->type] == json_type_array)
		n = json_object_array_length(v);
	if (k->type == DOM_CFG_ENUM && !has_word(k->words, json_object_get_string(v)))
		die(k->name);
	errno = ERANGE;
	if (k->type != DOM_CFG_ENUM && k->type != DOM_CFG_BOOL && (n < k->min || n > k->max))
		die(k->name);
	for (size_t i = 0; k->type == DOM_CFG_OBJECTS && i < n; i++)
		check_object(json_object_array_get_idx(v, i), k->sub);
}

static void check_object(struct json_object *o, const struct dom_cfg_key *keys)
{
	errno = ENOENT;
	for (const struct dom_cfg_key *k = keys; k->name; k++) {
		struct json_object *v = get(o, k->name);

		if (v)
			check_value(v, k);
		else if (!k->def)
			die(k->name);
	}
	json_object_object_foreach(o, name, value) {
		const struct dom_cfg_key *k = keys;

		(void)value;
		while (k->name && strcmp(k->name, name))
			k++;
		errno = ENOTSUP;
		if (!k->name)
			die(name);
	}
}

static void tell(struct fake *f, const char *what)
{
	if (f->ready_fd >= 0)
		dprintf(f->ready_fd, "%s\n", what);
}

/* The guest ends for reason @name. */
static void shut_down(struct fake *f, const char *name)
{
	char line[64];
	const char *action;

	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_shutdowns); i++)
		if (!strcmp(dom_shutdowns[i].name, name))
			f->down = &dom_shutdowns[i];
	snprintf(line, sizeof(line), "SHUTDOWN=%s", name);
	tell(f, line);
	action = f->down->key ? json_object_get_string(get(f->cfg, f->down->key)) : "destroy";
	if (!has_word(DOM_CFG_LINGER, action))
		exit(f->down->exit_status);
}

static void node(struct fake *f, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/local/domain/%u/%s", f->domid, name);
	if (xsc_write(f->xs, XSC_TX_NONE, path, value, strlen(value)))
		die(path);
}

static void open_console(struct fake *f)
{
	char name[64];
	struct termios raw;
	int slave;

	if (openpty(&f->tty, &slave, name, NULL, NULL))
		die("openpty");
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	node(f, "console/tty", name);
	node(f, "console/port", "2");
	node(f, "console/ring-ref", "1044479");
	node(f, "store/port", "1");
	node(f, "store/ring-ref", "1044476");
	if (write(f->tty, "fake guest\n", 11) != 11)
		die("tty");
}

static void listen_ctl(struct fake *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" DOM_FILE_CTL,
		 json_object_get_string(get(f->cfg, "rundir")));
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(f->listen_fd, 32))
		die(addr.sun_path);
}

static void add(struct json_object *o, const char *name, struct json_object *v)
{
	json_object_object_add(o, name, v);
}

static struct json_object *num(uint64_t n)
{
	return json_object_new_uint64(n);
}

static struct json_object *str(const char *s)
{
	return json_object_new_string(s);
}

static struct json_object *fail(int err, const char *what)
{
	struct json_object *r = json_object_new_object();

	add(r, "v", num(DOM_CTL_VERSION));
	add(r, "ok", json_object_new_boolean(false));
	add(r, "errno", num((unsigned)err));
	add(r, "error", str(what));
	return r;
}

static void reply_status(struct fake *f, struct json_object *r)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	add(r, "domid", num(f->domid));
	add(r, "uuid", json_object_get(get(f->cfg, "uuid")));
	add(r, "pid", num((unsigned)getpid()));
	add(r, "state", str(f->down ? "shutdown" : f->paused ? "paused" : "blocked"));
	if (f->down)
		add(r, "reason", str(f->down->name));
	add(r, "cpu_ns", num((uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec));
	/* As of a guest that was halted, which has stopped its processors, and of one that crashed. */
	add(r, "vcpus", f->down && !f->down->code ? num(0) : json_object_get(get(f->cfg, "vcpus")));
	add(r, "maxvcpus", json_object_get(get(f->cfg, "maxvcpus")));
	add(r, "memory_kb", json_object_get(get(f->cfg, "memory_kb")));
	add(r, "maxmem_kb", json_object_get(get(f->cfg, "maxmem_kb")));
}

static void reply_vcpus(struct fake *f, struct json_object *r)
{
	struct json_object *list = json_object_new_array();
	uint64_t max = json_object_get_uint64(get(f->cfg, "maxvcpus"));
	uint64_t online = json_object_get_uint64(get(f->cfg, "vcpus"));

	for (uint64_t i = 0; i < max && i < DOM_ARRAY_LEN(f->pins); i++) {
		struct json_object *v = json_object_new_object();

		add(v, "vcpu", num(i));
		add(v, "state", str(i < online ? "blocked" : "offline"));
		add(v, "tid", num((unsigned)getpid()));
		add(v, "cpu", num(0));
		add(v, "cpu_ns", num(0));
		add(v, "affinity", str(f->pins[i]));
		json_object_array_add(list, v);
	}
	add(r, "vcpus", list);
}

static struct json_object *pin(struct fake *f, struct json_object *req, struct json_object *r)
{
	uint64_t i = json_object_get_uint64(get(req, "vcpu"));

	if (i >= json_object_get_uint64(get(f->cfg, "maxvcpus")) || i >= DOM_ARRAY_LEN(f->pins)) {
		json_object_put(r);
		return fail(ENOENT, "no such vCPU");
	}
	snprintf(f->pins[i], sizeof(f->pins[i]), "%s", json_object_get_string(get(req, "cpus")));
	return r;
}

static void given(struct fake *f, const char *name)
{
	char count[64];

	snprintf(count, sizeof(count), "%u %s", ++f->given, name);
	node(f, "given", count);
}

/* A signal: the end, or a lost interface, of which real VMMs speak until they get it. */
static void on_signal(struct fake *f)
{
	struct signalfd_siginfo si;
	char line[64];

	if (read(f->signal_fd, &si, sizeof(si)) != sizeof(si) || si.ssi_signo != SIGUSR1)
		exit(DOM_EXIT_DESTROYED);
	snprintf(line, sizeof(line), "LINK=vif%u.0", f->domid);
	for (unsigned i = 0; i < 3; i++)
		tell(f, line);
}

/* A core dump of a guest without memory. */
static struct json_object *dump_core(struct fake *f, struct json_object *r)
{
	if (f->file < 0) {
		json_object_put(r);
		return fail(EINVAL, "no descriptor");
	}
	f->dump_state = "done";
	if (has_word(json_object_get_string(get(f->cfg, "cmdline")), "fake=nodump")) {
		f->dump_state = "failed";
		f->dump_error = "no core, as told";
	}
	if (write(f->file, "fake core\n", 10) != 10)
		die("core");
	return r;
}

static void dump_status(struct fake *f, struct json_object *r)
{
	add(r, "state", str(f->dump_state));
	add(r, "done_kb", num(4));
	add(r, "total_kb", num(4));
	if (f->dump_error)
		add(r, "error", str(f->dump_error));
}

/* Reply to @req, whose fields are checked against the table. */
static struct json_object *serve(struct fake *f, struct json_object *req, bool *ret_end)
{
	const char *cmd = json_object_get_string(get(req, "cmd"));
	const struct dom_ctl_cmd *c = NULL;
	struct json_object *r;

	for (size_t i = 0; cmd && i < DOM_ARRAY_LEN(dom_ctl_cmds); i++)
		if (!strcmp(cmd, dom_ctl_cmds[i].name))
			c = &dom_ctl_cmds[i];
	if (!c)
		return fail(EOPNOTSUPP, "no such command");
	for (size_t i = 0; i < DOM_ARRAY_LEN(c->req) && c->req[i].name; i++)
		if (!c->req[i].optional && !get(req, c->req[i].name))
			return fail(EINVAL, c->req[i].name);
	r = json_object_new_object();
	add(r, "v", num(DOM_CTL_VERSION));
	add(r, "ok", json_object_new_boolean(true));
	if (!strcmp(cmd, "status"))
		reply_status(f, r);
	else if (!strcmp(cmd, "vcpus"))
		reply_vcpus(f, r);
	else if (!strcmp(cmd, "pause") || !strcmp(cmd, "unpause"))
		f->paused = *cmd == 'p';
	else if (!strcmp(cmd, "dump-status"))
		dump_status(f, r);
	else if (!strcmp(cmd, "dump-core"))
		return dump_core(f, r);
	else if (!strcmp(cmd, "vcpu-pin"))
		return pin(f, req, r);
	else if (!strcmp(cmd, "give-files") && !strncmp(json_object_get_string(get(req, "name")), "net/", 4))
		given(f, json_object_get_string(get(req, "name")));
	else if (!strcmp(cmd, "debug-key") || !strcmp(cmd, "trigger"))
		fprintf(stderr, "%s\n", json_object_to_json_string(req));
	*ret_end = !strcmp(cmd, "destroy");
	return r;
}

/* Read a request, and keep the last descriptor that comes with it. */
static ssize_t receive(struct fake *f, int fd, char *buf, size_t size)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * DOM_CTL_FDS_MAX)];
	} control;
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	for (size_t i = 0; h && i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
		dom_close_fd(&f->file);
		memcpy(&f->file, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
	}
	return n;
}

/* One request per read: xl sends each with one call. */
static void client(struct fake *f, unsigned i)
{
	char buf[DOM_CTL_REQUEST_MAX + 1];
	ssize_t n = receive(f, f->clients[i], buf, sizeof(buf) - 1);
	struct json_object *req, *r;
	bool end = false;

	if (n <= 0) {
		close(f->clients[i]);
		f->clients[i] = f->clients[--f->count];
		return;
	}
	buf[n] = '\0';
	if (has_word(json_object_get_string(get(f->cfg, "cmdline")), "fake=hang"))
		return;
	req = json_tokener_parse(buf);
	r = serve(f, req, &end);
	dom_close_fd(&f->file);
	dprintf(f->clients[i], "%s\n", json_object_to_json_string_ext(r, JSON_C_TO_STRING_PLAIN));
	json_object_put(req);
	json_object_put(r);
	if (end)
		exit(DOM_EXIT_DESTROYED);
}

/*
 * As the VMM: the device @back is answered only where its state still is @from, since a write brings removed
 * nodes back. @error, if any, is there when the state is.
 */
static void answer(struct fake *f, const char *back, const char *from, const char *to, const char *error)
{
	char state[160], why[160];
	xsc_tx tx;
	int r;

	snprintf(state, sizeof(state), "%s/state", back);
	snprintf(why, sizeof(why), "%s/error", back);
	do {
		char *now DOM_CLEANUP_FREE = NULL;

		if (xsc_transaction_start(f->xs, &tx))
			return;
		r = xsc_read(f->xs, tx, state, &now, NULL);
		if (r || strcmp(now, from) != 0) {
			xsc_transaction_end(f->xs, tx, true);
			return;
		}
		if (error)
			xsc_write(f->xs, tx, why, error, strlen(error));
		xsc_write(f->xs, tx, state, to, strlen(to));
		r = xsc_transaction_end(f->xs, tx, false);
	} while (r == -EAGAIN);
}

/* A back end without data: takes every interface, and every disk that has a file not called "bad". */
static void device_event(struct fake *f, const char *path)
{
	char back[128], node[160], *state DOM_CLEANUP_FREE = NULL, *file DOM_CLEANUP_FREE = NULL;
	char kind[8];
	unsigned id;

	if (sscanf(path, "/local/domain/0/backend/%7[a-z]/%*u/%u", kind, &id) != 2)
		return;
	snprintf(back, sizeof(back), "/local/domain/0/backend/%s/%u/%u", kind, f->domid, id);
	snprintf(node, sizeof(node), "%s/%s", back, strcmp(kind, "vif") ? "physical-device-path" : "mac");
	if (xsc_read(f->xs, XSC_TX_NONE, node, &file, NULL))
		return;
	snprintf(node, sizeof(node), "%s/state", back);
	if (xsc_read(f->xs, XSC_TX_NONE, node, &state, NULL))
		return;
	if (!strcmp(state, "5"))
		answer(f, back, state, "6", NULL);
	else if (!strcmp(state, "1") && strstr(file, "bad"))
		answer(f, back, state, "6", "this one is bad");
	else if (!strcmp(state, "1"))
		answer(f, back, state, "4", NULL);
}

/* A kernel takes up a request to shut down. */
static void shutdown_event(struct fake *f)
{
	char path[80], *value DOM_CLEANUP_FREE = NULL;

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", f->domid);
	if (f->down || has_word(json_object_get_string(get(f->cfg, "cmdline")), "fake=deaf") ||
	    xsc_read(f->xs, XSC_TX_NONE, path, &value, NULL) || !*value)
		return;
	xsc_write(f->xs, XSC_TX_NONE, path, "", 0);
	shut_down(f, !strcmp(value, "reboot") ? "reboot" : "poweroff");
}

/*
 * A kernel's watch on control/shutdown, and a back end's on its devices. Each request to the store
 * may take further events in, so the queue must be empty before anybody waits for the connection.
 */
static void store_events(struct fake *f)
{
	struct xsc_event ev;

	while (xsc_next_event(f->xs, 0, &ev) == 0) {
		char changed[160];

		snprintf(changed, sizeof(changed), "%s", ev.path);
		if (!strcmp(ev.token, "b"))
			device_event(f, changed);
		else
			shutdown_event(f);
	}
}

static void echo(struct fake *f)
{
	char buf[256];
	ssize_t n = read(f->tty, buf, sizeof(buf));

	if (n > 0 && write(f->tty, buf, (size_t)n) != n)
		die("tty");
}

static void loop(struct fake *f)
{
	for (;;) {
		struct pollfd fds[4 + DOM_CTL_CLIENTS_MAX] = {
			{ .fd = f->listen_fd, .events = POLLIN }, { .fd = f->tty, .events = POLLIN },
			{ .fd = xsc_fd(f->xs), .events = POLLIN }, { .fd = f->signal_fd, .events = POLLIN },
		};

		for (unsigned i = 0; i < f->count; i++)
			fds[4 + i] = (struct pollfd){ .fd = f->clients[i], .events = POLLIN };
		store_events(f);
		poll(fds, 4 + f->count, -1);
		if (fds[3].revents)
			on_signal(f);
		for (unsigned i = f->count; i--;)
			if (fds[4 + i].revents)
				client(f, i);
		if (fds[0].revents && f->count < DOM_CTL_CLIENTS_MAX)
			f->clients[f->count++] = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fds[1].revents & POLLIN)
			echo(f);
		if (fds[2].revents)
			xsc_dispatch(f->xs);
	}
}

/* Do what a word of the command line asks for. */
static void misbehave(struct fake *f, const char *cmdline)
{
	static const char *const reasons[] = { "crash", "poweroff", "reboot", "watchdog" };
	char word[32];

	for (size_t i = 0; i < DOM_ARRAY_LEN(reasons); i++) {
		snprintf(word, sizeof(word), "fake=%s", reasons[i]);
		if (has_word(cmdline, word))
			shut_down(f, reasons[i]);
	}
}

/* Those that come, and those that are there: a device must not be taken late, when it is to go again. */
static void watch_devices(struct fake *f, const char *kind)
{
	char path[80], device[160], **ids DOM_CLEANUP_FREE = NULL;
	unsigned count = 0;

	snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", kind, f->domid);
	if (xsc_watch(f->xs, path, "b"))
		die("watch");
	if (xsc_directory(f->xs, XSC_TX_NONE, path, &ids, &count))
		return;
	for (unsigned i = 0; i < count; i++) {
		snprintf(device, sizeof(device), "%s/%s/state", path, ids[i]);
		device_event(f, device);
	}
}

static void start(struct fake *f)
{
	static const char *const kinds[] = { "vbd", "qdisk", "vif" };
	const char *cmdline = json_object_get_string(get(f->cfg, "cmdline"));
	char path[80];

	if (has_word(cmdline, "fake=error")) {
		tell(f, "ERROR=this is a fake");
		exit(DOM_EXIT_START);
	}
	if (has_word(cmdline, "fake=die")) {
		fprintf(stderr, "fake-vmm: dying as told\n");
		exit(DOM_EXIT_START);
	}
	if (xsc_open(&f->xs, NULL, NULL))
		die("xenstore");
	open_console(f);
	if (xsc_introduce_guest(f->xs, (uint16_t)f->domid, 1044476, 1, &f->guest_fd))
		die("introduce");
	listen_ctl(f);
	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", f->domid);
	if (xsc_watch(f->xs, path, "s"))
		die("watch");
	for (size_t i = 0; i < DOM_ARRAY_LEN(kinds); i++)
		watch_devices(f, kinds[i]);
	if (has_word(cmdline, "fake=mute"))
		pause();
	store_events(f);
	tell(f, "READY=1");
	misbehave(f, cmdline);
}

/* What guests the kernel @path can be is written in it. */
static int entries(const char *path)
{
	char text[16] = "";
	int fd DOM_CLEANUP_FD = dom_open(path, O_RDONLY, 0);

	if (fd < 0 || dom_read_all(fd, text, sizeof(text) - 1) < 0)
		return DOM_EXIT_START;
	fputs(text, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct fake f = { .ready_fd = -1, .tty = -1, .file = -1, .dump_state = "none" };
	sigset_t set;

	if (argc == 3 && !strcmp(argv[1], "--entries"))
		return entries(argv[2]);
	if (argc != 5 || strcmp(argv[1], "--config") || strcmp(argv[3], "--ready-fd"))
		return DOM_EXIT_USAGE;
	f.cfg = json_object_from_file(argv[2]);
	f.ready_fd = atoi(argv[4]);
	fcntl(f.ready_fd, F_SETFD, FD_CLOEXEC);
	if (!f.cfg)
		die(argv[2]);
	check_object(f.cfg, dom_cfg_keys);
	f.domid = (unsigned)json_object_get_int(get(f.cfg, "domid"));
	f.paused = json_object_get_boolean(get(f.cfg, "paused"));
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* An xl that ended before its answer is no reason to end. */
	signal(SIGPIPE, SIG_IGN);
	f.signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	start(&f);
	loop(&f);
}
