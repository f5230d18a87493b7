# SPDX-License-Identifier: MIT
#
# A device that has bad sectors, is slow, and goes away under load: the guest sees errors of its requests
# or waits, its other disks and everything else go on, and the log says what happened once. One of the
# others has sectors of 4096 bytes.
# shellcheck disable=SC2016	# scripts are for the guest
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=6.1-cloud name=disk/device-faults
have_kernel $kernel $name || exit 0
limit=300

# said WORD: what the guest's script said after "said WORD".
said() { tr -d '\r' <"$console" | sed -n "s/^said $1 //p"; }

# until_said WORD
until_said() {
	for ((i = 0; i < limit * 4; i++)); do
		! tr -d '\r' <"$console" 2>/dev/null | grep -q "^said $1" || return 0
		kill -0 "$guest" 2>/dev/null || return 1
		sleep 0.25
	done
	return 1
}

# The kernel's simulated disk: sectors 4660 to 4669 cannot be read, and how long a request takes can be set.
modprobe sd_mod 2>/dev/null
if ! modprobe scsi_debug dev_size_mb=16 opts=2 delay=0 2>/dev/null; then
	skip $name "this host has no scsi_debug"
	exit 0
fi
driver=/sys/bus/pseudo/drivers/scsi_debug
for ((i = 0; i < 100; i++)); do
	disk=$(grep -l scsi_debug /sys/block/sd*/device/model 2>/dev/null | head -n 1 | cut -d/ -f4)
	[ -z "$disk" ] || [ ! -b "/dev/$disk" ] || break
	sleep 0.1
done
[ -n "$disk" ] || { not_ok $name "scsi_debug makes no disk"; exit 0; }
head -c 16M /dev/urandom >"$work/other.img"
truncate -s 16M "$work/large.img"
modprobe loop 2>/dev/null
large=$(losetup -f --show -b 4096 "$work/large.img") || { not_ok $name "no loop device"; exit 0; }

script='
	read4k() { dd if=$1 of=/dev/null bs=4k skip=$2 count=1 iflag=direct 2>/dev/null; }
	good=0
	for i in 1 2 3 4 5; do read4k /dev/xvda 582 && good=$((good + 1)); done
	echo said bad $good
	read4k /dev/xvda 600 && echo said elsewhere yes
	echo said errors

	# What takes seconds now is waited for; the other disk is not slower for it.
	while :; do
		read4k /dev/xvda 1 &
		sleep 1
		kill -0 $! 2>/dev/null && break
	done
	n=0
	while kill -0 $! 2>/dev/null && [ $n -lt 3 ]; do
		read4k /dev/xvdb $n && n=$((n + 1))
	done
	echo said others $n
	wait $! && echo said slow yes

	while read4k /dev/xvda 2; do :; done
	echo said gone yes
	read4k /dev/xvda 3 || echo said still-gone yes
	echo said sum $(md5sum </dev/xvdb | cut -d" " -f1)
	echo said sector $(cat /sys/block/xvdc/queue/logical_block_size) $(cat /sys/block/xvdc/size)
	dd if=/dev/xvdb of=/dev/xvdc bs=4k seek=16 count=300 conv=fsync 2>/dev/null && echo said large yes
	true'
: >"$console"
boot $kernel 2 256 "dom.test=script dom.load=xen-blkfront" --accel plain --disk "/dev/$disk" \
	--disk "$work/other.img" --disk "$large" &
guest=$!
told=none
if until_said errors; then
	told=$(grep -c 'vbd 51712: read: ' "$errors")	# which error it is is the driver's affair
	# 6 s, in jiffies of 4 ms; refused while a request is under way.
	for ((i = 0; i < 100; i++)); do echo 1500 2>/dev/null >$driver/delay && break; sleep 0.1; done
fi
if until_said slow; then
	sleep 1
	echo 1 >"/sys/block/$disk/device/delete"
fi
wait $guest
status=$?
modprobe -r scsi_debug 2>/dev/null
losetup -d "$large"
wrong=''
for pair in bad=0 elsewhere=yes others=3 slow=yes gone=yes still-gone=yes "sector=4096 32768" large=yes \
	"sum=$(md5sum <"$work/other.img" | cut -d' ' -f1)"; do
	[ "$(said "${pair%%=*}")" = "${pair#*=}" ] || wrong+="${pair%%=*} is '$(said "${pair%%=*}")', not '${pair#*=}'; "
done
cmp -s <(head -c 1228800 "$work/other.img") <(dd if="$work/large.img" bs=4k skip=16 count=300 status=none) ||
	wrong+="what was written to the disk of large sectors is not there; "
[ "$told" = 1 ] || wrong+="the log told $told times of the bad sectors; "
if [ $status != 0 ]; then
	not_ok $name "$(tell $status)"
elif [ -n "$wrong" ]; then
	not_ok $name "$wrong"
	tail -n 20 "$errors" "$console" >&2
else
	ok $name
fi
exit 0
