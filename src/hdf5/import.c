/* SPDX-License-Identifier: MIT */
/* The parent's side: starts the parser child, watches it, passes on what it tells, cleans up. */
#include "hdf5/import.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "hdf5/channel.h"
#include "hdf5/child.h"
#include "hdf5/interrupt.h"
#include "hdf5/once.h"
#include "store/pending.h"
#include "store/registry.h"

enum { POLL_MS = 100, STALL_SECONDS = 60, RACES_MAX = 3 };

struct watch {
    const struct cshm_import_options *options;
    const struct cshm_log *log;
    struct cshm_channel channel;
    pid_t child;
    uint64_t heartbeat;
    uint64_t still_ms; /* how long the heartbeat has not changed */
    struct timespec looked;
    bool is_stalled;
    bool is_interrupted;
    bool has_outcome;
    int code; /* of the outcome */
    char text[CSHM_CHANNEL_TEXT_MAX + 1];
    struct cshm_import_result result;
};

/* --- What the child tells
 * ------------------------------------------------------------------------- */

static void take_message(struct watch *watch, const struct cshm_message *message, const char *text)
{
    const struct cshm_import_options *options = watch->options;
    switch (message->kind) {
    case CSHM_MESSAGE_LOG:
        if (watch->log->function)
            watch->log->function(watch->log->context, text);
        break;
    case CSHM_MESSAGE_WARNING:
        if (options->warning)
            options->warning(options->context, text);
        break;
    case CSHM_MESSAGE_SKIPPED:
        if (options->skipped)
            options->skipped(options->context, text);
        break;
    case CSHM_MESSAGE_ERROR:
        watch->has_outcome = true;
        watch->code = message->code < 0 ? message->code : -EIO;
        memcpy(watch->text, text, sizeof watch->text);
        break;
    case CSHM_MESSAGE_DONE:
        if (message->length != sizeof watch->result)
            break;
        watch->has_outcome = true;
        watch->code = 0;
        memcpy(&watch->result, text, sizeof watch->result);
        break;
    }
}

/* All whole messages; what is left of `pending` is the beginning of the next. */
static int take_messages(struct watch *watch, struct cshm_buffer *pending)
{
    struct cshm_message message;
    char text[CSHM_CHANNEL_TEXT_MAX + 1];
    size_t at = 0;
    int result;
    while ((result = cshm_channel_next(pending, &at, &message, text)) > 0)
        take_message(watch, &message, text);
    memmove(pending->bytes, pending->bytes + at, pending->length - at);
    pending->length -= at;
    return result;
}

static void tell_progress(struct watch *watch)
{
    if (!watch->options->progress)
        return;
    const struct cshm_progress_page *page = watch->channel.page;
    char current[CSHM_CURRENT_MAX];
    cshm_channel_get_current(&watch->channel, current);
    struct cshm_import_progress progress = {
        .total_bytes = atomic_load_explicit(&page->total_bytes, memory_order_relaxed),
        .done_bytes = atomic_load_explicit(&page->done_bytes, memory_order_relaxed),
        .datasets = atomic_load_explicit(&page->datasets, memory_order_relaxed),
        .current = current,
    };
    watch->options->progress(watch->options->context, &progress);
}

/* --- Watching
 * ------------------------------------------------------------------------------------- */

static unsigned stall_limit(const struct watch *watch)
{
    return watch->options->stall_seconds ? watch->options->stall_seconds : STALL_SECONDS;
}

static void look_at_clock(struct watch *watch)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t passed = (now.tv_sec - watch->looked.tv_sec) * 1000 +
                     (now.tv_nsec - watch->looked.tv_nsec) / 1000000;
    watch->looked = now;
    const struct cshm_progress_page *page = watch->channel.page;
    uint64_t heartbeat = atomic_load_explicit(&page->heartbeat, memory_order_relaxed);
    if (heartbeat != watch->heartbeat) {
        watch->heartbeat = heartbeat;
        watch->still_ms = 0;
        return;
    }
    /* A long gap is this process having been stopped, and the child with it. */
    watch->still_ms += (uint64_t)(passed < 1000 ? passed : 1000);
    uint64_t patience = atomic_load_explicit(&page->patience_ms, memory_order_relaxed);
    if (watch->still_ms >= (uint64_t)stall_limit(watch) * 1000 + patience) {
        watch->is_stalled = true;
        (void)kill(watch->child, SIGKILL);
    }
}

