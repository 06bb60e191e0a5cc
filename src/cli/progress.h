/* SPDX-License-Identifier: MIT */
/* One bar for a whole load, on stderr's terminal: percent, bytes, rate, time left. */
#ifndef CSHM_CLI_PROGRESS_H
#define CSHM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
    struct timespec started;
    struct timespec drawn;
    bool enabled;
    bool colour;
    bool utf8;
    bool visible; /* there is a bar on the line of the cursor */
};

/* `wanted` and stderr is a terminal: enabled. The clock starts. */
void progress_init(struct progress *progress, bool wanted);

/* Draws, ten times a second at most. `total` 0: not known yet. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);

/* Leaves a clean line: before any other output, and at the end. */
void progress_clear(struct progress *progress);

double progress_seconds(const struct progress *progress);

/* "820.14 MB/s", or "" while there is no time to divide by. Returns `out`. */
const char *progress_rate(uint64_t bytes, double seconds, char out[48]);

/*
 * The line for a terminal `width` columns wide, without escapes but the bar's colour. Pure, for
 * its unit test.
 */
void progress_render(uint64_t done, uint64_t total, double seconds, unsigned width, bool utf8,
                     bool colour, char *out, size_t size);

#endif
