/* SPDX-License-Identifier: MIT */
#include "store/passage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/grants.h"

static int no_memory(const struct cshm_route *route)
{
    return cshm_fail(route->error, -ENOMEM, "out of memory");
}

/* --- What can be done ------------------------------------------------------------------------- */

static int refuse(const struct cshm_route *route, int code)
{
    return cshm_fail_errno(route->error, code, "%s to %s", route->from.name, route->to.name);
}

/* Sets what is there; the group it is in must be. */
static int find(const struct cshm_route *route, struct cshm_side *side)
{
    struct cshm_tree *tree = side->project->tree;
    const struct cshm_node *group =
        cshm_tree_find(tree, side->path, side->depth ? side->depth - 1 : 0);
    side->node = cshm_tree_find(tree, side->path, side->depth);
    if (!group)
        return refuse(route, -ENOENT);
    return group->type == CSHM_NODE_GROUP ? 0 : refuse(route, -ENOTDIR);
}

static bool is_group(const struct cshm_node *node)
{
    return node->type == CSHM_NODE_GROUP;
}

static int check_link(const struct cshm_route *route)
{
    const struct cshm_node *node = route->from.node;
    uid_t from = route->from.project->uid;
    uid_t to = route->to.project->uid;
    if (route->passage->exchange || !cshm_node_segment(node))
        return refuse(route, is_group(node) ? -EPERM : -EINVAL);
    if (route->to.node && !route->passage->as) /* what waits there is said in `as` */
        return refuse(route, -EEXIST);
    if (route->to.node && is_group(route->to.node))
        return refuse(route, -EEXIST);
    return from != to && from != 0 && to != 0 ? refuse(route, -EPERM) : 0;
}

static int check_replaced(const struct cshm_route *route)
{
    const struct cshm_node *node = route->from.node;
    const struct cshm_node *there = route->to.node;
    if (route->passage->exchange) {
        if (!there)
            return refuse(route, -ENOENT);
        /* What becomes a project, or stays one, is a group. */
        return (route->from.depth == 0 && !is_group(there)) ||
                       (route->to.depth == 0 && !is_group(node))
                   ? refuse(route, -ENOTDIR)
                   : 0;
    }
    if (!there)
        return 0;
    if (is_group(node) != is_group(there))
        return refuse(route, is_group(node) ? -ENOTDIR : -EISDIR);
    return there->first ? refuse(route, -ENOTEMPTY) : 0;
}

static int check_side(const struct cshm_route *route, const struct cshm_side *side)
{
    const struct cshm_project *project = side->project;
    if (project->damaged)
        return cshm_fail(route->error, -EINVAL, "project %s is damaged: %s", side->name,
                         project->why.text);
    return geteuid() != 0 && project->uid != geteuid()
               ? cshm_fail(route->error, -EPERM, "project %s belongs to another user", side->name)
               : 0;
}

static int check(struct cshm_route *route)
{
    if (strcmp(route->from.name, route->to.name) == 0)
        return refuse(route, -EINVAL);
    int result = check_side(route, &route->from);
    if (result == 0)
        result = check_side(route, &route->to);
    if (result == 0)
        result = find(route, &route->from);
    if (result == 0)
        result = find(route, &route->to);
    if (result == 0 && !route->from.node)
        result = refuse(route, -ENOENT);
    if (result < 0)
        return result;
    const struct cshm_node *as = route->passage->as;
    if (as &&
        (!cshm_node_segment(route->from.node) || as->type != CSHM_NODE_ARRAY || !as->described))
        return refuse(route, -EINVAL);
    return route->passage->link ? check_link(route) : check_replaced(route);
}

/* --- Operations ------------------------------------------------------------------------------- */

