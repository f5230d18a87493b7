// SPDX-License-Identifier: MIT
/*
 * Block devices from their description in the store to data on the disk: store, front end and guest
 * are in the test itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "fake_blkfront.h"
#include "fake_device.h"

#define BE "/local/domain/0/backend/vbd/7/51712"
#define FE "/local/domain/7/device/vbd/51712"

struct fix {
	struct device v;
	char image[32];
};

static int set_up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	device_init(&f->v, 1100);
	strcpy(f->image, "/tmp/dom-blk-XXXXXX");
	fd = mkstemp(f->image);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	close(fd);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	device_fini(&f->v);
	unlink(f->image);
	free(f);
	return 0;
}

static void set_u(struct fix *f, const char *dir, const char *key, unsigned value)
{
	char path[256], v[16];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	snprintf(v, sizeof(v), "%u", value);
	fs_set(f->v.fs, path, v);
}

static void describe(struct fix *f, const char *mode)
{
	fs_set(f->v.fs, BE "/frontend", FE);
	fs_set(f->v.fs, BE "/params", f->image);
	fs_set(f->v.fs, BE "/mode", mode);
	fs_set(f->v.fs, BE "/online", "1");
	fs_set(f->v.fs, BE "/state", "1");
	fs_set(f->v.fs, FE "/state", "1");
}

/* The front end describes a ring of the fake front end in @dir. */
static void describe_ring(struct fix *f, struct blkfront *fe, const char *dir, bool many)
{
	for (unsigned i = 0; i < fe->ring_pages; i++) {
		char key[16];

		snprintf(key, sizeof(key), many ? "ring-ref%u" : "ring-ref", i);
		set_u(f, dir, key, i);
	}
	set_u(f, dir, "event-channel", FE_PORT);
}

static void expect(struct fix *f, const char *key, const char *value)
{
	char path[256];
	const char *v;

	snprintf(path, sizeof(path), BE "/%s", key);
	v = fs_get(f->v.fs, path);
	assert_non_null(v);
	assert_string_equal(v, value);
}

/* Read and write a page through the ring; both ends look at the same file. */
static int one_request(struct fix *f, struct blkfront *fe, uint8_t op)
{
	struct blkif_response rsp;
	uint64_t end = ev_now() + 2000000000u;

	fe_pages(fe, op, 1, 8, 0, 1);
	fe->kick = f->v.d->backend_fd[FE_PORT];
	fe_push(fe);
	while (!fe_response(fe, &rsp)) {
		if (ev_now() > end)
			return -1000;
		ev_loop_turn(f->v.l, ev_now() + 10000000);
	}
	return rsp.status;
}

static void start(struct fix *f)
{
	assert_int_equal(device_start(&f->v, NULL), 0);
	device_settle(&f->v);
}

/* The front end connects with one ring of a page. */
static void connect_ring(struct fix *f, struct blkfront *fe)
{
	fe_init(fe, f->v.d, &blk_layouts[0], 0);
	describe_ring(f, fe, FE, false);
	fs_set(f->v.fs, FE "/state", "3");
	device_settle(&f->v);
}

static void connected(struct fix *f, struct blkfront *fe, const char *mode)
{
	describe(f, mode);
	start(f);
	connect_ring(f, fe);
}

static void disk_works_with_one_ring(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;
	uint8_t page[4096];
	int fd;

	describe(f, "w");
	start(f);
	expect(f, "state", "2");
	expect(f, "max-ring-page-order", "4");
	fe_init(&fe, f->v.d, &blk_layouts[0], 0);
	describe_ring(f, &fe, FE, false);
	fs_set(f->v.fs, FE "/protocol", "x86_64-abi");
	fs_set(f->v.fs, FE "/state", "3");
	device_settle(&f->v);
	expect(f, "state", "4");
	expect(f, "sectors", "8192");
	expect(f, "info", "0");
	expect(f, "feature-flush-cache", "1");
	expect(f, "feature-barrier", "1");
	expect(f, "feature-discard", "1");
	expect(f, "feature-persistent", "0");
	expect(f, "feature-max-indirect-segments", "256");
	memset(fe_data(&fe, 0), 0x77, 4096);
	assert_int_equal(one_request(f, &fe, BLKIF_OP_WRITE), BLKIF_RSP_OKAY);
	fd = open(f->image, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, page, 4096, 4096), 4096);
	assert_int_equal(page[0], 0x77);
	assert_int_equal(page[4095], 0x77);
	close(fd);
}

