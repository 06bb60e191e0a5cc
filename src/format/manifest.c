/* SPDX-License-Identifier: MIT */
/*
 * Manifest text to tree. The TOML proper holds groups and leaves and nothing else, as the peer
 * wants; the extension document at the top holds the rest.
 *
 * The extension document is the unbroken run of lines at the very start of the file that begin with
 * "#~ " (or are just "#~"), these characters taken off. The first other line ends it; further down
 * "#~ " is a comment.
 *
 * `path` of a [[node]] lists keys as the TOML proper writes them. An entry whose path is a group
 * gives that its attributes, kind and shape; one whose path is a leaf is passed over; one whose
 * path has no table, below a group, is a bare node if it says shape = "null" or state = "waiting",
 * else it is passed over (its group is gone). `position` of a bare node is its place among its
 * siblings.
 *
 * Values that are no tables, and arrays of tables, are passed over where groups and leaves are
 * expected (the peer crashes on them). A group with a child that is called shm_name is a group to
 * us and a broken array to the peer, which looks no further than the key.
 */
#include "format/manifest.h"

#include <errno.h>

#include "base/names.h"
#include "base/scope.h"
#include "format/attribute.h"
#include "format/describe.h"
#include "format/keys.h"
#include "format/leaf.h"
#include "format/notes.h"
#include "format/toml.h"

static const char extension_mark[] = "#~";
enum { EXTENSION_MARK_SIZE = sizeof extension_mark - 1 };

struct reader {
    struct cshm_tree *tree;
    struct cshm_notes notes;
    struct cshm_error *error;
};

static int fail_memory(struct reader *reader)
{
    return cshm_fail(reader->error, -ENOMEM, "out of memory");
}

/* --- Nodes ------------------------------------------------------------------------------- */

static int fail_to_add(struct reader *reader, int result, const struct cshm_value *place)
{
    switch (result) {
    case -EMFILE:
        return cshm_fail(reader->error, -EFBIG, "line %u: more than %d arrays and groups",
                         place->line, CSHM_NODES_MAX);
    case -ELOOP:
        return cshm_fail(reader->error, -ELOOP, "line %u: groups nest deeper than %d", place->line,
                         CSHM_DEPTH_MAX);
    default:
        return fail_memory(reader);
    }
}

/*
 * Adds a node whose name is taken under the key with "~2" or so behind it. Our own manifests never
 * need that, but one whose extension document was damaged or cut off may: which group's key is
 * spelled stands there.
 */
static int add_beside(struct reader *reader, struct cshm_node *group, struct cshm_text key,
                      enum cshm_node_type type, struct cshm_node **out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer name = CSHM_BUFFER_INIT;
    int result = -EEXIST;
    for (unsigned i = 2; result == -EEXIST; i++) {
        cshm_buffer_clear(&name);
        cshm_buffer_add(&name, key.bytes, key.length);
        cshm_buffer_add_format(&name, "~%u", i);
        if (name.error)
            return name.error;
        result = cshm_tree_add(reader->tree, group, (struct cshm_text){name.bytes, name.length},
                               type, out);
    }
    return result;
}

/*
 * `spelled`: the key stands for bytes. One that is not rightly spelled, or whose name is taken, is
 * itself.
 */
static int add_node(struct reader *reader, struct cshm_node *group,
                    const struct cshm_member *member, bool spelled, enum cshm_node_type type,
                    struct cshm_node **out)
{
    int result = -EINVAL;
    if (spelled) {
        struct cshm_text raw;
        result = cshm_key_read(&reader->tree->arena, member->key, &raw);
        if (result == 0)
            result = cshm_tree_add(reader->tree, group, raw, type, out);
    }
    if (result == -EINVAL || result == -EEXIST)
        result = cshm_tree_add(reader->tree, group, member->key, type, out);
    if (result == -EEXIST)
        result = add_beside(reader, group, member->key, type, out);
    return result < 0 ? fail_to_add(reader, result, &member->value) : 0;
}

/* --- Groups and what is only in the extension document ----------------------------------- */

