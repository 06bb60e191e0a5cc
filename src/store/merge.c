/* SPDX-License-Identifier: MIT */
#include "store/merge.h"

#include <errno.h>
#include <string.h>

#include "base/names.h"

enum { PATH_TEXT = 600 }; /* of a path in a message */

/* --- Which group ------------------------------------------------------------------------------ */

static size_t count_entries(const char *path)
{
    struct cshm_text entry;
    size_t count = 0;
    while (cshm_fspath_next(&path, &entry))
        count++;
    return count;
}

/* `group` is where the path leads so far, NULL where that is not there. */
static int resolve_entry(const struct cshm_node *group, struct cshm_text entry,
                         struct cshm_arena *arena, struct cshm_text *key)
{
    char name[CSHM_FSNAME_MAX + 1];
    char decoded[CSHM_FSNAME_MAX + 1];
    if (entry.length > CSHM_FSNAME_MAX)
        return -EINVAL;
    memcpy(name, entry.bytes, entry.length);
    name[entry.length] = '\0';
    size_t length;
    int result = cshm_fsname_decode(name, decoded, &length);
    if (result == -ENAMETOOLONG) { /* a hash: only what is there can be said by it */
        const struct cshm_node *found = group ? cshm_node_child_by_fsname(group, name) : NULL;
        if (!found)
            return -ENOENT;
        *key = cshm_arena_text(arena, found->key);
    } else {
        if (result < 0)
            return -EINVAL;
        *key = cshm_arena_text(arena, (struct cshm_text){decoded, length});
    }
    return key->bytes ? 0 : -ENOMEM;
}

int cshm_merge_resolve(const struct cshm_tree *tree, const char *path, struct cshm_arena *arena,
                       struct cshm_key_path *out, struct cshm_error *error)
{
    const char *rest = path;
    struct cshm_text entry;
    *out =
        (struct cshm_key_path){cshm_arena_array(arena, count_entries(path), sizeof *out->keys), 0};
    if (!out->keys)
        return cshm_fail(error, -ENOMEM, "out of memory");
    const struct cshm_node *group = tree ? &tree->root : NULL;
    while (cshm_fspath_next(&rest, &entry)) {
        struct cshm_text *key = &out->keys[out->depth];
        int result = resolve_entry(group, entry, arena, key);
        if (result == -EINVAL)
            return cshm_fail(error, result, "%s: not the path of a group as a mount shows it",
                             path);
        if (result < 0)
            return cshm_fail_errno(error, result, "%s", path);
        group = group && group->type == CSHM_NODE_GROUP ? cshm_node_child(group, *key) : NULL;
        out->depth++;
    }
    return 0;
}

/* The group, or NULL where it is not there. */
static int find_group(const struct cshm_tree *tree, const struct cshm_key_path *path,
                      const struct cshm_node **out, struct cshm_error *error)
{
    const struct cshm_node *node = &tree->root;
    for (size_t i = 0; node && i < path->depth; i++) {
        node = cshm_node_child(node, path->keys[i]);
        char text[PATH_TEXT];
        if (node && node->type != CSHM_NODE_GROUP)
            return cshm_fail(error, -ENOTDIR, "%s is not a group",
                             cshm_node_path(node, text, sizeof text));
        if (node && node->described)
            return cshm_fail(error, -ENOTDIR, "%s stands for a dataset: nothing can be added to it",
                             cshm_node_path(node, text, sizeof text));
    }
    *out = node;
    return 0;
}

static int make_group(struct cshm_tree *tree, const struct cshm_key_path *path,
                      struct cshm_node **out)
{
    struct cshm_node *node = &tree->root;
    int result = 0;
    for (size_t i = 0; i < path->depth && result == 0; i++) {
        struct cshm_node *child = cshm_node_child(node, path->keys[i]);
        if (!child)
            result = cshm_tree_add(tree, node, path->keys[i], CSHM_NODE_GROUP, &child);
        node = child;
    }
    *out = node;
    return result;
}

/* --- What is there already -------------------------------------------------------------------- */

static struct cshm_attribute **find_attribute(struct cshm_attribute **first, struct cshm_text name)
{
    while (*first && !cshm_text_equal((*first)->name, name))
        first = &(*first)->next;
    return first;
}

static bool same(const struct cshm_attribute *a, const struct cshm_attribute *b)
{
    const char *none = "";
    return strcmp(a->type ? a->type : none, b->type ? b->type : none) == 0 &&
           cshm_value_equal(&a->value, &b->value);
}

static int check_attributes(const struct cshm_node *group, const struct cshm_node *root,
                            struct cshm_error *error)
{
    struct cshm_attribute *first = group->attributes;
    for (const struct cshm_attribute *a = root->attributes; a; a = a->next) {
        const struct cshm_attribute *there = *find_attribute(&first, a->name);
        char path[PATH_TEXT];
        char name[PATH_TEXT / 2];
        if (there && !same(a, there))
            return cshm_fail(error, -EEXIST, "%s has another attribute %s already (-o replaces it)",
                             cshm_node_path(group, path, sizeof path),
                             cshm_text_escape(a->name.bytes, a->name.length, name, sizeof name));
    }
    return 0;
}

int cshm_merge_check(const struct cshm_tree *to, const struct cshm_key_path *path,
                     const struct cshm_tree *from, bool replace, struct cshm_error *error)
{
    const struct cshm_node *group = NULL;
    int result = find_group(to, path, &group, error);
    if (result < 0 || !group || replace)
        return result;
    cshm_for_each_child (node, &from->root) {
        const struct cshm_node *there = cshm_node_child(group, node->key);
        char text[PATH_TEXT];
        if (there)
            return cshm_fail(error, -EEXIST, "%s is there already (-o replaces it)",
                             cshm_node_path(there, text, sizeof text));
    }
    return check_attributes(group, &from->root, error);
}

/* --- Moving ----------------------------------------------------------------------------------- */

static void move_attributes(struct cshm_node *group, struct cshm_node *root)
{
    while (root->attributes) {
        struct cshm_attribute *attribute = root->attributes;
        root->attributes = attribute->next;
        struct cshm_attribute **place = find_attribute(&group->attributes, attribute->name);
        attribute->next = *place ? (*place)->next : NULL;
        *place = attribute;
    }
}

static int move_children(struct cshm_tree *to, struct cshm_node *group, struct cshm_tree *from,
                         struct cshm_tree *gone)
{
    int result = 0;
    while (from->root.first && result == 0) {
        struct cshm_node *node = from->root.first;
        struct cshm_node *there = cshm_node_child(group, node->key);
        if (there)
            result = cshm_tree_move(to, there, gone, &gone->root);
        if (result == 0)
            result = cshm_tree_move(from, node, to, group);
    }
    return result;
}

int cshm_merge(struct cshm_tree *to, const struct cshm_key_path *path, struct cshm_tree *from,
               struct cshm_tree *gone, struct cshm_error *error)
{
    struct cshm_node *group;
    int result = make_group(to, path, &group);
    if (result == 0)
        result = move_children(to, group, from, gone);
    if (result == 0)
        move_attributes(group, &from->root);
    if (result == -ELOOP)
        return cshm_fail(error, result, "would be nested deeper than %d levels", CSHM_DEPTH_MAX);
    if (result == -EMFILE)
        return cshm_fail(error, result, "would have more than %d groups and arrays",
                         CSHM_NODES_MAX);
    return result < 0 ? cshm_fail_errno(error, result, "cannot be added to") : 0;
}
