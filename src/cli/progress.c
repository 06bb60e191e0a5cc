/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/text.h"
#include "cli/cli.h"

#define WIDTH_DEFAULT    80U
#define BAR_MAX          40U
#define BAR_MIN          6U
#define REDRAW_MS        100
#define NAME_COLUMNS_MIN 12U
#define NAME_COLUMNS_MAX 80U
#define LINE_SIZE        1024

static const double SMOOTH_SECONDS = 3;

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

/* --- Speed -------------------------------------------------------------------------------------
 */

/*
 * The mean of what was so far, then one in which the past fades within seconds: a dataset that
 * unpacks slowly shows soon, and a hiccup makes nobody's hair stand on end.
 */
void progress_speed_add(struct progress_speed *speed, double seconds, uint64_t done)
{
    if (!speed->is_begun) {
        *speed = (struct progress_speed){.is_begun = true,
                                         .begun = seconds,
                                         .seen = seconds,
                                         .begun_bytes = done,
                                         .seen_bytes = done};
        return;
    }
    double passed = seconds - speed->seen;
    double since = seconds - speed->begun;
    if (passed <= 0 || done < speed->seen_bytes)
        return;
    double now = (double)(done - speed->seen_bytes) / passed;
    if (since < SMOOTH_SECONDS)
        speed->rate = (double)(done - speed->begun_bytes) / since;
    else
        speed->rate += (now - speed->rate) * passed / (passed + SMOOTH_SECONDS);
    speed->seen = seconds;
    speed->seen_bytes = done;
}

static void format_left(const struct progress_picture *picture, char out[32])
{
    out[0] = '\0';
    if (picture->rate <= 0 || picture->done == 0)
        return; /* too early for more than a guess */
    double left = (double)(picture->total - picture->done) / picture->rate;
    if (left > 100 * 3600)
        return;
    unsigned whole = (unsigned)(left + 0.5);
    if (whole >= 3600)
        (void)snprintf(out, 32, "%u:%02u:%02u left", whole / 3600, whole / 60 % 60, whole % 60);
    else
        (void)snprintf(out, 32, "%u:%02u left", whole / 60, whole % 60);
}

/* --- The line ----------------------------------------------------------------------------------
 */

/* The character at `text`: its length in bytes, and the columns it takes. */
static size_t next_cell(const char *text, unsigned *columns)
{
    uint32_t code;
    size_t size = cshm_utf8_character(text, strlen(text), &code);
    int width = size ? wcwidth((wchar_t)code) : 1;
    *columns = width < 0 ? 1 : (unsigned)width;
    return size ? size : 1;
}

unsigned progress_columns(const char *line)
{
    unsigned columns = 0;
    while (*line) {
        unsigned width;
        if (*line == '\033') {
            line += strcspn(line, "m");
            line += *line ? 1 : 0;
            continue;
        }
        line += next_cell(line, &width);
        columns += width;
    }
    return columns;
}

