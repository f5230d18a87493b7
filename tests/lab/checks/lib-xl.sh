# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# For the checks of xl: its files in $work, a cgroup where there can be one, guests by a line, the console
# of one of them; in the end nothing may be left. Sourced, after lib.sh, whose variables it has.
export DOMICILE_RUNDIR=$work/run DOMICILE_LOGDIR=$work/log XENSTORED_PATH=$work/xs/socket
export DOMICILE_DUMPDIR=$work/dump DOMICILE_SCRIPTDIR=$repo/src/cli/scripts
kernel=6.1-cloud
have_kernel $kernel xl || exit 0
PATH=$repo/build/src/xenstore:$PATH
limit=240

xl() { timeout -k 5 "$limit" "$repo/build/src/cli/xl" "$@"; }

# A real cgroup, where this host has the controller and lets us.
cgroup=/sys/fs/cgroup/domicile-check
if echo +cpu 2>/dev/null >/sys/fs/cgroup/cgroup.subtree_control && mkdir "$cgroup" 2>/dev/null; then
	export DOMICILE_CGROUP=$cgroup
else
	cgroup=''
fi

# shellcheck disable=SC2317	# by the trap
finish() {
	local id p
	for id in $("$repo/build/src/cli/xl" list 2>/dev/null | awk 'NR > 2 { print $(NF - 4) }'); do
		"$repo/build/src/cli/xl" destroy "$id"
	done
	for p in $(store_pids); do
		kill "$p"
	done
	[ -z "$cgroup" ] || rmdir "$cgroup"
	ip link del xenbr0 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT

# config NAME WORDS [LINE...]: a configuration, its path on standard output.
config() {
	local name=$1 words=$2
	shift 2
	{
		printf '%s\n' "name = \"$name\"" 'type = "pvh"' 'memory = 192' \
			"kernel = \"$kernels/$kernel/vmlinuz\"" "ramdisk = \"$kernels/$kernel/guest.cpio.gz\"" \
			"cmdline = \"console=hvc0 quiet panic=-1 $words\"" "$@"
	} >"$work/$name.cfg"
	echo "$work/$name.cfg"
}

group=xl
# What may explain a failure, on stderr; the last error on standard output.
details() {
	{
		echo "--- xl list:"
		xl list
		echo "--- monitors and the VMM:"
		tail -n 5 "$DOMICILE_LOGDIR"/xl-*.log
		echo "--- the console:"
		tail -n 15 "$console" | tr -d '\r'
	} >&2 2>&1
	tail -n 1 "$errors" | tr -d '\r'
}
field() { xl list "$1" 2>/dev/null | awk -v n="$2" 'NR == 2 { print $n }'; }
state() { field "$1" 5; }
runs() { case $(state "$1") in r----- | -b----) return 0 ;; *) return 1 ;; esac; }
gone() { ! xl domid "$1" >/dev/null 2>&1; }
anew() { new=$(xl domid "$1" 2>/dev/null) && [ "$new" != "$old" ]; }

# attach NAME: the console of a domain into $console, what is written to descriptor 4 out of it.
mkfifo "$work/in"
exec 4<>"$work/in"
attach() {
	: >"$console"
	"$repo/build/src/cli/xl" console "$1" <"$work/in" >"$console" 2>>"$errors" &
	session=$!
}
said() { grep -aqF -- "$1" "$console"; }
: >"$errors"

# What could be left: directories of domains, monitors, cgroups, nodes.
left() {
	find "$DOMICILE_RUNDIR" -mindepth 1 -maxdepth 1 ! -name log
	[ -z "$cgroup" ] || find "$cgroup" -mindepth 1 -type d
	xenstore-ls -f / | grep -E '^/(vm|libxl|local/domain/[1-9][0-9]*|tool/domicile/name)/'
	procs "DOMICILE_RUNDIR=$DOMICILE_RUNDIR" '/(xl|domicile) '
}
nothing_left() { [ -z "$(left)" ]; }
ends_clean() { verdict nothing-left "$(left | head -n 3 | tr '\n' ' ')" until_true nothing_left; }
