/* SPDX-License-Identifier: MIT */
/*
 * Options: getopt, with long ones also after one dash ("-short") as the peer writes them, and the
 * options every command has.
 */
#ifndef CSHM_CLI_OPTIONS_H
#define CSHM_CLI_OPTIONS_H

#include <getopt.h>

#include "cli/cli.h"

/* Values of long options without a letter; a command's own start at CLI_OPTION_OWN. */
enum {
    CLI_OPTION_ROOT = 256,
    CLI_OPTION_SHM_DIR,
    CLI_OPTION_CONFIG,
    CLI_OPTION_OWN,
};

/* For a command's tables. The ':' makes getopt tell a missing value from an unknown option. */
#define CLI_SHORT_OPTIONS ":hvV"
#define CLI_LONG_OPTIONS                                                                           \
    {"root", required_argument, NULL, CLI_OPTION_ROOT},                                            \
        {"shm-dir", required_argument, NULL, CLI_OPTION_SHM_DIR},                                  \
        {"config", required_argument, NULL, CLI_OPTION_CONFIG},                                    \
        {"verbose", no_argument, NULL, 'v'}, {"help", no_argument, NULL, 'h'},                     \
        {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}

/* The same options for the text of -h. */
#define CLI_HELP_OPTIONS                                                                           \
    "      --root DIR      the registry, where manifests are (default /tmp/cute-shm)\n"            \
    "      --shm-dir DIR   where the memory is (default /dev/shm)\n"                               \
    "      --config FILE   read only this configuration file\n"                                    \
    "  -v, --verbose       say on stderr what is done, segment by segment\n"                       \
    "  -h, --help          show this\n"                                                            \
    "  -V, --version       show the version\n"

/*
 * The next option that is the command's own, -1 after the last; then the operands are argv[optind]
 * and following. Handles the common ones; -h and -V exit with 0, mistakes with CLI_USAGE.
 */
int cli_next_option(struct cli *cli, int argc, char **argv, const char *short_options,
                    const struct option *long_options);

#endif
