#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks under xl with the real VMM: its guest is paused, so any kernel will do, and the back ends work
# all the same. Confined, the VMM opens nothing: what is attached comes over its control socket.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
kernel=$BINDIR/tests/guest/version-pvh64
export DOMICILE_VMM=$BINDIR/src/vmm/domicile
"$BINDIR/tests/lab/kvm-probe" tiny >"$dir/why" 2>&1 || { echo "skip: $(cat "$dir/why")"; exit 77; }
[ -e "$kernel" ] || { echo "skip: no micro-kernel"; exit 77; }
start_store

truncate -s 16M "$dir/d1" "$dir/d2" "$dir/d3"
sed -i "s#^kernel = .*#kernel = \"$kernel\"#; s/^memory = .*/memory = 64/" "$(config x "disk = [ '$dir/d1,raw,xvda,w' ]")"
check create xl create -q -p "$dir/x.cfg"
domid=$(xl domid x)
state() { xenstore-read "/local/domain/0/backend/$1/$domid/$2/state"; }
same disk_of_the_configuration_waits_for_the_guest 2 "$(state vbd 51712)"

# Twice the same image, then others: that one was refused must not stand in the way of the next.
for n in 1 2 3; do
	xl block-attach x "$dir/d1,raw,xvdc,w" 2>"$dir/err"
	same "second_writer_is_refused_$n" 1 $?
	check "second_writer_is_told_$n" grep -q "Disk vdev=xvdc: disk image $dir/d1 is in use" "$dir/err"
	check "other_image_is_attached_$n" xl block-attach x "$dir/d2,raw,xvdb,w"
	same "it_waits_for_the_guest_$n" 2 "$(state vbd 51728)"
	check "it_is_detached_$n" xl block-detach -f x xvdb
done
same nothing_is_left_of_them "51712" "$(xl block-list x | awk 'NR > 1 { print $1 }' | xargs)"
check reader_is_attached xl block-attach x "$dir/d3,raw,xvdd,r"
xl block-attach x "$dir/d3,raw,xvde,w" 2>/dev/null
same writer_beside_a_reader_is_refused 1 $?
check second_reader_is_attached xl block-attach x "$dir/d3,raw,xvde,r"
xl create -q -p "$dir/x.cfg" 'name="y"' 2>"$dir/err"
same second_domain_with_an_image_is_exit_3 3 $?
check second_domain_with_an_image_is_told grep -q "$dir/d1 is in use" "$dir/err"
if command -v qemu-nbd >/dev/null && qemu-img create -q -f qcow2 "$dir/q.qcow2" 8M; then
	check qcow2_is_attached xl block-attach x "$dir/q.qcow2,qcow2,xvdf,w"
	same qcow2_waits_for_the_guest 2 "$(state qdisk 51792)"
	xl block-attach x "$dir/q.qcow2,qcow2,xvdf,w" 2>"$dir/err"
	same second_qcow2_of_a_number_is_exit_1 1 $?
	server() { pgrep -f "qemu-nbd.*$dir/"; }
	has_server() { server >/dev/null; }
	no_server() { ! has_server; }
	sockets() { find "/proc/$(server)/fd" -lname "socket:*" | wc -l; }
	has_another() { has_server && [ "$(server)" != "$old" ]; }
	old=$(server)
	kill -9 "$old"
	has_client() { [ "$(sockets)" -ge 2 ]; }
	# The monitor starts another one, and then another one, but not for ever.
	for n in 1 2 3; do
		check "another_server_takes_its_place_$n" until_true 100 has_another
		check "it_has_a_client_$n" until_true 100 has_client
		old=$(server)
		kill -9 "$old"
	done
	sleep 1
	check fourth_is_not_replaced no_server
	check that_is_told grep -q 'The server of disk 51792 was gone and is made anew' "$dir/log/xl-x.log"
	check qcow2_whose_server_died_is_attached_again xl block-attach x "$dir/q.qcow2,qcow2,xvdf,w"
	check it_has_another_server has_another
	check it_has_a_client_then until_true 50 has_client
	check qcow2_is_detached xl block-detach -f x xvdf
	same qcow2_is_gone "" "$(pgrep -f "qemu-nbd.*$dir/")"
fi
check vmm_lives xl list x
check destroy xl destroy x
check images_are_free_then until_true 50 xl create -q -p "$dir/x.cfg"
check destroy_again xl destroy x
check nothing_left nothing_left
[ $failures = 0 ]
