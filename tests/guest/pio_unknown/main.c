// SPDX-License-Identifier: MIT
/*
 * Fact: ports and addresses where nothing is read as all ones and swallow writes.
 * Source: hvm_process_io_intercept() and the null device in xen/arch/x86/hvm
 * Expect: all ones for each width, also by string instructions; the PIT, which Linux times its TSC
 *   with, does not read as all ones (or it would read it 100000 times); MMIO likewise.
 * run:
 */
#include "kern/kern.h"

static const uint16_t ports[] = { 0x80, 0x70, 0x2f9, 0x3f9, 0xcfc, 0x1234, 0xfffc };

void test_main(void)
{
	uint32_t buf[4] = { 0 };
	void *at = buf;
	unsigned long n = 4;

	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		outb(ports[i], 0x12);
		outl(ports[i], 0x12345678);
		CHECK_EQ(inb(ports[i]), 0xff);
		CHECK_EQ(inw(ports[i]), 0xffff);
		CHECK_EQ(inl(ports[i]), 0xffffffff);
	}
	CHECK(inb(0x42) != 0xff);

	__asm__ volatile("rep insl" : "+D"(at), "+c"(n) : "d"(0x1234) : "memory");
	CHECK(at == buf + 4 && n == 0);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(buf[i], 0xffffffff);

	for (unsigned long a = 0xfed00000; a < 0xfed00010; a += 4) {
		*(volatile uint32_t *)a = 0;
		CHECK_EQ(*(volatile uint32_t *)a, 0xffffffff);
	}
	CHECK_EQ(*(volatile uint8_t *)0xfed00003, 0xff);
}
