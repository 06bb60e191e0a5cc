/* SPDX-License-Identifier: MIT */
#include "difference.h"

#include <string.h>
#include <time.h>

#include "base/names.h"
#include "sight.h"
#include "view.h"

enum { INODES_OF_SEGMENT = 8 };

static const struct cshm_text no_key = {"", 0};

static const char *segment_of(const struct cshm_node *node)
{
    return node->type == CSHM_NODE_ARRAY && node->described ? node->described->segment : NULL;
}

static void sidecar_name(const struct cshm_node *node,
                         char out[CSHM_FSNAME_MAX + sizeof ENTRIES_META])
{
    size_t length = cshm_fsname_encode(node->key, out);
    memcpy(out + length, ENTRIES_META, sizeof ENTRIES_META);
}

/*
 * The kernel keeps what it has read of a directory until its mtime is another one: so it must be,
 * whatever the time.
 */
static void touch(struct inode *directory, struct timespec time)
{
    _Atomic int64_t *changed = &inode_directory(directory)->changed;
    int64_t wanted = sight_nanoseconds(time);
    int64_t before = atomic_exchange(changed, wanted);
    if (before == wanted)
        (void)atomic_compare_exchange_strong(changed, &wanted, wanted + 1);
}

void difference_entries(struct daemon *daemon, struct inode *directory)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    touch(directory, now);
    herald_attributes(&daemon->herald, directory);
}

/* --- Names --------------------------------------------------------------------------------------
 */

/* The array's name in `directory`, where anything of its segment is known. */
static void forget_array(struct daemon *daemon, struct inode *directory,
                         const struct cshm_node *node)
{
    struct inode *arrays[INODES_OF_SEGMENT];
    char name[CSHM_FSNAME_MAX + 1];
    const char *segment = segment_of(node);
    size_t count =
        segment ? inode_find_arrays(&daemon->inodes, segment, arrays, INODES_OF_SEGMENT) : 0;
    (void)cshm_fsname_encode(node->key, name);
    for (size_t i = 0; i < count; i++) {
        herald_entry(&daemon->herald, directory, name, arrays[i]);
        inode_drop(&daemon->inodes, arrays[i], 1);
    }
}

static void forget_group(struct daemon *daemon, struct inode *directory,
                         const struct cshm_node *node)
{
    char name[CSHM_FSNAME_MAX + 1];
    (void)cshm_fsname_encode(node->key, name);
    herald_entry(&daemon->herald, directory, name, NULL);
}

/* --- A whole picture ----------------------------------------------------------------------------
 */

struct comparison {
    struct daemon *daemon;
    struct picture *picture;
    const struct cshm_project *before; /* NULL: not of interest */
    const struct cshm_project *after;  /* NULL: gone */
    bool given;                        /* to another owner */
    bool opened;                       /* owner, group or mode are others */
};

static const struct cshm_node nothing = {.type = CSHM_NODE_GROUP};

/* What decides whether an array has a file, and how long it is shown. */
static bool is_shown_alike(const struct cshm_node *a, const struct cshm_node *b)
{
    const struct cshm_description *one = a->described;
    const struct cshm_description *other = b->described;
    return one->bytes == other->bytes && one->rank == other->rank && !a->problem == !b->problem &&
           one->undeclared == other->undeclared && one->empty_rest == other->empty_rest;
}

/* Whether its names are the same ones: of another segment it is not known if there was a file. */
static bool compare_array(const struct comparison *c, struct inode *directory,
                          const struct cshm_node *old, const struct cshm_node *new)
{
    const char *before = segment_of(old);
    const char *after = new ? segment_of(new) : NULL;
    bool same = before && after && !c->given && strcmp(before, after) == 0;
    bool alike = same && is_shown_alike(old, new);
    if (before && !alike)
        forget_array(c->daemon, directory, old);
    return alike || (new &&new->type == CSHM_NODE_BARE && old->type == CSHM_NODE_BARE);
}

static void compare_sidecar(const struct comparison *c, struct inode *directory,
                            const struct cshm_node *old, struct cshm_node *new)
{
    struct daemon *daemon = c->daemon;
    struct inode *sidecar = inode_find(&daemon->inodes, INODE_SIDECAR, directory, old->key);
    if (!sidecar)
        return;
    struct sight sight = {.picture = c->picture, .node = new};
    if (new &&new->type != CSHM_NODE_GROUP)
        entries_of(c->picture, new, &sight.looks);
    if (!sight.looks.sidecar) {
        char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
        sidecar_name(old, name);
        herald_entry(&daemon->herald, directory, name, sidecar);
    } else if (c->opened || view_sidecar_differs(daemon, sidecar, &sight)) {
        herald_attributes(&daemon->herald, sidecar);
    }
    inode_drop(&daemon->inodes, sidecar, 1);
}

