#!/bin/bash
# SPDX-License-Identifier: MIT
# Several consoles with the real VMM and a small guest: terminals and a socket, as channel= describes
# them; xl console -n, xl channel-list; a front end that comes back, and what is left at the end; last words.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "skip channels: python3 is not installed"; exit 77; }
gone() { ! xl domid "$1" >/dev/null 2>&1; }
states() { xl channel-list c | awk 'NR > 1 { print $1, $3, $6 }' | xargs; }
connected() { [ "$(states)" = "1 4 pty 2 4 socket 3 4 pty" ]; }
# talk N LINE WANT: what console N of the domain shows, until WANT, after LINE was typed.
talk() { session "$3" "$2"$'\n' xl console -n "$1" c; }
# The same at the socket.
talk_socket() {
	python3 - "$dir/chan" "$@" <<'PY'
import socket, sys
path, line, want = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.settimeout(60)
s.connect(path)
if line:
    s.sendall(line.encode() + b"\n")
seen = b""
while want.encode() not in seen:
    data = s.recv(4096)
    if not data:
        break
    seen += data
print(seen.decode().strip().replace("\n", " "))
PY
}
real_vmm
cfg=$(config c "kernel = \"$guests/console_channels-pvh64\"" 'memory = 32' 'on_reboot = "destroy"' \
	"channel = [ 'name=org.one,connection=pty', 'connection=socket,name=org.two,path=$dir/chan', 'name=org.three' ]")
touch "$dir/chan-file"
check create xl create -q "$cfg"
id=$(xl domid c)
check all_connect until_true 600 connected
xl channel-list c >"$dir/list"
same channel_list_shows_terminals "$(xenstore-read "/local/domain/$id/device/console/1/tty")" \
	"$(awk '$1 == 1 { print $7 }' "$dir/list")"
check terminal_is_one test -c "$(xenstore-read "/local/domain/$id/device/console/3/tty")"
same nodes_are_as_libxls "ioemu chardev:libxl-channel1 1048576 org.two socket $dir/chan vt100" \
	"$(for n in "local/domain/$id/device/console/2/"{type,output,limit} "local/domain/0/backend/console/$id/2/"{name,connection,path,protocol}; do xenstore-read "/$n"; done | xargs)"
check guest_may_read_but_not_write_its_terminal grep -q "^/local/domain/$id/device/console/1/tty = .*(n0,r$id)" \
	<(xenstore-ls -fp "/local/domain/$id/device/console")
same socket_is_for_its_owner_only 600 "$(stat -c %a "$dir/chan")"

same first_is_still_there "console_channels: 3 consoles" \
	"$(session consoles '' xl console c)"
same one_talks "console 1 of org.one 1:hello" "$(talk 1 hello 1:hello)"
same three_talks "console 3 of org.three 3:abc" "$(talk 3 abc 3:abc)"
same two_talks "console 2 of org.two 2:over a socket" "$(talk_socket 'over a socket' 'a socket')"
same two_talks_to_the_next_one 2:again "$(talk_socket again again)"
same one_talks_again 1:again "$(talk 1 again 1:again)"
same front_end_that_closed_comes_back "console 3 of org.three" "$(talk 3 close of\ org.three)"
same and_talks 3:back "$(talk 3 back 3:back)"
xl console -n 4 c 2>"$dir/err"
same missing_console_is_exit_1 1 $?
check missing_console_is_told grep -q "domain $id has no console 4" "$dir/err"
xl console -n 2 c 2>/dev/null
same socket_is_no_terminal 1 $?
check stored_configuration_has_them grep -q '"name": "org.two"' <(xl list -l c)
check restart_finds_its_socket_again xl destroy c
check socket_is_removed test ! -e "$dir/chan"
check create_again xl create -q "$cfg"
check all_connect_again until_true 600 connected
same two_talks_after_that "console 2 of org.two 2:new" "$(talk_socket new 2:new)"
check reset xl trigger c reset
check guest_ends until_true 600 gone c
check socket_is_removed_at_the_end test ! -e "$dir/chan"

# What a guest says last is there for a reader who takes his time. Without root's rights he must not.
if [ "$(id -u)" = 0 ]; then
	xl create -q -p "$(config last "kernel = \"$guests/version-pvh64\"" 'memory = 32' 'on_poweroff = "destroy"')"
	exec 4<"$(xenstore-read "/local/domain/$(xl domid last)/console/tty")"
	xl unpause last
	sleep 0.3
	check last_words_wait_for_their_reader grep -q 'PASS version' <(timeout 60 cat <&4)
	exec 4<&-
	check last_guest_ends until_true 600 gone last
fi

# What cannot be is told.
bad() { # NAME SPEC MESSAGE
	xl create -q "$cfg" "channel=[ '$2' ]" 2>"$dir/err"
	same "$1_is_exit_3" 3 $?
	check "$1_is_told" grep -q "$3" "$dir/err"
}
bad no_name 'connection=pty' 'channel 0 has no name'
bad no_path 'name=a,connection=socket' 'channel 0: connection=socket needs an absolute path'
bad unknown_connection 'name=a,connection=tcp' 'channel 0: connection must be pty or socket'
bad other_backend 'name=a,backend=7' 'back ends are in domain 0 only'
bad no_directory "name=a,connection=socket,path=$dir/none/chan" "cannot listen at $dir/none/chan: No such file"
bad file_in_the_way "name=a,connection=socket,path=$dir/chan-file" "cannot listen at $dir/chan-file: Address already in use"
check file_stays test -f "$dir/chan-file"
check nothing_left nothing_left
[ $failures = 0 ]
