/* SPDX-License-Identifier: MIT */
#include "inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "inode_internal.h"

enum { FIRST_BUCKETS = 1024 };

int inode_table_init(struct inode_table *table)
{
    *table = (struct inode_table){
        .bucket_count = FIRST_BUCKETS,
        .root = {.kind = INODE_ROOT, .references = 1},
    };
    (void)pthread_mutex_init(&table->lock, NULL);
    table->buckets = calloc(FIRST_BUCKETS, sizeof(struct inode *));
    return table->buckets ? 0 : -ENOMEM;
}

static void inode_free(struct inode *inode)
{
    if (inode->kind == INODE_DIRECTORY) {
        struct inode_directory *directory = inode_directory(inode);
        picture_put(directory->picture);
        if (directory->key != directory->own_key)
            free(directory->key);
    }
    if (inode->kind == INODE_ARRAY && inode_array(inode)->key != inode_own_key(inode_array(inode)))
        free(inode_array(inode)->key);
    if (inode->kind == INODE_ARRAY && inode_array(inode)->use) { /* open at the session's end */
        cshm_close_fd(&inode_array(inode)->use->fd);
        free(inode_array(inode)->use);
    }
    free(inode);
}

void inode_table_finish(struct inode_table *table)
{
    for (size_t i = 0; table->buckets && i < table->bucket_count; i++) {
        while (table->buckets[i]) {
            struct inode *inode = table->buckets[i];
            table->buckets[i] = inode->next;
            inode_free(inode);
        }
    }
    free(table->buckets);
    (void)pthread_mutex_destroy(&table->lock);
}

/* --- Numbers ------------------------------------------------------------------------------------
 */

/* FNV-1a's step, so that the hash of a path is that of its parent continued. */
static uint64_t hash_more(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001B3);
    return hash;
}

static uint64_t hash_start(void)
{
    return UINT64_C(0xCBF29CE484222325);
}

uint64_t inode_number(const struct inode *inode)
{
    switch (inode->kind) {
    case INODE_ROOT:
        return FUSE_ROOT_ID;
    case INODE_ARRAY:
        return inode_number_array(((const struct inode_array *)inode)->number);
    default:
        return ((const struct inode_directory *)inode)->number;
    }
}

uint64_t inode_number_hashed(uint64_t parent, enum inode_kind kind, struct cshm_text key)
{
    uint64_t hash = hash_more(hash_start(), &parent, sizeof parent);
    hash = hash_more(hash, &kind, sizeof kind);
    return hash_more(hash, key.bytes, key.length) | UINT64_C(1) << 63;
}

/* The place of a view's key. */
static const char *npy_key(const struct inode_npy *view)
{
    return view->segment + strlen(view->segment) + 1;
}

/* --- The table ----------------------------------------------------------------------------------
 */

struct cshm_text inode_name(const struct inode *inode)
{
    const char *bytes;
    if (inode->kind == INODE_ARRAY)
        bytes = ((const struct inode_array *)inode)->key;
    else if (inode->kind == INODE_DIRECTORY)
        bytes = ((const struct inode_directory *)inode)->key;
    else if (inode->kind == INODE_SIDECAR)
        bytes = ((const struct inode_sidecar *)inode)->key;
    else if (inode->kind == INODE_NPY)
        bytes = npy_key((const struct inode_npy *)inode);
    else
        bytes = "";
    return (struct cshm_text){bytes, inode->key_length};
}

static uint64_t hash_of_key(const struct inode_key *key)
{
    if (key->kind == INODE_ARRAY ||
        key->kind == INODE_NPY) /* by what the shared memory directory calls it */
        return hash_more(hash_start(), key->segment, strlen(key->segment));
    uintptr_t parent = (uintptr_t)key->parent;
    uint64_t hash = hash_more(hash_start(), &parent, sizeof parent);
    hash = hash_more(hash, &key->kind, sizeof key->kind);
    return hash_more(hash, key->key.bytes, key->key.length);
}

static struct inode_key key_of(struct inode *inode)
{
    struct inode_key key = {.kind = inode->kind, .parent = inode->parent, .key = inode_name(inode)};
    if (inode->kind == INODE_ARRAY) {
        key.segment = inode_array(inode)->segment;
        key.segment_number = inode_array(inode)->number;
        key.owner = inode_array(inode)->owner;
    } else if (inode->kind == INODE_NPY) {
        key.segment = inode_npy(inode)->segment;
        key.segment_number = inode_npy(inode)->number;
        key.owner = inode_npy(inode)->owner;
        key.version = inode_npy(inode)->version;
    }
    return key;
}

static bool segments_equal(const struct inode_key *a, const struct inode_key *b)
{
    return a->segment_number == b->segment_number && a->owner == b->owner &&
           strcmp(a->segment, b->segment) == 0;
}

static bool keys_equal(const struct inode_key *a, const struct inode_key *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == INODE_ARRAY)
        return segments_equal(a, b);
    if (a->kind == INODE_NPY && !(a->version == b->version && segments_equal(a, b)))
        return false;
    return a->parent == b->parent && cshm_text_equal(a->key, b->key);
}

