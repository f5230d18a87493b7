// SPDX-License-Identifier: MIT
/*
 * Timer ticks without exits: the stub is planted only where there is room, leaves exactly those
 * deadlines to the VMM that it will look at in time, and the VMM expects ticks where they come.
 * The stub's own code runs here, natively.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fake_vm.h"
#include "vmm/boot/boot.h"

#define RAM_SIZE (4u << 20)
#define TEXT_GPA 0x200000u
#define TEXT_LEN (1u << 18)
#define SITE0 0x1000u
#define SITE1 0x1010u
#define MS 1000000ull

static struct vmm vm;
static uint8_t *text;
static struct boot_kernel k;
static uint64_t mail[2];

/* Two functions `vmmcall; ret` and `vmcall; ret`, padded with one long instruction, and int3. */
static void make_kernel(void)
{
	static const uint8_t padding[] = { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 };

	memset(text, 0xcc, TEXT_LEN);
	memcpy(text + SITE0, "\x0f\x01\xd9\xc3", 4);
	memcpy(text + SITE1, "\x0f\x01\xc1\xc3", 4);
	memcpy(text + SITE0 + 4, padding, sizeof(padding));
	memcpy(text + SITE1 + 4, padding, sizeof(padding));
	k = (struct boot_kernel){
		.elf64 = true, .segs = 1, .sites = 2,
		.seg[0] = { TEXT_GPA, (uintptr_t)text, TEXT_LEN, TEXT_LEN, BOOT_SEG_X | BOOT_SEG_R },
		.site = { { TEXT_GPA + SITE0, (uintptr_t)text + SITE0, true },
			  { TEXT_GPA + SITE1, (uintptr_t)text + SITE1, false } },
	};
}

static int set_up(void **state)
{
	(void)state;
	fake_vm_init(&vm, 2);
	vm.mem.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vm.mem.size = vm.mem.low = RAM_SIZE;
	text = vm.mem.ram + TEXT_GPA;
	make_kernel();
	mail[0] = mail[1] = 0;
	vm.vcpus[0].tick.mail = mail;
	return vm.mem.ram == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	munmap(vm.mem.ram, RAM_SIZE);
	fake_vm_fini(&vm);
	return 0;
}

static void stub_goes_to_a_gap_and_sites_to_it(void **state)
{
	(void)state;
	vmm_plain_set_kernel(&vm, &k);
	assert_non_null(vm.tick_table);
	assert_int_equal(text[SITE0], 0xeb);
	assert_int_equal(text[SITE1], 0xeb);
	/* What follows a site stays: the kernel may have it in a table. */
	assert_int_equal(text[SITE0 + 3], 0xc3);
	assert_int_equal(text[SITE1 + 3], 0xc3);
	/* The place of the stub's own call is one that may make hypercalls. */
	assert_int_equal(vm.nr_sites, 3);
	assert_in_range(vm.site_gpa[2], TEXT_GPA, TEXT_GPA + TEXT_LEN);
	assert_int_equal(text[vm.site_gpa[2] - TEXT_GPA], 0xe7);
}

static void refused(void)
{
	uint8_t *before = malloc(TEXT_LEN);

	memcpy(before, text, TEXT_LEN);
	assert_false(vmm_tick_plant(&vm, &k));
	assert_memory_equal(before, text, TEXT_LEN);
	assert_null(vm.tick_table);
	free(before);
}

static void no_room_is_no_stub(void **state)
{
	(void)state;
	memset(text + (1 << 16), 0, TEXT_LEN - (1 << 16));	/* no gap */
	refused();
	make_kernel();
	text[SITE1 + 4] = 0x55;					/* no padding */
	refused();
	make_kernel();
	text[SITE0 + 5] = 0x0b;					/* ud2 is none */
	refused();
	make_kernel();
	k.elf64 = false;
	refused();
	make_kernel();
	k.sites = 4;
	refused();
	make_kernel();
	k.seg[0].flags = BOOT_SEG_R;				/* no code */
	refused();
}

