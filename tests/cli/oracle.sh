#!/bin/bash
# SPDX-License-Identifier: MIT
# `xl create -n` of Xen's own xl and of ours, one key after the other: standard output, messages and exit
# status must agree. Needs the xl of a xen-utils package: $XEN_XL, /usr/lib/xen-*/bin/xl, or what
# `tests/lab/prepare xen` unpacked.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
theirs=${XEN_XL:-$(find /usr/lib "${DOMICILE_LAB:-/var/cache/domicile-lab}/xen" \
	-path '*/xen-*/bin/xl' 2>/dev/null | sort | tail -1)}
shim=$BINDIR/tests/cli/libxl-shim.so
if [ ! -x "$theirs" ] || [ ! -e "$shim" ]; then
	echo "skip oracle: there is no xl of Xen here"
	store_pid=
	exit 77
fi
start_store

# What may differ: what ours says about keys without effect, and lines of one version of Xen's only.
messages() {
	grep -vE "(: warning: \`.*' (has no effect|would be refused|acts as))|xl\.conf|^got a tsc mode|^Parsing|^WARNING: msr_relaxed|^If it fixes" |
		sed 's/^xl: warning: //'
}

compare() {
	local type=$1 line=$2 want got
	printf 'name="g"\ntype="%s"\nuuid="11111111-2222-3333-4444-555555555555"\nkernel="/k"\nmemory=64\n%s\n' \
		"$type" "$line" >"$dir/q.cfg"
	LD_PRELOAD=$shim "$theirs" create -n "$dir/q.cfg" >"$dir/want" 2>"$dir/want.err"
	want=$?
	"$BINDIR/src/cli/xl" create -n "$dir/q.cfg" >"$dir/got" 2>"$dir/got.err"
	got=$?
	messages <"$dir/want.err" >"$dir/want.msg"
	messages <"$dir/got.err" >"$dir/got.msg"
	# An error is told by both; its words are ours where Xen's says less.
	[ $want = 0 ] || : >"$dir/want.msg"
	[ $got = 0 ] || : >"$dir/got.msg"
	if [ $want = $got ] && diff "$dir/want" "$dir/got" >"$dir/diff" &&
		diff "$dir/want.msg" "$dir/got.msg" >>"$dir/diff"; then
		passed=$((passed + 1))
	else
		not_ok "$type: $line: exit $got, want $want"
		cat "$dir/diff"
		diff "$dir/want.msg" "$dir/got.msg"
	fi
}

passed=0
while IFS= read -r line; do
	case $line in '' | '#'*) continue ;; esac
	types="pvh pv"
	case $line in pvh:*) types=pvh line=${line#pvh:} ;; esac
	line=$(printf '%b' "$line")
	for type in $types; do
		compare "$type" "$line"
	done
done <"$(dirname "$0")/oracle/lines"
ok "$passed configurations come to the same"
[ $failures = 0 ]
