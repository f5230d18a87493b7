# SPDX-License-Identifier: MIT
# unit/xenabi/abi: include/xenabi against installed Xen headers, in both widths.
set(abi_dir ${CMAKE_CURRENT_LIST_DIR})
add_executable(abi_ours ${abi_dir}/abi_ours.c)
target_link_libraries(abi_ours PRIVATE dom_headers)
set(abi_args)
set(abi_xen_version -D__XEN_INTERFACE_VERSION__=0x00040e00)
if(EXISTS /usr/include/xen/arch-x86/hvm/start_info.h)
	add_executable(abi_system ${abi_dir}/abi_system.c)
	target_compile_options(abi_system PRIVATE ${abi_xen_version} -w)
	list(APPEND abi_args $<TARGET_FILE:abi_system>)
	execute_process(COMMAND ${CMAKE_C_COMPILER} -m32 -ffreestanding ${abi_xen_version} -w
		-fsyntax-only ${abi_dir}/abi_system32.c RESULT_VARIABLE abi_no_m32 ERROR_QUIET)
	if(NOT abi_no_m32)
		set(abi_bin ${CMAKE_CURRENT_BINARY_DIR}/abi_system32)
		add_custom_command(OUTPUT ${abi_bin}.bin
			COMMAND ${CMAKE_C_COMPILER} -m32 -ffreestanding ${abi_xen_version} -w
				-c ${abi_dir}/abi_system32.c -o ${abi_bin}.o
			COMMAND ${CMAKE_OBJCOPY} -O binary --only-section=.abi
				--set-section-flags .abi=alloc ${abi_bin}.o ${abi_bin}.bin
			DEPENDS ${abi_dir}/abi_system32.c ${abi_dir}/abi_items.def VERBATIM)
		add_custom_target(abi_system32 ALL DEPENDS ${abi_bin}.bin)
		list(APPEND abi_args ${abi_bin}.bin)
	endif()
endif()
add_test(NAME unit/xenabi/abi COMMAND abi_ours ${abi_args})
set_tests_properties(unit/xenabi/abi PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
