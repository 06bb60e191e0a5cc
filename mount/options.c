/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "log.h"

enum { DEFAULT_THREADS = 32 };

/* What was said, before anything is looked up. Strings are owned. */
struct words {
    char *root;
    char *shm_dir;
    char *config;
    char *access;
    char *source;
    int no_allow_other;
    int no_io_uring;
    int read_only;
    int xattr;
    int clone_fd;
    unsigned max_threads;
};

static const char usage[] =
    "usage: cuteshmfs [options] [SOURCE] MOUNTPOINT\n"
    "Shows the arrays in shared memory as files.\n"
    "\n"
    "      --root DIR       registry of projects (CUTE_SHM_ROOT, /tmp/cute-shm)\n"
    "      --shm-dir DIR    shared memory directory (CUTE_SHM_DIR, /dev/shm)\n"
    "      --config FILE    read only this configuration file\n"
    "      --access MODE    auto, passthrough or symlink: how arrays are reached\n"
    "  -f, --foreground     stay in the foreground, log to stderr\n"
    "  -v, --verbose        log what is done\n"
    "  -d, --debug          log every request (and -f)\n"
    "  -o OPTION[,...]      mount options: root=, shm_dir=, config=, access=,\n"
    "                       no_allow_other, max_threads=N, clone_fd, no_io_uring,\n"
    "                       ro (nothing is changed, by the daemon neither),\n"
    "                       xattr (attributes of arrays and groups as user.NAME),\n"
    "                       and those of libfuse and mount(8)\n"
    "  -h, --help           this text\n"
    "  -V, --version        version\n";

/* --- Options proper -----------------------------------------------------------------------------
 */

static const struct option long_options[] = {
    {"root", required_argument, NULL, 'R'},   {"shm-dir", required_argument, NULL, 'S'},
    {"config", required_argument, NULL, 'C'}, {"access", required_argument, NULL, 'A'},
    {"foreground", no_argument, NULL, 'f'},   {"verbose", no_argument, NULL, 'v'},
    {"debug", no_argument, NULL, 'd'},        {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0},
};

static enum options_outcome wrong(const char *format, ...) CSHM_PRINTF(1, 2);

static enum options_outcome wrong(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_line(LOG_ERR, "%s (--help says what there is)", text);
    return OPTIONS_WRONG;
}

static bool set_word(char **word, const char *value)
{
    free(*word);
    *word = strdup(value);
    return *word != NULL;
}

static enum options_outcome take_option(int option, struct options *out, struct words *words)
{
    bool done = true;
    switch (option) {
    case 'R':
        done = set_word(&words->root, optarg);
        break;
    case 'S':
        done = set_word(&words->shm_dir, optarg);
        break;
    case 'C':
        done = set_word(&words->config, optarg);
        break;
    case 'A':
        done = set_word(&words->access, optarg);
        break;
    case 'o':
        done = fuse_opt_add_arg(&out->fuse, "-o") == 0 && fuse_opt_add_arg(&out->fuse, optarg) == 0;
        break;
    case 'd':
        done = fuse_opt_add_arg(&out->fuse, "-d") == 0;
        out->foreground = out->verbose = true;
        break;
    case 'f':
        out->foreground = true;
        break;
    case 'v':
        out->verbose = true;
        break;
    case 'h':
        (void)fputs(usage, stdout);
        return OPTIONS_DONE;
    case 'V':
        (void)printf("cuteshmfs %s (libfuse %s)\n", CUTESHM_VERSION, fuse_pkgversion());
        return OPTIONS_DONE;
    default:
        return wrong("unknown option");
    }
    return done ? OPTIONS_RUN : wrong("out of memory");
}

/*
 * The commands of this project take long options with one dash too, as the peer writes them. Not
 * with getopt_long_only alone: it would take "-fo" for an abbreviated --foreground.
 */
static bool one_dash_is_long(int argc, char **argv)
{
    int next = optind;
    while (next < argc && (argv[next][0] != '-' || argv[next][1] == '\0'))
        next++;
    if (next == argc || argv[next][1] == '-')
        return false;
    const char *name = argv[next] + 1;
    size_t length = strcspn(name, "=");
    for (const struct option *option = long_options; option->name; option++)
        if (length > 1 && strlen(option->name) == length &&
            strncmp(option->name, name, length) == 0)
            return true;
    return false;
}

static int next_option(int argc, char **argv)
{
    bool long_only = one_dash_is_long(argc, argv);
    return (long_only ? getopt_long_only : getopt_long)(argc, argv, ":o:fdvhV", long_options, NULL);
}

static enum options_outcome take_command_line(int argc, char **argv, struct options *out,
                                              struct words *words)
{
    int option;
    opterr = 0;
    while ((option = next_option(argc, argv)) != -1) {
        if (option == ':')
            return wrong("option %s needs a value", argv[optind - 1]);
        if (option == '?')
            return wrong("unknown option %s", argv[optind - 1]);
        enum options_outcome outcome = take_option(option, out, words);
        if (outcome != OPTIONS_RUN)
            return outcome;
    }
    int left = argc - optind;
    if (left > 2)
        return wrong("too many arguments: '%s'", argv[optind + 2]);
    if (left == 2 && !set_word(&words->source, argv[optind]))
        return wrong("out of memory");
    if (left > 0 && !set_word(&out->mountpoint, argv[argc - 1]))
        return wrong("out of memory");
    return OPTIONS_RUN;
}

