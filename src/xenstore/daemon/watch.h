// SPDX-License-Identifier: MIT
/*
 * Who wants to know about which path, and what too many want to know at once.
 */
#ifndef XSD_WATCH_H
#define XSD_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domicile/base/list.h"
#include "tree.h"

struct xsd;
struct xsd_conn;

/* --- fan.c --- */

/** struct xsd_change - what watchers are told of */
struct xsd_change {
	const char *path;	/* NUL-terminated */
	size_t len;
	size_t special;		/* bytes of "@releaseDomain" if path is its form with a domid; 0 */
	bool exact;		/* only for those that watch exactly this path */
	const struct xsd_perms *perms[3];	/* see xsd_fire() */
};

/** struct xsd_fanout - changes of one client, or transaction, that are being told */
struct xsd_fanout {
	struct dom_list turn;	/* xsd.fans while there are changes; else itself */
	struct dom_list changes;
	struct xsd_conn *conn;	/* who pays for it; NULL: gone, or nobody */
	bool reply_waits;	/* for the last to be told, see xsd_conn_told() */
};

void xsd_fanout_init(struct xsd_fanout *o, struct xsd_conn *c);

/** xsd_fan_for - what is fired from here on is told for @o; NULL: at once, however much it is */
void xsd_fan_for(struct xsd *s, struct xsd_fanout *o);

/** xsd_fan_must - must changes be noted, for order or because enough has been told at once? */
bool xsd_fan_must(const struct xsd *s);

/** xsd_fan_add - note a change to be told later; -ENOMEM, also if it has to be told at once */
int xsd_fan_add(struct xsd *s, const struct xsd_change *ch);

/** xsd_fan_run - tell a round's worth of what was noted, or @all */
void xsd_fan_run(struct xsd *s, bool all);

/** xsd_fan_orphan - whoever it was for is gone, it is told nevertheless */
void xsd_fan_orphan(struct xsd *s, struct xsd_fanout *o);

/** xsd_fan_leave - @c is about to leave xsd.conns */
void xsd_fan_leave(struct xsd *s, const struct xsd_conn *c);

void xsd_fan_fini(struct xsd *s);

/* --- watch.c --- */

/** struct xsd_watch - one watch of one connection */
struct xsd_watch {
	struct dom_list on_conn;
	struct dom_list on_path;
	struct xsd_wpath *path;
	struct xsd_conn *conn;
	uint64_t seq;
	uint32_t prefix;		/* bytes that a relative watch does not report */
	int32_t depth;			/* levels reported, -1: all */
	uint32_t token_hash;
	uint16_t token_len;
	char token[];
};

/** struct xsd_watches - all watches by path */
struct xsd_watches {
	struct xsd_wpath **slot;
	unsigned n, cap;
	unsigned total;		/* watches */
	unsigned few;		/* so many are told of a change at once, more bit by bit: fan.c */
	uint64_t seq;
	struct xsd_watch **found;	/* scratch of one firing, with room for all */
	unsigned cap_found;
};

int xsd_watch_add(struct xsd *s, struct xsd_conn *c, const char *path, size_t len, uint32_t prefix,
		  const char *token, int depth, struct xsd_watch **ret);
struct xsd_watch *xsd_watch_find(struct xsd *s, struct xsd_conn *c, const char *path, size_t len,
				 const char *token);
void xsd_watch_del(struct xsd *s, struct xsd_watch *w);
void xsd_watch_del_all(struct xsd *s, struct xsd_conn *c);

/** xsd_watch_path - canonical path of a watch, NUL-terminated */
const char *xsd_watch_path(const struct xsd_watch *w, size_t *ret_len);

/** xsd_watch_covers - is @w to be told of a change of @path? See struct xsd_change */
bool xsd_watch_covers(const struct xsd_watch *w, const char *path, size_t len, bool exact,
		      size_t special);

/** xsd_watch_same - would two watches of one client, on different paths, report the same? */
bool xsd_watch_same(const struct xsd_watch *a, const struct xsd_watch *b);

/** xsd_watch_tell - queue an event if @w's domain may see it */
void xsd_watch_tell(struct xsd *s, struct xsd_watch *w, const struct xsd_change *ch);

/** xsd_watch_few - tell all set up to @seq if they are few; false if not, then nobody was told */
bool xsd_watch_few(struct xsd *s, const struct xsd_change *ch, uint64_t seq);

/** xsd_watch_first - queue the event that a watch gets when it is set */
void xsd_watch_first(struct xsd *s, struct xsd_watch *w);

/**
 * xsd_fire - tell all that watch @path, or with @exact only those of exactly it
 * @old, @now, @parent: permissions of before, after and of the node above; NULL: none. A watcher
 *                      must be able to read by one of them.
 */
void xsd_fire(struct xsd *s, const char *path, size_t len, bool exact,
	      const struct xsd_perms *old, const struct xsd_perms *now,
	      const struct xsd_perms *parent);

/** xsd_fire_subtree - events of the removal of @top, children first; @parent: of the node above */
void xsd_fire_subtree(struct xsd *s, struct xsd_node *top, const struct xsd_perms *parent,
		      const char *path, size_t len);

/** xsd_fire_special - @name is "@introduceDomain" or "@releaseDomain" */
void xsd_fire_special(struct xsd *s, const char *name, uint16_t domid);

void xsd_watches_fini(struct xsd *s);

#endif