static void two_queues_of_four_pages_each_spelling(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;

	describe(f, "w");
	start(f);
	fe_init(&fe, f->v.d, &blk_layouts[1], 2);
	fs_set(f->v.fs, FE "/protocol", "x86_32-abi");
	set_u(f, FE, "num-ring-pages", 4);
	describe_ring(f, &fe, FE, true);
	fs_set(f->v.fs, FE "/state", "3");
	device_settle(&f->v);
	expect(f, "state", "4");
	assert_int_equal(one_request(f, &fe, BLKIF_OP_READ), BLKIF_RSP_OKAY);
	/* Again, as Linux with two queues says it; both use the same ring and the first port. */
	fs_set(f->v.fs, FE "/state", "6");
	device_settle(&f->v);
	fs_rm(f->v.fs, FE "/num-ring-pages");
	memset(f->v.d->ram, 0, 4 * 4096);
	fe_init(&fe, f->v.d, &blk_layouts[1], 2);
	set_u(f, FE, "ring-page-order", 2);
	set_u(f, FE, "multi-queue-num-queues", 2);
	describe_ring(f, &fe, FE "/queue-0", true);
	describe_ring(f, &fe, FE "/queue-1", true);
	set_u(f, FE "/queue-1", "event-channel", FE_PORT + 1);
	fs_set(f->v.fs, FE "/state", "3");
	device_settle(&f->v);
	expect(f, "state", "4");
	assert_true(f->v.d->bound[FE_PORT + 1]);
	fs_set(f->v.fs, FE "/state", "6");
	device_settle(&f->v);
	expect(f, "state", "6");
	assert_false(f->v.d->bound[FE_PORT + 1]);
	assert_int_equal(fake_grants_in_use(f->v.d), 0);
}

static void bad_parameters_close_the_device(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "ring-page-order", "5" }, { "ring-page-order", "4294967295" },
		{ "num-ring-pages", "3" }, { "num-ring-pages", "0" }, { "num-ring-pages", "32" },
		{ "protocol", "m68k-abi" }, { "ring-ref", "4095" }, { "ring-ref", "x" },
		{ "event-channel", "200" }, { "event-channel", "" },
		{ "multi-queue-num-queues", "2" },
	};

	describe(f, "w");
	start(f);
	fe_init(&fe, f->v.d, &blk_layouts[0], 0);
	f->v.d->grants[4095].valid = false;
	for (unsigned i = 0; i < DOM_ARRAY_LEN(bad); i++) {
		char path[128];

		describe_ring(f, &fe, FE, false);
		snprintf(path, sizeof(path), FE "/%s", bad[i].key);
		fs_set(f->v.fs, path, bad[i].value);
		fs_set(f->v.fs, FE "/state", "3");
		device_settle(&f->v);
		expect(f, "state", "5");
		fs_set(f->v.fs, FE "/state", "6");
		device_settle(&f->v);
		fs_rm(f->v.fs, path);
		fs_set(f->v.fs, FE "/state", "1");
		device_settle(&f->v);
		expect(f, "state", "2");
	}
	describe_ring(f, &fe, FE, false);
	fs_set(f->v.fs, FE "/state", "3");
	device_settle(&f->v);
	expect(f, "state", "4");
}

static void readonly_disk_is_opened_readonly(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;

	describe(f, "r");
	fs_set(f->v.fs, BE "/device-type", "cdrom");
	start(f);
	connect_ring(f, &fe);
	expect(f, "info", "5");
	expect(f, "feature-discard", "0");
	assert_int_equal(one_request(f, &fe, BLKIF_OP_WRITE), BLKIF_RSP_ERROR);
	assert_int_equal(one_request(f, &fe, BLKIF_OP_READ), BLKIF_RSP_OKAY);
}

