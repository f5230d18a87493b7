# SPDX-License-Identifier: MIT
dom_fuzz(elf boot)
dom_fuzz(notes boot)
dom_fuzz(bzimage boot)
dom_fuzz(sites boot)
