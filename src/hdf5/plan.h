/* SPDX-License-Identifier: MIT */
/*
 * What a type of HDF5 becomes: a plan, made once per dataset or attribute. A plan says how one
 * element looks in memory (the type H5Dread is asked for) and which arrays or groups its parts go
 * to. Design: formats, section 6. The dtypes are those h5py chooses; where libhdf5 has to convert
 * for that, the memory type says so.
 */
#ifndef CSHM_HDF5_PLAN_H
#define CSHM_HDF5_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "hdf5/library.h"
#include "model/tree.h"

enum cshm_plan_kind {
    CSHM_PLAN_PLAIN,    /* an array: the bytes in memory are the bytes in the segment */
    CSHM_PLAN_TEXT,     /* an array |S<longest>: each element is asked for its text */
    CSHM_PLAN_COMPOUND, /* a group of its fields */
    CSHM_PLAN_RAGGED,   /* a group: `values` and `offsets` */
};

enum cshm_text_source {
    CSHM_TEXT_STRING,           /* char * */
    CSHM_TEXT_OBJECT_REFERENCE, /* hobj_ref_t */
    CSHM_TEXT_REGION_REFERENCE, /* hdset_reg_ref_t */
    CSHM_TEXT_NEW_REFERENCE,    /* H5R_ref_t of libhdf5 1.12 */
};

/* Where the elements of an array go while it is filled. */
struct cshm_sink {
    unsigned char *bytes;
    uint64_t size;
    int fd;
    bool is_mapped; /* `bytes` is the segment itself; else a buffer that is written at the end */
};

struct cshm_plan {
    enum cshm_plan_kind kind;
    enum cshm_text_source source; /* of CSHM_PLAN_TEXT */
    struct cshm_plan *next;       /* the compound's next field, by offset in the file */
    struct cshm_plan *first;      /* fields of a compound; the element of a sequence */
    struct cshm_text name;        /* of a field, raw */
    size_t size;                  /* of one element in memory, without `dims` */
    size_t offset;                /* of a field in its compound in memory */
    size_t rank;                  /* dims of array types, outermost first */
    const uint64_t *dims;
    uint64_t count;           /* product of dims */
    struct cshm_dtype dtype;  /* PLAIN; TEXT: S, its itemsize still to be measured */
    const char *described_as; /* kind of the description; NULL: none */
    const char *encoding;
    struct cshm_text tag;                 /* bytes NULL: none */
    const struct cshm_value *enumeration; /* NULL: none */
    const char *note;                     /* for a warning, NULL */
    bool is_variable;                     /* sizes depend on the content, here or below */
    bool has_resources;                   /* elements hold more than memory of the pool */
    hid_t memory; /* of a field while its compound is being planned; else 0 */

    /* While a dataset is measured or filled. */
    struct cshm_node *node;
    struct cshm_sink out;     /* PLAIN, TEXT */
    struct cshm_sink offsets; /* RAGGED */
    uint64_t longest;         /* TEXT */
    uint64_t total;           /* RAGGED: elements of `values` so far */
};

struct cshm_type_plan {
    struct cshm_arena arena;
    struct cshm_plan root;
    hid_t memory; /* element type for H5Dread and H5Aread */
};

struct cshm_loader;

/*
 * Plans a type of the file. 0, -ENOTSUP, -EINVAL, -ENOMEM with the reason in loader->error. `out`
 * is finished by the caller also after an error.
 */
int cshm_type_plan_make(struct cshm_loader *loader, hid_t type, struct cshm_type_plan *out);
void cshm_type_plan_finish(struct cshm_type_plan *plan);

#define CSHM_AUTO_TYPE_PLAN __attribute__((cleanup(cshm_type_plan_finish)))

/* The group's or array's type in the tree. */
enum cshm_node_type cshm_plan_node_type(const struct cshm_plan *plan);

/* Bytes of one element in memory, `dims` included. */
static inline size_t cshm_plan_extent(const struct cshm_plan *plan)
{
    return plan->size * (size_t)plan->count;
}

/* The first note of the plan or a part of it; `part` gets whose. NULL: none. */
const char *cshm_plan_note(const struct cshm_plan *plan, const struct cshm_plan **part);

#endif
