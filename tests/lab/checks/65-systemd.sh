# SPDX-License-Identifier: MIT
#
# The units under systemd: a systemd of its own, in namespaces of its own, runs what `cmake --install`
# installs. Domains start at boot from /etc/domicile/auto, a unit is ready when its guest runs, has a
# delegated cgroup whose weight and cap are Linux's, shuts its guest down when it is stopped, and comes
# back when its monitor is killed; the host's shutdown is the guests' shutdown.
#
# Installs into the root of the host: only where that is forgotten afterwards, in the lab.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"
shown_by bookworm || { skip systemd "the other host shows it; ./check -a"; exit 0; }
guest=$repo/build/tests/guest/control_shutdown-pvh64
if [ "$DOMICILE_HOST" = here ]; then
	skip systemd "this would install into the system"
	exit 0
fi
if [ ! -x /lib/systemd/systemd ]; then
	skip systemd "there is no systemd here"
	exit 0
fi
limit=240
xl=/usr/local/sbin/xl
cmake --install "$repo/build" >"$work/install" 2>&1 || { not_ok systemd/install "$(tail -n 1 "$work/install")"; exit 0; }
mkdir -p /etc/domicile/auto
for name in boot unit; do
	printf '%s\n' "name = \"$name\"" 'type = "pvh"' 'memory = 16' "kernel = \"$guest\"" >"$work/$name.cfg"
done
mv "$work/boot.cfg" /etc/domicile/auto/
{ cat "$work/unit.cfg"; echo 'cpu_weight = 512'; } >/etc/domicile/unit.cfg

