# SPDX-License-Identifier: MIT
#
# GRUB as a Xen PV kernel: it reads the disk of its guest and starts the Linux kernel that it finds
# there, which has the disk after it, powers off, and restarts with GRUB again.
# shellcheck disable=SC2016	# scripts are for the guest
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

# This GRUB unpacks gzip, xz and lzop: not the cloud kernel's lz4, nor the zstd of Debian 13.
kernel=6.1-generic grub=$lab_cache/grub/grub-x86_64-xen.bin name=pv/grub
have_kernel $kernel $name || exit 0
[ -e "$grub" ] || { skip $name "no GRUB; tests/lab/prepare grub"; exit 0; }
command -v mke2fs >/dev/null || { skip $name "no mke2fs (e2fsprogs)"; exit 0; }
limit=400

# A disk with nothing but what GRUB needs, and a last mebibyte in which the guest remembers that it has
# been there.
script='
	modprobe xen-blkfront
	again=$(dd if=/dev/xvda bs=1M skip=24 count=1 2>/dev/null | head -c 5)
	echo said disk $(cat /sys/block/xvda/size) "$again"
	[ "$again" != again ] || poweroff -f
	echo again | dd of=/dev/xvda bs=1M seek=24 conv=fsync 2>/dev/null
	reboot -f'
mkdir -p "$work/disk/boot/grub"
cp "$kernels/$kernel/vmlinuz" "$work/disk/"
cp "$(with_script "$kernels/$kernel/guest.cpio.gz")" "$work/disk/initrd.img"
cat >"$work/disk/boot/grub/grub.cfg" <<-END
	set timeout=0
	menuentry "Debian" {
	    linux /vmlinuz console=hvc0 quiet panic=-1 dom.test=script
	    initrd /initrd.img
	}
END
truncate -s 25M "$work/disk.img"
mke2fs -q -F -t ext2 -d "$work/disk" "$work/disk.img" 24M || exit

timeout -k 5 "$limit" "$domicile" --type pv --kernel "$grub" --memory 384 --vcpus 2 \
	--disk "$work/disk.img" --console stdio --stats </dev/null >"$console" 2>"$errors"
status=$?
if [ $status != 0 ]; then
	not_ok $name "$(tell $status)"
elif [[ "$(greeting)" != *"$(cat "$kernels/$kernel/version") on Xen PV, 2 vcpus, 384 MiB" ]]; then
	not_ok $name "greeted with '$(greeting)'"
elif [ "$(tr -d '\r' <"$console" | grep '^said' | xargs)" != "said disk 51200 said disk 51200 again" ]; then
	not_ok $name "$(tr -d '\r' <"$console" | grep '^said' | xargs)"
else
	ok $name
fi
