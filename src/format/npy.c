/* SPDX-License-Identifier: MIT */
#include "format/npy.h"

#include <errno.h>

enum { MAGIC_SIZE = 6, ITEMSIZE_MAX = INT32_MAX };

static const char magic[MAGIC_SIZE + 1] = "\x93NUMPY";

struct reading {
    const char *begin;
    const char *at;
    const char *end;
    struct cshm_arena *arena;
    struct cshm_error *error;
    bool latin1; /* versions 1 and 2 */
    unsigned depth;
    unsigned fields;
};

static int wrong(const struct reading *in, const char *what)
{
    return cshm_fail(in->error, -EINVAL, "the .npy header, byte %zu: %s",
                     (size_t)(in->at - in->begin), what);
}

/* --- Python's literals --------------------------------------------------------------------------
 */

static char peek(struct reading *in)
{
    while (in->at < in->end && strchr(" \t\n\r", *in->at) && *in->at)
        in->at++;
    return in->at < in->end ? *in->at : '\0';
}

static bool take(struct reading *in, char c)
{
    if (c == '\0' || peek(in) != c)
        return false;
    in->at++;
    return true;
}

static int expect(struct reading *in, char c)
{
    if (take(in, c))
        return 0;
    char what[] = "'?' is missing";
    what[1] = c;
    return wrong(in, what);
}

static bool take_word(struct reading *in, const char *word)
{
    size_t length = strlen(word);
    (void)peek(in);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0)
        return false;
    in->at += length;
    return true;
}

static int read_boolean(struct reading *in, bool *out)
{
    *out = take_word(in, "True");
    return *out || take_word(in, "False") ? 0 : wrong(in, "neither True nor False");
}

/* Python 2 wrote large ones with an L. */
static int read_unsigned(struct reading *in, uint64_t *out)
{
    uint64_t value = 0;
    if (peek(in) < '0' || peek(in) > '9')
        return wrong(in, "a number is missing");
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*in->at - '0'), &value))
            return wrong(in, "a number is too large");
    if (in->latin1 && in->at < in->end && *in->at == 'L')
        in->at++;
    *out = value;
    return 0;
}

static int hex_digits(struct reading *in, int count, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++, in->at++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = NULL;
        if (in->at < in->end && *in->at)
            digit = strchr(digits, *in->at >= 'A' && *in->at <= 'F' ? *in->at + 32 : *in->at);
        if (!digit)
            return wrong(in, "a bad escape in a string");
        value = value << 4 | (uint32_t)(digit - digits);
    }
    *out = value;
    return 0;
}

/* What repr() writes: \\, quotes, \n, \r, \t, \xNN, \uNNNN and \UNNNNNNNN. */
static int read_escape(struct reading *in, uint32_t *out)
{
    char c = in->at < in->end ? *in->at++ : '\0';
    switch (c) {
    case '\\':
    case '\'':
    case '"':
        *out = (uint32_t)c;
        return 0;
    case 'n':
        *out = '\n';
        return 0;
    case 'r':
        *out = '\r';
        return 0;
    case 't':
        *out = '\t';
        return 0;
    case 'x':
        return hex_digits(in, 2, out);
    case 'u':
        return hex_digits(in, 4, out);
    case 'U':
        return hex_digits(in, 8, out);
    default:
        return wrong(in, "a bad escape in a string");
    }
}

