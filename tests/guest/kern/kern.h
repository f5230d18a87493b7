/* SPDX-License-Identifier: MIT */
/*
 * What the start-up code in kern/ offers to a test kernel. A test is one file with one function,
 * test_main(), which states one fact by CHECKs. Coming back from it is the verdict PASS.
 */
#ifndef KERN_H
#define KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/asm.h"
#include "xenabi/base.h"

#define PAGE_SIZE 4096ul
#define PAGE_ALIGNED __attribute__((aligned(4096)))
#define NORETURN __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BITS_PER_LONG (8 * sizeof(long))
/* The variant of a struct for this kernel's width. */
#ifdef __x86_64__
#define ABI(type) type##_64
#define MOV_LONG "movq"
#else
#define ABI(type) type##_32
#define MOV_LONG "movl"
#endif

/* The test. */
void test_main(void);

/* ---- print.c: output and verdict ---- */
extern const char test_name[];
extern bool have_hypercalls;	/* the hypercall page is filled */
/** kprintf - print; knows %s %c %d %u %x with l and ll */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Print `FAIL name: ...` and end the domain as crashed. Any vCPU. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2))) NORETURN;
/** Print `PASS name` and power off. */
void pass(void) NORETURN;
/** Print `SKIP name: why` and power off. */
void skip(const char *why) NORETURN;
/** Print `PASS name`; for tests whose last act ends the domain. */
void pass_unless_alive(void);
/* ---- kern.c ---- */
/** Did the runner give @word on the command line? */
bool arg_has(const char *word);
/** Number behind `word=` on the command line, 0 if absent. */
uint64_t arg_number(const char *word);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail("line %d: not true: %s", __LINE__, #cond);                            \
	} while (0)

/* @got is evaluated once; both are shown as signed numbers. */
#define CHECK_EQ(got, want)                                                                        \
	do {                                                                                       \
		long long got_ = (long long)(got), want_ = (long long)(want);                      \
		if (got_ != want_)                                                                 \
			fail("line %d: %s is %lld (%#llx), not %lld", __LINE__, #got, got_, got_,  \
			     want_);                                                               \
	} while (0)

/* Wait until @cond holds; fail after @ms milliseconds. */
#define WAIT_FOR(cond, ms)                                                                         \
	do {                                                                                       \
		uint64_t end_ = tsc_after_ms(ms);                                                  \
		while (!(cond)) {                                                                  \
			if (rdtsc() > end_)                                                        \
				fail("line %d: not within %d ms: %s", __LINE__, (int)(ms), #cond); \
			cpu_relax();                                                               \
		}                                                                                  \
	} while (0)

/* ---- processor ---- */
static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void irq_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void irq_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* Interrupts on and wait for one, without a gap. */
static inline void irq_wait(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"(leaf), "2"(sub));
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

/* ---- trap.c: exceptions and interrupts ---- */
struct frame {
#ifdef __x86_64__
	unsigned long r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
	unsigned long di, si, bp, sp_unused, bx, dx, cx, ax;
#endif
	unsigned long vector, error, ip, cs, flags, sp, ss;	/* -m32: sp, ss from user mode only */
};

#define VECTOR_UD 6u
#define VECTOR_GP 13u
#define VECTOR_PF 14u
#define NO_FAULT 256u

/** Have @fn called for interrupt @vector, which must be 32 or more. Any vCPU takes it. */
void set_handler(unsigned vector, void (*fn)(struct frame *f));
/** wrmsr that may fault; returns NO_FAULT or the exception's number. First vCPU only. */
unsigned try_wrmsr(uint32_t msr, uint64_t v);
unsigned try_rdmsr(uint32_t msr, uint64_t *ret);
/** Load this vCPU's interrupt table. */
void trap_init(void);
/** Run @fn at CPL 3 until it traps or executes int $VECTOR_LEAVE_USER; returns the vector. */
unsigned run_user(void (*fn)(void), unsigned iopl, bool port_bitmap);
/** Allow @port in the bitmap that run_user() may use. */
void user_allow_port(uint16_t port);
static inline NORETURN void user_leave(void)
{
	__asm__ volatile("int %0" : : "i"(VECTOR_LEAVE_USER));
	__builtin_unreachable();
}
extern struct frame user_frame;	/* how the last user code ended */
void triple_fault(void) NORETURN;

/* ---- mem.c ---- */
extern bool paging;	/* false in a 32-bit kernel on a host that cannot do PAE; see tests/guest/run */
/** Turn paging on (32-bit kernels; no effect in others), on every vCPU. */
void paging_init(void);
#define PTE_P 1u
#define PTE_W 2u
#define PTE_U 4u
/*
 * 2 MiB of addresses in the hole below 4 GiB for tests to map as they like; nothing of the machine
 * is there. map_page(va, 0, 0) takes a page away. Only with paging.
 */
#define TEST_VA 0xd0000000ul
void map_page(unsigned long va, uint64_t pa, unsigned flags);

/* ---- lapic.c ---- */
extern bool lapic_x2;	/* registers by MSR */
/** Enable this vCPU's LAPIC. @x2: as x2APIC. */
void lapic_init(bool x2);
unsigned lapic_id(void);
void lapic_eoi(void);
/** Is @vector being serviced, as seen by this vCPU's LAPIC? */
bool lapic_in_service(unsigned vector);
/** Write the command register: @cmd to the LAPIC @dest. */
void lapic_ipi(unsigned dest, uint32_t cmd);

/* ---- smp.c ---- */
#define MAX_APS 7u
/** The vCPU that runs here, by its initial APIC id: the LAPIC need not be on. */
unsigned this_vcpu(void);
/** Start vCPU @id by INIT and SIPI; it runs @fn with interrupts off. */
void smp_start(unsigned id, void (*fn)(void));
/** Prepare boot_stack and boot_entry for vCPU @id, which then may be started in any way. */
void smp_prepare(unsigned id, void (*fn)(void));

/* ---- acpi.c ---- */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));
/** Sum of @len bytes; 0 for a good table. */
uint8_t acpi_sum(const void *p, size_t len);
/** The RSDP that start_info names; checks it. */
const uint8_t *acpi_rsdp(void);
/** Find a table by signature through the XSDT and check it; NULL if there is none. */
const struct acpi_header *acpi_find(const char *signature);

/* ---- from start.S ---- */
extern uint32_t start_info_gpa;
extern uint64_t page_dirs[], pml4[];
extern unsigned long boot_stack;
extern void (*boot_entry)(void);
extern const char ap_trampoline[], ap_trampoline_end[];
extern const char enter_flat[], enter_long[], start32[], kern_end[];
const struct hvm_start_info *start_info(void);

/* ---- time ---- */
extern uint32_t tsc_khz;	/* as CPUID tells it */
static inline uint64_t tsc_after_ms(unsigned ms)
{
	return rdtsc() + (uint64_t)tsc_khz * ms;
}
void spin_ms(unsigned ms);

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);

#endif
