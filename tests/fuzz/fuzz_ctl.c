// SPDX-License-Identifier: MIT
/*
 * Requests to the control socket, one per line of the input, to a domain without threads. Every
 * reply must be one line of JSON that fits the limits of ctl.h.
 */
#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "fake_vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct vmm *vm, const char *line, size_t len)
{
	struct vmm_ctl_answer a;
	json_object *o;

	vmm_ctl_answer(vm, line, len, &a);
	if (!a.text || a.len > DOM_CTL_REPLY_MAX || a.text[a.len - 1] != '\n' ||
	    memchr(a.text, '\n', a.len - 1))
		abort();
	a.text[a.len - 1] = '\0';
	o = json_tokener_parse(a.text);
	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, "ok", NULL))
		abort();
	json_object_put(o);
	if (a.after)
		a.after(vm);
	free(a.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmm vm;
	const char *p = (const char *)data, *end = p + size;

	if (!vm.loop) {
		fake_vm_init(&vm, 3);
		vm.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	vm.outcome = VMM_RUNNING;
	vm.paused = vm.destroyed = false;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		if (len < DOM_CTL_REQUEST_MAX)
			check(&vm, p, len);
		p += len + 1;
	}
	return 0;
}
