/* SPDX-License-Identifier: MIT */
#include "ghost.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/text.h"

enum { LIFE_SECONDS = 2 };

#define TEXTS_MOST ((size_t)32 << 20) /* bytes */

struct ghost {
    struct ghost *next;    /* in its bucket */
    struct ghost *younger; /* by age */
    struct ghost *older;
    struct inode *directory; /* held */
    struct inode *to;        /* where its array is now, held; NULL: nowhere */
    struct timespec end;
    pid_t group;
    struct stat attributes;
    struct cshm_buffer text;
    size_t name_length;
    size_t to_length;
    char name[]; /* and behind it that of the array now */
};

void ghosts_init(struct ghosts *ghosts, struct inode_table *inodes)
{
    *ghosts = (struct ghosts){.inodes = inodes};
    (void)pthread_mutex_init(&ghosts->lock, NULL);
}

/* --- Whose --------------------------------------------------------------------------------------
 */

/*
 * The kernel names the thread, the rule is about the process. 0 for one that cannot be seen from
 * here (another pid namespace): those are taken for one process, for they name nothing better.
 */
static pid_t thread_group(pid_t pid)
{
    /* Signal 0 to the thread `pid` of the group `pid`: there is one only if it leads its group. */
    if (pid <= 0 || syscall(SYS_tgkill, pid, pid, 0) == 0 || errno == EPERM)
        return pid;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    CSHM_AUTO_FILE FILE *file = fopen(path, "re");
    char line[256];
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "Tgid:", 5) == 0)
            return (pid_t)strtol(line + 5, NULL, 10);
    return pid;
}

/* --- The table, its lock held -------------------------------------------------------------------
 */

static struct ghost **bucket_of(struct ghosts *ghosts, const struct inode *directory,
                                struct cshm_text name)
{
    uint64_t hash = cshm_hash(name.bytes, name.length) ^ (uint64_t)(uintptr_t)directory >> 4;
    return &ghosts->buckets[(hash ^ hash >> 32) % GHOST_BUCKETS];
}

static struct cshm_text name_of(const struct ghost *ghost)
{
    return (struct cshm_text){ghost->name, ghost->name_length};
}

static void take_out(struct ghosts *ghosts, struct ghost *ghost)
{
    struct ghost **link = bucket_of(ghosts, ghost->directory, name_of(ghost));
    while (*link != ghost)
        link = &(*link)->next;
    *link = ghost->next;
    *(ghost->older ? &ghost->older->younger : &ghosts->oldest) = ghost->younger;
    *(ghost->younger ? &ghost->younger->older : &ghosts->newest) = ghost->older;
    inode_drop(ghosts->inodes, ghost->directory, 1);
    if (ghost->to)
        inode_drop(ghosts->inodes, ghost->to, 1);
    ghosts->text_bytes -= ghost->text.length;
    cshm_buffer_finish(&ghost->text);
    free(ghost);
}

static bool is_over(const struct ghost *ghost)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > ghost->end.tv_sec ||
           (now.tv_sec == ghost->end.tv_sec && now.tv_nsec >= ghost->end.tv_nsec);
}

static void bury_old(struct ghosts *ghosts)
{
    while (ghosts->oldest && is_over(ghosts->oldest))
        take_out(ghosts, ghosts->oldest);
}

static struct ghost *find(struct ghosts *ghosts, const struct inode *directory,
                          struct cshm_text name, pid_t pid)
{
    pid_t group = -1;
    for (struct ghost *ghost = *bucket_of(ghosts, directory, name); ghost; ghost = ghost->next) {
        if (ghost->directory != directory || !cshm_text_equal(name_of(ghost), name))
            continue;
        if (group < 0)
            group = thread_group(pid);
        if (ghost->group == group)
            return ghost;
    }
    return NULL;
}

/* --- From outside -------------------------------------------------------------------------------
 */

void ghosts_finish(struct ghosts *ghosts)
{
    while (ghosts->oldest)
        take_out(ghosts, ghosts->oldest);
    (void)pthread_mutex_destroy(&ghosts->lock);
}

