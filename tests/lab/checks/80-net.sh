# SPDX-License-Identifier: MIT
#
# Network: an unmodified Debian kernel reaches the host and other guests through its own netfront, over
# a tap and over a bridge, IPv4 and IPv6, with checksums and segmentation left to the other side; what
# it sends arrives byte by byte. Interfaces come and go under xl, guests restart, an interface is deleted
# under load. A user without privilege has a network, too.
# shellcheck source=tests/lab/checks/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

kernel=6.1-cloud
have_kernel $kernel net || exit 0
command -v ip >/dev/null || { skip net "no ip command (iproute2)"; exit 0; }
ip tuntap add dev domprobe mode tap 2>/dev/null || { skip net "no taps can be made here"; exit 0; }
ip link del domprobe
limit=240
for module in bridge dummy; do modprobe -q $module; done

# said WORD: what the guest's script said last after "said WORD".
said() { tr -d '\r' <"$console" | sed -n "s/^said $1 //p" | tail -n 1; }

# want NAME WORD=VALUE...: what the guest must have said; one verdict.
want() {
	local name=$1 pair wrong=''
	shift
	for pair; do
		[ "$(said "${pair%%=*}")" = "${pair#*=}" ] ||
			wrong+="${pair%%=*} is '$(said "${pair%%=*}")', not '${pair#*=}'; "
	done
	if [ -z "$wrong" ]; then
		ok "$name"
	else
		not_ok "$name" "$wrong"
		tail -n 40 "$errors" "$console" >&2
	fi
}

sum() { md5sum | cut -d' ' -f1; }

# counters INTERFACE: bytes and packets from the guest and to it, so far.
counters() {
	(cd "/sys/class/net/$1/statistics" && cat rx_bytes rx_packets tx_bytes tx_packets | xargs)
}

# The host's side: pages for guests to fetch, a place for them to send to.
mkdir -p "$work/www"
head -c 6M /dev/urandom >"$work/www/data"
data=$(sum <"$work/www/data")
daemons=''
# serve ADDRESS: by HTTP on port 8000.
serve() {
	busybox httpd -f -p "$1:8000" -h "$work/www" &
	daemons+=" $!"
}
trap 'kill $daemons 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# Words that every guest's script begins with: up ADDRESS4 ADDRESS6 and the like.
words='
	up() {
		ip link set lo up
		echo 0 >/proc/sys/net/ipv6/conf/${3:-eth0}/accept_dad
		ip addr add $1/24 dev ${3:-eth0}
		ip link set ${3:-eth0} up
		ip -6 addr add $2/64 dev ${3:-eth0}
	}
	reach() { for i in $(seq 60); do ping $2 -c 1 -W 1 $1 >/dev/null 2>&1 && { echo yes; return; }; sleep 0.5; done; echo no; }
	losses() { ping $2 -A -c 50 $1 | sed -n "s/.* \([0-9]*%\) packet loss.*/\1/p"; }
	fetch() { wget -q -O - $1 | md5sum | cut -d" " -f1; }
	bad() { awk "/^Tcp: [0-9]/ { print \$15 }" /proc/net/snmp; }
'

