// SPDX-License-Identifier: MIT
/*
 * Sets of host CPUs as text, "0-3,5": ranges and commas only, as the control socket and the
 * description of a domain spell them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

/* Digits at *@s, which moves behind them. Fails on anything but a number below CPU_SETSIZE. */
static bool take_number(const char **s, unsigned *ret)
{
	unsigned v = 0;
	const char *p = *s;

	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v >= CPU_SETSIZE)
			return false;
	}
	if (p == *s)
		return false;
	*s = p;
	*ret = v;
	return true;
}

int vmm_cpulist_parse(const char *text, cpu_set_t *ret)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (const char *p = text;;) {
		unsigned first, last;

		if (!take_number(&p, &first))
			return -EINVAL;
		last = first;
		if (*p == '-') {
			p++;
			if (!take_number(&p, &last) || last < first)
				return -EINVAL;
		}
		for (unsigned cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, &set);
		if (!*p)
			break;
		if (*p++ != ',')
			return -EINVAL;
	}
	*ret = set;
	return 0;
}

size_t vmm_cpulist_format(const cpu_set_t *set, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned first = 0, last; first < CPU_SETSIZE; first = last + 1) {
		int n;

		last = first;
		if (!CPU_ISSET(first, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		n = snprintf(buf + used, size - used, last > first ? "%s%u-%u" : "%s%u",
			     used ? "," : "", first, last);
		if (n < 0 || (size_t)n >= size - used) {
			buf[used] = '\0';
			break;
		}
		used += (size_t)n;
	}
	return used;
}
