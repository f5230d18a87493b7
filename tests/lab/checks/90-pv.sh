# SPDX-License-Identifier: MIT
#
# Unmodified Debian kernels boot as PV guests, whatever the host's KVM can do: to userspace, with the
# vCPUs, the memory, the disk and the network they were given; they power off, reboot, and crash as told.
# With two page tables per process as with one. What cannot be a PV guest is refused in one line. Under
# xl, devices come and go, and the guest restarts.
# shellcheck disable=SC2016	# what is in single quotes is for the guest's shell
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/checks/lib-pv.sh
. "$(dirname "$0")/lib-pv.sh"

pv_table <<TABLE
6.1-cloud    1 128 bookworm
6.1-cloud    4 5120 bookworm
6.12-cloud   2 512 trixie
6.1-generic  2 512 bookworm
6.12-generic 4 512 trixie
TABLE

# Two page tables, and version 2 of the grant table, which Linux uses in PV guests only.
two_roots() {
	words=grant_table.version=2
	pv_works two-roots 6.1-cloud 2 256 --pv-roots two --pv-speculation on
	words=''
	if [ "$(said grants)" = 2 ]; then
		ok pv/grants-version-2
	else
		not_ok pv/grants-version-2 "the guest uses version '$(said grants)'"
	fi
}
! shown_by trixie || two_roots

# Processes come and go without the VMM: what memory and context switches take never leaves the guest.
no_exits() {
	local name=pv/no-exits status inside
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
}
! shown_by bookworm || no_exits

# pv_ends NAME STATUS WORD: how a guest ends that was told to.
pv_ends() {
	local name=pv/$1 status
	want=$2 boot 6.1-cloud 1 256 "dom.test=$3" --type pv --on-reboot destroy
	status=$?
	if [ $status = "$2" ]; then ok "$name"; else not_ok "$name" "$(tell $status)"; fi
}
! shown_by trixie || pv_ends reboot 65 reboot
! shown_by bookworm || pv_ends panic 67 panic

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

# Under xl, type = "pv" is all that differs.
export DOMICILE_RUNDIR=$work/run DOMICILE_LOGDIR=$work/log DOMICILE_ETCDIR=$work/etc
export XENSTORED_PATH=$work/xs/socket DOMICILE_VMM=$domicile PATH=$repo/build/src/xenstore:$PATH
mkdir -p "$work/etc" "$work/log"
xl() { timeout -k 5 "$limit" "$repo/build/src/cli/xl" "$@"; }

# follow: its console from now on.
follow() {
	: >"$console"
	(sleep 100000 | "$repo/build/src/cli/xl" console pv >>"$console" 2>/dev/null) &
	followers+=" $!"
}

# comes_back OLD: it restarts by itself, as another domain.
comes_back() {
	local i new
	for ((i = 0; i < limit * 4; i++)); do
		new=$(xl domid pv 2>/dev/null) && [ "$new" != "$1" ] && return
		sleep 0.25
	done
	echo "it did not come back" >&2
	return 1
}

under_xl() {
	local old vif='' i
	[ -z "$network" ] || ! ip link add dompvbr type bridge 2>/dev/null ||
		vif='"mac=00:16:3e:01:02:03,bridge=dompvbr"'
	truncate -s 16M "$work/x1.img" "$work/x2.img"
	script='
		mkdir -p /sbin
		printf "#!/bin/sh\npoweroff -f\n" >/sbin/poweroff
		chmod 755 /sbin/poweroff
		while :; do
			echo said up $(ls /sys/block | grep xvd | tr "\n" " ") $(ls /sys/class/net | grep eth)
			while [ ! -e /sys/block/xvdb ]; do sleep 0.2; done
			dd if=/dev/urandom of=/dev/xvdb bs=1M count=4 conv=fsync 2>/dev/null
			echo said sum $(md5sum </dev/xvdb | cut -d" " -f1)
			while [ -e /sys/block/xvdb ]; do sleep 0.2; done
			echo said detached
			[ ! -e /sys/class/net/eth0 ] || {
				while [ ! -e /sys/class/net/eth1 ]; do sleep 0.2; done
				ip addr add 10.77.8.2/24 dev eth1
				ip link set eth1 up
				for i in $(seq 20); do ping -c 1 -W 1 10.77.8.1 >/dev/null 2>&1 && break; done
				echo said second $(cat /sys/class/net/eth1/address) \
					$(wget -q -O - http://10.77.8.1:8000/page | md5sum | cut -d" " -f1)
				while [ -e /sys/class/net/eth1 ]; do sleep 0.2; done
				echo said gone
			}
			while [ ! -e /sys/block/xvdc ]; do sleep 0.2; done
			reboot -f
		done'
	cat >"$work/pv.cfg" <<-END
		name = "pv"
		type = "pv"
		memory = 192
		vcpus = 2
		kernel = "$kernels/6.1-cloud/vmlinuz"
		ramdisk = "$(with_script "$kernels/6.1-cloud/guest.cpio.gz")"
		cmdline = "console=hvc0 quiet panic=-1 dom.test=script dom.load=xen-blkfront,xen-netfront"
		disk = [ "$work/x1.img,raw,xvda,w" ]
		vif = [ $vif ]
		on_reboot = "restart"
	END
	script=''
	: >"$errors"
	xl create -p "$work/pv.cfg" >/dev/null 2>"$errors" || { cat "$errors" >&2; return 1; }
	follow
	xl unpause pv
	line 'said up xvda' || return
	[[ "$(greeting)" == *"on Xen PV, 2 vcpus, 192 MiB" ]] || return
	[ "$(xl list pv | awk 'NR == 2 { print $1, $3, $4 }')" = "pv 192 2" ] || { xl list >&2; return 1; }
	xl block-attach pv "$work/x2.img,raw,xvdb,w" || return
	line 'said sum ' || return
	[ "$(md5sum <"$work/x2.img" | cut -d" " -f1)" = "$(said sum)" ] || { echo "wrong data" >&2; return 1; }
	xl block-detach pv xvdb && line 'said detached' || return
	[ "$(xl block-list pv | wc -l)" = 2 ] || return
	if [ -n "$vif" ]; then
		ip addr add 10.77.8.1/24 dev dompvbr && ip link set dompvbr up
		busybox httpd -f -p 10.77.8.1:8000 -h "$work/www" &
		followers+=" $!"
		xl network-attach pv mac=00:16:3e:0a:0b:0c bridge=dompvbr || return
		line "said second 00:16:3e:0a:0b:0c $page_sum" || return
		xl network-detach pv 00:16:3e:0a:0b:0c && line 'said gone' || return
		[ "$(xl network-list pv | wc -l)" = 2 ] || return
	fi
	# It is told to restart by a disk that comes, and comes back without what was attached.
	old=$(xl domid pv)
	xl block-attach pv "$work/x2.img,raw,xvdc,w" && comes_back "$old" || return
	follow
	line "said up xvda" || return
	# Told by the store, it powers off.
	xl shutdown -w pv >/dev/null || return
	! xl domid pv 2>/dev/null
}

followers=''
if under_xl; then
	ok pv/xl
else
	not_ok pv/xl "$(tail -n 1 "$console" | tr -d '\r')"
	xl destroy pv 2>/dev/null
fi
for p in $followers; do pkill -P "$p" 2>/dev/null; kill "$p" 2>/dev/null; done
ip link del dompvbr 2>/dev/null
for p in $(store_pids); do kill "$p"; done
