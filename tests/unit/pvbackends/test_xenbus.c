// SPDX-License-Identifier: MIT
/*
 * The back ends' state machine, with a store and a driver in the test itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "domicile/pvb.h"
#include "fake_store.h"
#include "pvbackends/priv.h"

#define BE "/local/domain/0/backend/vbd/7/51712"
#define FE "/local/domain/7/device/vbd/51712"

struct fix {
	struct ev_loop *l;
	struct xsc *fs;
	struct pvb *p;
};

/* What the driver was asked to do, and how it is to behave. */
static struct {
	int probed, connected, disconnected, changed, removed;
	int probe_result, connect_result;
	bool slow;			/* disconnect() is finished by the test */
	struct pvb_dev *pending;	/* a disconnect() that is not finished */
	unsigned live;			/* devices between probe() and remove() */
} drv;

static int fake_probe(struct pvb_dev *dev, struct dom_err *err)
{
	drv.probed++;
	drv.live++;
	dev->priv = &drv;
	return drv.probe_result ? dom_err_set(err, drv.probe_result, "no such image") : 0;
}

static int fake_connect(struct pvb_dev *dev DOM_UNUSED, struct dom_err *err)
{
	if (drv.connect_result)
		return dom_err_set(err, drv.connect_result, "bad ring");
	drv.connected++;
	return 0;
}

static void fake_disconnect(struct pvb_dev *dev)
{
	drv.disconnected++;
	if (drv.slow)
		drv.pending = dev;
	else
		pvb_disconnected(dev);
}

static void fake_changed(struct pvb_dev *dev DOM_UNUSED)
{
	drv.changed++;
}

static void fake_remove(struct pvb_dev *dev)
{
	if (!dev->priv)
		return;		/* never probed */
	drv.removed++;
	assert_ptr_not_equal(dev, drv.pending);
	drv.live--;
}

/* Takes the place of the library's. */
const struct pvb_driver blk_driver = {
	.kind = "vbd", .probe = fake_probe, .connect = fake_connect,
	.disconnect = fake_disconnect, .changed = fake_changed, .remove = fake_remove,
};

/* The other kind that drivers.def names; no test describes one. */
const struct pvb_driver blk_qdisk_driver = { .kind = "qdisk" };

/* Finish a disconnect() that the test held up. */
static void finish_pending(void)
{
	struct pvb_dev *dev = drv.pending;

	drv.pending = NULL;
	if (dev)
		pvb_disconnected(dev);
}

