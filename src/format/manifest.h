/* SPDX-License-Identifier: MIT */
/*
 * The manifest of a project: TOML in the peer's schema (cute-shm 1.2), with what the peer has no
 * place for in an extension document in comment lines that start "#~ ". Pure: text in, tree out and
 * back; whether segments exist or may be used is the store's question. Design: formats, section 2.
 *
 * Among the leaf's keys that the peer passes over, `linked = true`: manifests of other projects name
 * the segment, too, or did once, and are asked before it is freed.
 */
#ifndef CSHM_FORMAT_MANIFEST_H
#define CSHM_FORMAT_MANIFEST_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "model/tree.h"

/*
 * Reads a manifest. A leaf that cannot be used (bad dtype, shape, shm_name) becomes an array with
 * `problem` set and does not stop the rest. An extension document that does not parse is ignored
 * and tree->complaint set. 0; -EINVAL, -EFBIG, -ELOOP, -ENOMEM with the reason and line in `error`.
 * `*out` belongs to the caller. Thread-safe.
 */
int cshm_manifest_parse(const char *text, size_t length, struct cshm_tree **out,
                        struct cshm_error *error);

/*
 * Reads only what the manifest says of the project itself (tree->facts); the tree has no nodes. The
 * TOML proper is not looked at: milliseconds where there are 100,000 arrays. 0 or -ENOMEM. `*out`
 * belongs to the caller. Thread-safe.
 */
int cshm_manifest_parse_facts(const char *text, size_t length, struct cshm_tree **out);

/*
 * Reads generation, folded_generation and folded_bytes from the first bytes of a manifest. -EINVAL
 * where it does not say them (or not within them), -ENOMEM.
 */
int cshm_manifest_peek(const char *text, size_t length, struct cshm_project_facts *facts);

/*
 * Writes the manifest of a tree. Every array must have a segment name; one with a `problem` is
 * written back as far as it was understood. 0 or -ENOMEM (also in out->error).
 */
int cshm_manifest_render(const struct cshm_tree *tree, struct cshm_buffer *out);

#endif
