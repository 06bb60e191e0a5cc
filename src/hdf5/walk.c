/* SPDX-License-Identifier: MIT */
/*
 * The first step: every link of the file is followed once and gets its node; what is declared about
 * sizes is added up; nothing is read or reserved yet. Recursion is one C frame or three a level,
 * the level bounded by the tree, and no frame holds a text buffer.
 */
#include <errno.h>

#include "hdf5/alias.h"
#include "hdf5/dataset.h"
#include "hdf5/links.h"
#include "hdf5/nodes.h"
#include "hdf5/selection.h"

/* What is selected at a link and below it. */
struct choice {
    struct cshm_selection *step; /* NULL: no path says anything */
    bool is_whole;               /* everything; else what the paths below `step` say */
};

/* A group while its links are followed. */
struct place {
    struct cshm_loader *loader;
    hid_t id;
    unsigned long file;
    struct cshm_node *node;
    struct choice choice; /* of the link that is followed */
};

static int walk_group(struct cshm_loader *loader, struct cshm_object *object, hid_t id,
                      struct cshm_node *node, struct choice choice);

/* --- Words
 * ---------------------------------------------------------------------------------------- */

static __attribute__((noinline)) const char *
link_path(const struct place *place, const struct cshm_link *link, char out[CSHM_PATH_TEXT_MAX])
{
    char name[CSHM_PATH_TEXT_MAX / 2];
    cshm_text_escape(link->name, strlen(link->name), name, sizeof name);
    char group[CSHM_PATH_TEXT_MAX / 2];
    cshm_node_path(place->node, group, sizeof group);
    (void)snprintf(out, CSHM_PATH_TEXT_MAX, "%s%s%s", group, place->node->parent ? "/" : "", name);
    return out;
}

static __attribute__((noinline)) void warn(const struct place *place, const struct cshm_link *link,
                                           const char *reason)
{
    char path[CSHM_PATH_TEXT_MAX];
    cshm_loader_warn(place->loader, link_path(place, link, path), "%s", reason);
}

static __attribute__((noinline)) int give_up(const struct place *place,
                                             const struct cshm_link *link, int code)
{
    char path[CSHM_PATH_TEXT_MAX];
    return cshm_loader_give_up(place->loader, link_path(place, link, path), code);
}

static __attribute__((noinline)) void set_current(struct cshm_loader *loader,
                                                  const struct cshm_node *node)
{
    char path[CSHM_CURRENT_MAX];
    cshm_channel_set_current(loader->channel, cshm_node_path(node, path, sizeof path));
}

/* --- Datasets
 * ------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void
tell_note(struct cshm_loader *loader, const struct cshm_plan *plan, const struct cshm_node *node)
{
    const struct cshm_plan *part;
    const char *note = cshm_plan_note(plan, &part);
    if (!note)
        return;
    char path[CSHM_PATH_TEXT_MAX];
    cshm_node_path(node, path, sizeof path);
    if (part->name.bytes)
        cshm_loader_warn(loader, path, "field %s: %s: kept as raw bytes", part->name.bytes, note);
    else
        cshm_loader_warn(loader, path, "%s: kept as raw bytes", note);
}

/* Adds the nodes of a dataset; they are taken out again by the caller if this fails. */
static __attribute__((noinline)) int add_dataset(const struct place *place,
                                                 const struct cshm_link *link,
                                                 struct cshm_object *object, hid_t id)
{
    struct cshm_loader *loader = place->loader;
    CSHM_AUTO_DATASET struct cshm_dataset dataset;
    int result = cshm_dataset_open(loader, id, object->identity.file, &dataset);
    if (result < 0)
        return result;
    const struct cshm_plan *plan = &dataset.type.root;
    enum cshm_node_type type = dataset.is_null ? CSHM_NODE_BARE : cshm_plan_node_type(plan);
    struct cshm_node *node;
    result = cshm_nodes_add(loader, place->node, cshm_text(link->name), type, &node);
    if (result < 0)
        return result;
    object->node = node;
    object->is_variable = plan->is_variable && dataset.elements > 0;
    set_current(loader, node);
    tell_note(loader, plan, node);
    return dataset.is_null ? cshm_nodes_describe_null(loader, plan, node)
                           : cshm_nodes_describe(loader, plan, node, dataset.rank, dataset.shape);
}

