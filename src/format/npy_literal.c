/* SPDX-License-Identifier: MIT */
#include "format/npy_literal.h"

#include <errno.h>

#include "model/tree.h"

int cshm_literal_wrong(const struct cshm_literal *in, const char *what)
{
    return cshm_fail(in->error, -EINVAL, "the .npy header, byte %zu: %s",
                     (size_t)(in->at - in->begin), what);
}

char cshm_literal_peek(struct cshm_literal *in)
{
    while (in->at < in->end && strchr(" \t\n\r", *in->at) && *in->at)
        in->at++;
    return in->at < in->end ? *in->at : '\0';
}

bool cshm_literal_take(struct cshm_literal *in, char c)
{
    if (c == '\0' || cshm_literal_peek(in) != c)
        return false;
    in->at++;
    return true;
}

int cshm_literal_expect(struct cshm_literal *in, char c)
{
    if (cshm_literal_take(in, c))
        return 0;
    char what[] = "'?' is missing";
    what[1] = c;
    return cshm_literal_wrong(in, what);
}

static bool take_word(struct cshm_literal *in, const char *word)
{
    size_t length = strlen(word);
    (void)cshm_literal_peek(in);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0)
        return false;
    in->at += length;
    return true;
}

int cshm_literal_boolean(struct cshm_literal *in, bool *out)
{
    *out = take_word(in, "True");
    return *out || take_word(in, "False") ? 0 : cshm_literal_wrong(in, "neither True nor False");
}

/* Python 2 wrote large ones with an L. */
static int read_unsigned(struct cshm_literal *in, uint64_t *out)
{
    uint64_t value = 0;
    if (cshm_literal_peek(in) < '0' || cshm_literal_peek(in) > '9')
        return cshm_literal_wrong(in, "a number is missing");
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*in->at - '0'), &value))
            return cshm_literal_wrong(in, "a number is too large");
    if (in->latin1 && in->at < in->end && *in->at == 'L')
        in->at++;
    *out = value;
    return 0;
}

static int hex_digits(struct cshm_literal *in, int count, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++, in->at++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = NULL;
        if (in->at < in->end && *in->at)
            digit = strchr(digits, *in->at >= 'A' && *in->at <= 'F' ? *in->at + 32 : *in->at);
        if (!digit)
            return cshm_literal_wrong(in, "a bad escape in a string");
        value = value << 4 | (uint32_t)(digit - digits);
    }
    *out = value;
    return 0;
}

/* What repr() writes: \\, quotes, \n, \r, \t, \xNN, \uNNNN and \UNNNNNNNN. */
static int read_escape(struct cshm_literal *in, uint32_t *out)
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
        return cshm_literal_wrong(in, "a bad escape in a string");
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

static int read_character(struct cshm_literal *in, struct cshm_buffer *out)
{
    unsigned char c = (unsigned char)*in->at++;
    uint32_t code = c;
    if (c == '\\') {
        int result = read_escape(in, &code);
        if (result < 0)
            return result;
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
            return cshm_literal_wrong(in, "a bad escape in a string");
    } else if (c < 0x20 || c == 0x7F) {
        return cshm_literal_wrong(in, "a control character in a string");
    } else if (!in->latin1) {
        cshm_buffer_add_char(out, (char)c); /* checked when it is whole */
        return 0;
    }
    add_character(out, code);
    return 0;
}

int cshm_literal_string(struct cshm_literal *in, struct cshm_text *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    (void)cshm_literal_take(in, 'u'); /* Python 2 */
    char quote = cshm_literal_peek(in);
    if (quote != '\'' && quote != '"')
        return cshm_literal_wrong(in, "a string is missing");
    in->at++;
    while (in->at < in->end && *in->at != quote) {
        int result = read_character(in, &text);
        if (result < 0)
            return result;
    }
    if (in->at == in->end)
        return cshm_literal_wrong(in, "a string does not end");
    in->at++;
    if (text.error)
        return cshm_fail(in->error, text.error, "out of memory");
    if (!cshm_utf8_valid(text.bytes, text.length))
        return cshm_literal_wrong(in, "a string is not UTF-8");
    *out =
        cshm_arena_text(in->arena, (struct cshm_text){text.length ? text.bytes : "", text.length});
    return out->bytes ? 0 : cshm_fail(in->error, -ENOMEM, "out of memory");
}

/* A tuple of numbers; `or_number`: or one number, which means a tuple of one. */
int cshm_literal_shape(struct cshm_literal *in, bool or_number, size_t *rank, const uint64_t **out)
{
    uint64_t extents[CSHM_RANK_MAX];
    size_t count = 0;
    int result = 0;
    bool comma = true;
    if (or_number && cshm_literal_peek(in) != '(') {
        result = read_unsigned(in, &extents[count++]);
    } else {
        result = cshm_literal_expect(in, '(');
        while (result == 0 && cshm_literal_peek(in) != ')') {
            if (!comma || count == CSHM_RANK_MAX)
                return cshm_literal_wrong(in, comma ? "more than 64 dimensions" : "',' is missing");
            result = read_unsigned(in, &extents[count++]);
            comma = cshm_literal_take(in, ',');
        }
        if (result == 0 && count == 1 && !comma)
            return cshm_literal_wrong(in, "a shape is a tuple");
        if (result == 0)
            result = cshm_literal_expect(in, ')');
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
