/* SPDX-License-Identifier: MIT */
/* Callbacks: names and attributes. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "backing.h"
#include "base/names.h"
#include "manuscript.h"
#include "newcomer.h"
#include "npy_detour.h"
#include "ops.h"
#include "sight.h"
#include "view.h"

enum { OVERTAKEN_MAX = 8 };

void ops_init(void *userdata, struct fuse_conn_info *connection)
{
    struct daemon *daemon = userdata;
    access_negotiate(&daemon->access, connection);
}

/* --- Lookup -------------------------------------------------------------------------------------
 */

double ops_belief(struct daemon *daemon)
{
    return watch_is_on(&daemon->watch) ? BELIEF_SECONDS : BELIEF_UNWATCHED;
}

/* What was found is the kernel's now. `whole`: nothing is wrong with it. */
static void fill_entry(struct daemon *daemon, const struct inode *inode, bool whole,
                       struct fuse_entry_param *out)
{
    bool is_link =
        inode->kind == INODE_ARRAY && atomic_load(&daemon->access.mode) == ACCESS_SYMLINK;
    bool is_directory = inode->kind == INODE_DIRECTORY;
    out->ino = inode_id(&daemon->inodes, inode);
    /* A segment that is missing may come back, and of files that are made there is no word. */
    out->attr_timeout = whole ? ops_belief(daemon) : 0.0;
    /* The name of a directory is looked up again at each step of a path, and that brings its
     * attributes along; believing those for a moment saves asking for them once more. */
    bool name_too = !is_link && (!is_directory || watch_is_on(&daemon->watch));
    /* A view's name is not followed through changes, and whoever makes one has one of his own. */
    name_too = name_too && inode->kind != INODE_NPY;
    out->entry_timeout = name_too ? ops_belief(daemon) : 0.0;
}

static int resolve_project(struct daemon *daemon, const char *name, struct fuse_entry_param *out)
{
    struct inode *root = &daemon->inodes.root;
    if (cshm_project_name_check(name) < 0)
        return -ENOENT;
    struct picture *picture = picture_get(&daemon->pictures, name);
    if (!picture)
        return -ENOMEM;
    struct sight sight;
    int result = picture_refresh(picture);
    struct inode *inode = NULL;
    if (result == 0) {
        struct inode_key key = {
            .kind = INODE_DIRECTORY, .parent = root, .key = cshm_text(name), .picture = picture};
        inode = inode_get(&daemon->inodes, &key);
        result = inode ? sight_begin(daemon, inode, &sight) : -ENOMEM;
    }
    if (result == 0) {
        result = sight_attributes(daemon, inode, &sight, &out->attr);
        sight_end(&sight);
    }
    if (result == 0)
        fill_entry(daemon, inode, true, out);
    else if (inode)
        inode_drop(&daemon->inodes, inode, 1);
    picture_put(picture);
    return result;
}

/* The array's entry if `name` is that of a sidecar: its length without the ending, else 0. */
static size_t sidecar_stem(const char *name)
{
    size_t length = strlen(name);
    size_t suffix = strlen(ENTRIES_META);
    bool ends = length > suffix && strcmp(name + length - suffix, ENTRIES_META) == 0;
    return ends ? length - suffix : 0;
}

/* A sidecar that went with its array and still resolves for who removed that (ghost.h). */
static int resolve_ghost(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                         const char *name, struct fuse_entry_param *out)
{
    struct cshm_text stem = {name, sidecar_stem(name)};
    if (stem.length == 0 ||
        !ghost_seen(&daemon->ghosts, directory, stem, fuse_req_ctx(request)->pid, &out->attr))
        return -ENOENT;
    struct inode_key key = {.kind = INODE_SIDECAR, .parent = directory, .key = stem};
    struct inode *inode = inode_get(&daemon->inodes, &key);
    if (!inode)
        return -ENOMEM;
    out->ino = inode_id(&daemon->inodes, inode); /* and no timeouts: for this process only */
    return 0;
}

