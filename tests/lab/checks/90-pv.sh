# SPDX-License-Identifier: MIT
#
# Unmodified Debian kernels boot as PV guests, whatever the host's KVM can do: to userspace, with the
# vCPUs and the memory they were given; they power off, reboot, and crash as told. With two page
# tables per process as with one. What cannot be a PV guest is refused in one line.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

# pv_boots NAME KERNEL VCPUS MIB [OPTION...]: to the greeting, and power-off.
pv_boots() {
	local name=pv/$1 kernel=$2 vcpus=$3 mib=$4 status want
	shift 4
	have_kernel "$kernel" "$name" || return
	boot "$kernel" "$vcpus" "$mib" dom.test=poweroff --type pv "$@"
	status=$?
	want="Domicile guest: Linux $(cat "$kernels/$kernel/version") on Xen PV,"
	want+=" $vcpus vcpus, $mib MiB"
	if [ $status != 0 ]; then
		not_ok "$name" "$(tell $status)"
	elif [ "$(greeting)" != "$want" ]; then
		not_ok "$name" "greeted with '$(greeting)'"
	else
		ok "$name"
	fi
}

limit=300
while read -r kernel vcpus mib; do
	pv_boots "$kernel/${vcpus}vcpu/${mib}MiB" "$kernel" "$vcpus" "$mib"
done <<TABLE
6.1-cloud    1 128
6.1-cloud    2 512
6.1-cloud    4 3072
6.12-cloud   1 256
6.12-cloud   2 512
6.12-cloud   4 1024
6.1-generic  1 512
6.12-generic 2 512
TABLE
pv_boots two-roots 6.1-cloud 2 256 --pv-roots two

# pv_ends NAME STATUS WORD: how a guest ends that was told to.
pv_ends() {
	local name=pv/$1 status
	want=$2 boot 6.1-cloud 1 256 "dom.test=$3" --type pv --on-reboot destroy
	status=$?
	if [ $status = "$2" ]; then ok "$name"; else not_ok "$name" "$(tell $status)"; fi
}
pv_ends reboot 65 reboot
pv_ends panic 67 panic

# refuses NAME CULPRIT OPTION...
refuses() {
	local name=pv/refuse/$1 culprit=$2 status
	shift 2
	timeout -k 5 60 "$domicile" --type pv --console none --kernel "$kernels/6.1-cloud/vmlinuz" "$@" \
		</dev/null >"$console" 2>"$errors"
	status=$?
	if [ $status != 1 ]; then
		not_ok "$name" "exit status $status: $(tail -n 1 "$errors")"
	elif [ "$(wc -l <"$errors")" != 1 ] || ! grep -qF -- "$culprit" "$errors"; then
		not_ok "$name" "said: $(head -c 300 "$errors" | tr '\n' '|')"
	else
		ok "$name"
	fi
}
refuses memory "up to 3072" --memory 4096
refuses vcpus "up to 32" --vcpus 33
refuses accel "--accel xen" --accel xen
refuses modules "takes one" --ramdisk "$errors" --ramdisk "$errors"
refuses small-memory "raise memory" --memory 32
