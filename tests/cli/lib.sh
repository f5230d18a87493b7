# SPDX-License-Identifier: MIT
# What the tests of xl share: a store, a fake VMM and xl in a directory of their own. Sourced.
# Needs $BINDIR; sets $dir; `xl` is a function.
set -u
# shellcheck source=tests/procs.sh
. "$(dirname "${BASH_SOURCE[0]}")/../procs.sh"
dir=$(mktemp -d "${TMPDIR:-/tmp}/xltest.XXXXXX") || exit 1
export XENSTORED_PATH=$dir/xs/socket DOMICILE_RUNDIR=$dir/run DOMICILE_LOGDIR=$dir/log
export DOMICILE_ETCDIR=$dir/etc DOMICILE_DUMPDIR=$dir/dump DOMICILE_VMM=$BINDIR/tests/cli/fake-vmm DOMICILE_CGROUP=$dir/cgroup
PATH=$BINDIR/src/xenstore:$PATH	# our xenstore-ls and its siblings
mkdir -p "$dir/xs" "$dir/cgroup" "$dir/etc"
echo kernel >"$dir/kernel"
echo ramdisk >"$dir/ramdisk"

start_store() {
	XENSTORED_RUNDIR=$dir/xs "$BINDIR/src/xenstore/domicile-xenstored" -N -M --no-sandbox 2>"$dir/xs.log" &
	store_pid=$!
	for _ in $(seq 600); do
		[ -S "$dir/xs/socket" ] && return
		sleep 0.05
	done
	echo "no xenstored: $(cat "$dir/xs.log")"
	exit 1
}

# real_vmm: with the real VMM and small guests, where /dev/kvm can run those; else the test is skipped. Sets
# $guests.
real_vmm() {
	local why
	export DOMICILE_VMM=$BINDIR/src/vmm/domicile
	# shellcheck disable=SC2034	# for the scripts
	guests=$BINDIR/tests/guest
	why=$("$BINDIR/tests/lab/kvm-probe" tiny) || { echo "skip $(basename "$0" .sh): $why"; exit 77; }
	start_store
}

# Whatever happened, nothing of ours stays: VMMs and monitors are found by the directory in their
# command line or environment.
finish() {
	local status=$? p
	for p in $(ours); do
		kill -9 "$p" 2>/dev/null
	done
	# shellcheck disable=SC2086	# a list
	kill ${store_pid:-} 2>/dev/null
	wait 2>/dev/null
	# A real cgroup can be removed once its processes are gone, which are no children of ours.
	case $DOMICILE_CGROUP in
	"$dir"/*) ;;
	*) for _ in $(seq 50); do
		find "$DOMICILE_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null && break
		sleep 0.1
	done ;;
	esac
	rm -rf "$dir"
	exit $status
}

# Ids of the processes that belong to this test: VMMs and monitors, not the store.
ours() { procs "DOMICILE_RUNDIR=$dir/run" 'fake-vmm|/(domicile|xl) ' | cut -d' ' -f1; }

xl() {
	"$BINDIR/src/cli/xl" "$@"
}

# config NAME [LINE...]: a configuration, its path on standard output.
config() {
	local name=$1 line
	shift
	{
		echo "name = \"$name\""
		echo 'type = "pvh"'
		echo 'memory = 16'
		echo "kernel = \"$dir/kernel\""
		for line; do
			echo "$line"
		done
	} >"$dir/$name.cfg"
	echo "$dir/$name.cfg"
}

# until_true N COMMAND...: wait up to N tenths of a second for the command to succeed. Be generous: who
# waits for what happens does not wait longer.
until_true() {
	local n=$1
	shift
	for _ in $(seq "$n"); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}
# session WANT INPUT COMMAND...: what a command that attaches to a console shows until WANT is there, after
# INPUT was typed; in one line.
session() {
	local want=$1 input=$2 pid
	shift 2
	mkfifo "$dir/typed"
	: >"$dir/shown"
	"$@" <"$dir/typed" >"$dir/shown" 2>/dev/null &
	pid=$!
	exec 7>"$dir/typed"
	printf '%s' "$input" >&7
	until_true 600 grep -qF -- "$want" "$dir/shown"
	printf '\035' >&7
	exec 7>&-
	wait $pid
	rm "$dir/typed"
	tr -d '\r' <"$dir/shown" | tr '\n' ' ' | sed 's/ *$//'
}

# can_masquerade: is there a program for it, and a kernel that does it?
can_masquerade() {
	if command -v nft >/dev/null; then
		nft 'table ip domprobe { chain c { type nat hook postrouting priority srcnat; masquerade; }; }' &&
			nft delete table ip domprobe
	else
		iptables -t nat -L -n
	fi >/dev/null 2>&1
}

failures=0
not_ok() {
	echo "not ok $*"
	failures=$((failures + 1))
}
ok() {
	echo "ok $*"
}
# check NAME COMMAND...: the command must succeed.
check() {
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name"; fi
}
# same NAME WANT GOT
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: want '$2', got '$3'"; fi
}

# What must be left when no domain is: the store as real Xen leaves it, no file, no process.
nothing_left() {
	local left
	for _ in $(seq 300); do
		left=$(ours)
		[ -z "$left" ] && break
		sleep 0.1
	done
	[ -z "$left" ] || { echo "processes: $left"; return 1; }
	left=$(xenstore_tree)
	[ -z "$left" ] || { echo "store: $(echo "$left" | head -5)"; return 1; }
	left=$(find "$dir/run" -mindepth 1 -maxdepth 1 ! -name log 2>/dev/null)
	[ -z "$left" ] || { echo "files: $left"; return 1; }
	left=$(find "$DOMICILE_CGROUP" -mindepth 1 -maxdepth 1 -type d)
	[ -z "$left" ] || { echo "cgroups: $left"; return 1; }
}

# races COUNT CONFIG: domains destroyed at any moment of their making, of which nothing stays. CONFIG
# is the command that writes a configuration for the name it is given.
races() {
	local cfg asker
	cfg=$($2 race)
	for _ in $(seq "$1"); do
		xl create -q "$cfg" 2>/dev/null &
		asker=$!
		until xl destroy race 2>/dev/null; do
			kill -0 $asker 2>/dev/null || break
		done
		wait $asker
		xl destroy race 2>/dev/null
	done
	check nothing_left_after_races nothing_left
}

# The nodes that belong to guests.
xenstore_tree() {
	xenstore-ls -f / 2>/dev/null | sed 's/ = .*//' |
		grep -E '^/(vm|libxl|local/domain/[1-9][0-9]*|local/domain/0/backend/[a-z]+|tool/domicile/name)(/|$)' |
		grep -vE '^/(vm|libxl|tool/domicile/name)$'
}
trap finish EXIT
trap 'exit 1' INT TERM
