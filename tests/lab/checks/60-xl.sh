# SPDX-License-Identifier: MIT
#
# Debian guests under xl, as an operator's hands use it: every command that asks something of a guest,
# what on_* says happens, every example boots, and nothing is left afterwards. The store
# daemon is the one that the first `xl create` starts.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"
export DOMICILE_RUNDIR=$work/run DOMICILE_LOGDIR=$work/log XENSTORED_PATH=$work/xs/socket
export DOMICILE_DUMPDIR=$work/dump DOMICILE_SCRIPTDIR=$repo/src/cli/scripts
kernel=6.1-cloud
have_kernel $kernel xl || exit 0
PATH=$repo/build/src/xenstore:$PATH
limit=240

xl() { timeout -k 5 "$limit" "$repo/build/src/cli/xl" "$@"; }

# A real cgroup, where this host has the controller and lets us.
cgroup=/sys/fs/cgroup/domicile-check
if echo +cpu 2>/dev/null >/sys/fs/cgroup/cgroup.subtree_control && mkdir "$cgroup" 2>/dev/null; then
	export DOMICILE_CGROUP=$cgroup
else
	cgroup=''
fi

# shellcheck disable=SC2317	# by the trap
finish() {
	local id p
	for id in $("$repo/build/src/cli/xl" list 2>/dev/null | awk 'NR > 2 { print $(NF - 4) }'); do
		"$repo/build/src/cli/xl" destroy "$id"
	done
	for p in $(store_pids); do
		kill "$p"
	done
	[ -z "$cgroup" ] || rmdir "$cgroup"
	ip link del xenbr0 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT
store_pids() {
	grep -lszxF "XENSTORED_PATH=$XENSTORED_PATH" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 |
		while read -r p; do
			case $(tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline") in
			*domicile-xenstored*) echo "$p" ;;
			esac
		done
}

# config NAME WORDS [LINE...]: a configuration, its path on standard output.
config() {
	local name=$1 words=$2
	shift 2
	{
		printf '%s\n' "name = \"$name\"" 'type = "pvh"' 'memory = 192' \
			"kernel = \"$kernels/$kernel/vmlinuz\"" "ramdisk = \"$kernels/$kernel/guest.cpio.gz\"" \
			"cmdline = \"console=hvc0 quiet panic=-1 $words\"" "$@"
	} >"$work/$name.cfg"
	echo "$work/$name.cfg"
}

group=xl
# What may explain a failure, on stderr; the last error on standard output.
details() {
	{
		echo "--- xl list:"
		xl list
		echo "--- monitors and the VMM:"
		tail -n 5 "$DOMICILE_LOGDIR"/xl-*.log
		echo "--- the console:"
		tail -n 15 "$console" | tr -d '\r'
	} >&2 2>&1
	tail -n 1 "$errors" | tr -d '\r'
}
field() { xl list "$1" 2>/dev/null | awk -v n="$2" 'NR == 2 { print $n }'; }
state() { field "$1" 5; }
runs() { case $(state "$1") in r----- | -b----) return 0 ;; *) return 1 ;; esac; }
gone() { ! xl domid "$1" >/dev/null 2>&1; }
anew() { new=$(xl domid "$1" 2>/dev/null) && [ "$new" != "$old" ]; }

# attach NAME: the console of a domain into $console, what is written to descriptor 4 out of it.
mkfifo "$work/in"
exec 4<>"$work/in"
attach() {
	: >"$console"
	"$repo/build/src/cli/xl" console "$1" <"$work/in" >"$console" 2>>"$errors" &
	session=$!
}
said() { grep -aqF -- "$1" "$console"; }
: >"$errors"

# A guest with a shell: console, pause, sysrq.
verdict create "xl create failed" \
	xl create -q "$(config shell dom.test=shell 'vcpus = 2' 'cpu_weight = 512' \
	"channel = [ 'name=org.test' ]")" 2>>"$errors"
attach shell
verdict boots "no greeting" until_true said "Linux $(cat "$kernels/$kernel/version") on Xen PVH, 2 vcpus, 192 MiB"
verdict list "want 1 192 2, got $(field shell 2) $(field shell 3) $(field shell 4)" \
	is "1 192 2" "$(field shell 2) $(field shell 3) $(field shell 4)"
verdict list-state "state is $(state shell)" until_true runs shell
verdict vcpu-list "not two vCPUs of domain 1" \
	is "1,0 1,1 " "$(xl vcpu-list shell | awk 'NR > 1 { printf "%s,%s ", $2, $3 }')"
