/* SPDX-License-Identifier: MIT */
/*
 * libhdf5, and the only place that knows which version of it this is: 1.10 addresses objects by
 * haddr_t, 1.12 and later by tokens; 1.12 brought the H5R_ref_t references, 2.0 complex numbers.
 * The functions with a version number in their name exist in every version that has them at all.
 */
#ifndef CSHM_HDF5_LIBRARY_H
#define CSHM_HDF5_LIBRARY_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/scope.h"

#define CSHM_HAVE_H5_TOKENS H5_VERSION_GE(1, 12, 0)
/* H5Pset_file_locking was added to each branch separately; 1.12.0 came without. */
#define CSHM_HAVE_H5_LOCKING                                                                       \
    (H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0)))
#define CSHM_HAVE_H5_NEW_REFERENCES H5_VERSION_GE(1, 12, 0)
#define CSHM_HAVE_H5_COMPLEX        H5_VERSION_GE(2, 0, 0)

/* --- Identifiers that leave with the scope -------------------------------------------------------
 */

/* Files, objects, types, spaces and property lists alike are released by their count. */
static inline void cshm_h5_release(const hid_t *id)
{
    if (*id > 0)
        (void)H5Idec_ref(*id);
}

#define CSHM_AUTO_HID __attribute__((cleanup(cshm_h5_release)))

static inline hid_t cshm_steal_hid(hid_t *id)
{
    hid_t stolen = *id;
    *id = H5I_INVALID_HID;
    return stolen;
}

/* Memory that libhdf5 allocated (names, tags). */
static inline void cshm_h5_free(char **memory)
{
    if (*memory)
        (void)H5free_memory(*memory);
}

#define CSHM_AUTO_H5_FREE __attribute__((cleanup(cshm_h5_free)))

/* --- Raw chunks ---------------------------------------------------------------------------------- */

static inline herr_t cshm_h5_read_chunk(hid_t dataset, hid_t transfer, const hsize_t *offset,
                                        uint32_t *mask, void *bytes)
{
#if H5_VERSION_GE(2, 0, 0)
    return H5Dread_chunk1(dataset, transfer, offset, mask, bytes);
#else
    return H5Dread_chunk(dataset, transfer, offset, mask, bytes);
#endif
}

/* --- Which object is which
 * ------------------------------------------------------------------------ */

enum { CSHM_TOKEN_SIZE = 16 };

/* The same object, by whatever path it was reached, has the same identity. Compared as bytes. */
struct cshm_identity {
    unsigned long file;
    unsigned char token[CSHM_TOKEN_SIZE];
};

struct cshm_object_info {
    struct cshm_identity identity;
    H5O_type_t type;
    hsize_t attribute_count;
};

#if CSHM_HAVE_H5_TOKENS

_Static_assert(sizeof(H5O_token_t) == CSHM_TOKEN_SIZE, "tokens of libhdf5 have 16 bytes");

typedef H5L_info2_t cshm_h5_link_info;
#define cshm_h5_links_iterate H5Literate2

static inline int cshm_h5_object_info(hid_t object, struct cshm_object_info *out)
{
    H5O_info2_t info;
    if (H5Oget_info3(object, &info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS) < 0)
        return -1;
    memset(out, 0, sizeof *out);
    out->identity.file = info.fileno;
    memcpy(out->identity.token, &info.token, CSHM_TOKEN_SIZE);
    out->type = info.type;
    out->attribute_count = info.num_attrs;
    return 0;
}

static inline void cshm_h5_link_token(const cshm_h5_link_info *link,
                                      unsigned char token[CSHM_TOKEN_SIZE])
{
    memcpy(token, &link->u.token, CSHM_TOKEN_SIZE);
}

static inline hid_t cshm_h5_open(hid_t location, const unsigned char token[CSHM_TOKEN_SIZE])
{
    H5O_token_t value;
    memcpy(&value, token, CSHM_TOKEN_SIZE);
    return H5Oopen_by_token(location, value);
}

/* The token an old object reference stands for. */
static inline int cshm_h5_reference_token(hid_t file, hobj_ref_t reference,
                                          unsigned char token[CSHM_TOKEN_SIZE])
{
    H5O_token_t value;
    if (H5VLnative_addr_to_token(file, (haddr_t)reference, &value) < 0)
        return -1;
    memcpy(token, &value, CSHM_TOKEN_SIZE);
    return 0;
}

static inline void cshm_h5_reclaim(hid_t type, hid_t space, hid_t transfer, void *buffer)
{
    (void)H5Treclaim(type, space, transfer, buffer);
}

#else

typedef H5L_info_t cshm_h5_link_info;
#define cshm_h5_links_iterate H5Literate

static inline int cshm_h5_object_info(hid_t object, struct cshm_object_info *out)
{
    H5O_info_t info;
    if (H5Oget_info2(object, &info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS) < 0)
        return -1;
    memset(out, 0, sizeof *out);
    out->identity.file = info.fileno;
    memcpy(out->identity.token, &info.addr, sizeof info.addr);
    out->type = info.type;
    out->attribute_count = info.num_attrs;
    return 0;
}

static inline void cshm_h5_link_token(const cshm_h5_link_info *link,
                                      unsigned char token[CSHM_TOKEN_SIZE])
{
    memset(token, 0, CSHM_TOKEN_SIZE);
    memcpy(token, &link->u.address, sizeof link->u.address);
}

static inline hid_t cshm_h5_open(hid_t location, const unsigned char token[CSHM_TOKEN_SIZE])
{
    haddr_t address;
    memcpy(&address, token, sizeof address);
    return H5Oopen_by_addr(location, address);
}

static inline int cshm_h5_reference_token(hid_t file, hobj_ref_t reference,
                                          unsigned char token[CSHM_TOKEN_SIZE])
{
    (void)file;
    memset(token, 0, CSHM_TOKEN_SIZE);
    memcpy(token, &reference, sizeof reference);
    return 0;
}

static inline void cshm_h5_reclaim(hid_t type, hid_t space, hid_t transfer, void *buffer)
{
    (void)H5Dvlen_reclaim(type, space, transfer, buffer);
}

#endif

#endif
