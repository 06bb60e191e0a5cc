/* SPDX-License-Identifier: MIT */
/* Plans: the table of type classes, and the classes that are not numbers, enums or compounds. */
#include "hdf5/plan.h"

#include <errno.h>

#include "format/attribute.h"
#include "hdf5/plan_internal.h"

enum { TYPE_DEPTH_MAX = 128 };

int cshm_plan_take(struct cshm_planner *planner, hid_t made, hid_t *memory)
{
    if (made < 0)
        return cshm_loader_fail_h5(planner->loader, "type");
    *memory = made;
    return 0;
}

int cshm_plan_no_memory(struct cshm_planner *planner)
{
    return cshm_loader_fail_all(planner->loader, -ENOMEM, "out of memory");
}

/* --- Strings
 * -------------------------------------------------------------------------------------- */

static int plan_variable_string(struct cshm_planner *planner, H5T_cset_t charset,
                                struct cshm_plan *plan, hid_t *memory)
{
    int result = cshm_plan_take(planner, H5Tcopy(H5T_C_S1), memory);
    if (result < 0)
        return result;
    if (H5Tset_size(*memory, H5T_VARIABLE) < 0 || H5Tset_cset(*memory, charset) < 0)
        return cshm_loader_fail_h5(planner->loader, "string type");
    plan->kind = CSHM_PLAN_TEXT;
    plan->source = CSHM_TEXT_STRING;
    plan->size = sizeof(char *);
    plan->described_as = "vlen-string";
    plan->is_variable = true;
    return 0;
}

/* Null-padded whatever the file pads with: what numpy's S means, and what h5py asks for. */
static int plan_fixed_string(struct cshm_planner *planner, hid_t type, H5T_cset_t charset,
                             struct cshm_plan *plan, hid_t *memory)
{
    plan->kind = CSHM_PLAN_PLAIN;
    plan->size = H5Tget_size(type);
    plan->dtype = (struct cshm_dtype){.kind = 'S', .byte_order = '|', .itemsize = plan->size};
    int result = cshm_plan_take(planner, H5Tcopy(H5T_C_S1), memory);
    if (result < 0)
        return result;
    if (H5Tset_size(*memory, plan->size) < 0 || H5Tset_strpad(*memory, H5T_STR_NULLPAD) < 0 ||
        H5Tset_cset(*memory, charset) < 0)
        return cshm_loader_fail_h5(planner->loader, "string type");
    return 0;
}

static int plan_string(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                       hid_t *memory)
{
    H5T_cset_t charset = H5Tget_cset(type);
    if (charset != H5T_CSET_ASCII && charset != H5T_CSET_UTF8)
        return cshm_fail(&planner->loader->error, -ENOTSUP,
                         "strings of an unknown character set (%d)", (int)charset);
    plan->encoding = charset == H5T_CSET_UTF8 ? "utf-8" : "ascii";
    htri_t is_variable = H5Tis_variable_str(type);
    if (is_variable < 0)
        return cshm_loader_fail_h5(planner->loader, "string type");
    return is_variable ? plan_variable_string(planner, charset, plan, memory)
                       : plan_fixed_string(planner, type, charset, plan, memory);
}

/* --- Opaque
 * --------------------------------------------------------------------------------------- */

/* h5py keeps numpy types HDF5 has none for (times, wide characters) as opaque "NUMPY:<M8[ns]". */
static bool is_numpy_tag(struct cshm_text tag, size_t size, struct cshm_dtype *out)
{
    static const char mark[] = "NUMPY:";
    size_t skip = sizeof mark - 1;
    return tag.length > skip && memcmp(tag.bytes, mark, skip) == 0 &&
           cshm_dtype_parse(tag.bytes + skip, tag.length - skip, out) == 0 && out->itemsize == size;
}

static int plan_opaque(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                       hid_t *memory)
{
    CSHM_AUTO_H5_FREE char *raw = H5Tget_tag(type);
    if (!raw)
        return cshm_loader_fail_h5(planner->loader, "opaque type");
    struct cshm_text tag = cshm_text(raw);
    plan->kind = CSHM_PLAN_PLAIN;
    plan->size = H5Tget_size(type);
    if (!is_numpy_tag(tag, plan->size, &plan->dtype)) {
        plan->dtype = (struct cshm_dtype){.kind = 'V', .byte_order = '|', .itemsize = plan->size};
        struct cshm_text written;
        if (cshm_attribute_write_string(planner->arena, tag, &written) < 0)
            return cshm_plan_no_memory(planner);
        plan->tag = cshm_arena_text(planner->arena, written);
        if (!plan->tag.bytes)
            return cshm_plan_no_memory(planner);
    }
    return cshm_plan_take(planner, H5Tcopy(type), memory);
}

