/* SPDX-License-Identifier: MIT */
/* Sidecars that are not there yet: a name for who writes it, and nothing else until it is judged.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "manuscript.h"
#include "newcomer.h"
#include "sidecar_place.h"
#include "view.h"

int sidecar_place(const struct picture *picture, struct cshm_node *group, const char *name,
                  struct sidecar_place *out)
{
    *out = (struct sidecar_place){.kind = INODE_META, .key = {"", 0}};
    struct entry entry;
    entry_find(picture, group, name, &entry);
    out->looks = entry.looks;
    out->exists = entry.kind == ENTRY_SIDECAR || entry.kind == ENTRY_META;
    if (strcmp(name, ENTRIES_META) == 0)
        return 0;
    char stem[NAME_MAX + 1];
    size_t length = strlen(name) - strlen(ENTRIES_META);
    if (length >= sizeof stem)
        return -ENAMETOOLONG;
    memcpy(stem, name, length);
    stem[length] = '\0';
    out->kind = INODE_SIDECAR;
    out->node = length <= CSHM_FSNAME_MAX ? cshm_node_child_by_fsname(group, stem) : NULL;
    if (out->node && out->node->type == CSHM_NODE_GROUP)
        return -EISDIR;
    if (!out->node)
        return change_new_key(stem, out->own_key, &out->key);
    out->key = out->node->key;
    entries_of(picture, out->node, &out->looks);
    return 0;
}

bool sidecar_asker_may(fuse_req_t request, const struct stat *st, mode_t mask)
{
    const struct fuse_ctx *who = fuse_req_ctx(request);
    if (sidecar_may(who, NULL, 0, st, mask))
        return true;
    gid_t groups[256];
    int count = fuse_req_getgroups(request, 256, groups);
    if (count > 256)
        count = 256;
    return count > 0 && sidecar_may(who, groups, count, st, mask);
}

/* --- Creating -----------------------------------------------------------------------------------
 */

struct creation {
    struct daemon *daemon;
    fuse_req_t request;
    struct inode *directory;
    const char *name;
    mode_t mode;
    struct fuse_file_info *file;
    struct fuse_entry_param *entry;
};

static struct stat draft_attributes(const struct creation *c, const struct sight *sight,
                                    const struct sidecar_place *place)
{
    uint64_t number = inode_number(c->directory);
    struct stat st = {.st_ino = inode_number_hashed(number, place->kind, place->key),
                      .st_mode = S_IFREG | (c->mode & 0666),
                      .st_nlink = 1,
                      .st_blksize = 4096};
    if (place->looks.has_segment) {
        struct entry entry = {ENTRY_SIDECAR, place->node, place->looks};
        st.st_ino = sight_number(&c->daemon->inodes, c->directory, sight->picture, &entry);
        st.st_mode = S_IFREG | (place->looks.segment.st_mode & 0666);
        st.st_uid = place->looks.segment.st_uid;
        st.st_gid = place->looks.segment.st_gid;
        return st;
    }
    const struct change change = {.who = fuse_req_ctx(c->request), .picture = sight->picture};
    change_owner(&change, &st.st_uid, &st.st_gid);
    return st;
}

static int begin(const struct creation *c, const struct sight *sight,
                 const struct sidecar_place *place)
{
    if (place->looks.has_segment && !sidecar_asker_may(c->request, &place->looks.segment, 02))
        return -EACCES;
    struct inode_key key = {.kind = place->kind, .parent = c->directory, .key = place->key};
    struct inode *inode = inode_get(&c->daemon->inodes, &key);
    if (!inode)
        return -ENOMEM;
    struct stat st = draft_attributes(c, sight, place);
    const struct manuscript_start start = {
        .draft = true,
        .draft_attributes = &st,
        .author = {.who = *fuse_req_ctx(c->request),
                   .mode = c->mode,
                   .segment = place->looks.has_segment ? place->looks.segment.st_ino : 0,
                   .right = right_to(sight->picture, place->node)},
    };
    struct manuscript *manuscript = NULL;
    /* Somebody was quicker, or still writes one that is gone: the kernel looks again. */
    int result = manuscript_draft_attributes(inode, &c->entry->attr)
                     ? (c->file->flags & O_EXCL ? -EEXIST : -ESTALE)
                     : 0;
    if (result == 0) {
        (void)manuscript_detach(inode);
        result = manuscript_open(c->daemon, inode, &start, &manuscript);
    }
    if (result < 0) {
        inode_drop(&c->daemon->inodes, inode, 1);
        return result;
    }
    (void)manuscript_draft_attributes(inode, &c->entry->attr);
    c->entry->ino = inode_id(&c->daemon->inodes, inode); /* and no timeouts */
    c->file->fh = (uint64_t)(uintptr_t)&manuscript->handle;
    c->file->direct_io = 1;
    return 0;
}

int sidecar_create(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                   const char *name, mode_t mode, struct fuse_file_info *file,
                   struct fuse_entry_param *entry)
{
    if (!file) /* mknod: nobody would write it */
        return -EPERM;
    const struct creation c = {daemon, request, directory, name, mode, file, entry};
    struct sight sight;
    struct sidecar_place place;
    int result = sight_begin(daemon, directory, &sight);
    if (result < 0)
        return result;
    result =
        sight.picture->closed ? -EACCES : sidecar_place(sight.picture, sight.node, name, &place);
    bool exclusive = file->flags & O_EXCL;
    bool is_newcomer = exclusive && newcomer_end(daemon, request, directory, name);
    if (result == 0 && place.exists && !is_newcomer)
        result = exclusive ? -EEXIST : -ESTALE; /* the kernel looks again, and asks who may */
    if (result == 0)
        result = change_check_asker(sight.picture, request);
    if (result == 0)
        result = begin(&c, &sight, &place);
    sight_end(&sight);
    return result;
}

/* --- Looking ------------------------------------------------------------------------------------
 */

int sidecar_resolve_draft(struct daemon *daemon, struct inode *directory, struct cshm_node *group,
                          const char *name, struct fuse_entry_param *out)
{
    struct sidecar_place place;
    if (!entries_names_sidecar(name) ||
        sidecar_place(inode_directory(directory)->picture, group, name, &place) < 0)
        return -ENOENT;
    struct inode *inode = inode_find(&daemon->inodes, place.kind, directory, place.key);
    if (!inode)
        return -ENOENT;
    if (!manuscript_draft_attributes(inode, &out->attr)) {
        inode_drop(&daemon->inodes, inode, 1);
        return -ENOENT;
    }
    out->ino = inode_id(&daemon->inodes, inode); /* and no timeouts: it is there as long as it is */
    return 0;
}

bool sidecar_remove_draft(struct daemon *daemon, struct inode *directory, const char *name)
{
    bool removed = false;
    struct sight sight;
    struct sidecar_place place;
    if (!entries_names_sidecar(name) || sight_begin(daemon, directory, &sight) < 0)
        return false;
    if (sidecar_place(sight.picture, sight.node, name, &place) == 0)
        removed = sidecar_detach(daemon, directory, place.kind == INODE_META, place.key);
    sight_end(&sight);
    return removed;
}