static struct cshm_operation *add(struct cshm_route *route, struct cshm_side *side)
{
    if (side->count == side->capacity) {
        size_t capacity = side->capacity ? side->capacity * 2 : 16;
        struct cshm_operation *grown = cshm_arena_array(&route->arena, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        if (side->count > 0)
            memcpy(grown, side->operations, side->count * sizeof *grown);
        side->operations = grown;
        side->capacity = capacity;
    }
    struct cshm_operation *operation = &side->operations[side->count++];
    *operation = (struct cshm_operation){0};
    return operation;
}

/*
 * The path of what is below `top`, once that is at `base`. Keys are not copied: they stay with the
 * trees, whose nodes get others only when they move.
 */
static int make_path(struct cshm_route *route, const struct cshm_text *base, size_t base_depth,
                     const struct cshm_node *top, const struct cshm_node *node,
                     struct cshm_operation *operation)
{
    size_t depth = base_depth;
    for (const struct cshm_node *up = node; up != top; up = up->parent)
        depth++;
    struct cshm_text *path = cshm_arena_array(&route->arena, depth, sizeof *path);
    if (!path)
        return -ENOMEM;
    if (base_depth > 0)
        memcpy(path, base, base_depth * sizeof *path);
    size_t at = depth;
    for (const struct cshm_node *up = node; up != top; up = up->parent)
        path[--at] = up->key;
    operation->path = path;
    operation->depth = depth;
    return 0;
}

/* What a node says now, whatever it says when the operation is done. */
static struct cshm_node *snapshot(struct cshm_route *route, const struct cshm_node *node,
                                  bool linked)
{
    struct cshm_node *copy = cshm_arena_alloc(&route->arena, sizeof *copy);
    if (!copy)
        return NULL;
    copy->type = node->type;
    copy->key = node->key;
    copy->described = node->described;
    copy->attributes = node->attributes;
    copy->problem = node->problem;
    if (!linked || !node->described || node->described->linked)
        return copy;
    copy->described = cshm_arena_alloc(&route->arena, sizeof *copy->described);
    if (!copy->described)
        return NULL;
    *copy->described = *node->described;
    copy->described->linked = true;
    return copy;
}

/* The same of an array that is to say something else of its segment. */
static struct cshm_node *snapshot_as(struct cshm_route *route, const struct cshm_node *array,
                                     const struct cshm_node *as, bool linked)
{
    struct cshm_node *copy = snapshot(route, as, false);
    struct cshm_description *described = cshm_arena_alloc(&route->arena, sizeof *described);
    if (!copy || !described)
        return NULL;
    *described = *as->described;
    described->segment = array->described->segment;
    described->linked = linked || array->described->linked;
    copy->described = described;
    return copy;
}

static int put(struct cshm_route *route, struct cshm_side *side, const struct cshm_node *top,
               const struct cshm_node *node, bool linked)
{
    struct cshm_operation *operation = add(route, side);
    if (!operation)
        return -ENOMEM;
    const struct cshm_node *as =
        side == &route->to && node == route->from.node ? route->passage->as : NULL;
    operation->kind = CSHM_OPERATION_PUT;
    operation->node = as ? snapshot_as(route, node, as, linked) : snapshot(route, node, linked);
    return operation->node ? make_path(route, side->path, side->depth, top, node, operation)
                           : -ENOMEM;
}

static int take_out(struct cshm_route *route, struct cshm_side *side, const struct cshm_node *node)
{
    struct cshm_operation *operation = add(route, side);
    if (!operation)
        return -ENOMEM;
    operation->kind = CSHM_OPERATION_REMOVE;
    return make_path(route, NULL, 0, &side->project->tree->root, node, operation);
}

/* What is there goes, with all below it; of the root only that. */
static int clear(struct cshm_route *route, struct cshm_side *side)
{
    if (side->depth > 0)
        return take_out(route, side, side->node);
    int result = 0;
    cshm_for_each_child (child, side->node)
        if (result == 0)
            result = take_out(route, side, child);
    return result;
}

static bool is_below(const struct cshm_node *node, const struct cshm_node *top)
{
    while (node && node != top)
        node = node->parent;
    return node != NULL;
}

/* Whoever names the segment in this project, but below its node, says that it is linked. */
static int mark(struct cshm_route *route, struct cshm_side *side, const char *segment)
{
    struct cshm_tree *tree = side->project->tree;
    const struct cshm_node *except = route->passage->link ? NULL : side->node;
    int result = 0;
    for (struct cshm_node *node = cshm_tree_find_segment(tree, segment); node && result == 0;
         node = node->described->next_holder) {
        if (node->described->linked || (except && is_below(node, except)))
            continue;
        struct cshm_operation *operation = add(route, side);
        if (!operation)
            return -ENOMEM;
        operation->kind = CSHM_OPERATION_PUT;
        operation->node = snapshot(route, node, true);
        result =
            operation->node ? make_path(route, NULL, 0, &tree->root, node, operation) : -ENOMEM;
    }
    return result;
}

/* Whether what goes leaves a name behind, here or there. */
static bool is_shared(const struct cshm_route *route, const struct cshm_side *here,
                      const char *segment)
{
    const struct cshm_node *node = cshm_tree_find_segment(here->project->tree, segment);
    if (route->passage->link)
        return true;
    for (; node; node = node->described->next_holder)
        if (!is_below(node, here->node))
            return true;
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Everything at and below `here` comes to `there`; `shared`, sorted, are linked from now on. */
static int put_all(struct cshm_route *route, struct cshm_side *there, const struct cshm_side *here,
                   const struct cshm_release *shared)
{
    int result = 0;
    for (const struct cshm_node *node = here->node; node && result == 0;
         node = cshm_node_walk(node, here->node)) {
        const char *segment = cshm_node_segment(node);
        bool linked =
            segment && shared->count > 0 &&
            bsearch(&segment, shared->names, shared->count, sizeof *shared->names, compare_names);
        result = put(route, there, here->node, node, linked);
    }
    return result;
}

/* Of what goes from here to there: the operations there, and marks on both sides. */
static int bring(struct cshm_route *route, struct cshm_side *here, struct cshm_side *there,
                 const struct cshm_release *going)
{
    struct cshm_release shared = {0};
    if (going->count > 0) {
        shared.names = cshm_arena_array(&route->arena, going->count, sizeof *shared.names);
        if (!shared.names)
            return -ENOMEM;
    }
    for (size_t i = 0; i < going->count; i++)
        if (is_shared(route, here, going->names[i]))
            shared.names[shared.count++] = going->names[i];
    int result = put_all(route, there, here, &shared);
    for (size_t i = 0; i < shared.count && result == 0; i++) {
        result = mark(route, here, shared.names[i]);
        if (result == 0)
            result = mark(route, there, shared.names[i]);
    }
    return result;
}

static int plan_exchange(struct cshm_route *route)
{
    /* A group goes with what is below it; anything else just says something else in its place. */
    bool groups = is_group(route->from.node) || is_group(route->to.node);
    int result = groups ? clear(route, &route->from) : 0;
    if (result == 0 && groups)
        result = clear(route, &route->to);
    if (result == 0)
        result = bring(route, &route->from, &route->to, &route->leaving);
    if (result == 0)
        result = bring(route, &route->to, &route->from, &route->coming);
    return result;
}

static int plan_operations(struct cshm_route *route)
{
    const struct cshm_passage *passage = route->passage;
    if (passage->exchange)
        return plan_exchange(route);
    if (!passage->link && route->from.depth > 0) {
        int result = take_out(route, &route->from, route->from.node);
        if (result < 0)
            return result;
    }
    return bring(route, &route->from, &route->to, &route->leaving);
}

/* --- All of it -------------------------------------------------------------------------------- */

static int collect(struct cshm_route *route)
{
    int result = cshm_tree_index_segments(route->from.project->tree);
    if (result == 0)
        result = cshm_tree_index_segments(route->to.project->tree);
    if (result == 0)
        result = cshm_release_add(&route->leaving, route->from.node);
    if (result == 0 && route->passage->exchange)
        result = cshm_release_add(&route->coming, route->to.node);
    cshm_release_sort(&route->leaving);
    cshm_release_sort(&route->coming);
    return result;
}

static int plan_grants(struct cshm_route *route)
{
    size_t most = route->leaving.count + route->coming.count;
    route->grants = cshm_arena_array(&route->arena, most, sizeof *route->grants);
    if (most > 0 && !route->grants)
        return no_memory(route);
    struct cshm_granting granting = {.store = route->store,
                                     .grants = route->grants,
                                     .mover = route->passage->mover,
                                     .error = route->error};
    int result = cshm_grants_move(&granting, &route->leaving, route->from.name, route->from.project,
                                  route->to.project);
    if (result == 0)
        result = cshm_grants_move(&granting, &route->coming, route->to.name, route->to.project,
                                  route->from.project);
    route->grant_count = granting.count;
    cshm_grants_finish(&granting);
    return result;
}

/* A name that stays behind in a project of the giver's would be one he has lost. */
static int check_given(const struct cshm_route *route)
{
    for (size_t i = 0; i < route->grant_count; i++) {
        const char *segment = route->grants[i].segment;
        const struct cshm_side *sides[] = {&route->from, &route->to};
        for (int j = 0; j < 2; j++) {
            uid_t uid = sides[j]->project->uid;
            if (uid != 0 && uid == route->grants[i].uid && is_shared(route, sides[j], segment))
                return refuse(route, -EPERM);
        }
    }
    return 0;
}

int cshm_route_plan(struct cshm_route *route)
{
    int result = check(route);
    if (result < 0)
        return result;
    if (collect(route) < 0 || plan_operations(route) < 0)
        return no_memory(route);
    result = plan_grants(route);
    return result < 0 ? result : check_given(route);
}

void cshm_route_finish(struct cshm_route *route)
{
    cshm_release_finish(&route->leaving);
    cshm_release_finish(&route->coming);
    cshm_arena_finish(&route->arena);
}
