/* SPDX-License-Identifier: MIT */
/* Bytes that are text, or claim to be: UTF-8, escaping for people, sizes for people. */
#ifndef CSHM_BASE_TEXT_H
#define CSHM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes with a length; they may hold NUL and need not be UTF-8. Not owned. */
struct cshm_text {
    const char *bytes;
    size_t length;
};

static inline struct cshm_text cshm_text(const char *string)
{
    return (struct cshm_text){string, strlen(string)};
}

static inline bool cshm_text_equal(struct cshm_text a, struct cshm_text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static inline bool cshm_text_is(struct cshm_text a, const char *string)
{
    return cshm_text_equal(a, cshm_text(string));
}

/*
 * Length in bytes (1-4) of the UTF-8 character at `bytes`, 0 where there is none (RFC 3629: no
 * overlong forms, no surrogates, at most U+10FFFF). `code_point` may be NULL.
 */
size_t cshm_utf8_character(const char *bytes, size_t length, uint32_t *code_point);

bool cshm_utf8_valid(const char *bytes, size_t length);

/*
 * Writes `bytes` so that they are safe on a terminal and in a log: control characters as \n, \t,
 * \xNN, bytes that are not UTF-8 as \xNN; everything else as it is. Always NUL-terminated, cut at
 * a whole character if `size` is too small. Returns `out`.
 */
const char *cshm_text_escape(const char *bytes, size_t length, char *out, size_t size);

/* "0 bytes", "12.5 KB", "3.91 GB" as the peer prints sizes (powers of 1024). Returns `out`. */
const char *cshm_bytes_to_human(uint64_t bytes, char out[32]);

/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
uint64_t cshm_hash(const char *bytes, size_t length);

#endif
