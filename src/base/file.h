/* SPDX-License-Identifier: MIT */
/* Whole files: read with a limit, written without being cut short, directories made with care. */
#ifndef CSHM_BASE_FILE_H
#define CSHM_BASE_FILE_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

/* Reads from the descriptor's start to its end into `out`. -EFBIG beyond `limit` bytes. */
int cshm_file_read(int fd, size_t limit, struct cshm_buffer *out);

/* write(2) until all is written. Negative errno otherwise. */
int cshm_file_write(int fd, const void *bytes, size_t length);

/* The same at an offset, which moves nothing. */
int cshm_file_write_at(int fd, const void *bytes, size_t length, uint64_t offset);

/* Opens a directory, given by an O_PATH descriptor, for readdir(3). `*out` is the caller's. */
int cshm_file_open_directory(int fd, DIR **out);

#endif
