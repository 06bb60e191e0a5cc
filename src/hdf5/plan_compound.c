/* SPDX-License-Identifier: MIT */
/* Plans of compounds (complex numbers among them) and enums. */
#include <errno.h>
#include <stdlib.h>

#include "hdf5/plan_internal.h"

enum { MEMBER_VALUE_MAX = 64, ALIGNMENT = 8 };

/* --- Compounds
 * ------------------------------------------------------------------------------------ */

struct member {
    unsigned index;
    size_t offset; /* in the file */
};

static int by_offset(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int plan_field(struct cshm_planner *planner, hid_t type, unsigned index,
                      struct cshm_plan *field)
{
    CSHM_AUTO_H5_FREE char *name = H5Tget_member_name(type, index);
    CSHM_AUTO_HID hid_t member = name ? H5Tget_member_type(type, index) : H5I_INVALID_HID;
    if (member < 0)
        return cshm_loader_fail_h5(planner->loader, "compound member %u", index);
    field->name = cshm_arena_text(planner->arena, cshm_text(name));
    if (!field->name.bytes)
        return cshm_plan_no_memory(planner);
    /* libhdf5 believes the file here and copies beyond its buffers (CVE-2026-26200). */
    size_t whole = H5Tget_size(type);
    size_t offset = H5Tget_member_offset(type, index);
    int result = offset > whole || H5Tget_size(member) > whole - offset
                     ? cshm_fail(&planner->loader->error, -EINVAL, "lies outside its compound")
                     : cshm_plan_type(planner, member, field, &field->memory);
    if (result < 0 && !planner->loader->fatal)
        (void)cshm_error_prefix(&planner->loader->error, "field %s", name);
    return result;
}

static int plan_fields(struct cshm_planner *planner, hid_t type, const struct member *members,
                       size_t count, struct cshm_plan *plan)
{
    struct cshm_plan **end = &plan->first;
    for (size_t i = 0; i < count; i++) {
        struct cshm_plan *field = cshm_arena_alloc(planner->arena, sizeof *field);
        if (!field)
            return cshm_plan_no_memory(planner);
        *end = field;
        end = &field->next;
        int result = plan_field(planner, type, members[i].index, field);
        if (result < 0)
            return result;
        plan->is_variable |= field->is_variable;
        plan->has_resources |= field->has_resources;
    }
    return 0;
}

/*
 * Where the file's layout has room for the fields as they are in memory it is kept: libhdf5 then
 * copies elements whole instead of converting each.
 */
static bool fits_file_layout(hid_t type, const struct member *members, size_t count,
                             const struct cshm_plan *plan)
{
    const struct cshm_plan *field = plan->first;
    for (size_t i = 0; i < count; i++, field = field->next) {
        size_t end = i + 1 < count ? members[i + 1].offset : H5Tget_size(type);
        if (members[i].offset > end || cshm_plan_extent(field) > end - members[i].offset)
            return false;
    }
    return true;
}

static int lay_out(struct cshm_planner *planner, hid_t type, const struct member *members,
                   size_t count, struct cshm_plan *plan)
{
    bool as_file = fits_file_layout(type, members, count, plan);
    size_t size = 0;
    size_t i = 0;
    for (struct cshm_plan *field = plan->first; field; field = field->next, i++) {
        size_t extent = cshm_plan_extent(field);
        size_t alignment = extent % ALIGNMENT == 0 ? ALIGNMENT : 1;
        field->offset =
            as_file ? members[i].offset : (size + alignment - 1) / alignment * alignment;
        if (__builtin_add_overflow(field->offset, extent, &size))
            return cshm_fail(&planner->loader->error, -EINVAL, "a compound of impossible size");
    }
    plan->size = as_file ? H5Tget_size(type) : size;
    return 0;
}

static int make_compound(struct cshm_planner *planner, const struct cshm_plan *plan, hid_t *memory)
{
    int result = cshm_plan_take(planner, H5Tcreate(H5T_COMPOUND, plan->size), memory);
    for (const struct cshm_plan *field = plan->first; field && result == 0; field = field->next)
        if (H5Tinsert(*memory, field->name.bytes, field->offset, field->memory) < 0)
            result = cshm_loader_fail_h5(planner->loader, "field %s", field->name.bytes);
    return result;
}

/* What h5py writes complex numbers as: exactly the fields r and i, in this order, of one float
 * type. */
static bool is_complex(const struct member *members, size_t count, const struct cshm_plan *plan)
{
    if (count != 2)
        return false;
    const struct cshm_plan *r = members[0].index == 0 ? plan->first : plan->first->next;
    const struct cshm_plan *i = members[0].index == 0 ? plan->first->next : plan->first;
    return cshm_text_is(r->name, "r") && cshm_text_is(i->name, "i") && r->kind == CSHM_PLAN_PLAIN &&
           i->kind == CSHM_PLAN_PLAIN && r->rank == 0 && i->rank == 0 && r->dtype.kind == 'f' &&
           i->dtype.kind == 'f' && r->size >= 4 && r->size == i->size &&
           r->dtype.byte_order == i->dtype.byte_order;
}

static int plan_complex(struct cshm_planner *planner, struct cshm_plan *plan, hid_t *memory)
{
    struct cshm_plan *part = plan->first;
    size_t size = part->size;
    int result = cshm_plan_take(planner, H5Tcreate(H5T_COMPOUND, 2 * size), memory);
    if (result == 0 && (H5Tinsert(*memory, "r", 0, part->memory) < 0 ||
                        H5Tinsert(*memory, "i", size, part->memory) < 0))
        result = cshm_loader_fail_h5(planner->loader, "complex type");
    plan->kind = CSHM_PLAN_PLAIN;
    plan->size = 2 * size;
    plan->dtype = part->dtype;
    plan->dtype.kind = 'c';
    plan->dtype.itemsize = 2 * size;
    return result;
}

static void release_field_types(struct cshm_plan *plan)
{
    for (struct cshm_plan *field = plan->first; field; field = field->next) {
        cshm_h5_release(&field->memory);
        field->memory = 0;
    }
}

static int plan_members(struct cshm_planner *planner, hid_t type, const struct member *members,
                        size_t count, struct cshm_plan *plan, hid_t *memory)
{
    plan->kind = CSHM_PLAN_COMPOUND;
    plan->described_as = "compound";
    int result = plan_fields(planner, type, members, count, plan);
    if (result == 0 && is_complex(members, count, plan)) {
        plan->described_as = NULL;
        result = plan_complex(planner, plan, memory);
        release_field_types(plan);
        plan->first = NULL;
        return result;
    }
    if (result == 0)
        result = lay_out(planner, type, members, count, plan);
    if (result == 0)
        result = make_compound(planner, plan, memory);
    release_field_types(plan);
    return result;
}

int cshm_plan_compound(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                       hid_t *memory)
{
    int count = H5Tget_nmembers(type);
    if (count < 1)
        return cshm_loader_fail_h5(planner->loader, "a compound without fields");
    struct member *members = cshm_arena_array(planner->arena, (size_t)count, sizeof *members);
    if (!members)
        return cshm_plan_no_memory(planner);
    for (unsigned i = 0; i < (unsigned)count; i++)
        members[i] = (struct member){i, H5Tget_member_offset(type, i)};
    qsort(members, (size_t)count, sizeof *members, by_offset);
    return plan_members(planner, type, members, (size_t)count, plan, memory);
}

/* --- Enums
 * ---------------------------------------------------------------------------------------- */

static int member_value(struct cshm_planner *planner, hid_t type, hid_t base, unsigned index,
                        bool is_signed, struct cshm_value *out)
{
    _Alignas(16) unsigned char bytes[MEMBER_VALUE_MAX] = {0};
    hid_t native = is_signed ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64;
    if (H5Tget_member_value(type, index, bytes) < 0 ||
        H5Tconvert(base, native, 1, bytes, NULL, H5P_DEFAULT) < 0)
        return cshm_loader_fail_h5(planner->loader, "enum member %u", index);
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    out->type = CSHM_VALUE_INTEGER;
    out->integer = (int64_t)value;
    if (is_signed || value <= INT64_MAX)
        return 0;
    char text[32];
    int length = snprintf(text, sizeof text, "!uint64 %llu", (unsigned long long)value);
    out->type = CSHM_VALUE_STRING;
    out->string = cshm_arena_text(planner->arena, (struct cshm_text){text, (size_t)length});
    return out->string.bytes ? 0 : cshm_plan_no_memory(planner);
}

static int take_members(struct cshm_planner *planner, hid_t type, hid_t base, bool is_signed,
                        struct cshm_value *out)
{
    int count = H5Tget_nmembers(type);
    if (count < 0)
        return cshm_loader_fail_h5(planner->loader, "enum type");
    *out = (struct cshm_value){.type = CSHM_VALUE_TABLE};
    out->table.members =
        cshm_arena_array(planner->arena, (size_t)count, sizeof *out->table.members);
    if (!out->table.members)
        return cshm_plan_no_memory(planner);
    out->table.count = (size_t)count;
    for (unsigned i = 0; i < (unsigned)count; i++) {
        struct cshm_member *member = &out->table.members[i];
        CSHM_AUTO_H5_FREE char *name = H5Tget_member_name(type, i);
        if (!name)
            return cshm_loader_fail_h5(planner->loader, "enum member %u", i);
        member->key = cshm_arena_text(planner->arena, cshm_text(name));
        if (!member->key.bytes)
            return cshm_plan_no_memory(planner);
        int result = member_value(planner, type, base, i, is_signed, &member->value);
        if (result < 0)
            return result;
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct cshm_text *x = a;
    const struct cshm_text *y = b;
    int order = memcmp(x->bytes, y->bytes, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* A damaged file may say a name twice; a TOML table cannot. */
static int check_names(struct cshm_planner *planner, const struct cshm_value *members)
{
    size_t count = members->table.count;
    struct cshm_text *keys = cshm_arena_array(planner->arena, count, sizeof *keys);
    if (!keys)
        return cshm_plan_no_memory(planner);
    for (size_t i = 0; i < count; i++)
        keys[i] = members->table.members[i].key;
    if (count)
        qsort(keys, count, sizeof *keys, by_key);
    for (size_t i = 1; i < count; i++)
        if (cshm_text_equal(keys[i - 1], keys[i]))
            return cshm_fail(&planner->loader->error, -EINVAL, "two enum members are named %s",
                             keys[i].bytes);
    return 0;
}

static bool is_member(const struct cshm_value *members, const char *name, int64_t value)
{
    const struct cshm_value *member = cshm_value_get(members, name);
    return member && member->type == CSHM_VALUE_INTEGER && member->integer == value;
}

/* The type h5py reads booleans with; libhdf5 converts the members by name. */
static int plan_bool(struct cshm_planner *planner, struct cshm_plan *plan, hid_t *memory)
{
    int result = cshm_plan_take(planner, H5Tenum_create(H5T_NATIVE_INT8), memory);
    if (result < 0)
        return result;
    static const int8_t no = 0;
    static const int8_t yes = 1;
    if (H5Tenum_insert(*memory, "FALSE", &no) < 0 || H5Tenum_insert(*memory, "TRUE", &yes) < 0)
        return cshm_loader_fail_h5(planner->loader, "enum type");
    plan->size = 1;
    plan->dtype = (struct cshm_dtype){.kind = 'b', .byte_order = '|', .itemsize = 1};
    return 0;
}

/*
 * `*memory` is the base as integers. Where that is the file's base too the enum is read as it is
 * (libhdf5 then copies), else as those integers.
 */
static int finish_enum(struct cshm_planner *planner, hid_t type, bool is_standard,
                       const struct cshm_value *members, struct cshm_plan *plan, hid_t *memory)
{
    if (members->table.count == 2 && is_member(members, "FALSE", 0) &&
        is_member(members, "TRUE", 1)) {
        cshm_h5_release(memory);
        *memory = H5I_INVALID_HID;
        return plan_bool(planner, plan, memory);
    }
    struct cshm_value *kept = cshm_arena_alloc(planner->arena, sizeof *kept);
    if (!kept)
        return cshm_plan_no_memory(planner);
    *kept = *members;
    plan->enumeration = kept;
    if (!is_standard)
        return 0;
    cshm_h5_release(memory);
    *memory = H5I_INVALID_HID;
    return cshm_plan_take(planner, H5Tcopy(type), memory);
}

int cshm_plan_enum(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan, hid_t *memory)
{
    CSHM_AUTO_HID hid_t base = H5Tget_super(type);
    if (base < 0)
        return cshm_loader_fail_h5(planner->loader, "enum type");
    if (H5Tget_size(base) != H5Tget_size(type))
        return cshm_fail(&planner->loader->error, -EINVAL, "an enum of another size than its base");
    if (H5Tget_class(base) != H5T_INTEGER || H5Tget_size(base) > MEMBER_VALUE_MAX)
        return cshm_plan_raw(planner, type, "an enum over something else than integers", plan,
                             memory);
    CSHM_AUTO_HID hid_t base_memory = H5I_INVALID_HID;
    int result = cshm_plan_integer(planner, base, plan, &base_memory);
    if (result < 0)
        return result;
    if (plan->described_as) { /* raw */
        cshm_h5_release(&base_memory);
        base_memory = H5I_INVALID_HID;
        return cshm_plan_raw(planner, type, plan->note, plan, memory);
    }
    struct cshm_value members;
    result = take_members(planner, type, base, plan->dtype.kind == 'i', &members);
    if (result == 0)
        result = check_names(planner, &members);
    if (result < 0)
        return result;
    bool is_standard = H5Tequal(base, base_memory) > 0;
    *memory = cshm_steal_hid(&base_memory);
    return finish_enum(planner, type, is_standard, &members, plan, memory);
}
