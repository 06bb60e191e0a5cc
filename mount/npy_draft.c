/* SPDX-License-Identifier: MIT */
#include "npy_draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/scope.h"
#include "store/room.h"
#include "store/segment.h"

void npy_draft_begin(struct npy_draft *draft)
{
    *draft = (struct npy_draft){0};
}

void npy_draft_finish(struct npy_draft *draft)
{
    for (size_t i = 0; i < draft->count && draft->parts; i++) {
        if (draft->parts[i].map)
            (void)munmap(draft->parts[i].map, draft->parts[i].bytes);
        cshm_close_fd(&draft->parts[i].fd);
    }
    free(draft->parts);
    cshm_buffer_finish(&draft->head);
    cshm_arena_finish(&draft->arena);
    npy_draft_begin(draft);
}

size_t npy_draft_memory(const struct npy_draft *draft)
{
    return draft->head.capacity + draft->arena.used + draft->count * sizeof *draft->parts;
}

/* --- Segments -----------------------------------------------------------------------------------
 */

static int measure(struct npy_draft *draft, uint64_t *all)
{
    *all = 0;
    for (size_t i = 0; i < draft->count; i++) {
        const struct cshm_npy_leaf *leaf = &draft->leaves[i];
        uint64_t *bytes = &draft->parts[i].bytes;
        if (cshm_dtype_array_size(&leaf->dtype, leaf->rank, leaf->shape, bytes) < 0 ||
            __builtin_add_overflow(*all, *bytes, all))
            return cshm_fail(&draft->error, -EINVAL, "the .npy header: the array is too large");
    }
    return 0;
}

/* What is taken apart is written through a mapping; nobody else can make the segment shorter. */
static int make_part(const struct cshm_store *store, struct npy_draft *draft, struct npy_part *part)
{
    int result = cshm_segment_create(store, part->bytes, &part->fd);
    if (result < 0)
        return cshm_fail_errno(&draft->error, result, "memory for a .npy file");
    if (cshm_npy_is_plain(&draft->header) || part->bytes == 0)
        return 0;
    void *map = mmap(NULL, part->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, part->fd, 0);
    if (map == MAP_FAILED)
        return cshm_fail_errno(&draft->error, -errno, "memory for a .npy file");
    part->map = map;
    return 0;
}

static int make_parts(const struct cshm_store *store, struct npy_draft *draft)
{
    uint64_t all;
    draft->parts = calloc(draft->count + 1, sizeof *draft->parts);
    if (!draft->parts)
        return cshm_fail(&draft->error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < draft->count; i++)
        draft->parts[i].fd = -1;
    int result = measure(draft, &all);
    if (result == 0)
        result = cshm_room_check(store, all, NULL, &draft->error);
    for (size_t i = 0; i < draft->count && result == 0; i++)
        result = make_part(store, draft, &draft->parts[i]);
    return result;
}

/* --- The data -----------------------------------------------------------------------------------
 */