until_true said 'guest# '
# The answer differs from the echo of the question.
echo "echo four-\$((2 + 2))" >&4
verdict console "no answer from the shell" until_true said four-4
# A second console: Linux has it as hvc1.
mkfifo "$work/in1"
exec 5<>"$work/in1"
"$repo/build/src/cli/xl" console -n 1 shell <"$work/in1" >"$work/console1" 2>>"$errors" &
session1=$!
echo "echo out-\$((1 + 1)) >/dev/hvc1" >&4
verdict second-console "nothing came" until_true grep -aq out-2 "$work/console1"
echo "read -r line </dev/hvc1; echo \"it-says \$line\"" >&4
echo hello-there >&5
verdict second-console-input "nothing arrived" until_true said 'it-says hello-there'
printf '\035' >&5
verdict second-console-ends "^] does not end it" wait $session1
verdict channel-list "state is not 4" grep -qE '^1 +0 +4 .* pty +/dev/' <(xl channel-list shell)
xl pause shell
verdict pause "state is $(state shell)" is --p--- "$(state shell)"
echo "echo six-\$((3 + 3))" >&4
sleep 2
verdict paused-guest-is-still "it answers" eval '! said six-6'
xl unpause shell
verdict unpause "no answer after it" until_true said six-6
xl sysrq shell h
verdict sysrq "the guest's kernel does not show its help" until_true said 'sysrq: HELP'
verdict rename "failed" xl rename shell other
verdict renamed "other is not domain 1" is 1 "$(xl domid other)"
if [ -n "$cgroup" ]; then
	verdict cgroup "the VMM is not in its cgroup" \
		grep -qxf "$DOMICILE_RUNDIR/1/vmm.pid" "$cgroup/domain-1/cgroup.procs"
	verdict weight "cpu.weight is $(cat $cgroup/domain-1/cpu.weight)" is 200 "$(cat $cgroup/domain-1/cpu.weight)"
	xl sched-credit2 -d other -w 1024 -c 50
	verdict sched-credit2 "cpu.weight and cpu.max are not those" \
		is "400 50000 100000" "$(cat $cgroup/domain-1/cpu.weight $cgroup/domain-1/cpu.max | xargs)"
else
	skip xl/cgroup "this host gives us no cpu controller"
fi
verdict trigger-nmi "failed" xl trigger other nmi
verdict survives-nmi "not running" runs other
printf '\035' >&4
verdict console-escape "^] does not end the session" wait $session
verdict destroy "failed" xl destroy other
verdict destroyed "still there" gone other

# A guest that obeys: reboot, shutdown.
xl create -q "$(config obeys dom.test=hold)" 2>>"$errors"
attach obeys
until_true said 'Domicile guest: holding'
old=$(xl domid obeys)
verdict reboot "failed" xl reboot -w obeys 2>>"$errors"
verdict reboot-is-orderly "/sbin/reboot did not run" until_true said 'asked to reboot'
wait $session
verdict reboots-anew "no new domain" until_true anew obeys
attach obeys
verdict boots-again "no greeting" until_true said 'Domicile guest: holding'