/* Whether the array of that sidecar is there again, which ends its ghost. */
static bool array_is_back(struct cshm_node *group, const char *name)
{
    char stem[CSHM_FSNAME_MAX + 1];
    size_t length = sidecar_stem(name);
    if (length == 0 || length >= sizeof stem)
        return false;
    memcpy(stem, name, length);
    stem[length] = '\0';
    return cshm_node_child_by_fsname(group, stem) != NULL;
}

int ops_resolve_seen(struct daemon *daemon, struct inode *directory, const struct sight *sight,
                     const char *name, struct fuse_entry_param *out)
{
    struct entry entry;
    entry_find(sight->picture, sight->node, name, &entry);
    if (entry.kind == ENTRY_NONE)
        return sidecar_resolve_draft(daemon, directory, sight->node, name, out);
    return ops_resolve_found(daemon, directory, sight, &entry, out);
}

int ops_resolve_found(struct daemon *daemon, struct inode *directory, const struct sight *sight,
                      const struct entry *entry, struct fuse_entry_param *out)
{
    memset(out, 0, sizeof *out);
    struct inode *inode = sight_enter(daemon, directory, sight->picture, entry);
    if (!inode)
        return -ENOMEM;
    /* The same sight, seen from the child. */
    struct sight child = *sight;
    child.node = entry->node;
    child.looks = entry->looks;
    child.directory = directory;
    int result = sight_attributes(daemon, inode, &child, &out->attr);
    if (result == 0)
        fill_entry(daemon, inode, !entry->looks.state, out);
    else
        inode_drop(&daemon->inodes, inode, 1);
    return result;
}

/*
 * Who replaces a project puts the manifest in place and then removes the old segments: one that is
 * not there any more may be of a manifest that was, an instant ago.
 */
static bool was_overtaken(const struct sight *sight, int result, const struct fuse_entry_param *out)
{
    bool is_whole = result == 0 && out->attr_timeout > 0;
    return !is_whole && !picture_is_current(sight->picture);
}

struct resolution {
    int result;
    bool haunted;   /* nothing by that name, but there may be its ghost */
    bool overtaken; /* it was another project by the time it was looked at */
};

static struct resolution resolve_once(struct daemon *daemon, struct inode *directory,
                                      const char *name, struct fuse_entry_param *out)
{
    struct sight sight;
    struct resolution done = {.result = sight_begin(daemon, directory, &sight)};
    if (done.result < 0)
        return done;
    done.result = ops_resolve_seen(daemon, directory, &sight, name, out);
    done.haunted = done.result == -ENOENT && !array_is_back(sight.node, name);
    done.overtaken = was_overtaken(&sight, done.result, out);
    sight_end(&sight);
    return done;
}

static int resolve_entry(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                         const char *name, struct fuse_entry_param *out)
{
    struct resolution done = resolve_once(daemon, directory, name, out);
    /* Not for ever: of a manifest that is half-written the old picture is shown. */
    for (int again = 0; done.overtaken && again < OVERTAKEN_MAX; again++) {
        if (done.result == 0)
            inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, out->ino), 1);
        done = resolve_once(daemon, directory, name, out);
    }
    return done.haunted ? resolve_ghost(daemon, request, directory, name, out) : done.result;
}

int ops_resolve(struct daemon *daemon, fuse_req_t request, struct inode *parent, const char *name,
                struct fuse_entry_param *out)
{
    memset(out, 0, sizeof *out);
    if (parent->kind == INODE_ROOT)
        return resolve_project(daemon, name, out);
    if (entries_names_npy(name) &&
        npy_detour_resolve(daemon, fuse_req_ctx(request)->pid, parent, name, out))
        return 0;
    if (newcomer_is_hidden(daemon, request, parent, name))
        return -ENOENT;
    return resolve_entry(daemon, request, parent, name, out);
}

