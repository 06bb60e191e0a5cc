/* SPDX-License-Identifier: MIT */
/*
 * A project: the tree of groups and arrays that a manifest describes. Pure data; who reads or
 * writes it and where the bytes are is not known here. Everything in a tree lives in its arena
 * and goes with it; indexes are beside it. Not thread-safe: readers may share a tree while nobody
 * changes it.
 */
#ifndef CSHM_MODEL_TREE_H
#define CSHM_MODEL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/text.h"
#include "model/dtype.h"
#include "model/value.h"

#define CSHM_RANK_MAX   64   /* numpy's NPY_MAXDIMS */
#define CSHM_DEPTH_MAX  1000 /* nesting of groups: where the peer's recursion stops */
#define CSHM_NODES_MAX  (1024 * 1024)
#define CSHM_NO_RANK    (-1)
#define CSHM_SHAPE_NULL (-2) /* the HDF5 null dataspace: shape = "null" */

enum cshm_node_type {
    CSHM_NODE_GROUP,
    CSHM_NODE_ARRAY, /* has a segment */
    CSHM_NODE_BARE,  /* said by the manifest but without a segment: null datasets, waiting sidecars
                      */
};

struct cshm_attribute {
    struct cshm_attribute *next;
    struct cshm_text name;
    struct cshm_value value;
    const char *type; /* the dtype or form that attr_types names; NULL where the value's is meant */
};

/* What few arrays and groups have. */
struct cshm_detail {
    const char *kind;     /* "compound", "ragged", "vlen-string", "reference", ...; NULL: plain */
    const char *encoding; /* of S arrays: "ascii", "utf-8"; NULL */
    struct cshm_text tag; /* of opaque types; bytes NULL: none */
    const struct cshm_value *enumeration; /* TABLE of member values; NULL: no enum */
};

/*
 * What is known of an array, or of a group that stands for a compound or ragged dataset. A daemon
 * keeps a hundred thousand of them: what few have is elsewhere, and equal texts and shapes are kept
 * once (cshm_tree_keep).
 */
struct cshm_description {
    const struct cshm_dtype *dtype;   /* never NULL; all 0 unless dtype_text parsed */
    const char *dtype_text;           /* as written; NULL when not said */
    const uint64_t *shape;            /* rank extents */
    const struct cshm_detail *detail; /* never NULL; changed through cshm_tree_detail() */
    uint64_t bytes;                   /* of an array: product(shape) * itemsize */
    union {
        const char *segment; /* name in the shared memory directory; NULL: none yet; of a published
                                tree only changed by cshm_tree_set_segment() */
        const struct cshm_node *shared_with; /* if is_shared: the node whose segment it has, too */
    };
    struct cshm_node *next_holder;     /* the next node with this segment, if the tree is indexed */
    struct cshm_node *previous_holder; /* of the first one: the last */
    int rank;                          /* >= 0, CSHM_NO_RANK when not said, CSHM_SHAPE_NULL */
    bool undeclared;                   /* declared = false: a raw file nobody gave a dtype; of
                                          the root: its sidecar was removed */
    bool empty_rest;                   /* `rest` of an array without elements: its byte counts */
    bool linked;    /* other projects name the segment, too, or did: who frees it asks theirs */
    bool is_shared; /* in a draft, until that node has its name */
};

struct cshm_children;
struct cshm_child_index;

struct cshm_node {
    struct cshm_node *parent; /* NULL for the root */
    struct cshm_node *next;   /* sibling, in the manifest's order */
    struct cshm_node *previous;
    struct cshm_node *first;            /* children of a group */
    struct cshm_children *children;     /* more of those; of a group only */
    struct cshm_attribute *attributes;  /* in order */
    struct cshm_description *described; /* NULL for plain groups */
    const char *problem;                /* why an array is broken, one line; NULL when it is not */
    struct cshm_text key;               /* raw bytes: HDF5 link name or dict key */
    enum cshm_node_type type;
};

/* Of a group that has, or had, children. */
struct cshm_children {
    struct cshm_node *last;
    struct cshm_child_index *index; /* hash table once there are many (children.c) */
    size_t count;
};

/* A ring of those made for a tree, so that it can free them. */
struct cshm_index_link {
    struct cshm_index_link *next;
    struct cshm_index_link *previous;
};

#define cshm_for_each_child(node, group)                                                           \
    for (struct cshm_node *node = (group)->first; node; node = node->next)

struct cshm_owner_process {
    int64_t pid;    /* 0: none */
    uint64_t start; /* clock ticks after boot: field 22 of /proc/PID/stat */
};

