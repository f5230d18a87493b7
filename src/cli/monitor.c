// SPDX-License-Identifier: MIT
/*
 * The monitor of a domain: waits for the end and does what on_poweroff and its siblings say. Its
 * lines are those of real xl's xl-NAME.log.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "blkdev.h"
#include "domain.h"
#include "dump.h"
#include "js.h"
#include "life.h"
#include "netdev.h"
#include "netwatch.h"
#include "notify.h"

DOM_PRINTF(1, 2)
static void tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
}

static const struct dom_shutdown *by_name(const char *name)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_shutdowns); i++)
		if (!strcmp(dom_shutdowns[i].name, name))
			return &dom_shutdowns[i];
	return NULL;
}

/* What a VMM's wait status tells. NULL: it was destroyed. */
static const struct dom_shutdown *by_status(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == DOM_EXIT_DESTROYED)
		return NULL;
	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_shutdowns); i++)
		if (WIFEXITED(status) && WEXITSTATUS(status) == dom_shutdowns[i].exit_status)
			return &dom_shutdowns[i];
	return by_name("crash");
}

/*
 * What follows a shutdown: libxl's word for it in JSON, xl's in its log. There is no soft reset: it
 * is a crash that nobody keeps.
 */
static const struct action {
	const char *json, *name;
	bool lingers;		/* until it is destroyed */
	bool dumps, restarts;
} actions[] = {
	{ "destroy",          "destroy" },
	{ "soft_reset",       "destroy" },
	{ "restart",          "restart",          .restarts = true },
	{ "restart_rename",   "rename-restart",   .lingers = true },
	{ "preserve",         "preserve",         .lingers = true },
	{ "coredump_destroy", "coredump-destroy", .dumps = true },
	{ "coredump_restart", "coredump-restart", .dumps = true, .restarts = true },
};

static const struct action *action(const struct xl_life *l, const struct dom_shutdown *why)
{
	const char *a = why->key ? xl_js_str(l->json, why->key, "destroy") : "destroy";

	for (size_t i = 0; i < DOM_ARRAY_LEN(actions); i++)
		if (!strcmp(actions[i].json, a))
			return &actions[i];
	return &actions[0];
}

/* The stored configuration may have changed since: renamed, or by config-update. */
static struct json_object *current_config(const struct xl_life *l)
{
	struct json_object *json = xl_config_load(l->xl, l->domid);
	char *name DOM_CLEANUP_FREE = xl_domain_name(l->xl, l->domid);

	if (!json)
		json_object_deep_copy(l->json, &json, NULL);
	if (name)
		xl_js_set_str(json, "c_info/name", name);
	return json;
}

/*
 * Keep the ended domain under another name and UUID, so that its successor can have them. The
 * name's end is the time, as real xl's.
 */
