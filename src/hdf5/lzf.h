/* SPDX-License-Identifier: MIT */
/* The LZF filter (32000), which h5py brings with it: its files are common, libhdf5 has no decoder.
 */
#ifndef CSHM_HDF5_LZF_H
#define CSHM_HDF5_LZF_H

#include <stddef.h>

/* Registers the filter, for reading, unless the process has it already. */
void cshm_lzf_register(void);

/*
 * Decodes, without libhdf5; returns the bytes written, 0 when the input is damaged, SIZE_MAX when
 * `out_size` is too small. Thread-safe.
 */
size_t cshm_lzf_decode(const unsigned char *in, size_t in_size, unsigned char *out,
                       size_t out_size);

#endif
