// SPDX-License-Identifier: MIT
/*
 * The command line: each option with values that are taken and values that are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/vmm.h"

#define MAX_ARGS 12

/* Parse "domicile" and the blank-separated @words. */
static int parse(const char *words, struct vmm_config *cfg, struct dom_err *err)
{
	static char copy[512];
	char *argv[MAX_ARGS + 1] = { (char[]){ "domicile" } };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *p = strtok(copy, " "); p && argc < MAX_ARGS; p = strtok(NULL, " "))
		argv[argc++] = p;
	*err = (struct dom_err){ 0 };
	return vmm_config_parse(argc, argv, cfg, err);
}

static void accepts(const char *words)
{
	struct vmm_config cfg;
	struct dom_err err;
	char all[512];

	snprintf(all, sizeof(all), "--kernel k %s", words);
	if (parse(all, &cfg, &err))
		fail_msg("%s: %s", all, err.msg);
	vmm_config_fini(&cfg);
}

static void refuses(const char *words, const char *named)
{
	struct vmm_config cfg;
	struct dom_err err;

	if (!parse(words, &cfg, &err))
		fail_msg("%s was accepted", words);
	if (!strstr(err.msg, named) || strchr(err.msg, '\n'))
		fail_msg("%s: message: %s", words, err.msg);
	vmm_config_fini(&cfg);
}

static void good_values_are_accepted(void **state)
{
	static const char *const rows[] = {
		"", "--ramdisk a --ramdisk b", "--cmdline x", "--memory 16", "--memory 16777216",
		"--memory 0x200", "--ram shared", "--ram private", "--vcpus 1", "--vcpus 128",
		"--name n", "--console stdio", "--console pty", "--console none", "--console /f",
		"--console-log /f", "--xenstore auto", "--xenstore none", "--xenstore /s",
		"--type pvh", "--type pv", "--pv-roots auto", "--pv-roots one", "--pv-roots two",
		"--pv-speculation auto", "--pv-speculation off", "--pv-speculation on",
		"--accel auto", "--accel xen", "--accel plain", "--events auto", "--events 2l",
		"--events fifo", "--on-reboot restart", "--on-reboot destroy", "--sandbox on",
		"--sandbox off", "--sandbox log", "--log-level error", "--log-level warn",
		"--log-level info", "--log-level debug", "--stats", "--ready-fd 1",
		"--disk /dev/null --disk /dev/null,ro", "--disk /dev/null,vdev=sda3,rw,no-discard",
		"--disk /dev/null,cdrom,vdev=hdc", "--net tap=t0", "--net passt",
		"--net passt=2222:22,mac=00:16:3e:01:02:03", "--net mac=00:16:3E:01:02:03,tap=t0,rate=1000/50",
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++)
		accepts(rows[i]);
}

