// SPDX-License-Identifier: MIT
/*
 * Processes that xl starts, and finds again.
 */
#ifndef XL_PROCESS_H
#define XL_PROCESS_H

#include "domicile/paths.h"

/** xl_vmm_path - where the VMM's executable is */
void xl_vmm_path(char buf[DOM_PATH_MAX]);

/** xl_default_signals - undo what a monitor changed, before another program is executed */
void xl_default_signals(void);

/**
 * xl_process_open - a process that may have ended long ago, and its number be another's
 * @pid_path: file with its number
 * @needle:   what its command line says and no other's does
 *
 * Returns a descriptor of the process; -1 when it is gone.
 */
int xl_process_open(const char *pid_path, const char *needle);

#endif
