/* SPDX-License-Identifier: MIT */
#include "store/holders.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/names.h"
#include "base/scope.h"
#include "format/journal.h"
#include "format/manifest.h"
#include "store/journal.h"
#include "store/project.h"
#include "store/registry.h"

enum {
    LARGE = 64 << 10, /* bytes: what is smaller is as soon read as known */
    KNOWN_MOST = 16,
    PEEK_SIZE = 64 << 10, /* that a manifest's generation is in */
};

/*
 * Only the ten random characters are kept: the project's part may be written in many ways in TOML
 * (escapes), the suffix in one. Two segments share a suffix by chance once in 62^10; the cost would
 * be a segment that stays until its project is unlinked again.
 */
struct cshm_holding {
    char suffix[CSHM_SEGMENT_SUFFIX_SIZE];
    bool freed; /* of a journal: nobody names it any more there, whatever the manifest says */
    uid_t uid;
    uint32_t order; /* of a journal: what comes later counts */
};

/* The holdings of one file, sorted; nobody changes them any more once it has a second reference. */
struct cshm_held {
    struct cshm_held *next; /* of those that are known */
    size_t references;      /* guarded by the lock of those */
    char *file;
    struct cshm_stamp stamp;
    uint64_t generation; /* of a manifest; 0: not said */
    uid_t uid;
    struct cshm_holding *holdings;
    size_t count;
    size_t capacity;
};

struct cshm_known {
    pthread_mutex_t lock;
    struct cshm_held *first;
};

static int compare_holdings(const void *a, const void *b)
{
    const struct cshm_holding *x = a;
    const struct cshm_holding *y = b;
    int difference = memcmp(x->suffix, y->suffix, CSHM_SEGMENT_SUFFIX_SIZE);
    return difference ? difference : (x->order > y->order) - (x->order < y->order);
}

