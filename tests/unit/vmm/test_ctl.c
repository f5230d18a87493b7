// SPDX-License-Identifier: MIT
/*
 * The control socket: every command of dom_ctl_cmds is served and replies what its row promises;
 * clients of every temper get an answer or the door, and the server goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_vm.h"

#define VCPUS 2u

static char dir[64];

static int set_up(void **state)
{
	static struct vmm vm;
	struct dom_err err;

	strcpy(dir, "/tmp/test_ctl.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	fake_vm_init(&vm, VCPUS);
	vm.cfg.rundir = dir;
	vm.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vmm_ctl_open(&vm, &err))
		return -1;
	*state = &vm;
	return 0;
}

static int tear_down(void **state)
{
	struct vmm *vm = *state;
	char path[96];

	vmm_ctl_close(vm);
	close(vm->stop_fd);
	fake_vm_fini(vm);
	snprintf(path, sizeof(path), "%s/ctl", dir);
	unlink(path);
	return rmdir(dir);
}

static int connect_client(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/ctl", dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Let the server do what there is to do. */
static void serve(struct vmm *vm)
{
	for (int idle = 0; idle < 3;)
		idle = ev_loop_turn(vm->loop, ev_now() + 1000000) > 0 ? 0 : idle + 1;
}

/* What @fd has to read now, as a string; "" when nothing, NULL at the end of file. */
static const char *receive(int fd)
{
	static char text[DOM_CTL_REPLY_MAX];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len || n < 0 ? text : NULL;
}

static const char *converse(struct vmm *vm, int fd, const char *request)
{
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	serve(vm);
	return receive(fd);
}

/* The reply to @request, without sockets. To be put. */
static json_object *ask(struct vmm *vm, const char *request)
{
	struct vmm_ctl_answer a;
	json_object *o;

	vmm_ctl_answer(vm, request, strlen(request), &a);
	assert_non_null(a.text);
	assert_int_equal(a.text[a.len - 1], '\n');
	a.text[a.len - 1] = '\0';
	assert_null(strchr(a.text, '\n'));
	o = json_tokener_parse(a.text);
	assert_non_null(o);
	free(a.text);
	return o;
}

static int error_of(struct vmm *vm, const char *request)
{
	json_object *o = ask(vm, request);
	int code = json_object_get_int(json_object_object_get(o, "errno"));

	assert_int_equal(json_object_get_int(json_object_object_get(o, "v")), DOM_CTL_VERSION);
	if (json_object_get_boolean(json_object_object_get(o, "ok")))
		assert_int_equal(code, 0);
	else
		assert_true(json_object_get_string_len(json_object_object_get(o, "error")) > 0);
	json_object_put(o);
	return code;
}

static void every_command_has_a_handler_and_no_handler_is_unknown(void **state)
{
	size_t handlers = 0;

	(void)state;
	for (size_t i = 0; i < DOM_ARRAY_LEN(dom_ctl_cmds); i++) {
		bool found = false;

		for (const struct vmm_ctl_handler *h = vmm_ctl_handlers; h->name; h++)
			found |= !strcmp(h->name, dom_ctl_cmds[i].name);
		if (!found)
			fail_msg("%s has no handler", dom_ctl_cmds[i].name);
	}
	while (vmm_ctl_handlers[handlers].name)
		handlers++;
	assert_int_equal(handlers, DOM_ARRAY_LEN(dom_ctl_cmds));
}

/* Every field that @o has is a row below @prefix, every row that must be there is. */
static void check_object(const struct dom_ctl_cmd *cmd, const char *prefix, json_object *o)
{
	size_t plen = strlen(prefix);

	json_object_object_foreach(o, name, value) {
		bool found = !plen && (!strcmp(name, "v") || !strcmp(name, "ok"));

		for (const struct dom_ctl_field *f = cmd->rep; f->name; f++) {
			if (strncmp(f->name, prefix, plen) || strcmp(f->name + plen, name))
				continue;
			found = true;
			if (!vmm_ctl_field_ok(f, value))
				fail_msg("%s: %s has a bad value: %s", cmd->name, f->name,
					 json_object_to_json_string(value));
		}
		if (!found)
			fail_msg("%s: reply has %s%s, which no row allows", cmd->name, prefix, name);
	}
	for (const struct dom_ctl_field *f = cmd->rep; f->name; f++) {
		if (!strncmp(f->name, prefix, plen) && !strchr(f->name + plen, '.') &&
		    !f->optional && !json_object_object_get_ex(o, f->name + plen, NULL))
			fail_msg("%s: reply lacks %s", cmd->name, f->name);
	}
}

