/* SPDX-License-Identifier: MIT */
/*
 * Pictures: what the daemon knows of each project, one picture per project.
 *
 * A picture is replaced whole when somebody else changed the manifest, and changed in place by our
 * own changes: a manifest of 100,000 arrays cannot be parsed for each unlink. Node pointers taken
 * from it are valid while its lock is held; kept ones only for the generation they were found in.
 *
 * Lock order, outermost first: a manuscript's judgement, picture.loading, picture.lock, the
 * registry's lock file (store.h); under any of these one of: the folder's (and in that the table of
 * pictures'), a backing lock (backing.c), the inode table's (and in that the table of pictures'),
 * the herald's, that of manuscripts, remarks, pristine arrays or links (and in the manuscripts'
 * that of handles). Ghosts' lock is before the inode table's, and taken under none of the first
 * three. Of one kind nobody has two, but for what moves between two projects: then both pictures'
 * `loading` in the order of the projects' names, and after that both locks in the same order
 * (pictures_write_both). Under no lock is the kernel notified (herald.h) or a request answered.
 * (The length of an array that a judgement has made longer is told under that judgement alone.) A
 * reader waits for a writer, and a writer of ours may wait five seconds for the registry's lock.
 */
#ifndef MOUNT_PICTURE_H
#define MOUNT_PICTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "census.h"
#include "links.h"
#include "model/operation.h"
#include "store/project.h"

struct pictures;

struct picture {
    struct pictures *all;
    struct picture *next; /* in its bucket; guarded by the table's lock */
    size_t references;    /* likewise */
    char *name;           /* fixed */
    bool to_be_folded;    /* guarded by the folder's lock */

    pthread_mutex_t loading; /* held by whoever replaces or changes the picture */
    pthread_rwlock_t lock;   /* of all below; written only with `loading` held too */
    bool shown;              /* there is something to show in `project` */
    bool unsure;             /* a change went wrong: to be read again before the next use */
    bool closed;             /* a manifest that this user may not read: shown empty, not changed */
    struct cshm_project project;
    struct census census;
    bool counting;                        /* an operation that the census has not seen the end of */
    const struct cshm_node *own;          /* what a request of ours is changing this moment ... */
    const struct cshm_commit *own_commit; /* ... or its operations ... */
    bool own_transfer;                    /* ... or it comes from another project or goes there */
    /* Another number, of all pictures' the latest: node pointers of before are void. */
    uint64_t generation;

    /* A manifest that was tried and is not shown; guarded by `loading`. */
    bool tried;
    struct cshm_stamp tried_stamp;
    bool busy;        /* somebody had it open for writing */
    bool retry_later; /* half-written: parse it again 2 s after its last change */
};

/*
 * Who is told of changes. `replaced`: under `loading` only, after the swap; either may be NULL.
 * `changing`: before an operation is applied, with the picture locked for a change; `own`: by a
 * request here. `unfolded`: likewise, its journal has something that the manifest has not.
 * `linked`: a segment that several projects name has more names or fewer; under any of those locks.
 */
struct pictures_observer {
    void *context;
    void (*replaced)(void *context, struct picture *picture, const struct cshm_project *before,
                     const struct cshm_project *after);
    void (*changing)(void *context, struct picture *picture, const struct cshm_operation *operation,
                     const struct cshm_operation_place *place, bool own);
    void (*unfolded)(void *context, struct picture *picture);
    links_told *linked;
};

struct pictures {
    pthread_mutex_t lock;
    struct cshm_store *store;
    struct pictures_observer observer;
    struct links links;
    _Atomic uint64_t generations; /* so many there were */
    struct picture **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    bool read_only; /* journals are left as they are; set before there are pictures */
};

int pictures_init(struct pictures *pictures, struct cshm_store *store,
                  const struct pictures_observer *observer);
void pictures_finish(struct pictures *pictures);

