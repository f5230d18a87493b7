# SPDX-License-Identifier: MIT
#
# The other PV guests: each kernel with 1, 2 and 4 vCPUs, which 90-pv.sh does for some, and with 8.
# shellcheck source=tests/lab/checks/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/checks/lib-pv.sh
. "$(dirname "$0")/lib-pv.sh"

pv_table <<TABLE
6.1-cloud    2 512
6.1-cloud    8 512
6.12-cloud   1 256
6.12-cloud   4 1024
6.1-generic  1 512
6.1-generic  4 512
6.12-generic 1 512
6.12-generic 2 512
TABLE
