/* SPDX-License-Identifier: MIT */
/* Views that are written: by creating or overwriting one, and by renaming a file onto one. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "log.h"
#include "npy_detour.h"
#include "npy_publish.h"
#include "ops.h"
#include "store/segment.h"
#include "view_npy.h"

enum { COPY_BYTES = 1 << 20 };

/* The kernel has room for a number only. */
static int told(struct daemon *daemon, struct inode *directory, struct cshm_text key, int result,
                const struct npy_draft *draft)
{
    char name[CSHM_FSNAME_MAX + 1];
    if (result == 0 || !draft->error.text[0])
        return result;
    (void)cshm_fsname_encode(key, name);
    struct picture *picture = inode_hold_picture(&daemon->inodes, directory);
    log_line(LOG_ERR, "project %s: %s.npy: %s", picture->name, name, draft->error.text);
    picture_put(picture);
    return result;
}

/* --- A file that is written ---------------------------------------------------------------------
 */

static int take_bytes(struct daemon *daemon, struct npy_open *open, const char *bytes, size_t size,
                      off_t offset)
{
    struct npy_writer *writer = open->writer;
    int result = -EINVAL; /* what is published is not written again by the same descriptor */
    (void)pthread_mutex_lock(&writer->lock);
    if (!writer->published && offset >= 0) {
        writer->unjudged = true;
        result = npy_draft_write(daemon->store, &writer->draft, bytes, size, (uint64_t)offset);
    }
    if (result == 0) /* a header may be long, and is kept until it is whole */
        result = handle_resize(&daemon->handles, &open->handle,
                               sizeof *open + npy_draft_memory(&writer->draft));
    (void)pthread_mutex_unlock(&writer->lock);
    return result;
}

void npy_write(struct daemon *daemon, fuse_req_t request, struct inode *inode, const char *bytes,
               size_t size, off_t offset, const struct fuse_file_info *file)
{
    (void)inode;
    struct npy_open *open = npy_open_of(file);
    int result = open->writer ? take_bytes(daemon, open, bytes, size, offset) : -EBADF;
    if (result == 0) {
        uint64_t end = (uint64_t)offset + size;
        if (end > atomic_load(&open->size))
            atomic_store(&open->size, end);
        (void)fuse_reply_write(request, size);
    } else {
        (void)fuse_reply_err(request, -result);
    }
}

/* Publishes what is whole. With the writer's lock. */
static int judge(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                 struct npy_writer *writer)
{
    struct cshm_text key = {writer->key, writer->key_length};
    struct npy_publication publication = {
        .draft = &writer->draft, .key = key, .mode = writer->mode, .right = &writer->right};
    int result = told(daemon, directory, key, npy_draft_judge(&writer->draft), &writer->draft);
    if (result == 0)
        result = npy_publish(daemon, request, directory, &publication);
    if (result == 0) {
        writer->published = true;
        npy_draft_finish(&writer->draft);
    }
    return result;
}

/*
 * A close judges what was written since the last one: a shell closes its own descriptor before
 * anything is written, numpy a copy of its own when the data is there and the file when it is done.
 * What is not whole yet may still get so by another descriptor.
 */
