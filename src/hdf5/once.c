/* SPDX-License-Identifier: MIT */
#include "hdf5/once.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "hdf5/interrupt.h"

enum {
    TELL_MS = 1000,       /* so long somebody is waited for without a word */
    WRITTEN_POLL_MS = 50, /* the peer tells nobody when it has written a manifest */
    WRITTEN_POLLS = 200,
};

/* --- Waiting for who loads
 * ------------------------------------------------------------------------ */

/*
 * flock(2) has no timeout, and a signal that comes just before it is lost; so a child waits in it.
 * The lock belongs to the open file that both have, and stays when the child ends.
 */
static _Noreturn void wait_in_child(int lock, pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    cshm_interrupt_default();
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    int result;
    do {
        result = flock(lock, LOCK_EX);
    } while (result < 0 && errno == EINTR);
    _exit(result < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void tell_waiting(const struct cshm_loading *loading, const char *project,
                         const struct cshm_import_options *options)
{
    char holder[256];
    struct cshm_error line = {0};
    (void)cshm_fail(&line, -EAGAIN, "waiting for %s, which is loading %s",
                    cshm_loading_holder(loading, holder, sizeof holder), project);
    if (options->waiting)
        options->waiting(options->context, line.text);
}

/* Until the child has closed its end of the pipe. */
static int watch(int pipe, const struct cshm_loading *loading, const char *project,
                 const struct cshm_import_options *options)
{
    int result;
    bool told = false;
    while ((result = cshm_interrupt_poll(pipe, TELL_MS)) == 0) {
        if (!told)
            tell_waiting(loading, project, options);
        told = true;
    }
    return result < 0 ? result : 0;
}

static int reap(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS ? 0 : -EIO;
}

static int wait_for_lock(const struct cshm_loading *loading, const char *project,
                         const struct cshm_import_options *options)
{
    int ends[2];
    pid_t own = getpid();
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t child = fork();
    if (child == 0)
        wait_in_child(loading->fd, own);
    int result = child < 0 ? -errno : 0;
    cshm_close_fd(&ends[1]);
    if (result == 0) {
        result = watch(ends[0], loading, project, options);
        if (result < 0)
            (void)kill(child, SIGKILL);
        int ended = reap(child);
        result = result < 0 ? result : ended;
    }
    cshm_close_fd(&ends[0]);
    return cshm_interrupt_caught() ? -EINTR : result;
}

/* 0: held. -EAGAIN: whoever had it was done, things are to be looked at again. */
static int take(const struct cshm_store *store, const char *project,
                const struct cshm_import_options *options, struct cshm_loading *loading,
                struct cshm_error *error)
{
    int result = cshm_loading_try(store, project, loading);
    if (result == 0)
        return 0;
    if (result == -EWOULDBLOCK) {
        result = wait_for_lock(loading, project, options);
        if (result == 0 && !cshm_loading_got(loading))
            result = -EAGAIN;
    }
    if (result == -EINTR)
        return cshm_fail(error, result, "interrupted");
    if (result < 0 && result != -EAGAIN)
        (void)cshm_fail_errno(error, result, "cannot lock %s/" CSHM_LOADING_PREFIX "%s",
                              store->root, project);
    return result;
}

/* --- Looking
 * -------------------------------------------------------------------------------------- */

/* A project that the peer is just writing is waited for. */
static int look(const struct cshm_store *store, const char *project,
                const struct cshm_import_options *options, struct cshm_presence *out,
                struct cshm_error *error)
{
    for (int i = 0; i < WRITTEN_POLLS; i++) {
        int result = cshm_presence_look(store, project, options->into, out, error);
        if (result < 0 || out->state != CSHM_PROJECT_BEING_WRITTEN)
            return result;
        if (cshm_interrupt_poll(-1, WRITTEN_POLL_MS) < 0)
            return cshm_fail(error, -EINTR, "interrupted");
    }
    return cshm_fail(error, -EAGAIN, "%s: somebody keeps writing its manifest", project);
}

static bool is_up_to_date(const struct cshm_presence *presence,
                          const struct cshm_import_options *options,
                          const struct cshm_source *source)
{
    if (presence->state != CSHM_PROJECT_WHOLE)
        return false;
    return options->when != CSHM_IMPORT_IF_NEWER || cshm_source_is_loaded(source, presence);
}

static void tell_found(const struct cshm_presence *presence,
                       const struct cshm_import_options *options)
{
    const struct cshm_project_facts *facts = &presence->tree->facts;
    const struct cshm_import_found found = {.source = facts->source, .created = facts->created};
    if (options->found)
        options->found(options->context, &found);
}

/* That something is thrown away is said. */
static void tell_replaced(const struct cshm_presence *presence, const char *project,
                          const struct cshm_import_options *options)
{
    bool damaged = presence->state == CSHM_PROJECT_DAMAGED;
    if ((!damaged && presence->state != CSHM_PROJECT_INCOMPLETE) || !options->warning)
        return;
    struct cshm_error line = {0};
    (void)cshm_fail(&line, -ESTALE, "project %s is %s (%s): it is loaded again", project,
                    damaged ? "damaged" : "incomplete", presence->reason.text);
    options->warning(options->context, line.text);
}

static int look_and_decide(const struct cshm_store *store, const char *project,
                           const struct cshm_import_options *options,
                           const struct cshm_source *source, struct cshm_once *once,
                           struct cshm_error *error)
{
    CSHM_AUTO_PRESENCE struct cshm_presence presence;
    int result = look(store, project, options, &presence, error);
    if (result < 0)
        return result;
    once->is_found = is_up_to_date(&presence, options, source);
    once->replaces = options->when == CSHM_IMPORT_IF_NEWER ||
                     presence.state == CSHM_PROJECT_DAMAGED ||
                     presence.state == CSHM_PROJECT_INCOMPLETE;
    if (once->is_found)
        tell_found(&presence, options);
    else if (once->loading.is_held)
        tell_replaced(&presence, project, options);
    return 0;
}

int cshm_once_begin(const struct cshm_store *store, const char *project,
                    const struct cshm_import_options *options, const struct cshm_source *source,
                    struct cshm_once *once, struct cshm_error *error)
{
    *once = (struct cshm_once){.loading = CSHM_LOADING_NONE};
    int result = cshm_project_name_check(project);
    if (result < 0)
        return 0; /* the load says what is wrong with it */
    for (;;) {
        result = look_and_decide(store, project, options, source, once, error);
        if (result < 0 || once->is_found || once->loading.is_held)
            break;
        result = take(store, project, options, &once->loading, error);
        if (result < 0)
            cshm_loading_end(&once->loading);
        if (result < 0 && result != -EAGAIN)
            break;
        /* Held: somebody may have published since the look. Not held: he was done. */
    }
    if (result < 0 || once->is_found)
        cshm_loading_end(&once->loading);
    return result;
}