static int walk_dataset(const struct place *place, const struct cshm_link *link,
                        struct cshm_object *object, hid_t id)
{
    int result = add_dataset(place, link, object, id);
    if (result == 0)
        return 0;
    object->is_left_out = true;
    if (object->node) {
        (void)cshm_object_path(object, place->loader->above, &place->loader->arena);
        cshm_tree_remove(place->loader->tree, object->node);
        object->node = NULL;
    }
    return give_up(place, link, result);
}

/* --- Selected paths --------------------------------------------------------------------------- */

static struct choice choose(struct choice group, const char *name)
{
    struct choice choice = {cshm_selection_step(group.step, name), group.is_whole};
    choice.is_whole |= choice.step && choice.step->path;
    return choice;
}

/* There is something of a selected path; whether it can be read is another matter. */
static void mark_found(const struct place *place)
{
    if (place->choice.step)
        place->choice.step->is_found = true;
}

/* --- Links
 * ---------------------------------------------------------------------------------------- */

/* The path of an object that is not in the tree itself, for references to it. */
static __attribute__((noinline)) int
name_type(const struct place *place, const struct cshm_link *link, struct cshm_object *object)
{
    struct cshm_object group = {.node = place->node};
    struct cshm_arena *arena = &place->loader->arena;
    struct cshm_text above = cshm_object_path(&group, place->loader->above, arena);
    bool is_root = cshm_text_is(above, "/");
    size_t length = (is_root ? 0 : above.length) + 1 + strlen(link->name);
    char *bytes = above.bytes ? cshm_arena_array(arena, length + 1, 1) : NULL;
    if (!bytes)
        return cshm_loader_fail_all(place->loader, -ENOMEM, "out of memory");
    (void)snprintf(bytes, length + 1, "%s/%s", is_root ? "" : above.bytes, link->name);
    object->path = (struct cshm_text){bytes, length};
    return 0;
}

static int add_group(const struct place *place, const struct cshm_link *link,
                     struct cshm_node **node)
{
    int result =
        cshm_nodes_add(place->loader, place->node, cshm_text(link->name), CSHM_NODE_GROUP, node);
    if (result == 0)
        set_current(place->loader, *node);
    return result;
}

static int walk_new(const struct place *place, const struct cshm_link *link,
                    struct cshm_object *object, hid_t id)
{
    int result;
    switch (object->type) {
    case H5O_TYPE_GROUP:
        mark_found(place);
        result = add_group(place, link, &object->node);
        if (result == 0)
            return walk_group(place->loader, object, id, object->node, place->choice);
        object->is_left_out = true;
        return give_up(place, link, result);
    case H5O_TYPE_DATASET:
        mark_found(place);
        return walk_dataset(place, link, object, id);
    case H5O_TYPE_NAMED_DATATYPE:
        return name_type(place, link, object);
    default:
        warn(place, link, "an object of a kind this version does not know: left out");
        return 0;
    }
}

static int walk_group_again(const struct place *place, const struct cshm_link *link,
                            struct cshm_object *object)
{
    struct cshm_node *node;
    if (object->is_being_walked) {
        warn(place, link, "leads back to a group it is in: left out");
        return 0;
    }
    mark_found(place);
    CSHM_AUTO_HID hid_t id = cshm_objects_open(&place->loader->objects, object);
    int result = id < 0 ? cshm_loader_fail_h5(place->loader, "cannot be opened")
                        : add_group(place, link, &node);
    if (result < 0)
        return give_up(place, link, result);
    result = cshm_alias_note(place->loader, node, object);
    return result < 0 ? result : walk_group(place->loader, object, id, node, place->choice);
}

static int walk_again(const struct place *place, const struct cshm_link *link,
                      struct cshm_object *object)
{
    /* A dataset that is taken for a group by a selected path is not there. */
    if (!place->choice.is_whole && object->type != H5O_TYPE_GROUP)
        return 0;
    if (object->is_left_out) {
        mark_found(place);
        (void)cshm_fail(&place->loader->error, -EINVAL,
                        "another path of an object that was left out");
        return give_up(place, link, -EINVAL);
    }
    if (object->type == H5O_TYPE_GROUP)
        return walk_group_again(place, link, object);
    if (object->type != H5O_TYPE_DATASET)
        return 0;
    mark_found(place);
    struct cshm_node *node;
    int result = cshm_nodes_add(place->loader, place->node, cshm_text(link->name),
                                object->node->type, &node);
    if (result < 0)
        return give_up(place, link, result);
    return cshm_alias_note(place->loader, node, object);
}

