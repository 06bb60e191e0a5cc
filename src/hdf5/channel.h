/* SPDX-License-Identifier: MIT */
/*
 * What the parser child tells its parent: lines and the outcome through a pipe, how far it is
 * through a shared page. The child may be what a hostile file made of it: the parent believes no
 * length and no text further than it must.
 */
#ifndef CSHM_HDF5_CHANNEL_H
#define CSHM_HDF5_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum { CSHM_CHANNEL_TEXT_MAX = 4096, CSHM_CURRENT_MAX = 512 };

enum cshm_message_kind {
    CSHM_MESSAGE_LOG,
    CSHM_MESSAGE_WARNING,
    CSHM_MESSAGE_SKIPPED,
    CSHM_MESSAGE_ERROR, /* the outcome: code and text */
    CSHM_MESSAGE_DONE,  /* the outcome: a struct cshm_import_result as its text */
};

/* Goes before `length` bytes of text. */
struct cshm_message {
    uint32_t kind;
    uint32_t length;
    int32_t code;
};

/* Shared by both; written by the child only. */
struct cshm_progress_page {
    _Atomic uint64_t total_bytes;
    _Atomic uint64_t done_bytes;
    _Atomic uint64_t datasets;
    _Atomic uint64_t heartbeat;     /* changes whenever libhdf5 came back from something */
    _Atomic uint64_t patience_ms;   /* more than usual may pass: the kernel is at work */
    _Atomic uint32_t is_old_freed;  /* free_first: from here on an error leaves no project */
    _Atomic uint32_t is_publishing; /* not to be cut short */
    _Atomic uint32_t sequence;      /* odd while `current` is being written */
    char current[CSHM_CURRENT_MAX];
};

struct cshm_channel {
    int read_fd;  /* parent */
    int write_fd; /* child */
    struct cshm_progress_page *page;
};

#define CSHM_CHANNEL_NONE ((struct cshm_channel){.read_fd = -1, .write_fd = -1})

/* 0 or negative errno. */
int cshm_channel_open(struct cshm_channel *channel);
void cshm_channel_close(struct cshm_channel *channel);

#define CSHM_AUTO_CHANNEL __attribute__((cleanup(cshm_channel_close)))

/* --- Child
 * ---------------------------------------------------------------------------------------- */

/* Blocks until the parent has taken it. A parent that is gone ends the child by signal anyway. */
void cshm_channel_send(struct cshm_channel *channel, enum cshm_message_kind kind, int code,
                       const void *bytes, size_t length);

static inline void cshm_channel_beat(struct cshm_channel *channel)
{
    atomic_fetch_add_explicit(&channel->page->heartbeat, 1, memory_order_relaxed);
}

void cshm_channel_set_current(struct cshm_channel *channel, const char *path);

/* --- Parent
 * --------------------------------------------------------------------------------------- */

/*
 * Takes what is in the pipe without waiting and appends it to `pending`. 1 while there may be more
 * to come, 0 at the end, negative errno.
 */
int cshm_channel_fill(struct cshm_channel *channel, struct cshm_buffer *pending);

/*
 * The next whole message of `pending` from `*at` on, which moves behind it; its text is
 * NUL-terminated in `text`. 1, 0 when there is none, -EPROTO.
 */
int cshm_channel_next(const struct cshm_buffer *pending, size_t *at, struct cshm_message *message,
                      char text[CSHM_CHANNEL_TEXT_MAX + 1]);

void cshm_channel_get_current(const struct cshm_channel *channel, char out[CSHM_CURRENT_MAX]);

#endif
