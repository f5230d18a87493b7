# SPDX-License-Identifier: MIT
#
# Network: unmodified Debian kernels reach the host and each other through their own netfront over a
# bridge, IPv4 and IPv6, with checksums and segmentation left to the other side; what they send
# arrives byte by byte. Interfaces come and go under xl, into VLANs, by scripts and into Open vSwitch;
# guests restart, stop for a while; interface and bridge are deleted under load. A user without
# privilege has a network, too.
#
# DOMICILE_SOAK=SECONDS is how long two guests exchange mixed traffic (5); see ./check soak-net.
# shellcheck source=tests/lab/checks/lib.sh disable=SC2016	# scripts are for the guest
. "$(dirname "$0")/lib.sh"

kernel=6.1-cloud
have_kernel $kernel net || exit 0
command -v ip >/dev/null || { skip net "no ip command (iproute2)"; exit 0; }
ip tuntap add dev domprobe mode tap 2>/dev/null || { skip net "no taps can be made here"; exit 0; }
ip link del domprobe
limit=240
for module in bridge dummy 8021q veth nf_tables nft_chain_nat nft_masq; do modprobe -q $module; done
if ! ip link add xenbr0 type bridge 2>/dev/null; then
	skip net "no bridge can be made here, or there is a xenbr0 already"
	exit 0
fi
ip link add xenbr1 type bridge vlan_filtering 1