static void check_reply(const struct dom_ctl_cmd *cmd, json_object *o)
{
	check_object(cmd, "", o);
	for (const struct dom_ctl_field *f = cmd->rep; f->name; f++) {
		json_object *list = json_object_object_get(o, f->name);
		char prefix[64];

		if (f->type != DOM_CTL_OBJECTS)
			continue;
		snprintf(prefix, sizeof(prefix), "%s.", f->name);
		assert_true(json_object_array_length(list) > 0 || !strcmp(f->name, "devices"));
		for (size_t i = 0; i < json_object_array_length(list); i++)
			check_object(cmd, prefix, json_object_array_get_idx(list, i));
	}
}

/* A request that succeeds on a domain without threads, per command. */
static const struct {
	const char *name, *fields;
} good[] = {
	{ "status",    "" },
	{ "pause",     "" },
	{ "unpause",   "" },
	{ "destroy",   "" },
	{ "vcpus",     "" },
	{ "console",   "" },
	{ "trigger",   ", \"trigger\": \"reset\"" },
	{ "debug-key", ", \"key\": \"h\"" },
	{ "dump-status", "" },
	{ "stats",     "" },
	{ "devices",   "" },
};

static void replies_have_what_their_rows_promise(void **state)
{
	struct vmm *vm = *state;

	vm->vcpus[0].exits[2] = 3;
	for (size_t i = 0; i < DOM_ARRAY_LEN(good); i++) {
		char request[128];
		json_object *o;

		snprintf(request, sizeof(request), "{\"v\": 1, \"cmd\": \"%s\"%s}", good[i].name,
			 good[i].fields);
		o = ask(vm, request);
		if (!json_object_get_boolean(json_object_object_get(o, "ok")))
			fail_msg("%s: %s", good[i].name, json_object_to_json_string(o));
		for (size_t c = 0; c < DOM_ARRAY_LEN(dom_ctl_cmds); c++) {
			if (!strcmp(dom_ctl_cmds[c].name, good[i].name))
				check_reply(&dom_ctl_cmds[c], o);
		}
		json_object_put(o);
	}
	assert_int_equal(vm->outcome, VMM_REBOOT);
}

