/* SPDX-License-Identifier: MIT */
/*
 * Listings: the names of a directory as they were when reading it began, so that readdir is
 * complete and stable while entries come and go. An offset is a place in the listing. Of an array
 * there are always two names; whether it has a file and a sidecar is looked at when they are read,
 * once for both: a hundred thousand segments are not looked at twice.
 */
#ifndef MOUNT_LISTING_H
#define MOUNT_LISTING_H

#include <stdint.h>

#include "daemon.h"
#include "entries.h"
#include "sight.h"

enum listed_kind {
    LISTED_DOTS,
    LISTED_PROJECT,
    LISTED_ENTRY, /* of a project or group */
};

struct listing_entry {
    union {
        struct cshm_node *node; /* LISTED_ENTRY, in the listing's generation */
        uint64_t number;        /* st_ino of the others */
    };
    uint32_t name; /* where it starts in `names` */
    uint8_t listed;
    uint8_t kind; /* enum entry_kind */
};

struct listing {
    struct listing_entry *entries;
    size_t count;
    size_t capacity;
    char *names; /* each with its NUL */
    size_t names_length;
    size_t names_capacity;
    uint64_t generation; /* of the picture that the nodes are from */
};

static inline const char *listing_name(const struct listing *listing, size_t i)
{
    return listing->names + listing->entries[i].name;
}

/* Of the root; of any other directory, in sight. With "." and "..". 0 or negative errno. */
int listing_of_root(struct daemon *daemon, struct listing **out);
int listing_of(struct inode *directory, const struct sight *sight, struct listing **out);
void listing_destroy(struct listing *listing);

/* Memory it takes. */
size_t listing_bytes(const struct listing *listing);

#endif