/* --- Options behind -o --------------------------------------------------------------------------
 */

#define WORD(text, member)                                                                         \
    {                                                                                              \
        text, offsetof(struct words, member), 1                                                    \
    }

/* What mount(8) and fstab lines carry that is no business of a file system's is left out. */
static const struct fuse_opt mount_options[] = {
    WORD("root=%s", root),
    WORD("shm_dir=%s", shm_dir),
    WORD("config=%s", config),
    WORD("access=%s", access),
    WORD("no_allow_other", no_allow_other),
    WORD("no_io_uring", no_io_uring),
    WORD("clone_fd", clone_fd),
    WORD("ro", read_only),
    WORD("xattr", xattr),
    WORD("max_threads=%u", max_threads),
    FUSE_OPT_KEY("defaults", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_KEY("auto", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_KEY("noauto", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_KEY("nofail", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_KEY("_netdev", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_KEY("user", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_KEY("nouser", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_KEY("users", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_KEY("x-", FUSE_OPT_KEY_DISCARD),
    FUSE_OPT_END,
};

static bool add_mount_option(struct options *out, const char *option)
{
    return fuse_opt_add_arg(&out->fuse, "-o") == 0 && fuse_opt_add_arg(&out->fuse, option) == 0;
}

static bool add_source(struct options *out, const char *source)
{
    CSHM_AUTO_FREE char *named = NULL;
    CSHM_AUTO_FREE char *escaped = NULL;
    return asprintf(&named, "fsname=%s", source) >= 0 &&
           fuse_opt_add_opt_escaped(&escaped, named) == 0 && add_mount_option(out, escaped);
}

/*
 * The kernel checks owner and mode (nothing else does: passthrough runs with the daemon's rights),
 * and only root may let others in without asking the administrator (fuse.conf).
 */
static bool add_defaults(struct options *out, const struct words *words)
{
    bool added = add_source(out, words->source ? words->source : "cuteshm") &&
                 add_mount_option(out, "subtype=cuteshmfs") &&
                 add_mount_option(out, "default_permissions");
    if (added && words->read_only) /* the kernel's part of it */
        added = add_mount_option(out, "ro");
    if (added && geteuid() == 0 && !words->no_allow_other)
        added = add_mount_option(out, "allow_other");
    /* Where the kernel does not have it, or has it switched off, requests come by /dev/fuse. */
    if (added && LIBFUSE_HAS_IO_URING && !words->no_io_uring)
        added = add_mount_option(out, "io_uring");
    out->io_uring = LIBFUSE_HAS_IO_URING && !words->no_io_uring;
    return added;
}

static bool parse_access(const char *word, enum access_wish *out)
{
    static const struct {
        const char *name;
        enum access_wish wish;
    } names[] = {
        {"auto", ACCESS_AUTO},
        {"passthrough", ACCESS_WANT_PASSTHROUGH},
        {"symlink", ACCESS_WANT_SYMLINK},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(word, names[i].name) == 0) {
            *out = names[i].wish;
            return true;
        }
    }
    return false;
}

/* --- Together -----------------------------------------------------------------------------------
 */

static enum options_outcome settle(struct options *out, struct words *words)
{
    if (fuse_opt_parse(&out->fuse, words, mount_options, NULL) < 0)
        return wrong("bad mount options");
    if (words->access && !parse_access(words->access, &out->access))
        return wrong("access must be auto, passthrough or symlink, not '%s'", words->access);
    struct cshm_error error = {0};
    if (cshm_settings_load(words->root, words->shm_dir, words->config, &out->settings, &error) < 0)
        return wrong("%s", error.text);
    if (!out->mountpoint && out->settings.mountpoint &&
        !set_word(&out->mountpoint, out->settings.mountpoint))
        return wrong("out of memory");
    if (!out->mountpoint)
        return wrong("no mount point: name a directory, or set mountpoint in the "
                     "configuration file");
    if (!add_defaults(out, words))
        return wrong("out of memory");
    out->clone_fd = words->clone_fd;
    out->read_only = words->read_only;
    out->xattr = words->xattr;
    out->max_threads = words->max_threads ? words->max_threads : DEFAULT_THREADS;
    return OPTIONS_RUN;
}

enum options_outcome options_parse(int argc, char **argv, struct options *out)
{
    *out = (struct options){0};
    struct words words = {0};
    enum options_outcome outcome = OPTIONS_RUN;
    if (fuse_opt_add_arg(&out->fuse, "cuteshmfs") < 0)
        outcome = wrong("out of memory");
    if (outcome == OPTIONS_RUN)
        outcome = take_command_line(argc, argv, out, &words);
    if (outcome == OPTIONS_RUN)
        outcome = settle(out, &words);
    free(words.root);
    free(words.shm_dir);
    free(words.config);
    free(words.access);
    free(words.source);
    return outcome;
}

void options_finish(struct options *options)
{
    cshm_settings_finish(&options->settings);
    fuse_opt_free_args(&options->fuse);
    free(options->mountpoint);
    *options = (struct options){0};
}
