/* SPDX-License-Identifier: MIT */
/*
 * TOML text of values. Everything is written on one line and every control character (below 0x20,
 * 0x7F to 0x9F) is \uXXXX or its short escape, so the same text may stand in a comment line and on
 * a terminal.
 */
#ifndef CSHM_FORMAT_TOML_WRITE_H
#define CSHM_FORMAT_TOML_WRITE_H

#include "base/buffer.h"
#include "model/value.h"

/* A key: bare where TOML allows it, else a basic string. The bytes must be UTF-8. */
void cshm_toml_write_key(struct cshm_buffer *out, struct cshm_text key);

/* A basic string. The bytes must be UTF-8. */
void cshm_toml_write_string(struct cshm_buffer *out, struct cshm_text string);

void cshm_toml_write_integer(struct cshm_buffer *out, int64_t value);
void cshm_toml_write_unsigned(struct cshm_buffer *out, uint64_t value);

/*
 * The shortest form that reads back the same bits and as a float: "1.0", "1e+22", "-0.0", "inf",
 * "nan".
 */
void cshm_toml_write_float(struct cshm_buffer *out, double value);

/* Any value; tables inline. */
void cshm_toml_write_value(struct cshm_buffer *out, const struct cshm_value *value);

#endif