static void bad_values_are_refused_by_name(void **state)
{
	static const struct {
		const char *words, *named;
	} rows[] = {
		{ "", "--kernel" },
		{ "--memory 512", "--kernel" },
		{ "--kernel", "--kernel" },
		{ "--kernel k extra", "extra" },
		{ "--kernel k --no-such-option", "--no-such-option" },
		{ "--kernel k -x", "-x" },
		{ "--kernel k --memory 15", "--memory 15" },
		{ "--kernel k --memory 16777217", "--memory 16777217" },
		{ "--kernel k --memory 12x", "--memory 12x" },
		{ "--kernel k --memory -1", "--memory -1" },
		{ "--kernel k --memory 99999999999999999999", "--memory" },
		{ "--kernel k --ram rom", "--ram rom" },
		{ "--kernel k --vcpus 0", "--vcpus 0" },
		{ "--kernel k --vcpus 129", "--vcpus 129" },
		{ "--kernel k --name a/b", "--name a/b" },
		{ "--kernel k --type hvm", "--type hvm" },
		{ "--kernel k --pv-roots 3", "--pv-roots 3" },
		{ "--kernel k --pv-speculation some", "--pv-speculation some" },
		{ "--kernel k --accel best", "--accel best" },
		{ "--kernel k --events 3l", "--events 3l" },
		{ "--kernel k --on-reboot dance", "--on-reboot dance" },
		{ "--kernel k --sandbox maybe", "--sandbox maybe" },
		{ "--kernel k --ready-fd 999", "--ready-fd 999" },
		{ "--kernel k --ready-fd x", "--ready-fd x" },
		{ "--kernel k --log-level loud", "--log-level loud" },
		{ "--kernel k --stats=1", "--stats" },
		{ "--kernel k --disk /nonexistent", "/nonexistent" },
		{ "--kernel k --disk /dev/null,fast", "fast" },
		{ "--kernel k --disk /dev/null,vdev=floppy", "floppy" },
		{ "--kernel k --disk /dev/null --disk /dev/null,vdev=xvda", "xvda" },
		{ "--config f --disk /dev/null", "--disk" },
		{ "--kernel k --net tap=", "--net tap=" },
		{ "--kernel k --net tap=a-name-of-16-byt", "--net tap=a-name" },
		{ "--kernel k --net tap=t,passt", "one of" },
		{ "--kernel k --net mac=00:16:3e:01:02:03", "one of" },
		{ "--kernel k --net tap=t,mac=01:16:3e:01:02:03", "mac=" },
		{ "--kernel k --net tap=t,mac=00:16:3e:01:02", "mac=" },
		{ "--kernel k --net tap=t,mac=00:16:3e:01:02:03x", "mac=" },
		{ "--kernel k --net tap=t,rate=5", "rate=" },
		{ "--kernel k --net tap=t,fast", "fast" },
		{ "--config f --net passt", "--net" },
		{ "--config /nonexistent", "/nonexistent" },
		{ "--config f --kernel k", "--kernel" },
		{ "--config f --memory 64", "--memory" },
		{ "--config f --console none", "--console" },
	};

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++)
		refuses(rows[i].words, rows[i].named);
}

static const char *node(const struct vmm_device_node *nodes, const char *key)
{
	for (unsigned i = 0; i < VMM_DEVICE_NODES && nodes[i].key; i++) {
		if (!strcmp(nodes[i].key, key))
			return nodes[i].value;
	}
	return "(none)";
}

static void interfaces_are_numbered_and_described(void **state)
{
	struct vmm_config cfg;
	struct dom_err err;

	(void)state;
	assert_int_equal(parse("--kernel k --net tap=t0,rate=1000/50 "
			       "--net passt=2222:22,mac=00:16:3e:01:02:03", &cfg, &err), 0);
	assert_int_equal(cfg.nr_devices, 2);
	assert_string_equal(cfg.devices[0].kind, "vif");
	assert_int_equal(cfg.devices[1].id, 1);
	assert_string_equal(node(cfg.devices[0].back, "vifname"), "t0");
	assert_string_equal(node(cfg.devices[0].back, "rate"), "1000,50");
	assert_string_equal(node(cfg.devices[0].back, "passt"), "(none)");
	assert_memory_equal(node(cfg.devices[0].front, "mac"), "00:16:3e:", 9);
	assert_string_equal(node(cfg.devices[1].back, "passt"), "2222:22");
	assert_string_equal(node(cfg.devices[1].front, "mac"), "00:16:3e:01:02:03");
	assert_string_equal(node(cfg.devices[1].front, "handle"), "1");
	vmm_config_fini(&cfg);
}

