/* SPDX-License-Identifier: MIT */
/* Numbers of a plan's dtype, in either byte order, as C values and as text that loses no bit. */
#ifndef CSHM_HDF5_NUMBER_H
#define CSHM_HDF5_NUMBER_H

#include "base/buffer.h"
#include "model/dtype.h"

/* Two's-complement integer of 1 to 8 bytes, sign-extended for kind i, m and M. */
uint64_t cshm_number_integer(const struct cshm_dtype *dtype, const unsigned char *bytes);

/* float16, float32, float64. */
double cshm_number_float(const struct cshm_dtype *dtype, const unsigned char *bytes);

/* float128 (x86's 80 bits): "0x1.8p+1", "inf", "nan". */
void cshm_number_add_float128(struct cshm_buffer *out, const struct cshm_dtype *dtype,
                              const unsigned char *bytes);

/* "(1+2j)", each part in the shortest form that reads back as the same. */
void cshm_number_add_complex(struct cshm_buffer *out, const struct cshm_dtype *dtype,
                             const unsigned char *bytes);

#endif
