/* SPDX-License-Identifier: MIT */
/* One bar for a whole load, on stderr's terminal: percent, bytes, rate, time left. */
#ifndef CSHM_CLI_PROGRESS_H
#define CSHM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* How fast it goes of late: what a rate and the time left are computed from. */
struct progress_speed {
    bool is_begun;
    double begun; /* seconds on whatever clock */
    double seen;
    uint64_t begun_bytes;
    uint64_t seen_bytes;
    double rate; /* bytes per second; 0: not known yet */
};

struct progress {
    struct timespec started;
    struct timespec drawn;
    struct progress_speed speed;
    bool enabled;
    bool colour;
    bool utf8;
    bool visible; /* there is a bar on the line of the cursor */
};

/* `wanted` and stderr is a terminal: enabled. The clock starts. */
void progress_init(struct progress *progress, bool wanted);

/*
 * Draws, ten times a second at most. `total` 0: not known yet. `current`: what is being worked at,
 * shown where there is room for it; NULL: not to be shown.
 */
void progress_update(struct progress *progress, uint64_t done, uint64_t total, const char *current);

/* Leaves a clean line: before any other output, and at the end. */
void progress_clear(struct progress *progress);

double progress_seconds(const struct progress *progress);

/* "820.14 MB/s", or "" while there is no time to divide by. Returns `out`. */
const char *progress_rate(uint64_t bytes, double seconds, char out[48]);

/* --- Pure, for their unit tests ------------------------------------------------------------------
 */

/* At the time `seconds`, `done` bytes were written. The first call begins. */
void progress_speed_add(struct progress_speed *speed, double seconds, uint64_t done);

struct progress_picture {
    uint64_t done;
    uint64_t total;
    double rate;
    const char *current;
    unsigned width; /* of the terminal, in columns */
    bool utf8;
    bool colour;
};

/* The line, at most width - 1 columns, without escapes but the bar's colour. */
void progress_render(const struct progress_picture *picture, char *out, size_t size);

/* The columns that a line takes, escapes for colours not counted. */
unsigned progress_columns(const char *line);

#endif