static void disks_take_the_next_free_names(void **state)
{
	struct vmm_config cfg;
	struct dom_err err;

	(void)state;
	assert_int_equal(parse("--kernel k --disk /dev/null,vdev=xvda --disk /dev/zero,ro "
			       "--disk /dev/full,cdrom", &cfg, &err), 0);
	assert_int_equal(cfg.nr_devices, 3);
	assert_int_equal(cfg.devices[0].id, 51712);
	assert_int_equal(cfg.devices[1].id, 51728);
	assert_int_equal(cfg.devices[2].id, 51744);
	assert_string_equal(cfg.devices[0].kind, "vbd");
	assert_string_equal(node(cfg.devices[0].back, "params"), "/dev/null");
	assert_string_equal(node(cfg.devices[0].back, "mode"), "w");
	assert_string_equal(node(cfg.devices[0].back, "discard-enable"), "1");
	assert_string_equal(node(cfg.devices[1].back, "mode"), "r");
	assert_string_equal(node(cfg.devices[1].back, "dev"), "xvdb");
	assert_string_equal(node(cfg.devices[1].front, "virtual-device"), "51728");
	assert_string_equal(node(cfg.devices[2].front, "device-type"), "cdrom");
	assert_string_equal(node(cfg.devices[2].back, "mode"), "r");
	vmm_config_fini(&cfg);
}

static void nine_ramdisks_are_refused(void **state)
{
	static char name[] = "domicile", kernel[] = "--kernel=k", ramdisk[] = "--ramdisk=r";
	char *argv[2 + 9 + 1] = { name, kernel };
	struct vmm_config cfg;
	struct dom_err err;
	int argc = 2;

	(void)state;
	while (argc < 2 + 9)
		argv[argc++] = ramdisk;
	assert_int_equal(vmm_config_parse(argc, argv, &cfg, &err), -E2BIG);
	vmm_config_fini(&cfg);
	assert_int_equal(vmm_config_parse(argc - 1, argv, &cfg, &err), 0);
	assert_int_equal(cfg.nr_modules, 8);
	vmm_config_fini(&cfg);
}

static void only_root_may_name_a_user(void **state)
{
	(void)state;
	if (geteuid())
		refuses("--kernel k --user nobody", "--user nobody");
	else
		accepts("--user nobody");
}

static void ready_fd_does_not_reach_programs_we_start(void **state)
{
	struct vmm_config cfg;
	struct dom_err err;
	char words[64];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	snprintf(words, sizeof(words), "--kernel k --ready-fd %d", fds[1]);
	assert_int_equal(parse(words, &cfg, &err), 0);
	assert_int_equal(cfg.ready_fd, fds[1]);
	assert_int_equal(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
	vmm_config_fini(&cfg);
	close(fds[0]);
	close(fds[1]);
}

static void each_domain_gets_a_random_uuid_of_version_4(void **state)
{
	struct vmm_config a, b;
	struct dom_err err;

	(void)state;
	assert_int_equal(parse("--kernel k", &a, &err), 0);
	assert_int_equal(parse("--kernel k", &b, &err), 0);
	assert_memory_not_equal(a.uuid, b.uuid, sizeof(a.uuid));
	assert_int_equal(a.uuid[6] >> 4, 4);
	assert_int_equal(a.uuid[8] >> 6, 2);
	vmm_config_fini(&a);
	vmm_config_fini(&b);
}

/* Exit status of the parser itself, which ends the process for these. */
static int exits_with(const char *words)
{
	struct vmm_config cfg;
	struct dom_err err;
	int status;
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		close(null);
		parse(words, &cfg, &err);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void help_and_version_end_with_success(void **state)
{
	(void)state;
	assert_int_equal(exits_with("--help"), 0);
	assert_int_equal(exits_with("--version"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_values_are_accepted),
		cmocka_unit_test(bad_values_are_refused_by_name),
		cmocka_unit_test(disks_take_the_next_free_names),
		cmocka_unit_test(interfaces_are_numbered_and_described),
		cmocka_unit_test(nine_ramdisks_are_refused),
		cmocka_unit_test(only_root_may_name_a_user),
		cmocka_unit_test(ready_fd_does_not_reach_programs_we_start),
		cmocka_unit_test(each_domain_gets_a_random_uuid_of_version_4),
		cmocka_unit_test(help_and_version_end_with_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
