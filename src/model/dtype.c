/* SPDX-License-Identifier: MIT */
#include "model/dtype.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "dtype names say native order, which the formats define as little-endian"
#endif

/* numpy keeps elsize in a C int. */
#define ITEMSIZE_MAX INT32_MAX

static const struct {
    const char *name;
    char kind;
    uint8_t itemsize;
} named[] = {
    {"bool", 'b', 1},       {"int8", 'i', 1},        {"int16", 'i', 2},       {"int32", 'i', 4},
    {"int64", 'i', 8},      {"uint8", 'u', 1},       {"uint16", 'u', 2},      {"uint32", 'u', 4},
    {"uint64", 'u', 8},     {"float16", 'f', 2},     {"float32", 'f', 4},     {"float64", 'f', 8},
    {"float128", 'f', 16},  {"complex64", 'c', 8},   {"complex128", 'c', 16}, {"complex256", 'c', 32},
};

static bool unit_is_known(const char *unit, size_t length)
{
    static const char *const units[] = {"Y",  "M",  "W",  "D",  "h",  "m", "s",
                                        "ms", "us", "ns", "ps", "fs", "as"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i]) == length && memcmp(units[i], unit, length) == 0)
            return true;
    return false;
}

/* "", "[ns]", "[25s]", "[generic]": as numpy's parse_datetime_metadata_from_metastr. */
static int parse_unit(const char *text, size_t length, char unit[CSHM_DTYPE_UNIT_MAX])
{
    if (length == 0)
        return 0;
    if (length < 3 || text[0] != '[' || text[length - 1] != ']')
        return -EINVAL;
    text++;
    length -= 2;
    if (length == 7 && memcmp(text, "generic", 7) == 0)
        return 0;
    size_t digits = 0;
    uint64_t count = 0;
    while (digits < length && text[digits] >= '0' && text[digits] <= '9' && digits < 11)
        count = count * 10 + (uint64_t)(text[digits++] - '0');
    if (digits > 0 && (count == 0 || count > INT32_MAX || text[0] == '0'))
        return -EINVAL;
    if (!unit_is_known(text + digits, length - digits) || length >= CSHM_DTYPE_UNIT_MAX)
        return -EINVAL;
    if (count == 1) /* numpy prints [s] for [1s] */
        digits = 1;
    else
        digits = 0;
    memcpy(unit, text + digits, length - digits);
    return 0;
}

static bool take_prefix(const char **text, size_t *length, const char *prefix)
{
    size_t size = strlen(prefix);
    if (*length < size || memcmp(*text, prefix, size) != 0)
        return false;
    *text += size;
    *length -= size;
    return true;
}

static int parse_named(const char *text, size_t length, struct cshm_dtype *out)
{
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (strlen(named[i].name) != length || memcmp(named[i].name, text, length) != 0)
            continue;
        out->kind = named[i].kind;
        out->itemsize = named[i].itemsize;
        return 0;
    }
    bool date = take_prefix(&text, &length, "datetime64");
    if (!date && !take_prefix(&text, &length, "timedelta64"))
        return -EINVAL;
    out->kind = date ? 'M' : 'm';
    out->itemsize = 8;
    return parse_unit(text, length, out->unit);
}

static bool size_is_allowed(char kind, uint64_t size)
{
    switch (kind) {
    case 'b':
        return size == 1;
    case 'i':
    case 'u':
        return size == 1 || size == 2 || size == 4 || size == 8;
    case 'f':
        return size == 2 || size == 4 || size == 8 || size == 16;
    case 'c':
        return size == 8 || size == 16 || size == 32;
    case 'M':
    case 'm':
        return size == 8;
    case 'S':
    case 'V':
        return size <= ITEMSIZE_MAX;
    case 'U':
        return size <= ITEMSIZE_MAX / 4;
    default:
        return false;
    }
}