struct inode **inode_bucket(const struct inode_table *table, const struct inode_key *key)
{
    uint64_t hash = hash_of_key(key);
    return &table->buckets[(hash ^ hash >> 32) & (table->bucket_count - 1)];
}

void inode_put_in(struct inode_table *table, struct inode *inode)
{
    struct inode_key key = key_of(inode);
    struct inode **bucket = inode_bucket(table, &key);
    inode->next = *bucket;
    *bucket = inode;
}

/* Keeps chains at two on average. Without memory they get longer, nothing worse. */
static void grow(struct inode_table *table)
{
    size_t old_count = table->bucket_count;
    struct inode **old = table->buckets;
    struct inode **buckets = calloc(old_count * 2, sizeof(struct inode *));
    if (!buckets)
        return;
    table->buckets = buckets;
    table->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct inode *inode = old[i];
            old[i] = inode->next;
            inode_put_in(table, inode);
        }
    }
    free(old);
}

char *inode_copy_key(struct cshm_text key)
{
    char *copy = malloc(key.length + 1);
    if (!copy)
        return NULL;
    if (key.length > 0)
        memcpy(copy, key.bytes, key.length);
    copy[key.length] = '\0';
    return copy;
}

/* With its key, and the NUL after that. */
static size_t size_of(const struct inode_key *key)
{
    size_t size = key->key.length + 1;
    switch (key->kind) {
    case INODE_ARRAY:
        return size + sizeof(struct inode_array) + strlen(key->segment) + 1;
    case INODE_NPY:
        return size + sizeof(struct inode_npy) + strlen(key->segment) + 1;
    case INODE_SIDECAR:
        return size + sizeof(struct inode_sidecar);
    case INODE_META:
        return size + sizeof(struct inode_meta);
    default:
        return size + sizeof(struct inode_directory);
    }
}

/* --- Making one ---------------------------------------------------------------------------------
 */

/* Gives the inode its key, whose place is zeroed, and what goes with its kind. */
static void fill(struct inode *inode, const struct inode_key *key)
{
    char *place = NULL;
    if (key->kind == INODE_ARRAY) {
        struct inode_array *array = inode_array(inode);
        memcpy(array->segment, key->segment, strlen(key->segment));
        array->number = key->segment_number;
        array->owner = key->owner;
        place = array->key = inode_own_key(array);
    } else if (key->kind == INODE_DIRECTORY) {
        picture_hold(key->picture);
        inode_directory(inode)->picture = key->picture;
        place = inode_directory(inode)->key = inode_directory(inode)->own_key;
    } else if (key->kind == INODE_SIDECAR) {
        place = inode_sidecar(inode)->key;
    } else if (key->kind == INODE_NPY) {
        struct inode_npy *view = inode_npy(inode);
        memcpy(view->segment, key->segment, strlen(key->segment));
        view->number = key->segment_number;
        view->owner = key->owner;
        view->version = key->version;
        place = view->segment + strlen(view->segment) + 1;
    }
    if (place && key->key.length > 0)
        memcpy(place, key->key.bytes, key->key.length);
}

static struct inode *inode_create(const struct inode_key *key)
{
    struct inode *inode = key->key.length <= UINT32_MAX ? calloc(1, size_of(key)) : NULL;
    if (!inode)
        return NULL;
    inode->kind = (uint8_t)key->kind;
    inode->parent = key->parent;
    inode->key_length = (uint32_t)key->key.length;
    fill(inode, key);
    return inode;
}

struct inode *inode_seek(const struct inode_table *table, const struct inode_key *key)
{
    for (struct inode *inode = *inode_bucket(table, key); inode; inode = inode->next) {
        struct inode_key other = key_of(inode);
        if (!inode->retired && keys_equal(key, &other))
            return inode;
    }
    return NULL;
}

/*
 * Notes the name an array was looked up by. `*copy` is the new key and comes back as the old one,
 * to be freed outside the lock; the parent it had is returned, to be dropped there.
 */
static struct inode *rename_array(struct inode *inode, const struct inode_key *key, char **copy)
{
    struct inode_array *array = inode_array(inode);
    struct inode *old_parent = inode->parent;
    char *old_key = array->key == inode_own_key(array) ? NULL : array->key;
    array->key = *copy;
    inode->parent = key->parent;
    inode->key_length = (uint32_t)key->key.length;
    key->parent->references++;
    *copy = old_key;
    return old_parent;
}

static bool has_name(const struct inode *inode, const struct inode_key *key)
{
    return inode->parent == key->parent && cshm_text_equal(inode_name(inode), key->key);
}

