# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2054,SC2154
#
# The VMMs that are compared: one function each, which sets `command` to what starts the guest of
# `kernel` (a directory of the lab's cache) with $mib MiB and one vCPU, its console on stdout. A
# function returns 1 if its VMM is not here. To compare another VMM, add a function and its name.
vmms="domicile domicile_elf qemu_xen qemu_xen_elf qemu_microvm kvmtool"

words="quiet panic=-1 reboot=t dom.test=hold"

domicile() {
	command=("$repo/build/src/vmm/domicile" --kernel "$kernel/vmlinuz" --console stdio
		--ramdisk "$kernel/guest.cpio.gz" --memory "$mib" --vcpus 1 --on-reboot destroy
		--cmdline "console=hvc0 $words")
}

domicile_elf() {
	domicile
	command[2]=$kernel/vmlinux
}

# QEMU of Debian 13, started through its own dynamic loader as qemu10/run does, but without a shell.
qemu() {
	local root=$lab_cache/qemu10 lib=$lab_cache/qemu10/usr/lib/x86_64-linux-gnu
	[ -e "$root/run" ] || return 1
	export QEMU_MODULE_DIR=$lib/qemu
	command=("$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/qemu-system-x86_64"
		-L "$root/usr/share/qemu" -L "$root/usr/share/seabios"
		-nodefaults -no-user-config -display none -no-reboot -m "$mib" -smp 1
		-initrd "$kernel/guest.cpio.gz" -chardev stdio,id=console,signal=off "$@")
}

# Its emulation of Xen, with the PV console. A bzImage starts as a Xen HVM guest, an ELF by its PVH
# entry.
qemu_xen() {
	qemu -M pc -accel kvm,xen-version=0x40011,kernel-irqchip=split -cpu host,+xen-vapic \
		-device xen-console,chardev=console -kernel "$kernel/${1:-vmlinuz}" \
		-append "console=hvc0 $words"
}

qemu_xen_elf() {
	qemu_xen vmlinux
}

qemu_microvm() {
	qemu -M microvm,rtc=on -accel kvm -cpu host -serial chardev:console \
		-kernel "$kernel/vmlinux" -append "console=ttyS0 $words"
}

# No package has it: put the program there to have it compared.
kvmtool() {
	local lkvm=$lab_cache/peers/lkvm
	[ -x "$lkvm" ] || lkvm=$(type -P lkvm) || return 1
	command=("$lkvm" run --name "bench$RANDOM" -k "$kernel/vmlinuz" -i "$kernel/guest.cpio.gz"
		-m "$mib" -c 1 --console serial -p "$words")
}
