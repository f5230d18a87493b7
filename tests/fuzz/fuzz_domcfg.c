// SPDX-License-Identifier: MIT
/*
 * The description of a domain. What is accepted must be within the limits that the rest of the VMM
 * relies on; what is refused must be explained in one line.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/vmm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct vmm_config *cfg)
{
	if (!cfg->domid || cfg->domid > DOM_CFG_DOMID_MAX || !*cfg->name || !*cfg->kernel ||
	    cfg->rundir[0] != '/' || !cfg->console || cfg->memory_mib < VMM_MIN_MEMORY_MIB ||
	    cfg->maxmem_kib < cfg->memory_mib * 1024 || !cfg->vcpus || cfg->vcpus > VMM_MAX_VCPUS ||
	    cfg->vcpus_online > cfg->vcpus || cfg->nr_affinity > cfg->vcpus ||
	    cfg->nr_modules > VMM_MAX_MODULES || cfg->max_grant_frames > XA_MAX_GRANT_FRAMES ||
	    cfg->log_level > DOM_LOG_DEBUG)
		abort();
	for (unsigned i = 0; i < cfg->nr_affinity; i++) {
		cpu_set_t set;

		if (*cfg->affinity[i] && vmm_cpulist_parse(cfg->affinity[i], &set))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_config cfg = { .ready_fd = -1 };
	struct dom_err err = { 0 };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!vmm_config_json(text, size, "domain.json", &cfg, &err))
		check(&cfg);
	else if (!err.code || strncmp(err.msg, "domain.json: ", 13))
		abort();
	vmm_config_fini(&cfg);
	free(text);
	return 0;
}