/* The [project] table of the extension document. NULL and 0 where it does not say. */
struct cshm_project_facts {
    const char *source;  /* the file it was loaded from, as given */
    const char *created; /* RFC 3339 */
    /* By these it is told whether the file has changed since: compared, never computed with. */
    const char *source_path;    /* absolute, symbolic links followed */
    const char *source_changed; /* mtime before it was read, RFC 3339 with nanoseconds */
    const char *source_part;    /* what of it was selected, a path a line; NULL: all of it */
    uint64_t source_size;       /* bytes */
    struct cshm_owner_process owner;
    uint64_t generation;        /* another one whenever the manifest is another one; 0: not said */
    uint64_t folded_generation; /* it is the manifest of that generation ... */
    uint64_t folded_bytes;      /* ... and so much of its journal, and nothing else; 0: not said */
    int persistent;             /* 1, 0, or -1 when not said */
    bool present;               /* anything else is said of it */
};

/* Arrays by the name of their segment: open addressing, the first holder of each. */
struct cshm_segment_index {
    struct cshm_node *
        *slots;   /* NULL: not indexed; a removed one leaves the tree's root as a mark */
    size_t size;  /* a power of two */
    size_t used;  /* slots that are not free, marks too */
    size_t count; /* segments */
};

/*
 * Who is told of arrays that other projects name, too (`linked`): how many of an indexed tree have
 * a segment changes by `by`.
 */
struct cshm_linked_observer {
    void (*changed)(void *context, uid_t owner, const char *segment, int by); /* NULL: nobody */
    void *context;
    uid_t owner; /* whose manifest it is */
};

enum { CSHM_KEPT = 8 }; /* of the last kept pieces are known again: most arrays are like the last */

struct cshm_tree {
    struct cshm_arena arena;
    struct cshm_node root;
    struct cshm_text kept[CSHM_KEPT];
    unsigned kept_next;
    struct cshm_project_facts facts;
    struct cshm_segment_index segments;
    size_t linked; /* arrays in that index that other projects name, too */
    struct cshm_linked_observer linked_observer;
    struct cshm_index_link indexes; /* of children */
    size_t node_count;              /* of all nodes below the root */
    size_t depth_most;              /* no node is deeper (the root's children: 1) */
    bool complaint;                 /* the extension document did not parse and was ignored */
};

/* An empty project. NULL when memory is out. */
struct cshm_tree *cshm_tree_create(void);
void cshm_tree_destroy(struct cshm_tree *tree);

static inline void cshm_tree_destroy_pointer(struct cshm_tree **tree)
{
    cshm_tree_destroy(*tree);
}
#define CSHM_AUTO_TREE __attribute__((cleanup(cshm_tree_destroy_pointer)))

/*
 * Adds a child at the group's end; the key is copied. -EEXIST, -ENOTDIR (`group` is none), -EMFILE
 * (more than CSHM_NODES_MAX), -ELOOP (deeper than CSHM_DEPTH_MAX), -ENOMEM.
 */
int cshm_tree_add(struct cshm_tree *tree, struct cshm_node *group, struct cshm_text key,
                  enum cshm_node_type type, struct cshm_node **out);

/* Takes the node and all below it out. Its memory stays with the tree, its pointers stay valid. */
void cshm_tree_remove(struct cshm_tree *tree, struct cshm_node *node);

/*
 * Moves a node (not a root) with all below it to the end of a group of another tree.
 * Its memory stays with the tree it was made in, which has to live as long as it is used anywhere.
 * Errors as cshm_tree_add(); but for -ENOMEM nothing was changed then.
 */
int cshm_tree_move(struct cshm_tree *from, struct cshm_node *node, struct cshm_tree *to,
                   struct cshm_node *group);

/*
 * Moves a node (not the root) with all below it within its tree: to `group`, under `key` (copied).
 * What is there by that name leaves the tree and the node takes its place, else the group's end.
 * Nothing happens where it is already. -ENOTDIR, -EINVAL (into itself or something below it, or
 * onto something above it), -ELOOP, -ENOMEM; nothing was changed then.
 */
int cshm_tree_place(struct cshm_tree *tree, struct cshm_node *node, struct cshm_node *group,
                    struct cshm_text key);

/* Two nodes change places and names. -EINVAL (one is above the other, or the root), -ELOOP,
 * -ENOMEM. */
int cshm_tree_exchange(struct cshm_tree *tree, struct cshm_node *a, struct cshm_node *b);