# The store daemon is killed, and the next xl create, of a guest that crashes, starts another. The guest
# that was there notices nothing: it obeys a request that the new one passes on.
store=$(store_pids)
store_uid() { sed -n 's/^Uid:[[:blank:]]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
store_anew() { [ -n "$(store_pids)" ] && [ "$(store_pids)" != "$store" ]; }
verdict store-user "the store daemon runs as root" test "$(store_uid "$store")" != 0
kill -9 "$store"
xl create -q "$(config crash dom.test=panic 'on_crash = "destroy"')" 2>>"$errors"
verdict on_crash-destroy "still there" until_true gone crash
verdict store-anew "it is $(store_pids), was $store" store_anew
verdict store-user-anew "the store daemon runs as root" test "$(store_uid "$(store_pids)")" != 0
verdict store-keeps "obeys is gone" runs obeys
verdict shutdown "failed" xl shutdown -w obeys 2>"$errors"
verdict shutdown-tells-the-reason "not 0" grep -q "has been shut down, reason code 0" "$errors"
verdict shutdown-is-orderly "/sbin/poweroff did not run" until_true said 'asked to poweroff'
wait $session
verdict shut-down "still there" until_true gone obeys
verdict monitor-log "not real xl's lines" grep -q 'Action for shutdown reason code 1 is restart' \
	"$DOMICILE_LOGDIR/xl-obeys.log"

# What on_* says; the guest that crashes for good was above.
xl create -q "$(config crash dom.test=panic 'on_crash = "coredump-destroy"')" 2>>"$errors"
verdict on_crash-coredump-destroy "still there" until_true gone crash
is_core() { [ "$(head -c 4 "$1" | tr -d '\177')" = ELF ] && [ "$(stat -c %s "$1")" -gt $((192 << 20)) ]; }
verdict core-of-a-panic "no core, or too small" is_core "$DOMICILE_DUMPDIR/crash"
# The kernel's own words are in its memory.
verdict core-has-the-log "no trace of the panic" grep -aq 'Kernel panic - not syncing' "$DOMICILE_DUMPDIR/crash"
rm -f "$DOMICILE_DUMPDIR/crash"
xl create -q "$(config kept dom.test=panic 'on_crash = "preserve"')" 2>>"$errors"
crashed() { [ "$(state kept)" = ---sc- ]; }
verdict on_crash-preserve "state is $(state kept)" until_true crashed
xl destroy kept
xl create -q "$(config again dom.test=panic 'on_crash = "restart"')" 2>>"$errors"
old=$(xl domid again)
verdict on_crash-restart "no new domain" until_true anew again
xl destroy again
xl create -q "$(config both dom.test=panic 'on_crash = "rename-restart"')" 2>>"$errors"
old=$(xl domid both)
verdict on_crash-rename-restart "no successor" until_true anew both
xl destroy both
verdict on_crash-rename-restart-keeps "the old one is not kept as crashed" \
	is ---sc- "$(xl list "$old" | awk 'NR == 2 { print $(NF - 1) }')"
xl destroy "$old"
xl create -q "$(config once dom.test=reboot 'on_reboot = "destroy"')" 2>>"$errors"
verdict on_reboot-destroy "still there" until_true gone once
xl create -q "$(config off dom.test=poweroff 'on_poweroff = "preserve"')" 2>>"$errors"
down() { [ "$(state off)" = ---s-- ]; }
verdict on_poweroff-preserve "state is $(state off)" until_true down
xl destroy off

# Every example, on its console from the first line to the last. All bring kernel, initramfs and disk; the
# bridge that one expects is made here, and passt, which it needs, may be missing.
truncate -s 16M "$work/disk.img"
bridge=
modprobe bridge 2>/dev/null
! ip link add xenbr0 type bridge 2>/dev/null || bridge=yes
# passt does not start on a host without a way out.
modprobe dummy 2>/dev/null
[ -z "$bridge" ] || { ip link add out0 type dummy && ip addr add 198.51.100.1/24 dev out0 &&
	ip link set out0 up && ip route add default via 198.51.100.2; } 2>>"$errors"
for example in "$repo"/examples/*.cfg; do
	name=$(basename "$example" .cfg)
	words=()
	if grep -q '^vif' "$example" && { [ -z "$bridge" ] || ! command -v passt >/dev/null; }; then
		skip "xl/examples/$name" "no bridge can be made here, or passt is not installed"
		continue
	fi
	! grep -q '^disk' "$example" || words=("cmdline=\"console=hvc0 quiet panic=-1\"" "disk=[ \"$work/disk.img,raw,xvda,w\" ]")
	xl create -c "$example" "kernel=\"$kernels/$kernel/vmlinuz\"" \
		"ramdisk=\"$kernels/$kernel/guest.cpio.gz\"" "${words[@]}" <"$work/in" >"$console" 2>"$errors"
	verdict "examples/$name" "exit status $?" said 'Domicile guest: powering off'
	verdict "examples/$name-ends" "still there" until_true gone "$name"
done

# Nothing is left: directories of domains, monitors, cgroups, nodes.
left() {
	find "$DOMICILE_RUNDIR" -mindepth 1 -maxdepth 1 ! -name log
	[ -z "$cgroup" ] || find "$cgroup" -mindepth 1 -type d
	xenstore-ls -f / | grep -E '^/(vm|libxl|local/domain/[1-9][0-9]*|tool/domicile/name)/'
	grep -lszxF "DOMICILE_RUNDIR=$DOMICILE_RUNDIR" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 |
		while read -r p; do
			tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -E '/(xl|domicile) '
		done
}
nothing_left() { [ -z "$(left)" ]; }
verdict nothing-left "$(left | head -n 3 | tr '\n' ' ')" until_true nothing_left