void ghost_leave(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid,
                 struct ghost_body *body, struct inode *to, struct cshm_text to_name)
{
    pid_t group = thread_group(pid);
    struct ghost *ghost = calloc(1, sizeof *ghost + name.length + to_name.length);
    if (!ghost)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &ghost->end);
    ghost->end.tv_sec += LIFE_SECONDS;
    ghost->directory = directory;
    ghost->group = group;
    ghost->attributes = body->attributes;
    ghost->text = CSHM_BUFFER_INIT;
    ghost->name_length = name.length;
    if (name.length > 0)
        memcpy(ghost->name, name.bytes, name.length);
    ghost->to = to;
    ghost->to_length = to_name.length;
    if (to_name.length > 0)
        memcpy(ghost->name + name.length, to_name.bytes, to_name.length);
    inode_hold(ghosts->inodes, directory);
    if (to)
        inode_hold(ghosts->inodes, to);

    (void)pthread_mutex_lock(&ghosts->lock);
    bury_old(ghosts);
    if (!body->text.error && body->text.length <= TEXTS_MOST - ghosts->text_bytes) {
        ghost->text = body->text;
        body->text = CSHM_BUFFER_INIT;
        ghosts->text_bytes += ghost->text.length;
    }
    struct ghost **bucket = bucket_of(ghosts, directory, name);
    ghost->next = *bucket;
    *bucket = ghost;
    ghost->older = ghosts->newest;
    *(ghosts->newest ? &ghosts->newest->younger : &ghosts->oldest) = ghost;
    ghosts->newest = ghost;
    (void)pthread_mutex_unlock(&ghosts->lock);
}

bool ghost_seen(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid,
                struct stat *attributes)
{
    (void)pthread_mutex_lock(&ghosts->lock);
    bury_old(ghosts);
    const struct ghost *ghost = find(ghosts, directory, name, pid);
    bool seen = ghost != NULL;
    if (ghost && attributes)
        *attributes = ghost->attributes;
    (void)pthread_mutex_unlock(&ghosts->lock);
    return seen;
}

int ghost_read(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid,
               struct stat *attributes, struct cshm_buffer *out)
{
    (void)pthread_mutex_lock(&ghosts->lock);
    bury_old(ghosts);
    const struct ghost *ghost = find(ghosts, directory, name, pid);
    bool readable = ghost && ghost->text.length > 0;
    if (readable) {
        *attributes = ghost->attributes;
        cshm_buffer_add(out, ghost->text.bytes, ghost->text.length);
    }
    (void)pthread_mutex_unlock(&ghosts->lock);
    return readable ? out->error : -ENOENT;
}

bool ghost_walks(struct ghosts *ghosts, struct inode *directory, struct cshm_text name)
{
    (void)pthread_mutex_lock(&ghosts->lock);
    const struct ghost *ghost = *bucket_of(ghosts, directory, name);
    while (ghost && (ghost->directory != directory || !cshm_text_equal(name_of(ghost), name)))
        ghost = ghost->next;
    (void)pthread_mutex_unlock(&ghosts->lock);
    return ghost != NULL;
}

bool ghost_lay(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid)
{
    (void)pthread_mutex_lock(&ghosts->lock);
    bury_old(ghosts);
    struct ghost *ghost = find(ghosts, directory, name, pid);
    if (ghost)
        take_out(ghosts, ghost);
    (void)pthread_mutex_unlock(&ghosts->lock);
    return ghost != NULL;
}

bool ghost_follow(struct ghosts *ghosts, struct inode *directory, struct cshm_text name, pid_t pid,
                  const struct inode *to, struct cshm_text to_name)
{
    (void)pthread_mutex_lock(&ghosts->lock);
    bury_old(ghosts);
    struct ghost *ghost = find(ghosts, directory, name, pid);
    bool follows =
        ghost && ghost->to == to &&
        cshm_text_equal((struct cshm_text){ghost->name + ghost->name_length, ghost->to_length},
                        to_name);
    if (follows)
        take_out(ghosts, ghost);
    (void)pthread_mutex_unlock(&ghosts->lock);
    return follows;
}
