/* SPDX-License-Identifier: MIT */
/*
 * journal_writer ROOT SHM_DIR PROJECT SEED: changes a project at random, as fast as it can, until
 * it is killed; folds twice a second, as the daemon does. First it cleans up after the dead. Each
 * change also counts, in the attribute `count` of the array `marker`. On stdout, unbuffered:
 *
 *   have N                   what `count` was at the start
 *   try N make|say|remove PATH      before the change that makes it N
 *   try N move PATH TO
 *   done N SECONDS           after it, by CLOCK_MONOTONIC
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "store/pending.h"
#include "store/project.h"
#include "store/registry.h"
#include "store/segment.h"

enum { GROUPS = 8, FEW = 60, MANY = 200 };
#define FOLD_SECONDS 0.5

struct writer {
    struct cshm_store *store;
    const char *name;
    struct cshm_project project;
    int64_t count;
    double unfolded; /* since when; 0: nothing is */
};

static void require(bool holds, const char *what, const struct cshm_error *error)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, error ? error->text : "failed");
    exit(1);
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void say(const char *line, int length)
{
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        exit(0); /* nobody listens any more */
}

static struct cshm_node *marker_of(struct writer *writer)
{
    struct cshm_node *marker = cshm_node_child(&writer->project.tree->root, cshm_text("marker"));
    require(marker && marker->described, "no marker", NULL);
    return marker;
}

static void load(struct writer *writer)
{
    struct cshm_error error = {0};
    require(cshm_project_load(writer->store, writer->name, &writer->project, &error) == 0, "load",
            &error);
    writer->project.deferred = true;
    const struct cshm_attribute *count = marker_of(writer)->attributes;
    writer->count = count ? count->value.integer : 0;
}

/* --- Changes --------------------------------------------------------------------------------- */

struct change {
    const char *verb;
    char group[16];
    char key[32];
    char to_group[16];
    char to_key[32];
    struct cshm_text path[2];
    struct cshm_text to[2];
    struct cshm_operation operations[2];
    struct cshm_node said;
    struct cshm_attribute value;
    struct cshm_node marker;
    struct cshm_attribute count;
};

static struct cshm_node *pick(struct writer *writer, struct change *change)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        (void)snprintf(change->group, sizeof change->group, "g%ld", random() % GROUPS);
        struct cshm_node *group =
            cshm_node_child(&writer->project.tree->root, cshm_text(change->group));
        if (!group || !group->first)
            continue;
        struct cshm_node *node = group->first;
        for (long steps = random() % (long)cshm_node_child_count(group); steps > 0; steps--)
            node = node->next;
        (void)snprintf(change->key, sizeof change->key, "%s", node->key.bytes);
        return node;
    }
    require(false, "no arrays left", NULL);
    return NULL;
}

static void say_attribute(struct change *change, const struct cshm_node *node, int64_t value)
{
    change->verb = "say";
    change->said = *node;
    change->value = (struct cshm_attribute){
        .name = cshm_text("value"), .value = {.type = CSHM_VALUE_INTEGER, .integer = value}};
    change->said.attributes = &change->value;
    change->operations[0].kind = CSHM_OPERATION_PUT;
    change->operations[0].node = &change->said;
}

/* Like `node`, with a segment of its own, in the pending file until the change is done. */
static void make(struct writer *writer, struct change *change, const struct cshm_node *node,
                 struct cshm_description *described, char segment[CSHM_SEGMENT_NAME_SIZE],
                 struct cshm_pending *pending)
{
    CSHM_AUTO_FD int fd = -1;
    say_attribute(change, node, writer->count + 1);
    change->verb = "make";
    (void)snprintf(change->key, sizeof change->key, "n%ld", (long)writer->count + 1);
    *described = *node->described;
    described->segment = segment;
    change->said.described = described;
    require(cshm_segment_name_make(writer->name, segment) == 0 &&
                cshm_segment_create(writer->store, described->bytes, &fd) == 0 &&
                cshm_pending_add(writer->store, pending, &described->segment, 1) == 0 &&
                cshm_segment_link(writer->store, fd, segment) == 0,
            "segment", NULL);
}

