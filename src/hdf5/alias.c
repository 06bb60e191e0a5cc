/* SPDX-License-Identifier: MIT */
#include "hdf5/alias.h"

#include <errno.h>

#include "hdf5/nodes.h"

struct cshm_alias {
    struct cshm_alias *next;
    struct cshm_node *node;
    struct cshm_object *object;
};

int cshm_alias_note(struct cshm_loader *loader, struct cshm_node *node, struct cshm_object *object)
{
    struct cshm_alias *alias = cshm_arena_alloc(&loader->arena, sizeof *alias);
    if (!alias)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    *alias = (struct cshm_alias){.node = node, .object = object};
    if (!loader->last_alias)
        loader->last_alias = &loader->aliases;
    *loader->last_alias = alias;
    loader->last_alias = &alias->next;
    return 0;
}

static int copy_attributes(struct cshm_loader *loader, struct cshm_node *to,
                           const struct cshm_node *from)
{
    for (const struct cshm_attribute *a = from->attributes; a; a = a->next)
        if (cshm_tree_add_attribute(loader->tree, to, a->name, &a->value, a->type) < 0)
            return -ENOMEM;
    return 0;
}

static int copy_description(struct cshm_loader *loader, struct cshm_node *to,
                            const struct cshm_node *from)
{
    if (!from->described)
        return 0;
    struct cshm_description *described = cshm_tree_describe(loader->tree, to);
    if (!described)
        return -ENOMEM;
    *described = *from->described;
    return 0;
}

/* The arrays of a dataset: its own, or those of its parts (types nest to a bounded depth). */
static int copy_dataset(struct cshm_loader *loader, struct cshm_node *to, struct cshm_node *from)
{
    if (from->type == CSHM_NODE_ARRAY)
        return cshm_draft_share(loader->draft, to, from);
    int result = copy_description(loader, to, from);
    for (struct cshm_node *child = from->first; child && result == 0; child = child->next) {
        struct cshm_node *copy;
        result = cshm_nodes_add(loader, to, child->key, child->type, &copy);
        if (result == 0)
            result = copy_dataset(loader, copy, child);
    }
    return result;
}

static int leave_out(struct cshm_loader *loader, struct cshm_node *node)
{
    char path[CSHM_PATH_TEXT_MAX];
    cshm_node_path(node, path, sizeof path);
    cshm_tree_remove(loader->tree, node);
    (void)cshm_fail(&loader->error, -EINVAL, "another path of an object that was left out");
    return cshm_loader_give_up(loader, path, -EINVAL);
}

static int make(struct cshm_loader *loader, struct cshm_alias *alias)
{
    struct cshm_object *object = alias->object;
    int result = 0;
    if (object->is_left_out)
        return leave_out(loader, alias->node);
    if (object->type == H5O_TYPE_DATASET)
        result = copy_dataset(loader, alias->node, object->node);
    if (result == 0)
        result = copy_attributes(loader, alias->node, object->node);
    if (result == -ENOMEM)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    return result < 0 ? cshm_loader_give_up_node(loader, alias->node, result) : 0;
}

int cshm_alias_all(struct cshm_loader *loader)
{
    int result = 0;
    for (struct cshm_alias *alias = loader->aliases; alias && result == 0; alias = alias->next) {
        cshm_loader_beat(loader);
        result = make(loader, alias);
    }
    return result;
}
