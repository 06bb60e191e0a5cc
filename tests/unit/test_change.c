/* SPDX-License-Identifier: MIT */
/* Changes of published projects: the journal as a file, who follows it, who folds it, who dies. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/scope.h"
#include "format/journal.h"
#include "store/pending.h"
#include "store/registry.h"

#define KEYS(...) ((struct cshm_text[]){__VA_ARGS__})

static void load(struct place *place, struct cshm_project *project)
{
    struct cshm_error error;
    assert_int_equal(cshm_project_load(place->store, "p", project, &error), 0);
    project->deferred = true; /* as the daemon does, and as of a large manifest */
}

static int commit(struct place *place, struct cshm_project *project,
                  const struct cshm_operation *operation)
{
    const struct cshm_commit one = {.operations = operation, .count = 1};
    return cshm_project_commit(place->store, "p", project, &one, NULL);
}

static int take_out(struct place *place, struct cshm_project *project, const char *first,
                    const char *second)
{
    const struct cshm_operation one = {
        .kind = CSHM_OPERATION_REMOVE,
        .path = KEYS(cshm_text(first), cshm_text(second ? second : "")),
        .depth = second ? 2 : 1,
    };
    return commit(place, project, &one);
}

static struct stat look(const char *directory, const char *name)
{
    char path[256];
    struct stat st = {0};
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    (void)lstat(path, &st);
    return st;
}

/* "a g g/empty " */
static void describe(const struct cshm_tree *tree, char out[512])
{
    out[0] = '\0';
    const struct cshm_node *root = &tree->root;
    for (const struct cshm_node *n = cshm_node_walk(root, root); n; n = cshm_node_walk(n, root)) {
        char path[128];
        strcat(out, cshm_node_path(n, path, sizeof path) + 1);
        strcat(out, n->attributes ? "+ " : " ");
    }
}

static void assert_tree(const struct cshm_tree *tree, const char *expected)
{
    char seen[512];
    describe(tree, seen);
    assert_string_equal(seen, expected);
}

static void assert_loads(struct place *place, const char *expected)
{
    struct cshm_project project;
    load(place, &project);
    assert_tree(project.tree, expected);
    cshm_project_finish(&project);
}

static void a_change_is_a_line_beside_the_manifest(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    load(place, &project);
    struct stat before = look(place->root, "cute-shm.p.toml");
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    assert_int_equal(take_out(place, &project, "g", "empty"), 0);
    assert_int_equal(look(place->root, "cute-shm.p.toml").st_ino, before.st_ino);
    struct stat journal = look(place->root, ".journal.p");
    assert_int_equal(journal.st_mode, S_IFREG | 0640);
    assert_int_equal(journal.st_size, project.journal_bytes);
    assert_int_equal(count_entries(place->shm), 1); /* "same" has the one of "a" */
    assert_loads(place, "g g/same ");
    assert_int_equal(cshm_project_check(place->store, "p", &project.stamp), 0);
    cshm_project_finish(&project);
}

static void folding_puts_it_into_the_manifest(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    load(place, &project);
    uint64_t generation = project.tree->facts.generation;
    assert_int_equal(cshm_project_fold(place->store, "p", &project, NULL), 0); /* nothing to do */
    assert_int_equal(project.tree->facts.generation, generation);
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    assert_int_equal(cshm_project_fold(place->store, "p", &project, NULL), 0);
    assert_int_equal(project.journal_bytes, 0);
    assert_int_not_equal(project.tree->facts.generation, generation);
    assert_int_equal(cshm_project_check(place->store, "p", &project.stamp), 0);
    assert_int_equal(count_entries(place->root), 1);
    assert_loads(place, "g g/empty g/same ");
    assert_int_equal(take_out(place, &project, "g", NULL), 0);
    assert_loads(place, "");
    assert_int_equal(count_entries(place->shm), 0);
    cshm_project_finish(&project);
}

static void a_small_manifest_is_rewritten_at_once(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    struct cshm_project reader;
    load(place, &project);
    load(place, &reader);
    project.deferred = false;
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    assert_int_equal(count_entries(place->root), 1);
    assert_int_equal(project.journal_bytes, 0);
    assert_loads(place, "g g/empty g/same ");
    assert_int_equal(cshm_project_follow(place->store, "p", &reader, NULL), -ESTALE);
    cshm_project_finish(&project);
    cshm_project_finish(&reader);
}

