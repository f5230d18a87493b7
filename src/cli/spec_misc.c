// SPDX-License-Identifier: MIT
/*
 * Specifications of "key=value" parts: channel, and vfb, p9 and pci, which are not supported yet. These
 * are refused when a domain is made, but a dry run shows them as libxl would.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/cc.h"

#include "js.h"
#include "spec.h"

#define CHANNELS_MAX 15		/* of a domain */
#define SOCKET_PATH_MAX 107	/* bytes of a socket's path */

enum kind { STR, DEFBOOL, INT, BOOL };

struct part {
	const char *name, *path;
	enum kind kind;
};

static const struct part vfb_parts[] = {
	{ "vnc",        "vnc/enable",     DEFBOOL }, { "vnclisten",  "vnc/listen",     STR },
	{ "vncpasswd",  "vnc/passwd",     STR },     { "vncdisplay", "vnc/display",    INT },
	{ "vncunused",  "vnc/findunused", DEFBOOL }, { "keymap",     "keymap",         STR },
	{ "sdl",        "sdl/enable",     DEFBOOL }, { "opengl",     "sdl/opengl",     DEFBOOL },
	{ "display",    "sdl/display",    STR },     { "xauthority", "sdl/xauthority", STR },
	{ 0 }
};

static const struct part p9_parts[] = {
	{ "tag", "tag", STR }, { "path", "path", STR }, { "security_model", "security_model", STR },
	{ "backend", "backend_domname", STR },
	{ 0 }
};

static const struct part channel_parts[] = {
	{ "backend", "backend_domname", STR }, { "name", "name", STR },
	{ "connection", "connection", STR }, { "path", "path", STR },
	{ 0 }
};

static const struct part pci_parts[] = {
	{ "permissive", "permissive", BOOL }, { "msitranslate", "msitranslate", BOOL },
	{ "seize", "seize", BOOL }, { "power_mgmt", "power_mgmt", BOOL },
	{ "rdm_policy", "rdm_policy", STR }, { "name", "name", STR },
	{ 0 }
};

static void set_part(struct json_object *dev, const struct part *p, const char *value)
{
	if (p->kind == STR)
		xl_js_set_str(dev, p->path, value);
	else if (p->kind == DEFBOOL)
		xl_js_set_defbool(dev, p->path, atoi(value) != 0);
	else if (p->kind == INT)
		xl_js_set_int(dev, p->path, atoi(value));
	else
		xl_js_set(dev, p->path, json_object_new_boolean(atoi(value) != 0));
}

static void parse_parts(struct json_object *dev, char *text, const struct part *parts)
{
	char *save;

	for (char *s = strtok_r(text, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(s, '=');

		s += strspn(s, " \t");
		if (!eq)
			continue;
		*eq = '\0';
		for (const struct part *p = parts; p->name; p++)
			if (!strcmp(p->name, s))
				set_part(dev, p, eq + 1);
	}
}

static int parse_pci(struct json_object *dev, char *text, struct dom_err *err)
{
	unsigned domain = 0, bus, slot, func;
	int n = 0;

	if (sscanf(text, "%x:%x:%x.%x%n", &domain, &bus, &slot, &func, &n) != 4 &&
	    (domain = 0, sscanf(text, "%x:%x.%x%n", &bus, &slot, &func, &n)) != 3)
		return dom_err_set(err, -EINVAL, "unable to parse PCI BDF `%s' for passthrough", text);
	const struct { const char *name; unsigned value; } members[] = {
		{ "func", func }, { "dev", slot }, { "bus", bus }, { "domain", domain }, { "vfunc_mask", 1 },
	};

	for (size_t i = 0; i < DOM_ARRAY_LEN(members); i++)
		if (members[i].value)
			xl_js_set_int(dev, members[i].name, members[i].value);
	xl_js_set_str(dev, "rdm_policy", "strict");
	parse_parts(dev, text + n, pci_parts);
	return 0;
}

static void finish_channel(struct json_object *dev)
{
	char member[48];
	struct json_object *of = json_object_new_object();

	if (xl_js_get(dev, "path"))
		xl_js_set_str(of, "path", xl_js_str(dev, "path", ""));
	snprintf(member, sizeof(member), "connection.%.30s", xl_js_str(dev, "connection", "pty"));
	json_object_object_del(dev, "path");
	json_object_object_del(dev, "connection");
	xl_js_set(dev, member, of);
}

int xl_spec_misc(const char *kind, const char *spec, unsigned devid, struct json_object *dev,
		 struct dom_err *err)
{
	char *text = strdup(spec);
	int ret = 0;

	if (!text)
		return -ENOMEM;
	if (!strcmp(kind, "vfb")) {
		xl_js_set_int(dev, "devid", devid);
		xl_js_set(dev, "vnc", json_object_new_object());
		xl_js_set(dev, "sdl", json_object_new_object());
		parse_parts(dev, text, vfb_parts);
	} else if (!strcmp(kind, "p9")) {
		parse_parts(dev, text, p9_parts);
	} else if (!strcmp(kind, "channel")) {
		parse_parts(dev, text, channel_parts);
		finish_channel(dev);
	} else {
		ret = parse_pci(dev, text, err);
	}
	free(text);
	return ret;
}

static int check_channel(struct json_object *dev, unsigned devid, struct dom_err *err)
{
	const char *backend = xl_js_str(dev, "backend_domname", "0");
	const char *path = xl_js_str(dev, "connection.socket/path", "");

	if (!*xl_js_str(dev, "name", ""))
		return dom_err_set(err, -EINVAL, "channel %u has no name", devid);
	if (strcmp(backend, "0") && strcmp(backend, "Domain-0"))
		return dom_err_set(err, -EINVAL, "channel %u: backend=%.40s: back ends are in domain 0 only",
				   devid, backend);
	if (xl_js_get(dev, "connection.pty"))
		return 0;
	if (!xl_js_get(dev, "connection.socket"))
		return dom_err_set(err, -EINVAL, "channel %u: connection must be pty or socket", devid);
	if (*path != '/' || strlen(path) > SOCKET_PATH_MAX)
		return dom_err_set(err, -EINVAL, "channel %u: connection=socket needs an absolute path of at most %d bytes",
				   devid, SOCKET_PATH_MAX);
	return 0;
}

int xl_spec_check_channels(struct json_object *channels, struct dom_err *err)
{
	size_t count = channels ? json_object_array_length(channels) : 0;

	if (count > CHANNELS_MAX)
		return dom_err_set(err, -EINVAL, "%zu channels: a domain can have up to %d", count,
				   CHANNELS_MAX);
	for (size_t i = 0; i < count; i++)
		if (check_channel(json_object_array_get_idx(channels, i), (unsigned)i, err))
			return err->code;
	return 0;
}
