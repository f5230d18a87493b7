# SPDX-License-Identifier: MIT
#
# Unmodified Debian kernels boot to userspace with the vCPUs and the memory they were given, see a
# Xen PVH platform, and power off: exit status 0. 4096 MiB reaches past the hole below 4 GiB.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"

# Every kernel, every number of vCPUs and every size of memory meet at least once.
while read -r kernel vcpus mib; do
	for accel in $accels; do
		name=boot/$accel/$kernel/${vcpus}vcpu/${mib}MiB
		have_kernel "$kernel" "$name" || continue
		boot "$kernel" "$vcpus" "$mib" dom.test=poweroff --accel "$accel"
		status=$?
		want="Domicile guest: Linux $(cat "$kernels/$kernel/version") on Xen PVH,"
		want+=" $vcpus vcpus, $mib MiB"
		if [ $status != 0 ]; then
			not_ok "$name" "$(tell $status)"
		elif [ "$(greeting)" != "$want" ]; then
			not_ok "$name" "greeted with '$(greeting)'"
		else
			ok "$name"
		fi
	done
done <<TABLE
6.1-cloud    1 128
6.1-cloud    2 512
6.1-cloud    4 4096
6.12-cloud   1 4096
6.12-cloud   2 192
6.12-cloud   4 1024
7-cloud      1 256
7-cloud      2 4096
7-cloud      4 512
6.1-generic  1 512
TABLE
