/* SPDX-License-Identifier: MIT */
#include "hdf5/reference.h"

#include <errno.h>
#include <stdlib.h>

enum { BLOCKS_MAX = 64, SOME_BLOCKS = 1024 };

static bool is_zero(const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++)
        if (byte[i])
            return false;
    return true;
}

static int path_of_identity(struct cshm_loader *loader, const struct cshm_identity *identity,
                            struct cshm_text *out)
{
    struct cshm_object *object = cshm_objects_find(&loader->objects, identity);
    if (!object)
        return -ENOENT;
    *out = cshm_object_path(object, loader->above, &loader->arena);
    if (out->bytes)
        return 0;
    *out = cshm_text("");
    return -ENOENT;
}

static int path_of_object(struct cshm_loader *loader, hid_t object, struct cshm_text *out)
{
    struct cshm_object_info info;
    if (object < 0 || cshm_h5_object_info(object, &info) < 0)
        return -ENOENT;
    return path_of_identity(loader, &info.identity, out);
}

/* --- Selections
 * ----------------------------------------------------------------------------------- */

static void add_coordinates(struct cshm_buffer *text, const hsize_t *values, int rank)
{
    for (int i = 0; i < rank; i++)
        cshm_buffer_add_format(text, "%s%llu", i ? "," : "(", (unsigned long long)values[i]);
    cshm_buffer_add_char(text, ')');
}

static bool is_pattern(hid_t space, hsize_t blocks)
{
    return blocks > BLOCKS_MAX && H5Sis_regular_hyperslab(space) > 0;
}

static int add_pattern(struct cshm_buffer *text, hid_t space, int rank)
{
    hsize_t start[H5S_MAX_RANK], stride[H5S_MAX_RANK], count[H5S_MAX_RANK], block[H5S_MAX_RANK];
    hsize_t end[H5S_MAX_RANK];
    if (H5Sget_regular_hyperslab(space, start, stride, count, block) < 0)
        return -ENOENT;
    for (int i = 0; i < rank; i++)
        end[i] = start[i] + block[i] - 1;
    add_coordinates(text, start, rank);
    cshm_buffer_add_char(text, '-');
    add_coordinates(text, end, rank);
    cshm_buffer_add_string(text, " : stride ");
    add_coordinates(text, stride, rank);
    cshm_buffer_add_string(text, " count ");
    add_coordinates(text, count, rank);
    return 0;
}

typedef herr_t (*list_function)(hid_t space, hsize_t start, hsize_t count, hsize_t *buffer);

/* Some at a time: `per` coordinates each, a point or the two corners of a block. */
static int add_list(struct cshm_buffer *text, hid_t space, int rank, hssize_t total, int corners,
                    list_function list)
{
    size_t per = (size_t)rank * (size_t)corners;
    hsize_t *values = calloc(SOME_BLOCKS * per, sizeof *values);
    if (!values)
        return -ENOMEM;
    int result = 0;
    for (hsize_t at = 0; at < (hsize_t)total && result == 0; at += SOME_BLOCKS) {
        hsize_t some = (hsize_t)total - at < SOME_BLOCKS ? (hsize_t)total - at : SOME_BLOCKS;
        if (list(space, at, some, values) < 0)
            result = -ENOENT;
        for (hsize_t i = 0; i < some && result == 0; i++) {
            if (at + i)
                cshm_buffer_add_string(text, ", ");
            add_coordinates(text, values + i * per, rank);
            if (corners == 1)
                continue;
            cshm_buffer_add_char(text, '-');
            add_coordinates(text, values + i * per + rank, rank);
        }
    }
    free(values);
    return result;
}

