/* SPDX-License-Identifier: MIT */
#include "format/npy.h"

#include <errno.h>

#include "format/npy_literal.h"

enum { MAGIC_SIZE = 6, ITEMSIZE_MAX = INT32_MAX };

static const char magic[MAGIC_SIZE + 1] = "\x93NUMPY";

/* --- Types --------------------------------------------------------------------------------------
 */

static int read_type(struct cshm_literal *in, struct cshm_npy_type *out);

static int read_plain(struct cshm_literal *in, struct cshm_npy_type *out)
{
    struct cshm_text text = {0};
    int result = cshm_literal_string(in, &text);
    if (result < 0)
        return result;
    result = cshm_dtype_parse(text.bytes, text.length, &out->dtype);
    if (result == -ENOTSUP || cshm_text_is(text, "|O") || cshm_text_is(text, "O"))
        return cshm_literal_wrong(in, "objects cannot be in shared memory");
    if (result < 0)
        return cshm_literal_wrong(in, "no dtype that can be in shared memory");
    out->itemsize = out->bytes = out->dtype.itemsize;
    return 0;
}

/* The type is a sub-array of what it was. */
static int repeat(struct cshm_literal *in, struct cshm_npy_type *type, size_t rank,
                  const uint64_t *shape)
{
    uint64_t *both = cshm_arena_array(in->arena, rank + type->rank + 1, sizeof *both);
    if (!both)
        return cshm_fail(in->error, -ENOMEM, "out of memory");
    if (rank + type->rank > CSHM_RANK_MAX)
        return cshm_literal_wrong(in, "more than 64 dimensions");
    memcpy(both, shape, rank * sizeof *both);
    if (type->rank > 0)
        memcpy(both + rank, type->shape, type->rank * sizeof *both);
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(type->bytes, shape[i], &type->bytes) ||
            type->bytes > ITEMSIZE_MAX || shape[i] > ITEMSIZE_MAX)
            return cshm_literal_wrong(in, "an element is too large");
    type->shape = both;
    type->rank += rank;
    return 0;
}

/* A name, or a tuple of title and name. */
static int read_name(struct cshm_literal *in, struct cshm_text *out)
{
    if (!cshm_literal_take(in, '('))
        return cshm_literal_string(in, out);
    int result = cshm_literal_string(in, out);
    if (result == 0)
        result = cshm_literal_expect(in, ',');
    if (result == 0)
        result = cshm_literal_string(in, out);
    return result < 0 ? result : cshm_literal_expect(in, ')');
}

static int read_field(struct cshm_literal *in, struct cshm_npy_field *field)
{
    size_t rank = 0;
    const uint64_t *shape = NULL;
    int result = cshm_literal_expect(in, '(');
    if (result == 0)
        result = read_name(in, &field->name);
    if (result == 0)
        result = cshm_literal_expect(in, ',');
    if (result == 0)
        result = read_type(in, &field->type);
    if (result == 0 && cshm_literal_take(in, ',') && cshm_literal_peek(in) != ')') {
        result = cshm_literal_shape(in, true, &rank, &shape);
        if (result == 0)
            result = repeat(in, &field->type, rank, shape);
        (void)cshm_literal_take(in, ',');
    }
    return result < 0 ? result : cshm_literal_expect(in, ')');
}

/* numpy fills gaps with nameless void fields. */
static bool is_padding(const struct cshm_npy_field *field)
{
    return field->name.length == 0 && !field->type.is_structured && field->type.dtype.kind == 'V';
}

static bool has_field(const struct cshm_npy_type *type, struct cshm_text name)
{
    for (const struct cshm_npy_field *field = type->fields; field; field = field->next)
        if (cshm_text_equal(field->name, name))
            return true;
    return false;
}

static int read_fields(struct cshm_literal *in, struct cshm_npy_type *out)
{
    const struct cshm_npy_field **end = &out->fields;
    int result = cshm_literal_expect(in, '[');
    out->is_structured = true;
    for (bool comma = true; result == 0 && cshm_literal_peek(in) != ']';
         comma = cshm_literal_take(in, ',')) {
        struct cshm_npy_field *field = cshm_arena_alloc(in->arena, sizeof *field);
        if (!field)
            return cshm_fail(in->error, -ENOMEM, "out of memory");
        if (!comma)
            return cshm_literal_wrong(in, "',' is missing");
        if (in->fields++ == CSHM_NPY_FIELDS_MAX)
            return cshm_literal_wrong(in, "more than 1024 fields");
        result = read_field(in, field);
        if (result < 0)
            return result;
        field->offset = out->itemsize;
        out->itemsize += field->type.bytes;
        if (out->itemsize > ITEMSIZE_MAX)
            return cshm_literal_wrong(in, "an element is too large");
        if (is_padding(field))
            continue;
        if (has_field(out, field->name))
            return cshm_literal_wrong(in, "two fields of one name");
        *end = field;
        end = &field->next;
    }
    out->bytes = out->itemsize;
    return result < 0 ? result : cshm_literal_expect(in, ']');
}

/* A type and the shape of the sub-array of it. */
static int read_subarray(struct cshm_literal *in, struct cshm_npy_type *out)
{
    size_t rank = 0;
    const uint64_t *shape = NULL;
    int result = cshm_literal_expect(in, '(');
    if (result == 0)
        result = read_type(in, out);
    if (result == 0)
        result = cshm_literal_expect(in, ',');
    if (result == 0)
        result = cshm_literal_shape(in, true, &rank, &shape);
    if (result == 0)
        result = repeat(in, out, rank, shape);
    (void)cshm_literal_take(in, ',');
    return result < 0 ? result : cshm_literal_expect(in, ')');
}

