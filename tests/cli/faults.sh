#!/bin/bash
# SPDX-License-Identifier: MIT
# `xl create` with its first, second, ... system call failing, and then with its domain destroyed at
# that moment: until it is unharmed, either the domain runs or nothing of it is left, and a failure is
# told. What fails is one call; the store and the file system work again for the clean-up.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fault=$BINDIR/tests/cli/libfault.so
[ -e "$fault" ] || { echo "skip faults: built with a sanitizer, which does not load after libfault"; exit 77; }
start_store
truncate -s 1M "$dir/disk"
cfg=$(config f "disk = [ \"$dir/disk,raw,xvda,w\" ]" 'vcpus = 2' 'cpu_weight = 512')

# at_every_call NAME [COMMAND]: `xl create` is disturbed at its first, second, ... call.
at_every_call() {
	local name=$1 at status what unharmed=0 runs=0
	export FAULT_RUN=${2:-}
	[ -n "$FAULT_RUN" ] || unset FAULT_RUN
	for at in $(seq 1 1500); do
		LD_PRELOAD=$fault FAULT_AT=$at timeout 60 "$BINDIR/src/cli/xl" create -q "$cfg" \
			>"$dir/out" 2>"$dir/err"
		status=$?
		what=$(sed -n 's/^fault: //p' "$dir/err")
		runs=$((runs + 1))
		if [ $status = 124 ]; then
			not_ok "$name at $at ($what): hangs"
		elif [ $status != 0 ] && ! grep -qv '^fault: ' "$dir/err"; then
			not_ok "$name at $at ($what): exit $status without a message"
		elif [ $status = 0 ] && ! xl destroy f 2>/dev/null && ! until_true 300 [ -e "$dir/destroyed" ]; then
			not_ok "$name at $at ($what): exit 0, but no domain"
		fi
		rm -f "$dir/destroyed"
		nothing_left >"$dir/left" || not_ok "$name at $at ($what), exit $status: $(cat "$dir/left")"
		[ $failures -gt 3 ] && break
		# Several runs without a disturbance in a row: all calls have had their turn.
		if [ -z "$what" ]; then unharmed=$((unharmed + 1)); else unharmed=0; fi
		[ $unharmed = 5 ] && break
	done
	[ $failures = 0 ] && ok "$runs: $name leaves nothing behind"
	check "every_call_had_its_turn: $name" [ $unharmed = 5 ]
}
at_every_call fault
# At its last calls, which are its monitor's, the domain runs and may be destroyed: its maker says so or
# has said that it runs. Who destroys it then may still be about to tell.
at_every_call destruction "'$BINDIR/src/cli/xl' destroy f 2>'$dir/why' && touch '$dir/destroyed'"
[ $failures = 0 ]
