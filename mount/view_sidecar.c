/* SPDX-License-Identifier: MIT */
/*
 * A sidecar: text made when it is opened, and made when it is looked at too, because its size must
 * be exact (tar and rsync copy as many bytes as stat says). The kernel does not cache it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/text.h"
#include "format/sidecar.h"
#include "manuscript.h"
#include "sidecar_place.h"
#include "view.h"

/*
 * Counted, because the kernel may take an answer, and its client close the file, before the thread
 * that answered has come back from answering.
 */
struct text_handle {
    struct handle handle;
    atomic_uint references;
    const struct inode *inode; /* known as long as this is open */
    struct stat last;          /* as of the open, for who still has it when it is gone */
    size_t length;
    char bytes[];
};

/* --- The text -----------------------------------------------------------------------------------
 */

static const char *user_name(uid_t uid, char out[64])
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[1024];
    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found)
        (void)snprintf(out, 64, "%s", entry.pw_name);
    else
        (void)snprintf(out, 64, "%u", (unsigned)uid);
    return out;
}

int view_sidecar_render(struct daemon *daemon, const struct sight *sight, struct cshm_buffer *out)
{
    const struct picture *picture = sight->picture;
    const struct cshm_project *project = &picture->project;
    struct cshm_sidecar_facts facts = {
        .project = picture->name,
        .state = sight->looks.state,
        .reason = sight->looks.reason,
    };
    if (sight->node->type == CSHM_NODE_ARRAY && sight->node->described)
        facts.file_bytes = sight->looks.has_segment
                               ? entries_size(sight->node, &sight->looks.segment)
                               : sight->node->described->bytes;
    struct cshm_sidecar_totals totals;
    if (sight->node->type == CSHM_NODE_GROUP) {
        census_totals(&picture->census, sight->node, &totals);
        facts.totals = &totals;
    }
    char owner[64];
    if (!sight->node->parent) {
        facts.owner = user_name(project->uid, owner);
        if (project->damaged) {
            facts.state = "broken";
            facts.reason = project->why.text;
        }
    }
    char remark[REMARK_SIZE];
    if (remark_get(&daemon->remarks, picture->name, sight->node, remark))
        facts.remark = remark;
    return cshm_sidecar_render(project->tree, sight->node, &facts, out);
}

static uint64_t hash_of(const struct cshm_buffer *text)
{
    return cshm_hash(text->bytes, text->length) | 1; /* 0 is none */
}

/*
 * mtime moves when the text does, for editors look at it; the manifest's moves with any change of
 * the project. Remembered while the inode is known.
 */
static void note_text(struct inode_sidecar *sidecar, const struct cshm_buffer *text,
                      struct timespec manifest)
{
    uint64_t hash = hash_of(text);
    if (sidecar->text_hash == hash)
        return;
    bool is_new = sidecar->text_hash == 0;
    int64_t changed = sight_nanoseconds(manifest);
    if (is_new || changed != sidecar->changed) { /* the manifest's change is this one */
        sidecar->changed = changed;
    } else { /* the segment's: gone, come back, or longer */
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        sidecar->changed = sight_nanoseconds(now);
    }
    sidecar->text_hash = hash;
}

/* Length and mtime of the text, made only if need be. */
static int measure(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                   struct stat *out)
{
    struct inode_meta *meta = inode->kind == INODE_META ? inode_meta(inode) : NULL;
    pthread_mutex_t *lock = &daemon->inodes.lock;
    uint64_t generation = sight->picture->generation;
    uint64_t remarks = atomic_load(&daemon->remarks.changes);
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    (void)pthread_mutex_lock(lock);
    bool known = meta && meta->generation == generation && meta->remarks == remarks;
    if (!known) {
        (void)pthread_mutex_unlock(lock);
        int result = view_sidecar_render(daemon, sight, &text);
        if (result < 0)
            return result;
        (void)pthread_mutex_lock(lock);
        note_text(inode_sidecar(inode), &text, sight->picture->project.changed);
        if (meta) {
            meta->generation = generation;
            meta->remarks = remarks;
            meta->length = text.length;
        }
    }
    out->st_size = (off_t)(known ? meta->length : text.length);
    out->st_mtim = sight_time(inode_sidecar(inode)->changed);
    (void)pthread_mutex_unlock(lock);
    return 0;
}

/* Whether the text is another one than the kernel has the length of. */
static bool was_told_otherwise(struct daemon *daemon, struct inode *inode,
                               const struct cshm_buffer *text)
{
    (void)pthread_mutex_lock(&daemon->inodes.lock);
    uint64_t told = inode_sidecar(inode)->text_hash;
    (void)pthread_mutex_unlock(&daemon->inodes.lock);
    return told != 0 && told != hash_of(text);
}

bool view_sidecar_differs(struct daemon *daemon, struct inode *inode, const struct sight *sight)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    return view_sidecar_render(daemon, sight, &text) < 0 ||
           was_told_otherwise(daemon, inode, &text);
}

