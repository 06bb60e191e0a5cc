/* SPDX-License-Identifier: MIT */
/*
 * Projects: create, fill, publish and drop as one transaction over registry and segments, and every
 * change of a published one. The rename of the manifest is the commit point; any failure or kill
 * before it leaves no trace.
 */
#ifndef CSHM_STORE_PROJECT_H
#define CSHM_STORE_PROJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "model/operation.h"
#include "model/tree.h"
#include "store/store.h"

/* --- Making one ---------------------------------------------------------------------------------
 */

/* A project in the making: a tree and its nameless segments. One thread at a time. */
struct cshm_draft;

/*
 * Starts a project. Without `overwrite`, -EEXIST when it is published already (looked at again when
 * publishing). Raises the soft limit of open files to the hard one. -EINVAL, -ENAMETOOLONG: the
 * name.
 */
int cshm_draft_create(struct cshm_store *store, const char *project, bool overwrite,
                      struct cshm_draft **out, struct cshm_error *error);

/*
 * The same for what is to go below `group` of the project (a path spelt as on a mount; "/": its
 * top), which may exist: publishing adds to the project as it is then, the root's attributes to the
 * group. The group and the project are made if missing; what else is there stays, segments, owner
 * and mode too, and what root adds to another's project becomes that owner's. A child of the
 * draft's root whose name is there already is -EEXIST, or with `overwrite` replaced with all below
 * it; likewise an attribute of the root with another value. -EPERM (another user's project),
 * -ENOTDIR, -EINVAL (a path nothing can have; a damaged project), -ENOENT (a name too long for a
 * directory entry, of nothing that is there). After publishing the tree is empty.
 */
int cshm_draft_create_into(struct cshm_store *store, const char *project, const char *group,
                           bool overwrite, struct cshm_draft **out, struct cshm_error *error);

/* The keys of that group from the project's root; depth 0 for a project of its own. */
const struct cshm_text *cshm_draft_group(const struct cshm_draft *draft, size_t *depth);

/* Whether publishing what the tree has so far would be refused as things are now. */
int cshm_draft_check(const struct cshm_draft *draft, struct cshm_error *error);

/* The tree to fill; nodes are made with cshm_tree_add() and friends. Belongs to the draft. */
struct cshm_tree *cshm_draft_tree(struct cshm_draft *draft);

/*
 * Reserves the memory of an array node whose dtype and shape are set (cshm_tree_set_array). `*fd`
 * (O_RDWR, exactly described->bytes long, 1 for an empty array) is borrowed until
 * cshm_draft_filled(), which must be called when the content is complete. -ENOSPC.
 */
int cshm_draft_reserve(struct cshm_draft *draft, struct cshm_node *node, int *fd,
                       struct cshm_error *error);
int cshm_draft_filled(struct cshm_draft *draft, struct cshm_node *node, struct cshm_error *error);

/*
 * The same without memory and still of length 0: see cshm_segment_begin(). When it is filled, it is
 * exactly described->bytes long (not for empty arrays).
 */
int cshm_draft_begin(struct cshm_draft *draft, struct cshm_node *node, int *fd,
                     struct cshm_error *error);

/* Gives back what was reserved or begun for `node` and all arrays below it, filled or not. */
void cshm_draft_drop(struct cshm_draft *draft, const struct cshm_node *node);

/* Lets `node` (same dtype and shape) have the segment of `other`, which was reserved before. */
int cshm_draft_share(struct cshm_draft *draft, struct cshm_node *node, struct cshm_node *other);

/*
 * Names the segments, puts the manifest in place, frees what it replaced. On failure nothing is
 * published and the draft can only be destroyed.
 */
int cshm_draft_publish(struct cshm_draft *draft, struct cshm_error *error);

/* Forgets a draft; what is not published is gone. Accepts NULL. */
void cshm_draft_destroy(struct cshm_draft *draft);

/* --- Reading one --------------------------------------------------------------------------------
 */

/* Which state of a manifest and its journal something was read from. */
struct cshm_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed; /* mtime */
    struct timespec status;  /* ctime: owner and mode are the project's */
    ino_t journal_inode;     /* 0: there is none */
    off_t journal_size;
};

/* Of a manifest alone. */
struct cshm_stamp cshm_stamp_of(const struct stat *st);

static inline bool cshm_stamp_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Whether the manifest is the same one, whatever the journal. */
static inline bool cshm_stamp_same_manifest(const struct cshm_stamp *a, const struct cshm_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           cshm_stamp_same_time(a->changed, b->changed) &&
           cshm_stamp_same_time(a->status, b->status);
}

