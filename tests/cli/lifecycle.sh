#!/bin/bash
# SPDX-License-Identifier: MIT
# The life of domains under xl, with a VMM that has no guest: every command that changes something,
# every on_* action, many creations at once, and nothing left afterwards.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
start_store

state_of() { xl list "$1" 2>/dev/null | awk 'NR == 2 { print $5 }'; }
gone() { ! xl list "$1" >/dev/null 2>&1; }
alive() { ! gone "$1"; }

# Creation
a=$(config a 'vcpus = 2' 'maxvcpus = 4' 'cpus = "0"' 'uuid = "11111111-2222-3333-4444-555555555599"')
check create_succeeds xl create -q "$a"
same created_domain_is_in_the_list "a 1 16 2 -b----" "$(xl list a | awk 'NR == 2 { print $1, $2, $3, $4, $5 }')"
same list_has_reals_columns \
	"a                                            1    16     2     -b----       0.0" \
	"$(xl list a | sed -n '2p')"
same domid_of_name 1 "$(xl domid a)"
same domname_of_id a "$(xl domname 1)"
same config_is_stored '"name": "a",' "$(xl list -l a | sed -n 's/^ *\("name".*\)/\1/p')"
xl create -q "$(config a)" 2>"$dir/err"
same second_domain_of_a_name_is_exit_3 3 $?
check second_domain_of_a_name_says_so grep -q 'Domain with name "a" already exists\.' "$dir/err"
same vcpu_list_shows_offline_vcpus "0:-b- 1:-b- 2:--p 3:--p" \
	"$(xl vcpu-list a | awk 'NR > 1 { printf "%s%s:%s", (NR > 2 ? " " : ""), $3, $5 }')"

# More and more is told
same v_tells_what_is_done 8 "$(xl -v create -q "$(config vv 'extra = "fake=error"')" 2>&1 | grep -c '^xl: debug: domain "vv": ')"
check vv_tells_what_is_asked grep -q '^xl: debug: domain 1: asked for pause: ok' <(xl -vv pause a 2>&1; xl unpause a)
same without_v_nothing_is_told "" "$(xl pause a 2>&1; xl unpause a 2>&1)"
check T_tells_when grep -qE '^20[0-9]{2}-[0-9-]+ [0-9:]+ [A-Z]+ xl: ' <(xl -T console -n 9 a 2>&1)

# Commands on a running domain
check pause xl pause a
same paused_state --p--- "$(state_of a)"
check pause_again xl pause a
check unpause xl unpause a
same unpaused_state -b---- "$(state_of a)"
check rename xl rename a b
same renamed 1 "$(xl domid b)"
same old_name_is_free "Can't get domid of domain name 'a', maybe this domain does not exist." "$(xl domid a 2>&1)"
check rename_back xl rename b a
check vcpu_pin xl vcpu-pin a 0 0
same vcpu_pin_shows 0 "$(xl vcpu-list a | awk 'NR == 2 { print $7 }')"
xl vcpu-pin a 9 0 2>/dev/null
same vcpu_pin_of_a_missing_vcpu_is_exit_1 1 $?
check sysrq xl sysrq a h
same sysrq_is_in_the_store h "$(xenstore-read /local/domain/1/control/sysrq)"
check trigger_nmi xl trigger a nmi
check debug_keys xl debug-keys hq
check dmesg_shows_vmm_log grep -q '^(XEN) d1: .*debug-key' <(xl dmesg)
xl dmesg -c >/dev/null
same dmesg_c_clears "" "$(xl dmesg)"
check sched_credit2_set xl sched-credit2 -d a -w 512 -c 50
same sched_credit2_shows "a 1 512 50" "$(xl sched-credit2 -d a | awk 'NR == 2 { print $1, $2, $3, $4 }')"
same weight_in_cgroup 200 "$(cat "$dir/cgroup/domain-1/cpu.weight")"
same cap_in_cgroup "50000 100000" "$(cat "$dir/cgroup/domain-1/cpu.max")"
xl sched-credit2 -d a -w 70000 2>/dev/null
same weight_out_of_range_is_exit_1 1 $?
check config_update xl config-update a "$a" memory=32 2>/dev/null
same config_update_is_stored '"target_memkb": 32768,' "$(xl list -l a | sed -n 's/^ *\("target_memkb".*\)/\1/p')"
check list_json python3 -c 'import json, sys; d = json.load(sys.stdin); assert d[1]["name"] == "a" and d[0]["id"] == 0' \
	< <(xl list --format=json)
