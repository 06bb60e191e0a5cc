/* SPDX-License-Identifier: MIT */
/*
 * Tree to manifest text. First the extension document, in comment lines, with an entry for whatever
 * has no leaf and something to say; then one table per array, headers in preorder, so that the
 * order of headers is the order of children. A group needs no header but where nothing below it has
 * one.
 */
#include "format/manifest.h"

#include <errno.h>

#include "base/names.h"
#include "format/describe.h"
#include "format/keys.h"
#include "format/toml_write.h"

#define EXTENSION_PREFIX "#~ "

struct writer {
    struct cshm_buffer *out;
    struct cshm_lines lines;  /* of the TOML proper */
    struct cshm_lines notes;  /* of the extension document */
    struct cshm_buffer place; /* the present node's parents, as headers or paths begin: a.b. */
    struct cshm_buffer scratch;
    bool begun; /* the extension document has its first line */
};

/* --- Keys -------------------------------------------------------------------------------- */

/*
 * Whether the key is written spelled: it is not UTF-8, or it looks like the spelling of a sibling.
 * Then no two siblings are written alike: spellings differ, plain keys differ, and a plain key K
 * that is the spelling of a sibling is not written plain.
 */
static bool key_is_spelled(struct writer *writer, const struct cshm_node *node)
{
    if (!cshm_utf8_valid(node->key.bytes, node->key.length))
        return true;
    if (!cshm_key_looks_spelled(node->key))
        return false;
    struct cshm_arena scratch = {0};
    struct cshm_text other;
    int result = cshm_key_read(&scratch, node->key, &other);
    bool spelled = result == 0 && cshm_node_child(node->parent, other);
    if (result == -ENOMEM)
        writer->out->error = result;
    cshm_arena_finish(&scratch);
    return spelled;
}

/* The key as it is written, which is UTF-8; valid until the next call. */
static struct cshm_text written_key(struct writer *writer, const struct cshm_node *node,
                                    bool *spelled)
{
    *spelled = key_is_spelled(writer, node);
    if (!*spelled)
        return node->key;
    cshm_buffer_clear(&writer->scratch);
    cshm_key_spell(&writer->scratch, node->key);
    if (writer->scratch.error)
        writer->out->error = writer->scratch.error;
    return (struct cshm_text){writer->scratch.bytes, writer->scratch.length};
}

static void leave(struct writer *writer, size_t length)
{
    writer->place.length = length;
}

/* --- The TOML proper --------------------------------------------------------------------- */

static void write_header(struct writer *writer, struct cshm_text key, const char *table)
{
    cshm_buffer_add_char(writer->out, '[');
    cshm_buffer_add(writer->out, writer->place.bytes, writer->place.length);
    cshm_toml_write_key(writer->out, key);
    cshm_buffer_add_string(writer->out, table);
    cshm_buffer_add(writer->out, "]\n", 2);
}

/*
 * The peer reads shm_private_name too: Python's "private" name is the one with the slash. A
 * project's name, and so a segment's, may hold quotes and backslashes.
 */
static void write_segment(struct writer *writer, const char *segment)
{
    char name[1 + CSHM_SEGMENT_NAME_SIZE] = "/";
    if (segment)
        memcpy(name + 1, segment, strnlen(segment, CSHM_SEGMENT_NAME_SIZE - 1));
    cshm_lines_string(&writer->lines, "shm_name", name + 1);
    cshm_lines_string(&writer->lines, "shm_private_name", name);
}

static void write_leaf_attributes(struct writer *writer, const struct cshm_node *node,
                                  struct cshm_text key)
{
    if (!node->attributes) {
        cshm_lines_text(&writer->lines, "attrs = {}"); /* the peer's list needs the key */
        return;
    }
    bool spelled = cshm_attributes_spelled(node);
    if (spelled)
        cshm_lines_flag(&writer->lines, "bytes_attrs", true);
    write_header(writer, key, ".attrs");
    cshm_attributes_write(&writer->lines, node, spelled);
    if (cshm_attributes_typed(node)) {
        write_header(writer, key, ".attr_types");
        cshm_attributes_write_types(&writer->lines, node, spelled);
    }
}

