# SPDX-License-Identifier: MIT
#
# Confinement holds and suffices: every thread of a running domain is without capabilities and behind a
# filter, its root is empty, and a domain that is asked for everything lives and ends behind its filters.
# Rows of seccomp.def that nothing here used are listed on stderr: before removing one look at all hosts,
# and at what a lab cannot show (terminals, other engines, clock sources).
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$kernels/6.1-cloud
[ -e "$kernel/guest.cpio.gz" ] || { skip confinement "kernel 6.1-cloud is not in the archive"; exit 0; }
domain=$work/domain
mkdir -p "$domain"

# describe WORDS KEYS: a description for --config.
describe() {
	cat >"$domain/domain.json" <<-JSON
		{"version": 1, "domid": 700, "name": "confined", "uuid": "01234567-89ab-cdef-0123-456789abcdef",
		 "rundir": "$domain", "type": "pvh", "kernel": "$kernel/vmlinuz",
		 "ramdisks": ["$kernel/guest.cpio.gz"], "cmdline": "console=hvc0 quiet panic=-1 $1",
		 "memory_kb": 262144, "maxmem_kb": 262144, "vcpus": 2, "maxvcpus": 2, "log_level": "debug",
		 "consoles": [{"log": "$domain/console"}] $2}
	JSON
}

# ask REQUEST...: lines to the control socket, the replies to stdout.
ask() {
	python3 - "$domain/ctl" "$@" <<-'PYTHON'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.settimeout(60)
		s.connect(sys.argv[1])
		f = s.makefile("rw")
		for request in sys.argv[2:]:
		    f.write('{"v": 1, "cmd": %s}\n' % request)
		    f.flush()
		    print(f.readline(), end="")
	PYTHON
}

# appears FILE TEXT: wait for it.
appears() {
	for ((i = 0; i < limit * 2; i++)); do
		grep -qs "$2" "$1" && return
		sleep 0.5
	done
	return 1
}

# What each thread of process $1 may still do: one line per thread.
threads() {
	awk '/^(CapEff|CapPrm|CapBnd|CapInh|CapAmb|NoNewPrivs|Seccomp):/ { printf "%s", $2 "/" }
	     /^nonvoluntary/ { print "" }' /proc/"$1"/task/*/status | sort -u
}

confined="0000000000000000/0000000000000000/0000000000000000/0000000000000000/0000000000000000/1/2/"
describe dom.test=hold ''
"$domicile" --config "$domain/domain.json" --xenstore none </dev/null 2>"$errors" &
vmm=$!
if ! appears "$domain/console" 'Domicile guest: up'; then
	not_ok confinement/threads "no guest: $(tail -n 1 "$errors")"
elif [ "$(threads $vmm)" != "$confined" ]; then
	not_ok confinement/threads "left: $(threads $vmm | tr '\n' ' ')"
else
	ok confinement/threads
fi
root=$(ls -A /proc/$vmm/root/ 2>&1)
if [ -z "$root" ]; then ok confinement/root; else not_ok confinement/root "holds: $root"; fi
kill $vmm
wait $vmm

# The calls that were made, counted by the kernel, and the rows.
tracing=/sys/kernel/tracing
mount -t tracefs tracefs $tracing 2>/dev/null
if [ ! -e $tracing/events/raw_syscalls/sys_enter/hist ] || ! command -v python3 >/dev/null; then
	skip confinement/calls "no histograms of system calls in this kernel, or no python3"
	exit 0
fi
calls=$tracing/events/raw_syscalls/sys_enter ioctls=$tracing/events/syscalls/sys_enter_ioctl

# count WORDS OPTION...: a domain's life behind its filters, driven through the control socket. Adds
# "KIND NUMBER" and "KIND ioctl REQUEST" lines to $work/calls.
count() {
	describe "$1" ', "paused": true'
	shift
	rm -f "$domain/console" "$work/ready"
	: >"$work/ready"
	"$domicile" --config "$domain/domain.json" --ready-fd 3 "$@" </dev/null 2>"$errors" 3>>"$work/ready" &
	vmm=$!
	appears "$work/ready" READY || return
	local threads
	threads=$(ls /proc/$vmm/task)
	echo 'hist:keys=common_pid,id' >$calls/trigger
	echo 'hist:keys=common_pid,cmd' >$ioctls/trigger
	ask '"status"' '"unpause"' >>"$work/replies"
	appears "$domain/console" 'Domicile guest: up'
	kill -STOP $vmm
	kill -CONT $vmm
	kill -QUIT $vmm
	ask '"vcpus"' '"vcpu-pin", "vcpu": 1, "cpus": "0"' '"stats"' '"debug-key", "key": "r"' \
		'"debug-key", "key": "q"' '"debug-key", "key": "s"' '"debug-key", "key": "e"' '"pause"' \
		'"console"' '"unpause"' '"trigger", "trigger": "nmi"' '"status"' '"destroy"' >>"$work/replies"
	wait $vmm
	status=$?
	cat $calls/hist $ioctls/hist |
		sed -nE 's/^\{ common_pid: *([0-9]+), (id|cmd): *([0-9]+) .*/\1 \2 \3/p' |
		awk -v vmm=$vmm -v threads="$threads" '
			BEGIN { n = split(threads, t); for (i in t) kind[t[i]] = t[i] == vmm ? "IO" : "VCPU" }
			$1 in kind { print kind[$1], $2 == "cmd" ? "ioctl " $3 : $3 }' >>"$work/calls"
	echo '!hist:keys=common_pid,id' >$calls/trigger
	echo '!hist:keys=common_pid,cmd' >$ioctls/trigger
}

for accel in $accels; do
	for store in auto none; do
		name=confinement/calls-$accel-store-$store
		: >"$work/replies"
		count dom.test=hold --accel "$accel" --xenstore $store
		if [ "$status" != 80 ]; then
			not_ok "$name" "$(tell "$status"); $(dmesg | grep type=1326 | tail -n 1)"
		elif [ "$(grep -c '"ok":true' "$work/replies")" != 15 ]; then
			not_ok "$name" "$(grep -v '"ok":true' "$work/replies" | head -n 1)"
		elif [ "$(grep -c 'vcpu 0: upcall' "$errors")" != 2 ]; then
			not_ok "$name" "not told by both SIGQUIT and the debug key"
		else
			ok "$name"
		fi
	done
done

# Without io_uring.
if echo 2 2>/dev/null >/proc/sys/kernel/io_uring_disabled; then
	: >"$work/replies"
	count dom.test=hold
	echo 0 >/proc/sys/kernel/io_uring_disabled
	if [ "$status" = 80 ] && [ "$(grep -c '"ok":true' "$work/replies")" = 15 ]; then
		ok confinement/calls-without-io_uring
	else
		not_ok confinement/calls-without-io_uring "$(tell "$status")"
	fi
fi

# Rows as the filters' compiler understood them: "KIND NUMBER" or "KIND ioctl REQUEST", then words.
sed -nE 's,^/\* row (.*) \*/$,\1,p' "$repo/build/src/vmm/seccomp_filters.c" >"$work/rows"
echo "--- rows of seccomp.def that nothing used here:" >&2
awk 'FILENAME ~ /calls$/ { used[$1, $2, $2 == "ioctl" ? $3 : ""] = 1; next }
	!used[$1, $2, $2 == "ioctl" ? $3 : ""]' "$work/calls" "$work/rows" >&2
