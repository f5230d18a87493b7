#!/bin/bash
# SPDX-License-Identifier: MIT
# A PV guest that kills itself, with the real VMM under xl: on_crash is done, whatever it says, and the log
# tells how the guest ended.
# shellcheck source=tests/cli/lib.sh disable=SC2317	# called by name
. "$(dirname "$0")/lib.sh"
real_vmm

# hostile NAME ACTION: make it.
hostile() {
	xl create -q "$(config "$1" 'type = "pv"' 'memory = 32' "kernel = \"$guests/pv_hostile-pv64\"" 'cmdline = "stack"' \
		"on_crash = \"$2\"")"
}
crashed() { [ "$(xl list "$1" | awk 'NR == 2 { print $5 }')" = ---sc- ]; }
gone() { ! xl domid "$1" >/dev/null 2>&1; }
other() { new=$(xl domid again 2>/dev/null) && [ "$new" != "$first" ]; }

check preserved_is_made hostile kept preserve
check it_is_kept_as_crashed until_true 600 crashed kept
check the_log_tells_how grep -q 'the PV guest crashed at rip 0x[0-9a-f]*: no room for an exception frame' \
	"$dir/run/$(xl domid kept)/vmm.log"
check the_log_has_its_registers grep -q 'the guest was in its kernel: rip 0x[0-9a-f]* rsp 0x600000000000 ' \
	"$dir/run/$(xl domid kept)/vmm.log"
check it_can_be_destroyed xl destroy kept

check destroyed_is_made hostile short destroy
check it_is_destroyed until_true 600 gone short

# It crashes again and again.
check restarted_is_made hostile again restart
first=$(xl domid again 2>/dev/null || echo none)
check it_comes_back_as_another_domain until_true 600 other
# Between two lives it has no number.
until_true 600 xl destroy again 2>/dev/null
check it_stays_away until_true 600 gone again
exit $((failures > 0))
