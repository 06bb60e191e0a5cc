/* SPDX-License-Identifier: MIT */
/* Journal lines to the tree of a loaded project: all of them at first, then what is new. */
#include <errno.h>
#include <time.h>

#include "base/scope.h"
#include "format/journal.h"
#include "store/hands.h"
#include "store/journal.h"

int cshm_project_apply(struct cshm_project *project, const struct cshm_operation *operation,
                       struct cshm_operation_place *place)
{
    const struct cshm_observer *observer = &project->observer;
    if (observer->before)
        observer->before(observer->context, operation, place);
    int result = cshm_operation_apply(project->tree, operation, place);
    if (result == 0 && observer->after)
        observer->after(observer->context, operation, place);
    return result;
}

static int apply_line(struct cshm_project *project, const struct cshm_journal_line *line)
{
    int result = 0;
    for (size_t i = 0; i < line->count && result == 0; i++) {
        struct cshm_operation_place place;
        result = cshm_operation_find(project->tree, &line->operations[i], &place);
        if (result == 0)
            result = cshm_project_apply(project, &line->operations[i], &place);
    }
    return result;
}

int cshm_project_replay(struct cshm_project *project, const struct cshm_buffer *text)
{
    uint64_t generation = project->tree->facts.generation;
    if (generation == 0 || text->length == 0 || project->journal_ended)
        return 0;
    struct cshm_journal journal;
    off_t begin = project->journal_bytes;
    int result = cshm_journal_parse(text->bytes, text->length, generation, &journal);
    for (size_t i = 0; i < journal.count && result == 0; i++) {
        result = apply_line(project, &journal.lines[i]);
        if (result == 0)
            project->journal_bytes = begin + (off_t)journal.lines[i].end;
    }
    cshm_journal_finish(&journal);
    /* Who loads the project comes to the same place with the same tree, and to the same end. */
    if (result < 0 && result != -ENOMEM) {
        project->journal_ended = true;
        result = 0;
    }
    return result;
}

/* The new bytes, if the journal is still the one of which the first were applied. */
static int read_news(const struct cshm_store *store, const char *name, struct cshm_project *project,
                     struct cshm_stamp *now)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct stat st;
    int result = cshm_journal_read(store, name, project->uid, project->journal_bytes, &text, &st);
    if (result == -EPERM && project->journal_bytes == 0)
        return 0; /* void by what it is */
    if (result < 0)
        return result == -ENOMEM ? result : -ESTALE;
    if (st.st_ino != now->journal_inode)
        return -ESTALE; /* folded this moment */
    now->journal_size = st.st_size;
    off_t before = project->journal_bytes;
    result = cshm_project_replay(project, &text);
    if (project->journal_bytes != before)
        project->changed = st.st_mtim;
    return result;
}

int cshm_project_follow(const struct cshm_store *store, const char *name,
                        struct cshm_project *project, struct cshm_error *error)
{
    struct cshm_stamp now;
    int result = cshm_project_look(store, name, &now, NULL);
    if (result < 0)
        return cshm_fail_errno(error, result, "%s", name);
    const struct cshm_stamp *before = &project->stamp;
    if (project->tree && cshm_stamp_equal(&now, before))
        return 0;
    bool other = now.journal_inode != before->journal_inode;
    if (!project->tree || !cshm_stamp_same_manifest(&now, before) ||
        (project->journal_bytes > 0 && (other || now.journal_size < project->journal_bytes)))
        return cshm_fail_errno(error, -ESTALE, "%s", name);
    if (now.journal_inode != 0)
        result = read_news(store, name, project, &now);
    if (result == 0)
        project->stamp = now;
    else if (result != -ESTALE)
        project->stamp = (struct cshm_stamp){0}; /* the tree may be half-way */
    return result < 0 ? cshm_fail_errno(error, result, "%s", name) : 0;
}
