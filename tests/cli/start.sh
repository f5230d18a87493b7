#!/bin/bash
# SPDX-License-Identifier: MIT
# The first `xl create` of a host starts the store daemon, and only one, even if several come at
# once; the daemon outlives them. No other command starts one.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# Ids of the daemons that serve our socket. They are no children of ours.
daemons() { procs "XENSTORED_PATH=$dir/xs/socket" domicile-xenstored | cut -d' ' -f1; }
# A program that is not there is told before the test changes anything.
[ -x "$BINDIR/src/xenstore/domicile-xenstored" ] || { echo "not ok start: no daemon is built"; exit 1; }

xl list >/dev/null 2>"$dir/err"
same list_without_a_store_is_exit_1 1 $?
check list_without_a_store_says_so grep -q 'cannot reach xenstored' "$dir/err"
same list_starts_no_daemon "" "$(daemons)"

started=()
for i in 1 2 3 4; do
	config "s$i" >/dev/null
	xl create -q "$dir/s$i.cfg" &
	started+=($!)
done
for p in "${started[@]}"; do
	wait "$p" || not_ok "one of four first creations: exit $?"
done
store_pid=$(daemons)
same four_creations_start_one_daemon 1 "$(echo "$store_pid" | wc -w)"
same four_domains_run "s1 s2 s3 s4" "$(xl list | awk 'NR > 2 { print $1 }' | sort | xargs)"
check daemon_has_a_session_of_its_own \
	[ "$(cut -d' ' -f6 "/proc/$store_pid/stat")" = "$store_pid" ]
same daemon_holds_nothing_of_ours "" \
	"$(find "/proc/$store_pid/fd" -lname '/dev/pts/*' -o -lname "$dir/[!x]*" 2>/dev/null)"
for i in 1 2 3 4; do
	xl destroy "s$i"
done
check nothing_left nothing_left
check daemon_stays kill -0 "$store_pid"
[ $failures = 0 ]
