// SPDX-License-Identifier: MIT
/*
 * Exceptions, interrupts and user mode.
 */
#include "kern/kern.h"

struct gate {
#ifdef __x86_64__
	uint16_t offset0, selector;
	uint8_t ist, type;
	uint16_t offset1;
	uint32_t offset2, reserved;
#else
	uint16_t offset0, selector;
	uint8_t zero, type;
	uint16_t offset1;
#endif
};

struct descriptor_pointer {
	uint16_t limit;
	unsigned long base;
} __attribute__((packed));

#define GATE_INTERRUPT 0x8e
#define GATE_USER 0xee
#define BITMAP_PORTS 256u	/* ports above are denied, being beyond the segment's limit */

/* Task state segment: addressed by offset, the fields wanted are few. */
#define TSS_SP0 4
#define TSS_SS0 8		/* -m32 */
#define TSS_BITMAP_BASE 102
#define TSS_BITMAP 104
static uint8_t tss[TSS_BITMAP + BITMAP_PORTS / 8 + 1] __attribute__((aligned(16)));
static uint8_t trap_stack[8192] __attribute__((aligned(16)));
static uint8_t user_stack[4096] __attribute__((aligned(16)));

static struct gate idt[256] __attribute__((aligned(16)));
static void (*handlers[256])(struct frame *f);
extern const char trap_stubs[];
extern uint64_t gdt[];
struct frame user_frame;
void enter_user(unsigned long ip, unsigned long sp, unsigned long flags);
void leave_user(void) NORETURN;
void kern_trap(struct frame *f);

/* Where an expected fault goes on, and which fault it was. */
unsigned long trap_fixup;
static volatile unsigned trap_vector;

void set_handler(unsigned vector, void (*fn)(struct frame *f))
{
	handlers[vector] = fn;
}

void kern_trap(struct frame *f)
{
	unsigned long cr2;

	if (f->cs & 3) {
		user_frame = *f;
		leave_user();
	}
	if (handlers[f->vector]) {
		handlers[f->vector](f);
		return;
	}
	if (f->vector < 32 && trap_fixup) {
		trap_vector = (unsigned)f->vector;
		f->ip = trap_fixup;
		trap_fixup = 0;
		return;
	}
	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	fail("unexpected trap %lu, error %#lx, at %#lx, cr2 %#lx", f->vector, f->error, f->ip, cr2);
}

static void set_gate(unsigned vector, uint8_t type)
{
	unsigned long at = (unsigned long)trap_stubs + vector * 16;

	idt[vector] = (struct gate){
		.offset0 = (uint16_t)at, .offset1 = (uint16_t)(at >> 16),
		.selector = SEL_CODE, .type = type,
	};
}

void trap_init(void)
{
	const struct descriptor_pointer p = { sizeof(idt) - 1, (unsigned long)idt };

	if (!idt[0].selector) {
		for (unsigned i = 0; i < 256; i++)
			set_gate(i, i == VECTOR_LEAVE_USER ? GATE_USER : GATE_INTERRUPT);
	}
	__asm__ volatile("lidt %0" : : "m"(p));
}

unsigned try_wrmsr(uint32_t msr, uint64_t v)
{
	trap_vector = NO_FAULT;
	__asm__ volatile(MOV_LONG " $1f, %0\n\t"
			 "wrmsr\n"
			 "1:"
			 : "=m"(trap_fixup)
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
	trap_fixup = 0;
	return trap_vector;
}

unsigned try_rdmsr(uint32_t msr, uint64_t *ret)
{
	uint32_t lo = 0, hi = 0;

	trap_vector = NO_FAULT;
	__asm__ volatile(MOV_LONG " $1f, %2\n\t"
			 "rdmsr\n"
			 "1:"
			 : "+a"(lo), "+d"(hi), "=m"(trap_fixup)
			 : "c"(msr)
			 : "memory");
	trap_fixup = 0;
	*ret = (uint64_t)hi << 32 | lo;
	return trap_vector;
}

static void load_tss(void)
{
	unsigned long base = (unsigned long)tss, sp0 = (unsigned long)(trap_stack + sizeof(trap_stack));
	uint64_t limit = sizeof(tss) - 1;

	if (gdt[SEL_TSS / 8])
		return;
	memcpy(tss + TSS_SP0, &sp0, sizeof(sp0));
#ifndef __x86_64__
	tss[TSS_SS0] = SEL_DATA;
#endif
	tss[TSS_BITMAP_BASE] = TSS_BITMAP;
	gdt[SEL_TSS / 8] = limit | (uint64_t)(base & 0xffffff) << 16 | 0x89ull << 40 |
			   (uint64_t)(base >> 24 & 0xff) << 56;
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

void user_allow_port(uint16_t port)
{
	load_tss();
	/* All others that the bitmap has stay forbidden. */
	memset(tss + TSS_BITMAP, 0xff, BITMAP_PORTS / 8 + 1);
	for (unsigned i = 0; i < 4; i++)
		tss[TSS_BITMAP + (port + i) / 8] &= (uint8_t)~(1u << (port + i) % 8);
}

unsigned run_user(void (*fn)(void), unsigned iopl, bool port_bitmap)
{
	uint16_t base = port_bitmap ? TSS_BITMAP : sizeof(tss);

	load_tss();
	memcpy(tss + TSS_BITMAP_BASE, &base, sizeof(base));
	enter_user((unsigned long)fn, (unsigned long)(user_stack + sizeof(user_stack) - 64),
		   0x2 | iopl << 12);
	return (unsigned)user_frame.vector;
}

void triple_fault(void)
{
	const struct descriptor_pointer none = { 0, 0 };

	__asm__ volatile("lidt %0\n\t"
			 "int3" : : "m"(none));
	for (;;)
		irq_off();
}