int cshm_plan_raw(struct cshm_planner *planner, hid_t type, const char *what,
                  struct cshm_plan *plan, hid_t *memory)
{
    size_t size = H5Tget_size(type);
    *plan = (struct cshm_plan){
        .kind = CSHM_PLAN_PLAIN,
        .name = plan->name,
        .size = size,
        .count = 1,
        .dtype = {.kind = 'V', .byte_order = '|', .itemsize = size},
        .described_as = "raw",
        .note = what,
    };
    return cshm_plan_take(planner, H5Tcopy(type), memory);
}

/* --- References
 * ----------------------------------------------------------------------------------- */

static int plan_reference(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                          hid_t *memory)
{
    plan->kind = CSHM_PLAN_TEXT;
    plan->is_variable = true;
    plan->described_as = "reference";
    plan->size = H5Tget_size(type);
    if (H5Tequal(type, H5T_STD_REF_OBJ) > 0) {
        plan->source = CSHM_TEXT_OBJECT_REFERENCE;
        return cshm_plan_take(planner, H5Tcopy(H5T_STD_REF_OBJ), memory);
    }
    if (H5Tequal(type, H5T_STD_REF_DSETREG) > 0) {
        plan->source = CSHM_TEXT_REGION_REFERENCE;
        plan->described_as = "region-reference";
        return cshm_plan_take(planner, H5Tcopy(H5T_STD_REF_DSETREG), memory);
    }
#if CSHM_HAVE_H5_NEW_REFERENCES
    if (H5Tequal(type, H5T_STD_REF) > 0) {
        plan->source = CSHM_TEXT_NEW_REFERENCE;
        plan->has_resources = true;
        return cshm_plan_take(planner, H5Tcopy(H5T_STD_REF), memory);
    }
#endif
    return cshm_fail(&planner->loader->error, -ENOTSUP, "references of an unknown kind");
}

/* --- Sequences and arrays
 * ------------------------------------------------------------------------- */

static int plan_sequence(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                         hid_t *memory)
{
    CSHM_AUTO_HID hid_t base = H5Tget_super(type);
    if (base < 0)
        return cshm_loader_fail_h5(planner->loader, "variable-length type");
    struct cshm_plan *element = cshm_arena_alloc(planner->arena, sizeof *element);
    if (!element)
        return cshm_plan_no_memory(planner);
    CSHM_AUTO_HID hid_t base_memory = H5I_INVALID_HID;
    int result = cshm_plan_type(planner, base, element, &base_memory);
    if (result < 0)
        return result;
    plan->kind = CSHM_PLAN_RAGGED;
    plan->first = element;
    plan->size = sizeof(hvl_t);
    plan->described_as = "ragged";
    plan->is_variable = true;
    plan->has_resources = element->has_resources;
    return cshm_plan_take(planner, H5Tvlen_create(base_memory), memory);
}

static int prepend_dims(struct cshm_planner *planner, struct cshm_plan *plan, size_t rank,
                        const hsize_t *dims)
{
    uint64_t *all = cshm_arena_array(planner->arena, rank + plan->rank, sizeof *all);
    if (!all)
        return cshm_plan_no_memory(planner);
    uint64_t extent;
    for (size_t i = 0; i < rank; i++) {
        all[i] = dims[i];
        if (__builtin_mul_overflow(plan->count, dims[i], &plan->count) ||
            __builtin_mul_overflow(plan->count, plan->size, &extent) || extent > INT64_MAX)
            return cshm_fail(&planner->loader->error, -EINVAL, "an array type of impossible size");
    }
    if (plan->rank)
        memcpy(all + rank, plan->dims, plan->rank * sizeof *all);
    plan->dims = all;
    plan->rank += rank;
    return 0;
}

static int plan_array(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                      hid_t *memory)
{
    CSHM_AUTO_HID hid_t base = H5Tget_super(type);
    hsize_t dims[H5S_MAX_RANK];
    int rank = H5Tget_array_ndims(type);
    if (base < 0 || rank < 1 || rank > H5S_MAX_RANK || H5Tget_array_dims2(type, dims) < 0)
        return cshm_loader_fail_h5(planner->loader, "array type");
    size_t size = H5Tget_size(base);
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(size, dims[i], &size))
            size = 0;
    if (size != H5Tget_size(type))
        return cshm_fail(&planner->loader->error, -EINVAL,
                         "an array type of another size than its elements");
    CSHM_AUTO_HID hid_t base_memory = H5I_INVALID_HID;
    int result = cshm_plan_type(planner, base, plan, &base_memory);
    if (result == 0)
        result = prepend_dims(planner, plan, (size_t)rank, dims);
    if (result < 0)
        return result;
    return cshm_plan_take(planner, H5Tarray_create2(base_memory, (unsigned)rank, dims), memory);
}

