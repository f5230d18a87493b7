// SPDX-License-Identifier: MIT
/*
 * vcpu-list, vcpu-pin, sched-credit, sched-credit2: processors and their sharing.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domicile/base/bits.h"
#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "cmds.h"
#include "js.h"
#include "life.h"
#include "spec.h"

#define WEIGHT_MAX 65535

/* "all" when the list @text has every CPU of the host. */
static const char *affinity_text(const char *text, char *buf, size_t size)
{
	struct xl_cpus cpus = { 0 };
	unsigned host = xl_host_cpus();
	bool all = true;

	if (*text && xl_cpus_parse(text, host, &cpus, NULL))
		return text;
	for (unsigned i = 0; i < host; i++)
		all = all && dom_bit_test(cpus.map, i);
	return all || !*text ? "all" : xl_cpus_format(&cpus, buf, size);
}

static void print_vcpu(const char *name, unsigned domid, unsigned vcpu, int64_t cpu,
		       const char *state, double seconds, const char *hard, const char *soft)
{
	printf("%-32s %5u %5u", name, domid, vcpu);
	if (cpu < 0)
		printf("    -");
	else
		printf("%5lld", (long long)cpu);
	printf("   %s %9.1f  %s / %s\n", state, seconds, hard, soft);
}

/* @list has room for a list of all CPUs, as @buf. */
static const char *soft_affinity(struct json_object *config, unsigned vcpu, char *list, char *buf,
				 size_t size)
{
	struct json_object *maps = xl_js_get(config, "b_info/vcpu_soft_affinity");
	struct json_object *map = maps ? json_object_array_get_idx(maps, vcpu) : NULL;
	struct xl_cpus cpus = { 0 };

	for (size_t i = 0; map && i < json_object_array_length(map); i++) {
		int cpu = json_object_get_int(json_object_array_get_idx(map, i));

		if (cpu >= 0 && cpu < XL_CPUS_MAX)
			dom_bit_set(cpus.map, (unsigned)cpu);
	}
	xl_cpus_format(&cpus, list, size);
	return affinity_text(list, buf, size);
}

static int list_guest(struct xl *xl, unsigned domid, const char *name)
{
	static const struct {
		const char *state, *letters;
	} states[] = { { "running", "r--" }, { "blocked", "-b-" }, { "offline", "--p" } };
	struct json_object *reply, *vcpus, *config;
	struct dom_err err = { 0 };
	char hard[512], soft[512], list[512];

	if (xl_ctl(xl, domid, "vcpus", NULL, &reply, &err)) {
		xl_error(xl, "%s", err.msg);
		return XL_FAIL;
	}
	config = xl_config_load(xl, domid);
	vcpus = xl_js_get(reply, "vcpus");
	for (size_t i = 0; vcpus && i < json_object_array_length(vcpus); i++) {
		struct json_object *v = json_object_array_get_idx(vcpus, i);
		const char *state = xl_js_str(v, "state", ""), *letters = "---";

		for (size_t j = 0; j < DOM_ARRAY_LEN(states); j++)
			if (!strcmp(state, states[j].state))
				letters = states[j].letters;
		print_vcpu(name, domid, (unsigned)xl_js_int(v, "vcpu", 0),
			   letters[2] == 'p' ? -1 : xl_js_int(v, "cpu", 0), letters,
			   (double)xl_js_int(v, "cpu_ns", 0) / 1e9,
			   affinity_text(xl_js_str(v, "affinity", ""), hard, sizeof(hard)),
			   soft_affinity(config, (unsigned)i, list, soft, sizeof(soft)));
	}
	json_object_put(config);
	json_object_put(reply);
	return XL_OK;
}

static int list_host(void)
{
	long hz = sysconf(_SC_CLK_TCK);
	struct xl_host host;
	char key[16], line[256];

	xl_host_read(&host);
	for (unsigned i = 0; i < host.cpus; i++) {
		unsigned long long user = 0, nice = 0, system = 0;

		snprintf(key, sizeof(key), "cpu%u", i);
		if (xl_proc_line("/proc/stat", key, line, sizeof(line)) &&
		    sscanf(line, "%llu %llu %llu", &user, &nice, &system) != 3)
			user = 0;
		print_vcpu("Domain-0", 0, i, i, (int)i == sched_getcpu() ? "r--" : "-b-",
			   (double)(user + nice + system) / (double)(hz > 0 ? hz : 100), "all", "all");
	}
	return XL_OK;
}

static int list_one(struct xl *xl, unsigned domid)
{
	char *name DOM_CLEANUP_FREE = xl_domain_name(xl, domid);

	if (name)
		return domid ? list_guest(xl, domid, name) : list_host();
	fprintf(stderr, "Error: Domain '%u' does not exist.\n", domid);
	return XL_FAIL;
}

