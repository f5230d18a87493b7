// SPDX-License-Identifier: MIT
/*
 * The control socket of a VMM: what xl and other programs on the host may ask of a running domain.
 *
 * Unix stream socket <rundir>/<domid>/ctl, mode 0600, served by the VMM's I/O thread. A client
 * sends one JSON object in one line and gets one JSON object in one line; it may send the next
 * request on the same connection, also before the former reply came (replies keep the order).
 *
 *   > {"v": 1, "cmd": "vcpu-pin", "vcpu": 0, "cpus": "2-3"}
 *   < {"v": 1, "ok": true}
 *   > {"v": 1, "cmd": "trigger", "trigger": "nmi", "vcpu": 9}
 *   < {"v": 1, "ok": false, "errno": 2, "error": "no vCPU 9: the domain has 2"}
 *
 * "v" is DOM_CTL_VERSION; a server refuses larger ones with EPROTONOSUPPORT, and adds fields to
 * replies without changing it: clients ignore fields they do not know. A server refuses commands
 * and request fields that have no row below with EOPNOTSUPP and EINVAL. Requests longer than
 * DOM_CTL_REQUEST_MAX and anything that is no JSON object close the connection after one error
 * reply. A client that sends nothing costs the server one descriptor; beyond DOM_CTL_CLIENTS_MAX
 * connections new ones are closed at once.
 */
#ifndef DOM_CTL_H
#define DOM_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domicile/base/cc.h"

#define DOM_CTL_VERSION 1
#define DOM_CTL_REQUEST_MAX 4096	/* bytes of a request, newline included */
#define DOM_CTL_REPLY_MAX (256 * 1024)	/* bytes of a reply, newline included */
#define DOM_CTL_CLIENTS_MAX 32
#define DOM_CTL_FDS_MAX 8		/* descriptors with a request, SCM_RIGHTS */

enum dom_ctl_type {
	DOM_CTL_UINT,		/* JSON integer >= 0 */
	DOM_CTL_BOOL,
	DOM_CTL_STRING,
	DOM_CTL_ENUM,		/* string, one of the words in doc up to the first ':' */
	DOM_CTL_COUNTERS,	/* object of name: integer; names are the server's */
	DOM_CTL_OBJECTS,	/* array of objects; fields named "<array>.<field>" */
};

struct dom_ctl_field {
	const char *name;
	enum dom_ctl_type type;
	bool optional;
	const char *doc;
};

#define DOM_CTL_FIELDS_MAX 12

struct dom_ctl_cmd {
	const char *name;
	struct dom_ctl_field req[4];			/* besides "v" and "cmd" */
	struct dom_ctl_field rep[DOM_CTL_FIELDS_MAX];	/* besides "v" and "ok" */
	const char *doc;
};

/* Words of "state", one per domain and per vCPU. */
#define DOM_CTL_STATES "running blocked paused shutdown dying: what the domain does now"
#define DOM_CTL_VCPU_STATES "running blocked offline: paused is told by status"