# A guest started by hand, on a tap with addresses of the host.
ip link del domtap0 2>/dev/null
ip tuntap add dev domtap0 mode tap multi_queue vnet_hdr
ip addr add 10.77.0.1/24 dev domtap0
ip -6 addr add fd77::1/64 dev domtap0 nodad
ip link set domtap0 up
serve 10.77.0.1
serve '[fd77::1]'
for accel in $accels; do
	name=net/$accel/tap
	# Their input must not end: they would say so, and the guest would leave.
	busybox nc -l -p 5001 < <(exec sleep 1000) >"$work/up4" &
	daemons+=" $!"
	busybox nc -l -p 5002 < <(exec sleep 1000) >"$work/up6" &
	daemons+=" $!"
	read -r in_bytes in_packets out_bytes out_packets <<<"$(counters domtap0)"
	script=$words'
		up 10.77.0.2 fd77::2
		echo said queues $(ls -d /sys/class/net/eth0/queues/tx-* | wc -l)
		echo said ping4 $(reach 10.77.0.1)
		echo said ping6 $(reach fd77::1 -6)
		echo said loss4 $(losses 10.77.0.1)
		echo said loss6 $(losses fd77::1 -6)
		echo said down4 $(fetch http://10.77.0.1:8000/data)
		echo said down6 $(fetch "http://[fd77::1]:8000/data")
		dd if=/dev/urandom of=/tmp/up bs=1M count=4 2>/dev/null
		echo said up $(md5sum </tmp/up | cut -d" " -f1)
		nc -w 5 10.77.0.1 5001 </tmp/up
		nc -w 5 fd77::1 5002 </tmp/up
		echo said bad $(bad)
		true'
	boot $kernel 2 256 'dom.test=script dom.load=xen-netfront' --accel "$accel" --net tap=domtap0
	status=$?
	read -r in_bytes2 in_packets2 out_bytes2 out_packets2 <<<"$(counters domtap0)"
	if [ $status != 0 ]; then
		not_ok "$name" "$(tell $status)"
	else
		want "$name" queues=2 ping4=yes ping6=yes loss4=0% loss6=0% "down4=$data" "down6=$data" bad=0
		# What came here is what was sent, and came in frames larger than any wire has.
		up=$(said up)
		sent=$(((in_bytes2 - in_bytes) / (in_packets2 - in_packets + 1)))
		got=$(((out_bytes2 - out_bytes) / (out_packets2 - out_packets + 1)))
		if [ "$(sum <"$work/up4")" != "$up" ] || [ "$(sum <"$work/up6")" != "$up" ]; then
			not_ok "net/$accel/upload" "what the guest sent is not what arrived"
		else
			ok "net/$accel/upload"
		fi
		if [ $((in_bytes2 - in_bytes)) -lt 8000000 ] || [ $sent -lt 2000 ] || [ $got -lt 2000 ]; then
			not_ok "net/$accel/large-frames" "frames have $sent bytes from the guest, $got to it"
		else
			ok "net/$accel/large-frames"
		fi
	fi
done
ip link del domtap0

# Under xl: two guests on a bridge.
xl=$repo/build/src/cli/xl
export DOMICILE_RUNDIR=$work/run DOMICILE_LOGDIR=$work/log DOMICILE_ETCDIR=$work/etc
export DOMICILE_VMM=$domicile DOMICILE_SCRIPTDIR=$repo/src/cli/scripts
export PATH=$work/bin:$repo/build/src/xenstore:$PATH
mkdir -p "$work/etc" "$work/log" "$work/bin"
[ -S /run/xenstored/socket ] || "$repo/build/src/xenstore/domicile-xenstored"

# console_of DOMAIN, follow DOMAIN: its console goes to a file from now on.
console_of() { echo "$work/console.$1"; }
follow() {
	: >"$(console_of "$1")"
	(sleep 100000 | "$xl" console "$1" >>"$(console_of "$1")" 2>/dev/null) &
	daemons+=" $!"
}

# line DOMAIN TEXT: wait until the guest has said it.
line() {
	for ((i = 0; i < limit * 4; i++)); do
		! tr -d '\r' <"$(console_of "$1")" 2>/dev/null | grep -q "^$2" || return 0
		sleep 0.25
	done
	echo "$1 did not say '$2'" >&2
	tail -n 20 "$work"/console.* "$errors" "$work"/log/* "$work"/run/*/vmm.log >&2
	return 1
}

# start NAME VIF: a domain that runs $script.
start() {
	local initrd
	initrd=$(with_script "$kernels/$kernel/guest.cpio.gz")
	mv "$initrd" "$work/initrd.$1"
	cat >"$work/$1.cfg" <<-CFG
		name = "$1"
		type = "pvh"
		memory = 192
		vcpus = 2
		kernel = "$kernels/$kernel/vmlinuz"
		ramdisk = "$work/initrd.$1"
		cmdline = "console=hvc0 quiet panic=-1 dom.test=script dom.load=xen-netfront"
		vif = [ "$2" ]
		on_reboot = "restart"
	CFG
	"$xl" create -p "$work/$1.cfg" >/dev/null 2>"$errors" ||
		{ tail -n 20 "$errors" "$work"/log/* "$work"/run/*/vmm.log >&2; return 1; }
	follow "$1"
	"$xl" unpause "$1"
}

# until_true COMMAND...: wait until it succeeds.
until_true() {
	for ((i = 0; i < limit * 4; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.25
	done
	echo "never: $*" >&2
	return 1
}

bridged() {
	local id sum
	script=$words'
		up 10.78.0.2 fd78::2
		dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
		mkdir /tmp/www; mv /tmp/data /tmp/www/
		httpd -p 8000 -h /tmp/www
		echo said sum $(md5sum </tmp/www/data | cut -d" " -f1)
		echo said serving
		while [ ! -e /sys/class/net/eth1 ]; do sleep 0.2; done
		up 10.79.0.2 fd79::2 eth1
		echo said second $(cat /sys/class/net/eth1/address) $(reach 10.79.0.1)
		while [ -e /sys/class/net/eth1 ]; do sleep 0.2; done
		echo said gone
		while :; do sleep 5; done'
	start server "bridge=xenbr0" || return
	line server 'said serving' || return
	script=$words'
		up 10.78.0.3 fd78::3
		echo said ping4 $(reach 10.78.0.2)
		echo said ping6 $(reach fd78::2 -6)
		echo said loss $(losses 10.78.0.2) $(losses fd78::2 -6)
		echo said got4 $(fetch http://10.78.0.2:8000/data)
		echo said got6 $(fetch "http://[fd78::2]:8000/data")
		echo said bad $(bad)
		wget -q -O /dev/null http://10.78.0.1:8000/again && reboot -f
		while :; do sleep 5; done'
	: >"$work/www/again"
	start client "mac=00:16:3e:07:08:09,bridge=xenbr0,rate=1000Mb/s" || return
	line client 'said bad' || return
	console=$(console_of server)
	sum=$(said sum)
	console=$(console_of client)
	if [ "$(said ping4) $(said ping6) $(said loss) $(said got4) $(said got6) $(said bad)" != \
		"yes yes 0% 0% $sum $sum 0" ]; then
		echo "guest to guest: $(grep said "$console" | tr -d '\r' | xargs)" >&2
		return 1
	fi
	# The client restarts as another domain and connects again.
	id=$("$xl" domid client)
	until_true sh -c "new=\$('$xl' domid client) && [ \"\$new\" != $id ]" || return
	[ ! -e "/sys/class/net/vif$id.0" ] || { echo "vif$id.0 was left behind" >&2; return 1; }
	rm -f "$work/www/again"
	follow client
	line client 'said bad' || return
	console=$(console_of client)
	[ "$(said got4) $(said got6)" = "$sum $sum" ] || { echo "after the restart: $(said got4)" >&2; return 1; }
	"$xl" destroy client || return

	# One more interface, for a while.
	"$xl" network-attach server "bridge=xenbr1" mac=00:16:3e:0a:0b:0c || return
	line server 'said second 00:16:3e:0a:0b:0c yes' || return
	"$xl" network-list server >"$work/list"
	[ "$(awk 'NR > 1 { print $1, $3, $5 }' "$work/list" | xargs)" = \
		"0 $(awk 'NR == 2 { print $3 }' "$work/list") 4 1 00:16:3e:0a:0b:0c 4" ] ||
		{ cat "$work/list" >&2; return 1; }
	"$xl" network-detach server 00:16:3e:0a:0b:0c || return
	line server 'said gone' || return
	id=$("$xl" domid server)
	[ ! -e "/sys/class/net/vif$id.1" ] || { echo "vif$id.1 was left behind" >&2; return 1; }
	[ "$("$xl" network-list server | wc -l)" = 2 ]
}

# The host's side of an interface is deleted while frames pass: the VMM goes on, and one that is attached
# in its place works.
deleted() {
	local id vmm before after
	id=$("$xl" domid server)
	busybox wget -q -O /dev/null http://10.78.0.2:8000/data &
	ping -q -i 0.01 -c 200 10.78.0.2 >/dev/null &
	sleep 0.2
	ip link del "vif$id.0" || return
	until_true sh -c "[ \"\$(xenstore-read /local/domain/0/backend/vif/$id/0/carrier)\" = 0 ]" || return
	# Nobody spins.
	vmm=$(cat "$DOMICILE_RUNDIR/$id/vmm.pid")
	before=$(awk '{ print $14 + $15 }' "/proc/$vmm/task/$vmm/stat")
	sleep 2
	after=$(awk '{ print $14 + $15 }' "/proc/$vmm/task/$vmm/stat")
	[ $((after - before)) -lt 40 ] || { echo "the VMM used $((after - before)) ticks in 2 s" >&2; return 1; }
	"$xl" -f network-detach server 0 || return
	[ "$("$xl" list server | wc -l)" = 2 ]
}

if ! ip link add xenbr0 type bridge 2>/dev/null || ! ip link add xenbr1 type bridge; then
	skip net/xl/bridge "no bridge can be made here, or there is a xenbr0 already"
else
	ip addr add 10.78.0.1/24 dev xenbr0
	ip addr add 10.79.0.1/24 dev xenbr1
	ip link set xenbr0 up
	ip link set xenbr1 up
	serve 10.78.0.1
	for name in bridged deleted; do
		if $name; then
			ok net/xl/$name
		else
			not_ok net/xl/$name "see above"
			break
		fi
	done
	"$xl" destroy server 2>/dev/null
	"$xl" destroy client 2>/dev/null
	left=$(ip -o link | grep -o 'vif[0-9.]*' | sort -u | xargs)
	if [ -n "$left" ]; then not_ok net/xl/leftovers "$left"; else ok net/xl/leftovers; fi
	ip link del xenbr0
	ip link del xenbr1
fi

# Scripts: Domicile's own routes packets to a guest; Xen's, where they are installed, do it, too.
routed() {
	script=$words'
		up 10.80.0.2 fd80::2
		ip route add 10.80.0.1 dev eth0 2>/dev/null
		echo said ping $(reach 10.80.0.1)
		while :; do sleep 5; done'
	ip link add domdummy type dummy && ip addr add 10.80.0.1/32 dev domdummy && ip link set domdummy up
	start routed "script=$1,ip=10.80.0.2,gatewaydev=domdummy" || return
	line routed 'said ping yes' || return
	[ "$(xenstore-read "/local/domain/0/backend/vif/$("$xl" domid routed)/0/hotplug-status")" = connected ]
}
for script_of in "$repo/src/cli/scripts/vif-route" /etc/xen/scripts/vif-route; do
	name=net/xl/route-own
	[ "$script_of" != /etc/xen/scripts/vif-route ] || name=net/xl/route-xen
	if [ ! -e "$script_of" ]; then
		skip "$name" "$script_of is not installed (xen-utils-common)"
	elif routed "$script_of"; then
		ok "$name"
	else
		not_ok "$name" "see above"
	fi
	"$xl" destroy routed 2>/dev/null
	ip link del domdummy 2>/dev/null
done

# Without privilege: passt, as a user who may use /dev/kvm and nothing else.
passt() {
	local user=(setpriv --reuid 65534 --regid 65534 --clear-groups) home=$work/home
	mkdir -p "$home/store" && chown -R 65534 "$home" && chmod 755 "$work"
	chmod 644 "$work/initrd" 2>/dev/null
	chmod 666 /dev/kvm
	script=$words'
		echo said dhcp $(ip -4 addr show dev eth0 | grep -c 10.81.0.1/)
		echo said got $(fetch http://$(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p"):8001/data)
		echo through | nc -l -p 22 -w 60
		echo said forwarded
		true'
	(
		for ((i = 0; i < 240; i++)); do
			[ ! -s "$work/through" ] || break
			busybox nc -w 2 127.0.0.1 2222 >"$work/through" </dev/null 2>/dev/null
			sleep 0.5
		done
	) &
	daemons+=" $!"
	initrd=$(with_script "$kernels/$kernel/guest.cpio.gz") && chmod 644 "$initrd"
	# A store of their own, as ./demo does it.
	HOME=$home XENSTORED_RUNDIR=$home/store timeout -k 5 "$limit" "${user[@]}" "$domicile" \
		--kernel "$kernels/$kernel/vmlinuz" --ramdisk "$initrd" --memory 256 --vcpus 2 \
		--cmdline "console=hvc0 quiet panic=-1 dom.test=script dom.load=xen-netfront dom.net=dhcp" \
		--console stdio --net passt=2222:22 </dev/null >"$console" 2>"$errors"
	status=$?
	[ $status = 0 ] || { tell $status; return 1; }
	[ "$(cat "$work/through")" = through ] || { echo "nothing came through port 2222" >&2; return 1; }
}
name=net/passt-without-privilege
console=$work/console
if ! command -v passt >/dev/null; then
	skip $name "passt is not installed"
elif [ "$DOMICILE_HOST" = here ]; then
	skip $name "it would open /dev/kvm to all users of this machine"
else
	# passt gives the guest the host's own address and routes; there have to be some.
	ip link add domdummy type dummy
	ip addr add 10.81.0.1/24 dev domdummy
	ip link set domdummy up
	ip route replace default via 10.81.0.254 dev domdummy
	busybox httpd -f -p 127.0.0.1:8001 -h "$work/www" &
	daemons+=" $!"
	if passt; then
		want $name dhcp=1 "got=$data"
	else
		not_ok $name "see above"
		tail -n 40 "$errors" "$console" >&2
	fi
fi
