/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "libfuse.h"

static atomic_bool verbose_log;
static atomic_bool syslog_open;
static _Thread_local bool libfuse_hushed;

static void put(int priority, const char *raw)
{
    char line[2048];
    cshm_text_escape(raw, strlen(raw), line, sizeof line);
    if (atomic_load(&syslog_open))
        syslog(priority, "%s", line);
    else
        (void)fprintf(stderr, "cuteshmfs: %s\n", line);
}

void log_line(int priority, const char *format, ...)
{
    if (priority == LOG_DEBUG && !atomic_load(&verbose_log))
        return;
    int saved = errno;
    char raw[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    put(priority, raw);
    errno = saved;
}

static void put_libfuse(enum fuse_log_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void put_libfuse(enum fuse_log_level level, const char *format, va_list arguments)
{
    /* It says some lines in pieces. */
    static _Thread_local char piece[1024];
    static _Thread_local size_t length;
    if (libfuse_hushed)
        return;
    int saved = errno;
    (void)vsnprintf(piece + length, sizeof piece - length, format, arguments);
    length += strlen(piece + length);
    if (length > 0 && (piece[length - 1] == '\n' || length == sizeof piece - 1)) {
        piece[length - (piece[length - 1] == '\n')] = '\0';
        put((int)level, piece); /* its levels are syslog's by number */
        length = 0;
    }
    errno = saved;
}

void log_hush_libfuse(bool hushed)
{
    libfuse_hushed = hushed;
}

void log_begin(bool verbose)
{
    atomic_store(&verbose_log, verbose);
    fuse_set_log_func(put_libfuse);
}

void log_to_syslog(void)
{
    openlog("cuteshmfs", LOG_PID, LOG_DAEMON);
    atomic_store(&syslog_open, true);
}

static void put_library(void *context, const char *line)
{
    (void)context;
    log_line(LOG_DEBUG, "%s", line);
}

struct cshm_log log_for_library(void)
{
    return (struct cshm_log){.function = put_library};
}
