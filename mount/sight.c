/* SPDX-License-Identifier: MIT */
#include "sight.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "store/registry.h"
#include "store/segment.h"
#include "view.h"

enum { BLOCK_SIZE = 4096, RECENT_NANOSECONDS = 50 * 1000 * 1000, COUNTED_PROJECTS = 1000 };

/* --- From inode to node -------------------------------------------------------------------------
 */

struct cshm_node *sight_directory_node(struct inode *inode)
{
    struct inode_directory *directory = inode_directory(inode);
    const struct picture *picture = directory->picture;
    if (atomic_load_explicit(&directory->seen, memory_order_acquire) == picture->generation)
        return atomic_load_explicit(&directory->node, memory_order_relaxed);
    struct cshm_node *node = NULL;
    if (inode->retired) {
        /* removed, and what has its name now is another one */
    } else if (inode->parent->kind == INODE_ROOT) {
        node = &picture->project.tree->root;
    } else {
        struct cshm_node *parent = sight_directory_node(inode->parent);
        node = parent ? cshm_node_child(parent, inode_name(inode)) : NULL;
        if (node && node->type != CSHM_NODE_GROUP)
            node = NULL;
    }
    atomic_store_explicit(&directory->node, node, memory_order_relaxed);
    atomic_store_explicit(&directory->seen, picture->generation, memory_order_release);
    return node;
}

/*
 * The child that an array's or sidecar's inode stands for. An array's inode may have been looked up
 * by another name since its parent was asked for: then `*moved`.
 */
static struct cshm_node *child_node(struct inode_table *table, const struct inode *inode,
                                    const struct inode *parent, const struct cshm_node *group,
                                    bool *moved)
{
    (void)pthread_mutex_lock(&table->lock);
    *moved = inode->parent != parent;
    struct cshm_node *node = *moved || !group ? NULL : cshm_node_child(group, inode_name(inode));
    (void)pthread_mutex_unlock(&table->lock);
    return node;
}

/* Locks the picture that the directory is in, which may become another one while it is waited for.
 */
static int lock_picture(const struct inode *directory, struct sight *out)
{
    for (;;) {
        struct picture *picture = inode_hold_picture(out->table, directory);
        int result = picture_read(picture);
        bool moved = !inode_is_in(out->table, directory, picture);
        if (result == 0 && !moved) {
            out->picture = picture;
            return 0;
        }
        if (result == 0)
            picture_unlock(picture);
        picture_put(picture);
        if (!moved)
            return result;
    }
}

static int begin_directory(struct inode *inode, struct sight *out)
{
    int result = lock_picture(inode, out);
    if (result < 0)
        return result;
    out->node = sight_directory_node(inode);
    return out->node ? 0 : -ENOENT;
}

static int begin_meta(struct inode *inode, struct sight *out)
{
    int result = begin_directory(inode->parent, out);
    if (result < 0)
        return result;
    return entries_has_meta(out->picture, out->node) ? 0 : -ENOENT;
}

/* Whether the array's node still means the segment that the inode stands for. */
static int check_array(struct inode *inode, struct sight *sight)
{
    const struct inode_array *array = inode_array(inode);
    const struct cshm_node *node = sight->node;
    if (!node || node->type != CSHM_NODE_ARRAY || !node->described->segment ||
        strcmp(node->described->segment, array->segment) != 0 ||
        sight->picture->project.uid != array->owner)
        return -ESTALE;
    entries_of(sight->picture, node, &sight->looks);
    return sight->looks.data && sight->looks.segment.st_ino == array->number ? 0 : -ESTALE;
}

/* Whether the view's array still has the segment, and the header says what it said. */
static int check_npy(struct inode *inode, struct sight *sight)
{
    const struct inode_npy *view = inode_npy(inode);
    const struct cshm_node *node = sight->node;
    const char *segment = node ? cshm_node_segment(node) : NULL;
    if (!segment || strcmp(segment, view->segment) != 0 ||
        sight->picture->project.uid != view->owner)
        return -ESTALE;
    entries_of(sight->picture, node, &sight->looks);
    return sight->looks.data && !sight->looks.state &&
                   sight->looks.segment.st_ino == view->number &&
                   view_npy_version(node) == view->version
               ? 0
               : -ESTALE;
}

static int check_sidecar(struct sight *sight)
{
    if (!sight->node || sight->node->type == CSHM_NODE_GROUP)
        return -ENOENT;
    entries_of(sight->picture, sight->node, &sight->looks);
    return sight->looks.sidecar ? 0 : -ENOENT;
}

