// SPDX-License-Identifier: MIT
/*
 * Tells whoever started us (xl, by --ready-fd; see domcfg.h) how it goes.
 */
#include <stdio.h>

#include "vmm.h"

void vmm_ready(struct vmm *vm)
{
	if (vm->cfg.ready_fd >= 0)
		dprintf(vm->cfg.ready_fd, "READY=1\n");
}
