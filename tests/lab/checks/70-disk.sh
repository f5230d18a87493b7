# SPDX-License-Identifier: MIT
#
# Disks: an unmodified Debian kernel reads and writes raw images and block devices through its own
# blkfront, and what it wrote is in the file, byte by byte. Disks come and go under xl, grow, fill
# up and fail; the guest is told, and goes on.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=6.1-cloud
have_kernel $kernel disk || exit 0
limit=240

# said WORD: what the guest's script said after "said WORD".
said() { tr -d '\r' <"$console" | sed -n "s/^said $1 //p"; }

# sum: of standard input, without the name behind it.
sum() { md5sum | cut -d' ' -f1; }

# run NAME ACCEL OPTION...: boot $script; a verdict only when the guest did not get through.
run() {
	local name=$1 accel=$2
	shift 2
	boot $kernel 2 256 'dom.test=script dom.load=xen-blkfront' --accel "$accel" "$@"
	status=$?
	[ $status = 0 ] && grep -q 'script ended with status 0' "$console" && return
	not_ok "$name" "$(tell $status)"
	return 1
}

# want NAME WORD=VALUE...: what the guest must have said; one verdict.
want() {
	local name=$1 pair wrong=''
	shift
	for pair; do
		[ "$(said "${pair%%=*}")" = "${pair#*=}" ] ||
			wrong+="${pair%%=*} is '$(said "${pair%%=*}")', not '${pair#*=}'; "
	done
	if [ -z "$wrong" ]; then
		ok "$name"
	else
		not_ok "$name" "$wrong"
		tail -n 30 "$errors" "$console" >&2
	fi
}

for accel in $accels; do
	# Four disks at once. xvda takes 24 MiB of what the guest made up, in requests of every size;
	# what is discarded is gone from the file; a read-only disk stays as it is.
	name=disk/$accel/data
	truncate -s 64M "$work/a.img"
	head -c 8M /dev/urandom >"$work/b.img"
	b=$(sum <"$work/b.img")
	cp "$work/b.img" "$work/c.img"
	truncate -s 3M "$work/d.img"
	script='
		cd /sys/block
		echo said sizes $(cat xvda/size xvdb/size sda1/size xvde/size)
		echo said ro $(cat xvda/ro xvdb/ro)
		dd if=/dev/urandom of=/tmp/data bs=1M count=24 2>/dev/null
		dd if=/tmp/data of=/dev/xvda bs=1M seek=5 conv=fsync 2>/dev/null
		dd if=/tmp/data of=/dev/xvda bs=512 seek=80001 count=33 conv=fsync 2>/dev/null
		echo said sum $(md5sum </tmp/data | cut -d" " -f1)
		echo said part $(head -c 16896 /tmp/data | md5sum | cut -d" " -f1)
		echo 3 >/proc/sys/vm/drop_caches
		echo said back $(dd if=/dev/xvda bs=1M skip=5 count=24 2>/dev/null | md5sum | cut -d" " -f1)
		echo said b $(md5sum </dev/xvdb | cut -d" " -f1)
		echo x 2>/dev/null >/dev/xvdb && echo said b was written
		echo said c $(md5sum </dev/sda1 | cut -d" " -f1)
		dd if=/dev/zero of=/dev/sda1 bs=1M count=8 conv=fsync 2>/dev/null
		echo said discard $(cat xvda/queue/discard_max_bytes)
		blkdiscard -o 8388608 -l 4194304 /dev/xvda && echo said discarded yes
		true'
	if run "$name" "$accel" --disk "$work/a.img" --disk "$work/b.img,ro" \
		--disk "$work/c.img,vdev=sda1,no-discard" --disk "$work/d.img,vdev=xvde,rw"; then
		hole=$(dd if="$work/a.img" bs=1M skip=8 count=4 status=none | sum)
		file=$({ dd if="$work/a.img" bs=1M skip=5 count=3 && dd if="$work/a.img" bs=1M skip=12 count=17; } 2>/dev/null | sum)
		zeros=$(head -c 4M /dev/zero | sum)
		if [ "$(sum <"$work/b.img")" != "$b" ]; then
			not_ok "$name" "a read-only disk was written"
		elif [ "$(sum <"$work/c.img")" != "$(head -c 8M /dev/zero | sum)" ]; then
			not_ok "$name" "sda1 is not what the guest wrote"
		elif [ "$hole" != "$zeros" ]; then
			not_ok "$name" "what was discarded is still there"
		elif [ "$(dd if="$work/a.img" bs=512 skip=80001 count=33 status=none | sum)" != "$(said part)" ]; then
			not_ok "$name" "sectors in the middle of a page went elsewhere ($file)"
		else
			want "$name" "sizes=131072 16384 16384 6144" "ro=0 1" "b=$b" "c=$b" \
				"back=$(said sum)" discarded=yes
		fi
	fi

	# A file that is cut off, and a file system that is full: errors for the guest, which goes on.
	name=disk/$accel/faults
	mkdir -p "$work/small"
	if mount -t tmpfs -o size=8m small "$work/small" 2>/dev/null; then
		truncate -s 32M "$work/small/full.img"
		truncate -s 64M "$work/cut.img"
		script='
			dd if=/dev/zero of=/dev/xvda bs=1M count=32 oflag=direct 2>/dev/null || echo said full yes
			dd if=/dev/xvda of=/dev/null bs=1M count=4 2>/dev/null && echo said alive yes
			echo said now
			for i in $(seq 600); do
				dd if=/dev/xvdb of=/dev/null bs=1M skip=40 count=1 iflag=direct 2>/dev/null ||
					{ echo said cut yes; break; }
				sleep 0.2
			done
			dd if=/dev/xvdb of=/dev/null bs=512 count=1 iflag=direct 2>/dev/null && echo said rest yes
			true'
		run "$name" "$accel" --disk "$work/small/full.img" --disk "$work/cut.img" &
		guest=$!
		for ((i = 0; i < limit * 4; i++)); do
			! grep -q '^said now' "$console" 2>/dev/null || break
			kill -0 $guest 2>/dev/null || break
			sleep 0.25
		done
		truncate -s 4M "$work/cut.img"
		if wait $guest; then
			told=$(grep -c 'No space left' "$errors")
			if [ "$told" != 1 ]; then
				not_ok "$name" "the log says $told times that there is no space"
			else
				want "$name" full=yes alive=yes cut=yes rest=yes
			fi
		else
			cat "$errors" >&2
		fi
		umount "$work/small"
	else
		skip "$name" "no tmpfs can be mounted here"
	fi
