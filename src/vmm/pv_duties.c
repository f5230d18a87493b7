// SPDX-License-Identifier: MIT
/*
 * What the PV shim has to do for this host's processor. Linux says in a directory of small files which
 * of the known ways to look where one must not the processor has, and what is done about it:
 *
 *   Not affected
 *   Vulnerable; why nothing is done
 *   Mitigation: what is done; and more
 *
 * The guest's kernel leaves some of that to its hypervisor, and cannot do it itself: it knows neither
 * that its user programs share a page table with it nor that there is code between it and them. The
 * shim does what the host's kernel does for its own programs: where an administrator has turned
 * mitigations off, neither does the shim, except that a process has two page tables wherever the
 * processor is not known to be safe without.
 */
#include <stdio.h>
#include <string.h>

#include "domicile/base/fd.h"
#include "domicile/shim.h"
#include "vmm.h"

enum rule {
	UNLESS_SAFE,	/* unless the file says "Not affected" */
	IF_MITIGATED,	/* if the file says "Mitigation"; or if there is no file */
	IF_SAID,	/* if the file says the word */
};

/*
 * retbleed and spec_rstack_overflow: what the kernel does about its own returns ("untrained return
 * thunk", "Safe RET") needs a place for them that fits the processor's hashes. The shim has the other cure,
 * which is what Xen does for its PV guests there, XSA-407 and XSA-434. "IBPB on VMEXIT only" is not
 * about programs. Intel's retbleed, and indirect_target_selection, are returns with an empty return
 * stack buffer.
 */
static const struct {
	const char *file;
	enum rule rule;
	const char *word;
	uint32_t duty;		/* enum shim_duty */
} rows[] = {
	{ "meltdown",                  UNLESS_SAFE,  NULL,                      SHIM_DUTY_ROOTS },
	{ "spectre_v1",                IF_MITIGATED, NULL,                      SHIM_DUTY_LFENCE },
	{ "spectre_v2",                IF_SAID,      "RSB filling",             SHIM_DUTY_RSB },
	{ "spectre_v2",                IF_SAID,      "IBPB: always-on",         SHIM_DUTY_IBPB },
	{ "retbleed",                  IF_SAID,      "untrained return thunk",  SHIM_DUTY_ENTRY_IBPB },
	{ "retbleed",                  IF_SAID,      "Mitigation: IBPB",        SHIM_DUTY_ENTRY_IBPB },
	{ "retbleed",                  IF_SAID,      "IBRS",                    SHIM_DUTY_RSB },
	{ "retbleed",                  IF_SAID,      "Stuffing",                SHIM_DUTY_RSB },
	{ "spec_rstack_overflow",      IF_SAID,      "Safe RET",                SHIM_DUTY_ENTRY_IBPB },
	{ "spec_rstack_overflow",      IF_SAID,      "Mitigation: IBPB\n",      SHIM_DUTY_ENTRY_IBPB },
	{ "indirect_target_selection", IF_SAID,      "Mitigation",              SHIM_DUTY_RSB },
	{ "mds",                       IF_SAID,      "Clear CPU buffers",       SHIM_DUTY_VERW },
	{ "tsx_async_abort",           IF_SAID,      "Clear CPU buffers",       SHIM_DUTY_VERW },
	{ "mmio_stale_data",           IF_SAID,      "Clear CPU buffers",       SHIM_DUTY_VERW },
	{ "reg_file_data_sampling",    IF_SAID,      "Clear Register File",     SHIM_DUTY_VERW },
	{ "tsa",                       IF_SAID,      "Clear CPU buffers",       SHIM_DUTY_VERW },
};

/* What @file in @dir says: false if it is not there. */
static bool read_file(const char *dir, const char *file, char text[256])
{
	char path[256];
	int fd DOM_CLEANUP_FD = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = dom_open(path, O_RDONLY, 0);
	n = fd < 0 ? -1 : dom_read_all(fd, text, 255);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool applies(enum rule rule, const char *word, bool there, const char *text)
{
	switch (rule) {
	case UNLESS_SAFE:  return !there || strncmp(text, "Not affected", strlen("Not affected"));
	case IF_MITIGATED: return !there || !strncmp(text, "Mitigation", strlen("Mitigation"));
	case IF_SAID:      return there && strstr(text, word);
	}
	return true;
}

uint32_t vmm_pv_duties(const char *dir)
{
	uint32_t duties = 0;

	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		char text[256];
		bool there = read_file(dir, rows[i].file, text);

		if (applies(rows[i].rule, rows[i].word, there, text))
			duties |= rows[i].duty;
	}
	return duties;
}