static int read_note(struct reader *reader, struct cshm_node *node, const struct cshm_note *note)
{
    if (!note || !note->table)
        return 0;
    return cshm_note_read(reader->tree, node, note->table) < 0 ? fail_memory(reader) : 0;
}

static bool says(const struct cshm_value *table, const char *key, const char *text)
{
    const struct cshm_value *value = cshm_value_get(table, key);
    return value && value->type == CSHM_VALUE_STRING && cshm_text_is(value->string, text);
}

static bool is_bare(const struct cshm_note *note)
{
    return note->table && !note->in_toml &&
           (says(note->table, "shape", "null") || says(note->table, "state", "waiting"));
}

static bool stands_later(const struct cshm_note *note, size_t here)
{
    const struct cshm_value *position = cshm_value_get(note->table, "position");
    return !position || position->type != CSHM_VALUE_INTEGER || position->integer < 0 ||
           (uint64_t)position->integer > here;
}

/*
 * Adds the bare nodes from `*next` on that come at the place the group has reached, or all the
 * rest.
 */
static int add_bare_nodes(struct reader *reader, struct cshm_node *group, struct cshm_note **next,
                          bool all)
{
    for (; *next; *next = (*next)->next) {
        if (!is_bare(*next))
            continue;
        if (!all && stands_later(*next, cshm_node_child_count(group)))
            return 0;
        struct cshm_member member = {.key = (*next)->key, .value.line = (*next)->table->line};
        struct cshm_node *node;
        int result = add_node(reader, group, &member, cshm_table_flag((*next)->table, "bytes_name"),
                              CSHM_NODE_BARE, &node);
        if (result == 0)
            result = read_note(reader, node, *next);
        if (result < 0)
            return result;
    }
    return 0;
}

static int read_group(struct reader *reader, struct cshm_node *group,
                      const struct cshm_value *table, struct cshm_note *note);

static int read_member(struct reader *reader, struct cshm_node *group,
                       const struct cshm_member *member, struct cshm_note *note)
{
    const struct cshm_value *shm_name = cshm_value_get(&member->value, "shm_name");
    bool leaf = shm_name && shm_name->type == CSHM_VALUE_STRING;
    bool spelled = cshm_table_flag(leaf ? &member->value : note ? note->table : NULL, "bytes_name");
    struct cshm_node *node;
    int result =
        add_node(reader, group, member, spelled, leaf ? CSHM_NODE_ARRAY : CSHM_NODE_GROUP, &node);
    if (result < 0)
        return result;
    if (leaf)
        return cshm_leaf_read(reader->tree, node, &member->value, shm_name->string) < 0
                   ? fail_memory(reader)
                   : 0;
    return read_group(reader, node, &member->value, note);
}

/* Recursion ends at CSHM_DEPTH_MAX, where cshm_tree_add() says -ELOOP: some 300 KB of stack. */
static int read_group(struct reader *reader, struct cshm_node *group,
                      const struct cshm_value *table, struct cshm_note *note)
{
    for (size_t i = 0; note && i < table->table.count; i++) {
        struct cshm_note *found =
            cshm_notes_child(&reader->notes, note, table->table.members[i].key);
        if (found)
            found->in_toml = table->table.members[i].value.type == CSHM_VALUE_TABLE;
    }
    int result = read_note(reader, group, note);
    struct cshm_note *bare = note ? note->first : NULL;
    for (size_t i = 0; result == 0 && i < table->table.count; i++) {
        const struct cshm_member *member = &table->table.members[i];
        if (member->value.type != CSHM_VALUE_TABLE)
            continue;
        result = add_bare_nodes(reader, group, &bare, false);
        if (result == 0)
            result = read_member(reader, group, member,
                                 cshm_notes_child(&reader->notes, note, member->key));
    }
    return result < 0 ? result : add_bare_nodes(reader, group, &bare, true);
}

/* --- The extension document -------------------------------------------------------------- */

static bool begins_nodes(const char *line, const char *end)
{
    static const char header[] = " [[node]]";
    return (size_t)(end - line) >= sizeof header - 1 &&
           memcmp(line, header, sizeof header - 1) == 0;
}

