/* SPDX-License-Identifier: MIT */
/* An array as a file of its raw bytes: by passthrough, or as a symbolic link to its segment. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backing.h"
#include "view.h"

enum { HANDLE_EMPTY = 0, HANDLE_BACKED = 1 };

static int raw_attributes(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                          struct stat *out)
{
    const struct stat *segment = &sight->looks.segment;
    out->st_nlink = census_names(&sight->picture->census, sight->node);
    out->st_uid = segment->st_uid;
    out->st_gid = segment->st_gid;
    out->st_atim = segment->st_atim;
    out->st_mtim = segment->st_mtim;
    out->st_ctim = segment->st_ctim;
    if (atomic_load(&daemon->access.mode) == ACCESS_SYMLINK) {
        out->st_mode = S_IFLNK | 0777;
        out->st_size =
            (off_t)(strlen(daemon->shm_path) + 1 + strlen(sight->node->described->segment));
        return 0;
    }
    out->st_mode = S_IFREG | (segment->st_mode & 0777);
    out->st_size = (off_t)entries_size(sight->node, segment);
    atomic_store(&inode_array(inode)->length, (uint64_t)segment->st_size);
    out->st_blocks = segment->st_blocks;
    return 0;
}

static int raw_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                    const struct sight *sight, struct fuse_file_info *file)
{
    /* Resizing comes with its own change of the manifest; until then nothing may be cut short. */
    if (file->flags & O_TRUNC)
        return -EOPNOTSUPP;
    bool reading = (file->flags & O_ACCMODE) == O_RDONLY;
    if (entries_size(sight->node, &sight->looks.segment) == 0) {
        /* The segment has a byte that is not the array's: no passthrough to it. */
        if (!reading)
            return -EOPNOTSUPP;
        file->direct_io = 1;
        file->fh = HANDLE_EMPTY;
    } else {
        file->fh = HANDLE_BACKED;
    }
    struct stat st;
    int result = sight_attributes(daemon, inode, sight, &st);
    if (result == 0)
        result = backing_open(daemon, request, inode, &st, file->fh == HANDLE_BACKED ? file : NULL);
    if (result < 0)
        return result;
    file->noflush = reading;
    return 0;
}

static void raw_read(struct daemon *daemon, fuse_req_t request, size_t size, off_t offset,
                     const struct fuse_file_info *file)
{
    /* Only an empty array is read through here. */
    (void)daemon, (void)size, (void)offset;
    if (file->fh == HANDLE_EMPTY)
        (void)fuse_reply_buf(request, NULL, 0);
    else
        (void)fuse_reply_err(request, EIO);
}

static void raw_release(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                        const struct fuse_file_info *file)
{
    (void)daemon, (void)file;
    backing_release(request, inode);
}

const struct view view_raw = {
    .attributes = raw_attributes,
    .open = raw_open,
    .read = raw_read,
    .release = raw_release,
};