static int begin_child(struct inode *inode, struct sight *out)
{
    for (;;) {
        out->directory = inode_hold_parent(out->table, inode);
        int result = lock_picture(out->directory, out);
        if (result == -ENOENT && inode->kind == INODE_ARRAY)
            return -ESTALE; /* it may have a name elsewhere, by which it was not looked up last */
        if (result < 0)
            return result;
        bool moved;
        const struct cshm_node *group = sight_directory_node(out->directory);
        out->node = child_node(out->table, inode, out->directory, group, &moved);
        if (!moved && inode->kind == INODE_NPY)
            return check_npy(inode, out);
        if (!moved)
            return inode->kind == INODE_ARRAY ? check_array(inode, out) : check_sidecar(out);
        sight_end(out);
    }
}

int sight_begin(struct daemon *daemon, struct inode *inode, struct sight *out)
{
    memset(out, 0, sizeof *out);
    out->table = &daemon->inodes;
    int result;
    if (inode->kind == INODE_DIRECTORY)
        result = begin_directory(inode, out);
    else if (inode->kind == INODE_META)
        result = begin_meta(inode, out);
    else
        result = begin_child(inode, out);
    if (result < 0)
        sight_end(out);
    return result;
}

void sight_end(struct sight *sight)
{
    if (sight->picture) {
        picture_unlock(sight->picture);
        picture_put(sight->picture);
    }
    if (sight->directory)
        inode_drop(sight->table, sight->directory, 1);
    sight->picture = NULL;
    sight->directory = NULL;
}

/* --- Attributes ---------------------------------------------------------------------------------
 */

/*
 * Counting names costs a listing, so it is done once per change of the registry; of many projects
 * once a second, for one who removes them all would have each removal cost as much as they are.
 */
static bool is_counted(const struct root_count *count, const struct timespec *changed,
                       const struct timespec *now)
{
    if (!count->known)
        return false;
    if (count->projects > COUNTED_PROJECTS && now->tv_sec == count->when)
        return true;
    return count->settled && count->changed.tv_sec == changed->tv_sec &&
           count->changed.tv_nsec == changed->tv_nsec;
}

static size_t count_projects(struct daemon *daemon, const struct stat *registry)
{
    struct root_count *count = &daemon->root;
    struct timespec now;
    struct cshm_names names;
    (void)pthread_mutex_lock(&count->lock);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!is_counted(count, &registry->st_mtim, &now) &&
        cshm_registry_list(daemon->store, &names) == 0) {
        int64_t age = (now.tv_sec - registry->st_mtim.tv_sec) * INT64_C(1000000000) +
                      (now.tv_nsec - registry->st_mtim.tv_nsec);
        count->projects = names.count;
        count->changed = registry->st_mtim;
        /* File times move in steps of some milliseconds: a change in the same step is not seen. */
        count->settled = age > RECENT_NANOSECONDS;
        count->known = true;
        count->when = now.tv_sec;
        cshm_names_finish(&names);
    }
    size_t projects = count->projects;
    (void)pthread_mutex_unlock(&count->lock);
    return projects;
}

/* 1: not said, as other file systems have it of directories whose directories they do not count. */
static nlink_t root_links(size_t projects)
{
    return projects > COUNTED_PROJECTS ? 1 : 2 + projects;
}

int sight_root_attributes(struct daemon *daemon, struct stat *out)
{
    struct stat registry;
    if (fstat(daemon->store->root_fd, &registry) < 0)
        return -errno;
    *out = (struct stat){.st_ino = FUSE_ROOT_ID,
                         .st_mode = S_IFDIR | S_ISVTX | 0777,
                         .st_nlink = root_links(count_projects(daemon, &registry)),
                         .st_uid = geteuid(),
                         .st_gid = getegid(),
                         .st_blksize = BLOCK_SIZE,
                         .st_atim = registry.st_atim,
                         .st_mtim = registry.st_mtim,
                         .st_ctim = registry.st_ctim};
    return 0;
}

/*
 * When an entry came or went: once a directory was looked at, its inode is told of that (the
 * manifest's time moves with every change of the project, wherever it is).
 */
static struct timespec directory_changed(struct inode *inode, const struct cshm_project *project)
{
    _Atomic int64_t *changed = &inode_directory(inode)->changed;
    int64_t known = 0;
    int64_t first = sight_nanoseconds(project->changed);
    if (atomic_compare_exchange_strong(changed, &known, first))
        known = first;
    return sight_time(known);
}

static void directory_attributes(struct inode *inode, const struct sight *sight, struct stat *out)
{
    const struct cshm_project *project = &sight->picture->project;
    out->st_mtim = out->st_ctim = directory_changed(inode, project);
    mode_t mode = project->mode & 0777;
    out->st_ino = inode_number(inode);
    out->st_mode = S_IFDIR | mode | (mode & 0444) >> 2; /* x wherever there is r */
    out->st_nlink = 2 + census_subgroups(&sight->picture->census, sight->node);
    out->st_uid = project->uid;
    out->st_gid = project->gid;
}