int cmd_vcpu_list(struct xl *xl, struct xl_args *a)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count = 0, domid;
	int status = XL_OK;

	if (!xl_store(xl))
		return XL_FAIL;
	printf("%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)",
	       "Affinity (Hard / Soft)");
	for (int i = 0; i < a->argc; i++) {
		if (xl_domain_find(xl, a->argv[i], &domid) || list_one(xl, domid))
			status = XL_FAIL;
	}
	if (a->argc)
		return status;
	if (xl_domains(xl, &ids, &count))
		return XL_FAIL;
	list_host();
	for (unsigned i = 0; i < count; i++)
		list_one(xl, ids[i]);
	return XL_OK;
}

/* The CPUs that a user names, cut to those that the host has. Exit status or 0. */
static int parse_affinity(struct xl *xl, const char *text, char *buf, size_t size)
{
	struct xl_cpus cpus;
	struct dom_err err = { 0 };

	if (xl_cpus_parse(text, xl_host_cpus(), &cpus, &err)) {
		xl_error(xl, "%s", err.msg);
		return XL_FAIL;
	}
	for (unsigned i = xl_host_cpus(); i < XL_CPUS_MAX; i++)
		dom_bit_clear(cpus.map, i);
	xl_cpus_format(&cpus, buf, size);
	if (*buf)
		return 0;
	fprintf(stderr, "vcpu hard affinity map is empty\n");
	return XL_FAIL;
}

static int pin(struct xl *xl, unsigned domid, int64_t vcpu, const char *cpus)
{
	struct json_object *req = json_object_new_object();
	struct dom_err err = { 0 };

	xl_js_set_int(req, "vcpu", vcpu);
	xl_js_set_str(req, "cpus", cpus);
	if (!xl_ctl(xl, domid, "vcpu-pin", req, NULL, &err))
		return XL_OK;
	xl_error(xl, "Setting vcpu affinity: %s", err.msg);
	fprintf(stderr, "Could not set affinity for vcpu `%lld'.\n", (long long)vcpu);
	return XL_FAIL;
}

static int pin_all(struct xl *xl, unsigned domid, const char *cpus)
{
	struct json_object *status;
	struct dom_err err = { 0 };
	int64_t max;
	int ret = XL_OK;

	if (xl_ctl(xl, domid, "status", NULL, &status, &err)) {
		xl_error(xl, "%s", err.msg);
		return XL_FAIL;
	}
	max = xl_js_int(status, "maxvcpus", 0);
	json_object_put(status);
	for (int64_t i = 0; i < max && !ret; i++)
		ret = pin(xl, domid, i, cpus);
	return ret;
}

static struct json_object *map_of(const struct xl_cpus *cpus)
{
	struct json_object *map = json_object_new_array();

	for (unsigned i = 0; i < xl_host_cpus(); i++)
		if (dom_bit_test(cpus->map, i))
			json_object_array_add(map, json_object_new_int((int)i));
	return map;
}

/* Linux has no soft affinity: keep it with the configuration, for vcpu-list to show. */
static int keep_soft(struct xl *xl, unsigned domid, bool all, uint64_t vcpu, const char *text)
{
	struct json_object *config = domid ? xl_config_load(xl, domid) : NULL, *maps;
	struct xl_cpus cpus;
	struct dom_err err = { 0 };
	uint64_t max = (uint64_t)xl_js_int(config, "b_info/max_vcpus", 1);
	int status = XL_FAIL;

	if (!config)
		return XL_OK;
	maps = xl_js_array(config, "b_info/vcpu_soft_affinity");
	if (xl_cpus_parse(text, xl_host_cpus(), &cpus, &err)) {
		xl_error(xl, "%s", err.msg);
	} else if (!all && vcpu >= max) {
		fprintf(stderr, "Could not set affinity for vcpu `%llu'.\n", (unsigned long long)vcpu);
	} else {
		for (uint64_t i = json_object_array_length(maps); i < max; i++)
			json_object_array_add(maps, json_object_new_array());
		for (uint64_t i = all ? 0 : vcpu; i < (all ? max : vcpu + 1); i++)
			json_object_array_put_idx(maps, (size_t)i, map_of(&cpus));
		status = xl_config_save(xl, domid, config) ? XL_FAIL : XL_OK;
	}
	json_object_put(config);
	return status;
}

