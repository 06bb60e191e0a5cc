/* SPDX-License-Identifier: MIT */
/* Callbacks: directories. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/scope.h"
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

/*
 * As long as it is told of all changes, the kernel keeps what it has read of a directory, and asks
 * for it again when an entry came or went (it looks at the mtime, and drops it itself where the
 * change came through it). The root's mtime is the registry's and does not say all: not that.
 */
static bool may_be_kept(struct daemon *daemon, const struct inode *directory)
{
    return directory->kind != INODE_ROOT && watch_is_on(&daemon->watch);
}

void ops_opendir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *file)
{
    struct daemon *daemon = ops_daemon(request);
    struct directory_handle *handle = calloc(1, sizeof *handle);
    int result = handle
                     ? handle_add(&daemon->handles, &handle->handle, sizeof *handle, destroy_handle)
                     : -ENOMEM;
    if (result < 0) {
        free(handle);
        ops_reply_result(request, result);
        return;
    }
    file->fh = (uint64_t)(uintptr_t)handle;
    file->cache_readdir = file->keep_cache =
        may_be_kept(daemon, inode_from_id(&daemon->inodes, id));
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

/* One reading of a directory. */
struct reading {
    fuse_req_t request;
    struct daemon *daemon;
    struct inode *directory;
    const struct listing *listing;
    struct sight sight; /* of any but the root */
    bool plus;          /* with attributes */
    /* The last array or bare node: its sidecar comes next. */
    const struct cshm_node *looked_at;
    struct entries looks;
};

/* An entry as it is now: ENTRY_NONE when it went meanwhile. */
static void look(struct reading *reading, size_t i, struct entry *out)
{
    const struct listing_entry *listed = &reading->listing->entries[i];
    const struct picture *picture = reading->sight.picture;
    *out = (struct entry){.node = listed->node, .kind = listed->kind};
    if (reading->listing->generation != picture->generation) {
        entry_find(picture, reading->sight.node, listing_name(reading->listing, i), out);
        if (out->kind != listed->kind)
            out->kind = ENTRY_NONE;
        return;
    }
    if (listed->kind != ENTRY_DATA && listed->kind != ENTRY_SIDECAR)
        return;
    if (reading->looked_at != listed->node) {
        entries_of(picture, listed->node, &reading->looks);
        reading->looked_at = listed->node;
    }
    out->looks = reading->looks;
    if (!(listed->kind == ENTRY_DATA ? out->looks.data : out->looks.sidecar))
        out->kind = ENTRY_NONE;
}

static bool knows_sidecar(const struct reading *reading, const struct entry *entry)
{
    struct inode_table *table = &reading->daemon->inodes;
    struct inode *inode = inode_find(table, INODE_SIDECAR, reading->directory, entry->node->key);
    if (inode)
        inode_drop(table, inode, 1);
    return inode != NULL;
}

static bool knows_array(const struct reading *reading, const struct entry *entry)
{
    struct inode_table *table = &reading->daemon->inodes;
    struct inode *arrays[INODES_OF_SEGMENT];
    size_t count =
        inode_find_arrays(table, entry->node->described->segment, arrays, INODES_OF_SEGMENT);
    bool known = false;
    for (size_t i = 0; i < count; i++) {
        struct inode *parent = inode_hold_parent(table, arrays[i]);
        const struct inode_array *array = inode_array(arrays[i]);
        known |= parent == reading->directory && array->number == entry->looks.segment.st_ino &&
                 array->owner == reading->sight.picture->project.uid;
        inode_drop(table, parent, 1);
        inode_drop(table, arrays[i], 1);
    }
    return known;
}

/*
 * Whether the kernel knows the entry and is told when it changes. Then it need not be told again
 * what it is, each time that all are listed: that would be a text of each sidecar. Should it have
 * forgotten just the name, it asks. Of what has no segment there is no word when it changes.
 */
static bool kernel_knows(const struct reading *reading, const struct entry *entry)
{
    if (!entry->looks.data || !watch_is_on(&reading->daemon->watch))
        return false;
    return entry->kind == ENTRY_SIDECAR ? knows_sidecar(reading, entry)
                                        : knows_array(reading, entry);
}

static mode_t type_of(struct daemon *daemon, const struct entry *entry)
{
    if (entry->kind == ENTRY_GROUP)
        return S_IFDIR;
    bool links = atomic_load(&daemon->access.mode) == ACCESS_SYMLINK;
    return entry->kind == ENTRY_DATA && links ? S_IFLNK : S_IFREG;
}

/*
 * What the kernel is told of an entry: with `plus` all there is to know, which counts as a lookup.
 * An entry without (the dots, and what the kernel knows) has no inode and is no lookup. False: it
 * is not there any more.
 */
static bool describe(struct reading *reading, size_t i, struct fuse_entry_param *out)
{
    const struct listing_entry *listed = &reading->listing->entries[i];
    struct daemon *daemon = reading->daemon;
    struct entry entry;
    memset(out, 0, sizeof *out);
    if (listed->listed != LISTED_ENTRY) {
        if (listed->listed == LISTED_PROJECT && reading->plus &&
            ops_resolve(daemon, reading->request, reading->directory,
                        listing_name(reading->listing, i), out) == 0)
            return true;
        memset(out, 0, sizeof *out);
        out->attr.st_ino = listed->number;
        out->attr.st_mode = S_IFDIR;
        return true;
    }
    look(reading, i, &entry);
    if (entry.kind == ENTRY_NONE)
        return false;
    if (reading->plus && !kernel_knows(reading, &entry) &&
        ops_resolve_found(daemon, reading->directory, &reading->sight, &entry, out) == 0)
        return true;
    memset(out, 0, sizeof *out);
    out->attr.st_ino = sight_number(&reading->daemon->inodes, reading->directory, reading->sight.picture, &entry);
    out->attr.st_mode = type_of(daemon, &entry);
    return true;
}

static size_t add(const struct reading *reading, char *buffer, size_t room, size_t i,
                  const struct fuse_entry_param *entry)
{
    const char *name = listing_name(reading->listing, i);
    off_t next = (off_t)(i + 1);
    return reading->plus
               ? fuse_add_direntry_plus(reading->request, buffer, room, name, entry, next)
               : fuse_add_direntry(reading->request, buffer, room, name, &entry->attr, next);
}

static size_t fill(struct reading *reading, char *buffer, size_t size, off_t offset)
{
    size_t used = 0;
    for (size_t i = (size_t)offset; i < reading->listing->count; i++) {
        struct fuse_entry_param entry = {0};
        if (add(reading, NULL, 0, i, &entry) > size - used)
            break;
        if (describe(reading, i, &entry))
            used += add(reading, buffer + used, size - used, i, &entry);
    }
    return used;
}

/*
 * The names as they are when reading begins, and begins again (rewinddir): what the kernel keeps of
 * them is as old as the mtime it has asked for before. It lets one reader of a handle in at a time.
 */
static int begin_listing(const struct reading *reading, struct directory_handle *handle,
                         off_t offset)
{
    struct listing *fresh;
    if (handle->listing && offset > 0)
        return 0;
    int result = reading->directory->kind == INODE_ROOT
                     ? listing_of_root(reading->daemon, &fresh)
                     : listing_of(reading->directory, &reading->sight, &fresh);
    if (result == 0)
        result = handle_resize(&reading->daemon->handles, &handle->handle,
                               sizeof *handle + listing_bytes(fresh));
    if (result < 0) {
        listing_destroy(fresh);
        return result;
    }
    listing_destroy(handle->listing);
    handle->listing = fresh;
    return 0;
}

/* In `buffer`; how much of it is used, or negative errno. */
static ssize_t read_names(struct reading *reading, struct directory_handle *handle, char *buffer,
                          size_t size, off_t offset)
{
    bool is_root = reading->directory->kind == INODE_ROOT;
    int result = is_root ? 0 : sight_begin(reading->daemon, reading->directory, &reading->sight);
    if (result < 0) /* removed: then it is empty */
        return result == -ENOENT ? 0 : result;
    result = begin_listing(reading, handle, offset);
    reading->listing = handle->listing;
    ssize_t used = result < 0 ? result : (ssize_t)fill(reading, buffer, size, offset);
    if (!is_root)
        sight_end(&reading->sight);
    return used;
}

static void read_directory(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
                           struct fuse_file_info *file, bool plus)
{
    struct daemon *daemon = ops_daemon(request);
    struct reading reading = {.request = request,
                              .daemon = daemon,
                              .directory = inode_from_id(&daemon->inodes, id),
                              .plus = plus};
    CSHM_AUTO_FREE char *buffer = malloc(size);
    ssize_t used = buffer ? read_names(&reading, handle_of(file), buffer, size, offset) : -ENOMEM;
    if (used < 0)
        ops_reply_result(request, (int)used);
    else
        (void)fuse_reply_buf(request, buffer, (size_t)used);
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
