// SPDX-License-Identifier: MIT
/*
 * Grammar of the configuration language.
 *
 *   file       = { [ assignment ] ( NEWLINE | ";" ) } [ assignment ]
 *   assignment = IDENT ( "=" | "+=" ) value
 *   value      = STRING | NUMBER | list
 *   list       = "[" [ value { "," value } [ "," ] ] "]"     NEWLINE allowed after "[" "," value
 *
 * Real xl's parser is generated, and its messages and its way to go on after an error are those
 * of the generator; both are kept, since they are what people find when they search for a
 * message. After an error everything up to the next NEWLINE is skipped, and errors that follow
 * within three tokens of the former one are not told (`grace`). Text behind a complete assignment
 * ends the parse: the generated parser has taken the file for finished there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cfg.h"

#define GRACE 3

struct parser {
	struct xl_lex lex;
	struct xl_cfg *cfg;
	bool have;		/* lex holds a token that was not consumed */
	unsigned grace;		/* tokens until the next syntax error is told */
};

static const char *const tok_names[] = {
	[XL_TOK_END] = "$end",        [XL_TOK_IDENT] = "IDENT", [XL_TOK_STRING] = "STRING",
	[XL_TOK_NUMBER] = "NUMBER",   [XL_TOK_NEWLINE] = "NEWLINE", [XL_TOK_PLUSEQ] = "+=",
	[XL_TOK_EQ] = "'='",          [XL_TOK_COMMA] = "','",   [XL_TOK_SEMI] = "';'",
	[XL_TOK_OPEN] = "'['",        [XL_TOK_CLOSE] = "']'",
};

static void *must(void *p)
{
	if (!p)
		abort();	/* a few bytes for a configuration line: nothing sensible is left */
	return p;
}

static void value_fini(struct xl_value *v)
{
	for (unsigned i = 0; i < v->count; i++)
		value_fini(&v->items[i]);
	free(v->items);
	free(v->text);
	*v = (struct xl_value){ 0 };
}

static enum xl_tok_kind peek(struct parser *p)
{
	if (!p->have)
		xl_lex_next(&p->lex);
	p->have = true;
	return p->lex.kind;
}

static void take(struct parser *p)
{
	p->have = false;
	if (p->grace)
		p->grace--;
}

/* The current token does not belong here. */
static int unexpected(struct parser *p, const char *expecting)
{
	char what[128];

	snprintf(what, sizeof(what), "syntax error, unexpected %s, expecting %s",
		 tok_names[peek(p)], expecting);
	p->lex.failed = true;
	if (!p->grace)
		xl_lex_error(&p->lex, what);
	p->grace = GRACE;
	return -EINVAL;
}

static void skip_newlines(struct parser *p)
{
	while (peek(p) == XL_TOK_NEWLINE)
		take(p);
}

static int parse_value(struct parser *p, struct xl_value *ret, unsigned depth);

/* After "[". */
static int parse_items(struct parser *p, struct xl_value *list, unsigned depth)
{
	unsigned room = 0;
	int err;

	skip_newlines(p);
	while (peek(p) == XL_TOK_STRING || peek(p) == XL_TOK_NUMBER || peek(p) == XL_TOK_OPEN) {
		if (list->count == room) {
			room = room ? 2 * room : 4;
			list->items = must(realloc(list->items, room * sizeof(*list->items)));
		}
		list->items[list->count] = (struct xl_value){ 0 };
		err = parse_value(p, &list->items[list->count++], depth + 1);
		if (err)
			return err;
		skip_newlines(p);
		if (peek(p) != XL_TOK_COMMA)
			break;
		take(p);
		skip_newlines(p);
	}
	if (peek(p) != XL_TOK_CLOSE)
		return unexpected(p, "']'");
	take(p);
	return 0;
}

static int parse_value(struct parser *p, struct xl_value *ret, unsigned depth)
{
	enum xl_tok_kind kind = peek(p);

	ret->line = p->lex.tok_line;
	ret->col = p->lex.tok_col;
	if (kind == XL_TOK_OPEN && depth < XL_CFG_DEPTH_MAX) {
		ret->is_list = true;
		take(p);
		return parse_items(p, ret, depth);
	}
	if (kind == XL_TOK_OPEN) {
		xl_lex_error(&p->lex, "lists are nested too deeply");
		p->grace = GRACE;
		return -EINVAL;
	}
	if (kind == XL_TOK_STRING)
		ret->text = p->lex.value ? must(strdup(p->lex.value)) : NULL;
	else if (kind == XL_TOK_NUMBER)
		ret->text = must(strndup(p->lex.text, p->lex.len));
	else
		return unexpected(p, "STRING or NUMBER or '['");
	take(p);
	return 0;
}

