// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "xenstore/daemon/tree.h"

struct sum {
	struct xsd_acct acct;
	int nodes[8];
	long bytes[8];
};

static void add(struct xsd_acct *a, uint16_t owner, int nodes, long bytes)
{
	struct sum *s = (struct sum *)a;

	s->nodes[owner % 8] += nodes;
	s->bytes[owner % 8] += bytes;
}

struct fix {
	struct xsd_gen g;
	struct xsd_tree t;
	struct sum sum;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->g.seed = 12345;
	f->sum.acct.add = add;
	*state = f;
	return xsd_tree_init(&f->t, &f->g);
}

static int teardown(void **state)
{
	struct fix *f = *state;

	xsd_tree_fini(&f->t);
	free(f);
	return 0;
}

static void set(struct fix *f, const char *path, const char *value, int creator)
{
	assert_int_equal(xsd_tree_set(&f->t, &f->g, &f->sum.acct, path, strlen(path), NULL, value,
				      strlen(value), false, creator), 0);
}

static void rm(struct fix *f, const char *path)
{
	assert_int_equal(xsd_tree_rm(&f->t, &f->g, &f->sum.acct, path, strlen(path)), 0);
}

static const struct xsd_node *find(struct fix *f, const struct xsd_tree *t, const char *path)
{
	struct xsd_found r;

	xsd_find(t, &f->g, path, strlen(path), &r);
	return r.node;
}

static void assert_value(struct fix *f, const struct xsd_tree *t, const char *path, const char *v)
{
	const struct xsd_node *n = find(f, t, path);

	assert_non_null(n);
	assert_int_equal(n->val_len, strlen(v));
	assert_memory_equal(xsd_node_value(n), v, n->val_len);
}

static void held_version_does_not_change(void **state)
{
	struct fix *f = *state;
	struct xsd_tree old;

	set(f, "/a/b", "1", -1);
	set(f, "/a/c", "2", -1);
	old = xsd_tree_share(&f->t);
	set(f, "/a/b", "a longer value than before", -1);
	set(f, "/a/d", "3", -1);
	rm(f, "/a/c");
	assert_value(f, &old, "/a/b", "1");
	assert_value(f, &old, "/a/c", "2");
	assert_null(find(f, &old, "/a/d"));
	assert_null(find(f, &f->t, "/a/c"));
	assert_value(f, &f->t, "/a/b", "a longer value than before");
	xsd_tree_fini(&old);
}

static void unshared_write_happens_in_place(void **state)
{
	struct fix *f = *state;
	const struct xsd_node *n, *root = f->t.root[0];

	set(f, "/a/b", "1", -1);
	n = find(f, &f->t, "/a/b");
	set(f, "/a/b", "2", -1);
	assert_ptr_equal(find(f, &f->t, "/a/b"), n);
	assert_ptr_equal(f->t.root[0], root);
}

static void sharing_copies_only_the_way_down(void **state)
{
	struct fix *f = *state;
	struct xsd_tree old;

	set(f, "/a/b/c", "1", -1);
	set(f, "/x/y", "1", -1);
	old = xsd_tree_share(&f->t);
	set(f, "/a/b", "2", -1);
	assert_ptr_equal(find(f, &old, "/x"), find(f, &f->t, "/x"));
	assert_ptr_equal(find(f, &old, "/a/b/c"), find(f, &f->t, "/a/b/c"));
	assert_ptr_not_equal(find(f, &old, "/a/b"), find(f, &f->t, "/a/b"));
	xsd_tree_fini(&old);
}

static void creation_inherits_and_guests_own(void **state)
{
	struct fix *f = *state;

	set(f, "/a/b", "", 5);
	assert_int_equal(find(f, &f->t, "/a/b")->perms->v[0].domid, 5);
	assert_int_equal(find(f, &f->t, "/a")->perms->v[0].domid, 5);
	set(f, "/a/b/c", "", -1);
	assert_int_equal(find(f, &f->t, "/a/b/c")->perms->v[0].domid, 5);
	assert_int_equal(f->sum.nodes[5], 3);
}

static void accounts_return_to_zero(void **state)
{
	struct fix *f = *state;

	set(f, "/a", "", 3);
	set(f, "/a/b/c", "value", 3);
	set(f, "/a/b/d", "value", 4);
	set(f, "/a/b/d", "other value", 4);
	rm(f, "/a");
	for (int i = 0; i < 8; i++) {
		assert_int_equal(f->sum.nodes[i], 0);
		assert_int_equal(f->sum.bytes[i], 0);
	}
}

static void large_directory_keeps_creation_order(void **state)
{
	struct fix *f = *state;
	struct xsd_node **kids;
	char path[32];

	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "/d/n%d", i * 7919 % 5000);
		set(f, path, "", -1);
	}
	for (int i = 0; i < 5000; i += 2) {
		snprintf(path, sizeof(path), "/d/n%d", i * 7919 % 5000);
		rm(f, path);
	}
	assert_int_equal(find(f, &f->t, "/d")->n_kids, 2500);
	assert_int_equal(xsd_kids(find(f, &f->t, "/d"), &kids), 0);
	for (int i = 0; i < 2500; i++) {
		int n = snprintf(path, sizeof(path), "n%d", (2 * i + 1) * 7919 % 5000);

		assert_int_equal(kids[i]->name_len, n);
		assert_memory_equal(kids[i]->data, path, n);
	}
	free(kids);
	rm(f, "/d");
	assert_int_equal(f->t.root[0]->n_kids, 0);
}

static void found_tells_what_is_missing(void **state)
{
	struct fix *f = *state;
	struct xsd_found r;

	set(f, "/a/b", "", -1);
	xsd_find(&f->t, &f->g, "/a/x/y/z", 8, &r);
	assert_null(r.node);
	assert_int_equal(r.missing, 3);
	assert_int_equal(r.near_len, 2);
	assert_ptr_equal(r.near, find(f, &f->t, "/a"));
	xsd_find(&f->t, &f->g, "/a/b", 4, &r);
	assert_int_equal(r.near_len, 2);
	assert_int_equal(r.missing, 0);
	xsd_find(&f->t, &f->g, "/", 1, &r);
	assert_ptr_equal(r.node, r.near);
	xsd_find(&f->t, &f->g, "@x", 2, &r);
	assert_ptr_equal(r.near, f->t.root[1]);
}

static void walk_visits_before_and_after_children(void **state)
{
	struct fix *f = *state;
	char trace[64] = "";
	struct xsd_walk w;

	set(f, "/a/b", "", -1);
	set(f, "/a/c/d", "", -1);
	xsd_walk_init(&w, f->t.root[0], "/", 1);
	while (xsd_walk_next(&w) > 0) {
		size_t n = strlen(trace);

		assert_true(w.len + n + 3 < sizeof(trace));
		sprintf(trace + n, "%c%.20s ", w.leaving ? '-' : '+', w.path);
	}
	xsd_walk_fini(&w);
	assert_string_equal(trace, "+/ +/a +/a/b -/a/b +/a/c +/a/c/d -/a/c/d -/a/c -/a -/ ");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(held_version_does_not_change), T(unshared_write_happens_in_place),
		T(sharing_copies_only_the_way_down), T(creation_inherits_and_guests_own),
		T(accounts_return_to_zero), T(large_directory_keeps_creation_order),
		T(found_tells_what_is_missing), T(walk_visits_before_and_after_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