xl=$repo/build/src/cli/xl
export DOMICILE_RUNDIR=$work/run DOMICILE_LOGDIR=$work/log DOMICILE_ETCDIR=$work/etc
export DOMICILE_VMM=$domicile DOMICILE_SCRIPTDIR=$repo/src/cli/scripts
export PATH=$work/bin:$repo/build/src/xenstore:$PATH
mkdir -p "$work/etc" "$work/log" "$work/bin" "$work/www"
daemons=''
finish() {
	exec 3>&- 4>&-
	for d in server client; do "$xl" destroy $d 2>/dev/null; done
	# shellcheck disable=SC2086	# a list
	kill $daemons 2>/dev/null
	wait 2>/dev/null
	for i in xenbr0 xenbr1 domdummy to-behind; do ip link del $i 2>/dev/null; done
	ip netns del behind 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT

sum() { md5sum | cut -d' ' -f1; }

# until_true COMMAND...: wait until it succeeds.
until_true() {
	for ((i = 0; i < limit * 4; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.25
	done
	echo "never: $*" >&2
	return 1
}

# same WHAT WANT GOT
same() { [ "$2" = "$3" ] || { echo "$1 is '$3', not '$2'" >&2; return 1; }; }

# serve ADDRESS PORT: what is in www, by HTTP.
serve() {
	busybox httpd -f -p "$1:$2" -h "$work/www" &
	daemons+=" $!"
}

# Every guest does what lines on its console say. Words that it knows: up ADDRESS4 ADDRESS6 [INTERFACE]
# and the like.
script='
	up() {
		ip link set lo up
		echo 0 >/proc/sys/net/ipv6/conf/${3:-eth0}/accept_dad
		ip addr add $1/24 dev ${3:-eth0}
		ip link set ${3:-eth0} up
		ip -6 addr add $2/64 dev ${3:-eth0}
	}
	there() { while [ ! -e /sys/class/net/$1 ]; do sleep 0.1; done; cat /sys/class/net/$1/address; }
	gone() { while [ -e /sys/class/net/$1 ]; do sleep 0.1; done; echo yes; }
	reach() { for i in $(seq 100); do ping $2 -c 1 -W 1 $1 >/dev/null 2>&1 && { echo yes; return; }; sleep 0.2; done; echo no; }
	reach_now() { ping -c 2 -W 1 $1 >/dev/null 2>&1 && echo yes || echo no; }
	pings() { ping $2 -A -c ${3:-30} $1 >/dev/null; }
	# echoes: requests that were not answered so far. lost BEFORE: how many more there are now; ping
	# itself does not wait for long.
	echoes() {
		awk "/^Icmp:/ { if (n) print \$o - \$r; for (n = 1; n <= NF; n++) if (\$n == \"OutEchos\") o = n; else if (\$n == \"InEchoReps\") r = n }
			/^Icmp6OutEchos/ { print \$2 } /^Icmp6InEchoReplies/ { print -\$2 }" /proc/net/snmp /proc/net/snmp6 |
			awk "{ n += \$1 } END { print n + 0 }"
	}
	lost() {
		for i in $(seq 100); do [ $(echoes) != $1 ] || break; sleep 0.2; done
		echo $(($(echoes) - $1))
	}
	fetch() { wget -q -O - "$1" | md5sum | cut -d" " -f1; }
	# both ADDRESS4 ADDRESS6 SECONDS SUM: fetch from both until the time is over; how many were wrong.
	both() {
		end=$(($(cut -d. -f1 /proc/uptime) + $3)) wrong=0 right=0
		while [ $(cut -d. -f1 /proc/uptime) -lt $end ]; do
			for url in "http://$1:8000/data" "http://[$2]:8000/data" "http://$1:8000/small"; do
				case $(fetch "$url") in $4 | $5) right=$((right + 1)) ;; *) wrong=$((wrong + 1)) ;; esac
			done
		done
		[ $right -gt 0 ] && echo $wrong
	}
	# bad: what came with a wrong checksum.
	bad() {
		awk "\$1 != last { split(\$0, name); last = \$1; next }
			{ for (i = 2; i <= NF; i++) if (name[i] == \"InCsumErrors\") n += \$i; last = 0 }
			END { print n + 0 }" /proc/net/snmp
	}
	# drops: what was dropped here, by whose count.
	drops() {
		for i in /sys/class/net/eth0/statistics/*_dropped /sys/class/net/eth0/statistics/*_errors; do
			[ $(cat $i) = 0 ] || echo ${i##*/} $(cat $i)
		done
		awk "\$2 != \"00000000\" { print \"softnet\", \$2 }" /proc/net/softnet_stat
		awk "\$1 != last { split(\$0, name); last = \$1; next }
			{ for (i = 2; i <= NF; i++) if (name[i] ~ /Err|Discard|NoPorts|Fail/ && \$i) print last name[i], \$i; last = 0 }" /proc/net/snmp
		awk "/Discard|Err/ && \$2" /proc/net/snmp6
	}
	mkdir -p /tmp/www
	dd if=/dev/urandom of=/tmp/www/data bs=256k count=4 2>/dev/null
	dd if=/dev/urandom of=/tmp/www/small bs=700 count=1 2>/dev/null
	httpd -p 8000 -h /tmp/www
	stty -echo
	echo said ready $(md5sum </tmp/www/data | cut -d" " -f1) $(md5sum </tmp/www/small | cut -d" " -f1)
	while read -r line; do eval "$line"; done'

# start NAME FD VIF: a domain that waits for what is said on FD.
start() {
	local initrd
	initrd=$(with_script "$kernels/$kernel/guest.cpio.gz")
	mv "$initrd" "$work/initrd.$1"
	cat >"$work/$1.cfg" <<-CFG
		name = "$1"
		type = "pvh"
		memory = 160
		vcpus = 2
		kernel = "$kernels/$kernel/vmlinuz"
		ramdisk = "$work/initrd.$1"
		cmdline = "console=hvc0 quiet panic=-1 dom.test=script dom.load=xen-netfront"
		vif = [ "$3" ]
		on_reboot = "restart"
	CFG
	mkfifo "$work/to.$1"
	eval "exec $2<>\"$work/to.$1\""
	"$xl" create -p "$work/$1.cfg" >/dev/null 2>"$errors" ||
		{ tail -n 20 "$errors" "$work"/log/* "$work"/run/*/vmm.log >&2; return 1; }
	follow "$1"
	"$xl" unpause "$1"
}

# follow DOMAIN: its console goes to a file from now on, and what is said to it arrives.
follow() {
	: >"$work/console.$1"
	"$xl" console "$1" <"$work/to.$1" >>"$work/console.$1" 2>/dev/null &
	daemons+=" $!"
}

# said DOMAIN WORD: what the guest says after "said WORD"; waits for it. On an emulated host every
# process is dear, so there are few.
said() {
	local text after
	for ((i = 0; i < limit * 4; i++)); do
		IFS='' read -r -d '' text <"$work/console.$1"
		text=$'\n'${text//$'\r'/}
		after=${text##*$'\n'"said $2"}
		if [ "$after" != "$text" ] && [[ $after == *$'\n'* ]]; then
			after=${after%%$'\n'*}
			echo "${after# }"
			return
		fi
		sleep 0.25
	done
	echo "$1 did not say '$2'" >&2
	tail -n 20 "$work"/console.* "$errors" "$work"/log/* "$work"/run/*/vmm.log >&2
	return 1
}

# ask DOMAIN COMMAND: what it prints there, on one line.
asked=0
ask() {
	asked=$((RANDOM * 32768 + RANDOM))
	echo "echo said $asked \$($2 2>&1)." >"$work/to.$1"
	local answer
	answer=$(said "$1" $asked) && echo "${answer%.}"
}

id_of() { "$xl" domid "$1"; }
vmm_of() { cat "$DOMICILE_RUNDIR/$(id_of "$1")/vmm.pid"; }
descriptors() { find "/proc/$(vmm_of "$1")/fd" -mindepth 1 | wc -l; }
# memory_of NAME: what its VMM has for itself, in KiB. The guest's memory, of which the guest may touch more,
# or the kernel give a huge page, is a mapping as large as no other.
memory_of() {
	awk '/^Size:/ { size = $2 } /^Anonymous:/ && size < 65536 { sum += $2 } END { print sum }' \
		"/proc/$(vmm_of "$1")/smaps"
}
# Frames that the host's kernel could not give to the guest, or we not to it.
dropped() {
	cat "/sys/class/net/vif$(id_of "$1").0/statistics/"{rx,tx}_{dropped,errors} | xargs
}

bridge_up() {
	ip addr add 10.78.0.1/24 dev xenbr0
	ip -6 addr add fd78::1/64 dev xenbr0 nodad
	ip link set xenbr0 up
}

# What two guests and the host have to do with each other.
traffic() {
	local vif before after
	read -r data small <<<"$(said server ready)"
	said client ready >/dev/null || return
	ask server "up 10.78.0.2 fd78::2" >/dev/null && ask client "up 10.78.0.3 fd78::3" >/dev/null || return
	same queues 2 "$(ask server 'ls -d /sys/class/net/eth0/queues/tx-* | wc -l')" || return
	same reach "yes yes yes yes" "$(ask client 'reach 10.78.0.2; reach fd78::2 -6; reach 10.78.0.1; reach fd78::1 -6' |
		xargs)" || return
	same lost 0 "$(ask client 'e=$(echoes); pings 10.78.0.2; pings fd78::2 -6; pings 10.78.0.1; pings fd78::1 -6; lost $e')" ||
		return
	same "guest to guest" "$data $data" \
		"$(ask client 'fetch http://10.78.0.2:8000/data; fetch "http://[fd78::2]:8000/data"')" || return
	# From the host, and to it; in frames larger than any wire has, one way or the other.
	vif=/sys/class/net/vif$(id_of server).0/statistics
	before=$(cat "$vif"/{rx_bytes,rx_packets,tx_bytes,tx_packets})
	same "guest to host" "$data $data" "$(busybox wget -q -O - http://10.78.0.2:8000/data | sum) $(
		busybox wget -q -O - 'http://[fd78::2]:8000/data' | sum)" || return
	same "host to guest" "$host_data $host_data" \
		"$(ask server 'fetch http://10.78.0.1:8000/data; fetch "http://[fd78::1]:8000/data"')" || return
	after=$(cat "$vif"/{rx_bytes,rx_packets,tx_bytes,tx_packets})
	sizes=$(xargs <<<"$before $after" | awk '{ print ($5 - $1) / ($6 - $2 + 1), ($7 - $3) / ($8 - $4 + 1) }')
	echo "$sizes" | awk '{ exit !($1 > 2000 && $2 > 2000) }' ||
		{ echo "frames have $sizes bytes from the guest and to it: nobody leaves segmentation to us" >&2; return 1; }
	same "bad checksums" "0 0" "$(ask server bad) $(ask client bad)"
}

# Mixed traffic both ways at once: every byte is right, and neither the host nor we drop a frame; what the
# VMM has open is the same as before. Then the link is quiet, and nobody drops any.
soak() {
	local seconds=${DOMICILE_SOAK:-5} fds wrong lost drops memory grown
	read -r data2 small2 <<<"$(said client ready)"
	fds="$(descriptors server) $(descriptors client)"
	# What the host said before there was a guest was dropped.
	drops="$(dropped server) $(dropped client)"
	memory=$(memory_of server)
	echo "echo said soak1 \$(both 10.78.0.3 fd78::3 $seconds $data2 $small2)." >"$work/to.server"
	echo "e=\$(echoes); pings 10.78.0.2 '' $((seconds * 10)) & pings fd78::2 -6 $((seconds * 10)) & wrong=\$(both 10.78.0.2 fd78::2 $seconds $data $small); wait; echo said soak2 \$wrong \$(lost \$e)." >"$work/to.client"
	limit=$((limit + seconds * 4))
	lost=$(said client soak2) && wrong=$(said server soak1) || return
	limit=$((limit - seconds * 4))
	same "wrong, dropped" "0. 0, $drops" "$wrong ${lost% *}, $(dropped server) $(dropped client)" || return
	# Queues of guests that are busy may be full; a link that is quiet loses nothing.
	[ "${lost#* }" = 0. ] || echo "echoes lost under load: ${lost#* } The guests counted: $(ask server drops); $(ask client drops)" >&2
	same "lost on a quiet link" 0 "$(ask client 'e=$(echoes); pings 10.78.0.2 "" 200; pings fd78::2 -6 200; lost $e')" || return
	same "bad checksums" "0 0" "$(ask server bad) $(ask client bad)" || return
	same descriptors "$fds" "$(descriptors server) $(descriptors client)" || return
	grown=$(($(memory_of server) - memory))
	[ $grown -lt 512 ] || { echo "the VMM grew by $grown KiB" >&2; return 1; }
}

# The client restarts as another domain and connects again.
restart() {
	local id
	id=$(id_of client)
	echo 'reboot -f' >"$work/to.client"
	until_true sh -c "new=\$('$xl' domid client) && [ \"\$new\" != $id ]" || return
	[ ! -e "/sys/class/net/vif$id.0" ] || { echo "vif$id.0 was left behind" >&2; return 1; }
	follow client
	said client ready >/dev/null || return
	ask client "up 10.78.0.3 fd78::3" >/dev/null || return
	same "after the restart" "$data $data" \
		"$(ask client 'fetch http://10.78.0.2:8000/data; fetch "http://[fd78::2]:8000/data"')"
}

# More interfaces, for a while.
# attach WORD...: an interface of the server, eth1 there; detach: it goes, and nothing of it is left.
attach() { "$xl" network-attach server "$@"; }
detach() {
	"$xl" network-detach server "$1" || return
	same gone yes "$(ask server 'gone eth1')" || return
	if [ -e "/sys/class/net/vif$(id_of server).1" ] || [ -e /sys/class/net/routed0 ]; then
		echo "an interface was left behind" >&2
		return 1
	fi
}
# In a VLAN: whom it names is reached, and who has an address of the same network outside it is not.
hotplug() {
	local fds
	fds=$(descriptors server)
	attach bridge=xenbr1 mac=00:16:3e:0a:0b:0c vlan=10 || return
	same address 00:16:3e:0a:0b:0c "$(ask server 'there eth1; up 10.79.0.2 fd79::2 eth1')" || return
	same "reach by VLAN" "yes no" "$(ask server 'reach 10.79.0.1; reach_now 10.79.0.99')" || return
	"$xl" network-list server >"$work/list"
	same list "0 $(awk 'NR == 2 { print $3 }' "$work/list") 4 1 00:16:3e:0a:0b:0c 4" \
		"$(awk 'NR > 1 { print $1, $3, $5 }' "$work/list" | xargs)" || return
	detach 00:16:3e:0a:0b:0c || return
	same descriptors "$fds" "$(descriptors server)" || return
	# Linux says it where a page that it gave is not given back.
	same "pages kept" 0 "$(ask server 'dmesg | grep -c "still in use"')"
}

# Routed and behind NAT, by our scripts and by Xen's. Xen's vif-nat leaves the address as it is, so that
# only ours reaches one that knows nothing of the guest: a namespace behind the host.
scripts() {
	local dir fds
	fds=$(descriptors server)
	mkdir -p /var/log/xen
	for dir in "$DOMICILE_SCRIPTDIR" "$lab_cache/xen/etc/xen/scripts"; do
		[ -x "$dir/vif-route" ] || { skip net/xl/scripts-of-xen "no xen-utils-common: tests/lab/prepare xen"; continue; }
		attach "script=$dir/vif-route" ip=10.80.0.2 gatewaydev=domdummy vifname=routed0 || return
		ask server 'there eth1; up 10.80.0.2 fd80::2 eth1; ip route add 10.80.0.1 dev eth1 2>/dev/null' >/dev/null
		same "reach by $dir/vif-route" yes "$(ask server 'reach 10.80.0.1')" || return
		detach 1 || return
		attach "script=$dir/vif-nat" ip=10.82.0.2 || return
		ask server 'there eth1; up 10.82.0.2 fd82::2 eth1; ip route add 10.83.0.2 via 10.82.0.129' >/dev/null
		same "reach by $dir/vif-nat" yes "$(ask server 'reach 10.82.0.129')" || return
		if [ "$dir" = "$DOMICILE_SCRIPTDIR" ] && ip netns exec behind true 2>/dev/null; then
			same "reach behind NAT" yes "$(ask server 'reach 10.83.0.2')" || return
		fi
		detach 1 || return
	done
	same descriptors "$fds" "$(descriptors server)"
}

# A port of an Open vSwitch bridge, in VLAN 5 of it, by our script and by Xen's.
openvswitch() {
	local ovs=$lab_cache/ovs spec script
	export PATH=$PATH:$ovs/usr/bin OVS_RUNDIR=$work/ovs
	mkdir -p "$OVS_RUNDIR"
	ovsdb-tool create "$OVS_RUNDIR/conf.db" "$ovs/usr/share/openvswitch/vswitch.ovsschema" || return
	"$ovs/usr/sbin/ovsdb-server" "$OVS_RUNDIR/conf.db" "--remote=punix:$OVS_RUNDIR/db.sock" \
		>"$work/log/ovsdb" 2>&1 &
	daemons+=" $!"
	until_true ovs-vsctl --timeout=5 --no-wait init || return
	"$ovs/usr/lib/openvswitch-switch/ovs-vswitchd" "unix:$OVS_RUNDIR/db.sock" >"$work/log/vswitchd" 2>&1 &
	daemons+=" $!"
	ovs-vsctl --timeout=60 add-br ovsbr0 -- add-port ovsbr0 ovs5 tag=5 -- set interface ovs5 type=internal ||
		{ tail -n 20 "$work"/log/*sw* >&2; return 1; }
	echo 1 >/proc/sys/net/ipv4/conf/ovs5/arp_ignore
	ip addr add 10.81.0.1/24 dev ovs5 && ip link set ovs5 up || return
	ip addr add 10.81.0.99/32 dev ovsbr0 && ip link set ovsbr0 up || return
	for spec in "$DOMICILE_SCRIPTDIR ovsbr0.5" "$DOMICILE_SCRIPTDIR ovsbr0,vlan=5" "$lab_cache/xen/etc/xen/scripts ovsbr0.5"; do
		script=${spec% *}/vif-openvswitch
		[ -x "$script" ] || { skip net/xl/openvswitch-of-xen "no xen-utils-common: tests/lab/prepare xen"; continue; }
		attach "script=$script,bridge=${spec##* }" || return
		same "$script: port" "vif$(id_of server).1 5" "$(ovs-vsctl list-ports ovsbr0 | grep vif) $(
			ovs-vsctl get port "vif$(id_of server).1" tag)" || return
		ask server 'there eth1; up 10.81.0.2 fd81::2 eth1' >/dev/null
		same "$script: reach" "yes no" "$(ask server 'reach 10.81.0.1; reach_now 10.81.0.99')" || return
		detach 1 || return
		same "$script: ports" ovs5 "$(ovs-vsctl list-ports ovsbr0 | xargs)" || return
	done
}

# load: frames both ways, until the function that began it ends.
load() {
	ping -q -i 0.01 -w 60 10.78.0.2 >/dev/null 2>&1 &
	load=$!
	(while timeout 5 busybox wget -q -O /dev/null http://10.78.0.2:8000/data; do :; done) 2>/dev/null &
	load+=" $!"
	sleep 0.5
}
# shellcheck disable=SC2086	# a list
unload() { kill $load 2>/dev/null; wait $load 2>/dev/null; }
resumes() {
	unload
	until_true ping -q -c 1 -W 1 10.78.0.2 || return
	same "afterwards" "$data" "$(busybox wget -q -O - http://10.78.0.2:8000/data | sum)"
}

# The host's side of an interface is deleted: it comes back by itself, with the same queues.
deleted() {
	local id fds
	id=$(id_of server)
	fds=$(descriptors server)
	load
	ip link del "vif$id.0" || return
	until_true [ -e "/sys/class/net/vif$id.0/brport" ] || return
	until_true sh -c "[ \"\$(xenstore-read /local/domain/0/backend/vif/$id/0/carrier)\" = 1 ]" || return
	resumes || return
	same descriptors "$fds" "$(descriptors server)"
}

# Its bridge is; whoever makes it anew joins the interfaces to it.
unbridged() {
	load
	ip link del xenbr0 && ip link add xenbr0 type bridge && bridge_up || return
	for d in server client; do ip link set "vif$(id_of $d).0" master xenbr0 || return; done
	resumes
}

# A guest that takes no frames costs nobody else anything, and gets what comes once it goes on.
stopped() {
	"$xl" pause server || return
	load
	sleep 1
	same "the other guest" "yes" "$(ask client 'reach 10.78.0.1')" || return
	"$xl" unpause server
	resumes
}

# Without privilege: passt, as a user who may use /dev/kvm and nothing else. In the background.
passt_start() {
	local user=(setpriv --reuid 65534 --regid 65534 --clear-groups) home=$work/home initrd
	mkdir -p "$home/store" && chown -R 65534 "$home" && chmod 755 "$work"
	chmod 666 /dev/kvm
	# passt gives the guest the host's own address and routes; there have to be some.
	ip route replace default via 10.80.0.254 dev domdummy onlink
	initrd=$(script='
		echo said dhcp $(ip -4 addr show dev eth0 | grep -c 10.80.0.1/)
		for i in 1 2 3 4 5; do
			timeout 20 wget -q -O /tmp/data http://$(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p"):8001/data && break
			sleep 1
		done
		echo said got $(md5sum </tmp/data | cut -d" " -f1)
		# Whoever comes is greeted, until one has understood.
		until grep -q understood /tmp/answer 2>/dev/null; do echo through | nc -l -p 22 >/tmp/answer; done
		true' with_script "$kernels/$kernel/guest.cpio.gz")
	mv "$initrd" "$work/initrd.passt" && chmod 644 "$work/initrd.passt"
	: >"$work/console.passt"
	# A store of their own, as ./demo does it.
	HOME=$home XENSTORED_RUNDIR=$home/store timeout -k 5 $((limit * 2)) "${user[@]}" "$domicile" \
		--kernel "$kernels/$kernel/vmlinuz" --ramdisk "$work/initrd.passt" --memory 160 --vcpus 1 \
		--cmdline "console=hvc0 quiet panic=-1 dom.test=script dom.load=xen-netfront dom.net=dhcp" \
		--console stdio --net passt=2222:22 </dev/null >"$work/console.passt" 2>"$work/errors.passt" &
	passt=$!
}
# Who comes speaks first: the passt of Debian 12 acknowledges nothing to the guest before, not even that
# it has answered, so that a server that greets waits for ever.
through_port() {
	local line=''
	{
		exec 5<>/dev/tcp/127.0.0.1/2222 && echo understood >&5 && read -r -t 20 -u 5 line
		exec 5>&-
	} 2>/dev/null
	[ "$line" = through ]
}
passt_end() {
	local status
	same dhcp 1 "$(said passt dhcp)" && same "what it fetched" "$host_data" "$(said passt got)" || return
	until_true through_port || return
	wait "$passt"
	status=$?
	console=$work/console.passt errors=$work/errors.passt
	[ $status = 0 ] || { tell $status; return 1; }
}

bridge_up
# The host's end of VLAN 10, and an address that is outside it; Linux would answer for it anywhere.
ip link set xenbr1 up
ip addr add 10.79.0.99/32 dev xenbr1
ip link add link xenbr1 name xenbr1.10 type vlan id 10 && bridge vlan add dev xenbr1 vid 10 self
echo 1 >/proc/sys/net/ipv4/conf/xenbr1.10/arp_ignore
ip addr add 10.79.0.1/24 dev xenbr1.10 && ip link set xenbr1.10 up
ip link add domdummy type dummy && ip addr add 10.80.0.1/24 dev domdummy && ip link set domdummy up
if ip netns add behind 2>/dev/null; then
	ip link add to-behind type veth peer name eth0 netns behind
	ip addr add 10.83.0.1/24 dev to-behind && ip link set to-behind up
	ip -n behind addr add 10.83.0.2/24 dev eth0 && ip -n behind link set eth0 up
fi
head -c 3M /dev/urandom >"$work/www/data"
host_data=$(sum <"$work/www/data")
serve '[::]' 8000
serve 127.0.0.1 8001
if [ ! -S /run/xenstored/socket ]; then
	"$repo/build/src/xenstore/domicile-xenstored" -N &
	daemons+=" $!"
	until_true [ -S /run/xenstored/socket ]
fi

# Those that boot do it together.
passt=''
if ! command -v passt >/dev/null; then
	skip net/passt-without-privilege "passt is not installed"
elif [ "$DOMICILE_HOST" = here ]; then
	skip net/passt-without-privilege "it would open /dev/kvm to all users of this machine"
else
	passt_start
fi
# The one without privilege is done first.
passt_verdict() {
	[ -n "$passt" ] || return
	if passt_end; then
		ok net/passt-without-privilege
	else
		not_ok net/passt-without-privilege "see above"
		tail -n 40 "$work/errors.passt" "$work/console.passt" >&2
	fi
}
if start server 3 "bridge=xenbr0" && start client 4 "mac=00:16:3e:07:08:09,bridge=xenbr0,rate=1000Mb/s"; then
	passt_verdict
	for name in traffic soak restart hotplug scripts openvswitch deleted unbridged stopped; do
		if [ $name = openvswitch ] && ! { [ -e "$lab_cache/ovs" ] && modprobe -q openvswitch; }; then
			skip net/xl/openvswitch "no Open vSwitch (tests/lab/prepare ovs), or no driver for it"
		elif $name; then
			ok net/xl/$name
		else
			not_ok net/xl/$name "see above"
			tail -n 15 "$work"/log/* "$work"/run/*/vmm.log >&2
			[ $name != traffic ] || break
		fi
	done
else
	passt_verdict
	not_ok net/xl/start "see above"
fi
for d in server client; do "$xl" destroy $d 2>/dev/null; done
left=$(ip -o link | grep -o 'vif[0-9.]*' | sort -u | xargs)
if [ -n "$left" ]; then not_ok net/xl/leftovers "$left"; else ok net/xl/leftovers; fi
