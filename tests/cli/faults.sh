#!/bin/bash
# SPDX-License-Identifier: MIT
# `xl create` with its first, second, ... system call failing: until it is unharmed, either the domain
# runs or nothing of it is left, and a failure is told. What fails is one call; the store and the file
# system work again for the clean-up.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fault=$BINDIR/tests/cli/libfault.so
[ -e "$fault" ] || { echo "skip faults: built with a sanitizer, which does not load after libfault"; exit 77; }
start_store
truncate -s 1M "$dir/disk"
cfg=$(config f "disk = [ \"$dir/disk,raw,xvda,w\" ]" 'vcpus = 2' 'cpu_weight = 512')

unharmed=0
runs=0
for at in $(seq 1 1500); do
	LD_PRELOAD=$fault FAULT_AT=$at timeout 20 "$BINDIR/src/cli/xl" create -q "$cfg" >"$dir/out" 2>"$dir/err"
	status=$?
	what=$(sed -n 's/^fault: //p' "$dir/err")
	runs=$((runs + 1))
	if [ $status = 0 ]; then
		xl destroy f 2>/dev/null || not_ok "fault $at ($what): exit 0, but no domain"
	elif [ $status = 124 ]; then
		not_ok "fault $at ($what): hangs"
	elif ! grep -qv '^fault: ' "$dir/err"; then
		not_ok "fault $at ($what): exit $status without a message"
	fi
	nothing_left >"$dir/left" || not_ok "fault $at ($what), exit $status: $(cat "$dir/left")"
	[ $failures -gt 3 ] && break
	# Several runs without a fault in a row: all calls have had their turn.
	if [ -z "$what" ]; then unharmed=$((unharmed + 1)); else unharmed=0; fi
	[ $unharmed = 5 ] && break
done
[ $failures = 0 ] && ok "$runs faults leave nothing behind"
check every_call_had_its_turn [ $unharmed = 5 ]
[ $failures = 0 ]
