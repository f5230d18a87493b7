// SPDX-License-Identifier: MIT
/*
 * Asking a parsed configuration for values. A value of the wrong kind is not an error here: real
 * xl warns, and goes on with the default.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cfg.h"

static int warn(const struct xl_cfg *cfg, const struct xl_setting *s, const char *before,
		const char *after)
{
	if (cfg->report)
		fprintf(cfg->report, "%s:%u: warning: %sparameter `%s'%s\n", cfg->source, s->line,
			before, s->name, after);
	return -EINVAL;
}

struct xl_setting *xl_cfg_find(struct xl_cfg *cfg, const char *name)
{
	for (unsigned i = 0; i < cfg->count; i++) {
		if (!strcmp(cfg->settings[i].name, name)) {
			cfg->settings[i].used = true;
			return &cfg->settings[i];
		}
	}
	return NULL;
}

int xl_cfg_string(struct xl_cfg *cfg, const char *name, const char **ret)
{
	struct xl_setting *s = xl_cfg_find(cfg, name);

	if (!s)
		return -ESRCH;
	if (s->value.is_list)
		return warn(cfg, s, "", " is a list but should be a single value");
	*ret = s->value.text;
	return 0;
}

int xl_cfg_number(struct xl_cfg *cfg, const char *name, long *ret)
{
	struct xl_setting *s = xl_cfg_find(cfg, name);
	const char *text;
	char *end;
	long v;
	int err = xl_cfg_string(cfg, name, &text);

	if (err)
		return err;
	if (s->added)
		return warn(cfg, s, "can't use += with numbers for ", "");
	errno = 0;
	v = strtol(text, &end, 0);
	if (errno) {
		char what[128];

		err = -errno;
		snprintf(what, sizeof(what), " could not be parsed as a number: %s", strerror(-err));
		warn(cfg, s, "", what);
		return err;
	}
	if (end == text || *end)
		return warn(cfg, s, "", " is not a valid number");
	*ret = v;
	return 0;
}

int xl_cfg_list(struct xl_cfg *cfg, const char *name, const struct xl_value **ret, bool warn_atom)
{
	struct xl_setting *s = xl_cfg_find(cfg, name);

	if (!s)
		return -ESRCH;
	if (!s->value.is_list) {
		if (warn_atom)
			warn(cfg, s, "", " is a single value but should be a list");
		return -EINVAL;
	}
	*ret = &s->value;
	return 0;
}