/*
 * Its lines without their mark, so that line numbers stay those of the file. `head`: only those
 * before the first node, where the facts are.
 */
static int extract_extension(const char *text, size_t length, bool head, struct cshm_buffer *out)
{
    const char *end = length ? text + length : text;
    while (end - text >= EXTENSION_MARK_SIZE &&
           memcmp(text, extension_mark, EXTENSION_MARK_SIZE) == 0) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *next = newline ? newline + 1 : end;
        const char *line = text + EXTENSION_MARK_SIZE;
        if (line < next && *line != ' ' && *line != '\n' && *line != '\r')
            break;
        if (head && begins_nodes(line, next))
            break;
        cshm_buffer_add(out, line, (size_t)(next - line));
        text = next;
    }
    return out->error;
}

/* A string for the model, by the rule of attributes as a file's name may be any bytes. */
static int read_fact(struct reader *reader, const struct cshm_value *table, const char *key,
                     const char **fact)
{
    const struct cshm_value *value = cshm_value_get(table, key);
    if (!value || value->type != CSHM_VALUE_STRING)
        return 0;
    struct cshm_text text;
    int result = cshm_attribute_read_string(&reader->tree->arena, value->string, &text);
    if (result == -ENOMEM)
        return result;
    if (result < 0)
        text = value->string;
    if (memchr(text.bytes, 0, text.length))
        return 0;
    *fact = cshm_arena_string(&reader->tree->arena, text.bytes, text.length);
    return *fact ? 0 : -ENOMEM;
}

static int64_t read_number(const struct cshm_value *table, const char *key)
{
    const struct cshm_value *value = cshm_value_get(table, key);
    return value && value->type == CSHM_VALUE_INTEGER && value->integer > 0 ? value->integer : 0;
}

/*
 * A generation is for the journal, and nothing that a person said of the project; and what is not
 * understood is not written again.
 */
static bool say_something(const struct cshm_project_facts *facts)
{
    return facts->source || facts->created || facts->source_path || facts->source_size > 0 ||
           facts->source_changed || facts->source_part || facts->owner.pid > 0 ||
           facts->persistent >= 0;
}

static void read_generations(const struct cshm_value *table, struct cshm_project_facts *facts)
{
    const struct cshm_value *folded = cshm_value_get(table, "folded");
    facts->generation = (uint64_t)read_number(table, "generation");
    facts->folded_generation = (uint64_t)read_number(folded, "generation");
    facts->folded_bytes = (uint64_t)read_number(folded, "bytes");
    if (facts->folded_generation == 0 || facts->folded_bytes == 0)
        facts->folded_generation = facts->folded_bytes = 0;
}

static int read_facts(struct reader *reader, const struct cshm_value *table)
{
    struct cshm_project_facts *facts = &reader->tree->facts;
    if (!table || table->type != CSHM_VALUE_TABLE)
        return 0;
    read_generations(table, facts);
    const struct cshm_value *owner = cshm_value_get(table, "owner");
    facts->owner.pid = read_number(owner, "pid");
    if (facts->owner.pid > 0)
        facts->owner.start = (uint64_t)read_number(owner, "start");
    const struct cshm_value *persistent = cshm_value_get(table, "persistent");
    if (persistent && persistent->type == CSHM_VALUE_BOOLEAN)
        facts->persistent = persistent->boolean;
    facts->source_size = (uint64_t)read_number(table, "source_size");
    const struct {
        const char *key;
        const char **fact;
    } words[] = {
        {"source", &facts->source},           {"created", &facts->created},
        {"source_path", &facts->source_path}, {"source_changed", &facts->source_changed},
        {"source_part", &facts->source_part},
    };
    int result = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0] && result == 0; i++)
        result = read_fact(reader, table, words[i].key, words[i].fact);
    facts->present = table->table.count == 0 || say_something(facts);
    return result;
}

