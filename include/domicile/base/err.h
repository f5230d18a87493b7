// SPDX-License-Identifier: MIT
/*
 * An error that a person will read. Filled where the facts are known, printed where the person is:
 * one sentence that says what failed, on what, and what to do about it.
 */
#ifndef DOM_BASE_ERR_H
#define DOM_BASE_ERR_H

#include <stdarg.h>
#include <stdio.h>

#include "domicile/base/cc.h"

struct dom_err {
	int code;	/* negative errno of the failure; 0 while there is none */
	char msg[480];	/* one line, no trailing full stop */
};

/**
 * dom_err_set - record a failure and its sentence
 * @err:   where to record; NULL is accepted and only the code is passed through
 * @code:  negative errno
 * @fmt:   printf format of one sentence: what failed, on what, what to do
 *
 * Returns @code, so that a caller can fail with `return dom_err_set(...)`.
 */
DOM_PRINTF(3, 4)
static inline int dom_err_set(struct dom_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		err->code = code;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
	}
	return code;
}

#endif