struct inode *inode_get(struct inode_table *table, const struct inode_key *key)
{
    struct inode *made = NULL;
    struct inode *old_parent = NULL;
    char *copy = NULL;
    (void)pthread_mutex_lock(&table->lock);
    struct inode *inode = inode_seek(table, key);
    if (!inode) {
        (void)pthread_mutex_unlock(&table->lock);
        made = inode_create(key); /* takes the pictures' lock */
        if (!made)
            return NULL;
        (void)pthread_mutex_lock(&table->lock);
        inode = inode_seek(table, key); /* somebody else may have been quicker */
        if (!inode) {
            inode = CSHM_STEAL(made);
            inode->parent->references++;
            if (inode->kind == INODE_DIRECTORY)
                inode_directory(inode)->number = inode_new_number(table, inode->parent, key->key);
            inode_put_in(table, inode);
            if (table->count++ > table->bucket_count * 2)
                grow(table);
        }
    }
    inode->references++;
    bool renamed = inode->kind == INODE_ARRAY && !has_name(inode, key);
    if (renamed && (copy = inode_copy_key(key->key)))
        old_parent = rename_array(inode, key, &copy);
    (void)pthread_mutex_unlock(&table->lock);
    free(copy);
    if (old_parent)
        inode_drop(table, old_parent, 1);
    if (made)
        inode_free(made);
    return inode;
}

struct inode *inode_find(struct inode_table *table, enum inode_kind kind, struct inode *parent,
                         struct cshm_text key)
{
    struct inode_key sought = {.kind = kind, .parent = parent, .key = key};
    (void)pthread_mutex_lock(&table->lock);
    struct inode *inode = inode_seek(table, &sought);
    if (inode)
        inode->references++;
    (void)pthread_mutex_unlock(&table->lock);
    return inode;
}

static const char *segment_of(struct inode *inode)
{
    return inode->kind == INODE_NPY ? inode_npy(inode)->segment : inode_array(inode)->segment;
}

static size_t find_by_segment(struct inode_table *table, enum inode_kind kind, const char *segment,
                              struct inode **out, size_t room)
{
    struct inode_key sought = {.kind = INODE_ARRAY, .segment = segment};
    size_t count = 0;
    (void)pthread_mutex_lock(&table->lock);
    for (struct inode *inode = *inode_bucket(table, &sought); inode && count < room;
         inode = inode->next) {
        if (inode->kind != kind || strcmp(segment_of(inode), segment) != 0)
            continue;
        inode->references++;
        out[count++] = inode;
    }
    (void)pthread_mutex_unlock(&table->lock);
    return count;
}

size_t inode_find_arrays(struct inode_table *table, const char *segment, struct inode **out,
                         size_t room)
{
    return find_by_segment(table, INODE_ARRAY, segment, out, room);
}

size_t inode_find_views(struct inode_table *table, const char *segment, struct inode **out,
                        size_t room)
{
    return find_by_segment(table, INODE_NPY, segment, out, room);
}

int inode_find_all(struct inode_table *table, struct inode ***out, size_t *count)
{
    *count = 0;
    (void)pthread_mutex_lock(&table->lock);
    *out = malloc((table->count + 1) * sizeof **out);
    for (size_t i = 0; *out && i < table->bucket_count; i++) {
        for (struct inode *inode = table->buckets[i]; inode; inode = inode->next) {
            inode->references++;
            (*out)[(*count)++] = inode;
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
    return *out ? 0 : -ENOMEM;
}

void inode_hold(struct inode_table *table, struct inode *inode)
{
    (void)pthread_mutex_lock(&table->lock);
    inode->references++;
    (void)pthread_mutex_unlock(&table->lock);
}

void inode_take_out(struct inode_table *table, struct inode *inode)
{
    struct inode_key key = key_of(inode);
    struct inode **link = inode_bucket(table, &key);
    while (*link != inode)
        link = &(*link)->next;
    *link = inode->next;
}

void inode_drop(struct inode_table *table, struct inode *inode, uint64_t references)
{
    struct inode *gone = NULL;
    (void)pthread_mutex_lock(&table->lock);
    while (inode && inode != &table->root) {
        inode->references -= references < inode->references ? references : inode->references;
        if (inode->references > 0)
            break;
        inode_take_out(table, inode);
        table->count--;
        if (inode->kind == INODE_DIRECTORY)
            inode_forget_moved(table, inode_directory(inode));
        struct inode *parent = inode->parent;
        inode->next = gone;
        gone = inode;
        inode = parent; /* loses the hold of its child */
        references = 1;
    }
    (void)pthread_mutex_unlock(&table->lock);
    while (gone) {
        struct inode *next = gone->next;
        inode_free(gone);
        gone = next;
    }
}

void inode_retire(struct inode_table *table, struct inode *parent, struct cshm_text key)
{
    struct inode_key sought = {.kind = INODE_DIRECTORY, .parent = parent, .key = key};
    (void)pthread_mutex_lock(&table->lock);
    struct inode *inode = inode_seek(table, &sought);
    if (inode)
        inode->retired = true;
    (void)pthread_mutex_unlock(&table->lock);
}

struct inode *inode_hold_parent(struct inode_table *table, const struct inode *inode)
{
    (void)pthread_mutex_lock(&table->lock);
    struct inode *parent = inode->parent;
    parent->references++;
    (void)pthread_mutex_unlock(&table->lock);
    return parent;
}