static int read_extension(struct reader *reader, const char *text, size_t length,
                          struct cshm_arena *arena)
{
    CSHM_AUTO_BUFFER struct cshm_buffer extension = CSHM_BUFFER_INIT;
    if (extract_extension(text, length, false, &extension) < 0)
        return fail_memory(reader);
    if (extension.length == 0)
        return 0;
    struct cshm_value document;
    int result = cshm_toml_parse(extension.bytes, extension.length, arena, &document, NULL);
    if (result < 0 && result != -ENOMEM) {
        reader->tree->complaint = true; /* the arrays stay */
        return 0;
    }
    if (result == 0)
        result = read_facts(reader, cshm_value_get(&document, "project"));
    if (result == 0)
        result = cshm_notes_read(&reader->notes, cshm_value_get(&document, "node"), arena);
    return result < 0 ? fail_memory(reader) : 0;
}

/* The length of the part of the extension document before its nodes; 0 where that does not end. */
static size_t measure_head(const char *text, size_t length)
{
    static const char node[] = "#~ [[";
    size_t at = 0;
    while (at < length) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t left = length - at;
        if (left < EXTENSION_MARK_SIZE || memcmp(text + at, extension_mark, EXTENSION_MARK_SIZE) ||
            (left >= sizeof node - 1 && memcmp(text + at, node, sizeof node - 1) == 0))
            return at;
        if (!newline)
            return 0;
        at = (size_t)(newline - text) + 1;
    }
    return 0;
}

int cshm_manifest_peek(const char *text, size_t length, struct cshm_project_facts *facts)
{
    CSHM_AUTO_BUFFER struct cshm_buffer head = CSHM_BUFFER_INIT;
    struct cshm_arena arena = {0};
    struct cshm_value document;
    *facts = (struct cshm_project_facts){0};
    int result = extract_extension(text, measure_head(text, length), true, &head);
    if (result == 0 && head.length > 0)
        result = cshm_toml_parse(head.bytes, head.length, &arena, &document, NULL);
    if (result == 0 && head.length > 0)
        read_generations(cshm_value_get(&document, "project"), facts);
    cshm_arena_finish(&arena);
    if (result == 0)
        return facts->generation && facts->folded_generation ? 0 : -EINVAL;
    return result == -ENOMEM ? result : -EINVAL;
}

/* --- All of it --------------------------------------------------------------------------- */

static int parse_into(struct reader *reader, const char *text, size_t length,
                      struct cshm_arena *arena)
{
    struct cshm_value document;
    int result = cshm_toml_parse(text, length, arena, &document, reader->error);
    if (result == 0)
        result = read_extension(reader, text, length, arena);
    if (result == 0)
        result = read_group(reader, &reader->tree->root, &document, &reader->notes.root);
    return result;
}

int cshm_manifest_parse(const char *text, size_t length, struct cshm_tree **out,
                        struct cshm_error *error)
{
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct reader reader = {.tree = tree, .error = error};
    if (!tree)
        return fail_memory(&reader);
    struct cshm_arena document = {0};
    int result = parse_into(&reader, text, length, &document);
    cshm_arena_finish(&document);
    cshm_toml_trim(length);
    if (result == 0)
        *out = CSHM_STEAL(tree);
    return result;
}

int cshm_manifest_parse_facts(const char *text, size_t length, struct cshm_tree **out)
{
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    struct reader reader = {.tree = tree};
    CSHM_AUTO_BUFFER struct cshm_buffer head = CSHM_BUFFER_INIT;
    if (!tree || extract_extension(text, length, true, &head) < 0)
        return -ENOMEM;
    struct cshm_arena arena = {0};
    struct cshm_value document;
    int result =
        head.length ? cshm_toml_parse(head.bytes, head.length, &arena, &document, NULL) : 0;
    if (result < 0 && result != -ENOMEM) {
        tree->complaint = true;
        result = 0;
    } else if (result == 0 && head.length) {
        result = read_facts(&reader, cshm_value_get(&document, "project"));
    }
    cshm_arena_finish(&arena);
    if (result == 0)
        *out = CSHM_STEAL(tree);
    return result;
}
