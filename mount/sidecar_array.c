/* SPDX-License-Identifier: MIT */
#include "sidecar_array.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "base/scope.h"
#include "claim.h"
#include "entries.h"
#include "model/declare.h"
#include "model/fit.h"
#include "reserve.h"
#include "store/segment.h"

enum { INODES_OF_SEGMENT = 8 };

static int put(struct judgement *j, const struct cshm_node *node, const struct change_segment *made)
{
    CSHM_AUTO_PATH struct change_path path = {0};
    int result = change_path_make(j->change->group, &j->text->key, &path);
    if (result < 0)
        return result;
    const struct cshm_operation operation = {
        .kind = CSHM_OPERATION_PUT, .path = path.keys, .depth = path.depth, .node = node};
    return judgement_commit(j, &operation, 1, made);
}

/* --- What has no data yet -----------------------------------------------------------------------
 */

/* What the text does not say of a waiting sidecar or a null dataset stays. */
static int describe_new(struct judgement *j, struct cshm_node *node)
{
    const struct cshm_description *wanted = j->parsed->described;
    const struct cshm_description *present = j->node ? j->node->described : NULL;
    if (!wanted && !present)
        return 0;
    struct cshm_description *described = cshm_tree_describe(j->scratch, node);
    if (!described)
        return -ENOMEM;
    *described = wanted ? *wanted : *present;
    described->segment = NULL;
    if (!wanted || !present)
        return 0;
    if (!wanted->dtype_text) {
        described->dtype = present->dtype;
        described->dtype_text = present->dtype_text;
    }
    bool same_dtype = !wanted->dtype_text ||
                      (present->dtype_text && strcmp(wanted->dtype_text, present->dtype_text) == 0);
    if (wanted->rank == CSHM_NO_RANK && (same_dtype || present->rank == CSHM_SHAPE_NULL)) {
        described->rank = present->rank;
        described->shape = present->shape;
    }
    return 0;
}

static int make(struct judgement *j, struct cshm_node *node)
{
    struct change *change = j->change;
    const struct cshm_description *described = node->described;
    CSHM_AUTO_SEGMENT struct change_segment segment = {.fd = -1};
    int result = cshm_tree_set_array(j->scratch, node, described->dtype, (size_t)described->rank,
                                     described->shape);
    if (result == -EOVERFLOW)
        return cshm_fail(&j->told, -EINVAL, "shape and dtype are too large");
    if (result == 0)
        result = change_segment_make(change, described->bytes, j->text->author->mode, &segment);
    if (result < 0)
        return result;
    node->type = CSHM_NODE_ARRAY;
    node->described->segment = segment.name;
    pristine_note(&change->daemon->pristine, segment.name, segment.fd);
    return put(j, node, &segment);
}

static int judge_new(struct judgement *j)
{
    struct cshm_node node = {.type = CSHM_NODE_BARE, .attributes = j->parsed->attributes};
    int result = describe_new(j, &node);
    if (result < 0)
        return result;
    const struct cshm_description *described = node.described;
    bool has_dtype = described && described->dtype->kind;
    bool is_null = described && described->rank == CSHM_SHAPE_NULL;
    bool waits = j->hints.has_segment || j->hints.waits;
    if (!is_null && waits)
        return j->node && cshm_node_says_same(&node, j->node) ? judgement_commit(j, NULL, 0, NULL)
                                                              : put(j, &node, NULL);
    if (!has_dtype || (!is_null && described->rank < 0))
        return cshm_fail(&j->told, -EINVAL,
                         "there is no such array, and to make one it takes a dtype and a shape");
    return is_null ? put(j, &node, NULL) : make(j, &node);
}

/* --- What has data ------------------------------------------------------------------------------
 */

struct present {
    bool has_file;
    struct stat segment;
    uint64_t length; /* of the file, as it is shown */
};

static void look(const struct judgement *j, struct present *out)
{
    struct entries looks;
    entries_of(j->change->picture, j->node, &looks);
    *out = (struct present){.has_file = looks.has_segment, .segment = looks.segment};
    out->length = out->has_file ? entries_size(j->node, &out->segment) : 0;
}