static uint64_t sidecar_number(const struct inode *directory, const struct picture *picture,
                               const struct cshm_node *node, const struct entries *looks)
{
    bool linked = node->described && node->described->linked &&
                  !cshm_segment_is_of(node->described->segment, picture->name);
    if (looks->data && !linked && census_is_first(&picture->census, node))
        return inode_number_array(looks->segment.st_ino) + 1;
    return inode_number_hashed(inode_number(directory), INODE_SIDECAR, node->key);
}

static uint64_t meta_number(const struct inode *directory)
{
    static const struct cshm_text no_key = {"", 0};
    return inode_number_hashed(inode_number(directory), INODE_META, no_key);
}

/* The same whatever becomes of the array. */
static uint64_t npy_number(const struct inode *directory, struct cshm_text key)
{
    return inode_number_hashed(inode_number(directory), INODE_NPY, key);
}

int sight_attributes(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                     struct stat *out)
{
    const struct cshm_project *project = &sight->picture->project;
    *out = (struct stat){.st_nlink = 1,
                         .st_uid = project->uid,
                         .st_gid = project->gid,
                         .st_blksize = BLOCK_SIZE,
                         .st_atim = project->changed,
                         .st_mtim = project->changed,
                         .st_ctim = project->changed};
    if (inode->kind == INODE_DIRECTORY) {
        directory_attributes(inode, sight, out);
        return 0;
    }
    if (inode->kind == INODE_SIDECAR)
        out->st_ino = sidecar_number(sight->directory, sight->picture, sight->node, &sight->looks);
    else if (inode->kind == INODE_META)
        out->st_ino = meta_number(inode->parent);
    else if (inode->kind == INODE_NPY)
        out->st_ino = npy_number(inode->parent, inode_name(inode));
    else
        out->st_ino = inode_number(inode);
    return view_of(inode)->attributes(daemon, inode, sight, out);
}

/* --- From entry to inode ------------------------------------------------------------------------
 */

uint64_t sight_number(struct inode_table *table, struct inode *directory,
                      const struct picture *picture, const struct entry *entry)
{
    switch (entry->kind) {
    case ENTRY_DATA:
        return inode_number_array(entry->looks.segment.st_ino);
    case ENTRY_SIDECAR:
        return sidecar_number(directory, picture, entry->node, &entry->looks);
    case ENTRY_META:
        return meta_number(directory);
    case ENTRY_NPY:
        return npy_number(directory, entry->node->key);
    default:
        return inode_number_directory(table, directory, entry->node->key);
    }
}

struct inode *sight_enter(struct daemon *daemon, struct inode *directory, struct picture *picture,
                          const struct entry *entry)
{
    struct inode_key key = {.parent = directory, .key = entry->node->key};
    switch (entry->kind) {
    case ENTRY_NPY:
        key.version = view_npy_version(entry->node);
        /* fall through */
    case ENTRY_DATA:
        key.kind = entry->kind == ENTRY_NPY ? INODE_NPY : INODE_ARRAY;
        key.segment = entry->node->described->segment;
        key.segment_number = entry->looks.segment.st_ino;
        key.owner = picture->project.uid;
        break;
    case ENTRY_SIDECAR:
        key.kind = INODE_SIDECAR;
        break;
    case ENTRY_META:
        key.kind = INODE_META;
        key.key = (struct cshm_text){"", 0};
        break;
    default:
        key.kind = INODE_DIRECTORY;
        key.picture = picture;
        break;
    }
    return inode_get(&daemon->inodes, &key);
}

bool sight_spell(struct inode_table *table, const struct inode *inode,
                 char out[CSHM_FSNAME_MAX + sizeof ENTRIES_META])
{
    if (inode->kind == INODE_ROOT)
        return false;
    size_t length = 0;
    (void)pthread_mutex_lock(&table->lock);
    struct cshm_text key = inode_name(inode);
    if (inode->parent->kind == INODE_ROOT) { /* projects are called what they are called */
        length = key.length < CSHM_FSNAME_MAX ? key.length : CSHM_FSNAME_MAX;
        memcpy(out, key.bytes, length);
        out[length] = '\0';
    } else if (inode->kind != INODE_META) {
        length = cshm_fsname_encode(key, out);
    }
    (void)pthread_mutex_unlock(&table->lock);
    if (inode->kind == INODE_META || inode->kind == INODE_SIDECAR)
        memcpy(out + length, ENTRIES_META, sizeof ENTRIES_META);
    else if (inode->kind == INODE_NPY)
        memcpy(out + length, ENTRIES_NPY, sizeof ENTRIES_NPY);
    return true;
}