int cmd_vcpu_pin(struct xl *xl, struct xl_args *a)
{
	const char *hard = a->argv[2];
	char cpus[4096];
	uint64_t vcpu = 0;
	unsigned domid;

	if (xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	if (strcmp(a->argv[1], "all") && dom_parse_u64(a->argv[1], INT32_MAX, &vcpu)) {
		fprintf(stderr, "Error: Invalid argument %s as VCPU.\n", a->argv[1]);
		return XL_FAIL;
	}
	if (a->argc > 3 && strcmp(a->argv[3], "-") && !xl->dryrun &&
	    keep_soft(xl, domid, !strcmp(a->argv[1], "all"), vcpu, a->argv[3]))
		return XL_FAIL;
	if (!strcmp(hard, "-"))
		return XL_OK;
	if (parse_affinity(xl, hard, cpus, sizeof(cpus)))
		return XL_FAIL;
	if (xl->dryrun) {
		printf("hard affinity: %s\n", cpus);
		return XL_OK;
	}
	if (!domid) {
		if (!strcmp(hard, "all"))
			return XL_OK;
		xl_error(xl, "domain 0 is the host: give AllowedCPUs= to its systemd slices instead");
		return XL_FAIL;
	}
	return strcmp(a->argv[1], "all") ? pin(xl, domid, (int64_t)vcpu, cpus) : pin_all(xl, domid, cpus);
}

static void sched_header(void)
{
	printf("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap");
}

static int sched_row(struct xl *xl, unsigned domid)
{
	char *name DOM_CLEANUP_FREE = xl_domain_name(xl, domid);
	struct json_object *config = domid ? xl_config_load(xl, domid) : NULL;

	if (!name) {
		fprintf(stderr, "Error: Domain '%u' does not exist.\n", domid);
		return XL_FAIL;
	}
	printf("%-33s %4u %6lld %4lld\n", name, domid,
	       (long long)xl_js_int(config, "b_info/sched_params/weight", 256),
	       (long long)xl_js_int(config, "b_info/sched_params/cap", 0));
	json_object_put(config);
	return XL_OK;
}

static int sched_set(struct xl *xl, unsigned domid, struct xl_args *a)
{
	struct json_object *config = domid ? xl_config_load(xl, domid) : NULL;
	uint64_t weight, cap;
	int err;

	if (!config) {
		xl_error(xl, domid ? "domain %u was not made by xl" :
			 "domain %u is the host: its share is set with systemd", domid);
		return XL_FAIL;
	}
	weight = (uint64_t)xl_js_int(config, "b_info/sched_params/weight", 256);
	cap = (uint64_t)xl_js_int(config, "b_info/sched_params/cap", 0);
	if ((a->set['w'] && (dom_parse_u64(a->val['w'], WEIGHT_MAX, &weight) || !weight)) ||
	    (a->set['c'] && dom_parse_u64(a->val['c'], 100 * DOM_CFG_VCPUS_MAX, &cap))) {
		xl_error(xl, "Cpu weight or cap out of range: weights are from 1 to %d, caps in percent",
			 WEIGHT_MAX);
		err = -ERANGE;
	} else {
		err = xl_cgroup_set(xl, domid, (unsigned)weight, (unsigned)cap);
		if (err == -ENOTSUP)
			xl_error(xl, "domain %u has no cgroup of its own: see CPU SHARES in xl(1)", domid);
		else if (err)
			xl_error(xl, "cgroup of domain %u: %s", domid, strerror(-err));
	}
	if (!err) {
		xl_js_set_int(config, "b_info/sched_params/weight", (int64_t)weight);
		xl_js_set_int(config, "b_info/sched_params/cap", (int64_t)cap);
		err = xl_config_save(xl, domid, config);
	}
	json_object_put(config);
	if (err)
		fprintf(stderr, "libxl_domain_sched_params_set failed.\n");
	return err ? XL_FAIL : XL_OK;
}

int cmd_sched_credit2(struct xl *xl, struct xl_args *a)
{
	unsigned *ids DOM_CLEANUP_FREE = NULL, count, domid;

	if ((a->set['w'] || a->set['c']) && !a->set['d']) {
		fprintf(stderr, "Must specify a domain.\n");
		return XL_FAIL;
	}
	if (a->set['r']) {
		xl_error(xl, "the rate limit is Linux's own and cannot be set here");
		return XL_FAIL;
	}
	if (a->set['d']) {
		if (xl_domain_find(xl, a->val['d'], &domid))
			return XL_FAIL;
		if (a->set['w'] || a->set['c'])
			return sched_set(xl, domid, a);
		sched_header();
		return sched_row(xl, domid);
	}
	if (a->set['p'] && strcmp(a->val['p'], "Pool-0")) {
		fprintf(stderr, "unknown cpupool '%s'\n", a->val['p']);
		return XL_FAIL;
	}
	if (xl_domains(xl, &ids, &count))
		return XL_FAIL;
	printf("Cpupool Pool-0: ratelimit=1000us\n");
	if (a->set['s'])
		return XL_OK;
	sched_header();
	sched_row(xl, 0);
	for (unsigned i = 0; i < count; i++)
		sched_row(xl, ids[i]);
	return XL_OK;
}

/* The scheduler is called credit2: nothing to show, as on a Xen host with credit2. */
int cmd_sched_credit(struct xl *xl, struct xl_args *a)
{
	unsigned domid;

	if ((a->set['w'] || a->set['c']) && !a->set['d']) {
		fprintf(stderr, "Must specify a domain.\n");
		return XL_FAIL;
	}
	if (!a->set['d'])
		return XL_OK;
	if (xl_domain_find(xl, a->val['d'], &domid))
		return XL_FAIL;
	sched_header();
	fflush(stdout);
	fprintf(stderr, "libxl_domain_sched_params_get returned credit2 not credit.\n");
	return XL_FAIL;
}
