/* SPDX-License-Identifier: MIT */
/*
 * Sidecar text, as a person wrote it, to a node. Strict, unlike the manifest: whoever writes a
 * sidecar waits for an answer, so what is not understood is refused with its line.
 */
#include "format/sidecar.h"

#include <errno.h>

#include "base/scope.h"
#include "format/describe.h"
#include "format/toml.h"

/* Keys of the main table: those that count, and those that only describe and are accepted. */
static const char *const array_keys[] = {
    "dtype", "shape",  "encoding", "enum",  "bytes_enum", "kind",        "tag",
    "rest",  "nbytes", "segment",  "state", "reason",     "bytes_attrs",
};
static const char *const group_keys[] = {
    "kind",   "shape",      "arrays", "groups", "nbytes", "created",
    "source", "persistent", "owner",  "state",  "reason", "bytes_attrs",
};

/* What differs between the two kinds of sidecar. */
struct form {
    const char *table; /* "array" or "group" */
    const char *const *keys;
    size_t key_count;
};

static const struct form array_form = {"array", array_keys,
                                       sizeof array_keys / sizeof array_keys[0]};
static const struct form group_form = {"group", group_keys,
                                       sizeof group_keys / sizeof group_keys[0]};

static bool is_one_of(struct cshm_text key, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cshm_text_is(key, keys[i]))
            return true;
    return false;
}

static void complain_of_key(struct cshm_complaint *complaint, const struct cshm_member *member,
                            const char *table)
{
    char shown[128];
    cshm_complain(complaint, &member->value, "unknown key \"%s\"%s%s",
                  cshm_text_escape(member->key.bytes, member->key.length, shown, sizeof shown),
                  table ? " in " : "", table ? table : "");
}

static void check_document(const struct cshm_value *document, const struct form *form,
                           struct cshm_complaint *complaint)
{
    const char *const tables[] = {form->table, "attrs", "attr_types"};
    for (size_t i = 0; i < document->table.count; i++) {
        const struct cshm_member *member = &document->table.members[i];
        if (!is_one_of(member->key, tables, sizeof tables / sizeof tables[0]))
            complain_of_key(complaint, member, NULL);
        else if (member->value.type != CSHM_VALUE_TABLE)
            cshm_complain(complaint, &member->value, "%s is not a table", member->key.bytes);
    }
}

static void check_main_table(const struct cshm_value *table, const struct form *form,
                             struct cshm_complaint *complaint)
{
    for (size_t i = 0; i < table->table.count; i++)
        if (!is_one_of(table->table.members[i].key, form->keys, form->key_count))
            complain_of_key(complaint, &table->table.members[i], form->table);
}

static int read_main_table(const struct cshm_value *table, const struct form *form,
                           struct cshm_tree *tree, struct cshm_node *node,
                           struct cshm_complaint *complaint)
{
    check_main_table(table, form, complaint);
    int result = cshm_describe_read(tree, node, table, complaint);
    if (result == 0 && node->described)
        node->described->empty_rest = false; /* `rest` only describes here: the file knows */
    return result;
}

static int read_document(const struct cshm_value *document, const struct form *form,
                         struct cshm_tree *tree, struct cshm_node *node,
                         struct cshm_complaint *complaint)
{
    check_document(document, form, complaint);
    if (complaint->error.code)
        return 0;
    const struct cshm_value *table = cshm_value_get(document, form->table);
    int result = table ? read_main_table(table, form, tree, node, complaint) : 0;
    if (result < 0)
        return result;
    return cshm_attributes_read(tree, node, cshm_value_get(document, "attrs"),
                                cshm_value_get(document, "attr_types"),
                                cshm_table_flag(table, "bytes_attrs"), complaint);
}

static int answer(int result, const struct cshm_complaint *complaint, struct cshm_error *error)
{
    if (result < 0)
        return cshm_fail(error, result, "out of memory");
    if (!complaint->error.code)
        return 0;
    if (error) {
        *error = complaint->error;
        if (complaint->line)
            cshm_error_prefix(error, "line %u", complaint->line);
    }
    return -EINVAL;
}

static void read_hints(const struct cshm_value *table, struct cshm_sidecar_hints *hints)
{
    if (table->type != CSHM_VALUE_TABLE) /* which is refused */
        return;
    const struct cshm_value *state = cshm_value_get(table, "state");
    const struct cshm_value *rest = cshm_value_get(table, "rest");
    hints->has_segment = cshm_value_get(table, "segment") != NULL;
    hints->waits =
        state && state->type == CSHM_VALUE_STRING && cshm_text_is(state->string, "waiting");
    hints->rest =
        rest && rest->type == CSHM_VALUE_INTEGER && rest->integer > 0 ? (uint64_t)rest->integer : 0;
}

int cshm_sidecar_parse(const char *text, size_t length, bool is_group, struct cshm_tree *tree,
                       struct cshm_node *node, struct cshm_sidecar_hints *hints,
                       struct cshm_error *error)
{
    const struct form *form = is_group ? &group_form : &array_form;
    struct cshm_complaint complaint = {0};
    struct cshm_arena arena = {0};
    struct cshm_value document;
    *hints = (struct cshm_sidecar_hints){0};
    int result = cshm_toml_parse(text, length, &arena, &document, error);
    if (result == 0) {
        const struct cshm_value *table = cshm_value_get(&document, form->table);
        if (table)
            read_hints(table, hints);
        result = answer(read_document(&document, form, tree, node, &complaint), &complaint, error);
    }
    cshm_arena_finish(&arena);
    cshm_toml_trim(length);
    return result;
}