static void requests_that_break_the_protocol_get_its_errors(void **state)
{
	static const struct {
		const char *request;
		int code;
	} rows[] = {
		{ "{\"cmd\": \"status\"}", EINVAL },
		{ "{\"v\": 2, \"cmd\": \"status\"}", EPROTONOSUPPORT },
		{ "{\"v\": 0, \"cmd\": \"status\"}", EINVAL },
		{ "{\"v\": \"1\", \"cmd\": \"status\"}", EINVAL },
		{ "{\"v\": 1}", EINVAL },
		{ "{\"v\": 1, \"cmd\": 1}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"fly\"}", EOPNOTSUPP },
		{ "{\"v\": 1, \"cmd\": \"\"}", EOPNOTSUPP },
		{ "{\"v\": 1, \"cmd\": \"status\", \"x\": 1}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"vcpu-pin\"}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"vcpu-pin\", \"vcpu\": 0}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"vcpu-pin\", \"vcpu\": -1, \"cpus\": \"0\"}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"vcpu-pin\", \"vcpu\": 0, \"cpus\": 0}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"vcpu-pin\", \"vcpu\": 0, \"cpus\": \"a\"}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"vcpu-pin\", \"vcpu\": 2, \"cpus\": \"0\"}", ENOENT },
		{ "{\"v\": 1, \"cmd\": \"vcpu-pin\", \"vcpu\": 0, \"cpus\": \"0\"}", ESRCH },
		{ "{\"v\": 1, \"cmd\": \"trigger\", \"trigger\": \"s3resume\"}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"trigger\", \"trigger\": \"nmi reset\"}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"trigger\", \"trigger\": \"\"}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"trigger\", \"trigger\": \"nmi\", \"vcpu\": 9}", ENOENT },
		{ "{\"v\": 1, \"cmd\": \"debug-key\", \"key\": \"\"}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"debug-key\", \"key\": \"hh\"}", EINVAL },
		{ "{\"v\": 1, \"cmd\": \"debug-key\", \"key\": \"~\"}", ENOENT },
		{ "{\"v\": 1, \"cmd\": \"debug-key\", \"key\": \"\\u0000\"}", EINVAL },
		{ "[]", EBADMSG },
		{ "", EBADMSG },
		{ "{} {}", EBADMSG },
		{ "{\"v\": 1, \"cmd\": [[[[[]]]]]}", EBADMSG },
	};
	struct vmm *vm = *state;

	for (size_t i = 0; i < DOM_ARRAY_LEN(rows); i++) {
		int code = error_of(vm, rows[i].request);

		if (code != rows[i].code)
			fail_msg("%s gave %d, expected %d", rows[i].request, code, rows[i].code);
	}
	assert_int_equal(vm->outcome, VMM_RUNNING);
}

static void state_follows_the_domain(void **state)
{
	static const char status[] = "{\"v\": 1, \"cmd\": \"status\"}";
	struct vmm *vm = *state;
	json_object *o;

	error_of(vm, "{\"v\": 1, \"cmd\": \"pause\"}");
	o = ask(vm, status);
	assert_string_equal(json_object_get_string(json_object_object_get(o, "state")), "paused");
	assert_null(json_object_object_get(o, "reason"));
	json_object_put(o);

	vm->shutdown = vmm_shutdown_of(VMM_CRASHED);
	o = ask(vm, status);
	assert_string_equal(json_object_get_string(json_object_object_get(o, "state")), "shutdown");
	assert_string_equal(json_object_get_string(json_object_object_get(o, "reason")), "crash");
	json_object_put(o);
	assert_int_equal(error_of(vm, "{\"v\": 1, \"cmd\": \"unpause\"}"), ESHUTDOWN);
	assert_int_equal(error_of(vm, "{\"v\": 1, \"cmd\": \"trigger\", \"trigger\": \"nmi\"}"),
			 ESHUTDOWN);
}

static void socket_is_the_owners_only(void **state)
{
	char path[96];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/ctl", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; text && *text; text++)
		n += *text == '\n';
	return n;
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct vmm *vm = *state;
	int fd = connect_client();
	const char *r = converse(vm, fd, "{\"v\":1,\"cmd\":\"pause\"}\n{\"v\":1,\"cmd\":\"x\"}\n"
				 "{\"v\":1,\"cmd\":\"console\"}\n");

	assert_int_equal(count_lines(r), 3);
	assert_non_null(strstr(strchr(r, '\n'), "unknown command"));
	assert_non_null(strstr(strrchr(r, '['), "tty"));
	close(fd);
}

static void request_may_come_byte_by_byte(void **state)
{
	static const char request[] = "{\"v\": 1, \"cmd\": \"console\"}\r\n";
	struct vmm *vm = *state;
	int fd = connect_client();

	for (const char *p = request; *p; p++) {
		assert_int_equal(send(fd, p, 1, 0), 1);
		serve(vm);
	}
	assert_non_null(strstr(receive(fd), "\"ok\":true"));
	close(fd);
}

static void what_is_no_json_gets_one_error_and_the_door(void **state)
{
	struct vmm *vm = *state;
	int fd = connect_client();
	const char *r = converse(vm, fd, "GET / HTTP/1.0\n\n\n");

	assert_int_equal(count_lines(r), 1);
	assert_non_null(strstr(r, "\"ok\":false"));
	assert_null(receive(fd));
	close(fd);
}