static void compare_meta(const struct comparison *c, struct inode *directory,
                         const struct cshm_node *new)
{
    struct daemon *daemon = c->daemon;
    struct inode *meta = inode_find(&daemon->inodes, INODE_META, directory, no_key);
    if (!meta)
        return;
    if (c->after && new != &nothing && entries_has_meta(c->picture, new))
        herald_attributes(&daemon->herald, meta);
    else
        herald_entry(&daemon->herald, directory, ENTRIES_META, meta);
    inode_drop(&daemon->inodes, meta, 1);
}

static void compare_group(const struct comparison *c, struct inode *directory,
                          const struct cshm_node *old, const struct cshm_node *new);

/* Whether there are still the same entries. `new` is NULL where there is no such key. */
static bool compare_child(const struct comparison *c, struct inode *directory,
                          const struct cshm_node *old, struct cshm_node *new)
{
    struct inode_table *table = &c->daemon->inodes;
    bool same_kind = new && (new->type == CSHM_NODE_GROUP) == (old->type == CSHM_NODE_GROUP);
    if (old->type != CSHM_NODE_GROUP) {
        bool alike = compare_array(c, directory, old, new);
        compare_sidecar(c, directory, old, new);
        return same_kind && alike;
    }
    struct inode *child = inode_find(table, INODE_DIRECTORY, directory, old->key);
    if (!child)
        return same_kind;
    compare_group(c, child, old, same_kind ? new : &nothing);
    if (!same_kind)
        forget_group(c->daemon, directory, old);
    inode_drop(table, child, 1);
    return same_kind;
}

static void compare_group(const struct comparison *c, struct inode *directory,
                          const struct cshm_node *old, const struct cshm_node *new)
{
    size_t kept = 0;
    bool came_or_went = false;
    cshm_for_each_child (child, old) {
        struct cshm_node *same = cshm_node_child(new, child->key);
        kept += same != NULL;
        came_or_went |= !compare_child(c, directory, child, same);
    }
    came_or_went |= new == &nothing || cshm_node_child_count(new) != kept;
    came_or_went |=
        c->before && c->after &&
        entries_project_has_meta(c->before, old) != entries_project_has_meta(c->after, new);
    compare_meta(c, directory, new);
    if (came_or_went && c->after)
        touch(directory, c->after->changed);
    if (came_or_went && !c->after) /* one of that name may come, and the kernel still knows this */
        difference_entries(c->daemon, directory);
    else if (c->opened || came_or_went)
        herald_attributes(&c->daemon->herald, directory);
}

void difference_replaced(struct daemon *daemon, struct picture *picture,
                         const struct cshm_project *before, const struct cshm_project *after)
{
    struct inode_table *table = &daemon->inodes;
    struct cshm_text name = cshm_text(picture->name);
    if (!before || !after)
        herald_attributes(&daemon->herald, &table->root);
    struct inode *directory = inode_find(table, INODE_DIRECTORY, &table->root, name);
    if (!directory || !before || !before->tree) {
        if (directory && !before) /* it came back to somebody who has stayed in it */
            difference_entries(daemon, directory);
        if (directory)
            inode_drop(table, directory, 1);
        return;
    }
    struct comparison comparison = {
        .daemon = daemon, .picture = picture, .before = before, .after = after};
    if (after) {
        comparison.given = before->uid != after->uid;
        comparison.opened = comparison.given || before->gid != after->gid ||
                            before->mode != after->mode || before->damaged != after->damaged;
    }
    compare_group(&comparison, directory, &before->tree->root,
                  after ? &after->tree->root : &nothing);
    if (!after)
        herald_entry(&daemon->herald, &table->root, picture->name, directory);
    inode_drop(table, directory, 1);
}

/* --- A single change ----------------------------------------------------------------------------
 */

/* The inode of a group, held; NULL when the kernel does not know it. */
static struct inode *directory_of(struct daemon *daemon, const struct picture *picture,
                                  const struct cshm_node *group)
{
    struct inode_table *table = &daemon->inodes;
    if (!group->parent)
        return inode_find(table, INODE_DIRECTORY, &table->root, cshm_text(picture->name));
    struct inode *parent = directory_of(daemon, picture, group->parent);
    if (!parent)
        return NULL;
    struct inode *inode = inode_find(table, INODE_DIRECTORY, parent, group->key);
    inode_drop(table, parent, 1);
    return inode;
}

