/* SPDX-License-Identifier: MIT */
/* What a transfer does to either project, worked out before the first step. */
#ifndef CSHM_STORE_PASSAGE_H
#define CSHM_STORE_PASSAGE_H

#include "base/arena.h"
#include "store/intent.h"
#include "store/release.h"

/* One of the two projects. */
struct cshm_side {
    const char *name;
    struct cshm_project *project;
    const struct cshm_text *path;
    size_t depth;
    struct cshm_node *node; /* what is at `path`, or NULL */
    struct cshm_operation *operations;
    size_t count;
    size_t capacity;
};

struct cshm_route {
    const struct cshm_store *store;
    const struct cshm_passage *passage;
    struct cshm_side from;
    struct cshm_side to;
    struct cshm_arena arena;     /* of what the operations point to, but what nodes say */
    struct cshm_release leaving; /* segments that `to` gets */
    struct cshm_release coming;  /* and, of an exchange, `from` */
    struct cshm_grant *grants;
    size_t grant_count;
    struct cshm_error *error;
};

/*
 * Fills in the rest after store, passage, name, project, path and depth of both sides, and error.
 * Nothing is changed. Finish in every case. Errors as of cshm_project_transfer().
 */
int cshm_route_plan(struct cshm_route *route);
void cshm_route_finish(struct cshm_route *route);

#endif
