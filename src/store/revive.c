/* SPDX-License-Identifier: MIT */
/* What dead ones intended: finished where the step that decides was done, else taken back. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "base/scope.h"
#include "format/journal.h"
#include "store/hands.h"
#include "store/intent.h"
#include "store/registry.h"

enum { FIELDS = 6 };

/* --- Reading ---------------------------------------------------------------------------------- */

struct reading {
    struct cshm_arena arena;
    struct cshm_intent intent;
    size_t grant_room;
    struct cshm_buffer lines; /* of a journal */
    struct cshm_journal journal;
    bool ended;
};

static size_t split(char *line, char *fields[FIELDS])
{
    size_t count = 0;
    for (char *at = line; at && count < FIELDS; count++) {
        fields[count] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = '\0';
    }
    return count;
}

static bool read_number(const char *text, int base, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, base);
    return *text >= '0' && *text <= '9' && !*end && errno == 0 && *out <= most;
}

static bool read_moment(char *const *fields, struct cshm_moment *out)
{
    out->project = fields[1];
    return cshm_project_name_check(fields[1]) == 0 &&
           read_number(fields[2], 10, UINT64_MAX, &out->generation) &&
           read_number(fields[3], 10, INT64_MAX, &out->bytes);
}

static bool read_owner(char *const *fields, struct cshm_intent *intent)
{
    uint64_t uid;
    uint64_t gid;
    uint64_t mode;
    if (cshm_project_name_check(fields[1]) < 0 || !read_number(fields[2], 10, UINT32_MAX, &uid) ||
        !read_number(fields[3], 10, UINT32_MAX, &gid) || !read_number(fields[4], 8, 0777, &mode))
        return false;
    intent->owned = fields[1];
    intent->uid = (uid_t)uid;
    intent->gid = (gid_t)gid;
    intent->mode = (mode_t)mode;
    return true;
}

