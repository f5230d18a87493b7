// SPDX-License-Identifier: MIT
/*
 * Records: as the state file of an earlier process, and as what another binary handed over.
 */
#include "fuzz_xs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	s.recovering = true;
	xsd_state_replay(&s, data, size);
	s.recovering = false;
	finish();
	start();
	xsd_live_parse(&s, data, size, true);
	rounds();
	finish();
	return 0;
}
