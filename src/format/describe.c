/* SPDX-License-Identifier: MIT */
#include "format/describe.h"

#include <errno.h>
#include <stdio.h>

#include "format/attribute.h"
#include "format/keys.h"

void cshm_complain(struct cshm_complaint *complaint, const struct cshm_value *place,
                   const char *format, ...)
{
    if (complaint->error.code)
        return;
    char text[sizeof complaint->error.text];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    complaint->line = place ? place->line : 0;
    cshm_fail(&complaint->error, -EINVAL, "%s", text);
}

bool cshm_table_flag(const struct cshm_value *table, const char *key)
{
    const struct cshm_value *value = cshm_value_get(table, key);
    return value && value->type == CSHM_VALUE_BOOLEAN && value->boolean;
}

#define complain_of_detail(complaint, place, ...)                                                  \
    ((complaint)->lenient ? (void)0 : cshm_complain(complaint, place, __VA_ARGS__))

struct reading {
    struct cshm_tree *tree;
    const struct cshm_value *table;
    struct cshm_description *described;
    struct cshm_complaint *complaint;
    struct cshm_detail *detail;     /* its own, once it has one */
    const struct cshm_value *dtype; /* where it stands; NULL: not said or not usable */
    const struct cshm_value *shape;
};

/* A string for the model's C strings. NULL in `*to` for anything else. */
static int take_string(struct reading *reading, const struct cshm_value *value, const char *key,
                       const char **to)
{
    *to = NULL;
    if (value->type != CSHM_VALUE_STRING || memchr(value->string.bytes, 0, value->string.length)) {
        if (!reading->complaint->lenient || strcmp(key, "dtype") == 0)
            cshm_complain(reading->complaint, value, "%s is not a string", key);
        return 0;
    }
    /* The parser's strings have a NUL after them. */
    *to = cshm_tree_keep(reading->tree, value->string.bytes, value->string.length + 1);
    return *to ? 0 : -ENOMEM;
}

static int read_dtype(struct reading *reading, const struct cshm_value *value)
{
    struct cshm_description *described = reading->described;
    int result = take_string(reading, value, "dtype", &described->dtype_text);
    if (result < 0 || !described->dtype_text)
        return result;
    struct cshm_dtype dtype;
    result = cshm_dtype_parse(value->string.bytes, value->string.length, &dtype);
    if (result == -ENOTSUP)
        cshm_complain(reading->complaint, value, "dtype \"%s\" cannot be shared memory",
                      described->dtype_text);
    else if (result < 0)
        cshm_complain(reading->complaint, value, "dtype \"%s\" is not known",
                      described->dtype_text);
    if (result < 0) {
        described->dtype = &cshm_no_dtype;
        return 0;
    }
    reading->dtype = value;
    return cshm_tree_set_dtype(reading->tree, described, &dtype);
}

static int read_extents(struct reading *reading, const struct cshm_value *value)
{
    size_t rank = value->array.count;
    uint64_t shape[CSHM_RANK_MAX];
    for (size_t i = 0; i < rank; i++) {
        const struct cshm_value *extent = &value->array.items[i];
        if (extent->type != CSHM_VALUE_INTEGER || extent->integer < 0) {
            cshm_complain(reading->complaint, extent, "shape holds something else than lengths");
            return 0;
        }
        shape[i] = (uint64_t)extent->integer;
    }
    reading->described->rank = (int)rank;
    reading->described->shape = cshm_tree_keep(reading->tree, shape, rank * sizeof *shape);
    reading->shape = value;
    return reading->described->shape ? 0 : -ENOMEM;
}

static int read_shape(struct reading *reading, const struct cshm_value *value)
{
    if (value->type == CSHM_VALUE_STRING && cshm_text_is(value->string, "null")) {
        reading->described->rank = CSHM_SHAPE_NULL;
        return 0;
    }
    if (value->type != CSHM_VALUE_ARRAY)
        cshm_complain(reading->complaint, value, "shape is not a list");
    else if (value->array.count > CSHM_RANK_MAX)
        cshm_complain(reading->complaint, value,
                      "shape has %zu dimensions, more than the %d allowed", value->array.count,
                      CSHM_RANK_MAX);
    else
        return read_extents(reading, value);
    return 0;
}

static struct cshm_detail *detail_of(struct reading *reading)
{
    if (!reading->detail)
        reading->detail = cshm_tree_detail(reading->tree, reading->described);
    return reading->detail;
}

static int read_kind(struct reading *reading, const struct cshm_value *value)
{
    const char *kind;
    int result = take_string(reading, value, "kind", &kind);
    struct cshm_detail *detail = kind ? detail_of(reading) : NULL;
    if (detail)
        detail->kind = kind;
    return result < 0 || !kind ? result : detail ? 0 : -ENOMEM;
}

