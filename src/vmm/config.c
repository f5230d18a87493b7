// SPDX-License-Identifier: MIT
/*
 * The command line. One row per option: its name, what it takes, and how it is stored; the help
 * text is printed from the same rows.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "config.h"

#define MAX_MEMORY_MIB (1ull << 24)	/* 16 TiB, what an unextended guest address can hold */
#define DEFAULT_MEMORY_MIB 512u
#define DEFAULT_GRANT_FRAMES 64u
#define DEFAULT_EVTCHN 131072u

/* A sanitizer opens files and makes calls of its own whenever it likes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEFAULT_SANDBOX VMM_SANDBOX_OFF
#else
#define DEFAULT_SANDBOX VMM_SANDBOX_ON
#endif

struct option_row {
	const char *name;
	const char *arg;	/* NULL: takes none */
	int (*set)(struct vmm_config *cfg, const char *value, struct dom_err *err);
	bool described;		/* not beside --config: the description tells it */
	const char *help;
};

static int set_kernel(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	(void)err;
	cfg->kernel = value;
	return 0;
}

static int set_ramdisk(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	if (cfg->nr_modules == VMM_MAX_MODULES)
		return dom_err_set(err, -E2BIG, "--ramdisk %s: at most %u are possible", value,
				   VMM_MAX_MODULES);
	cfg->modules[cfg->nr_modules++] = value;
	return 0;
}

static int set_cmdline(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	(void)err;
	cfg->cmdline = value;
	return 0;
}

static int set_memory(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	if (dom_parse_u64(value, MAX_MEMORY_MIB, &cfg->memory_mib) ||
	    cfg->memory_mib < VMM_MIN_MEMORY_MIB)
		return vmm_config_bad(err, "memory", value, "a number of MiB from 16 to 16777216");
	return 0;
}

static int set_ram(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	return vmm_ram_mode_parse(value, &cfg->ram, err);
}

static int set_vcpus(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	uint64_t n;

	if (dom_parse_u64(value, VMM_MAX_VCPUS, &n) || !n)
		return vmm_config_bad(err, "vcpus", value, "a number from 1 to 128");
	cfg->vcpus = (unsigned)n;
	return 0;
}

static int set_disk(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	return vmm_config_disk(cfg, value, err);
}

static int set_net(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	return vmm_config_net(cfg, value, err);
}

static int set_name(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	if (!*value || strchr(value, '/'))
		return vmm_config_bad(err, "name", value, "a name without slashes");
	cfg->name = value;
	return 0;
}

static int set_console(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	(void)err;
	cfg->console = value;
	return 0;
}

static int set_console_log(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	(void)err;
	cfg->console_log = value;
	return 0;
}

static int set_accel(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	static const char *const words[] = { "auto", "xen", "plain", NULL };
	int i, r = vmm_config_word("accel", value, words, &i, err);

	if (!r)
		cfg->accel = (enum vmm_accel_kind)i;
	return r;
}

static int set_type(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	static const char *const words[] = { "pvh", "pv", NULL };
	int i, r = vmm_config_word("type", value, words, &i, err);

	if (!r)
		cfg->pv = i;
	return r;
}

static int set_pv_roots(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	static const char *const words[] = { "auto", "one", "two", NULL };
	int i, r = vmm_config_word("pv-roots", value, words, &i, err);

	if (!r)
		cfg->pv_roots = (enum vmm_roots)i;
	return r;
}

static int set_pv_speculation(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	static const char *const words[] = { "auto", "off", "on", NULL };
	int i, r = vmm_config_word("pv-speculation", value, words, &i, err);

	if (!r)
		cfg->pv_speculation = (enum vmm_speculation)i;
	return r;
}

static int set_events(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	static const char *const words[] = { "fifo", "2l", "auto", NULL };
	int i, r = vmm_config_word("events", value, words, &i, err);

	if (r)
		return r;
	cfg->events_forced = i < 2;
	cfg->events = i == 1 ? XA_EVENTS_2L : XA_EVENTS_ANY;
	return 0;
}

static int set_xenstore(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	(void)err;
	cfg->xenstore = value;
	return 0;
}

static int set_on_reboot(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	static const char *const words[] = { "destroy", "restart", NULL };
	int i, r = vmm_config_word("on-reboot", value, words, &i, err);

	if (!r)
		cfg->reboot_restarts = i == 1;
	return r;
}

static int set_stats(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	(void)value;
	(void)err;
	cfg->stats = true;
	return 0;
}

