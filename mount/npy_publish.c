/* SPDX-License-Identifier: MIT */
#include "npy_publish.h"

#include <errno.h>
#include <string.h>

#include "base/names.h"
#include "store/registry.h"

static const char kind_compound[] = "compound";

/* A group of fields, as a structured file becomes one; those may be written again. */
static bool is_of_fields(const struct cshm_node *node)
{
    const char *kind = node->described ? node->described->detail->kind : NULL;
    return kind && strcmp(kind, kind_compound) == 0;
}

static int may_replace(const struct cshm_node *node)
{
    return node && node->type == CSHM_NODE_GROUP && !is_of_fields(node) ? -EISDIR : 0;
}

int npy_may_publish(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                    struct cshm_text key, struct right *right)
{
    struct sight sight;
    int result = sight_begin(daemon, directory, &sight);
    if (result < 0)
        return result;
    const struct cshm_node *node = cshm_node_child(sight.node, key);
    result = may_replace(node);
    if (result == 0)
        result = change_check_asker(sight.picture, request);
    *right = right_to(sight.picture, node);
    sight_end(&sight);
    return result;
}

/* --- The nodes ----------------------------------------------------------------------------------
 */

struct making {
    const struct npy_draft *draft;
    struct cshm_tree *tree; /* the new nodes; it also keeps what else is needed until the commit */
    struct cshm_operation *operations;
    size_t count;
    size_t part; /* the next one */
    /* Of the group that is being made. */
    size_t rank;
    uint64_t shape[CSHM_RANK_MAX];
};

/* A node to be made, and where. */
struct wanted {
    const struct cshm_npy_type *type;
    struct cshm_node *above; /* in the tree of new nodes */
    struct cshm_text key;
    const struct cshm_text *path;
    size_t depth;
    struct cshm_attribute *attributes;
};

static void add_put(struct making *making, const struct wanted *wanted,
                    const struct cshm_node *node)
{
    making->operations[making->count++] = (struct cshm_operation){
        .kind = CSHM_OPERATION_PUT, .path = wanted->path, .depth = wanted->depth, .node = node};
}

static int make_array(struct making *making, const struct wanted *wanted)
{
    const struct cshm_npy_leaf *leaf = &making->draft->leaves[making->part];
    const struct npy_part *part = &making->draft->parts[making->part++];
    struct cshm_node *node;
    int result = cshm_tree_add(making->tree, wanted->above, wanted->key, CSHM_NODE_ARRAY, &node);
    if (result == 0)
        result = cshm_tree_set_array(making->tree, node, &leaf->dtype, leaf->rank, leaf->shape);
    if (result == 0)
        result = cshm_tree_set_segment(making->tree, node, part->name);
    if (result < 0)
        return result;
    node->attributes = wanted->attributes;
    add_put(making, wanted, node);
    return 0;
}

static int make_node(struct making *making, const struct wanted *wanted);

static int make_field(struct making *making, const struct wanted *group, struct cshm_node *node,
                      const struct cshm_npy_field *field)
{
    struct cshm_text *path = cshm_arena_array(&making->tree->arena, group->depth + 1, sizeof *path);
    if (!path)
        return -ENOMEM;
    memcpy(path, group->path, group->depth * sizeof *path);
    path[group->depth] = field->name;
    const struct wanted wanted = {.type = &field->type,
                                  .above = node,
                                  .key = field->name,
                                  .path = path,
                                  .depth = group->depth + 1};
    return make_node(making, &wanted);
}

/* Says what it stands for: formats of HDF5's compounds. */
static int describe_group(struct making *making, struct cshm_node *node)
{
    struct cshm_description *described = cshm_tree_describe(making->tree, node);
    struct cshm_detail *detail = described ? cshm_tree_detail(making->tree, described) : NULL;
    if (!detail)
        return -ENOMEM;
    detail->kind = kind_compound;
    described->rank = (int)making->rank;
    described->shape =
        cshm_tree_keep(making->tree, making->shape, making->rank * sizeof *making->shape);
    return described->shape ? 0 : -ENOMEM;
}

