// SPDX-License-Identifier: MIT
/*
 * Core dumps: the file has what docs/misc/dump-core-format.txt of the Xen tree asks for, holes
 * where memory is zero, and every page under its number; a file that cannot be written is told.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "domicile/xa_guest.h"
#include "fake_vm.h"
#include "xenabi/dumpcore.h"
#include "xenabi/pv.h"

#define MIB 4u
#define PAGES (MIB << 8)
#define LOW_PAGES (3u << 8)

static struct vmm vm;
static uint8_t special[VMM_SPECIAL_PAGES * XEN_PAGE_SIZE];

static int set_up(void **state)
{
	(void)state;
	fake_vm_init(&vm, 2);
	vm.mem.size = vm.mem.low = (uint64_t)MIB << 20;
	vm.mem.ram = mmap(NULL, vm.mem.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vm.mem.special = special;
	return vm.mem.ram == MAP_FAILED;
}

static int tear_down(void **state)
{
	uint8_t *ram = vm.mem.ram;
	size_t size = vm.mem.size;
	int memfd = vm.mem.memfd;

	(void)state;
	fake_vm_fini(&vm);
	munmap(ram, size);
	if (memfd >= 0)
		close(memfd);
	return 0;
}

static uint8_t *page(unsigned gfn)
{
	return vm.mem.ram + ((size_t)gfn << XEN_PAGE_SHIFT);
}

static int new_file(void)
{
	char name[] = "/tmp/test_dump.XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

/* Dump to @fd until the state is no longer "running". */
static const char *dump(int fd)
{
	struct dom_err err = { 0 };
	struct vmm_dump_state s;

	if (vmm_dump_start(&vm, dup(fd), &err))
		fail_msg("%s", err.msg);
	for (int i = 0; i < 10000 && vmm_dump_running(&vm); i++)
		ev_loop_turn(vm.loop, ev_now() + 1000000000);
	vmm_dump_state(&vm, &s);
	return s.state;
}

static void get(int fd, void *buf, size_t len, uint64_t at)
{
	assert_int_equal(pread(fd, buf, len, (off_t)at), len);
}

struct core {
	int fd;
	Elf64_Ehdr h;
	Elf64_Shdr s[8];
	char names[128];
};

static void read_core(struct core *c, int fd)
{
	c->fd = fd;
	get(fd, &c->h, sizeof(c->h), 0);
	assert_memory_equal(c->h.e_ident, ELFMAG, SELFMAG);
	assert_int_equal(c->h.e_ident[EI_CLASS], ELFCLASS64);
	assert_int_equal(c->h.e_type, ET_CORE);
	assert_int_equal(c->h.e_machine, EM_X86_64);
	assert_int_equal(c->h.e_phnum, 0);
	assert_int_equal(c->h.e_shnum, 7);
	get(fd, c->s, sizeof(c->s[0]) * 7, c->h.e_shoff);
	assert_in_range(c->s[c->h.e_shstrndx].sh_size, 1, sizeof(c->names));
	get(fd, c->names, c->s[c->h.e_shstrndx].sh_size, c->s[c->h.e_shstrndx].sh_offset);
}

static const Elf64_Shdr *section(const struct core *c, const char *name)
{
	for (unsigned i = 1; i < c->h.e_shnum; i++)
		if (!strcmp(c->names + c->s[i].sh_name, name))
			return &c->s[i];
	return NULL;
}

/* The descriptor of note @type, copied to @buf. */
static void note(const struct core *c, uint32_t type, void *buf, size_t size)
{
	const Elf64_Shdr *s = section(c, ".note.Xen");
	Elf64_Nhdr n;

	for (uint64_t at = s->sh_offset; at < s->sh_offset + s->sh_size;
	     at += sizeof(n) + n.n_namesz + n.n_descsz) {
		char name[4];

		get(c->fd, &n, sizeof(n), at);
		get(c->fd, name, sizeof(name), at + sizeof(n));
		assert_int_equal(n.n_namesz, 4);
		assert_string_equal(name, "Xen");
		if (n.n_type != type)
			continue;
		assert_int_equal(n.n_descsz, size);
		if (size)
			get(c->fd, buf, size, at + sizeof(n) + n.n_namesz);
		return;
	}
	fail_msg("note %#x is missing", type);
}

/* Where in the file page @gfn is; 0 when it is not there. */
static uint64_t find(const struct core *c, uint64_t gfn)
{
	const Elf64_Shdr *s = section(c, ".xen_pfn"), *pages = section(c, ".xen_pages");

	for (uint64_t i = 0; i < s->sh_size / s->sh_entsize; i++) {
		uint64_t n;

		get(c->fd, &n, sizeof(n), s->sh_offset + i * s->sh_entsize);
		if (n == gfn)
			return pages->sh_offset + i * pages->sh_entsize;
	}
	return 0;
}

