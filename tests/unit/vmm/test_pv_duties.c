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

static void a_processor_is_served_by_what_its_kernel_says(void **state)
{
	static const struct {
		const char *who, *meltdown, *v1, *v2, *mds, *mmio, *rfds;
		uint32_t duties;
	} rows[] = {
		{ "nobody knows", NULL, NULL, NULL, NULL, NULL, NULL, SHIM_DUTY_ROOTS | SHIM_DUTY_LFENCE },
		{ "safe", "Not affected", "Not affected", "Not affected", "Not affected", "Not affected",
		  "Not affected", 0 },
		{ "Zen 3", "Not affected", "Mitigation: usercopy/swapgs barriers and __user pointer sanitization",
		  "Mitigation: Retpolines, IBPB: conditional, IBRS_FW, STIBP: always-on, RSB filling",
		  "Not affected", "Not affected", NULL, SHIM_DUTY_LFENCE | SHIM_DUTY_RSB },
		{ "Skylake", "Mitigation: PTI", "Mitigation: usercopy/swapgs barriers and __user pointer sanitization",
		  "Mitigation: IBRS, IBPB: always-on, STIBP: conditional, RSB filling",
		  "Mitigation: Clear CPU buffers; SMT vulnerable", "Not affected", "Not affected", SHIM_DUTIES },
		{ "Ice Lake", "Not affected", "Mitigation: usercopy/swapgs barriers and __user pointer sanitization",
		  "Mitigation: Enhanced / Automatic IBRS; IBPB: conditional; RSB filling", "Not affected",
		  "Mitigation: Clear CPU buffers; SMT vulnerable", NULL,
		  SHIM_DUTY_LFENCE | SHIM_DUTY_RSB | SHIM_DUTY_VERW },
		{ "Gracemont", "Not affected", "Mitigation: usercopy/swapgs barriers and __user pointer sanitization",
		  "Mitigation: Enhanced IBRS", "Not affected", "Not affected",
		  "Mitigation: Clear Register File", SHIM_DUTY_LFENCE | SHIM_DUTY_VERW },
		{ "mitigations=off", "Vulnerable", "Vulnerable: __user pointer sanitization and usercopy barriers only; no swapgs barriers",
		  "Vulnerable, IBPB: disabled, STIBP: disabled", "Vulnerable; SMT vulnerable", "Vulnerable",
		  NULL, SHIM_DUTY_ROOTS },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		uint32_t duties;

		put("meltdown", rows[i].meltdown);
		put("spectre_v1", rows[i].v1);
		put("spectre_v2", rows[i].v2);
		put("mds", rows[i].mds);
		put("mmio_stale_data", rows[i].mmio);
		put("reg_file_data_sampling", rows[i].rfds);
		duties = vmm_pv_duties(dir);
		if (duties != rows[i].duties)
			fail_msg("%s: %#x, not %#x", rows[i].who, duties, rows[i].duties);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const files[] = { "meltdown", "spectre_v1", "spectre_v2", "mds",
					     "mmio_stale_data", "reg_file_data_sampling" };

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(files); i++)
		put(files[i], NULL);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_processor_is_served_by_what_its_kernel_says),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