/* Also where somebody's journal is there already. */
static void a_line_too_long_is_written_with_the_manifest(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    load(place, &project);
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    char *text = malloc(CSHM_JOURNAL_LINE_MAX);
    assert_non_null(text);
    memset(text, 'x', CSHM_JOURNAL_LINE_MAX);
    struct cshm_attribute long_one = {.name = cshm_text("long"),
                                      .value.string = {text, CSHM_JOURNAL_LINE_MAX}};
    const struct cshm_node root = {.type = CSHM_NODE_GROUP, .attributes = &long_one};
    const struct cshm_operation put = {.kind = CSHM_OPERATION_PUT, .node = &root};
    assert_int_equal(commit(place, &project, &put), 0);
    free(text);
    assert_int_equal(count_entries(place->root), 1);
    cshm_project_finish(&project);
    load(place, &project);
    assert_tree(project.tree, "g g/empty g/same ");
    assert_int_equal(project.tree->root.attributes->value.string.length, CSHM_JOURNAL_LINE_MAX);
    cshm_project_finish(&project);
}

static void a_journal_does_not_grow_without_end(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    load(place, &project);
    uint64_t generation = project.tree->facts.generation;
    char text[64 << 10];
    memset(text, 'x', sizeof text);
    struct cshm_attribute long_one = {.name = cshm_text("long"),
                                      .value.string = {text, sizeof text}};
    const struct cshm_node root = {.type = CSHM_NODE_GROUP, .attributes = &long_one};
    const struct cshm_operation put = {.kind = CSHM_OPERATION_PUT, .node = &root};
    off_t most = 0;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(commit(place, &project, &put), 0);
        most = project.journal_bytes > most ? project.journal_bytes : most;
    }
    assert_int_not_equal(project.tree->facts.generation, generation);
    assert_in_range(most, 512 << 10, 1 << 20);
    assert_int_equal(cshm_project_check(place->store, "p", &project.stamp), 0);
    cshm_project_finish(&project);
}

static void a_manifest_without_generation_gets_one(void **state)
{
    struct place *place = *state;
    write_file(place->root, "cute-shm.p.toml", "[a]\n[b]\n[c]\n"); /* the peer's */
    struct cshm_project project;
    load(place, &project);
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    assert_int_equal(count_entries(place->root), 1);
    assert_false(project.tree->facts.present); /* and says nothing more than before */
    assert_int_equal(take_out(place, &project, "b", NULL), 0);
    assert_int_equal(count_entries(place->root), 2);
    assert_loads(place, "c ");
    cshm_project_finish(&project);
}

/* --- Following ------------------------------------------------------------------------------- */

struct told {
    char text[256];
};

static void tell_before(void *context, const struct cshm_operation *operation,
                        const struct cshm_operation_place *place)
{
    struct told *told = context;
    strcat(told->text, operation->kind == CSHM_OPERATION_REMOVE ? "remove " : "put ");
    strcat(told->text, place->node ? place->node->key.bytes : "nothing");
}

static void tell_after(void *context, const struct cshm_operation *operation,
                       const struct cshm_operation_place *place)
{
    struct told *told = context;
    (void)operation;
    strcat(told->text, " ");
    strcat(told->text, place->node->key.bytes);
    strcat(told->text, "; ");
}

static int put_group(struct place *place, struct cshm_project *project, const char *key)
{
    const struct cshm_node group = {.type = CSHM_NODE_GROUP};
    const struct cshm_operation one = {
        .kind = CSHM_OPERATION_PUT, .path = KEYS(cshm_text(key)), .depth = 1, .node = &group};
    return commit(place, project, &one);
}

static void who_follows_applies_what_is_new_and_is_told(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project writer;
    struct cshm_project reader;
    struct told told = {""};
    load(place, &writer);
    load(place, &reader);
    reader.observer = (struct cshm_observer){tell_before, tell_after, &told};
    const struct cshm_node *g = cshm_node_child(&reader.tree->root, cshm_text("g"));
    assert_int_equal(take_out(place, &writer, "g", "empty"), 0);
    assert_int_equal(cshm_project_check(place->store, "p", &reader.stamp), -ESTALE);
    assert_int_equal(cshm_project_follow(place->store, "p", &reader, NULL), 0);
    assert_int_equal(put_group(place, &writer, "new"), 0);
    assert_int_equal(put_group(place, &reader, "mine"), -ESTALE); /* follows first */
    assert_int_equal(put_group(place, &reader, "mine"), 0);
    assert_string_equal(told.text, "remove empty empty; put nothing new; put nothing mine; ");
    assert_tree(reader.tree, "a g g/same new mine ");
    assert_ptr_equal(cshm_node_child(&reader.tree->root, cshm_text("g")), g);
    assert_int_equal(take_out(place, &writer, "mine", NULL), -ESTALE);
    assert_int_equal(take_out(place, &writer, "mine", NULL), 0);
    assert_tree(writer.tree, "a g g/same new ");
    cshm_project_finish(&writer);
    cshm_project_finish(&reader);
}

