// SPDX-License-Identifier: MIT
/*
 * Values that a configuration consists of, whether an option or a description says them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int vmm_config_bad(struct dom_err *err, const char *option, const char *value, const char *want)
{
	return dom_err_set(err, -EINVAL, "--%s %s: expected %s", option, value, want);
}

int vmm_config_word(const char *option, const char *value, const char *const *words, int *ret,
		    struct dom_err *err)
{
	char list[128] = "";

	for (int i = 0; words[i]; i++) {
		if (!strcmp(words[i], value)) {
			*ret = i;
			return 0;
		}
		strncat(list, i ? ", " : "", sizeof(list) - strlen(list) - 1);
		strncat(list, words[i], sizeof(list) - strlen(list) - 1);
	}
	return vmm_config_bad(err, option, value, list);
}

int vmm_ram_mode_parse(const char *word, enum vmm_ram *ret, struct dom_err *err)
{
	static const char *const words[] = { "auto", "shared", "private", NULL };
	int i, r = vmm_config_word("ram", word, words, &i, err);

	if (!r)
		*ret = (enum vmm_ram)i;
	return r;
}

const char *vmm_config_keep(struct vmm_config *cfg, const char *text)
{
	char **more = realloc(cfg->owned, (cfg->nr_owned + 1) * sizeof(*more));
	char *copy = strdup(text);

	if (more)
		cfg->owned = more;
	if (!more || !copy) {
		free(copy);
		return NULL;
	}
	cfg->owned[cfg->nr_owned++] = copy;
	return copy;
}
