/* SPDX-License-Identifier: MIT */
/*
 * Errors are negative errno values from bottom to top. Where a person will read about one, the
 * text travels beside the code in a struct cshm_error; the library never prints.
 */
#ifndef CSHM_BASE_ERROR_H
#define CSHM_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#define CSHM_PRINTF(text, first) __attribute__((format(printf, text, first)))

struct cshm_error {
    int code;        /* negative errno; 0 when nothing went wrong */
    char text[1024]; /* one line without newline: what, where, what to do */
};

/*
 * Fills `error` (which may be NULL) and returns `code`, so that `return cshm_fail(error, -ENOSPC,
 * "...")` reads as one step. Control characters in the result are escaped, because texts carry
 * names from outside. A text already there is replaced.
 */
int cshm_fail(struct cshm_error *error, int code, const char *format, ...) CSHM_PRINTF(3, 4);

/* cshm_fail() with ": " and the errno's own text after the message. */
int cshm_fail_errno(struct cshm_error *error, int code, const char *format, ...) CSHM_PRINTF(3, 4);

/* Puts "PREFIX: " before the text that is there. Returns error->code. */
int cshm_error_prefix(struct cshm_error *error, const char *format, ...) CSHM_PRINTF(2, 3);

/* Where debug lines of the library go; `function` may be NULL. Called from any thread. */
struct cshm_log {
    void (*function)(void *context, const char *line);
    void *context;
};

void cshm_log(const struct cshm_log *log, const char *format, ...) CSHM_PRINTF(2, 3);

#endif
