/* SPDX-License-Identifier: MIT */
/* What cute-shm-list found out about one project, and the ways to print it. */
#ifndef CSHM_CLI_LIST_H
#define CSHM_CLI_LIST_H

#include "base/buffer.h"
#include "cli/cli.h"
#include "store/project.h"

#define LIST_TOP ((size_t)-1)

/* A node below the root, in the manifest's order, as it was found: printing looks at nothing. */
struct list_item {
    const struct cshm_node *node;
    const char *reason;          /* of missing and broken arrays; NULL: none said */
    size_t parent;               /* index of the parent's item; LIST_TOP at the top */
    uint64_t bytes;              /* of the array, or of those below the group */
    enum cshm_array_state state; /* of arrays */
};

struct list_project {
    char *name;
    char *manifest; /* path */
    struct cshm_project read;
    struct list_item *items;
    size_t item_count;
    uint64_t arrays;
    uint64_t bytes; /* of arrays; one memory under several names counts once */
    uint64_t missing;
    uint64_t broken;
};

struct list_projects {
    struct list_project *projects;
    size_t count;
};

/* Reads a project and looks at its segments. Errors as of cshm_project_load(). */
int list_project_load(const struct cshm_store *store, const char *name, struct list_project *out,
                      struct cshm_error *error);
void list_project_finish(struct list_project *project);

/* "ok", "missing", "broken" (an array), "damaged" (the manifest): the worst. */
const char *list_integrity(const struct list_project *project);

/* The manifest's owner: a user's name, or the number of one without. */
void list_owner(const struct list_project *project, struct cshm_buffer *out);

/* The path below the project's directory on the mount; "" for the root. Not escaped. */
void list_path(const struct cshm_node *node, struct cshm_buffer *out);

/* "[3, 3]", "[]" of a scalar, "null", "" where nothing is said. */
void list_shape(const struct cshm_node *node, struct cshm_buffer *out);
const char *list_dtype(const struct cshm_node *node, char out[CSHM_DTYPE_TEXT_MAX]);

/* list_table.c */
int list_print_full(const struct list_projects *projects);
int list_print_tree(const struct list_projects *projects);
int list_print_short(const struct list_projects *projects);

/* list_json.c: with or without the arrays and groups. */
int list_print_json(const struct cshm_store *store, const struct list_projects *projects,
                    bool summary);

#endif
