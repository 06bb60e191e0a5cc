/* SPDX-License-Identifier: MIT */
/*
 * Journal text to operations. The lines are found and checked by their checksums first; their TOML
 * is then parsed in one go, as each parse costs a thread. A line holds no newline, so as a
 * statement of its own in a common document it says what it says alone, unless it opens a string it
 * does not close: then the statements of the document are not as many as the lines, and they are
 * parsed one by one up to the bad one.
 */
#include "format/journal.h"

#include <errno.h>

#include "base/names.h"
#include "format/describe.h"
#include "format/keys.h"
#include "format/leaf.h"
#include "format/toml.h"

enum { CHECKSUM_SIZE = 16, GENERATION_DIGITS = 20 };

struct reader {
    struct cshm_tree *memory;
    uint64_t generation;
};

/* --- Lines -------------------------------------------------------------------------------- */

/* The TOML of a line without its newline, or no bytes where it is not right. */
static struct cshm_text check_line(const char *line, size_t length, uint64_t *generation)
{
    static const struct cshm_text wrong = {NULL, 0};
    if (length < CHECKSUM_SIZE + 1 || length > CSHM_JOURNAL_LINE_MAX || line[CHECKSUM_SIZE] != ' ')
        return wrong;
    uint64_t checksum = 0;
    for (size_t i = 0; i < CHECKSUM_SIZE; i++) {
        char c = line[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return wrong;
        checksum = checksum << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    const char *at = line + CHECKSUM_SIZE + 1;
    const char *end = line + length;
    if (cshm_hash(at, (size_t)(end - at)) != checksum)
        return wrong;
    const char *digits = at;
    *generation = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (at - digits >= GENERATION_DIGITS ||
            __builtin_mul_overflow(*generation, 10, generation) ||
            __builtin_add_overflow(*generation, (uint64_t)(*at - '0'), generation))
            return wrong;
    if (at == digits || *digits == '0' || at == end || *at != ' ')
        return wrong;
    return (struct cshm_text){at + 1, (size_t)(end - at - 1)};
}

struct found_line {
    struct cshm_text toml;
    size_t end;
};

static int find_lines(struct reader *reader, const char *text, size_t length,
                      struct found_line **out, size_t *count)
{
    size_t most = 0;
    for (const char *at = text; length && (at = memchr(at, '\n', length - (size_t)(at - text)));
         at++)
        most++;
    *count = 0;
    *out = cshm_arena_array(&reader->memory->arena, most, sizeof **out);
    if (!*out)
        return -ENOMEM;
    for (size_t start = 0; *count < most;) {
        const char *newline = memchr(text + start, '\n', length - start);
        uint64_t generation;
        size_t end = (size_t)(newline - text);
        struct cshm_text toml = check_line(text + start, end - start, &generation);
        if (!toml.bytes || (reader->generation && generation != reader->generation))
            break;
        start = end + 1;
        (*out)[(*count)++] = (struct found_line){toml, start};
    }
    return 0;
}

/* --- Operations --------------------------------------------------------------------------- */

static int read_path(struct reader *reader, const struct cshm_value *table, const char *name,
                     const struct cshm_text **path, size_t *depth)
{
    const struct cshm_value *list = cshm_value_get(table, name);
    if (!list || list->type != CSHM_VALUE_ARRAY || list->array.count > CSHM_DEPTH_MAX)
        return -EINVAL;
    bool spelled = cshm_table_flag(table, "bytes_path");
    struct cshm_text *keys =
        cshm_arena_array(&reader->memory->arena, list->array.count, sizeof *keys);
    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; i < list->array.count; i++) {
        const struct cshm_value *key = &list->array.items[i];
        if (key->type != CSHM_VALUE_STRING)
            return -EINVAL;
        keys[i] = key->string;
        int result = spelled ? cshm_key_read(&reader->memory->arena, key->string, &keys[i]) : 0;
        if (result < 0)
            return result;
    }
    *path = keys;
    *depth = list->array.count;
    return 0;
}

static bool says(const struct cshm_value *value, const char *text)
{
    return value && value->type == CSHM_VALUE_STRING && cshm_text_is(value->string, text);
}

static int read_node(struct reader *reader, const struct cshm_value *table,
                     struct cshm_operation *operation)
{
    struct cshm_node *node = cshm_arena_alloc(&reader->memory->arena, sizeof *node);
    if (!node)
        return -ENOMEM;
    operation->node = node;
    const struct cshm_value *type = cshm_value_get(table, "type");
    if (says(type, "array")) {
        const struct cshm_value *name = cshm_value_get(table, "shm_name");
        node->type = CSHM_NODE_ARRAY;
        return cshm_leaf_read(reader->memory, node, table,
                              name && name->type == CSHM_VALUE_STRING ? name->string
                                                                      : cshm_text(""));
    }
    if (!says(type, "group") && !says(type, "bare"))
        return -EINVAL;
    node->type = says(type, "group") ? CSHM_NODE_GROUP : CSHM_NODE_BARE;
    return cshm_note_read(reader->memory, node, table);
}

static int read_operation(struct reader *reader, const struct cshm_value *table,
                          struct cshm_operation *out)
{
    const struct cshm_value *op = cshm_value_get(table, "op");
    int result = read_path(reader, table, "path", &out->path, &out->depth);
    if (result < 0)
        return result;
    if (says(op, "remove")) {
        out->kind = CSHM_OPERATION_REMOVE;
        return 0;
    }
    if (says(op, "put")) {
        out->kind = CSHM_OPERATION_PUT;
        return read_node(reader, table, out);
    }
    if (!says(op, "move"))
        return -EINVAL;
    out->kind = CSHM_OPERATION_MOVE;
    out->exchange = cshm_table_flag(table, "exchange");
    return read_path(reader, table, "to", &out->to, &out->to_depth);
}

static size_t count_free(const struct cshm_value *list)
{
    size_t count = 0;
    for (size_t i = 0; i < list->array.count; i++) {
        const struct cshm_value *names = cshm_value_get(&list->array.items[i], "free");
        count += names && names->type == CSHM_VALUE_ARRAY ? names->array.count : 0;
    }
    return count;
}

static int read_free(struct reader *reader, const struct cshm_value *list,
                     struct cshm_journal_line *line)
{
    const char **kept = cshm_arena_array(&reader->memory->arena, count_free(list), sizeof *kept);
    if (!kept)
        return -ENOMEM;
    line->free = kept;
    for (size_t i = 0; i < list->array.count; i++) {
        const struct cshm_value *names = cshm_value_get(&list->array.items[i], "free");
        for (size_t j = 0; names && names->type == CSHM_VALUE_ARRAY && j < names->array.count;
             j++) {
            const struct cshm_value *name = &names->array.items[j];
            if (name->type != CSHM_VALUE_STRING ||
                !cshm_segment_name_valid(name->string.bytes, name->string.length))
                return -EINVAL;
            char *copy =
                cshm_arena_string(&reader->memory->arena, name->string.bytes, name->string.length);
            if (!copy)
                return -ENOMEM;
            kept[line->free_count++] = copy;
        }
    }
    return 0;
}

static int read_list(struct reader *reader, const struct cshm_value *list,
                     struct cshm_journal_line *line)
{
    if (list->type != CSHM_VALUE_ARRAY || list->array.count == 0)
        return -EINVAL;
    struct cshm_operation *operations =
        cshm_arena_array(&reader->memory->arena, list->array.count, sizeof *operations);
    if (!operations)
        return -ENOMEM;
    line->operations = operations;
    line->count = list->array.count;
    for (size_t i = 0; i < line->count; i++) {
        const struct cshm_value *table = &list->array.items[i];
        int result = table->type == CSHM_VALUE_TABLE ? read_operation(reader, table, &operations[i])
                                                     : -EINVAL;
        if (result < 0)
            return result;
    }
    return read_free(reader, list, line);
}

/* --- Their TOML --------------------------------------------------------------------------- */

/*
 * The lists of `count` lines from one document; -EINVAL where that does not say what each of them
 * would alone.
 */
static int parse_together(struct reader *reader, const struct found_line *lines, size_t count,
                          struct cshm_value *document)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    for (size_t i = 0; i < count; i++) {
        cshm_buffer_add_format(&text, "l%zu = ", i);
        cshm_buffer_add(&text, lines[i].toml.bytes, lines[i].toml.length);
        cshm_buffer_add_char(&text, '\n');
    }
    if (text.error)
        return text.error;
    int result = cshm_toml_parse(text.bytes, text.length, &reader->memory->arena, document, NULL);
    if (result == -ENOMEM)
        return result;
    return result < 0 || document->table.count != count ? -EINVAL : 0;
}

