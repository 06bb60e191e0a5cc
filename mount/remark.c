/* SPDX-License-Identifier: MIT */
#include "remark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void remarks_init(struct remarks *remarks)
{
    memset(remarks, 0, sizeof *remarks);
    (void)pthread_mutex_init(&remarks->lock, NULL);
}

void remarks_finish(struct remarks *remarks)
{
    for (size_t i = 0; i < REMARK_SLOTS; i++)
        free(remarks->slots[i].text);
    (void)pthread_mutex_destroy(&remarks->lock);
}

/* A step that keeps the parts apart. */
static uint64_t mix(uint64_t hash, const char *bytes, size_t length)
{
    return (hash ^ cshm_hash(bytes, length) ^ length) * UINT64_C(0x9E3779B97F4A7C15);
}

uint64_t remark_node(const char *project, const struct cshm_node *node)
{
    const char *segment = cshm_node_segment(node);
    uint64_t hash = mix(1, project, strlen(project));
    for (const struct cshm_node *n = node; n->parent; n = n->parent)
        hash = mix(hash, n->key.bytes, n->key.length);
    hash = segment ? mix(hash, segment, strlen(segment)) : hash;
    return hash | 1;
}

static struct remark *slot_of(struct remarks *remarks, uint64_t node)
{
    return &remarks->slots[(node >> 1) % REMARK_SLOTS];
}

void remark_set(struct remarks *remarks, uint64_t node, const char *text)
{
    if (!text && atomic_load(&remarks->count) == 0)
        return;
    char *copy = text ? strdup(text) : NULL; /* without memory there is none */
    char *old = NULL;
    (void)pthread_mutex_lock(&remarks->lock);
    struct remark *slot = slot_of(remarks, node);
    if (copy || slot->node == node) {
        old = slot->text;
        *slot = (struct remark){copy ? node : 0, copy};
        (void)atomic_fetch_add(&remarks->changes, 1);
        if (!old != !copy)
            (void)atomic_fetch_add(&remarks->count, copy ? 1U : -1U);
    }
    (void)pthread_mutex_unlock(&remarks->lock);
    free(old);
}

bool remark_get(struct remarks *remarks, const char *project, const struct cshm_node *node,
                char out[REMARK_SIZE])
{
    if (atomic_load_explicit(&remarks->count, memory_order_relaxed) == 0)
        return false;
    uint64_t sought = remark_node(project, node);
    (void)pthread_mutex_lock(&remarks->lock);
    const struct remark *slot = slot_of(remarks, sought);
    bool found = slot->node == sought && slot->text;
    if (found)
        (void)snprintf(out, REMARK_SIZE, "%s", slot->text);
    (void)pthread_mutex_unlock(&remarks->lock);
    return found;
}