/* The parts in order of worth; what does not fit is left out from the end. */
static void format_text(const struct progress_picture *picture, unsigned width, char out[160])
{
    char have[32];
    char all[32];
    char parts[4][80];
    unsigned percent = (unsigned)((double)picture->done / (double)picture->total * 100);
    (void)snprintf(parts[0], sizeof parts[0], "%3u%%", percent);
    (void)snprintf(parts[1], sizeof parts[1], "%s / %s", cshm_bytes_to_human(picture->done, have),
                   cshm_bytes_to_human(picture->total, all));
    progress_rate((uint64_t)picture->rate, picture->rate > 0 ? 1 : 0, parts[2]);
    format_left(picture, parts[3]);
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

static void add_cells(char **at, const char *end, const char *cell, unsigned count)
{
    size_t length = strlen(cell);
    for (; count > 0 && (size_t)(end - *at) > length; count--) {
        memcpy(*at, cell, length + 1);
        *at += length;
    }
}

static void add(char **at, const char *end, const char *text)
{
    add_cells(at, end, text, 1);
}

/* The end of a path says more than its beginning. */
static void add_name(char **at, const char *end, const char *name, unsigned room, bool utf8)
{
    const char *mark = utf8 ? "…" : "...";
    unsigned columns = progress_columns(name);
    unsigned most = room > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : room;
    if (most < NAME_COLUMNS_MIN || name[0] == '\0')
        return;
    add(at, end, "  ");
    bool is_cut = columns > most - 2;
    if (is_cut)
        add(at, end, mark);
    unsigned keep = most - 2 - (is_cut ? progress_columns(mark) : 0);
    while (*name) {
        unsigned width;
        char cell[8];
        size_t size = next_cell(name, &width);
        (void)snprintf(cell, sizeof cell, "%.*s", (int)size, name);
        if (columns <= keep)
            add(at, end, utf8 || !(*name & 0x80) ? cell : "?");
        else
            columns -= width;
        name += size;
    }
}

static void add_bar(char **at, const char *end, const struct progress_picture *picture,
                    unsigned cells)
{
    unsigned full = (unsigned)((double)picture->done / (double)picture->total * cells);
    add(at, end, picture->colour ? "[\033[32m" : "[");
    add_cells(at, end, picture->utf8 ? "█" : "#", full);
    add(at, end, picture->colour ? "\033[0m" : "");
    add_cells(at, end, " ", cells - full);
    add(at, end, "] ");
}

void progress_render(const struct progress_picture *given, char *out, size_t size)
{
    struct progress_picture picture = *given;
    char text[160];
    char *at = out;
    const char *end = out + size;
    if (picture.done > picture.total)
        picture.done = picture.total;
    /* The last column stays free: some terminals wrap when it is written. */
    unsigned room = picture.width ? picture.width - 1 : 0;
    out[0] = '\0';
    if (picture.total == 0) {
        (void)snprintf(out, size, "%.*s", (int)(room < 100 ? room : 100), "reading the file");
        return;
    }
    /* A quarter of the line: the text beside the bar may grow and shrink, the bar stays. */
    unsigned cells = room / 4 > BAR_MAX ? BAR_MAX : room / 4;
    if (cells >= BAR_MIN) {
        add_bar(&at, end, &picture, cells);
        room -= cells + 3;
    }
    format_text(&picture, room, text);
    add(&at, end, text);
    if (picture.current)
        add_name(&at, end, picture.current, room - (unsigned)strlen(text), picture.utf8);
}

/* --- The terminal ------------------------------------------------------------------------------
 */

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
static void write_over(const char *line, unsigned width)
{
    char bytes[LINE_SIZE + 512];
    unsigned columns = progress_columns(line);
    unsigned blanks = columns < width ? width - 1 - columns : 0;
    int length =
        snprintf(bytes, sizeof bytes, "\r%s%*s\r", line, (int)(blanks > 500 ? 500 : blanks), "");
    if (length > 0 && (size_t)length < sizeof bytes &&
        write(STDERR_FILENO, bytes, (size_t)length) < 0)
        return; /* the terminal is gone; the load goes on */
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total, const char *current)
{
    if (!progress->enabled)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (progress->visible && seconds_between(&progress->drawn, &now) < REDRAW_MS / 1000.0)
        return;
    if (total > 0) /* what went before is no measure for the rest */
        progress_speed_add(&progress->speed, seconds_between(&progress->started, &now), done);
    char line[LINE_SIZE];
    struct progress_picture picture = {
        .done = done,
        .total = total,
        .rate = progress->speed.rate,
        .current = current,
        .width = terminal_width(),
        .utf8 = progress->utf8,
        .colour = progress->colour,
    };
    progress_render(&picture, line, sizeof line);
    write_over(line, picture.width);
    progress->drawn = now;
    progress->visible = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->visible)
        write_over("", terminal_width());
    progress->visible = false;
}
