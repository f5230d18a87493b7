// SPDX-License-Identifier: MIT
/*
 * pv_to_pvh of xl.conf(5): a domain whose configuration says type = "pv" becomes a PVH one, for hosts
 * on which PVH is the faster kind. Whether a kernel can be one only the VMM can tell, who decodes it.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/paths.h"

#include "conf.h"
#include "js.h"
#include "process.h"

static int bad_word(struct xl *xl, const char *source, const char *word)
{
	xl_error(xl, "%s: pv_to_pvh = \"%s\": expected never, auto or always", source, word);
	return -EINVAL;
}

/* In the child: the VMM prints the kinds of guests that @kernel can be. */
DOM_NORETURN static void exec_entries(char *kernel, int out)
{
	char vmm[DOM_PATH_MAX];
	char *const argv[] = { vmm, (char[]){ "--entries" }, kernel, NULL };
	int null = dom_open("/dev/null", O_RDWR, 0);

	xl_vmm_path(vmm);
	dup2(null, 0);
	dup2(out, 1);
	dup2(null, 2);
	xl_default_signals();
	execv(vmm, argv);
	_exit(127);
}

/* Has the kernel a PVH entry? One that cannot be read has none; the start will say why. */
static bool can_be_pvh(const char *kernel)
{
	char text[32] = "", path[DOM_PATH_MAX];
	int fd[2], status = 1;
	pid_t pid;

	snprintf(path, sizeof(path), "%s", kernel);
	if (pipe2(fd, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid)
		exec_entries(path, fd[1]);
	close(fd[1]);
	if (pid > 0) {
		dom_read_all(fd[0], text, sizeof(text) - 1);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fd[0]);
	return status == 0 && strstr(text, "pvh");
}

int xl_pv_to_pvh(struct xl *xl, const char *source, const char *word, struct json_object *json)
{
	const char *kernel = xl_js_str(json, "b_info/kernel", NULL);
	struct json_object *info;

	if (strcmp(word, "never") && strcmp(word, "auto") && strcmp(word, "always"))
		return bad_word(xl, source, word);
	if (!strcmp(word, "never") || strcmp(xl_js_str(json, "c_info/type", ""), "pv"))
		return 0;
	if (!strcmp(word, "auto") && !(kernel && can_be_pvh(kernel)))
		return 0;
	xl_js_set_str(json, "c_info/type", "pvh");
	info = xl_js_get(json, "b_info");
	json_object_object_del(info, "type.pv");
	xl_js_set(json, "b_info/type.pvh", json_object_new_object());
	return 0;
}
