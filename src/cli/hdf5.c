/* SPDX-License-Identifier: MIT */
/* cute-shm-hdf5: loads an HDF5 file as a project. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "base/text.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "hdf5/import.h"

#define STALL_SECONDS_MAX 1000000
#define JOBS_MAX          1024

static const char help[] =
    "usage: cute-shm-hdf5 [options] PROJECT FILE\n"
    "Load an HDF5 file into shared memory as a project.\n\n"
    "      --if-missing    only if the project is not there; wait for whoever loads it meanwhile\n"
    "      --if-newer      the same, and replace it if FILE has changed since it was loaded\n"
    "  -o, --overwrite     replace an existing project, in one step once all is loaded\n"
    "      --free-first    with -o: free the old project before, when both do not fit\n"
    "      --into GROUP    add below this group of the project, which may exist\n"
    "      --select PATH   only this group or dataset of the file (may be repeated)\n"
    "      --max-size BYTES  refuse what needs more memory (K, M, G, T: powers of 1024)\n"
    "      --mode OCTAL    permissions of the arrays and the manifest (default 0600)\n"
    "      --skip-errors   leave out what cannot be read, publish the rest (exit status 3)\n"
    "  -j, --jobs N        threads that load (default: the processors at hand)\n"
    "      --stall SECONDS give up when nothing moves for so long (default 60)\n"
    "      --no-progress   no progress bar\n" CLI_HELP_OPTIONS;

enum {
    OPTION_NO_PROGRESS = CLI_OPTION_OWN,
    OPTION_MODE,
    OPTION_STALL,
    OPTION_SKIP_ERRORS,
    OPTION_SELECT,
    OPTION_INTO,
    OPTION_FREE_FIRST,
    OPTION_IF_MISSING,
    OPTION_IF_NEWER,
    OPTION_MAX_SIZE,
};

static const struct option long_options[] = {
    {"overwrite", no_argument, NULL, 'o'},
    {"jobs", required_argument, NULL, 'j'},
    {"no-progress", no_argument, NULL, OPTION_NO_PROGRESS},
    {"mode", required_argument, NULL, OPTION_MODE},
    {"stall", required_argument, NULL, OPTION_STALL},
    {"skip-errors", no_argument, NULL, OPTION_SKIP_ERRORS},
    {"select", required_argument, NULL, OPTION_SELECT},
    {"into", required_argument, NULL, OPTION_INTO},
    {"free-first", no_argument, NULL, OPTION_FREE_FIRST},
    {"if-missing", no_argument, NULL, OPTION_IF_MISSING},
    {"if-newer", no_argument, NULL, OPTION_IF_NEWER},
    {"max-size", required_argument, NULL, OPTION_MAX_SIZE},
    CLI_LONG_OPTIONS,
};

struct load {
    struct cli cli;
    struct cshm_import_options options;
    struct progress progress;
    const char **select; /* room for one per argument */
    const char *project;
    const char *file;
    mode_t mode;
    bool no_progress;
};

