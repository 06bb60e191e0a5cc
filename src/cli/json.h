/* SPDX-License-Identifier: MIT */
/*
 * JSON text. Strings are always valid UTF-8: a byte that is not becomes "%XX", and in such a string
 * a '%' before two hex digits becomes "%25", as in the manifest's keys; so any parser takes it and
 * nothing is lost.
 */
#ifndef CSHM_CLI_JSON_H
#define CSHM_CLI_JSON_H

#include "base/buffer.h"
#include "base/text.h"
#include "model/value.h"

void json_string(struct cshm_buffer *out, struct cshm_text text);

/* A string, or null for NULL. */
void json_c_string(struct cshm_buffer *out, const char *string);

/* A comma unless the last thing written is an opening bracket or a comma; space is skipped. */
void json_separate(struct cshm_buffer *out);

/* json_separate() and "name": */
void json_key(struct cshm_buffer *out, const char *name);

/* An attribute's value. JSON has no nan and inf: they are the strings "nan", "inf", "-inf". */
void json_value(struct cshm_buffer *out, const struct cshm_value *value);

#endif
