/* SPDX-License-Identifier: MIT */
/* What dead ones intended: finished where the step that decides was done, else taken back. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "base/scope.h"
#include "store/hands.h"
#include "store/intent.h"
#include "store/registry.h"

/* --- Judging ---------------------------------------------------------------------------------- */

static bool has(const struct cshm_project *project, const char *segment)
{
    return cshm_tree_find_segment(project->tree, segment) != NULL;
}

static bool says(const struct cshm_intent *intent, const char *segment)
{
    for (size_t i = 0; i < intent->operation_count; i++) {
        const struct cshm_node *node = intent->operations[i].node;
        const char *put = node ? cshm_node_segment(node) : NULL;
        if (put && strcmp(put, segment) == 0)
            return true;
    }
    return false;
}

static bool is_kept(const struct cshm_intent *intent, const struct cshm_project *first,
                    const struct cshm_node *top)
{
    for (const struct cshm_node *node = top; node; node = cshm_node_walk(node, top)) {
        const char *segment = cshm_node_segment(node);
        if (segment && !has(first, segment) && !says(intent, segment))
            return false;
    }
    return true;
}

/* Whether no array is lost by it, whatever was done in between. */
static bool is_safe(const struct cshm_intent *intent, const struct cshm_project *first,
                    const struct cshm_project *then)
{
    if (intent->removes)
        return is_kept(intent, first, &then->tree->root);
    for (size_t i = 0; i < intent->operation_count; i++) {
        const struct cshm_operation *operation = &intent->operations[i];
        const struct cshm_node *node =
            cshm_tree_find(then->tree, operation->path, operation->depth);
        bool whole = operation->kind == CSHM_OPERATION_REMOVE;
        if (operation->kind == CSHM_OPERATION_MOVE)
            return false;
        if (node && (whole || node->type == CSHM_NODE_ARRAY) && !is_kept(intent, first, node))
            return false;
    }
    return true;
}

/* --- Doing ------------------------------------------------------------------------------------ */

static void take_back(const struct cshm_store *store, struct cshm_intent *intent)
{
    for (size_t i = 0; i < intent->grant_count; i++) {
        const struct cshm_grant there = intent->grants[i];
        intent->grants[i] =
            (struct cshm_grant){there.segment, there.new_uid, there.new_gid, there.uid, there.gid};
    }
    (void)cshm_intent_grant(store, intent);
}

/* Whether it was to go from here to there, and is still here only. */
static bool is_left(const struct cshm_grant *grant, const struct cshm_project *here,
                    const struct cshm_project *there)
{
    return grant->new_uid == there->uid && has(here, grant->segment) && !has(there, grant->segment);
}

/*
 * The same where nobody can tell any more whether the deciding step was done, as somebody else
 * changed the project: by what either names.
 */
static void take_back_left(const struct cshm_store *store, struct cshm_intent *intent,
                           const struct cshm_project *first, const struct cshm_project *then)
{
    size_t count = 0;
    for (size_t i = 0; i < intent->grant_count; i++)
        if (is_left(&intent->grants[i], then, first) || is_left(&intent->grants[i], first, then))
            intent->grants[count++] = intent->grants[i];
    intent->grant_count = count;
    take_back(store, intent);
}

/* What cannot be done now may be later; what is wrong in itself stays so. */
static int judge(int result)
{
    switch (result) {
    case -ENOMEM:
    case -ENOSPC:
    case -EDQUOT:
    case -EIO:
    case -EROFS:
    case -EACCES:
    case -EPERM:
    case -EAGAIN:
    case -ENFILE:
        return 1;
    default:
        return 0;
    }
}

static int finish_then(const struct cshm_store *store, struct cshm_intent *intent,
                       const struct cshm_project *first, const struct stat *st, bool may_grant)
{
    struct cshm_project then;
    const char *name = intent->then.project;
    int result = cshm_project_load(store, name, &then, NULL);
    bool obeyed = result == 0 && !then.damaged && (st->st_uid == 0 || st->st_uid == then.uid);
    if (obeyed && cshm_moment_is_now(&intent->then, &then) && is_safe(intent, first, &then)) {
        result = cshm_intent_follow(store, intent, &then, NULL);
        if (result == 0 && !intent->removes && then.journal_bytes > 0) /* nobody else will */
            (void)cshm_project_fold_locked(store, name, &then, NULL);
    } else if (obeyed && may_grant) {
        take_back_left(store, intent, first, &then);
    }
    cshm_project_finish(&then);
    return judge(result);
}

static int recover_commit(const struct cshm_store *store, struct cshm_intent *intent,
                          const struct stat *st, bool may_grant)
{
    struct cshm_project first;
    int result = cshm_project_load(store, intent->first.project, &first, NULL);
    if (result == 0 && !first.damaged && !cshm_moment_is_now(&intent->first, &first)) {
        if (intent->then.project)
            result = finish_then(store, intent, &first, st, may_grant);
    } else {
        result = judge(result);
        if (result == 0 && may_grant)
            take_back(store, intent);
    }
    cshm_project_finish(&first);
    return result;
}

static int recover_owner(const struct cshm_store *store, struct cshm_intent *intent)
{
    char name[CSHM_SEGMENT_NAME_SIZE];
    struct stat st;
    cshm_manifest_name(intent->owned, name);
    CSHM_AUTO_FD int fd = openat(store->root_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != intent->uid ||
        st.st_gid != intent->gid)
        take_back(store, intent);
    else if ((st.st_mode & 07777) != intent->mode)
        (void)cshm_intent_permit(fd, intent->mode);
    return 0;
}

/* It was made for something that did not come. */
static int recover_made(const struct cshm_store *store, const struct cshm_intent *intent,
                        const struct stat *st)
{
    struct cshm_project made;
    const char *name = intent->made.project;
    int result = cshm_project_load(store, name, &made, NULL);
    bool obeyed = result == 0 && !made.damaged && (st->st_uid == 0 || st->st_uid == made.uid);
    if (obeyed && cshm_moment_is_now(&intent->made, &made) && !made.tree->root.first &&
        !made.tree->root.attributes)
        result = cshm_registry_remove(store, name);
    cshm_project_finish(&made);
    return judge(result);
}

static int recover_read(const struct cshm_store *store, struct cshm_intent *intent,
                        const struct stat *st)
{
    if (geteuid() != 0 && st->st_uid != geteuid())
        return 1;
    if (st->st_nlink != 1) /* somebody's other file by a second name */
        return 0;
    bool may_grant = st->st_uid == geteuid();
    if (intent->owned)
        return may_grant ? recover_owner(store, intent) : 0;
    if (intent->made.project)
        return recover_made(store, intent, st);
    return intent->first.project ? recover_commit(store, intent, st, may_grant) : 0;
}

int cshm_intent_recover(const struct cshm_store *store, const struct cshm_buffer *text,
                        const struct stat *st)
{
    struct cshm_intent_text read;
    int result = cshm_intent_parse(text->bytes, text->length, &read);
    if (result == 1)
        result = recover_read(store, &read.intent, st);
    cshm_intent_text_finish(&read);
    return result;
}
