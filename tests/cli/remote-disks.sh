#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks that are not on this host, which another program reaches, under xl with the real VMM: as in
# disks.sh its guest is paused. A back end that waits for it has agreed with the program on the disk's size,
# and the program with the server behind it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
kernel=$BINDIR/tests/guest/version-pvh64
export DOMICILE_VMM=$BINDIR/src/vmm/domicile
"$BINDIR/tests/lab/kvm-probe" tiny >"$dir/why" 2>&1 || { echo "skip: $(cat "$dir/why")"; exit 77; }
[ -e "$kernel" ] || { echo "skip: no micro-kernel"; exit 77; }
for program in qemu-nbd nbdkit; do
	command -v $program >/dev/null || { echo "skip: no $program"; exit 77; }
done
start_store

# Servers of others: a raw image and a qcow2 in a raw one at sockets, the raw one at a port, too.
stop_servers() {	# STATUS, which it returns
	local f
	for f in "$dir"/origin*.pid; do
		kill "$(cat "$f")" 2>/dev/null
	done
	return "$1"
}
trap 'stop_servers $?; finish' EXIT
truncate -s 24M "$dir/origin"
qemu-img create -q -f qcow2 "$dir/origin2" 8M
# serve NAME IMAGE OPTION...
serve() {
	qemu-nbd --fork --persistent --shared=4 --format=raw --pid-file="$dir/$1.pid" "${@:3}" "$dir/$2" 2>"$dir/err"
}
check server_at_a_socket serve origin origin --read-only --socket="$dir/origin.sock"
check server_of_a_qcow2 serve origin2 origin2 --socket="$dir/origin2.sock"
at_a_port() {
	local n
	for n in 1 2 3 4 5 6 7 8 9; do
		port=$((20000 + RANDOM % 10000))
		serve origin3 origin --read-only --bind=127.0.0.1 --port=$port && return
	done
	cat "$dir/err"
	return 1
}
check server_at_a_port at_a_port

sed -i "s#^kernel = .*#kernel = \"$kernel\"#; s/^memory = .*/memory = 64/" "$(config x)"
check create xl create -q -p "$dir/x.cfg"
domid=$(xl domid x)
back=/local/domain/0/backend/qdisk/$domid
server() { pgrep -f "(qemu-nbd|nbdkit).*$dir/run/"; }
no_server() { ! server >/dev/null; }

# attach NAME SPEC: it is served and the back end waits for the guest; then it is detached, and nothing stays.
attach() {
	check "$1_is_attached" xl block-attach x "vdev=xvdb,$2"
	same "$1_waits_for_the_guest" 2 "$(xenstore-read "$back/51728/state")"
	check "$1_has_a_server" test -n "$(server)"
	check "$1_is_detached" xl block-detach -f x xvdb
	check "$1_has_no_server_then" until_true 300 no_server
	same "$1_leaves_nothing" "" "$(xenstore-ls -f / | grep -v "/given = " | grep 51728; compgen -G "$dir/run/$domid/*nbd*")"
}
attach socket "access=ro,target=nbd+unix:///?socket=$dir/origin.sock"
attach port "access=ro,target=nbd://127.0.0.1:$port/"
attach qcow2_elsewhere "format=qcow2,target=nbd+unix:///?socket=$dir/origin2.sock"
attach nbdkit "target=nbdkit:memory size=8M"
attach nbdkit_read_only "access=ro,target=nbdkit:pattern size=8M"

check attach_again xl block-attach x "vdev=xvdb,access=ro,target=nbd://127.0.0.1:$port/"
same params "raw:nbd://127.0.0.1:$port/" "$(xenstore-read "$back/51728/params")"
same it_is_what_the_list_shows "51728" "$(xl block-list x | awk 'NR > 1 { print $1 }')"
# One that dies is replaced, as that of an image here.
old=$(server)
kill -9 "$old"
another() { [ -n "$(server)" ] && [ "$(server)" != "$old" ]; }
check another_server_takes_its_place until_true 300 another
# It need not have come to anything yet.
check detach_again xl block-detach -f x xvdb
check no_server_is_left until_true 300 no_server

# refused NAME TEXT SPEC: exit status 1, TEXT is said, nothing stays.
refused() {
	PATH=${only:-$PATH} xl block-attach x "vdev=xvdb,$3" 2>"$dir/err"
	same "$1_is_exit_1" 1 $?
	check "$1_is_told" grep -q "$2" "$dir/err"
	check "$1_leaves_no_server" until_true 300 no_server
	same "$1_leaves_nothing" "" "$(xenstore-ls -f / | grep -v "/given = " | grep 51728)"
}
refused nobody_there "qemu-nbd cannot serve nbd://127.0.0.1:1/" "target=nbd://127.0.0.1:1/"
refused read_only_there "qemu-nbd cannot serve nbd://127.0.0.1:$port/" "access=rw,target=nbd://127.0.0.1:$port/"
refused no_such_plugin "nbdkit cannot serve nbdkit:nosuch" "target=nbdkit:nosuch"
refused format_of_nbdkit "what nbdkit serves has the format raw" "format=qcow2,target=nbdkit:memory size=8M"
refused unknown_scheme "failed to stat" "target=gopher://127.0.0.1/"
only=/nowhere refused no_program "needs nbdkit: install nbdkit" "target=nbdkit:memory size=8M"
check destroy xl destroy x

sed -i "\$a disk = [ 'vdev=xvda,target=nbdkit:memory size=8M' ]" "$dir/x.cfg"
check create_with_one xl create -q -p "$dir/x.cfg"
check it_has_a_server test -n "$(server)"
check destroy_with_one xl destroy x
check server_goes_with_the_domain until_true 300 no_server
check nothing_left nothing_left
