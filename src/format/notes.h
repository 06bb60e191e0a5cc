/* SPDX-License-Identifier: MIT */
/*
 * The [[node]] entries of a manifest's extension document, found by path. A path is the list of
 * keys as the TOML proper writes them, so that `bytes_name` of an entry is about its own last key
 * only.
 */
#ifndef CSHM_FORMAT_NOTES_H
#define CSHM_FORMAT_NOTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "model/value.h"

/* A place in the tree of paths. */
struct cshm_note {
    struct cshm_note *parent;
    struct cshm_note *next;  /* sibling, in the order of the document */
    struct cshm_note *first; /* children */
    struct cshm_note *last;
    struct cshm_text key;
    const struct cshm_value *table; /* the [[node]]; NULL where a path only passes through */
    bool in_toml;                   /* the TOML proper has a table of this path */
};

struct cshm_notes {
    struct cshm_note root;
    struct cshm_note **slots; /* hash table over parent and key */
    size_t size;
    size_t count;
};

/*
 * Sorts in the entries of `list` (NULL, or anything else than a list of tables with a path: passed
 * over; of two with one path the first counts). Memory from `arena`. 0 or -ENOMEM.
 */
int cshm_notes_read(struct cshm_notes *notes, const struct cshm_value *list,
                    struct cshm_arena *arena);

/* The place below `parent`, or NULL; `parent` may be NULL. */
struct cshm_note *cshm_notes_child(const struct cshm_notes *notes, const struct cshm_note *parent,
                                   struct cshm_text key);

#endif
