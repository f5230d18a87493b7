# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# The VMMs whose disks are compared: one function each, which sets `command` as tests/bench/vmms.sh has
# it, with the disk $image. A function returns 1 if its VMM is not here. QEMU's disks are compared as
# they come (aio=threads) and at their best (io_uring, no page cache).
vmms="domicile qemu_xen qemu_xen_uring qemu_mmio_uring qemu_pci qemu_pci_uring"

words="quiet panic=-1 reboot=t dom.test=script"
drive="file=$image,format=raw,if=none,id=d0"
uring=",aio=io_uring,cache.direct=on"

domicile() {
	vmm_domicile vmlinux "$words dom.load=xen-blkfront io.dev=/dev/xvda" --disk "$image"
}

# xen-disk is QEMU's blkback.
qemu_xen() {
	vmm_qemu_xen vmlinuz "$words dom.load=xen-blkfront io.dev=/dev/xvda" \
		-drive "$drive${1:-}" -device xen-disk,drive=d0,vdev=xvda
}
qemu_xen_uring() { qemu_xen "$uring"; }

qemu_mmio_uring() {
	vmm_qemu_kvm microvm vmlinuz "$words dom.load=virtio_mmio,virtio_blk io.dev=/dev/vda" \
		-drive "$drive$uring" -device virtio-blk-device,drive=d0
}

qemu_pci() {
	vmm_qemu_kvm pc vmlinuz "$words dom.load=virtio_pci,virtio_blk io.dev=/dev/vda" \
		-drive "$drive${1:-}" -device virtio-blk-pci,drive=d0
}
qemu_pci_uring() { qemu_pci "$uring"; }
