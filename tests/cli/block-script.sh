#!/bin/bash
# SPDX-License-Identifier: MIT
# Xen's own hotplug script for disks, /etc/xen/scripts/block of Debian's xen-utils-common, unmodified,
# with xl, the store and the real VMM: it finds loop devices for files, sees who shares them, and takes
# them down again. The guest is paused, see disks.sh.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/lib.sh
. "$SRCDIR/tests/lab/lib.sh"
kernel=$BINDIR/tests/guest/version-pvh64 script=$lab_cache/xen/etc/xen/scripts/block
export DOMICILE_VMM=$BINDIR/src/vmm/domicile
"$BINDIR/tests/lab/kvm-probe" tiny >"$dir/why" 2>&1 || { echo "skip: $(cat "$dir/why")"; exit 77; }
[ -e "$kernel" ] || { echo "skip: no micro-kernel"; exit 77; }
[ -x "$script" ] || { echo "skip: no $script; tests/lab/prepare xen"; exit 77; }
{ [ "$(id -u)" = 0 ] && losetup -f; } >/dev/null 2>&1 || { echo "skip: no loop devices can be made here"; exit 77; }
# Where the script and what it sources write to. Debian's package has the directory.
[ -d /var/log/xen ] || { mkdir -p /var/log/xen; made_log=1; }
loops() { losetup -a | grep -cF "$dir/"; }
clean() {
	losetup -a | grep -F "$dir/" | cut -d: -f1 | xargs -r losetup -d
	[ -z "${made_log:-}" ] || rm -rf /var/log/xen
}
trap 'clean; finish' EXIT
start_store

until_true() {
	for _ in $(seq 50); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}
no_loops() { [ "$(loops)" = 0 ]; }
one_loop() { [ "$(loops)" = 1 ]; }

truncate -s 16M "$dir/d1" "$dir/d2" "$dir/d3"
sed -i "s#^kernel = .*#kernel = \"$kernel\"#; s/^memory = .*/memory = 64/" \
	"$(config x "disk = [ 'vdev=xvda,access=rw,script=$script,target=$dir/d1' ]")"
check create xl create -q -p "$dir/x.cfg"
domid=$(xl domid x)
node() { xenstore-read "/local/domain/0/backend/vbd/$domid/$1"; }
same disk_of_the_configuration_waits_for_the_guest 2 "$(node 51712/state)"
check it_is_a_loop_device test -b "$(node 51712/physical-device-path)"
same script_says_connected connected "$(node 51712/hotplug-status)"
same script_told_the_numbers "$(stat -L -c %t:%T "$(node 51712/physical-device-path)")" "$(node 51712/physical-device)"
same there_is_one_loop_device 1 "$(loops)"

# Hot plug of a file, and of a block device.
check file_is_attached xl block-attach x "vdev=xvdb,access=rw,script=$script,target=$dir/d2"
same file_waits_for_the_guest 2 "$(node 51728/state)"
same there_are_two_loop_devices 2 "$(loops)"
check file_is_detached xl block-detach -f x xvdb
same its_loop_device_is_gone 1 "$(loops)"
own=$(losetup -f --show "$dir/d3")
check device_is_attached xl block-attach x "vdev=xvdc,access=ro,script=$script,target=$own"
same device_waits_for_the_guest 2 "$(node 51744/state)"
same device_is_what_was_named "$own" "$(node 51744/physical-device-path)"

# The script knows who has a device already, and says so.
sed -e 's/^name = .*/name = "y"/' -e "s#^disk = .*#disk = [ 'vdev=xvda,access=rw,script=$script,target=$own' ]#" \
	"$dir/x.cfg" >"$dir/y.cfg"
xl create -q -p "$dir/y.cfg" 2>"$dir/err"
same second_writer_is_exit_3 3 $?
check second_writer_is_told grep -q "Device $own is mounted" "$dir/err"
check device_is_detached xl block-detach -f x xvdc
losetup -d "$own"
xl block-attach x "vdev=xvdd,access=rw,script=$script,target=$dir/nosuch" 2>"$dir/err"
same missing_file_is_exit_1 1 $?
check nothing_is_left_of_it one_loop
check vmm_lives xl list x

check destroy xl destroy x
check its_loop_device_is_taken_down until_true no_loops
check nothing_left nothing_left
[ $failures = 0 ]
