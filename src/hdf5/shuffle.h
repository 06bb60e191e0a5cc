/* SPDX-License-Identifier: MIT */
/* HDF5's shuffle filter: all first bytes of the elements, then all second ones, and so on. */
#ifndef CSHM_HDF5_SHUFFLE_H
#define CSHM_HDF5_SHUFFLE_H

#include <stddef.h>

/*
 * Puts the elements together again. What is left of `size` after whole elements stays at the end.
 * `to` has `size` bytes and does not overlap `from`; element_size >= 1. Thread-safe.
 */
void cshm_unshuffle(const void *from, size_t size, size_t element_size, void *to);

#endif
