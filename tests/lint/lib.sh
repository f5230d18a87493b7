# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For the lints beside it, which run at the top of the tree.

# tree_files: the files of the project, without what was built or is not tracked.
tree_files() {
	git ls-files 2>/dev/null | grep . ||
		find . -path './build*' -prune -o -path ./.git -prune -o -type f -print |
		sed 's,^\./,,'
}

# skip_without PROGRAM: ends a lint that cannot do without it.
skip_without() {
	command -v "$1" >/dev/null || { echo "$1 is not installed"; exit 77; }
}
