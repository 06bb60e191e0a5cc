/* SPDX-License-Identifier: MIT */
#include "change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/names.h"
#include "base/scope.h"
#include "log.h"
#include "ops.h"
#include "reserve.h"
#include "sidecar_place.h"
#include "store/registry.h"
#include "store/segment.h"

enum {
    PATIENT_ATTEMPTS = 4, /* without waiting */
    NANOSECONDS_FIRST = 500 * 1000,
    NANOSECONDS_LATER = 4 * 1000 * 1000,
};

/* --- Running ------------------------------------------------------------------------------------
 */

/* The picture, which is locked, may have become another one while it was waited for. */
static int find_group(struct change *change)
{
    if (!inode_is_in(&change->daemon->inodes, change->directory, change->picture))
        return -ESTALE;
    if (change->picture->closed)
        return -EACCES;
    change->group = sight_directory_node(change->directory);
    return change->group ? 0 : -ENOENT;
}

static int run_once(struct change *change, change_function *function, void *context)
{
    struct inode_table *table = &change->daemon->inodes;
    struct picture *picture = inode_hold_picture(table, change->directory);
    change->picture = picture;
    int result = picture_write(picture);
    if (result == 0) {
        result = find_group(change);
        if (result == 0)
            result = function(change, context);
        picture_write_end(picture);
    } else if (!inode_is_in(table, change->directory, picture)) {
        result = -ESTALE;
    }
    picture_put(picture);
    return result;
}

bool change_again(int attempts, int result)
{
    if (attempts >= CHANGE_ATTEMPTS || result != -ESTALE)
        return false;
    if (attempts >= PATIENT_ATTEMPTS) {
        long most = attempts < 2 * PATIENT_ATTEMPTS ? NANOSECONDS_FIRST : NANOSECONDS_LATER;
        unsigned random = 0;
        (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)(random % (unsigned)most)}, NULL);
    }
    return true;
}

static int run(struct change *change, change_function *function, void *context)
{
    int result = -ESTALE;
    for (int attempts = 0; change_again(attempts, result); attempts++)
        result = run_once(change, function, context);
    return result;
}

int change_run(struct daemon *daemon, fuse_req_t request, struct inode *directory,
               change_function *function, void *context)
{
    struct change change = {
        .daemon = daemon, .who = fuse_req_ctx(request), .request = request, .directory = directory};
    return run(&change, function, context);
}

int change_run_for(struct daemon *daemon, const struct fuse_ctx *who, struct inode *directory,
                   change_function *function, void *context)
{
    struct change change = {.daemon = daemon, .who = who, .directory = directory};
    return run(&change, function, context);
}

int change_told(const struct picture *picture, int result, const struct cshm_error *error)
{
    bool expected = result == -ENOENT || result == -ENOTEMPTY || result == -ESTALE;
    if (result < 0)
        log_line(expected ? LOG_DEBUG : LOG_ERR, "project %s: %s", picture->name,
                 error->text[0] ? error->text : strerror(-result));
    return result;
}

int change_commit(struct change *change, const struct cshm_commit *commit)
{
    struct cshm_error error = {0};
    return change_told(change->picture, picture_commit(change->picture, commit, &error), &error);
}

/* --- Names --------------------------------------------------------------------------------------
 */

int change_path_make(const struct cshm_node *node, const struct cshm_text *key,
                     struct change_path *out)
{
    size_t bytes = key ? key->length : 0;
    out->depth = key != NULL;
    for (const struct cshm_node *n = node; n->parent; n = n->parent) {
        out->depth++;
        bytes += n->key.length;
    }
    size_t size = (out->depth + 1) * sizeof *out->keys;
    out->keys = malloc(size + bytes);
    if (!out->keys)
        return -ENOMEM;
    char *copy = (char *)out->keys + size;
    const struct cshm_node *above = node;
    for (size_t i = out->depth; i-- > 0;) {
        bool is_child = key && i + 1 == out->depth;
        struct cshm_text from = is_child ? *key : above->key;
        if (!is_child)
            above = above->parent;
        if (from.length > 0)
            memcpy(copy, from.bytes, from.length);
        out->keys[i] = (struct cshm_text){copy, from.length};
        copy += from.length;
    }
    return 0;
}

