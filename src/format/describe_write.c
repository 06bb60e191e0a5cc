/* SPDX-License-Identifier: MIT */
#include "format/attribute.h"
#include "format/describe.h"
#include "format/keys.h"
#include "format/toml_write.h"

/* No value ends in '{'. */
static void add_prefix(const struct cshm_lines *lines)
{
    const struct cshm_buffer *out = lines->out;
    if (!lines->is_inline)
        cshm_buffer_add_string(lines->out, lines->prefix);
    else if (out->length > 0 && out->bytes[out->length - 1] != '{')
        cshm_buffer_add(lines->out, ", ", 2);
}

void cshm_lines_begin(const struct cshm_lines *lines, const char *key)
{
    add_prefix(lines);
    cshm_buffer_add_string(lines->out, key);
    cshm_buffer_add(lines->out, " = ", 3);
}

void cshm_lines_end(const struct cshm_lines *lines)
{
    if (!lines->is_inline)
        cshm_buffer_add_char(lines->out, '\n');
}

void cshm_lines_string(const struct cshm_lines *lines, const char *key, const char *value)
{
    if (!value)
        return;
    cshm_lines_begin(lines, key);
    cshm_toml_write_string(lines->out, cshm_text(value));
    cshm_lines_end(lines);
}

void cshm_lines_unsigned(const struct cshm_lines *lines, const char *key, uint64_t value)
{
    cshm_lines_begin(lines, key);
    cshm_toml_write_unsigned(lines->out, value);
    cshm_lines_end(lines);
}

void cshm_lines_flag(const struct cshm_lines *lines, const char *key, bool value)
{
    cshm_lines_begin(lines, key);
    cshm_buffer_add_string(lines->out, value ? "true" : "false");
    cshm_lines_end(lines);
}

void cshm_lines_text(const struct cshm_lines *lines, const char *text)
{
    cshm_buffer_add_string(lines->out, lines->prefix);
    cshm_buffer_add_string(lines->out, text);
    cshm_lines_end(lines);
}

void cshm_lines_bytes(const struct cshm_lines *lines, const char *key, struct cshm_text value)
{
    struct cshm_arena scratch = {0};
    struct cshm_text written;
    int result = cshm_attribute_write_string(&scratch, value, &written);
    if (result == 0) {
        cshm_lines_begin(lines, key);
        cshm_toml_write_string(lines->out, written);
        cshm_lines_end(lines);
    } else if (!lines->out->error) {
        lines->out->error = result;
    }
    cshm_arena_finish(&scratch);
}

void cshm_describe_write_dtype(const struct cshm_lines *lines,
                               const struct cshm_description *described)
{
    cshm_lines_string(lines, "dtype", described->dtype_text);
}

void cshm_describe_write_shape(const struct cshm_lines *lines,
                               const struct cshm_description *described)
{
    if (described->rank == CSHM_SHAPE_NULL)
        cshm_lines_string(lines, "shape", "null");
    if (described->rank < 0)
        return;
    cshm_lines_begin(lines, "shape");
    cshm_buffer_add_char(lines->out, '[');
    for (int i = 0; i < described->rank; i++) {
        if (i > 0)
            cshm_buffer_add(lines->out, ", ", 2);
        cshm_toml_write_unsigned(lines->out, described->shape[i]);
    }
    cshm_buffer_add_char(lines->out, ']');
    cshm_lines_end(lines);
}

/* A key of a table whose names are spelled or not. */
static void write_name(struct cshm_buffer *out, struct cshm_text name, bool spelled)
{
    if (!spelled) {
        cshm_toml_write_key(out, name);
        return;
    }
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_key_spell(&text, name);
    if (text.error)
        out->error = text.error;
    else
        cshm_toml_write_key(out, (struct cshm_text){text.bytes, text.length});
}

static bool enum_is_spelled(const struct cshm_value *table)
{
    for (size_t i = 0; i < table->table.count; i++)
        if (!cshm_utf8_valid(table->table.members[i].key.bytes, table->table.members[i].key.length))
            return true;
    return false;
}

static void write_enum(const struct cshm_lines *lines, const struct cshm_value *table)
{
    bool spelled = enum_is_spelled(table);
    if (spelled)
        cshm_lines_flag(lines, "bytes_enum", true);
    cshm_lines_begin(lines, "enum");
    cshm_buffer_add_char(lines->out, '{');
    for (size_t i = 0; i < table->table.count; i++) {
        if (i > 0)
            cshm_buffer_add(lines->out, ", ", 2);
        write_name(lines->out, table->table.members[i].key, spelled);
        cshm_buffer_add(lines->out, " = ", 3);
        cshm_toml_write_value(lines->out, &table->table.members[i].value);
    }
    cshm_buffer_add_char(lines->out, '}');
    cshm_lines_end(lines);
}

void cshm_describe_write_more(const struct cshm_lines *lines,
                              const struct cshm_description *described)
{
    cshm_lines_string(lines, "encoding", described->detail->encoding);
    if (described->detail->enumeration)
        write_enum(lines, described->detail->enumeration);
    cshm_lines_string(lines, "kind", described->detail->kind);
    if (described->detail->tag.bytes)
        cshm_lines_bytes(lines, "tag", described->detail->tag);
}

bool cshm_attributes_spelled(const struct cshm_node *node)
{
    for (const struct cshm_attribute *a = node->attributes; a; a = a->next)
        if (!cshm_utf8_valid(a->name.bytes, a->name.length))
            return true;
    return false;
}

bool cshm_attributes_typed(const struct cshm_node *node)
{
    for (const struct cshm_attribute *a = node->attributes; a; a = a->next)
        if (a->type)
            return true;
    return false;
}

static void begin_attribute(const struct cshm_lines *lines, const struct cshm_attribute *attribute,
                            bool spelled)
{
    add_prefix(lines);
    write_name(lines->out, attribute->name, spelled);
    cshm_buffer_add(lines->out, " = ", 3);
}

void cshm_attributes_write(const struct cshm_lines *lines, const struct cshm_node *node,
                           bool spelled)
{
    for (const struct cshm_attribute *a = node->attributes; a; a = a->next) {
        begin_attribute(lines, a, spelled);
        cshm_toml_write_value(lines->out, &a->value);
        cshm_lines_end(lines);
    }
}

void cshm_attributes_write_types(const struct cshm_lines *lines, const struct cshm_node *node,
                                 bool spelled)
{
    for (const struct cshm_attribute *a = node->attributes; a; a = a->next) {
        if (!a->type)
            continue;
        begin_attribute(lines, a, spelled);
        cshm_toml_write_string(lines->out, cshm_text(a->type));
        cshm_lines_end(lines);
    }
}
