# SPDX-License-Identifier: MIT
#
# Confinement holds and suffices: every thread of a running domain is without capabilities and behind a
# filter, its root is empty, and the calls that guests of several kinds caused all have a row in
# seccomp.def. Rows that nothing here used are listed on stderr, by thread kind, as candidates for
# removal: look at both hosts before removing one.
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

# The calls that were made, and the rows.
if ! command -v strace python3 >/dev/null; then
	skip confinement/rows "strace or python3 is not installed"
	exit 0
fi

trace() { strace -f -qq -e signal=none -o "$work/trace.$1" "${@:2}"; }

for accel in $accels; do
	trace "off-$accel" "$domicile" --kernel "$kernel/vmlinuz" --ramdisk "$kernel/guest.cpio.gz" \
		--cmdline "console=hvc0 quiet panic=-1 dom.test=poweroff" --memory 256 --vcpus 2 \
		--accel "$accel" --stats </dev/null >"$console" 2>"$errors" ||
		not_ok "confinement/traced-$accel" "$(tell $?)"
	rm -f "$domain/console"
	describe dom.test=hold ', "paused": true'
	trace "ctl-$accel" "$domicile" --config "$domain/domain.json" --accel "$accel" --xenstore none \
		</dev/null 2>"$errors" &
	appears "$errors" 'console on' && sleep 2
	ask '"status"' '"unpause"' >/dev/null
	appears "$domain/console" 'Domicile guest: up'
	ask '"vcpus"' '"vcpu-pin", "vcpu": 1, "cpus": "0"' '"stats"' '"debug-key", "key": "r"' \
		'"debug-key", "key": "q"' '"debug-key", "key": "s"' '"pause"' '"console"' '"unpause"' \
		'"trigger", "trigger": "nmi"' '"status"' '"destroy"' >"$work/replies"
	wait
done

# calls: "KIND CALL" or "KIND ioctl REQUEST" of all traces, made behind a filter of ours.
calls() {
	awk '
		match($0, /^[0-9]+ +[a-z_0-9]+\(/) {
			pid = $1
			call = $2
			sub(/\(.*/, "", call)
			if (pid in kind) {
				arg = ""
				if (call == "ioctl") {
					arg = $0
					sub(/^[^,]*, /, "", arg)
					sub(/[,) ].*/, "", arg)
				}
				print kind[pid], call, arg
			}
			if ($0 ~ /SECCOMP_FILTER_FLAG_SPEC_ALLOW, \{len/)
				kind[pid] = ++n[FILENAME] && $0 ~ /len='"$1"',/ ? "IO" : "VCPU"
		}' "$work"/trace.* | sed 's/ *$//' | sort -u
}
filters=$repo/build/src/vmm/seccomp_filters.c
calls "$(sed -n '/ io_kill/,/instructions/s/.*\/\* \([0-9]*\) instructions.*/\1/p' "$filters")" >"$work/calls"
sed -nE 's/^ROW\((IO|VCPU), *([a-z_0-9]+), *(EQ\(1, ([A-Z_0-9]+)\))?.*/\1 \2 \4/p' "$repo/src/vmm/seccomp.def" |
	sed 's/ *$//; s/\(io_uring_register\) .*/\1/' | sort -u >"$work/rows"
unused=$(comm -23 "$work/rows" "$work/calls")
echo "--- rows of seccomp.def that nothing used here:" >&2
echo "$unused" | sed 's/^/    /' >&2
if grep -q 'SIGSYS\|Bad system call' "$errors" "$work"/trace.*; then
	not_ok confinement/calls "a call was forbidden: $(dmesg | grep type=1326 | tail -n 1)"
elif [ -s "$work/calls" ] && [ "$(grep -c '"ok":true' "$work/replies")" = 12 ]; then
	ok confinement/calls
else
	not_ok confinement/calls "$(grep -v '"ok":true' "$work/replies" | head -n 1)"
fi
