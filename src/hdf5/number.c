/* SPDX-License-Identifier: MIT */
#include "hdf5/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 16 };

/* The bytes in little-endian order, the machine's own. */
static void load(const struct cshm_dtype *dtype, const unsigned char *bytes, size_t size,
                 unsigned char out[NUMBER_MAX])
{
    memset(out, 0, NUMBER_MAX);
    for (size_t i = 0; i < size; i++)
        out[i] = dtype->byte_order == '>' ? bytes[size - 1 - i] : bytes[i];
}

uint64_t cshm_number_integer(const struct cshm_dtype *dtype, const unsigned char *bytes)
{
    unsigned char own[NUMBER_MAX];
    size_t size = dtype->itemsize < 8 ? (size_t)dtype->itemsize : 8;
    load(dtype, bytes, size, own);
    uint64_t value;
    memcpy(&value, own, sizeof value);
    bool is_signed = dtype->kind == 'i' || dtype->kind == 'm' || dtype->kind == 'M';
    if (is_signed && size < 8 && (value >> (size * 8 - 1)))
        value |= UINT64_MAX << (size * 8);
    return value;
}

static double from_half(uint16_t half)
{
    int exponent = half >> 10 & 31;
    int mantissa = half & 1023;
    double value;
    if (exponent == 31)
        value = mantissa ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexp(mantissa, -24);
    else
        value = ldexp(mantissa + 1024, exponent - 25);
    return half >> 15 ? -value : value;
}

static double float_of(const struct cshm_dtype *dtype, const unsigned char *bytes, size_t size)
{
    unsigned char own[NUMBER_MAX];
    load(dtype, bytes, size, own);
    uint16_t half;
    float single;
    double value;
    switch (size) {
    case 2:
        memcpy(&half, own, sizeof half);
        return from_half(half);
    case 4:
        memcpy(&single, own, sizeof single);
        return (double)single;
    default:
        memcpy(&value, own, sizeof value);
        return value;
    }
}

double cshm_number_float(const struct cshm_dtype *dtype, const unsigned char *bytes)
{
    return float_of(dtype, bytes, (size_t)dtype->itemsize);
}

/* printf's %La puts four bits before the point on x86; one reads the same everywhere. */
static void add_float128(struct cshm_buffer *out, const struct cshm_dtype *dtype,
                         const unsigned char *bytes)
{
    unsigned char own[NUMBER_MAX];
    load(dtype, bytes, NUMBER_MAX, own);
    uint64_t mantissa;
    memcpy(&mantissa, own, sizeof mantissa);
    int exponent = (own[9] & 127) << 8 | own[8];
    if (own[9] & 128)
        cshm_buffer_add_char(out, '-');
    if (exponent == 32767) {
        cshm_buffer_add_string(out, mantissa << 1 ? "nan" : "inf");
        return;
    }
    if (mantissa == 0) {
        cshm_buffer_add_string(out, "0x0p+0");
        return;
    }
    int shift = __builtin_clzll(mantissa);
    exponent = (exponent ? exponent : 1) - 16383 - shift;
    mantissa = mantissa << shift << 1;
    char digits[32];
    (void)snprintf(digits, sizeof digits, "%016llx", (unsigned long long)mantissa);
    size_t length = 16;
    while (length > 0 && digits[length - 1] == '0')
        length--;
    digits[length] = '\0';
    cshm_buffer_add_format(out, "0x1%s%sp%+d", length ? "." : "", digits, exponent);
}

void cshm_number_add_float128(struct cshm_buffer *out, const struct cshm_dtype *dtype,
                              const unsigned char *bytes)
{
    add_float128(out, dtype, bytes);
}

static void add_shortest(struct cshm_buffer *out, double value, size_t size)
{
    char text[40];
    if (isnan(value)) {
        cshm_buffer_add_string(out, signbit(value) ? "-nan" : "nan");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        bool same = size == 4 ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
        if (same)
            break;
    }
    cshm_buffer_add_string(out, text);
}

static void add_part(struct cshm_buffer *out, const struct cshm_dtype *dtype,
                     const unsigned char *bytes, size_t size)
{
    if (size == NUMBER_MAX)
        add_float128(out, dtype, bytes);
    else
        add_shortest(out, float_of(dtype, bytes, size), size);
}

void cshm_number_add_complex(struct cshm_buffer *out, const struct cshm_dtype *dtype,
                             const unsigned char *bytes)
{
    size_t size = (size_t)dtype->itemsize / 2;
    CSHM_AUTO_BUFFER struct cshm_buffer imaginary = CSHM_BUFFER_INIT;
    add_part(&imaginary, dtype, bytes + size, size);
    cshm_buffer_add_char(out, '(');
    add_part(out, dtype, bytes, size);
    if (imaginary.length && imaginary.bytes[0] != '-')
        cshm_buffer_add_char(out, '+');
    cshm_buffer_add(out, imaginary.bytes, imaginary.length);
    cshm_buffer_add_string(out, "j)");
    if (imaginary.error < 0)
        out->error = imaginary.error;
}
