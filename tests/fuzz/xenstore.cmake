# SPDX-License-Identifier: MIT
dom_fuzz(xs_socket xsd)	# bytes of a tool, split at arbitrary points
dom_fuzz(xs_guest xsd)	# bytes of an unprivileged domain, with a tool in between
dom_fuzz(xs_state xsd)	# records of the state file and of a live update