static int read_lists(struct reader *reader, const struct cshm_value *document,
                      const struct found_line *lines, size_t count, struct cshm_journal *out)
{
    for (size_t i = 0; i < count; i++) {
        struct cshm_journal_line line = {.end = lines[i].end};
        int result = read_list(reader, &document->table.members[i].value, &line);
        if (result < 0)
            return result;
        out->lines[out->count++] = line;
        out->end = line.end;
    }
    return 0;
}

static int read_lines(struct reader *reader, const struct found_line *lines, size_t count,
                      struct cshm_journal *out)
{
    struct cshm_value document;
    int result = parse_together(reader, lines, count, &document);
    if (result == 0)
        return read_lists(reader, &document, lines, count, out);
    if (result == -ENOMEM || count == 1)
        return result;
    for (size_t i = 0; i < count; i++) {
        result = parse_together(reader, &lines[i], 1, &document);
        if (result == 0)
            result = read_lists(reader, &document, &lines[i], 1, out);
        if (result < 0)
            return result;
    }
    return 0;
}

int cshm_journal_parse(const char *text, size_t length, uint64_t generation,
                       struct cshm_journal *out)
{
    *out = (struct cshm_journal){.memory = cshm_tree_create()};
    if (!out->memory)
        return -ENOMEM;
    struct reader reader = {.memory = out->memory, .generation = generation};
    struct found_line *lines;
    size_t count;
    int result = find_lines(&reader, text, length, &lines, &count);
    if (result < 0 || count == 0)
        return result;
    out->lines = cshm_arena_array(&out->memory->arena, count, sizeof *out->lines);
    if (!out->lines)
        return -ENOMEM;
    result = read_lines(&reader, lines, count, out);
    return result == -ENOMEM ? result : 0; /* a bad line ends it */
}

void cshm_journal_finish(struct cshm_journal *journal)
{
    cshm_tree_destroy(journal->memory);
    *journal = (struct cshm_journal){0};
}
