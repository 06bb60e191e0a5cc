/* SPDX-License-Identifier: MIT */
/* An array as a file of its raw bytes: by passthrough, or as a symbolic link to its segment. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "base/scope.h"
#include "sizing.h"
#include "view.h"

/* file->fh of who is through to the segment. */
enum { HANDLE_THROUGH = 1 };

/* Of who is beside it. */
struct beside {
    struct handle handle;
    struct inode *inode;
};

enum { READ_MOST = 1 << 20 };

/* Of a new link the other project's picture may not know yet. */
static nlink_t names_of(struct daemon *daemon, const struct sight *sight)
{
    const struct cshm_description *described = sight->node->described;
    size_t here = census_names(&sight->picture->census, sight->node);
    size_t all = described->linked ? links_names(&daemon->pictures.links, described->segment,
                                                 sight->looks.segment.st_uid)
                                   : 0;
    return all > here ? all : here;
}

static int raw_attributes(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                          struct stat *out)
{
    const struct stat *segment = &sight->looks.segment;
    out->st_nlink = names_of(daemon, sight);
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

static bool is_reading(const struct fuse_file_info *file)
{
    return (file->flags & O_ACCMODE) == O_RDONLY;
}

/* Whether the byte of an empty array has to go first, or all there is. */
static bool has_to_change(const struct sight *sight, const struct fuse_file_info *file)
{
    if (file->flags & O_TRUNC)
        return true;
    return !is_reading(file) && cshm_node_is_empty_array(sight->node) &&
           !sight->node->described->empty_rest &&
           entries_size(sight->node, &sight->looks.segment) == 0;
}

static void destroy_beside(struct handle *handle)
{
    free(handle); /* its first member */
}

/* What file->fh is of who is beside the segment, made beforehand. */
static struct beside *make_beside(struct daemon *daemon, struct inode *inode)
{
    struct beside *beside = calloc(1, sizeof *beside);
    if (beside &&
        handle_add(&daemon->handles, &beside->handle, sizeof *beside, destroy_beside) < 0) {
        free(beside);
        return NULL;
    }
    if (beside)
        beside->inode = inode;
    return beside;
}

static struct beside *beside_of(const struct fuse_file_info *file)
{
    return file->fh == HANDLE_THROUGH ? NULL : (struct beside *)(uintptr_t)file->fh;
}

static int open_as(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                   const struct sight *sight, struct fuse_file_info *file, bool changing)
{
    struct stat st;
    int result = sight_attributes(daemon, inode, sight, &st);
    if (result < 0)
        return result;
    struct backing_wish wish = {.st = &st,
                                .length = (uint64_t)sight->looks.segment.st_size,
                                .empty = entries_size(sight->node, &sight->looks.segment) == 0,
                                .writing = !is_reading(file),
                                .changing = changing};
    struct beside *beside = NULL;
    if (wish.empty && !wish.writing && !(beside = make_beside(daemon, inode)))
        return -ENOMEM;
    result = backing_open(daemon, request, inode, &wish, file);
    file->fh = result == 0 ? (uint64_t)(uintptr_t)beside : HANDLE_THROUGH;
    file->noflush = is_reading(file);
    if (beside && result != 0)
        handle_end(&daemon->handles, &beside->handle);
    return result < 0 ? result : 0;
}

static int raw_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                    const struct sight *sight, struct fuse_file_info *file)
{
    if (has_to_change(sight, file))
        return 1;
    int result = open_as(daemon, request, inode, sight, file, false);
    return result == -EAGAIN ? 1 : result;
}

int view_raw_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                  const struct sight *sight, struct fuse_file_info *file)
{
    return open_as(daemon, request, inode, sight, file, true);
}

/* The length as it is shown now; of what is no more 0. */
static uint64_t length_of(struct daemon *daemon, struct inode *inode)
{
    struct sight sight;
    if (sight_begin(daemon, inode, &sight) < 0)
        return 0;
    uint64_t length = entries_size(sight.node, &sight.looks.segment);
    sight_end(&sight);
    return length;
}

bool view_raw_is_empty(struct daemon *daemon, struct inode *inode,
                       const struct fuse_file_info *file)
{
    return beside_of(file) && length_of(daemon, inode) == 0;
}

/* What is there by now of an array that was empty when it was opened, up to `size` bytes. */
static ssize_t read_beside(struct daemon *daemon, struct inode *inode, void *bytes, size_t size,
                           off_t offset)
{
    uint64_t length = length_of(daemon, inode);
    if (length <= (uint64_t)offset)
        return 0;
    CSHM_AUTO_FD int fd = -1;
    int result = backing_segment(daemon, inode, false, &fd);
    if (result < 0)
        return result;
    size_t left = length - (uint64_t)offset < size ? (size_t)(length - (uint64_t)offset) : size;
    ssize_t count = pread(fd, bytes, left, offset);
    return count < 0 ? -errno : count;
}

static void raw_read(struct daemon *daemon, fuse_req_t request, size_t size, off_t offset,
                     const struct fuse_file_info *file)
{
    if (!beside_of(file)) { /* the kernel never asks */
        (void)fuse_reply_err(request, EIO);
        return;
    }
    struct beside *beside = beside_of(file);
    size_t room = size < READ_MOST ? size : READ_MOST;
    CSHM_AUTO_FREE char *bytes = malloc(room ? room : 1);
    ssize_t count = bytes ? read_beside(daemon, beside->inode, bytes, room, offset) : -ENOMEM;
    if (count < 0)
        (void)fuse_reply_err(request, (int)-count);
    else
        (void)fuse_reply_buf(request, bytes, (size_t)count);
}

/* The size follows what was written. (At fsync the kernel does not say who is only reading.) */
static int raw_flush(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                     const struct fuse_file_info *file)
{
    (void)file;
    return sizing_follow(daemon, request, inode, false);
}

/* Of links the kernel resizes and allocates what they lead to. */
static int raw_allocate(struct daemon *daemon, fuse_req_t request, struct inode *inode, int mode,
                        uint64_t offset, uint64_t length, const struct fuse_file_info *file)
{
    (void)file;
    return sizing_allocate(daemon, request, inode, mode, offset, length);
}

static int raw_resize(struct daemon *daemon, fuse_req_t request, struct inode *inode, uint64_t size,
                      const struct fuse_file_info *file)
{
    (void)file;
    return atomic_load(&daemon->access.mode) == ACCESS_SYMLINK
               ? -EOPNOTSUPP
               : sizing_resize(daemon, request, inode, size);
}

static void raw_release(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                        const struct fuse_file_info *file)
{
    struct beside *beside = beside_of(file);
    if (beside) {
        handle_end(&daemon->handles, &beside->handle);
    }
    /* The kernel drops what goes wrong here; the next who writes makes it right. */
    if (backing_release(request, inode, !beside))
        (void)sizing_follow(daemon, request, inode, true);
}

const struct view view_raw = {
    .attributes = raw_attributes,
    .open = raw_open,
    .open_changing = sizing_open,
    .read = raw_read,
    .flush = raw_flush,
    .sync = raw_flush,
    .allocate = raw_allocate,
    .resize = raw_resize,
    .release = raw_release,
};
