/* SPDX-License-Identifier: MIT */
/* Callbacks: directories. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "listing.h"
#include "ops.h"

enum { INODES_OF_SEGMENT = 8 };

struct directory_handle {
    struct handle handle;
    struct listing *listing;
};

static struct directory_handle *handle_of(const struct fuse_file_info *file)
{
    return (struct directory_handle *)(uintptr_t)file->fh;
}

static void destroy_handle(struct handle *handle)
{
    struct directory_handle *directory = (struct directory_handle *)handle;
    listing_destroy(directory->listing);
    free(directory);
}

static int open_directory(struct daemon *daemon, struct inode *inode, struct directory_handle **out)
{
    struct directory_handle *handle = calloc(1, sizeof *handle);
    if (!handle)
        return -ENOMEM;
    int result = listing_create(daemon, inode, &handle->listing);
    if (result == 0)
        result = handle_add(&daemon->handles, &handle->handle, listing_bytes(handle->listing),
                            destroy_handle);
    if (result < 0)
        destroy_handle(&handle->handle);
    else
        *out = handle;
    return result;
}

void ops_opendir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct directory_handle *handle = NULL;
    int result = open_directory(daemon, inode_from_id(&daemon->inodes, id), &handle);
    if (result < 0) {
        ops_reply_result(request, result);
        return;
    }
    file->fh = (uint64_t)(uintptr_t)handle;
    if (fuse_reply_open(request, file) < 0)
        handle_end(&daemon->handles, &handle->handle);
}

void ops_releasedir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    (void)id;
    handle_end(&ops_daemon(request)->handles, &handle_of(file)->handle);
    ops_reply_result(request, 0);
}

void ops_fsyncdir(fuse_req_t request, fuse_ino_t id, int datasync, struct fuse_file_info *file)
{
    (void)id, (void)datasync, (void)file;
    ops_reply_result(request, 0);
}

/* rewinddir: the directory as it is now. The kernel lets one reader of a handle in at a time. */
static void rewind_listing(struct daemon *daemon, struct inode *directory,
                           struct directory_handle *handle)
{
    struct listing *fresh;
    if (!handle->listing->served || listing_create(daemon, directory, &fresh) < 0)
        return;
    if (handle_resize(&daemon->handles, &handle->handle, listing_bytes(fresh)) < 0) {
        listing_destroy(fresh);
        return;
    }
    listing_destroy(handle->listing);
    handle->listing = fresh;
}

