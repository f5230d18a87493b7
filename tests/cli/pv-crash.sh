#!/bin/bash
# SPDX-License-Identifier: MIT
# A PV guest that kills itself, with the real VMM under xl: on_crash is done, whatever it says, and the log
# tells how the guest ended.
# shellcheck source=tests/cli/lib.sh disable=SC2317	# called by name
. "$(dirname "$0")/lib.sh"
export DOMICILE_VMM=$BINDIR/src/vmm/domicile
store_pid=
guest=$BINDIR/tests/guest/pv_hostile-pv64
if why=$("$BINDIR/tests/lab/kvm-probe" tiny); then :; else
	echo "skip pv-crash: $why"
	exit 77
fi
start_store

# hostile NAME ACTION: make it.
hostile() {
	xl create -q "$(config "$1" 'type = "pv"' 'memory = 32' "kernel = \"$guest\"" 'cmdline = "stack"' \
		"on_crash = \"$2\"")"
}
# until_true COMMAND...: wait up to a minute for it.
until_true() {
	for _ in $(seq 600); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}
crashed() { [ "$(xl list "$1" | awk 'NR == 2 { print $5 }')" = ---sc- ]; }
gone() { ! xl domid "$1" >/dev/null 2>&1; }
other() { new=$(xl domid again 2>/dev/null) && [ "$new" != "$first" ]; }

check preserved_is_made hostile kept preserve
check it_is_kept_as_crashed until_true crashed kept
check the_log_tells_how grep -q 'the PV guest crashed at rip 0x[0-9a-f]*: no room for an exception frame' \
	"$dir/run/$(xl domid kept)/vmm.log"
check it_can_be_destroyed xl destroy kept

check destroyed_is_made hostile short destroy
check it_is_destroyed until_true gone short

# It crashes again and again.
check restarted_is_made hostile again restart
first=$(xl domid again 2>/dev/null || echo none)
check it_comes_back_as_another_domain until_true other
# Between two lives it has no number.
until_true xl destroy again 2>/dev/null
check it_stays_away until_true gone again
exit $((failures > 0))
