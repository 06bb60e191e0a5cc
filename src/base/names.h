/* SPDX-License-Identifier: MIT */
/*
 * Names: of projects, of segments, and of keys as directory entries.
 *
 * Keys of the model are the HDF5 link names or dict keys, byte for byte; they may be empty, hold
 * '/' or NUL, or not be UTF-8. A directory entry cannot, so filesystem names encode what a
 * directory cannot hold (design: the mount's contract, "Names").
 */
#ifndef CSHM_BASE_NAMES_H
#define CSHM_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

#define CSHM_PREFIX              "cute-shm."
#define CSHM_MANIFEST_SUFFIX     ".toml"
#define CSHM_PROJECT_NAME_MAX    200
#define CSHM_SEGMENT_SUFFIX_SIZE 10
/* "cute-shm." + project + "." + suffix, and the NUL */
#define CSHM_SEGMENT_NAME_SIZE (9 + CSHM_PROJECT_NAME_MAX + 1 + CSHM_SEGMENT_SUFFIX_SIZE + 1)
#define CSHM_FSNAME_MAX        250

/*
 * 0, -ENAMETOOLONG (over 200 bytes) or -EINVAL (empty, not UTF-8, holds '/', NUL or a control
 * character, starts with a dot, ends in .meta or .npy).
 */
int cshm_project_name_check(const char *name);

/* The manifest's file name of a checked project name, and back: -EINVAL where it is none. */
void cshm_manifest_name(const char *project, char out[CSHM_SEGMENT_NAME_SIZE]);
int cshm_manifest_project(const char *file_name, char out[CSHM_PROJECT_NAME_MAX + 1]);

/*
 * Whether `name` is exactly "cute-shm.P." and ten of A-Za-z0-9 for some allowed project name P.
 * Nothing else in the shared memory directory is ever touched.
 */
bool cshm_segment_name_valid(const char *name, size_t length);

/* A fresh random segment name for the project. 0 or negative errno of getrandom(2). */
int cshm_segment_name_make(const char *project, char out[CSHM_SEGMENT_NAME_SIZE]);

/* The directory entry of a key; always fits. Returns its length. */
size_t cshm_fsname_encode(struct cshm_text key, char out[CSHM_FSNAME_MAX + 1]);

/*
 * The key of a directory entry. `key` has room for strlen(name) bytes. Returns 0, -ENOENT for
 * a spelling that cshm_fsname_encode() never gives (so each key has one name only), or -ENAMETOOLONG
 * for a name that only stands for a key by its hash (cshm_fsname_is_hashed()): compare the encoded
 * names of the candidates.
 */
int cshm_fsname_decode(const char *name, char *key, size_t *length);

bool cshm_fsname_is_hashed(const char *name);

/*
 * Takes the next directory entry off a path as it is spelt on the mount ("a/b", "/a/b/"); false at
 * its end. The entry points into the path and may be of any length.
 */
bool cshm_fspath_next(const char **path, struct cshm_text *entry);

#endif
