/* SPDX-License-Identifier: MIT */
/* Memory for arrays that grow: had before it is shown, or not at all. */
#ifndef MOUNT_RESERVE_H
#define MOUNT_RESERVE_H

#include <stdint.h>

#include "store/store.h"

/*
 * Whether so much may be asked for: the kernel would give a file system without a limit more than
 * the machine has, and then end processes. 0 or -ENOSPC.
 */
int reserve_check(const struct cshm_store *store, uint64_t bytes);

/*
 * Reserves a part of a segment, be it behind its end; its length stays. What is there stays. 0, or
 * -ENOSPC with nothing reserved.
 */
int reserve_part(const struct cshm_store *store, int fd, uint64_t offset, uint64_t bytes);

#endif
