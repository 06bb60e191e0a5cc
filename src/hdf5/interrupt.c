/* SPDX-License-Identifier: MIT */
#include "hdf5/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

static const int numbers[CSHM_INTERRUPT_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

static volatile sig_atomic_t caught;

static void remember(int number)
{
    caught = number;
}

void cshm_interrupt_catch(struct cshm_interrupt *interrupt)
{
    caught = 0;
    for (size_t i = 0; i < CSHM_INTERRUPT_SIGNALS; i++) {
        struct sigaction action = {.sa_handler = remember};
        sigemptyset(&action.sa_mask);
        (void)sigaction(numbers[i], NULL, &interrupt->before[i]);
        if (interrupt->before[i].sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &action, NULL);
    }
}

void cshm_interrupt_release(const struct cshm_interrupt *interrupt)
{
    for (size_t i = 0; i < CSHM_INTERRUPT_SIGNALS; i++)
        (void)sigaction(numbers[i], &interrupt->before[i], NULL);
    if (caught)
        (void)raise(caught);
}

bool cshm_interrupt_caught(void)
{
    return caught != 0;
}

int cshm_interrupt_poll(int fd, int timeout_ms)
{
    sigset_t held;
    sigset_t before;
    sigemptyset(&held);
    for (size_t i = 0; i < CSHM_INTERRUPT_SIGNALS; i++)
        sigaddset(&held, numbers[i]);
    /* Held back between the look and ppoll(2), which lets them in. */
    (void)pthread_sigmask(SIG_BLOCK, &held, &before);
    int count = -1;
    if (!caught) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
        count = ppoll(&ready, 1, &timeout, &before);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return caught ? -EINTR : count > 0;
}

void cshm_interrupt_default(void)
{
    for (size_t i = 0; i < CSHM_INTERRUPT_SIGNALS; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            (void)signal(numbers[i], SIG_DFL);
    }
}