/* --- Signals ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t caught;

static void remember_signal(int number)
{
    caught = number;
}

/* A signal only makes the import return, which cleans up. One that was ignored (nohup) stays so. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action = {.sa_handler = remember_signal};
        struct sigaction before;
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &action, NULL);
    }
}

/* Shells stop a script or a loop only if they see that the signal was what ended the command. */
static void die_by_signal(int number)
{
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* --- What the import tells -------------------------------------------------------------------- */

static void on_progress(void *context, const struct cshm_import_progress *now)
{
    struct load *load = context;
    const char *current = load->cli.verbose ? now->current : NULL;
    progress_update(&load->progress, now->done_bytes, now->total_bytes, current);
}

/* Above the bar, which is drawn again below it. */
static void on_log(void *context, const char *line)
{
    struct load *load = context;
    progress_clear(&load->progress);
    cli_log_line(NULL, line);
}

static void on_warning(void *context, const char *line)
{
    struct load *load = context;
    progress_clear(&load->progress);
    cli_error(&load->cli, "warning: %s", line);
}

static void on_skipped(void *context, const char *line)
{
    struct load *load = context;
    progress_clear(&load->progress);
    cli_error(&load->cli, "%s: %s", load->file, line);
}

/* Whoever waits, a terminal or not, is to know for whom. */
static void on_waiting(void *context, const char *line)
{
    struct load *load = context;
    progress_clear(&load->progress);
    cli_error(&load->cli, "%s", line);
}

static void on_found(void *context, const struct cshm_import_found *found)
{
    const struct load *load = context;
    char source[1024];
    char created[64];
    printf("%s is there already", load->project);
    if (found->source)
        printf(", loaded from %s",
               cshm_text_escape(found->source, strlen(found->source), source, sizeof source));
    if (found->created)
        printf(" at %s",
               cshm_text_escape(found->created, strlen(found->created), created, sizeof created));
    printf("\n");
}

/* --- Command line ----------------------------------------------------------------------------- */

static void parse_stall(struct load *load)
{
    char *end;
    errno = 0;
    unsigned long seconds = strtoul(optarg, &end, 10);
    if (errno || end == optarg || *end != '\0' || optarg[0] == '-' || seconds == 0 ||
        seconds > STALL_SECONDS_MAX)
        cli_usage_error(&load->cli, "--stall %s: not a number of seconds", optarg);
    load->options.stall_seconds = (unsigned)seconds;
}

static void parse_jobs(struct load *load)
{
    char *end;
    errno = 0;
    unsigned long jobs = strtoul(optarg, &end, 10);
    if (errno || end == optarg || *end != '\0' || optarg[0] == '-' || jobs == 0 || jobs > JOBS_MAX)
        cli_usage_error(&load->cli, "--jobs %s: not a number of threads", optarg);
    load->options.jobs = (unsigned)jobs;
}

/* An empty path is more likely a variable that was not set than the whole file. */
static const char *parse_path(const struct load *load, const char *option)
{
    if (optarg[0] == '\0')
        cli_usage_error(&load->cli, "%s: an empty path", option);
    return optarg;
}

/* A whole number and at most one letter. */
static void parse_max_size(struct load *load)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(optarg, &end, 10);
    const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
    uint64_t factor = unit ? (uint64_t)1 << (10 * (unit - units + 1)) : 1;
    if (errno || end == optarg || optarg[0] < '0' || optarg[0] > '9' || end[unit ? 1 : 0] != '\0' ||
        number == 0 || __builtin_mul_overflow(number, factor, &load->options.max_bytes))
        cli_usage_error(&load->cli, "--max-size %s: not a number of bytes such as 512M", optarg);
}

/* --if-newer is --if-missing and more. */
static void want_when(struct load *load, enum cshm_import_when when)
{
    if (load->options.when < when)
        load->options.when = when;
}

static void parse_option(struct load *load, int option)
{
    switch (option) {
    case OPTION_IF_MISSING:
        want_when(load, CSHM_IMPORT_IF_MISSING);
        break;
    case OPTION_IF_NEWER:
        want_when(load, CSHM_IMPORT_IF_NEWER);
        break;
    case OPTION_MAX_SIZE:
        parse_max_size(load);
        break;
    case 'o':
        load->options.overwrite = true;
        break;
    case OPTION_NO_PROGRESS:
        load->no_progress = true;
        break;
    case OPTION_SKIP_ERRORS:
        load->options.skip_errors = true;
        break;
    case OPTION_SELECT:
        load->select[load->options.select_count++] = parse_path(load, "--select");
        break;
    case OPTION_INTO:
        load->options.into = parse_path(load, "--into");
        break;
    case OPTION_FREE_FIRST:
        load->options.free_first = true;
        break;
    case 'j':
        parse_jobs(load);
        break;
    case OPTION_STALL:
        parse_stall(load);
        break;
    case OPTION_MODE:
        if (cshm_settings_parse_mode(optarg, &load->mode) < 0)
            cli_usage_error(&load->cli, "--mode %s: not an octal mode such as 0644", optarg);
        break;
    }
}