static inline bool cshm_stamp_equal(const struct cshm_stamp *a, const struct cshm_stamp *b)
{
    return cshm_stamp_same_manifest(a, b) && a->journal_inode == b->journal_inode &&
           a->journal_size == b->journal_size;
}

/*
 * Told of every operation on project->tree, be it of this process or read from the journal: before
 * it is applied and after. `place` is what it is about (model/operation.h): after a put that made a
 * node place->node is the new one; what was removed or replaced keeps its memory as long as the
 * tree. Called under the caller's own locks of the project and often under the registry's: it must
 * not call the store. Each function may be NULL.
 */
struct cshm_observer {
    void (*before)(void *context, const struct cshm_operation *operation,
                   const struct cshm_operation_place *place);
    void (*after)(void *context, const struct cshm_operation *operation,
                  const struct cshm_operation_place *place);
    void *context;
};

struct cshm_hands; /* descriptors that a project's writer keeps */

/* A published project as it was read: its manifest with what its journal adds. */
struct cshm_project {
    struct cshm_tree *tree; /* indexed by segment; of a damaged project: empty */
    struct cshm_stamp stamp;
    struct timespec changed; /* mtime of the manifest, or of the journal's last operation */
    uid_t uid;               /* owner of the manifest: as far as his rights go it is obeyed */
    gid_t gid;
    mode_t mode;           /* permission bits of the manifest */
    bool damaged;          /* does not parse, and has not changed for 2 s */
    struct cshm_error why; /* of a damaged one */

    off_t journal_bytes; /* of the journal, that are in `tree` and not in the manifest: when not 0,
                            cshm_project_fold() is to be called soon */
    bool journal_ended;  /* a line could not be applied: nothing behind it counts */
    struct cshm_observer observer; /* set by the caller after loading; loading clears it */
    bool deferred; /* likewise: who changes it promises to fold within a second, so a small manifest
                      need not be rewritten at every change (which takes thirty times as long) */
    struct cshm_hands *hands;
    size_t memory; /* that the tree took when it was loaded */
};

/*
 * Reads a project. -ENOENT (also for a bad name); -EAGAIN when the manifest does not parse but was
 * changed less than 2 s ago: the peer writes in place, so it may be half-written, "not there yet".
 * Finish with cshm_project_finish(). Thread-safe.
 */
int cshm_project_load(const struct cshm_store *store, const char *project, struct cshm_project *out,
                      struct cshm_error *error);
void cshm_project_finish(struct cshm_project *project);

/*
 * Cheap (two looks): whether manifest and journal are still those of `stamp`. 0, -ENOENT, -ESTALE.
 * After -ESTALE cshm_project_follow() knows whether the project has to be loaded again.
 */
int cshm_project_check(const struct cshm_store *store, const char *project,
                       const struct cshm_stamp *stamp);

/* The present stamp. `st` (may be NULL) is of the manifest. 0, -ENOENT, other negative errno. */
int cshm_project_look(const struct cshm_store *store, const char *project, struct cshm_stamp *stamp,
                      struct stat *st);

/*
 * Brings a loaded project up to date where only its journal grew, or was folded: reads and applies
 * what is new, in time of that. 0; -ENOENT; -ESTALE when it has to be loaded again (what was
 * applied by then did happen); -ENOMEM and other errors of reading (it has to be loaded again as
 * well). The caller keeps others off `project` meanwhile. Needs no lock of the registry. A
 * descriptor of the journal is kept until it is folded.
 */
int cshm_project_follow(const struct cshm_store *store, const char *name,
                        struct cshm_project *project, struct cshm_error *error);

/* The state of an array's segment as obeyed for this project (cshm_segment_inspect, node->problem).
 */
enum cshm_array_state {
    CSHM_ARRAY_FINE,
    CSHM_ARRAY_MISSING,
    CSHM_ARRAY_BROKEN,
};
enum cshm_array_state cshm_project_inspect(const struct cshm_store *store,
                                           const struct cshm_project *project,
                                           const struct cshm_node *array, struct stat *st,
                                           const char **reason);

/* --- Changing one -------------------------------------------------------------------------------
 */

/*
 * Unpublishes whatever project has that name and frees its segments; works on a damaged one too
 * (its segments by their exact form, except those that another manifest names). -ENOENT,
 * -EACCES/-EPERM, -ETIMEDOUT.
 */
