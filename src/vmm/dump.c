// SPDX-License-Identifier: MIT
/*
 * Core dumps: the guest's memory and processors in a file of Xen's format (xenabi/dumpcore.h),
 * written by the loop while the vCPUs rest. The file is open already, given over the control
 * socket: a confined process has no paths.
 *
 * The file in the order of its bytes, which is the order of real Xen's:
 *
 *	ELF header, section headers, notes, vCPUs, shared_info		"head", made at the start
 *	the guest's pages
 *	their numbers
 *	names of the sections
 *
 * The head is written last: a file whose writing was cut short is no ELF file. Pages that are zero
 * are not written, which leaves holes. What was never touched is not even looked at, where the host
 * can tell, so that the dump of a large guest that uses little is quick and takes no memory.
 *
 * Which pages there are: what the guest owns of its RAM, the special pages of a PVH guest, and what
 * it has put outside of both (grant frames) as far as it is not zero. They are found by walking,
 * once for each of: counting, contents, numbers. The three must agree: nothing changes what the
 * guest owns while the vCPUs rest, but back ends may still fill a page that was zero, so which pages
 * outside of RAM are dumped is decided once.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domicile/base/bits.h"
#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "vmm.h"
#include "xenabi/dumpcore.h"
#include "xenabi/pv.h"

#define RUN_PAGES 256u		/* pages in one write */
#define TURN_PAGES 8192u	/* pages looked at before the loop has its turn */
#define NUMBERS 8192u		/* of pages in one write */
#define SECTIONS 7u
#define WINDOW_PAGES ((unsigned)(VMM_WINDOW_SIZE / XEN_PAGE_SIZE))

enum { S_NULL, S_NAMES, S_NOTES, S_VCPUS, S_SHARED, S_PAGES, S_NUMBERS };

/* A walk over the guest's pages. */
struct walk {
	unsigned region;
	uint64_t page;			/* of the region, the next one to look at */
	uint64_t data, hole;		/* of RAM, bytes: [data, hole) may hold something */
};

enum phase { PAGES, FRAMES, NAMES, HEAD };

struct vmm_dump {
	struct vmm *vm;
	struct ev_group group;
	struct ev_op op, turn;
	int fd;				/* -1: no dump is being written */
	enum phase phase;
	struct walk walk;
	unsigned vcpus;			/* that have ever run */
	uint64_t pages, done;		/* in all; of the walk of this phase */
	uint64_t pages_at, numbers_at, names_at;	/* offsets in the file */
	uint64_t at;			/* where the next write goes */
	const uint8_t *buf;		/* what is being written */
	size_t len;
	uint8_t *head;
	size_t head_size;
	uint64_t *numbers;		/* NUMBERS of struct xen_dumpcore_p2m */
	uint64_t outside[DOM_BITS_WORDS(VMM_MAX_WINDOWS * WINDOW_PAGES)];	/* pages to dump */
	bool written;			/* a dump is complete */
	struct dom_err err;		/* why the last one is not */
};

static const char names[] =
	"\0.shstrtab\0.note.Xen\0.xen_prstatus\0.xen_shared_info\0.xen_pages\0.xen_pfn";
static const char names_pv[] =
	"\0.shstrtab\0.note.Xen\0.xen_prstatus\0.xen_shared_info\0.xen_pages\0.xen_p2m";

/* ---- the guest's pages ---- */

struct region {
	uint64_t gfn, pages;
	uint8_t *host;
	int window;			/* its number, -1: RAM or special pages, all of which count */
};

/* Region number @i of the guest's memory; false when there are fewer. */
static bool region(const struct vmm *vm, unsigned i, struct region *ret)
{
	const struct vmm_mem *m = &vm->mem;
	const struct region fixed[] = {
		{ 0, m->low >> XEN_PAGE_SHIFT, m->ram, -1 },
		{ VMM_HIGH_START >> XEN_PAGE_SHIFT, (m->size - m->low) >> XEN_PAGE_SHIFT,
		  m->ram + m->low, -1 },
		{ VMM_SPECIAL_GFN, vm->cfg.pv || !m->special ? 0 : VMM_SPECIAL_PAGES, m->special,
		  -1 },
	};

	if (i < DOM_ARRAY_LEN(fixed)) {
		*ret = fixed[i];
		return true;
	}
	i -= DOM_ARRAY_LEN(fixed);
	if (vm->cfg.pv || i >= m->nr_windows)
		return false;
	*ret = (struct region){ m->windows[i].gpa >> XEN_PAGE_SHIFT,
				WINDOW_PAGES, m->windows[i].host, (int)i };
	return true;
}