static int write_all(struct npy_draft *draft, int fd, const char *bytes, size_t size,
                     uint64_t offset)
{
    while (size > 0) {
        ssize_t written = pwrite(fd, bytes, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return cshm_fail_errno(&draft->error, written < 0 ? -errno : -EIO,
                                   "memory for a .npy file");
        bytes += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return 0;
}

/* `offset` is in the data. */
static int place(struct npy_draft *draft, const char *bytes, size_t size, uint64_t offset)
{
    if (size == 0)
        return 0;
    if (offset > draft->header.bytes || size > draft->header.bytes - offset)
        return cshm_fail(&draft->error, -EINVAL,
                         "the .npy file is longer than the %llu bytes that its header says",
                         (unsigned long long)(draft->header.length + draft->header.bytes));
    if (cshm_npy_is_plain(&draft->header))
        return write_all(draft, draft->parts[0].fd, bytes, size, offset);
    for (size_t i = 0; i < draft->count; i++)
        if (draft->parts[i].map)
            cshm_npy_scatter(&draft->header, &draft->leaves[i], draft->parts[i].map, bytes, size,
                             offset);
    return 0;
}

/* --- The header ---------------------------------------------------------------------------------
 */

/* Reads the header if it is whole. What came behind it is data. */
static int learn(const struct cshm_store *store, struct npy_draft *draft)
{
    struct cshm_buffer *head = &draft->head;
    size_t length;
    int result = cshm_npy_length(head->bytes, head->length, &length, &draft->error);
    if (result == -EAGAIN || (result == 0 && head->length < length))
        return 0;
    struct cshm_npy_header header = {0};
    if (result == 0)
        result = cshm_npy_parse(head->bytes, length, &draft->arena, &header, &draft->error);
    if (result == 0)
        result =
            cshm_npy_leaves(&header, &draft->arena, &draft->leaves, &draft->count, &draft->error);
    if (result < 0)
        return result;
    draft->header = header;
    result = make_parts(store, draft);
    if (result == 0)
        result = place(draft, head->bytes + length, head->length - length, 0);
    head->length = length;
    return result;
}

static int add_to_head(struct npy_draft *draft, const char *bytes, size_t size, uint64_t offset)
{
    struct cshm_buffer *head = &draft->head;
    if (offset > head->length)
        return cshm_fail(&draft->error, -EINVAL, "the data of a .npy file came before its header");
    size_t again = head->length - offset < size ? (size_t)(head->length - offset) : size;
    if (again > 0)
        memcpy(head->bytes + offset, bytes, again);
    cshm_buffer_add(head, bytes + again, size - again);
    return head->error ? cshm_fail(&draft->error, head->error, "out of memory") : 0;
}

/* What was learnt from it has been acted on, so it may be written again, but not anew. */
static int compare_head(struct npy_draft *draft, const char *bytes, size_t size, uint64_t offset)
{
    return memcmp(draft->head.bytes + offset, bytes, size) == 0
               ? 0
               : cshm_fail(&draft->error, -EINVAL, "the header of a .npy file was changed");
}

static int add(const struct cshm_store *store, struct npy_draft *draft, const char *bytes,
               size_t size, uint64_t offset)
{
    uint64_t end;
    if (__builtin_add_overflow(offset, size, &end) || end > INT64_MAX)
        return cshm_fail(&draft->error, -EFBIG, "a .npy file is too large");
    if (end > draft->size)
        draft->size = end;
    size_t header = draft->header.length;
    int result;
    if (header == 0) {
        result = add_to_head(draft, bytes, size, offset);
        return result == 0 ? learn(store, draft) : result;
    }
    size_t again = 0;
    if (offset < header)
        again = header - offset < size ? (size_t)(header - offset) : size;
    result = again > 0 ? compare_head(draft, bytes, again, offset) : 0;
    if (result == 0 && size > again)
        result = place(draft, bytes + again, size - again, offset + again - header);
    return result;
}

int npy_draft_write(const struct cshm_store *store, struct npy_draft *draft, const char *bytes,
                    size_t size, uint64_t offset)
{
    if (draft->wrong == 0 && size > 0)
        draft->wrong = add(store, draft, bytes, size, offset);
    return draft->wrong;
}

int npy_draft_resize(struct npy_draft *draft, uint64_t size)
{
    if (size == 0)
        npy_draft_finish(draft);
    if (draft->wrong)
        return draft->wrong;
    bool fits = draft->header.length > 0 && size >= draft->size &&
                size <= draft->header.length + draft->header.bytes;
    if (size != draft->size && !fits)
        return -EINVAL;
    draft->size = size; /* segments begin as zeros */
    return 0;
}

int npy_draft_judge(struct npy_draft *draft)
{
    if (draft->wrong)
        return draft->wrong;
    if (draft->header.length == 0)
        return cshm_fail(&draft->error, -EINVAL, "the .npy file ends in its header");
    uint64_t whole = draft->header.length + draft->header.bytes;
    if (draft->size < whole)
        return cshm_fail(&draft->error, -EINVAL,
                         "the .npy file has %llu of the %llu bytes that its header says",
                         (unsigned long long)draft->size, (unsigned long long)whole);
    return 0;
}
