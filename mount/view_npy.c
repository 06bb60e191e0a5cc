/* SPDX-License-Identifier: MIT */
/*
 * An array as a .npy file: a header that is made up, and behind it the segment's bytes, which the
 * kernel caches. The inode is of one segment and one header (inode.h), so what is cached can only
 * be out of date in what was written into the segment: then its time has moved, or the watch of the
 * shared memory directory says so; a store through a mapping moves nothing (but the first one into
 * a page) and may be missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "npy_detour.h"
#include "store/segment.h"
#include "view_npy.h"

/* File times move in steps of some milliseconds: a change in the same step is not seen. */
enum { SETTLED_NANOSECONDS = 50 * 1000 * 1000 };

/* --- The header ---------------------------------------------------------------------------------
 */

static int render(const struct cshm_node *array, struct cshm_buffer *out)
{
    const struct cshm_description *described = array->described;
    cshm_npy_render(described->dtype, (size_t)described->rank, described->shape, out);
    return out->error;
}

uint64_t view_npy_version(const struct cshm_node *array)
{
    const struct cshm_description *described = array->described;
    const char *dtype = described->dtype_text ? described->dtype_text : "";
    size_t rank = described->rank > 0 ? (size_t)described->rank : 0;
    uint64_t parts[2] = {cshm_hash(dtype, strlen(dtype)),
                         cshm_hash((const char *)described->shape, rank * sizeof(uint64_t))};
    return cshm_hash((const char *)parts, sizeof parts);
}

static int npy_attributes(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                          struct stat *out)
{
    (void)daemon, (void)inode;
    const struct stat *segment = &sight->looks.segment;
    CSHM_AUTO_BUFFER struct cshm_buffer header = CSHM_BUFFER_INIT;
    int result = render(sight->node, &header);
    if (result < 0)
        return result;
    out->st_size = (off_t)(header.length + sight->node->described->bytes);
    out->st_mode = S_IFREG | (segment->st_mode & 0666);
    out->st_uid = segment->st_uid;
    out->st_gid = segment->st_gid;
    out->st_blocks = (out->st_size + 511) / 512;
    out->st_atim = segment->st_atim;
    out->st_mtim = segment->st_mtim;
    out->st_ctim = segment->st_ctim;
    return 0;
}

/* --- Handles ------------------------------------------------------------------------------------
 */

static void destroy_open(struct handle *handle)
{
    struct npy_open *open = (struct npy_open *)handle; /* its first member */
    if (open->writer) {
        npy_draft_finish(&open->writer->draft);
        (void)pthread_mutex_destroy(&open->writer->lock);
        free(open->writer);
    }
    cshm_close_fd(&open->fd);
    free(open);
}

struct npy_open *npy_open_make(struct daemon *daemon, const struct inode *inode,
                               const struct stat *last, const char *text, size_t header)
{
    struct npy_open *open = calloc(1, sizeof *open + header);
    if (!open)
        return NULL;
    open->inode = inode;
    open->last = *last;
    open->fd = -1;
    open->header = header;
    if (header > 0)
        memcpy(open->text, text, header);
    atomic_init(&open->size, (uint64_t)last->st_size);
    if (handle_add(&daemon->handles, &open->handle, sizeof *open + header, destroy_open) == 0)
        return open;
    free(open);
    return NULL;
}

struct npy_open *npy_open_writer(struct daemon *daemon, const struct inode *inode,
                                 const struct stat *last, struct cshm_text key, mode_t mode,
                                 const struct right *right)
{
    struct npy_writer *writer = calloc(1, sizeof *writer);
    struct npy_open *open = writer ? npy_open_make(daemon, inode, last, NULL, 0) : NULL;
    if (!open || key.length > CSHM_FSNAME_MAX) {
        free(writer);
        if (open)
            handle_end(&daemon->handles, &open->handle);
        return NULL;
    }
    (void)pthread_mutex_init(&writer->lock, NULL);
    npy_draft_begin(&writer->draft);
    writer->mode = mode;
    writer->right = *right;
    if (key.length > 0)
        memcpy(writer->key, key.bytes, key.length);
    writer->key_length = key.length;
    open->writer = writer;
    atomic_store(&open->size, 0);
    return open;
}

struct search {
    const struct inode *inode;
    struct stat *out;
};

