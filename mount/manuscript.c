/* SPDX-License-Identifier: MIT */
#include "manuscript.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/scope.h"
#include "daemon.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct manuscript *of_inode(struct inode *inode)
{
    return atomic_load_explicit(&inode_sidecar(inode)->manuscript, memory_order_acquire);
}

static void set_of_inode(struct inode *inode, struct manuscript *manuscript)
{
    atomic_store_explicit(&inode_sidecar(inode)->manuscript, manuscript, memory_order_release);
}

/* --- The text, under the lock -------------------------------------------------------------------
 */

static int make_room(struct daemon *daemon, struct manuscript *m, size_t length)
{
    if (length <= m->capacity)
        return 0;
    size_t capacity = m->capacity * 2 > length ? m->capacity * 2 : length;
    if (handle_resize(&daemon->handles, &m->handle, sizeof *m + capacity) < 0)
        return -ENOSPC;
    char *bytes = realloc(m->bytes, capacity);
    if (!bytes) {
        (void)handle_resize(&daemon->handles, &m->handle, sizeof *m + m->capacity);
        return -ENOMEM;
    }
    m->bytes = bytes;
    m->capacity = capacity;
    return 0;
}

static void touch(struct manuscript *m)
{
    m->version++;
    (void)clock_gettime(CLOCK_REALTIME, &m->changed);
}

static int set_length(struct daemon *daemon, struct manuscript *m, uint64_t length)
{
    if (length > MANUSCRIPT_BYTES_MAX)
        return -EFBIG;
    int result = make_room(daemon, m, length);
    if (result < 0)
        return result;
    if (length > m->length)
        memset(m->bytes + m->length, 0, length - m->length);
    m->length = length;
    return 0;
}

static int begin_anew(struct daemon *daemon, struct manuscript *m, struct cshm_text text)
{
    int result = make_room(daemon, m, text.length);
    if (result < 0)
        return result;
    if (text.length > 0)
        memcpy(m->bytes, text.bytes, text.length);
    m->length = text.length;
    return 0;
}

static void truncate_if(struct manuscript *m, bool truncate)
{
    if (!truncate)
        return;
    m->length = 0;
    touch(m);
}

/* --- Opening ------------------------------------------------------------------------------------
 */

static void destroy(struct handle *handle)
{
    struct manuscript *m = (struct manuscript *)handle; /* its first member */
    (void)pthread_mutex_destroy(&m->judging);
    free(m->bytes);
    free(m);
}

static struct manuscript *create(struct daemon *daemon, struct inode *inode,
                                 const struct manuscript_start *start, int *result)
{
    struct manuscript *m = calloc(1, sizeof *m);
    if (!m) {
        *result = -ENOMEM;
        return NULL;
    }
    *result = handle_add(&daemon->handles, &m->handle, sizeof *m, destroy);
    if (*result < 0) {
        free(m);
        return NULL;
    }
    (void)pthread_mutex_init(&m->judging, NULL);
    m->draft = start->draft;
    m->author = start->author;
    if (start->draft_attributes)
        m->draft_attributes = *start->draft_attributes;
    *result = begin_anew(daemon, m, start->text);
    if (*result < 0) {
        handle_end(&daemon->handles, &m->handle);
        return NULL;
    }
    if (start->draft)
        touch(m);
    m->inode = inode;
    inode_hold(&daemon->inodes, inode);
    return m;
}

static void end(struct daemon *daemon, struct manuscript *m)
{
    if (!m)
        return;
    inode_drop(&daemon->inodes, m->inode, 1);
    handle_end(&daemon->handles, &m->handle);
}

int manuscript_open(struct daemon *daemon, struct inode *inode,
                    const struct manuscript_start *start, struct manuscript **out)
{
    int result;
    struct manuscript *made = create(daemon, inode, start, &result);
    if (!made)
        return result;
    (void)pthread_mutex_lock(&lock);
    struct manuscript *m = of_inode(inode);
    if (!m) {
        m = CSHM_STEAL(made);
        m->attached = true;
        set_of_inode(inode, m);
    } else if (m->version == m->judged) {
        m->draft = start->draft;
        /* Who has it open still may write more, which is not to be taken for root's. */
        if (m->opens == 0 || m->author.who.uid == 0)
            m->author = start->author;
        result = begin_anew(daemon, m, start->text);
    }
    if (result == 0) {
        m->opens++;
        truncate_if(m, start->truncate);
        *out = m;
    }
    (void)pthread_mutex_unlock(&lock);
    end(daemon, made);
    return result;
}

struct manuscript *manuscript_join(struct inode *inode, bool truncate)
{
    (void)pthread_mutex_lock(&lock);
    struct manuscript *m = of_inode(inode);
    if (m && m->draft) {
        m->opens++;
        truncate_if(m, truncate);
    } else {
        m = NULL;
    }
    (void)pthread_mutex_unlock(&lock);
    return m;
}

/* --- Judging ------------------------------------------------------------------------------------
 */

static struct sidecar_text as_sidecar(const struct manuscript *m, const char *bytes, size_t length,
                                      const struct sidecar_author *author)
{
    return (struct sidecar_text){.directory = m->inode->parent,
                                 .key = inode_name(m->inode),
                                 .is_meta = m->inode->kind == INODE_META,
                                 .text = {bytes, length},
                                 .author = author,
                                 .is_new = m->draft};
}

