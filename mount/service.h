/* SPDX-License-Identifier: MIT */
/* From the mount to the unmount. */
#ifndef MOUNT_SERVICE_H
#define MOUNT_SERVICE_H

#include "daemon.h"
#include "life.h"
#include "options.h"

/* Serves until it is unmounted or told to end by a signal. The exit status. */
int service_run(struct daemon *daemon, struct options *options, const char *mountpoint,
                struct life *life);

#endif
