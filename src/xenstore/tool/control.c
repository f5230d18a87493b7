// SPDX-License-Identifier: MIT
/*
 * control: commands for the daemon. Exit status 2: misused, 3: refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/fd.h"
#include "domicile/base/num.h"
#include "tool.h"

/* Send a part of a live update; prints what is wrong under @what. */
static int lu_call(struct tool *t, const char *const *argv, const char *what, bool *ret_busy)
{
	char *answer DOM_CLEANUP_FREE = NULL;
	int code = xsc_control(t->xs, argv, &answer);

	*ret_busy = !code && !strcmp(answer, "BUSY");
	if (!code && (*ret_busy || !strcmp(answer, "OK")))
		return 0;
	fprintf(stderr, "%s failed:\n%s\n", what, code ? strerror(-code) : answer);
	return 3;
}

static int lu_start(struct tool *t, const char *timeout, bool force)
{
	const char *start[] = { "live-update", "-s", "-t", timeout, force ? "-F" : NULL, NULL };
	time_t end = time(NULL) + atoi(timeout);
	bool busy;
	int status;

	do {
		status = lu_call(t, start, "Starting live update", &busy);
		if (status || !busy)
			return status;
		sleep(1);
	} while (time(NULL) < end);
	fprintf(stderr, "Starting live update failed:\nBUSY\n");
	return 3;
}

static int live_update(struct tool *t, char **argv)
{
	const char *binary = NULL, *cmdline = NULL, *timeout = "60";
	const char *abort[] = { "live-update", "-a", NULL };
	bool force = false, busy;
	int status;

	for (; *argv; argv++) {
		const char **value = !strcmp(*argv, "-c") ? &cmdline :
				     !strcmp(*argv, "-t") ? &timeout : NULL;

		if (value && !*++argv) {
			fprintf(stderr, "Missing %s value\n",
				value == &cmdline ? "command line" : "timeout");
			return 2;
		}
		if (value)
			*value = *argv;
		else if (!strcmp(*argv, "-F"))
			force = true;
		else
			binary = *argv;
	}
	if (!binary) {
		fprintf(stderr, "Missing binary specification\n");
		return 2;
	}
	status = lu_call(t, (const char *[]){ "live-update", "-f", binary, NULL },
			 "Setting update binary", &busy);
	if (status)
		return status;
	if (cmdline)
		status = lu_call(t, (const char *[]){ "live-update", "-c", cmdline, NULL },
				 "Setting update binary", &busy);
	if (!status)
		status = lu_start(t, timeout, force);
	if (status)
		xsc_control(t->xs, abort, NULL);
	return status;
}

int tool_control(struct tool *t, int argc, char **argv)
{
	char *answer DOM_CLEANUP_FREE = NULL;
	int code;

	(void)argc;
	if (!strcmp(argv[0], "live-update"))
		return live_update(t, argv + 1);
	code = xsc_control(t->xs, (const char *const *)argv, &answer);
	if (!code) {
		if (*answer)
			printf("%s\n", answer);
		return 0;
	}
	if (code != -EINVAL)
		fprintf(stderr, "Error %d when trying to execute command.\n", -code);
	else if (xsc_control(t->xs, (const char *[]){ "help", NULL }, &answer))
		fprintf(stderr, "Error when executing command.\n");
	else
		fprintf(stderr, "Command not supported. Valid commands are:\n%s\n", answer);
	return 3;
}
