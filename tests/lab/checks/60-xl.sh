# SPDX-License-Identifier: MIT
#
# Debian guests under xl, as an operator's hands use it: every command that asks something of a guest, and
# nothing is left afterwards. The store daemon is the one that the first `xl create` starts.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/checks/lib-xl.sh
. "$(dirname "$0")/lib-xl.sh"

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

ends_clean
