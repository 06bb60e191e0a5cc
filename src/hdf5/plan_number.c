/* SPDX-License-Identifier: MIT */
/*
 * Plans of integers, floats, bit fields and times. h5py keeps the size and byte order of integers
 * and takes the smallest IEEE type that holds a float; sizes numpy has no type for go up to the
 * next one it has.
 */
#include <errno.h>

#include "hdf5/plan_internal.h"

/* --- Standard types
 * ------------------------------------------------------------------------------- */

/* Smallest of 1, 2, 4, 8 that is at least `size`; 0: none. */
static size_t standard_size(size_t size)
{
    for (size_t standard = 1; standard <= 8; standard *= 2)
        if (size <= standard)
            return standard;
    return 0;
}

static bool is_big(hid_t type)
{
    return H5Tget_order(type) == H5T_ORDER_BE;
}

static void set_plain(struct cshm_plan *plan, char kind, bool big, size_t size)
{
    plan->kind = CSHM_PLAN_PLAIN;
    plan->size = size;
    plan->dtype = (struct cshm_dtype){
        .kind = kind, .byte_order = size == 1 ? '|' : (big ? '>' : '<'), .itemsize = size};
}

/* Copies a little-endian standard type, turned round if need be. */
static int copy_standard(struct cshm_planner *planner, hid_t standard, bool big, hid_t *memory)
{
    int result = cshm_plan_take(planner, H5Tcopy(standard), memory);
    if (result == 0 && big && H5Tset_order(*memory, H5T_ORDER_BE) < 0)
        return cshm_loader_fail_h5(planner->loader, "byte order");
    return result;
}

/* --- Integers and bit fields
 * ---------------------------------------------------------------------- */

static hid_t standard_integer(size_t size, bool is_signed)
{
    switch (size) {
    case 1:
        return is_signed ? H5T_STD_I8LE : H5T_STD_U8LE;
    case 2:
        return is_signed ? H5T_STD_I16LE : H5T_STD_U16LE;
    case 4:
        return is_signed ? H5T_STD_I32LE : H5T_STD_U32LE;
    default:
        return is_signed ? H5T_STD_I64LE : H5T_STD_U64LE;
    }
}

static hid_t standard_bits(size_t size)
{
    switch (size) {
    case 1:
        return H5T_STD_B8LE;
    case 2:
        return H5T_STD_B16LE;
    case 4:
        return H5T_STD_B32LE;
    default:
        return H5T_STD_B64LE;
    }
}

/* The type's own size where numpy has it, else what its significant bits need. 0: none. */
static size_t integer_size(hid_t type)
{
    size_t size = H5Tget_size(type);
    if (size == standard_size(size))
        return size;
    return standard_size((H5Tget_precision(type) + 7) / 8);
}

int cshm_plan_integer(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                      hid_t *memory)
{
    size_t size = integer_size(type);
    if (size == 0)
        return cshm_plan_raw(planner, type, "no numpy type holds integers of this size", plan,
                             memory);
    bool is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
    set_plain(plan, is_signed ? 'i' : 'u', is_big(type), size);
    return copy_standard(planner, standard_integer(size, is_signed), is_big(type), memory);
}

int cshm_plan_bitfield(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                       hid_t *memory)
{
    size_t size = integer_size(type);
    if (size == 0)
        return cshm_plan_raw(planner, type, "no numpy type holds bit fields of this size", plan,
                             memory);
    set_plain(plan, 'u', is_big(type), size);
    plan->described_as = "bitfield";
    return copy_standard(planner, standard_bits(size), is_big(type), memory);
}

int cshm_plan_time(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan, hid_t *memory)
{
    return cshm_plan_raw(planner, type, "HDF5's time type has no meaning anybody knows", plan,
                         memory);
}

/* --- Floats
 * --------------------------------------------------------------------------------------- */

struct float_format {
    size_t size;
    size_t mantissa; /* bits stored */
    int64_t exponent_max;
    int64_t exponent_min;
};

/* As numpy.finfo has them; the last is x86's 80-bit format in 16 bytes. */
static const struct float_format float_formats[] = {
    {2, 10, 16, -14},
    {4, 23, 128, -126},
    {8, 52, 1024, -1022},
    {16, 64, 16384, -16382},
};

static const struct float_format *float_format_of(hid_t type)
{
    size_t sign, exponent, exponent_size, mantissa, mantissa_size;
    if (H5Tget_fields(type, &sign, &exponent, &exponent_size, &mantissa, &mantissa_size) < 0)
        return NULL;
    size_t size = H5Tget_size(type);
    size_t bias = H5Tget_ebias(type);
    if (exponent_size > 32 || bias > UINT32_MAX)
        return NULL;
    int64_t highest = ((int64_t)1 << exponent_size) - (int64_t)bias - 1;
    int64_t lowest = 1 - (int64_t)bias;
    for (size_t i = 0; i < sizeof float_formats / sizeof float_formats[0]; i++) {
        const struct float_format *format = &float_formats[i];
        if (format->size == 16 && H5Tget_size(H5T_NATIVE_LDOUBLE) != 16)
            continue; /* a machine whose long double is something else */
        if (format->size >= size && mantissa_size <= format->mantissa &&
            highest <= format->exponent_max && lowest >= format->exponent_min)
            return format;
    }
    return NULL;
}

/* IEEE half precision, which libhdf5 has no name for before 1.14.4. */
static int make_half(struct cshm_planner *planner, bool big, hid_t *memory)
{
    int result = cshm_plan_take(planner, H5Tcopy(H5T_IEEE_F32LE), memory);
    if (result < 0)
        return result;
    if (H5Tset_fields(*memory, 15, 10, 5, 0, 10) < 0 || H5Tset_size(*memory, 2) < 0 ||
        H5Tset_ebias(*memory, 15) < 0 || (big && H5Tset_order(*memory, H5T_ORDER_BE) < 0))
        return cshm_loader_fail_h5(planner->loader, "float16");
    return 0;
}

int cshm_plan_float(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan, hid_t *memory)
{
    const struct float_format *format = float_format_of(type);
    if (!format)
        return cshm_plan_raw(planner, type, "no numpy type holds floats of this format", plan,
                             memory);
    bool big = is_big(type);
    set_plain(plan, 'f', big, format->size);
    if (format->size == 2)
        return make_half(planner, big, memory);
    hid_t standard = format->size == 4   ? H5T_IEEE_F32LE
                     : format->size == 8 ? H5T_IEEE_F64LE
                                         : H5T_NATIVE_LDOUBLE;
    return copy_standard(planner, standard, big, memory);
}
