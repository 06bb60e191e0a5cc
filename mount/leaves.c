/* SPDX-License-Identifier: MIT */
#include "leaves.h"

#include <errno.h>
#include <stdlib.h>

#include "base/scope.h"
#include "entries.h"
#include "model/fit.h"
#include "store/registry.h"

struct cshm_node *leaves_first(const struct picture *picture, const struct inode *inode)
{
    const struct inode_array *array = (const struct inode_array *)inode;
    const struct cshm_project *project = &picture->project;
    return project->uid == array->owner ? cshm_tree_find_segment(project->tree, array->segment)
                                        : NULL;
}

bool leaves_have_filler(const struct cshm_node *node, const struct stat *st)
{
    return st->st_size == 1 && entries_size(node, st) == 0;
}

bool leaves_are_settled(const struct cshm_node *holder, const struct stat *st, bool through)
{
    for (; holder; holder = holder->described->next_holder)
        if (!cshm_fit_is_settled(holder->described, entries_size(holder, st),
                                 through && !leaves_have_filler(holder, st)))
            return false;
    return true;
}

struct puts {
    struct cshm_tree *tree; /* of what they are to say */
    struct cshm_operation *operations;
    struct change_path *paths;
    size_t count;
};

static void puts_finish(struct puts *puts)
{
    for (size_t i = 0; puts->paths && i < puts->count; i++)
        change_path_finish(&puts->paths[i]);
    free(puts->paths);
    free(puts->operations);
    cshm_tree_destroy(puts->tree);
}

static int puts_begin(struct puts *puts, const struct cshm_node *first)
{
    size_t count = 0;
    for (const struct cshm_node *node = first; node; node = node->described->next_holder)
        count++;
    puts->tree = cshm_tree_create();
    puts->operations = calloc(count, sizeof *puts->operations);
    puts->paths = calloc(count, sizeof *puts->paths);
    return puts->tree && puts->operations && puts->paths ? 0 : -ENOMEM;
}

static int puts_add(struct puts *puts, const struct cshm_node *holder, uint64_t length, bool held)
{
    size_t number = puts->count;
    struct cshm_text key = {(const char *)&number, sizeof number}; /* another one for each */
    struct cshm_node *node;
    int result = cshm_tree_add(puts->tree, &puts->tree->root, key, CSHM_NODE_ARRAY, &node);
    if (result == 0)
        result = cshm_tree_say(puts->tree, node, holder);
    if (result == 0 && cshm_tree_fit(puts->tree, node, length, held) == -ENOMEM)
        result = -ENOMEM; /* what has no dtype stays as it is */
    if (result == 0)
        result = change_path_make(holder, NULL, &puts->paths[number]);
    if (result < 0)
        return result;
    puts->operations[puts->count++] = (struct cshm_operation){.kind = CSHM_OPERATION_PUT,
                                                              .path = puts->paths[number].keys,
                                                              .depth = puts->paths[number].depth,
                                                              .node = node};
    return 0;
}

/*
 * All of them together: their order, which says whose sidecar has the number after the segment's,
 * stays.
 */
static int put_all(struct change *change, const struct cshm_node *first, uint64_t length, bool held)
{
    CSHM_CLEANUP(puts_finish) struct puts puts = {0};
    int result = puts_begin(&puts, first);
    for (const struct cshm_node *node = first; node && result == 0;
         node = node->described->next_holder)
        result = puts_add(&puts, node, length, held);
    struct cshm_commit commit = {.operations = puts.operations, .count = puts.count};
    return result < 0 ? result : change_commit(change, &commit);
}

static int follow(struct change *change, const struct cshm_node *first, uint64_t length, bool held)
{
    for (const struct cshm_node *node = first; node; node = node->described->next_holder)
        if (!cshm_fit_is_settled(node->described, length, held))
            return put_all(change, first, length, held);
    return 0;
}

int leaves_follow(struct change *change, const struct inode *inode, uint64_t length, bool held)
{
    return follow(change, leaves_first(change->picture, inode), length, held);
}

static int follow_in(struct change *change, const char *segment, uint64_t length, bool held)
{
    struct picture *picture = change->picture;
    int result = picture_write(picture);
    if (result < 0)
        return result;
    if (!picture->closed)
        result =
            follow(change, cshm_tree_find_segment(picture->project.tree, segment), length, held);
    picture_write_end(picture);
    return result;
}

int leaves_follow_everywhere(struct daemon *daemon, const char *segment, uid_t owner,
                             uint64_t length, bool held)
{
    bool locked = false;
    struct cshm_names names;
    if (links_projects(&daemon->pictures.links, segment, owner, &names) < 0)
        return 0;
    for (size_t i = 0; i < names.count && !locked; i++) {
        struct picture *picture = picture_find(&daemon->pictures, names.names[i]);
        struct change change = {.daemon = daemon, .picture = picture};
        int result = picture ? -ESTALE : 0;
        for (int attempts = 0; change_again(attempts, result); attempts++)
            result = follow_in(&change, segment, length, held);
        locked = result == -ETIMEDOUT;
        picture_put(picture);
    }
    cshm_names_finish(&names);
    return locked ? -ETIMEDOUT : 0;
}
