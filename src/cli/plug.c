// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "domicile/base/fd.h"

#include "js.h"
#include "life.h"
#include "plug.h"

/* Wait until the state of our end is one of the bits in @states. Returns it; -ETIMEDOUT; -ENOENT. */
static int wait_state(struct xl *xl, const char *back, unsigned states, int ms)
{
	char node[96];
	int r = -ETIMEDOUT;

	snprintf(node, sizeof(node), "%s/state", back);
	if (xsc_watch(xl->xs, node, "state"))
		return -EIO;
	for (;;) {
		struct xsc_event ev;
		uint64_t state;

		if (xsc_next_event(xl->xs, ms, &ev))
			break;
		state = xl_read_uint(xl, XSC_TX_NONE, UINT_MAX, "%s", node);
		if (state > 31 || states >> state & 1) {
			r = state > 31 ? -ENOENT : (int)state;
			break;
		}
	}
	xsc_unwatch(xl->xs, node, "state");
	return r;
}

int xl_plug_attached(struct xl *xl, const char *back, const char *name, struct dom_err *err)
{
	char *why DOM_CLEANUP_FREE = NULL;
	int r;

	r = wait_state(xl, back, 1u << XL_STATE_INIT_WAIT | 1u << 3 | 1u << 4 | 1u << XL_STATE_CLOSED,
		       XL_PLUG_ATTACH_MS);
	if (r == -ETIMEDOUT)
		return dom_err_set(err, r, "%s: the back end does not answer", name);
	if (r != XL_STATE_CLOSED)
		return r < 0 ? r : 0;
	why = xl_read(xl, XSC_TX_NONE, "%s/error", back);
	return dom_err_set(err, -EIO, "%s: %s", name, why ? why : "the back end refuses it");
}

/* As libxl: the back end's end is closed, which the front end follows. */
static int ask_to_close(struct xl *xl, const char *back)
{
	char node[96];
	int r;

	snprintf(node, sizeof(node), "%s/online", back);
	r = xsc_write(xl->xs, XSC_TX_NONE, node, "0", 1);
	snprintf(node, sizeof(node), "%s/state", back);
	if (!r && xl_read_uint(xl, XSC_TX_NONE, 0, "%s", node) != XL_STATE_CLOSED)
		r = xsc_printf(xl->xs, XSC_TX_NONE, node, "%d", XL_STATE_CLOSING);
	return r;
}

int xl_plug_close(struct xl *xl, const char *back, bool force, struct dom_err *err)
{
	int r;

	r = ask_to_close(xl, back);
	if (!r && !force)
		r = wait_state(xl, back, 1u << XL_STATE_CLOSED, XL_PLUG_DETACH_MS);
	if (r == -ETIMEDOUT)
		return dom_err_set(err, r, "the guest still uses it; it goes when the guest lets go of it");
	if (r < 0 && r != -ENOENT)
		return dom_err_set(err, r, "the store does not let it go: %s", strerror(-r));
	return 0;
}

void xl_plug_store(struct xl *xl, unsigned domid, const char *list,
		   unsigned (*id)(struct json_object *dev), unsigned devid, struct json_object *dev)
{
	struct json_object *json = xl_config_load(xl, domid), *devs;

	if (!json)
		return;
	devs = xl_js_array(json, list);
	for (size_t i = json_object_array_length(devs); i-- > 0;) {
		if (id(json_object_array_get_idx(devs, i)) == devid)
			json_object_array_del_idx(devs, i, 1);
	}
	if (dev)
		json_object_array_add(devs, json_object_get(dev));
	if (xl_config_save(xl, domid, json))
		fprintf(stderr, "xl: warning: the stored configuration of domain %u does not change\n",
			domid);
	json_object_put(json);
}
