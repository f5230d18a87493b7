// SPDX-License-Identifier: MIT
/*
 * create, config-update: from a configuration file and key=value words to a domain.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"

#include "cfg.h"
#include "cmds.h"
#include "conf.h"
#include "domain.h"
#include "file.h"
#include "js.h"

/* The file's text with the words of the command line behind, one per line. */
static int read_config(const char *path, char **words, int count, char **ret, size_t *ret_len)
{
	char *text DOM_CLEANUP_FREE = NULL;
	size_t len = 0;
	FILE *f;
	int err = xl_file_read(path, XL_CFG_SIZE_MAX, &text, &len);

	if (err) {
		fprintf(stderr, "Failed to read config file: %s: %s\n", path, strerror(-err));
		return XL_LIBXL;
	}
	f = open_memstream(ret, ret_len);
	if (!f)
		return XL_FAIL;
	fwrite(text, 1, len, f);
	/* Only when there are words, since the end of the text shows in messages. */
	for (int i = 0; i < count; i++)
		fprintf(f, "%s%s\n", !i && len && text[len - 1] != '\n' ? "\n" : "", words[i]);
	return fclose(f) ? XL_FAIL : 0;
}

/* The domain that a command line describes; exit status or 0. */
static int parse_config(struct xl *xl, struct xl_args *a, unsigned flags, const char *path,
			char **words, int count, struct json_object **ret)
{
	char *text DOM_CLEANUP_FREE = NULL;
	struct xl_cfg *cfg;
	size_t len = 0;
	int status = read_config(path, words, count, &text, &len);

	if (status)
		return status;
	if (!a->set['q'])
		fprintf(stderr, "Parsing config from %s\n", path);
	if (xl_cfg_parse(&cfg, path, text, len, stderr)) {
		fprintf(stderr, "Failed to parse config: Invalid argument\n");
		return XL_FAIL;
	}
	status = xl_domain_from_cfg(cfg, flags, stderr, ret);
	xl_cfg_free(cfg);
	if (!status && xl_conf_apply(xl, *ret)) {
		json_object_put(*ret);
		status = XL_FAIL;
	}
	return status;
}

static void print_config(struct json_object *json)
{
	xl_js_print(stdout, json);
	putchar('\n');
	fflush(stdout);
}

/* The configuration file: -f's, or the first word unless it sets a key. */
static const char *config_path(struct xl_args *a, int first, int *ret_words)
{
	const char *path = a->val['f'];

	*ret_words = first;
	if (!path && a->argc > first && !strchr(a->argv[first], '=')) {
		path = a->argv[first];
		*ret_words = first + 1;
	}
	return path;
}

int cmd_create(struct xl *xl, struct xl_args *a)
{
	int words, status;
	const char *path = config_path(a, 0, &words);
	bool dryrun = a->set['n'] || xl->dryrun;
	unsigned flags = (dryrun ? XL_DOMAIN_DRYRUN : 0u) | (a->set['q'] ? XL_DOMAIN_QUIET : 0u);
	struct xl_create c = {
		.paused = a->set['p'] || a->set['c'],
		.foreground = a->set['F'],
		.no_monitor = a->set['e'],
	};

	if (!path) {
		fprintf(stderr, "Config file not specified and none in save file\n");
		return XL_NOCONFIG;
	}
	status = parse_config(xl, a, flags, path, a->argv + words, a->argc - words, &c.json);
	if (status)
		return status;
	if (dryrun || a->set['d'])
		print_config(c.json);
	if (!dryrun)
		status = xl_create_domain(xl, &c);
	json_object_put(c.json);
	if (status || dryrun || !a->set['c'] || a->set['F'])
		return status;
	return xl_console_session(xl, c.domid, 0, 0x1d, !a->set['p']);
}

int cmd_config_update(struct xl *xl, struct xl_args *a)
{
	struct json_object *json;
	char uuid[37], *name DOM_CLEANUP_FREE = NULL;
	unsigned domid;
	const char *path;
	int words, status;

	fprintf(stderr, "WARNING: xl now has better capability to manage domain configuration, avoid using this command when possible\n");
	if (xl_domain_find(xl, a->argv[0], &domid))
		return XL_FAIL;
	path = config_path(a, 1, &words);
	if (!path) {
		fprintf(stderr, "Config file not specified and none in save file\n");
		return XL_FAIL;
	}
	a->set['q'] = true;
	status = parse_config(xl, a, xl->dryrun ? XL_DOMAIN_DRYRUN : 0, path, a->argv + words,
			      a->argc - words, &json);
	if (status)
		return status;
	if (a->set['d'] || xl->dryrun)
		print_config(json);
	if (!xl->dryrun) {
		fprintf(stderr, "setting dom%u configuration\n", domid);
		/* The identity stays that of the running domain. */
		name = xl_domain_name(xl, domid);
		xl_domain_uuid(xl, domid, uuid);
		if (name)
			xl_js_set_str(json, "c_info/name", name);
		xl_js_set_str(json, "c_info/uuid", uuid);
		xl_domain_defaults(json);
		status = !name || xl_config_save(xl, domid, json) ? XL_FAIL : XL_OK;
		if (status)
			xl_error(xl, "domain %u has no stored configuration to update", domid);
	}
	json_object_put(json);
	return status;
}
