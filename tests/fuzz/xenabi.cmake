# SPDX-License-Identifier: MIT
# Fuzz targets of src/xenabi, and its test that is not a cmocka program.
dom_fuzz(hypercall xenabi)
include(${CMAKE_CURRENT_SOURCE_DIR}/unit/xenabi/abi.cmake)
