/* SPDX-License-Identifier: MIT */
/*
 * C++ for one function: std::to_chars gives the shortest digits that read back the same bits, in
 * any locale. printf() gives neither.
 */
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* in C++ a function named like a struct hides it */
extern "C" {
#include "format/toml_write.h"
}
#pragma GCC diagnostic pop

extern "C" void cshm_toml_write_float(struct cshm_buffer *out, double value)
{
    if (std::isnan(value)) {
        cshm_buffer_add(out, "nan", 3);
        return;
    }
    char text[40];
    const std::to_chars_result end = std::to_chars(text, text + sizeof text - 2, value);
    std::size_t length = static_cast<std::size_t>(end.ptr - text);
    /* "1" would be an integer; "inf" and "1e+22" are floats as they are. */
    if (std::isfinite(value) && !std::memchr(text, '.', length) &&
        !std::memchr(text, 'e', length)) {
        text[length++] = '.';
        text[length++] = '0';
    }
    cshm_buffer_add(out, text, length);
}