static void a_fold_by_somebody_else_is_followed_without_loading(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project writer;
    struct cshm_project reader;
    load(place, &writer);
    load(place, &reader);
    const struct cshm_tree *tree = reader.tree;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(put_group(place, &writer, i == 0 ? "x" : i == 1 ? "y" : "z"), 0);
        assert_int_equal(cshm_project_follow(place->store, "p", &reader, NULL), 0);
        assert_int_equal(put_group(place, &writer, i == 0 ? "u" : i == 1 ? "v" : "w"), 0);
        assert_int_equal(cshm_project_fold(place->store, "p", &writer, NULL), 0);
        assert_int_equal(cshm_project_follow(place->store, "p", &reader, NULL), 0);
        assert_int_equal(cshm_project_check(place->store, "p", &reader.stamp), 0);
    }
    assert_ptr_equal(reader.tree, tree);
    assert_tree(reader.tree, "a g g/empty g/same x u y v z w ");
    assert_int_equal(take_out(place, &reader, "a", NULL), 0);
    assert_int_equal(put_group(place, &writer, "end"), -ESTALE);
    assert_int_equal(put_group(place, &writer, "end"), 0);
    assert_tree(writer.tree, "g g/empty g/same x u y v z w end ");
    cshm_project_finish(&writer);
    cshm_project_finish(&reader);
}

static void another_manifest_has_to_be_loaded(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "old");
    struct cshm_project project;
    load(place, &project);
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    publish(place, "p", true, "new");
    assert_int_equal(count_entries(place->root), 1); /* the old one's journal is gone */
    assert_int_equal(take_out(place, &project, "g", NULL), -ESTALE);
    assert_loads(place, "a g g/empty g/same ");
    assert_int_equal(count_entries(place->shm), 2);
    cshm_project_finish(&project);
    assert_int_equal(cshm_project_remove(place->store, "p", NULL), 0);
    assert_int_equal(cshm_project_follow(place->store, "p", &project, NULL), -ENOENT);
}

static void a_project_is_removed_with_its_journal(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    load(place, &project);
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    assert_int_equal(cshm_project_remove(place->store, "p", NULL), 0);
    assert_int_equal(count_entries(place->root), 0);
    assert_int_equal(count_entries(place->shm), 0);
    cshm_project_finish(&project);
}

/* Says a number at the root. */
static int put_count(struct place *place, struct cshm_project *project, int64_t count)
{
    struct cshm_attribute one = {.name = cshm_text("count"),
                                 .value = {.type = CSHM_VALUE_INTEGER, .integer = count}};
    const struct cshm_node root = {.type = CSHM_NODE_GROUP, .attributes = &one};
    const struct cshm_operation put = {.kind = CSHM_OPERATION_PUT, .node = &root};
    return commit(place, project, &put);
}

static int64_t count_in(const struct cshm_project *project)
{
    const struct cshm_attribute *count = project->tree->root.attributes;
    return count ? count->value.integer : 0;
}

enum { COUNTED = 3000 };

static void count_and_fold(struct place *place, volatile int *done)
{
    struct cshm_project project;
    load(place, &project);
    for (int i = 1; i <= COUNTED; i++) {
        if (put_count(place, &project, i) < 0 ||
            (i % 3 == 0 && cshm_project_fold(place->store, "p", &project, NULL) < 0))
            _exit(1);
        *done = i;
    }
    _exit(0);
}

static volatile int *make_shared(void)
{
    volatile int *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    *shared = 0;
    return shared;
}

