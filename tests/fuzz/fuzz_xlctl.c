// SPDX-License-Identifier: MIT
/* Any text as a VMM's reply. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/js.h"
#include "cli/life.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct json_object *reply = NULL;
	struct dom_err err;

	if (!xl_ctl_decode(text, &reply, &err)) {
		xl_js_str(reply, "state", "");
		xl_js_int(reply, "memory_kb", 0);
		xl_js_get(reply, "vcpus");
		json_object_put(reply);
	}
	free(text);
	return 0;
}
