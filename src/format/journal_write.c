/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "format/describe.h"
#include "format/journal.h"
#include "format/keys.h"
#include "format/toml_write.h"

enum { CHECKSUM_SIZE = 16 };

static bool path_is_spelled(const struct cshm_text *path, size_t depth)
{
    for (size_t i = 0; i < depth; i++)
        if (!cshm_utf8_valid(path[i].bytes, path[i].length))
            return true;
    return false;
}

static void write_key(struct cshm_buffer *out, struct cshm_text key, bool spelled)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    if (!spelled) {
        cshm_toml_write_string(out, key);
        return;
    }
    cshm_key_spell(&text, key);
    if (text.error)
        out->error = text.error;
    cshm_toml_write_string(out, (struct cshm_text){text.bytes, text.length});
}

static void write_path(const struct cshm_lines *lines, const char *name,
                       const struct cshm_text *path, size_t depth, bool spelled)
{
    cshm_lines_begin(lines, name);
    cshm_buffer_add_char(lines->out, '[');
    for (size_t i = 0; i < depth; i++) {
        if (i > 0)
            cshm_buffer_add(lines->out, ", ", 2);
        write_key(lines->out, path[i], spelled);
    }
    cshm_buffer_add_char(lines->out, ']');
}

static void write_attributes(const struct cshm_lines *lines, const struct cshm_node *node)
{
    if (!node->attributes)
        return;
    bool spelled = cshm_attributes_spelled(node);
    if (spelled)
        cshm_lines_flag(lines, "bytes_attrs", true);
    cshm_lines_begin(lines, "attrs");
    cshm_buffer_add_char(lines->out, '{');
    cshm_attributes_write(lines, node, spelled);
    cshm_buffer_add_char(lines->out, '}');
    if (!cshm_attributes_typed(node))
        return;
    cshm_lines_begin(lines, "attr_types");
    cshm_buffer_add_char(lines->out, '{');
    cshm_attributes_write_types(lines, node, spelled);
    cshm_buffer_add_char(lines->out, '}');
}

static void write_node(const struct cshm_lines *lines, const struct cshm_node *node)
{
    static const char *const types[] = {
        [CSHM_NODE_GROUP] = "group", [CSHM_NODE_ARRAY] = "array", [CSHM_NODE_BARE] = "bare"};
    const struct cshm_description *described = node->described;
    cshm_lines_string(lines, "type", types[node->type]);
    if (described) {
        cshm_lines_string(lines, "shm_name", described->segment);
        cshm_describe_write_shape(lines, described);
        cshm_describe_write_dtype(lines, described);
        cshm_describe_write_more(lines, described);
        if (described->undeclared)
            cshm_lines_flag(lines, "declared", false);
        if (described->empty_rest && described->bytes == 0)
            cshm_lines_unsigned(lines, "rest", 1);
        if (described->linked)
            cshm_lines_flag(lines, "linked", true);
    }
    write_attributes(lines, node);
}

static void write_operation(const struct cshm_lines *lines, const struct cshm_operation *operation)
{
    static const char *const names[] = {[CSHM_OPERATION_REMOVE] = "remove",
                                        [CSHM_OPERATION_PUT] = "put",
                                        [CSHM_OPERATION_MOVE] = "move"};
    bool is_move = operation->kind == CSHM_OPERATION_MOVE;
    bool spelled = path_is_spelled(operation->path, operation->depth) ||
                   (is_move && path_is_spelled(operation->to, operation->to_depth));
    cshm_lines_string(lines, "op", names[operation->kind]);
    if (spelled)
        cshm_lines_flag(lines, "bytes_path", true);
    write_path(lines, "path", operation->path, operation->depth, spelled);
    if (is_move)
        write_path(lines, "to", operation->to, operation->to_depth, spelled);
    if (is_move && operation->exchange)
        cshm_lines_flag(lines, "exchange", true);
    if (operation->kind == CSHM_OPERATION_PUT)
        write_node(lines, operation->node);
}

static void write_free(const struct cshm_lines *lines, const char *const *names, size_t count)
{
    if (count == 0)
        return;
    cshm_lines_begin(lines, "free");
    cshm_buffer_add_char(lines->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            cshm_buffer_add(lines->out, ", ", 2);
        cshm_toml_write_string(lines->out, cshm_text(names[i]));
    }
    cshm_buffer_add_char(lines->out, ']');
}

int cshm_journal_render(uint64_t generation, const struct cshm_operation *operations, size_t count,
                        const char *const *free, size_t free_count, struct cshm_buffer *out)
{
    const struct cshm_lines lines = {.out = out, .is_inline = true};
    size_t start = out->length;
    cshm_buffer_add_format(out, "%0*d %" PRIu64 " [", CHECKSUM_SIZE, 0, generation);
    for (size_t i = 0; i < count; i++) {
        cshm_buffer_add_string(out, i > 0 ? ", {" : "{");
        write_operation(&lines, &operations[i]);
        if (i + 1 == count)
            write_free(&lines, free, free_count);
        cshm_buffer_add_char(out, '}');
    }
    cshm_buffer_add_char(out, ']');
    if (out->error)
        return out->error;
    size_t covered = start + CHECKSUM_SIZE + 1;
    char checksum[CHECKSUM_SIZE + 1];
    (void)snprintf(checksum, sizeof checksum, "%0*" PRIx64, CHECKSUM_SIZE,
                   cshm_hash(out->bytes + covered, out->length - covered));
    memcpy(out->bytes + start, checksum, CHECKSUM_SIZE);
    cshm_buffer_add_char(out, '\n');
    return out->error ? out->error : out->length - start > CSHM_JOURNAL_LINE_MAX ? -EFBIG : 0;
}
