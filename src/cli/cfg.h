// SPDX-License-Identifier: MIT
/*
 * The configuration language of xl.cfg(5) and the specification strings inside it.
 *
 *   cfg_lex.c    bytes to tokens
 *   cfg_parse.c  tokens to a tree of values with positions
 *   cfg_value.c  asking that tree for strings, numbers and lists
 *   cfg_keys.c   the table of all keys
 *   cfg_domain.c tree and table to the domain in libxl's JSON form (struct json_object)
 *   spec*.c      disk, vif and other device strings to the same form
 */
#ifndef XL_CFG_H
#define XL_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "domicile/base/cc.h"

#define XL_CFG_SIZE_MAX (4u << 20)	/* bytes of a configuration file */
#define XL_CFG_DEPTH_MAX 64		/* lists inside lists */

enum xl_tok_kind {
	XL_TOK_END,
	XL_TOK_IDENT,
	XL_TOK_STRING,
	XL_TOK_NUMBER,
	XL_TOK_NEWLINE,		/* also ends a comment */
	XL_TOK_PLUSEQ,
	XL_TOK_EQ,
	XL_TOK_COMMA,
	XL_TOK_SEMI,
	XL_TOK_OPEN,
	XL_TOK_CLOSE,
};

/** struct xl_lex - scanner of one text; the parser owns it */
struct xl_lex {
	const char *source;		/* name of the text, for messages */
	FILE *report;			/* where messages go; NULL drops them */
	const char *pos, *end, *bol;	/* next byte, end, start of the current line */
	unsigned line;			/* of `pos`, from 1 */
	unsigned loud_line;		/* errors before this line follow from a former one */
	size_t tail;			/* bytes that the end of the text shows in messages */
	bool failed;			/* something was wrong; sticky */
	bool pythonic;			/* it looked like Python */

	enum xl_tok_kind kind;		/* the token that was read last */
	const char *text;		/* its bytes */
	size_t len;
	char *value;			/* XL_TOK_STRING: unescaped, owned; NULL after an error */
	unsigned tok_line, tok_col;
};

void xl_lex_init(struct xl_lex *lex, const char *source, const char *data, size_t len,
		 FILE *report);
void xl_lex_fini(struct xl_lex *lex);

/** xl_lex_next - read the next token into @lex->kind and its companions; what is no token is
 *  reported and skipped */
void xl_lex_next(struct xl_lex *lex);

/** xl_lex_error - report @what about the current token, unless an error before it explains it */
void xl_lex_error(struct xl_lex *lex, const char *what);

/** struct xl_value - an atom (string or number, kept as text) or a list of values */
struct xl_value {
	bool is_list;
	char *text;			/* atom */
	struct xl_value *items;		/* list */
	unsigned count;
	unsigned line, col;		/* where it starts, from 1 */
};

/** struct xl_setting - one key with its value; the last assignment of a key wins */
struct xl_setting {
	char *name;
	struct xl_value value;
	unsigned line;			/* as xl counts it in messages */
	bool added;			/* by +=, which makes no numbers */
	bool used;			/* somebody asked for it */
};

/** struct xl_cfg - a parsed configuration */
struct xl_cfg {
	char *source;
	FILE *report;			/* where warnings of the getters go; NULL drops them */
	struct xl_setting *settings;
	unsigned count;
};

/**
 * xl_cfg_parse - parse the text of a configuration
 * @ret:     the tree, to be freed with xl_cfg_free()
 * @source:  name of the text, for messages
 * @report:  receives one line per error, and later the getters' warnings; NULL drops them
 *
 * Returns 0; -EINVAL when the text is not well-formed; -ENOMEM.
 */
int xl_cfg_parse(struct xl_cfg **ret, const char *source, const char *data, size_t len,
		 FILE *report);

/** xl_cfg_free - release a tree; accepts NULL */
void xl_cfg_free(struct xl_cfg *cfg);

/** xl_cfg_find - the setting of @name, marked as used; NULL when there is none */
struct xl_setting *xl_cfg_find(struct xl_cfg *cfg, const char *name);

/**
 * xl_cfg_string - the atom that @name is set to; belongs to @cfg
 *
 * Returns 0; -ESRCH when it is not set; -EINVAL, with a warning, when it is a list.
 */
int xl_cfg_string(struct xl_cfg *cfg, const char *name, const char **ret);

/**
 * xl_cfg_number - the number that @name is set to; strings are converted, with C's prefixes
 *
 * Returns 0; -ESRCH; with a warning -EINVAL when it is none, -ERANGE when it does not fit.
 */
int xl_cfg_number(struct xl_cfg *cfg, const char *name, long *ret);

/** xl_cfg_list - the list that @name is set to; 0, -ESRCH, or -EINVAL with a warning if @warn */
int xl_cfg_list(struct xl_cfg *cfg, const char *name, const struct xl_value **ret, bool warn);

#endif
