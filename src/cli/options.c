/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_operand(const char *argument)
{
    return argument[0] != '-' || argument[1] == '\0';
}

static bool names_long_option(const char *text, const struct option *long_options)
{
    size_t length = strcspn(text, "=");
    for (const struct option *option = long_options; length > 1 && option->name; option++)
        if (strlen(option->name) == length && strncmp(option->name, text, length) == 0)
            return true;
    return false;
}

/*
 * Whether getopt will next look at "-name" with the whole name of a long option. Only then may one
 * dash mean a long option: getopt_long_only would take "-ov" for an abbreviated --overwrite and
 * lose the v. Inside such a cluster optind stays at it, so the answer stays no.
 */
static bool one_dash_is_long(int argc, char **argv, const struct option *long_options)
{
    int next = optind;
    while (next < argc && is_operand(argv[next]))
        next++;
    return next < argc && argv[next][1] != '-' && names_long_option(argv[next] + 1, long_options);
}

static _Noreturn void bad_option(const struct cli *cli, int result, char **argv)
{
    if (result == ':')
        cli_usage_error(cli, "option %s needs a value", argv[optind - 1]);
    if (optopt > 0 && optopt < 256 && argv[optind - 1][1] != '-')
        cli_usage_error(cli, "unknown option -%c", optopt);
    if (optopt > 0)
        cli_usage_error(cli, "option %s takes no value", argv[optind - 1]);
    cli_usage_error(cli, "unknown or ambiguous option %s", argv[optind - 1]);
}

static _Noreturn void say_and_exit(const struct cli *cli, int option)
{
    if (option == 'h')
        fputs(cli->help, stdout);
    else
        printf("%s (cuteshmfs) %s\n", cli->program, CUTESHM_VERSION);
    exit(cli_flush_output(cli, CLI_DONE));
}

static bool common_option(struct cli *cli, int option)
{
    switch (option) {
    case CLI_OPTION_ROOT:
        cli->root = optarg;
        return true;
    case CLI_OPTION_SHM_DIR:
        cli->shm_dir = optarg;
        return true;
    case CLI_OPTION_CONFIG:
        cli->config = optarg;
        return true;
    case 'v':
        cli->verbose = true;
        return true;
    case 'h':
    case 'V':
        say_and_exit(cli, option);
    default:
        return false;
    }
}

int cli_next_option(struct cli *cli, int argc, char **argv, const char *short_options,
                    const struct option *long_options)
{
    int option;
    opterr = 0;
    do {
        bool long_only = one_dash_is_long(argc, argv, long_options);
        option = (long_only ? getopt_long_only : getopt_long)(argc, argv, short_options,
                                                              long_options, NULL);
        if (option == '?' || option == ':')
            bad_option(cli, option, argv);
    } while (option != -1 && common_option(cli, option));
    return option;
}
