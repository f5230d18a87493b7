// SPDX-License-Identifier: MIT
/*
 * Private declarations of the console: one history of output, sinks that each have a place in it,
 * sources of input.
 */
#ifndef PVB_CON_H
#define PVB_CON_H

#include "domicile/base/fd.h"
#include "domicile/ev.h"
#include "domicile/pvb.h"

/* Limits of the console. */
#define CON_WINDOW_MIN 4096u
#define CON_WINDOW_DEFAULT (32u * 1024u)
#define CON_WINDOW_MAX (1024u * 1024u)
#define CON_PATIENCE_MS 5000u
#define CON_LOG_MAX (1024u * 1024u)	/* default size at which a log is rotated */
#define CON_LOG_CHUNK 4096u		/* bytes of log per write */
#define CON_INPUT_MAX 256u		/* input waiting per source beside the ring's own space */
#define CON_PRINT_MAX 4096u		/* bytes of pvb_console_print() waiting for the loop */

/* The last @size bytes of output; byte number n since the start is at data[n % size]. */
struct con_hist {
	uint8_t *data;
	uint32_t size;		/* power of two */
	uint64_t head;		/* number of the next byte */
};

/* Where output goes. */
struct con_sink {
	struct pvb_console *con;
	/* Hand on what can be handed on now, without blocking. */
	void (*pump)(struct con_sink *s);
	uint64_t pos;		/* number of the first byte that it has not taken */
	uint64_t since;		/* when it last took some, or had nothing to take; ns */
	uint64_t dropped;	/* bytes that it never got */
	bool lossy;		/* loses the oldest output instead of making the guest wait */
	bool dead;		/* takes nothing any more */
};

/* Where input comes from. */
struct con_source {
	struct pvb_console *con;
	struct ev_op op;
	int fd;			/* -1: none now */
	bool escape;		/* look for ^], and therefore read on when nobody takes input */
	uint8_t buf[CON_INPUT_MAX];
	unsigned len;		/* bytes in buf, for the ring */
};

/* A descriptor in non-blocking mode that takes output: stdout, the master side of a pty. */
struct con_stream {
	struct con_sink sink;
	struct ev_op op;
	int fd;
	bool sock;
};

/* A log file of bounded size; what does not fit any more moves to a second file. */
struct con_log {
	struct con_sink sink;
	struct ev_op op;
	int fd, old_fd;
	uint64_t size, max;	/* bytes in the log now, and at most */
	uint64_t moved;		/* while rotating: bytes copied to the old log */
	enum { CON_LOG_WRITE, CON_LOG_READ_BACK, CON_LOG_COPY } step;
	uint32_t len, done;	/* bytes in chunk, and of those the ones written */
	uint8_t chunk[CON_LOG_CHUNK];
};

struct con_pty {
	struct con_stream out;
	struct con_source in;
	struct ev_op watch;	/* of the inotify descriptor */
	struct ev_op hup;	/* the slave side was closed */
	int notify;		/* reports opens of the slave side; -1: cannot know */
	int slave;		/* kept open where notify is missing, else -1 */
	bool attached;		/* somebody has the slave side open */
	char name[32], *link;
};

/* A listening socket and, one at a time, who is connected. */
struct con_sock {
	struct con_stream out;
	struct con_source in;
	struct ev_op accept;
	struct ev_op hup;	/* the peer is gone */
	struct ev_op leave;	/* until the ops of the peer that is gone are idle */
	int listen;		/* -1: none */
	bool attached;
};

struct con_term {
	struct con_stream out;
	struct con_source in;
	void *saved;		/* struct termios of the terminal before raw mode */
};

/** con_moved - @s took output (or was attached): the guest may go on */
void con_moved(struct con_sink *s);

/** con_feed - some source has input, or the guest has space for it */
void con_feed(struct pvb_console *c);

/** con_warn - something went wrong with our ends of the console */
void con_warn(struct pvb_console *c, const char *what, int error);

/** con_quit - ^] was typed */
void con_quit(struct pvb_console *c);

/** con_peek - the bytes of the history from @s->pos on that are contiguous; at most @max */
const void *con_peek(const struct con_sink *s, uint32_t max, uint32_t *ret_len);

/** con_group - the group of all ops of @c */
struct ev_group *con_group(struct pvb_console *c);

/** con_taken - advance @s by @n bytes that it took */
void con_taken(struct con_sink *s, uint64_t n);

/* sink.c, source.c: parts of the two below. */
void con_sink_init(struct con_sink *s, struct pvb_console *c, void (*pump)(struct con_sink *s));
void con_stream_init(struct con_stream *s, struct pvb_console *c, struct ev_loop *l, int fd);
void con_stream_pump(struct con_sink *sink);
void con_source_init(struct con_source *s, struct pvb_console *c, struct ev_loop *l, int fd);

/** con_source_wait - report input of @s by con_feed() when there is some and room for it */
void con_source_wait(struct con_source *s);

/**
 * con_log_open - open a log and its predecessor
 *
 * Returns 0 or -errno, named in @err.
 */
int con_log_open(struct con_log *log, struct pvb_console *c, struct ev_loop *l, const char *path,
		 uint64_t max, struct dom_err *err);

/** con_log_finish - write what is left, waiting for it, and close; all ops are idle */
void con_log_finish(struct con_log *log);

/** con_pty_open - make a pseudo terminal and, if @link is given, a symbolic link to it */
int con_pty_open(struct con_pty *p, struct pvb_console *c, struct ev_loop *l, const char *link,
		 struct dom_err *err);
void con_pty_close(struct con_pty *p);

/** con_pty_unread - has who opened the slave side not read everything yet, as far as can be known? */
bool con_pty_unread(const struct con_pty *p);

/** con_sock_open - listen at @path, where a socket that nobody serves may be left */
int con_sock_open(struct con_sock *s, struct pvb_console *c, struct ev_loop *l, const char *path,
		  struct dom_err *err);
void con_sock_close(struct con_sock *s);

/**
 * con_new - a console without a ring
 *
 * As pvb_console_new(), but cfg->ring is not looked at. On success @eventfd is the console's, which
 * closes it when nothing uses it any more.
 */
int con_new(const struct pvb_console_config *cfg, int eventfd, struct pvb_console **ret,
	    struct dom_err *err);

/** con_attach - serve the ring in @page, whose front end listens at @port */
void con_attach(struct pvb_console *c, uint8_t *page, evtchn_port_t port);

/** con_detach - take what is in the ring, and do not touch its page any more */
void con_detach(struct pvb_console *c);

/** con_term_open - use the terminal, pipes or files of the process; a terminal becomes raw */
int con_term_open(struct con_term *t, struct pvb_console *c, struct ev_loop *l,
		  const struct pvb_console_config *cfg, struct dom_err *err);

/** con_term_restore - leave raw mode; the rest of the terminal goes with con_term_close() */
void con_term_restore(struct con_term *t);
void con_term_close(struct con_term *t);

#endif
