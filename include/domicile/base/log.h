// SPDX-License-Identifier: MIT
/*
 * Log lines: one writer per process, passed by pointer, one write(2) per line.
 *
 * error  an operation a person asked for did not happen
 * warn   something unusual, we go on
 * info   life cycle
 * debug  for us; the only level libraries use
 */
#ifndef DOM_BASE_LOG_H
#define DOM_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "domicile/base/cc.h"

enum dom_log_level { DOM_LOG_ERROR, DOM_LOG_WARN, DOM_LOG_INFO, DOM_LOG_DEBUG };

struct dom_log {
	int fd;				/* where lines go; -1 drops them */
	enum dom_log_level level;	/* least important level that is written */
	const char *name;		/* prefix of each line: the program or domain; may be NULL */
};

/**
 * dom_vlog - write one line of level @level; NULL @log drops it. Any thread.
 */
DOM_PRINTF(3, 0)
static inline void dom_vlog(const struct dom_log *log, enum dom_log_level level, const char *fmt,
			    va_list ap)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char line[1024];
	int n, m;

	if (!log || log->fd < 0 || level > log->level)
		return;
	n = snprintf(line, sizeof(line), "%s%s%s: ", log->name ? log->name : "",
		     log->name ? ": " : "", names[level]);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	n = m < 0 ? n : DOM_MIN(n + m, (int)sizeof(line) - 2);
	line[n++] = '\n';
	/* Nothing sensible is left to do when the log itself cannot be written. */
	if (write(log->fd, line, (size_t)n) < 0)
		return;
}

/**
 * dom_log - write one line of level @level; NULL @log drops it. Any thread.
 */
DOM_PRINTF(3, 4)
static inline void dom_log(const struct dom_log *log, enum dom_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	dom_vlog(log, level, fmt, ap);
	va_end(ap);
}

/*
 * Rate limit for lines that a guest can trigger at will: at most DOM_LOG_BURST lines a second per
 * limiter, and the number of those dropped is told with the next line written.
 */
#define DOM_LOG_BURST 10

struct dom_ratelimit {
	uint64_t second;	/* CLOCK_MONOTONIC second of the current window */
	unsigned used;		/* lines written in it */
	unsigned dropped;	/* lines dropped since the last one written */
};

/**
 * dom_log_guest - write a line caused by a guest, rate limited
 * @rl: one limiter per domain and thread; not locked
 */
DOM_PRINTF(4, 5)
static inline void dom_log_guest(const struct dom_log *log, struct dom_ratelimit *rl,
				 enum dom_log_level level, const char *fmt, ...)
{
	struct timespec ts;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	if ((uint64_t)ts.tv_sec != rl->second) {
		rl->second = (uint64_t)ts.tv_sec;
		rl->used = 0;
	}
	if (rl->used >= DOM_LOG_BURST) {
		rl->dropped++;
		return;
	}
	rl->used++;
	if (rl->dropped) {
		dom_log(log, level, "%u guest messages dropped", rl->dropped);
		rl->dropped = 0;
	}
	va_start(ap, fmt);
	dom_vlog(log, level, fmt, ap);
	va_end(ap);
}

#endif