int cshm_project_remove(struct cshm_store *store, const char *project, struct cshm_error *error);

/*
 * The same of the very project that was loaded. -ESTALE: another one has the name now, or it has
 * changed, and nothing was done: load it again, and judge it again.
 */
int cshm_project_remove_loaded(struct cshm_store *store, const char *name,
                               const struct cshm_project *project, struct cshm_error *error);

/* The same for a caller who holds the registry's lock and has just read the project. */
int cshm_project_remove_locked(const struct cshm_store *store, const char *name,
                               const struct cshm_project *project, struct cshm_error *error);

enum cshm_change_kind {
    CSHM_REMOVE_ARRAY, /* the array (or bare node) at path, with its sidecar; then its segment */
    CSHM_REMOVE_GROUP, /* the empty group at path; depth 0: the whole empty project; -ENOTEMPTY */
    CSHM_REMOVE_ATTRIBUTES, /* of the node at path; of a bare node: the node */
};

struct cshm_change {
    enum cshm_change_kind kind;
    const struct cshm_text *path; /* keys from the root */
    size_t depth;
};

/*
 * Changes a published project that was loaded, brings it up to date first, and changes it in memory
 * too: one line in its journal, in time that does not depend on the project's size (a small
 * manifest is rewritten instead, and once in a while a large one). The segments that nobody names
 * any more are unlinked.
 *
 * -ESTALE: somebody else's manifest is there now and nothing was done: load it again, and retry.
 * -ENOENT, -ENOTEMPTY, -ENOTDIR, -EISDIR, -ETIMEDOUT, and after any error but -ESTALE that
 * cshm_project_check() does not answer with 0: it has to be loaded again. -ENOSPC. The caller keeps
 * others off `project` meanwhile.
 */
int cshm_project_change(struct cshm_store *store, const char *name, struct cshm_project *project,
                        const struct cshm_change *change, struct cshm_error *error);

/* A segment that has no name yet (cshm_segment_create), complete, with its owner and mode. */
struct cshm_made {
    int fd;           /* the caller's */
    const char *name; /* to get (cshm_segment_name_make): what an operation puts says it, too */
};

/* Operations that happen together, or not at all. */
struct cshm_commit {
    const struct cshm_operation *operations;
    size_t count;
    const struct cshm_made *made; /* what gets its name with them */
    size_t made_count;
    /*
     * Asked once it is up to date and nobody else can change it, before anything is done: whether
     * it still is what the operations were made for. 0 or negative errno. NULL: nothing but
     * -ESTALE where anybody else has changed it since it was looked at last.
     */
    int (*check)(void *context, struct cshm_project *project);
    void *context;
    bool keep_segments; /* they live on under another project: what is not named is not unlinked */
};

/*
 * The same for any operations. A segment that is put has its name already (and stands in a pending
 * file until this is done), or is among those that are `made`. -EEXIST: a made one's name is taken.
 */
int cshm_project_commit(struct cshm_store *store, const char *name, struct cshm_project *project,
                        const struct cshm_commit *commit, struct cshm_error *error);

/*
 * Publishes an empty project with this owner (whom only root can choose) and mode. -EEXIST,
 * -EINVAL and -ENAMETOOLONG (the name), -ETIMEDOUT, -EACCES.
 */
int cshm_project_make(struct cshm_store *store, const char *name, uid_t uid, gid_t gid, mode_t mode,
                      struct cshm_error *error);

struct cshm_pending;

/*
 * The same for what is to come next: until cshm_project_begun() a pending file says so, and if this
 * process dies before, the project goes again unless something has come into it. `pending` begins
 * as CSHM_PENDING_NONE, and is of use after success only.
 */
int cshm_project_begin(struct cshm_store *store, const char *name, uid_t uid, gid_t gid,
                       mode_t mode, struct cshm_pending *pending, struct cshm_error *error);
void cshm_project_begun(struct cshm_store *store, struct cshm_pending *pending);

/* Who is to have a project. */
struct cshm_gift {
    uid_t uid; /* (uid_t)-1: as it is */
    gid_t gid; /* likewise */
    bool has_mode;
    mode_t mode; /* of the manifest */
};

/*
 * Gives the project away with all its segments that are obeyed (of a project of root's: whosever
 * they are), or changes the manifest's mode, which is the manifest's alone. A kill leaves the one
 * owner or the other, with nothing lost. Observers are not told. -ESTALE as for
 * cshm_project_change(); -EPERM, also where another project of a segment's owner names it, too;
 * -EINVAL (a damaged one to another owner), -ETIMEDOUT.
 */