static int rename_ended(struct xl_life *l, char new_uuid[37])
{
	char name[XL_NAME_MAX + 32], path[80], vm[48];
	time_t now = time(NULL);
	struct tm tm;
	xsc_tx tx;
	int err;

	snprintf(name, sizeof(name), "%s", l->name);
	strftime(name + strlen(name), 24, "-%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	err = xl_domain_rename(l->xl, l->domid, name);
	if (err)
		return err;
	xl_uuid_random(new_uuid);
	snprintf(path, sizeof(path), "/local/domain/%u/vm", l->domid);
	snprintf(vm, sizeof(vm), "/vm/%s", new_uuid);
	do {
		char *start DOM_CLEANUP_FREE = NULL, node[96];

		err = xsc_transaction_start(l->xl->xs, &tx);
		if (err)
			return err;
		start = xl_read(l->xl, tx, "/vm/%s/start_time", l->uuid);
		/* Destroyed meanwhile. */
		if (!start)
			err = -ESRCH;
		snprintf(node, sizeof(node), "%s/name", vm);
		if (!err)
			err = xsc_write(l->xl->xs, tx, node, name, strlen(name));
		snprintf(node, sizeof(node), "%s/uuid", vm);
		if (!err)
			err = xsc_write(l->xl->xs, tx, node, new_uuid, strlen(new_uuid));
		snprintf(node, sizeof(node), "%s/start_time", vm);
		if (!err)
			err = xsc_write(l->xl->xs, tx, node, start, strlen(start));
		if (!err)
			err = xsc_write(l->xl->xs, tx, path, vm, strlen(vm));
		snprintf(node, sizeof(node), "/vm/%s", l->uuid);
		if (!err)
			xsc_rm(l->xl->xs, tx, node);
		if (err)
			xsc_transaction_end(l->xl->xs, tx, true);
		else
			err = xsc_transaction_end(l->xl->xs, tx, false);
	} while (err == -EAGAIN);
	return err;
}

/* Make the domain @json under a monitor of its own, a grandchild, which nobody has to wait for. */
static void start_successor(struct xl_life *l, struct json_object *json)
{
	struct xl_create c = { .json = json };
	pid_t pid = fork();

	if (!pid && fork())
		_exit(0);
	if (pid) {
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return;
	}
	/* The connection cannot be shared with the parent. */
	xsc_close(l->xl->xs);
	l->xl->xs = NULL;
	dom_close_fd(&l->ready_fd);
	setsid();
	xl_domain_defaults(json);
	_exit(xl_life_live(l->xl, &c, -1));
}

/* Go on with a dump unless we are asked to end. */
static bool not_asked_to_end(void *arg, uint64_t done DOM_UNUSED, uint64_t total DOM_UNUSED)
{
	const struct xl_life *l = arg;
	struct pollfd fd = { .fd = l->signal_fd, .events = POLLIN };

	return poll(&fd, 1, 0) <= 0;
}

/* Write the core, as far as there is one. A failure is told, and changes nothing else. */
static void dump(struct xl_life *l)
{
	char path[DOM_PATH_MAX + XL_NAME_MAX + 2];
	struct xl_dump d = { .path = path, .step = not_asked_to_end, .arg = l,
			     .wake_fd = l->signal_fd };
	char *name DOM_CLEANUP_FREE = xl_domain_name(l->xl, l->domid);
	struct dom_err err = { 0 };
	int r = xl_dump_path(name ? name : l->name, path, sizeof(path), &err);

	if (!r) {
		tell("dumping core to %s", path);
		r = xl_dump_core(l->xl, l->domid, &d, &err);
	}
	if (r) {
		tell("xl: error: %s", err.msg);
		tell("core dump failed (rc=-3).");
	}
}

/* The guest has shut down and its VMM stays, renamed: start a successor. */
static void succeed(struct xl_life *l)
{
	struct json_object *old = NULL, *next;
	char uuid[37];

	next = current_config(l);
	if (rename_ended(l, uuid)) {
		tell("Domain %u cannot be renamed, and is not restarted", l->domid);
		json_object_put(next);
		return;
	}
	json_object_deep_copy(next, &old, NULL);
	xl_js_set_str(old, "c_info/uuid", uuid);
	xl_config_save(l->xl, l->domid, old);
	json_object_put(old);
	tell("Domain %u is kept; its successor gets a monitor of its own", l->domid);
	start_successor(l, next);
	json_object_put(next);
	xl_js_set_str(l->json, "c_info/uuid", uuid);
	l->uuid = xl_js_str(l->json, "c_info/uuid", "");
}

/* Reap the VMM. */
static int reap(struct xl_life *l)
{
	int status = 0;

	while (waitpid(l->vmm, &status, 0) < 0 && errno == EINTR)
		;
	l->vmm = 0;
	dom_close_fd(&l->ready_fd);
	return status;
}

/* We are asked to end: the domain goes with us. */
static void stop_vmm(struct xl_life *l)
{
	tell("Asked to end: destroying domain %u", l->domid);
	xl_notify("STOPPING=1");
	kill(l->vmm, SIGTERM);
	for (int i = 0; i < 100 && xl_life_next_line(&(struct xl_life){ .ready_fd = l->ready_fd,
	     .signal_fd = -1 }, 100) == -ETIMEDOUT; i++)
		;
	kill(l->vmm, SIGKILL);
}

static void tell_end(const struct xl_life *l, const struct dom_shutdown *why)
{
	tell("Domain %u has shut down, reason code %u 0x%x", l->domid, why->code, why->code);
	tell("Action for shutdown reason code %u is %s", why->code, action(l, why)->name);
}

/* What may go away on the host while a domain runs, and is made anew when the VMM asks for it. */
static const struct loss {
	const char *line, *what;
	int (*restore)(struct xl *xl, unsigned domid, const char *name, struct dom_err *err);
} losses[] = {
	{ "LINK=", "Interface",          xl_netdev_restore },
	{ "DISK=", "The server of disk", xl_blkdev_restore },
};

/*
 * The VMM asks for what is lost until it gets it, so what it asked before it got it, and is still in the
 * pipe, is old: lines are taken until there are none, what is lost is given, and lines are taken until
 * there are none once more.
 */
struct lost {
	struct {
		const struct loss *loss;
		char name[16];
	} item[8];
	unsigned count;
	bool given;
	int netwatch;
	char told[480];			/* why it does not work, once */
};

/* Is @line about something that is lost? */
static bool note_lost(struct lost *lost, const char *line)
{
	const char *value = strchr(line, '=');
	const struct loss *loss = losses;

	while (loss < losses + DOM_ARRAY_LEN(losses) && strncmp(line, loss->line, strlen(loss->line)))
		loss++;
	if (!value++ || loss == losses + DOM_ARRAY_LEN(losses))
		return false;
	for (unsigned i = 0; i < lost->count; i++)
		if (lost->item[i].loss == loss && !strcmp(lost->item[i].name, value))
			return true;
	/* One more is asked for again. */
	if (!lost->given && lost->count < DOM_ARRAY_LEN(lost->item)) {
		lost->item[lost->count].loss = loss;
		snprintf(lost->item[lost->count++].name, sizeof(lost->item[0].name), "%.15s", value);
	}
	return true;
}

static void restore_lost(struct xl_life *l, struct lost *lost)
{
	lost->given = lost->count;
	while (lost->count) {
		const struct loss *loss = lost->item[--lost->count].loss;
		const char *name = lost->item[lost->count].name;
		struct dom_err err = { 0 };
		int r = loss->restore(l->xl, l->domid, name, &err);

		if (!r)
			tell("%s %s was gone and is made anew", loss->what, name);
		else if (err.code && strcmp(err.msg, lost->told))
			tell("xl: error: %s %s was gone and cannot be made anew: %s", loss->what, name,
			     err.msg);
		snprintf(lost->told, sizeof(lost->told), "%s", r ? err.msg : "");
	}
}

/* Until there is a line or a signal; bridges that come meanwhile get their interfaces. */
static void wait_for_line(struct xl_life *l, int netwatch)
{
	struct pollfd fds[] = { { .fd = l->ready_fd, .events = POLLIN },
				{ .fd = l->signal_fd, .events = POLLIN },
				{ .fd = netwatch, .events = POLLIN } };

	while (poll(fds, DOM_ARRAY_LEN(fds), -1) < 0 || !(fds[0].revents | fds[1].revents)) {
		if (!fds[2].revents)
			continue;
		xl_netwatch_drain(netwatch);
		xl_netdevs_rejoin(l->xl, l->domid);
	}
}

/* The next line but those of what is lost, as xl_life_next_line(). */
static int next_line(struct xl_life *l, struct lost *lost)
{
	for (;;) {
		bool now = lost->count || lost->given;
		int got;

		if (!now)
			wait_for_line(l, lost->netwatch);
		got = xl_life_next_line(l, now ? 0 : -1);
		if (got == -ETIMEDOUT)
			restore_lost(l, lost);
		else if (got != 1 || !note_lost(lost, l->line))
			return got;
	}
}

/*
 * Wait until the VMM is gone. Returns why, NULL when it was destroyed or we were asked to end.
 */
static const struct dom_shutdown *wait_for_end(struct xl_life *l)
{
	const struct dom_shutdown *why = NULL, *end;
	struct lost lost = { .netwatch = xl_netwatch_open() };
	int got;

	while ((got = next_line(l, &lost)) == 1) {
		if (strncmp(l->line, "SHUTDOWN=", 9) || !(why = by_name(l->line + 9)))
			continue;
		tell_end(l, why);
		if (!strcmp(action(l, why)->json, "restart_rename"))
			succeed(l);
		if (action(l, why)->dumps) {
			dump(l);
			/* It stayed for the dump only. */
			if (xl_ctl(l->xl, l->domid, "destroy", NULL, NULL, NULL))
				kill(l->vmm, SIGKILL);
		}
	}
	dom_close_fd(&lost.netwatch);
	if (got == -EINTR) {
		stop_vmm(l);
		reap(l);
		return NULL;
	}
	end = by_status(reap(l));
	if (why && action(l, why)->dumps)
		return why;
	/* A domain that was kept ends only by being destroyed. */
	if (!end || (why && action(l, why)->lingers)) {
		tell("Domain %u has been destroyed.", l->domid);
		return NULL;
	}
	if (!why) {
		tell_end(l, end);
		/* Nobody is left who could write it. */
		if (action(l, end)->dumps)
			dump(l);
	}
	return end;
}

/*
 * Wait for the domain's end and do what on_* says. With on_* = restart the domain is made anew and
 * the wait goes on. Returns when it is gone for good.
 */
static void monitor(struct xl_life *l)
{
	struct json_object *json = NULL;

	for (;;) {
		const struct dom_shutdown *why;
		struct json_object *next;
		bool restart;

		tell("Waiting for domain %s (domid %u) to die [pid %d]", l->name, l->domid, getpid());
		why = wait_for_end(l);
		restart = why && action(l, why)->restarts;
		if (why)
			tell("Domain %u needs to be cleaned up: destroying the domain", l->domid);
		next = current_config(l);
		xl_life_remove(l);
		json_object_put(json);
		json = next;
		if (!restart)
			break;
		xl_life_init(l, l->xl, json, false);
		if (xl_life_make(l) || xl_life_start(l)) {
			tell("xl: error: %s", l->err.msg);
			break;
		}
		xl_notify("STATUS=domain %u is running", l->domid);
	}
	tell("Done. Exiting now");
	json_object_put(json);
}

/* From here on standard error is the monitor's log, and the terminal's signals are not for us. */
static void detach(const struct xl_life *l)
{
	char dir[DOM_PATH_MAX], path[DOM_PATH_MAX + XL_NAME_MAX + 16];
	int null = dom_open("/dev/null", O_RDWR, 0), log = -1;
	char *p;

	if (!dom_path_dir(DOM_DIR_LOG, dir)) {
		snprintf(path, sizeof(path), "%s/xl-%.200s.log", dir, l->name);
		for (p = path + strlen(dir) + 1; *p; p++)
			*p = *p == '/' ? '_' : *p;
		log = dom_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	}
	setsid();
	if (chdir("/"))
		log = -1;
	dup2(null, 0);
	dup2(log < 0 ? null : log, 1);
	dup2(log < 0 ? null : log, 2);
	dom_close_fd(&log);
	if (null > 2)
		close(null);
}

int xl_life_live(struct xl *xl, struct xl_create *c, int report)
{
	struct xl_life l = { .signal_fd = -1 };
	struct xl_life_result result = { XL_LIBXL, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Whoever asked may be gone when the domain is ready. */
	signal(SIGPIPE, SIG_IGN);
	l.signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	xl_life_init(&l, xl, c->json, c->paused);
	if (xl_life_make(&l) || xl_life_start(&l))
		fprintf(stderr, "xl: error: %s\n", l.err.msg);
	else
		result = (struct xl_life_result){ XL_OK, l.domid };
	c->domid = l.domid;
	if (report >= 0) {
		/* Whoever asked for the domain would not know that it runs. */
		if (dom_write_all(report, &result, sizeof(result)) && !result.status) {
			xl_life_abandon(&l);
			return XL_FAIL;
		}
		close(report);
	}
	if (result.status || c->no_monitor)
		return result.status;
	if (report >= 0)
		detach(&l);
	xl_notify("READY=1\nSTATUS=domain %u is running", l.domid);
	monitor(&l);
	dom_close_fd(&l.signal_fd);
	return XL_OK;
}
