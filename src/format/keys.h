/* SPDX-License-Identifier: MIT */
/*
 * Names that TOML cannot spell. HDF5 allows names that are not UTF-8, TOML keys must be UTF-8. Such
 * a name is *spelled*: every byte that belongs to no UTF-8 character becomes %XX (upper case), and
 * a percent sign before two hex digits becomes %25. Something beside it says that it is spelled:
 *
 *   bytes_name = true   in a leaf or [[node]]: the array's or group's own key
 *   bytes_attrs = true  every name in the [attrs] and [attr_types] beside it
 *   bytes_enum = true   every member name of the `enum` beside it
 *
 * Without that a percent sign is a percent sign. Spelling is injective, so spelled names never
 * collide with each other; with plain ones only where a plain one looks spelled, and who writes
 * sees to that (cshm_key_looks_spelled).
 */
#ifndef CSHM_FORMAT_KEYS_H
#define CSHM_FORMAT_KEYS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"

/* Appends the spelling of `raw`. */
void cshm_key_spell(struct cshm_buffer *out, struct cshm_text raw);

/*
 * The name a spelling stands for, in `arena`. -EINVAL for what cshm_key_spell() never gives (so
 * each name has one spelling), -ENOMEM.
 */
int cshm_key_read(struct cshm_arena *arena, struct cshm_text spelled, struct cshm_text *raw);

/* Whether `key` holds a percent sign before two hex digits: it may be the spelling of another. */
bool cshm_key_looks_spelled(struct cshm_text key);

#endif
