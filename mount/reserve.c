/* SPDX-License-Identifier: MIT */
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/room.h"

/* Less is not worth a look at the machine. */
#define LITTLE (UINT64_C(16) << 20)

static uint64_t nearly(uint64_t bytes)
{
    return bytes - bytes / 20;
}

int reserve_check(const struct cshm_store *store, uint64_t bytes)
{
    struct cshm_room room;
    if (bytes < LITTLE)
        return 0;
    int result = cshm_room_measure(store->shm_fd, &room);
    if (result < 0)
        return result;
    /* Its own limit the file system knows best; the others are nobody's to use up. */
    bool fits =
        bytes <= room.shm_free && bytes <= nearly(room.available) && bytes <= nearly(room.cgroup);
    return fits ? 0 : -ENOSPC;
}

/* Of a part what may not be there yet: of a file with holes it may be too little. */
static int missing_of(int fd, uint64_t offset, uint64_t bytes, uint64_t *missing)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    uint64_t length = (uint64_t)st.st_size;
    uint64_t there = length > offset ? length - offset : 0;
    uint64_t allocated = (uint64_t)st.st_blocks * 512;
    there = there < allocated ? there : allocated;
    *missing = bytes > there ? bytes - there : 0;
    return 0;
}

int reserve_part(const struct cshm_store *store, int fd, uint64_t offset, uint64_t bytes)
{
    uint64_t missing = 0;
    if (offset > INT64_MAX || bytes > INT64_MAX - offset)
        return -EFBIG;
    int result = missing_of(fd, offset, bytes, &missing);
    if (result == 0)
        result = reserve_check(store, missing);
    if (result < 0)
        return result;
    do {
        result = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) < 0 ? -errno : 0;
    } while (result == -EINTR);
    return result;
}
