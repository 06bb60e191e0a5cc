/* SPDX-License-Identifier: MIT */
/*
 * How deep a TOML document nests, from a scan that needs no memory and no recursion. It is what
 * stands between a hostile document and the recursion of the TOML library.
 */
#ifndef CSHM_FORMAT_TOML_NESTING_H
#define CSHM_FORMAT_TOML_NESTING_H

#include <stddef.h>

#define CSHM_TOML_BRACKETS_MAX 256 /* toml++'s own limit, TOML_MAX_NESTED_VALUES */

struct cshm_toml_nesting {
    size_t depth;    /* most levels at one place: parts of header and keys, lists */
    unsigned line;   /* where that was */
    size_t brackets; /* most '[' and '{' open at one place */
};

/*
 * Scans a document. It follows strings, comments, keys and brackets exactly as far as the document
 * is TOML, so up to the first error no part is overlooked; from there on a parser reads nothing.
 * Stops at CSHM_TOML_BRACKETS_MAX + 1 open brackets.
 */
struct cshm_toml_nesting cshm_toml_nesting(const char *text, size_t length);

#endif
