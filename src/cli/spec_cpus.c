// SPDX-License-Identifier: MIT
/*
 * Lists of host CPUs: "0-3,5,^2", "all", "nodes:0". Parts are taken from left to right; "^" takes
 * away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domicile/base/bits.h"
#include "domicile/base/cc.h"
#include "domicile/base/fd.h"
#include "domicile/base/num.h"

#include "spec.h"

unsigned xl_host_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	return n < 1 ? 1 : n > XL_CPUS_MAX ? XL_CPUS_MAX : (unsigned)n;
}

static int bad(struct dom_err *err, const char *part)
{
	return dom_err_set(err, -EINVAL, "Invalid pcpu range: %s.", part);
}

/* "3" or "1-4" */
static int parse_range(const char *text, unsigned limit, unsigned *ret_first, unsigned *ret_last)
{
	char copy[32], *dash;
	uint64_t first, last;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	dash = strchr(copy, '-');
	if (dash)
		*dash++ = '\0';
	if (strspn(copy, "0123456789") != strlen(copy) || dom_parse_u64(copy, limit - 1, &first))
		return -EINVAL;
	last = first;
	if (dash && (strspn(dash, "0123456789") != strlen(dash) ||
		     dom_parse_u64(dash, limit - 1, &last)))
		return -EINVAL;
	if (last < first)
		return -EINVAL;
	*ret_first = (unsigned)first;
	*ret_last = (unsigned)last;
	return 0;
}

static void mark(struct xl_cpus *cpus, unsigned first, unsigned last, bool on)
{
	for (unsigned i = first; i <= last && i < XL_CPUS_MAX; i++)
		(on ? dom_bit_set : dom_bit_clear)(cpus->map, i);
}

/* The CPUs of NUMA node @node are listed in sysfs in the same syntax. */
static int mark_node(struct xl_cpus *cpus, unsigned node, bool on)
{
	char path[80], buf[1024], *save;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node);
	int fd DOM_CLEANUP_FD = dom_open(path, O_RDONLY, 0);

	if (fd < 0)
		return -EINVAL;
	n = dom_read_all(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return -EINVAL;
	buf[n] = '\0';
	for (char *p = strtok_r(buf, ",\n", &save); p; p = strtok_r(NULL, ",\n", &save)) {
		unsigned first, last;

		if (parse_range(p, XL_CPUS_MAX, &first, &last))
			return -EINVAL;
		mark(cpus, first, last, on);
	}
	return 0;
}

static int parse_part(const char *part, unsigned host, struct xl_cpus *cpus)
{
	bool on = *part != '^';
	unsigned first, last;
	const char *p = part + !on;

	if (!strcmp(p, "all")) {
		mark(cpus, 0, host - 1, on);
		return 0;
	}
	if (!strncmp(p, "node:", 5) || !strncmp(p, "nodes:", 6)) {
		if (parse_range(strchr(p, ':') + 1, 1024, &first, &last))
			return -EINVAL;
		for (; first <= last; first++)
			if (mark_node(cpus, first, on))
				return -EINVAL;
		return 0;
	}
	if (parse_range(p, XL_CPUS_MAX, &first, &last))
		return -EINVAL;
	mark(cpus, first, last, on);
	return 0;
}

int xl_cpus_parse(const char *text, unsigned host, struct xl_cpus *ret, struct dom_err *err)
{
	struct xl_cpus cpus = { 0 };
	char *copy = strdup(text), *save;
	int code = 0;

	if (!copy)
		return -ENOMEM;
	for (char *part = strtok_r(copy, ",", &save); part && !code; part = strtok_r(NULL, ",", &save)) {
		code = parse_part(part, host, &cpus);
		if (code)
			bad(err, part);
	}
	free(copy);
	if (!code)
		*ret = cpus;
	return code;
}

char *xl_cpus_format(const struct xl_cpus *cpus, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (unsigned i = 0; i < XL_CPUS_MAX && len < size; i++) {
		unsigned last = i;

		if (!dom_bit_test(cpus->map, i))
			continue;
		while (last + 1 < XL_CPUS_MAX && dom_bit_test(cpus->map, last + 1))
			last++;
		len += (size_t)snprintf(buf + len, size - len, last > i ? "%s%u-%u" : "%s%u",
					len ? "," : "", i, last);
		i = last;
	}
	return buf;
}
