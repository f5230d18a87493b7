#!/bin/bash
# SPDX-License-Identifier: MIT
# The host's side of network interfaces under xl, with a VMM that has no guest, in a network of its own:
# bridges, scripts, what comes and goes, and that nothing is left.
# shellcheck disable=SC2317	# functions are called by name
if [ "${1:-}" != inside ]; then
	for how in "unshare -nm" "unshare -Urnm"; do
		# shellcheck disable=SC2086	# words
		! $how ip tuntap add dev probe mode tap 2>/dev/null || exec $how "$0" inside
	done
	echo "no network of our own can be made here"
	exit 77
fi
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# /sys shows the network of whoever mounted it.
mount -t sysfs sysfs /sys 2>/dev/null && own_sys=yes || own_sys=''
fresh_sys=$own_sys
start_store
export DOMICILE_SCRIPTDIR=$SRCDIR/src/cli/scripts

# What must work without a /sys of our own.
is_there() { ip link show dev "$1" >/dev/null 2>&1; }
is_gone() { ! is_there "$1"; }
of() { ip -o link show dev "$1" | sed -n "s,.* $2 \([^ ]*\).*,\1,p"; }
master() { of "$1" master; }
node() { xenstore-read "/local/domain/0/backend/vif/$1"; }
links() { ip -o link | grep -c ': vif'; }

ip link set lo up
ip link add xenbr0 type bridge
ip link add br1 type bridge
ip link add uplink type bridge
ip addr add 192.0.2.1/24 dev uplink
ip link set uplink up
ip route add default via 192.0.2.254

# Creation
check create xl create -q "$(config a "vif = [ '', 'bridge=br1,mtu=1400,rate=1Mb/s', 'vifname=web0,bridge=br1' ]")"
same default_bridge xenbr0 "$(master vif1.0)"
same bridge_of_choice br1 "$(master vif1.1)"
same mtu 1400 "$(of vif1.1 mtu)"
same rate 6250,50000 "$(node 1/1/rate)"
same name_of_choice br1 "$(master web0)"
same port_address fe:ff:ff:ff:ff:ff "$(of vif1.0 link/ether)"
same port_is_quiet 1 "$(cat /proc/sys/net/ipv6/conf/vif1.0/disable_ipv6 2>/dev/null || echo 1)"
same hotplug_status connected "$(node 1/0/hotplug-status)"
check is_up grep -q '<.*UP' <(ip -o link show dev vif1.0)
xl create -q "$(config b "vif = [ '', 'bridge=nosuch' ]")" 2>"$dir/err"
same missing_bridge_is_exit_3 3 $?
check missing_bridge_is_told grep -q 'Could not find bridge device nosuch' "$dir/err"
same nothing_is_left_of_it 3 "$(ip -o link | grep -cE ': (vif|web)')"

# The captured domain had one interface, number 0.
same list_is_laid_out_as_reals \
	"$(sed -n '/^Idx/,/vif.1.0/p' "$SRCDIR/tests/golden/xl/vif/network-list.txt" | sed 's/     4     / STATE /; s/..:..:..:..:..:../MAC/')" \
	"$(xl network-list a | sed -n 1,2p | sed 's/     [1-6]     / STATE /; s/..:..:..:..:..:../MAC/')"

# VLANs
ip link add brv type bridge vlan_filtering 1 2>/dev/null || { ip link add brv type bridge; own_sys=''; }
ip link set brv mtu 9000
vlans() { bridge vlan show dev "$1" | awk 'NR > 1 { $1 = $1 == "'"$1"'" ? "" : $1; print }' | xargs | tr -s ' '; }
if [ -z "$own_sys" ]; then
	echo "skip vlans: no /sys of our own, or a kernel without VLANs of bridges"
