# SPDX-License-Identifier: MIT
#
# Disks: an unmodified Debian kernel reads and writes raw images and block devices through its own
# blkfront, and what it wrote is in the file, byte by byte. Files that fill up or are cut off are
# errors of the guest's requests, and it goes on.
# shellcheck disable=SC2016	# scripts are for the guest
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=6.1-cloud
have_kernel $kernel disk || exit 0
limit=240

# said WORD: what the guest's script said after "said WORD".
said() { tr -d '\r' <"$console" | sed -n "s/^said $1 //p"; }

# sum: of standard input, without the name behind it.
sum() { md5sum | cut -d' ' -f1; }

# run NAME ACCEL WORDS OPTION...: boot $script; a verdict only when the guest did not get through.
run() {
	local name=$1 accel=$2 words=$3
	shift 3
	# shellcheck disable=SC2086,SC2116	# one line of it
	boot $kernel 2 256 "dom.test=script dom.load=xen-blkfront $(echo $words)" --accel "$accel" "$@"
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

# data NAME ACCEL WORDS: four disks at once (Linux calls sdc1 xvdc1). xvda takes 24 MiB of what the guest
# made up, and some sectors in the middle of a page; what is discarded is gone from the file, and nothing
# else is; a read-only disk stays as it is.
data() {
	local name=$1 accel=$2 words=$3 b hole file
	truncate -s 64M "$work/a.img"
	head -c 8M /dev/urandom >"$work/b.img"
	b=$(sum <"$work/b.img")
	cp "$work/b.img" "$work/c.img"
	truncate -s 3M "$work/d.img"
	script='
		cd /sys/block
		echo said sizes $(cat xvda/size xvdb/size xvdc1/size xvde/size)
		echo said ro $(cat xvda/ro xvdb/ro)
		dd if=/dev/urandom of=/tmp/data bs=1M count=24 2>/dev/null
		dd if=/tmp/data of=/dev/xvda bs=1M seek=5 conv=fsync 2>/dev/null
		dd if=/tmp/data of=/dev/xvda bs=512 seek=80001 count=33 conv=fsync 2>/dev/null
		echo said sum $(md5sum </tmp/data | cut -d" " -f1)
		echo said rest $({ head -c 3145728 /tmp/data; tail -c +7340033 /tmp/data; } | md5sum | cut -d" " -f1)
		echo said part $(head -c 16896 /tmp/data | md5sum | cut -d" " -f1)
		echo 3 >/proc/sys/vm/drop_caches
		echo said back $(dd if=/dev/xvda bs=1M skip=5 count=24 2>/dev/null | md5sum | cut -d" " -f1)
		echo said b $(md5sum </dev/xvdb | cut -d" " -f1)
		echo x 2>/dev/null >/dev/xvdb && echo said b was written
		echo said c $(md5sum </dev/xvdc1 | cut -d" " -f1)
		dd if=/dev/zero of=/dev/xvdc1 bs=1M count=8 conv=fsync 2>/dev/null
		echo said discard $(cat xvda/queue/discard_max_bytes)
		blkdiscard -o 8388608 -l 4194304 /dev/xvda && echo said discarded yes
		true'
	if run "$name" "$accel" "$words" --disk "$work/a.img" --disk "$work/b.img,ro" \
		--disk "$work/c.img,vdev=sdc1,no-discard" --disk "$work/d.img,vdev=xvde,rw"; then
		hole=$(dd if="$work/a.img" bs=1M skip=8 count=4 status=none | sum)
		file=$({ dd if="$work/a.img" bs=1M skip=5 count=3
			dd if="$work/a.img" bs=1M skip=12 count=17; } 2>/dev/null | sum)
		if [ "$(sum <"$work/b.img")" != "$b" ]; then
			not_ok "$name" "a read-only disk was written"
		elif [ "$(sum <"$work/c.img")" != "$(head -c 8M /dev/zero | sum)" ]; then
			not_ok "$name" "sdc1 is not what the guest wrote"
		elif [ "$hole" != "$(head -c 4M /dev/zero | sum)" ]; then
			not_ok "$name" "what was discarded is still there"
		elif [ "$file" != "$(said rest)" ]; then
			not_ok "$name" "the file does not have what the guest wrote"
		elif [ "$(dd if="$work/a.img" bs=512 skip=80001 count=33 status=none | sum)" != "$(said part)" ]; then
			not_ok "$name" "sectors in the middle of a page went elsewhere"
		else
			want "$name" "sizes=131072 16384 16384 6144" "ro=0 1" "b=$b" "c=$b" \
				"back=$(said sum)" discarded=yes
		fi
	fi
}

for accel in $own_accels; do
	data "disk/$accel/data" "$accel" ''
	# What else Linux's driver can do: rings of 16 pages, requests of 1 MiB, one queue.
	data "disk/$accel/data-large-rings" "$accel" 'xen_blkfront.max_ring_page_order=4
		xen_blkfront.max_indirect_segments=256 xen_blkfront.max_queues=1'

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
		run "$name" "$accel" '' --disk "$work/small/full.img" --disk "$work/cut.img" &
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

# Without io_uring threads do the work, behind a filter of their own.
if echo 2 2>/dev/null >/proc/sys/kernel/io_uring_disabled; then
	data disk/plain/data-without-io_uring plain ''
	echo 0 >/proc/sys/kernel/io_uring_disabled
else
	skip disk/plain/data-without-io_uring "this kernel cannot turn io_uring off"
fi