static void missing_image_is_named(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };

	describe(f, "w");
	fs_set(f->v.fs, BE "/params", "/nonexistent.img");
	assert_int_equal(device_start(&f->v, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent.img"));
	expect(f, "state", "6");
	device_settle(&f->v);
	fs_set(f->v.fs, BE "/state", "1");
	fs_set(f->v.fs, BE "/params", "/dev/null");
	assert_int_equal(device_start(&f->v, &err), -EINVAL);
	device_settle(&f->v);
}

static void image_that_grows_is_announced(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;

	connected(f, &fe, "w");
	assert_int_equal(truncate(f->image, 8 << 20), 0);
	fs_set(f->v.fs, BE "/resize", "1");
	device_settle(&f->v);
	expect(f, "sectors", "16384");
	expect(f, "state", "4");
}

static void image_that_grows_is_announced_with_the_next_request(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;

	connected(f, &fe, "w");
	assert_int_equal(truncate(f->image, 8 << 20), 0);
	assert_int_equal(one_request(f, &fe, BLKIF_OP_READ), BLKIF_RSP_OKAY);
	expect(f, "sectors", "16384");
}

static void file_cut_off_under_load_is_an_error_of_the_request(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;

	connected(f, &fe, "w");
	assert_int_equal(truncate(f->image, 0), 0);
	assert_int_equal(one_request(f, &fe, BLKIF_OP_READ), BLKIF_RSP_ERROR);
	/* A disk without sectors would read as one that has come to its end. */
	device_settle(&f->v);
	expect(f, "sectors", "8192");
	assert_int_equal(truncate(f->image, 4 << 20), 0);
	fs_set(f->v.fs, BE "/resize", "1");
	device_settle(&f->v);
	assert_int_equal(one_request(f, &fe, BLKIF_OP_READ), BLKIF_RSP_OKAY);
	expect(f, "state", "4");
}

/* What the guest writes must never change how the host reads the image (XSA-55's class for disks). */
static void raw_image_with_the_header_of_another_format_stays_raw(void **state)
{
	static const char *const headers[] = { "QFI\xfb\0\0\0\3", "KDMV\1\0\0\0", "conectix", "vhdxfile" };
	struct fix *f = *state;
	struct blkfront fe;
	int fd = open(f->image, O_WRONLY | O_CLOEXEC);

	for (unsigned i = 0; i < DOM_ARRAY_LEN(headers); i++) {
		assert_int_equal(pwrite(fd, headers[i], 8, 4096), 8);
		assert_int_equal(pwrite(fd, headers[i], 8, 0), 8);
		connected(f, &fe, "w");
		expect(f, "sectors", "8192");
		assert_int_equal(one_request(f, &fe, BLKIF_OP_READ), BLKIF_RSP_OKAY);
		assert_memory_equal(fe_data(&fe, 0), headers[i], 8);
		pvb_free(f->v.p);
		f->v.p = NULL;
		device_settle(&f->v);
		memset(f->v.d->ram, 0, 4096);
	}
	close(fd);
}

/* A front end may use its page for something else as soon as it sees the answer (XSA-396's class). */
static void pages_are_let_go_before_the_answer(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;

	connected(f, &fe, "w");
	for (unsigned i = 0; i < 100; i++) {
		uint8_t op = i % 2 ? BLKIF_OP_READ : i % 3 ? BLKIF_OP_WRITE : BLKIF_OP_WRITE_BARRIER;

		assert_int_equal(one_request(f, &fe, op), BLKIF_RSP_OKAY);
		assert_int_equal(f->v.d->grants[fe.data_page].uses, 0);
	}
}

static void image_has_one_writer_or_many_readers(void **state)
{
	struct fix *f = *state;
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	struct dom_err err = { 0 };
	int fd = open(f->image, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	describe(f, "w");
	assert_int_equal(device_start(&f->v, &err), -EBUSY);
	assert_non_null(strstr(err.msg, f->image));
	assert_non_null(strstr(err.msg, "in use"));
	device_settle(&f->v);
	fs_set(f->v.fs, BE "/state", "1");
	fs_set(f->v.fs, BE "/mode", "r");
	assert_int_equal(device_start(&f->v, &err), 0);
	lock.l_type = F_WRLCK;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), -1);
	pvb_free(f->v.p);
	f->v.p = NULL;
	device_settle(&f->v);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	close(fd);
}

