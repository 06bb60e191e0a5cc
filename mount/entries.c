/* SPDX-License-Identifier: MIT */
#include "entries.h"

#include <string.h>

#include "base/names.h"
#include "store/segment.h"

static bool ends_in(const char *name, const char *suffix)
{
    size_t length = strlen(name);
    return length >= strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0;
}

bool entries_names_sidecar(const char *name)
{
    return ends_in(name, ENTRIES_META);
}

bool entries_names_npy(const char *name)
{
    return ends_in(name, ENTRIES_NPY) && name[strlen(ENTRIES_NPY)] != '\0';
}

/* Of a broken array: its owner and mode still rule it. */
static bool look_at_file(const struct picture *picture, const struct cshm_node *array,
                         struct stat *st)
{
    const char *segment = cshm_node_segment(array);
    return segment && cshm_segment_inspect(picture->all->store, segment, picture->project.uid, 0,
                                           st, NULL) == CSHM_SEGMENT_FINE;
}

/* A scalar whose file is too short keeps its file, so that it can be made right. */
static bool is_scalar(const struct cshm_node *array)
{
    return !array->problem && array->described && array->described->rank == 0;
}

static void look_at_array(const struct picture *picture, const struct cshm_node *array,
                          struct entries *out)
{
    switch (cshm_project_inspect(picture->all->store, &picture->project, array, &out->segment,
                                 &out->reason)) {
    case CSHM_ARRAY_FINE:
        out->data = out->has_segment = true;
        break;
    case CSHM_ARRAY_MISSING:
        out->state = "missing";
        break;
    case CSHM_ARRAY_BROKEN:
        out->state = "broken";
        out->has_segment = look_at_file(picture, array, &out->segment);
        out->data = out->has_segment && is_scalar(array);
        break;
    }
    /* What has no data would be out of reach without a sidecar, declared or not. */
    bool declared = !array->described || !array->described->undeclared || array->attributes != NULL;
    out->sidecar = declared || !out->data;
}

void entries_of(const struct picture *picture, const struct cshm_node *node, struct entries *out)
{
    memset(out, 0, sizeof *out);
    if (node->type == CSHM_NODE_ARRAY) {
        look_at_array(picture, node, out);
    } else if (node->type == CSHM_NODE_BARE) {
        out->sidecar = true;
        bool is_null = node->described && node->described->rank == CSHM_SHAPE_NULL;
        out->state = is_null ? NULL : "waiting";
    }
}

bool entries_has_meta(const struct picture *picture, const struct cshm_node *group)
{
    return entries_project_has_meta(&picture->project, group);
}

bool entries_project_has_meta(const struct cshm_project *project, const struct cshm_node *group)
{
    const struct cshm_description *described = group->described;
    if (group->attributes || (described && described->detail->kind))
        return true;
    bool removed = described && described->undeclared;
    return !group->parent && (project->damaged || (project->tree->facts.present && !removed));
}

uint64_t entries_size(const struct cshm_node *array, const struct stat *segment)
{
    bool filler =
        segment->st_size == 1 && cshm_node_is_empty_array(array) && !array->described->empty_rest;
    return filler ? 0 : (uint64_t)segment->st_size;
}

/* The child whose name with `ending` behind it `name` is, or NULL. */
static struct cshm_node *child_before(struct cshm_node *group, const char *name, const char *ending)
{
    size_t length = strlen(name);
    size_t suffix = strlen(ending);
    if (length <= suffix || length - suffix > CSHM_FSNAME_MAX ||
        strcmp(name + length - suffix, ending) != 0)
        return NULL;
    char stem[CSHM_FSNAME_MAX + 1];
    memcpy(stem, name, length - suffix);
    stem[length - suffix] = '\0';
    return cshm_node_child_by_fsname(group, stem);
}

void entry_find(const struct picture *picture, struct cshm_node *group, const char *name,
                struct entry *out)
{
    memset(out, 0, sizeof *out);
    out->node = group;
    if (strcmp(name, ENTRIES_META) == 0) {
        if (entries_has_meta(picture, group))
            out->kind = ENTRY_META;
        return;
    }
    struct cshm_node *node = cshm_node_child_by_fsname(group, name);
    if (node) {
        out->node = node;
        if (node->type == CSHM_NODE_GROUP) {
            out->kind = ENTRY_GROUP;
        } else {
            entries_of(picture, node, &out->looks);
            out->kind = out->looks.data ? ENTRY_DATA : ENTRY_NONE;
        }
        return;
    }
    node = child_before(group, name, ENTRIES_META);
    if (node && node->type != CSHM_NODE_GROUP) {
        out->node = node;
        entries_of(picture, node, &out->looks);
        out->kind = out->looks.sidecar ? ENTRY_SIDECAR : ENTRY_NONE;
        return;
    }
    node = child_before(group, name, ENTRIES_NPY);
    if (node && node->type == CSHM_NODE_ARRAY) {
        out->node = node;
        entries_of(picture, node, &out->looks);
        out->kind = out->looks.data && !out->looks.state ? ENTRY_NPY : ENTRY_NONE;
    }
}
