# SPDX-License-Identifier: MIT
# Fuzz targets of src/xenabi.
dom_fuzz(hypercall xenabi)
dom_fuzz(pv_hypercall xenabi hypercall)
