/* SPDX-License-Identifier: MIT */
/* Intents read again. Whoever may write to the registry may have written them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "store/intent.h"
#include "store/segment.h"

enum { FIELDS = 6 };

struct reading {
    struct cshm_intent_text *out;
    size_t grant_room;
    struct cshm_buffer lines; /* of a journal */
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
    struct cshm_intent *intent = &reading->out->intent;
    if (!cshm_segment_name_valid(fields[1], strlen(fields[1])))
        return 0;
    for (int i = 0; i < 4; i++)
        if (!read_number(fields[2 + i], 10, UINT32_MAX, &numbers[i]))
            return 0;
    if (intent->grant_count == reading->grant_room) {
        size_t room = reading->grant_room ? reading->grant_room * 2 : 64;
        struct cshm_grant *grown = cshm_arena_array(&reading->out->arena, room, sizeof *grown);
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
    struct cshm_intent *intent = &reading->out->intent;
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
    struct cshm_journal *journal = &reading->out->journal;
    if (lines->length == 0)
        return 1;
    int result = cshm_journal_parse(lines->bytes, lines->length, 0, journal);
    if (result < 0 || journal->end != lines->length)
        return result;
    size_t count = 0;
    for (size_t i = 0; i < journal->count; i++)
        count += journal->lines[i].count;
    struct cshm_operation *all = cshm_arena_array(&reading->out->arena, count, sizeof *all);
    if (!all)
        return -ENOMEM;
    reading->out->intent.operations = all;
    for (size_t i = 0; i < journal->count; i++)
        for (size_t j = 0; j < journal->lines[i].count; j++)
            all[reading->out->intent.operation_count++] = journal->lines[i].operations[j];
    return 1;
}

/* What is not whole is not copied, nor what comes behind it. 0: it is not, or is too large. */
static size_t length_of(const char *text, size_t length)
{
    static const char end[] = "\n!end\n";
    const char *found = memmem(text, length, end, sizeof end - 1);
    size_t whole = found ? (size_t)(found - text) + sizeof end - 1 : 0;
    return whole <= CSHM_INTENT_SIZE_MAX ? whole : 0;
}

static int read_intent(struct reading *reading, const char *text, size_t length)
{
    char *line = cshm_arena_string(&reading->out->arena, text, length);
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

int cshm_intent_parse(const char *text, size_t length, struct cshm_intent_text *out)
{
    *out = (struct cshm_intent_text){0};
    if (length == 0 || text[0] != '!')
        return 0;
    size_t whole = length_of(text, length);
    if (whole == 0)
        return 0;
    struct reading reading = {.out = out, .lines = CSHM_BUFFER_INIT};
    int result = read_intent(&reading, text, whole);
    cshm_buffer_finish(&reading.lines);
    return result;
}

void cshm_intent_text_finish(struct cshm_intent_text *text)
{
    cshm_journal_finish(&text->journal);
    cshm_arena_finish(&text->arena);
    *text = (struct cshm_intent_text){0};
}
