/* SPDX-License-Identifier: MIT */
/*
 * Views: the forms in which a node of a project is a file. Each is a table of functions; the
 * callbacks know only the table.
 */
#ifndef MOUNT_VIEW_H
#define MOUNT_VIEW_H

#include "base/buffer.h"
#include "sight.h"

struct view {
    /* Fills size, blocks, mode, owner and times; the rest was set. 0 or negative errno. */
    int (*attributes)(struct daemon *daemon, struct inode *inode, const struct sight *sight,
                      struct stat *out);
    /*
     * Makes an open file: sets file->fh and how the kernel is to treat it. Called under a sight for
     * file->flags, which the kernel has checked against owner and mode. 0 or negative errno; 1:
     * something has to be changed for it, by open_changing().
     */
    int (*open)(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                const struct sight *sight, struct fuse_file_info *file);
    /* Likewise, without a sight. NULL where open() never says 1. */
    int (*open_changing)(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                         struct fuse_file_info *file);
    /* Answers the request. NULL: the kernel never asks (passthrough). */
    void (*read)(struct daemon *daemon, fuse_req_t request, size_t size, off_t offset,
                 const struct fuse_file_info *file);
    /* Likewise; with DIRECT_IO, so as it was written. NULL: the kernel never asks. */
    void (*write)(struct daemon *daemon, fuse_req_t request, struct inode *inode, const char *bytes,
                  size_t size, off_t offset, const struct fuse_file_info *file);
    /*
     * A descriptor that was open for writing is closed (there may be more of them), and fsync: what
     * close(2) and fsync(2) are to say. 0 or negative errno. NULL: nothing to do.
     */
    int (*flush)(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                 const struct fuse_file_info *file);
    int (*sync)(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                const struct fuse_file_info *file);
    /* fallocate(2). 0 or negative errno. NULL: -EOPNOTSUPP. */
    int (*allocate)(struct daemon *daemon, fuse_req_t request, struct inode *inode, int mode,
                    uint64_t offset, uint64_t length, const struct fuse_file_info *file);
    /* truncate(2), or ftruncate(2) of `file`. 0 or negative errno. NULL: -EINVAL. */
    int (*resize)(struct daemon *daemon, fuse_req_t request, struct inode *inode, uint64_t size,
                  const struct fuse_file_info *file);
    /* Undoes open. */
    void (*release)(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                    const struct fuse_file_info *file);
};

/*
 * Making what is not there yet, one function for each form of file; a new name is in `directory`,
 * which is not the root. Opens it (`file`; NULL: mknod) and says what it is in `entry`. 0 or
 * negative errno.
 */
int array_create(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                 const char *name, mode_t mode, struct fuse_file_info *file,
                 struct fuse_entry_param *entry);
int sidecar_create(struct daemon *daemon, fuse_req_t request, struct inode *directory,
                   const char *name, mode_t mode, struct fuse_file_info *file,
                   struct fuse_entry_param *entry);
int npy_create(struct daemon *daemon, fuse_req_t request, struct inode *directory, const char *name,
               mode_t mode, struct fuse_file_info *file, struct fuse_entry_param *entry);

/*
 * Renaming the array `name` in `from` onto a sidecar or a view: its bytes are what was to be
 * written there; both are in one project. And renaming a sidecar to anything.
 */
int sidecar_take(struct daemon *daemon, fuse_req_t request, struct inode *from, const char *name,
                 struct inode *to, const char *new_name, unsigned flags);
int sidecar_rename(struct daemon *daemon, fuse_req_t request, struct inode *from, const char *name,
                   struct inode *to, const char *new_name, unsigned flags);
int npy_take(struct daemon *daemon, fuse_req_t request, struct inode *from, const char *name,
             struct inode *to, const char *new_name, unsigned flags);

extern const struct view view_raw;     /* an array's bytes */
extern const struct view view_sidecar; /* what is known of it, as text */
extern const struct view view_npy;     /* both as a .npy file */

/*
 * Opens an array that was made, emptied or looked at by the caller for that, under the lock for a
 * change and with the segment claimed (claim.h). 0 or negative errno.
 */
int view_raw_open(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                  const struct sight *sight, struct fuse_file_info *file);

/* A number for what the header of an array's .npy view says. */
uint64_t view_npy_version(const struct cshm_node *array);

/*
 * Whether what a sidecar says now is not what the kernel was told of it. The sight is one that the
 * caller has made up under the picture's `loading`.
 */
bool view_sidecar_differs(struct daemon *daemon, struct inode *sidecar, const struct sight *sight);

/* Of a sidecar that is open somewhere, whether or not it is still there: what it was when opened.
 */
bool view_sidecar_last_seen(struct daemon *daemon, const struct inode *sidecar, struct stat *out);

/* The text as it is now. 0 or -ENOMEM. */
int view_sidecar_render(struct daemon *daemon, const struct sight *sight, struct cshm_buffer *out);

/* Opens a sidecar that is not there yet but being written. -ENOENT: it is not. */
int view_sidecar_open_draft(struct daemon *daemon, fuse_req_t request, struct inode *sidecar,
                            struct fuse_file_info *file);

/* Opens one that went with its array, for who removed that, to be read (ghost.h). -ENOENT. */
int view_sidecar_open_ghost(struct daemon *daemon, fuse_req_t request, struct inode *sidecar,
                            struct fuse_file_info *file);

/*
 * What such a name is, in a directory whose node is `group`, under its picture's lock: -ENOENT:
 * nothing. out->ino counts as a lookup.
 */
int sidecar_resolve_draft(struct daemon *daemon, struct inode *directory, struct cshm_node *group,
                          const char *name, struct fuse_entry_param *out);

/* Forgets it: it was removed before it was judged. Whether there was one. */
bool sidecar_remove_draft(struct daemon *daemon, struct inode *directory, const char *name);

/* Whether a file was opened when the array was empty, and it still is. */
bool view_raw_is_empty(struct daemon *daemon, struct inode *inode,
                       const struct fuse_file_info *file);

/* Likewise of a view, and of one that is being made. */
bool view_npy_last_seen(struct daemon *daemon, const struct inode *view, struct stat *out);

/*
 * What the view of that name is at present. The kernel asks for attributes before it opens one: it
 * is the open that is to say that it was replaced meanwhile, for the kernel looks again only once.
 */
int npy_present(struct daemon *daemon, fuse_req_t request, const struct inode *inode,
                struct stat *out);

/*
 * Opens a view to be written whole, which is another file until it is closed: -ESTALE the first
 * time (npy_detour.h).
 */
int npy_open_to_write(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                      struct fuse_file_info *file);

/* Of any inode that is no directory. */
const struct view *view_of(const struct inode *inode);

#endif
