// SPDX-License-Identifier: MIT
#include "fake_hw.h"
#include "xenabi/callback.h"
#include "xenabi/shared_info.h"
#include "xenabi/vcpu.h"

#define STACK 0x20000ull	/* guest-physical */
#define HANDLER 0x5000ull

static struct shim_regs *regs(void)
{
	/* C finds the vCPU by the address of its registers. */
	struct shim_regs *r = (struct shim_regs *)(void *)((uint8_t *)v + VCPU_STACK_TOP) - 1;

	*r = (struct shim_regs){
		.rip = va(0x1000), .cs = SEL_KERNEL_CS, .ss = SEL_KERNEL_SS, .rsp = va(STACK),
		.rflags = RFLAGS_IF | RFLAGS_FIXED, .rcx = 0xc, .r11 = 0xb,
	};
	return r;
}

static void gate(unsigned vector, uint8_t dpl, bool masks)
{
	v->state.traps[vector] = (struct shim_gate){ HANDLER + vector, dpl, masks };
}

static uint64_t *frame(const struct shim_regs *r)
{
	return guest(r->rsp - GUEST_VA);
}

static void code(const void *bytes, size_t len)
{
	memcpy(guest(0x1000), bytes, len);
}

static void an_exception_of_the_kernel_makes_a_frame(void **state)
{
	struct shim_regs *r = regs();

	(void)state;
	gate(0, 0, true);
	r->vector = 0;
	shim_trap(r);
	assert_int_equal(r->rip, HANDLER);
	assert_int_equal(r->rsp, va(STACK) - 7 * 8);
	assert_int_equal(frame(r)[0], 0xc);
	assert_int_equal(frame(r)[1], 0xb);
	assert_int_equal(frame(r)[2], va(0x1000));
	assert_int_equal(frame(r)[3], 0xe030);
	assert_int_equal(frame(r)[4], RFLAGS_IF | RFLAGS_FIXED);
	assert_int_equal(frame(r)[5], va(STACK));
	assert_int_equal(frame(r)[6], FLAT_RING3_DS64);
	assert_int_equal(*shim_info_byte(v, XA_VCPU_INFO_MASK), 1);
	assert_int_equal(hw.swapgs, 0);
}

static void an_exception_of_a_user_switches_stack_and_gs(void **state)
{
	struct shim_regs *r = regs();

	(void)state;
	gate(17, 0, false);
	v->kernel_mode = false;
	v->state.kernel_sp = va(STACK + 0x808);
	*shim_info_byte(v, XA_VCPU_INFO_MASK) = 0;
	r->cs = 0x33;
	r->ss = 0x2b;
	r->rsp = 0x7000;
	r->vector = 17;
	r->error = 0x55;
	shim_trap(r);
	assert_true(v->kernel_mode);
	assert_int_equal(hw.swapgs, 1);
	assert_int_equal(r->rsp, va(STACK + 0x800) - 8 * 8);
	assert_int_equal(frame(r)[2], 0x55);
	assert_int_equal(frame(r)[4], 0x33);
	assert_int_equal(frame(r)[6], 0x7000);
	assert_int_equal(*shim_info_byte(v, XA_VCPU_INFO_MASK), 0);
}

static void without_handler_or_stack_the_guest_is_given_up(void **state)
{
	struct shim_regs *r = regs();

	(void)state;
	r->vector = 0;
	assert_int_equal(crash_of(shim_trap, r), SHIM_CRASH_NO_HANDLER);
	gate(0, 0, false);
	r->rsp = 0x1000;
	assert_int_equal(crash_of(shim_trap, r), SHIM_CRASH_BAD_STACK);
	r->rsp = PV_HYPERVISOR_START + 0x10000;
	assert_int_equal(crash_of(shim_trap, r), SHIM_CRASH_BAD_STACK);
	r->rsp = 8;
	assert_int_equal(crash_of(shim_trap, r), SHIM_CRASH_BAD_STACK);
	r->cs = SEL_SHIM_CS;
	r->vector = VEC_GP;
	assert_int_equal(crash_of(shim_trap, r), SHIM_CRASH_SHIM);
}