static int make_group(struct making *making, const struct wanted *wanted)
{
    const struct cshm_npy_type *type = wanted->type;
    size_t rank = making->rank;
    struct cshm_node *node;
    int result = cshm_tree_add(making->tree, wanted->above, wanted->key, CSHM_NODE_GROUP, &node);
    if (result < 0)
        return result;
    node->attributes = wanted->attributes;
    if (type->rank > 0) /* how many there may be was checked with the leaves */
        memcpy(making->shape + rank, type->shape, type->rank * sizeof *making->shape);
    making->rank += type->rank;
    result = describe_group(making, node);
    add_put(making, wanted, node);
    for (const struct cshm_npy_field *field = type->fields; field && result == 0;
         field = field->next)
        result = make_field(making, wanted, node, field);
    making->rank = rank;
    return result;
}

static int make_node(struct making *making, const struct wanted *wanted)
{
    return wanted->type->is_structured ? make_group(making, wanted) : make_array(making, wanted);
}

static size_t count_nodes(const struct cshm_npy_type *type)
{
    size_t count = 1;
    for (const struct cshm_npy_field *field = type->fields; field; field = field->next)
        count += count_nodes(&field->type);
    return count;
}

/* --- The segments -------------------------------------------------------------------------------
 */

struct ownership {
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

/* A file that is renamed keeps what it has; one that is written again, too. */
static void find_ownership(const struct change *change, const struct npy_publication *publication,
                           const struct cshm_node *old, struct ownership *out)
{
    const struct npy_source *source = publication->source;
    struct entries looks = {0};
    if (source) {
        *out = (struct ownership){source->st.st_uid, source->st.st_gid, source->st.st_mode};
        return;
    }
    if (old && old->type == CSHM_NODE_ARRAY)
        entries_of(change->picture, old, &looks);
    if (looks.has_segment) {
        *out =
            (struct ownership){looks.segment.st_uid, looks.segment.st_gid, looks.segment.st_mode};
        return;
    }
    out->mode = publication->mode;
    change_owner(change, &out->uid, &out->gid);
}

static int prepare_parts(const struct change *change, const struct ownership *ownership,
                         struct npy_draft *draft, struct cshm_made *made)
{
    int result = 0;
    for (size_t i = 0; i < draft->count && result == 0; i++) {
        struct npy_part *part = &draft->parts[i];
        result =
            cshm_registry_give(part->fd, ownership->uid, ownership->gid, ownership->mode & 0777);
        if (result == 0)
            result = cshm_segment_name_make(change->picture->name, part->name);
        made[i] = (struct cshm_made){.fd = part->fd, .name = part->name};
    }
    return result;
}

/* --- The commit ---------------------------------------------------------------------------------
 */

static void add_remove(struct making *making, const struct change_path *path)
{
    making->operations[making->count++] = (struct cshm_operation){
        .kind = CSHM_OPERATION_REMOVE, .path = path->keys, .depth = path->depth};
}

/* The file's own node, if it is still what was read. -ENOENT; -EXDEV: its group was moved away. */
static int find_source(const struct change *change, const struct npy_source *source,
                       struct cshm_node **out)
{
    if (!inode_is_in(&change->daemon->inodes, source->directory, change->picture))
        return -EXDEV;
    const struct cshm_node *group = sight_directory_node(source->directory);
    struct cshm_node *node = group ? cshm_node_child(group, source->key) : NULL;
    const char *segment = node ? cshm_node_segment(node) : NULL;
    if (!segment || strcmp(segment, source->segment) != 0)
        return -ENOENT;
    *out = node;
    return 0;
}

/* The kernel knows of none of these names by itself: what it was asked for was closing a file. */
static void tell(const struct change *change, struct cshm_text key)
{
    struct herald *herald = &change->daemon->herald;
    char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
    size_t length = cshm_fsname_encode(key, name);
    herald_entry(herald, change->directory, name, NULL);
    memcpy(name + length, ENTRIES_META, sizeof ENTRIES_META);
    herald_entry(herald, change->directory, name, NULL);
    memcpy(name + length, ENTRIES_NPY, sizeof ENTRIES_NPY);
    herald_entry(herald, change->directory, name, NULL);
    herald_attributes(herald, change->directory);
}

/* Who may not read them does not get them by putting a file of his in their place. */
static struct cshm_attribute *kept_attributes(const struct change *change,
                                              const struct cshm_node *old)
{
    struct entries looks = {0};
    if (!old)
        return NULL;
    if (old->type == CSHM_NODE_ARRAY)
        entries_of(change->picture, old, &looks);
    return change_asker_reads(&looks, change->request) ? old->attributes : NULL;
}

static int commit(struct change *change, struct npy_publication *publication, struct cshm_node *old,
                  struct making *making)
{
    struct npy_draft *draft = publication->draft;
    CSHM_AUTO_PATH struct change_path path = {0};
    CSHM_AUTO_PATH struct change_path source_path = {0};
    struct cshm_node *source = NULL;
    struct ownership ownership;
    struct cshm_arena *arena = &making->tree->arena;
    struct cshm_made *made = cshm_arena_array(arena, draft->count + 1, sizeof *made);
    making->operations =
        cshm_arena_array(arena, count_nodes(&draft->header.type) + 2, sizeof *making->operations);
    if (!made || !making->operations)
        return -ENOMEM;
    int result = change_path_make(change->group, &publication->key, &path);
    if (result == 0 && publication->source)
        result = find_source(change, publication->source, &source);
    if (result == 0 && source && source != old)
        result = change_path_make(source, NULL, &source_path);
    if (result < 0)
        return result;
    find_ownership(change, publication, old, &ownership);
    result = prepare_parts(change, &ownership, draft, made);
    if (result < 0)
        return result;
    const struct wanted wanted = {.type = &draft->header.type,
                                  .above = &making->tree->root,
                                  .key = publication->key,
                                  .path = path.keys,
                                  .depth = path.depth,
                                  .attributes = kept_attributes(change, old)};
    if (old && old->type == CSHM_NODE_GROUP)
        add_remove(making, &path);
    result = make_node(making, &wanted);
    if (result == 0 && source_path.keys)
        add_remove(making, &source_path);
    const struct cshm_commit what = {.operations = making->operations,
                                     .count = making->count,
                                     .made = made,
                                     .made_count = draft->count};
    return result == 0 ? change_commit(change, &what) : result;
}

/* Who renames is asked for the directory, like who makes something. */
static int check_right(const struct change *change, const struct npy_publication *publication,
                       const struct cshm_node *old)
{
    if (!publication->right)
        return change_check_asker(change->picture, change->request);
    const struct right now = right_to(change->picture, old);
    return right_holds(publication->right, &now, change->who) ? 0 : -EACCES;
}

static int publish(struct change *change, void *context)
{
    struct npy_publication *publication = context;
    const struct npy_draft *draft = publication->draft;
    struct cshm_node *old = cshm_node_child(change->group, publication->key);
    int result = may_replace(old);
    if (result == 0)
        result = check_right(change, publication, old);
    if (result < 0)
        return result;
    CSHM_AUTO_TREE struct cshm_tree *tree = cshm_tree_create();
    if (!tree)
        return -ENOMEM;
    struct making making = {.draft = draft, .tree = tree, .rank = draft->header.rank};
    if (making.rank > 0)
        memcpy(making.shape, draft->header.shape, making.rank * sizeof *making.shape);
    result = commit(change, publication, old, &making);
    if (result == 0)
        tell(change, publication->key);
    return result;
}

int npy_publish(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                struct npy_publication *publication)
{
    return change_run(daemon, request, directory, publish, publication);
}
