#!/bin/bash
# SPDX-License-Identifier: MIT
# The vif scripts of Xen's package xen-utils-common, unmodified, under xl: what they do to interfaces,
# and that each does the same as ours of its name. In a network of its own, with a VMM that has no
# guest. The scripts are in /etc/xen/scripts, or where `tests/lab/prepare xen` unpacked them.
cache=${DOMICILE_LAB:-/var/cache/domicile-lab}/xen/etc/xen/scripts
if [ "${1:-}" != inside ]; then
	for theirs in "$cache" /etc/xen/scripts; do
		[ ! -x "$theirs/vif-bridge" ] || break
	done
	[ -x "$theirs/vif-bridge" ] || { echo "skip: xen-utils-common is not here: tests/lab/prepare xen"; exit 77; }
	# They read /sys, and write to /var/log/xen.
	unshare -nm sh -c 'mount -t sysfs sysfs /sys && mount -t tmpfs log /var/log && mkdir /var/log/xen &&
		ip tuntap add dev probe mode tap && ip link del probe' 2>/dev/null ||
		{ echo "skip: no network and no mounts of our own can be made here"; exit 77; }
	# shellcheck disable=SC2016	# the shell inside expands it
	exec unshare -nm sh -c 'mount -t sysfs sysfs /sys && mount -t tmpfs log /var/log && mkdir /var/log/xen &&
		exec "$0" inside "$1"' "$0" "$theirs"
fi
theirs=$2
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
start_store
# shellcheck disable=SC2034	# by name, in both()
ours=$SRCDIR/src/cli/scripts

# shellcheck disable=SC2317	# called by name
is_there() { ip link show dev "$1" >/dev/null 2>&1; }
# shellcheck disable=SC2317	# called by name
is_gone() { ! is_there "$1"; }
of() { ip -o link show dev "$1" | sed -n "s,.* $2 \([^ ]*\).*,\1,p"; }
node() { xenstore-read "/local/domain/0/backend/vif/1/$1"; }

# What a script made of interface $1: flags, master, address, mtu, addresses and routes.
state() {
	local dev=$1
	ip -o link show dev "$dev" | grep -o '<.*>' | grep -ow UP
	echo "master $(of "$dev" master) address $(of "$dev" link/ether) mtu $(of "$dev" mtu)"
	ip -4 -o addr show dev "$dev" | awk '{ print $4 }'
	ip -4 route show dev "$dev" | sed 's/ *metric [0-9]*//; s/ linkdown//; s/ scope link//; s/ *$//'
	echo "proxy_arp $(cat "/proc/sys/net/ipv4/conf/$dev/proxy_arp")"
}

ip link set lo up
ip link add xenbr0 type bridge
ip link set xenbr0 mtu 4000
ip link add br1 type bridge
ip link add uplink type bridge
ip addr add 192.0.2.1/24 dev uplink
ip link set uplink up
printf '#!/bin/sh\necho "$@" >>"%s/ovs.log"\n' "$dir" >"$dir/ovs-vsctl"
chmod +x "$dir/ovs-vsctl"
PATH=$PATH:$dir
check create xl create -q "$(config a)"

# both NAME IFNAME DIFFERS WORD...: the script attached with these words, theirs and then ours; "" or a
# pattern of lines of state() that may differ.
both() {
	local name=$1 dev=$2 differs=${3:-.^} whose script
	shift 3
	for whose in theirs ours; do
		script=${!whose}/vif-$name
		check "$name/$whose/attach" xl network-attach a "script=$script" devid=0 "$@"
		same "$name/$whose/status" connected "$(node 0/hotplug-status)"
		state "$dev" | grep -v "$differs" >"$dir/state.$whose"
		check "$name/$whose/detach" xl network-detach a 0
		check "$name/$whose/gone" is_gone "$dev"
	done
	check "$name/is_up" grep -qx UP "$dir/state.theirs"
	same "$name/same" "$(cat "$dir/state.theirs")" "$(cat "$dir/state.ours")"
}

both bridge vif1.0 '' bridge=br1
same bridge_is_joined br1 "$(sed -n 's/^master \([^ ]*\).*/\1/p' "$dir/state.theirs")"
both bridge vif1.0 '' bridge=xenbr0 mtu=1300
both bridge web0 '' bridge=br1 vifname=web0
check bridge/vifname grep -q '^master br1' "$dir/state.theirs"
if command -v ifconfig >/dev/null; then
	both route vif1.0 '^master' ip=192.0.2.9 gatewaydev=uplink
	check route_is_made grep -q '^192.0.2.9' "$dir/state.theirs"
else
	echo "skip route: Xen's vif-route needs ifconfig (net-tools)"
fi
# Theirs answers for neighbours, which the guest does not need: its gateway is the host itself.
if can_masquerade; then
	both nat vif1.0 '^master\|proxy_arp' ip=10.9.9.1
	both nat vif1.0 '^master\|proxy_arp'
	check nat_address grep -q '^10.0.1.128' "$dir/state.theirs"
else
	check nat xl network-attach a "script=$theirs/vif-nat" ip=10.9.9.1
	check nat_routes grep -q 'dev vif1.0.*src 10.9.9.128' <(ip -4 route get 10.9.9.1)
	check nat_detach xl network-detach a 0
fi
both openvswitch vif1.0 '' bridge=ovs0
for whose in theirs ours; do
	check openvswitch_tag xl network-attach a "script=${!whose}/vif-openvswitch" bridge=ovs0.5 devid=0
	sed -n 's/.*add-port \(ovs0 vif1.0 tag=5\).*/\1/p' "$dir/ovs.log" | tail -n 1 >"$dir/port.$whose"
	grep -o 'external-ids:[^ ]*' "$dir/ovs.log" | tail -n 3 | tr -d '"' | sed 's,mac=.*,mac,' | sort >>"$dir/port.$whose"
	check openvswitch_detach xl network-detach a 0
done
same openvswitch_port "ovs0 vif1.0 tag=5" "$(head -n 1 "$dir/port.theirs")"
same openvswitch_same "$(cat "$dir/port.theirs")" "$(cat "$dir/port.ours")"

# What fails is told in the script's own words.
xl network-attach a "script=$theirs/vif-bridge" bridge=nosuch 2>"$dir/err"
same failure_is_exit_1 1 $?
check failure_is_told grep -q 'Could not find bridge device nosuch' "$dir/err"
check failure_leaves_nothing is_gone vif1.0

# The same names in configurations, and at the end of a domain.
check create_with_scripts xl create -q "$(config b "vif = [ 'script=$theirs/vif-bridge,bridge=br1,vifname=one', 'script=$theirs/vif-bridge,bridge=br1' ]")"
same named_one br1 "$(of one master)"
same other_one br1 "$(of vif2.1 master)"
check destroy xl destroy b
check named_one_is_gone is_gone one
check other_one_is_gone is_gone vif2.1
check destroy_a xl destroy a
exit $((failures > 0))
