# SPDX-License-Identifier: MIT
dom_fuzz(ctl vmm)
dom_fuzz(domcfg vmm)
foreach(target replay_ctl fuzz_ctl)
	if(TARGET ${target})
		target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit/vmm)
	endif()
endforeach()