static const struct dom_ctl_cmd dom_ctl_cmds[] DOM_UNUSED = {
	{ "status", .rep = {
		{ "domid",     DOM_CTL_UINT,   .doc = "domain id" },
		{ "uuid",      DOM_CTL_STRING, .doc = "as in the description" },
		{ "pid",       DOM_CTL_UINT,   .doc = "process id of the VMM" },
		{ "state",     DOM_CTL_ENUM,   .doc = DOM_CTL_STATES },
		{ "reason",    DOM_CTL_STRING, true, "dom_shutdowns[].name, in state shutdown only" },
		{ "cpu_ns",    DOM_CTL_UINT,   .doc = "CPU time of all vCPU threads, ns" },
		{ "vcpus",     DOM_CTL_UINT,   .doc = "vCPUs online" },
		{ "maxvcpus",  DOM_CTL_UINT,   .doc = "vCPUs in all" },
		{ "memory_kb", DOM_CTL_UINT,   .doc = "pages the guest owns now (after ballooning), KiB" },
		{ "maxmem_kb", DOM_CTL_UINT,   .doc = "limit of memory_kb, KiB" },
	  }, .doc = "one cheap look at the domain; `xl list` asks all domains at once" },
	{ "pause",   .doc = "stop all vCPUs; returns when none runs; a paused domain stays paused" },
	{ "unpause", .doc = "let the vCPUs run; no effect on a running domain" },
	{ "destroy", .doc = "end now, whatever the guest thinks: the reply is sent, then the VMM exits with DOM_EXIT_DESTROYED" },
	{ "vcpus", .rep = {
		{ "vcpus",          DOM_CTL_OBJECTS, .doc = "one object per vCPU, in order" },
		{ "vcpus.vcpu",     DOM_CTL_UINT,    .doc = "number" },
		{ "vcpus.state",    DOM_CTL_ENUM,    .doc = DOM_CTL_VCPU_STATES },
		{ "vcpus.tid",      DOM_CTL_UINT,    .doc = "thread id" },
		{ "vcpus.cpu",      DOM_CTL_UINT,    .doc = "host CPU it runs on, or ran on last" },
		{ "vcpus.cpu_ns",   DOM_CTL_UINT,    .doc = "CPU time of the thread, ns" },
		{ "vcpus.affinity", DOM_CTL_STRING,  .doc = "host CPUs it may run on: \"0-3,5\"" },
	  }, .doc = "vCPU by vCPU" },
	{ "vcpu-pin", .req = {
		{ "vcpu", DOM_CTL_UINT,   .doc = "number of the vCPU" },
		{ "cpus", DOM_CTL_STRING, .doc = "host CPUs: \"0-3,5\"; ranges and commas only" },
	  }, .doc = "set the hard affinity of one vCPU; ENOENT: no such vCPU; EINVAL: no such host CPU" },
	{ "console", .rep = {
		{ "consoles",        DOM_CTL_OBJECTS, .doc = "one object per console" },
		{ "consoles.devid",  DOM_CTL_UINT,    .doc = "number" },
		{ "consoles.tty",    DOM_CTL_STRING,  .doc = "path of the terminal's slave side; empty when it has none" },
	  }, .doc = "where the consoles are; the same paths are in the store (console/tty)" },
	{ "devices", .rep = {
		{ "devices",          DOM_CTL_OBJECTS,  .doc = "one object per device of the store that has a back end here" },
		{ "devices.kind",     DOM_CTL_STRING,   .doc = "vbd, qdisk, vif, console" },
		{ "devices.id",       DOM_CTL_UINT,     .doc = "number: 51712 for xvda" },
		{ "devices.state",    DOM_CTL_UINT,     .doc = "XenbusState of the back end; 4: connected" },
		{ "devices.counters", DOM_CTL_COUNTERS, .doc = "by kind: of a disk reads, writes, flushes, discards, read-bytes, write-bytes, errors, kicks, notifies" },
	  }, .doc = "back ends and what they have done since the start" },
	{ "give-files", .req = {
		{ "name", DOM_CTL_STRING, .doc = "path in the store by which a back end will ask for them" },
	  }, .doc = "keep the descriptors that came with this request, replacing former ones of that name, for a device to be attached: a confined VMM opens nothing; EINVAL: none came" },
	{ "dump-core", .doc = "write a core dump to the regular file whose descriptor came with this request, replacing its contents: stops the vCPUs, returns when that has begun, and lets them run when it is over; EBUSY: one is being written" },
	{ "dump-status", .rep = {
		{ "state",    DOM_CTL_ENUM,   .doc = "none running done failed: of the last core dump" },
		{ "done_kb",  DOM_CTL_UINT,   .doc = "of the guest's memory, KiB" },
		{ "total_kb", DOM_CTL_UINT,   .doc = "the guest's memory that is dumped, KiB" },
		{ "error",    DOM_CTL_STRING, true, "why, in state failed only" },
	  }, .doc = "how far the core dump is" },
	{ "trigger", .req = {
		{ "trigger", DOM_CTL_ENUM, .doc = "nmi reset: NMI to one vCPU; reset ends the guest as a reboot does" },
		{ "vcpu",    DOM_CTL_UINT, true, "for nmi; 0 when absent" },
	  }, .doc = "what a front panel's buttons would do; ENOENT: no such vCPU" },
	{ "debug-key", .req = {
		{ "key", DOM_CTL_STRING, .doc = "one character; those the VMM knows are listed by 'h'" },
	  }, .doc = "write debugging information to the log (vmm.log, shown by `xl dmesg`)" },
	{ "stats", .rep = {
		{ "exits",      DOM_CTL_COUNTERS, .doc = "exits from KVM_RUN by reason" },
		{ "hypercalls", DOM_CTL_COUNTERS, .doc = "hypercalls by name that reached the VMM" },
	  }, .doc = "counters since the start; for people and tests, not a stable interface" },
};

#endif
