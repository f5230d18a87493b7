// SPDX-License-Identifier: MIT
#include "domicile/base/fd.h"
#include "vmm.h"

int vmm_sandbox_process(struct vmm *vm, struct dom_err *err)
{
	(void)vm;
	(void)err;
	return 0;
}

void vmm_sandbox_fini(struct vmm *vm)
{
	dom_close_fd(&vm->landlock_fd);
}

int vmm_sandbox_thread(struct vmm *vm, enum vmm_thread kind, struct dom_err *err)
{
	(void)vm;
	(void)kind;
	(void)err;
	return 0;
}
