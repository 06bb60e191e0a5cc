/* SPDX-License-Identifier: MIT */
/* cute-shm-unlink: frees projects. */
#include <errno.h>
#include <locale.h>
#include <string.h>

#include "cli/options.h"
#include "store/project.h"

static const char help[] =
    "usage: cute-shm-unlink [options] PROJECT…\n"
    "Remove projects from shared memory: the manifest first, then the segments.\n"
    "Works on damaged projects too; who has an array mapped keeps it.\n\n" CLI_HELP_OPTIONS;

static const struct option long_options[] = {CLI_LONG_OPTIONS};

static void parse(struct cli *cli, int argc, char **argv)
{
    while (cli_next_option(cli, argc, argv, CLI_SHORT_OPTIONS, long_options) != -1)
        ;
    if (optind == argc)
        cli_usage_error(cli, "which project?");
}

static int unlink_project(const struct cli *cli, struct cshm_store *store, const char *project)
{
    int status = cli_check_project_name(cli, project);
    if (status != CLI_DONE)
        return status;
    struct cshm_error error = {0};
    int result = store ? cshm_project_remove(store, project, &error) : -ENOENT;
    if (result < 0 && error.text[0] != '\0')
        cli_error(cli, "%s", error.text);
    else if (result < 0)
        cli_error(cli, "%s: %s", project,
                  result == -ENOENT ? "no such project" : strerror(-result));
    return result < 0 ? CLI_FAILED : CLI_DONE;
}

int main(int argc, char **argv)
{
    struct cli cli = {.program = "cute-shm-unlink", .help = help};
    setlocale(LC_CTYPE, "");
    parse(&cli, argc, argv);
    CLI_AUTO_STORE struct cshm_store *store = NULL;
    if (cli_open_store(&cli, (mode_t)-1, false, &store) < 0)
        return CLI_FAILED;
    int status = CLI_DONE;
    for (int i = optind; i < argc; i++) {
        int one = unlink_project(&cli, store, argv[i]);
        status = one > status ? one : status;
    }
    return status;
}
