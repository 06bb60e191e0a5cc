/* SPDX-License-Identifier: MIT */
/*
 * Being a daemon: a parent that waits until the mount answers and ends with the right status, and
 * systemd, which wants to be told (sd_notify(3)'s protocol, by hand).
 */
#ifndef MOUNT_LIFE_H
#define MOUNT_LIFE_H

#include <stdbool.h>

struct life {
    int parent; /* pipe to the waiting parent; -1 in the foreground */
};

/*
 * Forks unless `foreground`; the caller goes on in the child, before any thread is made. The parent
 * does not return: it ends with 0 when life_ready() is called, else with the child's status. 0 or
 * negative errno.
 */
int life_begin(struct life *life, bool foreground);

/* The mount answers: lets the parent go, turns to syslog. */
void life_ready(struct life *life, const char *status);

/* Told to systemd. */
void life_stopping(void);

#endif
