/* SPDX-License-Identifier: MIT */
/*
 * The journal of a project: the changes that are not in its manifest yet. Pure: text in, operations
 * out and back. One line is what happens together:
 *
 *   CHECKSUM GENERATION [{op = "remove", path = ["b", "b1"], free = ["cute-shm.p.Qw3rT9yUiO"]}]
 *
 *   CHECKSUM    FNV-1a, 64 bits, 16 lower case hex digits, of the rest of the line (without the
 *               blank before it and the newline behind it)
 *   GENERATION  that of the manifest it belongs to, decimal
 *   [...]       a TOML list of inline tables, one an operation, in order
 *
 * op = "remove"   path
 * op = "put"      path, type ("array", "group", "bare"), and what a leaf or [[node]] of the
 * manifest says: shm_name of an array, shape, dtype, encoding, enum, bytes_enum, kind, tag,
 *                 declared, rest, linked, attrs, attr_types, bytes_attrs
 * op = "move"     path, to, exchange = true
 * of each         free: segments that nobody names any more once the line happened and that its
 *                 writer then unlinks: whoever finds the line of a dead writer does it in his
 * place. bytes_path = true: every key of `path` and `to` is spelled (keys.h)
 *
 * What they do: model/operation.h. The first line that is not exactly so, is torn, or is of another
 * generation ends the journal: nothing from there on ever happened.
 */
#ifndef CSHM_FORMAT_JOURNAL_H
#define CSHM_FORMAT_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "model/operation.h"

#define CSHM_JOURNAL_LINE_MAX ((size_t)256 << 10)
#define CSHM_JOURNAL_SIZE_MAX ((size_t)32 << 20)

struct cshm_journal_line {
    const struct cshm_operation *operations;
    size_t count;
    const char *const *free; /* valid names of segments */
    size_t free_count;
    size_t end; /* of the line, with its newline, in the text */
};

struct cshm_journal {
    struct cshm_tree *memory; /* of all below; its nodes are no tree */
    struct cshm_journal_line *lines;
    size_t count;
    size_t end; /* bytes of the text that are whole, valid lines */
};

/*
 * Reads the lines of `generation` (0: of any, also of several) that `text` begins with. 0 or
 * -ENOMEM. Finish with cshm_journal_finish(), also after an error. Thread-safe.
 */
int cshm_journal_parse(const char *text, size_t length, uint64_t generation,
                       struct cshm_journal *out);
void cshm_journal_finish(struct cshm_journal *journal);

/*
 * Appends one line. 0; -EFBIG (longer than CSHM_JOURNAL_LINE_MAX), -ENOMEM: `out` may hold a part
 * of it then.
 */
int cshm_journal_render(uint64_t generation, const struct cshm_operation *operations, size_t count,
                        const char *const *free, size_t free_count, struct cshm_buffer *out);

#endif
