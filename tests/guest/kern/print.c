// SPDX-License-Identifier: MIT
/*
 * Output and the verdict.
 *
 * Output goes line by line through console_io once there is a hypercall page, and by port 0xe9
 * before and whenever console_io refuses.
 */
#include <stdarg.h>

#include "kern/hypercall.h"

#define PORT_DEBUG 0xe9
#define LINE_MAX 256u

const char test_name[] = TEST_NAME;
bool have_hypercalls;

struct line {
	char text[LINE_MAX];
	unsigned len;
};

static void put(struct line *l, char c)
{
	if (l->len < LINE_MAX - 1)
		l->text[l->len++] = c;
}

/* 64 by 32 bits without libgcc. */
static uint32_t divide(uint64_t *v, uint32_t by)
{
	uint32_t hi = (uint32_t)(*v >> 32), lo = (uint32_t)*v, rem = hi % by;

	hi /= by;
	__asm__("divl %2" : "+a"(lo), "+d"(rem) : "r"(by));
	*v = (uint64_t)hi << 32 | lo;
	return rem;
}

static void put_number(struct line *l, uint64_t v, uint32_t base, bool negative)
{
	char digits[24];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[divide(&v, base)];
	} while (v);
	if (negative)
		put(l, '-');
	while (n)
		put(l, digits[--n]);
}

static void format(struct line *l, const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		bool alt = false;
		unsigned longs = 0;
		uint64_t v;

		if (*fmt != '%') {
			put(l, *fmt);
			continue;
		}
		for (fmt++; *fmt == '#' || *fmt == 'l'; fmt++) {
			alt |= *fmt == '#';
			longs += *fmt == 'l';
		}
		if (*fmt == 's') {
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put(l, *s);
			continue;
		}
		if (longs == 2)
			v = va_arg(ap, unsigned long long);
		else if (*fmt == 'd')
			v = (uint64_t)(longs ? va_arg(ap, long) : va_arg(ap, int));
		else
			v = longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned);
		if (*fmt == 'c')
			put(l, (char)v);
		else if (*fmt == 'd' && (int64_t)v < 0)
			put_number(l, -v, 10, true);
		else if (*fmt == 'x' && alt)
			put(l, '0'), put(l, 'x'), put_number(l, v, 16, false);
		else
			put_number(l, v, *fmt == 'x' ? 16 : 10, false);
	}
}

static void print(const struct line *l)
{
	if (have_hypercalls && !hypercall4(__HYPERVISOR_console_io, CONSOLEIO_write, l->len,
					   (unsigned long)l->text, 0))
		return;
	for (unsigned i = 0; i < l->len; i++)
		outb(PORT_DEBUG, (uint8_t)l->text[i]);
}

void kprintf(const char *fmt, ...)
{
	struct line l = { .len = 0 };
	va_list ap;

	va_start(ap, fmt);
	format(&l, fmt, ap);
	va_end(ap);
	print(&l);
}

static NORETURN void end(unsigned reason)
{
	if (have_hypercalls)
		sched_shutdown(reason);
	/* Not reached unless hypercalls do not work. */
	triple_fault();
}

void fail(const char *fmt, ...)
{
	struct line l = { .len = 0 };
	va_list ap;

	for (const char *s = "FAIL " TEST_NAME ": "; *s; s++)
		put(&l, *s);
	va_start(ap, fmt);
	format(&l, fmt, ap);
	va_end(ap);
	put(&l, '\n');
	print(&l);
	end(SHUTDOWN_crash);
}

void pass_unless_alive(void)
{
	kprintf("PASS %s\n", test_name);
}

void pass(void)
{
	pass_unless_alive();
	end(SHUTDOWN_poweroff);
}

void skip(const char *why)
{
	kprintf("SKIP %s: %s\n", test_name, why);
	end(SHUTDOWN_poweroff);
}