/* Room for one more entry? Gives its size, and adds it if there is. */
static size_t add_plain(fuse_req_t request, char *buffer, size_t room,
                        const struct listing *listing, size_t i)
{
    struct stat st = {.st_ino = listing->entries[i].number, .st_mode = listing->entries[i].type};
    return fuse_add_direntry(request, buffer, room, listing_name(listing, i), &st, (off_t)(i + 1));
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* One reading of a directory. */
struct reading {
    fuse_req_t request;
    struct daemon *daemon;
    struct inode *directory;
    const struct listing *listing;
    struct sight sight; /* with attributes, of a project or group: what is there now */
    bool seen;
    bool plus;
};

static int resolve(const struct reading *reading, const char *name, struct fuse_entry_param *out)
{
    if (reading->seen)
        return ops_resolve_seen(reading->daemon, reading->directory, &reading->sight, name, out);
    return ops_resolve(reading->daemon, reading->request, reading->directory, name, out);
}

static bool knows_sidecar(const struct reading *reading, const char *name)
{
    struct inode_table *table = &reading->daemon->inodes;
    char stem[CSHM_FSNAME_MAX + 1];
    char key[CSHM_FSNAME_MAX + 1];
    size_t length = strlen(name) - strlen(ENTRIES_META);
    if (length > CSHM_FSNAME_MAX)
        return false;
    memcpy(stem, name, length);
    stem[length] = '\0';
    if (cshm_fsname_decode(stem, key, &length) < 0)
        return false; /* a long name, known by its hash */
    struct inode *inode =
        inode_find(table, INODE_SIDECAR, reading->directory, (struct cshm_text){key, length});
    if (inode)
        inode_drop(table, inode, 1);
    return inode != NULL;
}

static bool knows_array(const struct reading *reading, const char *name, uint64_t number)
{
    struct inode_table *table = &reading->daemon->inodes;
    struct inode *arrays[INODES_OF_SEGMENT];
    const struct sight *sight = &reading->sight;
    const struct cshm_node *node = cshm_node_child_by_fsname(sight->node, name);
    const char *segment = node ? cshm_node_segment(node) : NULL;
    size_t count = segment ? inode_find_arrays(table, segment, arrays, INODES_OF_SEGMENT) : 0;
    bool known = false;
    for (size_t i = 0; i < count; i++) {
        struct inode *parent = inode_hold_parent(table, arrays[i]);
        known |= parent == reading->directory && inode_number(arrays[i]) == number &&
                 inode_array(arrays[i])->owner == sight->picture->project.uid;
        inode_drop(table, parent, 1);
        inode_drop(table, arrays[i], 1);
    }
    return known;
}

/*
 * Whether the kernel knows the entry and is told when it changes. Then it need not be told again
 * what it is, each time that all are listed: that would be a look at each segment and a text of
 * each sidecar. Should it have forgotten just the name, it asks. Numbers with the top bit are of
 * what has no segment, and of that there is no word.
 */
static bool kernel_knows(const struct reading *reading, const char *name, uint64_t number)
{
    if (!reading->seen || number >> 63 || !watch_is_on(&reading->daemon->watch))
        return false;
    return number % 2 ? knows_sidecar(reading, name) : knows_array(reading, name, number);
}

/*
 * With the attributes of what is there now. An entry without them (the dots, what the kernel knows,
 * and what went meanwhile) has no inode and is no lookup.
 */
static size_t add_plus(const struct reading *reading, char *buffer, size_t room, size_t i)
{
    const struct listing_entry *listed = &reading->listing->entries[i];
    const char *name = listing_name(reading->listing, i);
    struct fuse_entry_param entry;
    size_t size = fuse_add_direntry_plus(reading->request, NULL, 0, name, NULL, 0);
    if (size > room)
        return size;
    if (is_dots(name) || kernel_knows(reading, name, listed->number) ||
        resolve(reading, name, &entry) < 0)
        memset(&entry, 0, sizeof entry);
    if (entry.ino == 0) {
        entry.attr.st_ino = listed->number;
        entry.attr.st_mode = listed->type;
    }
    return fuse_add_direntry_plus(reading->request, buffer, room, name, &entry, (off_t)(i + 1));
}

static size_t fill(const struct reading *reading, char *buffer, size_t size, off_t offset)
{
    size_t used = 0;
    for (size_t i = (size_t)offset; i < reading->listing->count; i++) {
        size_t room = size - used;
        size_t needed = reading->plus
                            ? add_plus(reading, buffer + used, room, i)
                            : add_plain(reading->request, buffer + used, room, reading->listing, i);
        if (needed > room)
            break;
        used += needed;
    }
    return used;
}

static void read_directory(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                           struct fuse_file_info *file, bool plus)
{
    struct daemon *daemon = ops_daemon(request);
    struct inode *directory = inode_from_id(&daemon->inodes, id);
    struct directory_handle *handle = handle_of(file);
    if (offset == 0)
        rewind_listing(daemon, directory, handle);
    handle->listing->served = true;
    char *buffer = malloc(size);
    if (!buffer) {
        ops_reply_result(request, -ENOMEM);
        return;
    }
    struct reading reading = {.request = request,
                              .daemon = daemon,
                              .directory = directory,
                              .listing = handle->listing,
                              .plus = plus};
    /* Once for all entries: each would look whether the manifest is still the same one. */
    reading.seen = plus && directory->kind != INODE_ROOT &&
                   sight_begin(daemon, directory, &reading.sight) == 0;
    size_t used = fill(&reading, buffer, size, offset);
    if (reading.seen)
        sight_end(&reading.sight);
    (void)fuse_reply_buf(request, buffer, used);
    free(buffer);
}

void ops_readdir(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                 struct fuse_file_info *file)
{
    read_directory(request, id, size, offset, file, false);
}

void ops_readdirplus(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                     struct fuse_file_info *file)
{
    read_directory(request, id, size, offset, file, true);
}
