// SPDX-License-Identifier: MIT
/*
 * What survives the process: the state file, and what goes from one binary to the next.
 */
#ifndef XSD_STATE_H
#define XSD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domicile/base/err.h"
#include "domain.h"
#include "tree.h"

struct xsd;
struct xsd_conn;
struct xsd_req;
struct xsd_watch;

/* --- record.c --- */

/* Types of records. Never renumber. */
enum xsd_rec {
	XSD_REC_NODE = 1,	/* snapshot: path, permissions, value */
	XSD_REC_SET,		/* path, creator, value */
	XSD_REC_MKDIR,		/* path, creator */
	XSD_REC_RM,		/* path */
	XSD_REC_PERMS,		/* path, permissions */
	XSD_REC_DOM,		/* an introduced domain and its settings */
	XSD_REC_RELEASE,	/* domid */
	XSD_REC_WATCH,		/* domid, path, token, depth */
	XSD_REC_UNWATCH,	/* domid, path, token */
	XSD_REC_RESET,		/* domid: all watches gone */
	XSD_REC_QUOTA,		/* a limit */
	/* Only between two binaries, see live.c. */
	XSD_REC_LIVE_LISTENER = 32,
	XSD_REC_LIVE_CONN,
	XSD_REC_LIVE_IN,
	XSD_REC_LIVE_OUT,
	XSD_REC_LIVE_WATCH,
	XSD_REC_LIVE_TXN,
	XSD_REC_LIVE_STATE,
	XSD_REC_END,
};

/** struct xsd_rec_args - contents of a record; unused fields are zero */
struct xsd_rec_args {
	enum xsd_rec type;
	uint16_t domid;
	int32_t num;		/* creator, depth, ... */
	const void *a, *b;
	size_t a_len, b_len;
	const struct xsd_found *found;	/* not part of the record: see xsd_tree_set() */
};

/** struct xsd_rec_dom - contents of XSD_REC_DOM, in a */
struct xsd_rec_dom {
	uint64_t gfn;
	uint32_t port;
	uint32_t tx_mark;
	uint32_t features;
	uint16_t target;
	uint8_t has_target;
	uint8_t introduced;
	uint32_t limit[XSD_Q_COUNT];
	uint32_t reserved;
};
_Static_assert(sizeof(struct xsd_rec_dom) == 64, "domain record has another size");

size_t xsd_rec_size(const struct xsd_rec_args *a);
void xsd_rec_put(void *dst, const struct xsd_rec_args *a);

/** xsd_rec_next - decode the record at *pos and go behind it; 1, 0 at the end, -EINVAL */
int xsd_rec_next(const void *recs, size_t len, size_t *pos, struct xsd_rec_args *ret);

/** xsd_rec_dom - the record of a domain's settings, whose contents are in @r */
struct xsd_rec_args xsd_rec_dom(const struct xsd_dom *d, struct xsd_rec_dom *r);

/* --- replay.c --- */

/** xsd_apply - apply one change of the tree, as recorded, to @t */
int xsd_apply(struct xsd *s, struct xsd_tree *t, struct xsd_acct *acct,
	      const struct xsd_rec_args *a);

/** xsd_restore_watch - set or drop the watch of a record on @c without recording it */
int xsd_restore_watch(struct xsd *s, struct xsd_conn *c, const struct xsd_rec_args *a,
		      enum xsd_rec type);

/** xsd_state_replay - apply @len bytes of records to the store; 0 or -EINVAL at a bad one */
int xsd_state_replay(struct xsd *s, const void *recs, size_t len);

/* --- state_file.c --- */

/** struct xsd_file - one mapped state file; two take turns, the older one is empty or stale */
struct xsd_file {
	int fd;
	char *map;
	size_t size, used;	/* bytes mapped; bytes valid, header included */
};

/* Bytes of a file's header. */
#define XSD_FILE_HEADER 128u

/** struct xsd_state - what survives the process; see domicile-xenstored-state(5) */
struct xsd_state {
	struct xsd_file file[2];
	unsigned cur;		/* which one is in use */
	bool on;		/* false: nothing is kept */
	uint64_t epoch;		/* grows with every start and every change of files */
	char boot[40];		/* id of this boot of the host */
	size_t base;		/* bytes that the last snapshot took */
	struct xsd_snapshot *snap;	/* one being written to the other file */
};

/** xsd_file_grow - make room for @need bytes in all; 0 or -errno */
int xsd_file_grow(struct xsd_file *f, size_t need);

/** xsd_file_begin - write a header, which does not make the file count yet; 0 or -errno */
int xsd_file_begin(struct xsd *s, struct xsd_file *f);

/** xsd_file_put - add a record; 0 or -ENOSPC */
int xsd_file_put(struct xsd_file *f, const struct xsd_rec_args *a);

/** xsd_file_publish - from here on the file's contents count up to its `used` */
void xsd_file_publish(struct xsd_file *f);

/** xsd_file_empty - what the file holds does not count any more */
void xsd_file_empty(struct xsd_file *f);

/** xsd_file_epoch - map a file: its epoch if it is complete and of this boot; 0: nothing usable */
uint64_t xsd_file_epoch(const struct xsd *s, struct xsd_file *f);

/* --- snapshot.c --- */

/** xsd_snapshot_step - some work on replacing a file that has grown; true if there is more */
bool xsd_snapshot_step(struct xsd *s);

/** xsd_snapshot_now - go on in the other file, which gets a snapshot of all; 0 or -errno */
int xsd_snapshot_now(struct xsd *s);

/** xsd_snapshot_end - let go of the version of the tree that was being written */
void xsd_snapshot_end(struct xsd *s);

/* --- state.c --- */

/** xsd_state_open - open the files in @dir and lock them; 0 or -errno */
int xsd_state_open(struct xsd *s, const char *dir, struct dom_err *err);

/** xsd_state_load - replay what is in them, or begin; @dir is for messages only; 0 or -errno */
int xsd_state_load(struct xsd *s, const char *dir, struct dom_err *err);

/** xsd_state_reserve - make sure that @bytes more can be recorded; 0 or -ENOSPC */
int xsd_state_reserve(struct xsd *s, size_t bytes);

/** xsd_state_put - record a change; room has been reserved */
void xsd_state_put(struct xsd *s, const struct xsd_rec_args *a);

/** xsd_state_put_dom - record a domain's settings */
void xsd_state_put_dom(struct xsd *s, const struct xsd_dom *d);

/** xsd_state_put_raw - record @len bytes of records at once */
void xsd_state_put_raw(struct xsd *s, const void *recs, size_t len);

void xsd_state_close(struct xsd *s);

/* --- live.c --- */

int xsd_live_control(struct xsd *s, struct xsd_conn *c, struct xsd_req *r, const char **argv,
		     unsigned argc);

/** xsd_live_start - hand over to the new binary if asked to; returns only on failure */
void xsd_live_start(struct xsd *s);

/** xsd_live_files - take over the state files from the old binary; 0, also if it gave none, or -errno */
int xsd_live_files(struct xsd *s, int fd);

/** xsd_live_resume - take over connections from the old binary; 0 or -errno */
int xsd_live_resume(struct xsd *s, int fd);

/** xsd_live_parse - the parser behind it; with @dry no descriptor is touched */
int xsd_live_parse(struct xsd *s, const void *data, size_t len, bool dry);

#endif
