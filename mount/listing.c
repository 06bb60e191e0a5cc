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

static int add(struct listing *listing, const char *name, uint64_t number, mode_t type)
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
    listing->entries[listing->count++] = (struct listing_entry){
        .number = number, .name = (uint32_t)listing->names_length, .type = type};
    memcpy(listing->names + listing->names_length, name, length);
    listing->names_length += length;
    return 0;
}

static int add_dots(struct daemon *daemon, struct listing *listing, const struct inode *directory)
{
    uint64_t number = inode_number(directory);
    uint64_t parent = number;
    if (directory->kind != INODE_ROOT) {
        struct inode *above = inode_hold_parent(&daemon->inodes, directory);
        parent = inode_number(above);
        inode_drop(&daemon->inodes, above, 1);
    }
    int result = add(listing, ".", number, S_IFDIR);
    return result < 0 ? result : add(listing, "..", parent, S_IFDIR);
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
        struct inode *root = &daemon->inodes.root;
        uint64_t number = inode_number_directory(&daemon->inodes, root, cshm_text(name));
        result = add(listing, name, number, S_IFDIR);
    }
    cshm_names_finish(&projects);
    return result;
}

/* --- Of a project or group ----------------------------------------------------------------------
 */

struct scene {
    struct listing *listing;
    struct inode_table *table;
    struct inode *directory;
    const struct picture *picture;
    mode_t data_type; /* what arrays are: S_IFREG or S_IFLNK */
};

static int add_entry(const struct scene *scene, const struct entry *entry, const char *name,
                     mode_t type)
{
    uint64_t number = sight_number(scene->table, scene->directory, scene->picture, entry);
    return add(scene->listing, name, number, type);
}

/* An array is directly followed by its sidecar. */
static int add_node(const struct scene *scene, struct cshm_node *node)
{
    char name[CSHM_FSNAME_MAX + sizeof ENTRIES_META];
    size_t length = cshm_fsname_encode(node->key, name);
    struct entry entry = {.node = node, .kind = ENTRY_GROUP};
    if (node->type == CSHM_NODE_GROUP)
        return add_entry(scene, &entry, name, S_IFDIR);
    entries_of(scene->picture, node, &entry.looks);
    int result = 0;
    if (entry.looks.data) {
        entry.kind = ENTRY_DATA;
        result = add_entry(scene, &entry, name, scene->data_type);
    }
    if (result == 0 && entry.looks.sidecar) {
        entry.kind = ENTRY_SIDECAR;
        memcpy(name + length, ENTRIES_META, sizeof ENTRIES_META);
        result = add_entry(scene, &entry, name, S_IFREG);
    }
    return result;
}

static int add_nodes(struct daemon *daemon, struct listing *listing, struct inode *directory)
{
    struct sight sight;
    int result = sight_begin(daemon, directory, &sight);
    if (result < 0)
        return result;
    struct scene scene = {
        .listing = listing,
        .table = &daemon->inodes,
        .directory = directory,
        .picture = sight.picture,
        .data_type = atomic_load(&daemon->access.mode) == ACCESS_SYMLINK ? S_IFLNK : S_IFREG,
    };
    if (entries_has_meta(sight.picture, sight.node)) {
        struct entry meta = {.node = sight.node, .kind = ENTRY_META};
        result = add_entry(&scene, &meta, ENTRIES_META, S_IFREG);
    }
    for (struct cshm_node *node = sight.node->first; result == 0 && node; node = node->next)
        result = add_node(&scene, node);
    sight_end(&sight);
    return result;
}

/* --- From outside -------------------------------------------------------------------------------
 */

int listing_create(struct daemon *daemon, struct inode *directory, struct listing **out)
{
    struct listing *listing = calloc(1, sizeof *listing);
    if (!listing)
        return -ENOMEM;
    int result = add_dots(daemon, listing, directory);
    if (result == 0 && directory->kind == INODE_ROOT)
        result = add_projects(daemon, listing);
    else if (result == 0)
        result = add_nodes(daemon, listing, directory);
    if (result < 0) {
        listing_destroy(listing);
        return result;
    }
    *out = listing;
    return 0;
}

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