static void another_kernel_ends_what_was_shared(void **state)
{
	(void)state;
	vmm_plain_set_kernel(&vm, &k);
	vm.vcpus[0].tick.mail = mail;
	k.sites = 0;
	vmm_plain_set_kernel(&vm, &k);
	assert_null(vm.tick_table);
	assert_null(vm.vcpus[0].tick.mail);
}

static void padding_is_told_from_code(void **state)
{
	static const struct {
		uint8_t bytes[16], len, padding;
	} cases[] = {
		{ { 0x90, 0x90, 0x90 }, 3, 3 },
		{ { 0xcc, 0x90, 0xc3 }, 3, 2 },
		{ { 0x0f, 0x1f, 0x40, 0x00, 0x90 }, 5, 5 },
		{ { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 }, 8, 8 },
		{ { 0x0f, 0x1f, 0x84, 0, 0, 0, 0 }, 7, 0 },	/* its end is missing */
		{ { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 }, 10, 10 },
		{ { 0x66, 0x90 }, 2, 2 },
		{ { 0x66, 0x55 }, 2, 0 },
		{ { 0x0f, 0x0b }, 2, 0 },
		{ { 0x0f, 0x1f }, 2, 0 },
		{ { 0 }, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(cases); i++)
		assert_int_equal(vmm_tick_padding(cases[i].bytes, cases[i].bytes + cases[i].len),
				 cases[i].padding);
}

/* Plant the stub, for vCPU 0 only, and make its hypercall instruction do nothing. */
static void plant(void)
{
	vmm_plain_set_kernel(&vm, &k);
	assert_non_null(vm.tick_table);
	memset(text + vm.site_gpa[2] - TEXT_GPA, 0x90, 3);
	vm.tick_table[0] = (uintptr_t)mail;
	vm.vcpus[0].tick.mail = mail;
}

/* A hypercall from the guest's kernel. True if it was made, false if the stub did without. */
static bool call(uint64_t nr, uint64_t cmd, uint64_t vcpu, const void *arg, unsigned site)
{
	uint64_t rax = nr, rdi = cmd, rsi = vcpu, rdx = (uintptr_t)arg;
	uint8_t *entry = text + site;

	__asm__ volatile("call *%[entry]"
			 : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx)
			 : [entry] "r"(entry)
			 : "memory", "cc");
	if (rax == 0)
		return false;
	/* It goes out as it came in. */
	assert_int_equal(rax, nr);
	assert_int_equal(rdi, cmd);
	assert_int_equal(rsi, vcpu);
	assert_int_equal(rdx, (uintptr_t)arg);
	return true;
}

struct singleshot {
	uint64_t timeout;
	uint32_t flags;
};

static bool set_singleshot(uint64_t deadline)
{
	struct singleshot arg = { deadline, 0 };

	return call(24, 8, 0, &arg, SITE0);
}

static void deadline_at_or_behind_the_horizon_needs_no_call(void **state)
{
	struct singleshot arg = { 500, 0 };

	(void)state;
	plant();
	mail[1] = 400;
	assert_false(set_singleshot(500));
	assert_int_equal(mail[0], 500);
	assert_false(set_singleshot(400));
	assert_int_equal(mail[0], 400);
	assert_false(call(24, 8, 0, &arg, SITE1));
	assert_int_equal(mail[0], 500);
	assert_int_equal(mail[1], 400);
}

static void other_deadlines_are_called_and_the_mailbox_emptied(void **state)
{
	struct singleshot future = { 500, 1 };

	(void)state;
	plant();
	mail[1] = 400;
	mail[0] = 450;
	assert_true(set_singleshot(399));
	assert_int_equal(mail[0], 0);
	mail[0] = 450;
	assert_true(set_singleshot(0));
	assert_int_equal(mail[0], 0);
	mail[1] = 0;				/* the VMM does not look */
	assert_true(set_singleshot(UINT64_MAX));
	mail[1] = 400;
	mail[0] = 450;
	assert_true(call(24, 8, 0, &future, SITE0));	/* a flag the stub does not know */
	assert_int_equal(mail[0], 0);
	mail[0] = 450;
	assert_true(call(24, 9, 0, NULL, SITE0));	/* stop */
	assert_int_equal(mail[0], 0);
}

