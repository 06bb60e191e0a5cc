/* SPDX-License-Identifier: MIT */
/* The header of a .npy file as numpy writes it, byte for byte. */
#include <stdio.h>

#include "format/npy.h"

enum { ALIGNMENT = 64, GROWN_DIGITS = 21 };

static const char start[] = "\x93NUMPY\x01"; /* and the NUL: version 1.0 */

/* dtype.str: unlike str(dtype) it always says the order and the size. */
static void add_descr(struct cshm_buffer *out, const struct cshm_dtype *dtype)
{
    unsigned long long size = dtype->kind == 'U' ? dtype->itemsize / 4 : dtype->itemsize;
    cshm_buffer_add_format(out, "%c%c%llu", dtype->byte_order, dtype->kind, size);
    if (dtype->unit[0])
        cshm_buffer_add_format(out, "[%s]", dtype->unit);
}

/* numpy leaves room for the first extent to grow to 21 digits, so that appending needs no move. */
static void add_shape(struct cshm_buffer *out, size_t rank, const uint64_t *shape)
{
    cshm_buffer_add_char(out, '(');
    for (size_t i = 0; i < rank; i++)
        cshm_buffer_add_format(out, i > 0 ? ", %llu" : "%llu", (unsigned long long)shape[i]);
    cshm_buffer_add_string(out, rank == 1 ? ",), }" : "), }");
    char first[32];
    int digits = rank > 0 ? snprintf(first, sizeof first, "%llu", (unsigned long long)shape[0]) : 0;
    for (int i = digits; rank > 0 && i < GROWN_DIGITS; i++)
        cshm_buffer_add_char(out, ' ');
}

void cshm_npy_render(const struct cshm_dtype *dtype, size_t rank, const uint64_t *shape,
                     struct cshm_buffer *out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    size_t before = sizeof start + 2; /* 64 extents do not fill the 64 KiB of version 1.0 */
    cshm_buffer_add_string(&text, "{'descr': '");
    add_descr(&text, dtype);
    cshm_buffer_add_string(&text, "', 'fortran_order': False, 'shape': ");
    add_shape(&text, rank, shape);
    /* numpy pads even what is aligned already. */
    for (size_t gap = ALIGNMENT - (before + text.length + 1) % ALIGNMENT; gap > 0; gap--)
        cshm_buffer_add_char(&text, ' ');
    cshm_buffer_add_char(&text, '\n');
    if (text.error) {
        out->error = text.error;
        return;
    }
    const char size[] = {(char)(text.length & 0xFF), (char)(text.length >> 8)};
    cshm_buffer_add(out, start, sizeof start);
    cshm_buffer_add(out, size, sizeof size);
    cshm_buffer_add(out, text.bytes, text.length);
}