static bool is_zero(const uint8_t *page)
{
	const uint64_t *w = (const uint64_t *)(const void *)page;

	for (unsigned i = 0; i < XEN_PAGE_SIZE / sizeof(*w); i += 4)
		if (w[i] | w[i + 1] | w[i + 2] | w[i + 3])
			return false;
	return true;
}

/* May there be something at byte @at of RAM? Looking into a hole of a memfd would fill it. */
static bool may_have_data(const struct vmm *vm, struct walk *w, uint64_t at)
{
	off_t data, hole;

	if (vm->mem.memfd < 0)
		return true;
	if (at >= w->hole) {
		data = lseek(vm->mem.memfd, (off_t)at, SEEK_DATA);
		hole = data < 0 ? -1 : lseek(vm->mem.memfd, data, SEEK_HOLE);
		w->data = data < 0 ? UINT64_MAX : (uint64_t)data;
		w->hole = hole < 0 ? UINT64_MAX : (uint64_t)hole;
	}
	return at >= w->data;
}

static bool to_dump(const struct vmm_dump *d, const struct region *r, uint64_t page)
{
	return xa_page_owned(d->vm->dom, (struct xa_gfn){ r->gfn + page }) && (r->window < 0 ||
	       dom_bit_test(d->outside, (unsigned)r->window * WINDOW_PAGES + (unsigned)page));
}

/*
 * The next page of @w; false at the end. *ret_host is NULL for one that is zero. *ret_pfn is what a
 * PV guest knew the frame as when it started: pages have no gap where frames have the hole below
 * 4 GiB.
 */
static bool next_page(const struct vmm_dump *d, struct walk *w, bool contents,
		      struct xen_dumpcore_p2m *ret, const uint8_t **ret_host)
{
	const struct vmm *vm = d->vm;
	const struct vmm_mem *m = &vm->mem;
	struct region r;

	for (; region(vm, w->region, &r); w->region++, w->page = 0) {
		while (w->page < r.pages) {
			uint64_t i = w->page++;
			const uint8_t *host = r.host + (i << XEN_PAGE_SHIFT);
			bool ram = r.host >= m->ram && r.host < m->ram + m->size;
			bool full;

			if (!to_dump(d, &r, i))
				continue;
			full = contents && (!ram || may_have_data(vm, w, (uint64_t)(host - m->ram)));
			ret->gmfn = r.gfn + i;
			ret->pfn = (uint64_t)(host - m->ram) >> XEN_PAGE_SHIFT;
			*ret_host = full && !is_zero(host) ? host : NULL;
			return true;
		}
	}
	return false;
}

/* Decide which pages outside of RAM there are. */
static void find_outside(struct vmm_dump *d)
{
	struct region r;

	memset(d->outside, 0, sizeof(d->outside));
	for (unsigned i = 0; region(d->vm, i, &r); i++) {
		for (unsigned page = 0; r.window >= 0 && page < WINDOW_PAGES; page++)
			if (!is_zero(r.host + ((size_t)page << XEN_PAGE_SHIFT)))
				dom_bit_set(d->outside, (unsigned)r.window * WINDOW_PAGES + page);
	}
}

static uint64_t count_pages(const struct vmm_dump *d)
{
	struct xen_dumpcore_p2m number;
	struct walk w = { 0 };
	const uint8_t *host;
	uint64_t n = 0;

	while (next_page(d, &w, false, &number, &host))
		n++;
	return n;
}

/* ---- the head ---- */

static void *put_note(uint8_t *at, uint32_t type, const void *desc, size_t size)
{
	const Elf64_Nhdr n = { .n_namesz = sizeof("Xen"), .n_descsz = (uint32_t)size, .n_type = type };

	memcpy(at, &n, sizeof(n));
	memcpy(at + sizeof(n), "Xen", sizeof("Xen"));
	if (size)
		memcpy(at + sizeof(n) + sizeof("Xen"), desc, size);
	return at + sizeof(n) + sizeof("Xen") + size;
}