/* An undeclared array has no sidecar whose mode the kernel could have looked at. */
static bool may_declare(const struct judgement *j, const struct present *present)
{
    const struct sidecar_author *author = j->text->author;
    return !j->text->is_new || !present->has_file || author->segment == present->segment.st_ino ||
           sidecar_may(&author->who, NULL, 0, &present->segment, 02);
}

/* All arrays that share the segment, the one in question first, with its new length. */
struct resizing {
    struct cshm_operation *operations;
    struct cshm_node *nodes;
    struct change_path *paths;
    size_t count;
};

static void finish_resizing(struct resizing *r)
{
    for (size_t i = 0; r->paths && i < r->count; i++)
        change_path_finish(&r->paths[i]);
    free(r->paths);
    free(r->nodes);
    free(r->operations);
}

static int follow(struct judgement *j, const struct cshm_node *other, const struct cshm_node *node,
                  struct cshm_node *out)
{
    *out = *other;
    out->first = out->next = out->previous = out->parent = NULL;
    out->children = NULL;
    out->described = NULL;
    struct cshm_description *described = cshm_tree_describe(j->scratch, out);
    if (!described)
        return -ENOMEM;
    *described = *other->described;
    described->segment = node->described->segment;
    int result = cshm_tree_fit(j->scratch, out, node->described->bytes, false);
    return result == -EINVAL ? 0 : result;
}

static int prepare_resizing(struct judgement *j, const struct cshm_node *node, struct resizing *r)
{
    struct cshm_tree *tree = j->change->picture->project.tree;
    const char *segment = j->node->described->segment;
    size_t most = 0;
    const struct cshm_node *first = cshm_tree_find_segment(tree, segment);
    for (const struct cshm_node *n = first; n; n = n->described->next_holder)
        most++;
    r->operations = calloc(most + 1, sizeof *r->operations);
    r->nodes = calloc(most + 1, sizeof *r->nodes);
    r->paths = calloc(most + 1, sizeof *r->paths);
    if (!r->operations || !r->nodes || !r->paths)
        return -ENOMEM;
    r->nodes[0] = *node;
    r->count = 1;
    int result = change_path_make(j->node, NULL, &r->paths[0]);
    for (const struct cshm_node *n = first; n && result == 0; n = n->described->next_holder) {
        if (n == j->node)
            continue;
        size_t at = r->count++;
        result = follow(j, n, node, &r->nodes[at]);
        if (result == 0)
            result = change_path_make(n, NULL, &r->paths[at]);
    }
    for (size_t i = 0; i < r->count; i++)
        r->operations[i] = (struct cshm_operation){.kind = CSHM_OPERATION_PUT,
                                                   .path = r->paths[i].keys,
                                                   .depth = r->paths[i].depth,
                                                   .node = &r->nodes[i]};
    return result;
}

static int commit_resizing(struct judgement *j, const struct cshm_node *node,
                           const struct change_segment *made)
{
    struct resizing resizing = {0};
    int result = prepare_resizing(j, node, &resizing);
    if (result == 0)
        result = judgement_commit(j, resizing.operations, resizing.count, made);
    finish_resizing(&resizing);
    return result;
}

/*
 * Zeros of another length, in a segment of their own: one commit. Who has the old one open for
 * reading keeps it.
 */
static int replace(struct judgement *j, struct cshm_node *node, const struct present *present)
{
    CSHM_AUTO_SEGMENT struct change_segment segment = {.fd = -1};
    int result = change_segment_make(j->change, node->described->bytes,
                                     present->segment.st_mode & 0777, &segment);
    if (result == 0 && fchown(segment.fd, present->segment.st_uid, present->segment.st_gid) < 0)
        result = -errno;
    if (result < 0)
        return result;
    node->described->segment = segment.name;
    pristine_note(&j->change->daemon->pristine, segment.name, segment.fd);
    return commit_resizing(j, node, &segment);
}

/*
 * An empty file grows where it is, because somebody may have it open to write into it. A kill
 * before the commit leaves an array with a rest of zeros, as one in the midst of an append.
 */
