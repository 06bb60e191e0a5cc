/* SPDX-License-Identifier: MIT */
/*
 * The one door to the TOML library (toml++, in toml.cc): text in, a value of the model out.
 *
 * The text is hostile: it comes from a directory others can write, and the daemon may be root.
 * toml++ 3.3 recurses on the parts of a dotted key, so depth is checked by a scan of our own
 * (toml_nesting.h) before it sees the text, and it runs on a thread whose stack is of a known size.
 */
#ifndef CSHM_FORMAT_TOML_H
#define CSHM_FORMAT_TOML_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "model/value.h"

/*
 * CSHM_DEPTH_MAX groups, "attrs", a name, CSHM_ATTRIBUTE_DEPTH_MAX lists: all that is written is
 * read.
 */
#define CSHM_TOML_DEPTH_MAX 1152
#define CSHM_TOML_SIZE_MAX  ((size_t)160 << 20) /* a million arrays take some 140 MB */

/*
 * Parses a whole document into `out` (a CSHM_VALUE_TABLE whose members and nested members are in
 * the order of their first mention; memory from `arena`). 0, -EINVAL (not TOML 1.0, or a NUL byte;
 * the error says line and column), -EFBIG (too long, or made to take too long), -ELOOP (nested too
 * deep), -ENOMEM (also: no thread). No C++ exception leaves it. Thread-safe.
 */
int cshm_toml_parse(const char *text, size_t length, struct cshm_arena *arena,
                    struct cshm_value *out, struct cshm_error *error);

/*
 * Gives freed memory back to the system if `length` bytes of TOML were enough to make that worth
 * it.
 */
void cshm_toml_trim(size_t length);

#endif
