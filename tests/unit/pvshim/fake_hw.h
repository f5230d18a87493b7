// SPDX-License-Identifier: MIT
/*
 * A processor for unit tests of the PV shim: registers are variables, guest memory is an array that
 * guest-virtual addresses map to directly from GUEST_VA on, calls to the VMM are recorded. Included by
 * one file per program.
 */
#ifndef FAKE_HW_H
#define FAKE_HW_H

#include "xenabi/pvshim/shim.h"
#include "xenabi/pvshim/hw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES 64u
#define GUEST_VA 0x10000000ull	/* guest-virtual address of guest-physical 0 */
#define SHARED_GPA (FRAMES * 4096ull)
#define NR_VCPUS 3u

static struct fake {
	uint64_t cr0, cr2, cr3, cr4, dr[8];
	uint64_t msr[16];
	uint32_t msr_index[16];
	unsigned nr_msrs;
	unsigned swapgs, cr3_writes, invlpgs, halts, ipis;
	uint64_t invlpg;
	uint16_t ldt;
	uint64_t call_nr, call_arg[6];
	unsigned calls;
	int64_t call_result;
	uint32_t cpuid[4];
	int xsetbv;
	jmp_buf crashed;
	bool crash_expected;
	enum shim_crash crash;
} hw;

struct shim_info *shim_test_info;
uint8_t *shim_test_direct, *shim_test_marks, *shim_test_vcpus;
uint64_t *shim_test_m2p;
uint64_t *shim_test_windows;
uint64_t shim_test_unseen[SHIM_UNSEEN_WORDS];

static uint64_t *msr_of(uint32_t index)
{
	unsigned i;

	for (i = 0; i < hw.nr_msrs; i++) {
		if (hw.msr_index[i] == index)
			return &hw.msr[i];
	}
	assert_true(i < 16);
	hw.msr_index[i] = index;
	hw.nr_msrs++;
	return &hw.msr[i];
}

int hw_rdmsr_safe(uint32_t msr, uint64_t *ret)
{
	*ret = *msr_of(msr);
	return 0;
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	if (msr == MSR_X2APIC_ICR) {
		/* The other vCPU's answer. */
		struct shim_vcpu *t = shim_vcpu((unsigned)(value >> 32));

		t->flush_done = t->flush_asked;
		hw.ipis++;
	}
	*msr_of(msr) = value;
}

int hw_wrmsr_safe(uint32_t msr, uint64_t value)
{
	hw_wrmsr(msr, value);
	return 0;
}

uint64_t shim_copy(void *to, const void *from, uint64_t len);

int hw_store_safe(uint64_t to, uint64_t value)
{
	return shim_copy((void *)(uintptr_t)to, &value, sizeof(value)) ? -EFAULT : 0;
}

void hw_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t reg[4])
{
	(void)leaf;
	(void)subleaf;
	memcpy(reg, hw.cpuid, sizeof(hw.cpuid));
}

uint64_t hw_read_cr0(void) { return hw.cr0; }
void hw_write_cr0(uint64_t value) { hw.cr0 = value; }
uint64_t hw_read_cr2(void) { return hw.cr2; }
uint64_t hw_read_cr3(void) { return hw.cr3; }
void hw_write_cr3(uint64_t value) { hw.cr3 = value; hw.cr3_writes++; }
uint64_t hw_read_cr4(void) { return hw.cr4; }
void hw_write_cr4(uint64_t value) { hw.cr4 = value; }
uint64_t hw_read_dr6(void) { return hw.dr[6]; }
void hw_write_dr(unsigned reg, uint64_t value) { hw.dr[reg] = value; }
void hw_invlpg(uint64_t va) { hw.invlpg = va; hw.invlpgs++; }
void hw_swapgs(void) { hw.swapgs++; }
void hw_lldt(uint16_t selector) { hw.ldt = selector; }
int hw_load_user_gs(uint16_t selector) { return selector > 0x100 ? -1 : 0; }
int hw_xsetbv(uint32_t index, uint64_t value) { (void)index; (void)value; return hw.xsetbv; }
void hw_wait(void) { }
void hw_load_tables(uint64_t gdt, uint64_t idt) { (void)gdt; (void)idt; }
uint64_t hw_rdtsc(void) { return 0x1122334455667788; }
void hw_segments(uint16_t ret[4]) { memset(ret, 0, 4 * sizeof(*ret)); }

