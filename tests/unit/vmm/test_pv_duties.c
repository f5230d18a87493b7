// SPDX-License-Identifier: MIT
/* What the PV shim has to do, by what the host's kernel says of its processor. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "domicile/shim.h"
#include "vmm/vmm.h"

static char dir[] = "/tmp/test_pv_duties.XXXXXX";

static void put(const char *file, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	if (!text) {
		unlink(path);
		return;
	}
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

#define USERCOPY "Mitigation: usercopy/swapgs barriers and __user pointer sanitization"

/* Files by the names that are struct members; NULL: not there. */
#define FILES(X)                                                                                   \
	X(meltdown) X(spectre_v1) X(spectre_v2) X(mds) X(mmio_stale_data) X(reg_file_data_sampling) \
	X(retbleed) X(spec_rstack_overflow) X(indirect_target_selection) X(tsa)

struct host {
	const char *who;
	uint32_t duties;
#define FILE_MEMBER(name) const char *name;
	FILES(FILE_MEMBER)
#undef FILE_MEMBER
};

static const struct host hosts[] = {
	{ .who = "nobody knows", .duties = SHIM_DUTY_ROOTS | SHIM_DUTY_LFENCE },
	{ .who = "safe", .duties = 0, .meltdown = "Not affected", .spectre_v1 = "Not affected",
	  .spectre_v2 = "Not affected", .mds = "Not affected", .mmio_stale_data = "Not affected",
	  .reg_file_data_sampling = "Not affected", .retbleed = "Not affected",
	  .spec_rstack_overflow = "Not affected", .indirect_target_selection = "Not affected",
	  .tsa = "Not affected" },
	{ .who = "Zen 2", .duties = SHIM_DUTY_LFENCE | SHIM_DUTY_RSB | SHIM_DUTY_ENTRY_IBPB,
	  .meltdown = "Not affected", .spectre_v1 = USERCOPY,
	  .spectre_v2 = "Mitigation: Retpolines; IBPB: conditional; STIBP: always-on; RSB filling; PBRSB-eIBRS: Not affected; BHI: Not affected",
	  .retbleed = "Mitigation: untrained return thunk; SMT enabled with STIBP protection",
	  .spec_rstack_overflow = "Mitigation: SMT disabled" },
	{ .who = "Zen 2, retbleed=ibpb", .duties = SHIM_DUTY_LFENCE | SHIM_DUTY_ENTRY_IBPB,
	  .meltdown = "Not affected", .spectre_v1 = USERCOPY, .spectre_v2 = "Mitigation: Retpolines",
	  .retbleed = "Mitigation: IBPB", .spec_rstack_overflow = "Mitigation: IBPB" },
	{ .who = "Zen 3", .duties = SHIM_DUTY_LFENCE | SHIM_DUTY_RSB | SHIM_DUTY_ENTRY_IBPB | SHIM_DUTY_VERW,
	  .meltdown = "Not affected", .spectre_v1 = USERCOPY,
	  .spectre_v2 = "Mitigation: Retpolines, IBPB: conditional, IBRS_FW, STIBP: always-on, RSB filling",
	  .retbleed = "Not affected", .spec_rstack_overflow = "Mitigation: Safe RET",
	  .tsa = "Mitigation: Clear CPU buffers" },
	{ .who = "Zen 4 that trusts its programs", .duties = SHIM_DUTY_LFENCE, .meltdown = "Not affected",
	  .spectre_v1 = USERCOPY, .spectre_v2 = "Mitigation: Enhanced / Automatic IBRS",
	  .spec_rstack_overflow = "Mitigation: IBPB on VMEXIT only" },
	{ .who = "Skylake", .duties = SHIM_DUTIES & ~(uint32_t)SHIM_DUTY_ENTRY_IBPB,
	  .meltdown = "Mitigation: PTI", .spectre_v1 = USERCOPY,
	  .spectre_v2 = "Mitigation: IBRS, IBPB: always-on, STIBP: conditional, RSB filling",
	  .mds = "Mitigation: Clear CPU buffers; SMT vulnerable", .mmio_stale_data = "Not affected",
	  .retbleed = "Mitigation: IBRS" },
	{ .who = "Skylake, retbleed=stuff", .duties = SHIM_DUTY_LFENCE | SHIM_DUTY_RSB,
	  .meltdown = "Not affected", .spectre_v1 = USERCOPY, .spectre_v2 = "Mitigation: Retpolines",
	  .retbleed = "Mitigation: Stuffing" },
	{ .who = "Ice Lake", .duties = SHIM_DUTY_LFENCE | SHIM_DUTY_RSB | SHIM_DUTY_VERW,
	  .meltdown = "Not affected", .spectre_v1 = USERCOPY,
	  .spectre_v2 = "Mitigation: Enhanced / Automatic IBRS; IBPB: conditional; BHI: SW loop, KVM: SW loop",
	  .mmio_stale_data = "Mitigation: Clear CPU buffers; SMT vulnerable",
	  .indirect_target_selection = "Mitigation: Aligned branch/return thunks" },
	{ .who = "Gracemont", .duties = SHIM_DUTY_LFENCE | SHIM_DUTY_VERW, .meltdown = "Not affected",
	  .spectre_v1 = USERCOPY, .spectre_v2 = "Mitigation: Enhanced IBRS",
	  .reg_file_data_sampling = "Mitigation: Clear Register File" },
	{ .who = "mitigations=off", .duties = SHIM_DUTY_ROOTS, .meltdown = "Vulnerable",
	  .spectre_v1 = "Vulnerable: __user pointer sanitization and usercopy barriers only; no swapgs barriers",
	  .spectre_v2 = "Vulnerable, IBPB: disabled, STIBP: disabled", .mds = "Vulnerable; SMT vulnerable",
	  .mmio_stale_data = "Vulnerable", .retbleed = "Vulnerable",
	  .spec_rstack_overflow = "Vulnerable", .indirect_target_selection = "Vulnerable",
	  .tsa = "Vulnerable" },
};

static void a_processor_is_served_by_what_its_kernel_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(hosts); i++) {
		uint32_t duties;

#define PUT_FILE(name) put(#name, hosts[i].name);
		FILES(PUT_FILE)
#undef PUT_FILE
		duties = vmm_pv_duties(dir);
		if (duties != hosts[i].duties)
			fail_msg("%s: %#x, not %#x", hosts[i].who, duties, hosts[i].duties);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
#define REMOVE_FILE(name) put(#name, NULL);
	FILES(REMOVE_FILE)
#undef REMOVE_FILE
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_processor_is_served_by_what_its_kernel_says),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