static void endless_request_gets_one_error_and_the_door(void **state)
{
	static char request[DOM_CTL_REQUEST_MAX + 1];
	struct vmm *vm = *state;
	int fd = connect_client();
	const char *r;

	memset(request, ' ', DOM_CTL_REQUEST_MAX);
	r = converse(vm, fd, request);
	assert_int_equal(count_lines(r), 1);
	assert_non_null(strstr(r, "\"ok\":false"));
	assert_null(receive(fd));
	close(fd);
}

static void longest_request_is_served(void **state)
{
	static char request[DOM_CTL_REQUEST_MAX + 1];
	struct vmm *vm = *state;
	int fd = connect_client();

	memset(request, ' ', DOM_CTL_REQUEST_MAX);
	memcpy(request, "{\"v\":1,\"cmd\":\"console\"}", 23);
	request[DOM_CTL_REQUEST_MAX - 1] = '\n';
	assert_non_null(strstr(converse(vm, fd, request), "\"ok\":true"));
	close(fd);
}

static void clients_beyond_the_limit_are_closed_at_once(void **state)
{
	struct vmm *vm = *state;
	int fds[DOM_CTL_CLIENTS_MAX + 1];

	for (unsigned i = 0; i <= DOM_CTL_CLIENTS_MAX; i++) {
		fds[i] = connect_client();
		serve(vm);
	}
	assert_null(receive(fds[DOM_CTL_CLIENTS_MAX]));
	assert_string_equal(receive(fds[0]), "");
	/* A place that becomes free is given again. */
	close(fds[0]);
	serve(vm);
	fds[0] = connect_client();
	assert_non_null(converse(vm, fds[0], "{\"v\":1,\"cmd\":\"console\"}\n"));
	for (unsigned i = 0; i <= DOM_CTL_CLIENTS_MAX; i++)
		close(fds[i]);
	serve(vm);
}

static void client_that_leaves_in_the_middle_is_forgotten(void **state)
{
	struct vmm *vm = *state;

	for (int i = 0; i < 100; i++) {
		int fd = connect_client();

		assert_true(send(fd, "{\"v\":1,\"cmd\":\"vcpus\"}\n{\"v\"", i % 28, 0) >= 0);
		if (i % 2)
			serve(vm);
		close(fd);
		serve(vm);
	}
	assert_int_equal(ev_loop_armed(vm->loop), 1);
}

static void client_that_does_not_read_stops_only_itself(void **state)
{
	static const char request[] = "{\"v\":1,\"cmd\":\"vcpus\"}\n";
	struct vmm *vm = *state;
	int deaf = connect_client(), other = connect_client();

	fcntl(deaf, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 100000; i++) {
		if (send(deaf, request, strlen(request), MSG_NOSIGNAL) < 0) {
			serve(vm);
			if (send(deaf, request, strlen(request), MSG_NOSIGNAL) < 0)
				break;
		}
	}
	assert_int_equal(errno, EAGAIN);
	assert_non_null(strstr(converse(vm, other, request), "\"ok\":true"));
	close(deaf);
	close(other);
	serve(vm);
	assert_int_equal(ev_loop_armed(vm->loop), 1);
}

