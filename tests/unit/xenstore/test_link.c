// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "xenstore/xenstore.h"

static int daemon_end;

static struct xsc_link *make(void)
{
	struct xsc_link *l;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	daemon_end = pair[1];
	assert_int_equal(xsc_link_new(&l, pair[0]), 0);
	return l;
}

static int reopen(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	daemon_end = pair[1];
	return pair[0];
}

static size_t message(char *buf, uint32_t type, uint32_t id, const char *payload)
{
	struct xsd_sockmsg hdr = { .type = type, .req_id = id,
		.len = (uint32_t)strlen(payload) + 1 };

	memcpy(buf, &hdr, sizeof(hdr));
	memcpy(buf + sizeof(hdr), payload, hdr.len);
	return sizeof(hdr) + hdr.len;
}

static void unanswered_requests_are_sent_again(void **state)
{
	struct xsc_link *l = make();
	char req[256], got[256], rsp[64];
	size_t one = message(req, XS_READ, 1, "a"), two = message(req + one, XS_READ, 2, "b");
	size_t n;

	(void)state;
	assert_int_equal(xsc_link_put(l, req, one + two), one + two);
	assert_int_equal(xsc_link_run(l), 0);
	assert_int_equal(read(daemon_end, got, sizeof(got)), one + two);
	n = message(rsp, XS_READ, 1, "v");
	assert_int_equal(write(daemon_end, rsp, n), n);
	close(daemon_end);
	while (xsc_link_run(l) == 0)
		;
	assert_int_equal(xsc_link_fd(l), -1);
	assert_int_equal(xsc_link_events(l), 0);
	assert_int_equal(xsc_link_get(l, got, sizeof(got)), n);
	assert_memory_equal(got, rsp, n);
	xsc_link_attach(l, reopen());
	assert_int_equal(xsc_link_run(l), 0);
	assert_int_equal(read(daemon_end, got, sizeof(got)), two);
	assert_memory_equal(got, req + one, two);
	xsc_link_free(l);
	close(daemon_end);
}

static void guest_sees_whole_replies_only(void **state)
{
	struct xsc_link *l = make();
	char rsp[64], got[64];
	size_t n = message(rsp, XS_WATCH_EVENT, 0, "path");

	(void)state;
	assert_int_equal(write(daemon_end, rsp, n - 2), n - 2);
	assert_int_equal(xsc_link_run(l), 0);
	assert_int_equal(xsc_link_get(l, got, sizeof(got)), 0);
	assert_int_equal(write(daemon_end, rsp + n - 2, 2), 2);
	assert_int_equal(xsc_link_run(l), 0);
	assert_int_equal(xsc_link_get(l, got, 5), 5);
	assert_int_equal(xsc_link_get(l, got + 5, sizeof(got)), n - 5);
	assert_memory_equal(got, rsp, n);
	xsc_link_free(l);
	close(daemon_end);
}

static void too_long_payload_breaks_the_link_until_reset(void **state)
{
	struct xsd_sockmsg hdr = { .type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1 };
	struct xsc_link *l = make();

	(void)state;
	assert_int_equal(xsc_link_put(l, &hdr, 8), 8);
	assert_int_equal(xsc_link_put(l, (char *)&hdr + 8, 8), -EPROTO);
	assert_int_equal(xsc_link_put(l, &hdr, 1), -EPROTO);
	xsc_link_reset(l, reopen());
	assert_int_equal(xsc_link_put(l, &hdr, 8), 8);
	xsc_link_free(l);
	close(daemon_end);
}

static void requests_are_taken_up_to_a_bound(void **state)
{
	struct xsc_link *l = make();
	static char req[64 << 10];
	size_t len = 0;
	ssize_t n;

	(void)state;
	while (len < sizeof(req) - 64)
		len += message(req + len, XS_READ, 1, "abc");
	n = xsc_link_put(l, req, len);
	assert_true(n > 4096 && n <= 16384);
	assert_int_equal(xsc_link_put(l, req, len), 0);
	assert_true(xsc_link_events(l) & POLLOUT);
	xsc_link_free(l);
	close(daemon_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unanswered_requests_are_sent_again),
		cmocka_unit_test(guest_sees_whole_replies_only),
		cmocka_unit_test(too_long_payload_breaks_the_link_until_reset),
		cmocka_unit_test(requests_are_taken_up_to_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