/* --- All
 * ------------------------------------------------------------------------------------------ */

#if CSHM_HAVE_H5_COMPLEX
static int plan_complex(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                        hid_t *memory)
{
    CSHM_AUTO_HID hid_t base = H5Tget_super(type);
    if (base < 0)
        return cshm_loader_fail_h5(planner->loader, "complex type");
    CSHM_AUTO_HID hid_t base_memory = H5I_INVALID_HID;
    int result = cshm_plan_type(planner, base, plan, &base_memory);
    if (result < 0)
        return result;
    if (plan->dtype.kind != 'f' || plan->size < 4)
        return cshm_plan_raw(planner, type, "no numpy type holds this complex number", plan,
                             memory);
    plan->dtype.kind = 'c';
    plan->dtype.itemsize *= 2;
    plan->size *= 2;
    return cshm_plan_take(planner, H5Tcomplex_create(base_memory), memory);
}
#endif

typedef int (*plan_function)(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                             hid_t *memory);

static const struct {
    H5T_class_t class;
    plan_function function;
} classes[] = {
    {H5T_INTEGER, cshm_plan_integer},
    {H5T_FLOAT, cshm_plan_float},
    {H5T_TIME, cshm_plan_time},
    {H5T_STRING, plan_string},
    {H5T_BITFIELD, cshm_plan_bitfield},
    {H5T_OPAQUE, plan_opaque},
    {H5T_COMPOUND, cshm_plan_compound},
    {H5T_REFERENCE, plan_reference},
    {H5T_ENUM, cshm_plan_enum},
    {H5T_VLEN, plan_sequence},
    {H5T_ARRAY, plan_array},
#if CSHM_HAVE_H5_COMPLEX
    {H5T_COMPLEX, plan_complex},
#endif
};

static plan_function function_of(H5T_class_t class)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (classes[i].class == class)
            return classes[i].function;
    return NULL;
}

int cshm_plan_type(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan, hid_t *memory)
{
    if (planner->depth >= TYPE_DEPTH_MAX)
        return cshm_fail(&planner->loader->error, -ELOOP, "a type nested too deep");
    if (H5Tget_size(type) == 0)
        return cshm_loader_fail_h5(planner->loader, "a type without size");
    H5T_class_t class = H5Tget_class(type);
    plan_function function = function_of(class);
    if (!function)
        return cshm_fail(&planner->loader->error, -ENOTSUP,
                         "a type of class %d, which this version does not know", (int)class);
    plan->count = 1;
    planner->depth++;
    int result = function(planner, type, plan, memory);
    planner->depth--;
    return result;
}

/* The memory type and the plan must agree to the byte, or scattering reads beyond a buffer. */
static int check_size(struct cshm_loader *loader, const struct cshm_type_plan *plan)
{
    size_t size = H5Tget_size(plan->memory);
    if (size != 0 && size == cshm_plan_extent(&plan->root))
        return 0;
    return cshm_fail(&loader->error, -EINVAL, "a type whose parts do not add up to its size");
}

int cshm_type_plan_make(struct cshm_loader *loader, hid_t type, struct cshm_type_plan *out)
{
    *out = (struct cshm_type_plan){.memory = H5I_INVALID_HID};
    struct cshm_planner planner = {.loader = loader, .arena = &out->arena};
    int result = cshm_plan_type(&planner, type, &out->root, &out->memory);
    return result < 0 ? result : check_size(loader, out);
}

void cshm_type_plan_finish(struct cshm_type_plan *plan)
{
    cshm_h5_release(&plan->memory);
    plan->memory = H5I_INVALID_HID;
    cshm_arena_finish(&plan->arena);
}

enum cshm_node_type cshm_plan_node_type(const struct cshm_plan *plan)
{
    return plan->kind == CSHM_PLAN_COMPOUND || plan->kind == CSHM_PLAN_RAGGED ? CSHM_NODE_GROUP
                                                                              : CSHM_NODE_ARRAY;
}

const char *cshm_plan_note(const struct cshm_plan *plan, const struct cshm_plan **part)
{
    *part = plan;
    if (plan->note)
        return plan->note;
    for (const struct cshm_plan *below = plan->first; below; below = below->next) {
        const char *note = cshm_plan_note(below, part);
        if (note)
            return note;
    }
    return NULL;
}