/* The instruction that waits. */
const uint8_t shim_halting[2] = { 0xf4, 0xfa };

/* What wakes a vCPU is an event. */
void hw_halt(void)
{
	hw.halts++;
	*shim_info_byte(shim_vcpu(0), 0) = 1;
}

int64_t hw_call(uint64_t nr, const uint64_t arg[6])
{
	hw.calls++;
	hw.call_nr = nr;
	memcpy(hw.call_arg, arg, sizeof(hw.call_arg));
	if (nr == SHIM_CALL_CRASH) {
		assert_true(hw.crash_expected);
		hw.crash = (enum shim_crash)arg[0];
		longjmp(hw.crashed, 1);
	}
	return hw.call_result;
}

uint64_t shim_copy(void *to, const void *from, uint64_t len);

/* One of the two is a guest address; beyond guest memory it faults. */
uint64_t shim_copy(void *to, const void *from, uint64_t len)
{
	uint64_t t = (uintptr_t)to, f = (uintptr_t)from, size = FRAMES * 4096ull;
	bool to_guest = t - GUEST_VA < size, from_guest = f - GUEST_VA < size;
	uint64_t at = to_guest ? t - GUEST_VA : f - GUEST_VA, n;

	if (!to_guest && !from_guest)
		return len;
	n = len < size - at ? len : size - at;
	if (to_guest)
		memcpy(shim_test_direct + at, from, n);
	else
		memcpy(to, shim_test_direct + at, n);
	return len - n;
}

/* Why @fn(@r) gives up the guest; -1: it does not. */
static inline int crash_of(bool (*fn)(struct shim_regs *r), struct shim_regs *r)
{
	hw.crash_expected = true;
	if (!setjmp(hw.crashed)) {
		fn(r);
		return -1;
	}
	hw.crash_expected = false;
	return (int)hw.crash;
}

static struct shim_vcpu *v;	/* the first vCPU, in its kernel */

static inline void *guest(uint64_t gpa)
{
	return shim_test_direct + gpa;
}

static inline uint64_t va(uint64_t gpa)
{
	return GUEST_VA + gpa;
}

static int setup(void **state)
{
	(void)state;
	memset(&hw, 0, sizeof(hw));
	memset(shim_test_unseen, 0, sizeof(shim_test_unseen));
	shim_test_info = calloc(1, sizeof(*shim_test_info));
	shim_test_direct = aligned_alloc(4096, (FRAMES + 1) * 4096ul);
	shim_test_marks = calloc(1, FRAMES);
	shim_test_m2p = calloc(FRAMES, sizeof(*shim_test_m2p));
	shim_test_vcpus = aligned_alloc(SHIM_VCPU_SIZE, NR_VCPUS * (size_t)SHIM_VCPU_SIZE);
	shim_test_windows = calloc(NR_VCPUS * SHIM_WINDOW_PAGES, sizeof(uint64_t));
	memset(shim_test_direct, 0, (FRAMES + 1) * 4096ul);
	memset(shim_test_vcpus, 0, NR_VCPUS * (size_t)SHIM_VCPU_SIZE);
	*shim_test_info = (struct shim_info){
		.area_gpa = 0x100000000, .low_frames = FRAMES, .end_frame = FRAMES,
		.shared_info = SHARED_GPA,
		.nr_vcpus = NR_VCPUS, .xen_version = 0x40011,
	};
	v = shim_vcpu(0);
	v->info = shim_direct(SHARED_GPA);
	v->kernel_mode = v->initialised = v->in_guest = true;
	v->kernel_root = 4096;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(shim_test_info);
	free(shim_test_direct);
	free(shim_test_marks);
	free(shim_test_m2p);
	free(shim_test_vcpus);
	free(shim_test_windows);
	return 0;
}

static inline int64_t hcall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct shim_regs r = { .rax = nr, .rdi = a, .rsi = b, .rdx = c, .r10 = d };

	shim_hypercall(v, &r);
	return (int64_t)r.rax;
}

#endif
