/* SPDX-License-Identifier: MIT */
/*
 * Python's literals, as far as the header of a .npy file has them: strings, numbers, True and
 * False, tuples of numbers, and the signs between them.
 */
#ifndef CSHM_FORMAT_NPY_LITERAL_H
#define CSHM_FORMAT_NPY_LITERAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

/* A text that is being read; texts and shapes that are found are in `arena`. */
struct cshm_literal {
    const char *begin;
    const char *at;
    const char *end;
    struct cshm_arena *arena;
    struct cshm_error *error;
    bool latin1; /* versions 1 and 2, which Python 2 wrote, too */
    unsigned depth;
    unsigned fields;
};

/* -EINVAL, and the error says where. */
int cshm_literal_wrong(const struct cshm_literal *in, const char *what);

/* The next character that is no space; NUL at the end (and for a NUL). */
char cshm_literal_peek(struct cshm_literal *in);

/* Goes over it, if it is the next one. */
bool cshm_literal_take(struct cshm_literal *in, char c);
int cshm_literal_expect(struct cshm_literal *in, char c);

int cshm_literal_boolean(struct cshm_literal *in, bool *out);

/* As UTF-8, without its quotes. */
int cshm_literal_string(struct cshm_literal *in, struct cshm_text *out);

/* A tuple of at most 64 numbers; `or_number`: or one number, which means a tuple of one. */
int cshm_literal_shape(struct cshm_literal *in, bool or_number, size_t *rank, const uint64_t **out);

#endif