#define NOTE_SIZE(size) (sizeof(Elf64_Nhdr) + sizeof("Xen") + (size))
#define NOTES_SIZE (NOTE_SIZE(0) + NOTE_SIZE(sizeof(struct xen_dumpcore_elfnote_header)) +	\
		    NOTE_SIZE(sizeof(struct xen_dumpcore_elfnote_xen_version)) +		\
		    NOTE_SIZE(sizeof(uint64_t)))

static void put_notes(const struct vmm_dump *d, uint8_t *at)
{
	const struct xen_dumpcore_elfnote_header header = {
		.xch_magic = d->vm->cfg.pv ? XC_CORE_MAGIC : XC_CORE_MAGIC_HVM,
		.xch_nr_vcpus = d->vcpus,
		.xch_nr_pages = d->pages,
		.xch_page_size = XEN_PAGE_SIZE,
	};
	const uint64_t format = XEN_DUMPCORE_FORMAT_VERSION;
	struct xen_dumpcore_elfnote_xen_version version;

	xa_dump_version(d->vm->dom, &version);
	at = put_note(at, XEN_ELFNOTE_DUMPCORE_NONE, NULL, 0);
	at = put_note(at, XEN_ELFNOTE_DUMPCORE_HEADER, &header, sizeof(header));
	at = put_note(at, XEN_ELFNOTE_DUMPCORE_XEN_VERSION, &version, sizeof(version));
	put_note(at, XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, &format, sizeof(format));
}

static size_t number_size(const struct vmm_dump *d)
{
	return d->vm->cfg.pv ? sizeof(struct xen_dumpcore_p2m) : sizeof(uint64_t);
}

/* Section headers, in the order of the names; sets where in the file things are. */
static void put_sections(struct vmm_dump *d, Elf64_Shdr s[SECTIONS])
{
	const char *all = d->vm->cfg.pv ? names_pv : names;
	const struct {
		uint32_t type;
		uint64_t entry, size, align;
	} rows[SECTIONS] = {
		[S_NOTES]   = { SHT_NOTE, 0, NOTES_SIZE, 0 },
		[S_VCPUS]   = { SHT_PROGBITS, sizeof(struct vcpu_guest_context_64),
				d->vcpus * sizeof(struct vcpu_guest_context_64), 8 },
		[S_SHARED]  = { SHT_PROGBITS, XEN_PAGE_SIZE, XEN_PAGE_SIZE, 8 },
		[S_PAGES]   = { SHT_PROGBITS, XEN_PAGE_SIZE, d->pages * XEN_PAGE_SIZE,
				XEN_PAGE_SIZE },
		[S_NUMBERS] = { SHT_PROGBITS, number_size(d), d->pages * number_size(d), 8 },
	};
	uint64_t at = sizeof(Elf64_Ehdr) + SECTIONS * sizeof(Elf64_Shdr);
	size_t name = 1;

	for (unsigned i = S_NAMES; i < SECTIONS; i++, name += strlen(all + name) + 1) {
		s[i].sh_name = (uint32_t)name;
		if (i == S_NAMES)
			continue;
		at = dom_align_up(at, rows[i].align ? rows[i].align : 1);
		s[i].sh_type = rows[i].type;
		s[i].sh_offset = at;
		s[i].sh_size = rows[i].size;
		s[i].sh_addralign = rows[i].align;
		s[i].sh_entsize = rows[i].entry;
		at += rows[i].size;
	}
	s[S_NAMES].sh_type = SHT_STRTAB;
	s[S_NAMES].sh_offset = at;
	s[S_NAMES].sh_size = sizeof(names);
	d->pages_at = s[S_PAGES].sh_offset;
	d->numbers_at = s[S_NUMBERS].sh_offset;
	d->names_at = at;
}

/* As on Xen, vCPUs that nobody ever started have no state. */
static unsigned count_vcpus(const struct vmm *vm)
{
	unsigned n = 0;

	for (unsigned i = 0; i < vm->cfg.vcpus; i++)
		n += vmm_vcpu_ran(&vm->vcpus[i]);
	return n;
}

