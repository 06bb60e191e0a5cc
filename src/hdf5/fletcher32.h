/* SPDX-License-Identifier: MIT */
/* The checksum of HDF5's fletcher32 filter. */
#ifndef CSHM_HDF5_FLETCHER32_H
#define CSHM_HDF5_FLETCHER32_H

#include <stddef.h>
#include <stdint.h>

/*
 * Of big-endian 16-bit words; an odd last byte is a word's first. Both halves are 0 for zeros only
 * and else 1 to 65535, as libhdf5's sums come out. Thread-safe.
 */
uint32_t cshm_fletcher32(const void *bytes, size_t size);

#endif
