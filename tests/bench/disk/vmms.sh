# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2054,SC2154
#
# The VMMs whose disks are compared: one function each, which sets `command` to what starts the guest
# of `kernel` (a directory of the lab's cache) with $initrd, $mib MiB, one vCPU, its console on stdout and
# the disk $image, and `dev` to what the guest calls that. A function returns 1 if its VMM is not here.
# QEMU's disks are compared as they come (aio=threads) and at their best (io_uring, no page cache).
vmms="domicile qemu_xen qemu_xen_uring qemu_mmio_uring qemu_pci qemu_pci_uring"

words="quiet panic=-1 reboot=t dom.test=script"
uring=",aio=io_uring,cache.direct=on"

domicile() {
	dev=/dev/xvda
	command=("$repo/build/src/vmm/domicile" --kernel "$kernel/vmlinux" --console stdio
		--ramdisk "$initrd" --memory "$mib" --vcpus 1 --on-reboot destroy --disk "$image"
		--cmdline "console=hvc0 $words dom.load=xen-blkfront io.dev=$dev")
}

# QEMU of Debian 13, as in bench-boot.
qemu() {
	local root=$lab_cache/qemu10 lib=$lab_cache/qemu10/usr/lib/x86_64-linux-gnu
	[ -e "$root/run" ] || return 1
	export QEMU_MODULE_DIR=$lib/qemu
	command=("$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/qemu-system-x86_64"
		-L "$root/usr/share/qemu" -L "$root/usr/share/seabios"
		-nodefaults -no-user-config -display none -no-reboot -m "$mib" -smp 1
		-initrd "$initrd" -chardev stdio,id=console,signal=off "$@")
}

# Its emulation of Xen with its own blkback, xen-disk.
qemu_xen() {
	dev=/dev/xvda
	qemu -M pc -accel kvm,xen-version=0x40011,kernel-irqchip=split -cpu host,+xen-vapic \
		-device xen-console,chardev=console -kernel "$kernel/vmlinuz" \
		-drive "file=$image,format=raw,if=none,id=d0${1:-}" -device xen-disk,drive=d0,vdev=xvda \
		-append "console=hvc0 $words dom.load=xen-blkfront io.dev=$dev"
}

qemu_xen_uring() { qemu_xen "$uring"; }

qemu_mmio_uring() {
	dev=/dev/vda
	qemu -M microvm,rtc=on -accel kvm -cpu host -serial chardev:console -kernel "$kernel/vmlinux" \
		-drive "file=$image,format=raw,if=none,id=d0$uring" -device virtio-blk-device,drive=d0 \
		-append "console=ttyS0 $words dom.load=virtio_mmio,virtio_blk io.dev=$dev"
}

qemu_pci() {
	dev=/dev/vda
	qemu -M pc -accel kvm -cpu host -serial chardev:console -kernel "$kernel/vmlinux" \
		-drive "file=$image,format=raw,if=none,id=d0${1:-}" -device virtio-blk-pci,drive=d0 \
		-append "console=ttyS0 $words dom.load=virtio_pci,virtio_blk io.dev=$dev"
}

qemu_pci_uring() { qemu_pci "$uring"; }