static void look_at_signals(struct watch *watch)
{
    if (!cshm_interrupt_caught() || watch->is_interrupted)
        return;
    /* Publishing takes no time to speak of and is better finished. */
    if (atomic_load(&watch->channel.page->is_publishing))
        return;
    watch->is_interrupted = true;
    (void)kill(watch->child, SIGKILL);
}

/* Until the child has closed its end: it ended, or is about to. */
static void watch_child(struct watch *watch)
{
    CSHM_AUTO_BUFFER struct cshm_buffer pending = CSHM_BUFFER_INIT;
    struct timespec told = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &watch->looked);
    for (;;) {
        struct pollfd ready = {.fd = watch->channel.read_fd, .events = POLLIN};
        int count = poll(&ready, 1, POLL_MS);
        if (count > 0 && (cshm_channel_fill(&watch->channel, &pending) <= 0 ||
                          take_messages(watch, &pending) < 0))
            break;
        look_at_signals(watch);
        look_at_clock(watch);
        int64_t since = (watch->looked.tv_sec - told.tv_sec) * 1000 +
                        (watch->looked.tv_nsec - told.tv_nsec) / 1000000;
        if (since >= POLL_MS) {
            told = watch->looked;
            tell_progress(watch);
        }
    }
    if (!watch->has_outcome) /* it crashed, or says what makes no sense */
        (void)kill(watch->child, SIGKILL);
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    return status;
}

/* --- The end
 * -------------------------------------------------------------------------------------- */

/* What a child that did not end by itself may have linked already. */
static void recover(const struct cshm_store *store)
{
    CSHM_AUTO_FD int lock = -1;
    if (cshm_registry_lock(store, &lock, NULL) == 0)
        (void)cshm_pending_recover(store);
}

static int crashed(struct watch *watch, int status, struct cshm_error *error)
{
    char current[CSHM_CURRENT_MAX];
    cshm_channel_get_current(&watch->channel, current);
    const char *separator = current[0] ? ": " : "";
    if (watch->is_interrupted)
        return cshm_fail(error, -EINTR, "interrupted");
    if (watch->is_stalled)
        return cshm_fail(error, -ETIMEDOUT, "%s%slibhdf5 made no progress for %u seconds", current,
                         separator, stall_limit(watch));
    if (!WIFSIGNALED(status))
        return cshm_fail(error, -EIO, "%s%sthe parser ended without a word (status %d)", current,
                         separator, WEXITSTATUS(status));
    int number = WTERMSIG(status);
    if (number == SIGINT || number == SIGTERM || number == SIGHUP)
        return cshm_fail(error, -EINTR, "interrupted");
    if (number == SIGKILL)
        return cshm_fail(error, -EIO, "%s%sthe parser was killed (out of memory?)", current,
                         separator);
    return cshm_fail(error, -EIO, "%s%slibhdf5 crashed (%s)", current, separator,
                     strsignal(number));
}

static int outcome(struct watch *watch, const struct cshm_store *store, int status,
                   struct cshm_import_result *result, struct cshm_error *error)
{
    bool has_ended = WIFEXITED(status);
    if (watch->has_outcome && watch->code == 0) {
        *result = watch->result; /* published: whatever came after */
        result->is_found = false;
        return 0;
    }
    if (!has_ended || !watch->has_outcome)
        recover(store);
    if (watch->has_outcome)
        return cshm_fail(error, watch->code, "%s", watch->text);
    return crashed(watch, status, error);
}

static int start(struct watch *watch, const struct cshm_child *child)
{
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        cshm_close_fd(&watch->channel.read_fd);
        cshm_child_run(child);
    }
    watch->child = pid;
    cshm_close_fd(&watch->channel.write_fd);
    return 0;
}

static int run(struct watch *watch, const struct cshm_child *child,
               struct cshm_import_result *result, struct cshm_error *error)
{
    int status = start(watch, child);
    if (status < 0)
        return cshm_fail_errno(error, status, "cannot start the parser");
    watch_child(watch);
    status = wait_for(watch->child);
    int code = outcome(watch, child->store, status, result, error);
    tell_progress(watch);
    return code;
}