same xl_prefix_works 1 "$(xl domi a)"
same console_echoes "fake guest hello" \
	"$(session hello hello xl console a)"

# Disks
truncate -s 1M "$dir/d1" "$dir/d2" "$dir/bad"
state() { xenstore-read "/local/domain/0/backend/vbd/1/$1/state"; }
check block_attach xl block-attach a "$dir/d1,raw,xvdb,w"
check block_attach_by_words xl block-attach a vdev=xvdc format=raw access=ro "target=$dir/d2"
same attached_disks_are_listed "51728 0 1 51744 0 1" \
	"$(xl block-list a | awk 'NR > 1 { printf "%s%s %s %s", (NR > 2 ? " " : ""), $1, $2, $3 }')"
same attached_disk_is_described "$dir/d2 r 4" \
	"$(cd /; for n in params mode state; do xenstore-read "/local/domain/0/backend/vbd/1/51744/$n"; done | xargs)"
check attached_disk_is_stored grep -q '"vdev": "xvdc"' <(xl list -l a)
xl block-attach a "$dir/d1,raw,xvdb,w" 2>"$dir/err"
same second_disk_of_a_name_is_exit_1 1 $?
check second_disk_of_a_name_says_so grep -q 'device already exists' "$dir/err"
same first_disk_of_that_name_stays 4 "$(state 51728)"
xl block-attach a "$dir/none,raw,xvdd,w" 2>"$dir/err"
same missing_image_is_exit_1 1 $?
check missing_image_is_named grep -q "Disk vdev=xvdd failed to stat: $dir/none: No such file or directory" "$dir/err"
xl block-attach a "$dir/bad,raw,xvdd,w" 2>"$dir/err"
same refused_image_is_exit_1 1 $?
check refused_image_says_why grep -q 'Disk vdev=xvdd: this one is bad' "$dir/err"
check block_detach xl block-detach a xvdb
check block_detach_by_number xl block-detach -f a 51744
xl block-detach a xvdb 2>"$dir/err"
same detach_of_a_missing_disk_is_exit_1 1 $?
same detach_of_a_missing_disk_says_so "Error: Device xvdb not connected." "$(cat "$dir/err")"
same no_disk_is_left "" "$(xenstore-ls -f / | grep -E '/vbd|51728|51744')"
check detached_disk_is_forgotten test -z "$(xl list -l a | grep '"vdev"')"

# A script finds the device, and is told when it is over.
cat >"$dir/block-test" <<SCRIPT
#!/bin/sh
echo "\$1 \$XENBUS_PATH \$XENBUS_TYPE \$(xenstore-read "\$XENBUS_PATH/params")" >>"$dir/script.log"
case "\$1 \$(xenstore-read "\$XENBUS_PATH/params")" in
"add ok:"*) xenstore-write "\$XENBUS_PATH/physical-device-path" "$dir/d1" "\$XENBUS_PATH/hotplug-status" connected ;;
"add "*) xenstore-write "\$XENBUS_PATH/hotplug-error" "no such thing"; exit 1 ;;
esac
SCRIPT
chmod +x "$dir/block-test"
check block_script xl block-attach a "script=$dir/block-test,vdev=xvde,target=ok:1"
check block_script_detach xl block-detach a xvde
same block_script_was_called "add backend/vbd/1/51776 vbd ok:1 remove backend/vbd/1/51776 vbd ok:1" \
	"$(xargs <"$dir/script.log")"
