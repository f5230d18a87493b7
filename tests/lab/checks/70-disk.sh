# SPDX-License-Identifier: MIT
#
# Disks: an unmodified Debian kernel reads and writes raw images and block devices through its own
# blkfront, and what it wrote is in the file, byte by byte.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=6.1-cloud
have_kernel $kernel disk || exit 0

# said WORD...: what the guest's script said after "said WORD".
said() { tr -d '\r' <"$console" | sed -n "s/^said $1 //p"; }

# run NAME ACCEL OPTION...: boot $script; a verdict only when the guest did not get through.
run() {
	local name=$1 accel=$2
	shift 2
	boot $kernel 2 256 'dom.test=script dom.load=xen-blkfront' --accel "$accel" "$@"
	status=$?
	[ $status = 0 ] && grep -q 'script ended with status 0' "$console" && return
	not_ok "$name" "$(tell $status)"
	return 1
}

for accel in $accels; do
	# Written in the guest, checked in the file: 32 MiB of what the guest made up, at 5 MiB.
	name=disk/$accel/write
	truncate -s 64M "$work/a.img"
	script='
		dd if=/dev/urandom of=/tmp/data bs=1M count=32 2>/dev/null
		dd if=/tmp/data of=/dev/xvda bs=1M seek=5 conv=fsync 2>/dev/null
		echo said sum $(md5sum </tmp/data)
		echo said size $(cat /sys/block/xvda/size)
		echo 3 >/proc/sys/vm/drop_caches
		echo said back $(dd if=/dev/xvda bs=1M skip=5 count=32 2>/dev/null | md5sum)
		true'
	if run "$name" "$accel" --disk "$work/a.img"; then
		sum=$(dd if="$work/a.img" bs=1M skip=5 count=32 status=none | md5sum)
		if [ "$(said size)" != 131072 ]; then
			not_ok "$name" "64 MiB are $(said size) sectors"
		elif [ "$(said sum)" = "$sum" ] && [ "$(said back)" = "$sum" ]; then
			ok "$name"
		else
			not_ok "$name" "wrote $(said sum), read $(said back), in the file $sum"
		fi
	fi
done
