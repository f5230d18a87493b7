#!/bin/bash
# SPDX-License-Identifier: MIT
# 200 domains under xl with the real VMM and a small guest that obeys control/shutdown (6 on an emulated
# host, where they are slow): they are made, listed, rebooted, shut down, destroyed, and lose their VMM
# or monitor; and when they are gone, nothing is left of them: no process, socket, descriptor of the
# store daemon, store node, cgroup or file.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
count=200 wait=600
! grep -q 'QEMU TCG' /proc/cpuinfo || count=6 wait=3000
count=${1:-$count}

# A real cgroup where this host has them and lets us.
hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
real=$hierarchy/domicile-test-$$
if [ -n "$hierarchy" ] && mkdir "$real" 2>/dev/null; then
	export DOMICILE_CGROUP=$real
fi

domain() {
	config "$1" "kernel = \"$guests/control_shutdown-pvh64\"" "${@:2}"
}
# Everything that domains may leave behind, one thing per line.
traces() {
	xenstore-ls -f / | grep -v '^/tool/domicile/last-domid '
	grep -F "$dir/" /proc/net/unix | sed 's/.* //' | sort
	find "/proc/$store_pid/fd" -mindepth 1 | sed 's/.*/descriptor of the store/'
	find "$dir/run" "$DOMICILE_CGROUP" -mindepth 1 -type d
	find "$dir/run" "$dir/xs" -type f
	ours | sed 's/.*/a process/'
}
real_vmm
xl create -q "$(domain warm)" || exit 1
xl destroy warm
check nothing_left_at_the_start nothing_left
# What ended a moment ago may still be seen: wait for two equal looks.
quiet() { traces >"$dir/before" && sleep 0.2 && diff <(traces) "$dir/before" >/dev/null; }
check quiet_at_the_start until_true 300 quiet

races $((count / 8 + 2)) domain

seq "$count" | while read -r i; do
	domain "g$i" 'on_crash = "restart"'
done >"$dir/configs"
check all_are_made xargs -n 1 -P 4 "$BINDIR/src/cli/xl" create -q <"$dir/configs"
same all_are_listed "$count" "$(xl list | awk 'NR > 2' | wc -l)"
same all_have_ids_of_their_own "$count" "$(xl list | awk 'NR > 2 { print $2 }' | sort -u | wc -l)"
# A guest that waits for requests has told the store that it watches.
waiting() { [ "$(xl list | awk 'NR > 2 && $5 ~ /^-b/' | wc -l)" = "$count" ]; }
check all_wait_for_requests until_true "$wait" waiting
same all_have_a_cgroup "$count" "$(find "$DOMICILE_CGROUP" -mindepth 1 -type d -name 'domain-*' | wc -l)"
if [ "$DOMICILE_CGROUP" = "$real" ]; then
	# With it may be a kernel thread of KVM's.
	check vmm_is_in_its_cgroup grep -qxf "$dir/run/$(xl domid g1)/vmm.pid" \
		"$real/domain-$(xl domid g1)/cgroup.procs"
fi

# One is rebooted, one loses its VMM, one its monitor; then they go in three ways.
old=$(xl domid g1)
check one_is_rebooted xl reboot -w g1 2>/dev/null
anew() { new=$(xl domid "$1" 2>/dev/null) && [ "$new" != "$old" ]; }
check one_comes_back until_true "$wait" anew g1
old=$(xl domid g2)
kill -9 "$(cat "$dir/run/$old/vmm.pid")"
check one_without_vmm_is_made_anew until_true "$wait" anew g2
vmm=$(cat "$dir/run/$(xl domid g3)/vmm.pid")
kill -9 "$(awk '/^PPid:/ { print $2 }' "/proc/$vmm/status")"
same one_without_monitor_still_runs 2 "$(xl list g3 | wc -l)"
check one_without_monitor_is_destroyed xl destroy g3
seq 4 $((count / 2 + 2)) | sed 's/^/g/' >"$dir/half"
check half_are_destroyed xargs -n 1 -P 4 "$BINDIR/src/cli/xl" destroy <"$dir/half"
waits() { [ "$(xl list "$1" | awk 'NR == 2 { print $5 }')" = -b---- ]; }
check rebooted_one_waits until_true "$wait" waits g1
check remade_one_waits until_true "$wait" waits g2
check rest_are_shut_down xl shutdown -a -w 2>"$dir/err"
check nothing_left nothing_left
unchanged() { traces >"$dir/after" && diff "$dir/before" "$dir/after" >"$dir/diff"; }
check nothing_else_changed until_true 300 unchanged
cat "$dir/diff"
[ $failures = 0 ]
