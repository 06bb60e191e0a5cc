/* SPDX-License-Identifier: MIT */
/* A project in the making: nameless segments and a tree, published whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/scope.h"
#include "format/manifest.h"
#include "store/journal.h"
#include "store/merge.h"
#include "store/pending.h"
#include "store/project.h"
#include "store/registry.h"
#include "store/release.h"
#include "store/segment.h"

enum { SPARE_DESCRIPTORS = 64 }; /* for the HDF5 file, its external files, the registry, stdio */

struct slot {
    struct cshm_node *node;
    int fd;        /* -1 once it was linked early */
    bool has_name; /* linked: the node's segment is in the shared memory directory */
    bool is_filled;
};

struct cshm_draft {
    struct cshm_store *store;
    char *project;
    struct cshm_tree *tree;
    struct slot *slots;
    size_t count;
    size_t capacity;
    size_t open_count; /* slots with a descriptor */
    size_t open_max;
    struct cshm_pending pending;
    struct cshm_key_path group; /* if is_into: where in the project the tree goes */
    bool is_into;
    bool overwrite;
    bool published;
};

/* What is published under the draft's name, and what of it the draft takes the place of. */
struct old {
    struct cshm_project project; /* without a tree: nothing */
    struct cshm_tree *gone;
    struct cshm_names found; /* by a damaged project */
    struct cshm_release release;
};

static size_t raise_descriptor_limit(void)
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

