/* SPDX-License-Identifier: MIT */
/* Intents written down, and carried out by who wrote them; recovering is in revive.c. */
#include "store/intent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/scope.h"
#include "format/journal.h"
#include "store/change.h"
#include "store/journal.h"
#include "store/registry.h"
#include "store/segment.h"

enum { LINE_GENERATION = 1 }; /* the lines are no journal's: any will do */

struct cshm_moment cshm_moment_of(const char *name, const struct cshm_project *project)
{
    return (struct cshm_moment){.project = name,
                                .generation = project->tree->facts.generation,
                                .bytes = (uint64_t)project->journal_bytes};
}

bool cshm_moment_is_now(const struct cshm_moment *moment, const struct cshm_project *project)
{
    const struct cshm_project_facts *facts = &project->tree->facts;
    uint64_t bytes = (uint64_t)project->journal_bytes;
    if (facts->generation == moment->generation)
        return bytes == moment->bytes;
    return moment->generation != 0 && facts->folded_generation == moment->generation &&
           facts->folded_bytes == moment->bytes && bytes == 0;
}

static void add_moment(struct cshm_buffer *out, const char *word, const struct cshm_moment *moment)
{
    cshm_buffer_add_format(out, "!%s\t%s\t%" PRIu64 "\t%" PRIu64, word, moment->project,
                           moment->generation, moment->bytes);
}

static int add_operations(const struct cshm_intent *intent, struct cshm_buffer *out)
{
    int result = 0;
    for (size_t i = 0; i < intent->operation_count && result == 0; i++) {
        cshm_buffer_add_string(out, "!line\t");
        result = cshm_journal_render(LINE_GENERATION, &intent->operations[i], 1, NULL, 0, out);
    }
    return result;
}

int cshm_intent_render(const struct cshm_intent *intent, struct cshm_buffer *out)
{
    if (intent->first.project) {
        add_moment(out, "commit", &intent->first);
        cshm_buffer_add_char(out, '\n');
    }
    if (intent->made.project) {
        add_moment(out, "made", &intent->made);
        cshm_buffer_add_char(out, '\n');
    }
    if (intent->then.project) {
        add_moment(out, "then", &intent->then);
        cshm_buffer_add_string(out, intent->removes ? "\tremove\n" : "\tchange\n");
    }
    if (intent->owned)
        cshm_buffer_add_format(out, "!owner\t%s\t%lu\t%lu\t%o\n", intent->owned,
                               (unsigned long)intent->uid, (unsigned long)intent->gid,
                               (unsigned)intent->mode);
    for (size_t i = 0; i < intent->grant_count; i++) {
        const struct cshm_grant *grant = &intent->grants[i];
        cshm_buffer_add_format(out, "!give\t%s\t%lu\t%lu\t%lu\t%lu\n", grant->segment,
                               (unsigned long)grant->uid, (unsigned long)grant->gid,
                               (unsigned long)grant->new_uid, (unsigned long)grant->new_gid);
    }
    int result = add_operations(intent, out);
    cshm_buffer_add_string(out, "!end\n");
    if (result == 0 && out->length > CSHM_INTENT_SIZE_MAX)
        result = -EFBIG;
    return result < 0 ? result : out->error;
}

int cshm_intent_own(int fd, uid_t uid, gid_t gid)
{
    return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int cshm_intent_permit(int fd, mode_t mode)
{
    /* Through /proc, as fchmod(2) does not take such descriptors. */
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return chmod(path, mode) < 0 ? -errno : 0;
}

/* Only the very file that is meant, as whoever owns it may put others in its place. */
static int grant_one(const struct cshm_store *store, const struct cshm_grant *grant)
{
    CSHM_AUTO_FD int fd = -1;
    struct stat st;
    int result = cshm_segment_open(store, grant->segment, 0, O_PATH, 0, &fd);
    if (result < 0)
        return result == -ESTALE ? 0 : result; /* gone */
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != grant->uid || st.st_nlink != 1)
        return 0;
    return cshm_intent_own(fd, grant->new_uid, grant->new_gid);
}

int cshm_intent_grant(const struct cshm_store *store, const struct cshm_intent *intent)
{
    int result = 0;
    for (size_t i = 0; i < intent->grant_count && result == 0; i++)
        result = grant_one(store, &intent->grants[i]);
    return result;
}

int cshm_intent_follow(const struct cshm_store *store, const struct cshm_intent *intent,
                       struct cshm_project *project, struct cshm_error *error)
{
    const char *name = intent->then.project;
    if (intent->removes) {
        int result = cshm_registry_remove(store, name);
        if (result < 0)
            return cshm_fail_errno(error, result, "%s: cannot remove the manifest", name);
        (void)cshm_journal_retire(store, name); /* without a manifest it is void anyway */
        project->stamp = (struct cshm_stamp){0};
        return 0;
    }
    const struct cshm_commit what = {
        .operations = intent->operations, .count = intent->operation_count, .keep_segments = true};
    return what.count ? cshm_project_commit_locked(store, name, project, &what, error) : 0;
}