static void write_leaf(struct writer *writer, const struct cshm_node *node, struct cshm_text key,
                       bool spelled)
{
    const struct cshm_description *described = node->described;
    write_header(writer, key, "");
    write_segment(writer, described->segment);
    cshm_describe_write_shape(&writer->lines, described);
    cshm_describe_write_dtype(&writer->lines, described);
    cshm_describe_write_more(&writer->lines, described);
    if (described->undeclared)
        cshm_lines_flag(&writer->lines, "declared", false);
    if (described->empty_rest && described->bytes == 0)
        cshm_lines_unsigned(&writer->lines, "rest", 1);
    if (described->linked)
        cshm_lines_flag(&writer->lines, "linked", true);
    if (spelled)
        cshm_lines_flag(&writer->lines, "bytes_name", true);
    write_leaf_attributes(writer, node, key);
}

static bool has_header_below(const struct cshm_node *group)
{
    cshm_for_each_child (child, group)
        if (child->type != CSHM_NODE_BARE)
            return true;
    return false;
}

/* Recursion as deep as the tree, which is CSHM_DEPTH_MAX at most. */
static void write_tables(struct writer *writer, const struct cshm_node *group)
{
    size_t here = writer->place.length;
    cshm_for_each_child (child, group) {
        bool spelled;
        if (child->type == CSHM_NODE_BARE)
            continue;
        struct cshm_text key = written_key(writer, child, &spelled);
        if (child->type == CSHM_NODE_ARRAY) {
            write_leaf(writer, child, key, spelled);
            continue;
        }
        if (!has_header_below(child))
            write_header(writer, key, "");
        cshm_toml_write_key(&writer->place, key);
        cshm_buffer_add_char(&writer->place, '.');
        write_tables(writer, child);
        leave(writer, here);
    }
}

/* --- The extension document -------------------------------------------------------------- */

static void begin_extension(struct writer *writer)
{
    if (!writer->begun)
        cshm_lines_unsigned(&writer->notes, "version", 1);
    writer->begun = true;
}

/* What does not fit into a TOML integer is left out; 2^63 clock ticks or changes will not be seen.
 */
static bool is_said(uint64_t number)
{
    return number > 0 && number <= INT64_MAX;
}

static void write_owner(const struct cshm_lines *lines, const struct cshm_owner_process *owner)
{
    if (owner->pid <= 0)
        return;
    cshm_lines_begin(lines, "owner");
    cshm_buffer_add_string(lines->out, "{pid = ");
    cshm_toml_write_integer(lines->out, owner->pid);
    if (is_said(owner->start)) {
        cshm_buffer_add_string(lines->out, ", start = ");
        cshm_toml_write_unsigned(lines->out, owner->start);
    }
    cshm_buffer_add_char(lines->out, '}');
    cshm_lines_end(lines);
}

static void write_source(const struct cshm_lines *lines, const struct cshm_project_facts *facts)
{
    if (facts->source_path)
        cshm_lines_bytes(lines, "source_path", cshm_text(facts->source_path));
    if (is_said(facts->source_size))
        cshm_lines_unsigned(lines, "source_size", facts->source_size);
    if (facts->source_changed)
        cshm_lines_bytes(lines, "source_changed", cshm_text(facts->source_changed));
    if (facts->source_part)
        cshm_lines_bytes(lines, "source_part", cshm_text(facts->source_part));
}

/* What a person or the loader said of the project. */
static void write_said(struct writer *writer, const struct cshm_project_facts *facts)
{
    if (!facts->present)
        return;
    if (facts->source)
        cshm_lines_bytes(&writer->notes, "source", cshm_text(facts->source));
    if (facts->created)
        cshm_lines_bytes(&writer->notes, "created", cshm_text(facts->created));
    write_source(&writer->notes, facts);
    write_owner(&writer->notes, &facts->owner);
    if (facts->persistent >= 0)
        cshm_lines_flag(&writer->notes, "persistent", facts->persistent != 0);
}

static void write_folded(const struct cshm_lines *lines, const struct cshm_project_facts *facts)
{
    if (!is_said(facts->folded_generation) || !is_said(facts->folded_bytes))
        return;
    cshm_lines_begin(lines, "folded");
    cshm_buffer_add_string(lines->out, "{generation = ");
    cshm_toml_write_unsigned(lines->out, facts->folded_generation);
    cshm_buffer_add_string(lines->out, ", bytes = ");
    cshm_toml_write_unsigned(lines->out, facts->folded_bytes);
    cshm_buffer_add_char(lines->out, '}');
    cshm_lines_end(lines);
}

