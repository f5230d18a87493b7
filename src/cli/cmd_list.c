// SPDX-License-Identifier: MIT
/*
 * list, vm-list, domid, domname, rename, uptime: which domains there are. The columns are cut by
 * scripts; golden tests hold them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "cmds.h"
#include "js.h"

/* One line of the list. */
struct row {
	unsigned domid;
	char *name;
	char uuid[37];
	uint64_t mem_kb, cpu_ns;
	unsigned vcpus;
	char state[7];		/* rbpscd, '-' for what is not so */
	int reason;		/* SHUTDOWN_*, -1 */
};

/* What a VMM answers to `status`; without an answer the domain is being made, or is dying. */
static void fill_status(struct xl *xl, struct row *r, const struct xl_ctl_reply *reply)
{
	static const struct {
		const char *state, *letters;
	} states[] = {
		{ "running", "r-----" },  { "blocked", "-b----" }, { "paused", "--p---" },
		{ "shutdown", "---s--" }, { "dying", "-----d" },
	};
	struct json_object *j = reply->json;
	const char *state = xl_js_str(j, "state", ""), *reason = xl_js_str(j, "reason", "");

	strcpy(r->state, reply->err == -ENOENT ? "--p---" : "-----d");
	if (reply->err) {
		r->mem_kb = xl_read_uint(xl, XSC_TX_NONE, 0, "/local/domain/%u/memory/target", r->domid);
		return;
	}
	strcpy(r->state, "------");
	for (size_t i = 0; i < DOM_ARRAY_LEN(states); i++)
		if (!strcmp(state, states[i].state))
			strcpy(r->state, states[i].letters);
	r->mem_kb = (uint64_t)xl_js_int(j, "memory_kb", 0);
	r->cpu_ns = (uint64_t)xl_js_int(j, "cpu_ns", 0);
	r->vcpus = (unsigned)xl_js_int(j, "vcpus", 0);
	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_shutdowns); i++)
		if (!strcmp(reason, dom_shutdowns[i].name))
			r->reason = (int)dom_shutdowns[i].code;
	if (!strcmp(reason, "crash"))
		r->state[4] = 'c';
	else if (!strcmp(reason, "suspend"))
		r->state[4] = 's';
}

/* Domain 0 is the host: it has the memory that no guest has. */
static void fill_host(struct row *host, const struct row *rows, unsigned count)
{
	struct xl_host h;

	xl_host_read(&h);
	host->name = strdup("Domain-0");
	host->vcpus = h.cpus;
	host->cpu_ns = h.cpu_ns;
	host->mem_kb = h.total_kb;
	host->reason = -1;
	strcpy(host->state, "r-----");
	strcpy(host->uuid, "00000000-0000-0000-0000-000000000000");
	for (unsigned i = 0; i < count; i++)
		if (rows[i].domid)
			host->mem_kb -= DOM_MIN(rows[i].mem_kb, host->mem_kb);
}

/* Rows of the domains @ids. A domain that goes away meanwhile has no row. */
static struct row *fill_rows(struct xl *xl, const unsigned *ids, unsigned *count)
{
	struct row *rows = calloc(*count + 1u, sizeof(*rows));
	struct xl_ctl_reply *replies = calloc(*count + 1u, sizeof(*replies));
	unsigned n = 0, host = UINT32_MAX;

	if (!rows || !replies)
		abort();
	for (unsigned i = 0; i < *count; i++)
		replies[i].domid = ids[i];
	xl_ctl_all(xl, "status", replies, *count);
	for (unsigned i = 0; i < *count; i++) {
		struct row *r = &rows[n];

		*r = (struct row){ .domid = ids[i], .reason = -1 };
		if (!ids[i]) {
			host = n++;
			continue;
		}
		r->name = xl_domain_name(xl, ids[i]);
		if (r->name) {
			fill_status(xl, r, &replies[i]);
			n++;
		}
		json_object_put(replies[i].json);
	}
	if (host != UINT32_MAX)
		fill_host(&rows[host], rows, n);
	free(replies);
	*count = n;
	return rows;
}

/* The ids that a command is about: the one named, or all with domain 0 first. Exit status or 0. */
static int select_domains(struct xl *xl, const char *name, unsigned **ret, unsigned *ret_count)
{
	unsigned *all, count;

	*ret = calloc(1, sizeof(**ret));
	*ret_count = 1;
	if (!*ret)
		return XL_FAIL;
	if (name) {
		if (xl_domain_find(xl, name, *ret))
			return XL_FAIL;
		if (xl_domain_exists(xl, **ret))
			return 0;
		fprintf(stderr, "Error: Domain '%s' does not exist.\n", name);
		return XL_FAIL;
	}
	if (xl_domains(xl, &all, &count))
		return XL_FAIL;
	free(*ret);
	*ret = calloc(count + 1u, sizeof(**ret));
	if (!*ret)
		abort();
	memcpy(*ret + 1, all, count * sizeof(*all));
	*ret_count = count + 1;
	free(all);
	return 0;
}

