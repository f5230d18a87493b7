# SPDX-License-Identifier: MIT
#
# Unmodified Debian kernels boot to userspace with the vCPUs and the memory they were given, see a
# Xen PVH platform, and power off: exit status 0. 4096 MiB reaches past the hole below 4 GiB.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

# boots KERNEL VCPUS MIB ACCEL
boots() {
	local name=boot/$4/$1/${2}vcpu/${3}MiB status expected
	have_kernel "$1" "$name" || return
	boot "$1" "$2" "$3" dom.test=poweroff --accel "$4"
	status=$?
	expected="Domicile guest: Linux $(cat "$kernels/$1/version") on Xen PVH,"
	expected+=" $2 vcpus, $3 MiB"
	if [ $status != 0 ]; then
		not_ok "$name" "$(tell $status)"
	elif [ "$(greeting)" != "$expected" ]; then
		not_ok "$name" "greeted with '$(greeting)'"
	else
		ok "$name"
	fi
}

# Every kernel, every number of vCPUs and every size of memory meet at least once; in a short run only the
# rows marked so, and of those with both variants of the Xen ABI only the ones for `both`.
while read -r kernel vcpus mib short; do
	with=$own_accels
	case $short in
	both)  with=$accels ;;
	short) ;;
	*)     whole || continue ;;
	esac
	for accel in $with; do
		boots "$kernel" "$vcpus" "$mib" "$accel"
	done
done <<TABLE
6.1-cloud    1 128 short
6.1-cloud    2 512
6.1-cloud    4 4096 short
6.12-cloud   1 4096
6.12-cloud   2 192 short
6.12-cloud   4 1024
7-cloud      1 256
7-cloud      2 4096
7-cloud      4 512 both
6.1-generic  1 512 short
TABLE
