# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# The VMMs that are compared: one function each, which sets `command` as tests/bench/vmms.sh has it. A
# function returns 1 if its VMM is not here. To compare another VMM, add a function and its name.
vmms="domicile domicile_elf qemu_xen qemu_xen_elf qemu_microvm kvmtool"

words="quiet panic=-1 reboot=t dom.test=hold"
initrd=$kernel/guest.cpio.gz

domicile() { vmm_domicile vmlinuz "$words"; }
domicile_elf() { vmm_domicile vmlinux "$words"; }
qemu_xen() { vmm_qemu_xen vmlinuz "$words"; }
qemu_xen_elf() { vmm_qemu_xen vmlinux "$words"; }
qemu_microvm() { vmm_qemu_kvm microvm vmlinux "$words"; }

# No package has it: put the program there to have it compared.
kvmtool() {
	local lkvm=$lab_cache/peers/lkvm
	[ -x "$lkvm" ] || lkvm=$(type -P lkvm) || return 1
	command=("$lkvm" run --name "bench$RANDOM" -k "$kernel/vmlinuz" -i "$initrd"
		-m "$mib" -c 1 --console serial -p "$words")
}