/* With `judging` held. */
static int judge_locked(struct daemon *daemon, struct manuscript *m, bool is_last)
{
    (void)pthread_mutex_lock(&lock);
    bool due = m->attached && m->version != m->judged && (m->length > 0 || is_last);
    uint64_t version = m->version;
    size_t length = m->length;
    CSHM_AUTO_FREE char *copy = due ? malloc(length + 1) : NULL;
    if (copy && length > 0)
        memcpy(copy, m->bytes, length);
    const struct sidecar_author author = m->author;
    struct sidecar_text text = as_sidecar(m, copy, length, &author);
    (void)pthread_mutex_unlock(&lock);
    if (!due)
        return 0;
    int result = copy ? sidecar_judge(daemon, &text) : -ENOMEM;
    (void)pthread_mutex_lock(&lock);
    m->judged = version;
    if (result == 0)
        m->draft = false;
    (void)pthread_mutex_unlock(&lock);
    herald_attributes(&daemon->herald, m->inode);
    return result;
}

static int judge(struct daemon *daemon, struct manuscript *m, bool is_last)
{
    (void)pthread_mutex_lock(&m->judging);
    int result = judge_locked(daemon, m, is_last);
    (void)pthread_mutex_unlock(&m->judging);
    return result;
}

enum closing {
    CLOSING_DONE,   /* there are other opens */
    CLOSING_LAST,   /* there are none: it was taken from its inode, and is the caller's */
    CLOSING_JUDGES, /* the last one has something to judge, and is still open */
};

/* One decision: an open that comes in between must not be taken for ours. */
static enum closing close_one(struct manuscript *m)
{
    enum closing closing = CLOSING_DONE;
    (void)pthread_mutex_lock(&lock);
    if (m->opens == 1)
        closing = m->attached && m->version != m->judged ? CLOSING_JUDGES : CLOSING_LAST;
    if (closing != CLOSING_JUDGES)
        m->opens--;
    if (closing == CLOSING_LAST && m->attached)
        set_of_inode(m->inode, NULL);
    (void)pthread_mutex_unlock(&lock);
    return closing;
}

static bool is_last_open(const struct manuscript *m)
{
    (void)pthread_mutex_lock(&lock);
    bool last = m->opens == 1;
    (void)pthread_mutex_unlock(&lock);
    return last;
}

int manuscript_judge(struct daemon *daemon, struct manuscript *m, bool emptied)
{
    return judge(daemon, m, emptied && is_last_open(m));
}

/* Others may open and write it while it is judged; then they, or this one, judge it again. */
void manuscript_close(struct daemon *daemon, struct manuscript *m)
{
    enum closing closing;
    while ((closing = close_one(m)) == CLOSING_JUDGES)
        (void)judge(daemon, m, true);
    if (closing == CLOSING_LAST)
        end(daemon, m);
}

bool manuscript_detach(struct inode *inode)
{
    if (!of_inode(inode))
        return false;
    (void)pthread_mutex_lock(&lock);
    struct manuscript *m = of_inode(inode);
    bool draft = m && m->draft;
    if (m) {
        m->attached = false;
        set_of_inode(inode, NULL);
    }
    (void)pthread_mutex_unlock(&lock);
    return draft;
}

/* --- Reading and writing ------------------------------------------------------------------------
 */

int manuscript_write(struct daemon *daemon, struct manuscript *m, const char *bytes, size_t size,
                     uint64_t offset, bool append)
{
    (void)pthread_mutex_lock(&lock);
    uint64_t start = append ? m->length : offset;
    uint64_t stop;
    int result = __builtin_add_overflow(start, size, &stop) ? -EFBIG : 0;
    if (result == 0 && stop > m->length)
        result = set_length(daemon, m, stop);
    if (result == 0 && size > 0) {
        memcpy(m->bytes + start, bytes, size);
        touch(m);
    }
    (void)pthread_mutex_unlock(&lock);
    return result;
}

int manuscript_resize(struct daemon *daemon, struct manuscript *m, uint64_t size)
{
    (void)pthread_mutex_lock(&lock);
    int result = set_length(daemon, m, size);
    if (result == 0)
        touch(m);
    (void)pthread_mutex_unlock(&lock);
    return result;
}

char *manuscript_copy(const struct manuscript *m, uint64_t offset, size_t *size)
{
    (void)pthread_mutex_lock(&lock);
    uint64_t start = offset < m->length ? offset : m->length;
    size_t length = m->length - start < *size ? m->length - start : *size;
    char *copy = malloc(length + 1);
    if (copy && length > 0)
        memcpy(copy, m->bytes + start, length);
    (void)pthread_mutex_unlock(&lock);
    *size = length;
    return copy;
}

static void fill(const struct manuscript *m, struct stat *out)
{
    out->st_size = (off_t)m->length;
    out->st_blocks = (out->st_size + 511) / 512;
    out->st_mtim = out->st_ctim = m->changed;
}

bool manuscript_attributes(struct inode *inode, struct stat *out)
{
    if (!of_inode(inode))
        return false;
    (void)pthread_mutex_lock(&lock);
    const struct manuscript *m = of_inode(inode);
    bool differs = m && m->version != m->judged;
    if (differs)
        fill(m, out);
    (void)pthread_mutex_unlock(&lock);
    return differs;
}

bool manuscript_draft_attributes(struct inode *inode, struct stat *out)
{
    if (!of_inode(inode))
        return false;
    (void)pthread_mutex_lock(&lock);
    const struct manuscript *m = of_inode(inode);
    bool draft = m && m->draft;
    if (draft) {
        *out = m->draft_attributes;
        fill(m, out);
        out->st_atim = m->changed;
    }
    (void)pthread_mutex_unlock(&lock);
    return draft;
}
