/* SPDX-License-Identifier: MIT */
/* Drafts from the inside: their segments (slots.c), and their publishing (draft.c). */
#ifndef CSHM_STORE_DRAFT_H
#define CSHM_STORE_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

#include "store/merge.h"
#include "store/pending.h"
#include "store/project.h"

struct cshm_slot {
    struct cshm_node *node;
    int fd;        /* -1 once it was linked early */
    bool has_name; /* linked: the node's segment is in the shared memory directory */
    bool is_filled;
};

struct cshm_draft {
    struct cshm_store *store;
    char *project;
    struct cshm_tree *tree;
    struct cshm_slot *slots;
    size_t count;
    size_t capacity;
    size_t open_count; /* slots with a descriptor */
    size_t open_max;
    struct cshm_pending pending;
    struct cshm_key_path group; /* if is_into: where in the project the tree goes */
    bool is_into;
    bool overwrite;
    bool published;
};

/* Raises the limit of open files to the most there may be; how many a draft may have of them. */
size_t cshm_draft_descriptors(void);

/* Names all segments, with their names in the pending file before the first. */
int cshm_draft_link_all(struct cshm_draft *draft);

/* Takes the names back of what will not be published. */
void cshm_draft_unlink_all(struct cshm_draft *draft);

#endif
