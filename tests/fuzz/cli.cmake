# SPDX-License-Identifier: MIT
dom_fuzz(xlcfg cli)
dom_fuzz(xlspec cli)
dom_fuzz(xlctl cli)
