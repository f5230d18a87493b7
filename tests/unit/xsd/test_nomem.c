// SPDX-License-Identifier: MIT
/*
 * The n-th allocation fails, for every n, while a tool and a guest go through a session. Whatever
 * is answered, the accounts are right afterwards, the next client is served, nothing that was
 * taken stays, and the state file holds the very store that is in memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "domicile/base/fd.h"
#include "xenstore/daemon/xsd.h"

/* --- allocations that fail; linked with --wrap --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static long countdown;	/* allocations until one fails; <= 0: none does */
static bool lasting;	/* all after it fail, too */

static bool fails(void)
{
	if (countdown <= 0)
		return false;
	if (lasting && countdown == 1)
		return true;
	return --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

/* --- the session --- */

static struct xsd s;
static char dir[64];

enum { TOOL, GUEST, N_CLIENTS };
#define REFUSED 1u	/* the answer is an error without any failure, too */

static const struct step {
	int who;
	uint32_t type;
	bool in_txn;
	const char *data;
	size_t len;
	unsigned flags;
} steps[] = {
#define S(who, type, tx, text) { who, type, tx, text, sizeof(text) - 1, 0 }
#define R(who, type, tx, text) { who, type, tx, text, sizeof(text) - 1, REFUSED }
	S(TOOL,  XS_WRITE,             false, "/local/domain/1\0"),
	S(TOOL,  XS_SET_PERMS,         false, "/local/domain/1\0n1\0"),
	S(TOOL,  XS_WATCH,             false, "/\0all\0"),
	S(TOOL,  XS_WATCH,             false, "@releaseDomain\0gone\0"),
	S(TOOL,  XS_WRITE,             false, "/a/b/c/d\0value"),
	S(TOOL,  XS_WRITE,             false, "/a/b/c/d\0a value that is quite a bit longer than it was"),
	S(TOOL,  XS_MKDIR,             false, "/a/e\0"),
	S(TOOL,  XS_SET_PERMS,         false, "/a/e\0n0\0r1\0w2\0"),
	S(TOOL,  XS_SET_PERMS,         false, "@releaseDomain/9\0n0\0r1\0"),
	S(TOOL,  XS_READ,              false, "/a/b/c/d\0"),
	S(TOOL,  XS_DIRECTORY,         false, "/a\0"),
	S(TOOL,  XS_DIRECTORY_PART,    false, "/a\0""0\0"),
	S(TOOL,  XS_GET_PERMS,         false, "/a/e\0"),
	S(TOOL,  XS_TRANSACTION_START, false, "\0"),
	S(TOOL,  XS_WRITE,             true,  "/t/u/v\0w"),
	S(TOOL,  XS_WRITE,             true,  "/a/b/c/d\0x"),
	S(TOOL,  XS_RM,                true,  "/a/e\0"),
	S(TOOL,  XS_SET_PERMS,         true,  "/t/u\0n1\0"),
	S(TOOL,  XS_DIRECTORY,         true,  "/\0"),
	S(TOOL,  XS_TRANSACTION_END,   true,  "T\0"),
	S(GUEST, XS_WATCH,             false, "data\0token\0"),
	S(GUEST, XS_WRITE,             false, "data/x\0y"),
	S(GUEST, XS_TRANSACTION_START, false, "\0"),
	S(GUEST, XS_WRITE,             true,  "data/1\0one"),
	S(TOOL,  XS_WRITE,             false, "/elsewhere\0so that the commit must merge"),
	S(GUEST, XS_WRITE,             true,  "data/2\0two"),
	S(GUEST, XS_TRANSACTION_END,   true,  "T\0"),
	R(GUEST, XS_READ,              false, "/elsewhere\0"),
	S(GUEST, XS_RM,                false, "data\0"),
	S(GUEST, XS_UNWATCH,           false, "data\0token\0"),
	S(TOOL,  XS_CONTROL,           false, "quota\0set\0nodes\0""500\0"),
	S(TOOL,  XS_CONTROL,           false, "check\0"),
	S(TOOL,  XS_INTRODUCE,         false, "7\0""1\0""1\0"),
	S(TOOL,  XS_SET_TARGET,        false, "7\0""1\0"),
	S(TOOL,  XS_RELEASE,           false, "7\0"),
	S(TOOL,  XS_RM,                false, "/t\0"),
#undef S
#undef R
};

static int fd[N_CLIENTS];
static uint32_t tx[N_CLIENTS];

static void rounds(void)
{
	for (int i = 0; i < 6; i++)
		xsd_loop_round(&s, 0);
}

static int client(uint16_t domid)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	if (domid) {
		assert_int_equal(xsd_dom_introduce(&s, domid, 1, 1), 0);
		assert_int_equal(xsd_dom_connect(&s, xsd_dom_peek(&s, domid), pair[1], false), 0);
	} else {
		assert_non_null(xsd_conn_new(&s, pair[1], xsd_dom_peek(&s, 0)));
	}
	return pair[0];
}

/* The reply among what has come; events are skipped. 0: none, 1: success, 2: an error. */
static int reply(int who, char *text, size_t size)
{
	static char buf[65536];
	ssize_t n = recv(fd[who], buf, sizeof(buf), MSG_DONTWAIT);
	int got = 0;

	for (ssize_t at = 0; at + (ssize_t)sizeof(struct xsd_sockmsg) <= n;) {
		struct xsd_sockmsg h;

		memcpy(&h, buf + at, sizeof(h));
		at += (ssize_t)sizeof(h);
		if (h.type != XS_WATCH_EVENT) {
			got = h.type == XS_ERROR ? 2 : 1;
			snprintf(text, size, "%.*s", (int)h.len, buf + at);
		}
		at += h.len;
	}
	return got;
}