static void discard_is_not_offered_when_it_is_turned_off(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;

	describe(f, "w");
	fs_set(f->v.fs, BE "/discard-enable", "0");
	start(f);
	connect_ring(f, &fe);
	expect(f, "feature-discard", "0");
}

static void script_that_names_no_image_ends_the_device(void **state)
{
	struct fix *f = *state;

	describe(f, "w");
	fs_set(f->v.fs, BE "/script", "/etc/xen/scripts/block");
	start(f);
	expect(f, "state", "1");
	fs_set(f->v.fs, BE "/physical-device-path", "/nonexistent.img");
	device_settle(&f->v);
	expect(f, "state", "6");
	assert_non_null(strstr(fs_get(f->v.fs, BE "/error"), "/nonexistent.img"));
}

static void image_of_a_script_is_waited_for(void **state)
{
	struct fix *f = *state;
	struct blkfront fe;

	describe(f, "w");
	fs_set(f->v.fs, BE "/script", "/etc/xen/scripts/block");
	fs_set(f->v.fs, BE "/params", "something only the script understands");
	start(f);
	expect(f, "state", "1");
	connect_ring(f, &fe);
	expect(f, "state", "1");
	fs_set(f->v.fs, BE "/physical-device-path", f->image);
	device_settle(&f->v);
	expect(f, "state", "4");
}

/* Another disk may take the number of one that still waits for its script. */
static void disk_replaced_while_it_waits_is_the_new_one(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };
	struct blkfront fe;

	fe_init(&fe, f->v.d, &blk_layouts[0], 0);
	describe(f, "w");
	fs_set(f->v.fs, BE "/script", "/etc/xen/scripts/block");
	fs_set(f->v.fs, BE "/params", "something only the script understands");
	assert_int_equal(device_start(&f->v, &err), 0);
	device_settle(&f->v);
	expect(f, "state", "1");
	fs_set(f->v.fs, BE "/mode", "r");
	fs_set(f->v.fs, BE "/device-type", "cdrom");
	fs_set(f->v.fs, BE "/discard-enable", "0");
	fs_set(f->v.fs, BE "/physical-device-path", f->image);
	device_settle(&f->v);
	expect(f, "state", "2");
	describe_ring(f, &fe, FE, false);
	fs_set(f->v.fs, FE "/state", "3");
	device_settle(&f->v);
	expect(f, "state", "4");
	expect(f, "info", "5");		/* a read-only drive */
	expect(f, "feature-discard", "0");
	assert_int_equal(one_request(f, &fe, BLKIF_OP_WRITE), BLKIF_RSP_ERROR);
	assert_int_equal(one_request(f, &fe, BLKIF_OP_READ), BLKIF_RSP_OKAY);
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(disk_works_with_one_ring),
		ONE(two_queues_of_four_pages_each_spelling),
		ONE(bad_parameters_close_the_device),
		ONE(readonly_disk_is_opened_readonly),
		ONE(missing_image_is_named),
		ONE(image_that_grows_is_announced),
		ONE(image_that_grows_is_announced_with_the_next_request),
		ONE(file_cut_off_under_load_is_an_error_of_the_request),
		ONE(raw_image_with_the_header_of_another_format_stays_raw),
		ONE(pages_are_let_go_before_the_answer),
		ONE(image_has_one_writer_or_many_readers),
		ONE(discard_is_not_offered_when_it_is_turned_off),
		ONE(script_that_names_no_image_ends_the_device),
		ONE(image_of_a_script_is_waited_for),
		ONE(disk_replaced_while_it_waits_is_the_new_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
