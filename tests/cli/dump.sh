#!/bin/bash
# SPDX-License-Identifier: MIT
# Core dumps with the real VMM and small guests: of a running guest, which goes on; of one that crashes
# or reboots, as on_* asks for it; of a PV guest. What is in the files is read by core.py.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
for tool in python3 readelf nm; do
	command -v $tool >/dev/null || { echo "skip dump: $tool is not installed"; exit 77; }
done
real_vmm
gone() { ! xl domid "$1" >/dev/null 2>&1; }
core() { python3 "$(dirname "$0")/core.py" "$@"; }
state() { xl list "$1" | awk 'NR == 2 { print $5 }'; }
is_blocked() { [ "$(state "$1")" = -b---- ]; }
w=$guests/control_shutdown-pvh64

# A running guest
xl create -q "$(config live "kernel = \"$w\"" 'memory = 32' 'extra = "find-me-in-the-core"' \
	'on_crash = "coredump-destroy"' 'on_reboot = "coredump-restart"')" || exit 1
check guest_runs until_true 600 is_blocked live
check dump_of_a_running_guest xl dump-core live "$dir/core"
same core_is_for_its_owner_only 600 "$(stat -c %a "$dir/core")"
same core_has_memory_and_processors "kind pvh vcpus 1 pages 8200" "$(core "$dir/core" | sed -n 1,3p | xargs)"
check core_has_what_is_in_memory test -n "$(core "$dir/core" find find-me-in-the-core)"
# RIP is in the kernel, which is at 2 MiB; online, with FPU, in kernel mode.
check vcpu_is_where_it_was grep -qE '^vcpu 0 rip 0x20[0-3][0-9a-f]{3} flags 0x25 ' <(core "$dir/core")
check core_is_sparse test $(($(stat -c '%b * 512' "$dir/core"))) -lt 4000000
check readelf_reads_it test -z "$(readelf -SW "$dir/core" 2>&1 >/dev/null)"
check guest_goes_on until_true 600 is_blocked live
check dump_again_replaces xl dump-core live "$dir/core"
xl pause live
check dump_of_a_paused_guest xl dump-core live "$dir/paused"
same paused_guest_stays_paused --p--- "$(state live)"
xl unpause live
same progress_is_told "dumping core: 100%" "$(xl -t dump-core live "$dir/core" 2>&1 | tr '\r' '\n' | tail -1)"
xl dump-core live "$dir/none/core" 2>"$dir/err"
same missing_directory_is_exit_1 1 $?
check missing_directory_is_named grep -q "$dir/none/core: No such file" "$dir/err"
check missing_directory_fails_as_reals grep -qx 'core dump failed (rc=-3)' "$dir/err"
xl dump-core live /dev/null 2>"$dir/err"
same no_regular_file_is_exit_1 1 $?

# It reboots, with a core.
old=$(xl domid live)
xl reboot live 2>/dev/null
other() { new=$(xl domid live 2>/dev/null) && [ "$new" != "$old" ]; }
check coredump_restart_restarts until_true 600 other
same coredump_restart_dumps "kind pvh vcpus 1 pages 8200" "$(core "$dir/dump/live" | sed -n 1,3p | xargs)"
check coredump_restart_is_told_in_reals_words diff - "$dir/log/xl-live.log" <<LOG
Waiting for domain live (domid $old) to die [pid $(sed -n 's/.*\[pid \([0-9]*\)\]/\1/p;q' "$dir/log/xl-live.log")]
Domain $old has shut down, reason code 1 0x1
Action for shutdown reason code 1 is coredump-restart
dumping core to $dir/dump/live
Domain $old needs to be cleaned up: destroying the domain
Waiting for domain live (domid $(xl domid live)) to die [pid $(sed -n 's/.*\[pid \([0-9]*\)\]/\1/p;q' "$dir/log/xl-live.log")]
LOG
rm "$dir/dump/live"