else
	check vlan_attach xl network-attach a bridge=brv vlan=10 devid=30
	same vlan_alone "10 PVID Egress Untagged" "$(vlans vif1.30)"
	same vlan_in_the_store 10 "$(node 1/30/vlan)"
	same mtu_of_the_bridge 9000 "$(of vif1.30 mtu)"
	same mtu_for_the_guest 9000 "$(xenstore-read /local/domain/1/device/vif/30/mtu)"
	check vlan_attach_many xl network-attach a bridge=brv vlan=1/10p/20-22/100+10x2u mtu=1400 devid=31
	same vlan_many "1 10 PVID Egress Untagged 20 21 22 100 Egress Untagged 110 Egress Untagged 120 Egress Untagged" "$(vlans vif1.31)"
	same mtu_of_choice 1400 "$(of vif1.31 mtu)"
	check vlan_with_script xl network-attach a script=vif-bridge bridge=brv vlan=7 devid=32
	same vlan_by_script "7 PVID Egress Untagged" "$(vlans vif1.32)"
	for id in 30 31 32; do
		check vlan_detach_$id xl network-detach a $id
	done
	xl network-attach a bridge=br1 vlan=10 devid=33 2>"$dir/err"
	same vlan_without_filtering_is_exit_1 1 $?
	check vlan_without_filtering_is_told grep -q 'ip link set br1 type bridge vlan_filtering 1' "$dir/err"
fi
# What would have no effect, or none that is known
no_vlan() {
	xl network-attach a devid=34 "$2" "$3" 2>"$dir/err"
	same "vlan_$1_is_exit_1" 1 $?
	check "vlan_$1_is_told" grep -q "$4" "$dir/err"
	check "vlan_$1_leaves_nothing" is_gone vif1.34
}
no_vlan on_a_route script=vif-route vlan=10 'vif-route has no bridge'
no_vlan behind_passt passt vlan=10 'passt knows no VLANs'
no_vlan without_pvid bridge=brv vlan=10/20 'must be marked "p"'
for spec in 0 4095 10-9 10q 10+5 100+10x400 5/ x; do
	no_vlan "spec_$spec" bridge=brv "vlan=$spec" 'separated by slashes'
done
# Open vSwitch, as far as it is told
mkdir -p "$dir/bin"
printf '#!/bin/sh\necho "$@" >>"%s/ovs.log"\n' "$dir" >"$dir/bin/ovs-vsctl"
chmod +x "$dir/bin/ovs-vsctl"
ovs() {
	PATH=$dir/bin:$PATH xl network-attach a script=vif-openvswitch devid=35 "$@" 2>"$dir/err" || return
	sed -n 's/.*add-port //; s/ -- set interface .*//p' "$dir/ovs.log" | tail -n 1
	PATH=$dir/bin:$PATH xl network-detach a 35
}
same ovs_bridge "ovs0 vif1.35 tag=5 trunks=7,8" "$(ovs bridge=ovs0.5:7:8)"
same ovs_vlan "ovs0 vif1.35 tag=5" "$(ovs bridge=ovs0 vlan=5)"
same ovs_vlans "ovs0 vif1.35 tag=5 trunks=7,8,20,25,30 vlan_mode=native-untagged" "$(ovs bridge=ovs0 vlan=5p/7-8/20+5x2)"
same ovs_ids "interface vif1.35 external-ids:attached-mac=MAC external-ids:xen-vm-name=\"a\" external-ids:xen-vm-uuid=UUID" \
	"$(sed -n 's/.*-- set //; s/"[0-9a-f:]\{17\}"/MAC/; s/"[0-9a-f-]\{36\}"/UUID/p' "$dir/ovs.log" | tail -n 1)"
check ovs_vlans_twice test -z "$(ovs bridge=ovs0.5 vlan=6)"
check ovs_vlans_twice_are_told grep -q 'both name VLANs' "$dir/err"
check ovs_two_untagged test -z "$(ovs bridge=ovs0 vlan=5p/6u)"

