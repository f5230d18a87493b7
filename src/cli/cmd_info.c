// SPDX-License-Identifier: MIT
/*
 * info, dmesg, debug-keys: the host and its messages.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cpuid.h>

#include "domicile/base/fd.h"
#include "domicile/base/xenver.h"

#include "cmds.h"
#include "js.h"
#include "spec.h"

#define STRING(number) STRING_(number)
#define STRING_(number) #number
#define ABI_MAJOR STRING(DOM_XEN_MAJOR)
#define ABI_MINOR STRING(DOM_XEN_MINOR)

struct facts {
	struct utsname uts;
	struct xl_host host;
	char cpu_mhz[32], hw_caps[80], numa[16];
	unsigned cores, threads, nodes;
};

static void fill_caps(char buf[80])
{
	static const struct {
		unsigned leaf, sub, reg;
	} words[] = {
		{ 1, 0, 3 }, { 1, 0, 2 }, { 0x80000001, 0, 3 }, { 0x80000001, 0, 2 },
		{ 0xd, 1, 0 }, { 7, 0, 1 }, { 7, 0, 2 }, { 0x80000007, 0, 3 },
	};
	size_t len = 0;

	for (size_t i = 0; i < DOM_ARRAY_LEN(words); i++) {
		unsigned r[4] = { 0 };

		__get_cpuid_count(words[i].leaf, words[i].sub, &r[0], &r[1], &r[2], &r[3]);
		len += (size_t)snprintf(buf + len, 80 - len, "%s%08x", i ? ":" : "", r[words[i].reg]);
	}
}

/* How many entries a sysfs list like "0-1,4" has; 1 when it cannot be read. */
static unsigned count_list(const char *path)
{
	struct xl_cpus set = { 0 };
	char buf[1024];
	unsigned count = 0;
	int fd DOM_CLEANUP_FD = dom_open(path, O_RDONLY, 0);
	ssize_t n = fd < 0 ? -1 : dom_read_all(fd, buf, sizeof(buf) - 1);

	if (n <= 0)
		return 1;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	if (xl_cpus_parse(buf, XL_CPUS_MAX, &set, NULL))
		return 1;
	for (size_t i = 0; i < DOM_ARRAY_LEN(set.map); i++)
		count += (unsigned)__builtin_popcountll(set.map[i]);
	return count ? count : 1;
}

static void fill_facts(struct facts *f)
{
	static const char topology[] = "/sys/devices/system/cpu/cpu0/topology/";
	char path[128], cores[32] = "1";

	uname(&f->uts);
	xl_host_read(&f->host);
	fill_caps(f->hw_caps);
	strcpy(f->cpu_mhz, "0.000");
	xl_proc_line("/proc/cpuinfo", "cpu MHz", f->cpu_mhz, sizeof(f->cpu_mhz));
	xl_proc_line("/proc/cpuinfo", "cpu cores", cores, sizeof(cores));
	f->cores = (unsigned)strtoul(cores, NULL, 10);
	snprintf(path, sizeof(path), "%sthread_siblings_list", topology);
	f->threads = count_list(path);
	f->nodes = count_list("/sys/devices/system/node/online");
}

/* Rows of the output. A row is a constant or a function of the facts. */
struct row {
	const char *key;
	const char *constant;
	void (*print)(const struct facts *f);
};

static void p_host(const struct facts *f)    { printf("%s", f->uts.nodename); }
static void p_release(const struct facts *f) { printf("%s", f->uts.release); }
static void p_version(const struct facts *f) { printf("%s", f->uts.version); }
static void p_machine(const struct facts *f) { printf("%s", f->uts.machine); }
static void p_cpus(const struct facts *f)    { printf("%u", f->host.cpus); }
static void p_max_cpu(const struct facts *f DOM_UNUSED) { printf("%u", xl_host_cpus() - 1); }
static void p_nodes(const struct facts *f)   { printf("%u", f->nodes); }
static void p_cores(const struct facts *f)   { printf("%u", f->cores); }
static void p_threads(const struct facts *f) { printf("%u", f->threads); }
static void p_mhz(const struct facts *f)     { printf("%s", f->cpu_mhz); }
static void p_caps(const struct facts *f)    { printf("%s", f->hw_caps); }
static void p_total(const struct facts *f)   { printf("%llu", (unsigned long long)f->host.total_kb / 1024); }
static void p_free(const struct facts *f)    { printf("%llu", (unsigned long long)f->host.avail_kb / 1024); }

static const struct row rows[] = {
	{ "host",                 NULL, p_host },
	{ "release",              NULL, p_release },
	{ "version",              NULL, p_version },
	{ "machine",              NULL, p_machine },
	{ "nr_cpus",              NULL, p_cpus },
	{ "max_cpu_id",           NULL, p_max_cpu },
	{ "nr_nodes",             NULL, p_nodes },
	{ "cores_per_socket",     NULL, p_cores },
	{ "threads_per_core",     NULL, p_threads },
	{ "cpu_mhz",              NULL, p_mhz },
	{ "hw_caps",              NULL, p_caps },
	{ "virt_caps",            "pv hvm hap gnttab-v1 gnttab-v2" },
	{ "total_memory",         NULL, p_total },
	{ "free_memory",          NULL, p_free },
	{ "sharing_freed_memory", "0" },
	{ "sharing_used_memory",  "0" },
	{ "outstanding_claims",   "0" },
	{ "free_cpus",            "0" },
	{ NULL },	/* -n: topology */
	{ "xen_major",            ABI_MAJOR },
	{ "xen_minor",            ABI_MINOR },
	{ "xen_extra",            DOM_XEN_EXTRA },
	{ "xen_version",          ABI_MAJOR "." ABI_MINOR DOM_XEN_EXTRA },
	{ "xen_caps",             DOM_XEN_CAPS },
	{ "xen_scheduler",        "credit2" },
	{ "xen_pagesize",         "4096" },
	{ "platform_params",      "virt_start=0xffff800000000000" },
	{ "xen_changeset",        "" },
	{ "xen_commandline",      "" },
	{ "cc_compiler",          DOM_XEN_COMPILER },
	{ "cc_compile_by",        DOM_XEN_COMPILE_BY },
	{ "cc_compile_domain",    "" },
	{ "cc_compile_date",      "" },
	{ "build_id",             "" },
	{ "xend_config_format",   "4" },
};

