// SPDX-License-Identifier: MIT
/*
 * First C code, output and the verdict.
 *
 * Output goes line by line through console_io once there is a hypercall page, and by port 0xe9
 * before and whenever console_io refuses.
 */
#include <stdarg.h>

#include "kern/hypercall.h"
#include "xenabi/cpuid.h"
#include "xenabi/pvh.h"

#define PORT_DEBUG 0xe9
#define LINE_MAX 256u

const char test_name[] = TEST_NAME;
uint32_t xen_cpuid_base, tsc_khz;
uint8_t hypercall_page[PAGE_SIZE] PAGE_ALIGNED;
static bool have_hypercalls;

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

void spin_ms(unsigned ms)
{
	uint64_t until = tsc_after_ms(ms);

	while (rdtsc() < until)
		cpu_relax();
}

const struct hvm_start_info *start_info(void)
{
	return (const struct hvm_start_info *)(unsigned long)start_info_gpa;
}

/* Where @word begins on the command line, as a word of its own. */
static const char *find_arg(const char *word)
{
	size_t len = strlen(word);
	const char *s = (const char *)(unsigned long)start_info()->cmdline_paddr;

	for (bool at_start = true; s && *s; at_start = *s++ == ' ') {
		if (at_start && !memcmp(s, word, len) && (!s[len] || s[len] == ' ' || s[len] == '='))
			return s + len;
	}
	return NULL;
}

bool arg_has(const char *word)
{
	return find_arg(word);
}

uint64_t arg_number(const char *word)
{
	const char *s = find_arg(word);
	uint64_t v = 0;

	if (s && *s++ == '=') {
		while (*s >= '0' && *s <= '9')
			v = v * 10 + (uint64_t)(*s++ - '0');
	}
	return v;
}

static void find_xen(void)
{
	uint32_t r[4];

	for (uint32_t base = XEN_CPUID_FIRST_LEAF; base < 0x40010000; base += 0x100) {
		cpuid(base, 0, r);
		if (r[1] != XEN_CPUID_SIGNATURE_EBX || r[2] != XEN_CPUID_SIGNATURE_ECX ||
		    r[3] != XEN_CPUID_SIGNATURE_EDX)
			continue;
		xen_cpuid_base = base;
		cpuid(base + 3, 0, r);
		tsc_khz = r[2];
		break;
	}
	if (!xen_cpuid_base)
		fail("no Xen leaves in CPUID");
}

void kern_main(void);

void kern_main(void)
{
	uint32_t r[4];

	trap_init();
	paging_init();
	find_xen();
	cpuid(xen_cpuid_base + 2, 0, r);
	if (try_wrmsr(r[1], (unsigned long)hypercall_page) != NO_FAULT)
		fail("the hypercall page MSR %#x faults", r[1]);
	have_hypercalls = true;
	if (!tsc_khz)
		fail("CPUID does not tell the frequency of the TSC");
	test_main();
	pass();
}

const char *pick_site(const char *amd, const char *intel)
{
	uint32_t r[4];

	cpuid(0, 0, r);
	return r[2] == 0x6c65746e ? intel : amd;	/* "ntel" of GenuineIntel */
}