static void move(struct writer *writer, struct change *change)
{
    change->verb = "move";
    (void)snprintf(change->to_group, sizeof change->to_group, "g%ld", random() % GROUPS);
    (void)snprintf(change->to_key, sizeof change->to_key, "n%ld", (long)writer->count + 1);
    change->to[0] = cshm_text(change->to_group);
    change->to[1] = cshm_text(change->to_key);
    change->operations[0].kind = CSHM_OPERATION_MOVE;
    change->operations[0].to = change->to;
    change->operations[0].to_depth = 2;
}

static void count_up(struct writer *writer, struct change *change)
{
    change->marker = *marker_of(writer);
    change->count = (struct cshm_attribute){
        .name = cshm_text("count"),
        .value = {.type = CSHM_VALUE_INTEGER, .integer = writer->count + 1}};
    change->marker.attributes = &change->count;
    static const struct cshm_text marker[] = {{"marker", 6}};
    change->operations[1] = (struct cshm_operation){
        .kind = CSHM_OPERATION_PUT, .path = marker, .depth = 1, .node = &change->marker};
}

static void announce(const struct writer *writer, const struct change *change)
{
    char line[256];
    bool moves = change->operations[0].kind == CSHM_OPERATION_MOVE;
    say(line, snprintf(line, sizeof line, "try %ld %s %s/%s%s%s%s%s\n", (long)writer->count + 1,
                       change->verb, change->group, change->key, moves ? " " : "", change->to_group,
                       moves ? "/" : "", change->to_key));
}

static void change_once(struct writer *writer)
{
    struct change change = {.verb = "remove"};
    struct cshm_pending pending = CSHM_PENDING_NONE;
    struct cshm_description described;
    char segment[CSHM_SEGMENT_NAME_SIZE];
    struct cshm_error error = {0};
    struct cshm_node *node = pick(writer, &change);
    size_t nodes = writer->project.tree->node_count;
    long kind = random() % 4;
    if (kind == 0 && nodes < MANY)
        make(writer, &change, node, &described, segment, &pending);
    else if (kind == 1)
        move(writer, &change);
    else if (kind == 2 || nodes < FEW)
        say_attribute(&change, node, writer->count + 1);
    change.path[0] = cshm_text(change.group);
    change.path[1] = cshm_text(change.key);
    change.operations[0].path = change.path;
    change.operations[0].depth = 2;
    count_up(writer, &change);
    announce(writer, &change);
    const struct cshm_commit commit = {.operations = change.operations, .count = 2};
    require(cshm_project_commit(writer->store, writer->name, &writer->project, &commit, &error) ==
                0,
            "change", &error);
    cshm_pending_finish(writer->store, &pending);
    writer->count++;
    char line[64];
    say(line, snprintf(line, sizeof line, "done %ld %.6f\n", (long)writer->count, now()));
}

static void fold_in_time(struct writer *writer)
{
    struct cshm_error error = {0};
    if (writer->project.journal_bytes == 0)
        writer->unfolded = 0;
    else if (writer->unfolded == 0)
        writer->unfolded = now();
    else if (now() - writer->unfolded > FOLD_SECONDS)
        require(cshm_project_fold(writer->store, writer->name, &writer->project, &error) == 0,
                "fold", &error);
}

static void clean_up_after_the_dead(struct writer *writer)
{
    CSHM_AUTO_FD int lock = -1;
    struct cshm_error error = {0};
    require(cshm_registry_lock(writer->store, &lock, &error) == 0, "lock", &error);
    require(cshm_pending_recover(writer->store) >= 0, "recover", NULL);
}

int main(int argc, char **argv)
{
    require(argc == 5, "usage: journal_writer ROOT SHM_DIR PROJECT SEED", NULL);
    struct writer writer = {.name = argv[3]};
    struct cshm_settings settings = {
        .root = argv[1], .shm_dir = argv[2], .mode = 0600, .group = (gid_t)-1};
    struct cshm_error error = {0};
    require(cshm_store_open(&settings, false, &writer.store, &error) == 0, "open", &error);
    long changes = strtol(argv[4], NULL, 10);
    srandom((unsigned)changes);
    clean_up_after_the_dead(&writer);
    load(&writer);
    char line[64];
    say(line, snprintf(line, sizeof line, "have %ld\n", (long)writer.count));
    while (changes != 0) { /* seed 0: only clean up */
        change_once(&writer);
        fold_in_time(&writer);
    }
    cshm_project_finish(&writer.project);
    cshm_store_close(writer.store);
    return 0;
}
