// SPDX-License-Identifier: MIT
/*
 * Fact: an exception of a PV kernel finds a frame on its stack: rcx, r11, an error code where the
 *   exception has one, rip, cs, rflags, rsp, ss.
 * Source: create_bounce_frame in xen/arch/x86/x86_64/entry.S
 * Expect: cs is 0xe030 with the event mask in bits 32-39, ss is 0xe02b; IF says the opposite of the
 *   mask; other registers are untouched; the frame is aligned to 16 bytes; a gate with TI_IF masks
 *   events, one without leaves the mask alone; the address of a page fault is in vcpu_info.
 * run:
 */
#include "kernpv/pv.h"

#define RFLAGS_IF 0x200u

static volatile uint8_t mask_inside;
static unsigned long frame_end;

static void look(struct frame *f)
{
	mask_inside = get_mask();
	frame_end = (unsigned long)(&f->ss + 1);
	pv_step_over(f);
}

/* Raise #UD with values in the registers that the frame begins with. */
static void undefined(uint64_t *rcx, uint64_t *r11)
{
	register uint64_t r __asm__("r11") = *r11;

	__asm__ volatile("ud2" : "+c"(*rcx), "+r"(r) : : "memory");
	*r11 = r;
}

static void check_frame(bool masked, bool gate_masks)
{
	uint64_t rcx = 0x1122334455667788, r11 = 0x99aabbccddeeff00;
	unsigned count = pv_count;

	pv_gate(VECTOR_UD, gate_masks ? TI_IF : 0);
	pv_skip = 2;
	set_mask(masked);
	undefined(&rcx, &r11);
	CHECK_EQ(pv_count, count + 1);
	CHECK_EQ(rcx, 0x1122334455667788);
	CHECK_EQ(r11, 0x99aabbccddeeff00);
	CHECK_EQ(pv_frame.cx, 0x1122334455667788);
	CHECK_EQ(pv_frame.r11, 0x99aabbccddeeff00);
	CHECK_EQ(pv_frame.cs & 0xffffffff, 0xe030);
	CHECK_EQ(pv_frame.cs >> 32, masked);
	CHECK_EQ(pv_frame.ss, FLAT_RING3_DS64);
	CHECK_EQ(!!(pv_frame.flags & RFLAGS_IF), !masked);
	CHECK_EQ(mask_inside, masked || gate_masks);
	CHECK_EQ(frame_end % 16, 0);
	CHECK(frame_end <= pv_frame.sp && pv_frame.sp - frame_end < 16);
	/* The iret took the mask from the frame's IF. */
	CHECK_EQ(get_mask(), masked);
}

static void check_page_fault(void)
{
	unsigned long value;

	pv_handle(VECTOR_PF, pv_step_over);
	pv_skip = 3;
	__asm__ volatile("mov (%1), %0" : "=a"(value) : "b"(0x500000000000ul));
	CHECK_EQ(pv_frame.vector, VECTOR_PF);
	CHECK_EQ(pv_frame.error, 0);
	CHECK_EQ(*(volatile uint64_t *)vcpu_info(XA_VCPU_INFO_CR2_64), 0x500000000000);
}

static void check_protection(void)
{
	unsigned long value;

	pv_handle(VECTOR_GP, pv_step_over);
	pv_skip = 3;
	__asm__ volatile("mov (%1), %0" : "=a"(value) : "b"(0x8000000000000000ul));
	CHECK_EQ(pv_frame.vector, VECTOR_GP);
	CHECK_EQ(pv_frame.error, 0);
}

void test_main(void)
{
	pv_handle(VECTOR_UD, look);
	check_frame(true, false);
	check_frame(false, false);
	check_frame(false, true);
	check_frame(true, true);
	check_page_fault();
	check_protection();
}