void change_path_finish(struct change_path *path)
{
    free(path->keys);
    *path = (struct change_path){0};
}

int change_new_key(const char *name, char *key, struct cshm_text *out)
{
    size_t length = strlen(name);
    if (length > CSHM_FSNAME_MAX)
        return -ENAMETOOLONG;
    if (!cshm_utf8_valid(name, length))
        return -EILSEQ;
    if (cshm_fsname_is_hashed(name) || cshm_fsname_decode(name, key, &length) < 0)
        return -EINVAL;
    *out = (struct cshm_text){key, length};
    return 0;
}

/* --- What is new --------------------------------------------------------------------------------
 */

void change_owner(const struct change *change, uid_t *uid, gid_t *gid)
{
    const struct cshm_project *project = &change->picture->project;
    bool own = geteuid() == 0 && (project->uid == 0 || project->uid == change->who->uid);
    *uid = own ? change->who->uid : project->uid;
    *gid = own ? change->who->gid : project->gid;
}

int change_segment_make(const struct change *change, uint64_t bytes, mode_t mode,
                        struct change_segment *out)
{
    const struct cshm_store *store = change->daemon->store;
    uid_t uid;
    gid_t gid;
    *out = (struct change_segment){.fd = -1};
    change_owner(change, &uid, &gid);
    int result = reserve_check(store, bytes);
    if (result == 0)
        result = cshm_segment_name_make(change->picture->name, out->name);
    if (result == 0)
        result = cshm_segment_create(store, bytes, &out->fd);
    if (result == 0)
        result = cshm_registry_give(out->fd, uid, gid, mode & 0777);
    if (result < 0)
        change_segment_finish(out);
    return result;
}

void change_segment_finish(struct change_segment *segment)
{
    cshm_close_fd(&segment->fd);
}

/* --- Who may, and who has seen ------------------------------------------------------------------
 */

bool change_may_take(const struct picture *picture, const struct fuse_ctx *who)
{
    return who->uid == 0 || who->uid == geteuid() || who->uid == picture->project.uid;
}

int change_check_asker(const struct picture *picture, fuse_req_t request)
{
    const struct cshm_project *project = &picture->project;
    const struct stat st = {
        .st_uid = project->uid, .st_gid = project->gid, .st_mode = project->mode & 0777};
    /* Directories may be searched by whom they may be read. */
    bool may = sidecar_asker_may(request, &st, 02) && sidecar_asker_may(request, &st, 04);
    return may ? 0 : -EACCES;
}

bool change_asker_reads(const struct entries *looks, fuse_req_t request)
{
    return !looks->has_segment || sidecar_asker_may(request, &looks->segment, 04);
}

void change_leave_ghost(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                        const char *name, struct ghost_body *body, struct inode *to,
                        const char *to_name)
{
    char key[CSHM_FSNAME_MAX + 1];
    size_t length = 0;
    ghost_leave(&daemon->ghosts, directory, cshm_text(name), fuse_req_ctx(request)->pid, body, to,
                cshm_text(to_name ? to_name : ""));
    if (strlen(name) > CSHM_FSNAME_MAX || cshm_fsname_decode(name, key, &length) < 0)
        length = 0; /* a long name, known by its hash: then without the inode */
    struct inode *sidecar =
        inode_find(&daemon->inodes, INODE_SIDECAR, directory, (struct cshm_text){key, length});
    if (sidecar || length == 0) /* the kernel may know it */
        herald_sidecar_gone(&daemon->herald, directory, name, sidecar);
    /*
     * The kernel still knows the name: nobody may take it for a file, and who moved it is to see
     * that its number is another one than over there (mv(1) would see one file).
     */
    if (sidecar)
        herald_now(&daemon->herald, sidecar);
    if (sidecar)
        inode_drop(&daemon->inodes, sidecar, 1);
}

int change_resolve(const struct change *change, const char *name, struct fuse_entry_param *out)
{
    struct sight sight = {.picture = change->picture,
                          .node = sight_directory_node(change->directory),
                          .table = &change->daemon->inodes};
    memset(out, 0, sizeof *out);
    return sight.node ? ops_resolve_seen(change->daemon, change->directory, &sight, name, out)
                      : -ENOENT;
}
