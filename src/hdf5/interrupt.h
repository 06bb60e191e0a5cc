/* SPDX-License-Identifier: MIT */
/*
 * SIGINT, SIGTERM and SIGHUP during an import: it is ended and cleaned up, then they take their
 * course. Signals belong to the process: one import at a time.
 */
#ifndef CSHM_HDF5_INTERRUPT_H
#define CSHM_HDF5_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

enum { CSHM_INTERRUPT_SIGNALS = 3 };

struct cshm_interrupt {
    struct sigaction before[CSHM_INTERRUPT_SIGNALS];
};

/* From here on such a signal is only remembered; one that was ignored stays so. */
void cshm_interrupt_catch(struct cshm_interrupt *interrupt);

/* Restores what was and raises the one that was caught. */
void cshm_interrupt_release(const struct cshm_interrupt *interrupt);

bool cshm_interrupt_caught(void);

/* poll(2) of `fd` (or -1) for reading, 1 or 0; -EINTR if one was caught, however shortly before. */
int cshm_interrupt_poll(int fd, int timeout_ms);

/* In a child that has to die by them. */
void cshm_interrupt_default(void);

#endif