/* Send @request with @count copies of @fd. */
static void send_with(int sock, const char *request, int fd, unsigned count)
{
	char control[CMSG_SPACE(sizeof(int) * 16)] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)request, strlen(request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = CMSG_SPACE(sizeof(int) * count) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	*h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(int) * count) };
	for (unsigned i = 0; i < count; i++)
		memcpy(CMSG_DATA(h) + i * sizeof(fd), &fd, sizeof(fd));
	assert_int_equal(sendmsg(sock, &msg, 0), strlen(request));
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void files_are_kept_until_they_are_asked_for(void **state)
{
	static const char give[] = "{\"v\": 1, \"cmd\": \"give-files\", \"name\": \"/img\"}\n";
	struct vmm *vm = *state;
	int sock = connect_client(), rd = open("/dev/zero", O_RDONLY), rw = open("/dev/zero", O_RDWR);
	int fd;

	/* Descriptors belong to the first request that comes with them. */
	assert_non_null(strstr(converse(vm, sock, give), "\"errno\":22"));
	send_with(sock, give, rd, 1);
	serve(vm);
	assert_non_null(strstr(receive(sock), "\"ok\":true"));
	assert_int_equal(vmm_files_take(&vm->files, "/img", O_RDWR), -ENOENT);
	assert_int_equal(vmm_files_take(&vm->files, "/other", O_RDONLY), -ENOENT);
	fd = vmm_files_take(&vm->files, "/img", O_RDONLY);
	assert_true(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	close(fd);
	assert_int_equal(vmm_files_take(&vm->files, "/img", O_RDONLY), -ENOENT);
	/* A second gift of the same name replaces the first. */
	send_with(sock, give, rd, 2);
	send_with(sock, give, rw, 1);
	serve(vm);
	assert_int_equal(vm->files.count, 1);
	assert_int_equal(vmm_files_take(&vm->files, "/img", O_RDONLY), -ENOENT);
	fd = vmm_files_take(&vm->files, "/img", O_RDWR);
	assert_true(fd >= 0);
	close(fd);
	close(sock);
	close(rd);
	close(rw);
	serve(vm);
}

static void descriptors_that_nobody_wants_are_closed(void **state)
{
	struct vmm *vm = *state;
	unsigned before = open_fds();
	int sock = connect_client();
	char give[96];

	send_with(sock, "{\"v\": 1, \"cmd\": \"status\"}\n", 0, 8);
	send_with(sock, "no json\n", 0, 3);
	serve(vm);
	close(sock);
	serve(vm);
	assert_int_equal(open_fds(), before);
	sock = connect_client();
	for (unsigned i = 0; i < VMM_MAX_FILES + 3; i++) {
		snprintf(give, sizeof(give), "{\"v\": 1, \"cmd\": \"give-files\", \"name\": \"/%u\"}\n", i);
		send_with(sock, give, 0, 1);
		serve(vm);
		assert_non_null(strstr(receive(sock), "\"ok\":true"));
	}
	send_with(sock, "half a request", 0, 2);
	serve(vm);
	assert_int_equal(vm->files.count, VMM_MAX_FILES);
	close(sock);
	serve(vm);
	vmm_backends_stop(vm);
	assert_int_equal(open_fds(), before);
}

static void destroy_replies_first(void **state)
{
	struct vmm *vm = *state;
	int fd = connect_client();
	const char *r = converse(vm, fd, "{\"v\":1,\"cmd\":\"destroy\"}\n");

	assert_non_null(strstr(r, "\"ok\":true"));
	assert_int_equal(vm->outcome, VMM_DESTROYED);
	assert_true(vm->destroyed);
	close(fd);
}

static void too_long_rundir_is_refused(void **state)
{
	struct vmm *vm = *state;
	struct vmm other = { .cfg.rundir = "/0123456789012345678901234567890123456789012345678901"
			     "234567890123456789012345678901234567890123456789012345678901234567" };
	struct dom_err err;

	(void)vm;
	assert_int_equal(vmm_ctl_open(&other, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "rundir"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_has_a_handler_and_no_handler_is_unknown),
		TEST(replies_have_what_their_rows_promise),
		TEST(requests_that_break_the_protocol_get_its_errors),
		TEST(state_follows_the_domain),
		TEST(socket_is_the_owners_only),
		TEST(pipelined_requests_are_answered_in_order),
		TEST(request_may_come_byte_by_byte),
		TEST(what_is_no_json_gets_one_error_and_the_door),
		TEST(endless_request_gets_one_error_and_the_door),
		TEST(longest_request_is_served),
		TEST(clients_beyond_the_limit_are_closed_at_once),
		TEST(client_that_leaves_in_the_middle_is_forgotten),
		TEST(client_that_does_not_read_stops_only_itself),
		TEST(files_are_kept_until_they_are_asked_for),
		TEST(descriptors_that_nobody_wants_are_closed),
		TEST(destroy_replies_first),
		TEST(too_long_rundir_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