/* --- The view -----------------------------------------------------------------------------------
 */

static int sidecar_attributes(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                              struct stat *out)
{
    int result = measure(daemon, inode, sight, out);
    if (result < 0)
        return result;
    (void)manuscript_attributes(inode, out);
    mode_t mode = sight->picture->project.mode;
    if (sight->looks.has_segment) {
        mode = sight->looks.segment.st_mode;
        out->st_uid = sight->looks.segment.st_uid;
        out->st_gid = sight->looks.segment.st_gid;
    }
    out->st_mode = S_IFREG | (mode & 0666);
    out->st_blocks = (out->st_size + 511) / 512;
    out->st_ctim = out->st_atim = out->st_mtim;
    return 0;
}

static void destroy_handle(struct handle *handle)
{
    free(handle); /* its first member */
}

/* For reading: the text as it is now. */
static int open_text(struct daemon *daemon, struct inode *inode, struct cshm_text text,
                     const struct stat *st, struct fuse_file_info *file)
{
    struct text_handle *handle = malloc(sizeof *handle + text.length);
    if (!handle)
        return -ENOMEM;
    atomic_init(&handle->references, 1);
    handle->inode = inode;
    handle->last = *st;
    handle->length = text.length;
    if (text.length > 0)
        memcpy(handle->bytes, text.bytes, text.length);
    int result =
        handle_add(&daemon->handles, &handle->handle, sizeof *handle + text.length, destroy_handle);
    if (result < 0) {
        free(handle);
        return result;
    }
    file->fh = (uint64_t)(uintptr_t)handle;
    file->direct_io = 1;
    file->noflush = 1;
    return 0;
}

static void give(struct manuscript *manuscript, struct fuse_file_info *file)
{
    file->fh = (uint64_t)(uintptr_t)&manuscript->handle;
    file->direct_io = 1;
}

static bool is_for_writing(const struct fuse_file_info *file)
{
    return (file->flags & O_ACCMODE) != O_RDONLY || (file->flags & O_TRUNC);
}

/* With the text, for who writes without cutting it off first. */
static int begin_writing(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                         const struct sight *sight, const struct cshm_buffer *text, bool truncate,
                         struct manuscript **out)
{
    mode_t mode = sight->looks.has_segment ? sight->looks.segment.st_mode
                                           : sight->picture->project.mode & 0666;
    const struct manuscript_start start = {
        .text = {text->bytes, text->length},
        .truncate = truncate,
        .author = {.who = *fuse_req_ctx(request),
                   .mode = mode,
                   .right = right_to(sight->picture, sight->node)},
    };
    return manuscript_open(daemon, inode, &start, out);
}

static int sidecar_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                        const struct sight *sight, struct fuse_file_info *file)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    int result = view_sidecar_render(daemon, sight, &text);
    if (result < 0)
        return result;
    if (is_for_writing(file)) {
        struct manuscript *manuscript;
        result =
            begin_writing(daemon, request, inode, sight, &text, file->flags & O_TRUNC, &manuscript);
        if (result == 0)
            give(manuscript, file);
        return result;
    }
    /* Who copies it asks for its length next (the kernel has no lock on it while it is opened). */
    if (was_told_otherwise(daemon, inode, &text))
        herald_now(&daemon->herald, inode);
    struct stat st;
    result = sight_attributes(daemon, inode, sight, &st);
    if (result < 0)
        return result;
    return open_text(daemon, inode, (struct cshm_text){text.bytes, text.length}, &st, file);
}

int view_sidecar_open_draft(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                            struct fuse_file_info *file)
{
    (void)request;
    struct stat st;
    if (!manuscript_draft_attributes(inode, &st))
        return -ENOENT;
    struct manuscript *manuscript = manuscript_join(inode, file->flags & O_TRUNC);
    if (!manuscript)
        return -ENOENT;
    if (is_for_writing(file)) {
        give(manuscript, file);
        return 0;
    }
    size_t length = SIZE_MAX;
    char *copy = manuscript_copy(manuscript, 0, &length);
    int result =
        copy ? open_text(daemon, inode, (struct cshm_text){copy, length}, &st, file) : -ENOMEM;
    free(copy);
    manuscript_close(daemon, manuscript);
    return result;
}

int view_sidecar_open_ghost(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                            struct fuse_file_info *file)
{
    struct stat st;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    if (is_for_writing(file))
        return -ENOENT;
    int result = ghost_read(&daemon->ghosts, inode->parent, inode_name(inode),
                            fuse_req_ctx(request)->pid, &st, &text);
    if (result == 0 && !sidecar_asker_may(request, &st, 04))
        result = -EACCES;
    return result == 0
               ? open_text(daemon, inode, (struct cshm_text){text.bytes, text.length}, &st, file)
               : result;
}

