/* SPDX-License-Identifier: MIT */
/* Callbacks: open files. Of arrays only opening and closing comes here; the kernel does the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/scope.h"
#include "ops.h"
#include "store/segment.h"
#include "view.h"

void ops_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    struct sight sight;
    int result = sight_begin(daemon, inode, &sight);
    if (result == 0) {
        result = view_of(inode)->open(daemon, request, inode, &sight, file);
        sight_end(&sight);
    }
    struct cshm_text stem = {inode->key, inode->key_length};
    if (result == -ENOENT && inode->kind == INODE_SIDECAR) /* opening a ghost ends it */
        (void)ghost_lay(&daemon->ghosts, inode->parent, stem, fuse_req_ctx(request)->pid);
    if (result < 0) {
        /* What was replaced or removed meanwhile: the kernel looks the name up again and retries.
         */
        ops_reply_result(request, result == -ENOENT ? -ESTALE : result);
        return;
    }
    if (fuse_reply_open(request, file) < 0) /* nobody has it open, so no RELEASE will come */
        view_of(inode)->release(daemon, request, inode, file);
}

void ops_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
              struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    view_of(inode_from_id(&daemon->inodes, id))->read(daemon, request, size, offset, file);
}

/* Only opens for writing get here: those for reading are opened without flush. */
void ops_flush(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    (void)id, (void)file;
    ops_reply_result(request, 0);
}

void ops_release(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    view_of(inode)->release(daemon, request, inode, file);
    ops_reply_result(request, 0);
}

/* Shared memory has nothing behind it. */
void ops_fsync(fuse_req_t request, fuse_ino_t id, int datasync, struct fuse_file_info *file)
{
    (void)id, (void)datasync, (void)file;
    ops_reply_result(request, 0);
}

/* SEEK_HOLE and SEEK_DATA; the kernel answers the others itself. */
void ops_lseek(fuse_req_t request, fuse_ino_t id, off_t offset, int whence,
               struct fuse_file_info *file)
{
    (void)file;
    struct daemon *daemon = ops_daemon(request);
    struct inode *inode = inode_from_id(&daemon->inodes, id);
    if (inode->kind != INODE_ARRAY) {
        ops_reply_result(request, -EINVAL);
        return;
    }
    const struct inode_array *array = inode_array(inode);
    CSHM_AUTO_FD int fd = -1;
    int result = cshm_segment_open(daemon->store, array->segment, array->owner, O_RDONLY,
                                   array->number, &fd);
    off_t found = result < 0 ? -1 : lseek(fd, offset, whence);
    if (found < 0)
        ops_reply_result(request, result < 0 ? result : -errno);
    else
        (void)fuse_reply_lseek(request, found);
}