static int check_options(const struct cshm_import_options *options, struct cshm_error *error)
{
    bool replaces = options->overwrite || options->when == CSHM_IMPORT_IF_NEWER;
    if (options->when == CSHM_IMPORT_IF_MISSING && options->overwrite)
        return cshm_fail(error, -EINVAL, "if missing and overwrite exclude each other");
    if (options->when == CSHM_IMPORT_IF_NEWER && options->into)
        return cshm_fail(error, -EINVAL, "if newer and into exclude each other");
    if (!options->free_first)
        return 0;
    if (options->into)
        return cshm_fail(error, -EINVAL, "free_first and into exclude each other");
    return replaces ? 0 : cshm_fail(error, -EINVAL, "free_first needs overwrite");
}

/* The text there is rather cut than this left out: nobody should look for the old project. */
static void tell_freed(struct cshm_error *error)
{
    static const char words[] = " (the project that was there was freed first)";
    size_t most = sizeof error->text - sizeof words;
    size_t at = strlen(error->text);
    if (at > most)
        for (at = most; (error->text[at] & 0xC0) == 0x80;) /* whole characters only */
            at--;
    memcpy(error->text + at, words, sizeof words);
}

/* One load, wanted and needed. */
static int load(const struct cshm_child *wanted, struct cshm_import_result *result,
                struct cshm_error *error)
{
    struct watch watch = {.options = wanted->options, .log = &wanted->store->log};
    struct cshm_child child = *wanted;
    bool is_old_freed = false;
    int code = cshm_channel_open(&watch.channel);
    if (code < 0) {
        (void)cshm_fail_errno(error, code, "cannot start the parser");
    } else {
        child.channel = &watch.channel;
        code = run(&watch, &child, result, error);
        is_old_freed = atomic_load(&watch.channel.page->is_old_freed);
    }
    cshm_channel_close(&watch.channel);
    if (code < 0)
        (void)cshm_error_prefix(error, "%s", child.file);
    if (code < 0 && is_old_freed && error)
        tell_freed(error);
    return code;
}

static int load_always(const struct cshm_child *child, struct cshm_import_result *result,
                       struct cshm_error *error)
{
    /* Only so that others may wait for it. */
    CSHM_AUTO_LOADING struct cshm_loading loading = CSHM_LOADING_NONE;
    (void)cshm_loading_try(child->store, child->project, &loading);
    return load(child, result, error);
}

static int load_once(const struct cshm_child *child, struct cshm_import_result *result,
                     struct cshm_error *error)
{
    struct cshm_import_options options = *child->options;
    struct cshm_child now = *child;
    struct cshm_once once;
    now.options = &options;
    for (int attempt = 0;; attempt++) {
        int code = cshm_once_begin(child->store, child->project, child->options, child->source,
                                   &once, error);
        result->is_found = once.is_found;
        if (code < 0 || once.is_found)
            return code;
        options.overwrite = once.replaces;
        code = load(&now, result, error);
        cshm_loading_end(&once.loading);
        /* The peer waits for nobody, nor does a plain load: one of them may have been faster. */
        if (code != -EEXIST || child->options->into || attempt == RACES_MAX)
            return code;
    }
}

static int import(const struct cshm_child *wanted, struct cshm_import_result *result,
                  struct cshm_error *error)
{
    struct cshm_source source;
    struct cshm_child child = *wanted;
    child.source = &source;
    int code = cshm_source_look(child.file, child.options, &source);
    if (code < 0 && child.options->when == CSHM_IMPORT_IF_NEWER)
        (void)cshm_fail_errno(error, code, "%s", child.file);
    else if (child.options->when == CSHM_IMPORT_ALWAYS)
        code = load_always(&child, result, error);
    else
        code = load_once(&child, result, error);
    cshm_source_finish(&source);
    return code;
}

int cshm_hdf5_import(struct cshm_store *store, const char *project, const char *file,
                     const struct cshm_import_options *options, struct cshm_import_result *result,
                     struct cshm_error *error)
{
    static const struct cshm_import_options none = {0};
    struct cshm_import_result own_result;
    struct cshm_child child = {
        .store = store,
        .project = project,
        .file = file,
        .options = options ? options : &none,
        .parent = getpid(),
    };
    result = result ? result : &own_result;
    *result = (struct cshm_import_result){0};
    int code = check_options(child.options, error);
    if (code < 0)
        return code;
    struct cshm_interrupt interrupt;
    cshm_interrupt_catch(&interrupt);
    code = import(&child, result, error);
    cshm_interrupt_release(&interrupt);
    return code;
}
