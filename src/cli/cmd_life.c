// SPDX-License-Identifier: MIT
/*
 * destroy, shutdown, reboot, pause, unpause, trigger, sysrq: what one does to a running domain.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "cmds.h"
#include "js.h"

#define ACK_MS 60000	/* a guest may take that long to take up a request */

/* A guest that exists, by name or number. Exit status or 0. */
static int find_guest(struct xl *xl, const char *text, unsigned *ret)
{
	if (xl_domain_find(xl, text, ret))
		return XL_FAIL;
	if (!*ret) {
		xl_error(xl, "domain 0 is the host; only guests can be asked for this");
		return XL_FAIL;
	}
	if (!xl_store(xl) || xl_domain_exists(xl, *ret))
		return xl->xs ? 0 : XL_FAIL;
	fprintf(stderr, "Error: Domain '%s' does not exist.\n", text);
	return XL_FAIL;
}

int cmd_destroy(struct xl *xl, struct xl_args *a)
{
	struct dom_err err = { 0 };
	unsigned domid;

	if (xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	if (!domid) {
		fprintf(stderr, "Not destroying domain 0; use -f to force.\nThis can only be done when using a disaggregated hardware domain and toolstack.\n\n");
		return XL_FAIL;
	}
	if (!xl_store(xl))
		return XL_FAIL;
	if (!xl_domain_destroy(xl, domid, &err))
		return XL_OK;
	xl_error(xl, "%s", err.msg);
	fprintf(stderr, "destroy failed (rc=%d)\n", err.code == -ESRCH ? -21 : -3);
	return XL_FAIL;
}

static int simple(struct xl *xl, const char *name, const char *cmd)
{
	struct dom_err err = { 0 };
	unsigned domid;
	int status = find_guest(xl, name, &domid);

	if (status || !xl_ctl(xl, domid, cmd, NULL, NULL, &err))
		return status;
	xl_error(xl, "%s", err.msg);
	return XL_FAIL;
}

int cmd_pause(struct xl *xl, struct xl_args *a)
{
	return simple(xl, a->argv[0], "pause");
}

int cmd_unpause(struct xl *xl, struct xl_args *a)
{
	return simple(xl, a->argv[0], "unpause");
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Write @request for the guest and wait until it has taken it up, or is gone. */
static int request(struct xl *xl, unsigned domid, const char *value)
{
	char path[80];
	int64_t end = now_ms() + ACK_MS, left;
	struct xsc_event ev;
	int err;

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
	err = xsc_watch(xl->xs, path, "ack");
	if (!err)
		err = xsc_write(xl->xs, XSC_TX_NONE, path, value, strlen(value));
	while (!err && (left = end - now_ms()) > 0) {
		char *current DOM_CLEANUP_FREE = xl_read(xl, XSC_TX_NONE, "%s", path);

		if (!current || !*current)
			break;
		/* The watch of a path that is removed with its domain fires, too. */
		err = xsc_next_event(xl->xs, (int)DOM_MIN(left, (int64_t)1000), &ev);
		err = err == -EAGAIN ? 0 : err;
	}
	xsc_unwatch(xl->xs, path, "ack");
	if (!err && now_ms() >= end)
		err = -ETIMEDOUT;
	return err;
}

struct target {
	unsigned domid;
	char uuid[37];
};

/* The reason code of a domain that has shut down, -1 while it has not, -2 when it is gone. */
static int shutdown_code(struct xl *xl, const struct target *t)
{
	char uuid[37];
	struct json_object *status = NULL;
	int code = -1;

	xl_domain_uuid(xl, t->domid, uuid);
	if (!xl_domain_exists(xl, t->domid) || strcmp(uuid, t->uuid))
		return -2;
	if (xl_ctl(xl, t->domid, "status", NULL, &status, NULL))
		return -1;
	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_shutdowns); i++)
		if (!strcmp(xl_js_str(status, "reason", ""), dom_shutdowns[i].name))
			code = (int)dom_shutdowns[i].code;
	json_object_put(status);
	return code;
}

/* Wait until all are down; a domain that is gone went for the reason that was asked for. */
static void wait_down(struct xl *xl, const struct target *targets, unsigned count, unsigned reason)
{
	fprintf(stderr, "Waiting for %u domains\n", count);
	for (unsigned i = 0; i < count; i++) {
		int code;

		while ((code = shutdown_code(xl, &targets[i])) == -1)
			usleep(50000);
		fprintf(stderr, "Domain %u has been shut down, reason code %d\n", targets[i].domid,
			code < 0 ? (int)reason : code);
	}
}

/* shutdown and reboot differ in three words. */
struct ask {
	const char *doing, *value, *what;
	unsigned reason;
};