static __attribute__((noinline)) struct cshm_object *enter(struct cshm_loader *loader, hid_t id,
                                                           bool *is_new)
{
    struct cshm_object_info info;
    if (cshm_h5_object_info(id, &info) < 0) {
        (void)cshm_loader_fail_h5(loader, "cannot be looked at");
        return NULL;
    }
    struct cshm_object *object = cshm_objects_find(&loader->objects, &info.identity);
    *is_new = !object;
    if (object)
        return object;
    if (cshm_objects_keep_file(&loader->objects, id, info.identity.file) < 0) {
        (void)cshm_loader_fail_h5(loader, "file cannot be kept open");
        return NULL;
    }
    object = cshm_objects_add(&loader->objects, &loader->arena, &info);
    if (!object)
        (void)cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    return object;
}

static int walk_target(const struct place *place, const struct cshm_link *link, hid_t id)
{
    if (!place->choice.is_whole && H5Iget_type(id) != H5I_GROUP)
        return 0;
    bool is_new;
    struct cshm_object *object = enter(place->loader, id, &is_new);
    if (!object)
        return give_up(place, link, place->loader->error.code);
    return is_new ? walk_new(place, link, object, id) : walk_again(place, link, object);
}

static int walk_hard(const struct place *place, const struct cshm_link *link)
{
    struct cshm_identity identity = {0};
    identity.file = place->file;
    memcpy(identity.token, link->token, CSHM_TOKEN_SIZE);
    struct cshm_object *object = cshm_objects_find(&place->loader->objects, &identity);
    if (object)
        return walk_again(place, link, object);
    CSHM_AUTO_HID hid_t id = cshm_h5_open(place->id, link->token);
    if (id < 0) {
        mark_found(place);
        return give_up(place, link, cshm_loader_fail_h5(place->loader, "cannot be opened"));
    }
    return walk_target(place, link, id);
}

static int walk_soft(const struct place *place, const struct cshm_link *link)
{
    CSHM_AUTO_HID hid_t id = H5Oopen(place->id, link->name, H5P_DEFAULT);
    if (id >= 0)
        return walk_target(place, link, id);
    warn(place, link,
         link->type == H5L_TYPE_SOFT ? "a soft link that leads nowhere: left out"
                                     : "an external link that leads nowhere: left out");
    return 0;
}

static int walk_link(const struct place *place, const struct cshm_link *link)
{
    cshm_loader_beat(place->loader);
    switch (link->type) {
    case H5L_TYPE_HARD:
        return walk_hard(place, link);
    case H5L_TYPE_SOFT:
    case H5L_TYPE_EXTERNAL:
        return walk_soft(place, link);
    default:
        warn(place, link, "a user-defined link: left out");
        return 0;
    }
}

static int walk_group(struct cshm_loader *loader, struct cshm_object *object, hid_t id,
                      struct cshm_node *node, struct choice choice)
{
    struct place place = {loader, id, object->identity.file, node, choice};
    CSHM_AUTO_LINKS struct cshm_links links = {0};
    int result = cshm_links_read(loader, id, &links);
    if (result < 0)
        result = cshm_loader_give_up_node(loader, node, result);
    object->is_being_walked = true;
    for (size_t i = 0; i < links.count && result == 0; i++) {
        place.choice = choose(choice, links.links[i].name);
        if (place.choice.is_whole || place.choice.step)
            result = walk_link(&place, &links.links[i]);
    }
    object->is_being_walked = false;
    return result;
}

static int walk_root(struct cshm_loader *loader, struct choice choice)
{
    CSHM_AUTO_HID hid_t id = H5Gopen2(loader->file, "/", H5P_DEFAULT);
    if (id < 0)
        return cshm_loader_give_up(loader, "/", cshm_loader_fail_h5(loader, "cannot be opened"));
    bool is_new;
    struct cshm_object *object = enter(loader, id, &is_new);
    if (!object)
        return cshm_loader_give_up(loader, "/", loader->error.code);
    object->node = &loader->tree->root;
    return walk_group(loader, object, id, object->node, choice);
}

int cshm_walk(struct cshm_loader *loader)
{
    const struct cshm_import_options *options = loader->options;
    if (options->select_count == 0)
        return walk_root(loader, (struct choice){.is_whole = true});
    struct cshm_selection *all =
        cshm_selection_make(&loader->arena, options->select, options->select_count);
    if (!all)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    int result = walk_root(loader, (struct choice){all, all->path != NULL});
    const char *missing = result < 0 ? NULL : cshm_selection_missing(all);
    if (missing) /* also with skip_errors: it is the caller's word, not the file's */
        return cshm_loader_fail_all(loader, -ENOENT, "%s: no such group or dataset in this file",
                                    missing);
    return result;
}