static void check_options(const struct load *load)
{
    if (load->options.free_first && load->options.into)
        cli_usage_error(&load->cli, "--free-first frees the project that --into adds to");
    if (load->options.when == CSHM_IMPORT_IF_MISSING && load->options.overwrite)
        cli_usage_error(&load->cli, "--if-missing leaves a project that is there alone, -o "
                                    "replaces it: --if-newer may be what you want");
    if (load->options.when == CSHM_IMPORT_IF_NEWER && load->options.into)
        cli_usage_error(&load->cli, "--if-newer is about a whole project: a group that --into adds "
                                    "does not record its file");
    if (load->options.free_first && !load->options.overwrite &&
        load->options.when != CSHM_IMPORT_IF_NEWER)
        cli_usage_error(&load->cli, "--free-first needs -o or --if-newer");
}

static void parse(struct load *load, int argc, char **argv)
{
    int option;
    load->select = calloc((size_t)argc + 1, sizeof *load->select);
    if (!load->select) {
        cli_error(&load->cli, "out of memory");
        exit(CLI_FAILED);
    }
    load->options.select = load->select;
    while ((option = cli_next_option(&load->cli, argc, argv, CLI_SHORT_OPTIONS "oj:",
                                     long_options)) != -1)
        parse_option(load, option);
    check_options(load);
    if (argc - optind != 2)
        cli_usage_error(&load->cli, "give a project's name and one HDF5 file");
    load->project = argv[optind];
    load->file = argv[optind + 1];
    if (cli_check_project_name(&load->cli, load->project) != CLI_DONE)
        exit(CLI_USAGE);
}

/* --- Loading ---------------------------------------------------------------------------------- */

static void print_result(const struct load *load, const struct cshm_store *store,
                         const struct cshm_import_result *result)
{
    char manifest[CSHM_SEGMENT_NAME_SIZE];
    char bytes[32];
    char rate[48];
    double seconds = progress_seconds(&load->progress);
    cshm_manifest_name(load->project, manifest);
    printf("TOML metadata file: %s/%s\n", store->root, manifest);
    printf("Datasets transferred: %" PRIu64 "\n", result->datasets);
    printf("Total memory size: %s\n", cshm_bytes_to_human(result->bytes, bytes));
    printf("Time: %.3f s (%s)\n", seconds, progress_rate(result->bytes, seconds, rate));
}

static int report(const struct load *load, const struct cshm_store *store, int result,
                  const struct cshm_import_result *loaded, const struct cshm_error *error)
{
    if (result < 0) {
        if (error->text[0] != '\0')
            cli_error(&load->cli, "%s", error->text);
        else
            cli_error(&load->cli, "%s: %s", load->file, strerror(-result));
        return CLI_FAILED;
    }
    if (!loaded->is_found)
        print_result(load, store, loaded);
    return cli_flush_output(&load->cli, loaded->skipped ? CLI_PART : CLI_DONE);
}

static int run(struct load *load)
{
    CLI_AUTO_STORE struct cshm_store *store = NULL;
    struct cshm_import_result loaded = {0};
    struct cshm_error error = {0};
    if (cli_open_store(&load->cli, load->mode, true, &store) < 0)
        return CLI_FAILED;
    if (load->cli.verbose)
        store->log = (struct cshm_log){on_log, load};
    load->options.progress = on_progress;
    load->options.warning = on_warning;
    load->options.skipped = on_skipped;
    load->options.waiting = on_waiting;
    load->options.found = on_found;
    load->options.context = load;
    progress_init(&load->progress, !load->no_progress);
    int result =
        cshm_hdf5_import(store, load->project, load->file, &load->options, &loaded, &error);
    progress_clear(&load->progress);
    if (result == -EINTR && caught)
        return CLI_FAILED; /* the signal says it */
    return report(load, store, result, &loaded, &error);
}

int main(int argc, char **argv)
{
    struct load load = {.cli = {.program = "cute-shm-hdf5", .help = help}, .mode = (mode_t)-1};
    setlocale(LC_CTYPE, "");
    parse(&load, argc, argv);
    catch_signals();
    int status = run(&load);
    free(load.select);
    if (status == CLI_FAILED && caught)
        die_by_signal(caught);
    return status;
}
