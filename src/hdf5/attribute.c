/* SPDX-License-Identifier: MIT */
#include "hdf5/attribute.h"

#include <errno.h>
#include <stdlib.h>

#include "hdf5/links.h"
#include "hdf5/plan.h"
#include "hdf5/value.h"

enum { ATTRIBUTE_BYTES_MAX = 64 * 1024 * 1024 }; /* in memory; its text is several times that */

struct attribute {
    struct cshm_loader *loader;
    const struct cshm_object *object;
    const char *name;
    hid_t id;
    hid_t space;
    struct cshm_type_plan type;
    size_t rank;
    uint64_t shape[H5S_MAX_RANK];
    uint64_t elements;
    bool is_null;
    struct cshm_arena arena; /* of the value, until the tree has its copy */
};

static int look_at_space(struct attribute *attribute)
{
    struct cshm_loader *loader = attribute->loader;
    attribute->space = H5Aget_space(attribute->id);
    if (attribute->space < 0)
        return cshm_loader_fail_h5(loader, "dataspace");
    attribute->is_null = H5Sget_simple_extent_type(attribute->space) == H5S_NULL;
    if (attribute->is_null)
        return 0;
    hsize_t dims[H5S_MAX_RANK] = {0};
    int rank = H5Sget_simple_extent_ndims(attribute->space);
    if (rank < 0 || rank > H5S_MAX_RANK ||
        H5Sget_simple_extent_dims(attribute->space, dims, NULL) < 0)
        return cshm_loader_fail_h5(loader, "dataspace");
    attribute->rank = (size_t)rank;
    attribute->elements = 1;
    bool has_overflow = false;
    for (size_t i = 0; i < attribute->rank; i++) {
        attribute->shape[i] = dims[i];
        has_overflow |= __builtin_mul_overflow(attribute->elements, dims[i], &attribute->elements);
    }
    for (size_t i = 0; i < attribute->rank; i++)
        if (dims[i] == 0) {
            attribute->elements = 0;
            return 0;
        }
    size_t extent = cshm_plan_extent(&attribute->type.root);
    if (has_overflow || attribute->elements > ATTRIBUTE_BYTES_MAX / extent)
        return cshm_fail(&loader->error, -EFBIG, "is larger than %d bytes", ATTRIBUTE_BYTES_MAX);
    return 0;
}

/* "!null float64", "!empty float64 [0,3]" */
static int empty_value(struct attribute *attribute, struct cshm_value *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&text, attribute->is_null ? "!null " : "!empty ");
    cshm_type_text(&text, &attribute->type.root);
    for (size_t i = 0; i < attribute->rank && !attribute->is_null; i++)
        cshm_buffer_add_format(&text, "%s%llu", i ? "," : " [",
                               (unsigned long long)attribute->shape[i]);
    if (!attribute->is_null)
        cshm_buffer_add_char(&text, ']');
    *out = (struct cshm_value){.type = CSHM_VALUE_STRING};
    if (text.error == 0)
        out->string =
            cshm_arena_text(&attribute->arena, (struct cshm_text){text.bytes, text.length});
    return out->string.bytes ? 0
                             : cshm_loader_fail_all(attribute->loader, -ENOMEM, "out of memory");
}

static void warn_lost(struct attribute *attribute, uint64_t lost)
{
    char path[CSHM_PATH_TEXT_MAX];
    if (lost)
        cshm_loader_warn(attribute->loader,
                         cshm_node_path(attribute->object->node, path, sizeof path),
                         "attribute %s: %llu references lead to nothing that has a name",
                         attribute->name, (unsigned long long)lost);
}

static int read_value(struct attribute *attribute, struct cshm_value *out)
{
    struct cshm_loader *loader = attribute->loader;
    const struct cshm_plan *plan = &attribute->type.root;
    CSHM_AUTO_FREE unsigned char *elements =
        calloc((size_t)attribute->elements, cshm_plan_extent(plan));
    if (!elements)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    if (H5Aread(attribute->id, attribute->type.memory, elements) < 0)
        return cshm_loader_fail_h5(loader, "cannot be read");
    struct cshm_valuer valuer = {
        .loader = loader,
        .arena = &attribute->arena,
        .location = attribute->id,
        .file = attribute->object->identity.file,
    };
    int result = cshm_value_make(&valuer, plan, attribute->rank, attribute->shape, elements, out);
    if (plan->is_variable)
        cshm_h5_reclaim(attribute->type.memory, attribute->space, H5P_DEFAULT, elements);
    warn_lost(attribute, valuer.lost);
    return result;
}

static int store_value(struct attribute *attribute, const struct cshm_value *value)
{
    struct cshm_loader *loader = attribute->loader;
    CSHM_AUTO_BUFFER struct cshm_buffer type = CSHM_BUFFER_INIT;
    if (!cshm_type_is_plain(&attribute->type.root))
        cshm_type_text(&type, &attribute->type.root);
    int result = type.error;
    if (result == 0)
        result = cshm_tree_add_attribute(loader->tree, attribute->object->node,
                                         cshm_text(attribute->name), value, type.bytes);
    if (result == -EEXIST)
        return cshm_fail(&loader->error, -EINVAL, "the name is there twice");
    return result < 0 ? cshm_loader_fail_all(loader, result, "out of memory") : 0;
}

static int load_one(struct attribute *attribute, hid_t object)
{
    struct cshm_loader *loader = attribute->loader;
    attribute->id = H5Aopen(object, attribute->name, H5P_DEFAULT);
    if (attribute->id < 0)
        return cshm_loader_fail_h5(loader, "cannot be opened");
    CSHM_AUTO_HID hid_t type = H5Aget_type(attribute->id);
    if (type < 0)
        return cshm_loader_fail_h5(loader, "type");
    int result = cshm_type_plan_make(loader, type, &attribute->type);
    if (result == 0)
        result = look_at_space(attribute);
    if (result < 0)
        return result;
    struct cshm_value value = {0};
    result = attribute->is_null || attribute->elements == 0 ? empty_value(attribute, &value)
                                                            : read_value(attribute, &value);
    return result < 0 ? result : store_value(attribute, &value);
}

static void finish(struct attribute *attribute)
{
    cshm_type_plan_finish(&attribute->type);
    cshm_h5_release(&attribute->space);
    cshm_h5_release(&attribute->id);
    cshm_arena_finish(&attribute->arena);
}

static int load_named(struct cshm_loader *loader, hid_t id, const struct cshm_object *object,
                      const char *name)
{
    struct attribute attribute = {
        .loader = loader,
        .object = object,
        .name = name,
        .id = H5I_INVALID_HID,
        .space = H5I_INVALID_HID,
        .type = {.memory = H5I_INVALID_HID},
    };
    int result = load_one(&attribute, id);
    finish(&attribute);
    cshm_loader_beat(loader);
    if (result == 0)
        return 0;
    if (!loader->fatal)
        (void)cshm_error_prefix(&loader->error, "attribute %s", name);
    return cshm_loader_give_up_node(loader, object->node, result);
}

int cshm_attributes_load(struct cshm_loader *loader, hid_t id, const struct cshm_object *object)
{
    CSHM_AUTO_LINKS struct cshm_links names = {0};
    int result = cshm_links_read_attributes(loader, id, object->type, &names);
    if (result < 0)
        result = cshm_loader_give_up_node(loader, object->node, result);
    for (size_t i = 0; i < names.count && result == 0; i++)
        result = load_named(loader, id, object, names.links[i].name);
    return result;
}
