# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# What ./demo, ./check and the programs of tests/lab share: where things live, how missing packages
# are installed, how one line of progress is said. Sourced, never run; needs `repo` to be set to the
# top of the tree.

# The cache of everything fetched or generated. An unprivileged user profits from what root
# prepared, and otherwise keeps a cache of their own.
lab_system_cache=/var/cache/domicile-lab
if [ -n "${DOMICILE_LAB:-}" ]; then
	lab_cache=$DOMICILE_LAB
elif [ "$(id -u)" = 0 ] || [ -e "$lab_system_cache/kernels" ]; then
	lab_cache=$lab_system_cache
else
	lab_cache=${XDG_CACHE_HOME:-$HOME/.cache}/domicile-lab
fi

# lab_say WORDS...: one line of progress on stderr, tagged with the program's name.
lab_say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

lab_die() {
	lab_say "$@"
	exit 1
}

# lab_packages_missing PACKAGE...: prints those that are not installed, on one line.
lab_packages_missing() {
	local installed p missing=()
	installed=" $(dpkg-query -W -f '${db:Status-Status}=${binary:Package} ' "$@" 2>/dev/null)"
	for p; do
		[[ $installed =~ \ installed=${p//+/\\+}(:[a-z0-9]+)?\  ]] || missing+=("$p")
	done
	echo "${missing[*]}"
}

# lab_packages PACKAGE...: installs through the package manager what is missing; silent when
# nothing is. Without the right to install it says exactly what to install, and fails.
lab_packages() {
	local missing as_root=()
	command -v dpkg-query >/dev/null ||
		lab_die "this machine has no dpkg: install the counterparts of these yourself: $*"
	missing=$(lab_packages_missing "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			lab_die "packages are missing; as root, run: apt-get install $missing"
		as_root=(sudo)
	fi
	lab_say "installing packages: $missing"
	# shellcheck disable=SC2086
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c '
		apt-get -qq update && apt-get -qq install --no-install-recommends "$@"' \
		sh $missing >/dev/null || lab_die "could not install packages: $missing"
}

# What a build needs, and what the nested lab needs.
lab_build_packages=(gcc cmake ninja-build pkgconf libc6-dev linux-libc-dev libcmocka-dev liburing-dev
	libjson-c-dev libcap-ng-dev libseccomp-dev zlib1g-dev liblzma-dev liblz4-dev libzstd-dev
	libbz2-dev libxxhash-dev)
lab_packages_for_lab=(qemu-system-x86 qemu-utils busybox-static cpio kmod gzip lz4 xz-utils zstd iproute2
	iputils-ping passt nftables e2fsprogs debian-archive-keyring)
# What comparisons with Xen's own programs need, which are fetched by tests/lab/prepare xen, and tests with
# other programs that ours work with.
lab_packages_for_peers=(libxen-dev xenstore-utils libyajl2 python3 net-tools qemu-utils nbdkit)

# lab_build: configures once, builds what is out of date. Silent unless there is work or an error.
lab_build() {
	local log=$repo/build/build.log
	mkdir -p "$repo/build"
	if [ ! -e "$repo/build/build.ninja" ]; then
		lab_say "configuring in build/"
		(cd "$repo" && cmake --preset default) >"$log" 2>&1 ||
			{ cat "$log" >&2; lab_die "configuring failed"; }
	fi
	ninja -C "$repo/build" -n | grep -q 'no work to do' && return
	lab_say "building in build/"
	ninja -C "$repo/build" >"$log" 2>&1 || { tail -60 "$log" >&2; lab_die "the build failed"; }
}

# lab_local_kvm linux|tiny|xen: can this machine's /dev/kvm run Linux guests, micro-kernels, Linux
# guests with KVM's own support of Xen? Says why not on stdout.
lab_local_kvm() {
	"$repo/build/tests/lab/kvm-probe" "$@"
}