# Interfaces that come and go
check attach xl network-attach a bridge=br1 mac=00:16:3e:00:0a:0a
same attached_to_its_bridge br1 "$(master vif1.3)"
same attached_is_listed "3 00:16:3e:00:0a:0a" "$(xl network-list a | awk '$3 ~ /0a:0a/ { print $1, $3 }')"
check attached_is_stored grep -q '"mac": "00:16:3e:00:0a:0a"' <(xl list -l a)
xl network-attach a devid=3 2>"$dir/err"
same second_of_a_number_is_exit_1 1 $?
check second_of_a_number_is_told grep -q 'device already exists' "$dir/err"
check first_of_that_number_stays is_there vif1.3
xl network-attach a bridge=nosuch 2>"$dir/err"
same attach_to_a_missing_bridge_is_exit_1 1 $?
check attach_to_a_missing_bridge_leaves_nothing is_gone vif1.4
check detach_by_address xl network-detach a 00:16:3e:00:0a:0a
check detached_is_gone is_gone vif1.3
check detached_is_forgotten test -z "$(xl list -l a | grep 0a:0a)"
same no_node_is_left "" "$(xenstore-ls -f / | grep 'vif/1/3')"
check detach_by_number xl network-detach a 1
check detached_by_number_is_gone is_gone vif1.1
xl network-detach a 7 2>"$dir/err"
same detach_of_a_missing_one_is_exit_1 1 $?
same detach_of_a_missing_one_is_told "Unknown device 7." "$(cat "$dir/err")"
xl network-attach a mac=zz 2>"$dir/err"
same bad_mac_is_exit_1 1 $?
same bad_mac_is_told "Invalid parameter \`mac'." "$(cat "$dir/err")"
xl network-attach a foo=bar 2>"$dir/err"
same bad_word_is_exit_1 1 $?
same bad_word_is_told "unrecognized argument \`foo=bar'" "$(cat "$dir/err")"

# A script is called as on Xen, once at either end, whoever ends the domain.
cat >"$dir/vif-test" <<SCRIPT
#!/bin/sh
echo "\$1 \$2 \$XENBUS_PATH \$XENBUS_TYPE \$vif \${netdev:-none} \$(xenstore-read "\$XENBUS_PATH/ip")" >>"$dir/script.log"
[ "\$(xenstore-read "\$XENBUS_PATH/ip")" != 1.1.1.1 ] || { xenstore-write "\$XENBUS_PATH/hotplug-error" "not this one"; exit 1; }
xenstore-write "\$XENBUS_PATH/hotplug-status" connected
SCRIPT
chmod +x "$dir/vif-test"
check create_with_script xl create -q "$(config s "vif = [ 'script=$dir/vif-test,ip=10.0.0.9,gatewaydev=uplink' ]")"
id=$(xl domid s)
same script_online "online type_if=vif backend/vif/$id/0 vif vif$id.0 uplink 10.0.0.9" "$(cat "$dir/script.log")"
check destroy_with_script xl destroy s
same script_offline "offline type_if=vif backend/vif/$id/0 vif vif$id.0 uplink 10.0.0.9" "$(sed 1d "$dir/script.log")"
xl network-attach a "script=$dir/vif-test" ip=1.1.1.1 2>"$dir/err"
same failing_script_is_exit_1 1 $?
check failing_script_says_why grep -q 'not this one' "$dir/err"

# Domicile's own scripts
check own_bridge xl network-attach a script=vif-bridge bridge=br1 devid=10
same own_bridge_joins br1 "$(master vif1.10)"
same own_bridge_says_so connected "$(node 1/10/hotplug-status)"
xl network-attach a script=vif-bridge devid=11 2>"$dir/err"
same own_bridge_wants_a_name 1 $?
check own_bridge_says_why grep -q 'there is not exactly one bridge' "$dir/err"
check own_route xl network-attach a script=vif-route ip=192.0.2.9 devid=12
check own_route_routes grep -q 'dev vif1.12' <(ip -4 route get 192.0.2.9)
check own_route_answers_for_neighbours grep -q 1 "/proc/sys/net/ipv4/conf/vif1.12/proxy_arp"
check own_route_detach xl network-detach a 12
check own_route_unroutes grep -q 'dev uplink' <(ip -4 route get 192.0.2.9)
if can_masquerade; then
	check own_nat xl network-attach a script=vif-nat ip=10.9.9.1 devid=13
	check own_nat_routes grep -q 'dev vif1.13.*src 10.9.9.128' <(ip -4 route get 10.9.9.1)
	check own_nat_detach xl network-detach a 13