static int ask_down(struct xl *xl, struct xl_args *a, const struct ask *k)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count = 1;
	struct target *targets DOM_CLEANUP_FREE = NULL;

	if (!a->set['a'] && !a->argc) {
		fprintf(stderr, "You must specify -a or a domain id.\n\n");
		return XL_FAIL;
	}
	if (a->set['a'] && xl_domains(xl, &ids, &count))
		return XL_FAIL;
	targets = calloc(count + 1u, sizeof(*targets));
	if (!targets)
		abort();
	for (unsigned i = 0; i < count && ids; i++)
		targets[i].domid = ids[i];
	if (!ids && find_guest(xl, a->argv[0], &targets[0].domid))
		return XL_FAIL;
	for (unsigned i = 0; i < count; i++) {
		int err;

		xl_domain_uuid(xl, targets[i].domid, targets[i].uuid);
		fprintf(stderr, "%s domain %u\n", k->doing, targets[i].domid);
		err = request(xl, targets[i].domid, k->value);
		if (err == -ETIMEDOUT)
			xl_error(xl, "guest didn't acknowledge control request: -9");
		else if (err)
			xl_error(xl, "domain %u: %s", targets[i].domid, strerror(-err));
		if (err) {
			fprintf(stderr, "%s failed (rc=-9)\n", k->what);
			return XL_FAIL;
		}
	}
	if (a->set['w'])
		wait_down(xl, targets, count, k->reason);
	return XL_OK;
}

int cmd_shutdown(struct xl *xl, struct xl_args *a)
{
	return ask_down(xl, a, &(struct ask){ "Shutting down", "poweroff", "shutdown", 0 });
}

int cmd_reboot(struct xl *xl, struct xl_args *a)
{
	return ask_down(xl, a, &(struct ask){ "Rebooting", "reboot", "reboot", 1 });
}

/* How each trigger is done: by the VMM, by the guest's own shutdown, or not at all. */
static const struct {
	const char *name;
	bool by_vmm, by_store;
} triggers[] = {
	{ "nmi",      .by_vmm = true },
	{ "reset",    .by_vmm = true },
	{ "power",    .by_store = true },	/* PVH and PV guests have no ACPI button */
	{ "init" }, { "sleep" }, { "s3resume" },
};

static int pull_trigger(struct xl *xl, unsigned domid, size_t i, uint64_t vcpu, bool vcpu_set)
{
	struct json_object *req;
	struct dom_err err = { 0 };
	char path[80];
	int code;

	if (triggers[i].by_store) {
		snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
		code = xsc_write(xl->xs, XSC_TX_NONE, path, "poweroff", 8);
		if (code)
			dom_err_set(&err, code, "domain %u: %s", domid, strerror(-code));
	} else if (triggers[i].by_vmm) {
		req = json_object_new_object();
		xl_js_set_str(req, "trigger", triggers[i].name);
		if (vcpu_set)
			xl_js_set_int(req, "vcpu", (int64_t)vcpu);
		code = xl_ctl(xl, domid, "trigger", req, NULL, &err);
	} else {
		/* Exit status 0, as real xl. */
		xl_error(xl, "Domain %u:Send trigger '%s' failed: only HVM guests have it", domid,
			 triggers[i].name);
		return XL_OK;
	}
	if (code)
		xl_error(xl, "%s", err.msg);
	return code ? XL_FAIL : XL_OK;
}

int cmd_trigger(struct xl *xl, struct xl_args *a)
{
	uint64_t vcpu = 0;
	unsigned domid;
	int status = find_guest(xl, a->argv[0], &domid);

	if (status)
		return status;
	if (a->argc > 2 && dom_parse_u64(a->argv[2], DOM_CFG_VCPUS_MAX, &vcpu)) {
		xl_error(xl, "%s is no vCPU number", a->argv[2]);
		return XL_FAIL;
	}
	for (size_t i = 0; a->argc > 1 && i < DOM_ARRAY_LEN(triggers); i++)
		if (!strcmp(a->argv[1], triggers[i].name))
			return pull_trigger(xl, domid, i, vcpu, a->argc > 2);
	fprintf(stderr, "Invalid trigger \"%s\"\n", a->argc > 1 ? a->argv[1] : "");
	return XL_FAIL;
}

int cmd_sysrq(struct xl *xl, struct xl_args *a)
{
	char path[80];
	unsigned domid;
	int err, status = find_guest(xl, a->argv[0], &domid);

	if (status)
		return status;
	if (strlen(a->argv[1]) != 1) {
		fprintf(stderr, "Invalid sysrq.\n\n");
		xl_usage(stdout, xl->cmd);
		return XL_FAIL;
	}
	snprintf(path, sizeof(path), "/local/domain/%u/control/sysrq", domid);
	err = xsc_write(xl->xs, XSC_TX_NONE, path, a->argv[1], 1);
	if (err)
		xl_error(xl, "domain %u: %s", domid, strerror(-err));
	return err ? XL_FAIL : XL_OK;
}