int cshm_project_give(struct cshm_store *store, const char *name, struct cshm_project *project,
                      const struct cshm_gift *gift, struct cshm_error *error);

/*
 * Renames a project: its manifest; segments keep their names. `to` must not be there (-EEXIST)
 * unless `replace` (an empty project, else -ENOTEMPTY) or `exchange` (-ENOENT). What was read of
 * either before is void afterwards. One system call, after the journals are folded: of a large
 * project that is to be done before (cshm_project_fold), or it is loaded for it. -EINVAL and
 * -ENAMETOOLONG (the name), -EAGAIN (half-written), -ETIMEDOUT; -ESTALE: another file or another
 * owner's has either name now, and nothing was done. Who may is the directory's business.
 */
enum cshm_rename { CSHM_RENAME_NEW, CSHM_RENAME_REPLACE, CSHM_RENAME_EXCHANGE };

/* A name, and the project that was loaded by it and has it still; NULL: whatever has the name. */
struct cshm_named {
    const char *name;
    const struct cshm_project *project;
};

int cshm_project_rename(struct cshm_store *store, const struct cshm_named *from,
                        const struct cshm_named *to, enum cshm_rename how,
                        struct cshm_error *error);

/* Nodes that go from one project to another. */
struct cshm_passage {
    const struct cshm_text *from; /* keys from the root; of depth 0: all there is, and the source
                                     ends to be a project */
    size_t from_depth;
    const struct cshm_text *to; /* the same; of depth 0: it becomes all there is of a project that
                                   is empty */
    size_t to_depth;
    bool exchange; /* what is at `to` goes to `from` */
    bool link;     /* an array stays and has two names; with `as` also where there is another */
    const struct cshm_node *as; /* what is at `to` then: an array that says this, but has the
                                   segment; NULL: what it said */
    /*
     * Asked once both are up to date and nobody else can change them, before anything is done:
     * whether they still are what this was decided by. 0 or negative errno. NULL: nothing but
     * -ESTALE where anybody else has changed either since it was looked at last.
     */
    int (*check)(void *context, const struct cshm_project *from, const struct cshm_project *to);
    void *context;
    uid_t mover; /* not 0: on whose behalf, and only what is his is given away */
};

/*
 * Moves (or links) a node with all below it between two projects, which both are brought up to
 * date first; what is at `to` is replaced (an array by an array, an empty group by a group), in its
 * place. No bytes move and segments keep their names; in a project that is not root's they get its
 * owner. Observers of `to` are told of puts (and of removals, where groups are exchanged), then
 * those of `from` of a removal (of an exchange: of puts), unless it ends to be a project. A segment
 * that has names in both from then on is `linked` in both, which is put, too.
 *
 * A kill at any moment leaves the state before or after: what is to follow the first commit stands
 * in a pending file before it, and whoever has the lock next does it (intent.h).
 *
 * Errors as of cshm_project_commit(), also -ESTALE (of either), and -EEXIST (a link to what is
 * there), -EISDIR, -ENOTDIR, -ENOTEMPTY; -EPERM: a group is linked; a link between owners of whom
 * neither is root; a segment that is not the source's owner's; one to be given away of which a name
 * stays with its owner, or by another than root, or for a mover whose it is not; -EINVAL: a link to
 * what has no segment, one project only, a damaged one; -EFBIG (an exchange of what says more than
 * a journal's line holds). After any, both have to be looked at again (cshm_project_check): it may
 * have happened.
 */
int cshm_project_transfer(struct cshm_store *store, const char *from_name,
                          struct cshm_project *from, const char *to_name, struct cshm_project *to,
                          const struct cshm_passage *passage, struct cshm_error *error);

/*
 * Writes the journal into the manifest and removes it; brings the project up to date first. Nothing
 * to do is 0. To be called within a second of the first change that left journal_bytes, and before
 * the project is let go of. Errors as of cshm_project_change(); the changes are safe in the
 * journal.
 */
int cshm_project_fold(struct cshm_store *store, const char *name, struct cshm_project *project,
                      struct cshm_error *error);

/*
 * Whether the tree holds much more memory than what it says needs, because changes leave what they
 * replaced behind until the tree goes: then loading it again is worth it.
 */
bool cshm_project_is_bloated(const struct cshm_project *project);

#endif
