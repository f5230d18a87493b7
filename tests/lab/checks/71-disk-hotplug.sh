# SPDX-License-Identifier: MIT
#
# Disks under xl: a running Debian kernel gets a disk from an NBD server and gives it back, then a second one
# of this host, which grows and goes, while nobody else may have the first; the domain restarts with the disk
# it had.
# shellcheck disable=SC2016	# scripts are for the guest
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=6.1-cloud name=disk/xl/hotplug-and-restart
have_kernel $kernel $name || exit 0
limit=240

# said WORD: what the guest's script said after "said WORD".
said() { tr -d '\r' <"$console" | sed -n "s/^said $1 //p"; }

xl=$repo/build/src/cli/xl
export DOMICILE_RUNDIR=$work/run DOMICILE_LOGDIR=$work/log DOMICILE_ETCDIR=$work/etc
export DOMICILE_VMM=$domicile
mkdir -p "$work/etc" "$work/log"

# The store, unless one runs.
store=''
if ! [ -S /run/xenstored/socket ]; then
	"$repo/build/src/xenstore/domicile-xenstored" -M >/dev/null 2>&1 &
	store=$!
	for ((i = 0; i < limit * 10; i++)); do [ -S /run/xenstored/socket ] || sleep 0.1; done
fi

# follow DOMAIN: its console from now on.
follow() {
	: >"$console"
	(sleep 100000 | "$xl" console "$1" >>"$console" 2>/dev/null) &
	followers+=" $!"
}

# A disk that another server has: what is there is read, and what is written gets there.
remote() {
	local before
	head -c 8M /dev/urandom >"$work/there.img"
	before=$(md5sum <"$work/there.img" | cut -d" " -f1)
	qemu-nbd --fork --persistent --format=raw --socket="$work/there.sock" --pid-file="$work/there.pid" \
		"$work/there.img" || return
	"$xl" block-attach x "vdev=xvdd,target=nbd+unix:///?socket=$work/there.sock" || return
	line 'said remote ' && line 'said written ' || return
	[ "$(said remote)" = "$before" ] || { echo "wrong data from the server" >&2; return 1; }
	[ "$(said written)" = "$(md5sum <"$work/there.img" | cut -d" " -f1)" ] ||
		{ echo "wrong data at the server" >&2; return 1; }
	"$xl" block-detach x xvdd && kill "$(cat "$work/there.pid")"
}

hotplug() {
	truncate -s 16M "$work/x1.img" "$work/x2.img"
	script='
		for turn in 1 2 3 4 5 6 7 8 9; do
			echo said up $(ls /sys/block | grep xvd | tr "\n" " ")
			while [ ! -e /sys/block/xvdd ]; do sleep 0.2; done
			echo said remote $(md5sum </dev/xvdd | cut -d" " -f1)
			dd if=/dev/urandom of=/dev/xvdd bs=1M count=8 conv=fsync 2>/dev/null
			echo said written $(md5sum </dev/xvdd | cut -d" " -f1)
			while [ ! -e /sys/block/xvdb ]; do sleep 0.2; done
			echo said attached $(cat /sys/block/xvdb/size)
			dd if=/dev/urandom of=/dev/xvdb bs=1M count=16 conv=fsync 2>/dev/null
			echo said sum $(md5sum </dev/xvdb | cut -d" " -f1)
			while [ "$(cat /sys/block/xvdb/size)" = 32768 ]; do
				dd if=/dev/xvdb of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null
				sleep 0.5
			done
			echo said grown $(cat /sys/block/xvdb/size)
			while [ -e /sys/block/xvdb ]; do sleep 0.2; done
			echo said detached
			sleep 2
			reboot -f
		done'
	cat >"$work/x.cfg" <<-CFG
		name = "x"
		type = "pvh"
		memory = 256
		vcpus = 2
		kernel = "$kernels/$kernel/vmlinuz"
		ramdisk = "$(with_script "$kernels/$kernel/guest.cpio.gz")"
		cmdline = "console=hvc0 quiet panic=-1 dom.test=script dom.load=xen-blkfront"
		disk = [ "$work/x1.img,raw,xvda,w" ]
		on_reboot = "restart"
	CFG
	"$xl" create -p "$work/x.cfg" >/dev/null 2>"$errors" || { cat "$errors" >&2; return 1; }
	follow x
	"$xl" unpause x
	line 'said up xvda' || return
	remote || return
	# Two writers of one image are refused, in a sentence.
	if "$xl" block-attach x "$work/x1.img,raw,xvdc,w" 2>"$errors"; then
		echo "a second writer got the image" >&2
		return 1
	fi
	grep -q 'x1.img is in use' "$errors" || { cat "$errors" >&2; return 1; }
	"$xl" block-attach x "$work/x2.img,raw,xvdb,w" || return
	line 'said attached 32768' && line 'said sum ' || return
	[ "$(md5sum <"$work/x2.img" | cut -d" " -f1)" = "$(said sum)" ] || { echo "wrong data" >&2; return 1; }
	"$xl" block-list x >"$work/list"
	[ "$(awk 'NR > 1 { print $1, $4 }' "$work/list" | xargs)" = "51712 4 51728 4" ] ||
		{ cat "$work/list" >&2; return 1; }
	truncate -s 32M "$work/x2.img"
	line 'said grown 65536' || return
	"$xl" block-detach x xvdb || return
	line 'said detached' || return
	[ "$("$xl" block-list x | wc -l)" = 2 ] || return
	# It restarts by itself, as another domain, with the disk it had.
	old=$("$xl" domid x)
	for ((i = 0; i < limit * 4; i++)); do
		new=$("$xl" domid x 2>/dev/null) && [ "$new" != "$old" ] && break
		sleep 0.25
	done
	follow x
	line 'said up xvda' || return
	"$xl" destroy x || return
	[ "$("$repo/build/src/xenstore/domicile-xenstore" ls -f /local/domain 2>/dev/null | grep -c /vbd)" = 0 ]
}

followers=''
if hotplug; then
	ok "$name"
else
	not_ok "$name" "$(tail -n 1 "$console" | tr -d '\r')"
	"$xl" destroy x 2>/dev/null
fi
for p in $followers; do pkill -P "$p" 2>/dev/null; kill "$p" 2>/dev/null; done
[ -z "$store" ] || kill "$store"
exit 0