static void put_vcpus(const struct vmm_dump *d, uint8_t *at)
{
	unsigned n = 0;

	for (unsigned i = 0; n < d->vcpus && i < d->vm->cfg.vcpus; i++) {
		struct vmm_vcpu *v = &d->vm->vcpus[i];
		struct vcpu_guest_context_64 ctxt;
		int r;

		if (!vmm_vcpu_ran(v))
			continue;
		r = vmm_dump_vcpu(v, &ctxt);
		/* The memory is worth having without it. */
		if (r)
			dom_log(&d->vm->log, DOM_LOG_WARN, "core dump: registers of vcpu %u are missing: %s",
				i, strerror(-r));
		memcpy(at + n++ * sizeof(ctxt), &ctxt, sizeof(ctxt));
	}
}

static int make_head(struct vmm_dump *d)
{
	static const Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT, ELFOSABI_SYSV },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_shoff = sizeof(Elf64_Ehdr), .e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr), .e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTIONS, .e_shstrndx = S_NAMES,
	};
	Elf64_Shdr s[SECTIONS] = { 0 };

	find_outside(d);
	d->pages = count_pages(d);
	d->vcpus = count_vcpus(d->vm);
	put_sections(d, s);
	d->head_size = s[S_SHARED].sh_offset + s[S_SHARED].sh_size;
	d->head = calloc(1, d->head_size);
	d->numbers = calloc(NUMBERS, sizeof(struct xen_dumpcore_p2m));
	if (!d->head || !d->numbers)
		return -ENOMEM;
	memcpy(d->head, &header, sizeof(header));
	memcpy(d->head + sizeof(header), s, sizeof(s));
	put_notes(d, d->head + s[S_NOTES].sh_offset);
	put_vcpus(d, d->head + s[S_VCPUS].sh_offset);
	memcpy(d->head + s[S_SHARED].sh_offset, xa_shared_page(d->vm->dom), XEN_PAGE_SIZE);
	return 0;
}

/* ---- the writing ---- */

static void clear(struct vmm_dump *d)
{
	dom_close_fd(&d->fd);
	free(d->head);
	free(d->numbers);
	d->head = NULL;
	d->numbers = NULL;
}

/* It is over; @r is 0 for a complete file. The guest goes on if nobody else has stopped it. */
static void finish(struct vmm_dump *d, int r)
{
	struct vmm *vm = d->vm;

	d->written = !r;
	if (r)
		dom_err_set(&d->err, r, "the core file cannot be written: %s", strerror(-r));
	dom_log(&vm->log, r ? DOM_LOG_ERROR : DOM_LOG_INFO, "core dump: %s",
		r ? d->err.msg : "complete");
	clear(d);
	if (!vm->paused && !vm->shutdown)
		vmm_vcpus_unpause(vm);
}

static void begin_write(struct vmm_dump *d, const void *buf, size_t len, uint64_t at)
{
	d->buf = buf;
	d->len = len;
	d->at = at;
	ev_write(&d->op, d->fd, buf, (uint32_t)len, at);
}

/* The next pages that are not zero, adjacent in memory and in the file; false at the end. */
static bool write_pages(struct vmm_dump *d)
{
	const uint8_t *start = NULL, *host;
	struct xen_dumpcore_p2m number;
	unsigned looked = 0, run = 0;

	while (run < RUN_PAGES && looked++ < TURN_PAGES) {
		struct walk before = d->walk;

		if (!next_page(d, &d->walk, true, &number, &host))
			break;
		if (run && host != start + ((size_t)run << XEN_PAGE_SHIFT)) {
			d->walk = before;
			break;
		}
		if (host && !run)
			start = host;
		run += host != NULL;
		d->done++;
	}
	if (run)
		begin_write(d, start, (size_t)run << XEN_PAGE_SHIFT,
			    d->pages_at + ((d->done - run) << XEN_PAGE_SHIFT));
	else if (looked > TURN_PAGES)
		ev_timer(&d->turn, 0);
	return run || looked > TURN_PAGES;
}

static bool write_numbers(struct vmm_dump *d)
{
	uint64_t at = d->numbers_at + d->done * number_size(d);
	struct xen_dumpcore_p2m number;
	const uint8_t *host;
	size_t words = 0;

	for (unsigned i = 0; i < NUMBERS && next_page(d, &d->walk, false, &number, &host); i++) {
		if (d->vm->cfg.pv)
			d->numbers[words++] = number.pfn;
		d->numbers[words++] = number.gmfn;
		d->done++;
	}
	if (words)
		begin_write(d, d->numbers, words * sizeof(uint64_t), at);
	return words;
}

