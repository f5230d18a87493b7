// SPDX-License-Identifier: MIT
/*
 * A machine is built stage by stage; whichever system call fails on the way, one sentence says so and
 * nothing stays behind. Runs a guest of a few instructions on /dev/kvm; skipped where there is none.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "domicile/base/fd.h"
#include "vmm/vmm.h"

#define LOAD_AT 0x100000u

/* Power off: write SLP_EN and S5 to the sleep control register. Then stay. */
static const uint8_t code[] = {
	0x66, 0xba, VMM_PORT_ACPI_SLEEP_CONTROL & 0xff, VMM_PORT_ACPI_SLEEP_CONTROL >> 8,
	0xb0, 0x34,		/* mov $0x34, %al */
	0xee,			/* out %al, %dx */
	0xf4, 0xeb, 0xfd,	/* hlt; jmp -1 */
};

struct image {
	Elf32_Ehdr eh;
	Elf32_Phdr load, note;
	struct {
		Elf32_Nhdr h;
		char name[4];
		uint32_t entry;
	} pvh;
	uint8_t text[sizeof(code)];
};

static char kernel[] = "/tmp/test_machine.XXXXXX";

static int write_kernel(void **state)
{
	struct image img = {
		.eh = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC, .e_machine = EM_386, .e_version = EV_CURRENT,
			.e_entry = LOAD_AT + offsetof(struct image, text),
			.e_phoff = offsetof(struct image, load),
			.e_ehsize = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 2,
		},
		.load = { .p_type = PT_LOAD, .p_vaddr = LOAD_AT, .p_paddr = LOAD_AT,
			  .p_filesz = sizeof(img), .p_memsz = sizeof(img), .p_flags = PF_R | PF_X },
		.note = { .p_type = PT_NOTE, .p_offset = offsetof(struct image, pvh),
			  .p_filesz = sizeof(img.pvh), .p_memsz = sizeof(img.pvh) },
		.pvh = { { 4, 4, 18 }, "Xen", LOAD_AT + offsetof(struct image, text) },
	};
	int fd = mkstemp(kernel);

	(void)state;
	memcpy(img.text, code, sizeof(code));
	if (fd < 0 || write(fd, &img, sizeof(img)) != (ssize_t)sizeof(img))
		return -1;
	return close(fd);
}