static void file_has_every_section_and_note(void **state)
{
	struct xen_dumpcore_elfnote_xen_version v;
	struct xen_dumpcore_elfnote_header h;
	uint64_t format;
	struct core c;
	int fd = new_file();

	(void)state;
	assert_string_equal(dump(fd), "done");
	read_core(&c, fd);
	note(&c, XEN_ELFNOTE_DUMPCORE_NONE, NULL, 0);
	note(&c, XEN_ELFNOTE_DUMPCORE_HEADER, &h, sizeof(h));
	note(&c, XEN_ELFNOTE_DUMPCORE_XEN_VERSION, &v, sizeof(v));
	note(&c, XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, &format, sizeof(format));
	assert_int_equal(h.xch_magic, XC_CORE_MAGIC_HVM);
	assert_int_equal(h.xch_nr_pages, PAGES + VMM_SPECIAL_PAGES);
	assert_int_equal(h.xch_page_size, XEN_PAGE_SIZE);
	/* Only the first of the two has ever run. */
	assert_int_equal(h.xch_nr_vcpus, 1);
	assert_int_equal(format, 1);
	assert_int_equal(v.pagesize, XEN_PAGE_SIZE);
	assert_int_equal(section(&c, ".xen_prstatus")->sh_size, sizeof(struct vcpu_guest_context_64));
	assert_int_equal(section(&c, ".xen_shared_info")->sh_size, XEN_PAGE_SIZE);
	assert_int_equal(section(&c, ".xen_pages")->sh_size, h.xch_nr_pages * XEN_PAGE_SIZE);
	assert_int_equal(section(&c, ".xen_pages")->sh_offset % XEN_PAGE_SIZE, 0);
	assert_int_equal(section(&c, ".xen_pfn")->sh_size, h.xch_nr_pages * 8);
	assert_null(section(&c, ".xen_p2m"));
	close(fd);
}

/* What a real Xen 4.20 wrote of a guest with two vCPUs: offsets that depend on nothing else. */
static void head_is_laid_out_as_reals(void **state)
{
	struct core c;
	int fd = new_file();

	(void)state;
	vm.vcpus[1].exits[KVM_EXIT_IO] = 1;
	assert_string_equal(dump(fd), "done");
	read_core(&c, fd);
	assert_int_equal(c.h.e_shoff, 64);
	assert_int_equal(c.h.e_shstrndx, 1);
	assert_int_equal(section(&c, ".shstrtab")->sh_size, 0x48);
	assert_int_equal(section(&c, ".note.Xen")->sh_offset, 0x200);
	assert_int_equal(section(&c, ".note.Xen")->sh_size, 0x568);
	assert_int_equal(section(&c, ".xen_prstatus")->sh_offset, 0x768);
	assert_int_equal(section(&c, ".xen_prstatus")->sh_size, 0x2860);
	assert_int_equal(section(&c, ".xen_prstatus")->sh_entsize, 0x1430);
	assert_int_equal(section(&c, ".xen_shared_info")->sh_offset, 0x2fc8);
	assert_int_equal(section(&c, ".xen_pages")->sh_offset, 0x4000);
	close(fd);
}

static void check_pages(void)
{
	char text[16];
	struct stat st;
	struct core c;
	int fd = new_file();

	strcpy((char *)page(0), "first");
	strcpy((char *)page(7), "seven");
	strcpy((char *)page(8), "eight");
	strcpy((char *)page(600) + 4000, "later");
	strcpy((char *)page(PAGES - 1), "last");
	assert_string_equal(dump(fd), "done");
	read_core(&c, fd);
	get(fd, text, sizeof(text), find(&c, 0));
	assert_string_equal(text, "first");
	get(fd, text, sizeof(text), find(&c, 7));
	assert_string_equal(text, "seven");
	get(fd, text, sizeof(text), find(&c, 8));
	assert_string_equal(text, "eight");
	get(fd, text, sizeof(text), find(&c, 600) + 4000);
	assert_string_equal(text, "later");
	get(fd, text, sizeof(text), find(&c, PAGES - 1));
	assert_string_equal(text, "last");
	get(fd, text, sizeof(text), find(&c, 9));
	assert_string_equal(text, "");
	assert_true(find(&c, VMM_CONSOLE_GFN));
	assert_int_equal(find(&c, PAGES), 0);
	assert_false(fstat(fd, &st));
	/* Five pages, the numbers and the head, and what the file system needs. */
	assert_true(st.st_size > (off_t)(MIB << 20));
	assert_in_range(st.st_blocks * 512, 5 * XEN_PAGE_SIZE, 256 << 10);
	close(fd);
}

static void pages_are_under_their_numbers_and_zeros_are_holes(void **state)
{
	(void)state;
	check_pages();
}

static void untouched_memory_of_a_memfd_stays_untouched(void **state)
{
	struct stat st;

	(void)state;
	munmap(vm.mem.ram, vm.mem.size);
	vm.mem.memfd = memfd_create("test", MFD_CLOEXEC);
	assert_false(ftruncate(vm.mem.memfd, (off_t)vm.mem.size));
	vm.mem.ram = mmap(NULL, vm.mem.size, PROT_READ | PROT_WRITE, MAP_SHARED, vm.mem.memfd, 0);
	check_pages();
	assert_false(fstat(vm.mem.memfd, &st));
	assert_int_equal(st.st_blocks * 512, 5 * XEN_PAGE_SIZE);
}

