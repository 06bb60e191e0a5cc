/* SPDX-License-Identifier: MIT */
/* Format: Marc Lehmann's liblzf; parameters of the filter: h5py's lzf_filter.c. */
#include "hdf5/lzf.h"

#include <string.h>

#include "hdf5/library.h"

enum { FILTER_LZF = 32000, LITERALS = 32, LENGTH_FOLLOWS = 7 };

#define LZF_BYTES_MAX ((size_t)4 << 30) /* no chunk is larger */

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
        for (; length > 0; length--, made++) /* may overlap: what was just written is copied on */
            out[made] = out[made - back];
    }
    return made;
}

static size_t decode_chunk(unsigned flags, size_t value_count, const unsigned values[],
                           size_t bytes, size_t *buffer_size, void **buffer)
{
    if (!(flags & H5Z_FLAG_REVERSE))
        return 0;
    size_t size = value_count >= 3 && values[2] ? values[2] : *buffer_size;
    for (; size > 0 && size <= LZF_BYTES_MAX; size *= 2) {
        unsigned char *out = H5allocate_memory(size, false);
        if (!out)
            return 0;
        size_t made = cshm_lzf_decode(*buffer, bytes, out, size);
        if (made != 0 && made != SIZE_MAX) {
            (void)H5free_memory(*buffer);
            *buffer = out;
            *buffer_size = size;
            return made;
        }
        (void)H5free_memory(out);
        if (made == 0)
            return 0;
    }
    return 0;
}

void cshm_lzf_register(void)
{
    static const H5Z_class2_t filter = {
        .version = H5Z_CLASS_T_VERS,
        .id = FILTER_LZF,
        .encoder_present = 0,
        .decoder_present = 1,
        .name = "lzf",
        .filter = decode_chunk,
    };
    if (H5Zfilter_avail(FILTER_LZF) <= 0)
        (void)H5Zregister(&filter);
}