/* True if the answer was an error that only a failure explains. */
static bool take(const struct step *t, char *text, size_t size)
{
	struct xsd_sockmsg h = { .type = t->type, .tx_id = t->in_txn ? tx[t->who] : 0,
		.len = (uint32_t)t->len };
	char msg[256];
	int got;

	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), t->data, t->len);
	if (send(fd[t->who], msg, sizeof(h) + t->len, MSG_NOSIGNAL) < 0)
		return true;	/* dropped before */
	rounds();
	got = reply(t->who, text, size);
	if (got == 1 && t->type == XS_TRANSACTION_START)
		tx[t->who] = (uint32_t)atoi(text);
	if (got == 0)
		snprintf(text, size, "dropped");
	return got != 1 && !(t->flags & REFUSED);
}

/* --- what must hold afterwards --- */

static void works(void)
{
	static const struct step after[] = {
		{ TOOL, XS_WRITE, false, "/after\0fine", 11, 0 },
		{ TOOL, XS_READ, false, "/after\0", 7, 0 },
	};
	char text[64];

	close(fd[TOOL]);
	rounds();
	fd[TOOL] = client(0);
	for (size_t i = 0; i < DOM_ARRAY_LEN(after); i++)
		assert_false(take(&after[i], text, sizeof(text)));
	assert_string_equal(text, "fine");
}

static void same_subtree(struct xsd_node *a, struct xsd_node *b)
{
	struct xsd_walk x, y;
	int more;

	xsd_walk_init(&x, a, "/", 1);
	xsd_walk_init(&y, b, "/", 1);
	do {
		more = xsd_walk_next(&x);
		assert_int_equal(xsd_walk_next(&y), more);
		assert_string_equal(x.path, y.path);
		assert_int_equal(x.node->val_len, y.node->val_len);
		assert_memory_equal(xsd_node_value(x.node), xsd_node_value(y.node), x.node->val_len);
		assert_int_equal(x.node->perms->n, y.node->perms->n);
		assert_memory_equal(x.node->perms->v, y.node->perms->v,
				    x.node->perms->n * sizeof(struct xsc_perm));
	} while (more > 0);
	xsd_walk_fini(&x);
	xsd_walk_fini(&y);
}

static struct xsd again;

/* Read back what a daemon that is killed now would leave. */
static void recovered_is_the_same(void)
{
	struct dom_err err = { 0 };

	xsd_state_close(&s);
	assert_int_equal(xsd_init(&again), 0);
	assert_int_equal(xsd_loop_init(&again), 0);
	again.log.level = DOM_LOG_ERROR;
	assert_int_equal(xsd_state_open(&again, dir, &err), 0);
	assert_int_equal(xsd_state_load(&again, dir, &err), 0);
	same_subtree(s.tree.root[0], again.tree.root[0]);
	assert_int_equal(xsd_check(&again), 0);
	xsd_fini(&again);
}

static void begin(void)
{
	struct dom_err err = { 0 };

	assert_int_equal(xsd_init(&s), 0);
	s.log.level = DOM_LOG_ERROR;
	assert_int_equal(xsd_loop_init(&s), 0);
	assert_int_equal(xsd_state_open(&s, dir, &err), 0);
	assert_int_equal(xsd_state_load(&s, dir, &err), 0);
	fd[TOOL] = client(0);
	fd[GUEST] = client(1);
}

static void finish(void)
{
	struct xsd_dom *d = xsd_dom_peek(&s, 1);

	countdown = 0;
	assert_int_equal(xsd_check(&s), 0);
	works();
	recovered_is_the_same();
	close(fd[TOOL]);
	rounds();
	if (d->introduced)
		xsd_dom_release(&s, d);
	rounds();
	assert_int_equal(s.watches.total, 0);
	assert_int_equal(s.n_txns, 0);
	for (int q = 0; q <= XSD_Q_TRANS; q++)
		assert_int_equal(d->acct[q], 0);
	xsd_fini(&s);
	close(fd[GUEST]);
}

static void remove_files(void)
{
	char path[80];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/state.%d", dir, i);
		unlink(path);
	}
}

/* Number of answers that only a failure explains; *ret_first is the first one. */
static int session(long n, char *ret_first, size_t size)
{
	int bad = 0;

	remove_files();
	begin();
	countdown = n;
	for (size_t i = 0; i < DOM_ARRAY_LEN(steps); i++) {
		char text[64] = "";

		if (take(&steps[i], text, sizeof(text)) && !bad++)
			snprintf(ret_first, size, "%s", text);
	}
	return bad;
}

static void try_all(void)
{
	char first[64];
	long n;

	for (n = 1; n < 100000; n++) {
		int bad = session(n, first, sizeof(first));
		bool over = countdown > (lasting ? 1 : 0);

		if (bad && strcmp(first, "ENOMEM") && strcmp(first, "dropped"))
			fail_msg("allocation %ld failed: answered %s", n, first);
		if (over)
			assert_int_equal(bad, 0);
		finish();
		if (over)
			break;
	}
	print_message("%ld allocations failed in turn\n", n - 1);
	/* The session allocates; otherwise nothing was tested. */
	assert_in_range(n, 40, 99999);
}

static void one_failed_allocation_harms_nobody_else(void **state)
{
	(void)state;
	lasting = false;
	try_all();
}

static void no_more_memory_harms_nothing_that_was(void **state)
{
	(void)state;
	lasting = true;
	try_all();
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/xsd-nomem-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	remove_files();
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_failed_allocation_harms_nobody_else),
		cmocka_unit_test(no_more_memory_harms_nothing_that_was),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
