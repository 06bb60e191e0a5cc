/* SPDX-License-Identifier: MIT */
#include "store/holders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/scope.h"
#include "format/journal.h"
#include "store/journal.h"
#include "store/registry.h"

/*
 * Only the ten random characters are kept: the project's part may be written in many ways in TOML
 * (escapes), the suffix in one. Two segments share a suffix by chance once in 62^10; the cost would
 * be a segment that stays until its project is unlinked again.
 */
struct cshm_holding {
    char suffix[CSHM_SEGMENT_SUFFIX_SIZE];
    uid_t uid;
};

static int compare_holdings(const void *a, const void *b)
{
    return memcmp(((const struct cshm_holding *)a)->suffix,
                  ((const struct cshm_holding *)b)->suffix, CSHM_SEGMENT_SUFFIX_SIZE);
}

static int add_holding(struct cshm_holders *holders, const char *suffix, uid_t uid)
{
    if (holders->count == holders->capacity) {
        size_t capacity = holders->capacity ? holders->capacity * 2 : 64;
        struct cshm_holding *grown =
            reallocarray(holders->holdings, capacity, sizeof *holders->holdings);
        if (!grown)
            return -ENOMEM;
        holders->holdings = grown;
        holders->capacity = capacity;
    }
    struct cshm_holding *holding = &holders->holdings[holders->count++];
    memcpy(holding->suffix, suffix, CSHM_SEGMENT_SUFFIX_SIZE);
    holding->uid = uid;
    return 0;
}

static bool is_suffix(const char *at)
{
    for (size_t i = 0; i < CSHM_SEGMENT_SUFFIX_SIZE; i++)
        if (!((at[i] >= 'A' && at[i] <= 'Z') || (at[i] >= 'a' && at[i] <= 'z') ||
              (at[i] >= '0' && at[i] <= '9')))
            return false;
    return at[CSHM_SEGMENT_SUFFIX_SIZE] == '"' || at[CSHM_SEGMENT_SUFFIX_SIZE] == '\'';
}

static int search_text(struct cshm_holders *holders, const struct cshm_buffer *text, uid_t uid)
{
    const char *at = text->bytes;
    const char *end = at ? at + text->length : at;
    while (at && (at = memchr(at, '.', (size_t)(end - at)))) {
        at++;
        if ((size_t)(end - at) <= CSHM_SEGMENT_SUFFIX_SIZE)
            break;
        int result = is_suffix(at) ? add_holding(holders, at, uid) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

static int search_manifest(struct cshm_holders *holders, const struct cshm_store *store,
                           const char *project, struct cshm_buffer *text)
{
    struct stat st;
    int read = cshm_registry_read(store, project, text, &st);
    if (read == 0)
        return search_text(holders, text, st.st_uid);
    return read == -ENOMEM ? read : 0;
}

static int add_put(struct cshm_holders *holders, const struct cshm_operation *operation, uid_t uid)
{
    if (operation->kind != CSHM_OPERATION_PUT || !cshm_node_segment(operation->node))
        return 0;
    const char *segment = cshm_node_segment(operation->node);
    return add_holding(holders, segment + strlen(segment) - CSHM_SEGMENT_SUFFIX_SIZE, uid);
}

static int search_journal(struct cshm_holders *holders, const struct cshm_store *store,
                          const char *project, struct cshm_buffer *text)
{
    struct stat st;
    int read = cshm_journal_read(store, project, (uid_t)-1, 0, text, &st);
    if (read < 0)
        return read == -ENOMEM ? read : 0;
    struct cshm_journal journal;
    int result = cshm_journal_parse(text->bytes, text->length, 0, &journal);
    for (size_t i = 0; i < journal.count && result == 0; i++)
        for (size_t j = 0; j < journal.lines[i].count && result == 0; j++)
            result = add_put(holders, &journal.lines[i].operations[j], st.st_uid);
    cshm_journal_finish(&journal);
    return result;
}

static bool is_except(const char *except, const char *project)
{
    return except && strcmp(except, project) == 0;
}

int cshm_holders_collect(const struct cshm_store *store, const char *except,
                         const char *except_journal, struct cshm_holders *out)
{
    *out = (struct cshm_holders){0};
    struct cshm_names names;
    int result = cshm_registry_list(store, &names);
    if (result < 0)
        return result;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    for (size_t i = 0; i < names.count && result == 0; i++) {
        const char *project = names.names[i];
        if (!is_except(except, project))
            result = search_manifest(out, store, project, &text);
        if (result == 0 && !is_except(except_journal, project))
            result = search_journal(out, store, project, &text);
    }
    cshm_names_finish(&names);
    if (result < 0)
        cshm_holders_finish(out);
    else if (out->count > 1)
        qsort(out->holdings, out->count, sizeof *out->holdings, compare_holdings);
    return result;
}

static bool find(const struct cshm_holders *holders, const char *segment, uid_t owner, uid_t other)
{
    size_t length = strlen(segment);
    if (length < CSHM_SEGMENT_SUFFIX_SIZE)
        return false;
    const char *suffix = segment + length - CSHM_SEGMENT_SUFFIX_SIZE;
    size_t low = 0;
    size_t high = holders->count;
    while (low < high) { /* the first one that is not less */
        size_t middle = low + (high - low) / 2;
        if (memcmp(holders->holdings[middle].suffix, suffix, CSHM_SEGMENT_SUFFIX_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < holders->count; low++) {
        const struct cshm_holding *holding = &holders->holdings[low];
        if (memcmp(holding->suffix, suffix, CSHM_SEGMENT_SUFFIX_SIZE) != 0)
            break;
        if (holding->uid == owner || holding->uid == other)
            return true;
    }
    return false;
}

bool cshm_holders_have(const struct cshm_holders *holders, const char *segment, uid_t owner)
{
    return find(holders, segment, owner, 0);
}

bool cshm_holders_have_of(const struct cshm_holders *holders, const char *segment, uid_t owner)
{
    return find(holders, segment, owner, owner);
}

void cshm_holders_finish(struct cshm_holders *holders)
{
    free(holders->holdings);
    *holders = (struct cshm_holders){0};
}
