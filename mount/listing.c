/* SPDX-License-Identifier: MIT */
#include "listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sight.h"
#include "store/registry.h"

enum { FIRST_ENTRIES = 64, FIRST_NAMES = 1024 };

static int grow(void *array, size_t *capacity, size_t needed, size_t first, size_t size)
{
    if (needed <= *capacity)
        return 0;
    size_t grown = *capacity ? *capacity : first;
    while (grown < needed)
        grown *= 2;
    void *bigger = reallocarray(*(void **)array, grown, size);
    if (!bigger)
        return -ENOMEM;
    *(void **)array = bigger;
    *capacity = grown;
    return 0;
}

static int add(struct listing *listing, const char *name, const struct listing_entry *entry)
{
    size_t length = strlen(name) + 1;
    int result = grow(&listing->entries, &listing->capacity, listing->count + 1, FIRST_ENTRIES,
                      sizeof *listing->entries);
    if (result == 0)
        result = grow(&listing->names, &listing->names_capacity, listing->names_length + length,
                      FIRST_NAMES, 1);
    if (result == 0 && listing->names_length > UINT32_MAX)
        result = -EOVERFLOW;
    if (result < 0)
        return result;
    struct listing_entry *added = &listing->entries[listing->count++];
    *added = *entry;
    added->name = (uint32_t)listing->names_length;
    memcpy(listing->names + listing->names_length, name, length);
    listing->names_length += length;
    return 0;
}

static int add_dots(struct inode_table *table, struct listing *listing,
                    const struct inode *directory)
{
    struct listing_entry dots = {.number = inode_number(directory), .listed = LISTED_DOTS};
    int result = add(listing, ".", &dots);
    if (directory->kind != INODE_ROOT) {
        struct inode *above = inode_hold_parent(table, directory);
        dots.number = inode_number(above);
        inode_drop(table, above, 1);
    }
    return result < 0 ? result : add(listing, "..", &dots);
}

static int begin(struct inode_table *table, struct inode *directory, struct listing **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? add_dots(table, *out, directory) : -ENOMEM;
}

static int end(struct listing **listing, int result)
{
    if (result < 0) {
        listing_destroy(*listing);
        *listing = NULL;
    }
    return result;
}

/* --- Of the root --------------------------------------------------------------------------------
 */

static int add_projects(struct daemon *daemon, struct listing *listing)
{
    struct cshm_names projects;
    int result = cshm_registry_list(daemon->store, &projects);
    if (result < 0)
        return result == -ENOENT ? 0 : result;
    pictures_sweep(&daemon->pictures, projects.names, projects.count);
    for (size_t i = 0; result == 0 && i < projects.count; i++) {
        const char *name = projects.names[i];
        if (!picture_is_listed(&daemon->pictures, name))
            continue;
        struct listing_entry project = {
            .number =
                inode_number_directory(&daemon->inodes, &daemon->inodes.root, cshm_text(name)),
            .listed = LISTED_PROJECT,
            .kind = ENTRY_GROUP,
        };
        result = add(listing, name, &project);
    }
    cshm_names_finish(&projects);
    return result;
}

int listing_of_root(struct daemon *daemon, struct listing **out)
{
    int result = begin(&daemon->inodes, &daemon->inodes.root, out);
    if (result == 0)
        result = add_projects(daemon, *out);
    return end(out, result);
}

/* --- Of a project or group ----------------------------------------------------------------------
 */

/* An array is directly followed by its sidecar. */
static int add_node(struct listing *listing, struct cshm_node *node)
{
    char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
    size_t length = cshm_fsname_encode(node->key, name);
    struct listing_entry entry = {.node = node, .listed = LISTED_ENTRY, .kind = ENTRY_GROUP};
    if (node->type == CSHM_NODE_GROUP)
        return add(listing, name, &entry);
    entry.kind = ENTRY_DATA;
    int result = node->type == CSHM_NODE_ARRAY ? add(listing, name, &entry) : 0;
    entry.kind = ENTRY_SIDECAR;
    memcpy(name + length, ENTRIES_META, sizeof ENTRIES_META);
    return result < 0 ? result : add(listing, name, &entry);
}

int listing_of(struct inode *directory, const struct sight *sight, struct listing **out)
{
    int result = begin(sight->table, directory, out);
    if (result == 0)
        (*out)->generation = sight->picture->generation;
    if (result == 0 && entries_has_meta(sight->picture, sight->node)) {
        struct listing_entry meta = {
            .node = sight->node, .listed = LISTED_ENTRY, .kind = ENTRY_META};
        result = add(*out, ENTRIES_META, &meta);
    }
    for (struct cshm_node *node = sight->node->first; result == 0 && node; node = node->next)
        result = add_node(*out, node);
    return end(out, result);
}

/* --- The rest -----------------------------------------------------------------------------------
 */

void listing_destroy(struct listing *listing)
{
    if (!listing)
        return;
    free(listing->entries);
    free(listing->names);
    free(listing);
}

size_t listing_bytes(const struct listing *listing)
{
    return sizeof *listing + listing->capacity * sizeof *listing->entries + listing->names_capacity;
}
