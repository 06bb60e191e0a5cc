/* SPDX-License-Identifier: MIT */
/*
 * Sight: an inode (a name to look under) looked up in the present picture of its project, and what
 * the kernel is told about it. While a sight is held the picture is locked for reading: nothing
 * that waits for other people may happen under it.
 */
#ifndef MOUNT_SIGHT_H
#define MOUNT_SIGHT_H

#include <stdint.h>
#include <sys/stat.h>

#include "daemon.h"
#include "entries.h"
#include "inode.h"

struct sight {
    struct picture *picture; /* held and read-locked; NULL: none */
    /* The directory itself; the array; the node whose sidecar it is (for .meta: the directory). */
    struct cshm_node *node;
    struct entries looks; /* of arrays, and of sidecars and views of children */
    struct inode_table *table;
    struct inode *directory; /* of those, held; NULL otherwise */
};

/*
 * Of any inode but the root. 0; -ENOENT when it is no more; -ESTALE for an array whose segment is
 * another one now (the kernel then looks its name up again). After an error nothing is held.
 */
int sight_begin(struct daemon *daemon, struct inode *inode, struct sight *out);
void sight_end(struct sight *sight);

/* The node of a directory in its picture, which is locked either way; NULL when it is no more. */
struct cshm_node *sight_directory_node(struct inode *directory);

/* Attributes. `out` is filled whole; sizes of sidecars are exact. 0 or negative errno. */
int sight_attributes(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                     struct stat *out);
int sight_root_attributes(struct daemon *daemon, struct stat *out);

/* The inode of an entry found in `directory`, with one reference for the kernel. NULL: no memory.
 */
struct inode *sight_enter(struct daemon *daemon, struct inode *directory, struct picture *picture,
                          const struct entry *entry);

/*
 * How an inode is called in its directory (of an array: as it was looked up last). False for the
 * root.
 */
bool sight_spell(struct inode_table *table, const struct inode *inode,
                 char out[CSHM_FSNAME_MAX + sizeof ENTRIES_META]);

/* Times as one number, as inodes keep them. */
static inline int64_t sight_nanoseconds(struct timespec time)
{
    /* Nobody's clock is beyond the year 2262; a file's time may be. */
    return (int64_t)((uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec);
}

static inline struct timespec sight_time(int64_t nanoseconds)
{
    int64_t rest = (nanoseconds % 1000000000 + 1000000000) % 1000000000;
    return (struct timespec){.tv_sec = (nanoseconds - rest) / 1000000000, .tv_nsec = rest};
}

/* st_ino of an entry without making an inode of it. */
uint64_t sight_number(struct inode_table *table, struct inode *directory,
                      const struct picture *picture, const struct entry *entry);

#endif
