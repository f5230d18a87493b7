# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2034,SC2154
#
# For the checks of PV guests: a guest that uses its devices. Sourced, after lib.sh, whose variables it has.
# What is in single quotes is for the guest's shell.

# The other end of the guests' network: a tap, and a page to fetch from it.
page=$work/www/page network=''
mkdir -p "$work/www"
head -c 1M /dev/urandom >"$page"
page_sum=$(md5sum <"$page" | cut -d' ' -f1)
if ip tuntap add dev dompv0 mode tap multi_queue vnet_hdr 2>/dev/null; then
	ip addr add 10.77.9.1/24 dev dompv0
	ip link set dompv0 up
	busybox httpd -f -p 10.77.9.1:8000 -h "$work/www" &
	httpd=$!
	trap 'kill $httpd; ip link del dompv0; rm -rf "$work"' EXIT
	network=tap=dompv0
else
	skip pv/network "no taps can be made here"
fi

# said WORD: what the guest's script said last after "said WORD".
said() { tr -d '\r' <"$console" | sed -n "s/^said $1 //p" | tail -n 1; }

# What each kernel does with its devices: through its own blkfront and netfront, read back what it
# wrote, and have a page from the host.
devices='
	echo said grants $(dmesg | sed -n "s/.*Grant tables using version \([12]\).*/\1/p")
	dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
	dd if=/tmp/data of=/dev/xvda bs=1M seek=3 conv=fsync 2>/dev/null
	echo 3 >/proc/sys/vm/drop_caches
	echo said sum $(md5sum </tmp/data | cut -d" " -f1)
	echo said back $(dd if=/dev/xvda bs=1M skip=3 count=4 2>/dev/null | md5sum | cut -d" " -f1)
	[ -e /sys/class/net/eth0 ] || exit 0
	ip addr add 10.77.9.2/24 dev eth0
	ip link set eth0 up
	for i in $(seq 20); do ping -c 1 -W 1 10.77.9.1 >/dev/null 2>&1 && break; done
	echo said page $(wget -q -O - http://10.77.9.1:8000/page | md5sum | cut -d" " -f1)'

# pv_works NAME KERNEL VCPUS MIB [OPTION...]: to the greeting, its devices, and power-off. $words go to the
# kernel's command line.
words=''
pv_works() {
	local name=pv/$1 kernel=$2 vcpus=$3 mib=$4 status expected sum
	shift 4
	have_kernel "$kernel" "$name" || return
	rm -f "$work/pv.img"
	truncate -s 16M "$work/pv.img"
	script=$devices
	boot "$kernel" "$vcpus" "$mib" "dom.test=script dom.load=xen-blkfront,xen-netfront $words" \
		--type pv --disk "$work/pv.img" ${network:+--net $network} "$@"
	status=$?
	script=''
	sum=$(dd if="$work/pv.img" bs=1M skip=3 count=4 status=none | md5sum | cut -d' ' -f1)
	expected="Domicile guest: Linux $(cat "$kernels/$kernel/version") on Xen PV,"
	expected+=" $vcpus vcpus, $mib MiB"
	if [ $status != 0 ]; then
		not_ok "$name" "$(tell $status)"
	elif [ "$(greeting)" != "$expected" ]; then
		not_ok "$name" "greeted with '$(greeting)'"
	elif [ "$(said sum) $(said back)" != "$sum $sum" ]; then
		not_ok "$name" "the disk has $sum, not $(said sum), or $(said back)"
	elif [ -n "$network" ] && [ "$(said page)" != "$page_sum" ]; then
		not_ok "$name" "the page came as '$(said page)'; $(tell $status)"
	else
		ok "$name"
	fi
}

# pv_table: one guest per line of the input: KERNEL VCPUS MIB [HOST], for shown_by. What the host's KVM can
# do makes no difference to PV guests.
limit=300
pv_table() {
	local kernel vcpus mib host
	while read -r kernel vcpus mib host; do
		[ -z "$host" ] || shown_by "$host" || continue
		pv_works "$kernel/${vcpus}vcpu/${mib}MiB" "$kernel" "$vcpus" "$mib"
	done
}
