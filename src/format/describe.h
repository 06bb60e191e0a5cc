/* SPDX-License-Identifier: MIT */
/*
 * What manifest and sidecar say alike: the keys that describe an array or group (dtype, shape,
 * kind, encoding, tag, enum, ...) and the attributes with their types. Read from parsed tables into
 * nodes, written from nodes as lines.
 */
#ifndef CSHM_FORMAT_DESCRIBE_H
#define CSHM_FORMAT_DESCRIBE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "model/tree.h"
#include "model/value.h"

/* How deep a list or table may nest in one attribute: toml++ reads no more than 256 back. */
#define CSHM_ATTRIBUTE_DEPTH_MAX 128

/* --- Reading ----------------------------------------------------------------------------- */

/* The first thing that could not be used. error.code is 0 as long as there was none. */
struct cshm_complaint {
    bool lenient; /* set before reading: only dtype and shape are worth one */
    unsigned line;
    struct cshm_error error;
};

/* Fills `complaint` unless it is already; `place` (may be NULL) says the line. */
void cshm_complain(struct cshm_complaint *complaint, const struct cshm_value *place,
                   const char *format, ...) CSHM_PRINTF(3, 4);

/*
 * Reads the describing keys of `table` into the node's description (made when there is one of them)
 * and passes over all other keys. What cannot be used goes to `complaint` and is left out, except
 * that dtype_text is kept as it was written (with dtype.kind 0). 0 or -ENOMEM.
 */
int cshm_describe_read(struct cshm_tree *tree, struct cshm_node *node,
                       const struct cshm_value *table, struct cshm_complaint *complaint);

/*
 * Appends the attributes in table `attrs` to `node`, which has none, with the types that `types`
 * names. Both may be NULL. `spelled`: the names are spelled (keys.h). What cannot be used is left
 * out and goes to `complaint`. 0 or -ENOMEM.
 */
int cshm_attributes_read(struct cshm_tree *tree, struct cshm_node *node,
                         const struct cshm_value *attrs, const struct cshm_value *types,
                         bool spelled, struct cshm_complaint *complaint);

/* Whether `table` has `key = true`. */
bool cshm_table_flag(const struct cshm_value *table, const char *key);

/* --- Writing ----------------------------------------------------------------------------- */

/*
 * Lines of TOML; `prefix` stands before each. Or the members of an inline table whose '{' was just
 * written: then on one line, with commas between them.
 */
struct cshm_lines {
    struct cshm_buffer *out;
    const char *prefix;
    bool is_inline;
};

/* "PREFIXkey = ", to be followed by a value and cshm_lines_end(). */
void cshm_lines_begin(const struct cshm_lines *lines, const char *key);
void cshm_lines_end(const struct cshm_lines *lines);
/* A whole line; nothing at all when `value` is NULL. */
void cshm_lines_string(const struct cshm_lines *lines, const char *key, const char *value);
void cshm_lines_unsigned(const struct cshm_lines *lines, const char *key, uint64_t value);
void cshm_lines_flag(const struct cshm_lines *lines, const char *key, bool value);
/* A line of its own: "PREFIXtext". */
void cshm_lines_text(const struct cshm_lines *lines, const char *text);

/* Bytes that may be anything, as an attribute string (attribute.h). */
void cshm_lines_bytes(const struct cshm_lines *lines, const char *key, struct cshm_text value);

void cshm_describe_write_dtype(const struct cshm_lines *lines,
                               const struct cshm_description *described);
void cshm_describe_write_shape(const struct cshm_lines *lines,
                               const struct cshm_description *described);
/* encoding, enum, kind, tag: what there is of them. */
void cshm_describe_write_more(const struct cshm_lines *lines,
                              const struct cshm_description *described);

/* Whether the names must be spelled: one of them is not UTF-8. */
bool cshm_attributes_spelled(const struct cshm_node *node);
/* Whether one of the attributes says its type. */
bool cshm_attributes_typed(const struct cshm_node *node);
/* The lines of the [attrs] and of the [attr_types] table, without headers. */
void cshm_attributes_write(const struct cshm_lines *lines, const struct cshm_node *node,
                           bool spelled);
void cshm_attributes_write_types(const struct cshm_lines *lines, const struct cshm_node *node,
                                 bool spelled);

#endif