static void iret_returns_to_both_modes(void **state)
{
	struct iret_context_64 c = {
		.rax = 1, .r11 = 2, .rcx = 3, .rip = 0x4000, .cs = 0x33,
		.rflags = RFLAGS_IF | RFLAGS_IOPL | RFLAGS_NT, .rsp = 0x8000, .ss = 0x2b,
	};
	struct shim_regs *r = regs();

	(void)state;
	*shim_info_byte(v, XA_VCPU_INFO_MASK) = 1;
	memcpy(guest(STACK), &c, sizeof(c));
	r->rax = __HYPERVISOR_iret;
	r->vector = 0x100;
	shim_syscall(r);
	assert_false(v->kernel_mode);
	assert_int_equal(hw.swapgs, 1);
	assert_int_equal(r->rip, 0x4000);
	assert_int_equal(r->cs, 0x33);
	assert_int_equal(r->rflags, RFLAGS_IF | RFLAGS_FIXED);
	assert_int_equal(r->rcx, 3);
	assert_int_equal(*shim_info_byte(v, XA_VCPU_INFO_MASK), 0);

	v->kernel_mode = true;
	c.cs = 0xe030;
	c.rflags = 0;
	c.flags = VGCF_in_syscall;
	memcpy(guest(STACK), &c, sizeof(c));
	r = regs();
	r->rax = __HYPERVISOR_iret;
	shim_syscall(r);
	assert_true(v->kernel_mode);
	assert_int_equal(r->cs, SEL_KERNEL_CS);
	assert_int_equal(r->rcx, 0x4000);
	assert_int_equal(*shim_info_byte(v, XA_VCPU_INFO_MASK), 1);
	r = regs();
	r->rax = __HYPERVISOR_iret;
	r->rsp = 0x10;
	assert_int_equal(crash_of(shim_syscall, r), SHIM_CRASH_BAD_IRET);
}

static void pending_events_are_delivered_unless_masked(void **state)
{
	struct shim_regs *r = regs();

	(void)state;
	v->state.event = (struct shim_gate){ .address = 0x9000, .masks = true };
	*shim_info_byte(v, XA_VCPU_INFO_PENDING) = 1;
	*shim_info_byte(v, XA_VCPU_INFO_MASK) = 1;
	r->vector = SHIM_VECTOR_EVENT;
	shim_trap(r);
	assert_int_equal(r->rip, va(0x1000));
	*shim_info_byte(v, XA_VCPU_INFO_MASK) = 0;
	shim_trap(r);
	assert_int_equal(r->rip, 0x9000);
	assert_int_equal(*shim_info_byte(v, XA_VCPU_INFO_MASK), 1);
}

/* Whether the processor has forgotten what STI promises, or comes out of the halt as it should. */
static void an_interrupt_ends_the_halt_that_it_precedes(void **state)
{
	struct shim_regs *r = regs();

	(void)state;
	r->vector = SHIM_VECTOR_EVENT;
	r->cs = SEL_SHIM_CS;
	for (unsigned i = 0; i < 2; i++) {
		r->rip = (uintptr_t)&shim_halting[i];
		assert_false(shim_trap(r));
		assert_int_equal(r->rip, (uintptr_t)&shim_halting[1]);
	}
}

static void two_roots_follow_the_mode(void **state)
{
	struct shim_regs *r = regs();
	struct iret_context_64 c = { .rip = 0x4000, .cs = 0x33, .rsp = 0x8000, .ss = 0x2b };

	(void)state;
	shim_test_info->duties = SHIM_DUTY_ROOTS;
	shim_set_user_root(v, 7);
	assert_int_equal(v->user_cr3, 0x7000);
	memcpy(guest(STACK), &c, sizeof(c));
	r->rax = __HYPERVISOR_iret;
	/* entry.S changes the page table by what it is told. */
	assert_true(shim_syscall(r));
	gate(0, 0, false);
	v->state.kernel_sp = va(STACK);
	r->vector = 0;
	r->cs = 0x33;
	assert_false(shim_trap(r));
	shim_set_user_root(v, 0);
	assert_int_equal(v->user_cr3, v->kernel_root);
}

static void code_that_is_not_wanted_is_left_out(void **state)
{
	uint8_t code[300];

	(void)state;
	for (uint32_t len = 0; len < 290; len++) {
		memset(code, 0xf4, sizeof(code));
		shim_leave_out(code, len);
		assert_int_equal(code[len], 0xf4);
		if (len)
			assert_int_not_equal(code[0], 0xf4);
		/* A jump to what follows, where no NOP is as long. */
		if (len > 9) {
			int32_t over;

			assert_int_equal(code[0], 0xe9);
			memcpy(&over, &code[1], sizeof(over));
			assert_int_equal(over + 5, len);
		}
	}
}

