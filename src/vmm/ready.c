// SPDX-License-Identifier: MIT
/*
 * Tells whoever started us (xl, by --ready-fd; see domcfg.h) how it goes. A reader that is gone is
 * no error of ours: the guest runs without it.
 */
#include "vmm.h"

static bool tell(const struct vmm_config *cfg, const char *key, const char *value)
{
	return cfg->ready_fd >= 0 && vmm_print(cfg->ready_fd, "%s=%s\n", key, value);
}

void vmm_ready(const struct vmm_config *cfg)
{
	tell(cfg, "READY", "1");
}

void vmm_ready_error(const struct vmm_config *cfg, const struct dom_err *err)
{
	tell(cfg, "ERROR", err->msg);
}

const struct dom_shutdown *vmm_shutdown_of(enum vmm_outcome outcome)
{
	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_shutdowns); i++) {
		if (dom_shutdowns[i].exit_status == (int)outcome)
			return &dom_shutdowns[i];
	}
	return NULL;
}

void vmm_ready_shutdown(const struct vmm_config *cfg, enum vmm_outcome outcome)
{
	const struct dom_shutdown *s = vmm_shutdown_of(outcome);

	if (s)
		tell(cfg, "SHUTDOWN", s->name);
}

bool vmm_ready_disk(const struct vmm_config *cfg, unsigned id)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", id);
	return tell(cfg, "DISK", text);
}

void vmm_ready_link(const struct vmm_config *cfg, const char *ifname)
{
	tell(cfg, "LINK", ifname);
}