/* A fold between reading the manifest and reading the journal must not be missed. */
static void nobody_sees_the_past_while_others_fold(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    volatile int *done = make_shared();
    struct cshm_project follower;
    load(place, &follower);
    pid_t child = fork();
    if (child == 0)
        count_and_fold(place, done);
    for (int before = 0; before < COUNTED;) {
        struct cshm_project fresh;
        before = *done;
        load(place, &fresh);
        assert_true(count_in(&fresh) >= before);
        cshm_project_finish(&fresh);
        before = *done;
        int result = cshm_project_follow(place->store, "p", &follower, NULL);
        if (result == -ESTALE) {
            cshm_project_finish(&follower);
            load(place, &follower);
        } else {
            assert_int_equal(result, 0);
        }
        assert_true(count_in(&follower) >= before);
        if (waitpid(child, NULL, WNOHANG) == child)
            assert_int_equal(*done, COUNTED);
    }
    cshm_project_finish(&follower);
    (void)waitpid(child, NULL, 0);
    munmap((void *)(uintptr_t)done, sizeof *done);
}

/* --- What does not count ------------------------------------------------------------------- */

static void append_text(struct place *place, const char *text, size_t length)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/.journal.p", place->root);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0640);
    assert_true(fd >= 0 && write(fd, text, length) == (ssize_t)length);
    close(fd);
}

static void a_torn_line_is_folded_away_by_the_next_change(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    load(place, &project);
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    append_text(place, "0123456789abcdef 47", 19);
    assert_loads(place, "g g/empty g/same ");
    assert_int_equal(take_out(place, &project, "g", "empty"), 0);
    assert_int_equal(count_entries(place->root), 1);
    assert_loads(place, "g g/same ");
    assert_int_equal(count_entries(place->shm), 1);
    cshm_project_finish(&project);
}

static void lock_and_recover(struct place *place)
{
    int lock;
    assert_int_equal(cshm_registry_lock(place->store, &lock, NULL), 0);
    assert_true(cshm_pending_recover(place->store) >= 0);
    close(lock);
}

/* A line of the present generation, as of a writer who died before he unlinked what it frees. */
static void append_line(struct place *place, const struct cshm_operation *operation,
                        const char *free)
{
    struct cshm_project project;
    load(place, &project);
    CSHM_AUTO_BUFFER struct cshm_buffer line = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_journal_render(project.tree->facts.generation, operation, 1, &free,
                                         free != NULL, &line),
                     0);
    append_text(place, line.bytes, line.length);
    cshm_project_finish(&project);
}

static void what_a_dead_writer_freed_is_unlinked(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    load(place, &project);
    const struct cshm_node *g = cshm_node_child(&project.tree->root, cshm_text("g"));
    const char *segment = cshm_node_child(g, cshm_text("empty"))->described->segment;
    const struct cshm_operation gone = {
        CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("g"), cshm_text("empty")), .depth = 2};
    append_line(place, &gone, segment);
    const struct cshm_operation rest = {CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("a")),
                                        .depth = 1};
    append_line(place, &rest, cshm_node_child(g, cshm_text("same"))->described->segment);
    assert_int_equal(count_entries(place->shm), 2);
    lock_and_recover(place);
    assert_loads(place, "g g/same ");
    assert_int_equal(count_entries(place->shm), 1); /* "same" is named, whatever the line says */
    assert_int_equal(count_entries(place->root), 1);
    cshm_project_finish(&project);
}

static void what_another_projects_journal_names_is_not_unlinked(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    publish(place, "q", false, "content");
    struct cshm_project p;
    struct cshm_project q;
    load(place, &p);
    assert_int_equal(cshm_project_load(place->store, "q", &q, NULL), 0);
    q.deferred = true;
    const struct cshm_node *g = cshm_node_child(&p.tree->root, cshm_text("g"));
    const struct cshm_node *empty = cshm_node_child(g, cshm_text("empty"));
    const struct cshm_operation put = {CSHM_OPERATION_PUT, .path = KEYS(cshm_text("moved")),
                                       .depth = 1, .node = empty};
    const struct cshm_commit one = {.operations = &put, .count = 1};
    assert_int_equal(cshm_project_commit(place->store, "q", &q, &one, NULL), 0);
    const struct cshm_operation gone = {
        CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("g"), cshm_text("empty")), .depth = 2};
    append_line(place, &gone, empty->described->segment);
    lock_and_recover(place); /* p's is folded, q's writer lives */
    assert_int_equal(count_entries(place->root), 3);
    assert_int_equal(count_entries(place->shm), 4);
    cshm_project_finish(&p);
    cshm_project_finish(&q);
    lock_and_recover(place);
    assert_int_equal(count_entries(place->root), 2);
    assert_int_equal(count_entries(place->shm), 4);
}

