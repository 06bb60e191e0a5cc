/* SPDX-License-Identifier: MIT */
#include "newcomer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/scope.h"
#include "base/text.h"
#include "entries.h"

enum { ARGUMENTS = 3 };

/* The array's name; empty where `name` is no sidecar of one. */
static struct cshm_text stem_of(const char *name)
{
    size_t length = strlen(name);
    bool is_sidecar = entries_names_sidecar(name);
    return (struct cshm_text){name, is_sidecar ? length - strlen(ENTRIES_META) : 0};
}

/* The line is the number of the call and its arguments: "257 0xffffff9c 0x7f2a 0xc1 ...". */
static bool read_call(pid_t thread, long *call, unsigned long arguments[ARGUMENTS])
{
    char path[64];
    char line[256];
    (void)snprintf(path, sizeof path, "/proc/%d/syscall", (int)thread);
    CSHM_AUTO_FILE FILE *file = fopen(path, "re");
    if (!file || !fgets(line, sizeof line, file))
        return false;
    char *at = line;
    char *end;
    *call = strtol(at, &end, 10);
    for (int i = 0; i < ARGUMENTS && end != at; i++) {
        at = end;
        arguments[i] = strtoul(at, &end, 16);
    }
    return end != at;
}

static bool creates_exclusively(pid_t thread)
{
    long call;
    unsigned long arguments[ARGUMENTS];
    unsigned long flags = 0;
    if (thread <= 0 || !read_call(thread, &call, arguments))
        return false;
    if (call == SYS_openat)
        flags = arguments[2];
#ifdef SYS_open
    if (call == SYS_open)
        flags = arguments[1];
#endif
    return (flags & O_CREAT) && (flags & O_EXCL);
}

void newcomer_note(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                   const char *name)
{
    struct ghost_body nothing = {.text = CSHM_BUFFER_INIT};
    ghost_leave(&daemon->newcomers, directory, cshm_text(name), fuse_req_ctx(request)->pid,
                &nothing, NULL, cshm_text(""));
}

bool newcomer_is_hidden(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                        const char *name)
{
    struct cshm_text stem = stem_of(name);
    pid_t pid = fuse_req_ctx(request)->pid;
    return stem.length > 0 && ghost_seen(&daemon->newcomers, directory, stem, pid, NULL) &&
           creates_exclusively(pid);
}

bool newcomer_end(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                  const char *name)
{
    struct cshm_text stem = stem_of(name);
    return stem.length > 0 &&
           ghost_lay(&daemon->newcomers, directory, stem, fuse_req_ctx(request)->pid);
}
