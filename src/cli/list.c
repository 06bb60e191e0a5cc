/* SPDX-License-Identifier: MIT */
/* cute-shm-list: what is in shared memory. */
#include "cli/list.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "store/registry.h"

static const char help[] =
    "usage: cute-shm-list [options] [PROJECT…]\n"
    "List what is in shared memory: all projects, or those named.\n"
    "Key paths are those below the project's directory on the mount.\n\n"
    "  -s, --short         one line per project\n"
    "      --tree          groups and arrays as a tree\n"
    "      --json          for programs; with --short without arrays and groups\n" CLI_HELP_OPTIONS;

enum {
    OPTION_TREE = CLI_OPTION_OWN,
    OPTION_JSON,
};

static const struct option long_options[] = {
    {"short", no_argument, NULL, 's'},
    {"tree", no_argument, NULL, OPTION_TREE},
    {"json", no_argument, NULL, OPTION_JSON},
    CLI_LONG_OPTIONS,
};

struct list {
    struct cli cli;
    struct cshm_store *store; /* NULL: there is no registry */
    struct list_projects found;
    int status;
    bool summary;
    bool tree;
    bool json;
};

static void parse(struct list *list, int argc, char **argv)
{
    int option;
    while ((option = cli_next_option(&list->cli, argc, argv, CLI_SHORT_OPTIONS "s",
                                     long_options)) != -1) {
        list->summary |= option == 's';
        list->tree |= option == OPTION_TREE;
        list->json |= option == OPTION_JSON;
    }
    if (list->tree && (list->json || list->summary))
        cli_usage_error(&list->cli, "--tree is a form of its own");
}

/* --- Finding ---------------------------------------------------------------------------------- */

static void fail(struct list *list, int status)
{
    list->status = status > list->status ? status : list->status;
}

static int append(struct list *list, const struct list_project *project)
{
    struct list_projects *found = &list->found;
    size_t size = (found->count + 1) * sizeof *found->projects;
    struct list_project *grown = realloc(found->projects, size);
    if (!grown)
        return -ENOMEM;
    found->projects = grown;
    found->projects[found->count++] = *project;
    return 0;
}

static void say_not_loaded(struct list *list, const char *name, int result,
                           const struct cshm_error *error)
{
    if (error->text[0] != '\0')
        cli_error(&list->cli, "%s", error->text);
    else
        cli_error(&list->cli, "%s: %s", name,
                  result == -ENOENT ? "no such project" : strerror(-result));
    fail(list, CLI_FAILED);
}

/* Of projects nobody named, one that went or is not complete yet is simply not there. */
static void load(struct list *list, const char *name, bool named)
{
    struct cshm_error error = {0};
    struct list_project project;
    int result = list->store ? list_project_load(list->store, name, &project, &error) : -ENOENT;
    if (result == 0 && append(list, &project) < 0) {
        list_project_finish(&project);
        result = -ENOMEM;
    }
    if (result == 0 || (!named && (result == -ENOENT || result == -EAGAIN)))
        return;
    say_not_loaded(list, name, result, &error);
}

static void load_all(struct list *list)
{
    struct cshm_names names = {0};
    int result = list->store ? cshm_registry_list(list->store, &names) : 0;
    if (result < 0) {
        cli_error(&list->cli, "cannot read %s: %s", list->store->root, strerror(-result));
        fail(list, CLI_FAILED);
    }
    for (size_t i = 0; i < names.count; i++)
        load(list, names.names[i], false);
    cshm_names_finish(&names);
}

static void load_named(struct list *list, char **names)
{
    for (; *names; names++) {
        int status = cli_check_project_name(&list->cli, *names);
        if (status == CLI_DONE)
            load(list, *names, true);
        else
            fail(list, status);
    }
}

/* --- Printing --------------------------------------------------------------------------------- */

static int print_found(const struct list *list)
{
    if (list->json)
        return list_print_json(list->store, &list->found, list->summary);
    if (list->found.count == 0)
        return 0;
    if (list->summary)
        return list_print_short(&list->found);
    return list->tree ? list_print_tree(&list->found) : list_print_full(&list->found);
}

static void print(struct list *list)
{
    if (list->found.count == 0 && !list->json && list->status == CLI_DONE)
        puts("No cute-shm project found.");
    int result = print_found(list);
    if (result < 0) {
        cli_error(&list->cli, "%s", strerror(-result));
        fail(list, CLI_FAILED);
    }
    fail(list, cli_flush_output(&list->cli, CLI_DONE));
}

static void finish(struct list *list)
{
    for (size_t i = 0; i < list->found.count; i++)
        list_project_finish(&list->found.projects[i]);
    free(list->found.projects);
    cli_close_store(&list->store);
}

int main(int argc, char **argv)
{
    struct list list = {.cli = {.program = "cute-shm-list", .help = help}};
    setlocale(LC_CTYPE, "");
    parse(&list, argc, argv);
    if (cli_open_store(&list.cli, (mode_t)-1, false, &list.store) < 0)
        return CLI_FAILED;
    if (argv[optind])
        load_named(&list, argv + optind);
    else
        load_all(&list);
    print(&list);
    int status = list.status;
    finish(&list);
    return status;
}