static unsigned cpu_file(unsigned cpu, const char *file)
{
	char path[128], buf[32];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/%s", cpu, file);
	int fd DOM_CLEANUP_FD = dom_open(path, O_RDONLY, 0);
	ssize_t n = fd < 0 ? 0 : dom_read_all(fd, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	return (unsigned)strtoul(buf, NULL, 10);
}

static unsigned node_of(unsigned cpu, unsigned nodes)
{
	char path[128];

	for (unsigned i = 0; i < nodes; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpu%u", i, cpu);
		if (!access(path, F_OK))
			return i;
	}
	return 0;
}

static void print_topology(const struct facts *f)
{
	printf("cpu_topology           :\ncpu:    core    socket     node\n");
	for (unsigned i = 0; i < f->host.cpus; i++)
		printf("%3u:    %4u     %4u     %4u\n", i, cpu_file(i, "core_id"),
		       cpu_file(i, "physical_package_id"), node_of(i, f->nodes));
	printf("device topology        :\ndevice           node\nNo device topology data available\n");
	printf("numa_info              :\nnode:    memsize    memfree    distances\n");
	for (unsigned i = 0; i < f->nodes; i++) {
		char path[80], key[40], buf[64];
		unsigned long long total = f->host.total_kb, avail = f->host.avail_kb;

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", i);
		snprintf(key, sizeof(key), "Node %u MemTotal", i);
		if (xl_proc_line(path, key, buf, sizeof(buf)))
			total = strtoull(buf, NULL, 10);
		snprintf(key, sizeof(key), "Node %u MemFree", i);
		if (xl_proc_line(path, key, buf, sizeof(buf)) && f->nodes > 1)
			avail = strtoull(buf, NULL, 10);
		printf("%4u:    %6llu     %6llu      ", i, total / 1024, avail / 1024);
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/distance", i);
		int fd DOM_CLEANUP_FD = dom_open(path, O_RDONLY, 0);
		ssize_t n = fd < 0 ? -1 : dom_read_all(fd, buf, sizeof(buf) - 1);

		buf[n > 0 ? n : 0] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
		for (char *p = buf; *p; p++)
			*p = *p == ' ' ? ',' : *p;
		puts(*buf ? buf : "10");
	}
}

static void print_row(const struct row *r, const struct facts *f)
{
	if (r->print)
		r->print(f);
	else
		fputs(r->constant, stdout);
	putchar('\n');
}

int cmd_info(struct xl *xl DOM_UNUSED, struct xl_args *a)
{
	struct facts f = { 0 };

	fill_facts(&f);
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		if (!r->key) {
			if (a->set['n'] && !a->argc)
				print_topology(&f);
			continue;
		}
		if (a->argc && strcmp(a->argv[0], r->key))
			continue;
		if (!a->argc)
			printf("%-23s: ", r->key);
		print_row(r, &f);
	}
	return XL_OK;
}

/* The messages of one VMM, each line marked with its domain. */
static void print_log(struct xl *xl, unsigned domid, bool clear)
{
	char path[DOM_PATH_MAX], line[1024];
	bool start = true;
	FILE *f;

	if (dom_path_domain(xl->rundir, domid, DOM_FILE_LOG, path))
		return;
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		/* A guest's words may be among them: nothing that moves a terminal's cursor. */
		for (char *p = line; *p; p++)
			if (!isprint((unsigned char)*p) && *p != '\n' && *p != '\t' && !(*p & 0x80))
				*p = '?';
		if (start)
			printf("(XEN) d%u: ", domid);
		fputs(line, stdout);
		start = strchr(line, '\n') != NULL;
	}
	if (f)
		fclose(f);
	if (f && clear && truncate(path, 0))
		xl_error(xl, "%s: cannot be cleared: %s", path, strerror(errno));
}

int cmd_dmesg(struct xl *xl, struct xl_args *a)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count;

	if (xl_domains(xl, &ids, &count))
		return XL_FAIL;
	for (unsigned i = 0; i < count; i++)
		print_log(xl, ids[i], a->set['c']);
	return XL_OK;
}

int cmd_debug_keys(struct xl *xl, struct xl_args *a)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count;
	int status = XL_OK;

	if (xl_domains(xl, &ids, &count))
		return XL_FAIL;
	for (const char *key = a->argv[0]; *key; key++) {
		for (unsigned i = 0; i < count; i++) {
			struct json_object *req = json_object_new_object();
			struct dom_err err = { 0 };

			xl_js_set(req, "key", json_object_new_string_len(key, 1));
			if (xl_ctl(xl, ids[i], "debug-key", req, NULL, &err)) {
				xl_error(xl, "%s", err.msg);
				status = XL_FAIL;
			}
		}
	}
	return status;
}