/* What the descriptor writes; NULL where it only reads. */
static struct manuscript *written_by(const struct fuse_file_info *file)
{
    struct handle *handle = (struct handle *)(uintptr_t)file->fh;
    return handle->destroy == destroy_handle ? NULL : (struct manuscript *)handle;
}

static void handle_drop(struct daemon *daemon, struct text_handle *handle)
{
    if (atomic_fetch_sub(&handle->references, 1) == 1)
        handle_end(&daemon->handles, &handle->handle);
}

static void read_manuscript(fuse_req_t request, const struct manuscript *manuscript, size_t size,
                            off_t offset)
{
    char *copy = offset < 0 ? NULL : manuscript_copy(manuscript, (uint64_t)offset, &size);
    if (copy)
        (void)fuse_reply_buf(request, copy, size);
    else
        (void)fuse_reply_err(request, offset < 0 ? EINVAL : ENOMEM);
    free(copy);
}

static void sidecar_read(struct daemon *daemon, fuse_req_t request, size_t size, off_t offset,
                         const struct fuse_file_info *file)
{
    const struct manuscript *manuscript = written_by(file);
    if (manuscript) {
        read_manuscript(request, manuscript, size, offset);
        return;
    }
    struct text_handle *handle = (struct text_handle *)(uintptr_t)file->fh;
    size_t start = offset < 0 || (size_t)offset > handle->length ? handle->length : (size_t)offset;
    size_t left = handle->length - start;
    atomic_fetch_add(&handle->references, 1);
    (void)fuse_reply_buf(request, handle->bytes + start, size < left ? size : left);
    handle_drop(daemon, handle);
}

static void sidecar_write(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                          const char *bytes, size_t size, off_t offset,
                          const struct fuse_file_info *file)
{
    (void)inode;
    struct manuscript *manuscript = written_by(file);
    int result = manuscript && offset >= 0
                     ? manuscript_write(daemon, manuscript, bytes, size, (uint64_t)offset,
                                        file->flags & O_APPEND)
                     : -EBADF;
    if (result < 0)
        (void)fuse_reply_err(request, -result);
    else
        (void)fuse_reply_write(request, size);
}

/* Of close(2) and fsync(2). */
static int sidecar_flush(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                         const struct fuse_file_info *file)
{
    (void)request, (void)inode;
    struct manuscript *manuscript = written_by(file);
    return manuscript ? manuscript_judge(daemon, manuscript, false) : 0;
}

/* By name there is no close to come, so it is judged at once. */
static int truncate_by_name(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                            uint64_t size)
{
    struct manuscript *manuscript = NULL;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct sight sight;
    int result = sight_begin(daemon, inode, &sight);
    if (result == 0) {
        const struct right right = right_to(sight.picture, sight.node);
        result = right_allows(request, &right, 02) ? 0 : -EACCES;
        if (result == 0)
            result = view_sidecar_render(daemon, &sight, &text);
        if (result == 0)
            result = begin_writing(daemon, request, inode, &sight, &text, false, &manuscript);
        sight_end(&sight);
    } else if (result == -ENOENT) {
        manuscript = manuscript_join(inode, false);
        result = manuscript ? 0 : result;
    }
    if (result < 0)
        return result;
    result = manuscript_resize(daemon, manuscript, size);
    if (result == 0)
        result = manuscript_judge(daemon, manuscript, true);
    manuscript_close(daemon, manuscript);
    return result;
}

static int sidecar_resize(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                          uint64_t size, const struct fuse_file_info *file)
{
    struct manuscript *manuscript = file ? written_by(file) : NULL;
    return manuscript ? manuscript_resize(daemon, manuscript, size)
                      : truncate_by_name(daemon, request, inode, size);
}

static void sidecar_release(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                            const struct fuse_file_info *file)
{
    (void)request, (void)inode;
    struct manuscript *manuscript = written_by(file);
    if (manuscript)
        manuscript_close(daemon, manuscript);
    else
        handle_drop(daemon, (struct text_handle *)(uintptr_t)file->fh);
}

struct search {
    const struct inode *inode;
    struct stat *out;
};

static bool take_last(struct handle *handle, void *context)
{
    const struct search *search = context;
    if (handle->destroy != destroy_handle) /* a directory's, or a writer's */
        return false;
    const struct text_handle *text = (const struct text_handle *)handle;
    if (text->inode != search->inode)
        return false;
    *search->out = text->last;
    return true;
}

bool view_sidecar_last_seen(struct daemon *daemon, const struct inode *inode, struct stat *out)
{
    struct search search = {inode, out};
    return handle_find(&daemon->handles, take_last, &search);
}

const struct view view_sidecar = {
    .attributes = sidecar_attributes,
    .open = sidecar_open,
    .read = sidecar_read,
    .write = sidecar_write,
    .flush = sidecar_flush,
    .sync = sidecar_flush,
    .resize = sidecar_resize,
    .release = sidecar_release,
};
