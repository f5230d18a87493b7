// SPDX-License-Identifier: MIT
/*
 * The host, which is domain 0: what `xl list 0` and `xl info` tell about it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domicile/base/fd.h"

#include "xl.h"

bool xl_proc_line(const char *path, const char *key, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t len = strlen(key);
	char line[4096];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *p = line + len;

		if (strncmp(line, key, len) || !strchr(" \t:", *p))
			continue;
		p += strspn(p, " \t:");
		p[strcspn(p, "\n")] = '\0';
		snprintf(buf, size, "%s", p);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

void xl_host_read(struct xl_host *ret)
{
	unsigned long long user = 0, nice = 0, system = 0, idle, iowait, irq = 0, softirq = 0;
	unsigned long long steal, guest = 0, guest_nice = 0, busy;
	char buf[256];
	long hz = sysconf(_SC_CLK_TCK), cpus = sysconf(_SC_NPROCESSORS_ONLN);

	*ret = (struct xl_host){ .cpus = cpus > 0 ? (unsigned)cpus : 1 };
	if (xl_proc_line("/proc/meminfo", "MemTotal", buf, sizeof(buf)))
		ret->total_kb = strtoull(buf, NULL, 10);
	if (xl_proc_line("/proc/meminfo", "MemAvailable", buf, sizeof(buf)))
		ret->avail_kb = strtoull(buf, NULL, 10);
	if (xl_proc_line("/proc/stat", "cpu", buf, sizeof(buf)) &&
	    sscanf(buf, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
		   &idle, &iowait, &irq, &softirq, &steal, &guest, &guest_nice) >= 7) {
		busy = user + nice + system + irq + softirq;
		busy -= guest + guest_nice < busy ? guest + guest_nice : busy;
		ret->cpu_ns = busy * (1000000000ull / (hz > 0 ? (unsigned long long)hz : 100));
	}
}