static void write_facts(struct writer *writer, const struct cshm_project_facts *facts)
{
    if (!facts->present && !is_said(facts->generation))
        return;
    begin_extension(writer);
    cshm_lines_text(&writer->notes, "[project]");
    write_said(writer, facts);
    if (is_said(facts->generation))
        cshm_lines_unsigned(&writer->notes, "generation", facts->generation);
    write_folded(&writer->notes, facts);
}

static void write_path(struct writer *writer, const struct cshm_node *node, struct cshm_text key)
{
    cshm_lines_begin(&writer->notes, "path");
    cshm_buffer_add_char(writer->out, '[');
    cshm_buffer_add(writer->out, writer->place.bytes, writer->place.length);
    if (node->parent)
        cshm_toml_write_string(writer->out, key);
    cshm_buffer_add_char(writer->out, ']');
    cshm_lines_end(&writer->notes);
}

/* A bare node's place among its siblings, where others follow: at the end is where it comes anyway.
 */
static void write_position(struct writer *writer, const struct cshm_node *node, size_t position)
{
    if (node->next)
        cshm_lines_unsigned(&writer->notes, "position", position);
}

static void write_note_attributes(struct writer *writer, const struct cshm_node *node)
{
    if (!node->attributes)
        return;
    bool spelled = cshm_attributes_spelled(node);
    if (spelled)
        cshm_lines_flag(&writer->notes, "bytes_attrs", true);
    cshm_lines_text(&writer->notes, "[node.attrs]");
    cshm_attributes_write(&writer->notes, node, spelled);
    if (cshm_attributes_typed(node)) {
        cshm_lines_text(&writer->notes, "[node.attr_types]");
        cshm_attributes_write_types(&writer->notes, node, spelled);
    }
}

static void write_note(struct writer *writer, const struct cshm_node *node, struct cshm_text key,
                       bool spelled, size_t position)
{
    const struct cshm_description *described = node->described;
    begin_extension(writer);
    cshm_lines_text(&writer->notes, "[[node]]");
    write_path(writer, node, key);
    if (spelled)
        cshm_lines_flag(&writer->notes, "bytes_name", true);
    if (node->type == CSHM_NODE_BARE) {
        write_position(writer, node, position);
        if (!described || described->rank != CSHM_SHAPE_NULL)
            cshm_lines_string(&writer->notes, "state", "waiting");
    }
    if (described) {
        cshm_describe_write_shape(&writer->notes, described);
        cshm_describe_write_dtype(&writer->notes, described);
        cshm_describe_write_more(&writer->notes, described);
        if (described->undeclared && node->type == CSHM_NODE_GROUP)
            cshm_lines_flag(&writer->notes, "declared", false);
    }
    write_note_attributes(writer, node);
}

static bool has_note(const struct cshm_node *node, bool spelled)
{
    if (node->type == CSHM_NODE_ARRAY)
        return false;
    return node->type == CSHM_NODE_BARE || spelled || node->attributes || node->described;
}

static void write_notes(struct writer *writer, const struct cshm_node *group)
{
    size_t here = writer->place.length;
    size_t position = 0;
    cshm_for_each_child (child, group) {
        bool spelled;
        struct cshm_text key = written_key(writer, child, &spelled);
        if (has_note(child, spelled))
            write_note(writer, child, key, spelled, position);
        position++;
        if (child->type != CSHM_NODE_GROUP || !child->first)
            continue;
        cshm_toml_write_string(&writer->place, key);
        cshm_buffer_add(&writer->place, ", ", 2);
        write_notes(writer, child);
        leave(writer, here);
    }
}

/* --- All of it --------------------------------------------------------------------------- */

int cshm_manifest_render(const struct cshm_tree *tree, struct cshm_buffer *out)
{
    struct writer writer = {
        .out = out,
        .lines = {.out = out, .prefix = ""},
        .notes = {.out = out, .prefix = EXTENSION_PREFIX},
    };
    write_facts(&writer, &tree->facts);
    if (has_note(&tree->root, false))
        write_note(&writer, &tree->root, tree->root.key, false, 0);
    write_notes(&writer, &tree->root);
    write_tables(&writer, &tree->root);
    /* An empty file is what the peer leaves while it writes one: never ours. */
    if (out->length == 0)
        cshm_buffer_add_string(out, "# an empty project\n");
    if (writer.place.error)
        out->error = writer.place.error;
    cshm_buffer_finish(&writer.place);
    cshm_buffer_finish(&writer.scratch);
    return out->error;
}