/* A kill between the new manifest and the old journal's end. */
static void a_journal_of_another_generation_is_void(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    const struct cshm_operation gone = {CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("a")),
                                        .depth = 1};
    append_line(place, &gone, NULL);
    char from[256];
    char to[256];
    (void)snprintf(from, sizeof from, "%s/.journal.p", place->root);
    (void)snprintf(to, sizeof to, "%s/kept", place->root);
    assert_int_equal(link(from, to), 0);
    assert_loads(place, "a g g/empty g/same "); /* with two names it is nobody's */
    assert_int_equal(unlink(from), 0);
    publish(place, "p", true, "content");
    assert_int_equal(rename(to, from), 0);
    struct cshm_project project;
    load(place, &project);
    assert_tree(project.tree, "a g g/empty g/same ");
    assert_int_equal(take_out(place, &project, "g", "empty"), 0);
    assert_loads(place, "a g g/same ");
    cshm_project_finish(&project);
    lock_and_recover(place);
    assert_int_equal(count_entries(place->root), 1);
    assert_loads(place, "a g g/same ");
}

static void a_journal_beside_a_manifest_of_the_peer_is_void(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    const struct cshm_operation gone = {CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("a")),
                                        .depth = 1};
    append_line(place, &gone, NULL);
    write_file(place->root, "cute-shm.p.toml", "[a]\n[b]\n");
    struct cshm_project project;
    load(place, &project);
    assert_tree(project.tree, "a b ");
    assert_int_equal(take_out(place, &project, "b", NULL), 0);
    assert_int_equal(count_entries(place->root), 1);
    assert_loads(place, "a ");
    cshm_project_finish(&project);
}

static void a_journal_without_manifest_is_cleaned_up_after(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    load(place, &project);
    const struct cshm_operation gone = {CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("a")),
                                        .depth = 1};
    append_line(place, &gone,
                cshm_node_child(&project.tree->root, cshm_text("a"))->described->segment);
    cshm_project_finish(&project);
    assert_int_equal(unlinkat(place->store->root_fd, "cute-shm.p.toml", 0), 0);
    lock_and_recover(place);
    assert_int_equal(count_entries(place->root), 0);
    assert_int_equal(count_entries(place->shm), 1); /* nobody wrote down the other one */
}

static void a_journal_that_is_no_file_is_void(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    write_file(place->root, "victim", "");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/.journal.p", place->root);
    assert_int_equal(symlink("victim", path), 0);
    struct cshm_project project;
    load(place, &project);
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    assert_int_equal(look(place->root, "victim").st_size, 0);
    assert_loads(place, "g g/empty g/same ");
    cshm_project_finish(&project);
}