/* The type-string form: order, kind, decimal size, unit; "<f8", "|S5", ">M8[s]", "U3". */
static int parse_typestring(const char *text, size_t length, struct cshm_dtype *out)
{
    char order = '<';
    if (length > 0 && strchr("<>=|", text[0]) && text[0]) {
        order = text[0] == '>' ? '>' : '<';
        text++;
        length--;
    }
    if (length == 1 && text[0] == '?') {
        out->kind = 'b';
        out->itemsize = 1;
        return 0;
    }
    if (length < 2)
        return -EINVAL;
    if (text[0] == 'O')
        return -ENOTSUP;
    uint64_t size = 0;
    size_t used = 1;
    while (used < length && text[used] >= '0' && text[used] <= '9' && size <= ITEMSIZE_MAX)
        size = size * 10 + (uint64_t)(text[used++] - '0');
    if (used == 1 || (used > 2 && text[1] == '0') || !size_is_allowed(text[0], size))
        return -EINVAL;
    out->kind = text[0];
    out->byte_order = order;
    out->itemsize = text[0] == 'U' ? size * 4 : size;
    if (out->kind == 'M' || out->kind == 'm')
        return parse_unit(text + used, length - used, out->unit);
    return used == length ? 0 : -EINVAL;
}

static bool order_applies(const struct cshm_dtype *dtype)
{
    return dtype->kind != 'S' && dtype->kind != 'V' && (dtype->kind == 'U' || dtype->itemsize > 1);
}

int cshm_dtype_parse(const char *text, size_t length, struct cshm_dtype *out)
{
    *out = (struct cshm_dtype){.byte_order = '<'};
    if (length == 6 && memcmp(text, "object", 6) == 0)
        return -ENOTSUP;
    if (length > 0 && (text[0] == '[' || text[0] == '{' || text[0] == '('))
        return -ENOTSUP; /* str() of a structured or subarray dtype */
    int result = parse_named(text, length, out);
    if (result < 0) {
        *out = (struct cshm_dtype){.byte_order = '<'};
        result = parse_typestring(text, length, out);
    }
    if (result == 0 && !order_applies(out))
        out->byte_order = '|';
    return result;
}

static const char *name_of(const struct cshm_dtype *dtype)
{
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (named[i].kind == dtype->kind && named[i].itemsize == dtype->itemsize)
            return named[i].name;
    return "";
}

const char *cshm_dtype_format(const struct cshm_dtype *dtype, char out[CSHM_DTYPE_TEXT_MAX])
{
    const char *open = dtype->unit[0] ? "[" : "";
    const char *close = dtype->unit[0] ? "]" : "";
    bool time = dtype->kind == 'M' || dtype->kind == 'm';
    unsigned long long size = dtype->kind == 'U' ? dtype->itemsize / 4 : dtype->itemsize;
    if (dtype->kind == 'S' || dtype->kind == 'U' || dtype->kind == 'V' || dtype->byte_order == '>')
        (void)snprintf(out, CSHM_DTYPE_TEXT_MAX, "%c%c%llu%s%s%s", dtype->byte_order, dtype->kind,
                       size, open, dtype->unit, close);
    else if (time)
        (void)snprintf(out, CSHM_DTYPE_TEXT_MAX, "%s%s%s%s",
                       dtype->kind == 'M' ? "datetime64" : "timedelta64", open, dtype->unit, close);
    else
        (void)snprintf(out, CSHM_DTYPE_TEXT_MAX, "%s", name_of(dtype));
    return out;
}

int cshm_dtype_array_size(const struct cshm_dtype *dtype, size_t rank, const uint64_t *shape,
                          uint64_t *bytes)
{
    /* A zero extent makes the array empty, however large the others are. */
    for (size_t i = 0; i < rank; i++) {
        if (shape[i] == 0) {
            *bytes = 0;
            return 0;
        }
    }
    uint64_t total = dtype->itemsize;
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(total, shape[i], &total))
            return -EOVERFLOW;
    if (total > INT64_MAX)
        return -EOVERFLOW;
    *bytes = total;
    return 0;
}
