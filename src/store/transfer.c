/* SPDX-License-Identifier: MIT */
/* Nodes from one project to another, and whole projects. */
#include <errno.h>

#include "store/project.h"

int cshm_project_make(struct cshm_store *store, const char *name, uid_t uid, gid_t gid, mode_t mode,
                      struct cshm_error *error)
{
    (void)store, (void)uid, (void)gid, (void)mode;
    return cshm_fail(error, -EOPNOTSUPP, "%s: not built yet", name);
}

int cshm_project_give(struct cshm_store *store, const char *name, struct cshm_project *project,
                      const struct cshm_gift *gift, struct cshm_error *error)
{
    (void)store, (void)project, (void)gift;
    return cshm_fail(error, -EOPNOTSUPP, "%s: not built yet", name);
}

int cshm_project_rename(struct cshm_store *store, const char *from, const char *to,
                        enum cshm_rename how, struct cshm_error *error)
{
    (void)store, (void)to, (void)how;
    return cshm_fail(error, -EOPNOTSUPP, "%s: not built yet", from);
}

int cshm_project_transfer(struct cshm_store *store, const char *from_name,
                          struct cshm_project *from, const char *to_name, struct cshm_project *to,
                          const struct cshm_passage *passage, struct cshm_error *error)
{
    (void)store, (void)from, (void)to_name, (void)to, (void)passage;
    return cshm_fail(error, -EOPNOTSUPP, "%s: not built yet", from_name);
}