static void print_table(struct xl *xl, struct xl_args *a, struct row *rows, unsigned count)
{
	bool verbose = a->set['v'], context = a->set['Z'] || verbose;

	printf("Name                                        ID   Mem VCPUs\tState\tTime(s)");
	if (verbose)
		printf("   UUID                            Reason-Code\tSecurity Label");
	else if (context)
		printf("   Security Label");
	if (a->set['c'])
		printf("         Cpupool");
	if (a->set['n'])
		printf(" NODE Affinity");
	putchar('\n');
	for (unsigned i = 0; i < count; i++) {
		const struct row *r = &rows[i];

		printf("%-40s %5u %5llu %5u     %s  %8.1f", r->name, r->domid,
		       (unsigned long long)(r->mem_kb / 1024), r->vcpus, r->state,
		       (double)r->cpu_ns / 1e9);
		if (verbose) {
			char uuid[37];

			xl_domain_uuid(xl, r->domid, uuid);
			printf(" %s ", uuid);
			if (r->reason < 0)
				printf("%8s", "-");
			else
				printf("%8d", r->reason);
		}
		if (context)
			printf(" %16s", "-");
		if (a->set['c'])
			printf("%16s", "Pool-0");
		if (a->set['n'])
			printf(" all");
		putchar('\n');
	}
}

/* Our own form: the table's columns with names. */
static void print_json(struct xl *xl, struct row *rows, unsigned count)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		struct json_object *o = json_object_new_object();
		char uuid[37];

		xl_domain_uuid(xl, r->domid, uuid);
		xl_js_set_str(o, "name", r->name);
		xl_js_set_int(o, "id", r->domid);
		xl_js_set_str(o, "uuid", uuid);
		xl_js_set_int(o, "memory_kb", (int64_t)r->mem_kb);
		xl_js_set_int(o, "vcpus", r->vcpus);
		xl_js_set_str(o, "state", r->state);
		xl_js_set_int(o, "cpu_ns", (int64_t)r->cpu_ns);
		if (r->reason >= 0)
			xl_js_set_int(o, "reason", r->reason);
		json_object_array_add(list, o);
	}
	puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
	json_object_put(list);
}

static struct json_object *host_config(const struct row *r)
{
	struct json_object *j = json_object_new_object();

	xl_js_set_str(j, "c_info/type", "pv");
	xl_js_set_str(j, "c_info/name", "Domain-0");
	xl_js_set_int(j, "b_info/max_memkb", (int64_t)r->mem_kb);
	xl_js_set_int(j, "b_info/target_memkb", (int64_t)r->mem_kb);
	xl_js_set_str(j, "b_info/sched_params/sched", "credit2");
	xl_js_set_int(j, "b_info/sched_params/weight", 256);
	xl_js_set_int(j, "b_info/sched_params/cap", 0);
	xl_js_set(j, "b_info/type.pv", json_object_new_object());
	xl_js_set(j, "b_info/arch_arm", json_object_new_object());
	xl_js_set(j, "b_info/arch_x86", json_object_new_object());
	return j;
}

/* libxl's form, an array of { domid, config }. A domain that xl did not make has no config. */
static void print_long(struct xl *xl, struct row *rows, unsigned count)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < count; i++) {
		struct json_object *o = json_object_new_object(), *config;

		config = rows[i].domid ? xl_config_load(xl, rows[i].domid) : host_config(&rows[i]);
		if (config)
			xl_js_set_str(config, "c_info/name", rows[i].name);
		xl_js_set_int(o, "domid", rows[i].domid);
		xl_js_set(o, "config", config ? config : json_object_new_object());
		json_object_array_add(list, o);
	}
	xl_js_print(stdout, list);
	puts("\n");
	json_object_put(list);
}

int cmd_list(struct xl *xl, struct xl_args *a)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count = 0;
	const char *format = a->val[129] ? a->val[129] : "table";
	struct row *rows;
	int status;

	if (strcmp(format, "table") && strcmp(format, "json")) {
		xl_error(xl, "--format=%s: give json or table", format);
		return XL_USAGE;
	}
	status = select_domains(xl, a->argc ? a->argv[0] : NULL, &ids, &count);
	if (status)
		return status;
	rows = fill_rows(xl, ids, &count);
	if (a->set['l'])
		print_long(xl, rows, count);
	else if (!strcmp(format, "json"))
		print_json(xl, rows, count);
	else
		print_table(xl, a, rows, count);
	for (unsigned i = 0; i < count; i++)
		free(rows[i].name);
	free(rows);
	return XL_OK;
}

