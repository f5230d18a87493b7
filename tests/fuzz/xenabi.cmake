# SPDX-License-Identifier: MIT
# Fuzz targets of src/xenabi.
dom_fuzz(hypercall xenabi)
