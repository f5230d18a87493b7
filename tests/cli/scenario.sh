#!/bin/bash
# SPDX-License-Identifier: MIT
# Replays tests/golden/xl/scenario: commands captured on a real Xen 4.20 while it had guests. What they
# print here, with a VMM that plays the guests, is compared byte for byte after the masks of the scenario.
# Every capture in guests/ must have its turn.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
golden=$SRCDIR/tests/golden/xl
start_store

# The captured configurations, with kernels and images that exist here and without vifs.
mkdir -p "$dir/cfg" "$dir/tmp"
for cfg in "$golden"/config/*.cfg; do
	sed -e "s#/root/\(pv1\|pvh1\).img#$dir/\1.img#; s#/share/vmlinuz-6.1#$dir/kernel#; s#/share/ir-6.1.gz#$dir/ramdisk#" \
		-e '/^vif/d' "$cfg" >"$dir/cfg/${cfg##*/}"
done
truncate -s 1M "$dir/pvh1.img" "$dir/pv1.img" "$dir/extra.img"
# Whose kernel crashes is told by a word to the VMM.
sed -i 's/^extra = "/extra = "fake=crash /' "$dir/cfg/crashy.cfg"
sed 's/pvh"/hvm"/; s/min1/h1/' "$dir/cfg/min1.cfg" >"$dir/tmp/h1.cfg"
sed 's/min1/stdin1/; s/5503/5555/' "$dir/cfg/min1.cfg" >"$dir/tmp/s.cfg"

# Steps of the scenario.
min1() { { cat "$dir/cfg/min1.cfg"; printf '%s\n' "$@"; } >"$dir/tmp/min1.cfg"; }
# An id may be given out again, which it is not for 32751 domains otherwise, when the monitor of the
# domain that had it is gone.
settled() { [ "$(ours | wc -l)" = "$(xl list | awk 'NR > 2 { n += 2 } END { print n + 0 }')" ]; }
next() { until_step settled && xenstore-write /tool/domicile/last-domid $(($1 - 1)); }
until_step() {
	for _ in $(seq 600); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}
other_id() { local id; id=$(xl domid "$1" 2>/dev/null) && [ "$id" != "$2" ]; }
gone() { ! xl domid "$1" >/dev/null 2>&1; }
state() { [ "$(xl list "$1" 2>/dev/null | awk 'NR == 2 { print $5 }')" = "$2" ]; }
until_other_id() { until_step other_id "$@"; }
until_gone() { until_step gone "$@"; }
until_state() { until_step state "$@"; }

here() {
	sed -e "s#/tmp/#$dir/tmp/#g; s#/share/cfg/#$dir/cfg/#g; s#/root/#$dir/#g"
}

# What differs for a reason; on both sides.
mask() {
	local word script='s/\[pid [0-9]+\]/[pid N]/'
	for word; do
		case $word in
		time) script+='
			s/^(Domain-0  +0) .*( all|Pool[-a-z0-9]*| -|[0-9a-f-]{36}  +-  +-)$/\1 ...\2/
			s/^(Domain-0  +0) [ 0-9].*[.:][0-9]+$/\1 .../
			s/^(Domain-0 +0 .*)(all \/ all)$/\1.../
			s/[ 0-9]{6}\.[0-9]/     N.N/
			s/ [ 0-9]?[0-9]:[0-9]{2}:[0-9]{2}( |$)/ H:MM:SS\1/g
			s/^ .* up .*, /... /' ;;
		cpu) script+='
			s/^(.{38} [ 0-9]{5}) [ 0-9]{4}   [-rb]{3} /\1  CPU   STA /
			s/^(Domain-0  .{26} [ 0-9]{5}).*/\1 .../' ;;
		ring) script+='
			s/^([0-9]+ +0 +[0-9]+ +)[0-9]+ +-?[0-9]+ +-?[0-9]+ +/\1S E R /' ;;
		pool) script+='
			s/Pool-node0/Pool-0/' ;;
		esac
	done
	sed -E "$script" | grep -v '^$' | awk '/^Usage: xl/ { print; usage = 1; next } !usage { print }'
}

ours_only() {
	grep -vE ": warning: \`.*' (has no effect|would be refused|acts as)"
}

# The monitor's log, which is no command's output.
monitor_log() {
	mask <"$golden/guests/$1.txt" >"$dir/want.out"
	mask <"$dir/log/${1#log-}.log" >"$dir/got.out"
	if diff "$dir/want.out" "$dir/got.out" >"$dir/diff"; then ok "$1"; else not_ok "$1"; cat "$dir/diff"; fi
}

replay() {
	local name=$1 file=$golden/guests/$1.txt command want got
	shift
	[ -e "$file" ] || { not_ok "$name: there is no such capture"; return; }
	command=$(sed -n 's/^# command: //p' "$file" | here)
	want=$(sed -n 's/^# exit: //p' "$file")
	eval "$command" >"$dir/out" 2>"$dir/err"
	got=$?
	: >"$dir/diff"
	sed '1,/^===== stdout$/d; /^===== stderr$/,$d' "$file" | mask "$@" >"$dir/want.out"
	sed '1,/^===== stderr$/d' "$file" | here | mask "$@" >"$dir/want.err"
	mask "$@" <"$dir/out" >"$dir/got.out"
	ours_only <"$dir/err" | mask "$@" >"$dir/got.err"
	case " $* " in *' errors '*)
		for side in want got; do
			grep -vc '^Parsing config' "$dir/$side.err" >"$dir/$side.some" &&
				echo "there are messages" >"$dir/$side.err"
		done
		;;
	esac
	if [ "$want" = "$got" ] && diff "$dir/want.out" "$dir/got.out" >"$dir/diff" &&
		diff "$dir/want.err" "$dir/got.err" >>"$dir/diff"; then
		ok "$name"
	else
		not_ok "$name: exit $got, want $want; $command"
		cat "$dir/diff"
		diff "$dir/want.err" "$dir/got.err"
	fi
}

touch "$dir/done"
while read -r step rest <&3; do
	case $step in
	'' | '#'*) ;;
	do)
		eval "$(here <<<"$rest")" >/dev/null 2>"$dir/err" </dev/null ||
			{ not_ok "step: $rest"; cat "$dir/err"; }
		;;
	*)
		echo "$step" >>"$dir/done"
		read -ra masks <<<"$rest"
		case $step in
		log-*) monitor_log "$step" ;;
		*) replay "$step" "${masks[@]}" ;;
		esac
		;;
	esac
done 3<"$golden/scenario"
for file in "$golden"/guests/*.txt; do
	name=$(basename "$file" .txt)
	grep -qx -- "$name" "$dir/done" || not_ok "$name is not in the scenario"
done
[ $failures = 0 ]
