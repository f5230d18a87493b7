// SPDX-License-Identifier: MIT
/*
 * The domain's place in xenstore. Two connections: one with the host's rights, on which nodes are
 * written and the domain is introduced, and the guest's own, to which its ring is bridged and whose
 * identity the daemon took from the introduction.
 *
 * Started by xl, a domain finds its tree written and only adds what the VMM alone knows. Started by
 * hand, it takes a free domain id, writes the nodes that a guest needs (the same as libxl writes,
 * see xenstore-paths in the Xen tree's docs/misc), and removes them at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/xsc.h"
#include "vmm.h"

#define NODE_VALUE_MAX 256u

struct vmm_store {
	struct vmm *vmm;
	struct xsc *xs;
	struct pvb_xsring *ring;
	struct pvb_ring page;		/* what the daemon is told at each introduction */
	bool own_tree;			/* we wrote the nodes, we remove them */
	char home[32], vm_path[48];
};

enum who { HOST_ONLY, GUEST_READS, GUEST_OWNS, GUEST_DEVICE };

/* Below the domain's home. An empty value is a directory or a node for the guest to write. */
struct node {
	const char *path;
	enum who who;
	void (*value)(const struct vmm *vm, char buf[NODE_VALUE_MAX]);
};

static void value_empty(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	(void)vm;
	buf[0] = '\0';
}

static void value_one(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	(void)vm;
	strcpy(buf, "1");
}

static void value_name(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	snprintf(buf, NODE_VALUE_MAX, "%s", vm->cfg.name);
}

static void value_domid(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	snprintf(buf, NODE_VALUE_MAX, "%u", vm->cfg.domid);
}

static void value_vm(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	snprintf(buf, NODE_VALUE_MAX, "%s", vm->store->vm_path);
}

static void value_memory_kib(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	snprintf(buf, NODE_VALUE_MAX, "%llu", (unsigned long long)vm->cfg.memory_mib << 10);
}

static void value_zero(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	(void)vm;
	strcpy(buf, "0");
}

static void value_xenconsoled(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	(void)vm;
	strcpy(buf, "xenconsoled");
}

static void value_output(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	strcpy(buf, strcmp(vm->cfg.console, "none") ? "pty" : "none");
}

static void value_limit(const struct vmm *vm, char buf[NODE_VALUE_MAX])
{
	(void)vm;
	strcpy(buf, "1048576");
}

static const struct node nodes[] = {
	{ "",                                            GUEST_READS, value_empty },
	{ "vm",                                          GUEST_READS, value_vm },
	{ "name",                                        GUEST_READS, value_name },
	{ "domid",                                       GUEST_READS, value_domid },
	{ "cpu",                                         GUEST_READS, value_empty },
	{ "memory",                                      GUEST_READS, value_empty },
	{ "memory/static-max",                           GUEST_READS, value_memory_kib },
	{ "memory/target",                               GUEST_READS, value_memory_kib },
	{ "memory/videoram",                             GUEST_READS, value_zero },
	{ "device",                                      GUEST_READS, value_empty },
	{ "device/suspend",                              GUEST_READS, value_empty },
	{ "device/suspend/event-channel",                GUEST_OWNS,  value_empty },
	{ "control",                                     GUEST_READS, value_empty },
	{ "control/shutdown",                            GUEST_OWNS,  value_empty },
	{ "control/feature-poweroff",                    GUEST_OWNS,  value_empty },
	{ "control/feature-reboot",                      GUEST_OWNS,  value_empty },
	{ "control/feature-suspend",                     GUEST_OWNS,  value_empty },
	{ "control/sysrq",                               GUEST_OWNS,  value_empty },
	{ "control/platform-feature-multiprocessor-suspend", GUEST_READS, value_one },
	{ "control/platform-feature-xs_reset_watches",   GUEST_READS, value_one },
	{ "data",                                        GUEST_OWNS,  value_empty },
	{ "drivers",                                     GUEST_OWNS,  value_empty },
	{ "feature",                                     GUEST_OWNS,  value_empty },
	{ "attr",                                        GUEST_OWNS,  value_empty },
	{ "error",                                       GUEST_OWNS,  value_empty },
	{ "store",                                       GUEST_READS, value_empty },
	{ "console",                                     GUEST_READS, value_empty },
	{ "console/backend",                             GUEST_READS, value_empty },
	{ "console/limit",                               GUEST_READS, value_limit },
	{ "console/type",                                GUEST_READS, value_xenconsoled },
	{ "console/output",                              GUEST_READS, value_output },
};

