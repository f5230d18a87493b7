// SPDX-License-Identifier: MIT
/* The same for a PV guest: what its shim, or who has taken the shim's place, may ask the VMM for. */
#define FUZZ_PV
#include "fuzz_hypercall.c"
