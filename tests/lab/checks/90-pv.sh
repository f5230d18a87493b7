# SPDX-License-Identifier: MIT
#
# Unmodified Debian kernels boot as PV guests, whatever the host's KVM can do: to userspace, with the
# vCPUs and the memory they were given; they power off, reboot, and crash as told. With two page
# tables per process as with one. What cannot be a PV guest is refused in one line.
# shellcheck disable=SC2016	# what is in single quotes is for the guest's shell
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

# pv_boots NAME KERNEL VCPUS MIB [OPTION...]: to the greeting, and power-off.
pv_boots() {
	local name=pv/$1 kernel=$2 vcpus=$3 mib=$4 status expected
	shift 4
	have_kernel "$kernel" "$name" || return
	boot "$kernel" "$vcpus" "$mib" dom.test=poweroff --type pv "$@"
	status=$?
	expected="Domicile guest: Linux $(cat "$kernels/$kernel/version") on Xen PV,"
	expected+=" $vcpus vcpus, $mib MiB"
	if [ $status != 0 ]; then
		not_ok "$name" "$(tell $status)"
	elif [ "$(greeting)" != "$expected" ]; then
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
6.1-cloud    4 5120
6.12-cloud   1 256
6.12-cloud   2 512
6.12-cloud   4 1024
6.1-generic  1 512
6.12-generic 2 512
TABLE
pv_boots two-roots 6.1-cloud 2 256 --pv-roots two

# Processes come and go without the VMM: what memory and context switches take never leaves the guest.
name=pv/no-exits
script='for i in $(seq 100); do /bin/busybox true; done; echo said done yes'
boot 6.1-cloud 1 256 dom.test=script --type pv
status=$?
script=''
inside='mmu_update|mmuext_op|multicall|update_va_mapping|stack_switch|set_segment_base|iret|fpu_taskswitch'
if [ $status != 0 ] || ! grep -q 'said done yes' "$console"; then
	not_ok "$name" "$(tell $status)"
elif grep -E "^hypercall ($inside)" "$errors" >&2; then
	not_ok "$name" "the VMM was asked"
else
	ok "$name"
fi

# A disk, through the kernel's own blkfront and version 2 of the grant table, which Linux uses in PV guests
# only: what the guest wrote is in the file.
name=pv/disk
truncate -s 32M "$work/pv.img"
script='
	dmesg | grep -q "Grant tables using version 2" && echo said version 2
	dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
	dd if=/tmp/data of=/dev/xvda bs=1M seek=3 conv=fsync 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches
	echo said sum $(md5sum </tmp/data | cut -d" " -f1)
	echo said back $(dd if=/dev/xvda bs=1M skip=3 count=8 2>/dev/null | md5sum | cut -d" " -f1)'
boot 6.1-cloud 2 256 'dom.test=script dom.load=xen-blkfront grant_table.version=2' --type pv \
	--disk "$work/pv.img"
status=$?
script=''
file=$(dd if="$work/pv.img" bs=1M skip=3 count=8 status=none | md5sum | cut -d' ' -f1)
if [ $status != 0 ]; then
	not_ok "$name" "$(tell $status)"
elif [ "$(tr -d '\r' <"$console" | grep -cE "^said (sum|back) $file\$")" != 2 ]; then
	not_ok "$name" "the file has $file; $(grep '^said' "$console" | tr '\r\n' ' ,')"
elif ! grep -q '^said version 2' "$console"; then
	not_ok "$name" "the guest does not use version 2 of the grant table"
else
	ok "$name"
fi

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
refuses memory "up to 131072" --memory 131073
refuses vcpus "up to 32" --vcpus 33
refuses accel "--accel xen" --accel xen
refuses modules "takes one" --ramdisk "$errors" --ramdisk "$errors"
refuses small-memory "raise memory" --memory 32

# Under xl: type = "pv" is all that differs.
export DOMICILE_RUNDIR=$work/run DOMICILE_LOGDIR=$work/log XENSTORED_PATH=$work/xs/socket
xl() { timeout -k 5 "$limit" env PATH="$repo/build/src/xenstore:$PATH" "$repo/build/src/cli/xl" "$@"; }
cat >"$work/pv.cfg" <<END
name = "pv"
type = "pv"
memory = 192
vcpus = 2
kernel = "$kernels/6.1-cloud/vmlinuz"
ramdisk = "$kernels/6.1-cloud/guest.cpio.gz"
cmdline = "console=hvc0 quiet panic=-1 dom.test=hold"
END
: >"$console"
: >"$errors"
if ! xl create -q "$work/pv.cfg" 2>"$errors"; then
	not_ok pv/xl "$(tell $?)"
else
	mkfifo "$work/in"
	exec 4<>"$work/in"
	"$repo/build/src/cli/xl" console pv <"$work/in" >"$console" 2>>"$errors" &
	end=$((SECONDS + limit))
	until greeting >/dev/null || [ $SECONDS -ge $end ]; do
		sleep 0.5
	done
	line=$(xl list pv | awk 'NR == 2 { print $1, $3, $4 }')
	xl destroy pv
	if [[ "$(greeting)" != *"on Xen PV, 2 vcpus, 192 MiB" ]]; then
		not_ok pv/xl "greeted with '$(greeting)'"
	elif [ "$line" != "pv 192 2" ]; then
		not_ok pv/xl "xl list says '$line'"
	else
		ok pv/xl
	fi
fi
grep -lszxF "XENSTORED_PATH=$XENSTORED_PATH" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 |
while read -r p; do
	case $(tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline") in
	*domicile-xenstored*) kill "$p" ;;
	esac
done
