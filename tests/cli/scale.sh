#!/bin/bash
# SPDX-License-Identifier: MIT
# 200 domains: the last creation costs what the first did, listing them is quick, and nothing is left.
# Times are medians of ten and generous: this runs on busy machines. The measured ones are printed.
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
check last_creation_costs_at_most_half_more [ $((last * 2)) -le $((first * 3 + 4000)) ]
check list_takes_less_than_50_ms [ $best -lt 50000 ]
xl list | awk 'NR > 2 { print $1 }' | xargs -n 1 -P 8 "$BINDIR/src/cli/xl" destroy
check nothing_left nothing_left
[ $failures = 0 ]
