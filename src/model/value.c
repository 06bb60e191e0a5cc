/* SPDX-License-Identifier: MIT */
#include "model/value.h"

#include <errno.h>

const struct cshm_value *cshm_value_get(const struct cshm_value *table, const char *key)
{
    if (!table || table->type != CSHM_VALUE_TABLE)
        return NULL;
    for (size_t i = 0; i < table->table.count; i++)
        if (cshm_text_is(table->table.members[i].key, key))
            return &table->table.members[i].value;
    return NULL;
}

static int copy_text(struct cshm_arena *arena, struct cshm_text from, struct cshm_text *to)
{
    *to = cshm_arena_text(arena, from);
    return to->bytes ? 0 : -ENOMEM;
}

static int copy_items(struct cshm_arena *arena, const struct cshm_value *from, struct cshm_value *to)
{
    to->array.items = cshm_arena_array(arena, from->array.count, sizeof *to->array.items);
    if (!to->array.items)
        return -ENOMEM;
    for (size_t i = 0; i < from->array.count; i++) {
        int result = cshm_value_copy(arena, &from->array.items[i], &to->array.items[i]);
        if (result < 0)
            return result;
    }
    return 0;
}

static int copy_members(struct cshm_arena *arena, const struct cshm_value *from,
                        struct cshm_value *to)
{
    to->table.members = cshm_arena_array(arena, from->table.count, sizeof *to->table.members);
    if (!to->table.members)
        return -ENOMEM;
    for (size_t i = 0; i < from->table.count; i++) {
        const struct cshm_member *source = &from->table.members[i];
        struct cshm_member *target = &to->table.members[i];
        int result = copy_text(arena, source->key, &target->key);
        if (result == 0)
            result = cshm_value_copy(arena, &source->value, &target->value);
        if (result < 0)
            return result;
    }
    return 0;
}

int cshm_value_copy(struct cshm_arena *arena, const struct cshm_value *from, struct cshm_value *to)
{
    *to = *from;
    switch (from->type) {
    case CSHM_VALUE_STRING:
    case CSHM_VALUE_DATETIME:
        return copy_text(arena, from->string, &to->string);
    case CSHM_VALUE_ARRAY:
        return copy_items(arena, from, to);
    case CSHM_VALUE_TABLE:
        return copy_members(arena, from, to);
    case CSHM_VALUE_INTEGER:
    case CSHM_VALUE_FLOAT:
    case CSHM_VALUE_BOOLEAN:
        break;
    }
    return 0;
}

static bool items_equal(const struct cshm_value *a, const struct cshm_value *b)
{
    if (a->array.count != b->array.count)
        return false;
    for (size_t i = 0; i < a->array.count; i++)
        if (!cshm_value_equal(&a->array.items[i], &b->array.items[i]))
            return false;
    return true;
}

static bool members_equal(const struct cshm_value *a, const struct cshm_value *b)
{
    if (a->table.count != b->table.count)
        return false;
    for (size_t i = 0; i < a->table.count; i++)
        if (!cshm_text_equal(a->table.members[i].key, b->table.members[i].key) ||
            !cshm_value_equal(&a->table.members[i].value, &b->table.members[i].value))
            return false;
    return true;
}

bool cshm_value_equal(const struct cshm_value *a, const struct cshm_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case CSHM_VALUE_STRING:
    case CSHM_VALUE_DATETIME:
        return cshm_text_equal(a->string, b->string);
    case CSHM_VALUE_INTEGER:
        return a->integer == b->integer;
    case CSHM_VALUE_FLOAT: /* all NaNs are one: TOML has no payloads; -0.0 and 0.0 are two */
        return (a->number != a->number && b->number != b->number) ||
               memcmp(&a->number, &b->number, sizeof a->number) == 0;
    case CSHM_VALUE_BOOLEAN:
        return a->boolean == b->boolean;
    case CSHM_VALUE_ARRAY:
        return items_equal(a, b);
    case CSHM_VALUE_TABLE:
        return members_equal(a, b);
    }
    return false;
}