static void a_strangers_journal_neither_counts_nor_hinders(void **state)
{
    struct place *place = *state;
    if (geteuid() != 0)
        skip(); /* only root can be two users */
    assert_int_equal(chmod(place->root, 01777), 0);
    assert_int_equal(chmod(place->shm, 01777), 0);
    pid_t child = fork();
    if (child == 0) {
        if (setresuid(12345, 12345, 12345) < 0)
            _exit(2);
        publish(place, "p", false, "content");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    const struct cshm_operation gone = {CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("a")),
                                        .depth = 1};
    append_line(place, &gone, NULL); /* root's, not the owner's */
    assert_loads(place, "a g g/empty g/same ");
    child = fork();
    if (child == 0) {
        struct cshm_project project;
        if (setresuid(12345, 12345, 12345) < 0)
            _exit(2);
        load(place, &project);
        _exit(take_out(place, &project, "g", "empty") == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(count_entries(place->root), 2); /* he cannot remove it */
    assert_loads(place, "a g g/same ");
    lock_and_recover(place); /* root can */
    assert_int_equal(count_entries(place->root), 1);
    struct cshm_project project;
    load(place, &project);
    assert_int_equal(take_out(place, &project, "a", NULL), 0);
    assert_int_equal(look(place->root, ".journal.p").st_uid, 12345);
    cshm_project_finish(&project);
}

/* --- Killed ---------------------------------------------------------------------------------- */

/* The project after so many of the steps below. */
static const char *const states[] = {
    "a g g/empty g/same ",
    "a g g/empty g/same x ",
    "a g g/same x ",
    "g g/same x ",
    "g g/same x ",
    "x ",
    "x y ",
    "x y ",
};
enum { STEPS = sizeof states / sizeof states[0] - 1 };

static int do_step(struct place *place, struct cshm_project *project, int step)
{
    switch (step) {
    case 0:
        return put_group(place, project, "x");
    case 1:
        return take_out(place, project, "g", "empty");
    case 2:
        return take_out(place, project, "a", NULL);
    case 3:
        return cshm_project_fold(place->store, "p", project, NULL);
    case 4:
        return take_out(place, project, "g", NULL);
    case 5:
        return put_group(place, project, "y");
    default:
        return cshm_project_fold(place->store, "p", project, NULL);
    }
}

static void do_steps(struct place *place, bool deferred, volatile int *done)
{
    struct cshm_project project;
    if (cshm_project_load(place->store, "p", &project, NULL) < 0)
        _exit(2);
    project.deferred = deferred;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
        _exit(3);
    for (int step = 0; step < STEPS; step++) {
        if (do_step(place, &project, step) < 0)
            _exit(4);
        *done = step + 1;
    }
    _exit(0);
}

/* Kills the child as it enters or leaves its system call number `stops`. Whether it came that far.
 */
static bool kill_at(pid_t child, int stops)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    for (int i = 0; i < stops && WIFSTOPPED(status); i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    if (!WIFSTOPPED(status)) {
        assert_int_equal(status, 0);
        return false;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return true;
}

static size_t count_segments(struct place *place)
{
    struct cshm_project project;
    load(place, &project);
    struct cshm_names names = {0};
    const struct cshm_node *root = &project.tree->root;
    for (const struct cshm_node *n = root; n; n = cshm_node_walk(n, root))
        if (cshm_node_segment(n) && cshm_tree_find_segment(project.tree, cshm_node_segment(n)) == n)
            assert_int_equal(cshm_names_add(&names, cshm_node_segment(n)), 0);
    size_t count = names.count;
    for (size_t i = 0; i < count; i++)
        assert_int_not_equal(look(place->shm, names.names[i]).st_ino, 0);
    cshm_names_finish(&names);
    cshm_project_finish(&project);
    return count;
}

static bool kill_once(struct place *place, bool deferred, int stops)
{
    publish(place, "p", true, "content");
    volatile int *done = make_shared();
    pid_t child = fork();
    if (child == 0)
        do_steps(place, deferred, done);
    bool killed = kill_at(child, stops);
    struct cshm_project project;
    char before[512];
    char after[512];
    load(place, &project); /* as whoever looks now */
    describe(project.tree, before);
    cshm_project_finish(&project);
    lock_and_recover(place);
    load(place, &project);
    describe(project.tree, after);
    cshm_project_finish(&project);
    assert_string_equal(before, after);
    if (strcmp(after, states[*done]) != 0)
        assert_string_equal(after, states[*done < STEPS ? *done + 1 : *done]);
    assert_int_equal(count_entries(place->shm), count_segments(place));
    assert_int_equal(count_entries(place->root), 1);
    munmap((void *)(uintptr_t)done, sizeof *done);
    return killed;
}

static void kill_everywhere(struct place *place, bool deferred)
{
    int stops = 1;
    while (kill_once(place, deferred, stops))
        stops++;
    assert_true(stops > 2 * 10 * STEPS / 2); /* it was traced indeed */
}

static void a_kill_at_any_system_call_leaves_the_old_state_or_the_new(void **state)
{
    kill_everywhere(*state, true);
}

static void also_where_manifests_are_rewritten(void **state)
{
    kill_everywhere(*state, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_change_is_a_line_beside_the_manifest),
        TEST(folding_puts_it_into_the_manifest),
        TEST(a_small_manifest_is_rewritten_at_once),
        TEST(a_line_too_long_is_written_with_the_manifest),
        TEST(a_journal_does_not_grow_without_end),
        TEST(a_manifest_without_generation_gets_one),
        TEST(who_follows_applies_what_is_new_and_is_told),
        TEST(a_fold_by_somebody_else_is_followed_without_loading),
        TEST(another_manifest_has_to_be_loaded),
        TEST(nobody_sees_the_past_while_others_fold),
        TEST(a_project_is_removed_with_its_journal),
        TEST(a_torn_line_is_folded_away_by_the_next_change),
        TEST(what_a_dead_writer_freed_is_unlinked),
        TEST(what_another_projects_journal_names_is_not_unlinked),
        TEST(a_journal_of_another_generation_is_void),
        TEST(a_journal_beside_a_manifest_of_the_peer_is_void),
        TEST(a_journal_without_manifest_is_cleaned_up_after),
        TEST(a_journal_that_is_no_file_is_void),
        TEST(a_strangers_journal_neither_counts_nor_hinders),
        TEST(a_kill_at_any_system_call_leaves_the_old_state_or_the_new),
        TEST(also_where_manifests_are_rewritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
