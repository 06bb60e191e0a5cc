/* SPDX-License-Identifier: MIT */
/*
 * Where the daemon's words go: stderr while it has one (starting, or -f), then syslog. Names come
 * from users, so control characters are escaped. Thread-safe.
 */
#ifndef MOUNT_LOG_H
#define MOUNT_LOG_H

#include <stdbool.h>
#include <syslog.h>

#include "base/error.h"
#include "store/store.h"

/* `verbose` lets debug lines through. Also takes over libfuse's own messages. */
void log_begin(bool verbose);

/* From now on to syslog instead of stderr. */
void log_to_syslog(void);

/* `priority` is one of syslog(3)'s. errno is kept. */
void log_line(int priority, const char *format, ...) CSHM_PRINTF(2, 3);

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* For cshm_store.log. */
struct cshm_log log_for_library(void);

/* libfuse prints what a probe finds out on purpose; this thread's lines of it are held back. */
void log_hush_libfuse(bool hushed);

#endif
