// SPDX-License-Identifier: MIT
/* Any text as a disk, interface or other device, as a disk's name and as a CPU list. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/spec.h"
#include "domicile/base/vdev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = { "vfb", "p9", "channel", "pci" };
	char *text = strndup((const char *)data, size), buf[256];
	struct json_object *dev = json_object_new_object();
	struct dom_err err;
	struct xl_cpus cpus;
	uint32_t number;

	xl_spec_disk(text, dev, &err);
	json_object_put(dev);
	dev = json_object_new_object();
	xl_spec_vif(text, 0, dev, NULL, &err);
	json_object_put(dev);
	for (size_t i = 0; i < DOM_ARRAY_LEN(kinds); i++) {
		dev = json_object_new_object();
		xl_spec_misc(kinds[i], text, 0, dev, &err);
		if (!strcmp(kinds[i], "channel")) {
			struct json_object *list = json_object_new_array();

			json_object_array_add(list, json_object_get(dev));
			xl_spec_check_channels(list, &err);
			json_object_put(list);
		}
		json_object_put(dev);
	}
	dom_vdev_number(text, &number);
	if (!xl_cpus_parse(text, 64, &cpus, &err))
		xl_cpus_format(&cpus, buf, sizeof(buf));
	free(text);
	return 0;
}