void ops_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct daemon *daemon = ops_daemon(request);
    struct fuse_entry_param entry;
    int result = ops_resolve(daemon, request, inode_from_id(&daemon->inodes, parent), name, &entry);
    if (result < 0)
        ops_reply_result(request, result);
    else if (fuse_reply_entry(request, &entry) < 0) /* nobody heard it, nobody will forget it */
        inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, entry.ino), 1);
}

void ops_forget(fuse_req_t request, fuse_ino_t id, uint64_t lookups)
{
    struct daemon *daemon = fuse_req_userdata(request);
    inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, id), lookups);
    fuse_reply_none(request);
}

void ops_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
    struct daemon *daemon = fuse_req_userdata(request);
    for (size_t i = 0; i < count; i++)
        inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, forgets[i].ino),
                   forgets[i].nlookup);
    fuse_reply_none(request);
}

/* --- Attributes ---------------------------------------------------------------------------------
 */

/* An inode that has no sight any more, but may be looked at by who has it open or saw it before. */
static int attributes_of_gone(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                              int why, struct stat *out)
{
    /* Removed or replaced, but open: fstat of that descriptor goes on. */
    if (inode->kind == INODE_ARRAY && backing_last_seen(inode, out)) {
        out->st_nlink =
            links_names(&daemon->pictures.links, inode_array(inode)->segment, out->st_uid);
        return 0;
    }
    bool is_sidecar = inode->kind == INODE_SIDECAR || inode->kind == INODE_META;
    if (is_sidecar && manuscript_draft_attributes(inode, out))
        return 0;
    if (inode->kind == INODE_SIDECAR &&
        ghost_seen(&daemon->ghosts, inode->parent, inode_name(inode), fuse_req_ctx(request)->pid,
                   out))
        return 0;
    if (inode->kind == INODE_NPY)
        return view_npy_last_seen(daemon, inode, out) ? 0
                                                      : npy_present(daemon, request, inode, out);
    if (is_sidecar && view_sidecar_last_seen(daemon, inode, out)) {
        out->st_nlink = 0;
        return 0;
    }
    return why;
}

int ops_attributes(struct daemon *daemon, fuse_req_t request, struct inode *inode, struct stat *out,
                   double *belief)
{
    *belief = ops_belief(daemon);
    if (inode->kind == INODE_ROOT)
        return sight_root_attributes(daemon, out);
    struct sight sight;
    int result = sight_begin(daemon, inode, &sight);
    if (result < 0) {
        *belief = 0;
        return attributes_of_gone(daemon, request, inode, result, out);
    }
    result = sight_attributes(daemon, inode, &sight, out);
    if (sight.looks.state)
        *belief = 0;
    sight_end(&sight);
    return result;
}

void ops_getattr(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    (void)file;
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    double belief;
    struct stat st;
    int result = ops_attributes(daemon, request, inode, &st, &belief);
    if (result < 0)
        ops_reply_result(request, result);
    else
        (void)fuse_reply_attr(request, &st, belief);
}

void ops_readlink(fuse_req_t request, fuse_ino_t id)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    char target[PATH_MAX];
    if (inode->kind != INODE_ARRAY) {
        ops_reply_result(request, -EINVAL);
        return;
    }
    /* The inode is the segment, so its link never changes. */
    int length =
        snprintf(target, sizeof target, "%s/%s", daemon->shm_path, inode_array(inode)->segment);
    if (length < 0 || (size_t)length >= sizeof target)
        ops_reply_result(request, -ENAMETOOLONG);
    else
        (void)fuse_reply_readlink(request, target);
}

void ops_statfs(fuse_req_t request, fuse_ino_t id)
{
    (void)id;
    const struct daemon *daemon = ops_daemon(request);
    struct statvfs space;
    if (fstatvfs(daemon->store->shm_fd, &space) < 0) {
        ops_reply_result(request, -errno);
        return;
    }
    space.f_namemax = NAME_MAX;
    (void)fuse_reply_statfs(request, &space);
}