/* 1: read. */
static int read_grant(struct reading *reading, char *const *fields)
{
    uint64_t numbers[4];
    struct cshm_intent *intent = &reading->intent;
    if (!cshm_segment_name_valid(fields[1], strlen(fields[1])))
        return 0;
    for (int i = 0; i < 4; i++)
        if (!read_number(fields[2 + i], 10, UINT32_MAX, &numbers[i]))
            return 0;
    if (intent->grant_count == reading->grant_room) {
        size_t room = reading->grant_room ? reading->grant_room * 2 : 64;
        struct cshm_grant *grown = cshm_arena_array(&reading->arena, room, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        if (intent->grant_count > 0)
            memcpy(grown, intent->grants, intent->grant_count * sizeof *grown);
        intent->grants = grown;
        reading->grant_room = room;
    }
    intent->grants[intent->grant_count++] = (struct cshm_grant){
        fields[1], (uid_t)numbers[0], (gid_t)numbers[1], (uid_t)numbers[2], (gid_t)numbers[3]};
    return 1;
}

/* 1: understood; 0: not. */
static int read_fields(struct reading *reading, char **fields, size_t count)
{
    struct cshm_intent *intent = &reading->intent;
    if (strcmp(fields[0], "!commit") == 0)
        return count == 4 && read_moment(fields, &intent->first);
    if (strcmp(fields[0], "!made") == 0)
        return count == 4 && read_moment(fields, &intent->made);
    if (strcmp(fields[0], "!owner") == 0)
        return count == 5 && read_owner(fields, intent);
    if (strcmp(fields[0], "!give") == 0)
        return count == 6 ? read_grant(reading, fields) : 0;
    if (strcmp(fields[0], "!then") != 0 || count != 5 || !read_moment(fields, &intent->then))
        return 0;
    intent->removes = strcmp(fields[4], "remove") == 0;
    return intent->removes || strcmp(fields[4], "change") == 0;
}

static int read_line(struct reading *reading, char *line)
{
    static const char journal_line[] = "!line\t";
    char *fields[FIELDS];
    reading->ended = strcmp(line, "!end") == 0;
    if (reading->ended)
        return 1;
    if (strncmp(line, journal_line, sizeof journal_line - 1) != 0)
        return read_fields(reading, fields, split(line, fields));
    cshm_buffer_add_string(&reading->lines, line + sizeof journal_line - 1);
    cshm_buffer_add_char(&reading->lines, '\n');
    return reading->lines.error ? reading->lines.error : 1;
}

/* All operations of all lines. 1: all were read. */
static int read_operations(struct reading *reading)
{
    const struct cshm_buffer *lines = &reading->lines;
    struct cshm_journal *journal = &reading->journal;
    if (lines->length == 0)
        return 1;
    int result = cshm_journal_parse(lines->bytes, lines->length, 0, journal);
    if (result < 0 || journal->end != lines->length)
        return result;
    size_t count = 0;
    for (size_t i = 0; i < journal->count; i++)
        count += journal->lines[i].count;
    struct cshm_operation *all = cshm_arena_array(&reading->arena, count, sizeof *all);
    if (!all)
        return -ENOMEM;
    reading->intent.operations = all;
    for (size_t i = 0; i < journal->count; i++)
        for (size_t j = 0; j < journal->lines[i].count; j++)
            all[reading->intent.operation_count++] = journal->lines[i].operations[j];
    return 1;
}

/* 1: there is an intent, and it was whole; 0: there is none. */
static int read_intent(struct reading *reading, const struct cshm_buffer *text)
{
    if (text->length == 0 || text->bytes[0] != '!')
        return 0;
    char *line = cshm_arena_string(&reading->arena, text->bytes, text->length);
    int result = line ? 1 : -ENOMEM;
    while (result == 1 && !reading->ended) {
        char *end = strchr(line, '\n');
        if (!end)
            return 0;
        *end = '\0';
        result = read_line(reading, line);
        line = end + 1;
    }
    return result == 1 ? read_operations(reading) : result;
}

/* --- Judging ---------------------------------------------------------------------------------- */

/* Folding changes nothing. */
static bool is_at(const struct cshm_project *project, const struct cshm_moment *moment)
{
    const struct cshm_project_facts *facts = &project->tree->facts;
    uint64_t bytes = (uint64_t)project->journal_bytes;
    if (facts->generation == moment->generation)
        return bytes == moment->bytes;
    return moment->generation != 0 && facts->folded_generation == moment->generation &&
           facts->folded_bytes == moment->bytes && bytes == 0;
}

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

static int finish_then(const struct cshm_store *store, const struct cshm_intent *intent,
                       const struct cshm_project *first, const struct stat *st)
{
    struct cshm_project then;
    const char *name = intent->then.project;
    int result = cshm_project_load(store, name, &then, NULL);
    bool obeyed = result == 0 && !then.damaged && (st->st_uid == 0 || st->st_uid == then.uid);
    if (obeyed && is_at(&then, &intent->then) && is_safe(intent, first, &then)) {
        result = cshm_intent_follow(store, intent, &then, NULL);
        if (result == 0 && !intent->removes && then.journal_bytes > 0) /* nobody else will */
            (void)cshm_project_fold_locked(store, name, &then, NULL);
    }
    cshm_project_finish(&then);
    return judge(result);
}

static int recover_commit(const struct cshm_store *store, struct cshm_intent *intent,
                          const struct stat *st, bool may_grant)
{
    struct cshm_project first;
    int result = cshm_project_load(store, intent->first.project, &first, NULL);
    if (result == 0 && !first.damaged && !is_at(&first, &intent->first)) {
        if (intent->then.project)
            result = finish_then(store, intent, &first, st);
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
    if (obeyed && is_at(&made, &intent->made) && !made.tree->root.first &&
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
    struct reading reading = {.lines = CSHM_BUFFER_INIT};
    int result = read_intent(&reading, text);
    if (result == 1)
        result = recover_read(store, &reading.intent, st);
    cshm_journal_finish(&reading.journal);
    cshm_buffer_finish(&reading.lines);
    cshm_arena_finish(&reading.arena);
    return result;
}
