/* SPDX-License-Identifier: MIT */
/* Two projects and what goes on between them, seen as a line of text. */
#ifndef CSHM_TESTS_PROJECTS_H
#define CSHM_TESTS_PROJECTS_H

#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/scope.h"
#include "store/pending.h"
#include "store/registry.h"
#include "store/segment.h"

#define KEYS(...) ((struct cshm_text[]){__VA_ARGS__})

enum { ANNA = 12345, BERT = 23456, SEEN = 2048 };

static inline void load(struct place *place, const char *name, struct cshm_project *project)
{
    struct cshm_error error = {0};
    if (cshm_project_load(place->store, name, project, &error) < 0)
        fail_msg("%s", error.text);
    project->deferred = true;
}

/* Up to three keys with '/' between them; "" is the root. */
struct path {
    char text[64];
    struct cshm_text keys[3];
    size_t depth;
};

static inline struct path path_of(const char *text)
{
    struct path path = {0};
    (void)snprintf(path.text, sizeof path.text, "%s", text);
    return path;
}

static inline void cut(struct path *path)
{
    char *rest = path->text;
    for (char *key; (key = strtok_r(rest, "/", &rest));)
        path->keys[path->depth++] = cshm_text(key);
}

enum how { MOVE, EXCHANGE, LINK };

/* `rest`: what else is to be said of it. */
static inline int transfer_so(struct place *place, struct cshm_project *p, const char *from,
                              struct cshm_project *q, const char *to, enum how how,
                              const struct cshm_passage *rest)
{
    struct path here = path_of(from);
    struct path there = path_of(to);
    cut(&here);
    cut(&there);
    const struct cshm_passage passage = {.from = here.keys,
                                         .from_depth = here.depth,
                                         .to = there.keys,
                                         .to_depth = there.depth,
                                         .exchange = how == EXCHANGE,
                                         .link = how == LINK,
                                         .as = rest->as,
                                         .check = rest->check,
                                         .context = rest->context,
                                         .mover = rest->mover};
    return cshm_project_transfer(place->store, "p", p, "q", q, &passage, NULL);
}

static inline int transfer_as(struct place *place, struct cshm_project *p, const char *from,
                              struct cshm_project *q, const char *to, enum how how,
                              const struct cshm_node *as)
{
    return transfer_so(place, p, from, q, to, how, &(struct cshm_passage){.as = as});
}

static inline int transfer(struct place *place, const char *from, const char *to, enum how how)
{
    struct cshm_project p;
    struct cshm_project q;
    load(place, "p", &p);
    load(place, "q", &q);
    int result = transfer_as(place, &p, from, &q, to, how, NULL);
    if (result == 0 && cshm_project_check(place->store, "q", &q.stamp) == 0) {
        assert_int_equal(cshm_project_fold(place->store, "q", &q, NULL), 0);
        if (cshm_project_check(place->store, "p", &p.stamp) == 0)
            assert_int_equal(cshm_project_fold(place->store, "p", &p, NULL), 0);
    }
    cshm_project_finish(&p);
    cshm_project_finish(&q);
    return result;
}

static inline int take_out(struct place *place, const char *name, const char *text)
{
    struct path path = path_of(text);
    cut(&path);
    struct cshm_project project;
    load(place, name, &project);
    project.deferred = false;
    const struct cshm_operation one = {
        .kind = CSHM_OPERATION_REMOVE, .path = path.keys, .depth = path.depth};
    const struct cshm_commit commit = {.operations = &one, .count = 1};
    int result = cshm_project_commit(place->store, name, &project, &commit, NULL);
    cshm_project_finish(&project);
    return result;
}

/* Somebody else does, and leaves it in the journal. */
static inline int add_group(struct place *place, const char *name, const char *key)
{
    struct cshm_project project;
    load(place, name, &project);
    const struct cshm_node group = {.type = CSHM_NODE_GROUP};
    const struct cshm_operation put = {CSHM_OPERATION_PUT, .path = KEYS(cshm_text(key)), .depth = 1,
                                       .node = &group};
    const struct cshm_commit commit = {.operations = &put, .count = 1};
    int result = cshm_project_commit(place->store, name, &project, &commit, NULL);
    cshm_project_finish(&project);
    return result;
}

static inline int rename_it(struct place *place, const char *from, const char *to,
                            enum cshm_rename how)
{
    return cshm_project_rename(place->store, &(struct cshm_named){from, NULL},
                               &(struct cshm_named){to, NULL}, how, NULL);
}

