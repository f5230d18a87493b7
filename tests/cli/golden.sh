#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs every command captured from a real Xen 4.20 (tests/golden/xl/cli and create-n) and compares
# standard output, standard error and exit status.
#
# Allowed to differ: figures of a running host and random UUIDs (replaced on both sides), the text of
# usage below its first line, and what ours says more: the fate of keys that have none here.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
golden=$SRCDIR/tests/golden/xl
start_store
mkdir -p "$dir/run"
# The captured host had a domain pvh1 when asked about it.
xl create -q "$(config pvh1)" || exit 1

section() {
	sed -n "/^===== $1\$/,/^===== stderr\$/p" "$2" | sed '1d;/^===== stderr$/d'
}
stderr_of() {
	sed '1,/^===== stderr$/d' "$1"
}

paths() {
	sed -e "s#/share/cfg/#$golden/config/#g" -e "s#/tmp/min1.cfg#$golden/config/min1.cfg#g"
}

# Random UUIDs are known by their version digit; the captured configurations' own have none.
common() {
	sed -E -e 's/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g'
}

figures() {
	case $1 in
	h-*) cat ;;
	*uptime* | *list-0* | *list--l* | *-list.txt | list*) sed -E 's/[0-9.:]+/N/g; s/[ \t]+/ /g' ;;
	*) cat ;;
	esac
}

first_of_usage() {
	awk '/^Usage: xl/ { print; usage = 1; next } !usage { print }'
}

ours_only() {
	grep -vE ": warning: \`.*' (has no effect|would be refused|acts as)"
}

run() {
	local file=$1 name command want got
	name=$(basename "$file" .txt)
	command=$(sed -n 's/^# command: //p' "$file" | paths)
	want=$(sed -n 's/^# exit: //p' "$file")
	eval "${command/#xl/xl}" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	section stdout "$file" | common | figures "$name" | first_of_usage | grep -v '^$' >"$dir/want.out"
	stderr_of "$file" | paths | common | grep -v '^$' >"$dir/want.err"
	common <"$dir/out" | figures "$name" | first_of_usage | grep -v '^$' >"$dir/got.out"
	common <"$dir/err" | ours_only | grep -v '^$' >"$dir/got.err"
	if [ "$want" = "$got" ] && diff "$dir/want.out" "$dir/got.out" >"$dir/diff" &&
		diff "$dir/want.err" "$dir/got.err" >>"$dir/diff"; then
		ok "$name"
	else
		not_ok "$name: exit $got, want $want; $command"
		cat "$dir/diff"
		diff "$dir/want.err" "$dir/got.err"
	fi
}

for f in "$golden"/cli/*.txt "$golden"/create-n/*.txt; do
	run "$f"
done
[ $failures = 0 ]