static int grow(struct judgement *j, struct cshm_node *node, const struct present *present)
{
    const struct picture *picture = j->change->picture;
    const char *name = j->node->described->segment;
    CSHM_AUTO_FD int fd = -1;
    int result = cshm_segment_open(picture->all->store, name, picture->project.uid, O_RDWR,
                                   present->segment.st_ino, &fd);
    if (result == 0)
        result = reserve_check(picture->all->store, node->described->bytes);
    if (result == 0)
        result = cshm_segment_reserve(fd, 0, node->described->bytes);
    if (result < 0)
        return result;
    bool pristine = pristine_holds(&j->change->daemon->pristine, name, &present->segment);
    node->described->segment = name;
    result = commit_resizing(j, node, NULL);
    if (result == 0)
        (void)snprintf(j->grown, sizeof j->grown, "%s", name);
    if (result == 0 && pristine)
        pristine_note(&j->change->daemon->pristine, name, fd);
    if (result < 0 && claim_alone(fd)) /* else it would take what somebody writes this moment */
        (void)!ftruncate(fd, present->segment.st_size);
    return result;
}

static int resize(struct judgement *j, struct cshm_node *node, const struct present *present)
{
    const char *segment = j->node->described->segment;
    if (!present->has_file)
        return cshm_fail(&j->told, -EINVAL, "its data is not there to be another array");
    if (present->length == 0)
        return grow(j, node, present);
    if (j->node->described->linked)
        return cshm_fail(&j->told, -EINVAL,
                         "arrays of other projects share its data: resize it first");
    if (pristine_holds(&j->change->daemon->pristine, segment, &present->segment))
        return replace(j, node, present);
    return cshm_fail(
        &j->told, -EINVAL, "dtype and shape take %llu bytes and the file has %llu: resize it first",
        (unsigned long long)node->described->bytes, (unsigned long long)present->length);
}

/*
 * Whether it is the copy of a sidecar, and the data is being copied at the same time: then the file
 * has not its length yet, and when it is closed the first dimension follows.
 */
static bool comes_with_its_data(const struct judgement *j)
{
    struct inode_table *table = &j->change->daemon->inodes;
    struct inode *arrays[INODES_OF_SEGMENT];
    bool written = false;
    size_t count = 0;
    if (j->hints.has_segment)
        count = inode_find_arrays(table, j->node->described->segment, arrays, INODES_OF_SEGMENT);
    for (size_t i = 0; i < count; i++) {
        written |= backing_is_written(arrays[i]);
        inode_drop(table, arrays[i], 1);
    }
    return written;
}

static int judge_present(struct judgement *j)
{
    const struct cshm_description *described = j->node->described;
    struct present present;
    if (!described || !described->segment)
        return cshm_fail(&j->told, -EINVAL, "it has no usable segment: remove it");
    look(j, &present);
    if (!may_declare(j, &present))
        return -EACCES;
    struct cshm_node node = {.type = CSHM_NODE_ARRAY, .attributes = j->parsed->attributes};
    const struct cshm_declaration declaration = {.present = described,
                                                 .wanted = j->parsed->described,
                                                 .rest = j->hints.rest,
                                                 .length = present.length};
    enum cshm_declared how;
    int result = cshm_declare(j->scratch, &node, &declaration, &how, &j->told);
    if (result < 0)
        return result;
    if (how == CSHM_DECLARED_SAME)
        node.problem = j->node->problem;
    if (how == CSHM_DECLARED_SIZE && present.has_file && comes_with_its_data(j) &&
        cshm_tree_fit(j->scratch, &node, present.length, true) == 0)
        how = CSHM_DECLARED_FITS;
    if (how == CSHM_DECLARED_SIZE || (how == CSHM_DECLARED_FITS && !present.has_file))
        return resize(j, &node, &present);
    node.described->segment = described->segment;
    if (cshm_node_says_same(&node, j->node))
        return judgement_commit(j, NULL, 0, NULL);
    return put(j, &node, NULL);
}

int judge_array(struct judgement *j)
{
    return j->node && j->node->type == CSHM_NODE_ARRAY ? judge_present(j) : judge_new(j);
}