static int read_type(struct cshm_literal *in, struct cshm_npy_type *out)
{
    *out = (struct cshm_npy_type){0};
    if (in->depth == CSHM_NPY_NESTING_MAX)
        return cshm_literal_wrong(in, "fields are nested too deep");
    in->depth++;
    char c = cshm_literal_peek(in);
    int result = c == '['   ? read_fields(in, out)
                 : c == '(' ? read_subarray(in, out)
                            : read_plain(in, out);
    in->depth--;
    return result;
}

/* --- The header ---------------------------------------------------------------------------------
 */

enum { HAS_DESCR = 1, HAS_ORDER = 2, HAS_SHAPE = 4, HAS_ALL = 7 };

static int read_member(struct cshm_literal *in, struct cshm_npy_header *out, unsigned *has)
{
    struct cshm_text key = {0};
    int result = cshm_literal_string(in, &key);
    if (result == 0)
        result = cshm_literal_expect(in, ':');
    if (result < 0)
        return result;
    unsigned which = cshm_text_is(key, "descr")           ? HAS_DESCR
                     : cshm_text_is(key, "fortran_order") ? HAS_ORDER
                     : cshm_text_is(key, "shape")         ? HAS_SHAPE
                                                          : 0;
    if (which == 0 || *has & which)
        return cshm_literal_wrong(in, "an unknown key, or one twice");
    *has |= which;
    if (which == HAS_DESCR)
        return read_type(in, &out->type);
    return which == HAS_ORDER ? cshm_literal_boolean(in, &out->is_fortran)
                              : cshm_literal_shape(in, false, &out->rank, &out->shape);
}

static int read_dictionary(struct cshm_literal *in, struct cshm_npy_header *out)
{
    unsigned has = 0;
    int result = cshm_literal_expect(in, '{');
    for (bool comma = true; result == 0 && cshm_literal_peek(in) != '}';
         comma = cshm_literal_take(in, ',')) {
        if (!comma)
            return cshm_literal_wrong(in, "',' is missing");
        result = read_member(in, out, &has);
        if (result < 0)
            return result;
    }
    if (result == 0)
        result = cshm_literal_expect(in, '}');
    if (result < 0)
        return result;
    if (cshm_literal_peek(in) || in->at != in->end)
        return cshm_literal_wrong(in, "something behind the dictionary");
    return has == HAS_ALL ? 0 : cshm_literal_wrong(in, "descr, fortran_order or shape is missing");
}

static bool is_empty(const struct cshm_npy_header *header)
{
    for (size_t i = 0; i < header->rank; i++)
        if (header->shape[i] == 0)
            return true;
    return false;
}

static int measure(const struct cshm_literal *in, struct cshm_npy_header *out)
{
    out->elements = is_empty(out) ? 0 : 1;
    for (size_t i = 0; i < out->rank && out->elements > 0; i++)
        if (__builtin_mul_overflow(out->elements, out->shape[i], &out->elements))
            return cshm_literal_wrong(in, "the array is too large");
    uint64_t all;
    if (__builtin_mul_overflow(out->elements, out->type.bytes, &out->bytes) ||
        __builtin_add_overflow(out->bytes, out->length, &all) || all > INT64_MAX)
        return cshm_literal_wrong(in, "the array is too large");
    return 0;
}

static unsigned little(const char *bytes, size_t size)
{
    unsigned value = 0;
    while (size-- > 0)
        value = value << 8 | (unsigned char)bytes[size];
    return value;
}

/* Magic, version, and the two or four bytes of the length. */
static size_t size_of_start(const char *bytes)
{
    return bytes[MAGIC_SIZE] == 1 ? MAGIC_SIZE + 2 + 2 : MAGIC_SIZE + 2 + 4;
}

int cshm_npy_length(const char *bytes, size_t length, size_t *out, struct cshm_error *error)
{
    size_t start = MAGIC_SIZE + 2;
    if (length > 0 && memcmp(bytes, magic, length < MAGIC_SIZE ? length : MAGIC_SIZE) != 0)
        return cshm_fail(error, -EINVAL, "this is no .npy file");
    if (length < start)
        return -EAGAIN;
    if (bytes[MAGIC_SIZE] < 1 || bytes[MAGIC_SIZE] > 3 || bytes[MAGIC_SIZE + 1] != 0)
        return cshm_fail(error, -EINVAL, "the .npy format %u.%u is not known",
                         (unsigned char)bytes[MAGIC_SIZE], (unsigned char)bytes[MAGIC_SIZE + 1]);
    size_t data = size_of_start(bytes);
    if (length < data)
        return -EAGAIN;
    size_t text = little(bytes + start, data - start);
    if (text > CSHM_NPY_HEADER_MAX - data)
        return cshm_fail(error, -EINVAL, "the .npy header is longer than a megabyte");
    *out = data + text;
    return 0;
}

int cshm_npy_parse(const char *bytes, size_t length, struct cshm_arena *arena,
                   struct cshm_npy_header *out, struct cshm_error *error)
{
    *out = (struct cshm_npy_header){0};
    int result = cshm_npy_length(bytes, length, &out->length, error);
    if (result < 0 || out->length != length)
        return result == -EINVAL ? result
                                 : cshm_fail(error, -EINVAL, "the .npy header is cut short");
    struct cshm_literal in = {.begin = bytes,
                              .at = bytes + size_of_start(bytes),
                              .end = bytes + length,
                              .arena = arena,
                              .error = error,
                              .latin1 = bytes[MAGIC_SIZE] < 3};
    result = read_dictionary(&in, out);
    /* Elements that are sub-arrays themselves are dimensions of the array. */
    if (result == 0 && out->rank + out->type.rank > CSHM_RANK_MAX)
        result = cshm_literal_wrong(&in, "more than 64 dimensions");
    return result < 0 ? result : measure(&in, out);
}
