/* SPDX-License-Identifier: MIT */
/* Attributes from the [attrs] and [attr_types] tables of a leaf, node or sidecar. */
#include <errno.h>
#include <stdlib.h>

#include "base/scope.h"
#include "format/describe.h"
#include "format/keys.h"

/* One member of [attr_types]; sorted by key, so that many attributes find theirs fast. */
struct typed {
    struct cshm_text key;
    const struct cshm_value *value;
    bool used;
};

struct types {
    struct typed *items;
    size_t count;
};

static int compare_texts(struct cshm_text a, struct cshm_text b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common ? memcmp(a.bytes, b.bytes, common) : 0;
    if (order != 0)
        return order;
    return a.length < b.length ? -1 : a.length > b.length;
}

static int compare_typed(const void *a, const void *b)
{
    return compare_texts(((const struct typed *)a)->key, ((const struct typed *)b)->key);
}

static int sort_types(const struct cshm_value *table, struct types *types,
                      struct cshm_complaint *complaint)
{
    if (!table)
        return 0;
    if (table->type != CSHM_VALUE_TABLE) {
        cshm_complain(complaint, table, "attr_types is not a table");
        return 0;
    }
    types->items = calloc(table->table.count + 1, sizeof *types->items);
    if (!types->items)
        return -ENOMEM;
    types->count = table->table.count;
    for (size_t i = 0; i < types->count; i++)
        types->items[i] =
            (struct typed){table->table.members[i].key, &table->table.members[i].value, false};
    qsort(types->items, types->count, sizeof *types->items, compare_typed);
    return 0;
}

static int find_type(struct cshm_tree *tree, const struct types *types, struct cshm_text key,
                     const char **type, struct cshm_complaint *complaint)
{
    *type = NULL;
    if (types->count == 0)
        return 0;
    struct typed wanted = {.key = key};
    struct typed *found =
        bsearch(&wanted, types->items, types->count, sizeof wanted, compare_typed);
    if (!found)
        return 0;
    found->used = true;
    const struct cshm_value *value = found->value;
    if (value->type != CSHM_VALUE_STRING || memchr(value->string.bytes, 0, value->string.length)) {
        cshm_complain(complaint, value, "attr_types holds something else than strings");
        return 0;
    }
    *type = cshm_arena_string(&tree->arena, value->string.bytes, value->string.length);
    return *type ? 0 : -ENOMEM;
}

static bool deeper_than(const struct cshm_value *value, size_t levels)
{
    size_t count = 0;
    if (value->type == CSHM_VALUE_ARRAY)
        count = value->array.count;
    else if (value->type == CSHM_VALUE_TABLE)
        count = value->table.count;
    if (count > 0 && levels == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        if (deeper_than(value->type == CSHM_VALUE_ARRAY ? &value->array.items[i]
                                                        : &value->table.members[i].value,
                        levels - 1))
            return true;
    return false;
}

/* The attribute of one member, or NULL in `*out` when it cannot be used. */
static int read_attribute(struct cshm_tree *tree, const struct cshm_member *member, bool spelled,
                          struct cshm_attribute **out, struct cshm_complaint *complaint)
{
    *out = NULL;
    struct cshm_text name = member->key;
    int result = spelled ? cshm_key_read(&tree->arena, member->key, &name) : 0;
    if (result == -ENOMEM)
        return result;
    if (result < 0) {
        cshm_complain(complaint, &member->value, "a name is not spelled as bytes_attrs says");
        return 0;
    }
    if (deeper_than(&member->value, CSHM_ATTRIBUTE_DEPTH_MAX)) {
        cshm_complain(complaint, &member->value, "an attribute nests deeper than %d",
                      CSHM_ATTRIBUTE_DEPTH_MAX);
        return 0;
    }
    struct cshm_attribute *attribute = cshm_arena_alloc(&tree->arena, sizeof *attribute);
    if (!attribute)
        return -ENOMEM;
    attribute->name = spelled ? name : cshm_arena_text(&tree->arena, name);
    if (!attribute->name.bytes ||
        cshm_value_copy(&tree->arena, &member->value, &attribute->value) < 0)
        return -ENOMEM;
    *out = attribute;
    return 0;
}

/*
 * Names are different as they come from one table, so this needs no cshm_tree_add_attribute(),
 * which looks at each.
 */
static int read_all(struct cshm_tree *tree, struct cshm_node *node, const struct cshm_value *attrs,
                    const struct types *types, bool spelled, struct cshm_complaint *complaint)
{
    struct cshm_attribute **end = &node->attributes;
    for (size_t i = 0; i < attrs->table.count; i++) {
        const struct cshm_member *member = &attrs->table.members[i];
        struct cshm_attribute *attribute;
        int result = read_attribute(tree, member, spelled, &attribute, complaint);
        if (result == 0 && attribute)
            result = find_type(tree, types, member->key, &attribute->type, complaint);
        if (result < 0)
            return result;
        if (!attribute)
            continue;
        *end = attribute;
        end = &attribute->next;
    }
    return 0;
}

static void complain_of_unused(const struct types *types, struct cshm_complaint *complaint)
{
    for (size_t i = 0; i < types->count; i++)
        if (!types->items[i].used)
            cshm_complain(complaint, types->items[i].value,
                          "attr_types names an attribute that is not in attrs");
}

int cshm_attributes_read(struct cshm_tree *tree, struct cshm_node *node,
                         const struct cshm_value *attrs, const struct cshm_value *types_table,
                         bool spelled, struct cshm_complaint *complaint)
{
    struct types types = {0};
    int result = sort_types(types_table, &types, complaint);
    if (result == 0 && attrs && attrs->type == CSHM_VALUE_TABLE)
        result = read_all(tree, node, attrs, &types, spelled, complaint);
    else if (attrs && attrs->type != CSHM_VALUE_TABLE)
        cshm_complain(complaint, attrs, "attrs is not a table");
    if (result == 0)
        complain_of_unused(&types, complaint);
    free(types.items);
    return result;
}