static struct xl_setting *find(const struct xl_cfg *cfg, const char *name)
{
	for (unsigned i = 0; i < cfg->count; i++)
		if (!strcmp(cfg->settings[i].name, name))
			return &cfg->settings[i];
	return NULL;
}

/* Append @more to @old, both atoms or both lists. @more is consumed. */
static void append(struct xl_value *old, struct xl_value *more)
{
	if (old->is_list) {
		old->items = must(realloc(old->items, (old->count + more->count + 1) *
					  sizeof(*old->items)));
		for (unsigned i = 0; i < more->count; i++)
			old->items[old->count++] = more->items[i];
		more->count = 0;
	} else {
		old->text = must(realloc(old->text, strlen(old->text) + strlen(more->text) + 1));
		strcat(old->text, more->text);
	}
	value_fini(more);
}

/* @name and @value are consumed. */
static void store(struct parser *p, char *name, struct xl_value *value, bool add, unsigned line)
{
	struct xl_cfg *cfg = p->cfg;
	struct xl_setting *s = find(cfg, name);

	if (add && s && s->value.is_list != value->is_list) {
		xl_lex_error(&p->lex, "can't add [list] to \"string\" or vice versa");
		p->lex.loud_line = p->lex.line + 1;
		value_fini(value);
		free(name);
		return;
	}
	if (add && s) {
		append(&s->value, value);
		s->line = line;
		s->added = true;
		free(name);
		return;
	}
	if (s) {
		value_fini(&s->value);
		free(name);
	} else {
		cfg->settings = must(realloc(cfg->settings,
					     (cfg->count + 1) * sizeof(*cfg->settings)));
		s = &cfg->settings[cfg->count++];
		*s = (struct xl_setting){ .name = name };
	}
	s->value = *value;
	s->line = line;
	s->added = add;
}

static int parse_assignment(struct parser *p)
{
	struct xl_value value = { 0 };
	unsigned line = p->lex.tok_line;
	char *name = must(strndup(p->lex.text, p->lex.len));
	enum xl_tok_kind op;
	int err;

	take(p);
	op = peek(p);
	if (op != XL_TOK_EQ && op != XL_TOK_PLUSEQ) {
		free(name);
		return unexpected(p, "+= or '='");
	}
	take(p);
	err = parse_value(p, &value, 0);
	if (err) {
		value_fini(&value);
		free(name);
		return err;
	}
	if (!p->lex.failed) {
		store(p, name, &value, op == XL_TOK_PLUSEQ, line);
		return 0;
	}
	/* The tree will be dropped; further complaints about its values help nobody. */
	value_fini(&value);
	free(name);
	return 0;
}

static int parse_statement(struct parser *p)
{
	enum xl_tok_kind kind = peek(p);
	int err;

	if (kind == XL_TOK_IDENT) {
		err = parse_assignment(p);
		if (err)
			return err;
		kind = peek(p);
		if (kind == XL_TOK_END)
			return 0;
		if (kind != XL_TOK_NEWLINE && kind != XL_TOK_SEMI) {
			unexpected(p, "$end");
			return -ECANCELED;
		}
	} else if (kind != XL_TOK_NEWLINE && kind != XL_TOK_SEMI) {
		return unexpected(p, "$end or IDENT or NEWLINE or ';'");
	}
	take(p);
	return 0;
}

static void parse_file(struct parser *p)
{
	while (peek(p) != XL_TOK_END) {
		int err = parse_statement(p);

		if (!err)
			continue;
		if (err == -ECANCELED)
			return;
		while (peek(p) != XL_TOK_NEWLINE) {
			if (peek(p) == XL_TOK_END)
				return;
			p->have = false;
		}
		take(p);
	}
}

int xl_cfg_parse(struct xl_cfg **ret, const char *source, const char *data, size_t len,
		 FILE *report)
{
	struct parser p = { .cfg = calloc(1, sizeof(*p.cfg)) };
	bool failed;

	if (!p.cfg)
		return -ENOMEM;
	p.cfg->source = must(strdup(source));
	p.cfg->report = report;
	xl_lex_init(&p.lex, source, data, len, report);
	parse_file(&p);
	failed = p.lex.failed;
	if (p.lex.pythonic && report)
		fputs("warning: this looks like Python code, which configuration files cannot contain\n",
		      report);
	xl_lex_fini(&p.lex);
	if (failed) {
		xl_cfg_free(p.cfg);
		return -EINVAL;
	}
	*ret = p.cfg;
	return 0;
}

void xl_cfg_free(struct xl_cfg *cfg)
{
	if (!cfg)
		return;
	for (unsigned i = 0; i < cfg->count; i++) {
		free(cfg->settings[i].name);
		value_fini(&cfg->settings[i].value);
	}
	free(cfg->settings);
	free(cfg->source);
	free(cfg);
}
