/* SPDX-License-Identifier: MIT */
/*
 * An attribute's value by itself, as an extended attribute has it: what the sidecar says behind the
 * "=", but strings without quotes, unless they would then read as something else ("42", "true").
 */
#ifndef CSHM_FORMAT_ATTRIBUTE_TEXT_H
#define CSHM_FORMAT_ATTRIBUTE_TEXT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "model/value.h"

/*
 * Any bytes are a value: a TOML value, else a string; what is not UTF-8 is one of the form "!bytes"
 * (attribute.h). Memory from `arena`. 0 or -ENOMEM.
 */
int cshm_attribute_text_read(struct cshm_text text, struct cshm_arena *arena,
                             struct cshm_value *out);

/* Adds it so that it reads back the same. 0 or -ENOMEM. */
int cshm_attribute_text_write(const struct cshm_value *value, struct cshm_buffer *out);

#endif
