# SPDX-License-Identifier: MIT
#
# A whole Debian on its disk: GRUB, as a Xen PVH kernel, loads the kernel and the initrd that are on
# the disk; the system comes up to a login, works, reboots, powers off, and its file system is clean.
# shellcheck disable=SC2016	# scripts are for the guest
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

image=$lab_cache/images/debian.img grub=$lab_cache/grub/grub-i386-xen_pvh.bin
if [ ! -e "$image" ] || [ ! -e "$grub" ]; then
	skip debian "no disk image; tests/lab/prepare disk-debian grub"
	exit 0
fi
command -v python3 >/dev/null || { skip debian "no python3"; exit 0; }
limit=300	# it is never silent for so long

# The kernel is asked for its name, and for the sum of what it wrote itself.
script='expect login:
send root
expect :~#
send uname -r; cat /sys/hypervisor/type; findmnt -no SOURCE /
expect :~#
send dd if=/dev/urandom of=/root/data bs=1M count=16 conv=fsync; md5sum /root/data >/root/data.sum; sync
expect :~#
send reboot
expect login:
send root
expect :~#
send echo 3 >/proc/sys/vm/drop_caches; md5sum -c /root/data.sum && echo "data is $((40 + 2))"
expect data is 42
expect :~#
send poweroff
end'

for accel in $own_accels; do
	name=debian/$accel
	cp --sparse=always "$image" "$work/debian.img"
	"$(dirname "$0")/../converse" "$limit" "$script" "$domicile" --kernel "$grub" \
		--disk "$work/debian.img" --memory 768 --vcpus 2 --console stdio --accel "$accel" \
		--log-level info 2>"$errors" >"$console"
	status=$?
	fsck=$(e2fsck -fn "$work/debian.img?offset=1048576" 2>&1)
	clean=$?
	if [ $status = 124 ]; then
		tell $status >/dev/null
		not_ok "$name" "silent for $limit s"
	elif [ $status != 0 ]; then
		not_ok "$name" "$(tell $status)"
	elif grep -q 'triple fault' "$errors"; then
		not_ok "$name" "it got there after $(grep -m 1 -o 'vcpu .*triple fault' "$errors")"
	elif ! grep -aq '^/dev/xvda1' "$console"; then
		not_ok "$name" "its root is not on its disk"
	elif [ $clean != 0 ]; then
		echo "$fsck" >&2
		not_ok "$name" "e2fsck: status $clean"
	else
		ok "$name"
	fi
done