static int read_encoding(struct reading *reading, const struct cshm_value *value)
{
    const char *encoding;
    int result = take_string(reading, value, "encoding", &encoding);
    struct cshm_detail *detail = encoding ? detail_of(reading) : NULL;
    if (detail)
        detail->encoding = encoding;
    return result < 0 || !encoding ? result : detail ? 0 : -ENOMEM;
}

static int read_tag(struct reading *reading, const struct cshm_value *value)
{
    if (value->type != CSHM_VALUE_STRING) {
        complain_of_detail(reading->complaint, value, "tag is not a string");
        return 0;
    }
    struct cshm_text tag;
    int result = cshm_attribute_read_string(&reading->tree->arena, value->string, &tag);
    if (result == -ENOMEM)
        return result;
    if (result < 0) /* of no form we know: then it is what it says */
        tag = value->string;
    struct cshm_detail *detail = detail_of(reading);
    if (!detail)
        return -ENOMEM;
    detail->tag = cshm_arena_text(&reading->tree->arena, tag);
    return detail->tag.bytes ? 0 : -ENOMEM;
}

/* Values are integers, or strings for what TOML's integers cannot hold ("!uint64 ..."). */
static bool members_usable(const struct cshm_value *table)
{
    for (size_t i = 0; i < table->table.count; i++) {
        enum cshm_value_type type = table->table.members[i].value.type;
        if (type != CSHM_VALUE_INTEGER && type != CSHM_VALUE_STRING)
            return false;
    }
    return true;
}

static int read_spelled_members(struct reading *reading, struct cshm_value *table)
{
    for (size_t i = 0; i < table->table.count; i++) {
        struct cshm_text *key = &table->table.members[i].key;
        int result = cshm_key_read(&reading->tree->arena, *key, key);
        if (result == -ENOMEM)
            return result;
        if (result < 0) {
            complain_of_detail(reading->complaint, &table->table.members[i].value,
                               "a member of enum is not spelled as bytes_enum says");
            return -EINVAL;
        }
    }
    return 0;
}

static int read_enum(struct reading *reading, const struct cshm_value *value)
{
    if (value->type != CSHM_VALUE_TABLE || !members_usable(value)) {
        complain_of_detail(reading->complaint, value, "enum is not a table of integers");
        return 0;
    }
    struct cshm_value *copy = cshm_arena_alloc(&reading->tree->arena, sizeof *copy);
    if (!copy || cshm_value_copy(&reading->tree->arena, value, copy) < 0)
        return -ENOMEM;
    if (cshm_table_flag(reading->table, "bytes_enum")) {
        int result = read_spelled_members(reading, copy);
        if (result < 0)
            return result == -ENOMEM ? result : 0;
    }
    struct cshm_detail *detail = detail_of(reading);
    if (!detail)
        return -ENOMEM;
    detail->enumeration = copy;
    return 0;
}

static int read_declared(struct reading *reading, const struct cshm_value *value)
{
    reading->described->undeclared = value->type == CSHM_VALUE_BOOLEAN && !value->boolean;
    return 0;
}

static int read_rest(struct reading *reading, const struct cshm_value *value)
{
    reading->described->empty_rest = value->type == CSHM_VALUE_INTEGER && value->integer > 0;
    return 0;
}

static int read_linked(struct reading *reading, const struct cshm_value *value)
{
    reading->described->linked = value->type == CSHM_VALUE_BOOLEAN && value->boolean;
    return 0;
}

static const struct field {
    const char *key;
    int (*read)(struct reading *reading, const struct cshm_value *value);
} fields[] = {
    {"dtype", read_dtype},       {"shape", read_shape}, {"kind", read_kind},
    {"encoding", read_encoding}, {"tag", read_tag},     {"enum", read_enum},
    {"declared", read_declared}, {"rest", read_rest},   {"linked", read_linked},
};

static const struct field *find_field(struct cshm_text key)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (cshm_text_is(key, fields[i].key))
            return &fields[i];
    return NULL;
}

static void compute_bytes(struct reading *reading)
{
    struct cshm_description *described = reading->described;
    if (!reading->dtype || !reading->shape)
        return;
    described->bytes = 0;
    if (cshm_dtype_array_size(described->dtype, (size_t)described->rank, described->shape,
                              &described->bytes) < 0)
        cshm_complain(reading->complaint, reading->shape, "shape and dtype are too large");
    if (described->bytes > 0)
        described->empty_rest = false; /* only an empty array has to say it */
}

int cshm_describe_read(struct cshm_tree *tree, struct cshm_node *node,
                       const struct cshm_value *table, struct cshm_complaint *complaint)
{
    struct reading reading = {.tree = tree, .table = table, .complaint = complaint};
    for (size_t i = 0; i < table->table.count; i++) {
        const struct cshm_member *member = &table->table.members[i];
        const struct field *field = find_field(member->key);
        if (!field)
            continue;
        reading.described = cshm_tree_describe(tree, node);
        if (!reading.described)
            return -ENOMEM;
        int result = field->read(&reading, &member->value);
        if (result < 0)
            return result;
    }
    compute_bytes(&reading);
    return 0;
}