static int remove_kernel(void **state)
{
	(void)state;
	return unlink(kernel);
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int run_machine(struct dom_err *err)
{
	struct vmm vm = {
		.cfg = { .name = "test", .domid = 1, .kernel = kernel, .cmdline = "", .memory_mib = 16,
			 .vcpus = 2, .vcpus_online = 2, .console = "none", .xenstore = "none",
			 .ready_fd = -1, .max_grant_frames = 4, .max_evtchn = 1024 },
		.log = { .fd = -1 },
		.kvm_fd = -1, .vm_fd = -1, .stop_fd = -1, .console_fd = -1, .store_fd = -1,
		.watchdog_fd = -1, .signal_fd = -1, .task_fd = -1, .landlock_fd = -1, .mem.memfd = -1,
	};

	*err = (struct dom_err){ 0 };
	return vmm_machine_run(&vm, err);
}

static void need_kvm(void)
{
	if (access("/dev/kvm", R_OK | W_OK)) {
		print_message("no usable /dev/kvm\n");
		exit(77);
	}
}

static void guest_runs_and_leaves_nothing_behind(void **state)
{
	int before = count_fds();
	struct dom_err err;

	(void)state;
	for (int i = 0; i < 3; i++) {
		int outcome = run_machine(&err);

		if (outcome != VMM_POWEROFF)
			fail_msg("outcome %d: %s", outcome, err.msg);
		assert_int_equal(count_fds(), before);
	}
}

/* Descriptors run out one earlier each time, so that every stage that opens one fails once. */
static void every_descriptor_that_cannot_be_had_is_a_clean_failure(void **state)
{
	int before = count_fds(), failures = 0;
	struct rlimit old;
	struct dom_err err;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (rlim_t limit = 3;; limit++) {
		struct rlimit few = { limit, old.rlim_max };
		int outcome;

		setrlimit(RLIMIT_NOFILE, &few);
		outcome = run_machine(&err);
		setrlimit(RLIMIT_NOFILE, &old);
		assert_int_equal(count_fds(), before);
		if (outcome == VMM_POWEROFF)
			break;
		assert_int_equal(outcome, VMM_FAILED);
		assert_true(err.code < 0 && err.msg[0] && !strchr(err.msg, '\n'));
		failures++;
		assert_true(failures < 100);
	}
	assert_true(failures >= 10);
}

/* The same with address space, which memory and threads need. */
static void address_space_that_cannot_be_had_is_a_clean_failure(void **state)
{
	int before = count_fds(), failures = 0;
	struct rlimit old;
	struct dom_err err;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip();
#endif
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	for (rlim_t kib = 8192; kib < 200000; kib += 512) {
		struct rlimit few = { kib << 10, old.rlim_max };
		int outcome;

		setrlimit(RLIMIT_AS, &few);
		outcome = run_machine(&err);
		setrlimit(RLIMIT_AS, &old);
		assert_int_equal(count_fds(), before);
		if (outcome == VMM_POWEROFF)
			break;
		assert_int_equal(outcome, VMM_FAILED);
		assert_true(err.code < 0 && err.msg[0]);
		failures++;
	}
	assert_true(failures >= 3);
}

static void missing_kernel_is_named(void **state)
{
	struct dom_err err;
	char first = kernel[1];

	(void)state;
	kernel[1] = 'T';
	assert_int_equal(run_machine(&err), VMM_FAILED);
	assert_non_null(strstr(err.msg, kernel));
	kernel[1] = first;
}

static struct vmm small;

static int make_memory(void **state)
{
	struct dom_err err;

	(void)state;
	small = (struct vmm){ .cfg = { .memory_mib = 16, .vcpus = 1, .ram = VMM_RAM_SHARED },
			      .kvm_fd = -1, .vm_fd = -1 };
	return vmm_kvm_open(&small, &err) || vmm_mem_init(&small, &err) ? -1 : 0;
}

static int drop_memory(void **state)
{
	(void)state;
	vmm_mem_fini(&small);
	vmm_kvm_close(&small);
	return 0;
}

static void windows_outside_ram_end_at_their_limit(void **state)
{
	uint64_t gfn = VMM_HOLE_START >> 12;
	unsigned n = 0;

	(void)state;
	assert_null(vmm_page(&small, (struct xa_gfn){ gfn }));
	while (n <= VMM_MAX_WINDOWS && !vmm_populate(&small, (struct xa_gfn){ gfn + n * 256ull }))
		n++;
	assert_int_equal(n, VMM_MAX_WINDOWS);
	assert_non_null(vmm_page(&small, (struct xa_gfn){ gfn + 255 }));
	assert_int_equal(vmm_populate(&small, (struct xa_gfn){ gfn + 255 }), 0);
}

static void addresses_that_are_not_the_guests_get_no_memory(void **state)
{
	static const uint64_t gfns[] = {
		0xfee00, 0xfec00, 0xfffff, 1ull << 40, 1ull << 52, UINT64_MAX, UINT64_MAX >> 12,
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(gfns); i++) {
		assert_int_equal(vmm_populate(&small, (struct xa_gfn){ gfns[i] }), -EINVAL);
		assert_null(vmm_page(&small, (struct xa_gfn){ gfns[i] }));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_runs_and_leaves_nothing_behind),
		cmocka_unit_test(every_descriptor_that_cannot_be_had_is_a_clean_failure),
		cmocka_unit_test(address_space_that_cannot_be_had_is_a_clean_failure),
		cmocka_unit_test(missing_kernel_is_named),
		cmocka_unit_test_setup_teardown(windows_outside_ram_end_at_their_limit, make_memory,
						drop_memory),
		cmocka_unit_test_setup_teardown(addresses_that_are_not_the_guests_get_no_memory,
						make_memory, drop_memory),
	};

	need_kvm();
	return cmocka_run_group_tests(tests, write_kernel, remove_kernel);
}