# A host that knows our units and systemd's targets, and starts what is enabled, and nothing else.
units=$work/units
mkdir -p "$units"
cp /lib/systemd/system/*.target /lib/systemd/system/systemd-{exit,halt,poweroff}.service "$units" 2>/dev/null
cp /usr/local/lib/systemd/system/domicile* "$units"
for unit in domicile-domains.service domicile-xenstored.socket; do
	while read -r target; do
		mkdir -p "$units/$target.wants"
		ln -s "$units/$unit" "$units/$target.wants/"
	done < <(sed -n 's/^WantedBy=//p' "$units/$unit")
done
# What the monitor of a unit writes goes to a file: there is no journal.
verify() { SYSTEMD_UNIT_PATH=$units: systemd-analyze verify --man=no "$units"/domicile*.* >"$work/verify" 2>&1; }
verify
verified=$?
for unit in domicile@ domicile-domains domicile-xenstored; do
	mkdir -p "$units/$unit.service.d"
	printf '[Service]\nStandardOutput=append:%s\nStandardError=append:%s\n' "$work/units.log" "$work/units.log" \
		>"$units/$unit.service.d/log.conf"
done

group=systemd
details() {
	{
		echo "--- units:"
		in_host systemctl --no-pager status 'domicile*'
		echo "--- their output:"
		tail -n 20 "$work/units.log" "$work/systemd.log"
		find "$cgroups/domicile.slice" -type d
	} >&2 2>&1
	tail -n 1 "$work/units.log"
}

verdict verify "$(tail -n 1 "$work/verify")" is 0 $verified

# A systemd as process 1 of namespaces of its own; its cgroups are below one of this host's.
echo '+cpu +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
cgroups=/sys/fs/cgroup/domicile-systemd
remove_cgroups() { [ ! -d $cgroups ] || find $cgroups -depth -type d -exec rmdir {} + 2>/dev/null; }
mkdir $cgroups
cat >"$work/boot" <<INIT
#!/bin/sh
# The process outside must not be in the cgroup: one with children may hold none.
echo 0 >$cgroups/cgroup.procs
exec unshare --cgroup "$work/boot-inside"
INIT
cat >"$work/boot-inside" <<INIT
#!/bin/sh
mount -t tmpfs run /run
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
exec env -i container=domicile PATH=$PATH SYSTEMD_UNIT_PATH=$units /lib/systemd/systemd --unit=multi-user.target \
	--log-target=console --log-level=notice --show-status=no
INIT
chmod +x "$work/boot" "$work/boot-inside"
unshare --pid --fork --kill-child --mount --mount-proc --ipc --uts "$work/boot" >"$work/systemd.log" 2>&1 </dev/null &
outer=$!
inner() { tr -d ' ' 2>/dev/null <"/proc/$outer/task/$outer/children"; }
in_host() {
	SYSTEMD_UNIT_PATH=$units timeout -k 5 "$limit" nsenter -t "$(inner)" --root --mount --pid --cgroup --ipc --uts -- "$@"
}
trap 'kill -9 "$(inner)" 2>/dev/null; wait $outer 2>/dev/null; remove_cgroups; rm -rf "$work"' EXIT

runs() { in_host $xl domid "$1" >/dev/null 2>&1; }
gone() { ! runs "$1"; }
active() { [ "$(in_host systemctl is-active "$1" 2>/dev/null)" = active ]; }
until_true in_host systemctl show -p Version >/dev/null 2>&1
verdict boots "multi-user.target is not reached" until_true active multi-user.target
verdict auto-starts "boot does not run" runs boot
verdict store-is-a-unit "not active" active domicile-xenstored.service

# One domain as a unit.
verdict start "failed" in_host systemctl start domicile@unit
verdict start-returns-when-the-guest-runs "it does not" runs unit
verdict is-active "$(in_host systemctl is-active domicile@unit)" active domicile@unit
id=$(in_host $xl domid unit)
verdict status "not the domain's" is "domain $id is running" "$(in_host systemctl show -P StatusText domicile@unit)"
cgroup=$cgroups/domicile.slice/domicile@unit.service
files() { cat "$cgroup/domain-$id/cpu.weight" "$cgroup/domain-$id/cpu.max" | xargs; }
verdict weight "got $(files)" is "200 max 100000" "$(files)"
in_host $xl sched-credit2 -d unit -w 1024 -c 50
verdict sched-credit2 "got $(files)" is "400 50000 100000" "$(files)"
verdict vmm-is-in-its-cgroup "$(cat "$cgroup/domain-$id/cgroup.procs")" \
	eval "grep -q domain.json /proc/\$(head -n 1 $cgroup/domain-$id/cgroup.procs)/cmdline"

# The store daemon is killed: systemd starts another, which knows all, and the rest below goes on with it.
store_pid() { in_host systemctl show -P MainPID domicile-xenstored; }
store=$(store_pid)
store_anew() { [ "$(store_pid)" != "$store" ] && active domicile-xenstored.service; }
store_uid() { in_host sed -n 's/^Uid:[[:blank:]]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
verdict store-user "it is root" test "$(store_uid "$store")" != 0
in_host systemctl kill -s KILL domicile-xenstored
verdict store-anew "it is not there" until_true store_anew
verdict store-user-anew "it is root" test "$(store_uid "$(store_pid)")" != 0
verdict store-keeps "the domain is gone" is "$id" "$(in_host $xl domid unit)"

# Its monitor is killed: what is left goes, and it starts anew.
kill -9 "$(head -n 1 "$cgroup/monitor/cgroup.procs")"
anew() { new=$(in_host $xl domid unit 2>/dev/null) && [ "$new" != "$id" ] && active domicile@unit; }
verdict restart "no new domain" until_true anew
verdict restart-leaves-nothing "domains: $(in_host $xl list | awk 'NR > 2 { print $1 }' | xargs)" \
	is "boot unit" "$(in_host $xl list | awk 'NR > 2 { print $1 }' | sort | xargs)"
: >"$work/units.log"
verdict stop "failed" in_host systemctl stop domicile@unit
verdict stop-is-the-guests-shutdown "not by the guest" grep -q 'has shut down, reason code 0' "$work/units.log"
verdict stopped "unit is still there" gone unit
verdict stop-is-clean "$(in_host systemctl show -P Result domicile@unit)" is success "$(in_host systemctl show -P Result domicile@unit)"

# A name that is taken is refused, and whoever has it goes on.
cp /etc/domicile/auto/boot.cfg /etc/domicile/boot.cfg
verdict name-is-taken "the start succeeded" eval '! in_host systemctl start domicile@boot 2>/dev/null'
verdict taken-name-is-unharmed "boot is gone" runs boot

# The host goes down.
verdict start-again "failed" in_host systemctl start domicile@unit
: >"$work/units.log"
kill -s RTMIN+3 "$(inner)"
wait $outer
verdict shutdown-shuts-units-down "not by the guest" grep -q 'has shut down, reason code 0' "$work/units.log"
verdict shutdown-shuts-others-down "not by the guest" \
	grep -q 'has shut down, reason code 0' /var/log/domicile/xl-boot.log