static void add_character(struct cshm_buffer *out, uint32_t c)
{
    if (c < 0x80) {
        cshm_buffer_add_char(out, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    cshm_buffer_add_char(out, (char)(lead[more] | c >> 6 * more));
    while (more-- > 0)
        cshm_buffer_add_char(out, (char)(0x80 | (c >> 6 * more & 0x3F)));
}

static int read_character(struct reading *in, struct cshm_buffer *out)
{
    unsigned char c = (unsigned char)*in->at++;
    uint32_t code = c;
    if (c == '\\') {
        int result = read_escape(in, &code);
        if (result < 0)
            return result;
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
            return wrong(in, "a bad escape in a string");
    } else if (c < 0x20 || c == 0x7F) {
        return wrong(in, "a control character in a string");
    } else if (!in->latin1) {
        cshm_buffer_add_char(out, (char)c); /* checked when it is whole */
        return 0;
    }
    add_character(out, code);
    return 0;
}

static int read_string(struct reading *in, struct cshm_text *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    (void)take(in, 'u'); /* Python 2 */
    char quote = peek(in);
    if (quote != '\'' && quote != '"')
        return wrong(in, "a string is missing");
    in->at++;
    while (in->at < in->end && *in->at != quote) {
        int result = read_character(in, &text);
        if (result < 0)
            return result;
    }
    if (in->at == in->end)
        return wrong(in, "a string does not end");
    in->at++;
    if (text.error)
        return cshm_fail(in->error, text.error, "out of memory");
    if (!cshm_utf8_valid(text.bytes, text.length))
        return wrong(in, "a string is not UTF-8");
    *out =
        cshm_arena_text(in->arena, (struct cshm_text){text.length ? text.bytes : "", text.length});
    return out->bytes ? 0 : cshm_fail(in->error, -ENOMEM, "out of memory");
}

/* A tuple of numbers; `or_number`: or one number, which means a tuple of one. */
static int read_shape(struct reading *in, bool or_number, size_t *rank, const uint64_t **out)
{
    uint64_t extents[CSHM_RANK_MAX];
    size_t count = 0;
    int result = 0;
    bool comma = true;
    if (or_number && peek(in) != '(') {
        result = read_unsigned(in, &extents[count++]);
    } else {
        result = expect(in, '(');
        while (result == 0 && peek(in) != ')') {
            if (!comma || count == CSHM_RANK_MAX)
                return wrong(in, comma ? "more than 64 dimensions" : "',' is missing");
            result = read_unsigned(in, &extents[count++]);
            comma = take(in, ',');
        }
        if (result == 0 && count == 1 && !comma)
            return wrong(in, "a shape is a tuple");
        if (result == 0)
            result = expect(in, ')');
    }
    if (result < 0)
        return result;
    uint64_t *shape = cshm_arena_array(in->arena, count + 1, sizeof *shape);
    if (!shape)
        return cshm_fail(in->error, -ENOMEM, "out of memory");
    memcpy(shape, extents, count * sizeof *shape);
    *rank = count;
    *out = shape;
    return 0;
}

/* --- Types --------------------------------------------------------------------------------------
 */

static int read_type(struct reading *in, struct cshm_npy_type *out);

static int read_plain(struct reading *in, struct cshm_npy_type *out)
{
    struct cshm_text text = {0};
    int result = read_string(in, &text);
    if (result < 0)
        return result;
    result = cshm_dtype_parse(text.bytes, text.length, &out->dtype);
    if (result == -ENOTSUP || cshm_text_is(text, "|O") || cshm_text_is(text, "O"))
        return wrong(in, "objects cannot be in shared memory");
    if (result < 0)
        return wrong(in, "no dtype that can be in shared memory");
    out->itemsize = out->bytes = out->dtype.itemsize;
    return 0;
}

/* The type is a sub-array of what it was. */
static int repeat(struct reading *in, struct cshm_npy_type *type, size_t rank,
                  const uint64_t *shape)
{
    uint64_t *both = cshm_arena_array(in->arena, rank + type->rank + 1, sizeof *both);
    if (!both)
        return cshm_fail(in->error, -ENOMEM, "out of memory");
    if (rank + type->rank > CSHM_RANK_MAX)
        return wrong(in, "more than 64 dimensions");
    memcpy(both, shape, rank * sizeof *both);
    if (type->rank > 0)
        memcpy(both + rank, type->shape, type->rank * sizeof *both);
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(type->bytes, shape[i], &type->bytes) ||
            type->bytes > ITEMSIZE_MAX || shape[i] > ITEMSIZE_MAX)
            return wrong(in, "an element is too large");
    type->shape = both;
    type->rank += rank;
    return 0;
}

/* A name, or a tuple of title and name. */
static int read_name(struct reading *in, struct cshm_text *out)
{
    if (!take(in, '('))
        return read_string(in, out);
    int result = read_string(in, out);
    if (result == 0)
        result = expect(in, ',');
    if (result == 0)
        result = read_string(in, out);
    return result < 0 ? result : expect(in, ')');
}

static int read_field(struct reading *in, struct cshm_npy_field *field)
{
    size_t rank = 0;
    const uint64_t *shape = NULL;
    int result = expect(in, '(');
    if (result == 0)
        result = read_name(in, &field->name);
    if (result == 0)
        result = expect(in, ',');
    if (result == 0)
        result = read_type(in, &field->type);
    if (result == 0 && take(in, ',') && peek(in) != ')') {
        result = read_shape(in, true, &rank, &shape);
        if (result == 0)
            result = repeat(in, &field->type, rank, shape);
        (void)take(in, ',');
    }
    return result < 0 ? result : expect(in, ')');
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

static int read_fields(struct reading *in, struct cshm_npy_type *out)
{
    const struct cshm_npy_field **end = &out->fields;
    int result = expect(in, '[');
    out->is_structured = true;
    for (bool comma = true; result == 0 && peek(in) != ']'; comma = take(in, ',')) {
        struct cshm_npy_field *field = cshm_arena_alloc(in->arena, sizeof *field);
        if (!field)
            return cshm_fail(in->error, -ENOMEM, "out of memory");
        if (!comma)
            return wrong(in, "',' is missing");
        if (in->fields++ == CSHM_NPY_FIELDS_MAX)
            return wrong(in, "more than 1024 fields");
        result = read_field(in, field);
        if (result < 0)
            return result;
        field->offset = out->itemsize;
        out->itemsize += field->type.bytes;
        if (out->itemsize > ITEMSIZE_MAX)
            return wrong(in, "an element is too large");
        if (is_padding(field))
            continue;
        if (has_field(out, field->name))
            return wrong(in, "two fields of one name");
        *end = field;
        end = &field->next;
    }
    out->bytes = out->itemsize;
    return result < 0 ? result : expect(in, ']');
}

/* A type and the shape of the sub-array of it. */
static int read_subarray(struct reading *in, struct cshm_npy_type *out)
{
    size_t rank = 0;
    const uint64_t *shape = NULL;
    int result = expect(in, '(');
    if (result == 0)
        result = read_type(in, out);
    if (result == 0)
        result = expect(in, ',');
    if (result == 0)
        result = read_shape(in, true, &rank, &shape);
    if (result == 0)
        result = repeat(in, out, rank, shape);
    (void)take(in, ',');
    return result < 0 ? result : expect(in, ')');
}

static int read_type(struct reading *in, struct cshm_npy_type *out)
{
    *out = (struct cshm_npy_type){0};
    if (in->depth == CSHM_NPY_NESTING_MAX)
        return wrong(in, "fields are nested too deep");
    in->depth++;
    char c = peek(in);
    int result = c == '['   ? read_fields(in, out)
                 : c == '(' ? read_subarray(in, out)
                            : read_plain(in, out);
    in->depth--;
    return result;
}

/* --- The header ---------------------------------------------------------------------------------
 */

enum { HAS_DESCR = 1, HAS_ORDER = 2, HAS_SHAPE = 4, HAS_ALL = 7 };

static int read_member(struct reading *in, struct cshm_npy_header *out, unsigned *has)
{
    struct cshm_text key = {0};
    int result = read_string(in, &key);
    if (result == 0)
        result = expect(in, ':');
    if (result < 0)
        return result;
    unsigned which = cshm_text_is(key, "descr")           ? HAS_DESCR
                     : cshm_text_is(key, "fortran_order") ? HAS_ORDER
                     : cshm_text_is(key, "shape")         ? HAS_SHAPE
                                                          : 0;
    if (which == 0 || *has & which)
        return wrong(in, "an unknown key, or one twice");
    *has |= which;
    if (which == HAS_DESCR)
        return read_type(in, &out->type);
    return which == HAS_ORDER ? read_boolean(in, &out->is_fortran)
                              : read_shape(in, false, &out->rank, &out->shape);
}

static int read_dictionary(struct reading *in, struct cshm_npy_header *out)
{
    unsigned has = 0;
    int result = expect(in, '{');
    for (bool comma = true; result == 0 && peek(in) != '}'; comma = take(in, ',')) {
        if (!comma)
            return wrong(in, "',' is missing");
        result = read_member(in, out, &has);
        if (result < 0)
            return result;
    }
    if (result == 0)
        result = expect(in, '}');
    if (result < 0)
        return result;
    if (peek(in) || in->at != in->end)
        return wrong(in, "something behind the dictionary");
    return has == HAS_ALL ? 0 : wrong(in, "descr, fortran_order or shape is missing");
}

static bool is_empty(const struct cshm_npy_header *header)
{
    for (size_t i = 0; i < header->rank; i++)
        if (header->shape[i] == 0)
            return true;
    return false;
}

static int measure(const struct reading *in, struct cshm_npy_header *out)
{
    out->elements = is_empty(out) ? 0 : 1;
    for (size_t i = 0; i < out->rank && out->elements > 0; i++)
        if (__builtin_mul_overflow(out->elements, out->shape[i], &out->elements))
            return wrong(in, "the array is too large");
    uint64_t all;
    if (__builtin_mul_overflow(out->elements, out->type.bytes, &out->bytes) ||
        __builtin_add_overflow(out->bytes, out->length, &all) || all > INT64_MAX)
        return wrong(in, "the array is too large");
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
    struct reading in = {.begin = bytes,
                         .at = bytes + size_of_start(bytes),
                         .end = bytes + length,
                         .arena = arena,
                         .error = error,
                         .latin1 = bytes[MAGIC_SIZE] < 3};
    result = read_dictionary(&in, out);
    /* Elements that are sub-arrays themselves are dimensions of the array. */
    if (result == 0 && out->rank + out->type.rank > CSHM_RANK_MAX)
        result = wrong(&in, "more than 64 dimensions");
    return result < 0 ? result : measure(&in, out);
}