xl block-attach a "script=$dir/block-test,vdev=xvde,target=fail" 2>"$dir/err"
same failing_block_script_is_exit_1 1 $?
check failing_block_script_says_why grep -q 'no such thing' "$dir/err"
same nothing_is_left_of_it "" "$(xenstore-ls -f / | grep 51776)"
rm "$dir/script.log"
xl create -q "$(config s "disk = [ 'script=$dir/block-test,vdev=xvda,target=ok:2' ]")"
id=$(xl domid s)
same block_script_at_create "add backend/vbd/$id/51712 vbd ok:2" "$(cat "$dir/script.log")"
check destroy_with_block_script xl destroy s
same block_script_at_destroy "remove backend/vbd/$id/51712 vbd ok:2" "$(sed 1d "$dir/script.log")"

# Formats that another program reads: it is there while the disk is. It ends when its client goes, so
# the test is one.
if command -v qemu-nbd >/dev/null && qemu-img create -q -f qcow2 "$dir/q.qcow2" 8M; then
	server() { pgrep -f "qemu-nbd.*$dir/run/$1/nbd-$2.sock" >/dev/null; }
	unserved() { ! server "$@"; }
	check qcow2_attach xl block-attach a "$dir/q.qcow2,qcow2,xvdf,w"
	same qcow2_is_qdisk "qcow2:$dir/q.qcow2 qdisk $dir/run/1/nbd-51792.sock" \
		"$(for n in params type physical-device-path; do xenstore-read "/local/domain/0/backend/qdisk/1/51792/$n"; done | xargs)"
	check qcow2_is_served server 1 51792
	check qcow2_detach xl block-detach a xvdf
	check qcow2_is_not_served_any_more until_true 100 unserved 1 51792
	same nothing_is_left_of_qcow2 "" "$(xenstore-ls -f / | grep -v "/given = " | grep -E '51792|qdisk'; compgen -G "$dir/run/1/*nbd*")"
	xl block-attach a "$dir/d1,qcow2,xvdf,w" 2>"$dir/err"
	same image_of_another_format_is_exit_1 1 $?
	check image_of_another_format_is_told grep -q "qemu-nbd cannot serve $dir/d1" "$dir/err"
	xl create -q "$(config q "disk = [ '$dir/q.qcow2,qcow2,xvda,w' ]")"
	id=$(xl domid q)
	check qcow2_at_create server "$id" 51712
	check destroy_with_qcow2 xl destroy q
	check qcow2_after_destroy until_true 100 unserved "$id" 51712
fi

# The end
check shutdown_w xl shutdown -w a 2>"$dir/err"
same shutdown_w_says "Domain 1 has been shut down, reason code 0" "$(tail -1 "$dir/err")"
check shut_down_domain_goes until_true 300 gone a
check nothing_left_after_shutdown nothing_left
check monitor_log grep -q 'Action for shutdown reason code 0 is destroy' "$dir/log/xl-a.log"

check create_p xl create -q -p "$(config p)"
same create_p_is_paused --p--- "$(state_of p)"
check destroy xl destroy p
check nothing_left_after_destroy nothing_left
check create_e xl create -q -e "$(config e)"
check destroy_without_monitor xl destroy e
check nothing_left_without_monitor nothing_left

# on_*
xl create -q "$(config r)" && old=$(xl domid r)
check reboot xl reboot -w r 2>/dev/null
rebooted() { new=$(xl domid r 2>/dev/null) && [ "$new" != "$old" ]; }
check reboot_makes_a_new_domain until_true 300 rebooted
check destroy_after_reboot xl destroy r
check nothing_left_after_reboot nothing_left

xl create -q "$(config k 'on_poweroff = "preserve"')"
check preserve_shutdown xl shutdown -w k 2>/dev/null
same preserved_state ---s-- "$(state_of k)"
same preserved_reason 0 "$(xl list -v k | awk 'NR == 2 { print $8 }')"
check preserved_is_destroyed xl destroy k
xl create -q "$(config c 'extra = "fake=crash"' 'on_crash = "preserve"')"
check crashed_state until_true 300 test "$(state_of c)" = ---sc-
check crashed_is_destroyed xl destroy c
xl create -q "$(config x 'extra = "fake=crash"')"
check crash_destroys until_true 300 gone x
check nothing_left_after_crash nothing_left
xl create -q "$(config w 'extra = "fake=watchdog"' 'on_watchdog = "preserve"')"
check watchdog_preserves until_true 300 test -n "$(xl list w 2>/dev/null)"
ended() { [ "$(xl list -v w 2>/dev/null | awk 'NR == 2 { print $5, $8 }')" = "---s-- 4" ]; }
check watchdog_reason until_true 300 ended
xl destroy w
xl create -q "$(config w 'extra = "fake=watchdog"' 'on_watchdog = "destroy"')"
check watchdog_destroys until_true 300 gone w
# A core is written before the rest; where it cannot be, the rest happens all the same.
for word in crash 'crash fake=nodump'; do
	xl create -q "$(config o "extra = \"fake=$word\"" 'on_crash = "coredump-destroy"')" 2>/dev/null
	check "guest_goes_after_fake=$word" until_true 300 gone o
	case $word in
	crash) same core_is_written "fake core" "$(cat "$dir/dump/o")"; rm "$dir/dump/o" ;;
	*) check missing_core_is_told grep -qx 'core dump failed (rc=-3).' "$dir/log/xl-o.log"
	   check missing_core_leaves_no_file test ! -e "$dir/dump/o" ;;
	esac
done
# A killed VMM is a crash, of which nothing is left to be written.
for action in coredump-destroy coredump-restart; do
	xl create -q "$(config o "on_crash = \"$action\"")" 2>/dev/null && old=$(xl domid o)
	kill -9 "$(cat "$dir/run/$old/vmm.pid")"
	replaced() { new=$(xl domid o 2>/dev/null) && [ "$new" != "$old" ]; }
	case $action in
	*destroy) check $action until_true 300 gone o ;;
	*restart) check $action until_true 300 replaced && xl destroy o ;;
	esac
done
check nothing_left_after_watchdog_and_coredumps nothing_left

xl create -q "$(config n 'on_reboot = "rename-restart"')" && old=$(xl domid n)
xl reboot n 2>/dev/null
succeeded() { new=$(xl domid n 2>/dev/null) && [ "$new" != "$old" ]; }
check rename_restart_has_a_successor until_true 300 succeeded
same rename_restart_keeps_the_old "---s-- 1" "$(xl list -v "$old" | awk 'NR == 2 { print $5, $8 }')"
check rename_restart_old_has_its_time_in_its_name grep -q '^n-20' <(xl domname "$old")
check destroy_old xl destroy "$old"
check successor_lives xl list n
check destroy_successor xl destroy n
check nothing_left_after_rename_restart nothing_left

# A VMM that is killed counts as a crash.
xl create -q "$(config v 'on_crash = "restart"')" && old=$(xl domid v)
kill -9 "$(cat "$dir/run/$old/vmm.pid")"
restarted() { new=$(xl domid v 2>/dev/null) && [ "$new" != "$old" ]; }
check killed_vmm_is_restarted until_true 300 restarted
xl destroy v
check nothing_left_after_kill nothing_left

# Creations that fail
for word in error die; do
	xl create -q "$(config f "extra = \"fake=$word\"")" 2>"$dir/err"
	same "vmm_${word}_is_exit_3" 3 $?
	check "nothing_left_after_vmm_$word" nothing_left
done
check vmm_last_words_are_told grep -q 'dying as told' "$dir/err"
xl create -q "$(config f "ramdisk = \"$dir/none\"")" 2>"$dir/err"
same missing_ramdisk_is_exit_3 3 $?
check missing_ramdisk_is_named grep -q "ramdisk \"$dir/none\"" "$dir/err"
xl create -q "$(config f "disk = [ \"$dir/none,raw,xvda,w\" ]")" 2>"$dir/err"
same missing_disk_is_exit_3 3 $?
check missing_disk_is_named grep -q "Disk vdev=xvda failed to stat: $dir/none: No such file or directory" "$dir/err"
xl create -q "$(config f 'memory = 99999999')" 2>"$dir/err"
same too_much_memory_is_exit_3 3 $?
xl create -q "$(config f 'pci = [ "00:1f.2" ]')" 2>"$dir/err"
same refused_key_is_exit_1 1 $?
check refused_key_is_told grep -q "f.cfg:5: \`pci' is refused: " "$dir/err"
check nothing_left_after_refusals nothing_left

# A VMM that hangs is killed by destroy; a guest that is deaf is not waited for by destroy.
xl create -q "$(config h 'extra = "fake=hang"')"
check hanging_vmm_is_listed xl list h >/dev/null
check hanging_vmm_is_destroyed xl destroy h
check nothing_left_after_hang nothing_left

# Names may be anything.
n=0
for name in 'a b' "a'b" 'a/b' 'ä@_-.' "$(printf 'x%.0s' $(seq 1000))"; do
	n=$((n + 1))
	xl create -q "$(config "odd$n")" "name=\"$name\"" || not_ok "create with odd name $n"
	same "odd_name_${n}_is_found" "$name" "$(xl domname "$(xl domid "$name")")"
	xl create -q "$dir/odd$n.cfg" "name=\"$name\"" 2>/dev/null
	same "odd_name_${n}_is_taken" 3 $?
	check "odd_name_${n}_is_destroyed" xl destroy "$name"
done
xl create -q "$(config odd)" "name=\"$(printf 'x%.0s' $(seq 1001))\"" 2>/dev/null
same too_long_name_is_exit_3 3 $?
check nothing_left_after_odd_names nothing_left

# Whoever asked for a domain is gone before it is ready: so is the domain.
xl create -q "$(config gone 'extra = "fake=mute"')" 2>/dev/null &
asker=$!
until_true 300 test -e "$dir/run" -a -n "$(find "$dir/run" -name ctl 2>/dev/null)"
sleep 0.5
for p in $(ours); do kill -INT "$p" 2>/dev/null; done
wait $asker
check nothing_left_after_interrupt nothing_left

# In the foreground, as a unit runs it: ready is reported, and SIGTERM takes the domain along.
python3 - "$dir/notify" >"$dir/notified" <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(120)
while True:
    m = s.recv(4096).decode()
    print(m, flush=True)
    if "STOPPING" in m:
        break
PY
until_true 300 test -S "$dir/notify"
NOTIFY_SOCKET=$dir/notify "$BINDIR/src/cli/xl" create -q -F "$(config u)" 2>/dev/null &
foreground=$!
check foreground_domain_runs until_true 300 xl domid u >/dev/null 2>&1
check foreground_reports_ready until_true 300 grep -q READY=1 "$dir/notified"
kill -TERM $foreground
wait $foreground
check foreground_ends_with_the_domain until_true 300 grep -q STOPPING=1 "$dir/notified"
check nothing_left_after_sigterm nothing_left

same create_c_shows_the_console "fake guest" \
	"$(session guest '' xl create -q -c "$(config cc)")"
same create_c_lets_it_run -b---- "$(state_of cc)"
check destroy_cc xl destroy cc

# All configurations at boot, all domains at shutdown.
mkdir -p "$dir/etc/auto"
mv "$(config auto1)" "$(config auto2)" "$dir/etc/auto/"
domains() { DOMICILE_XL=$BINDIR/src/cli/xl "$BINDIR/src/cli/systemd/domicile-domains" "$1"; }
check domains_start domains start
same domains_are_started "auto1 auto2" "$(xl list | awk 'NR > 2 { print $1 }' | sort | xargs)"
check domains_start_again domains start
same domains_are_started_once 2 "$(xl list | awk 'NR > 2' | wc -l)"
check domains_stop domains stop
check nothing_left_after_domains_stop nothing_left

races 10 config

# Many at once: ids differ, one name is given once.
started=()
for i in $(seq 20); do
	config "m$i" >/dev/null
	for twice in 1 2; do
		xl create -q "$dir/m$i.cfg" 2>>"$dir/many.$twice" &
		started+=($!)
	done
done
wait "${started[@]}"
same forty_creations_make_twenty_domains 20 "$(xl list | awk 'NR > 2' | wc -l)"
same twenty_domains_have_twenty_ids 20 "$(xl list | awk 'NR > 2 { print $2 }' | sort -u | wc -l)"
started=()
for i in $(seq 20); do
	xl destroy "m$i" &
	started+=($!)
done
wait "${started[@]}"
check nothing_left_after_many nothing_left
[ $failures = 0 ]