static int set_entries(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	(void)err;
	cfg->entries = value;
	return 0;
}

static int set_config(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	(void)err;
	cfg->config_file = value;
	return 0;
}

/* The pipe was left open for us alone: programs that we start must not keep it open. */
static int set_ready_fd(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	uint64_t fd;

	if (dom_parse_u64(value, INT32_MAX, &fd) || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return vmm_config_bad(err, "ready-fd", value, "the number of an open descriptor");
	cfg->ready_fd = (int)fd;
	return 0;
}

static int set_sandbox(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	static const char *const words[] = { "off", "log", "on", NULL };
	int i, r = vmm_config_word("sandbox", value, words, &i, err);

	if (!r)
		cfg->sandbox = (enum vmm_sandbox)i;
	return r;
}

static int set_user(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	if (geteuid())
		return dom_err_set(err, -EPERM, "--user %s: only root can run as somebody else", value);
	cfg->user = value;
	return 0;
}

static int set_log_level(struct vmm_config *cfg, const char *value, struct dom_err *err)
{
	static const char *const words[] = { "error", "warn", "info", "debug", NULL };
	int i, r = vmm_config_word("log-level", value, words, &i, err);

	if (!r) {
		cfg->log_level = (enum dom_log_level)i;
		cfg->log_level_forced = true;
	}
	return r;
}

static const struct option_row options[] = {
	{ "config",      "FILE",   set_config,      false, "run the domain that xl described in FILE" },
	{ "kernel",      "FILE",   set_kernel,      true,  "bzImage or ELF with a Xen entry; required" },
	{ "type",        "KIND",   set_type,        true,  "pvh or pv: kind of guest (pvh)" },
	{ "ramdisk",     "FILE",   set_ramdisk,     true,  "initrd, or another module; up to 8 times" },
	{ "cmdline",     "STRING", set_cmdline,     true,  "kernel command line" },
	{ "memory",      "MIB",    set_memory,      true,  "memory of the guest, 16 or more (512)" },
	{ "ram",         "MODE",   set_ram,         true,  "auto, shared (memfd) or private (anonymous memory) (auto)" },
	{ "vcpus",       "N",      set_vcpus,       true,  "virtual processors, 1 to 128 (1)" },
	{ "disk",        "SPEC",   set_disk,        true,  "FILE[,vdev=xvda][,ro][,cdrom][,no-discard]: a raw disk; repeatable" },
	{ "net",         "SPEC",   set_net,         true,  "tap=NAME or passt[=PORTS][,mac=ADDRESS][,rate=BYTES/US]: an interface; repeatable" },
	{ "name",        "NAME",   set_name,        true,  "name in messages and in the store (domicile-PID)" },
	{ "console",     "WHERE",  set_console,     true,  "stdio, pty, none or a file (stdio); ^] ends on a terminal" },
	{ "console-log", "FILE",   set_console_log, true,  "append the guest's output to FILE too" },
	{ "xenstore",    "WHERE",  set_xenstore,    false, "auto, none or the daemon's socket (auto)" },
	{ "accel",       "HOW",    set_accel,       false, "auto, xen (KVM_XEN) or plain (auto)" },
	{ "events",      "FORMAT", set_events,      false, "auto, 2l or fifo: event formats offered (auto)" },
	{ "pv-roots",    "NUMBER", set_pv_roots,    false, "auto, one or two: page tables of a PV process (auto)" },
	{ "pv-speculation", "HOW", set_pv_speculation, false, "auto, off or on: what the PV shim does against it (auto)" },
	{ "on-reboot",   "ACTION", set_on_reboot,   true,  "restart or destroy (restart)" },
	{ "sandbox",     "MODE",   set_sandbox,     false, "on, log or off: confinement of the process (on)" },
	{ "user",        "NAME",   set_user,        false, "run as NAME once everything is open; root only" },
	{ "ready-fd",    "N",      set_ready_fd,    false, "report READY=, ERROR= and SHUTDOWN= on descriptor N" },
	{ "log-level",   "LEVEL",  set_log_level,   false, "error, warn, info or debug (warn)" },
	{ "stats",       NULL,     set_stats,       false, "print exit and hypercall counters at the end" },
	{ "entries",     "FILE",   set_entries,     false, "print what guests the kernel FILE can be, pv or pvh, and exit" },
	{ "help",        NULL,     NULL,            false, "print this and exit" },
	{ "version",     NULL,     NULL,            false, "print the version and exit" },
};

void vmm_usage(int fd)
{
	dprintf(fd, "usage: domicile --kernel FILE [OPTION]...\n"
		"       domicile --config FILE [OPTION]...\n"
		"Run an unmodified Xen guest, PVH or PV, on KVM. Defaults are in parentheses.\n\n");
	for (size_t i = 0; i < DOM_ARRAY_LEN(options); i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", options[i].name,
			 options[i].arg ? options[i].arg : "");
		dprintf(fd, "  %-22s %s\n", left, options[i].help);
	}
	dprintf(fd, "\nThe exit status is 0 after a power-off, 1 if the guest could not be run, 2 for\n"
		"wrong usage, 65 reboot, 66 suspend, 67 crash, 68 watchdog, 69 soft reset, 80 if it was\n"
		"destroyed. See domicile(8).\n");
}