int npy_flush(struct daemon *daemon, fuse_req_t request, struct inode *inode,
              const struct fuse_file_info *file)
{
    struct npy_writer *writer = npy_open_of(file)->writer;
    if (!writer)
        return 0;
    int result = 0;
    (void)pthread_mutex_lock(&writer->lock);
    if (writer->unjudged && !writer->published) {
        writer->unjudged = false;
        result = judge(daemon, request, inode->parent, writer);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return result;
}

/* What is not whole yet is no mistake here. */
int npy_sync(struct daemon *daemon, fuse_req_t request, struct inode *inode,
             const struct fuse_file_info *file)
{
    struct npy_writer *writer = npy_open_of(file)->writer;
    if (!writer)
        return 0;
    (void)pthread_mutex_lock(&writer->lock);
    bool whole = npy_draft_judge(&writer->draft) == 0;
    (void)pthread_mutex_unlock(&writer->lock);
    return whole ? npy_flush(daemon, request, inode, file) : 0;
}

int npy_resize(struct daemon *daemon, fuse_req_t request, struct inode *inode, uint64_t size,
               const struct fuse_file_info *file)
{
    (void)daemon, (void)request, (void)inode;
    struct npy_open *open = file ? npy_open_of(file) : NULL;
    if (!open || !open->writer)
        return -EOPNOTSUPP;
    struct npy_writer *writer = open->writer;
    (void)pthread_mutex_lock(&writer->lock);
    int result = writer->published ? -EINVAL : npy_draft_resize(&writer->draft, size);
    if (result == 0) {
        writer->unjudged = size > 0;
        atomic_store(&open->size, size);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return result;
}

/* --- Creating one -------------------------------------------------------------------------------
 */

/* The key of the array in front of ".npy". */
static int key_before(const char *name, char *key, struct cshm_text *out)
{
    char stem[CSHM_FSNAME_MAX + 1];
    size_t length = strlen(name) - strlen(ENTRIES_NPY);
    if (length > CSHM_FSNAME_MAX)
        return -ENAMETOOLONG;
    memcpy(stem, name, length);
    stem[length] = '\0';
    return change_new_key(stem, key, out);
}

struct inode *npy_make_inode(struct daemon *daemon, struct inode *directory, struct cshm_text key)
{
    static _Atomic uint64_t count;
    const struct inode_key sought = {.kind = INODE_NPY,
                                     .parent = directory,
                                     .key = key,
                                     .segment = "",
                                     .version = atomic_fetch_add(&count, 1)};
    return inode_get(&daemon->inodes, &sought);
}

static void describe(fuse_req_t request, const struct inode *directory, struct cshm_text key,
                     mode_t mode, struct stat *out)
{
    const struct fuse_ctx *who = fuse_req_ctx(request);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct stat){
        .st_ino = inode_number_hashed(inode_number(directory), INODE_NPY, key),
        .st_mode = S_IFREG | (mode & 0777),
        .st_nlink = 1,
        .st_uid = who->uid,
        .st_gid = who->gid,
        .st_blksize = 4096,
        .st_atim = now,
        .st_mtim = now,
        .st_ctim = now,
    };
}

int npy_create(struct daemon *daemon, fuse_req_t request, struct inode *directory, const char *name,
               mode_t mode, struct fuse_file_info *file, struct fuse_entry_param *entry)
{
    char space[CSHM_FSNAME_MAX + 1];
    struct cshm_text key;
    struct right right;
    int result = key_before(name, space, &key);
    if (result == 0 && !file) /* mknod: there is nothing that could be a header */
        result = -EPERM;
    if (result == 0)
        result = npy_may_publish(daemon, request, directory, key, &right);
    if (result < 0)
        return result;
    struct inode *inode = npy_make_inode(daemon, directory, key);
    if (!inode)
        return -ENOMEM;
    describe(request, directory, key, mode, &entry->attr);
    struct npy_open *open = npy_open_writer(daemon, inode, &entry->attr, key, mode & 0777, &right);
    if (!open) {
        inode_drop(&daemon->inodes, inode, 1);
        return -ENFILE;
    }
    entry->ino = inode_id(&daemon->inodes, inode); /* and no timeouts: it is not there yet */
    file->fh = (uint64_t)(uintptr_t)open;
    file->direct_io = 1;
    return 0;
}

int npy_present(struct daemon *daemon, fuse_req_t request, const struct inode *inode,
                struct stat *out)
{
    char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
    struct fuse_entry_param present;
    if (!sight_spell(&daemon->inodes, inode, name))
        return -ESTALE;
    int result = ops_resolve(daemon, request, inode->parent, name, &present);
    if (result < 0)
        return result;
    inode_drop(&daemon->inodes, inode_from_id(&daemon->inodes, present.ino), 1);
    *out = present.attr;
    return 0;
}

/* It may have been replaced since it was looked up: then there is one ESTALE for both reasons. */
static int lead_aside(struct daemon *daemon, fuse_req_t request, const struct inode *inode)
{
    struct stat st;
    int result = npy_present(daemon, request, inode, &st);
    if (result < 0)
        return result;
    struct inode *made = npy_make_inode(daemon, inode->parent, inode_name(inode));
    if (!made)
        return -ENOMEM;
    st.st_size = st.st_blocks = 0;
    npy_detour_begin(daemon, fuse_req_ctx(request)->pid, made, &st);
    return -ESTALE;
}

int npy_open_to_write(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                      struct fuse_file_info *file)
{
    struct stat st;
    if (!inode_is_made(inode))
        return lead_aside(daemon, request, inode);
    if (!npy_detour_end(daemon, fuse_req_ctx(request)->pid, inode, &st))
        return -ESTALE;
    const struct right right = {.uid = st.st_uid, .gid = st.st_gid, .mode = st.st_mode & 0777};
    struct npy_open *open =
        npy_open_writer(daemon, inode, &st, inode_name(inode), st.st_mode & 0777, &right);
    if (!open)
        return -ENFILE;
    file->fh = (uint64_t)(uintptr_t)open;
    file->direct_io = 1; /* as it is written, and at once */
    return 0;
}

/* --- Renaming onto one --------------------------------------------------------------------------
 */

/* The file that is renamed: opened, for nothing can be held while it is read. */
struct original {
    struct npy_source source;
    char key[CSHM_FSNAME_MAX + 1];
    char segment[CSHM_SEGMENT_NAME_SIZE];
    uint64_t bytes;
    int fd;
};

static int open_seen(struct daemon *daemon, const struct sight *sight, const struct entry *entry,
                     struct original *out)
{
    const struct cshm_node *node = entry->node;
    const char *segment = cshm_node_segment(node);
    if (entry->kind != ENTRY_DATA || node->key.length > CSHM_FSNAME_MAX)
        return entry->kind == ENTRY_NONE ? -ENOENT : -EINVAL;
    memcpy(out->key, node->key.bytes, node->key.length);
    memcpy(out->segment, segment, strlen(segment) + 1);
    out->source.key = (struct cshm_text){out->key, node->key.length};
    out->source.segment = out->segment;
    out->source.st = entry->looks.segment;
    out->bytes = entries_size(node, &entry->looks.segment);
    return cshm_segment_open(daemon->store, segment, sight->picture->project.uid, O_RDONLY,
                             entry->looks.segment.st_ino, &out->fd);
}

static int open_original(struct daemon *daemon, struct inode *from, const char *name,
                         struct original *out)
{
    struct sight sight;
    struct entry entry;
    out->source.directory = from;
    int result = sight_begin(daemon, from, &sight);
    if (result < 0)
        return result;
    entry_find(sight.picture, sight.node, name, &entry);
    result = open_seen(daemon, &sight, &entry, out);
    sight_end(&sight);
    return result;
}

static int read_original(struct daemon *daemon, const struct original *original,
                         struct npy_draft *draft)
{
    CSHM_AUTO_FREE char *bytes = malloc(COPY_BYTES);
    if (!bytes)
        return -ENOMEM;
    int result = 0;
    for (uint64_t offset = 0; result == 0 && offset < original->bytes;) {
        uint64_t left = original->bytes - offset;
        ssize_t got =
            pread(original->fd, bytes, left < COPY_BYTES ? left : COPY_BYTES, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -ESTALE;
        result = npy_draft_write(daemon->store, draft, bytes, (size_t)got, offset);
        offset += (uint64_t)got;
    }
    return result == 0 ? npy_draft_judge(draft) : result;
}

static bool is_there(struct daemon *daemon, struct inode *directory, const char *name)
{
    struct sight sight;
    struct entry entry = {0};
    if (sight_begin(daemon, directory, &sight) < 0)
        return false;
    entry_find(sight.picture, sight.node, name, &entry);
    sight_end(&sight);
    return entry.kind != ENTRY_NONE;
}

static int take(struct daemon *daemon, fuse_req_t request, struct original *original,
                struct inode *to, struct cshm_text key, struct npy_draft *draft)
{
    struct npy_publication publication = {.draft = draft, .key = key, .source = &original->source};
    int result = told(daemon, to, key, read_original(daemon, original, draft), draft);
    if (result == 0)
        result = npy_publish(daemon, request, to, &publication);
    return result;
}

int npy_take(struct daemon *daemon, fuse_req_t request, struct inode *from, const char *name,
             struct inode *to, const char *new_name, unsigned flags)
{
    char space[CSHM_FSNAME_MAX + 1];
    struct cshm_text key;
    struct original original = {.fd = -1};
    struct right unused; /* who renames asks now */
    int result = flags & ~(unsigned)RENAME_NOREPLACE ? -EINVAL : key_before(new_name, space, &key);
    if (result == 0 && flags & RENAME_NOREPLACE && is_there(daemon, to, new_name))
        result = -EEXIST;
    if (result == 0)
        result = npy_may_publish(daemon, request, to, key, &unused);
    if (result == 0)
        result = open_original(daemon, from, name, &original);
    if (result < 0)
        return result;
    struct npy_draft draft;
    npy_draft_begin(&draft);
    result = take(daemon, request, &original, to, key, &draft);
    npy_draft_finish(&draft);
    cshm_close_fd(&original.fd);
    return result;
}