/* The sums in the sidecars of `group` and of all above it. */
static void change_sums(struct daemon *daemon, struct inode *directory)
{
    for (; directory->kind == INODE_DIRECTORY; directory = directory->parent) {
        struct inode *meta = inode_find(&daemon->inodes, INODE_META, directory, no_key);
        if (!meta)
            continue;
        herald_attributes_later(&daemon->herald, meta);
        inode_drop(&daemon->inodes, meta, 1);
    }
}

/* The sidecar of `node` says something else, or is not there any more. */
static void change_text(struct daemon *daemon, const struct picture *picture,
                        const struct cshm_node *node)
{
    bool is_group = node->type == CSHM_NODE_GROUP;
    struct inode *directory = directory_of(daemon, picture, is_group ? node : node->parent);
    if (!directory)
        return;
    struct inode *sidecar = inode_find(&daemon->inodes, is_group ? INODE_META : INODE_SIDECAR,
                                       directory, is_group ? no_key : node->key);
    if (sidecar) {
        char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META] = ENTRIES_META;
        if (!is_group)
            sidecar_name(node, name);
        herald_entry(&daemon->herald, directory, name, sidecar);
        inode_drop(&daemon->inodes, sidecar, 1);
    }
    if (is_group) /* which may have a `.meta` now, or none any more */
        difference_entries(daemon, directory);
    inode_drop(&daemon->inodes, directory, 1);
}

/* An entry comes or goes in `group`, somebody else's doing unless `own`. */
static void change_group(struct daemon *daemon, const struct picture *picture,
                         const struct cshm_node *group, bool own)
{
    struct inode *directory = group ? directory_of(daemon, picture, group) : NULL;
    if (!directory)
        return;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    touch(directory, now);
    if (!own)
        herald_attributes(&daemon->herald, directory);
    change_sums(daemon, directory);
    inode_drop(&daemon->inodes, directory, 1);
}

/* The node, with all below it, is not to be found by its name any more. */
static void change_name(struct daemon *daemon, struct picture *picture,
                        const struct cshm_node *node)
{
    struct inode *directory = node->parent ? directory_of(daemon, picture, node->parent) : NULL;
    if (!directory)
        return;
    struct comparison nothing_left = {.daemon = daemon, .picture = picture};
    (void)compare_child(&nothing_left, directory, node, NULL);
    inode_drop(&daemon->inodes, directory, 1);
}

/* Whether an array is put that has its file, and a sidecar or none, as before. */
static bool is_put_alike(const struct picture *picture, const struct cshm_operation *operation,
                         const struct cshm_node *node)
{
    if (!node || operation->kind != CSHM_OPERATION_PUT)
        return false;
    const char *before = segment_of(node);
    const char *after = segment_of(operation->node);
    if (!before || !after || strcmp(before, after) != 0)
        return false;
    /* Its description may have been too long for the segment, or is now. */
    struct entries had = {0};
    struct entries has = {0};
    entries_of(picture, node, &had);
    entries_of(picture, operation->node, &has);
    return had.data == has.data && had.sidecar == has.sidecar;
}

/*
 * Its size, or what its sidecar says: no name is another one now. Whoever resizes it himself knows
 * its attributes.
 */
static void change_array(struct daemon *daemon, const struct picture *picture,
                         const struct cshm_node *node, bool own)
{
    struct inode *directory = directory_of(daemon, picture, node->parent);
    if (!directory)
        return;
    struct inode *sidecar = inode_find(&daemon->inodes, INODE_SIDECAR, directory, node->key);
    if (sidecar) {
        herald_attributes(&daemon->herald, sidecar);
        inode_drop(&daemon->inodes, sidecar, 1);
    }
    if (!own)
        difference_arrays(daemon, segment_of(node));
    change_sums(daemon, directory);
    inode_drop(&daemon->inodes, directory, 1);
}

/* The sidecar's name does not mean what it did. */
static void change_sidecar(struct daemon *daemon, const struct picture *picture,
                           const struct cshm_node *node)
{
    struct inode *directory = directory_of(daemon, picture, node->parent);
    struct inode *sidecar =
        directory ? inode_find(&daemon->inodes, INODE_SIDECAR, directory, node->key) : NULL;
    if (sidecar) {
        char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
        sidecar_name(node, name);
        herald_entry(&daemon->herald, directory, name, sidecar);
        inode_drop(&daemon->inodes, sidecar, 1);
    }
    if (directory)
        inode_drop(&daemon->inodes, directory, 1);
}

