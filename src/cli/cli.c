/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/names.h"
#include "base/text.h"

#define LINE_SIZE 4096

/* stdio would write an unbuffered stream in pieces, which mix with the lines of other processes. */
static void write_line(const char *prefix, const char *text)
{
    char line[LINE_SIZE];
    int length = snprintf(line, sizeof line, "%s%s\n", prefix, text);
    if (length >= (int)sizeof line) {
        length = (int)sizeof line - 1;
        line[length - 1] = '\n';
    }
    if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* there is nobody left to tell */
}

static void print_error(const struct cli *cli, const char *hint, const char *format,
                        va_list arguments)
{
    char raw[LINE_SIZE - 256];
    char text[LINE_SIZE - 256];
    int length = vsnprintf(raw, sizeof raw, format, arguments);
    if (length < 0)
        return;
    cshm_text_escape(raw, strlen(raw), text, sizeof text);
    strncat(text, hint, sizeof text - strlen(text) - 1);
    char prefix[128];
    (void)snprintf(prefix, sizeof prefix, "%s: ", cli->program);
    write_line(prefix, text);
}

void cli_error(const struct cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_error(cli, "", format, arguments);
    va_end(arguments);
}

void cli_usage_error(const struct cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_error(cli, " (--help says what there is)", format, arguments);
    va_end(arguments);
    exit(CLI_USAGE);
}

/* As the peer's debug lines begin: "2026-11-23 04:15:01,123 - DEBUG - ". */
void cli_log_line(void *context, const char *line)
{
    (void)context;
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    char day[32];
    char prefix[64];
    strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &tm);
    (void)snprintf(prefix, sizeof prefix, "%s,%03ld - DEBUG - ", day, now.tv_nsec / 1000000);
    write_line(prefix, line);
}

/* Without a registry nothing was ever published; a shared memory directory there must be. */
static bool lacks_registry(const struct cshm_settings *settings)
{
    return access(settings->root, F_OK) < 0 && errno == ENOENT &&
           access(settings->shm_dir, F_OK) == 0;
}

static int open_store(const struct cli *cli, const struct cshm_settings *settings, bool create,
                      struct cshm_store **out, struct cshm_error *error)
{
    int result = cshm_store_open(settings, create, out, error);
    if (result == -ENOENT && !create && lacks_registry(settings)) {
        *out = NULL;
        return 0;
    }
    if (result == 0 && cli->verbose)
        (*out)->log = (struct cshm_log){.function = cli_log_line};
    return result;
}

int cli_open_store(const struct cli *cli, mode_t mode, bool create, struct cshm_store **out)
{
    struct cshm_settings settings = {0};
    struct cshm_error error = {0};
    int result = cshm_settings_load(cli->root, cli->shm_dir, cli->config, &settings, &error);
    if (result == 0) {
        if (mode != (mode_t)-1)
            settings.mode = mode;
        result = open_store(cli, &settings, create, out, &error);
    }
    if (result < 0)
        cli_error(cli, "%s", error.text[0] ? error.text : strerror(-result));
    cshm_settings_finish(&settings);
    return result;
}

int cli_flush_output(const struct cli *cli, int status)
{
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return status;
    cli_error(cli, "cannot write the output: %s", errno ? strerror(errno) : "I/O error");
    return CLI_FAILED;
}

int cli_check_project_name(const struct cli *cli, const char *project)
{
    int result = cshm_project_name_check(project);
    if (result == -ENAMETOOLONG)
        cli_error(cli, "%.40s…: longer than the %d bytes of a project name", project,
                  CSHM_PROJECT_NAME_MAX);
    else if (result < 0)
        cli_error(cli,
                  "'%s' cannot be a project's name: UTF-8 without '/' and control characters, not "
                  "starting with a dot, not ending in .meta or .npy",
                  project);
    return result < 0 ? CLI_USAGE : CLI_DONE;
}

bool cli_wants_colour(int fd)
{
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    if (refused && refused[0] != '\0')
        return false;
    return isatty(fd) && terminal && strcmp(terminal, "dumb") != 0;
}

bool cli_locale_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
