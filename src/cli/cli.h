/* SPDX-License-Identifier: MIT */
/* What the commands share: who speaks, exit statuses, the store that options and settings name. */
#ifndef CSHM_CLI_CLI_H
#define CSHM_CLI_CLI_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "store/store.h"

enum cli_status {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_PART = 3, /* done in part: --skip-errors left something out */
};

/* The values of the options every command has, and what their messages need. */
struct cli {
    const char *program;
    const char *help; /* the whole text of -h */
    const char *root;
    const char *shm_dir;
    const char *config;
    bool verbose;
};

/* "PROGRAM: TEXT" as one line on stderr, in one write; control characters escaped. */
void cli_error(const struct cli *cli, const char *format, ...) CSHM_PRINTF(2, 3);

/* The same, then a hint at --help, and exit with CLI_USAGE. */
_Noreturn void cli_usage_error(const struct cli *cli, const char *format, ...) CSHM_PRINTF(2, 3);

/* A time-stamped debug line on stderr. `context` is not used. */
void cli_log_line(void *context, const char *line);

/*
 * Resolves settings (where `mode` is not (mode_t)-1 it beats the configuration file's) and opens
 * the store, with debug lines to stderr if verbose. On failure the line was printed. Without
 * `create`, `*out` is NULL where there is no registry: nothing was ever published.
 */
int cli_open_store(const struct cli *cli, mode_t mode, bool create, struct cshm_store **out);

/* CLI_DONE, or CLI_FAILED with a line. What was to be said must have reached stdout. */
int cli_flush_output(const struct cli *cli, int status);

/*
 * CLI_DONE, or CLI_USAGE with a line when it can be no project's name; commands then go on with the
 * other projects.
 */
int cli_check_project_name(const struct cli *cli, const char *project);

/* Colours are for terminals, and for people who did not say NO_COLOR (https://no-color.org). */
bool cli_wants_colour(int fd);
bool cli_locale_is_utf8(void);

static inline void cli_close_store(struct cshm_store **store)
{
    if (*store)
        cshm_store_close(*store);
}
#define CLI_AUTO_STORE __attribute__((cleanup(cli_close_store)))

#endif
