/* SPDX-License-Identifier: MIT */
#include "claim.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

static bool set(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = INT64_MAX, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool claim_share(int fd)
{
    return set(fd, F_RDLCK);
}

bool claim_alone(int fd)
{
    return set(fd, F_WRLCK);
}

void claim_drop(int fd)
{
    (void)set(fd, F_UNLCK);
}