done

# Under xl: a domain with one disk gets a second one, which grows and goes, and it restarts.
xl=$repo/build/src/cli/xl
export DOMICILE_RUNDIR=$work/run DOMICILE_LOGDIR=$work/log DOMICILE_ETCDIR=$work/etc
export DOMICILE_VMM=$domicile
mkdir -p "$work/etc" "$work/log"

# line TEXT: wait until the guest has said it; its console goes to $console by `xl console`.
line() {
	for ((i = 0; i < limit * 4; i++)); do
		! tr -d '\r' <"$console" 2>/dev/null | grep -q "^$1" || return 0
		sleep 0.25
	done
	echo "the guest did not say '$1'" >&2
	tail -n 20 "$console" "$errors" "$work"/log/* "$work"/run/*/vmm.log >&2
	return 1
}

# follow DOMAIN: its console from now on.
follow() {
	: >"$console"
	(sleep 100000 | "$xl" console "$1" >>"$console" 2>/dev/null) &
	followers+=" $!"
}

hotplug() {
	truncate -s 16M "$work/x1.img" "$work/x2.img"
	script='
		for turn in 1 2 3 4 5 6 7 8 9; do
			echo said up $(ls /sys/block | grep xvd | tr "\n" " ")
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
	# Two writers of one image are refused, in a sentence.
	if "$xl" block-attach x "$work/x1.img,raw,xvdc,w" 2>"$errors"; then
		echo "a second writer got the image" >&2
		return 1
	fi
	grep -q 'x1.img is in use' "$errors" || { cat "$errors" >&2; return 1; }
	"$xl" block-attach x "$work/x2.img,raw,xvdb,w" || return
	line 'said attached 32768' && line 'said sum ' || return
	[ "$(sum <"$work/x2.img")" = "$(said sum)" ] || { echo "wrong data" >&2; return 1; }
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
	! xenstore-ls -f /local/domain 2>/dev/null | grep -q vbd
}

name=disk/xl/hotplug-and-restart
followers=''
if ! command -v xenstore-ls >/dev/null && ! [ -x "$repo/build/src/xenstore/xenstore" ]; then
	skip "$name" "no xenstore-ls"
elif hotplug; then
	ok "$name"
else
	not_ok "$name" "$(tail -n 1 "$console" | tr -d '\r')"
	"$xl" destroy x 2>/dev/null
fi
for p in $followers; do pkill -P "$p" 2>/dev/null; kill "$p" 2>/dev/null; done
