/* SPDX-License-Identifier: MIT */
/*
 * A manifest that parses is rendered as text that parses to an equal tree; and no value nests
 * deeper than the scan before the TOML library said (that scan is what keeps the library's
 * recursion in bounds).
 */
#include <stdint.h>
#include <stdlib.h>

#include "format/manifest.h"
#include "format/toml.h"
#include "format/toml_nesting.h"
#include "tree_equal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static size_t depth_of(const struct cshm_value *value)
{
    size_t deepest = 0;
    bool list = value->type == CSHM_VALUE_ARRAY;
    size_t count = list                              ? value->array.count
                   : value->type == CSHM_VALUE_TABLE ? value->table.count
                                                     : 0;
    for (size_t i = 0; i < count; i++) {
        size_t depth = depth_of(list ? &value->array.items[i] : &value->table.members[i].value);
        deepest = depth + 1 > deepest ? depth + 1 : deepest;
    }
    return deepest;
}

static void check_nesting(const char *text, size_t size)
{
    struct cshm_arena arena = {0};
    struct cshm_value document;
    if (cshm_toml_parse(text, size, &arena, &document, NULL) == 0) {
        struct cshm_toml_nesting nesting = cshm_toml_nesting(text, size);
        /* [[a.b]] is one part for two levels: the list and its element. */
        require(depth_of(&document) <= 2 * nesting.depth);
        if (size < 2 || !memmem(text, size, "[[", 2))
            require(depth_of(&document) <= nesting.depth);
    }
    cshm_arena_finish(&arena);
}

/* Of what we write, the head alone says the same; of anything else it says something. */
static void check_head(const char *text, size_t size, const struct cshm_project_facts *facts)
{
    CSHM_AUTO_TREE struct cshm_tree *head = NULL;
    require(cshm_manifest_parse_facts(text, size, &head) == 0);
    require(!head->root.first && (!facts || same_facts(&head->facts, facts)));
}

static void check_round_trip(const char *text, size_t size)
{
    CSHM_AUTO_TREE struct cshm_tree *tree = NULL;
    if (cshm_manifest_parse(text, size, &tree, NULL) < 0)
        return;
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    require(cshm_manifest_render(tree, &out) == 0);
    CSHM_AUTO_TREE struct cshm_tree *again = NULL;
    require(cshm_manifest_parse(out.bytes, out.length, &again, NULL) == 0);
    require(same_tree(tree, again) && !again->complaint);
    check_head(out.bytes, out.length, &tree->facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    check_nesting(text, size);
    check_head(text, size, NULL);
    check_round_trip(text, size);
    return 0;
}