/* Begin what comes next. */
static void step(struct vmm_dump *d)
{
	if (d->phase == PAGES) {
		if (write_pages(d))
			return;
		d->phase = FRAMES;
		d->walk = (struct walk){ 0 };
		d->done = 0;
	}
	if (d->phase == FRAMES) {
		if (write_numbers(d))
			return;
		d->phase = NAMES;
		begin_write(d, d->vm->cfg.pv ? names_pv : names, sizeof(names), d->names_at);
	} else if (d->phase == NAMES) {
		d->phase = HEAD;
		begin_write(d, d->head, d->head_size, 0);
	} else {
		finish(d, 0);
	}
}

static void on_written(struct ev_op *op, int res)
{
	struct vmm_dump *d = DOM_CONTAINER_OF(op, struct vmm_dump, op);

	if (res == -ECANCELED)
		return;
	if (res == -EINTR || res == -EAGAIN)
		res = 0;
	else if (res == 0)
		res = -EIO;
	if (res < 0) {
		finish(d, res);
		return;
	}
	if ((size_t)res == d->len)
		step(d);
	else
		begin_write(d, d->buf + res, d->len - (size_t)res, d->at + (uint64_t)res);
}

static void on_turn(struct ev_op *op, int res)
{
	if (res == 0)
		step(DOM_CONTAINER_OF(op, struct vmm_dump, turn));
}

int vmm_dump_start(struct vmm *vm, int fd, struct dom_err *err)
{
	struct vmm_dump *d = vm->dump;
	int file DOM_CLEANUP_FD = fd, r;
	struct stat st;

	if (d->fd >= 0)
		return dom_err_set(err, -EBUSY, "a core dump is being written already");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return dom_err_set(err, -EINVAL, "a core dump goes to a regular file");
	if (ftruncate(fd, 0) < 0)
		return dom_err_set(err, -errno, "the core file cannot be emptied: %s", strerror(errno));
	vmm_vcpus_pause(vm);
	d->fd = dom_fd_steal(&file);
	d->written = false;
	d->err = (struct dom_err){ 0 };
	d->phase = PAGES;
	d->walk = (struct walk){ 0 };
	d->done = 0;
	r = make_head(d);
	if (r) {
		finish(d, r);
		return dom_err_set(err, r, "no core dump: %s", strerror(-r));
	}
	step(d);
	return 0;
}

bool vmm_dump_running(const struct vmm *vm)
{
	return vm->dump && vm->dump->fd >= 0;
}

void vmm_dump_state(const struct vmm *vm, struct vmm_dump_state *ret)
{
	const struct vmm_dump *d = vm->dump;

	*ret = (struct vmm_dump_state){
		.state = d->fd >= 0 ? "running" : d->written ? "done" : d->err.code ? "failed" : "none",
		.error = d->err.msg,
		.total_kib = d->pages * (XEN_PAGE_SIZE / 1024),
		.done_kib = (d->phase == PAGES ? d->done : d->pages) * (XEN_PAGE_SIZE / 1024),
	};
}

int vmm_dump_init(struct vmm *vm, struct dom_err *err)
{
	struct vmm_dump *d = calloc(1, sizeof(*d));

	if (!d)
		return dom_err_set(err, -ENOMEM, "no memory for core dumps");
	d->vm = vm;
	d->fd = -1;
	ev_group_init(&d->group, vm->loop);
	ev_op_init(&d->op, vm->loop, on_written, &d->group);
	ev_op_init(&d->turn, vm->loop, on_turn, &d->group);
	vm->dump = d;
	return 0;
}

/* No op uses the file and the memory any more. */
static void on_idle(struct ev_group *g)
{
	struct vmm_dump *d = DOM_CONTAINER_OF(g, struct vmm_dump, group);

	clear(d);
	free(d);
}

void vmm_dump_fini(struct vmm *vm)
{
	if (vm->dump)
		ev_group_close(&vm->dump->group, on_idle);
	vm->dump = NULL;
}
