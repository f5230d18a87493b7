// SPDX-License-Identifier: MIT
/* Any bytes as a configuration: parsed, turned into a domain, printed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/domain.h"
#include "cli/js.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *json;
	struct xl_cfg *cfg;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!xl_cfg_parse(&cfg, "fuzz", (const char *)data, size, f)) {
		for (unsigned flags = 0; flags < 4; flags++) {
			if (xl_domain_from_cfg(cfg, flags, f, &json))
				continue;
			xl_domain_defaults(json);
			xl_js_print(f, json);
			json_object_put(json);
		}
		xl_cfg_free(cfg);
	}
	fclose(f);
	free(text);
	return 0;
}
