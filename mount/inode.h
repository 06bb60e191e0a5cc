/* SPDX-License-Identifier: MIT */
/*
 * Identity: which object of the kernel's is which object of ours.
 *
 * A node id is the address of a struct inode. The kernel counts how often we told it one and gives
 * them back with FORGET; our own holds (a child holds its parent, a ghost its directory) are
 * counted in the same number, and at zero the inode goes. Nothing here says whether the thing still
 * exists: an inode is a name to look under, and each request looks again in the project's present
 * picture (sight.h). So a project may be replaced under the kernel's feet and no pointer dangles.
 *
 * What makes two lookups the same inode:
 *
 *   directory   the chain of keys from its project, as a parent pointer and a key. A rename
 *               changes one inode and all below it follow.
 *   sidecar     likewise: of the child `key` of `parent` (x.meta), or of `parent` itself (.meta).
 *   array       the segment: inode number, name, and the user on whose word it is used (the
 *               manifest's owner). One segment under several names is one inode, because the kernel
 *               keeps one backing file, one size and one set of locks per inode; a segment that was
 *               replaced is another inode, which is how stale bytes are never served. An array
 * inode remembers the name it was last looked up by (parent and key), since its dtype and its right
 * to exist come from the manifest.
 *
 *   view        both: by its name, by the segment, and by what its header says, for the kernel
 * caches its bytes: those of one header and one segment. While one is being written it is an inode
 * of its own that no lookup finds.
 *
 * A directory that was removed through the mount is another matter: the kernel marks its inode dead
 * for good, and one made anew by that name would look empty for as long as the old one is known. So
 * it is retired: found by no lookup again, and freed when it is forgotten. One that was moved
 * through the mount has been moved by the kernel, too: it gets its new parent and key, and in
 * another project its picture (inode_move), under the lock for a change of the pictures concerned.
 *
 * st_ino is not the node id, because it must be the same in readdir (which makes no inode) and
 * after a FORGET. Arrays are even, twice their segment's number; the sidecar of the first array
 * that names a segment is the number after it: above 10,000 entries rm(1) removes in the order of
 * inode numbers, and the array has to go before its sidecar. All others are hashes of project, path
 * and kind with the top bit set, which no segment number reaches. A directory keeps its number when
 * it is moved, and as long as it is known nothing else gets that.
 */
#ifndef MOUNT_INODE_H
#define MOUNT_INODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/names.h"
#include "base/text.h"
#include "libfuse.h"
#include "picture.h"

enum inode_kind {
    INODE_ROOT,
    INODE_DIRECTORY,
    INODE_ARRAY,
    INODE_SIDECAR, /* of a child */
    INODE_META,    /* of the directory itself */
    INODE_NPY,     /* the view of a child as a .npy file */
};

/*
 * There are two of these for each array that the kernel knows, so they are kept small: the key
 * stands behind the structure, and what only some have is elsewhere.
 */
struct inode {
    struct inode *next;   /* in its bucket; guarded by the table's lock, as are the next two */
    struct inode *parent; /* held; NULL for the root. Of arrays and directories it may change */
    uint64_t references;
    uint32_t key_length; /* likewise, under the table's lock */
    uint8_t kind;        /* enum inode_kind, fixed */
    bool retired;        /* found by no lookup any more; guarded by the table's lock */
    bool announced;      /* its attributes are waiting to be invalidated; guarded by the herald */
};

struct inode_array {
    struct inode inode;
    uint64_t number;         /* of the segment */
    char *key;               /* behind the segment's name, or in memory of its own */
    struct inode_use *use;   /* while it is open; guarded by backing.c */
    _Atomic uint64_t length; /* of the segment, as the kernel was last told */
    _Atomic uid_t owner;     /* on whose word */
    char segment[];          /* and behind it the key */
};

/* An array that is open. */
struct inode_use {
    int backing_id;
    unsigned opens;
    unsigned through; /* of them: whose bytes are the segment's own */
    int fd;           /* of the segment, once it was opened for writing; or -1 */
    bool claimed;     /* with `fd` (claim.h), until nobody is through */
    bool touched;     /* it was, or was emptied: its size has to be looked at in the end */
    struct stat last; /* as of the last open, for descriptors that outlive the name */
};

struct inode_directory {
    struct inode inode;
    uint64_t number; /* st_ino */
    /*
     * Held. Written under the table's lock, with this picture and the next one locked for a change:
     * whoever has locked it and finds that it is still this one, may rely on it, and on parents and
     * keys up to the root. Others see inode_hold_picture().
     */
    struct picture *picture;
    struct inode_directory *next_moved; /* guarded by the table's lock, as is the next */
    bool moved;                         /* is in the table's `moved` */
    char *key;                          /* behind the structure, or in memory of its own */
    /* The node in generation `seen`; written by readers of the picture, who all find the same. */
    _Atomic uint64_t seen;
    _Atomic(struct cshm_node *) node;
    _Atomic int64_t changed; /* mtime, nanoseconds: when an entry came or went; 0: not looked at */
    char own_key[];
};

/* INODE_SIDECAR */
struct inode_sidecar {
    struct inode inode;
    /* Guarded by the table's lock. */
    uint64_t text_hash; /* of the text when `changed` was set; 0: not looked at */
    int64_t changed;    /* nanoseconds */
    _Atomic(struct manuscript *) manuscript; /* while it is written; guarded by manuscript.c */
    char key[];
};

/* INODE_META: its text sums up all below, so its length is kept as long as that is the same. */
struct inode_meta {
    struct inode_sidecar sidecar;
    uint64_t generation; /* of the picture ... */
    uint64_t remarks;    /* ... and how many changes of those there were (remark.h) */
    size_t length;
};