/* Early word of what publishing would refuse, before hours of loading. */
static int check_place(const struct cshm_store *store, const char *project, bool may_exist,
                       struct cshm_error *error)
{
    int result = cshm_project_name_check(project);
    if (result < 0)
        return cshm_fail(error, result,
                         "%s: not a project name (1 to 200 bytes of UTF-8 without '/' or control "
                         "characters, no dot at the start, no .meta or .npy at the end)",
                         project);
    struct stat st;
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_manifest_name(project, name);
    if (fstatat(store->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : cshm_fail_errno(error, -errno, "%s", project);
    if (!may_exist)
        return cshm_fail(error, -EEXIST,
                         "project %s exists already in %s (overwrite it with -o, or free it with "
                         "cute-shm-unlink)",
                         project, store->root);
    struct stat root;
    bool sticky = fstat(store->root_fd, &root) == 0 && (root.st_mode & S_ISVTX);
    if (sticky && geteuid() != 0 && st.st_uid != geteuid() && root.st_uid != geteuid())
        return cshm_fail(error, -EPERM, "project %s belongs to another user", project);
    return 0;
}

static int make_draft(struct cshm_store *store, const char *project, bool overwrite,
                      struct cshm_draft **out, struct cshm_error *error)
{
    struct cshm_draft *draft = calloc(1, sizeof *draft);
    if (!draft)
        return cshm_fail(error, -ENOMEM, "out of memory");
    draft->store = store;
    draft->overwrite = overwrite;
    draft->pending = CSHM_PENDING_NONE;
    draft->open_max = raise_descriptor_limit();
    draft->project = strdup(project);
    draft->tree = cshm_tree_create();
    if (!draft->project || !draft->tree) {
        cshm_draft_destroy(draft);
        return cshm_fail(error, -ENOMEM, "out of memory");
    }
    *out = draft;
    return 0;
}

int cshm_draft_create(struct cshm_store *store, const char *project, bool overwrite,
                      struct cshm_draft **out, struct cshm_error *error)
{
    int result = check_place(store, project, overwrite, error);
    return result < 0 ? result : make_draft(store, project, overwrite, out, error);
}

struct cshm_tree *cshm_draft_tree(struct cshm_draft *draft)
{
    return draft->tree;
}

/* --- Segments
 * --------------------------------------------------------------------------------------- */

/* Slots are found by their node: nearly always the last one made. */
static struct slot *slot_of(struct cshm_draft *draft, const struct cshm_node *node)
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
        struct slot *grown = reallocarray(draft->slots, capacity, sizeof *draft->slots);
        if (!grown)
            return -ENOMEM;
        draft->slots = grown;
        draft->capacity = capacity;
    }
    draft->slots[draft->count++] = (struct slot){.node = node, .fd = fd};
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

static void drop_slot(struct cshm_draft *draft, struct slot *slot)
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
        struct slot *slot = below->type == CSHM_NODE_ARRAY ? slot_of(draft, below) : NULL;
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
static int link_slot(struct cshm_draft *draft, struct slot *slot)
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
static int link_early(struct cshm_draft *draft, struct slot *slot)
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
    struct slot *slot = slot_of(draft, node);
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
        struct slot *slot = &draft->slots[i];
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

static int link_all(struct cshm_draft *draft)
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

/* --- What is there already -------------------------------------------------------------------- */

static gid_t own_group(const struct cshm_store *store)
{
    return store->group != (gid_t)-1 ? store->group : getegid();
}

/* What is published under this name now; nothing is not an error. */
static int load_old(const struct cshm_draft *draft, struct cshm_project *project,
                    struct cshm_error *error)
{
    int result =
        check_place(draft->store, draft->project, draft->overwrite || draft->is_into, error);
    if (result < 0)
        return result;
    result = cshm_project_load(draft->store, draft->project, project, error);
    return result == -ENOENT ? 0 : result;
}

/* Whether it may be added to. Damaged, nobody knows what would stay. */
static int check_old(const struct cshm_draft *draft, const struct cshm_project *project,
                     struct cshm_error *error)
{
    if (!project->tree)
        return 0;
    if (project->damaged)
        return cshm_fail(error, -EINVAL, "project %s is damaged: %s (cute-shm-unlink frees it)",
                         draft->project, project->why.text);
    if (geteuid() != 0 && project->uid != geteuid())
        return cshm_fail(error, -EPERM, "project %s belongs to another user", draft->project);
    int result =
        cshm_merge_check(project->tree, &draft->group, draft->tree, draft->overwrite, error);
    if (result < 0)
        (void)cshm_error_prefix(error, "project %s", draft->project);
    return result;
}

int cshm_draft_check(const struct cshm_draft *draft, struct cshm_error *error)
{
    if (!draft->is_into)
        return check_place(draft->store, draft->project, draft->overwrite, error);
    struct cshm_project project = {0};
    int result = load_old(draft, &project, error);
    if (result == 0)
        result = check_old(draft, &project, error);
    cshm_project_finish(&project);
    return result;
}

int cshm_draft_create_into(struct cshm_store *store, const char *project, const char *group,
                           bool overwrite, struct cshm_draft **out, struct cshm_error *error)
{
    int result = check_place(store, project, true, error);
    struct cshm_draft *draft = NULL;
    if (result == 0)
        result = make_draft(store, project, overwrite, &draft, error);
    if (result < 0)
        return result;
    draft->is_into = true;
    struct cshm_project old = {0};
    result = load_old(draft, &old, error);
    if (result == 0)
        result = cshm_merge_resolve(old.tree, group, &draft->tree->arena, &draft->group, error);
    if (result == 0)
        result = check_old(draft, &old, error);
    cshm_project_finish(&old);
    if (result < 0)
        cshm_draft_destroy(draft);
    else
        *out = draft;
    return result;
}

const struct cshm_text *cshm_draft_group(const struct cshm_draft *draft, size_t *depth)
{
    *depth = draft->group.depth;
    return draft->group.keys;
}

/* A damaged project is searched in the directory: what this draft linked early is not its. */
static void keep_own(const struct cshm_draft *draft, struct cshm_release *release)
{
    size_t kept = 0;
    for (size_t i = 0; i < release->count; i++) {
        bool own = false;
        for (size_t j = 0; j < draft->count && !own; j++)
            own = draft->slots[j].has_name &&
                  strcmp(draft->slots[j].node->described->segment, release->names[i]) == 0;
        if (!own)
            release->names[kept++] = release->names[i];
    }
    release->count = kept;
}

static int find_replaced(struct cshm_draft *draft, struct old *old, struct cshm_error *error)
{
    struct cshm_project *project = &old->project;
    if (!project->tree)
        return 0;
    int result = project->damaged
                     ? cshm_damaged_collect(draft->store, draft->project, project->uid, &old->found,
                                            &old->release)
                     : cshm_release_collect(project->tree, &project->tree->root, &old->release);
    if (result < 0)
        return cshm_fail_errno(error, result, "%s", draft->project);
    if (project->damaged)
        keep_own(draft, &old->release);
    return 0;
}

/* Adding to nothing is adding to an empty project. */
static int make_old(const struct cshm_draft *draft, struct cshm_project *project)
{
    project->tree = cshm_tree_create();
    if (!project->tree)
        return -ENOMEM;
    project->tree->facts = draft->tree->facts;
    project->tree->facts.present = true;
    project->uid = geteuid();
    project->gid = own_group(draft->store);
    project->mode = draft->store->mode;
    return 0;
}

/* Checked already; what is found to be replaced is no more in the project's tree. */
static int merge(struct cshm_draft *draft, struct old *old, struct cshm_error *error)
{
    int result = old->project.tree ? 0 : make_old(draft, &old->project);
    old->gone = cshm_tree_create();
    if (result < 0 || !old->gone)
        return cshm_fail(error, -ENOMEM, "out of memory");
    result = cshm_merge(old->project.tree, &draft->group, draft->tree, old->gone, error);
    if (result < 0) {
        (void)cshm_error_prefix(error, "project %s", draft->project);
        return result;
    }
    result = cshm_release_collect(old->project.tree, &old->gone->root, &old->release);
    return result < 0 ? cshm_fail_errno(error, result, "%s", draft->project) : 0;
}

/* What root adds to another's project is his: of root's segments his manifest could not dispose. */
static int give_to_owner(const struct cshm_draft *draft, const struct cshm_project *project)
{
    if (project->uid == geteuid())
        return 0;
    for (size_t i = 0; i < draft->count; i++) {
        const struct slot *slot = &draft->slots[i];
        int result = slot->fd >= 0 ? fchown(slot->fd, project->uid, project->gid)
                                   : fchownat(draft->store->shm_fd, slot->node->described->segment,
                                              project->uid, project->gid, AT_SYMLINK_NOFOLLOW);
        if (result < 0)
            return -errno;
    }
    return 0;
}

/* --- Publishing ------------------------------------------------------------------------------- */

static int put_manifest(struct cshm_draft *draft, const struct old *old)
{
    struct cshm_tree *tree = draft->is_into ? old->project.tree : draft->tree;
    uint64_t generation;
    if (getrandom(&generation, sizeof generation, 0) != sizeof generation)
        return -EIO;
    if (!draft->is_into)
        tree->facts.present = true;
    tree->facts.folded_generation = tree->facts.folded_bytes = 0;
    tree->facts.generation = (generation & INT64_MAX) | 1; /* TOML integers are signed */
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    int result = cshm_manifest_render(tree, &text);
    if (result < 0)
        return result;
    if (draft->is_into)
        return cshm_registry_replace(draft->store, draft->project, &text, old->project.uid,
                                     old->project.gid, old->project.mode, NULL);
    return cshm_registry_replace(draft->store, draft->project, &text, geteuid(),
                                 own_group(draft->store), draft->store->mode, NULL);
}

static int find_old(struct cshm_draft *draft, struct old *old, struct cshm_error *error)
{
    int result = load_old(draft, &old->project, error);
    if (result < 0)
        return result;
    return draft->is_into ? check_old(draft, &old->project, error)
                          : find_replaced(draft, old, error);
}

static int commit(struct cshm_draft *draft, struct old *old)
{
    int result = draft->is_into ? give_to_owner(draft, &old->project) : 0;
    if (result == 0)
        result =
            cshm_pending_add(draft->store, &draft->pending, old->release.names, old->release.count);
    return result < 0 ? result : put_manifest(draft, old);
}

static int publish_locked(struct cshm_draft *draft, struct old *old, struct cshm_error *error)
{
    int result = find_old(draft, old, error);
    if (result < 0)
        return result;
    result = link_all(draft); /* before the merge: nodes are looked for in the draft's tree */
    if (result == 0 && draft->is_into) {
        result = merge(draft, old, error);
        if (result < 0)
            return result;
    }
    if (result == 0)
        result = commit(draft, old);
    if (result < 0)
        return cshm_fail_errno(error, result, "cannot publish %s in %s", draft->project,
                               draft->store->root);
    draft->published = true;
    (void)cshm_release_unlink(draft->store, draft->project, old->project.uid, &old->release);
    (void)cshm_journal_retire(draft->store, draft->project); /* the replaced manifest's */
    return 0;
}

static void finish_old(struct old *old)
{
    cshm_release_finish(&old->release);
    cshm_names_finish(&old->found);
    cshm_tree_destroy(old->gone);
    cshm_project_finish(&old->project);
}

/* Takes the names back of what will not be published. */
static void unlink_all(struct cshm_draft *draft)
{
    for (size_t i = 0; i < draft->count; i++)
        if (draft->slots[i].has_name)
            (void)cshm_segment_unlink(draft->store, draft->slots[i].node->described->segment);
}

int cshm_draft_publish(struct cshm_draft *draft, struct cshm_error *error)
{
    CSHM_AUTO_FD int lock = -1;
    int result = cshm_registry_lock(draft->store, &lock, error);
    if (result < 0)
        return result;
    cshm_pending_recover_once(draft->store);
    struct old old = {0};
    result = publish_locked(draft, &old, error);
    finish_old(&old);
    if (result < 0)
        unlink_all(draft);
    cshm_pending_finish(draft->store, &draft->pending);
    return result;
}

void cshm_draft_destroy(struct cshm_draft *draft)
{
    if (!draft)
        return;
    if (!draft->published)
        unlink_all(draft);
    cshm_pending_finish(draft->store, &draft->pending);
    for (size_t i = 0; i < draft->count; i++)
        cshm_close_fd(&draft->slots[i].fd);
    free(draft->slots);
    free(draft->project);
    cshm_tree_destroy(draft->tree);
    free(draft);
}