static void what_is_unusual_is_left_to_c(void **state)
{
	struct callback_register_64 *a = guest(STACK + 0x100);
	struct shim_regs *r = regs();

	(void)state;
	assert_int_equal(hcall(__HYPERVISOR_set_callbacks, 1, 2, 3, 0), 0);
	assert_int_equal(v->unusual, UNUSUAL_SYSCALL | UNUSUAL_PF);
	shim_set_trap(v, &(struct trap_info_64){ .vector = VEC_PF, .flags = TI_IF, .address = HANDLER });
	assert_int_equal(v->unusual, UNUSUAL_SYSCALL);
	*a = (struct callback_register_64){ .type = CALLBACKTYPE_syscall, .flags = CALLBACKF_mask_events,
					    .address = HANDLER };
	assert_int_equal(hcall(__HYPERVISOR_callback_op, CALLBACKOP_register, va(STACK + 0x100), 0, 0), 0);
	assert_int_equal(v->unusual, 0);
	r->vector = SHIM_VECTOR_NMI;
	shim_trap(r);
	assert_int_equal(v->unusual, UNUSUAL_NMI);
	v->state.nmi.address = HANDLER;
	r->vector = SHIM_VECTOR_EVENT;
	shim_trap(r);
	assert_true(v->nmi_masked && !v->nmi_pending);
	assert_int_equal(v->unusual, UNUSUAL_NMI);
	r->rsp = va(STACK);
	memset(guest(STACK), 0, sizeof(struct iret_context_64));
	r->rax = __HYPERVISOR_iret;
	shim_syscall(r);
	assert_int_equal(v->unusual, 0);
}

static void block_waits_for_an_event_unmasked(void **state)
{
	(void)state;
	*shim_info_byte(v, XA_VCPU_INFO_MASK) = 1;
	assert_int_equal(hcall(__HYPERVISOR_sched_op, 1, 0, 0, 0), 0);
	assert_int_equal(hw.halts, 1);
	assert_int_equal(*shim_info_byte(v, XA_VCPU_INFO_MASK), 0);
	assert_true(v->in_guest);
	assert_int_equal(hcall(__HYPERVISOR_sched_op, 1, 0, 0, 0), 0);
	assert_int_equal(hw.halts, 1);
	assert_int_equal(hw.calls, 0);
}

static void timers_are_left_where_they_are_looked_for(void **state)
{
	struct shim_mail *m = (struct shim_mail *)(void *)(shim_block(0) + SHIM_VCPU_MAIL);
	struct vcpu_set_singleshot_timer_64 *a = guest(STACK);
	const uint64_t at = va(STACK);

	(void)state;
	m->horizon = 1000;
	assert_int_equal(hcall(__HYPERVISOR_set_timer_op, 1000, 0, 0, 0), 0);
	assert_int_equal(m->deadline, 1000);
	a->timeout_abs_ns = 5000;
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, at, 0), 0);
	assert_int_equal(m->deadline, 5000);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0, 0), 0);
	assert_int_equal(m->deadline, 0);
	assert_int_equal(hw.calls, 0);
	/* Nobody looks in time, or who knows what the guest means: a call, and an empty mailbox. */
	m->deadline = 7;
	assert_int_equal(hcall(__HYPERVISOR_set_timer_op, 999, 0, 0, 0), 0);
	assert_int_equal(m->deadline, 0);
	assert_int_equal(hcall(__HYPERVISOR_set_timer_op, UINT64_MAX, 0, 0, 0), 0);
	assert_int_equal(hcall(__HYPERVISOR_set_timer_op, 0, 0, 0, 0), 0);
	m->horizon = 0;
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, at, 0), 0);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0, 0), 0);
	assert_int_equal(hw.calls, 5);
	assert_int_equal(m->deadline, 0);
	/* One that must be in the future, and is not, changes nothing. */
	m->deadline = 7;
	a->flags = VCPU_SSHOTTMR_future;
	hw.call_result = -ETIME;
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, at, 0), -ETIME);
	assert_int_equal(m->deadline, 7);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 1, at, 0), -EINVAL);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 1, at, 0), -EINVAL);
}

static bool emulate(const void *bytes, size_t len, struct shim_regs *r, uint64_t error)
{
	code(bytes, len);
	r->vector = VEC_GP;
	r->error = error;
	gate(VEC_GP, 0, false);
	shim_trap(r);
	return r->rip != HANDLER + VEC_GP;
}
#define EMULATE(r, ...) emulate((const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }), r, 0)

