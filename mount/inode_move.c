/* SPDX-License-Identifier: MIT */
/* Inodes that are somewhere else from now on, and the numbers they take along. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inode_internal.h"

/* --- Numbers of directories ---------------------------------------------------------------------
 */

static struct inode_directory **moved_bucket(struct inode_table *table, uint64_t number)
{
    return &table->moved[(number ^ number >> 32) % INODE_MOVED_BUCKETS];
}

/* Whether a directory that was moved away has the number. */
static bool is_taken(struct inode_table *table, uint64_t number)
{
    const struct inode_directory *directory = *moved_bucket(table, number);
    while (directory && directory->number != number)
        directory = directory->next_moved;
    return directory != NULL;
}

static void note_moved(struct inode_table *table, struct inode_directory *directory)
{
    struct inode_directory **bucket = moved_bucket(table, directory->number);
    if (directory->moved)
        return;
    directory->moved = true;
    directory->next_moved = *bucket;
    *bucket = directory;
}

void inode_forget_moved(struct inode_table *table, struct inode_directory *directory)
{
    struct inode_directory **link = moved_bucket(table, directory->number);
    if (!directory->moved)
        return;
    while (*link != directory)
        link = &(*link)->next_moved;
    *link = directory->next_moved;
}

/* Of a directory that is not known; the lock is held. */
uint64_t inode_new_number(struct inode_table *table, const struct inode *parent,
                          struct cshm_text key)
{
    uint64_t number = inode_number_hashed(inode_number(parent), INODE_DIRECTORY, key);
    while (is_taken(table, number))
        number = inode_number_hashed(number, INODE_DIRECTORY, key);
    return number;
}

/* --- Moving -------------------------------------------------------------------------------------
 */

struct arrival {
    char *key;          /* to be its; then the one it had, or NULL */
    struct inode *left; /* the parent it had */
};

/* Takes `*copy` for a key and gives back what is to be freed of the old one. */
static char *swap_key(struct inode *inode, char *copy, size_t length)
{
    bool is_array = inode->kind == INODE_ARRAY;
    char **key = is_array ? &inode_array(inode)->key : &inode_directory(inode)->key;
    char *own = is_array ? inode_own_key(inode_array(inode)) : inode_directory(inode)->own_key;
    char *old = *key == own ? NULL : *key;
    *key = copy;
    inode->key_length = (uint32_t)length;
    return old;
}

static void arrive(struct inode_table *table, const struct inode_movement *move,
                   struct arrival *arrival)
{
    struct inode *inode = move->inode;
    struct inode_key sought = {.kind = inode->kind, .parent = move->parent, .key = move->key};
    struct inode *there = inode->kind == INODE_DIRECTORY ? inode_seek(table, &sought) : NULL;
    if (there)
        there->retired = true;
    arrival->key = swap_key(inode, arrival->key, move->key.length);
    arrival->left = inode->parent;
    inode->parent = move->parent;
    inode->parent->references++;
    inode_put_in(table, inode);
    if (inode->kind == INODE_DIRECTORY)
        note_moved(table, inode_directory(inode));
}

static bool is_below(const struct inode *inode, const struct inode *above)
{
    while (inode && inode != above)
        inode = inode->parent;
    return inode != NULL;
}

/* All directories that came along are in its picture from now on. How many let go of `from`. */
static size_t change_pictures(struct inode_table *table, const struct inode *moved,
                              const struct picture *from, struct picture *to)
{
    size_t count = 0;
    for (size_t i = 0; from != to && i < table->bucket_count; i++) {
        for (struct inode *inode = table->buckets[i]; inode; inode = inode->next) {
            struct inode_directory *directory = inode_directory(inode);
            if (inode->kind != INODE_DIRECTORY || directory->picture != from ||
                !is_below(inode, moved))
                continue;
            picture_hold(to);
            directory->picture = to;
            atomic_store(&directory->seen, 0);
            count++;
        }
    }
    return count;
}

/* With two that change places, the second may be below where the first was: pictures come last. */
static void move_all(struct inode_table *table, const struct inode_movement *moves, size_t count,
                     struct arrival *arrivals)
{
    struct picture *left[2] = {NULL};
    size_t let_go[2] = {0};
    (void)pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < count; i++)
        inode_take_out(table, moves[i].inode);
    for (size_t i = 0; i < count; i++)
        arrive(table, &moves[i], &arrivals[i]);
    for (size_t i = 0; i < count; i++) {
        if (moves[i].inode->kind != INODE_DIRECTORY)
            continue;
        left[i] = inode_directory(moves[i].inode)->picture;
        let_go[i] = change_pictures(table, moves[i].inode, left[i], moves[i].picture);
    }
    (void)pthread_mutex_unlock(&table->lock);
    for (size_t i = 0; i < count; i++)
        for (; let_go[i] > 0; let_go[i]--)
            picture_put(left[i]);
}

int inode_move(struct inode_table *table, const struct inode_movement *moves, size_t count)
{
    struct arrival arrivals[2] = {{0}};
    int result = count <= 2 ? 0 : -EINVAL;
    for (size_t i = 0; i < count && result == 0; i++)
        if (!(arrivals[i].key = inode_copy_key(moves[i].key)))
            result = -ENOMEM;
    if (result == 0)
        move_all(table, moves, count, arrivals);
    for (size_t i = 0; i < count && i < 2; i++) {
        free(arrivals[i].key);
        if (arrivals[i].left)
            inode_drop(table, arrivals[i].left, 1);
    }
    return result;
}

void inode_give(struct inode_table *table, const char *segment, uid_t from, uid_t to)
{
    struct inode_key sought = {.kind = INODE_ARRAY, .segment = segment};
    (void)pthread_mutex_lock(&table->lock);
    for (struct inode *inode = *inode_bucket(table, &sought); inode; inode = inode->next)
        if (inode->kind == INODE_ARRAY && inode_array(inode)->owner == from &&
            strcmp(inode_array(inode)->segment, segment) == 0)
            inode_array(inode)->owner = to;
    (void)pthread_mutex_unlock(&table->lock);
}

struct picture *inode_hold_picture(struct inode_table *table, const struct inode *directory)
{
    (void)pthread_mutex_lock(&table->lock);
    struct picture *picture = ((const struct inode_directory *)directory)->picture;
    picture_hold(picture);
    (void)pthread_mutex_unlock(&table->lock);
    return picture;
}

bool inode_same_project(struct inode_table *table, const struct inode *a, const struct inode *b)
{
    (void)pthread_mutex_lock(&table->lock);
    bool same = ((const struct inode_directory *)a)->picture ==
                ((const struct inode_directory *)b)->picture;
    (void)pthread_mutex_unlock(&table->lock);
    return same;
}

bool inode_is_in(struct inode_table *table, const struct inode *directory,
                 const struct picture *picture)
{
    (void)pthread_mutex_lock(&table->lock);
    bool is_in = ((const struct inode_directory *)directory)->picture == picture;
    (void)pthread_mutex_unlock(&table->lock);
    return is_in;
}

uint64_t inode_number_directory(struct inode_table *table, struct inode *parent,
                                struct cshm_text key)
{
    struct inode_key sought = {.kind = INODE_DIRECTORY, .parent = parent, .key = key};
    (void)pthread_mutex_lock(&table->lock);
    const struct inode *known = inode_seek(table, &sought);
    uint64_t number = known ? inode_number(known) : inode_new_number(table, parent, key);
    (void)pthread_mutex_unlock(&table->lock);
    return number;
}