static int add_holding(struct cshm_held *held, const char *suffix, bool freed)
{
    if (held->count == held->capacity) {
        size_t capacity = held->capacity ? held->capacity * 2 : 64;
        struct cshm_holding *grown = reallocarray(held->holdings, capacity, sizeof *held->holdings);
        if (!grown)
            return -ENOMEM;
        held->holdings = grown;
        held->capacity = capacity;
    }
    struct cshm_holding *holding = &held->holdings[held->count];
    memcpy(holding->suffix, suffix, CSHM_SEGMENT_SUFFIX_SIZE);
    holding->freed = freed;
    holding->uid = held->uid;
    holding->order = (uint32_t)held->count++;
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

static int search_text(struct cshm_held *held, const struct cshm_buffer *text)
{
    const char *at = text->bytes;
    const char *end = at ? at + text->length : at;
    while (at && (at = memchr(at, '.', (size_t)(end - at)))) {
        at++;
        if ((size_t)(end - at) <= CSHM_SEGMENT_SUFFIX_SIZE)
            break;
        int result = is_suffix(at) ? add_holding(held, at, false) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

static int search_manifest(struct cshm_held *held, const struct cshm_store *store,
                           const char *project, struct stat *st)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct cshm_project_facts facts;
    int result = cshm_registry_read(store, project, &text, st);
    if (result < 0)
        return result;
    held->uid = st->st_uid;
    result = text.length > 0
                 ? cshm_manifest_peek(text.bytes, text.length < PEEK_SIZE ? text.length : PEEK_SIZE,
                                      &facts)
                 : -EINVAL;
    if (result == -ENOMEM)
        return result;
    held->generation = result == 0 ? facts.generation : 0;
    return search_text(held, &text);
}

static const char *suffix_of(const char *segment)
{
    return segment + strlen(segment) - CSHM_SEGMENT_SUFFIX_SIZE;
}

/* What it frees counts only if it happened. */
static int add_line(struct cshm_held *held, const struct cshm_journal_line *line, bool happened)
{
    int result = 0;
    for (size_t i = 0; i < line->count && result == 0; i++) {
        const struct cshm_operation *operation = &line->operations[i];
        if (operation->kind == CSHM_OPERATION_PUT && cshm_node_segment(operation->node))
            result = add_holding(held, suffix_of(cshm_node_segment(operation->node)), false);
    }
    for (size_t i = 0; i < line->free_count && happened && result == 0; i++)
        result = add_holding(held, suffix_of(line->free[i]), true);
    return result;
}

/* Bytes of it that belong to the manifest. */
static int measure(const struct cshm_buffer *text, const struct cshm_held *manifest, uid_t uid,
                   size_t *out)
{
    *out = 0;
    if (!manifest || manifest->generation == 0 || manifest->uid != uid)
        return 0;
    struct cshm_journal journal;
    int result = cshm_journal_parse(text->bytes, text->length, manifest->generation, &journal);
    *out = result == 0 ? journal.end : 0;
    cshm_journal_finish(&journal);
    return result;
}

static int search_journal(struct cshm_held *held, const struct cshm_store *store,
                          const char *project, const struct cshm_held *manifest)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct stat st;
    size_t happened;
    int result = cshm_journal_read(store, project, (uid_t)-1, 0, &text, &st);
    if (result < 0)
        return result == -ENOMEM ? result : 0;
    held->uid = st.st_uid;
    result = measure(&text, manifest, st.st_uid, &happened);
    if (result < 0)
        return result;
    struct cshm_journal journal;
    result = cshm_journal_parse(text.bytes, text.length, 0, &journal);
    for (size_t i = 0; i < journal.count && result == 0; i++)
        result = add_line(held, &journal.lines[i], journal.lines[i].end <= happened);
    cshm_journal_finish(&journal);
    return result;
}

/* --- What is known ---------------------------------------------------------------------------- */

struct cshm_known *cshm_known_create(void)
{
    struct cshm_known *known = calloc(1, sizeof *known);
    if (known && pthread_mutex_init(&known->lock, NULL) != 0) {
        free(known);
        known = NULL;
    }
    return known;
}

/* The lock is held, or there is nobody else. */
static void put_back(struct cshm_held *held)
{
    if (--held->references > 0)
        return;
    free(held->file);
    free(held->holdings);
    free(held);
}

void cshm_known_destroy(struct cshm_known *known)
{
    if (!known)
        return;
    for (struct cshm_held *held = known->first, *next; held; held = next) {
        next = held->next;
        put_back(held);
    }
    (void)pthread_mutex_destroy(&known->lock);
    free(known);
}

/* With a reference for the caller, if it is still what is there; else it is forgotten. */
static struct cshm_held *recall(const struct cshm_store *store, const char *file)
{
    struct cshm_known *known = store->known;
    struct cshm_held *found = NULL;
    struct stat st;
    bool is_there = fstatat(store->root_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
    (void)pthread_mutex_lock(&known->lock);
    for (struct cshm_held **at = &known->first; *at; at = &(*at)->next) {
        struct cshm_held *held = *at;
        if (strcmp(held->file, file) != 0)
            continue;
        const struct cshm_stamp now = is_there ? cshm_stamp_of(&st) : (struct cshm_stamp){0};
        if (cshm_stamp_same_manifest(&now, &held->stamp)) {
            held->references++;
            found = held;
        } else {
            *at = held->next;
            put_back(held);
        }
        break;
    }
    (void)pthread_mutex_unlock(&known->lock);
    return found;
}

/* One that may have been written in place since, within a tick of the clock, is none to be known.
 */
static bool is_worth_knowing(const struct stat *st)
{
    struct timespec now;
    return st->st_size >= LARGE && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
           now.tv_sec - st->st_mtim.tv_sec > 1;
}

static void remember(const struct cshm_store *store, struct cshm_held *held, const struct stat *st)
{
    struct cshm_known *known = store->known;
    if (!is_worth_knowing(st))
        return;
    held->stamp = cshm_stamp_of(st);
    (void)pthread_mutex_lock(&known->lock);
    held->references++;
    held->next = known->first;
    known->first = held;
    struct cshm_held **last = &known->first;
    for (int i = 0; i < KNOWN_MOST && *last; i++)
        last = &(*last)->next;
    if (*last) { /* there are never two too many */
        put_back(*last);
        *last = NULL;
    }
    (void)pthread_mutex_unlock(&known->lock);
}

/* --- All files -------------------------------------------------------------------------------- */

static struct cshm_held *make_held(void)
{
    struct cshm_held *held = calloc(1, sizeof *held);
    if (held)
        held->references = 1;
    return held;
}

static void sort(struct cshm_held *held)
{
    if (held->count > 1)
        qsort(held->holdings, held->count, sizeof *held->holdings, compare_holdings);
}

/* NULL: it cannot be read, and holds nothing. */
static int find_manifest(const struct cshm_store *store, const char *project,
                         struct cshm_held **out)
{
    char file[CSHM_SEGMENT_NAME_SIZE];
    struct stat st;
    cshm_manifest_name(project, file);
    *out = recall(store, file);
    if (*out)
        return 0;
    struct cshm_held *held = make_held();
    int result = held ? 0 : -ENOMEM;
    if (result == 0) {
        held->file = strdup(file);
        result = held->file ? search_manifest(held, store, project, &st) : -ENOMEM;
    }
    if (result < 0) {
        if (held)
            put_back(held);
        return result == -ENOMEM ? result : 0;
    }
    sort(held);
    remember(store, held, &st);
    *out = held;
    return 0;
}

static int find_journal(const struct cshm_store *store, const char *project,
                        const struct cshm_held *manifest, struct cshm_held **out)
{
    *out = make_held();
    int result = *out ? search_journal(*out, store, project, manifest) : -ENOMEM;
    if (result == 0)
        sort(*out);
    return result;
}

static bool is_except(const char *except, const char *project)
{
    return except && strcmp(except, project) == 0;
}

static int search_project(struct cshm_holders *holders, const char *project, const char *except,
                          const char *except_journal)
{
    struct cshm_pair *pair = &holders->pairs[holders->count++];
    int result = 0;
    if (!is_except(except, project))
        result = find_manifest(holders->store, project, &pair->manifest);
    if (result == 0 && !is_except(except_journal, project))
        result = find_journal(holders->store, project, pair->manifest, &pair->journal);
    return result;
}

int cshm_holders_collect(const struct cshm_store *store, const char *except,
                         const char *except_journal, struct cshm_holders *out)
{
    *out = (struct cshm_holders){.store = store};
    struct cshm_names names;
    int result = cshm_registry_list(store, &names);
    if (result < 0)
        return result;
    out->pairs = calloc(names.count ? names.count : 1, sizeof *out->pairs);
    if (!out->pairs)
        result = -ENOMEM;
    for (size_t i = 0; i < names.count && result == 0; i++)
        result = search_project(out, names.names[i], except, except_journal);
    cshm_names_finish(&names);
    if (result < 0)
        cshm_holders_finish(out);
    return result;
}

/* The first one of that segment, or NULL. */
static const struct cshm_holding *find_first(const struct cshm_held *held, const char *suffix)
{
    size_t low = 0;
    size_t high = held ? held->count : 0;
    while (low < high) { /* the first one that is not less */
        size_t middle = low + (high - low) / 2;
        if (memcmp(held->holdings[middle].suffix, suffix, CSHM_SEGMENT_SUFFIX_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = held && low < held->count &&
                 memcmp(held->holdings[low].suffix, suffix, CSHM_SEGMENT_SUFFIX_SIZE) == 0;
    return found ? &held->holdings[low] : NULL;
}

static const struct cshm_holding *find_last(const struct cshm_held *held, const char *suffix)
{
    const struct cshm_holding *holding = find_first(held, suffix);
    const struct cshm_holding *end = holding ? held->holdings + held->count : NULL;
    while (holding && holding + 1 < end &&
           memcmp(holding[1].suffix, suffix, CSHM_SEGMENT_SUFFIX_SIZE) == 0)
        holding++;
    return holding;
}

static bool is_by(const struct cshm_holding *holding, uid_t owner, uid_t other)
{
    return holding && (holding->uid == owner || holding->uid == other);
}

static bool find(const struct cshm_holders *holders, const char *segment, uid_t owner, uid_t other)
{
    if (strlen(segment) < CSHM_SEGMENT_SUFFIX_SIZE)
        return false;
    const char *suffix = suffix_of(segment);
    for (size_t i = 0; i < holders->count; i++) {
        const struct cshm_holding *news = find_last(holders->pairs[i].journal, suffix);
        if (news && news->freed)
            continue;
        if (is_by(news, owner, other) ||
            is_by(find_first(holders->pairs[i].manifest, suffix), owner, other))
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
    if (holders->count > 0)
        (void)pthread_mutex_lock(&holders->store->known->lock);
    for (size_t i = 0; i < holders->count; i++) {
        if (holders->pairs[i].manifest)
            put_back(holders->pairs[i].manifest);
        if (holders->pairs[i].journal)
            put_back(holders->pairs[i].journal);
    }
    if (holders->count > 0)
        (void)pthread_mutex_unlock(&holders->store->known->lock);
    free(holders->pairs);
    *holders = (struct cshm_holders){0};
}