static void privileged_instructions_are_done_for_the_kernel(void **state)
{
	struct shim_regs *r = regs();

	(void)state;
	assert_true(EMULATE(r, 0xfa));
	assert_int_equal(r->rip, va(0x1001));
	r = regs();
	r->rcx = MSR_GS_BASE;
	r->rax = 0x1000;
	assert_true(EMULATE(r, 0x0f, 0x30));
	assert_int_equal(*msr_of(MSR_GS_BASE), 0x1000);
	r = regs();
	r->rcx = MSR_GS_BASE;
	r->rdx = 0x80000000;
	assert_false(EMULATE(r, 0x0f, 0x30));
	r = regs();
	assert_true(EMULATE(r, 0x41, 0x0f, 0x20, 0xd8));	/* mov %cr3, %r8 */
	assert_int_equal(r->r8, v->kernel_root);
	r = regs();
	assert_true(EMULATE(r, 0x66, 0xed));	/* in %dx, %ax */
	assert_int_equal(r->rax, 0xffff);
	r = regs();
	assert_true(EMULATE(r, 0xe4, 0x42));
	assert_int_equal(r->rax, 0);
	assert_int_equal(r->rip, va(0x1002));
	hw.cr0 = CR0_TS;
	assert_true(EMULATE(regs(), 0x0f, 0x06));
	assert_int_equal(hw.cr0, 0);
	assert_false(EMULATE(regs(), 0xf4));
	assert_false(EMULATE(regs(), 0x0f, 0x01, 0xf8));
}

static void users_get_cpuid_and_nothing_else(void **state)
{
	struct shim_regs *r;

	(void)state;
	hw.cpuid[3] = ~0u;
	v->state.kernel_sp = va(STACK);
	for (unsigned i = 0; i < 2; i++) {
		v->kernel_mode = false;
		r = regs();
		r->cs = 0x33;
		r->rax = 1;
		assert_int_equal(EMULATE(r, 0x0f, i ? 0x06 : 0xa2), !i);
	}
	assert_int_equal(hw.swapgs, 1);
}

static void software_interrupts_need_the_gates_level(void **state)
{
	static const uint8_t int90[] = { 0xcd, 0x90 };
	struct shim_regs *r = regs();

	(void)state;
	gate(0x90, 0, false);
	assert_true(emulate(int90, 2, r, 0x90 << 3 | 2));
	assert_int_equal(r->rip, HANDLER + 0x90);
	assert_int_equal(frame(r)[2], va(0x1002));
	v->kernel_mode = false;
	v->state.kernel_sp = va(STACK);
	r = regs();
	r->cs = 0x33;
	assert_false(emulate(int90, 2, r, 0x90 << 3 | 2));
	assert_int_equal(frame(r)[2], 0x90 << 3 | 2);
}

static void prefixed_cpuid_is_filtered(void **state)
{
	static const uint8_t insn[] = { XEN_EMULATE_PREFIX, 0x0f, 0xa2 };
	struct shim_regs *r = regs();

	(void)state;
	memset(hw.cpuid, 0xff, sizeof(hw.cpuid));
	code(insn, sizeof(insn));
	r->rax = 1;
	r->vector = VEC_UD;
	shim_trap(r);
	assert_int_equal(r->rip, va(0x1000) + sizeof(insn));
	assert_false(r->rcx & 1u << 21);
	assert_true(r->rcx & 1u << 31);
}

static void a_kernel_at_level_3_is_healed(void **state)
{
	struct shim_regs *r = regs();

	(void)state;
	r->cs = FLAT_RING3_CS64;
	r->vector = VEC_PF;
	shim_trap(r);
	assert_int_equal(r->cs, SEL_KERNEL_CS);
	assert_int_equal(r->rip, va(0x1000));
	assert_int_equal(hw.swapgs, 0);
}

static void descriptors_are_made_fit_or_refused(void **state)
{
	(void)state;
	assert_int_equal(hcall(__HYPERVISOR_update_descriptor, 0x3000, 0x00cf92000000ffff, 0, 0), 0);
	assert_int_equal(*(uint64_t *)guest(0x3000), 0x00cff2000000ffff);
	assert_int_equal(hcall(__HYPERVISOR_update_descriptor, 0x3000, 0x00008c0000000000, 0, 0), -EINVAL);
	assert_int_equal(hcall(__HYPERVISOR_update_descriptor, 0x3004, 0, 0, 0), -EINVAL);
	assert_int_equal(hcall(__HYPERVISOR_update_descriptor, FRAMES * 4096ull, 0, 0, 0), -EINVAL);
	*(uint64_t *)guest(0x2000) = 3;
	assert_int_equal(hcall(__HYPERVISOR_set_gdt, va(0x2000), 512, 0, 0), 0);
	assert_int_equal(shim_test_windows[0] & PTE_ADDR, 0x3000);
	assert_int_equal(hcall(__HYPERVISOR_set_gdt, va(0x2000), 14 * 512 + 1, 0, 0), -EINVAL);
	*(uint64_t *)guest(0x2000) = FRAMES;
	assert_int_equal(hcall(__HYPERVISOR_set_gdt, va(0x2000), 1, 0, 0), -EINVAL);
}

