#!/bin/bash
# SPDX-License-Identifier: MIT
# 200 domains with a VMM that has no guest: all are listed, and nothing is left. What the first and the
# last creations and a list take is printed; ./check bench-xl judges times, with the real VMM.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
count=${1:-200}
start_store
xl create -q "$(config warm)" && xl destroy warm

now() { date +%s%N; }
# median of ten creations in microseconds
median_create() {
	local i t
	for i in $(seq 10); do
		config "$1$i" >/dev/null
		t=$(now)
		xl create -q "$dir/$1$i.cfg" || return
		echo $((($(now) - t) / 1000))
	done | sort -n | sed -n 5p
}
first=$(median_create first)
for i in $(seq 21 "$count"); do
	xl create -q "$(config "g$i")" || not_ok "create g$i"
done
last=$(median_create last)
same all_are_listed "$count" $(($(xl list | wc -l) - 2))
best=999999999
for _ in 1 2 3 4 5; do
	t=$(now)
	xl list >/dev/null
	t=$((($(now) - t) / 1000))
	[ $t -lt $best ] && best=$t
done
echo "# create: $first us with 10 domains, $last us with $count; list of $count: $best us"
xl list | awk 'NR > 2 { print $1 }' | xargs -n 1 -P 8 "$BINDIR/src/cli/xl" destroy
check nothing_left nothing_left
[ $failures = 0 ]