static int parse_options(int argc, char **argv, struct vmm_config *cfg, struct dom_err *err)
{
	struct option longopts[DOM_ARRAY_LEN(options) + 1] = { 0 };
	const char *described = NULL;
	int i;

	for (size_t n = 0; n < DOM_ARRAY_LEN(options); n++) {
		longopts[n].name = options[n].name;
		longopts[n].has_arg = options[n].arg ? required_argument : no_argument;
	}
	opterr = 0;
	optind = 0;	/* the parser's state is the process's: start over */
	for (;;) {
		int c = getopt_long(argc, argv, ":", longopts, &i);

		if (c == -1)
			break;
		if (c == ':')
			return dom_err_set(err, -EINVAL, "%s: needs a value", argv[optind - 1]);
		if (c)
			return dom_err_set(err, -EINVAL, "%s: unknown option; see --help",
					   argv[optind - 1]);
		if (!strcmp(options[i].name, "help")) {
			vmm_usage(STDOUT_FILENO);
			exit(0);
		}
		if (!strcmp(options[i].name, "version")) {
			printf("domicile %s\n", DOM_VERSION);
			exit(0);
		}
		if (options[i].set(cfg, optarg, err))
			return err->code;
		if (options[i].described)
			described = options[i].name;
	}
	if (optind < argc)
		return dom_err_set(err, -EINVAL, "%s: unexpected argument; see --help", argv[optind]);
	if (cfg->config_file && described)
		return dom_err_set(err, -EINVAL, "--%s: does not go with --config, whose file tells it",
				   described);
	return 0;
}

void vmm_config_fini(struct vmm_config *cfg)
{
	for (unsigned i = 0; i < cfg->nr_owned; i++)
		free(cfg->owned[i]);
	free(cfg->owned);
	free(cfg->affinity);
	free(cfg->devices);
	*cfg = (struct vmm_config){ .ready_fd = -1 };
}

static int random_uuid(struct vmm_config *cfg, struct dom_err *err)
{
	if (getrandom(cfg->uuid, sizeof(cfg->uuid), 0) != sizeof(cfg->uuid))
		return dom_err_set(err, -EIO, "getrandom: %s", strerror(errno));
	/* Version 4 of RFC 4122: random. */
	cfg->uuid[6] = (cfg->uuid[6] & 0x0f) | 0x40;
	cfg->uuid[8] = (cfg->uuid[8] & 0x3f) | 0x80;
	return 0;
}

int vmm_config_parse(int argc, char **argv, struct vmm_config *cfg, struct dom_err *err)
{
	int r;

	*cfg = (struct vmm_config){
		.cmdline = "",
		.memory_mib = DEFAULT_MEMORY_MIB,
		.vcpus = 1,
		.console = "stdio",
		.xenstore = "auto",
		.reboot_restarts = true,
		.max_grant_frames = DEFAULT_GRANT_FRAMES,
		.max_grant_version = 2,
		.max_evtchn = DEFAULT_EVTCHN,
		.ready_fd = -1,
		.log_level = DOM_LOG_WARN,
		.sandbox = DEFAULT_SANDBOX,
	};
	r = parse_options(argc, argv, cfg, err);
	if (r)
		return r;
	if (cfg->entries)
		return 0;
	if (cfg->config_file) {
		cfg->reboot_restarts = false;	/* that is up to who started us */
		return vmm_config_read(cfg->config_file, cfg, err);
	}
	if (!cfg->kernel)
		return dom_err_set(err, -EINVAL, "no kernel given; use --kernel FILE, or see --help");
	cfg->vcpus_online = cfg->vcpus;
	return random_uuid(cfg, err);
}
