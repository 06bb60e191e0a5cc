/* SPDX-License-Identifier: MIT */
/*
 * Listings: the names of a directory as they were when it was opened, so that readdir is complete
 * and stable while entries come and go. An offset is a place in the listing.
 */
#ifndef MOUNT_LISTING_H
#define MOUNT_LISTING_H

#include <stdint.h>

#include "daemon.h"

struct listing_entry {
    uint64_t number; /* st_ino */
    uint32_t name;   /* where it starts in `names` */
    mode_t type;     /* S_IFDIR, S_IFREG or S_IFLNK */
};

struct listing {
    struct listing_entry *entries;
    size_t count;
    size_t capacity;
    char *names; /* each with its NUL */
    size_t names_length;
    size_t names_capacity;
    bool served; /* something was read from it */
};

static inline const char *listing_name(const struct listing *listing, size_t i)
{
    return listing->names + listing->entries[i].name;
}

/* Of any directory, with "." and "..". 0, -ENOENT, -ENOMEM. */
int listing_create(struct daemon *daemon, struct inode *directory, struct listing **out);
void listing_destroy(struct listing *listing);

/* Memory it takes. */
size_t listing_bytes(const struct listing *listing);

#endif