/* The picture of a project, loaded or not; released with picture_put(). NULL: out of memory. */
struct picture *picture_get(struct pictures *pictures, const char *name);

/* The same only if there is one. */
struct picture *picture_find(struct pictures *pictures, const char *name);

/* All there are, held; `*out` is the caller's to free. 0 or -ENOMEM. */
int pictures_all(struct pictures *pictures, struct picture ***out, size_t *count);

void picture_hold(struct picture *picture);
void picture_put(struct picture *picture);

/*
 * Brings it up to date with the manifest; loads once however many ask at the same time. 0 when
 * there is something to show; -ENOENT; other negative errno when it cannot be read. Holds no lock
 * after. For the thread that watches the registry as well as for requests.
 */
int picture_refresh(struct picture *picture);

/*
 * The same also if the manifest looks like one that was tried in vain: its writer has closed it.
 * True when it is worth another look two seconds after its last change.
 */
bool picture_look_again(struct picture *picture);

/* Up to date and locked for reading until picture_unlock(). Never twice in one thread. */
int picture_read(struct picture *picture);

/* Up to date and locked for a change. */
int picture_write(struct picture *picture);

/* Whether it is still what the registry says; after picture_read(), before picture_unlock(). */
bool picture_is_current(const struct picture *picture);

void picture_unlock(struct picture *picture);    /* after picture_read() */
void picture_write_end(struct picture *picture); /* after picture_write() */

/*
 * Makes a change of `node`, found under this picture_write(). -ESTALE: somebody else's manifest is
 * there now and nothing was done: begin again with picture_write().
 */
int picture_change(struct picture *picture, enum cshm_change_kind kind,
                   const struct cshm_node *node, struct cshm_error *error);

/* The same for operations of any kind (cshm_project_commit). Nodes found before keep their memory.
 */
int picture_commit(struct picture *picture, const struct cshm_commit *commit,
                   struct cshm_error *error);

/*
 * Unpublishes the project, which must be empty (-ENOTEMPTY) or damaged (then its segments go too);
 * between picture_write() and its end. -ESTALE as of picture_change().
 */
int picture_remove_project(struct picture *picture, struct cshm_error *error);

/*
 * Two pictures, or one twice, up to date and locked for a change. `may_lack`: the second need not
 * be shown. As picture_write().
 */
int pictures_write_both(struct picture *first, struct picture *second, bool may_lack);
void pictures_write_both_end(struct picture *first, struct picture *second);

/*
 * cshm_project_transfer() between two that are locked so, which passage->check is asked about. A
 * source that ended is not shown any more. -ESTALE: begin again.
 */
int pictures_transfer(struct picture *source, struct picture *target,
                      const struct cshm_passage *passage, struct cshm_error *error);

/*
 * cshm_project_rename() of two that are locked so. Neither is shown then until it is read. -ESTALE:
 * begin again.
 */
int pictures_rename(struct picture *from, struct picture *to, enum cshm_rename how,
                    struct cshm_error *error);

/* cshm_project_give() of one that is locked for a change; it is read again before its next use. */
int picture_give(struct picture *picture, const struct cshm_gift *gift, struct cshm_error *error);

/* Writes what is only in the journal into the manifest. 0 or negative errno. Takes the locks. */
int picture_fold(struct picture *picture, struct cshm_error *error);

/*
 * Whether what is shown, without a look at the registry, has let go of the segment: whoever is to
 * be told of that is told by who changed it (pictures_observer).
 */
bool picture_has_let_go(struct picture *picture, const char *segment);

/* Lets go of pictures of projects that are gone and that nobody holds. `present` is sorted. */
void pictures_sweep(struct pictures *pictures, char *const *present, size_t count);

/*
 * Whether a name in the registry is a project to list: one that can be shown, or cannot be read by
 * this user. Cheap for a manifest that has settled.
 */
bool picture_is_listed(struct pictures *pictures, const char *name);

#endif