/* The node at a path of keys from the root, or NULL. */
struct cshm_node *cshm_tree_find(struct cshm_tree *tree, const struct cshm_text *path,
                                 size_t depth);

/*
 * Gives `to` (type, description, attributes, problem) what `from` says, copied; its key, its
 * children and its place stay. -ENOTEMPTY when it has children and would be no group; -ENOMEM,
 * after which the tree is of no use.
 */
int cshm_tree_say(struct cshm_tree *tree, struct cshm_node *to, const struct cshm_node *from);

/*
 * Makes the index of segments, from then on kept right by the functions of this header. O(nodes)
 * the first time. 0 or -ENOMEM.
 */
int cshm_tree_index_segments(struct cshm_tree *tree);

/*
 * The first array that names the segment (the next ones: described->next_holder), in the order they
 * came into the tree; NULL where there is none. The tree must be indexed. O(1).
 */
struct cshm_node *cshm_tree_find_segment(const struct cshm_tree *tree, const char *segment);

/*
 * From now on the observer is told of linked arrays, and at once of all there are; the one before
 * that they are not there any more. NULL: nobody is, as when the tree is destroyed. O(nodes) where
 * there are any. The tree must be indexed.
 */
void cshm_tree_observe_linked(struct cshm_tree *tree, const struct cshm_linked_observer *observer);

/* The node must be described and in the tree. The name is copied. -ENOMEM: nothing was changed. */
int cshm_tree_set_segment(struct cshm_tree *tree, struct cshm_node *node, const char *segment);

/* The segment of an array; NULL for what has none. */
static inline const char *cshm_node_segment(const struct cshm_node *node)
{
    return node->type == CSHM_NODE_ARRAY && node->described ? node->described->segment : NULL;
}

/* Gives the node a description (zeroed, rank CSHM_NO_RANK) if it has none. NULL: out of memory. */
struct cshm_description *cshm_tree_describe(struct cshm_tree *tree, struct cshm_node *node);

/* The description's own detail, to be changed. NULL: out of memory. */
struct cshm_detail *cshm_tree_detail(struct cshm_tree *tree, struct cshm_description *described);

extern const struct cshm_detail cshm_no_detail;
extern const struct cshm_dtype cshm_no_dtype;

/*
 * Bytes that never change, and that the same tree is likely to need again (a dtype's text, a
 * shape): a copy, aligned for uint64_t, or the copy that one of the last calls made. NULL: out of
 * memory.
 */
const void *cshm_tree_keep(struct cshm_tree *tree, const void *bytes, size_t length);

/* Sets dtype and dtype_text, both copied. 0 or -ENOMEM. */
int cshm_tree_set_dtype(struct cshm_tree *tree, struct cshm_description *described,
                        const struct cshm_dtype *dtype);

/* Sets dtype, shape and bytes (all copied). -EINVAL (rank), -EOVERFLOW, -ENOMEM. */
int cshm_tree_set_array(struct cshm_tree *tree, struct cshm_node *node,
                        const struct cshm_dtype *dtype, size_t rank, const uint64_t *shape);

/* Appends an attribute; name, value and type are copied. -EEXIST, -ENOMEM. */
int cshm_tree_add_attribute(struct cshm_tree *tree, struct cshm_node *node, struct cshm_text name,
                            const struct cshm_value *value, const char *type);

/* The child with this key, or NULL. O(1) in the number of children. */
struct cshm_node *cshm_node_child(const struct cshm_node *group, struct cshm_text key);

/* The child whose directory entry (cshm_fsname_encode) this is, or NULL. O(1) but for hashed names.
 */
struct cshm_node *cshm_node_child_by_fsname(const struct cshm_node *group, const char *name);

/* Next node in preorder below `top`, NULL at the end: for (n = top; n; n = cshm_node_walk(n, top)).
 */
struct cshm_node *cshm_node_walk(const struct cshm_node *node, const struct cshm_node *top);

/* "/a/b" with control characters escaped, cut in the middle if too long; "/" for the root. */
const char *cshm_node_path(const struct cshm_node *node, char *out, size_t size);

static inline size_t cshm_node_child_count(const struct cshm_node *group)
{
    return group->children ? group->children->count : 0;
}

static inline struct cshm_node *cshm_node_last_child(const struct cshm_node *group)
{
    return group->children ? group->children->last : NULL;
}

static inline bool cshm_node_is_empty_array(const struct cshm_node *node)
{
    return node->type == CSHM_NODE_ARRAY && node->described->bytes == 0;
}

#endif