/* Which of them are dumped is decided at the start, whatever happens to them then. */
static void pages_outside_ram_are_there_if_not_zero(void **state)
{
	static uint8_t window[VMM_WINDOW_SIZE];
	struct dom_err err = { 0 };
	struct core c;
	char text[8];
	int fd = new_file();

	(void)state;
	vm.mem.windows[0] = (struct vmm_window){ 0x30000000, window };
	vm.mem.nr_windows = 1;
	strcpy((char *)window + 3 * XEN_PAGE_SIZE, "third");
	assert_false(vmm_dump_start(&vm, dup(fd), &err));
	strcpy((char *)window + 5 * XEN_PAGE_SIZE, "late");
	for (int i = 0; i < 10000 && vmm_dump_running(&vm); i++)
		ev_loop_turn(vm.loop, ev_now() + 1000000000);
	read_core(&c, fd);
	assert_int_equal(section(&c, ".xen_pfn")->sh_size, (PAGES + VMM_SPECIAL_PAGES + 1) * 8);
	get(fd, text, sizeof(text), find(&c, 0x30003));
	assert_string_equal(text, "third");
	assert_int_equal(find(&c, 0x30005), 0);
	close(fd);
}

static void pv_guest_has_machine_frames(void **state)
{
	struct xen_dumpcore_elfnote_header h;
	struct xen_dumpcore_p2m e;
	const Elf64_Shdr *s;
	struct core c;
	int fd = new_file();

	(void)state;
	vm.cfg.pv = true;
	vm.mem.low = (uint64_t)LOW_PAGES << XEN_PAGE_SHIFT;
	/* Its registers cannot be read here; where they would be is not looked at then. */
	assert_string_equal(dump(fd), "done");
	read_core(&c, fd);
	note(&c, XEN_ELFNOTE_DUMPCORE_HEADER, &h, sizeof(h));
	assert_int_equal(h.xch_magic, XC_CORE_MAGIC);
	assert_int_equal(h.xch_nr_pages, PAGES);
	assert_null(section(&c, ".xen_pfn"));
	s = section(&c, ".xen_p2m");
	assert_non_null(s);
	assert_int_equal(s->sh_size, PAGES * sizeof(e));
	get(fd, &e, sizeof(e), s->sh_offset + 77 * sizeof(e));
	assert_int_equal(e.pfn, 77);
	assert_int_equal(e.gmfn, 77);
	/* Frames go on at 4 GiB, pages without a gap. */
	get(fd, &e, sizeof(e), s->sh_offset + (LOW_PAGES + 5) * sizeof(e));
	assert_int_equal(e.pfn, LOW_PAGES + 5);
	assert_int_equal(e.gmfn, 0x100000 + 5);
	close(fd);
}

static void full_file_system_is_told_and_leaves_no_elf_file(void **state)
{
	struct rlimit was, small = { 1 << 20, RLIM_INFINITY };
	struct vmm_dump_state s;
	char magic[4] = "";
	int fd = new_file();

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_false(getrlimit(RLIMIT_FSIZE, &was));
	small.rlim_max = was.rlim_max;
	memset(vm.mem.ram, 0x55, vm.mem.size);
	assert_false(setrlimit(RLIMIT_FSIZE, &small));
	assert_string_equal(dump(fd), "failed");
	assert_false(setrlimit(RLIMIT_FSIZE, &was));
	vmm_dump_state(&vm, &s);
	assert_non_null(strstr(s.error, strerror(EFBIG)));
	assert_true(pread(fd, magic, sizeof(magic), 0) <= 0 || memcmp(magic, ELFMAG, SELFMAG));
	/* The next one may succeed. */
	assert_string_equal(dump(fd), "done");
	close(fd);
}

static void second_dump_at_once_is_ebusy_and_a_pipe_einval(void **state)
{
	struct dom_err err = { 0 };
	int fd = new_file(), pipes[2];

	(void)state;
	assert_false(pipe(pipes));
	assert_int_equal(vmm_dump_start(&vm, pipes[1], &err), -EINVAL);
	close(pipes[0]);
	assert_false(vmm_dump_start(&vm, dup(fd), &err));
	assert_int_equal(vmm_dump_start(&vm, dup(fd), &err), -EBUSY);
	/* Taken down while it is being written. */
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(file_has_every_section_and_note),
		TEST(head_is_laid_out_as_reals),
		TEST(pages_are_under_their_numbers_and_zeros_are_holes),
		TEST(untouched_memory_of_a_memfd_stays_untouched),
		TEST(pages_outside_ram_are_there_if_not_zero),
		TEST(pv_guest_has_machine_frames),
		TEST(full_file_system_is_told_and_leaves_no_elf_file),
		TEST(second_dump_at_once_is_ebusy_and_a_pipe_einval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