static void lists_of_calls(void **state)
{
	struct multicall_entry_64 list[4] = {
		{ .op = __HYPERVISOR_xen_version }, { .op = __HYPERVISOR_multicall },
		{ .op = __HYPERVISOR_iret }, { .op = __HYPERVISOR_console_io, .args = { 7 } },
	};
	struct multicall_entry_64 *in = guest(0x2000);

	(void)state;
	hw.call_result = 77;
	memcpy(in, list, sizeof(list));
	assert_int_equal(hcall(__HYPERVISOR_multicall, va(0x2000), 4, 0, 0), 0);
	assert_int_equal(in[0].result, 0x40011);
	assert_int_equal((int64_t)in[1].result, -EINVAL);
	assert_int_equal((int64_t)in[2].result, -ENOSYS);
	assert_int_equal(in[3].result, 77);
	assert_int_equal(hw.call_nr, __HYPERVISOR_console_io);
	assert_int_equal(hw.call_arg[0], 7);
	assert_int_equal(hcall(__HYPERVISOR_multicall, va(FRAMES * 4096ull - 64), ~0ull, 0, 0), -EFAULT);
	/* The shim's own numbers are not the guest's. */
	hw.calls = 0;
	assert_int_equal(hcall(SHIM_CALL_CRASH, 0, 0, 0, 0), -ENOSYS);
	assert_int_equal(hw.calls, 0);
}

static void vcpus_are_described_once(void **state)
{
	struct vcpu_guest_context_64 c = { .flags = VGCF_in_kernel, .gdt_ents = 512 };

	(void)state;
	c.user_regs.rip = 0x1234;
	c.ctrlreg[3] = 0x6000;
	c.gdt_frames[0] = 5;
	c.trap_ctxt[14].address = 0x4444;
	memcpy(guest(0x10000), &c, sizeof(c));
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, 1, 1, 0, 0), -EINVAL);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, 0, 1, va(0x10000), 0), 0);
	assert_int_equal(shim_vcpu(1)->start.rip, 0x1234);
	assert_int_equal(shim_vcpu(1)->state.traps[14].address, 0x4444);
	assert_int_equal(shim_vcpu(1)->kernel_root, 0x6000);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, 0, 1, va(0x10000), 0), -EEXIST);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, 1, 1, 0, 0), 0);
	assert_int_equal(hw.call_nr, __HYPERVISOR_vcpu_op);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, 0, 2, va(FRAMES * 4096ull - 100), 0), -EFAULT);
	c.ctrlreg[3] = FRAMES * 4096ull;
	memcpy(guest(0x10000), &c, sizeof(c));
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, 0, 2, va(0x10000), 0), -EINVAL);
	assert_int_equal(hcall(__HYPERVISOR_vcpu_op, 3, NR_VCPUS, 0, 0), -ENOENT);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_exception_of_the_kernel_makes_a_frame),
		TEST(an_exception_of_a_user_switches_stack_and_gs),
		TEST(without_handler_or_stack_the_guest_is_given_up),
		TEST(iret_returns_to_both_modes),
		TEST(pending_events_are_delivered_unless_masked),
		TEST(an_interrupt_ends_the_halt_that_it_precedes),
		TEST(two_roots_follow_the_mode),
		TEST(code_that_is_not_wanted_is_left_out),
		TEST(what_is_unusual_is_left_to_c),
		TEST(block_waits_for_an_event_unmasked),
		TEST(timers_are_left_where_they_are_looked_for),
		TEST(privileged_instructions_are_done_for_the_kernel),
		TEST(users_get_cpuid_and_nothing_else),
		TEST(software_interrupts_need_the_gates_level),
		TEST(prefixed_cpuid_is_filtered),
		TEST(a_kernel_at_level_3_is_healed),
		TEST(descriptors_are_made_fit_or_refused),
		TEST(lists_of_calls),
		TEST(vcpus_are_described_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