int cmd_vm_list(struct xl *xl, struct xl_args *a DOM_UNUSED)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count;
	int status = select_domains(xl, NULL, &ids, &count);

	if (status)
		return status;
	printf("UUID                                  ID    name\n");
	for (unsigned i = 0; i < count; i++) {
		char *name DOM_CLEANUP_FREE = xl_domain_name(xl, ids[i]);
		char uuid[37];

		xl_domain_uuid(xl, ids[i], uuid);
		if (name)
			printf("%s  %-4u %-30s\n", uuid, ids[i], name);
	}
	return XL_OK;
}

int cmd_domid(struct xl *xl, struct xl_args *a)
{
	unsigned domid;

	if (!xl_store(xl))
		return XL_FAIL;
	if (xl_domain_by_name(xl, a->argv[0], &domid)) {
		fprintf(stderr, "Can't get domid of domain name '%s', maybe this domain does not exist.\n",
			a->argv[0]);
		return XL_FAIL;
	}
	printf("%u\n", domid);
	return XL_OK;
}

int cmd_domname(struct xl *xl, struct xl_args *a)
{
	char *name DOM_CLEANUP_FREE = NULL;
	uint64_t domid;

	if (dom_parse_u64(a->argv[0], UINT32_MAX, &domid)) {
		fprintf(stderr, "Invalid domain id.\n\n");
		return XL_FAIL;
	}
	name = xl_domain_name(xl, (unsigned)domid);
	if (!name) {
		fprintf(stderr, "Can't get domain name of domain id '%s', maybe this domain does not exist.\n",
			a->argv[0]);
		return XL_FAIL;
	}
	puts(name);
	return XL_OK;
}

int cmd_rename(struct xl *xl, struct xl_args *a)
{
	unsigned domid;
	int err;

	if (xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	if (!domid && !strcmp(a->argv[1], "Domain-0"))
		return XL_OK;
	if (!domid) {
		xl_error(xl, "domain 0 is the host and keeps its name");
		return XL_FAIL;
	}
	err = xl_domain_exists(xl, domid) ? xl_domain_rename(xl, domid, a->argv[1]) : -ESRCH;
	if (!err)
		return XL_OK;
	if (err == -EEXIST)
		xl_error(xl, "Domain with name \"%s\" already exists.", a->argv[1]);
	else
		xl_error(xl, "domain %u: %s", domid, strerror(-err));
	fprintf(stderr, "Can't rename domain '%s'.\n", a->argv[0]);
	return XL_FAIL;
}

/* Seconds since a domain was made; for domain 0 since the host booted. */
static uint64_t uptime_of(struct xl *xl, unsigned domid)
{
	char uuid[37], *start DOM_CLEANUP_FREE = NULL;
	struct timespec now;
	double since;

	if (!domid) {
		clock_gettime(CLOCK_BOOTTIME, &now);
		return (uint64_t)now.tv_sec;
	}
	xl_domain_uuid(xl, domid, uuid);
	start = xl_read(xl, XSC_TX_NONE, "/vm/%s/start_time", uuid);
	clock_gettime(CLOCK_REALTIME, &now);
	since = start ? strtod(start, NULL) : 0;
	return since > 0 && (double)now.tv_sec > since ? (uint64_t)((double)now.tv_sec - since) : 0;
}

static void print_uptime(unsigned domid, const char *name, uint64_t up, bool brief)
{
	unsigned long long days = up / 86400, hours = up / 3600 % 24, min = up / 60 % 60;
	unsigned long long sec = up % 60;
	char text[64], clock[16];
	time_t now = time(NULL);
	struct tm tm;

	if (brief && days)
		snprintf(text, sizeof(text), "%llu day%s, %2llu:%02llu", days, days > 1 ? "s" : "", hours, min);
	else if (brief)
		snprintf(text, sizeof(text), "%2llu:%02llu", hours, min);
	else if (days)
		snprintf(text, sizeof(text), "%llu day%s, %2llu:%02llu:%02llu", days, days > 1 ? "s" : "",
			 hours, min, sec);
	else
		snprintf(text, sizeof(text), "%2llu:%02llu:%02llu", hours, min, sec);
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	if (brief)
		printf(" %s up %s, %s (%u)\n", clock, text, name, domid);
	else
		printf("%-33s %4u %s\n", name, domid, text);
}

int cmd_uptime(struct xl *xl, struct xl_args *a)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count;
	int status = select_domains(xl, a->argc ? a->argv[0] : NULL, &ids, &count);

	if (status)
		return status;
	if (!a->set['s'])
		printf("%-33s %4s %s\n", "Name", "ID", "Uptime");
	for (unsigned i = 0; i < count; i++) {
		char *name DOM_CLEANUP_FREE = xl_domain_name(xl, ids[i]);

		if (name)
			print_uptime(ids[i], name, uptime_of(xl, ids[i]), a->set['s']);
	}
	return XL_OK;
}
