/* SPDX-License-Identifier: MIT */
/* Journals whose writer is dead: folded, or retired where they are void. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/names.h"
#include "base/scope.h"
#include "store/hands.h"
#include "store/journal.h"

/* Whether its writer lives, or it is nothing this user could see to. */
static bool is_to_be_left(const struct cshm_store *store, const char *name)
{
    CSHM_AUTO_FD int fd =
        openat(store->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0) /* a link goes, if this user may remove it */
        return errno != ELOOP || geteuid() != 0;
    return fstat(fd, &st) < 0 || (geteuid() != 0 && st.st_uid != geteuid()) ||
           (S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) < 0);
}

static void recover_journal(const struct cshm_store *store, const char *project)
{
    struct cshm_project loaded;
    int result = cshm_project_load(store, project, &loaded, NULL);
    if (result == 0 && loaded.journal_bytes > 0)
        (void)cshm_project_fold_locked(store, project, &loaded, NULL);
    else if (result == 0 || result == -ENOENT || result == -EPERM)
        (void)cshm_journal_retire(store, project);
    cshm_project_finish(&loaded);
}

int cshm_journal_recover(const struct cshm_store *store, const char *project)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    cshm_journal_name(project, name);
    if (is_to_be_left(store, name))
        return 1;
    recover_journal(store, project);
    return 0;
}