static bool take_last(struct handle *handle, void *context)
{
    const struct search *search = context;
    if (handle->destroy != destroy_open)
        return false;
    const struct npy_open *open = (const struct npy_open *)handle;
    if (open->inode != search->inode)
        return false;
    *search->out = open->last;
    search->out->st_size = (off_t)atomic_load(&open->size);
    return true;
}

bool view_npy_last_seen(struct daemon *daemon, const struct inode *view, struct stat *out)
{
    struct search search = {view, out};
    return npy_detour_seen(view, out) || handle_find(&daemon->handles, take_last, &search);
}

/* --- Reading ------------------------------------------------------------------------------------
 */

/* Whether what the kernel has cached since an earlier open is still what is in the segment. */
static bool is_unchanged(struct daemon *daemon, struct inode *inode, struct timespec changed)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t time = sight_nanoseconds(changed);
    bool settled = sight_nanoseconds(now) - time > SETTLED_NANOSECONDS;
    int64_t before = atomic_exchange(&inode_npy(inode)->cached, settled ? time : 0);
    return before != 0 && before == time && watch_is_on(&daemon->watch);
}

static int open_to_read(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                        const struct stat *st, struct npy_open **out)
{
    const struct inode_npy *view = inode_npy(inode);
    CSHM_AUTO_BUFFER struct cshm_buffer header = CSHM_BUFFER_INIT;
    CSHM_AUTO_FD int fd = -1;
    int result = render(sight->node, &header);
    if (result == 0)
        result = cshm_segment_open(daemon->store, view->segment, view->owner, O_RDONLY,
                                   view->number, &fd);
    if (result < 0)
        return result;
    struct npy_open *open = npy_open_make(daemon, inode, st, header.bytes, header.length);
    if (!open)
        return -ENFILE;
    open->fd = cshm_steal_fd(&fd);
    open->bytes = sight->node->described->bytes;
    *out = open;
    return 0;
}

/* A part of it cannot be written anew, for the header may say another thing then. */
static int npy_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                    const struct sight *sight, struct fuse_file_info *file)
{
    (void)request;
    if ((file->flags & O_ACCMODE) != O_RDONLY || file->flags & O_TRUNC)
        return -EOPNOTSUPP;
    struct stat st;
    struct npy_open *open = NULL;
    int result = sight_attributes(daemon, inode, sight, &st);
    if (result == 0)
        result = open_to_read(daemon, inode, sight, &st, &open);
    if (result < 0)
        return result;
    file->fh = (uint64_t)(uintptr_t)open;
    file->noflush = 1;
    file->keep_cache = is_unchanged(daemon, inode, st.st_mtim);
    return 0;
}

static ssize_t read_segment(const struct npy_open *open, char *to, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(open->fd, to + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0) /* cut short meanwhile */
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* `size` bytes of the file, which are there. */
static ssize_t read_file(const struct npy_open *open, char *to, size_t size, uint64_t offset)
{
    size_t head = 0;
    if (offset < open->header) {
        head = open->header - offset < size ? (size_t)(open->header - offset) : size;
        memcpy(to, open->text + offset, head);
    }
    if (head == size)
        return (ssize_t)size;
    ssize_t got = read_segment(open, to + head, size - head, offset + head - open->header);
    return got < 0 ? got : (ssize_t)head + got;
}

static void npy_read(struct daemon *daemon, fuse_req_t request, size_t size, off_t offset,
                     const struct fuse_file_info *file)
{
    (void)daemon;
    const struct npy_open *open = npy_open_of(file);
    if (open->writer || offset < 0) {
        (void)fuse_reply_err(request, EBADF);
        return;
    }
    uint64_t length = open->header + open->bytes;
    uint64_t start = (uint64_t)offset < length ? (uint64_t)offset : length;
    if (size > length - start)
        size = (size_t)(length - start);
    CSHM_AUTO_FREE char *bytes = malloc(size + 1);
    ssize_t got = bytes ? read_file(open, bytes, size, start) : -ENOMEM;
    if (got < 0)
        (void)fuse_reply_err(request, (int)-got);
    else
        (void)fuse_reply_buf(request, bytes, (size_t)got);
}

static void npy_release(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                        const struct fuse_file_info *file)
{
    (void)request, (void)inode;
    handle_end(&daemon->handles, &npy_open_of(file)->handle);
}

const struct view view_npy = {
    .attributes = npy_attributes,
    .open = npy_open,
    .read = npy_read,
    .write = npy_write,
    .flush = npy_flush,
    .sync = npy_sync,
    .resize = npy_resize,
    .release = npy_release,
};