# It crashes.
check successor_runs until_true 600 is_blocked live
xenstore-write "/local/domain/$(xl domid live)/control/shutdown" crash
check coredump_destroy_destroys until_true 600 gone live
check coredump_destroy_dumps test -n "$(core "$dir/dump/live" find find-me-in-the-core)"
check coredump_destroy_is_told grep -qx 'Action for shutdown reason code 3 is coredump-destroy' "$dir/log/xl-live.log"
check nothing_is_left_but_the_core nothing_left

# A killed VMM leaves nothing to be dumped; that is told, and the rest goes on.
xl create -q "$(config dead "kernel = \"$w\"" 'on_crash = "coredump-destroy"')"
kill -9 "$(cat "$dir/run/$(xl domid dead)/vmm.pid")"
check killed_vmm_is_cleaned_up until_true 600 gone dead
check failed_dump_is_told_in_reals_words grep -qx 'core dump failed (rc=-3).' "$dir/log/xl-dead.log"
check failed_dump_leaves_no_file test ! -e "$dir/dump/dead"

# A PV guest
if [ -e "$guests/pv_start-pv64" ]; then
	xl create -q "$(config pv 'type = "pv"' "kernel = \"$guests/pv_start-pv64\"" 'memory = 64' \
		'extra = "one two find-me-too"' 'on_poweroff = "coredump-destroy"')"
	check pv_guest_ends until_true 600 gone pv
	same pv_core "kind pv vcpus 1 pages 16384" "$(core "$dir/dump/pv" | sed -n 1,3p | xargs)"
	check pv_core_has_what_is_in_memory test -n "$(core "$dir/dump/pv" find find-me-too)"
	# It was in its own kernel, which the shim had left: not in the hypervisor's hole.
	check pv_vcpu_is_in_its_kernel grep -qE '^vcpu 0 rip 0x[0-9a-f]+ flags 0x2?[15] |^vcpu 0 rip 0x[0-9a-f]+ flags 0x5 ' \
		<(core "$dir/dump/pv")
	check pv_vcpu_is_not_in_the_shim test -z "$(core "$dir/dump/pv" | grep 'rip 0xffff8[0-7]')"

	# What its kernel told the shim; the kernel's text says what that was.
	kernel=$guests/pv_core-pv64
	xl create -q "$(config pvcore 'type = "pv"' "kernel = \"$kernel\"" 'memory = 64' \
		'on_crash = "coredump-destroy"')"
	check pv_core_guest_ends until_true 600 gone pvcore
	# Without what compilers choose, and the handlers that it started with.
	core "$dir/dump/pvcore" vcpu 0 | grep -vE '^(r[acd]x|rsi|r8|r9|r1[01]|rip|rsp|rflags|trap .* flags 0) ' >"$dir/vcpu"
	at() { printf '%d' "0x$(nm "$kernel" | awk -v n="$1" '$3 == n { print $1 }')"; }
	diff - "$dir/vcpu" >"$dir/diff" <<-CONTEXT
		flags 0x35
		r15 0xf0f0f0
		r14 0xe0e0e0
		r13 0xd0d0d0
		r12 0xc0c0c0
		rbp 0xa0a0a0
		rbx 0xb0b0b0
		rdi 0x2
		cs 0xe033
		ss 0xe02b
		trap 0x3 flags 3 cs 0xe033 address 0x333000
		trap 0x80 flags 7 cs 0xe033 address 0x880000
		ldt $(printf '%#x' "$(at ldt)") 0x3
		gdt $(printf '%#x' $(($(at gdt) / 4096)))$(printf ' 0x0%.0s' $(seq 15))
		gdt_ents 0x200
		kernel_stack 0xe02b 0x600000
		$(grep '^cr ' "$dir/vcpu")
		callbacks 0x501000 0x502000 0x503000
		vm_assist 0x4
	CONTEXT
	same pv_core_has_what_the_kernel_told '' "$(cat "$dir/diff")"
	# CR1 and CR3 are its page tables, which are one here.
	# shellcheck disable=SC2016	# for awk
	check pv_core_has_the_page_tables awk '$1 == "cr" { exit !($3 != "0x0" && $3 == $5) }' "$dir/vcpu"
fi
check nothing_left nothing_left
[ $failures = 0 ]
