/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"

#define WIDTH_DEFAULT 80U
#define BAR_MAX       40U
#define BAR_MIN       6U
#define REDRAW_MS     100

/* Asked at each drawing: that is simpler than SIGWINCH and never wrong for longer than a redraw. */
static unsigned terminal_width(void)
{
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    return size.ws_col;
}

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

const char *progress_rate(uint64_t bytes, double seconds, char out[48])
{
    char human[32];
    out[0] = '\0';
    if (seconds > 0)
        (void)snprintf(out, 48, "%s/s",
                       cshm_bytes_to_human((uint64_t)((double)bytes / seconds), human));
    return out;
}

static void format_left(uint64_t done, uint64_t total, double seconds, char out[32])
{
    double left = done ? seconds * (double)(total - done) / (double)done : 0;
    out[0] = '\0';
    if (done == 0 || seconds < 0.5 || left > 100 * 3600)
        return; /* too early for more than a guess */
    unsigned whole = (unsigned)(left + 0.5);
    if (whole >= 3600)
        (void)snprintf(out, 32, "%u:%02u:%02u left", whole / 3600, whole / 60 % 60, whole % 60);
    else
        (void)snprintf(out, 32, "%u:%02u left", whole / 60, whole % 60);
}

/* The parts in order of worth; what does not fit is left out from the end. */
static void format_text(uint64_t done, uint64_t total, double seconds, unsigned width,
                        char out[160])
{
    char have[32];
    char all[32];
    char parts[4][80];
    unsigned percent = total ? (unsigned)((double)done / (double)total * 100) : 0;
    (void)snprintf(parts[0], sizeof parts[0], "%3u%%", percent);
    (void)snprintf(parts[1], sizeof parts[1], "%s / %s", cshm_bytes_to_human(done, have),
                   cshm_bytes_to_human(total, all));
    progress_rate(done, seconds, parts[2]);
    format_left(done, total, seconds, parts[3]);
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < 4; i++) {
        size_t needed = strlen(parts[i]) + (used ? 2 : 0);
        if (used + needed > width)
            return;
        if (parts[i][0] != '\0')
            used += (size_t)snprintf(out + used, 160 - used, "%s%s", used ? "  " : "", parts[i]);
    }
}

static void add_cells(char **at, char *end, const char *cell, unsigned count)
{
    size_t length = strlen(cell);
    for (; count > 0 && (size_t)(end - *at) > length; count--) {
        memcpy(*at, cell, length + 1);
        *at += length;
    }
}

static void add(char **at, char *end, const char *text)
{
    add_cells(at, end, text, 1);
}

void progress_render(uint64_t done, uint64_t total, double seconds, unsigned width, bool utf8,
                     bool colour, char *out, size_t size)
{
    char text[160];
    char *at = out;
    char *end = out + size;
    done = done > total ? total : done;
    /* The last column stays free: some terminals wrap when it is written. */
    unsigned room = width > 1 ? width - 1 : 1;
    out[0] = '\0';
    if (total == 0) {
        (void)snprintf(out, size, "%.*s", (int)room, "reading the file");
        return;
    }
    /* A quarter of the line: the text beside the bar may grow and shrink, the bar stays. */
    unsigned cells = room / 4 > BAR_MAX ? BAR_MAX : room / 4;
    if (cells >= BAR_MIN) {
        unsigned full = (unsigned)((double)done / (double)total * cells);
        add(&at, end, colour ? "[\033[32m" : "[");
        add_cells(&at, end, utf8 ? "█" : "#", full);
        add(&at, end, colour ? "\033[0m" : "");
        add_cells(&at, end, " ", cells - full);
        add(&at, end, "] ");
        room -= cells + 3;
    }
    format_text(done, total, seconds, room, text);
    add(&at, end, text);
}

void progress_init(struct progress *progress, bool wanted)
{
    *progress = (struct progress){
        .enabled = wanted && isatty(STDERR_FILENO),
        .colour = cli_wants_colour(STDERR_FILENO),
        .utf8 = cli_locale_is_utf8(),
    };
    clock_gettime(CLOCK_MONOTONIC, &progress->started);
}

double progress_seconds(const struct progress *progress)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return seconds_between(&progress->started, &now);
}

/* Over the line with spaces, since not every terminal knows an escape for it. */
static void write_over(const char *line, unsigned columns, unsigned width)
{
    char bytes[1024];
    unsigned blanks = columns < width ? width - 1 - columns : 0;
    int length = snprintf(bytes, sizeof bytes, "\r%s%*s\r", line,
                          (int)(blanks > 500 ? 500 : blanks), "");
    if (length > 0 && (size_t)length < sizeof bytes &&
        write(STDERR_FILENO, bytes, (size_t)length) < 0)
        return; /* the terminal is gone; the load goes on */
}

static unsigned columns_of(const char *line)
{
    unsigned columns = 0;
    bool escape = false;
    for (; *line; line++) {
        if (*line == '\033')
            escape = true;
        else if (escape)
            escape = *line != 'm';
        else if (((unsigned char)*line & 0xC0) != 0x80)
            columns++;
    }
    return columns;
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    if (!progress->enabled)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (progress->visible && seconds_between(&progress->drawn, &now) < REDRAW_MS / 1000.0)
        return;
    char line[512];
    unsigned width = terminal_width();
    progress_render(done, total, seconds_between(&progress->started, &now), width, progress->utf8,
                    progress->colour, line, sizeof line);
    write_over(line, columns_of(line), width);
    progress->drawn = now;
    progress->visible = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->visible)
        write_over("", 0, terminal_width());
    progress->visible = false;
}
