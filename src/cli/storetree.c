// SPDX-License-Identifier: MIT
/*
 * Writing nodes into the store from templates, in a transaction.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domicile/base/fd.h"

#include "storetree.h"

static const char *var(const struct xl_tree *t, char name)
{
	for (unsigned i = t->count; i--;)
		if (t->vars[i].name == name)
			return t->vars[i].text ? t->vars[i].text : t->vars[i].value;
	return "";
}

void xl_tree_text(struct xl_tree *t, char name, const char *text)
{
	if (t->count == XL_TREE_VARS)
		abort();
	t->vars[t->count++] = (struct xl_var){ .name = name, .text = text };
}

void xl_tree_num(struct xl_tree *t, char name, int64_t n)
{
	if (t->count == XL_TREE_VARS)
		abort();
	t->vars[t->count].name = name;
	t->vars[t->count].text = NULL;
	snprintf(t->vars[t->count++].value, sizeof(t->vars[0].value), "%lld", (long long)n);
}

char *xl_tree_expand(const struct xl_tree *t, const char *template)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	for (; *template; template++) {
		if (*template == '$')
			fputs(var(t, *++template), f);
		else
			putc(*template, f);
	}
	if (fclose(f))
		abort();
	return text;
}

static int set_perms(struct xl_tree *t, const char *path, enum xl_who who)
{
	uint16_t id = (uint16_t)t->domid;
	const struct xsc_perm host[] = { { 0, XSC_PERM_NONE }, { id, XSC_PERM_READ } };
	const struct xsc_perm guest[] = { { id, XSC_PERM_NONE }, { 0, XSC_PERM_READ } };

	if (who == XL_PARENT)
		return 0;
	return xsc_set_perms(t->xl->xs, t->tx, path, who == XL_HOST_READS ? host : guest,
			     who == XL_GUEST ? 1 : 2);
}

void xl_tree_node(struct xl_tree *t, const struct xl_node *n)
{
	char *path DOM_CLEANUP_FREE = NULL, *value DOM_CLEANUP_FREE = NULL;

	if (t->err || (n->only_if && !*var(t, n->only_if[0])))
		return;
	path = xl_tree_expand(t, n->path);
	value = xl_tree_expand(t, n->value);
	t->err = xsc_write(t->xl->xs, t->tx, path, value, strlen(value));
	if (!t->err)
		t->err = set_perms(t, path, n->who);
	if (t->err)
		snprintf(t->failed, sizeof(t->failed), "%s", path);
}

void xl_tree_nodes(struct xl_tree *t, const struct xl_node *nodes)
{
	for (; nodes->path; nodes++)
		xl_tree_node(t, nodes);
}

void xl_tree_require(struct xl_tree *t, const char *uuid)
{
	char *vm DOM_CLEANUP_FREE = xl_read(t->xl, t->tx, "/local/domain/%u/vm", t->domid);

	if (vm && (!uuid || (!strncmp(vm, "/vm/", 4) && !strcmp(vm + 4, uuid))))
		return;
	t->err = -ESHUTDOWN;
	snprintf(t->failed, sizeof(t->failed), "/local/domain/%u/vm", t->domid);
}

void xl_tree_commit(struct xl_tree *t, struct xl *xl, unsigned domid,
		    void (*write)(struct xl_tree *t, const void *arg), const void *arg)
{
	do {
		*t = (struct xl_tree){ .xl = xl, .domid = domid };
		t->err = xsc_transaction_start(xl->xs, &t->tx);
		if (t->err)
			return;
		write(t, arg);
		if (t->err)
			xsc_transaction_end(xl->xs, t->tx, true);
		else
			t->err = xsc_transaction_end(xl->xs, t->tx, false);
	} while (t->err == -EAGAIN);
}