static void other_calls_are_made(void **state)
{
	struct singleshot arg = { 500, 0 };

	(void)state;
	plant();
	mail[1] = 400;
	mail[0] = 450;
	assert_true(call(24, 4, 0, &arg, SITE0));	/* another vcpu_op */
	assert_true(call(29, 8, 0, &arg, SITE0));	/* another hypercall */
	assert_true(call(24, 8, 1, &arg, SITE0));	/* a vCPU without a mailbox */
	assert_true(call(24, 8, 128, &arg, SITE0));
	assert_true(call(24, 8, UINT64_MAX, &arg, SITE0));
	assert_int_equal(mail[0], 450);
}

/* A timer set by hypercall comes at @deadline. */
static void called_tick(uint64_t deadline)
{
	vmm_tick_set(&vm.vcpus[0], deadline);
	assert_int_equal(mail[1], 0);
	vmm_tick_look(&vm.vcpus[0], deadline);
}

static void ticks_are_expected_after_three(void **state)
{
	(void)state;
	called_tick(4 * MS);
	assert_int_equal(mail[1], 0);
	called_tick(8 * MS);
	assert_int_equal(mail[1], 0);
	called_tick(12 * MS);
	/* Twice the same distance: 20 us before the next, the VMM will look. */
	assert_int_equal(mail[1], 16 * MS - 20000);
}

static void deadlines_in_the_mailbox_are_taken_when_due(void **state)
{
	struct vmm_vcpu *v = &vm.vcpus[0];

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		called_tick(i * 4 * MS);
	mail[0] = 16 * MS;
	vmm_tick_look(v, 16 * MS - 10000);	/* too early: look again then */
	assert_int_equal(mail[0], 16 * MS);
	assert_int_equal(mail[1], 16 * MS);
	vmm_tick_look(v, 16 * MS + 3000);
	assert_int_equal(mail[0], 0);
	assert_int_equal(v->tick.taken, 1);
	assert_int_equal(mail[1], 20 * MS - 20000);
	/* An idle guest: the deadline is far away, and nothing is expected before. */
	mail[0] = 500 * MS;
	vmm_tick_look(v, 20 * MS);
	assert_int_equal(mail[1], 500 * MS);
	/* A VMM that comes late expects the first tick that is still to come. */
	vmm_tick_look(v, 509 * MS);
	assert_int_equal(v->tick.taken, 2);
	assert_int_equal(mail[1], 512 * MS - 20000);
}

static void who_sets_nothing_is_not_waited_for(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		called_tick(i * 4 * MS);
	assert_int_not_equal(mail[1], 0);
	vmm_tick_look(&vm.vcpus[0], 16 * MS);
	assert_int_equal(mail[1], 0);
}

static void odd_timers_do_not_change_what_is_expected(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		called_tick(i * 4 * MS);
	called_tick(20 * MS);			/* one tick was skipped */
	assert_int_equal(vm.vcpus[0].tick.period, 4 * MS);
	called_tick(20 * MS + 700000);		/* something else */
	assert_int_equal(vm.vcpus[0].tick.period, 4 * MS);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(stub_goes_to_a_gap_and_sites_to_it),
		T(no_room_is_no_stub),
		T(another_kernel_ends_what_was_shared),
		T(padding_is_told_from_code),
		T(deadline_at_or_behind_the_horizon_needs_no_call),
		T(other_deadlines_are_called_and_the_mailbox_emptied),
		T(other_calls_are_made),
		T(ticks_are_expected_after_three),
		T(deadlines_in_the_mailbox_are_taken_when_due),
		T(who_sets_nothing_is_not_waited_for),
		T(odd_timers_do_not_change_what_is_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
