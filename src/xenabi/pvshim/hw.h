// SPDX-License-Identifier: MIT
/*
 * The instructions of the processor that the shim executes, one function each. Unit tests have
 * functions of the same names that remember what was done.
 */
#ifndef PVSHIM_HW_H
#define PVSHIM_HW_H

#include <stdint.h>

#include "shim.h"

#define CR0_TS (1ull << 3)
#define CR4_TSD (1ull << 2)
#define CR4_DE (1ull << 3)
#define CR4_PAE (1ull << 5)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_FSGSBASE (1ull << 16)
#define CR4_OSXSAVE (1ull << 18)

#define MSR_APIC_BASE 0x1bu
#define MSR_PRED_CMD 0x49u
#define PRED_CMD_IBPB 1u
#define MSR_PAT 0x277u
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SFMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_MISC_FEATURES 0x140u	/* bit 0: CPUID faults outside of level 0 */
#define MSR_X2APIC_EOI 0x80bu
#define MSR_X2APIC_SVR 0x80fu
#define MSR_X2APIC_ICR 0x830u

#ifdef SHIM_UNIT
int hw_rdmsr_safe(uint32_t msr, uint64_t *ret);
int hw_wrmsr_safe(uint32_t msr, uint64_t value);
int hw_store_safe(uint64_t to, uint64_t value);
void hw_load_tables(uint64_t gdt, uint64_t idt);
void hw_wrmsr(uint32_t msr, uint64_t value);
void hw_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t reg[4]);
uint64_t hw_read_cr0(void);
void hw_write_cr0(uint64_t value);
uint64_t hw_read_cr2(void);
uint64_t hw_read_cr3(void);
void hw_write_cr3(uint64_t value);
uint64_t hw_read_cr4(void);
void hw_write_cr4(uint64_t value);
uint64_t hw_read_dr6(void);
void hw_write_dr(unsigned reg, uint64_t value);
void hw_invlpg(uint64_t va);
void hw_swapgs(void);
void hw_lldt(uint16_t selector);
int hw_load_user_gs(uint16_t selector);
int hw_xsetbv(uint32_t index, uint64_t value);
void hw_wait(void);
void hw_halt(void);
uint64_t hw_rdtsc(void);
void hw_segments(uint16_t ret[4]);
int64_t hw_call(uint64_t nr, const uint64_t arg[6]);
#else


static inline void hw_wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline void hw_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
	__asm__ volatile("cpuid" : "=a"(reg[0]), "=b"(reg[1]), "=c"(reg[2]), "=d"(reg[3])
			 : "a"(leaf), "c"(subleaf));
}

#define HW_REGISTER(name)                                                                          \
	static inline uint64_t hw_read_##name(void)                                                \
	{                                                                                          \
		uint64_t value;                                                                    \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value) : : "memory");                \
		return value;                                                                      \
	}                                                                                          \
	static inline void hw_write_##name(uint64_t value)                                         \
	{                                                                                          \
		__asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                    \
	}
HW_REGISTER(cr0)
HW_REGISTER(cr2)
HW_REGISTER(cr3)
HW_REGISTER(cr4)
HW_REGISTER(dr0)
HW_REGISTER(dr1)
HW_REGISTER(dr2)
HW_REGISTER(dr3)
HW_REGISTER(dr6)
HW_REGISTER(dr7)

static inline void hw_write_dr(unsigned reg, uint64_t value)
{
	switch (reg) {
	case 0: hw_write_dr0(value); break;
	case 1: hw_write_dr1(value); break;
	case 2: hw_write_dr2(value); break;
	case 3: hw_write_dr3(value); break;
	case 6: hw_write_dr6(value); break;
	case 7: hw_write_dr7(value); break;
	}
}

