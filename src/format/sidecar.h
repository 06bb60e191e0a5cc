/* SPDX-License-Identifier: MIT */
/*
 * Sidecars: the text a person reads with `cat x.meta` and may write back. Pure text <-> model.
 * Design: formats, section 5; filesystem contract, "Sidecars".
 */
#ifndef CSHM_FORMAT_SIDECAR_H
#define CSHM_FORMAT_SIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "model/tree.h"

/* All that is below a group. */
struct cshm_sidecar_totals {
    uint64_t arrays;
    uint64_t groups;
    uint64_t bytes; /* of the arrays; UINT64_MAX where they are more */
};

/* What the model does not know and the sidecar says. */
struct cshm_sidecar_facts {
    const char *state;   /* "missing", "broken", "waiting", or NULL */
    const char *reason;  /* one line, or NULL */
    const char *project; /* name: first part of the path in the first line */
    const char *owner;   /* of a project: user name or number; NULL for others */
    const char *remark;  /* a comment for the end (why the last write was refused), or NULL */
    uint64_t file_bytes; /* of an array: length of its file; beyond `bytes` it is the `rest` */
    const struct cshm_sidecar_totals *totals; /* of a group; NULL: to be counted */
};

/*
 * Writes the sidecar of an array, a bare node, a group, or (the root node) a project; 0 or
 * -ENOMEM.
 */
int cshm_sidecar_render(const struct cshm_tree *tree, const struct cshm_node *node,
                        const struct cshm_sidecar_facts *facts, struct cshm_buffer *out);

/* What of the descriptive keys matters to who makes or changes an array. */
struct cshm_sidecar_hints {
    bool has_segment; /* it was copied out of a mount */
    bool waits;       /* likewise, of one that was waiting for its data there */
    uint64_t rest;    /* bytes of the file beyond the array */
};

/*
 * Reads a sidecar as somebody wrote it into `node`, a node of `tree` without attributes: dtype and
 * shape (where said: dtype_text, rank), enum, encoding, kind, tag, and the attributes.
 * Descriptive keys are accepted and ignored, except for what goes to `hints`. For an array
 * `is_group` is false. -EINVAL with the line and what is wrong; -EFBIG, -ELOOP, -ENOMEM.
 */
int cshm_sidecar_parse(const char *text, size_t length, bool is_group, struct cshm_tree *tree,
                       struct cshm_node *node, struct cshm_sidecar_hints *hints,
                       struct cshm_error *error);

#endif
