// SPDX-License-Identifier: MIT
/*
 * The console's log file. It grows to a maximum; then its contents move to a second file, PATH.1,
 * and it starts anew, so that between @max and 2 * @max bytes of the latest output are on disk.
 *
 * A confined process opens and renames nothing, so both files are open from the start and the
 * contents are copied, in the same small steps as the log itself is written: one op that writes a
 * chunk, or reads one back and writes it to the old log. The log is opened for appending: somebody
 * who truncates it does no harm.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "con/con.h"

/* The log is unusable: say so once and go on without it. */
static void fail(struct con_log *log, int error)
{
	log->sink.dead = true;
	con_warn(log->sink.con, "cannot write the console log, giving it up", error);
	con_moved(&log->sink);
}

static void next_chunk(struct con_log *log)
{
	uint32_t len = 0, n;
	const void *data;

	while (len < CON_LOG_CHUNK && (data = con_peek(&log->sink, CON_LOG_CHUNK - len, &n))) {
		memcpy(log->chunk + len, data, n);
		con_taken(&log->sink, n);
		len += n;
	}
	log->len = len;
	log->done = 0;
}

/* Begin what is to be done next; the op is idle. */
static void next_step(struct con_log *log)
{
	uint64_t pos = log->sink.pos;

	if (log->sink.dead)
		return;
	if (log->done == log->len && log->step == CON_LOG_WRITE && log->size >= log->max) {
		log->step = CON_LOG_READ_BACK;
		log->moved = 0;
	}
	if (log->done == log->len && log->step == CON_LOG_WRITE)
		next_chunk(log);
	if (log->step == CON_LOG_READ_BACK)
		ev_read(&log->op, log->fd, log->chunk, CON_LOG_CHUNK, log->moved);
	else if (log->done < log->len)
		ev_write(&log->op, log->step == CON_LOG_COPY ? log->old_fd : log->fd,
			 log->chunk + log->done, log->len - log->done,
			 log->step == CON_LOG_COPY ? log->moved : log->size);
	if (log->sink.pos != pos)
		con_moved(&log->sink);
}

static int wrote(struct con_log *log, uint32_t n)
{
	log->size += n;
	log->done += n;
	return 0;
}

static int copied(struct con_log *log, uint32_t n)
{
	log->moved += n;
	log->done += n;
	if (log->done == log->len)
		log->step = CON_LOG_READ_BACK;
	return 0;
}

static int was_read(struct con_log *log, uint32_t n)
{
	log->len = n;
	log->done = 0;
	log->step = CON_LOG_COPY;
	if (n)
		return 0;
	/* All of it is in the old log. */
	log->step = CON_LOG_WRITE;
	log->size = 0;
	if (ftruncate(log->old_fd, (off_t)log->moved) < 0 || ftruncate(log->fd, 0) < 0)
		return -errno;
	return 0;
}

/* What the end of each step means. */
static int (*const steps[])(struct con_log *log, uint32_t n) = {
	[CON_LOG_WRITE] = wrote,
	[CON_LOG_READ_BACK] = was_read,
	[CON_LOG_COPY] = copied,
};

static void log_done(struct ev_op *op, int res)
{
	struct con_log *log = DOM_CONTAINER_OF(op, struct con_log, op);

	if (res == -ECANCELED)
		return;
	if (res >= 0)
		res = steps[log->step](log, (uint32_t)res);
	if (res < 0 && res != -EINTR && res != -EAGAIN)
		fail(log, res);
	else
		next_step(log);
}

static void log_pump(struct con_sink *s)
{
	struct con_log *log = DOM_CONTAINER_OF(s, struct con_log, sink);

	if (ev_idle(&log->op))
		next_step(log);
}

int con_log_open(struct con_log *log, struct pvb_console *c, struct ev_loop *l, const char *path,
		 uint64_t max, struct dom_err *err)
{
	char old[4096];
	struct stat st;

	log->fd = dom_open(path, O_RDWR | O_APPEND | O_CREAT, 0640);
	if (log->fd < 0)
		return dom_err_set(err, log->fd, "cannot open the console log %s: %s", path,
				   strerror(-log->fd));
	if (snprintf(old, sizeof(old), "%s.1", path) >= (int)sizeof(old))
		return dom_err_set(err, -ENAMETOOLONG, "name of the console log %s is too long", path);
	if (fstat(log->fd, &st) < 0)
		return dom_err_set(err, -errno, "cannot use the console log %s: %s", path,
				   strerror(errno));
	/* Devices and pipes (/dev/null) do not grow. */
	log->max = S_ISREG(st.st_mode) ? max : UINT64_MAX;
	log->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	log->old_fd = S_ISREG(st.st_mode) ? dom_open(old, O_RDWR | O_CREAT, 0640) : -1;
	if (S_ISREG(st.st_mode) && log->old_fd < 0)
		return dom_err_set(err, log->old_fd, "cannot open the console log %s: %s", old,
				   strerror(-log->old_fd));
	con_sink_init(&log->sink, c, log_pump);
	ev_op_init(&log->op, l, log_done, con_group(c));
	return 0;
}

void con_log_finish(struct con_log *log)
{
	if (log->sink.con && log->step != CON_LOG_WRITE) {
		/* Half-way through moving the log: it is still complete, what was moved is superfluous. */
		log->len = log->done = 0;
		(void)!ftruncate(log->old_fd, 0);
	}
	if (log->sink.con && !log->sink.dead)
		do {
			/* Nobody is left to hear of an error. */
			if (dom_write_all(log->fd, log->chunk + log->done, log->len - log->done) < 0)
				break;
			next_chunk(log);
		} while (log->len);
	dom_close_fd(&log->fd);
	dom_close_fd(&log->old_fd);
}
