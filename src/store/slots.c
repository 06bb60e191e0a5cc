/* SPDX-License-Identifier: MIT */
/* The segments of a project in the making: nameless until it is published, but for too many. */
#include "store/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/scope.h"
#include "store/segment.h"

enum { SPARE_DESCRIPTORS = 64 }; /* for the HDF5 file, its external files, the registry, stdio */

size_t cshm_draft_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 256;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur <= (rlim_t)SPARE_DESCRIPTORS * 2)
        return 1;
    return limit.rlim_cur > (rlim_t)1 << 20 ? (size_t)1 << 20
                                            : (size_t)limit.rlim_cur - SPARE_DESCRIPTORS;
}

/* Slots are found by their node: nearly always the last one made. */
static struct cshm_slot *slot_of(struct cshm_draft *draft, const struct cshm_node *node)
{
    for (size_t i = draft->count; i-- > 0;)
        if (draft->slots[i].node == node)
            return &draft->slots[i];
    return NULL;
}

static int add_slot(struct cshm_draft *draft, struct cshm_node *node, int fd)
{
    if (draft->count == draft->capacity) {
        size_t capacity = draft->capacity ? draft->capacity * 2 : 64;
        struct cshm_slot *grown = reallocarray(draft->slots, capacity, sizeof *draft->slots);
        if (!grown)
            return -ENOMEM;
        draft->slots = grown;
        draft->capacity = capacity;
    }
    draft->slots[draft->count++] = (struct cshm_slot){.node = node, .fd = fd};
    draft->open_count++;
    return 0;
}

static int begin_slot(struct cshm_draft *draft, struct cshm_node *node, bool reserve, int *fd)
{
    CSHM_AUTO_FD int made = -1;
    int result = reserve ? cshm_segment_create(draft->store, node->described->bytes, &made)
                         : cshm_segment_begin(draft->store, &made);
    if (result == 0)
        result = add_slot(draft, node, made);
    if (result == 0)
        *fd = cshm_steal_fd(&made);
    return result;
}

static int reserve_failed(const struct cshm_draft *draft, const struct cshm_node *node, int result,
                          struct cshm_error *error)
{
    char size[32];
    return cshm_fail_errno(error, result, "cannot reserve %s in %s",
                           cshm_bytes_to_human(node->described->bytes, size),
                           draft->store->shm_dir);
}

int cshm_draft_reserve(struct cshm_draft *draft, struct cshm_node *node, int *fd,
                       struct cshm_error *error)
{
    int result = begin_slot(draft, node, true, fd);
    return result < 0 ? reserve_failed(draft, node, result, error) : 0;
}

int cshm_draft_begin(struct cshm_draft *draft, struct cshm_node *node, int *fd,
                     struct cshm_error *error)
{
    int result = begin_slot(draft, node, false, fd);
    return result < 0 ? reserve_failed(draft, node, result, error) : 0;
}

static void drop_slot(struct cshm_draft *draft, struct cshm_slot *slot)
{
    if (slot->has_name)
        (void)cshm_segment_unlink(draft->store, slot->node->described->segment);
    if (slot->fd >= 0)
        draft->open_count--;
    cshm_close_fd(&slot->fd);
    size_t behind = draft->count - 1 - (size_t)(slot - draft->slots);
    memmove(slot, slot + 1, behind * sizeof *slot);
    draft->count--;
}

void cshm_draft_drop(struct cshm_draft *draft, const struct cshm_node *node)
{
    for (const struct cshm_node *below = node; below; below = cshm_node_walk(below, node)) {
        struct cshm_slot *slot = below->type == CSHM_NODE_ARRAY ? slot_of(draft, below) : NULL;
        if (slot)
            drop_slot(draft, slot);
    }
}

static int name_node(struct cshm_draft *draft, struct cshm_node *node)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    int result = cshm_segment_name_make(draft->project, name);
    if (result < 0)
        return result;
    char *kept = cshm_arena_string(&draft->tree->arena, name, strlen(name));
    node->described->segment = kept;
    return kept ? 0 : -ENOMEM;
}

/* Links the slot's segment by its node's name; another name where that one is taken. */
static int link_slot(struct cshm_draft *draft, struct cshm_slot *slot)
{
    for (;;) {
        int result = cshm_segment_link(draft->store, slot->fd, slot->node->described->segment);
        if (result == 0)
            slot->has_name = true;
        if (result != -EEXIST)
            return result;
        result = name_node(draft, slot->node);
        if (result == 0)
            result =
                cshm_pending_add(draft->store, &draft->pending, &slot->node->described->segment, 1);
        if (result < 0)
            return result;
    }
}

/* Beyond the limit of open files a segment gets its name early, its name first in the pending file.
 */
static int link_early(struct cshm_draft *draft, struct cshm_slot *slot)
{
    int result = name_node(draft, slot->node);
    if (result == 0)
        result =
            cshm_pending_add(draft->store, &draft->pending, &slot->node->described->segment, 1);
    if (result == 0)
        result = link_slot(draft, slot);
    if (result < 0)
        return result;
    cshm_close_fd(&slot->fd);
    draft->open_count--;
    return 0;
}

int cshm_draft_filled(struct cshm_draft *draft, struct cshm_node *node, struct cshm_error *error)
{
    struct cshm_slot *slot = slot_of(draft, node);
    if (!slot)
        return cshm_fail(error, -EINVAL, "not reserved");
    slot->is_filled = true;
    if (draft->open_count < draft->open_max)
        return 0;
    int result = link_early(draft, slot);
    return result < 0 ? cshm_fail_errno(error, result, "cannot name a segment in %s",
                                        draft->store->shm_dir)
                      : 0;
}

int cshm_draft_share(struct cshm_draft *draft, struct cshm_node *node, struct cshm_node *other)
{
    struct cshm_description *described = cshm_tree_describe(draft->tree, node);
    if (!described)
        return -ENOMEM;
    *described = *other->described;
    described->is_shared = true; /* `other` has no name yet */
    described->shared_with = other;
    return 0;
}

/* --- Naming ----------------------------------------------------------------------------------- */

static int name_all(struct cshm_draft *draft)
{
    const char **names = calloc(draft->count ? draft->count : 1, sizeof *names);
    if (!names)
        return -ENOMEM;
    size_t count = 0;
    int result = 0;
    for (size_t i = 0; i < draft->count && result == 0; i++) {
        struct cshm_slot *slot = &draft->slots[i];
        if (slot->has_name)
            continue;
        result = slot->is_filled ? name_node(draft, slot->node) : -EINVAL;
        names[count++] = slot->node->described->segment;
    }
    if (result == 0)
        result = cshm_pending_add(draft->store, &draft->pending, names, count);
    free(names);
    return result;
}

int cshm_draft_link_all(struct cshm_draft *draft)
{
    int result = name_all(draft);
    for (size_t i = 0; i < draft->count && result == 0; i++)
        if (!draft->slots[i].has_name)
            result = link_slot(draft, &draft->slots[i]);
    struct cshm_node *root = &draft->tree->root;
    for (struct cshm_node *node = root; node; node = cshm_node_walk(node, root))
        if (node->described && node->described->is_shared) {
            node->described->segment = node->described->shared_with->described->segment;
            node->described->is_shared = false;
        }
    return result;
}

void cshm_draft_unlink_all(struct cshm_draft *draft)
{
    for (size_t i = 0; i < draft->count; i++)
        if (draft->slots[i].has_name)
            (void)cshm_segment_unlink(draft->store, draft->slots[i].node->described->segment);
}