static int set_up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memset(&drv, 0, sizeof(drv));
	f->fs = fs_new();
	assert_int_equal(ev_loop_new(NULL, &f->l, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fix *f = *state;

	pvb_free(f->p);
	finish_pending();
	ev_loop_free(f->l);
	assert_int_equal(drv.live, 0);
	fs_free(f->fs);
	free(f);
	return 0;
}

static int start(struct fix *f, struct dom_err *err)
{
	struct pvb_config cfg = { .loop = f->l, .domid = 7, .xs = f->fs };

	return pvb_new(&cfg, &f->p, err);
}

static void settle(struct fix *f)
{
	for (int i = 0; i < 8; i++)
		ev_loop_turn(f->l, ev_now() + 1000000);
}

/* As libxl does. */
static void describe(struct fix *f)
{
	fs_set(f->fs, BE "/frontend", FE);
	fs_set(f->fs, BE "/online", "1");
	fs_set(f->fs, BE "/state", "1");
	fs_set(f->fs, FE "/backend", BE);
	fs_set(f->fs, FE "/state", "1");
}

static void start_described(struct fix *f)
{
	describe(f);
	assert_int_equal(start(f, NULL), 0);
	settle(f);
}

static void fe_state(struct fix *f, const char *state)
{
	fs_set(f->fs, FE "/state", state);
	settle(f);
}

static void assert_state(struct fix *f, const char *state)
{
	assert_string_equal(fs_get(f->fs, BE "/state"), state);
}

static void device_goes_through_its_states(void **state)
{
	struct fix *f = *state;

	start_described(f);
	assert_int_equal(drv.probed, 1);
	assert_state(f, "2");
	fe_state(f, "3");
	assert_int_equal(drv.connected, 1);
	assert_state(f, "4");
	fe_state(f, "4");
	assert_int_equal(drv.connected, 1);
	fe_state(f, "5");
	assert_int_equal(drv.disconnected, 1);
	assert_state(f, "5");
	fe_state(f, "6");
	assert_state(f, "6");
	assert_int_equal(drv.removed, 0);
	/* The guest loads its driver again. */
	fe_state(f, "1");
	assert_state(f, "2");
	fe_state(f, "3");
	assert_int_equal(drv.connected, 2);
	assert_state(f, "4");
	assert_int_equal(drv.probed, 1);
}

static void hot_plugged_device_is_found(void **state)
{
	struct fix *f = *state;

	assert_int_equal(start(f, NULL), 0);
	settle(f);
	assert_int_equal(drv.probed, 0);
	describe(f);
	settle(f);
	assert_int_equal(drv.probed, 1);
	assert_state(f, "2");
}

static void front_end_that_restarts_without_goodbye_is_disconnected_first(void **state)
{
	struct fix *f = *state;

	start_described(f);
	fe_state(f, "3");
	drv.slow = true;
	fe_state(f, "1");
	assert_int_equal(drv.disconnected, 1);
	assert_state(f, "4");		/* not before the guest's memory is left alone */
	fe_state(f, "3");
	assert_int_equal(drv.connected, 1);
	fe_state(f, "1");
	finish_pending();
	settle(f);
	assert_state(f, "2");
	fe_state(f, "3");
	assert_int_equal(drv.connected, 2);
}

static void detached_device_is_removed_once(void **state)
{
	struct fix *f = *state;

	start_described(f);
	fe_state(f, "4");
	assert_state(f, "4");
	fs_set(f->fs, BE "/online", "0");
	fs_set(f->fs, BE "/state", "5");
	settle(f);
	fe_state(f, "5");
	fe_state(f, "6");
	assert_state(f, "6");
	assert_int_equal(drv.removed, 1);
	settle(f);
	assert_int_equal(drv.probed, 1);
	fs_rm(f->fs, BE);
	fs_rm(f->fs, FE);
	settle(f);
	assert_null(fs_get(f->fs, BE "/state"));
	/* And attached again. */
	describe(f);
	settle(f);
	assert_int_equal(drv.probed, 2);
	assert_state(f, "2");
}

static void description_removed_early_ends_the_device_and_stays_removed(void **state)
{
	struct fix *f = *state;

	start_described(f);
	fe_state(f, "3");
	fs_rm(f->fs, BE);
	settle(f);
	assert_int_equal(drv.disconnected, 1);
	assert_int_equal(drv.removed, 1);
	assert_null(fs_get(f->fs, BE "/state"));
	assert_int_equal(f->fs->nwatches, 4);	/* one for each kind of device */
}

/* The toolstack is faster than we are: nothing but our state tells of it. */
static void description_that_was_replaced_is_a_new_device(void **state)
{
	struct fix *f = *state;

	start_described(f);
	fe_state(f, "3");
	assert_state(f, "4");
	fs_rm(f->fs, BE);
	fs_rm(f->fs, FE);
	describe(f);
	settle(f);
	assert_int_equal(drv.disconnected, 1);
	assert_int_equal(drv.removed, 1);
	assert_int_equal(drv.probed, 2);
	assert_state(f, "2");
	fe_state(f, "3");
	assert_state(f, "4");
	/* One that was no good, too; and with a disconnection that takes its time. */
	drv.probe_result = -ENOENT;
	fs_rm(f->fs, BE);
	describe(f);
	settle(f);
	assert_state(f, "6");
	drv.probe_result = 0;
	fs_rm(f->fs, BE);
	describe(f);
	settle(f);
	assert_state(f, "2");
	fe_state(f, "3");
	drv.slow = true;
	fs_rm(f->fs, BE);
	describe(f);
	settle(f);
	assert_int_equal(drv.live, 1);
	finish_pending();
	drv.slow = false;
	settle(f);
	assert_state(f, "2");
	assert_int_equal(drv.live, 1);
}

static void front_end_directory_removed_closes(void **state)
{
	struct fix *f = *state;

	start_described(f);
	fe_state(f, "3");
	fs_rm(f->fs, FE);
	settle(f);
	assert_int_equal(drv.disconnected, 1);
	assert_state(f, "6");
}

static void failing_probe_is_told_and_not_repeated(void **state)
{
	struct fix *f = *state;
	struct dom_err err = { 0 };

	drv.probe_result = -ENOENT;
	describe(f);
	assert_int_equal(start(f, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no such image"));
	assert_string_equal(fs_get(f->fs, BE "/error"), "no such image");
	assert_null(f->p);
	settle(f);
	/* One that is plugged in later does not end the others. */
	fs_rm(f->fs, BE);
	assert_int_equal(start(f, NULL), 0);
	describe(f);
	settle(f);
	settle(f);
	assert_int_equal(drv.probed, 2);
	assert_state(f, "6");
	drv.probe_result = 0;
	fs_rm(f->fs, BE);
	settle(f);
	describe(f);
	settle(f);
	assert_int_equal(drv.probed, 3);
	assert_state(f, "2");
}

static void failing_connect_closes_the_device(void **state)
{
	struct fix *f = *state;

	start_described(f);
	drv.connect_result = -EINVAL;
	fe_state(f, "3");
	assert_string_equal(fs_get(f->fs, BE "/error"), "bad ring");
	assert_state(f, "5");
	assert_int_equal(drv.disconnected, 1);
	drv.connect_result = 0;
	fe_state(f, "6");
	assert_state(f, "6");
	fe_state(f, "1");
	fe_state(f, "3");
	assert_state(f, "4");
}

static void connect_waits_for_the_hotplug_script(void **state)
{
	struct fix *f = *state;

	start_described(f);
	drv.connect_result = -EAGAIN;
	fe_state(f, "3");
	assert_state(f, "2");
	drv.connect_result = 0;
	fs_set(f->fs, BE "/physical-device-path", "/dev/x");
	settle(f);
	assert_state(f, "4");
}

static void nonsense_from_the_guest_is_unknown(void **state)
{
	struct fix *f = *state;
	static const char *const values[] = { "", "99", "4x", "-1", "18446744073709551616", "4 ",
					      "0x4", "0", "\n" };

	start_described(f);
	for (unsigned i = 0; i < DOM_ARRAY_LEN(values); i++)
		fe_state(f, values[i]);
	fe_state(f, "1");
	fe_state(f, "3");
	assert_state(f, "4");
}

static void rewriting_a_node_costs_little(void **state)
{
	struct fix *f = *state;
	uint64_t before, end;

	start_described(f);
	fe_state(f, "3");
	before = f->fs->calls;
	end = ev_now() + 50000000;
	while (ev_now() < end) {
		for (int i = 0; i < 200; i++)
			fs_set(f->fs, FE "/state", "4");
		ev_loop_turn(f->l, 0);
	}
	/* At most one look in a millisecond, each a handful of requests. */
	assert_true(f->fs->calls - before < 400);
}

static void daemon_that_restarts_is_found_again(void **state)
{
	struct fix *f = *state;
	uint64_t one = 1, end = ev_now() + 5000000000u;

	start_described(f);
	f->fs->down = true;
	assert_int_equal(write(f->fs->fd, &one, 8), 8);
	settle(f);
	/* Missed meanwhile. */
	fs_set(f->fs, FE "/state", "3");
	while (f->fs->nevents)
		fs_drop(f->fs->events, &f->fs->nevents, 0);
	settle(f);
	assert_int_equal(drv.connected, 0);
	assert_int_equal(drv.removed, 0);
	f->fs->down = false;
	while (!drv.connected && ev_now() < end)
		ev_loop_turn(f->l, ev_now() + 10000000);
	assert_state(f, "4");
}

static void reset_waits_for_the_new_kernel(void **state)
{
	struct fix *f = *state;

	start_described(f);
	fe_state(f, "4");
	pvb_reset(f->p);
	settle(f);
	assert_int_equal(drv.disconnected, 1);
	assert_state(f, "2");
	assert_string_equal(fs_get(f->fs, FE "/state"), "1");
	fe_state(f, "3");
	assert_state(f, "4");
}

static void free_waits_for_slow_devices(void **state)
{
	struct fix *f = *state;

	start_described(f);
	fe_state(f, "3");
	drv.slow = true;
	pvb_free(f->p);
	f->p = NULL;
	settle(f);
	assert_int_equal(drv.removed, 0);
	finish_pending();
	settle(f);
	assert_int_equal(drv.removed, 1);
}

static void any_order_of_events_leaves_a_sound_state(void **state)
{
	struct fix *f = *state;
	uint32_t rnd = 4711;

	start_described(f);
	for (int i = 0; i < 20000; i++) {
		char v[12];

		rnd = rnd * 1103515245 + 12345;
		snprintf(v, sizeof(v), "%u", rnd >> 16 & 15);
		switch (rnd >> 24 & 15) {
		case 0:
			fs_rm(f->fs, BE);
			break;
		case 1:
			fs_rm(f->fs, FE);
			break;
		case 2:
			describe(f);
			break;
		case 3:
			fs_set(f->fs, BE "/online", rnd & 0x800 ? "1" : "0");
			break;
		case 4:
			drv.slow = rnd & 0x800;
			break;
		case 5:
			finish_pending();
			break;
		case 6:
			drv.connect_result = rnd & 0x800 ? 0 : rnd & 0x400 ? -EINVAL : -EAGAIN;
			break;
		case 7:
			drv.probe_result = rnd & 0x1800 ? 0 : -ENOENT;
			break;
		case 8:
			pvb_reset(f->p);
			break;
		default:
			fs_set(f->fs, FE "/state", v);
		}
		if (rnd & 0x4000)
			ev_loop_turn(f->l, ev_now() + (i % 20 ? 0 : 1100000));
	}
	/* From wherever it got to, a well-behaved pair comes up. */
	drv.slow = false;
	finish_pending();
	drv.connect_result = drv.probe_result = 0;
	fs_rm(f->fs, BE);
	fs_rm(f->fs, FE);
	settle(f);
	settle(f);
	assert_int_equal(drv.live, 0);
	describe(f);
	settle(f);
	fe_state(f, "3");
	assert_state(f, "4");
}

#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(device_goes_through_its_states),
		ONE(hot_plugged_device_is_found),
		ONE(front_end_that_restarts_without_goodbye_is_disconnected_first),
		ONE(detached_device_is_removed_once),
		ONE(description_removed_early_ends_the_device_and_stays_removed),
		ONE(description_that_was_replaced_is_a_new_device),
		ONE(front_end_directory_removed_closes),
		ONE(failing_probe_is_told_and_not_repeated),
		ONE(failing_connect_closes_the_device),
		ONE(connect_waits_for_the_hotplug_script),
		ONE(nonsense_from_the_guest_is_unknown),
		ONE(rewriting_a_node_costs_little),
		ONE(daemon_that_restarts_is_found_again),
		ONE(reset_waits_for_the_new_kernel),
		ONE(free_waits_for_slow_devices),
		ONE(any_order_of_events_leaves_a_sound_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
