/* SPDX-License-Identifier: MIT */
/* Format: Marc Lehmann's liblzf. */
#include "hdf5/lzf.h"

#include <stdint.h>
#include <string.h>

enum { LITERALS = 32, LENGTH_FOLLOWS = 7, STEP = 8 };

/* Repeats what is `back` bytes before; that may include what it writes. Reads and writes up to STEP
 * bytes beyond `length` where `room`, the bytes from `to` on, has them. */
static void repeat(unsigned char *to, size_t back, size_t length, size_t room)
{
    const unsigned char *from = to - back;
    if (back >= STEP && room >= length + STEP) {
        for (size_t i = 0; i < length; i += STEP)
            memcpy(to + i, from + i, STEP);
        return;
    }
    for (size_t i = 0; i < length; i++)
        to[i] = from[i];
}

size_t cshm_lzf_decode(const unsigned char *in, size_t in_size, unsigned char *out, size_t out_size)
{
    size_t at = 0;
    size_t made = 0;
    while (at < in_size) {
        size_t control = in[at++];
        if (control < LITERALS) {
            size_t length = control + 1;
            if (length > in_size - at)
                return 0;
            if (length > out_size - made)
                return SIZE_MAX;
            memcpy(out + made, in + at, length);
            at += length;
            made += length;
            continue;
        }
        size_t length = control >> 5;
        if (length == LENGTH_FOLLOWS) {
            if (at == in_size)
                return 0;
            length += in[at++];
        }
        if (at == in_size)
            return 0;
        size_t back = ((control & 31) << 8 | in[at++]) + 1;
        length += 2;
        if (back > made)
            return 0;
        if (length > out_size - made)
            return SIZE_MAX;
        repeat(out + made, back, length, out_size - made);
        made += length;
    }
    return made;
}
