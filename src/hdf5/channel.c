/* SPDX-License-Identifier: MIT */
#include "hdf5/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/scope.h"

int cshm_channel_open(struct cshm_channel *channel)
{
    *channel = CSHM_CHANNEL_NONE;
    void *page = mmap(NULL, sizeof *channel->page, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -errno;
    channel->page = page;
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    channel->read_fd = fds[0];
    channel->write_fd = fds[1];
    return 0;
}

void cshm_channel_close(struct cshm_channel *channel)
{
    cshm_close_fd(&channel->read_fd);
    cshm_close_fd(&channel->write_fd);
    if (channel->page)
        (void)munmap(channel->page, sizeof *channel->page);
    channel->page = NULL;
}

void cshm_channel_send(struct cshm_channel *channel, enum cshm_message_kind kind, int code,
                       const void *bytes, size_t length)
{
    if (length > CSHM_CHANNEL_TEXT_MAX)
        length = CSHM_CHANNEL_TEXT_MAX;
    struct cshm_message message = {
        .kind = (uint32_t)kind, .length = (uint32_t)length, .code = code};
    char whole[sizeof message + CSHM_CHANNEL_TEXT_MAX];
    memcpy(whole, &message, sizeof message);
    if (length)
        memcpy(whole + sizeof message, bytes, length);
    (void)cshm_file_write(channel->write_fd, whole, sizeof message + length);
    cshm_channel_beat(channel);
}

void cshm_channel_set_current(struct cshm_channel *channel, const char *path)
{
    struct cshm_progress_page *page = channel->page;
    uint32_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);
    atomic_store_explicit(&page->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    size_t length = strnlen(path, CSHM_CURRENT_MAX - 1);
    memcpy(page->current, path, length);
    page->current[length] = '\0';
    atomic_store_explicit(&page->sequence, sequence + 2, memory_order_release);
}

int cshm_channel_fill(struct cshm_channel *channel, struct cshm_buffer *pending)
{
    char bytes[4096];
    ssize_t got = read(channel->read_fd, bytes, sizeof bytes);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 1 : -errno;
    cshm_buffer_add(pending, bytes, (size_t)got);
    return pending->error < 0 ? pending->error : got > 0;
}

int cshm_channel_next(const struct cshm_buffer *pending, size_t *at, struct cshm_message *message,
                      char text[CSHM_CHANNEL_TEXT_MAX + 1])
{
    size_t left = pending->length - *at;
    if (left < sizeof *message)
        return 0;
    memcpy(message, pending->bytes + *at, sizeof *message);
    if (message->length > CSHM_CHANNEL_TEXT_MAX || message->kind > CSHM_MESSAGE_DONE)
        return -EPROTO;
    if (left - sizeof *message < message->length)
        return 0;
    memcpy(text, pending->bytes + *at + sizeof *message, message->length);
    text[message->length] = '\0';
    *at += sizeof *message + message->length;
    return 1;
}

void cshm_channel_get_current(const struct cshm_channel *channel, char out[CSHM_CURRENT_MAX])
{
    struct cshm_progress_page *page = channel->page;
    for (int tries = 0; tries < 100; tries++) {
        uint32_t before = atomic_load_explicit(&page->sequence, memory_order_acquire);
        memcpy(out, page->current, CSHM_CURRENT_MAX);
        out[CSHM_CURRENT_MAX - 1] = '\0';
        atomic_thread_fence(memory_order_acquire);
        if (before % 2 == 0 &&
            before == atomic_load_explicit(&page->sequence, memory_order_relaxed))
            return;
    }
    out[0] = '\0'; /* a child that died while writing it */
}