/* INODE_NPY */
struct inode_npy {
    struct inode inode;
    uint64_t number;        /* of the segment; 0: being made, there is none */
    uint64_t version;       /* of what the header says; while it is made: no other's */
    uid_t owner;            /* on whose word */
    _Atomic int64_t cached; /* mtime of the segment when the kernel cached it; 0: not known */
    char segment[];         /* and behind it the key */
};

static inline struct inode_npy *inode_npy(struct inode *inode)
{
    return (struct inode_npy *)inode;
}

static inline bool inode_is_made(struct inode *inode)
{
    return inode->kind == INODE_NPY && inode_npy(inode)->number == 0;
}

static inline struct inode_array *inode_array(struct inode *inode)
{
    return (struct inode_array *)inode;
}

static inline struct inode_directory *inode_directory(struct inode *inode)
{
    return (struct inode_directory *)inode;
}

/* INODE_SIDECAR or INODE_META */
static inline struct inode_sidecar *inode_sidecar(struct inode *inode)
{
    return (struct inode_sidecar *)inode;
}

static inline struct inode_meta *inode_meta(struct inode *inode)
{
    return (struct inode_meta *)inode;
}

enum { INODE_MOVED_BUCKETS = 64 };

struct inode_table {
    pthread_mutex_t lock; /* innermost but for the table of pictures' */
    struct inode root;
    struct inode **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    /* By number: directories whose number is that of a path they are not at any more. */
    struct inode_directory *moved[INODE_MOVED_BUCKETS];
};

struct inode_key {
    enum inode_kind kind;
    struct inode *parent;
    struct cshm_text key;
    struct picture *picture; /* of a directory */
    const char *segment;     /* of an array or a view, and the next two */
    ino_t segment_number;
    uid_t owner;
    uint64_t version; /* of a view */
};

int inode_table_init(struct inode_table *table);

/* Frees all: the kernel does not send FORGET when it unmounts. */
void inode_table_finish(struct inode_table *table);

static inline struct inode *inode_from_id(struct inode_table *table, fuse_ino_t id)
{
    return id == FUSE_ROOT_ID ? &table->root : (struct inode *)(uintptr_t)id;
}

static inline fuse_ino_t inode_id(const struct inode_table *table, const struct inode *inode)
{
    return inode == &table->root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)inode;
}

/*
 * The inode of `key`, made if need be, with one reference more, which goes to the kernel or is
 * given back with inode_drop(). NULL: out of memory.
 */
struct inode *inode_get(struct inode_table *table, const struct inode_key *key);

/* The same only if there is one; of any kind but arrays. Held. */
struct inode *inode_find(struct inode_table *table, enum inode_kind kind, struct inode *parent,
                         struct cshm_text key);

/*
 * The inodes of a segment's name, held: there may be several, the older ones of segments that are
 * gone. At most `room`; returns how many.
 */
size_t inode_find_arrays(struct inode_table *table, const char *segment, struct inode **out,
                         size_t room);

/* The same for the views of arrays. */
size_t inode_find_views(struct inode_table *table, const char *segment, struct inode **out,
                        size_t room);

/* All but the root, held; `*out` is the caller's to free. 0 or -ENOMEM. */
int inode_find_all(struct inode_table *table, struct inode ***out, size_t *count);

void inode_hold(struct inode_table *table, struct inode *inode);
void inode_drop(struct inode_table *table, struct inode *inode, uint64_t references);

/* The directory `key` in `parent` was removed: the next one by that name is another inode. */
void inode_retire(struct inode_table *table, struct inode *parent, struct cshm_text key);

/* Where an inode is now; of a directory: with all below it. */
struct inode_movement {
    struct inode *inode;  /* a directory or an array, held by the caller */
    struct inode *parent; /* a directory or the root */
    struct cshm_text key;
    struct picture *picture; /* of a directory: the one it is in now */
};

/*
 * Moves them at the same time (two change places). What has a directory's new name is retired. The
 * pictures concerned are locked for a change. 0, or -ENOMEM and nothing was done.
 */
int inode_move(struct inode_table *table, const struct inode_movement *moves, size_t count);

/* The arrays of this segment that were obeyed on the word of `from` are so on that of `to`. */
void inode_give(struct inode_table *table, const char *segment, uid_t from, uid_t to);

/* The picture of a directory at this moment, held. */
struct picture *inode_hold_picture(struct inode_table *table, const struct inode *directory);

/* Whether two directories are of one project at this moment. */
bool inode_same_project(struct inode_table *table, const struct inode *a, const struct inode *b);

/* Whether it is this one. */
bool inode_is_in(struct inode_table *table, const struct inode *directory,
                 const struct picture *picture);

/* The parent at this moment, held. */
struct inode *inode_hold_parent(struct inode_table *table, const struct inode *inode);

/* Its key. Of arrays and directories only under the table's lock, or the picture's. */
struct cshm_text inode_name(const struct inode *inode);

/* st_ino of a directory or an array. */
uint64_t inode_number(const struct inode *inode);

/* st_ino of the directory `key` in `parent`, be it known or not. */
uint64_t inode_number_directory(struct inode_table *table, struct inode *parent,
                                struct cshm_text key);

/* st_ino of a sidecar that has no array's: of the child `key`, or of .meta. */
uint64_t inode_number_hashed(uint64_t parent, enum inode_kind kind, struct cshm_text key);

static inline uint64_t inode_number_array(uint64_t segment)
{
    return segment * 2 & ~(UINT64_C(1) << 63);
}

#endif
