/* SPDX-License-Identifier: MIT */
/*
 * Attribute values: what TOML can say, and nothing else. HDF5 values that TOML cannot say are
 * strings starting with '!' (src/format/attribute.h); the model carries them as such strings.
 * All memory belongs to an arena of whoever made the value.
 */
#ifndef CSHM_MODEL_VALUE_H
#define CSHM_MODEL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum cshm_value_type {
    CSHM_VALUE_STRING, /* UTF-8, may hold NUL and control characters */
    CSHM_VALUE_INTEGER,
    CSHM_VALUE_FLOAT,
    CSHM_VALUE_BOOLEAN,
    CSHM_VALUE_DATETIME, /* TOML date, time or both, as its text in `string`; foreign manifests only */
    CSHM_VALUE_ARRAY,
    CSHM_VALUE_TABLE, /* in the order it was written */
};

struct cshm_member;

struct cshm_value {
    enum cshm_value_type type;
    unsigned line; /* where it stood in the text it came from (from 1); 0 when made by hand */
    union {
        struct cshm_text string;
        int64_t integer;
        double number;
        bool boolean;
        struct {
            struct cshm_value *items;
            size_t count;
        } array;
        struct {
            struct cshm_member *members;
            size_t count;
        } table;
    };
};

struct cshm_member {
    struct cshm_text key;
    struct cshm_value value;
};

/* The member's value, or NULL. Linear: for tables with a known handful of keys. */
const struct cshm_value *cshm_value_get(const struct cshm_value *table, const char *key);

/* A deep copy into `arena`. 0 or -ENOMEM. */
int cshm_value_copy(struct cshm_arena *arena, const struct cshm_value *from, struct cshm_value *to);

bool cshm_value_equal(const struct cshm_value *a, const struct cshm_value *b);

#endif