static int put(struct vmm_store *s, xsc_tx tx, const char *path, enum who who, const char *value)
{
	uint16_t domid = s->vmm->cfg.domid;
	const struct xsc_perm perms[][2] = {
		[HOST_ONLY] = { { 0, XSC_PERM_NONE } },
		[GUEST_READS] = { { 0, XSC_PERM_NONE }, { domid, XSC_PERM_READ } },
		[GUEST_OWNS] = { { domid, XSC_PERM_NONE } },
		[GUEST_DEVICE] = { { domid, XSC_PERM_NONE }, { 0, XSC_PERM_READ } },
	};
	bool two = who == GUEST_READS || who == GUEST_DEVICE;
	int r = xsc_write(s->xs, tx, path, value, strlen(value));

	return r ? r : xsc_set_perms(s->xs, tx, path, perms[who], two ? 2 : 1);
}

static int put_home(struct vmm_store *s, xsc_tx tx, const char *name, enum who who,
		    const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s%s", s->home, *name ? "/" : "", name);
	return put(s, tx, path, who, value);
}

/* The lowest id above all that are in use. */
static int pick_domid(struct vmm_store *s, xsc_tx tx)
{
	char **names;
	unsigned count, next = 1;
	int r = xsc_directory(s->xs, tx, "/local/domain", &names, &count);

	if (r == -ENOENT)
		count = 0;
	else if (r)
		return r;
	for (unsigned i = 0; i < count; i++)
		next = DOM_MAX(next, (unsigned)strtoul(names[i], NULL, 10) + 1);
	if (r != -ENOENT)
		free(names);
	if (next > DOM_CFG_DOMID_MAX)
		return -ENOSPC;
	s->vmm->cfg.domid = (domid_t)next;
	xa_domain_rename(s->vmm->dom, (domid_t)next);
	snprintf(s->home, sizeof(s->home), "/local/domain/%u", next);
	return 0;
}

#define BACKENDS "/local/domain/0/backend"

/* One end of a device: the nodes that every device has, and its own. */
static int put_end(struct vmm_store *s, xsc_tx tx, const char *dir, enum who who,
		   const struct vmm_device_node *common, const struct vmm_device_node *own)
{
	const struct vmm_device_node *lists[] = { common, own };
	int r = put(s, tx, dir, who, "");

	for (size_t i = 0; i < DOM_ARRAY_LEN(lists) && !r; i++) {
		for (unsigned n = 0; n < VMM_DEVICE_NODES && lists[i][n].key && !r; n++) {
			char path[128];

			snprintf(path, sizeof(path), "%s/%s", dir, lists[i][n].key);
			r = put(s, tx, path, who, lists[i][n].value);
		}
	}
	return r;
}

static int put_device(struct vmm_store *s, xsc_tx tx, const struct vmm_device *dev)
{
	char front[96], back[96], domid[8];
	const struct vmm_device_node in_back[] = {
		{ "frontend", front }, { "frontend-id", domid }, { "online", "1" }, { "state", "1" },
		{ NULL, NULL },
	};
	const struct vmm_device_node in_front[] = {
		{ "backend", back }, { "backend-id", "0" }, { "state", "1" }, { NULL, NULL },
	};
	int r;

	snprintf(domid, sizeof(domid), "%u", s->vmm->cfg.domid);
	snprintf(front, sizeof(front), "%s/device/%s/%u", s->home, dev->kind, dev->id);
	snprintf(back, sizeof(back), BACKENDS "/%s/%s/%u", dev->kind, domid, dev->id);
	r = put_end(s, tx, front, GUEST_DEVICE, in_front, dev->front);
	return r ? r : put_end(s, tx, back, GUEST_READS, in_back, dev->back);
}

static void remove_devices(struct vmm_store *s)
{
	for (unsigned i = 0; i < s->vmm->cfg.nr_devices; i++) {
		char path[96];

		snprintf(path, sizeof(path), BACKENDS "/%s/%u", s->vmm->cfg.devices[i].kind,
			 s->vmm->cfg.domid);
		xsc_rm(s->xs, XSC_TX_NONE, path);
	}
}

static int write_tree(struct vmm_store *s, xsc_tx tx)
{
	char value[NODE_VALUE_MAX], path[96];
	int r = pick_domid(s, tx);

	for (size_t i = 0; i < DOM_ARRAY_LEN(nodes) && !r; i++) {
		nodes[i].value(s->vmm, value);
		r = put_home(s, tx, nodes[i].path, nodes[i].who, value);
	}
	for (unsigned cpu = 0; cpu < s->vmm->cfg.vcpus && !r; cpu++) {
		snprintf(path, sizeof(path), "cpu/%u/availability", cpu);
		r = put_home(s, tx, path, GUEST_READS, "online");
	}
	for (unsigned i = 0; i < s->vmm->cfg.nr_devices && !r; i++)
		r = put_device(s, tx, &s->vmm->cfg.devices[i]);
	if (!r)
		r = put(s, tx, s->vm_path, GUEST_READS, "");
	if (!r) {
		snprintf(path, sizeof(path), "%s/name", s->vm_path);
		r = put(s, tx, path, GUEST_READS, s->vmm->cfg.name);
	}
	return r;
}