static int add_selection(struct cshm_buffer *text, hid_t space)
{
    int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0 || rank > H5S_MAX_RANK)
        return -ENOENT;
    switch (H5Sget_select_type(space)) {
    case H5S_SEL_NONE:
        cshm_buffer_add_string(text, "none");
        return 0;
    case H5S_SEL_ALL:
        cshm_buffer_add_string(text, "all");
        return 0;
    case H5S_SEL_POINTS:
        return add_list(text, space, rank, H5Sget_select_elem_npoints(space), 1,
                        H5Sget_select_elem_pointlist);
    case H5S_SEL_HYPERSLABS: {
        hssize_t blocks = H5Sget_select_hyper_nblocks(space);
        if (blocks >= 0 && is_pattern(space, (hsize_t)blocks))
            return add_pattern(text, space, rank);
        return add_list(text, space, rank, blocks, 2, H5Sget_select_hyper_blocklist);
    }
    default:
        return -ENOENT;
    }
}

static int region_text(struct cshm_loader *loader, hid_t object, hid_t space, struct cshm_text *out)
{
    struct cshm_text path;
    int result = space < 0 ? -ENOENT : path_of_object(loader, object, &path);
    if (result < 0)
        return result;
    struct cshm_buffer *text = &loader->text;
    cshm_buffer_clear(text);
    cshm_buffer_add(text, path.bytes, path.length);
    cshm_buffer_add_string(text, " {");
    result = add_selection(text, space);
    cshm_buffer_add_char(text, '}');
    if (text->error < 0 || result == -ENOMEM)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    if (result == 0)
        *out = (struct cshm_text){text->bytes, text->length};
    return result;
}

/* --- The kinds of references
 * ---------------------------------------------------------------------- */

static int object_reference(struct cshm_loader *loader, hid_t location, unsigned long file,
                            const void *element, struct cshm_text *out)
{
    hobj_ref_t reference;
    memcpy(&reference, element, sizeof reference);
    if (reference == 0 || reference == HADDR_UNDEF)
        return 0;
    struct cshm_identity identity = {0};
    identity.file = file;
    if (cshm_h5_reference_token(location, reference, identity.token) < 0)
        return -ENOENT;
    return path_of_identity(loader, &identity, out);
}

static int region_reference(struct cshm_loader *loader, hid_t location, const void *element,
                            struct cshm_text *out)
{
    hdset_reg_ref_t reference;
    memcpy(&reference, element, sizeof reference);
    if (is_zero(&reference, sizeof reference))
        return 0;
    CSHM_AUTO_HID hid_t object =
        H5Rdereference2(location, H5P_DEFAULT, H5R_DATASET_REGION, &reference);
    if (object < 0)
        return -ENOENT;
    CSHM_AUTO_HID hid_t space = H5Rget_region(location, H5R_DATASET_REGION, &reference);
    /* It leads somewhere; where exactly must not be lost as if it led nowhere. */
    return space < 0 ? cshm_loader_fail_h5(loader, "region reference cannot be read")
                     : region_text(loader, object, space, out);
}

#if CSHM_HAVE_H5_NEW_REFERENCES
static int new_reference(struct cshm_loader *loader, const void *element, struct cshm_text *out)
{
    H5R_ref_t reference;
    memcpy(&reference, element, sizeof reference);
    if (is_zero(&reference, sizeof reference))
        return 0;
    /* An attribute is named by its object. */
    CSHM_AUTO_HID hid_t object = H5Ropen_object(&reference, H5P_DEFAULT, H5P_DEFAULT);
    if (H5Rget_type(&reference) != H5R_DATASET_REGION2)
        return path_of_object(loader, object, out);
    CSHM_AUTO_HID hid_t space =
        object < 0 ? H5I_INVALID_HID : H5Ropen_region(&reference, H5P_DEFAULT, H5P_DEFAULT);
    return region_text(loader, object, space, out);
}
#endif

int cshm_reference_text(struct cshm_loader *loader, hid_t location, unsigned long file,
                        enum cshm_text_source source, const void *element, struct cshm_text *out)
{
    *out = cshm_text("");
    switch (source) {
    case CSHM_TEXT_OBJECT_REFERENCE:
        return object_reference(loader, location, file, element, out);
    case CSHM_TEXT_REGION_REFERENCE:
        return region_reference(loader, location, element, out);
#if CSHM_HAVE_H5_NEW_REFERENCES
    case CSHM_TEXT_NEW_REFERENCE:
        return new_reference(loader, element, out);
#endif
    default:
        return -ENOENT;
    }
}