/* `inode` is held (or NULL) and let go of. */
static void tell_attributes(struct daemon *daemon, struct inode *inode)
{
    if (!inode)
        return;
    herald_attributes(&daemon->herald, inode);
    inode_drop(&daemon->inodes, inode, 1);
}

void difference_arrays(struct daemon *daemon, const char *segment)
{
    struct inode *arrays[INODES_OF_SEGMENT];
    size_t count = inode_find_arrays(&daemon->inodes, segment, arrays, INODES_OF_SEGMENT);
    for (size_t i = 0; i < count; i++)
        tell_attributes(daemon, arrays[i]);
}

/* What the kernel does not know by itself when it has moved `node`; of arrays: of its sidecar. */
static void change_moved(struct daemon *daemon, const struct picture *picture,
                         const struct cshm_node *node)
{
    struct inode *directory = NULL;
    if (node->type != CSHM_NODE_GROUP)
        change_sidecar(daemon, picture, node);
    else
        directory = directory_of(daemon, picture, node);
    if (!directory)
        return;
    difference_moved(daemon, directory, node, false);
    inode_drop(&daemon->inodes, directory, 1);
}

/*
 * The kernel has moved the name itself, and an array's sidecar is seen to by who moves it
 * (ghost.h).
 */
static void change_own_move(struct daemon *daemon, const struct picture *picture,
                            const struct cshm_operation_place *place, bool exchange)
{
    if (exchange || place->node->type == CSHM_NODE_GROUP)
        change_moved(daemon, picture, place->node);
    if (place->there && place->there != place->node)
        change_moved(daemon, picture, place->there);
}

void difference_change(struct daemon *daemon, struct picture *picture,
                       const struct cshm_operation *operation,
                       const struct cshm_operation_place *place, bool own)
{
    const struct cshm_node *node = place->node;
    if (is_put_alike(picture, operation, node)) {
        change_array(daemon, picture, node, own);
        return;
    }
    if (node && operation->kind == CSHM_OPERATION_PUT) {
        change_text(daemon, picture, node);
        if (node->type != CSHM_NODE_GROUP)
            change_name(daemon, picture, node);
    } else if (node && !own) {
        change_name(daemon, picture, node);
    }
    bool moved = own && operation->kind == CSHM_OPERATION_MOVE;
    if (moved)
        change_own_move(daemon, picture, place, operation->exchange);
    else if (place->there)
        change_name(daemon, picture, place->there);
    /* That a put gives a name to something, or takes one away, the kernel does not see. */
    if (node && node->parent)
        change_group(daemon, picture, node->parent, own && operation->kind != CSHM_OPERATION_PUT);
    change_group(daemon, picture, place->group, moved);
}

void difference_moved(struct daemon *daemon, struct inode *directory, const struct cshm_node *node,
                      bool elsewhere)
{
    struct inode_table *table = &daemon->inodes;
    struct inode *meta = inode_find(table, INODE_META, directory, no_key);
    tell_attributes(daemon, meta);
    if (elsewhere)
        herald_attributes(&daemon->herald, directory);
    cshm_for_each_child (child, node) {
        bool is_group = child->type == CSHM_NODE_GROUP;
        struct inode *inode =
            inode_find(table, is_group ? INODE_DIRECTORY : INODE_SIDECAR, directory, child->key);
        if (inode && is_group) {
            difference_moved(daemon, inode, child, elsewhere);
            inode_drop(table, inode, 1);
        } else {
            tell_attributes(daemon, inode);
        }
        if (elsewhere && segment_of(child))
            difference_arrays(daemon, segment_of(child));
    }
}

void difference_segment(struct daemon *daemon, const struct picture *picture, const char *segment,
                        bool files_too)
{
    const struct cshm_node *node = cshm_tree_find_segment(picture->project.tree, segment);
    for (; node; node = node->described->next_holder) {
        struct inode *directory = directory_of(daemon, picture, node->parent);
        struct inode *sidecar =
            directory ? inode_find(&daemon->inodes, INODE_SIDECAR, directory, node->key) : NULL;
        if (sidecar) {
            herald_attributes(&daemon->herald, sidecar);
            inode_drop(&daemon->inodes, sidecar, 1);
        }
        if (directory && files_too)
            difference_entries(daemon, directory);
        if (directory)
            inode_drop(&daemon->inodes, directory, 1);
    }
}
