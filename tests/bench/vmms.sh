# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2054,SC2154
#
# Starting a guest under Domicile and under QEMU, for benches that compare them. Sourced; sets `command`
# to what starts the guest of `kernel` (a directory of the lab's cache) and $initrd with $mib MiB and one
# vCPU, its console on stdout. Needs `repo` and tests/lab/lib.sh.

# vmm_domicile KERNEL WORDS [OPTION...]: KERNEL is vmlinuz or vmlinux, WORDS are the guest's.
vmm_domicile() {
	local image=$1 words=$2
	shift 2
	command=("$repo/build/src/vmm/domicile" --kernel "$kernel/$image" --console stdio
		--ramdisk "$initrd" --memory "$mib" --vcpus 1 --on-reboot destroy
		--cmdline "console=hvc0 $words" "$@")
}

# The same under QEMU of Debian 13, which is started through its own dynamic loader as qemu10/run does,
# but without a shell. Returns 1 if it is not here.
vmm_qemu() {
	local root=$lab_cache/qemu10 lib=$lab_cache/qemu10/usr/lib/x86_64-linux-gnu
	[ -e "$root/run" ] || return 1
	export QEMU_MODULE_DIR=$lib/qemu
	command=("$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/qemu-system-x86_64"
		-L "$root/usr/share/qemu" -L "$root/usr/share/seabios"
		-nodefaults -no-user-config -display none -no-reboot -m "$mib" -smp 1
		-initrd "$initrd" -chardev stdio,id=console,signal=off "$@")
}

# QEMU's emulation of Xen, with the PV console. A bzImage starts as a Xen HVM guest, an ELF by its PVH
# entry.
vmm_qemu_xen() {
	local image=$1 words=$2
	shift 2
	vmm_qemu -M pc -accel kvm,xen-version=0x40011,kernel-irqchip=split -cpu host,+xen-vapic \
		-device xen-console,chardev=console -kernel "$kernel/$image" \
		-append "console=hvc0 $words" "$@"
}

# vmm_qemu_kvm MACHINE KERNEL WORDS [OPTION...]: without Xen, MACHINE is microvm or pc.
vmm_qemu_kvm() {
	local machine=$1 image=$2 words=$3
	shift 3
	[ "$machine" != microvm ] || machine=microvm,rtc=on
	vmm_qemu -M "$machine" -accel kvm -cpu host -serial chardev:console -kernel "$kernel/$image" \
		-append "console=ttyS0 $words" "$@"
}