/* All or nothing; somebody else may take the same id meanwhile, then once more. */
static int create_tree(struct vmm_store *s)
{
	xsc_tx tx;
	int r;

	do {
		r = xsc_transaction_start(s->xs, &tx);
		if (r)
			return r;
		r = write_tree(s, tx);
		if (r) {
			xsc_transaction_end(s->xs, tx, true);
			return r;
		}
		r = xsc_transaction_end(s->xs, tx, false);
	} while (r == -EAGAIN);
	s->own_tree = r == 0;
	return r;
}

static void format_vm_path(const uint8_t u[16], char buf[48])
{
	snprintf(buf, 48, "/vm/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

int vmm_store_open(struct vmm *vm, struct dom_err *err)
{
	const char *where = vm->cfg.xenstore;
	struct vmm_store *s;
	int r;

	if (!strcmp(where, "none"))
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return dom_err_set(err, -ENOMEM, "no memory for the store connection");
	s->vmm = vm;
	vm->store = s;
	format_vm_path(vm->cfg.uuid, s->vm_path);
	r = strcmp(where, "auto") ? xsc_open(&s->xs, where, err) : xsc_open_or_start(&s->xs, err);
	if (r)
		return r;
	if (vm->cfg.config_file) {
		snprintf(s->home, sizeof(s->home), "/local/domain/%u", vm->cfg.domid);
		return 0;
	}
	r = create_tree(s);
	return r ? dom_err_set(err, r, "xenstore: cannot write the domain's nodes: %s",
			       strerror(-r)) : 0;
}

/* Asked by the bridge at the start, and again after the daemon was restarted. */
static int introduce(void *arg, int *ret_fd)
{
	struct vmm_store *s = arg;
	int r = xsc_reconnect(s->xs);

	return r ? r : xsc_introduce_guest(s->xs, s->vmm->cfg.domid, s->page.gfn.v, s->page.port,
					   ret_fd);
}

/* What only the VMM knows of the rings. */
static int write_rings(struct vmm_store *s, const struct pvb_ring *console)
{
	const struct {
		const char *node;
		uint64_t value;
	} rings[] = {
		{ "store/port", s->page.port },
		{ "store/ring-ref", s->page.gfn.v },
		{ "console/port", console->port },
		{ "console/ring-ref", console->gfn.v },
	};
	const char *tty = s->vmm->console ? pvb_console_pty(s->vmm->console) : NULL;
	char value[24];
	int r = 0;

	for (size_t i = 0; i < DOM_ARRAY_LEN(rings) && !r; i++) {
		snprintf(value, sizeof(value), "%llu", (unsigned long long)rings[i].value);
		r = put_home(s, XSC_TX_NONE, rings[i].node, GUEST_READS, value);
	}
	return r ? r : put_home(s, XSC_TX_NONE, "console/tty", GUEST_READS, tty ? tty : "");
}

int vmm_store_attach(struct vmm *vm, const struct pvb_ring *store, const struct pvb_ring *console,
		     struct dom_err *err)
{
	struct vmm_store *s = vm->store;
	struct pvb_xsring_config cfg = {
		.loop = vm->loop,
		.domain = vm->dom,
		.domid = vm->cfg.domid,
		.ring = *store,
		.log = &vm->log,
		.introduce = introduce,
		.arg = s,
	};
	int r;

	if (!s)
		return 0;
	s->page = *store;
	r = write_rings(s, console);
	if (r)
		return dom_err_set(err, r, "xenstore: cannot write the rings' nodes: %s",
				   strerror(-r));
	return pvb_xsring_new(&cfg, &s->ring, err);
}

void vmm_store_detach(struct vmm *vm)
{
	if (vm->store)
		pvb_xsring_free(vm->store->ring);
}

void vmm_store_close(struct vmm *vm)
{
	struct vmm_store *s = vm->store;

	if (!s)
		return;
	if (s->xs && s->own_tree) {
		xsc_release(s->xs, vm->cfg.domid);
		xsc_rm(s->xs, XSC_TX_NONE, s->home);
		xsc_rm(s->xs, XSC_TX_NONE, s->vm_path);
		remove_devices(s);
	}
	xsc_close(s->xs);
	free(s);
	vm->store = NULL;
}