else
	echo "skip own_nat: neither nft nor iptables can masquerade here"
fi
xl network-attach a script=vif-openvswitch bridge=ovs0.5:7:8 devid=14 2>"$dir/err"
command -v ovs-vsctl >/dev/null || check own_openvswitch_says_what_it_needs grep -q 'install openvswitch-switch' "$dir/err"

# The host's side of an interface goes away under a running domain: it is made anew, given to the VMM
# once, and connected; not when it was taken away on purpose, and as soon as there is a bridge for it.
lose() {
	ip link del vif1.0 && kill -USR1 "$(cat "$DOMICILE_RUNDIR/1/vmm.pid")"
}
given() { [ "$(xenstore-read /local/domain/1/given)" = "$1 net/vif1.0" ]; }
gifts=$(xenstore-read /local/domain/1/given | cut -d' ' -f1)
check lose lose
check lost_interface_is_given_again until_true 300 given $((gifts + 1))
same lost_interface_is_on_its_bridge xenbr0 "$(master vif1.0)"
check lost_interface_is_up grep -q '<.*UP' <(ip -o link show dev vif1.0)
ip link del xenbr0
check lose_with_its_bridge lose
check lost_bridge_is_told until_true 300 grep -q 'Could not find bridge device xenbr0' "$DOMICILE_LOGDIR/xl-a.log"
check nothing_is_made_without_it is_gone vif1.0
ip link add xenbr0 type bridge
kill -USR1 "$(cat "$DOMICILE_RUNDIR/1/vmm.pid")"
check bridge_that_is_back_is_joined until_true 300 given $((gifts + 2))
same interface_is_on_the_new_bridge xenbr0 "$(master vif1.0)"
# The bridge alone
if [ "$fresh_sys" ]; then
	ip link del xenbr0
	ip link add xenbr0 type bridge
	joined() { [ "$(master vif1.0)" = xenbr0 ]; }
	check interface_joins_its_bridge_when_that_is_back until_true 300 joined
	ip link set vif1.0 master br1
	ip link del xenbr0
	ip link add xenbr0 type bridge
	sleep 0.5
	same interface_put_elsewhere_stays_there br1 "$(master vif1.0)"
fi
xenstore-write /local/domain/0/backend/vif/1/0/online 0
check lose_while_it_is_detached lose
sleep 0.5
check detached_one_stays_away is_gone vif1.0
check given_no_more given $((gifts + 2))

# A user-mode network
if command -v passt >/dev/null; then
	check passt xl network-attach a passt devid=20
	same passt_has_no_interface "" "$(ip -o link | grep vif1.20)"
	same passt_in_the_store "none connected" "$(node 1/20/passt) $(node 1/20/hotplug-status)"
	check passt_detach xl network-detach a 20
	check create_with_passt xl create -q "$(config p "vif = [ 'passt' ]")"
	id=$(xl domid p)
	# One that ended is replaced.
	kill -USR1 "$(cat "$DOMICILE_RUNDIR/$id/vmm.pid")"
	passt_given() { [ "$(xenstore-read "/local/domain/$id/given")" = "1 net/vif$id.0" ]; }
	check passt_is_given_again until_true 300 passt_given
	check destroy_with_passt xl destroy p
fi

# The end
check destroy xl destroy a
same no_interface_is_left 0 "$(links)"
check no_named_interface_is_left is_gone web0
exit $((failures > 0))