static inline int give(struct place *place, const char *name, const struct cshm_gift *gift)
{
    struct cshm_project project;
    load(place, name, &project);
    int result = cshm_project_give(place->store, name, &project, gift, NULL);
    if (result == 0)
        assert_int_equal(cshm_project_check(place->store, name, &project.stamp), 0);
    cshm_project_finish(&project);
    return result;
}

static inline int give_to(struct place *place, const char *name, uid_t uid)
{
    return give(place, name, &(struct cshm_gift){.uid = uid, .gid = (gid_t)-1});
}

static inline void add_text(char seen[SEEN], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void add_text(char seen[SEEN], const char *format, ...)
{
    size_t length = strlen(seen);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(seen + length, SEEN - length, format, arguments);
    va_end(arguments);
}

/* "=content", with its owner where that is not this process; "!" when it cannot be used. */
static inline void see_array(struct place *place, const struct cshm_project *project,
                             const struct cshm_node *node, char seen[SEEN])
{
    CSHM_AUTO_FD int fd = -1;
    struct stat st;
    char content[64] = "";
    if (cshm_project_inspect(place->store, project, node, &st, NULL) != CSHM_ARRAY_FINE ||
        cshm_segment_open(place->store, node->described->segment, project->uid, O_RDONLY, 0, &fd) <
            0) {
        add_text(seen, "!");
        return;
    }
    assert_true(read(fd, content, (size_t)node->described->bytes) >= 0);
    add_text(seen, "=%s", content);
    if (st.st_uid != geteuid())
        add_text(seen, "@%u", st.st_uid);
}

static inline void see_project(struct place *place, const char *name, char seen[SEEN])
{
    struct cshm_project project;
    load(place, name, &project);
    add_text(seen, "%s", name);
    if (project.uid != geteuid())
        add_text(seen, "@%u", project.uid);
    add_text(seen, ": ");
    const struct cshm_node *root = &project.tree->root;
    for (const struct cshm_node *n = cshm_node_walk(root, root); n; n = cshm_node_walk(n, root)) {
        char path[128];
        add_text(seen, "%s", cshm_node_path(n, path, sizeof path) + 1);
        if (n->type == CSHM_NODE_ARRAY)
            see_array(place, &project, n, seen);
        add_text(seen, " ");
    }
    cshm_project_finish(&project);
}

/* All projects, in order. */
static inline void see(struct place *place, char seen[SEEN])
{
    struct cshm_names names;
    seen[0] = '\0';
    assert_int_equal(cshm_registry_list(place->store, &names), 0);
    for (size_t i = 0; i < names.count; i++)
        see_project(place, names.names[i], seen);
    cshm_names_finish(&names);
}

static inline void assert_seen(struct place *place, const char *expected)
{
    char seen[SEEN];
    see(place, seen);
    assert_string_equal(seen, expected);
}

static inline void lock_and_recover(struct place *place)
{
    int lock;
    assert_int_equal(cshm_registry_lock(place->store, &lock, NULL), 0);
    assert_true(cshm_pending_recover(place->store) >= 0);
    close(lock);
}

static inline int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every segment is named by a manifest, every file of the registry is one. */
static inline void assert_nothing_left_over(struct place *place)
{
    struct cshm_names names;
    struct cshm_names segments = {0};
    assert_int_equal(cshm_registry_list(place->store, &names), 0);
    for (size_t i = 0; i < names.count; i++) {
        struct cshm_project project;
        load(place, names.names[i], &project);
        const struct cshm_node *root = &project.tree->root;
        for (const struct cshm_node *n = root; n; n = cshm_node_walk(n, root))
            if (cshm_node_segment(n))
                assert_int_equal(cshm_names_add(&segments, cshm_node_segment(n)), 0);
        cshm_project_finish(&project);
    }
    int different = 0;
    if (segments.count > 0)
        qsort(segments.names, segments.count, sizeof *segments.names, compare_strings);
    for (size_t i = 0; i < segments.count; i++)
        different += i == 0 || strcmp(segments.names[i], segments.names[i - 1]) != 0;
    assert_int_equal(count_entries(place->shm), different);
    assert_int_equal(count_entries(place->root), names.count);
    cshm_names_finish(&names);
    cshm_names_finish(&segments);
}

/* "a", and in "g" an empty array and a second name of "a". */
static inline void publish_two(struct place *place)
{
    publish(place, "p", true, "one");
    publish(place, "q", true, "two");
}

static inline void in_public(struct place *place)
{
    if (geteuid() != 0)
        skip(); /* only root can be several users */
    assert_int_equal(chmod(place->root, 01777), 0);
    assert_int_equal(chmod(place->shm, 01777), 0);
}

/* What it exits with. */
static inline int as_user(uid_t uid, struct place *place, int (*function)(struct place *place))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(99);
        _exit(-function(place));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

#endif