static inline void hw_invlpg(uint64_t va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void hw_swapgs(void)
{
	__asm__ volatile("swapgs" : : : "memory");
}

static inline void hw_lldt(uint16_t selector)
{
	__asm__ volatile("lldt %0" : : "rm"(selector) : "memory");
}

/* An instruction that may fault: entry.S has the table. 0, or -1 if it faulted. */
#define HW_MAY_FAULT(text)                                                                         \
	"1: " text "\n"                                                                            \
	"   xor %0, %0\n"                                                                          \
	"2:\n"                                                                                     \
	".pushsection .fixup, \"ax\"\n"                                                            \
	"3: mov $-1, %0\n"                                                                         \
	"   jmp 2b\n"                                                                              \
	".popsection\n"                                                                            \
	".pushsection .ex_table, \"a\"\n"                                                          \
	".quad 1b, 3b\n"                                                                           \
	".popsection\n"

static inline int hw_rdmsr_safe(uint32_t msr, uint64_t *ret)
{
	uint32_t low = 0, high = 0;
	int r;

	__asm__ volatile(HW_MAY_FAULT("rdmsr") : "=&r"(r), "+a"(low), "+d"(high) : "c"(msr));
	*ret = (uint64_t)high << 32 | low;
	return r;
}

static inline int hw_wrmsr_safe(uint32_t msr, uint64_t value)
{
	int r;

	__asm__ volatile(HW_MAY_FAULT("wrmsr") : "=&r"(r) : "c"(msr), "a"((uint32_t)value),
			 "d"((uint32_t)(value >> 32)) : "memory");
	return r;
}

/* To the guest's memory: 0 or -EFAULT. */
static inline int hw_store_safe(uint64_t to, uint64_t value)
{
	int r;

	__asm__ volatile(HW_MAY_FAULT("mov %2, (%1)") : "=&r"(r) : "r"(to), "r"(value) : "memory");
	return r ? -EFAULT : 0;
}

/* GS of the user, whose base waits in KERNEL_GS_BASE while the kernel runs. */
static inline int hw_load_user_gs(uint16_t selector)
{
	int r;

	hw_swapgs();
	__asm__ volatile(HW_MAY_FAULT("mov %w1, %%gs") : "=&r"(r) : "r"((uint32_t)selector) : "memory");
	hw_swapgs();
	return r;
}

static inline int hw_xsetbv(uint32_t index, uint64_t value)
{
	int r;

	__asm__ volatile(HW_MAY_FAULT("xsetbv") : "=&r"(r) : "c"(index), "a"((uint32_t)value),
			 "d"((uint32_t)(value >> 32)) : "memory");
	return r;
}

static inline void hw_wait(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* Wait for an interrupt and handle it; entry.S */
void hw_halt(void);

static inline uint64_t hw_rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* GDT and IDT, and with them our code and task segments. */
static inline void hw_load_tables(uint64_t gdt, uint64_t idt)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) g = { 0xffff, gdt }, i = { 0xfff, idt };

	__asm__ volatile("lgdt %0\n"
			 "lidt %1\n"
			 "pushq %2\n"
			 "lea 1f(%%rip), %%rax\n"
			 "push %%rax\n"
			 "lretq\n"
			 "1: mov %3, %%ss\n"
			 "ltr %w4\n"
			 : : "m"(g), "m"(i), "i"(SEL_SHIM_CS), "r"(SEL_SHIM_SS), "r"(SEL_TSS)
			 : "rax", "memory");
}

/* DS, ES, FS, GS */
static inline void hw_segments(uint16_t ret[4])
{
	__asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
			 : "=r"(ret[0]), "=r"(ret[1]), "=r"(ret[2]), "=r"(ret[3]));
}

/* A call to the VMM. */
static inline int64_t hw_call(uint64_t nr, const uint64_t arg[6])
{
	__asm__ volatile("mov 24(%1), %%r10\n"
			 "mov 32(%1), %%r8\n"
			 "mov 40(%1), %%r9\n"
			 "out %%eax, %2\n"
			 : "+a"(nr)
			 : "b"(arg), "i"(SHIM_PORT), "D"(arg[0]), "S"(arg[1]), "d"(arg[2])
			 : "r8", "r9", "r10", "memory");
	return (int64_t)nr;
}
#endif

#endif
