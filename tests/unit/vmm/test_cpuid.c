// SPDX-License-Identifier: MIT
/*
 * Rules of what CPUID tells. The rules are private, so the source is part of this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vmm/cpuid.c"

static struct kvm_cpuid_entry2 all_ones(uint32_t leaf, uint32_t index)
{
	return (struct kvm_cpuid_entry2){ .function = leaf, .index = index, .eax = ~0u, .ebx = ~0u,
					  .ecx = ~0u, .edx = ~0u };
}

static void guest_sees_a_hypervisor_and_cannot_nest(void **state)
{
	struct kvm_cpuid_entry2 one = { .function = 1 }, full = all_ones(1, 0);
	struct kvm_cpuid_entry2 amd = all_ones(0x80000001, 0), svm = all_ones(0x8000000a, 0);

	(void)state;
	apply_rules(&one);
	assert_true(one.ecx >> 31);
	apply_rules(&full);
	assert_false(full.ecx & 1u << 5);
	apply_rules(&amd);
	assert_false(amd.ecx & 1u << 2);
	apply_rules(&svm);
	assert_int_equal(svm.eax | svm.ebx | svm.ecx | svm.edx, 0);
}

static void rules_touch_no_other_leaf(void **state)
{
	(void)state;
	for (uint32_t leaf = 2; leaf < 0xa; leaf++) {
		struct kvm_cpuid_entry2 e = all_ones(leaf, 0);

		apply_rules(&e);
		assert_int_equal(e.eax & e.ebx & e.ecx & e.edx, ~0u);
	}
}

static void topology_is_one_socket_of_single_threaded_cores(void **state)
{
	(void)state;
	for (unsigned nr = 1; nr <= 128; nr *= 2) {
		struct kvm_cpuid_entry2 one = { .function = 1 }, smt = { .function = 0xb };
		struct kvm_cpuid_entry2 core = { .function = 0xb, .index = 1 };

		set_topology(&one, nr - 1, nr);
		assert_int_equal(one.ebx >> 24, nr - 1);
		assert_int_equal(one.ebx >> 16 & 0xff, nr);
		assert_int_equal(one.edx >> 28 & 1, nr > 1);
		set_topology(&smt, nr - 1, nr);
		assert_int_equal(smt.ebx, 1);
		assert_int_equal(smt.edx, nr - 1);
		set_topology(&core, nr - 1, nr);
		assert_int_equal(core.ebx, nr);
		assert_int_equal(core.edx, nr - 1);
	}
}

static void every_rule_says_why_and_changes_something(void **state)
{
	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rules); i++) {
		struct kvm_cpuid_entry2 e = { .function = rules[i].leaf };

		if (rules[i].kind != SET)
			e = all_ones(rules[i].leaf, 0);
		assert_true(rules[i].why[0] != '\0');
		assert_true(rules[i].kind == ZERO_LEAF || rules[i].mask);
		struct kvm_cpuid_entry2 before = e;
		apply_rules(&e);
		assert_memory_not_equal(&e, &before, sizeof(e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_sees_a_hypervisor_and_cannot_nest),
		cmocka_unit_test(rules_touch_no_other_leaf),
		cmocka_unit_test(topology_is_one_socket_of_single_threaded_cores),
		cmocka_unit_test(every_rule_says_why_and_changes_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
