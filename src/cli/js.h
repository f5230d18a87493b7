// SPDX-License-Identifier: MIT
/*
 * JSON as libxl writes it, on top of json-c: members by path, and a printer whose output is byte
 * for byte that of the library Xen uses (yajl: four spaces, empty containers over three lines),
 * since scripts cut it by columns.
 */
#ifndef XL_JS_H
#define XL_JS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

/* Paths name members from an object down: "b_info/sched_params/weight". At most 127 bytes. */

/** xl_js_set - put @value (which is consumed) at @path, making the objects on the way */
void xl_js_set(struct json_object *root, const char *path, struct json_object *value);

void xl_js_set_str(struct json_object *root, const char *path, const char *value);
void xl_js_set_int(struct json_object *root, const char *path, int64_t value);

/** xl_js_set_defbool - libxl's three-valued booleans are strings: "True", "False" or absent */
void xl_js_set_defbool(struct json_object *root, const char *path, bool value);

/** xl_js_get - the member at @path, NULL when there is none; not to be freed */
struct json_object *xl_js_get(struct json_object *root, const char *path);

/* The value at @path, or @def when there is none or it has another type. */
const char *xl_js_str(struct json_object *root, const char *path, const char *def);
int64_t xl_js_int(struct json_object *root, const char *path, int64_t def);
bool xl_js_defbool(struct json_object *root, const char *path, bool def);

/** xl_js_array - the array at @path, made empty when missing */
struct json_object *xl_js_array(struct json_object *root, const char *path);

/** xl_js_print - write @v in libxl's form and member order, without a newline at the end */
void xl_js_print(FILE *f, struct json_object *v);

#endif
