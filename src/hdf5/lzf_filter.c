/* SPDX-License-Identifier: MIT */
/* The parameters of the filter: h5py's lzf_filter.c. */
#include "hdf5/lzf.h"

#include "hdf5/library.h"

enum { FILTER_LZF = 32000 };

#define LZF_BYTES_MAX ((size_t)4 << 30) /* no chunk is larger */

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
